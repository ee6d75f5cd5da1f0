// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/architectures.h"
#include "models/cross_modal.h"

#include <array>

namespace engine {
namespace {

// Every architecture Diptych runs, by the id that files/ gives it (model_type in most checkpoints).
constexpr std::array<Architecture, 8> kArchitectures{{
    {"llama", loadLlama},
    {"qwen2", loadQwen2},
    {"qwen3", loadQwen2},
    {"deepseek", loadDeepSeek},
    {"deepseek_v2", loadDeepSeek},
    {"deepseek_v3", loadDeepSeek},
    {"deepseek_v32", loadDeepSeek},
    {"deepseek_vl_v2", loadDeepSeekVl2},
}};

} // namespace

const Architecture *findArchitecture(std::string_view id)
{
    for (const Architecture &architecture : kArchitectures)
        if (architecture.id == id)
            return &architecture;
    return nullptr;
}

Result<ModelBundle> loadModel(const LoadContext &context)
{
    const ModelConfig &config = context.files->config();
    const Architecture *architecture = findArchitecture(config.text.architecture);
    if (!architecture) {
        std::string known;
        for (const Architecture &entry : kArchitectures)
            known += (known.empty() ? "" : ", ") + std::string(entry.id);
        return Error{ErrorCode::Unsupported, "Diptych cannot run the architecture \"" + config.text.architecture +
                "\" of " + context.files->path().string() + "; it runs " + known + "."};
    }
    if (config.text.indexer.heads > 0 && !context.backend->hasTokenSelection())
        return Error{ErrorCode::Unsupported, "The model " + context.files->path().string() +
                " attends to selected tokens (DeepSeek V3.2's indexer), which this device does not run: choose the processor (--device cpu)."};
    ENGINE_CHECK(checkCrossModalTensors(*context.files));
    if (config.text.crossModal && !context.backend->hasCrossModal())
        return Error{ErrorCode::Unsupported, "The model " + context.files->path().string() +
                " has cross-modal attention blocks (cross_modal), which this device does not run yet: choose the processor (--device cpu)."};
    if (context.options.speculative == Speculative::Mtp && context.firstBackend)
        return Error{ErrorCode::Unsupported, "The model " + context.files->path().string() +
                " cannot guess tokens ahead (MTP) where its layers are split between card and processor."};
    if (context.options.speculative == Speculative::Mtp && (config.text.mtpLayers < 1 || config.vision)) {
        return Error{ErrorCode::Unsupported, context.files->path().string() +
                " holds no layer that guesses tokens ahead (MTP), so it cannot decode speculatively."};
    }
    ENGINE_TRY(ModelBundle bundle, architecture->load(context));
    ENGINE_CHECK(context.files->intact()); // what was read meanwhile is what the file holds
    return bundle;
}

Result<ModelBundle> loadTextBundle(WeightLoader &loader, const LayerParts &parts)
{
    ModelBundle bundle;
    ENGINE_TRY(bundle.text, loadDecoder(loader, parts));
    ENGINE_CHECK(loader.checkSurplus());
    bundle.weightBytes = loader.weightBytes();
    bundle.activeBytesPerToken = loader.activeBytes();
    return bundle;
}

} // namespace engine
