// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/common/weight.cuh"

#include <cuda_runtime.h>

namespace kernels::cuda {

enum class Activation { None = 1, Silu, GeluTanh, GeluErf };

// output[r, :] (+)= activation(input[r, :] * weight^T + bias)
struct LinearArgs {
    const float *input = nullptr; // [rows, in], inputStride
    WeightView weight;            // [out, in]
    const float *bias = nullptr;  // [out] or none
    float *output = nullptr;      // [rows, out], outputStride
    int rows = 0;
    std::int64_t inputStride = 0, outputStride = 0;
    Activation activation = Activation::None;
    bool accumulate = false;
};
cudaError_t linear(const LinearArgs &args, cudaStream_t stream);

// One matrix per head: output[r, h, :] = weight[h] * input[r, h, :]
struct HeadLinearArgs {
    const float *input = nullptr; // [rows, heads, in]
    WeightView weight;            // [heads, out, in]
    float *output = nullptr;      // [rows, heads, out]
    int rows = 0, heads = 0;
    std::int64_t inputRowStride = 0, inputHeadStride = 0, outputRowStride = 0, outputHeadStride = 0;
};
cudaError_t headLinear(const HeadLinearArgs &args, cudaStream_t stream);

// output[i, :] = table[ids[i], :]
struct EmbedArgs {
    WeightView table;                   // [vocabulary, hidden]
    const std::int32_t *ids = nullptr;  // device [count]
    float *output = nullptr;            // [count, hidden], outputStride
    int count = 0;
    std::int64_t outputStride = 0;
};
cudaError_t embed(const EmbedArgs &args, cudaStream_t stream);

// output[r] += sum_k weights[r,k] * down[e](silu(gate[e] x) * (up[e] x)), e = ids[r,k], -1 skipped
struct MoeArgs {
    const float *input = nullptr; // [rows, hidden]
    WeightView gate, up, down;    // [experts, inter, hidden], [experts, hidden, inter]
    const std::int32_t *ids = nullptr; // device [rows, perToken]
    const float *weights = nullptr;    // device [rows, perToken]
    float *middle = nullptr;      // workspace [rows, perToken, inter]
    float *output = nullptr;      // [rows, hidden]
    int rows = 0, perToken = 0;
    std::int64_t inputStride = 0, outputStride = 0;
};
cudaError_t moe(const MoeArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
