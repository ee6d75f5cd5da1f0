// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention of prompts with wgmma: a block takes 128 rows of one head, 128 keys a turn, copied by one thread through
// tensor maps two turns ahead; two warpgroups take 64 rows each (the flow of FlashAttention-3, arXiv 2407.08608: scores
// of the next keys are multiplied while the softmax of these runs). Keys above the diagonal are not read. Tiles of keys
// are cut at absolute positions, so a row's sums do not depend on its neighbours. Bound: tensor cores.
#include "cuda/attention/prompt.h"

#include "cuda/attention/warpgroup_scores.cuh"
#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"

#include <cmath>

namespace kernels::cuda {

namespace {

namespace wg = warpgroup;
using Bf16 = __nv_bfloat16;

using namespace scores;

constexpr int kThreads = 384, kStages = 2;

struct Maps {
    CUtensorMap query, keys, sharedKeys, values;
};

template <int KeyDim> struct Shape {
    static constexpr unsigned keyTiles = KeyDim / wg::kTileColumns;
    static constexpr unsigned keyBytes = keyTiles * kTileBytes, valueBytes = 2 * kTileBytes;
    static constexpr unsigned keysAt = keyBytes, valuesAt = keysAt + kStages * keyBytes; // after the query
    static constexpr std::size_t bytes = valuesAt + kStages * valueBytes + 1024; // the tiles start at a multiple of 1024
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)

__device__ void hide(float (&scores)[64], int firstKey, const int (&position)[2], int window)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int i = 0; i < 64; ++i) {
        const int key = firstKey + i / 4 * 8 + lane % 4 * 2 + i % 2;
        const int at = position[i / 2 % 2];
        if (key > at || (window > 0 && key <= at - window))
            scores[i] = -INFINITY;
    }
}

__device__ void valueProducts(float (&output)[64], const std::uint32_t (&shares)[8][4], std::uint32_t values, bool add)
{
#pragma unroll
    for (int k = 0; k < kKeys / 16; ++k)
        wg::multiply(output, shares[k],
            wg::descriptorOf(values + static_cast<std::uint32_t>(k / 4) * kTileBytes) + k % 4 * wg::kNextSixteen, add || k > 0);
    wg::endProducts();
}
#endif

