// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Two kernels. The first finds each row's best id with many blocks (reads the row once). The second, one block a row,
// reads it from L2 up to four times: greedy not at all; temperature once and a stretch of it; top-k and top-p first sort
// ids into buckets of a 64th of a logit, then sort the one bucket in which the cut falls. Bound: one multiprocessor reads
// 400 KB from L2 in about 4 us, so about 20 us for any number of rows, against a copy of 400 KB a row to the host.
#include "cuda/sampling/choose.h"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"

#include <climits>

namespace kernels::cuda {

namespace {

constexpr int kThreads = 1024, kWarps = kThreads / 32;
constexpr int kBestThreads = 256, kBestBlocks = 128;
constexpr int kBuckets = 2 * kThreads; // of 1/64 of a logit, from the best down
constexpr int kListed = 2 * kThreads;  // ids that a bucket may hold
using Units = unsigned long long;

// Numbers in the order of floats.
__device__ unsigned orderOf(float value)
{
    const unsigned bits = __float_as_uint(value + 0.0F); // -0 is 0
    return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}
__device__ float floatOf(unsigned order)
{
    return __uint_as_float((order & 0x80000000U) != 0 ? order & 0x7FFFFFFFU : ~order);
}
__device__ bool isFinite(float value) { return value > -INFINITY; } // others than -Inf were refused before

__device__ Units unitsOf(float weight) { return static_cast<Units>(weight * kWeightUnits); }

__global__ void __launch_bounds__(kBestThreads) bestKernel(const __grid_constant__ ChooseArgs args)
{
    __shared__ Units ofWarp[kBestThreads / 32];
    __shared__ unsigned brokenWarps;
    letNextStart();
    const float *row = args.logits + blockIdx.y * args.stride;
    Units best = 0;
    bool broken = false;
    if (threadIdx.x == 0)
        brokenWarps = 0;
    waitForPrevious();
    __syncthreads();
#pragma unroll 4
    for (int id = static_cast<int>(blockIdx.x) * kBestThreads + static_cast<int>(threadIdx.x); id < args.count;
         id += kBestBlocks * kBestThreads) {
        const float value = row[id];
        broken = broken || !(value < INFINITY);
        const Units key = static_cast<Units>(orderOf(value)) << 32 | (UINT_MAX - static_cast<unsigned>(id));
        if (isFinite(value) && key > best)
            best = key;
    }
    for (int distance = 16; distance > 0; distance /= 2) {
        const Units other = __shfl_xor_sync(kAllLanes, best, distance);
        best = other > best ? other : best;
    }
    broken = __any_sync(kAllLanes, broken) != 0;
    if (threadIdx.x % 32 == 0) {
        ofWarp[threadIdx.x / 32] = best;
        if (broken)
            atomicOr(&brokenWarps, 1U);
    }
    __syncthreads();
    if (threadIdx.x != 0)
        return;
    for (const Units other : ofWarp)
        best = other > best ? other : best;
    if (best != 0)
        atomicMax(args.best + blockIdx.y, best);
    if (brokenWarps != 0)
        atomicOr(args.broken + blockIdx.y, 1U);
}

struct Shared {
    Units masses[kBuckets];
    Units keys[kListed]; // ascending: most likely first
    Units partial[kWarps];
    unsigned counts[kBuckets];
    unsigned listed;
    int foundBucket;
    Units foundBefore, foundKey, sum;
    unsigned foundCount;
};

// Sum over the threads before this one; `sum` becomes that over all.
__device__ Units scan(Shared &shared, Units value, Units &sum)
{
    const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    Units inclusive = value;
    for (int distance = 1; distance < 32; distance *= 2) {
        const Units other = __shfl_up_sync(kAllLanes, inclusive, distance);
        inclusive += lane >= distance ? other : 0;
    }
    __syncthreads(); // the last use of `partial` is over
    if (lane == 31)
        shared.partial[warp] = inclusive;
    __syncthreads();
    Units before = 0;
    sum = 0;
    for (int w = 0; w < kWarps; ++w) {
        before += w < warp ? shared.partial[w] : 0;
        sum += shared.partial[w];
    }
    return before + inclusive - value;
}

__device__ int bucketOf(float best, float value) { return static_cast<int>(fminf((best - value) * 64.0F, kBuckets - 1.0F)); }

// The ids of buckets [first, last], most likely first. False: there are more than fit.
__device__ bool list(Shared &shared, const ChooseArgs &args, const float *row, float best, int first, int last)
{
    __syncthreads();
    if (threadIdx.x == 0)
        shared.listed = 0;
    __syncthreads();
    for (int id = static_cast<int>(threadIdx.x); id < args.count; id += kThreads) {
        const float value = row[id];
        if (!isFinite(value))
            continue;
        const int bucket = bucketOf(best, value);
        if (bucket < first || bucket > last)
            continue;
        const unsigned slot = atomicAdd(&shared.listed, 1U);
        if (slot < kListed)
            shared.keys[slot] = static_cast<Units>(~orderOf(value)) << 32 | static_cast<unsigned>(id);
    }
    __syncthreads();
    const unsigned count = shared.listed;
    if (count > kListed)
        return false;
    unsigned size = 2;
    while (size < count)
        size *= 2;
    for (unsigned i = count + threadIdx.x; i < size; i += kThreads)
        shared.keys[i] = ULLONG_MAX;
    // Bitonic: a pair a thread.
    for (unsigned run = 2; run <= size; run *= 2)
        for (unsigned distance = run / 2; distance > 0; distance /= 2) {
            __syncthreads();
            if (threadIdx.x < size / 2) {
                const unsigned low = 2 * distance * (threadIdx.x / distance) + threadIdx.x % distance, high = low + distance;
                const Units a = shared.keys[low], b = shared.keys[high];
                if ((a > b) == ((low & run) == 0)) {
                    shared.keys[low] = b;
                    shared.keys[high] = a;
                }
            }
        }
    __syncthreads();
    return true;
}

// The bucket in which the `wanted`-th id falls, and how many ids lie before that bucket.
__device__ void findCount(Shared &shared, unsigned wanted)
{
    const unsigned first = shared.counts[2 * threadIdx.x], second = shared.counts[2 * threadIdx.x + 1];
    Units sum = 0;
    const auto before = static_cast<unsigned>(scan(shared, first + second, sum));
    if (before < wanted && wanted <= before + first + second) {
        const bool isSecond = wanted > before + first;
        shared.foundBucket = static_cast<int>(2 * threadIdx.x) + (isSecond ? 1 : 0);
        shared.foundCount = before + (isSecond ? first : 0);
    }
    __syncthreads();
}

// The bucket in which `wanted` units are reached, and the units before it.
__device__ void findMass(Shared &shared, double wanted)
{
    const Units first = shared.masses[2 * threadIdx.x], second = shared.masses[2 * threadIdx.x + 1];
    Units sum = 0;
    const Units before = scan(shared, first + second, sum);
    if (static_cast<double>(before) < wanted && wanted <= static_cast<double>(before + first + second)) {
        const bool isSecond = wanted > static_cast<double>(before + first);
        shared.foundBucket = static_cast<int>(2 * threadIdx.x) + (isSecond ? 1 : 0);
        shared.foundBefore = before + (isSecond ? first : 0);
    }
    __syncthreads();
}

// A row without a token keeps its numbers: the step after it makes the same once more.
__device__ void finishRow(const ChooseArgs &args, Choice &choice, std::int32_t id, float logit)
{
    choice.id = id;
    choice.logit = logit;
    choice.state = ChoiceState::Chosen;
    if (args.ids != nullptr) {
        args.ids[blockIdx.x] = id;
        ++args.positions[blockIdx.x];
    }
}

__global__ void __launch_bounds__(kThreads) chooseKernel(const __grid_constant__ ChooseArgs args)
{
    __shared__ Shared shared;
    const int thread = static_cast<int>(threadIdx.x);
    const float *row = args.logits + blockIdx.x * args.stride;
    const ChooseRule rule = args.rules[blockIdx.x];
    Choice &choice = args.choices[blockIdx.x];
    letNextStart();
    waitForPrevious();
    const Units packed = args.best[blockIdx.x];
    const bool broken = args.broken[blockIdx.x] != 0;
    __syncthreads();
    if (thread == 0) {
        args.best[blockIdx.x] = 0;
        args.broken[blockIdx.x] = 0;
        choice.id = -1;
        choice.state = broken ? ChoiceState::NotANumber : packed == 0 ? ChoiceState::None : ChoiceState::Undecided;
    }
    if (broken || packed == 0)
        return;
    const float best = floatOf(static_cast<unsigned>(packed >> 32));
    const bool isGreedy = rule.temperature == 0.0F || rule.topK == 1;
    const bool cutsCount = !isGreedy && rule.topK > 0 && rule.topK < args.count;
    const bool cutsMass = !isGreedy && rule.topP < 1.0F;
    const int alternatives = min(rule.alternatives, kMostAlternatives);
    const auto weightOf = [&](float value) { return expf((value - best) / rule.temperature); };
    if (thread == 0)
        choice.best = best;

    Units total = 0; // of the ids not cut off
    if (cutsCount || cutsMass || alternatives > 0) {
        for (int bucket = thread; bucket < kBuckets; bucket += kThreads) {
            shared.counts[bucket] = 0;
            shared.masses[bucket] = 0;
        }
        __syncthreads();
        Units plain = 0; // at temperature 1
        for (int id = thread; id < args.count; id += kThreads) {
            const float value = row[id];
            if (!isFinite(value))
                continue;
            const int bucket = bucketOf(best, value);
            atomicAdd(shared.counts + bucket, 1U);
            if (alternatives > 0)
                plain += unitsOf(expf(value - best));
            if (!cutsMass)
                continue;
            const Units units = unitsOf(weightOf(value));
            total += units;
            if (units != 0)
                atomicAdd(shared.masses + bucket, units);
        }
        __syncthreads();
        Units sum = 0;
        if (alternatives > 0) {
            scan(shared, plain, sum);
            Units finite = 0;
            scan(shared, shared.counts[2 * thread] + shared.counts[2 * thread + 1], finite);
            findCount(shared, static_cast<unsigned>(finite < alternatives ? finite : alternatives));
            if (!list(shared, args, row, best, 0, shared.foundBucket))
                return; // undecided
            if (thread == 0)
                choice.total = static_cast<double>(sum) / static_cast<double>(kWeightUnits);
            if (thread < alternatives) {
                const bool isOne = static_cast<unsigned>(thread) < shared.listed;
                const Units key = isOne ? shared.keys[thread] : 0;
                choice.likely[thread] = {isOne ? static_cast<std::int32_t>(key & UINT_MAX) : -1,
                    isOne ? floatOf(~static_cast<unsigned>(key >> 32)) : 0.0F};
            }
        }
        scan(shared, total, sum);
        total = sum;
    }
    if (isGreedy) {
        if (thread == 0)
            finishRow(args, choice, static_cast<std::int32_t>(UINT_MAX - static_cast<unsigned>(packed & UINT_MAX)), best);
        return;
    }

    // What stays: ids more likely than the edge, and it.
    float edge = -INFINITY;
    int edgeId = INT_MAX;
    int lastBucket = kBuckets - 1;
    unsigned lastListed = 0; // ids of the last bucket that stay; they are listed. 0: not cut
    if (cutsCount) {
        Units finite = 0;
        scan(shared, shared.counts[2 * thread] + shared.counts[2 * thread + 1], finite);
        if (static_cast<Units>(rule.topK) < finite) {
            findCount(shared, static_cast<unsigned>(rule.topK));
            lastBucket = shared.foundBucket;
            const unsigned place = static_cast<unsigned>(rule.topK) - shared.foundCount - 1;
            if (!list(shared, args, row, best, lastBucket, lastBucket))
                return;
            const auto order = static_cast<unsigned>(shared.keys[place] >> 32);
            edge = floatOf(~order);
            // Everything equal to the edge stays.
            Units stays = 0;
            for (unsigned i = threadIdx.x; i < shared.listed; i += kThreads)
                stays += static_cast<unsigned>(shared.keys[i] >> 32) <= order ? 1 : 0;
            Units staying = 0;
            scan(shared, stays, staying);
            lastListed = static_cast<unsigned>(staying);
            if (cutsMass) {
                Units mass = 0, sum = 0;
                for (unsigned i = threadIdx.x; i < lastListed; i += kThreads)
                    mass += unitsOf(weightOf(floatOf(~static_cast<unsigned>(shared.keys[i] >> 32))));
                scan(shared, mass, sum);
                if (thread == 0)
                    shared.masses[lastBucket] = sum;
                for (int bucket = lastBucket + 1 + thread; bucket < kBuckets; bucket += kThreads)
                    shared.masses[bucket] = 0;
                __syncthreads();
                scan(shared, shared.masses[2 * thread] + shared.masses[2 * thread + 1], total);
            }
        }
    }
    if (cutsMass) {
        const double wanted = static_cast<double>(rule.topP) * static_cast<double>(total);
        findMass(shared, wanted);
        const Units held = shared.foundBefore;
        const int bucket = shared.foundBucket;
        if (bucket != lastBucket || lastListed == 0) {
            if (!list(shared, args, row, best, bucket, bucket))
                return;
            lastListed = shared.listed;
        }
        Units own[2] = {0, 0};
        for (unsigned i = 0; i < 2; ++i)
            if (const unsigned place = 2 * threadIdx.x + i; place < lastListed)
                own[i] = unitsOf(weightOf(floatOf(~static_cast<unsigned>(shared.keys[place] >> 32))));
        Units sum = 0;
        const Units before = held + scan(shared, own[0] + own[1], sum);
        if (static_cast<double>(before) < wanted && wanted <= static_cast<double>(before + own[0] + own[1]))
            shared.foundKey = shared.keys[2 * threadIdx.x + (wanted > static_cast<double>(before + own[0]) ? 1 : 0)];
        __syncthreads();
        edge = floatOf(~static_cast<unsigned>(shared.foundKey >> 32));
        edgeId = static_cast<int>(shared.foundKey & UINT_MAX);
    }
    const auto keptUnits = [&](int id) -> Units {
        const float value = row[id] + 0.0F;
        if (!isFinite(value) || value < edge || (value == edge && id > edgeId))
            return 0;
        const float weight = weightOf(value);
        return weight < rule.minP ? 0 : unitsOf(weight);
    };

    // The draw: which warp's stretch of ids, then which thread's part of that stretch.
    const int stretch = (args.count + kThreads - 1) / kThreads * 32;
    {
        const int warp = thread / 32, end = min(args.count, (warp + 1) * stretch);
        Units own = 0;
        for (int id = warp * stretch + thread % 32; id < end; id += 32)
            own += keptUnits(id);
        for (int distance = 16; distance > 0; distance /= 2)
            own += __shfl_xor_sync(kAllLanes, own, distance);
        __syncthreads();
        if (thread % 32 == 0)
            shared.partial[warp] = own;
        __syncthreads();
    }
    total = 0;
    for (int warp = 0; warp < kWarps; ++warp)
        total += shared.partial[warp];
    const double most = nextafter(static_cast<double>(total), 0.0);
    const double target = fmin(rule.share * static_cast<double>(total), most);
    Units passed = 0;
    int chosen = 0;
    for (; chosen < kWarps - 1 && static_cast<double>(passed + shared.partial[chosen]) <= target; ++chosen)
        passed += shared.partial[chosen];
    const int each = (stretch + kThreads - 1) / kThreads;
    const int first = chosen * stretch + thread * each;
    const int end = min(min(args.count, (chosen + 1) * stretch), first + each);
    Units own = 0;
    for (int id = first; id < end; ++id)
        own += keptUnits(id);
    Units sum = 0;
    Units before = passed + scan(shared, own, sum);
    if (static_cast<double>(before) > target || static_cast<double>(before + own) <= target)
        return;
    for (int id = first; id < end; ++id) {
        before += keptUnits(id);
        if (static_cast<double>(before) > target) {
            finishRow(args, choice, id, row[id]);
            return;
        }
    }
}

} // namespace

cudaError_t choose(const ChooseArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    if (args.rows > kChooseRows)
        return cudaErrorInvalidValue;
    const auto rows = static_cast<unsigned>(args.rows);
    const cudaError_t result = launchChained(bestKernel, dim3(kBestBlocks, rows), kBestThreads, 0, stream, args);
    return result != cudaSuccess ? result : launchChained(chooseKernel, dim3(rows), kThreads, 0, stream, args);
}

} // namespace kernels::cuda
