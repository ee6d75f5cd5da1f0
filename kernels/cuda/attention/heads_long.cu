// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention of one new token over a long context, up to eight heads that share keys and values, in two kernels: parts of the
// context, then their sum. Keys and values are read once, by warps that ask for their own and wait for nobody.
// Bound: cache bytes over bandwidth (Llama-8B, 8,000 tokens: 32.8 MB a layer).
#include "cuda/attention/step.h"

#include "cuda/attention/cluster.cuh"

#include <algorithm>

namespace kernels::cuda {

namespace {

using namespace cluster;
using Bf16 = __nv_bfloat16;

constexpr int kStep = 16, kRun = kStep * kWarps, kDepth = 2; // tokens of a warp, of a block; steps on their way

// Tokens of a part follow from the row's own position.
__device__ int spanOf(int position, int kvHeads)
{
    const int most = max(kHeadsParts / kvHeads, 1);
    const int runs = position / kRun + 1;
    return (runs + most - 1) / most * kRun;
}
__device__ int beginOf(int position, int window) { return window > 0 ? max(0, position + 1 - window) : 0; }

__device__ void copySixteen(void *shared, const void *global, bool inside)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(shared)), "l"(global), "r"(inside ? 16 : 0) : "memory");
}
__device__ void endCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Left> __device__ void waitForCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory"); }

// Grid (parts, key-value heads, rows). The left side of both products are a group's heads: rows 0-7 the upper piece of a query
// or probability, rows 8-15 the lower one, so that a lane has both halves of every sum.
template <int Dim> __global__ void __launch_bounds__(kThreads, 1) partsKernel(const HeadsLongArgs all)
{
    constexpr int chunks = Dim / 8, steps = Dim / 16;      // of 16 bytes; of a score's columns
    constexpr int stageWords = 2 * kStep * chunks;         // uint4: keys, values
    constexpr int copies = kStep * chunks / 32;            // of a lane, of keys
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ float2 statistics[kWarps][8];
    letNextStart();
    const HeadsPrepareArgs &in = all.step.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int part = static_cast<int>(blockIdx.x);
    const int kvHead = static_cast<int>(blockIdx.y);
    const int row = static_cast<int>(blockIdx.z);
    const int group = in.heads / in.kvHeads;
    const int position = in.table.positions[row];
    const std::int32_t *blocks = in.table.blocks + in.table.firstBlock[row];
    const int begin = beginOf(position, all.step.window);
    const int span = spanOf(position, in.kvHeads);
    const int firstRun = max(part * span, begin / kRun * kRun);
    const int end = min((part + 1) * span, position + 1);
    if (position < kStepTokens || firstRun >= end) {
        waitForPrevious(); // whoever waits for this kernel waits for that one too
        return;
    }
    auto *ring = reinterpret_cast<uint4 *>(shared) + warp * kDepth * stageWords;
    const auto *keys = static_cast<const uint4 *>(in.cache.keys);
    const auto *values = static_cast<const uint4 *>(in.cache.values);
    const int shift = __ffs(in.cache.blockTokens) - 1;
    const auto wordOf = [&](int token) { // uint4 of the cache; a step lies in one block
        const std::int64_t slot = (static_cast<std::int64_t>(blocks[token >> shift]) << shift) + (token & (in.cache.blockTokens - 1));
        return (slot * in.kvHeads + kvHead) * chunks;
    };
    const auto placeOf = [](int token, int chunk) { return token * chunks + (chunk ^ token % 8); };
    const int first = firstRun + warp * kStep; // this warp's; the next ones are kRun further
    const auto load = [&](int token, int stage) {
        if (token < end) {
            const std::int64_t from = wordOf(token) + lane % chunks;
            uint4 *to = ring + stage * stageWords;
#pragma unroll
            for (int i = 0; i < copies; ++i) {
                const int at = i * (32 / chunks) + lane / chunks;
                const std::int64_t word = from + static_cast<std::int64_t>(at) * in.kvHeads * chunks;
                if (token + at != position) { // that one comes below; beyond it are zeros
                    copySixteen(to + placeOf(at, lane % chunks), keys + word, token + at < position);
                    copySixteen(to + placeOf(at, lane % chunks) + stageWords / 2, values + word, token + at < position);
                }
            }
        }
        endCopies();
    };
#pragma unroll 1
    for (int i = 0; i < kDepth; ++i)
        load(first + i * kRun, i);
    const bool isOwner = position / kStep % kWarps == warp && position < end; // has the newest token
    const std::int64_t newest = isOwner ? wordOf(position) + lane % chunks : 0;
    waitForPrevious();

    uint4 made = make_uint4(0, 0, 0, 0);
    if (isOwner && lane < 2 * chunks)
        made = (lane < chunks ? keys : values)[newest];
    std::uint32_t query[steps][4] = {};
    if (lane / 4 < group) {
        const float scale = all.step.scale * kLog2E;
        const float *from = in.rotated + (static_cast<std::int64_t>(row) * in.heads + kvHead * group + lane / 4) * Dim + lane % 4 * 2;
#pragma unroll
        for (int k = 0; k < steps; ++k) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float2 v = *reinterpret_cast<const float2 *>(from + k * 16 + half * 8);
                v = make_float2(__fmul_rn(v.x, scale), __fmul_rn(v.y, scale));
                const std::uint32_t high = packed(v.x, v.y);
                const float2 upper = bfloats(high);
                query[k][half * 2] = high;
                query[k][half * 2 + 1] = packed(__fsub_rn(v.x, upper.x), __fsub_rn(v.y, upper.y));
            }
        }
    }
    float maximum = kLowest;
    float total = 0.0F; // of this lane's tokens
    float result[chunks][4] = {};
    int stage = 0;
