// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention over a bfloat16 cache with mma.m16n8k16. A tile's rows are the heads that share one key-value head, of one
// token (decode) or of neighbouring tokens (prompt); 64 keys at a time lie in shared memory and serve all of them.
//
// Decode: a block takes one row and 64 tokens cut at absolute positions, so a row's sums never depend on the batch;
// queries and probabilities are two bfloat16 each (16 bits), keys and values are read once for all heads of a group.
// Bound: cache bytes over bandwidth. Prompt: one block takes 64 rows and walks over the whole context; queries and
// probabilities are rounded to bfloat16. Bound: tensor cores.
#include "cuda/attention/tiles.h"

#include "cuda/attention/prepare.cuh"
#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"
#include "cuda/common/tensor.cuh"

#include <cuda_bf16.h>

#include <algorithm>
#include <cmath>

namespace kernels::cuda {

namespace {

constexpr int kWarps = 8, kThreads = kWarps * 32, kKeys = 64, kPad = 8;
using Bf16 = __nv_bfloat16;

__device__ void loadTwoTurned(std::uint32_t (&r)[2], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(sharedAddress(row))
                 : "memory");
}
__device__ void copySixteen(void *shared, const void *global, bool inside)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(sharedAddress(shared)), "l"(global), "r"(inside ? 16 : 0)
                 : "memory");
}

template <int KeyDim, int ValueDim, int RowTiles> struct Shape {
    static constexpr bool fine = RowTiles == 1;            // two bfloat16 for queries and probabilities
    static constexpr bool valuesInKeys = ValueDim < KeyDim;
    static constexpr int stages = valuesInKeys ? 1 : 2;
    static constexpr int rows = RowTiles * 16;
    static constexpr int across = kWarps / RowTiles;       // warps that share a tile of 16 rows
    static constexpr int queryStride = KeyDim + kPad, keyStride = KeyDim + kPad, valueStride = ValueDim + kPad;
    static constexpr int scoreStride = kKeys + kPad;
    static constexpr int stageElements = kKeys * keyStride + (valuesInKeys ? 0 : kKeys * valueStride);
    // Decode: two groups of 32 keys times four parts of the columns, so that a query is read twice, not once a warp.
    static constexpr int columnParts = 4, partStride = kKeys + 8;
    static_assert(!fine || KeyDim % (16 * columnParts) == 0);
    static constexpr std::size_t partBytes = fine ? sizeof(float) * static_cast<std::size_t>(columnParts * rows * partStride) : 0;
    static constexpr std::size_t bytes = partBytes + sizeof(Bf16)
            * static_cast<std::size_t>((fine ? 2 : 1) * rows * queryStride + stages * stageElements
                + (fine ? 2 : 1) * rows * scoreStride)
        + sizeof(float) * 2 * across * rows + sizeof(std::int64_t) * kKeys * stages;
};

struct TileRows {
    int firstRow, heads, count; // rows of the step, heads of the tile, rows * heads
};

