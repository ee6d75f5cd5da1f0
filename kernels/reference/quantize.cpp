// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace kernels {

namespace {

constexpr int kBlock = 32;

std::byte toByte(int value)
{
    return static_cast<std::byte>(static_cast<std::uint8_t>(value));
}

// To the nearest whole number, ties to even; |value| is far below 2^22 here. A call into libm takes ten times as long.
float roundHalfEven(float value)
{
    constexpr float kMagic = 0x1.8p23F;
    return (value + kMagic) - kMagic;
}

// A value between low and high; no number becomes low.
int limited(float value, float low, float high)
{
    value = value > low ? value : low;
    return static_cast<int>(roundHalfEven(value < high ? value : high));
}

// The scale is rounded to a half first and the values follow it, so that the error stays below half a step.
void blockQ8(const float *in, std::byte *out)
{
    float largest = 0;
    for (int j = 0; j < kBlock; ++j)
        largest = std::max(largest, std::fabs(in[j]));
    const std::uint16_t scaleBits = floatToHalf(std::min(largest / 127.0F, 65504.0F));
    const float scale = halfToFloat(scaleBits);
    std::memcpy(out, &scaleBits, sizeof scaleBits);
    for (int j = 0; j < kBlock; ++j) {
        out[2 + j] = toByte(scale > 0 ? limited(in[j] / scale, -127.0F, 127.0F) : 0);
    }
}

// The value of largest magnitude, with its sign, becomes -8.
void blockQ4(const float *in, std::byte *out)
{
    float largest = 0;
    for (int j = 0; j < kBlock; ++j)
        if (std::fabs(in[j]) > std::fabs(largest))
            largest = in[j];
    const std::uint16_t scaleBits = floatToHalf(std::clamp(largest / -8.0F, -65504.0F, 65504.0F));
    const float scale = halfToFloat(scaleBits);
    std::memcpy(out, &scaleBits, sizeof scaleBits);
    int quants[kBlock];
    for (int j = 0; j < kBlock; ++j) {
        quants[j] = scale != 0 ? limited(in[j] / scale, -8.0F, 7.0F) + 8 : 8;
    }
    for (int j = 0; j < kBlock / 2; ++j)
        out[2 + j] = toByte(quants[j] | (quants[j + kBlock / 2] << 4));
}

} // namespace

void quantizeRow(DType type, const float *row, std::int64_t columns, std::byte *output)
{
    const int blockBytes = dtypeInfo(type).blockBytes;
    for (std::int64_t k = 0; k < columns; k += kBlock, output += blockBytes) {
        if (type == DType::Q8_0)
            blockQ8(row + k, output);
        else if (type == DType::Q4_0)
            blockQ4(row + k, output);
    }
}

} // namespace kernels
