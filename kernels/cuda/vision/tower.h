// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// What stands between the products of a picture tower's layers on sm_90, activations in bfloat16.

// Attention inside picture tiles with wgmma. Queries, keys and the output lie [batch * tokens, heads * headDim], values
// turned, a row a column of the values, tiles `valueTile` apart (copies of tiles begin at multiples of 16 bytes), without
// their bias, which is added to the results (shares sum to one).
struct TowerAttentionArgs {
    const __nv_bfloat16 *query = nullptr, *key = nullptr; // strides multiples of 8
    std::int64_t queryStride = 0, keyStride = 0;
    const __nv_bfloat16 *values = nullptr;                // [heads * headDim, batch, valueTile]
    std::int64_t valueTile = 0;                           // a multiple of 8, at least tokens
    const float *valueBias = nullptr;                     // [heads * headDim] or none
    __nv_bfloat16 *output = nullptr;                      // [batch * tokens, heads * headDim]
    int batch = 0, tokens = 0, heads = 0, headDim = 0;
    float scale = 1.0F;
};
bool hasTowerAttention(const TowerAttentionArgs &args); // heads of 72 columns; card().warpgroups is the caller's question
cudaError_t towerAttention(const TowerAttentionArgs &args, cudaStream_t stream);

// LayerNorm of float32 rows to packed bfloat16 rows.
struct TowerNormArgs {
    const float *input = nullptr;                      // [rows, columns]
    std::int64_t inputStride = 0;                      // a multiple of 4
    const float *weight = nullptr, *bias = nullptr;    // [columns]
    __nv_bfloat16 *output = nullptr;                   // [rows, columns]
    int rows = 0, columns = 0;                         // columns a multiple of 128, at most 2,048
    float epsilon = 1e-6F;
};
bool hasTowerNorm(const TowerNormArgs &args);
cudaError_t towerNorm(const TowerNormArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