template <int KeyDim, int ValueDim, int RowTiles>
__global__ void __launch_bounds__(kThreads, RowTiles == 1 ? 1 : ValueDim > 256 ? 1 : 2) tileKernel(const TileAttentionArgs args)
{
    using S = Shape<KeyDim, ValueDim, RowTiles>;
    extern __shared__ __align__(16) unsigned char shared[];
    auto *queryHigh = reinterpret_cast<Bf16 *>(shared);
    Bf16 *queryLow = queryHigh + S::rows * S::queryStride;
    Bf16 *stage = queryHigh + (S::fine ? 2 : 1) * S::rows * S::queryStride;
    Bf16 *scoresHigh = stage + S::stages * S::stageElements;
    Bf16 *scoresLow = scoresHigh + S::rows * S::scoreStride;
    auto *slots = reinterpret_cast<std::int64_t *>(scoresHigh + (S::fine ? 2 : 1) * S::rows * S::scoreStride);
    auto *partMaximum = reinterpret_cast<float *>(slots + kKeys * S::stages);
    float *partSum = partMaximum + S::across * S::rows;
    float *partScores = partSum + S::across * S::rows; // decode: [column part][row][key]

    // The numbers of the step and the cache's older rows were there before any kernel of the step began.
    letNextStart();
    const bool isDecode = args.chunks > 0;
    if (!isDecode)
        waitForPrevious();
    const AttentionArgs &base = args.base;
    const KvView &cache = base.cache;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int group = base.heads / cache.kvHeads;
    const int headsEach = min(group, 16);
    const int headTiles = (group + 15) / 16;
    const int kvHead = static_cast<int>(blockIdx.y) / headTiles;
    const int firstHead = kvHead * group + static_cast<int>(blockIdx.y) % headTiles * 16;
    const int tileHeads = min(headsEach, (kvHead + 1) * group - firstHead);
    TileRows tile;
    int chunk = 0;
    if (args.chunks > 0) {
        chunk = static_cast<int>(blockIdx.x);
        tile = {static_cast<int>(blockIdx.z), tileHeads, tileHeads};
    } else {
        const RowRun run = args.runs[gridDim.x - 1 - blockIdx.x]; // the longest contexts first
        tile = {run.firstRow, tileHeads, run.rows * tileHeads};
    }
    const int *blocks = base.table.blocks + base.table.firstBlock[tile.firstRow];
    const int firstPosition = base.table.positions[tile.firstRow];
    const int lastPosition = firstPosition + (tile.count - 1) / tile.heads;
    int keysBegin = base.window > 0 ? max(0, firstPosition + 1 - base.window) / kKeys * kKeys : 0;
    int keysEnd = lastPosition + 1;
    if (args.chunks > 0) {
        keysBegin = max(keysBegin, chunk * kChunkTokens);
        keysEnd = min(keysEnd, (chunk + 1) * kChunkTokens);
        if (keysBegin >= keysEnd)
            return;
    }

    const int keyRow = cache.kvHeads * KeyDim;
    const int valueRow = cache.kvHeads * ValueDim;
    const auto *keys = static_cast<const Bf16 *>(cache.keys) + kvHead * KeyDim;
    const auto *values = static_cast<const Bf16 *>(cache.values) + kvHead * ValueDim;
    const auto findSlots = [&](int first, int which) {
        if (thread < kKeys) {
            const int token = min(first + thread, keysEnd - 1);
            slots[which * kKeys + thread] =
                static_cast<std::int64_t>(blocks[token / cache.blockTokens]) * cache.blockTokens + token % cache.blockTokens;
        }
    };
    // Without token `newest`, which the kernel in front may be writing; -1: all.
    const auto fetch = [&](int first, int which, int newest) {
        Bf16 *keyTile = stage + which * S::stageElements;
        for (int i = thread; i < kKeys * (KeyDim / 8); i += kThreads) {
            const int token = i / (KeyDim / 8);
            const int column = i % (KeyDim / 8) * 8;
            if (first + token == newest)
                continue;
            copySixteen(keyTile + token * S::keyStride + column, keys + slots[which * kKeys + token] * keyRow + column,
                first + token < keysEnd);
        }
        if constexpr (!S::valuesInKeys) {
            Bf16 *valueTile = keyTile + kKeys * S::keyStride;
            for (int i = thread; i < kKeys * (ValueDim / 8); i += kThreads) {
                const int token = i / (ValueDim / 8);
                const int column = i % (ValueDim / 8) * 8;
                if (first + token == newest)
                    continue;
                copySixteen(valueTile + token * S::valueStride + column,
                    values + slots[which * kKeys + token] * valueRow + column, first + token < keysEnd);
            }
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };

    findSlots(keysBegin, 0);
    __syncthreads();
    fetch(keysBegin, 0, isDecode ? lastPosition : -1);
    if (isDecode) {
        waitForPrevious();
        const int token = lastPosition - keysBegin;
        if (token >= 0 && token < kKeys) {
            if (thread < KeyDim / 8)
                copySixteen(stage + token * S::keyStride + thread * 8, keys + slots[token] * keyRow + thread * 8, true);
            if constexpr (!S::valuesInKeys) {
                if (thread < ValueDim / 8)
                    copySixteen(stage + kKeys * S::keyStride + token * S::valueStride + thread * 8,
                        values + slots[token] * valueRow + thread * 8, true);
            }
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
#pragma unroll 9
    for (int i = thread; i < S::rows * KeyDim / 4; i += kThreads) {
        const int r = i / (KeyDim / 4);
        const int column = i % (KeyDim / 4) * 4;
        float4 v = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
        if (r < tile.count) {
            const std::int64_t row = tile.firstRow + r / tile.heads;
            v = *reinterpret_cast<const float4 *>(base.query + (row * base.heads + firstHead + r % tile.heads) * KeyDim + column);
        }
        auto *high = reinterpret_cast<__nv_bfloat162 *>(queryHigh + r * S::queryStride + column);
        high[0] = __floats2bfloat162_rn(v.x, v.y);
        high[1] = __floats2bfloat162_rn(v.z, v.w);
        if constexpr (S::fine) {
            auto *low = reinterpret_cast<__nv_bfloat162 *>(queryLow + r * S::queryStride + column);
            low[0] = __floats2bfloat162_rn(v.x - __low2float(high[0]), v.y - __high2float(high[0]));
            low[1] = __floats2bfloat162_rn(v.z - __low2float(high[1]), v.w - __high2float(high[1]));
        }
    }

    const int rowTile = warp % RowTiles;
    const int part = warp / RowTiles;
    constexpr int keysEach = kKeys / S::across;      // of a warp: 8 or 32
    constexpr int scoreTiles = keysEach / 8;
    constexpr int valuesEach = ValueDim / S::across;
    constexpr int outputTiles = valuesEach / 8;
    const int myRows[2] = {rowTile * 16 + lane / 4, rowTile * 16 + lane / 4 + 8};
    int position[2];
#pragma unroll
    for (int i = 0; i < 2; ++i)
        position[i] = myRows[i] < tile.count ? firstPosition + myRows[i] / tile.heads : -1;
    const float scale = base.scale * 1.4426950408889634F; // powers of two below
    float maximum[2] = {-INFINITY, -INFINITY};
    float total[2] = {};
    float output[outputTiles][4] = {};

    int which = 0;
    for (int first = keysBegin; first < keysEnd; first += kKeys) {
        const bool more = first + kKeys < keysEnd;
        if constexpr (S::stages == 2) {
            if (more) {
                findSlots(first + kKeys, which ^ 1);
                __syncthreads();
                fetch(first + kKeys, which ^ 1, -1);
                asm volatile("cp.async.wait_group 1;" ::: "memory");
            } else {
                asm volatile("cp.async.wait_group 0;" ::: "memory");
            }
        } else {
            asm volatile("cp.async.wait_group 0;" ::: "memory");
        }
        __syncthreads(); // the tile and the queries are there
        const Bf16 *keyTile = stage + which * S::stageElements;
        const Bf16 *valueTile = S::valuesInKeys ? keyTile : keyTile + kKeys * S::keyStride;

        float scores[scoreTiles][4] = {};
        if constexpr (S::fine) {
            constexpr int partTiles = 4, steps = KeyDim / 16 / S::columnParts;
            const int columnPart = warp / 2;
            const int firstKey = warp % 2 * 32;
            float sums[partTiles][4] = {};
            float lows[partTiles][4] = {};
#pragma unroll 3
            for (int step = 0; step < steps; ++step) {
                const int k = (columnPart * steps + step) * 16;
                const int queryPlace = lane % 16 * S::queryStride + k + lane / 16 * 8;
                std::uint32_t high[4];
                std::uint32_t low[4];
                loadFour(high, queryHigh + queryPlace);
                loadFour(low, queryLow + queryPlace);
#pragma unroll
                for (int n = 0; n < partTiles; n += 2) {
                    std::uint32_t b[4];
                    loadFour(b, keyTile + (firstKey + n * 8 + lane / 16 * 8 + lane % 8) * S::keyStride + k + lane / 8 % 2 * 8);
                    multiply(sums[n], high, b[0], b[1]);
                    multiply(sums[n + 1], high, b[2], b[3]);
                    multiply(lows[n], low, b[0], b[1]);
                    multiply(lows[n + 1], low, b[2], b[3]);
                }
            }
#pragma unroll
            for (int n = 0; n < partTiles; ++n) {
#pragma unroll
                for (int i = 0; i < 2; ++i)
                    *reinterpret_cast<float2 *>(partScores + (columnPart * S::rows + lane / 4 + i * 8) * S::partStride + firstKey + n * 8
                        + lane % 4 * 2) = make_float2(__fadd_rn(sums[n][2 * i], lows[n][2 * i]), __fadd_rn(sums[n][2 * i + 1], lows[n][2 * i + 1]));
            }
            __syncthreads();
#pragma unroll
            for (int c = 0; c < S::columnParts; ++c) {
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const float2 v = *reinterpret_cast<const float2 *>(partScores + (c * S::rows + lane / 4 + i * 8) * S::partStride + part * 8
                        + lane % 4 * 2);
                    scores[0][2 * i] = __fadd_rn(scores[0][2 * i], v.x);
                    scores[0][2 * i + 1] = __fadd_rn(scores[0][2 * i + 1], v.y);
                }
            }
        } else {
#pragma unroll 4
            for (int k = 0; k < KeyDim; k += 16) {
                std::uint32_t high[4];
                loadFour(high, queryHigh + (rowTile * 16 + lane % 16) * S::queryStride + k + lane / 16 * 8);
#pragma unroll
                for (int n = 0; n < scoreTiles; n += 2) {
                    std::uint32_t b[4];
                    loadFour(b, keyTile + (part * keysEach + n * 8 + lane / 16 * 8 + lane % 8) * S::keyStride + k + lane / 8 % 2 * 8);
                    multiply(scores[n], high, b[0], b[1]);
                    multiply(scores[n + 1], high, b[2], b[3]);
                }
            }
        }
        float best[2] = {-INFINITY, -INFINITY};
#pragma unroll
        for (int n = 0; n < scoreTiles; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int token = first + part * keysEach + n * 8 + lane % 4 * 2 + i % 2;
                const int at = position[i / 2];
                const bool seen = token <= at && token < keysEnd && (base.window <= 0 || token > at - base.window);
                scores[n][i] = seen ? scores[n][i] * scale : -INFINITY;
                best[i / 2] = fmaxf(best[i / 2], scores[n][i]);
            }
        }
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            best[i] = fmaxf(best[i], __shfl_xor_sync(kAllLanes, best[i], 1));
            best[i] = fmaxf(best[i], __shfl_xor_sync(kAllLanes, best[i], 2));
            if (lane % 4 == 0)
                partMaximum[part * S::rows + myRows[i]] = best[i];
        }
        __syncthreads();
        float rescale[2];
        float base2[2];
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            float next = maximum[i];
#pragma unroll
            for (int p = 0; p < S::across; ++p)
                next = fmaxf(next, partMaximum[p * S::rows + myRows[i]]);
            base2[i] = next == -INFINITY ? 0.0F : next;
            rescale[i] = exp2f(maximum[i] - base2[i]);
            maximum[i] = next;
        }
        float sums[2] = {};
#pragma unroll
        for (int n = 0; n < scoreTiles; ++n) {
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                const float a = exp2f(scores[n][2 * i] - base2[i]);
                const float b = exp2f(scores[n][2 * i + 1] - base2[i]);
                sums[i] += a + b;
                const int place = myRows[i] * S::scoreStride + part * keysEach + n * 8 + lane % 4 * 2;
                const __nv_bfloat162 high = __floats2bfloat162_rn(a, b);
                *reinterpret_cast<__nv_bfloat162 *>(scoresHigh + place) = high;
                if constexpr (S::fine)
                    *reinterpret_cast<__nv_bfloat162 *>(scoresLow + place) =
                        __floats2bfloat162_rn(a - __bfloat162float(high.x), b - __bfloat162float(high.y));
            }
        }
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            sums[i] += __shfl_xor_sync(kAllLanes, sums[i], 1);
            sums[i] += __shfl_xor_sync(kAllLanes, sums[i], 2);
            if (lane % 4 == 0)
                partSum[part * S::rows + myRows[i]] = sums[i];
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            float sum = 0.0F;
#pragma unroll
            for (int p = 0; p < S::across; ++p)
                sum += partSum[p * S::rows + myRows[i]];
            total[i] = total[i] * rescale[i] + sum;
        }
