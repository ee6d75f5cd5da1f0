// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/attention/attention.h"
#include "cuda/packed/split.cuh"

namespace kernels::cuda {

inline constexpr int kChunkTokens = 64;  // a block of the split attention; cut at absolute positions

// Rows of one sequence with consecutive positions.
struct RowRun {
    std::int32_t firstRow = 0, rows = 0;
};

// attention() on the tensor cores, over a bfloat16 cache of one of the shapes hasTiles() names.
struct TileAttentionArgs {
    AttentionArgs base;
    // Decode: a row a tile, split over the context in `chunks` parts, then put together.
    int chunks = 0;             // covers the longest context; 0: prompt
    float *partial = nullptr;   // [rows, heads, chunks, valueDim]
    float2 *statistics = nullptr; // [rows, heads, chunks]: maximum (base 2), sum
    bool partsOnly = false;     // combineParts(), or who multiplies the output, puts them together
    SplitView split;            // of the output, columns head * valueDim; high null: not wanted
    // Prompt: tiles of rowsPerTile(base) rows.
    const RowRun *runs = nullptr; // device [runCount]
    int runCount = 0;
};
bool hasTiles(const AttentionArgs &args);
int rowsPerTile(const AttentionArgs &args);
cudaError_t tileAttention(const TileAttentionArgs &args, cudaStream_t stream);
cudaError_t combineParts(const TileAttentionArgs &args, cudaStream_t stream);

// MLA before attention: normalises and rotates the new cache row and stores it, rotates each head's position part.
struct LatentPrepareArgs {
    const float *projected = nullptr; // [rows, heads * (nope + rope)]
    std::int64_t projectedStride = 0;
    const float *latent = nullptr;    // [rows, latent + rope], as the product left it
    std::int64_t latentStride = 0;
    const float *gain = nullptr;      // [latent]
    float epsilon = 1e-6F;
    float *query = nullptr;           // [rows, heads, latent + rope]; the last `rope` are written
    int rows = 0, heads = 0, latentWidth = 0, nope = 0, rope = 0;
    const float *inverseFrequencies = nullptr; // device [rope / 2]
    float magnitude = 1.0F;
    bool interleaved = false;
    KvView cache;
    RowTable table;
};
cudaError_t latentPrepare(const LatentPrepareArgs &args, cudaStream_t stream);

// Heads before attention: rotates query and key, stores key and value.
struct HeadsPrepareArgs {
    const float *query = nullptr, *key = nullptr, *value = nullptr; // one row stride; dim at most 512
    std::int64_t stride = 0;
    float *rotated = nullptr; // [rows, heads * dim]; may be the query
    __nv_bfloat16 *narrow = nullptr; // the same once more, where hasPromptPrepare(); null: not wanted
    int rows = 0, heads = 0, kvHeads = 0, dim = 0, pairs = 0;
    const float *inverseFrequencies = nullptr;
    float magnitude = 1.0F;
    bool interleaved = false;
    KvView cache; // keyDim and valueDim are dim
    RowTable table;
};
// A block a row, for prompts: whole heads are rotated, in eights of columns.
bool hasPromptPrepare(const HeadsPrepareArgs &args);
cudaError_t headsPrepare(const HeadsPrepareArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
