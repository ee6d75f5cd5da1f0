// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a lane of a warp reads of one unit of one row (layout.h), and how digits become float16 pairs: 1024 + digit is one
// logical operation, because 0x6400 is 1024 in float16 with all its ten mantissa bits free; the subtraction is exact.

#include "cuda/packed/layout.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

namespace kernels::cuda {

// F16 and BF16 stay row-major as in the file; their unit is 64 columns.
template <DType Type> inline constexpr bool kIsWide = Type == DType::F16 || Type == DType::BF16;
template <DType Type> inline constexpr int kLaneGroups = kIsWide<Type> ? 2 : kGroupsPerUnit;

template <DType Type> struct LaneUnit {
    static constexpr PackedFormat format = packedFormat(Type);
    static constexpr int digitWords = format.digitBits == 4 ? 4 : 8;
    static constexpr int highWords = format.highBits > 0 ? format.highBits : 1;
    static constexpr int scaleWords = format.scaleBytes >= 4 ? format.scaleBytes / 4 : 1;
    std::uint32_t digits[digitWords];
    std::uint32_t high[highWords];
    std::uint32_t scales[scaleWords];
    std::uint32_t super;
};

__device__ inline uint4 loadOnce(const void *p)
{
    uint4 v;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(p));
    return v;
}

template <DType Type>
__device__ inline void loadUnit(LaneUnit<Type> &u, const std::uint8_t *tile, const PackedShape &s, int unit, int half)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    constexpr PackedFormat f = packedFormat(Type);
    constexpr int pieces = f.digitBits / 4;
#pragma unroll
    for (int piece = 0; piece < pieces; ++piece) {
        const uint4 v = loadOnce(tile + (((unit * 2 + half) * pieces + piece) * 32 + lane) * 16);
        u.digits[piece * 4] = v.x;
        u.digits[piece * 4 + 1] = v.y;
        u.digits[piece * 4 + 2] = v.z;
        u.digits[piece * 4 + 3] = v.w;
    }
    const int row = half * 8 + lane / 4;
    if constexpr (f.highBits == 1) {
        u.high[0] = __ldg(reinterpret_cast<const std::uint32_t *>(tile + s.highOffset) + (unit * 2 + half) * 32 + lane);
    } else if constexpr (f.highBits == 2) {
        const uint2 v = __ldg(reinterpret_cast<const uint2 *>(tile + s.highOffset) + (unit * 2 + half) * 32 + lane);
        u.high[0] = v.x;
        u.high[1] = v.y;
    }
    const std::uint8_t *scales = tile + s.scaleOffset + (unit * kTileRows + row) * f.scaleBytes;
    if constexpr (f.scaleBytes == 4) {
        u.scales[0] = __ldg(reinterpret_cast<const std::uint32_t *>(scales));
    } else if constexpr (f.scaleBytes == 8) {
        const uint2 v = __ldg(reinterpret_cast<const uint2 *>(scales));
        u.scales[0] = v.x;
        u.scales[1] = v.y;
    } else {
        const uint4 v = __ldg(reinterpret_cast<const uint4 *>(scales));
        u.scales[0] = v.x;
        u.scales[1] = v.y;
        u.scales[2] = v.z;
        u.scales[3] = v.w;
    }
    const std::uint8_t *super = tile + s.superOffset + (unit / 2 * kTileRows + row) * f.superBytes;
    if constexpr (f.superBytes == 4)
        u.super = __ldg(reinterpret_cast<const std::uint32_t *>(super));
    else if constexpr (f.superBytes == 2)
        u.super = __ldg(reinterpret_cast<const unsigned short *>(super));
}

// Row-major float16 or bfloat16; `row` is the start of a row.
template <DType Type> __device__ inline void loadWide(LaneUnit<Type> &u, const std::uint8_t *row, int unit, int groups)
{
    const int t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
    for (int g = 0; g < 2; ++g) {
        const int group = min(unit * 2 + g, groups - 1);
        const uint4 v = loadOnce(row + group * 64 + t * 16);
        u.digits[g * 4] = v.x;
        u.digits[g * 4 + 1] = v.y;
        u.digits[g * 4 + 2] = v.z;
        u.digits[g * 4 + 3] = v.w;
    }
}

__device__ inline std::uint32_t subtractPair(std::uint32_t pair, std::uint32_t both)
{
    const __half2 r = __hsub2(*reinterpret_cast<const __half2 *>(&pair), *reinterpret_cast<const __half2 *>(&both));
    return *reinterpret_cast<const std::uint32_t *>(&r);
}
__device__ inline std::uint32_t sixteenthPair(std::uint32_t pair, std::uint32_t minus)
{
    const std::uint32_t factor = 0x2C002C00U; // 1 / 16
    const __half2 r = __hfma2(*reinterpret_cast<const __half2 *>(&pair), *reinterpret_cast<const __half2 *>(&factor),
        *reinterpret_cast<const __half2 *>(&minus));
    return *reinterpret_cast<const std::uint32_t *>(&r);
}
__device__ constexpr std::uint32_t halfPair(std::uint32_t bits) { return bits | (bits << 16); }