#pragma unroll
        for (int n = 0; n < outputTiles; ++n) {
#pragma unroll
            for (int i = 0; i < 4; ++i)
                output[n][i] *= rescale[i / 2];
        }
#pragma unroll
        for (int k = 0; k < kKeys; k += 16) {
            std::uint32_t high[4];
            std::uint32_t low[4] = {};
            const int place = (rowTile * 16 + lane % 16) * S::scoreStride + k + lane / 16 * 8;
            loadFour(high, scoresHigh + place);
            if constexpr (S::fine)
                loadFour(low, scoresLow + place);
            const Bf16 *value = valueTile + (k + lane % 16) * (S::valuesInKeys ? S::keyStride : S::valueStride) + part * valuesEach;
            if constexpr (outputTiles == 1) {
                std::uint32_t b[2];
                loadTwoTurned(b, value);
                multiply(output[0], high, b[0], b[1]);
                if constexpr (S::fine)
                    multiply(output[0], low, b[0], b[1]);
            } else {
#pragma unroll
                for (int n = 0; n < outputTiles; n += 2) {
                    std::uint32_t b[4];
                    loadFourTurned(b, value + n * 8 + lane / 16 * 8);
                    multiply(output[n], high, b[0], b[1]);
                    multiply(output[n + 1], high, b[2], b[3]);
                    if constexpr (S::fine) {
                        multiply(output[n], low, b[0], b[1]);
                        multiply(output[n + 1], low, b[2], b[3]);
                    }
                }
            }
        }
        __syncthreads(); // the tile and the scores are used
        if constexpr (S::stages == 2) {
            which ^= 1;
        } else if (more) {
            findSlots(first + kKeys, 0);
            __syncthreads();
            fetch(first + kKeys, 0, -1);
        }
    }

