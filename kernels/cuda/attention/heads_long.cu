// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention of one new token over a long context, up to eight heads that share keys and values, in two kernels: rotation, the new
// cache row and parts of the context, then their sum. Keys and values are read once, by warps that ask for their own and wait for
// nobody.
// Bound: cache bytes over bandwidth (Llama-8B, 8,000 tokens: 32.8 MB a layer).
#include "cuda/attention/step.h"

#include "cuda/attention/parts.cuh"

#include <algorithm>

namespace kernels::cuda {

namespace {

using namespace cluster;
using Bf16 = __nv_bfloat16;

constexpr int kMostGroup = 8; // heads that share keys and values
constexpr int kStep = 16, kRun = kStep * kWarps, kDepth = 2; // tokens of a warp, of a block; steps on their way

// Tokens of a part follow from the row's own position.
__device__ int spanOf(int position, int kvHeads)
{
    const int most = max(kHeadsParts / kvHeads, 1);
    const int runs = position / kRun + 1;
    return (runs + most - 1) / most * kRun;
}
__device__ int beginOf(int position, int window) { return window > 0 ? max(0, position + 1 - window) : 0; }

// Grid (parts, key-value heads, rows). Every block rotates its group's queries, the one with the newest token also makes its cache
// row. The left side of both products are a group's heads: rows 0-7 the upper piece of a query or probability, rows 8-15 the lower
// one, so that a lane has both halves of every sum. A lane asks for a row of a step's keys or values; rows of 16 bytes more than
// they need meet every bank once.
template <int Dim> constexpr int kPitch = Dim + 8;
template <int Dim> constexpr int kStageElements = 2 * kStep * kPitch<Dim>; // keys, then values
template <int Dim> __global__ void __maxnreg__(128) partsKernel(const HeadsLongArgs all)
{
    constexpr int pitch = kPitch<Dim>, chunks = Dim / 8, atOnce = kThreads / Dim; // chunks: of 16 bytes; atOnce: heads
    static_assert(2 * kStep == 32 && 2 * chunks <= 32);
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ __align__(16) Bf16 queries[2 * kMostGroup * pitch]; // [piece][head]
    __shared__ __align__(16) Bf16 newRow[2][Dim];                  // key, value
    __shared__ float2 statistics[kWarps][kMostGroup];
    __shared__ std::uint64_t barriers[kWarps][kDepth];
    __shared__ std::uint64_t settled[kThreads];
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
    if (position < kHeadsStepTokens || firstRun >= end) {
        waitForPrevious(); // whoever waits for this kernel waits for that one too
        return;
    }
    const int column = thread % Dim; // of every head that the thread rotates
    const float frequency = frequencyOf(in.inverseFrequencies, column, in.pairs, in.interleaved);
    Bf16 *ring = reinterpret_cast<Bf16 *>(shared) + warp * kDepth * kStageElements<Dim>;
    auto *keys = static_cast<Bf16 *>(in.cache.keys);
    auto *values = static_cast<Bf16 *>(in.cache.values);
    const int shift = __ffs(in.cache.blockTokens) - 1;
    const auto rowOf = [&](int token) { // element of the cache
        const std::int64_t slot = (static_cast<std::int64_t>(blocks[token >> shift]) << shift) + (token & (in.cache.blockTokens - 1));
        return (slot * in.kvHeads + kvHead) * Dim;
    };
    const int first = firstRun + warp * kStep; // this warp's; the next ones are kRun further
    // The new row comes below. Rows without a token must hold numbers, since their probability of zero is multiplied with them.
    const auto load = [&](int token, int stage) {
        if (token >= end)
            return;
        if (lane == 0)
            arriveExpecting(&barriers[warp][stage], 2 * kStep * Dim * sizeof(Bf16));
        const std::int64_t from = rowOf(min(max(token + lane % kStep, begin), position - 1));
        copyRow(ring + stage * kStageElements<Dim> + lane * pitch, (lane < kStep ? keys : values) + from, Dim * sizeof(Bf16), &barriers[warp][stage]);
    };
    if (lane == 0) {
#pragma unroll
        for (int i = 0; i < kDepth; ++i)
            startBarrier(&barriers[warp][i], 1);
    }
    __syncwarp();
#pragma unroll 1
    for (int i = 0; i < kDepth; ++i)
        load(first + i * kRun, i);
    const bool isNewHere = position < end;
    const bool isOwner = position / kStep % kWarps == warp && isNewHere; // has the newest token
    const std::int64_t newest = isOwner ? rowOf(position) : 0;
    const Rotation rotation = rotationOf(frequency, column, in.pairs, in.interleaved, position, in.magnitude);
    const std::int64_t rowStart = row * in.stride;
    const float *asked = in.query + rowStart + kvHead * group * Dim + thread; // the thread's column of every head that it rotates
    const float *askedPartner = asked + rotation.partner - column;
    const bool isNew = isNewHere && thread < 2 * Dim; // this thread has a column of the new key or value
    const float *newFrom = (thread < Dim ? in.key : in.value) + rowStart + kvHead * Dim + column;
    const float *newPartner = thread < Dim ? newFrom + rotation.partner - column : newFrom;
    const float scale = all.step.scale * kLog2E;
    settle(settled + thread, asked, askedPartner, newFrom, newPartner, newest);
    waitForPrevious();

    constexpr int turns = kMostGroup / atOnce;
    float rotated[turns] = {};
    float others[turns] = {};
    float2 newColumn = make_float2(0.0F, 0.0F);
#pragma unroll
    for (int i = 0; i < turns; ++i) {
        if (i * atOnce + thread / Dim < group) {
            rotated[i] = asked[i * kThreads];
            others[i] = askedPartner[i * kThreads];
        }
    }
    if (isNew)
        newColumn = make_float2(*newFrom, *newPartner);
#pragma unroll
    for (int i = 0; i < turns; ++i)
        rotated[i] = __fmaf_rn(rotated[i], rotation.cosine, __fmul_rn(others[i], rotation.sine));
    if (isNew) {
        const float x = thread < Dim ? __fmaf_rn(newColumn.x, rotation.cosine, __fmul_rn(newColumn.y, rotation.sine)) : newColumn.x;
        newRow[thread / Dim][column] = __float2bfloat16_rn(x);
    }
#pragma unroll
    for (int i = 0; i < turns; ++i) {
        const float x = __fmul_rn(rotated[i], scale);
        const Bf16 upper = __float2bfloat16_rn(x);
        Bf16 *to = queries + (i * atOnce + thread / Dim) * pitch + column;
        to[0] = upper;
        to[kMostGroup * pitch] = __float2bfloat16_rn(__fsub_rn(x, __bfloat162float(upper)));
    }
    __syncthreads();
    uint4 made = make_uint4(0, 0, 0, 0);
    if (isOwner && lane < 2 * chunks) {
        made = reinterpret_cast<const uint4 *>(newRow[lane / chunks])[lane % chunks];
        reinterpret_cast<uint4 *>((lane < chunks ? keys : values) + newest)[lane % chunks] = made;
    }
    const Bf16 *query = queries + lane % 16 * pitch + lane / 16 * 8;
    float maximum = kLowest;
    float total = 0.0F; // of this lane's tokens
    float result[chunks][4] = {};
    int turn = 0; // of the ring
#pragma unroll 1
    for (int token = first; token < end; token += kRun, ++turn) {
        const int stage = turn % kDepth;
        Bf16 *tile = ring + stage * kStageElements<Dim>;
        waitForCopied(&barriers[warp][stage], turn / kDepth % 2);
        if (isOwner && position - token < kStep && lane < 2 * chunks)
            reinterpret_cast<uint4 *>(tile + (lane / chunks * kStep + position - token) * pitch)[lane % chunks] = made;
        __syncwarp();
        float scores[2][4] = {};
        const Bf16 *right = tile + (lane / 16 * 8 + lane % 8) * pitch + lane / 8 % 2 * 8;
#pragma unroll
        for (int k = 0; k < Dim; k += 16) {
            std::uint32_t a[4];
            std::uint32_t b[4];
            loadFour(a, query + k);
            loadFour(b, right + k);
            multiply(scores[0], a, b[0], b[1]);
            multiply(scores[1], a, b[2], b[3]);
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
        const Bf16 *turned = tile + (kStep + lane % 16) * pitch + lane / 16 * 8;
#pragma unroll
        for (int n = 0; n < chunks; n += 2) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                result[n][i] = __fmul_rn(result[n][i], before);
                result[n + 1][i] = __fmul_rn(result[n + 1][i], before);
            }
            std::uint32_t b[4];
            loadFourTurned(b, turned + n * 8);
            multiply(result[n], left, b[0], b[1]);
            multiply(result[n + 1], left, b[2], b[3]);
        }
        __syncwarp(); // the stage is used
        if (token + kDepth * kRun < end) {
            endUse();
            load(token + kDepth * kRun, stage);
        }
    }
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
    const std::int64_t firstHead = static_cast<std::int64_t>(row) * in.heads + kvHead * group;
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
            sum = __fmaf_rn(reinterpret_cast<const float *>(shared)[w * kDepth * kStageElements<Dim> / 2 + at], share, sum);
            whole = __fmaf_rn(statistics[w][head].y, share, whole);
        }
        const std::int64_t slice = firstHead * (Dim / parts::kColumns) + at / parts::kColumns;
        all.partial[(slice * all.parts + part) * parts::kColumns + at % parts::kColumns] = sum;
        if (at % Dim == 0)
            all.statistics[(firstHead + head) * all.parts + part] = make_float2(most, whole);
    }
}

