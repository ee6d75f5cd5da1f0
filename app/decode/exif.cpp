// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "exif.h"

namespace decode {

namespace {
constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kTypeShort = 3;
constexpr std::size_t kEntryBytes = 12;
} // namespace

int exifOrientation(Bytes tiff)
{
    if (tiff.size() < 8)
        return 1;
    const bool bigEndian = tiff[0] == 'M' && tiff[1] == 'M';
    if (!bigEndian && !(tiff[0] == 'I' && tiff[1] == 'I'))
        return 1;
    if (readNumber(tiff, 2, 2, bigEndian) != 42U)
        return 1;
    const auto directory = readNumber(tiff, 4, 4, bigEndian);
    if (!directory)
        return 1;
    const auto count = readNumber(tiff, *directory, 2, bigEndian);
    if (!count)
        return 1;
    for (std::size_t entry = 0; entry < *count; ++entry) {
        const std::size_t at = std::size_t(*directory) + 2 + entry * kEntryBytes;
        const auto tag = readNumber(tiff, at, 2, bigEndian);
        if (!tag)
            return 1;
        if (*tag != kOrientationTag)
            continue;
        const auto type = readNumber(tiff, at + 2, 2, bigEndian);
        const auto values = readNumber(tiff, at + 4, 4, bigEndian);
        const auto value = readNumber(tiff, at + 8, 2, bigEndian);
        if (type != kTypeShort || values != 1U || !value || *value < 1 || *value > 8)
            return 1;
        return static_cast<int>(*value);
    }
    return 1;
}

} // namespace decode