#pragma unroll
    for (int i = 0; i < 2; ++i) {
        if (myRows[i] >= tile.count)
            continue;
        const std::int64_t row = tile.firstRow + myRows[i] / tile.heads;
        const std::int64_t index = row * base.heads + firstHead + myRows[i] % tile.heads;
        float *target = args.chunks > 0 ? args.partial + (index * args.chunks + chunk) * ValueDim : base.output + index * ValueDim;
        const float factor = args.chunks > 0 ? 1.0F : 1.0F / total[i];
#pragma unroll
        for (int n = 0; n < outputTiles; ++n) {
            const int column = part * valuesEach + n * 8 + lane % 4 * 2;
            *reinterpret_cast<float2 *>(target + column) = make_float2(output[n][2 * i] * factor, output[n][2 * i + 1] * factor);
        }
        if (args.chunks > 0 && part == 0 && lane % 4 == 0)
            args.statistics[index * args.chunks + chunk] = make_float2(maximum[i], total[i]);
    }
}

// Grid (heads, parts of the columns, rows). Of a block's threads a quarter takes every fourth run of 32 chunks, in ascending
// order, so that few runs and many have as many loads on the way; a row of one run has the same sums as in heads.cu.
constexpr int kCombineQuarters = 4, kCombineColumns = 128, kCombineThreads = kCombineQuarters * kCombineColumns, kRunChunks = 32;
static_assert(kRunChunks == 32); // kCombinedChunks of decode/heads.h
__global__ void __launch_bounds__(kCombineThreads) combineKernel(const TileAttentionArgs args)
{
    __shared__ float2 shares[kCombineThreads]; // of as many chunks as there are threads: weight, weight times sum
    __shared__ float warpLargest[kCombineThreads / 32];
    __shared__ float2 quarters[kCombineQuarters][kCombineColumns]; // sum, total
    letNextStart();
    const AttentionArgs &base = args.base;
    const int valueDim = base.cache.valueDim;
    const int threads = static_cast<int>(blockDim.x);
    const int columns = threads / kCombineQuarters;
    const int thread = static_cast<int>(threadIdx.x);
    const int quarter = thread / columns;
    const int head = static_cast<int>(blockIdx.x);
    const int column = static_cast<int>(blockIdx.y) * columns + thread % columns;
    const int row = static_cast<int>(blockIdx.z);
    const int last = base.table.positions[row] / kChunkTokens;
    const int first = base.window > 0 ? max(0, base.table.positions[row] + 1 - base.window) / kChunkTokens : 0;
    const std::int64_t index = static_cast<std::int64_t>(row) * base.heads + head;
    const float2 *statistics = args.statistics + index * args.chunks;
    const float *partial = args.partial + index * args.chunks * valueDim + column;
    waitForPrevious();
    float maximum = -INFINITY;
    for (int c = first + thread; c <= last; c += threads)
        maximum = fmaxf(maximum, statistics[c].x);
    maximum = warpMax(maximum);
    if (thread % 32 == 0)
        warpLargest[thread / 32] = maximum;
    __syncthreads();
    for (int w = 0; w < threads / 32; ++w)
        maximum = fmaxf(maximum, warpLargest[w]);
    float sum = 0.0F;
    float total = 0.0F;
    for (int begin = first; begin <= last; begin += threads) { // a multiple of all quarters' runs
        const int count = min(threads, last + 1 - begin);
        __syncthreads(); // the shares before are used
        if (thread < count) {
            const float2 s = statistics[begin + thread];
            const float weight = exp2f(s.x - maximum);
            shares[thread] = make_float2(weight, __fmul_rn(s.y, weight));
        }
        __syncthreads();
        for (int run = quarter * kRunChunks; run < count; run += kCombineQuarters * kRunChunks) {
            const int end = min(run + kRunChunks, count);
#pragma unroll 16
            for (int c = run; c < end; ++c) {
                total = __fadd_rn(total, shares[c].y);
                sum = __fmaf_rn(partial[static_cast<std::int64_t>(begin + c) * valueDim], shares[c].x, sum);
            }
        }
    }
    quarters[quarter][thread % columns] = make_float2(sum, total);
    __syncthreads();
    if (quarter > 0)
        return;
    for (int q = 1; q < kCombineQuarters; ++q) {
        sum = __fadd_rn(sum, quarters[q][thread].x);
        total = __fadd_rn(total, quarters[q][thread].y);
    }
    const float value = __fdiv_rn(sum, total);
    base.output[index * valueDim + column] = value;
    if (args.split.high != nullptr)
        writeSplit(args.split, row, static_cast<std::int64_t>(head) * valueDim + column / 32 * 32, value);
}

