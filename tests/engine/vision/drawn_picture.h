// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/image.h"

#include <cstdint>

// A picture any language can draw (tests/golden/make_pillow.py does): smooth ramps, hard edges and the noise of a
// small generator.
inline engine::Image drawPicture(int width, int height, std::uint32_t seed)
{
    engine::Image image;
    image.width = width;
    image.height = height;
    image.rgb.resize(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
    std::uint32_t state = seed;
    std::size_t at = 0;
    for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
            state = state * 1664525u + 1013904223u;
            const bool noisy = (x / 16 + y / 16) % 3 == 0;
            const auto noise = static_cast<std::uint8_t>(state >> 24);
            image.rgb[at++] = noisy ? noise : static_cast<std::uint8_t>(x * 255 / width);
            image.rgb[at++] = static_cast<std::uint8_t>((x / 7 + y / 5) % 2 * 255);
            image.rgb[at++] = noisy ? static_cast<std::uint8_t>(255 - noise) : static_cast<std::uint8_t>(y * 255 / height);
        }
    }
    return image;
}
