// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// A cluster of eight blocks for each row and key-value head. Token t belongs to block t % 8 of the cluster and warp t / 8 % 8 of
// it, so how sums are grouped follows from a row's own position alone. A warp has queries and sums in registers and reads keys
// and values once; the first ones are on their way before the kernel in front is done.
// Bound: the latency of one chain of loads and one exchange, and about T / 128 steps a warp.
#include "cuda/attention/step.h"

#include "cuda/attention/cluster.cuh"

namespace kernels::cuda {

namespace {

using namespace cluster;

constexpr int kStreams = kRanks * kWarps, kMostGroup = 8;

__device__ void copyAsync(void *shared, const void *global)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(sharedAddress(shared)), "l"(global) : "memory");
}
__device__ void endCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Left> __device__ void waitForCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory"); }

// The cluster's part of a row's tokens: a warp has tokens mine + each * i. Where they lie, a lane knows for one i.
struct Tokens {
    int position, begin, mine, each, first, last; // i from first to last; the others' first and last are the same
    std::int64_t slot;                            // of token mine + each * (first + lane), should it be there
    __device__ Tokens(const KvView &cache, const std::int32_t *blocks, int newest, int window, int own, int all)
        : position(newest), begin(window > 0 ? max(0, newest + 1 - window) : 0), mine(own), each(all), first(begin / all), last(newest / all)
    {
        const int token = mine + each * (first + static_cast<int>(threadIdx.x) % 32);
        const int shift = __ffs(cache.blockTokens) - 1;
        slot = 0;
        if (token <= position)
            slot = (static_cast<std::int64_t>(blocks[token >> shift]) << shift) + (token & (cache.blockTokens - 1));
    }
};

