// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sixteen lanes on AVX-512 (F, BW, DQ, VL, VNNI). Included by avx512.cpp only, before the bodies.
#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#define KERNELS_INLINE static inline __attribute__((always_inline))

namespace kernels::KERNELS_ISA {
namespace {

struct F { // 16 floats
    __m512 v;
};
struct I { // 16 int32
    __m512i v;
};

// Rows and groups of the register tiles: 12 x 32 sums use 24 of 32 registers.
constexpr int kPanelRows = 12;
constexpr int kPanelGroups = 2;
constexpr int kQuantRows = 8;
constexpr int kDirectGroups[5] = {0, 8, 4, 4, 4}; // by number of rows
constexpr int kQuantGroups[9] = {0, 4, 4, 2, 2, 1, 1, 1, 1};

KERNELS_INLINE __mmask16 firstLanes(int count)
{
    return static_cast<__mmask16>((1U << count) - 1U);
}
KERNELS_INLINE F zero() { return {_mm512_setzero_ps()}; }
KERNELS_INLINE F set1(float x) { return {_mm512_set1_ps(x)}; }
KERNELS_INLINE F load(const float *p) { return {_mm512_loadu_ps(p)}; }
KERNELS_INLINE void store(float *p, F x) { _mm512_storeu_ps(p, x.v); }
KERNELS_INLINE F loadFirst(const float *p, int count) { return {_mm512_maskz_loadu_ps(firstLanes(count), p)}; }
KERNELS_INLINE void storeFirst(float *p, F x, int count) { _mm512_mask_storeu_ps(p, firstLanes(count), x.v); }
KERNELS_INLINE F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }   // a * b + c
KERNELS_INLINE F fnma(F a, F b, F c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; } // c - a * b
KERNELS_INLINE F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
KERNELS_INLINE F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
KERNELS_INLINE F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
KERNELS_INLINE F operator/(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
// The second operand is kept when a lane is no number.
KERNELS_INLINE F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
KERNELS_INLINE F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
KERNELS_INLINE F absolute(F a) { return {_mm512_abs_ps(a.v)}; }
// a where x >= 0, else b
KERNELS_INLINE F chooseBySign(F x, F a, F b)
{
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_LT_OQ), a.v, b.v)};
}
KERNELS_INLINE F roundNearest(F a)
{
    return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
KERNELS_INLINE F timesPowerOfTwo(F a, F exponent) { return {_mm512_scalef_ps(a.v, exponent.v)}; }

KERNELS_INLINE float reduceAdd(F a) { return _mm512_reduce_add_ps(a.v); }
KERNELS_INLINE float reduceMax(F a) { return _mm512_reduce_max_ps(a.v); }
// out[i] = the sum of lanes of the i-th argument
KERNELS_INLINE void reduceAdd4(F a, F b, F c, F d, float *out)
{
    const auto fold = [](F x) {
        return _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    };
    const __m256 ab = _mm256_hadd_ps(fold(a), fold(b));
    const __m256 cd = _mm256_hadd_ps(fold(c), fold(d));
    const __m256 all = _mm256_hadd_ps(ab, cd);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

KERNELS_INLINE F loadHalf(const void *p)
{
    return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i *>(p)))};
}
KERNELS_INLINE F loadBfloat(const void *p)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i *>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
// e4m3 times 2^-8: its bits, moved, are a half with the exponent 8 too small; subnormals come out right.
KERNELS_INLINE F loadFp8(const void *p)
{
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i *>(p)));
    const __m256i bits = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16(static_cast<short>(0xBFFF)));
    return {_mm512_cvtph_ps(bits)};
}
KERNELS_INLINE void storeHalf(void *p, F x)
{
    _mm256_storeu_si256(static_cast<__m256i *>(p), _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
}

// 16 signed bytes as floats
KERNELS_INLINE F loadBytes(const std::int8_t *p)
{
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p))))};
}
KERNELS_INLINE I zeroI() { return {_mm512_setzero_si512()}; }
KERNELS_INLINE I set1I(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
KERNELS_INLINE I loadI(const void *p) { return {_mm512_loadu_si512(p)}; }
KERNELS_INLINE I operator+(I a, I b) { return {_mm512_add_epi32(a.v, b.v)}; }
KERNELS_INLINE I operator-(I a, I b) { return {_mm512_sub_epi32(a.v, b.v)}; }
KERNELS_INLINE I operator&(I a, I b) { return {_mm512_and_si512(a.v, b.v)}; }
template <int bits> KERNELS_INLINE I shiftRight16(I a) { return {_mm512_srli_epi16(a.v, bits)}; }
KERNELS_INLINE I shiftRight32(I a, int bits) { return {_mm512_srl_epi32(a.v, _mm_cvtsi32_si128(bits))}; }
KERNELS_INLINE F toFloat(I a) { return {_mm512_cvtepi32_ps(a.v)}; }
KERNELS_INLINE I roundToInt(F a) { return {_mm512_cvtps_epi32(a.v)}; }
KERNELS_INLINE void storeI(std::int32_t *p, I x) { _mm512_storeu_si512(p, x.v); }
// c + two products of 16-bit halves in every lane
KERNELS_INLINE I dotPairs(I a, I b, I c) { return {_mm512_dpwssd_epi32(c.v, a.v, b.v)}; }

} // namespace
} // namespace kernels::KERNELS_ISA