using namespace prepare;

// Grid (1 + heads, rows).
__global__ void __launch_bounds__(128) latentPrepareKernel(const LatentPrepareArgs args)
{
    letNextStart();
    prepareLatent(args, static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x));
}

constexpr int kMostDim = 512;

// Grid (heads + 2 * kvHeads, rows): a head of the query, of the keys or of the values.
__global__ void __launch_bounds__(128) headsPrepareKernel(const HeadsPrepareArgs args)
{
    letNextStart();
    const int row = static_cast<int>(blockIdx.y);
    int head = static_cast<int>(blockIdx.x);
    const int position = args.table.positions[row];
    const int thread = static_cast<int>(threadIdx.x);
    Turn own{};
    if (thread < 2 * args.pairs)
        own = turnOf(args.inverseFrequencies, pairOf(thread, args.pairs, args.interleaved), position, args.magnitude);
    const auto rotatedAt = [&](const float *x, int i) {
        if (i >= 2 * args.pairs)
            return x[i];
        return turned(x, i, args.pairs, args.interleaved, i == thread ? own
                : turnOf(args.inverseFrequencies, pairOf(i, args.pairs, args.interleaved), position, args.magnitude));
    };
    if (head < args.heads) {
        waitForPrevious();
        const float *x = args.query + row * args.stride + head * args.dim;
        float *target = args.rotated + (static_cast<std::int64_t>(row) * args.heads + head) * args.dim;
        float results[kMostDim / 128]; // all are read before one is written: the target may be the query
#pragma unroll
        for (int k = 0; k < kMostDim / 128; ++k)
            results[k] = k * 128 + thread < args.dim ? rotatedAt(x, k * 128 + thread) : 0.0F;
        __syncthreads();
#pragma unroll
        for (int k = 0; k < kMostDim / 128; ++k) {
            if (k * 128 + thread < args.dim)
                target[k * 128 + thread] = results[k];
        }
        return;
    }
    head -= args.heads;
    const bool isKey = head < args.kvHeads;
    head -= isKey ? 0 : args.kvHeads;
    const std::int64_t slot = (slotOf(args.cache, args.table, row) * args.kvHeads + head) * args.dim;
    waitForPrevious();
    const float *x = (isKey ? args.key : args.value) + row * args.stride + head * args.dim;
    for (int i = thread; i < args.dim; i += 128)
        storeAs(args.cache, isKey ? args.cache.keys : args.cache.values, slot + i, isKey ? rotatedAt(x, i) : x[i]);
}