// Grid (heads, runs).
template <int KeyDim>
__global__ void __launch_bounds__(kThreads, 1) promptKernel(const PromptAttentionArgs args, const __grid_constant__ Maps maps)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    using S = Shape<KeyDim>;
    extern __shared__ unsigned char shared[];
    __shared__ __align__(8) std::uint64_t barriers[4 * kStages + 1];
    const std::uint32_t base = (sharedAddress(shared) + 1023U) & ~1023U;
    const std::uint32_t keysFull = sharedAddress(barriers);
    const std::uint32_t keysEmpty = keysFull + kStages * 8;
    const std::uint32_t valuesFull = keysEmpty + kStages * 8;
    const std::uint32_t valuesEmpty = valuesFull + kStages * 8;
    const std::uint32_t queryFull = valuesEmpty + kStages * 8;
    const int thread = static_cast<int>(threadIdx.x);
    if (thread == 0) {
        for (unsigned s = 0; s < kStages; ++s) {
            wg::initBarrier(keysFull + s * 8, 1);
            wg::initBarrier(keysEmpty + s * 8, 8); // warps that multiply
            wg::initBarrier(valuesFull + s * 8, 1);
            wg::initBarrier(valuesEmpty + s * 8, 8);
        }
        wg::initBarrier(queryFull, 1);
        wg::publishBarriers();
    }
    __syncthreads();
    const PromptRun run = args.runs[gridDim.y - 1 - blockIdx.y]; // the longest contexts first
    const int headHere = static_cast<int>(blockIdx.x);           // of keys and values
    const int head = args.firstHead + headHere;
    const int kvHead = headHere / (args.heads / args.kvHeads);
    const int begin = args.window > 0 ? max(0, run.firstPosition + 1 - args.window) / kKeys * kKeys : 0;
    const int turns = (run.firstPosition + run.rows - begin + kKeys - 1) / kKeys;

    if (thread < 128) {
        wg::giveRegisters<24>();
        if (thread == 0) {
            wg::arriveExpecting(queryFull, S::keyBytes);
            for (unsigned t = 0; t < S::keyTiles; ++t)
                wg::copyTile(base + t * kTileBytes, maps.query, queryFull, static_cast<int>(t) * wg::kTileColumns, run.firstRow, head);
            for (int turn = 0; turn < turns; ++turn) {
                const auto stage = static_cast<unsigned>(turn % kStages);
                const auto parity = static_cast<unsigned>(turn / kStages % 2);
                const int token = run.firstToken + begin + turn * kKeys;
                const std::uint32_t keys = base + S::keysAt + stage * S::keyBytes;
                wg::waitFor(keysEmpty + stage * 8, parity ^ 1);
                wg::arriveExpecting(keysFull + stage * 8, S::keyBytes);
                wg::copyTile(keys, maps.keys, keysFull + stage * 8, 0, token, kvHead);
                wg::copyTile(keys + kTileBytes, maps.keys, keysFull + stage * 8, wg::kTileColumns, token, kvHead);
                if constexpr (S::keyTiles > 2)
                    wg::copyTile(keys + 2 * kTileBytes, maps.sharedKeys, keysFull + stage * 8, 0, token, 0);
                const std::uint32_t values = base + S::valuesAt + stage * S::valueBytes;
                wg::waitFor(valuesEmpty + stage * 8, parity ^ 1);
                wg::arriveExpecting(valuesFull + stage * 8, S::valueBytes);
                wg::copyTile(values, maps.values, valuesFull + stage * 8, token, kvHead * kPromptHeadDim, 0);
                wg::copyTile(values + kTileBytes, maps.values, valuesFull + stage * 8, token + wg::kTileColumns, kvHead * kPromptHeadDim, 0);
            }
        }
        return;
    }

    wg::takeRegisters<240>();
    const int group = thread / 128 - 1;
    const int lane = thread % 32;
    const int firstRow = group * 64 + thread % 128 / 32 * 16 + lane / 4; // and eight further
    const int position[2] = {run.firstPosition + firstRow, run.firstPosition + firstRow + 8};
    const float scale = args.scale * 1.4426950408889634F;
    const std::uint32_t query = base + static_cast<std::uint32_t>(group) * 64 * wg::kRowBytes;
    const int lowest = run.firstPosition + group * 64;
    const auto partly = [&](int first) { // does a row of this warpgroup not see all keys of the turn
        return first + kKeys - 1 > lowest || (args.window > 0 && first <= lowest + 63 - args.window);
    };
    const auto release = [&](std::uint32_t barrier) {
        __syncwarp();
        if (lane == 0)
            wg::arrive(barrier);
    };
    Rows rows;
    float scores[64];
    float output[64];
    float rescale[2];
    std::uint32_t shares[8][4];
