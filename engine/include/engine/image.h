// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace engine {

// A decoded picture: 8-bit RGB, row-major, no padding, already turned upright by its EXIF orientation.
// Immutable once shared (std::shared_ptr<const Image>); any thread may read it.
struct Image {
    int width = 0;                         // pixels
    int height = 0;                        // pixels
    std::vector<std::uint8_t> rgb;         // [height, width, 3]
    std::array<std::uint8_t, 32> sha256{}; // of the rgb bytes and the size; stands for the picture in caches
};

} // namespace engine
