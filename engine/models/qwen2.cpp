// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/architectures.h"

namespace engine {

// Qwen2ForCausalLM (R1-Distill-Qwen: biases on q, k and v) and Qwen3ForCausalLM (R1-0528-Qwen3: norms on q and k).
Result<ModelBundle> loadQwen2(const LoadContext &context)
{
    WeightLoader loader(context);
    const TextConfig &config = loader.config().text;
    if (config.attention != AttentionKind::Heads)
        return Error{ErrorCode::BadFile, context.files->path().string() + " names Qwen but has latent attention."};
    return loadTextBundle(loader, {.attention = loadHeadsAttention, .feedForward = loadFeedForwardOfLayer});
}

} // namespace engine
