// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

struct RowsView { // [rows, columns] with `stride` elements between rows
    float *data = nullptr;
    std::int64_t rows = 0, columns = 0, stride = 0;
};

cudaError_t siluMultiply(RowsView gate, RowsView up, RowsView output, cudaStream_t stream); // may alias
cudaError_t add(RowsView accumulator, RowsView addend, cudaStream_t stream);
cudaError_t copyRows(RowsView destination, RowsView source, cudaStream_t stream);

// Row i of source, or its only row, to row rows[i] of destination.
struct ScatterRowsArgs {
    RowsView source, destination;
    const std::int32_t *rows = nullptr; // device [count]
    int count = 0;
};
cudaError_t scatterRows(const ScatterRowsArgs &args, cudaStream_t stream);

// Rotates x[r, h, offset .. offset + 2 * pairs) by position[r] * inverseFrequencies (architectures.md 2.2).
struct RopeArgs {
    float *x = nullptr; // [rows, heads, dim]
    int rows = 0, heads = 0, dim = 0;
    std::int64_t rowStride = 0;
    int offset = 0, pairs = 0;
    const float *inverseFrequencies = nullptr; // device [pairs]
    float magnitude = 1.0F;
    bool interleaved = false;
    const std::int32_t *positions = nullptr;   // device [rows]
};
cudaError_t rope(const RopeArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
