// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Without clusters, two or three kernels. The first finds each row's best id with many blocks (reads the row once). Where a row is not greedy
// or its likely ids are wanted, the second, a block a stretch of ids, weighs them: the stretch of a plain draw, else buckets
// of a 64th of a logit. The last, one block a row, reads the row from L2: greedy not at all; a plain draw one stretch; top-k
// and top-p the one bucket in which the cut falls, sorted, and what stays. Bound: 400 KB from L2 into many multiprocessors
// take 2 us, into one about 4, against a copy of 400 KB a row to the host.
#include "cuda/sampling/choose.cuh"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"

#include <algorithm>

namespace kernels::cuda {

namespace {

using namespace choosing;

constexpr int kThreads = 1024, kWarps = kThreads / 32;
constexpr int kBestThreads = 256, kBestBlocks = 128;
static_assert(kBuckets == 2 * kThreads && kWarps == kChooseStretches);
constexpr int kWeighThreads = 512;
static_assert(kListed == 2 * kThreads);

// Every `step`-th id of [first, end), eight loads at a time.
template <typename Use> __device__ void forIds(const float *row, int first, int end, int step, Use use)
{
    constexpr int kAtOnce = 8;
    int id = first;
    for (; id + (kAtOnce - 1) * step < end; id += kAtOnce * step) {
        float values[kAtOnce];
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i)
            values[i] = row[id + i * step];
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i)
            use(id + i * step, values[i]);
    }
    for (; id < end; id += step)
        use(id, row[id]);
}

__device__ int stretchLength(int count) { return (count + kThreads - 1) / kThreads * 32; }

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
        const Units key = bestKey(orderOf(value), static_cast<unsigned>(id));
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
        atomicMax(args.room.best + blockIdx.y, best);
    if (brokenWarps != 0)
        atomicOr(args.room.broken + blockIdx.y, 1U);
}

