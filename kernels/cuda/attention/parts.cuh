// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parts of an attention put together: 64 columns of a head a block of 256 threads. The parts of such columns lie side by side in
// memory and come as one copy. sm_90 and later.

#include "cuda/attention/cluster.cuh"

namespace kernels::cuda::parts {

inline constexpr int kColumns = 64, kMostParts = 256;

constexpr std::size_t bytesOf(int parts) { return static_cast<std::size_t>(parts) * (kColumns * sizeof(float) + sizeof(float2)); }
// What a launch asks for, of at most `most`: beyond what needs no leave always as much, since leave is the kernel's.
constexpr std::size_t roomOf(int parts, int most) { return bytesOf(parts) > 48U << 10 ? bytesOf(most) : bytesOf(parts); }

struct Sums {
    __align__(16) float columns[cluster::kWarps][kColumns];
    float totals[cluster::kWarps];
    std::uint64_t statisticsBarrier, valuesBarrier;
};
// Parts `first` to `last` of `all` that there may be, an even number of at most kMostParts.
struct Parts {
    float *values;      // shared: [part][kColumns] from part `even` on
    float2 *statistics; // shared: maximum (base 2), sum
    int first, last, even;
    const float *from;           // in global memory, as are
    const float2 *statisticsFrom;
    unsigned bytes, statisticBytes;

    __device__ Parts(unsigned char *shared, int all, int begin, int end, const float *allValues, const float2 *allStatistics, Sums &sums)
        : values(reinterpret_cast<float *>(shared)), statistics(reinterpret_cast<float2 *>(values + all * kColumns)), first(begin), last(end)
        , even(begin & ~1) // copies begin at 16 bytes
        , from(allValues + static_cast<std::int64_t>(even) * kColumns), statisticsFrom(allStatistics + even)
        , bytes(static_cast<unsigned>((end + 1 - even) * kColumns) * static_cast<unsigned>(sizeof(float)))
        , statisticBytes(static_cast<unsigned>((end - even) / 2 + 1) * static_cast<unsigned>(2 * sizeof(float2)))
    {
        auto *slot = reinterpret_cast<std::uint64_t *>(sums.columns);
        if (threadIdx.x == 0) // who asks
            settle(slot, from, statisticsFrom);
    }
    // One thread, before the others may wait.
    __device__ void expect(Sums &sums) const
    {
        cluster::expectBytes(&sums.statisticsBarrier, statisticBytes);
        cluster::expectBytes(&sums.valuesBarrier, bytes);
    }
    // The same thread, once they are there.
    __device__ void ask(Sums &sums) const
    {
        cluster::copyRow(statistics, statisticsFrom, statisticBytes, &sums.statisticsBarrier);
        cluster::copyRow(values, from, bytes, &sums.valuesBarrier);
    }
    // All threads: four columns each, which lie `place` into a part's, of every sixteenth part. What follows from the statistics is
    // done while the values are on their way: a lane has the shares of one of its half's parts.
    __device__ void sum(int place, Sums &sums) const
    {
        using namespace cluster;
        constexpr int lanesEach = kColumns / 4, groups = kThreads / lanesEach, atOnce = 4;
        static_assert(lanesEach == 16 && groups * 16 == kMostParts);
        const int thread = static_cast<int>(threadIdx.x);
        const int lane = thread % 32;
        waitForCopied(&sums.statisticsBarrier, 0);
        float most = kLowest;
#pragma unroll 1
        for (int part = first + lane; part <= last; part += 32)
            most = fmaxf(most, statistics[part - even].x);
        most = warpMax(most);
        const int begin = first + thread / lanesEach;
        const int own = begin + lane % lanesEach * groups;
        const float2 statistic = own <= last ? statistics[own - even] : make_float2(kLowest, 0.0F);
        const float share = own <= last ? powerOfTwo(statistic.x - most) : 0.0F;
        const float whole = warpSum(__fmul_rn(statistic.y, share));
        float4 sum = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
        const float *from = values + (begin - even) * kColumns + place;
        const int rounds = (last - first - thread / 32 * 2) / groups + 1; // of the warp's first half; none: at most 0
        waitForCopied(&sums.valuesBarrier, 0);
#pragma unroll 1
        for (int i = 0; i < rounds; i += atOnce) {
#pragma unroll
            for (int k = 0; k < atOnce; ++k, from += groups * kColumns) {
                const float factor = __shfl_sync(kAllLanes, share, (lane & lanesEach) + i + k);
                const float4 v = begin + (i + k) * groups <= last ? *reinterpret_cast<const float4 *>(from) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
                sum = make_float4(__fmaf_rn(v.x, factor, sum.x), __fmaf_rn(v.y, factor, sum.y), __fmaf_rn(v.z, factor, sum.z), __fmaf_rn(v.w, factor, sum.w));
            }
        }
        const auto both = [](float x) { return __fadd_rn(x, __shfl_xor_sync(kAllLanes, x, lanesEach)); };
        sum = make_float4(both(sum.x), both(sum.y), both(sum.z), both(sum.w));
        if (lane < lanesEach)
            *reinterpret_cast<float4 *>(&sums.columns[thread / 32][lane * 4]) = sum;
        if (lane == 0)
            sums.totals[thread / 32] = whole;
        __syncthreads();
    }
};
// The sum of a column, not yet divided by `whole`.
__device__ inline float columnOf(const Sums &sums, int column, float &whole)
{
    float value = 0.0F;
    whole = 0.0F;
#pragma unroll
    for (int w = 0; w < cluster::kWarps; ++w) {
        whole = __fadd_rn(whole, sums.totals[w]);
        value = __fadd_rn(value, sums.columns[w][column]);
    }
    return value;
}

} // namespace kernels::cuda::parts