#pragma unroll
    for (int i = 0; i < 64; ++i)
        output[i] = 0.0F;

    wg::waitFor(queryFull, 0);
    wg::waitFor(keysFull, 0);
    wg::beginProducts();
    scoreProducts<KeyDim>(scores, query, base + S::keysAt);
    wg::waitForProducts<0>();
    wg::hold(scores);
    release(keysEmpty);
    if (partly(begin))
        hide(scores, begin, position, args.window);
    rows.take(scores, scale, rescale);
    narrowShares(scores, shares);
    for (int turn = 0; turn + 1 < turns; ++turn) {
        const auto stage = static_cast<unsigned>(turn % kStages);
        const auto parity = static_cast<unsigned>(turn / kStages % 2);
        const auto nextStage = static_cast<unsigned>((turn + 1) % kStages);
        const auto nextParity = static_cast<unsigned>((turn + 1) / kStages % 2);
        wg::waitFor(keysFull + nextStage * 8, nextParity);
        wg::beginProducts();
        scoreProducts<KeyDim>(scores, query, base + S::keysAt + nextStage * S::keyBytes);
        wg::waitFor(valuesFull + stage * 8, parity);
        wg::beginProducts();
        valueProducts(output, shares, base + S::valuesAt + stage * S::valueBytes, true);
        wg::waitForProducts<1>();
        wg::hold(scores);
        release(keysEmpty + nextStage * 8);
        const int first = begin + (turn + 1) * kKeys;
        if (partly(first))
            hide(scores, first, position, args.window);
        rows.take(scores, scale, rescale);
        wg::waitForProducts<0>();
        wg::hold(output);
        release(valuesEmpty + stage * 8);
#pragma unroll
        for (int i = 0; i < 64; ++i)
            output[i] *= rescale[i / 2 % 2];
        narrowShares(scores, shares);
    }
    const auto stage = static_cast<unsigned>((turns - 1) % kStages);
    wg::waitFor(valuesFull + stage * 8, static_cast<unsigned>((turns - 1) / kStages % 2));
    wg::beginProducts();
    valueProducts(output, shares, base + S::valuesAt + stage * S::valueBytes, true);
    wg::waitForProducts<0>();
    wg::hold(output);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        float total = rows.total[i];
        total += __shfl_xor_sync(kAllLanes, total, 1);
        total += __shfl_xor_sync(kAllLanes, total, 2);
        if (firstRow + i * 8 >= run.rows)
            continue;
        const float factor = 1.0F / total;
        const std::int64_t place =
            (static_cast<std::int64_t>(run.firstRow + firstRow + i * 8) * args.heads + head) * kPromptHeadDim + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < kPromptHeadDim / 8; ++n) {
            const float2 pair = make_float2(output[n * 4 + i * 2] * factor, output[n * 4 + i * 2 + 1] * factor);
            *reinterpret_cast<float2 *>(args.output + place + n * 8) = pair;
            if (args.narrow != nullptr)
                *reinterpret_cast<__nv_bfloat162 *>(args.narrow + place + n * 8) = __floats2bfloat162_rn(pair.x, pair.y);
        }
    }
#endif
}

constexpr int kCopyThreads = 256;

// Grid: tokens and the empty ones behind them; a block copies a row.
__global__ void __launch_bounds__(kCopyThreads) gatherKernel(const GatherArgs args)
{
    const int token = static_cast<int>(blockIdx.x);
    const int width = args.cache.kvHeads * args.cache.keyDim;
    const int from = args.firstHead * args.cache.keyDim;
    const bool isEmpty = token >= args.tokens;
    const std::int64_t slot = isEmpty ? 0
        : static_cast<std::int64_t>(args.blocks[token / args.cache.blockTokens]) * args.cache.blockTokens + token % args.cache.blockTokens;
    const Bf16 *source = static_cast<const Bf16 *>(args.cache.keys) + slot * width + from;
    const int end = args.rest != nullptr ? width : args.keyWidth;
    for (int column = static_cast<int>(threadIdx.x) * 8; column < end; column += kCopyThreads * 8) {
        Bf16 *target = column < args.keyWidth ? args.keys + static_cast<std::int64_t>(token) * args.keyWidth + column
                                              : args.rest + static_cast<std::int64_t>(token) * (width - args.keyWidth) + column - args.keyWidth;
        *reinterpret_cast<uint4 *>(target) = isEmpty ? make_uint4(0, 0, 0, 0) : *reinterpret_cast<const uint4 *>(source + column);
    }
}