// Grid (heads * Dim / 64, rows): 64 columns of a head.
template <int Dim> __global__ void __launch_bounds__(kThreads) sumKernel(const HeadsLongArgs all)
{
    constexpr int slices = Dim / parts::kColumns;
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ parts::Sums sums;
    letNextStart();
    const HeadsPrepareArgs &in = all.step.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int slice = static_cast<int>(blockIdx.x);
    const int row = static_cast<int>(blockIdx.y);
    const int position = in.table.positions[row];
    if (position < kHeadsStepTokens) {
        waitForPrevious();
        return;
    }
    const int span = spanOf(position, in.kvHeads);
    const std::int64_t index = static_cast<std::int64_t>(row) * in.heads * slices + slice;
    const parts::Parts own(shared, all.parts, beginOf(position, all.step.window) / span, position / span,
        all.partial + index * all.parts * parts::kColumns, all.statistics + index / slices * all.parts, sums);
    if (thread == 0)
        own.expect(sums);
    __syncthreads(); // the barrier is there
    waitForPrevious();
    if (thread == 0)
        own.ask(sums);
    own.sum(thread % (parts::kColumns / 4) * 4, sums);
    if (thread >= parts::kColumns)
        return;
    float whole = 0.0F;
    const float value = parts::columnOf(sums, thread, whole);
    all.step.output[index * parts::kColumns + thread] = __fdividef(value, whole);
}

