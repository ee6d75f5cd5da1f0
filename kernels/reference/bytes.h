// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/convert.h"

#include <cstring>

// Reads of unaligned little-endian numbers, for the scalar code only.
namespace kernels::bytes {

inline std::uint8_t u8(const std::byte *p)
{
    return std::to_integer<std::uint8_t>(*p);
}
inline std::int8_t i8(const std::byte *p)
{
    return static_cast<std::int8_t>(u8(p));
}
inline std::uint16_t u16(const std::byte *p)
{
    std::uint16_t value = 0;
    std::memcpy(&value, p, sizeof value);
    return value;
}
inline std::uint32_t u32(const std::byte *p)
{
    std::uint32_t value = 0;
    std::memcpy(&value, p, sizeof value);
    return value;
}
inline float f32(const std::byte *p)
{
    float value = 0;
    std::memcpy(&value, p, sizeof value);
    return value;
}
inline float half(const std::byte *p)
{
    return halfToFloat(u16(p));
}

// Scale and minimum j of the twelve packed bytes of Q4_K and Q5_K.
inline void scaleAndMinimum(const std::byte *packed, int j, int &scale, int &minimum)
{
    if (j < 4) {
        scale = u8(packed + j) & 63;
        minimum = u8(packed + j + 4) & 63;
    } else {
        scale = (u8(packed + j + 4) & 15) | ((u8(packed + j - 4) >> 6) << 4);
        minimum = (u8(packed + j + 4) >> 4) | ((u8(packed + j) >> 6) << 4);
    }
}

// The sixteen six-bit scales of Q3_K, still with their offset of 32.
inline void q3Scales(const std::byte *packed, int scales[16])
{
    for (int i = 0; i < 16; ++i) {
        const int low = i < 8 ? u8(packed + i) & 15 : u8(packed + i - 8) >> 4;
        const int high = (u8(packed + 8 + i % 4) >> (2 * (i / 4))) & 3;
        scales[i] = low | (high << 4);
    }
}

} // namespace kernels::bytes
