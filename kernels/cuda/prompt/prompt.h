// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/linear/linear.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// Products of many rows on the tensor cores, bfloat16 operands, float32 sums.
// output[r, :] (+)= activation(a[r, :] * b^T + bias), or silu(a * b^T) * (a * up^T) where `up` is set.
struct MatrixProductArgs {
    const __nv_bfloat16 *a = nullptr;            // [rows, k], aStride
    const __nv_bfloat16 *b = nullptr, *up = nullptr; // [matrices, n, k]
    std::int64_t aStride = 0, matrixStride = 0;  // elements; matrixStride between matrices of b and of up
    int rows = 0, n = 0, k = 0;                  // k a multiple of 32; n of 8 with `up` or `narrow`
    // One product a head: columns of a and of the output move on; aHead 0: all of the same rows.
    int heads = 1;
    std::int64_t aHead = 0, outputHead = 0;
    // Experts: matrix e multiplies rows offsets[e] .. offsets[e + 1] of a, all on the device.
    const std::int32_t *offsets = nullptr;
    int firstExpert = 0, experts = 0, slots = 0; // slots: rows of a
    const std::int32_t *order = nullptr;         // row of the output: order[row of a]; null: the same
    // Results: one of the two; [rows, n].
    float *output = nullptr;
    __nv_bfloat16 *narrow = nullptr;
    std::int64_t outputStride = 0;
    const float *bias = nullptr;
    Activation activation = Activation::None;
    bool accumulate = false;
};
cudaError_t matrixProduct(const MatrixProductArgs &args, cudaStream_t stream);

// Float32 rows as bfloat16; columns a multiple of 4.
struct NarrowArgs {
    const float *input = nullptr;
    std::int64_t inputStride = 0;
    int rows = 0, columns = 0;
    __nv_bfloat16 *output = nullptr; // [rows, columns]
    // Row r of the output is row order[r] / perToken of the input; null: row r.
    const std::int32_t *order = nullptr;
    int perToken = 1;
};
cudaError_t narrow(const NarrowArgs &args, cudaStream_t stream);

// output[r, :] = input[order[r] / perToken, :]; columns a multiple of 8.
struct GatherRowsArgs {
    const __nv_bfloat16 *input = nullptr;
    const std::int32_t *order = nullptr; // device [rows]
    int perToken = 1, rows = 0, columns = 0;
    __nv_bfloat16 *output = nullptr;     // [rows, columns]
};
cudaError_t gatherRows(const GatherRowsArgs &args, cudaStream_t stream);

// floatProduct for more than kDecodeRows rows; in a multiple of 4.
struct FloatProductArgs;
cudaError_t promptFloatProduct(const FloatProductArgs &args, cudaStream_t stream);

// output[r] += sum_k weights[r, k] * slots[r * perToken + k] over ids >= 0; columns a multiple of 8.
struct SumNarrowSlotsArgs {
    const __nv_bfloat16 *slots = nullptr; // [rows * perToken, columns]
    const float *weights = nullptr;       // [rows, perToken]
    const std::int32_t *ids = nullptr;    // [rows, perToken]
    int rows = 0, columns = 0, perToken = 1;
    float *output = nullptr;              // outputStride a multiple of 4
    std::int64_t outputStride = 0;
};
cudaError_t sumNarrowSlots(const SumNarrowSlotsArgs &args, cudaStream_t stream);

// Slots (row * perToken + k) by expert, ascending within one; offsets[experts + 1]. ids < 0 are left out.
cudaError_t groupSlots(const std::int32_t *ids, int slots, int experts, std::int32_t *order, std::int32_t *offsets,
    cudaStream_t stream);

} // namespace kernels::cuda
