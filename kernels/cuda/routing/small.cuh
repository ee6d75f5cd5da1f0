// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Routing of one row over few experts without groups, in the registers of one warp.

#include "cuda/common/reduce.cuh"
#include "cuda/routing/routing.h"
#include "kernels/args.h"

#include <cmath>

namespace kernels::cuda {

inline constexpr int kSmallEach = kSmallExperts / 32;

__device__ inline unsigned ordered(float value) // as integers compare
{
    const unsigned bits = __float_as_uint(value);
    return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}
// Lane k has the k-th best expert, -1: none, and its weight.
struct Choice {
    int expert;
    float weight;
};
// A lane's experts are i * 32 + lane.
struct SmallRow {
    float of[kSmallEach];
};

__device__ inline SmallRow loadLogits(const RouteArgs &args, int row)
{
    SmallRow logits;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const float *from = args.logits + static_cast<std::int64_t>(row) * args.experts;
#pragma unroll
    for (int i = 0; i < kSmallEach; ++i)
        logits.of[i] = i * 32 + lane < args.experts ? __ldcg(from + i * 32 + lane) : -INFINITY;
    return logits;
}

// Not inlined: most blocks do without.
static __device__ __noinline__ SmallRow scoresOf(SmallRow logits, int experts, int score)
{
    SmallRow scores;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (score == 1) {
        float best = -INFINITY;
#pragma unroll
        for (int i = 0; i < kSmallEach; ++i)
            best = fmaxf(best, logits.of[i]);
        best = warpMax(best);
        float sum = 0.0F;
#pragma unroll
        for (int i = 0; i < kSmallEach; ++i) {
            scores.of[i] = i * 32 + lane < experts ? expf(logits.of[i] - best) : 0.0F;
            sum += scores.of[i];
        }
        sum = warpSum(sum);
#pragma unroll
        for (int i = 0; i < kSmallEach; ++i)
            scores.of[i] /= sum;
    } else {
#pragma unroll
        for (int i = 0; i < kSmallEach; ++i)
            scores.of[i] = 1.0F / (1.0F + expf(-logits.of[i]));
    }
    return scores;
}

// Lane k: the k-th best expert, -1: none. Without a bias the order of the logits is that of the scores.
__device__ inline int chooseSmall(const SmallRow &logits, const RouteArgs &args)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    SmallRow scores{};
    if (args.bias != nullptr)
        scores = scoresOf(logits, args.experts, args.score);
    constexpr unsigned none = 0x007FFFFFU; // ordered(-INFINITY)
    unsigned keys[kSmallEach];
#pragma unroll
    for (int i = 0; i < kSmallEach; ++i) {
        const int expert = i * 32 + lane;
        keys[i] = none;
        if (expert >= args.experts)
            continue;
        const float choice = args.bias != nullptr ? scores.of[i] + args.bias[expert] : logits.of[i];
        if (choice > -INFINITY) // not of what is no number
            keys[i] = ordered(choice);
#pragma unroll 1
        for (int stop = 0; stop < args.stopCount; ++stop)
            keys[i] = args.stopExperts[stop] == expert ? none : keys[i];
    }
    int mine = -1;
#pragma unroll 1
    for (int k = 0; k < args.perToken; ++k) {
        unsigned largest = keys[0];
#pragma unroll
        for (int i = 1; i < kSmallEach; ++i)
            largest = max(largest, keys[i]);
        largest = __reduce_max_sync(kAllLanes, largest);
        if (largest == none)
            break;
        int expert = 0;
#pragma unroll
        for (int i = kSmallEach - 1; i >= 0; --i) { // the first of equal ones
            const unsigned lanes = __ballot_sync(kAllLanes, keys[i] == largest);
            expert = lanes != 0 ? i * 32 + __ffs(static_cast<int>(lanes)) - 1 : expert;
        }
#pragma unroll
        for (int i = 0; i < kSmallEach; ++i)
            keys[i] = expert == i * 32 + lane ? none : keys[i];
        mine = lane == k ? expert : mine;
    }
    return mine;
}

// The weights of what chooseSmall() has chosen, and which of it is kept.
__device__ inline Choice weigh(int mine, const SmallRow &logits, const RouteArgs &args)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const SmallRow scores = scoresOf(logits, args.experts, args.score);
    float weight = 0.0F;
#pragma unroll
    for (int i = 0; i < kSmallEach; ++i) {
        const float other = __shfl_sync(kAllLanes, scores.of[i], mine & 31);
        weight = mine >= 0 && mine / 32 == i ? other : weight;
    }
    bool kept = mine >= 0;
    if (args.automatic) {
        float largest = weight; // of those up to this one
        for (int distance = 1; distance < 32; distance *= 2) {
            const float other = __shfl_up_sync(kAllLanes, largest, distance);
            largest = lane >= distance ? fmaxf(largest, other) : largest;
        }
        kept = kept && !(weight < kAutomaticShare * largest);
    }
    weight = kept ? weight : 0.0F;
    const float factor = args.normalise ? args.scale / (warpSum(weight) + 1e-20F) : args.scale;
    return {kept ? mine : -1, weight * factor};
}

__device__ inline void writeChoice(const RouteArgs &args, int row, const Choice &choice)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    if (lane < args.perToken) {
        args.ids[static_cast<std::int64_t>(row) * args.perToken + lane] = choice.expert;
        args.weights[static_cast<std::int64_t>(row) * args.perToken + lane] = choice.weight;
    }
}

} // namespace kernels::cuda
