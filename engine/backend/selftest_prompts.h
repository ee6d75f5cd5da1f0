// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"

#include <cstdint>
#include <string>
#include <vector>

namespace engine {

// Latent attention of two prompts, one after a context, from the projected queries and latent rows on; widths of the
// released models, random values, a bfloat16 cache. Where a backend has no latentPrompt, composed as models do.
class LatentPrompt {
public:
    LatentPrompt(std::uint64_t seed, int heads, int window);
    std::string shape() const;
    Result<std::vector<float>> run(Backend &backend) const; // [rows, heads * value]

private:
    int m_heads, m_window;
    std::vector<float> m_cached, m_projected, m_latents, m_gain, m_keyUp, m_valueUp, m_frequencies;
    std::vector<std::int32_t> m_blocksA, m_blocksB, m_positions;
};

// Queries and keys rotated, keys and values stored, then attention over them: [rows, heads * 128] rotated queries, then
// as many results. Rows of one sequence from position 3 on inside wider rows, as products leave them.
struct RotatedHeads {
    std::uint64_t seed = 1;
    std::int64_t rows = 1;
    bool interleaved = false, inPlace = false;
    DType cacheType = DType::F32;
};
Result<std::vector<float>> runRotatedHeads(Backend &backend, const RotatedHeads &args);

// Two products of a norm's result, one more after something was added to it: [3, rows, 352].
Result<std::vector<float>> runNormedProducts(Backend &backend, std::uint64_t seed, std::int64_t rows);

} // namespace engine
