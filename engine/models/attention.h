// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/rope.h"
#include "models/step.h"
#include "models/weight_loader.h"

#include <memory>
#include <string>

namespace engine {

// What every layer's attention shares.
struct AttentionSettings {
    RopeTable rope;
    int window = 0; // sliding window in tokens, 0: off
};

// Multi-head and grouped-query attention (Llama, Qwen2, Qwen3, DeepSeek-VL2-Tiny). `prefix` is
// "model.layers.N.self_attn".
Result<std::unique_ptr<Block>> loadHeadsAttention(WeightLoader &loader, const std::string &prefix,
    std::shared_ptr<const AttentionSettings> settings);

// DeepSeek's multi-head latent attention (arXiv 2405.04434, 2.1), in the absorbed form for prompt and decode
// alike: the cache holds one latent row a token, and per-head key and value matrices act on query and result.
Result<std::unique_ptr<Block>> loadLatentAttention(WeightLoader &loader, const std::string &prefix,
    std::shared_ptr<const AttentionSettings> settings);

} // namespace engine
