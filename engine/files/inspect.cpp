// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/inspect.h"

#include "backend/tensor_rows.h"
#include "engine/runtime.h"
#include "files/card_need.h"
#include "files/hf_model_files.h"
#include "files/mapped_file.h"
#include "files/printable.h"
#include "files/stored_model.h"
#include "kernels/convert.h"
#include "models/model.h"
#include "text/chat_format.h"
#include "text/tokenizer.h"

#include <algorithm>
#include <exception>
#include <map>

namespace engine {

namespace {

// Tensors that lie in the files and are never read: SigLIP's pooling head (architectures.md 3.3).
bool isUnused(const std::string &name)
{
    return name.starts_with("vision.attn_pool.");
}

// Layers behind the last one predict several tokens at once (architectures.md 2.7).
bool isMtp(const TextConfig &text, const std::string &name)
{
    return layerOf(text, name) >= text.layers;
}

std::uint64_t elementsOf(const FileTensor &tensor)
{
    return static_cast<std::uint64_t>(tensor.shape.elements()); // bounded by the file's size
}

// What the tensor takes once the CPU backend has it: interleaved groups of rows with their scales, float32 for vectors
// and for what models compute from (MLA's halves, routers, the first layers of the picture path).
std::uint64_t loadedBytes(const FileTensor &tensor)
{
    const Matrices m = matricesOf(tensor.shape);
    const std::uint64_t elements = elementsOf(tensor);
    const auto endsWith = [&](std::string_view ending) { return tensor.name.ends_with(ending); };
    if (tensor.shape.rank <= 1)
        return elements * sizeof(float);
    const bool isComputed = endsWith(".kv_b_proj.weight") || endsWith(".k_b_proj.weight") || endsWith(".v_b_proj.weight")
        || endsWith(".mlp.gate.weight") || tensor.name == "vision.patch_embed.proj.weight" || tensor.name == "vision.pos_embed"
        || tensor.name == "projector.layers.0.weight";
    const DType type = isComputed ? DType::F32 : tensor.dtype;
    const kernels::PackedLayout layout = kernels::packedLayout(type);
    kernels::PackedMatrix matrix;
    matrix.rows = m.rows;
    matrix.columns = m.columns;
    matrix.kind = layout.kind;
    matrix.scaleColumns = type != DType::F8E4M3 ? layout.scaleColumns : tensor.scales.empty() ? static_cast<int>(std::min<std::int64_t>(m.columns, 1 << 30)) : tensor.scaleBlockColumns;
    const std::uint64_t twice = layout.hasMinimums ? 2 : 1;
    return static_cast<std::uint64_t>(m.count)
        * (kernels::packedDataBytes(matrix) + twice * (sizeof(float) * kernels::packedScaleCount(matrix, layout.isTwoLevel) + kernels::packedFineCount(matrix, layout.isTwoLevel)));
}

// The type most weights have, as people name it.
std::string dominantType(const ModelFiles &files)
{
    std::map<std::string_view, std::uint64_t> elements;
    for (const FileTensor &tensor : files.tensors())
        if (tensor.shape.rank >= 2)
            elements[typeName(tensor)] += elementsOf(tensor);
    const auto most = std::max_element(elements.begin(), elements.end(),
        [](const auto &a, const auto &b) { return a.second < b.second; });
    if (most == elements.end())
        return {};
    return most->first == kernels::dtypeInfo(DType::F8E4M3).name ? "FP8" : std::string(most->first);
}

std::string nameOf(const std::filesystem::path &path)
{
    std::error_code error;
    std::filesystem::path whole = std::filesystem::absolute(path, error);
    if (error)
        whole = path;
    if (whole.filename() == "config.json" || whole.extension() == ".safetensors")
        whole = whole.parent_path();
    std::string name = displayName(whole);
    if (name.ends_with(".gguf"))
        name.resize(name.size() - 5);
    return name;
}

// What follows from the configuration alone.
ModelInfo describeConfig(const ModelConfig &config, const std::filesystem::path &path)
{
    const TextConfig &text = config.text;
    const ParameterCount count = countParameters(config);
    ModelInfo info;
    info.name = nameOf(path);
    info.path = path.string();
    info.architecture = text.architecture;
    info.format = "safetensors";
    info.parameters = count.total;
    info.activeParameters = count.active;
    info.contextTokens = text.contextTokens;
    info.layers = text.layers;
    info.hiddenSize = text.hidden;
    info.vocabularySize = text.vocabulary;
    info.routedExperts = text.moe.routedExperts;
    info.expertsPerToken = text.moe.routedExperts > 0 ? text.moe.expertsPerToken : 0;
    info.readsPictures = config.vision.has_value();
    constexpr std::uint64_t kCacheBytes = 2; // of one number, bf16
    const std::uint64_t perLayer = text.attention == AttentionKind::Latent
        ? static_cast<std::uint64_t>(text.kvLoraRank + text.ropeHeadDim + text.indexer.headDim)
        : 2 * static_cast<std::uint64_t>(text.kvHeads) * static_cast<std::uint64_t>(text.headDim);
    info.kvBytesPerToken = static_cast<std::uint64_t>(text.layers) * perLayer * kCacheBytes;
    return info;
}

// A folder with a configuration and no weights: enough for a plan.
Result<ModelInfo> describeBareConfig(const std::filesystem::path &folder)
{
    ENGINE_TRY(const HfConfig read, readHfFolderConfig(folder));
    ModelInfo info = describeConfig(read.config, folder);
    const PackedQuantisation &packed = read.config.packed;
    const bool isPacked = packed.layout != PackedLayout::None;
    info.precision = read.config.quantMethod == "fp8" ? "FP8" : !isPacked ? "BF16" : packed.bits == 8 ? "INT8" : "INT4";
    info.weightBytes = isPacked ? info.parameters * (packed.bits == 8 ? 36 : 20) / 32 : info.parameters * (info.precision == "FP8" ? 1 : 2);
    info.onCard.weightBytes = info.weightBytes;
    addCardWork(info.onCard, read.config, isPacked, static_cast<double>(info.weightBytes) * static_cast<double>(info.activeParameters)
            / static_cast<double>(std::max<std::uint64_t>(info.parameters, 1)));
    info.warnings.push_back("The folder has no weights; sizes are computed from config.json.");
    return info;
}

bool hasWeights(const std::filesystem::path &folder)
{
    std::error_code error;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json") || name.ends_with(".bin"))
            return true;
    }
    return false;
}

Result<ModelInfo> inspectPath(const std::filesystem::path &path, bool listTensors)
{
    std::error_code error;
    std::filesystem::path folder = path;
    if (path.filename() == "config.json")
        folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    if (std::filesystem::is_regular_file(folder / "config.json", error) && !hasWeights(folder))
        return describeBareConfig(folder);
    ENGINE_TRY(const auto files, ModelFiles::open(path));
    ModelInfo info = describeModel(*files, listTensors);
    const auto tokenizer = files->loadTokenizer();
    if (tokenizer.ok()) {
        ChosenChatFormat chosen = chooseChatFormat(*files, **tokenizer);
        info.chatFormat = std::string(chosen.format->id());
        info.thinks = chosen.format->canThink();
        info.locates = info.readsPictures && chosen.format->canLocate();
        if (!chosen.warning.empty())
            info.warnings.push_back(std::move(chosen.warning));
    } else {
        info.warnings.push_back(tokenizer.error().message);
    }
    return info;
}

} // namespace