constexpr int kPrepareThreads = 256, kMostPairs = 256, kPromptPrepareRows = 64;

__device__ void storeFour(const KvView &cache, void *base, std::int64_t index, const float4 &v)
{
    if (cache.dtype == DType::BF16) {
        auto *target = reinterpret_cast<__nv_bfloat162 *>(static_cast<Bf16 *>(base) + index);
        target[0] = __floats2bfloat162_rn(v.x, v.y);
        target[1] = __floats2bfloat162_rn(v.z, v.w);
        return;
    }
    storeAs(cache, base, index, v.x);
    storeAs(cache, base, index + 1, v.y);
    storeAs(cache, base, index + 2, v.z);
    storeAs(cache, base, index + 3, v.w);
}

// A block a row of a prompt: sines once for all heads, eight columns a thread, both of every pair, so it may be in place.
__global__ void __launch_bounds__(kPrepareThreads) headsPromptKernel(const HeadsPrepareArgs args)
{
    __shared__ float sines[kMostPairs];
    __shared__ float cosines[kMostPairs];
    const int row = static_cast<int>(blockIdx.x);
    const int thread = static_cast<int>(threadIdx.x);
    for (int p = thread; p < args.pairs; p += kPrepareThreads) {
        const Turn t = turnOf(args.inverseFrequencies, p, args.table.positions[row], args.magnitude);
        sines[p] = t.sine;
        cosines[p] = t.cosine;
    }
    __syncthreads();
    const std::int64_t slot = slotOf(args.cache, args.table, row) * args.kvHeads * args.dim;
    const int eights = args.dim / 8;
    const auto quad = [](const float *x) { return *reinterpret_cast<const float4 *>(x); };
    for (int unit = thread; unit < (args.heads + args.kvHeads) * eights; unit += kPrepareThreads) {
        const bool isQuery = unit < args.heads * eights;
        const int head = isQuery ? unit / eights : unit / eights - args.heads;
        const int place = unit % eights;
        const float *x = (isQuery ? args.query : args.key) + row * args.stride + head * args.dim;
        const int first = args.interleaved ? place * 8 : place * 4;
        const int second = args.interleaved ? first + 4 : first + args.pairs;
        const float4 a = quad(x + first);
        const float4 b = quad(x + second);
        float4 u;
        float4 v;
        const float *s = sines + place * 4;
        const float *c = cosines + place * 4;
        if (args.interleaved) {
            u = make_float4(a.x * c[0] - a.y * s[0], a.y * c[0] + a.x * s[0], a.z * c[1] - a.w * s[1], a.w * c[1] + a.z * s[1]);
            v = make_float4(b.x * c[2] - b.y * s[2], b.y * c[2] + b.x * s[2], b.z * c[3] - b.w * s[3], b.w * c[3] + b.z * s[3]);
        } else {
            u = make_float4(a.x * c[0] - b.x * s[0], a.y * c[1] - b.y * s[1], a.z * c[2] - b.z * s[2], a.w * c[3] - b.w * s[3]);
            v = make_float4(b.x * c[0] + a.x * s[0], b.y * c[1] + a.y * s[1], b.z * c[2] + a.z * s[2], b.w * c[3] + a.w * s[3]);
        }
        if (!isQuery) {
            storeFour(args.cache, args.cache.keys, slot + head * args.dim + first, u);
            storeFour(args.cache, args.cache.keys, slot + head * args.dim + second, v);
            continue;
        }
        const std::int64_t target = (static_cast<std::int64_t>(row) * args.heads + head) * args.dim;
        *reinterpret_cast<float4 *>(args.rotated + target + first) = u;
        *reinterpret_cast<float4 *>(args.rotated + target + second) = v;
        if (args.narrow != nullptr) {
            auto *narrow = reinterpret_cast<__nv_bfloat162 *>(args.narrow + target + first);
            narrow[0] = __floats2bfloat162_rn(u.x, u.y);
            narrow[1] = __floats2bfloat162_rn(u.z, u.w);
            narrow = reinterpret_cast<__nv_bfloat162 *>(args.narrow + target + second);
            narrow[0] = __floats2bfloat162_rn(v.x, v.y);
            narrow[1] = __floats2bfloat162_rn(v.z, v.w);
        }
    }
    for (int i = thread * 4; i < args.kvHeads * args.dim; i += kPrepareThreads * 4)
        storeFour(args.cache, args.cache.values, slot + i, quad(args.value + row * args.stride + i));
}

