// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sixteen lanes as two registers on AVX2 with FMA and F16C. Included by avx2.cpp only, before the bodies.
#include <cstddef>
#include <cstdint>
#include <immintrin.h>

#define KERNELS_INLINE static inline __attribute__((always_inline))

namespace kernels::KERNELS_ISA {
namespace {

struct F { // 16 floats
    __m256 a, b;
};
struct I { // 16 int32
    __m256i a, b;
};

// 6 x 16 sums use 12 of 16 registers.
constexpr int kPanelRows = 6;
constexpr int kPanelGroups = 1;
constexpr int kQuantRows = 4;
constexpr int kDirectGroups[5] = {0, 4, 2, 1, 1}; // by number of rows
constexpr int kQuantGroups[5] = {0, 2, 1, 1, 1};

KERNELS_INLINE F zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
KERNELS_INLINE F set1(float x)
{
    const __m256 v = _mm256_set1_ps(x);
    return {v, v};
}
KERNELS_INLINE F load(const float *p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
KERNELS_INLINE void store(float *p, F x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}
KERNELS_INLINE __m256i firstLanes(int count)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
KERNELS_INLINE F loadFirst(const float *p, int count)
{
    return {_mm256_maskload_ps(p, firstLanes(count)), _mm256_maskload_ps(p + 8, firstLanes(count - 8))};
}
KERNELS_INLINE void storeFirst(float *p, F x, int count)
{
    _mm256_maskstore_ps(p, firstLanes(count), x.a);
    _mm256_maskstore_ps(p + 8, firstLanes(count - 8), x.b);
}
KERNELS_INLINE F fma(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
KERNELS_INLINE F fnma(F x, F y, F z) { return {_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)}; }
KERNELS_INLINE F operator+(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
KERNELS_INLINE F operator-(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
KERNELS_INLINE F operator*(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
KERNELS_INLINE F operator/(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
// The second operand is kept when a lane is no number.
KERNELS_INLINE F max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
KERNELS_INLINE F min(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
KERNELS_INLINE F absolute(F x)
{
    const __m256 sign = _mm256_set1_ps(-0.0F);
    return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
// p where x >= 0, else q
KERNELS_INLINE F chooseBySign(F x, F p, F q)
{
    const __m256 none = _mm256_setzero_ps();
    return {_mm256_blendv_ps(p.a, q.a, _mm256_cmp_ps(x.a, none, _CMP_LT_OQ)),
            _mm256_blendv_ps(p.b, q.b, _mm256_cmp_ps(x.b, none, _CMP_LT_OQ))};
}
KERNELS_INLINE F roundNearest(F x)
{
    return {_mm256_round_ps(x.a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
            _mm256_round_ps(x.b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
// exponent is whole, -126 .. 127
KERNELS_INLINE F timesPowerOfTwo(F x, F exponent)
{
    const auto power = [](__m256 e) {
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(e), _mm256_set1_epi32(127)), 23));
    };
    return {_mm256_mul_ps(x.a, power(exponent.a)), _mm256_mul_ps(x.b, power(exponent.b))};
}

// The same order of additions as on AVX-512.
KERNELS_INLINE float reduceAdd(F x)
{
    const __m256 eight = _mm256_add_ps(x.a, x.b);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
KERNELS_INLINE float reduceMax(F x)
{
    const __m256 eight = _mm256_max_ps(x.a, x.b);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
// out[i] = the sum of lanes of the i-th argument
KERNELS_INLINE void reduceAdd4(F p, F q, F r, F s, float *out)
{
    const __m256 pq = _mm256_hadd_ps(_mm256_add_ps(p.a, p.b), _mm256_add_ps(q.a, q.b));
    const __m256 rs = _mm256_hadd_ps(_mm256_add_ps(r.a, r.b), _mm256_add_ps(s.a, s.b));
    const __m256 all = _mm256_hadd_ps(pq, rs);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
}

KERNELS_INLINE F loadHalf(const void *p)
{
    const auto *halves = static_cast<const __m128i *>(p);
    return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
}
KERNELS_INLINE F loadBfloat(const void *p)
{
    const auto *parts = static_cast<const __m128i *>(p);
    const auto widen = [](__m128i x) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16)); };
    return {widen(_mm_loadu_si128(parts)), widen(_mm_loadu_si128(parts + 1))};
}
// e4m3 times 2^-8: its bits, moved, are a half with the exponent 8 too small; subnormals come out right.
KERNELS_INLINE F loadFp8(const void *p)
{
    const __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i *>(p)));
    const __m256i bits = _mm256_and_si256(_mm256_slli_epi16(wide, 7), _mm256_set1_epi16(static_cast<short>(0xBFFF)));
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(bits)), _mm256_cvtph_ps(_mm256_extracti128_si256(bits, 1))};
}
KERNELS_INLINE void storeHalf(void *p, F x)
{
    auto *halves = static_cast<__m128i *>(p);
    _mm_storeu_si128(halves, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(halves + 1, _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}

// 16 signed bytes as floats
KERNELS_INLINE F loadBytes(const std::int8_t *p)
{
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}
KERNELS_INLINE I zeroI() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
KERNELS_INLINE I set1I(std::int32_t x)
{
    const __m256i v = _mm256_set1_epi32(x);
    return {v, v};
}
KERNELS_INLINE I loadI(const void *p)
{
    const auto *parts = static_cast<const __m256i *>(p);
    return {_mm256_loadu_si256(parts), _mm256_loadu_si256(parts + 1)};
}
KERNELS_INLINE I operator+(I x, I y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
KERNELS_INLINE I operator-(I x, I y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
KERNELS_INLINE I operator&(I x, I y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
template <int bits> KERNELS_INLINE I shiftRight16(I x) { return {_mm256_srli_epi16(x.a, bits), _mm256_srli_epi16(x.b, bits)}; }
KERNELS_INLINE I shiftRight32(I x, int bits)
{
    const __m128i count = _mm_cvtsi32_si128(bits);
    return {_mm256_srl_epi32(x.a, count), _mm256_srl_epi32(x.b, count)};
}
KERNELS_INLINE F toFloat(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
KERNELS_INLINE I roundToInt(F x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
KERNELS_INLINE void storeI(std::int32_t *p, I x)
{
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), x.a);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p + 8), x.b);
}
// z + two products of 16-bit halves in every lane
KERNELS_INLINE I dotPairs(I x, I y, I z)
{
    return {_mm256_add_epi32(z.a, _mm256_madd_epi16(x.a, y.a)), _mm256_add_epi32(z.b, _mm256_madd_epi16(x.b, y.b))};
}

} // namespace
} // namespace kernels::KERNELS_ISA
