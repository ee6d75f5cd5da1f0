// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// Normalised pixels of every patch of every tile: channel, row, column of the patch, then zeros.
struct PatchesArgs {
    const std::uint8_t *pixels = nullptr; // [tiles, size, size, 3]
    const float *values = nullptr;        // [3, 256] what a byte stands for
    int tiles = 0, size = 0, patch = 0;
    float *output = nullptr;              // [tiles * (size / patch)^2, columns]
    std::int64_t outputStride = 0;
    int columns = 0;                      // at least 3 * patch^2
};
cudaError_t patches(const PatchesArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