// Grid (8, key-value heads, rows) in clusters of eight. A token's key is spread over Dim / 8 lanes, so a warp works on
// several tokens at a time: kilobytes of keys and values a step, in a ring for each warp, where its sums lie later.
constexpr int kHeadsDepth = 4, kStepWords = 256, kHeadsRingWords = kHeadsDepth * kStepWords; // keys, then values
template <int Dim, int Group>
__global__ void __launch_bounds__(kThreads, Group <= 4 ? 2 : 1) headsStepKernel(const HeadsStepArgs args)
{
    constexpr int lanesEach = Dim / 8, subs = 32 / lanesEach, steps = kStreams * subs; // tokens of all streams
    constexpr int columns = Group * Dim, slice = columns / kRanks;
    static_assert(kHeadsRingWords >= columns);
    __shared__ __align__(16) std::uint32_t rings[kWarps * kHeadsRingWords];
    __shared__ __align__(16) float query[columns];
    __shared__ __align__(16) float made[2][Dim]; // the new key and value
    __shared__ __align__(16) uint4 newest[2][lanesEach];
    __shared__ float handed[kRanks][slice];
    __shared__ float2 statistics[kWarps][Group], handedStatistics[kRanks][Group];
    __shared__ std::uint64_t barrier, settled[kThreads];
    letNextStart();
    const HeadsPrepareArgs &in = args.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int rank = static_cast<int>(blockIdx.x);
    const int kvHead = static_cast<int>(blockIdx.y);
    const int row = static_cast<int>(blockIdx.z);
    const int position = in.table.positions[row];
    const std::int32_t *blocks = in.table.blocks + in.table.firstBlock[row];
    const int column = thread % Dim;
    const float frequency = frequencyOf(in.inverseFrequencies, column, in.pairs, in.interleaved);
    if (position >= kHeadsStepTokens) { // the whole cluster
        waitForPrevious(); // whoever waits for this kernel waits for that one too
        return;
    }
    if (thread == 0)
        expectBytes(&barrier, kRanks * (sizeof(float) * slice + sizeof(float2) * Group));
    beginInCluster();
    std::uint32_t *ring = rings + warp * kHeadsRingWords;
    auto *keys = static_cast<uint4 *>(in.cache.keys);
    auto *values = static_cast<uint4 *>(in.cache.values);
    const int place = lane % lanesEach;
    const int sub = lane / lanesEach;
    // Of a warp's tokens the first of a step; the others are kStreams, 2 kStreams ... further, and a lane knows the slot of
    // one of all: of step lane / subs that of part lane % subs.
    const int mine = warp * kRanks + rank;
    const Tokens tokens(in.cache, blocks, position, args.window, mine, kStreams);
    const int firstStep = tokens.begin / steps;
    const int lastStep = position / steps;
    const auto slotOf = [&](int token) { // of this warp's tokens
        return __shfl_sync(kAllLanes, tokens.slot, ((token - tokens.mine) / kStreams - tokens.first) & 31);
    };
    const auto wordOf = [&](std::int64_t slot) { return (slot * in.kvHeads + kvHead) * (Dim / 8) + place; }; // uint4 of the cache
    const auto load = [&](int i) {
        const int token = i * steps + sub * kStreams + mine;
        const std::int64_t from = wordOf(slotOf(token));
        if (token >= tokens.begin && token < position) {
            std::uint32_t *to = ring + (i - firstStep) % kHeadsDepth * kStepWords + lane * 4;
            copyAsync(to, keys + from);
            copyAsync(to + 128, values + from);
        }
        endCopies();
    };
#pragma unroll 1
    for (int i = 0; i < kHeadsDepth; ++i)
        load(firstStep + i);
    // A thread's columns are the same in every head.
    const Rotation rotation = rotationOf(frequency, column, in.pairs, in.interleaved, position, in.magnitude);
    const Rotation ofQuery = args.isRotated ? Rotation{column} : rotation;
    const std::int64_t from = row * in.stride;
    const float *queryFrom = (args.isRotated ? in.rotated + (static_cast<std::int64_t>(row) * in.heads + kvHead * Group) * Dim
                                         : in.query + from + kvHead * columns)
        + thread; // the thread's column of every head that it rotates
    const float *queryPartner = queryFrom + ofQuery.partner - column;
    const float *newFrom = (thread < Dim ? in.key : in.value) + from + kvHead * Dim + column;
    const float *newPartner = thread < Dim ? newFrom + rotation.partner - column : newFrom;
    const std::int64_t to = wordOf(slotOf(position));
    settle(settled + thread, queryFrom, queryPartner, newFrom, newPartner, to);
    waitForPrevious();
    constexpr int atOnce = kThreads / Dim, turns = (Group + atOnce - 1) / atOnce; // heads
    float own[turns] = {};
    float others[turns] = {};
    float2 newColumn = make_float2(0.0F, 0.0F);
#pragma unroll
    for (int i = 0; i < turns; ++i) {
        if (Group % atOnce == 0 || i * atOnce + thread / Dim < Group) {
            own[i] = queryFrom[i * kThreads];
            others[i] = queryPartner[i * kThreads];
        }
    }
    if (thread < 2 * Dim)
        newColumn = make_float2(*newFrom, *newPartner);
#pragma unroll
    for (int i = 0; i < turns; ++i) {
        if (Group % atOnce == 0 || i * atOnce + thread / Dim < Group)
            query[i * kThreads + thread] = __fmaf_rn(own[i], ofQuery.cosine, __fmul_rn(others[i], ofQuery.sine));
    }
    if (thread < 2 * Dim)
        made[thread / Dim][column] = thread < Dim ? __fmaf_rn(newColumn.x, rotation.cosine, __fmul_rn(newColumn.y, rotation.sine)) : newColumn.x;
    __syncthreads();
    if (position % kStreams == mine && lane < lanesEach) { // this warp has the newest token
        float v[8];
        readEight(made[0] + place * 8, v);
        newest[0][place] = packed(v);
        readEight(made[1] + place * 8, v);
        newest[1][place] = packed(v);
    }
    __syncwarp();
    if (position % kStreams == mine && lane < lanesEach) {
        keys[to] = newest[0][place];
        values[to] = newest[1][place];
    }
    const float scale = args.scale * kLog2E;
    float asked[Group][8];
    float maximum[Group];
    float total[Group];
    float result[Group][8];
#pragma unroll
    for (int g = 0; g < Group; ++g) {
        readEight(query + g * Dim + place * 8, asked[g]);
#pragma unroll
        for (int j = 0; j < 8; ++j) {
            asked[g][j] *= scale;
            result[g][j] = 0.0F;
        }
        maximum[g] = kLowest;
        total[g] = 0.0F;
    }
#pragma unroll 1
    for (int i = firstStep; i <= lastStep; ++i) {
        waitForCopies<kHeadsDepth - 1>();
        __syncwarp();
        const int token = i * steps + sub * kStreams + mine;
        const bool seen = token >= tokens.begin && token <= position;
        const auto *at = reinterpret_cast<const uint4 *>(ring + (i - firstStep) % kHeadsDepth * kStepWords) + lane;
        float v[8];
        unpack(token == position ? newest[0][place] : *at, v);
        float scores[Group];
#pragma unroll
        for (int g = 0; g < Group; ++g) {
            scores[g] = 0.0F;
#pragma unroll
            for (int j = 0; j < 8; ++j)
                scores[g] = __fmaf_rn(v[j], asked[g][j], scores[g]);
        }
#pragma unroll
        for (int distance = lanesEach / 2; distance > 0; distance /= 2) {
#pragma unroll
            for (int g = 0; g < Group; ++g)
                scores[g] = __fadd_rn(scores[g], __shfl_xor_sync(kAllLanes, scores[g], distance));
        }
        unpack(token == position ? newest[1][place] : at[32], v);
        if (seen) { // what the ring holds of other tokens may be anything
#pragma unroll
            for (int g = 0; g < Group; ++g) {
                const float next = fmaxf(maximum[g], scores[g]);
                const float before = powerOfTwo(maximum[g] - next);
                const float weight = powerOfTwo(scores[g] - next);
                maximum[g] = next;
                total[g] = __fmaf_rn(total[g], before, weight);
#pragma unroll
                for (int j = 0; j < 8; ++j)
                    result[g][j] = __fmaf_rn(weight, v[j], __fmul_rn(result[g][j], before));
            }
        }
        __syncwarp(); // the step is used
        load(i + kHeadsDepth);
    }
    // The tokens that a warp had at a time: the lower lanes add the upper ones'.
#pragma unroll 1
    for (int distance = 16; distance >= lanesEach; distance /= 2) {
#pragma unroll
        for (int g = 0; g < Group; ++g) {
            const float other = __shfl_down_sync(kAllLanes, maximum[g], distance);
            const float most = fmaxf(maximum[g], other);
            const float share = powerOfTwo(maximum[g] - most);
            const float otherShare = powerOfTwo(other - most);
            total[g] = __fmaf_rn(__shfl_down_sync(kAllLanes, total[g], distance), otherShare, __fmul_rn(total[g], share));
#pragma unroll
            for (int j = 0; j < 8; ++j)
                result[g][j] = __fmaf_rn(__shfl_down_sync(kAllLanes, result[g][j], distance), otherShare, __fmul_rn(result[g][j], share));
            maximum[g] = most;
        }
    }
    waitForCopies<0>();
    __syncwarp();
    if (lane < lanesEach) {
        auto *sums = reinterpret_cast<float *>(ring);
#pragma unroll
        for (int g = 0; g < Group; ++g) {
            writeEight(sums + g * Dim + place * 8, result[g]);
            if (lane == 0)
                statistics[warp][g] = make_float2(maximum[g], total[g]);
        }
    }
    __syncthreads();
    // Of the warps, handed to the block that has a column; then there of the blocks.
    const auto joined = [](const float2 *of, unsigned g, const float *from, int stride, float2 &all) {
        float most = kLowest;
#pragma unroll
        for (int i = 0; i < 8; ++i)
            most = fmaxf(most, of[i * Group + g].x);
        float sum = 0.0F;
        float whole = 0.0F;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const float share = powerOfTwo(of[i * Group + g].x - most);
            sum = __fmaf_rn(from[i * stride], share, sum);
            whole = __fmaf_rn(of[i * Group + g].y, share, whole);
        }
        all = make_float2(most, whole);
        return sum;
    };
    static_assert(kWarps == 8 && kRanks == 8);
    waitForBeginnings();