// What is taken from a digit: zero for the formats with minima.
template <DType Type> __device__ constexpr int digitOffset()
{
    switch (Type) {
    case DType::Q4_0: return 8;
    case DType::Q5_0: return 16;
    case DType::Q6_K: return 32;
    case DType::Q8_0: return 128;
    default: return 0;
    }
}
// float16 bits of 1024 + offset and of -(64 + offset); offsets are below 1024 and 64.
template <DType Type> __device__ constexpr std::uint32_t biasBits() { return 0x6400U + digitOffset<Type>(); }
template <DType Type> __device__ constexpr std::uint32_t sixteenthBits() { return 0xD400U + digitOffset<Type>() * 16U; }

// Columns (0,1), (2,3), (4,5), (6,7) of the lane's eight of group `g`, offsets taken away.
template <DType Type> __device__ inline void groupPairs(const LaneUnit<Type> &u, int g, std::uint32_t (&pairs)[4])
{
    constexpr PackedFormat f = packedFormat(Type);
    if constexpr (Type == DType::F16) {
#pragma unroll
        for (int p = 0; p < 4; ++p)
            pairs[p] = u.digits[g * 4 + p];
    } else if constexpr (Type == DType::BF16) {
#pragma unroll
        for (int p = 0; p < 4; ++p) {
            const std::uint32_t w = u.digits[g * 4 + p];
            const __half2 h = __floats2half2_rn(__uint_as_float(w << 16), __uint_as_float(w & 0xFFFF0000U));
            pairs[p] = *reinterpret_cast<const std::uint32_t *>(&h);
        }
    } else if constexpr (Type == DType::F8E4M3) {
#pragma unroll
        for (int p = 0; p < 4; ++p) {
            const std::uint32_t w = u.digits[g * 2 + p / 2] >> (p % 2 * 16);
            const __half2_raw h = __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(w & 0xFFFFU), __NV_E4M3);
            pairs[p] = static_cast<std::uint32_t>(h.x) | (static_cast<std::uint32_t>(h.y) << 16);
        }
    } else if constexpr (f.digitBits == 8) {
#pragma unroll
        for (int p = 0; p < 4; ++p) {
            const std::uint32_t w = u.digits[g * 2 + p / 2];
            const std::uint32_t v = __byte_perm(w, 0x64646464U, p % 2 == 0 ? 0x4140 : 0x4342);
            pairs[p] = subtractPair(v, halfPair(biasBits<Type>()));
        }
    } else {
        const std::uint32_t w = u.digits[g];
#pragma unroll
        for (int p = 0; p < 4; ++p) {
            const bool odd = p % 2 != 0;
            std::uint32_t v = ((p >= 2 ? w >> 8 : w) & (odd ? 0x00F000F0U : 0x000F000FU)) | 0x64006400U;
            if constexpr (f.highBits == 1) {
                const int from = p / 2 * 8 + 2 * g + p % 2;
                const int to = odd ? 8 : 4;
                const std::uint32_t h = from <= to ? u.high[0] << (to - from) : u.high[0] >> (from - to);
                v |= h & (odd ? 0x01000100U : 0x00100010U);
            } else if constexpr (f.highBits == 2) {
                const int from = p / 2 * 8 + 4 * (g % 2) + p % 2 * 2;
                const int to = odd ? 8 : 4;
                const std::uint32_t word = u.high[g / 2];
                const std::uint32_t h = from <= to ? word << (to - from) : word >> (from - to);
                v |= h & (odd ? 0x03000300U : 0x00300030U);
            }
            pairs[p] = odd ? sixteenthPair(v, halfPair(sixteenthBits<Type>())) : subtractPair(v, halfPair(biasBits<Type>()));
        }
    }
}

__device__ inline float halfBits(std::uint32_t bits) { return __half2float(__ushort_as_half(static_cast<unsigned short>(bits))); }

// Scale and minimum of group `g`: value = scale * digit - minimum. Q6_K: scales of its two halves.
template <DType Type> __device__ inline float2 groupScale(const LaneUnit<Type> &u, int g)
{
    if constexpr (kIsWide<Type>) {
        return make_float2(1.0F, 0.0F);
    } else if constexpr (Type == DType::F8E4M3) {
        return make_float2(__uint_as_float(u.scales[0]), 0.0F);
    } else if constexpr (Type == DType::Q4_K || Type == DType::Q5_K) {
        const std::uint32_t bytes = u.scales[g / 2] >> (g % 2 * 16);
        return make_float2(__fmul_rn(halfBits(u.super & 0xFFFFU), static_cast<float>(bytes & 255U)),
            __fmul_rn(halfBits(u.super >> 16), static_cast<float>((bytes >> 8) & 255U)));
    } else if constexpr (Type == DType::Q6_K) {
        const std::uint32_t bytes = u.scales[g / 2] >> (g % 2 * 16);
        const float d = halfBits(u.super);
        return make_float2(__fmul_rn(d, static_cast<float>(static_cast<signed char>(bytes & 255U))),
            __fmul_rn(d, static_cast<float>(static_cast<signed char>((bytes >> 8) & 255U))));
    } else if constexpr (Type == DType::Q4_1 || Type == DType::Q5_1) {
        return make_float2(halfBits(u.scales[g] & 0xFFFFU), -halfBits(u.scales[g] >> 16));
    } else {
        return make_float2(halfBits((u.scales[g / 2] >> (g % 2 * 16)) & 0xFFFFU), 0.0F);
    }
}
template <DType Type>
inline constexpr bool kHasMinimum =
    Type == DType::Q4_1 || Type == DType::Q5_1 || Type == DType::Q4_K || Type == DType::Q5_K;

} // namespace kernels::cuda
