// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What both ways to choose a token share: the one of a cluster of blocks (choose_cluster.cu) and that of three kernels.

#include "cuda/sampling/choose.h"

#include <cfloat>
#include <climits>
#include <cmath>

namespace kernels::cuda::choosing {

inline constexpr int kBuckets = kChooseBuckets;
inline constexpr int kListed = 2048;  // ids that a bucket may hold
using Units = unsigned long long;

// Numbers in the order of floats.
__device__ inline unsigned orderOf(float value)
{
    const unsigned bits = __float_as_uint(value + 0.0F); // -0 is 0
    return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}
__device__ inline float floatOf(unsigned order)
{
    return __uint_as_float((order & 0x80000000U) != 0 ? order & 0x7FFFFFFFU : ~order);
}
__device__ inline bool isFinite(float value) { return value > -INFINITY; } // others than -Inf were refused before

__device__ inline Units unitsOf(float weight) { return static_cast<Units>(weight * kWeightUnits); }
// Distances from the best in 64ths of a logit.
__device__ inline float placeOf(float best, float value) { return fminf((best - value) * 64.0F, kBuckets - 1.0F); }
__device__ inline int bucketOf(float best, float value) { return static_cast<int>(placeOf(best, value)); }

// What a rule asks for.
struct Wanted {
    bool isGreedy, cutsCount, cutsMass;
    int alternatives;
    __host__ __device__ Wanted(const ChooseRule &rule, int count)
        : isGreedy(rule.temperature == 0.0F || rule.topK == 1)
        , cutsCount(!isGreedy && rule.topK > 0 && rule.topK < count)
        , cutsMass(!isGreedy && rule.topP < 1.0F)
        , alternatives(rule.alternatives < kMostAlternatives ? rule.alternatives : kMostAlternatives)
    {
    }
    __host__ __device__ bool buckets() const { return cutsCount || cutsMass || alternatives > 0; }
    __host__ __device__ bool stretches() const { return !isGreedy && !cutsCount && !cutsMass; }
};

// exp(-28) is less than a unit: what lies farther from the best, in temperatures, weighs nothing.
inline constexpr float kFarthest = 28.0F;

struct Weights {
    float best, temperature, minP;
    float inverse = 1.0F;   // of the temperature
    float edge = -INFINITY; // the last id that stays, by order: more likely ones and it
    int edgeId = INT_MAX;
    __device__ Weights(float bestLogit, const ChooseRule &rule)
        : best(bestLogit)
        , temperature(rule.temperature)
        , minP(rule.minP)
        , inverse(fminf(1.0F / rule.temperature, FLT_MAX))
    {
    }
    __device__ bool isWeightless(float value) const { return best - value > kFarthest * temperature; }
    // exp of the distance divided by the temperature, to the bit: two corrections of a product with the inverse give the
    // rounded quotient (Markstein 1990).
    __device__ float of(float value) const
    {
        const float distance = value - best;
        float quotient = distance * inverse;
        quotient = fmaf(fmaf(-temperature, quotient, distance), inverse, quotient);
        quotient = fmaf(fmaf(-temperature, quotient, distance), inverse, quotient);
        return expf(quotient);
    }
    __device__ Units kept(int id, float logit) const
    {
        const float value = logit + 0.0F;
        if (!isFinite(value) || isWeightless(value) || value < edge || (value == edge && id > edgeId))
            return 0;
        const float weight = of(value);
        return weight < minP ? 0 : unitsOf(weight);
    }
};

// A row without a token keeps its numbers: the step after it makes the same once more.
__device__ inline void finishRow(const ChooseArgs &args, unsigned row, Choice &choice, std::int32_t id, float logit)
{
    choice.id = id;
    choice.logit = logit;
    choice.state = ChoiceState::Chosen;
    if (args.ids != nullptr) {
        args.ids[row] = id;
        ++args.positions[row];
    }
}

// Best ids and ids by likelihood as one number: greater is better; smaller is likelier.
__device__ inline Units bestKey(unsigned order, unsigned id) { return static_cast<Units>(order) << 32 | (UINT_MAX - id); }
__device__ inline Units likelyKey(float value, unsigned id) { return static_cast<Units>(~orderOf(value)) << 32 | id; }
__device__ inline float valueOf(Units likelyKey) { return floatOf(~static_cast<unsigned>(likelyKey >> 32)); }
__device__ inline int idOf(Units likelyKey) { return static_cast<int>(likelyKey & UINT_MAX); }

// Buckets [first, last]: distances are cut at 64ths, and 64 is a power of two.
struct BucketRange {
    float first, end;
    __device__ BucketRange(int firstBucket, int lastBucket)
        : first(static_cast<float>(firstBucket))
        , end(static_cast<float>(lastBucket + 1))
    {
    }
    __device__ bool holds(float best, float value) const
    {
        const float place = placeOf(best, value);
        return place >= first && place < end;
    }
};

} // namespace kernels::cuda::choosing

namespace kernels::cuda {

cudaError_t chooseInClusters(const ChooseArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
