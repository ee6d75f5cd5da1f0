// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "cache/kv_cache.h"
#include "engine/model_info.h"
#include "engine/result.h"
#include "engine/runtime.h"

#include <cstdint>
#include <string>

namespace engine {

// What the cache of a model will be: the one rule of the loader and of every estimate.
struct CachePlan {
    DType type = DType::BF16;
    KvPlan blocks;
    std::uint64_t bytes = 0;
};
struct CachePlanInput {
    std::uint64_t numbersPerToken = 0; // in all layers
    int modelContext = 0;
    std::uint64_t freeBytes = 0;       // after the weights, on a card also after what steps work in
};
// Errors as planKv.
Result<CachePlan> planCache(const CachePlanInput &input, const LoadOptions &options);

inline bool isCard(const LoadOptions &options) { return options.device.starts_with("cuda"); }
// The number in "cuda" or "cuda:N". BadRequest: neither.
Result<int> cardOf(const std::string &device);

// planMemory for a device with so much free memory.
Result<MemoryPlan> planMemoryIn(const ModelInfo &info, const LoadOptions &options, std::uint64_t freeBytes);
// What steps work in on a card, where a sequence holds so many tokens.
std::uint64_t workBytesOf(const CardNeed &need, int contextTokens);

// What would run where this load does not: a smaller context, re-quantised weights, the processor, each with its numbers.
// Empty, or sentences with a space before them. `cardBytes` 0: no card can be used.
std::string whatFits(const ModelInfo &info, const LoadOptions &options, std::uint64_t cardBytes, std::uint64_t hostBytes);

} // namespace engine