#pragma unroll 1
    for (int token = first; token < end; token += kRun, stage ^= 1) {
        uint4 *keyTile = ring + stage * stageWords;
        const uint4 *valueTile = keyTile + stageWords / 2;
        waitForCopies<kDepth - 1>();
        if (isOwner && position - token < kStep && lane < 2 * chunks)
            keyTile[(lane < chunks ? 0 : stageWords / 2) + placeOf(position - token, lane % chunks)] = made;
        __syncwarp();
        float scores[2][4] = {};
#pragma unroll
        for (int k = 0; k < steps; ++k) {
            std::uint32_t b[4];
            loadFour(b, keyTile + placeOf(lane / 16 * 8 + lane % 8, k * 2 + lane / 8 % 2));
            multiply(scores[0], query[k], b[0], b[1]);
            multiply(scores[1], query[k], b[2], b[3]);
        }
        float mine[4];
        float most = maximum;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int at = token + i / 2 * 8 + lane % 4 * 2 + i % 2;
            mine[i] = __fadd_rn(scores[i / 2][i % 2], scores[i / 2][i % 2 + 2]);
            mine[i] = at >= begin && at <= position ? mine[i] : -INFINITY;
            most = fmaxf(most, mine[i]);
        }
        most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 1));
        most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, 2));
        const float before = powerOfTwo(maximum - most);
        maximum = most;
#pragma unroll
        for (int i = 0; i < 4; ++i)
            mine[i] = powerOfTwo(mine[i] - most);
        total = __fmaf_rn(total, before, __fadd_rn(__fadd_rn(mine[0], mine[1]), __fadd_rn(mine[2], mine[3])));
        std::uint32_t left[4];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            left[half * 2] = packed(mine[half * 2], mine[half * 2 + 1]);
            const float2 upper = bfloats(left[half * 2]);
            left[half * 2 + 1] = packed(__fsub_rn(mine[half * 2], upper.x), __fsub_rn(mine[half * 2 + 1], upper.y));
        }
#pragma unroll
        for (int n = 0; n < chunks; n += 2) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                result[n][i] = __fmul_rn(result[n][i], before);
                result[n + 1][i] = __fmul_rn(result[n + 1][i], before);
            }
            std::uint32_t b[4];
            loadFourTurned(b, valueTile + placeOf(lane % 16, n + lane / 16));
            multiply(result[n], left, b[0], b[1]);
            multiply(result[n + 1], left, b[2], b[3]);
        }
        __syncwarp(); // the stage is used
        load(token + kDepth * kRun, stage);
    }
    waitForCopies<0>();
    __syncwarp();
    total = __fadd_rn(total, __shfl_xor_sync(kAllLanes, total, 1));
    total = __fadd_rn(total, __shfl_xor_sync(kAllLanes, total, 2));
    auto *sums = reinterpret_cast<float *>(ring); // [head][Dim]
#pragma unroll
    for (int n = 0; n < chunks; ++n)
        *reinterpret_cast<float2 *>(sums + lane / 4 * Dim + n * 8 + lane % 4 * 2) =
            make_float2(__fadd_rn(result[n][0], result[n][2]), __fadd_rn(result[n][1], result[n][3]));
    if (lane % 4 == 0)
        statistics[warp][lane / 4] = make_float2(maximum, total);
    __syncthreads();
    const std::int64_t index = (static_cast<std::int64_t>(row) * all.parts + part) * in.heads + kvHead * group;
#pragma unroll 1
    for (int at = thread; at < group * Dim; at += kThreads) {
        const int head = at / Dim;
        float most = kLowest;
#pragma unroll
        for (int w = 0; w < kWarps; ++w)
            most = fmaxf(most, statistics[w][head].x);
        float sum = 0.0F;
        float whole = 0.0F;
#pragma unroll
        for (int w = 0; w < kWarps; ++w) {
            const float share = powerOfTwo(statistics[w][head].x - most);
            sum = __fmaf_rn(reinterpret_cast<const float *>(shared)[w * kDepth * stageWords * 4 + at], share, sum);
            whole = __fmaf_rn(statistics[w][head].y, share, whole);
        }
        all.partial[index * Dim + at] = sum;
        if (at % Dim == 0)
            all.statistics[index + head] = make_float2(most, whole);
    }
}

