// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/dtype.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

namespace kernels::cuda {

// Rows of a file format in device memory (architectures.md 2.8, 6.3).
struct WeightView {
    const std::uint8_t *data = nullptr; // [experts, out, in]
    const void *scales = nullptr;       // FP8: [experts, ceil(out/scaleRows), ceil(in/scaleColumns)]
    std::int64_t experts = 1, out = 0, in = 0;
    std::int64_t rowBytes = 0;
    DType dtype = DType::F32;
    DType scaleType = DType::F32;
    int scaleRows = 128, scaleColumns = 128;
};

__device__ inline float halfAt(const std::uint8_t *p)
{
    // Blocks are 18, 20, 22, 34 ... bytes long, so only two-byte alignment holds.
    return __half2float(*reinterpret_cast<const __half *>(p));
}
__device__ inline void scaleAndMin(const std::uint8_t *scales, int j, int &scale, int &minimum)
{
    if (j < 4) {
        scale = scales[j] & 63;
        minimum = scales[j + 4] & 63;
    } else {
        scale = (scales[j + 4] & 15) | ((scales[j - 4] >> 6) << 4);
        minimum = (scales[j + 4] >> 4) | ((scales[j] >> 6) << 4);
    }
}

// One element of a row that holds a file format. Neighbouring lanes ask for neighbouring columns, so a block's header
// is one broadcast and its digits one or two sectors.
template <DType Type> __device__ float element(const std::uint8_t *row, int column)
{
    if constexpr (Type == DType::F32) {
        return reinterpret_cast<const float *>(row)[column];
    } else if constexpr (Type == DType::F16) {
        return __half2float(reinterpret_cast<const __half *>(row)[column]);
    } else if constexpr (Type == DType::BF16) {
        return __bfloat162float(reinterpret_cast<const __nv_bfloat16 *>(row)[column]);
    } else if constexpr (Type == DType::F8E4M3) {
        return __half2float(__half(__nv_cvt_fp8_to_halfraw(row[column], __NV_E4M3)));
    } else if constexpr (Type == DType::Q8_0) {
        const std::uint8_t *block = row + (column / 32) * 34;
        return halfAt(block) * static_cast<float>(static_cast<std::int8_t>(block[2 + column % 32]));
    } else if constexpr (Type == DType::Q4_0 || Type == DType::Q4_1) {
        constexpr int header = Type == DType::Q4_0 ? 2 : 4;
        const std::uint8_t *block = row + (column / 32) * (header + 16);
        const int j = column % 32;
        const int digit = j < 16 ? block[header + j] & 15 : block[header + j - 16] >> 4;
        if constexpr (Type == DType::Q4_0)
            return halfAt(block) * static_cast<float>(digit - 8);
        else
            return halfAt(block) * static_cast<float>(digit) + halfAt(block + 2);
    } else if constexpr (Type == DType::Q5_0 || Type == DType::Q5_1) {
        constexpr int header = Type == DType::Q5_0 ? 2 : 4;
        const std::uint8_t *block = row + (column / 32) * (header + 20);
        const int j = column % 32;
        const int low = j < 16 ? block[header + 4 + j] & 15 : block[header + 4 + j - 16] >> 4;
        const int digit = low | (((block[header + j / 8] >> (j % 8)) & 1) << 4);
        if constexpr (Type == DType::Q5_0)
            return halfAt(block) * static_cast<float>(digit - 16);
        else
            return halfAt(block) * static_cast<float>(digit) + halfAt(block + 2);
    } else if constexpr (Type == DType::Q4_K || Type == DType::Q5_K) {
        constexpr int blockBytes = Type == DType::Q4_K ? 144 : 176;
        const std::uint8_t *block = row + (column / 256) * blockBytes;
        const int j = column % 256;
        const int group = j / 64;
        const bool high = (j % 64) >= 32;
        const int lane = j % 32;
        int scale = 0;
        int minimum = 0;
        scaleAndMin(block + 4, 2 * group + (high ? 1 : 0), scale, minimum);
        const std::uint8_t *digits = block + (Type == DType::Q4_K ? 16 : 48) + group * 32;
        int digit = high ? digits[lane] >> 4 : digits[lane] & 15;
        if constexpr (Type == DType::Q5_K)
            digit |= ((block[16 + lane] >> (2 * group + (high ? 1 : 0))) & 1) << 4;
        return halfAt(block) * static_cast<float>(scale) * static_cast<float>(digit)
            - halfAt(block + 2) * static_cast<float>(minimum);
    } else {
        static_assert(Type == DType::Q6_K);
        const std::uint8_t *block = row + (column / 256) * 210;
        const int half = (column % 256) / 128;
        const int quarter = (column % 128) / 32;
        const int lane = column % 32;
        const std::uint8_t *low = block + half * 64 + (quarter & 1) * 32;
        const std::uint8_t high = block[128 + half * 32 + lane];
        const int nibble = quarter < 2 ? low[lane] & 15 : low[lane] >> 4;
        const int digit = (nibble | (((high >> (2 * quarter)) & 3) << 4)) - 32;
        const auto scale = static_cast<std::int8_t>(block[192 + half * 8 + lane / 16 + quarter * 2]);
        return halfAt(block + 208) * static_cast<float>(scale) * static_cast<float>(digit);
    }
}

__device__ inline float blockScale(const WeightView &w, std::int64_t expert, std::int64_t row, int column)
{
    if (w.scales == nullptr)
        return 1.0F;
    const std::int64_t rowBlocks = (w.out + w.scaleRows - 1) / w.scaleRows;
    const std::int64_t columnBlocks = (w.in + w.scaleColumns - 1) / w.scaleColumns;
    const std::int64_t index = (expert * rowBlocks + row / w.scaleRows) * columnBlocks + column / w.scaleColumns;
    if (w.scaleType == DType::F8E8M0)
        return exp2f(static_cast<float>(static_cast<const std::uint8_t *>(w.scales)[index]) - 127.0F);
    return static_cast<const float *>(w.scales)[index];
}

// Calls body.template operator()<Type>() for the weight's type; false for a type the plug-in cannot multiply.
template <typename Body> bool withType(DType type, Body &&body)
{
    switch (type) {
    case DType::F32: body.template operator()<DType::F32>(); return true;
    case DType::F16: body.template operator()<DType::F16>(); return true;
    case DType::BF16: body.template operator()<DType::BF16>(); return true;
    case DType::F8E4M3: body.template operator()<DType::F8E4M3>(); return true;
    case DType::Q8_0: body.template operator()<DType::Q8_0>(); return true;
    case DType::Q4_0: body.template operator()<DType::Q4_0>(); return true;
    case DType::Q4_1: body.template operator()<DType::Q4_1>(); return true;
    case DType::Q5_0: body.template operator()<DType::Q5_0>(); return true;
    case DType::Q5_1: body.template operator()<DType::Q5_1>(); return true;
    case DType::Q4_K: body.template operator()<DType::Q4_K>(); return true;
    case DType::Q5_K: body.template operator()<DType::Q5_K>(); return true;
    case DType::Q6_K: body.template operator()<DType::Q6_K>(); return true;
    default: return false;
    }
}

} // namespace kernels::cuda