__global__ void __launch_bounds__(kWeighThreads) weighKernel(const __grid_constant__ ChooseArgs args)
{
    __shared__ Units masses[kBuckets];
    __shared__ unsigned counts[kBuckets];
    __shared__ Units sums[2];
    const int thread = static_cast<int>(threadIdx.x), rowIndex = static_cast<int>(blockIdx.y);
    const float *row = args.logits + rowIndex * args.stride;
    const ChooseRule rule = args.rules[rowIndex];
    const Wanted wanted(rule, args.count);
    const bool wantsMasses = wanted.cutsMass, wantsPlain = wanted.alternatives > 0;
    letNextStart();
    if (wanted.buckets()) {
        for (int bucket = thread; bucket < kBuckets; bucket += kWeighThreads) {
            masses[bucket] = 0;
            counts[bucket] = 0;
        }
    }
    if (thread < 2)
        sums[thread] = 0;
    waitForPrevious();
    __syncthreads();
    const Units packed = args.room.best[rowIndex];
    if (args.room.broken[rowIndex] != 0 || packed == 0)
        return;
    const Weights weights(floatOf(static_cast<unsigned>(packed >> 32)), rule);
    const int length = stretchLength(args.count), first = static_cast<int>(blockIdx.x) * length;
    const int end = min(args.count, first + length);
    Units own = 0, plain = 0; // at the rule's temperature, at 1
    if (wanted.stretches())
        forIds(row, first + thread, end, kWeighThreads, [&](int id, float value) { own += weights.kept(id, value); });
    if (wanted.buckets())
        forIds(row, first + thread, end, kWeighThreads, [&](int, float value) {
            if (!isFinite(value))
                return;
            const int bucket = bucketOf(weights.best, value);
            atomicAdd(counts + bucket, 1U);
            if (wantsPlain)
                plain += unitsOf(expf(value - weights.best));
            if (const Units units = wantsMasses ? unitsOf(weights.of(value)) : 0; units != 0)
                atomicAdd(masses + bucket, units);
        });
    for (int distance = 16; distance > 0; distance /= 2) {
        own += __shfl_xor_sync(kAllLanes, own, distance);
        plain += __shfl_xor_sync(kAllLanes, plain, distance);
    }
    if (thread % 32 == 0) {
        atomicAdd(sums, own);
        atomicAdd(sums + 1, plain);
    }
    __syncthreads();
    if (thread == 0) {
        args.room.stretches[rowIndex * kChooseStretches + static_cast<int>(blockIdx.x)] = sums[0];
        if (wantsPlain)
            atomicAdd(args.room.plain + rowIndex, sums[1]);
    }
    if (!wanted.buckets())
        return;
    for (int bucket = thread; bucket < kBuckets; bucket += kWeighThreads) {
        if (counts[bucket] != 0)
            atomicAdd(args.room.counts + rowIndex * kBuckets + bucket, counts[bucket]);
        if (masses[bucket] != 0)
            atomicAdd(args.room.masses + rowIndex * kBuckets + bucket, masses[bucket]);
    }
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

// The ids of buckets [first, last], most likely first. False: there are more than fit.
__device__ bool list(Shared &shared, const ChooseArgs &args, const float *row, float best, int first, int last)
{
    __syncthreads();
    if (threadIdx.x == 0)
        shared.listed = 0;
    __syncthreads();
    const BucketRange buckets(first, last);
    forIds(row, static_cast<int>(threadIdx.x), args.count, kThreads, [&](int id, float value) {
        if (!(buckets.holds(best, value) && isFinite(value)))
            return;
        const unsigned slot = atomicAdd(&shared.listed, 1U);
        if (slot < kListed)
            shared.keys[slot] = likelyKey(value, static_cast<unsigned>(id));
    });
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

__global__ void __launch_bounds__(kThreads) chooseKernel(const __grid_constant__ ChooseArgs args)
{
    __shared__ Shared shared;
    const int thread = static_cast<int>(threadIdx.x);
    const float *row = args.logits + blockIdx.x * args.stride;
    const ChooseRule rule = args.rules[blockIdx.x];
    Choice &choice = args.choices[blockIdx.x];
    letNextStart();
    waitForPrevious();
    const Units packed = args.room.best[blockIdx.x];
    const bool broken = args.room.broken[blockIdx.x] != 0;
    __syncthreads();
    if (thread == 0) {
        args.room.best[blockIdx.x] = 0;
        args.room.broken[blockIdx.x] = 0;
        choice.id = -1;
        choice.state = broken ? ChoiceState::NotANumber : packed == 0 ? ChoiceState::None : ChoiceState::Undecided;
    }
    if (broken || packed == 0)
        return;
    const float best = floatOf(static_cast<unsigned>(packed >> 32));
    const Wanted wanted(rule, args.count);
    const bool isGreedy = wanted.isGreedy, cutsCount = wanted.cutsCount, cutsMass = wanted.cutsMass;
    const int alternatives = wanted.alternatives;
    Weights weights(best, rule);
    if (thread == 0)
        choice.best = best;

    Units total = 0; // of the ids not cut off
    if (wanted.buckets()) {
        const auto roomFirst = static_cast<std::size_t>(blockIdx.x) * kBuckets;
        for (int bucket = thread; bucket < kBuckets; bucket += kThreads) {
            shared.counts[bucket] = args.room.counts[roomFirst + bucket];
            shared.masses[bucket] = args.room.masses[roomFirst + bucket];
            total += shared.masses[bucket];
            args.room.counts[roomFirst + bucket] = 0;
            args.room.masses[roomFirst + bucket] = 0;
        }
        __syncthreads();
        Units sum = 0;
        if (alternatives > 0) {
            if (thread == 0) {
                sum = args.room.plain[blockIdx.x];
                args.room.plain[blockIdx.x] = 0;
            }
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
            finishRow(args, blockIdx.x, choice, static_cast<std::int32_t>(UINT_MAX - static_cast<unsigned>(packed & UINT_MAX)), best);
        return;
    }

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
            weights.edge = floatOf(~order);
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
                    mass += unitsOf(weights.of(floatOf(~static_cast<unsigned>(shared.keys[i] >> 32))));
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
        const double reached = static_cast<double>(rule.topP) * static_cast<double>(total);
        findMass(shared, reached);
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
                own[i] = unitsOf(weights.of(floatOf(~static_cast<unsigned>(shared.keys[place] >> 32))));
        Units sum = 0;
        const Units before = held + scan(shared, own[0] + own[1], sum);
        if (static_cast<double>(before) < reached && reached <= static_cast<double>(before + own[0] + own[1]))
            shared.foundKey = shared.keys[2 * threadIdx.x + (reached > static_cast<double>(before + own[0]) ? 1 : 0)];
        __syncthreads();
        weights.edge = floatOf(~static_cast<unsigned>(shared.foundKey >> 32));
        weights.edgeId = static_cast<int>(shared.foundKey & UINT_MAX);
    }

    // The draw: which stretch of ids (a warp adds one up, where the kernel before has not), then which thread's part of it.
    const int stretch = stretchLength(args.count);
    if (wanted.stretches()) {
        __syncthreads();
        if (thread < kChooseStretches)
            shared.partial[thread] = args.room.stretches[blockIdx.x * kChooseStretches + thread];
        __syncthreads();
    } else {
        const int warp = thread / 32, end = min(args.count, (warp + 1) * stretch);
        Units own = 0;
        forIds(row, warp * stretch + thread % 32, end, 32, [&](int id, float value) { own += weights.kept(id, value); });
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
        own += weights.kept(id, row[id]);
    Units sum = 0;
    Units before = passed + scan(shared, own, sum);
    if (static_cast<double>(before) > target || static_cast<double>(before + own) <= target)
        return;
    for (int id = first; id < end; ++id) {
        before += weights.kept(id, row[id]);
        if (static_cast<double>(before) > target) {
            finishRow(args, blockIdx.x, choice, id, row[id]);
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
    if (args.ranks > 0)
        return chooseInClusters(args, stream);
    const auto rows = static_cast<unsigned>(args.rows);
    cudaError_t result = launchChained(bestKernel, dim3(kBestBlocks, rows), kBestThreads, 0, stream, args);
    const bool weighs = std::any_of(args.rules, args.rules + rows, [&](const ChooseRule &rule) {
        const Wanted wanted(rule, args.count);
        return wanted.buckets() || wanted.stretches();
    });
    if (result == cudaSuccess && weighs)
        result = launchChained(weighKernel, dim3(kChooseStretches, rows), kWeighThreads, 0, stream, args);
    return result != cudaSuccess ? result : launchChained(chooseKernel, dim3(rows), kThreads, 0, stream, args);
}

} // namespace kernels::cuda