// Grid (heads, rows): four columns a thread, every so many parts.
template <int Dim> __global__ void __launch_bounds__(kThreads) sumKernel(const HeadsLongArgs all)
{
    constexpr int groups = kThreads / (Dim / 4);
    __shared__ __align__(16) float sums[groups][Dim];
    __shared__ float2 statistics[groups];
    letNextStart();
    const HeadsPrepareArgs &in = all.step.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int head = static_cast<int>(blockIdx.x);
    const int row = static_cast<int>(blockIdx.y);
    const int position = in.table.positions[row];
    const int group = thread / (Dim / 4);
    const int column = thread % (Dim / 4) * 4;
    const int span = spanOf(position, in.kvHeads);
    const int last = position / span;
    const std::int64_t index = static_cast<std::int64_t>(row) * all.parts * in.heads + head;
    waitForPrevious();
    if (position < kStepTokens)
        return;
    float most = kLowest;
    float total = 0.0F;
    float4 sum = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    constexpr int atOnce = 4;
#pragma unroll 1
    for (int part = beginOf(position, all.step.window) / span + group; part <= last; part += groups * atOnce) {
        float2 own[atOnce];
        float4 parts[atOnce];
        const float before = most;
#pragma unroll
        for (int i = 0; i < atOnce; ++i) {
            own[i] = make_float2(kLowest, 0.0F);
            parts[i] = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
            if (part + i * groups <= last) {
                const std::int64_t at = index + static_cast<std::int64_t>(part + i * groups) * in.heads;
                own[i] = all.statistics[at];
                parts[i] = *reinterpret_cast<const float4 *>(all.partial + at * Dim + column);
            }
        }
#pragma unroll
        for (int i = 0; i < atOnce; ++i)
            most = fmaxf(most, own[i].x);
        const float kept = powerOfTwo(before - most);
        total = __fmul_rn(total, kept);
        sum = make_float4(__fmul_rn(sum.x, kept), __fmul_rn(sum.y, kept), __fmul_rn(sum.z, kept), __fmul_rn(sum.w, kept));
#pragma unroll
        for (int i = 0; i < atOnce; ++i) {
            const float share = powerOfTwo(own[i].x - most);
            total = __fmaf_rn(own[i].y, share, total);
            sum.x = __fmaf_rn(parts[i].x, share, sum.x);
            sum.y = __fmaf_rn(parts[i].y, share, sum.y);
            sum.z = __fmaf_rn(parts[i].z, share, sum.z);
            sum.w = __fmaf_rn(parts[i].w, share, sum.w);
        }
    }
    *reinterpret_cast<float4 *>(&sums[group][column]) = sum;
    if (column == 0)
        statistics[group] = make_float2(most, total);
    __syncthreads();
    if (thread >= Dim)
        return;
#pragma unroll
    for (int g = 0; g < groups; ++g)
        most = fmaxf(most, statistics[g].x);
    float whole = 0.0F;
    float value = 0.0F;
#pragma unroll
    for (int g = 0; g < groups; ++g) {
        const float share = powerOfTwo(statistics[g].x - most);
        whole = __fmaf_rn(statistics[g].y, share, whole);
        value = __fmaf_rn(sums[g][thread], share, value);
    }
    all.step.output[(static_cast<std::int64_t>(row) * in.heads + head) * Dim + thread] = __fdividef(value, whole);
}

constexpr std::size_t bytesOf(int dim) { return sizeof(uint4) * kWarps * kDepth * 2 * kStep * static_cast<std::size_t>(dim / 8); }

template <int Dim> cudaError_t launchLong(const HeadsLongArgs &args, cudaStream_t stream)
{
    constexpr std::size_t bytes = bytesOf(Dim);
    const HeadsPrepareArgs &in = args.step.prepare;
    const cudaError_t allowed = cudaFuncSetAttribute(partsKernel<Dim>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
    if (allowed != cudaSuccess)
        return allowed;
    const auto rows = static_cast<unsigned>(in.rows);
    const dim3 grid(static_cast<unsigned>(args.parts), static_cast<unsigned>(in.kvHeads), rows);
    const cudaError_t result = launchChained(partsKernel<Dim>, grid, kThreads, bytes, stream, args);
    return result != cudaSuccess ? result : launchChained(sumKernel<Dim>, dim3(static_cast<unsigned>(in.heads), rows), kThreads, 0, stream, args);
}

} // namespace

bool hasHeadsLong(const HeadsStepArgs &args)
{
    return hasHeadsStep(args) && args.prepare.cache.blockTokens >= kStep && bytesOf(args.prepare.dim) + 1024 <= static_cast<std::size_t>(card().sharedBytes);
}

int headsLongParts(const HeadsStepArgs &args, int context)
{
    return std::min((context + kRun - 1) / kRun, std::max(kHeadsParts / args.prepare.kvHeads, 1));
}

cudaError_t headsLong(const HeadsLongArgs &args, cudaStream_t stream)
{
    if (args.step.prepare.rows == 0)
        return cudaSuccess;
    return args.step.prepare.dim == 128 ? launchLong<128>(args, stream) : launchLong<64>(args, stream);
}

} // namespace kernels::cuda
