// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "cache/kv_cache.h"
#include "engine/model_info.h"
#include "engine/runtime.h"
#include "files/model_files.h"
#include "models/model.h"
#include "text/chat_format.h"
#include "text/tokenizer.h"

#include <atomic>
#include <functional>
#include <memory>
#include <stop_token>

namespace engine {

// Everything one loaded model consists of. The order of the members is the order in which they may
// go (last first).
struct LoadedParts {
    ModelInfo info;
    LoadOptions options;
    std::shared_ptr<const ModelFiles> files;    // may be none in tests
    std::shared_ptr<const Tokenizer> tokenizer; // none: the files carry none; ids only
    std::string noTokenizer; // why there is none
    std::unique_ptr<ChatFormat> chatFormat;     // with a tokenizer
    std::unique_ptr<Backend> backend; // of its own, so that a load never meets a running step
    std::unique_ptr<Backend> firstBackend; // of a split model: token embeddings and the first layers
    int firstLayers = 0;
    std::uint64_t freeBefore = 0; // on a card, when the backend was made
    MemoryPlan memoryPlan;        // made then; of a card only
    std::uint64_t weightsTaken = 0, cacheTaken = 0; // of freeBefore, by the card's own count
    ModelBundle bundle;
    KvPlan plan;
    KvCache cache;
};

// Chunk edges are the same in every run: they depend on the model and its devices alone, never on the clock.
int promptRowsOf(const LoadedParts &parts);

struct LoadCounters {
    std::atomic<std::uint64_t> doneBytes{0}, totalBytes{0};
};

// Loads on a thread of its own; replaced by tests.
using PartsLoader = std::function<Result<std::unique_ptr<LoadedParts>>(
    const LoadOptions &options, std::stop_token stop, LoadCounters &counters)>;

// The devices of this machine; replaced by tests.
struct Machine {
    std::function<Result<std::unique_ptr<Backend>>(const LoadOptions &)> openCard;
    std::function<std::uint64_t()> freeBytes; // for the processor
};
Result<std::unique_ptr<LoadedParts>> loadPartsOn(const Machine &machine, const LoadOptions &options, std::stop_token stop,
                                                 LoadCounters &counters);
// The real one: files, tokenizer, backend, weights, cache.
Result<std::unique_ptr<LoadedParts>> loadParts(const LoadOptions &options, std::stop_token stop,
                                               LoadCounters &counters);

} // namespace engine