constexpr std::size_t bytesOf(int dim) { return sizeof(Bf16) * kWarps * kDepth * 2 * kStep * static_cast<std::size_t>(dim + 8); }

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
    if (result != cudaSuccess)
        return result;
    static_assert(kHeadsParts <= parts::kMostParts && parts::bytesOf(kHeadsParts) <= 48U << 10); // needs no leave
    return launchChained(sumKernel<Dim>, dim3(static_cast<unsigned>(in.heads * (Dim / parts::kColumns)), rows), kThreads, parts::bytesOf(args.parts), stream, args);
}

} // namespace

bool hasHeadsLong(const HeadsStepArgs &args)
{
    return hasHeadsStep(args) && args.prepare.cache.blockTokens >= kStep && bytesOf(args.prepare.dim) + 8192 <= static_cast<std::size_t>(card().sharedBytes);
}

int headsLongParts(const HeadsStepArgs &args, int context)
{
    const int parts = std::min((context + kRun - 1) / kRun, std::max(kHeadsParts / args.prepare.kvHeads, 1));
    return (parts + 1) / 2 * 2; // even: copies of 16 bytes
}

cudaError_t headsLong(const HeadsLongArgs &args, cudaStream_t stream)
{
    if (args.step.prepare.rows == 0)
        return cudaSuccess;
    return args.step.prepare.dim == 128 ? launchLong<128>(args, stream) : launchLong<64>(args, stream);
}

} // namespace kernels::cuda
