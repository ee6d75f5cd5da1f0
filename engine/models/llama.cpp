// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/architectures.h"

namespace engine {

// LlamaForCausalLM: DeepSeek-LLM, R1-Distill-Llama, and every other Llama. GGUF files keep q and k rows permuted;
// the configuration's interleaved rope matches them.
Result<ModelBundle> loadLlama(const LoadContext &context)
{
    WeightLoader loader(context);
    return loadTextBundle(loader, {.attention = loadHeadsAttention, .feedForward = loadFeedForwardOfLayer});
}

} // namespace engine