// Grid (tokens / 32, columns / 64): 32 tokens x 64 columns by way of shared memory.
__global__ void __launch_bounds__(kCopyThreads) gatherTurnedKernel(const GatherArgs args)
{
    __shared__ Bf16 tile[32][66];
    const int width = args.heads * args.cache.valueDim;
    const int firstToken = static_cast<int>(blockIdx.x) * 32;
    const int firstColumn = static_cast<int>(blockIdx.y) * 64;
    const int thread = static_cast<int>(threadIdx.x);
    const auto *values = static_cast<const Bf16 *>(args.cache.values);
    for (int i = thread; i < 32 * 32; i += kCopyThreads) {
        const int token = min(firstToken + i / 32, args.tokens - 1);
        const std::int64_t slot = static_cast<std::int64_t>(args.blocks[token / args.cache.blockTokens]) * args.cache.blockTokens
            + token % args.cache.blockTokens;
        const int column = i % 32 * 2;
        if (firstColumn + column < width)
            *reinterpret_cast<__nv_bfloat162 *>(&tile[i / 32][column]) =
                *reinterpret_cast<const __nv_bfloat162 *>(
                    values + (slot * args.cache.kvHeads + args.firstHead) * args.cache.valueDim + firstColumn + column);
    }
    __syncthreads();
    for (int i = thread; i < 64 * 32; i += kCopyThreads) {
        const int token = firstToken + i % 32;
        const int column = firstColumn + i / 32;
        if (token < paddedTokens(args.tokens) && column < width)
            args.values[column * args.valuePitch + token] = token < args.tokens ? tile[i % 32][i / 32] : __float2bfloat16(0.0F);
    }
}

// Grid (columns / 32, rows / 32, matrices).
__global__ void __launch_bounds__(kCopyThreads) turnKernel(const TurnArgs args)
{
    __shared__ Bf16 tile[32][33];
    const std::int64_t start = static_cast<std::int64_t>(blockIdx.z) * args.rows * args.columns;
    const int firstRow = static_cast<int>(blockIdx.y) * 32;
    const int firstColumn = static_cast<int>(blockIdx.x) * 32;
    const int x = static_cast<int>(threadIdx.x) % 32;
    for (int y = static_cast<int>(threadIdx.x) / 32; y < 32; y += kCopyThreads / 32) {
        if (firstRow + y < args.rows && firstColumn + x < args.columns)
            tile[y][x] = args.input[start + static_cast<std::int64_t>(firstRow + y) * args.columns + firstColumn + x];
    }
    __syncthreads();
    for (int y = static_cast<int>(threadIdx.x) / 32; y < 32; y += kCopyThreads / 32) {
        if (firstRow + x < args.rows && firstColumn + y < args.columns)
            args.output[start + static_cast<std::int64_t>(firstColumn + y) * args.rows + firstRow + x] = tile[x][y];
    }
}

// Grid: rows.
__global__ void __launch_bounds__(kCopyThreads) latentQueryKernel(const LatentQueryArgs args)
{
    __shared__ float sines[64];
    __shared__ float cosines[64];
    const auto row = static_cast<std::int64_t>(blockIdx.x);
    const int thread = static_cast<int>(threadIdx.x);
    const int position = args.table.positions[row];
    const int pairs = args.rope / 2;
    if (thread < pairs) {
        sincosf(static_cast<float>(position) * args.inverseFrequencies[thread], &sines[thread], &cosines[thread]);
        sines[thread] *= args.magnitude;
        cosines[thread] *= args.magnitude;
    }
    const float *x = args.latent + row * args.latentStride;
    float squares = 0.0F;
    for (int i = thread; i < args.latentWidth; i += kCopyThreads)
        squares += x[i] * x[i];
    const float scale = rsqrtf(blockSum<kCopyThreads>(squares) / static_cast<float>(args.latentWidth) + args.epsilon);
    __syncthreads();
    const auto rotated = [&](const float *from, int i) {
        const int pair = args.interleaved ? i / 2 : i % pairs;
        const bool second = args.interleaved ? i % 2 != 0 : i >= pairs;
        const float a = from[args.interleaved ? 2 * pair : pair];
        const float b = from[args.interleaved ? 2 * pair + 1 : pair + pairs];
        return second ? b * cosines[pair] + a * sines[pair] : a * cosines[pair] - b * sines[pair];
    };
    const int token = position;
    const std::int64_t slot = static_cast<std::int64_t>(args.table.blocks[args.table.firstBlock[row] + token / args.cache.blockTokens])
            * args.cache.blockTokens
        + token % args.cache.blockTokens;
    Bf16 *cached = static_cast<Bf16 *>(args.cache.keys) + slot * (args.latentWidth + args.rope);
    for (int i = thread; i < args.latentWidth; i += kCopyThreads)
        cached[i] = __float2bfloat16(x[i] * scale * args.gain[i]);
    for (int i = thread; i < args.rope; i += kCopyThreads)
        cached[args.latentWidth + i] = __float2bfloat16(rotated(x + args.latentWidth, i));
    const int width = args.nope + args.rope;
    const float *from = args.projected + row * args.projectedStride;
    Bf16 *target = args.query + row * args.heads * width;
    for (int i = thread * 2; i < args.heads * width; i += kCopyThreads * 2) {
        const int column = i % width;
        const float *head = from + i - column;
        float a = head[column];
        float b = head[column + 1];
        if (column >= args.nope) {
            a = rotated(head + args.nope, column - args.nope);
            b = rotated(head + args.nope, column - args.nope + 1);
        }
        *reinterpret_cast<__nv_bfloat162 *>(target + i) = __floats2bfloat162_rn(a, b);
    }
}

