// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// One new token a sequence over a short context: everything between the product that makes queries, keys and values and
// the product that takes the result, in one launch of clusters (sm_90 and later). A row takes these kernels where its own
// position lies below a limit, whatever else is in the step; other rows are left alone.

#include "cuda/attention/tiles.h"
#include "cuda/decode/decode.h"

namespace kernels::cuda {

// Where the kernels for longer contexts are as fast, as measured (tests/bench/RESULTS.md).
inline constexpr int kLatentStepTokens = 320, kHeadsStepTokens = 384;
inline constexpr int kStepLimits[] = {kLatentStepTokens, kHeadsStepTokens};

// MLA (arXiv 2405.04434, 2.1.2, absorbed): queries times W_UK, rotation, the new cache row, attention over latent rows, the
// result times W_UV. 512 latent columns, 64 rotated, 128 a head before and after.
struct LatentStepArgs {
    LatentPrepareArgs prepare; // `query` is not written
    MatrixView keyUp;          // [heads, 512, 128] BF16
    MatrixView valueUp;        // [heads, 128, 512] BF16
    float *output = nullptr;   // [rows, heads * 128]
    std::int64_t outputStride = 0;
    float scale = 1.0F;
    int window = 0;            // tokens, 0: off
};
bool hasLatentStep(const LatentStepArgs &args);
cudaError_t latentStep(const LatentStepArgs &args, cudaStream_t stream);

// The same for rows from kLatentStepTokens on, where hasLatentStep(); other rows are left alone. The context is cut at multiples of a
// number of tokens that follows from the row's position, so that there are at most kLatentParts.
inline constexpr int kLatentParts = 256;
struct LatentLongRoom {
    std::size_t queryWords = 0, partial = 0, statistics = 0; // elements
    int parts = 0;
};
bool hasLatentLong(); // this card
LatentLongRoom latentLongRoom(const LatentStepArgs &args, int context); // `context`: tokens, no row has more
struct LatentLongArgs {
    LatentStepArgs step;
    std::uint32_t *query = nullptr; // 16-byte aligned
    float *partial = nullptr;       // [rows, heads, 8, parts, 64]: of eighths of the latent columns
    float2 *statistics = nullptr;   // [rows, heads, parts]: maximum (base 2), sum; 16-byte aligned
    int parts = 0;                  // even
    int context = 0;                // tokens, no row has more
};
cudaError_t latentLong(const LatentLongArgs &args, cudaStream_t stream);

// Heads of 64 or 128 columns, up to eight that share keys and values: rotation, the new cache row, attention.
struct HeadsStepArgs {
    HeadsPrepareArgs prepare; // `query` and `rotated` may be one buffer
    bool isRotated = false;   // `rotated` is there already, of all rows; `query` is not read
    float *output = nullptr;  // [rows, heads * dim]
    float scale = 1.0F;
    int window = 0;
};
bool hasHeadsStep(const HeadsStepArgs &args);
cudaError_t headsStep(const HeadsStepArgs &args, cudaStream_t stream);

// The same for rows from kHeadsStepTokens on; `isRotated` is not looked at.
inline constexpr int kHeadsParts = 128; // of all key-value heads, at most
struct HeadsLongArgs {
    HeadsStepArgs step;
    float *partial = nullptr;     // [rows, heads, dim / 64, parts, 64]
    float2 *statistics = nullptr; // [rows, heads, parts]: maximum (base 2), sum; 16-byte aligned
    int parts = 0;                // of a head, even
};
bool hasHeadsLong(const HeadsStepArgs &args);
int headsLongParts(const HeadsStepArgs &args, int context); // `context`: tokens, no row has more
cudaError_t headsLong(const HeadsLongArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