int layerOf(const TextConfig &text, std::string_view name)
{
    const std::string start = text.tensorPrefix + "model.layers.";
    if (!name.starts_with(start))
        return -1;
    int layer = 0;
    for (std::size_t i = start.size(); i < name.size() && name[i] >= '0' && name[i] <= '9' && layer < 100000; ++i)
        layer = layer * 10 + (name[i] - '0');
    return layer;
}

bool isLoaded(const TextConfig &text, const std::string &name)
{
    return !isMtp(text, name) && !isUnused(name);
}

ModelInfo describeModel(const ModelFiles &files, bool listTensors)
{
    const ModelConfig &config = files.config();
    ModelInfo info = describeConfig(config, files.path());
    info.format = files.isGguf() ? "gguf" : "safetensors";
    info.precision = dominantType(files);
    info.fileBytes = files.fileBytes();
    info.warnings = files.warnings();
    info.parameters = 0;
    std::uint64_t mtpParameters = 0;
    info.layerBytes.assign(static_cast<std::size_t>(std::max(config.text.layers, 0)), 0);
    for (const FileTensor &tensor : files.tensors()) {
        const bool isForMtp = isMtp(config.text, tensor.name);
        mtpParameters += isForMtp ? elementsOf(tensor) : 0;
        if (!isForMtp && !isUnused(tensor.name)) {
            info.parameters += elementsOf(tensor);
            const std::uint64_t bytes = loadedBytes(tensor);
            const std::string_view name = tensor.name;
            info.weightBytes += bytes;
            if (const int layer = layerOf(config.text, name); layer >= 0)
                info.layerBytes[static_cast<std::size_t>(layer)] += bytes;
            info.embeddingBytes += name.ends_with("embed_tokens.weight") ? bytes : 0;
            info.expertBytes += name.find(".mlp.experts.") != std::string_view::npos ? bytes : 0;
            info.visionBytes += config.vision && !name.starts_with(config.text.tensorPrefix) ? bytes : 0;
        }
        if (!listTensors)
            continue;
        TensorSummary summary{printable(tensor.name, 1024), std::string(typeName(tensor)), {},
            storedBytes(tensor)};
        for (int i = 0; i < tensor.shape.rank; ++i)
            summary.shape.push_back(tensor.shape[i]);
        info.tensors.push_back(std::move(summary));
    }
    info.onCard = cardNeed(files);
    if (mtpParameters > 0) {
        info.warnings.push_back("The files hold " + std::to_string(mtpParameters / 1000000)
            + " million further parameters for predicting several tokens at once (MTP); they are not counted here.");
    }
    return info;
}

Result<ModelInfo> inspectModel(const std::string &path, bool listTensors)
{
    try {
        return inspectPath(path, listTensors);
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::OutOfMemory, "There is no memory left to look into " + displayName(path) + ".");
    } catch (const std::exception &problem) {
        return Error(ErrorCode::BadFile, displayName(path) + " cannot be looked into: " + printable(problem.what()) + ".");
    }
}

} // namespace engine
