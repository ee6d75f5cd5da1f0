// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// One direction of a resize of RGB bytes: output i is the sum of weights[i, t] * input[first[i] + t], t < count[i], in fixed
// point of 22 bits, rounded and held to a byte.
struct ResizePass {
    const std::int32_t *first = nullptr, *count = nullptr; // device [outputs]
    const std::int32_t *weights = nullptr;                 // device [outputs, taps]
    int outputs = 0, taps = 0;
    bool downColumns = false;
};

// Rows of `width` pixels to rows of pass.outputs, or `width` columns to pass.outputs rows.
struct ResizeArgs {
    const std::uint8_t *pixels = nullptr; // [height, width, 3]
    int width = 0, height = 0;
    ResizePass pass;
    std::uint8_t *output = nullptr;       // [newHeight, newWidth, 3]
};
cudaError_t resize(const ResizeArgs &args, cudaStream_t stream);

// The same, the result placed on a plain ground and cut into tiles.
struct ResizeIntoTilesArgs {
    const std::uint8_t *pixels = nullptr; // [height, width, 3]; null: only the ground
    int width = 0, height = 0;
    ResizePass pass;
    int left = 0, top = 0;                // where the picture begins
    int size = 0, tilesWide = 1, tilesHigh = 1;
    std::uint8_t ground[3] = {};
    std::uint8_t *output = nullptr;       // [tilesHigh * tilesWide, size, size, 3]
};
cudaError_t resizeIntoTiles(const ResizeIntoTilesArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
