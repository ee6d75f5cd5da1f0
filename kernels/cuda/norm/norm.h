// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/packed/split.cuh"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// RMSNorm when bias is null and `centred` is false, LayerNorm otherwise (architectures.md 2.1).
struct NormArgs {
    const float *input = nullptr;  // [rows, columns], inputStride
    const float *weight = nullptr; // [columns]
    const float *bias = nullptr;   // [columns] or none
    float *output = nullptr;       // [rows, columns], outputStride; may be the input
    int rows = 0, columns = 0;
    std::int64_t inputStride = 0, outputStride = 0;
    float epsilon = 1e-6F;
    bool centred = false;
    __nv_bfloat16 *narrow = nullptr; // the output once more, [rows, columns]; null: not wanted
    SplitView split; // the output once more for the products of decode/; high null: not wanted. Columns: multiple of 32
};
cudaError_t norm(const NormArgs &args, cudaStream_t stream);

// Whether this build holds code for the current card: asks for a kernel's attributes.
cudaError_t probe(cudaFuncAttributes *attributes);

} // namespace kernels::cuda