#pragma unroll 1
    for (unsigned at = thread; at < columns; at += kThreads) {
        float2 all;
        const unsigned g = at / Dim;
        const float sum = joined(statistics[0], g, reinterpret_cast<const float *>(rings) + at, kHeadsRingWords, all);
        hand(&handed[rank][at % slice], at / slice, sum, &barrier);
        if (at % Dim < kRanks)
            hand(&handedStatistics[rank][g], at % Dim, all, &barrier);
    }
    waitForBytes(&barrier);
    if (rank == 0 && !args.isRotated) { // every block has read the query, so this may be where it was
#pragma unroll 1
        for (int at = thread; at < columns; at += kThreads)
            in.rotated[(static_cast<std::int64_t>(row) * in.heads + kvHead * Group) * Dim + at] = query[at];
    }
    if (thread >= slice)
        return;
    const unsigned at = rank * slice + thread;
    float2 all;
    const float sum = joined(handedStatistics[0], at / Dim, &handed[0][thread], slice, all);
    args.output[(static_cast<std::int64_t>(row) * in.heads + kvHead * Group) * Dim + at] = __fdividef(sum, all.y);
}

template <int Dim> void (*headsKernelOf(int group))(const HeadsStepArgs)
{
    switch (group) {
    case 1: return headsStepKernel<Dim, 1>;
    case 2: return headsStepKernel<Dim, 2>;
    case 3: return headsStepKernel<Dim, 3>;
    case 4: return headsStepKernel<Dim, 4>;
    case 5: return headsStepKernel<Dim, 5>;
    case 6: return headsStepKernel<Dim, 6>;
    case 7: return headsStepKernel<Dim, 7>;
    default: return headsStepKernel<Dim, 8>;
    }
}

} // namespace

bool hasHeadsStep(const HeadsStepArgs &args)
{
    const HeadsPrepareArgs &in = args.prepare;
    return card().chained && in.rows <= kFewRows && in.kvHeads > 0 && in.heads % in.kvHeads == 0 && in.heads / in.kvHeads <= kMostGroup
        && (in.dim == 64 || in.dim == 128) && isPowerOfTwo(in.cache.blockTokens) && in.cache.dtype == DType::BF16 && !in.cache.valuesInKeys && in.cache.keyDim == in.dim
        && in.cache.valueDim == in.dim && in.cache.kvHeads == in.kvHeads && 2 * in.pairs <= in.dim;
}

cudaError_t headsStep(const HeadsStepArgs &args, cudaStream_t stream)
{
    if (args.prepare.rows == 0)
        return cudaSuccess;
    const int group = args.prepare.heads / args.prepare.kvHeads;
    return launchClusters(args.prepare.dim == 64 ? headsKernelOf<64>(group) : headsKernelOf<128>(group), 0, args.prepare.kvHeads,
        args.prepare.rows, stream, args);
}

} // namespace kernels::cuda