template <int KeyDim, int ValueDim, int RowTiles> cudaError_t launchTiles(const TileAttentionArgs &args, cudaStream_t stream)
{
    using S = Shape<KeyDim, ValueDim, RowTiles>;
    const auto kernel = tileKernel<KeyDim, ValueDim, RowTiles>;
    const cudaError_t allowed = // of the current card
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(S::bytes));
    if (allowed != cudaSuccess)
        return allowed;
    const int group = args.base.heads / args.base.cache.kvHeads;
    const auto heads = static_cast<unsigned>(args.base.cache.kvHeads * ((group + 15) / 16));
    const dim3 grid = args.chunks > 0
        ? dim3(static_cast<unsigned>(args.chunks), heads, static_cast<unsigned>(args.base.table.rows))
        : dim3(static_cast<unsigned>(args.runCount), heads);
    return launchChained(kernel, grid, kThreads, S::bytes, stream, args);
}

template <int KeyDim, int ValueDim> cudaError_t launchShape(const TileAttentionArgs &args, cudaStream_t stream)
{
    return args.chunks > 0 ? launchTiles<KeyDim, ValueDim, 1>(args, stream) : launchTiles<KeyDim, ValueDim, 4>(args, stream);
}

bool isShape(const KvView &cache, int keyDim, int valueDim, std::size_t bytes)
{
    return cache.keyDim == keyDim && cache.valueDim == valueDim && cache.valuesInKeys == (valueDim < keyDim)
        && bytes <= static_cast<std::size_t>(card().sharedBytes);
}

} // namespace

