// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace engine {

// Which input samples make one output sample, and with what weights of 22-bit fixed point.
struct ResizeFilter {
    std::vector<std::int32_t> first, count; // [outputs]
    std::vector<std::int32_t> weights;      // [outputs, taps]
    int taps = 0;
};
// Both at least 1. Equal sizes give a filter that changes nothing.
ResizeFilter makeResizeFilter(int inputs, int outputs);
// The rounding between the passes makes their order visible. Pillow 13 goes down the columns first when the height loses
// more than twice what the width loses.
bool resizesRowsFirst(int width, int height, int newWidth, int newHeight);

// Resizes RGB pixels [height, width, 3] to [newHeight, newWidth, 3] with the bytes of Pillow 13's
// Image.resize(BICUBIC): cubic convolution with a = -0.5, widened when shrinking, in two passes of 22-bit fixed
// point with a rounding to 8 bits between them. Older Pillows differ by one step in a few pixels of pictures that
// lose much height. All sizes are at least 1. Any thread.
std::vector<std::uint8_t> resizeBicubic(std::span<const std::uint8_t> pixels, int width, int height, int newWidth,
    int newHeight);

} // namespace engine
