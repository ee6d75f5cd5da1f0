// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

// Encoded pictures for tests: written by other code than what reads them.
namespace picture {

using Bytes = std::vector<std::uint8_t>;

// A picture whose pixel (x, y) is {x * 7, y * 5, 40}, so that every turn shows.
Bytes gradient(int width, int height, int channels = 3);

Bytes png(int width, int height, int channels, const Bytes &pixels);
Bytes bmp(int width, int height, const Bytes &rgb);
Bytes jpeg(int width, int height, const Bytes &rgb);
Bytes webp(int width, int height, const Bytes &rgb);

// A PNG with nothing but the header chunk given and an empty IDAT, all checksums right.
Bytes pngHeaderOnly(std::uint32_t width, std::uint32_t height);
// One chunk put before the first IDAT.
Bytes withPngChunk(const Bytes &png, std::string_view type, const Bytes &data);
// An APP1 segment with an EXIF orientation after the start of a JPEG.
Bytes withJpegOrientation(const Bytes &jpeg, int orientation, bool bigEndian);
Bytes exifBlock(int orientation, bool bigEndian);

} // namespace picture