bool hasTiles(const AttentionArgs &args)
{
    const KvView &cache = args.cache;
    return cache.dtype == DType::BF16 && args.observed == nullptr
        && (isShape(cache, 576, 512, Shape<576, 512, 4>::bytes) || isShape(cache, 128, 128, Shape<128, 128, 4>::bytes)
            || isShape(cache, 64, 64, Shape<64, 64, 4>::bytes));
}

int rowsPerTile(const AttentionArgs &args)
{
    const int group = args.heads / args.cache.kvHeads;
    return 64 / (group < 16 ? group : 16);
}

cudaError_t tileAttention(const TileAttentionArgs &args, cudaStream_t stream)
{
    if (args.base.table.rows == 0)
        return cudaSuccess;
    const int dim = args.base.cache.keyDim;
    const cudaError_t result = dim == 576 ? launchShape<576, 512>(args, stream)
        : dim == 128                     ? launchShape<128, 128>(args, stream)
                                         : launchShape<64, 64>(args, stream);
    return result != cudaSuccess || args.chunks == 0 || args.partsOnly ? result : combineParts(args, stream);
}

cudaError_t combineParts(const TileAttentionArgs &args, cudaStream_t stream)
{
    const int columns = std::min(args.base.cache.valueDim, kCombineColumns); // of 64, 128 or 512
    const dim3 grid(static_cast<unsigned>(args.base.heads), static_cast<unsigned>(args.base.cache.valueDim / columns),
        static_cast<unsigned>(args.base.table.rows));
    return launchChained(combineKernel, grid, static_cast<unsigned>(columns * kCombineQuarters), 0, stream, args);
}

cudaError_t latentPrepare(const LatentPrepareArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(args.heads + 1), static_cast<unsigned>(args.rows));
    return launchChained(latentPrepareKernel, grid, 128, 0, stream, args);
}

bool hasPromptPrepare(const HeadsPrepareArgs &args)
{
    const auto isAligned = [](const void *p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; };
    return args.rows > kPromptPrepareRows && args.dim % 8 == 0 && args.pairs * 2 == args.dim && args.pairs <= kMostPairs && args.stride % 4 == 0
        && isAligned(args.query) && isAligned(args.key) && isAligned(args.value) && isAligned(args.rotated);
}

cudaError_t headsPrepare(const HeadsPrepareArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    if (args.dim > kMostDim)
        return cudaErrorNotSupported;
    if (hasPromptPrepare(args)) {
        headsPromptKernel<<<static_cast<unsigned>(args.rows), kPrepareThreads, 0, stream>>>(args);
        return cudaGetLastError();
    }
    const dim3 grid(static_cast<unsigned>(args.heads + 2 * args.kvHeads), static_cast<unsigned>(args.rows));
    return launchChained(headsPrepareKernel, grid, 128, 0, stream, args);
}

} // namespace kernels::cuda