unsigned blocksOf(std::int64_t count, int each) { return static_cast<unsigned>((count + each - 1) / each); }

template <int KeyDim> cudaError_t launch(const PromptAttentionArgs &args, const Maps &maps, cudaStream_t stream)
{
    const cudaError_t allowed =
        cudaFuncSetAttribute(promptKernel<KeyDim>, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(Shape<KeyDim>::bytes));
    if (allowed != cudaSuccess)
        return allowed;
    const dim3 grid(static_cast<unsigned>(args.headCount), static_cast<unsigned>(args.runCount));
    promptKernel<KeyDim><<<grid, kThreads, Shape<KeyDim>::bytes, stream>>>(args, maps);
    return cudaGetLastError();
}

} // namespace

cudaError_t promptAttention(const PromptAttentionArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.runCount == 0 || args.headCount == 0)
        return cudaSuccess;
    const int keyDim = kPromptHeadDim + (args.sharedKeys != nullptr ? kPromptRope : 0);
    const int kvHere = args.headCount / (args.heads / args.kvHeads); // heads of keys and values
    Maps maps{};
    cudaError_t made = makeTensorMap({.data = args.query, .columns = keyDim, .rows = args.rows, .matrices = args.heads,
        .rowStride = std::int64_t{args.heads} * keyDim, .matrixStride = keyDim}, maps.query);
    if (made == cudaSuccess)
        made = makeTensorMap({.data = args.keys, .columns = kPromptHeadDim, .rows = args.tokens, .matrices = kvHere,
            .rowStride = std::int64_t{kvHere} * kPromptHeadDim, .matrixStride = kPromptHeadDim}, maps.keys);
    if (made == cudaSuccess && args.sharedKeys != nullptr)
        made = makeTensorMap({.data = args.sharedKeys, .columns = kPromptRope, .rows = args.tokens, .rowStride = kPromptRope}, maps.sharedKeys);
    if (made == cudaSuccess)
        made = makeTensorMap({.data = args.values, .columns = args.tokens, .rows = std::int64_t{kvHere} * kPromptHeadDim,
            .rowStride = args.valuePitch}, maps.values);
    if (made != cudaSuccess)
        return made;
    return args.sharedKeys != nullptr ? launch<192>(args, maps, stream) : launch<128>(args, maps, stream);
}

cudaError_t gatherCache(const GatherArgs &args, cudaStream_t stream)
{
    if (args.tokens == 0)
        return cudaSuccess;
    gatherKernel<<<static_cast<unsigned>(paddedTokens(args.tokens)), kCopyThreads, 0, stream>>>(args);
    if (args.values != nullptr) {
        const dim3 grid(blocksOf(args.tokens, 32), blocksOf(std::int64_t{args.heads} * args.cache.valueDim, 64));
        gatherTurnedKernel<<<grid, kCopyThreads, 0, stream>>>(args);
    }
    return cudaGetLastError();
}

cudaError_t turn(const TurnArgs &args, cudaStream_t stream)
{
    const dim3 grid(blocksOf(args.columns, 32), blocksOf(args.rows, 32), static_cast<unsigned>(args.matrices));
    turnKernel<<<grid, kCopyThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

cudaError_t latentQuery(const LatentQueryArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    latentQueryKernel<<<static_cast<unsigned>(args.rows), kCopyThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

} // namespace kernels::cuda
