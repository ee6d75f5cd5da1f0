// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "engine/result.h"
#include "models/model.h"

#include <cstdint>
#include <span>
#include <vector>

namespace engine {

// Bytes one token takes in all layers.
std::uint64_t kvBytesPerToken(const KvShape &shape, DType dtype);

struct KvPlanInput {
    std::uint64_t bytesPerToken = 0;
    std::uint64_t freeBytes = 0; // of the device, after the weights
    int modelContext = 0;        // what the model allows
    int wantedContext = 0;       // what was asked for, 0: what fits
    bool takesAll = false;       // the memory is this model's: a card, whose other needs are counted already
};
struct KvPlan {
    int contextTokens = 0; // of one sequence
    int blocks = 0;        // for all sequences, never less than one full context
};
// Room for up to four full contexts where memory allows, at least one. OutOfMemory when the wanted
// context does not fit, BadRequest when it is more than the model allows.
Result<KvPlan> planKv(const KvPlanInput &input);

// The memory behind the blocks of one model: keys and values per layer.
class KvCache {
public:
    // The first `firstLayers` lie with `first` where a model is split.
    static Result<KvCache> create(Backend &backend, const KvShape &shape, DType dtype, int blocks, Backend *first = nullptr,
        int firstLayers = 0);
    std::span<const KvLayer> layers() const { return m_layers; }
    std::uint64_t bytes() const { return m_bytes; }

private:
    std::vector<Buffer> m_buffers;
    std::vector<KvLayer> m_layers;
    std::uint64_t m_bytes = 0;
};

} // namespace engine
