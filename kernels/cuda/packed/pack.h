// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/common/weight.cuh"
#include "cuda/packed/packed_bytes.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

namespace kernels::cuda {

// Rows of a file format in `source` to `target`, both on the device.
cudaError_t pack(const WeightView &source, std::uint8_t *target, cudaStream_t stream);

// Rows [firstRow, firstRow + rows) of matrix `matrix` as bfloat16 values, row-major, [rows, in].
struct WidenArgs {
    const std::uint8_t *data = nullptr; // packed, or F16/BF16/F32 rows
    DType dtype = DType::F32;
    std::int64_t matrixBytes = 0;
    int in = 0;                         // a multiple of 32
    std::int64_t totalRows = 0;         // of one matrix
    std::int64_t firstRow = 0, rows = 0; // firstRow a multiple of 16; rows of `matrices` matrices one after the other
    int firstMatrix = 0, matrices = 1;
    __nv_bfloat16 *output = nullptr;           // [matrices, rows, in]
};
cudaError_t widen(const WidenArgs &args, cudaStream_t stream);

// output[i, :] = packed row ids[i]
struct PackedEmbedArgs {
    const std::uint8_t *data = nullptr;
    DType dtype = DType::Q4_0;
    std::int64_t out = 0;
    int in = 0;
    const std::int32_t *ids = nullptr; // device [count]
    float *output = nullptr;
    std::int64_t outputStride = 0;
    int count = 0;
};
cudaError_t packedEmbed(const PackedEmbedArgs &args, cudaStream_t stream);

// Whether any of `count` bfloat16 values is beyond float16 (device int, set to 1; cleared by the caller).
cudaError_t findWideValues(const std::uint16_t *values, std::int64_t count, int *found, cudaStream_t stream);

} // namespace kernels::cuda
