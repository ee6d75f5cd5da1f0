// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/attention/attention.h"

#include <cuda_bf16.h>

namespace kernels::cuda {

// Attention of prompts on sm_90 over keys and values that lie side by side in bfloat16: copied out of the cache, or for
// MLA made from its latent rows, which costs a third of the arithmetic over latent rows (arXiv 2405.04434, 2.1.2).

inline constexpr int kPromptRows = 128;    // of a tile
inline constexpr int kPromptHeadDim = 128; // of values, and of the part of keys that heads have of their own
inline constexpr int kPromptRope = 64;     // of the part that all heads share

// Tokens that a sequence takes up: tiles are copied from places that are multiples of 16 bytes in every operand (a tensor
// map's innermost coordinate elsewhere is an illegal instruction), so the next sequence begins at such a place.
__host__ __device__ constexpr int paddedTokens(int tokens) { return (tokens + 7) / 8 * 8; }

// Up to kPromptRows rows of one sequence; its token t lies in row firstToken + t of keys, firstToken a multiple of 8.
struct PromptRun {
    std::int32_t firstRow = 0, rows = 0, firstPosition = 0, firstToken = 0;
};
struct PromptAttentionArgs {
    const __nv_bfloat16 *query = nullptr;  // [rows, heads, 128 or 192]
    const __nv_bfloat16 *keys = nullptr;   // [tokens, kvHeads * 128]
    const __nv_bfloat16 *sharedKeys = nullptr; // [tokens, 64]: the other columns of every head's keys; null: none
    const __nv_bfloat16 *values = nullptr; // [kvHeads * 128, valuePitch], turned: a row a column of the values
    std::int64_t valuePitch = 0;           // a multiple of 8
    int tokens = 0;                        // of all sequences, each padded
    int rows = 0, heads = 0, kvHeads = 0;
    int firstHead = 0, headCount = 0;      // heads to compute; keys and values begin with the first one's
    float scale = 1.0F;
    int window = 0;                        // tokens, 0: off
    const PromptRun *runs = nullptr;       // device [runCount]
    int runCount = 0;
    float *output = nullptr;               // [rows, heads * 128]
    __nv_bfloat16 *narrow = nullptr;       // the same once more; null: not wanted
};
cudaError_t promptAttention(const PromptAttentionArgs &args, cudaStream_t stream);

// Tokens [0, tokens) of one sequence out of a bfloat16 cache, and zeros up to paddedTokens.
struct GatherArgs {
    KvView cache;                          // BF16
    const std::int32_t *blocks = nullptr;  // device, of the sequence
    int tokens = 0;
    int firstHead = 0, heads = 0;          // key-value heads to copy
    __nv_bfloat16 *keys = nullptr;         // [tokens, keyWidth]: columns from the first head's on
    __nv_bfloat16 *rest = nullptr;         // [tokens, row - keyWidth]: the other ones; null: not wanted
    int keyWidth = 0;                      // a multiple of 8, so is the rest
    __nv_bfloat16 *values = nullptr;       // [heads * valueDim, valuePitch], turned; null: not wanted
    std::int64_t valuePitch = 0;
};
cudaError_t gatherCache(const GatherArgs &args, cudaStream_t stream);

// [matrices, rows, columns] to [matrices, columns, rows].
struct TurnArgs {
    const __nv_bfloat16 *input = nullptr;
    __nv_bfloat16 *output = nullptr;
    int matrices = 1, rows = 0, columns = 0;
};
cudaError_t turn(const TurnArgs &args, cudaStream_t stream);

// MLA before promptAttention: rotates each head's last `rope` columns, normalises and rotates the new cache row and stores
// it.
struct LatentQueryArgs {
    const float *projected = nullptr; // [rows, heads * (nope + rope)]
    std::int64_t projectedStride = 0;
    const float *latent = nullptr;    // [rows, latent + rope], as the product left it
    std::int64_t latentStride = 0;
    const float *gain = nullptr;      // [latent]
    float epsilon = 1e-6F;
    __nv_bfloat16 *query = nullptr;   // [rows, heads, nope + rope]
    int rows = 0, heads = 0, latentWidth = 0, nope = 0, rope = 0; // nope a multiple of 4, rope of 4 and at most 128
    const float *inverseFrequencies = nullptr; // device [rope / 2]
    float magnitude = 1.0F;
    bool interleaved = false;
    KvView cache;                     // BF16
    RowTable table;
};
cudaError_t latentQuery(const LatentQueryArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
