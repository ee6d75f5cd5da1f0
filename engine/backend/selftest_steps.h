// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"

#include <array>
#include <cstdint>
#include <vector>

namespace engine {

// Two tokens each of up to eight sequences, one after the other, as models ask for them: from what a product has made to
// what the next product takes. The second token sees what the first left in the cache. Random values, a bfloat16 cache.
struct StepAttention {
    std::uint64_t seed = 1;
    std::array<int, 8> contexts{}; // tokens before the first
    int heads = 4, kvHeads = 1;    // kvHeads 0: latent attention, 512 columns and 64 rotated, 128 a head
    int dim = 128;                 // of a head; latent attention: 128
    int window = 0;
    bool interleaved = false;
};
// Rows [first, first + count) of the eight, for each row both results: [count, 2, heads * dim].
Result<std::vector<float>> runStepAttention(Backend &backend, const StepAttention &args, std::int64_t first, std::int64_t count);

} // namespace engine
