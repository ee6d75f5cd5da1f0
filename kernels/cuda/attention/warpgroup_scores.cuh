// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What attention with wgmma has in common, for prompts and for pictures: 64 rows a warpgroup against 128 keys a turn, and
// the running softmax between the two products.

#include "cuda/common/reduce.cuh"
#include "cuda/prompt/warpgroup.cuh"

#include <cmath>

namespace kernels::cuda::scores {

inline constexpr int kKeys = 128;
inline constexpr unsigned kTileBytes = kKeys * warpgroup::kRowBytes; // 128 rows of 64 columns, of query and keys

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

__device__ inline float powerOfTwo(float x)
{
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

// Softmax of 64 rows x 128 keys a warpgroup; a thread has two rows, in powers of two.
struct Rows {
    float maximum[2] = {-INFINITY, -INFINITY};
    float total[2] = {}; // of this thread's columns

    // Scores become shares; what was summed before is to be multiplied by `rescale`.
    __device__ void take(float (&scores)[64], float scale, float (&rescale)[2])
    {
        float best[2] = {-INFINITY, -INFINITY};
#pragma unroll
        for (int i = 0; i < 64; ++i)
            best[i / 2 % 2] = fmaxf(best[i / 2 % 2], scores[i]);
        float base[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            best[i] = fmaxf(best[i], __shfl_xor_sync(kAllLanes, best[i], 1));
            best[i] = fmaxf(best[i], __shfl_xor_sync(kAllLanes, best[i], 2));
            const float next = fmaxf(maximum[i], best[i] * scale);
            base[i] = next == -INFINITY ? 0.0F : next; // no key seen so far
            rescale[i] = powerOfTwo(maximum[i] - base[i]);
            maximum[i] = next;
            total[i] *= rescale[i];
        }
#pragma unroll
        for (int i = 0; i < 64; ++i) {
            scores[i] = powerOfTwo(__fmaf_rn(scores[i], scale, -base[i / 2 % 2]));
            total[i / 2 % 2] += scores[i];
        }
    }
};

__device__ inline void narrowShares(const float (&scores)[64], std::uint32_t (&shares)[8][4])
{
#pragma unroll
    for (int k = 0; k < 8; ++k) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const __nv_bfloat162 pair = __floats2bfloat162_rn(scores[k * 8 + i * 2], scores[k * 8 + i * 2 + 1]);
            shares[k][i] = *reinterpret_cast<const std::uint32_t *>(&pair);
        }
    }
}

template <int KeyDim> __device__ inline void scoreProducts(float (&scores)[64], std::uint32_t query, std::uint32_t keys,
    std::uint32_t queryTileBytes = kTileBytes)
{
#pragma unroll
    for (int k = 0; k < KeyDim / 16; ++k) {
        const auto tile = static_cast<std::uint32_t>(k / 4);
        warpgroup::multiply(scores, warpgroup::descriptorOf(query + tile * queryTileBytes) + k % 4 * warpgroup::kNextSixteen,
            warpgroup::descriptorOf(keys + tile * kTileBytes) + k % 4 * warpgroup::kNextSixteen, k > 0);
    }
    warpgroup::endProducts();
}

#endif

} // namespace kernels::cuda::scores
