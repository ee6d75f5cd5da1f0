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
#include <vector>

namespace engine {

// What the cache of a model will be: the one rule of the loader and of every estimate.
struct CachePlan {
    DType type = DType::BF16;
    KvPlan blocks;
    std::uint64_t bytes = 0;
    std::uint64_t hostBytes = 0; // of a split model, the part on the processor
};
struct CachePlanInput {
    std::uint64_t numbersPerToken = 0; // in all layers
    int modelContext = 0;
    std::uint64_t freeBytes = 0;       // after the weights, on a card also after what steps work in
    int layers = 1;                    // of a split model: all,
    int firstLayers = 0;               // those on the processor,
    std::uint64_t hostFreeBytes = 0;   // and what is free there after their weights
};
// Errors as planKv.
Result<CachePlan> planCache(const CachePlanInput &input, const LoadOptions &options);

inline bool isCard(const LoadOptions &options) { return options.device.starts_with("cuda"); }

// planMemory for a device with so much free memory.
Result<MemoryPlan> planMemoryIn(const ModelInfo &info, const LoadOptions &options, std::uint64_t freeBytes);
// planMemory for a card and a processor with so much free memory: options.cardLayers is decided here. The plan of a model
// that is not split after all has no cardLayers.
Result<MemoryPlan> planMemoryIn(const ModelInfo &info, const LoadOptions &options, std::uint64_t cardBytes, std::uint64_t hostBytes);
// Rows of one prompt chunk, so that it takes about a tenth of a second at the rates below: by the model and the device
// alone. `firstLayers` of `layers` run on the processor where a model is split.
int promptRowsOf(double activeBytes, bool isHost, int firstLayers = 0, int layers = 1);
// Of all weights, re-quantised as the options say.
std::uint64_t weightBytesOf(const ModelInfo &info, const LoadOptions &options);
// What a load keeps on a card beside weights and cache: the code of its kernels, and what steps work in where a sequence
// holds so many tokens. The latter is reserved at load, so that no answer needs more: a load uses what is planned within
// 3 %, or 16 MB where that is more. Beyond it go pictures larger than the model's largest grid, for the moment of their
// resizing, and more pictures than CardNeed says in answers at once.
std::uint64_t workBytesOf(const CardNeed &need, int contextTokens);

// "3.8 GB", "557 MB": as the window shows sizes.
std::string sizeOf(std::uint64_t bytes);

// loadOffers for so much free memory. `cardBytes` 0: no card can be used.
std::vector<LoadOffer> loadOffersIn(const ModelInfo &info, const LoadOptions &options, std::uint64_t cardBytes, std::uint64_t hostBytes);

} // namespace engine
