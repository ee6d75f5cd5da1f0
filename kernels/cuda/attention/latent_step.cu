// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// A cluster of eight blocks for each row and head. The first cache rows and both head matrices are on their way before the
// kernel in front is done; blocks hand each other queries, partial sums and outputs.
// Bound: the latency of one chain of loads and three exchanges; on an H200 4 to 5 us in a step of V2-Lite with few tokens.
#include "cuda/attention/step.h"

#include "cuda/attention/latent.cuh"

namespace kernels::cuda {

namespace {

using namespace cluster;
using namespace latent;

// Grid (8, heads, rows) in clusters of eight. Tokens go to the blocks in tiles of 16 by absolute position, at most kTiles of
// them: scores are a tile times the query, the result the turned tile times the probabilities. A warp
// takes every eighth step of a score's columns, and 64 columns of the result, which are those that one block goes on with.
constexpr int kTile = 16, kTiles = 3, kTilePitch = kRowWidth + 8;
constexpr int kLanesTokens = 64; // two a lane
static_assert(kTiles * kTile <= kLanesTokens && kLatentStepTokens <= kTiles * kTile * kRanks);
constexpr std::size_t kLatentBytes = sizeof(__nv_bfloat16) * kTiles * kTile * kTilePitch;
__global__ void __launch_bounds__(kThreads, 3) latentStepKernel(const LatentStepArgs args)
{
    using Bf16 = __nv_bfloat16;
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ __align__(16) Bf16 nopePieces[kPieces * kNopePitch];
    __shared__ __align__(16) Bf16 queryPieces[kPieces * kTilePitch];
    __shared__ __align__(16) Bf16 resultPieces[kPieces * kOwnPitch];
    __shared__ __align__(16) float handedQuery[2][kLatent];            // of 64 columns each, both to be added
    __shared__ __align__(16) float handed[kRanks][kOwn];               // of 64 columns what the blocks have
    __shared__ __align__(16) float handedOutputs[kRanks][kValue / kRanks]; // of 16 outputs what their columns give
    __shared__ __align__(16) float2 handedStatistics[kRanks];          // maximum (base 2), sum
    __shared__ __align__(16) float partial[kWarps][kLanesTokens];
    __shared__ __align__(16) float probabilities[kWarps][kLanesTokens];
    __shared__ float squares[kWarps];
    __shared__ std::uint64_t queryBarrier, partsBarrier, outputsBarrier, tilesBarrier;
    auto *tiles = reinterpret_cast<Bf16 *>(shared); // [tile][row][kTilePitch]
    letNextStart();
    const LatentPrepareArgs &in = args.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int rank = static_cast<int>(blockIdx.x);
    const int head = static_cast<int>(blockIdx.y);
    const int row = static_cast<int>(blockIdx.z);
    constexpr int pairs = kRope / 2;
    const int position = in.table.positions[row];
    const std::int32_t *blocks = in.table.blocks + in.table.firstBlock[row];
    const float frequency = frequencyOf(in.inverseFrequencies, thread % kRope, pairs, in.interleaved);
    // Of W_UK 16 of the block's 64 outputs a warp, half of the columns; of W_UV 16 outputs, the block's 64 columns.
    uint4 keyWeights[4];
    uint4 valueWeights[4];
    holdRows(keyWeights, args.keyUp.data + head * args.keyUp.matrixBytes, rank * kOwn + warp % 4 * 16, warp / 4 * 64, kNope);
    holdRows(valueWeights, args.valueUp.data + head * args.valueUp.matrixBytes, warp * 16, rank * kOwn, kLatent);
    if (position >= kLatentStepTokens) { // the whole cluster
        waitForPrevious(); // whoever waits for this kernel waits for that one too
        return;
    }
    if (thread == 0) {
        expectBytes(&queryBarrier, sizeof handedQuery);
        expectBytes(&partsBarrier, sizeof handed + sizeof handedStatistics);
        expectBytes(&outputsBarrier, sizeof handedOutputs);
        startBarrier(&tilesBarrier, kTiles);
    }
    beginInCluster();
    __syncthreads(); // the tiles' barrier is there
    const int begin = args.window > 0 ? max(0, position + 1 - args.window) : 0;
    const int firstTile = begin / kTile <= rank ? 0 : (begin / kTile - rank + kRanks - 1) / kRanks; // of this block's
    const int lastTile = position / kTile < rank ? -1 : (position / kTile - rank) / kRanks;
    const bool isOwner = position / kTile % kRanks == rank; // this block makes the new row
    auto *cache = static_cast<Bf16 *>(in.cache.keys);
    const int shift = __ffs(in.cache.blockTokens) - 1;
    const auto slotOf = [&](int token) {
        return (static_cast<std::int64_t>(blocks[token >> shift]) << shift) + (token & (in.cache.blockTokens - 1));
    };
    // A warp a tile, a lane a row, the new one is made below. Rows without a token must hold numbers, since their probability
    // of zero is multiplied with them: they become copies of a neighbour, or zeros where there is none.
    {
        const int tile = firstTile + warp;
        const int token = (tile * kRanks + rank) * kTile + lane;
        const bool isRow = warp < kTiles && tile <= lastTile && lane < kTile && token != position;
        const bool isCopy = isRow && begin < position;
        const unsigned rows = __ballot_sync(kAllLanes, isCopy);
        if (warp < kTiles && lane == 0)
            arriveExpecting(&tilesBarrier, static_cast<unsigned>(__popc(rows)) * kRowWidth * sizeof(Bf16));
        __syncwarp();
        Bf16 *to = tiles + (warp * kTile + lane) * kTilePitch;
        if (isCopy) {
            copyRow(to, cache + slotOf(min(max(token, begin), position - 1)) * kRowWidth, kRowWidth * sizeof(Bf16), &tilesBarrier);
        } else if (isRow) {
#pragma unroll 1
            for (int i = 0; i < kRowWidth; i += 8)
                *reinterpret_cast<uint4 *>(to + i) = make_uint4(0, 0, 0, 0);
        }
    }
    // Columns of the query's rotated part, and of the new row's.
    const int column = thread % kRope;
    const Rotation rotation = rotationOf(frequency, column, pairs, in.interleaved, position, in.magnitude);
    const float scale = args.scale * kLog2E;
    Bf16 *newest = tiles + ((lastTile - firstTile) * kTile + position % kTile) * kTilePitch; // the owner's
    // A thread cuts a column of the head: one that W_UK takes, or one that is rotated with its partner.
    const bool isNope = thread < kNope;
    const float *x = in.projected + row * in.projectedStride + head * (kNope + kRope) + (isNope ? thread : kNope + column);
    const float *partner = isNope ? x : x + rotation.partner - column;
    const float cosine = isNope ? 1.0F : rotation.cosine;
    const float sine = isNope ? 0.0F : rotation.sine;
    const float factorOfX = isNope ? 1.0F : scale;
    Bf16 *pieces = isNope ? nopePieces + thread : queryPieces + kLatent + column;
    const int piecePitch = isNope ? kNopePitch : kTilePitch;
    const float *latent = in.latent + row * in.latentStride;
    const float *latentPartner = latent + kLatent + rotation.partner; // of threads below kRope
    float2 gain = make_float2(0.0F, 0.0F);
    Bf16 *cacheRow = cache;
    if (isOwner) {
        gain = *reinterpret_cast<const float2 *>(in.gain + 2 * thread);
        cacheRow += slotOf(position) * kRowWidth;
    }
    auto *settled = reinterpret_cast<std::uint64_t *>(partial) + thread;
    settle(settled, x, partner, latent + 2 * thread, latentPartner, cacheRow);
    waitForPrevious();

    float2 own = make_float2(0.0F, 0.0F);
    float latentColumn = 0.0F;
    float latentOther = 0.0F;
    float xColumn = 0.0F;
    float xOther = 0.0F;
    if (thread < kNope + kRope) {
        xColumn = *x;
        xOther = *partner;
    }
    if (isOwner) {
        own = *reinterpret_cast<const float2 *>(latent + 2 * thread);
        if (thread < kRope) {
            latentColumn = latent[kLatent + thread];
            latentOther = *latentPartner;
        }
    }
    if (thread < kNope + kRope)
        cut(__fmul_rn(__fmaf_rn(xColumn, cosine, __fmul_rn(xOther, sine)), factorOfX), pieces, piecePitch);
    const float ownRotated = __fmaf_rn(latentColumn, rotation.cosine, __fmul_rn(latentOther, rotation.sine));
    if (isOwner) {
        const float sum = warpSum(__fmaf_rn(own.x, own.x, __fmul_rn(own.y, own.y)));
        if (lane == 0)
            squares[warp] = sum;
    }
    __syncthreads();
    if (isOwner) {
        float sum = 0.0F;
#pragma unroll
        for (int w = 0; w < kWarps; ++w)
            sum = __fadd_rn(sum, squares[w]);
        const float factor = rsqrtf(sum / static_cast<float>(kLatent) + in.epsilon);
        const std::uint32_t ownWord = packed(own.x * factor * gain.x, own.y * factor * gain.y);
        reinterpret_cast<std::uint32_t *>(newest)[thread] = ownWord;
        if (thread < kRope)
            newest[kLatent + thread] = __float2bfloat16_rn(ownRotated);
        if (head == 0) {
            reinterpret_cast<std::uint32_t *>(cacheRow)[thread] = ownWord;
            if (thread < kRope)
                cacheRow[kLatent + thread] = __float2bfloat16_rn(ownRotated);
        }
    }
    {
        float c[4] = {};
        multiplyHeld(c, keyWeights, nopePieces, kNopePitch, warp / 4 * 64);
        const float low = __shfl_sync(kAllLanes, sumOf(c, false), lane % 8 * 4);
        const float high = __shfl_sync(kAllLanes, sumOf(c, true), lane % 8 * 4);
        waitForBeginnings();
        float *to = &handedQuery[warp / 4][rank * kOwn + warp % 4 * 16 + lane % 16];
#pragma unroll
        for (int i = 0; i < 4; ++i)
            hand(to, lane / 16 * 4 + i, lane % 16 < 8 ? low : high, &queryBarrier);
    }
    waitForBytes(&queryBarrier);
    {
        const float2 a = *reinterpret_cast<const float2 *>(&handedQuery[0][2 * thread]);
        const float2 b = *reinterpret_cast<const float2 *>(&handedQuery[1][2 * thread]);
        cut(__fmul_rn(__fadd_rn(a.x, b.x), scale), queryPieces + 2 * thread, kTilePitch);
        cut(__fmul_rn(__fadd_rn(a.y, b.y), scale), queryPieces + 2 * thread + 1, kTilePitch);
    }

    const int count = lastTile + 1 - firstTile; // none: below one
    float result[4][4] = {};
    waitForPhase(&tilesBarrier, 0);
    __syncthreads(); // the query's pieces, the new row
    float scores[kTiles][4] = {};
    const Bf16 *right = pieceOf(queryPieces, kTilePitch) + lane % 4 * 2;
#pragma unroll
    for (int step = 0; step < (kRowWidth / 16 + kWarps - 1) / kWarps; ++step) {
        const int k = (step * kWarps + warp) * 16;
        if (k >= kRowWidth)
            break;
        const std::uint32_t b0 = *reinterpret_cast<const std::uint32_t *>(right + k);
        const std::uint32_t b1 = *reinterpret_cast<const std::uint32_t *>(right + k + 8);
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
            if (tile >= count)
                break;
            std::uint32_t a[4];
            loadFour(a, tiles + (tile * kTile + lane % 16) * kTilePitch + k + lane / 16 * 8);
            multiply(scores[tile], a, b0, b1);
        }
    }
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
        const float low = sumOf(scores[tile], false);
        const float high = sumOf(scores[tile], true);
        if (lane % 4 == 0) {
            partial[warp][tile * kTile + lane / 4] = low;
            partial[warp][tile * kTile + lane / 4 + 8] = high;
        }
    }
    __syncthreads();
    float mine[2];
    float maximum = kLowest;
#pragma unroll
    for (int i = 0; i < 2; ++i) { // every warp the same
        const int at = i * 32 + lane;
        mine[i] = 0.0F;
#pragma unroll
        for (int w = 0; w < kWarps; ++w)
            mine[i] = __fadd_rn(mine[i], partial[w][at]);
        const int token = ((firstTile + at / kTile) * kRanks + rank) * kTile + at % kTile;
        mine[i] = at < kTiles * kTile && token >= begin && token <= position ? mine[i] : -INFINITY;
        maximum = fmaxf(maximum, mine[i]);
    }
    maximum = warpMax(maximum);
    mine[0] = powerOfTwo(mine[0] - maximum);
    mine[1] = powerOfTwo(mine[1] - maximum);
    const float total = warpSum(__fadd_rn(mine[0], mine[1]));
    auto *shares = reinterpret_cast<Bf16 *>(probabilities[warp]); // [2][64], two pieces: 16 bits of them
    const Bf16 top[2] = {__float2bfloat16_rn(mine[0]), __float2bfloat16_rn(mine[1])};
    shares[lane] = top[0];
    shares[32 + lane] = top[1];
    shares[64 + lane] = __float2bfloat16_rn(__fsub_rn(mine[0], __bfloat162float(top[0])));
    shares[96 + lane] = __float2bfloat16_rn(__fsub_rn(mine[1], __bfloat162float(top[1])));
    __syncwarp();
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
        if (tile >= count)
            break;
        const Bf16 *of = shares + min(lane / 4, 1) * 64 + tile * kTile + lane % 4 * 2;
        const std::uint32_t b0 = *reinterpret_cast<const std::uint32_t *>(of);
        const std::uint32_t b1 = *reinterpret_cast<const std::uint32_t *>(of + 8);
#pragma unroll
        for (int m = 0; m < 4; ++m) {
            std::uint32_t a[4]; // turned: rows are columns of the cache
            loadFourTurned(a, tiles + (tile * kTile + lane / 16 * 8 + lane % 8) * kTilePitch + warp * kOwn + m * 16 + lane / 8 % 2 * 8);
            multiply(result[m], a, b0, b1);
        }
    }

    // Columns 64 warp and on belong to block `warp`.
#pragma unroll
    for (int m = 0; m < 4; ++m) {
        if (lane % 4 == 0) {
            hand(&handed[rank][m * 16 + lane / 4], warp, __fadd_rn(result[m][0], result[m][1]), &partsBarrier);
            hand(&handed[rank][m * 16 + lane / 4 + 8], warp, __fadd_rn(result[m][2], result[m][3]), &partsBarrier);
        }
    }
    if (thread < kRanks)
        hand(handedStatistics + rank, thread, make_float2(maximum, total), &partsBarrier);
    waitForBytes(&partsBarrier);
    float most = kLowest;
    float whole = 0.0F;
#pragma unroll
    for (int i = 0; i < kRanks; ++i)
        most = fmaxf(most, handedStatistics[i].x);
    float value = 0.0F;
#pragma unroll
    for (int i = 0; i < kRanks; ++i) {
        const float share = powerOfTwo(handedStatistics[i].x - most);
        whole = __fmaf_rn(handedStatistics[i].y, share, whole);
        value = __fmaf_rn(handed[i][thread % kOwn], share, value);
    }
    if (thread < kOwn)
        cut(value, resultPieces + thread, kOwnPitch);
    __syncthreads();
    float c[4] = {};
    multiplyHeld(c, valueWeights, resultPieces, kOwnPitch, 0);
    const float low = sumOf(c, false);
    const float high = sumOf(c, true);
    if (lane % 4 == 0) {
        hand(&handedOutputs[rank][lane / 4], warp, low, &outputsBarrier);
        hand(&handedOutputs[rank][lane / 4 + 8], warp, high, &outputsBarrier);
    }
    waitForBytes(&outputsBarrier);
    if (thread < kValue / kRanks) {
        value = 0.0F;
#pragma unroll
        for (int i = 0; i < kRanks; ++i)
            value = __fadd_rn(value, handedOutputs[i][thread]);
        args.output[row * args.outputStride + head * kValue + rank * (kValue / kRanks) + thread] = __fdividef(value, whole);
    }
}

} // namespace

bool hasLatentStep(const LatentStepArgs &args)
{
    const LatentPrepareArgs &in = args.prepare;
    const auto fits = [&](const MatrixView &m, int out, int columns) {
        return m.dtype == DType::BF16 && m.out == out && m.in == columns && isAligned(m.data) && m.matrixBytes % 16 == 0;
    };
    return card().chained && in.rows <= kFewRows && in.latentWidth == kLatent && in.rope == kRope && in.nope == kNope
        && isPowerOfTwo(in.cache.blockTokens) && in.cache.blockTokens >= kTile && isAligned(in.cache.keys) && in.cache.dtype == DType::BF16 && in.cache.valuesInKeys && in.cache.keyDim == kLatent + kRope && in.cache.valueDim == kLatent
        && fits(args.keyUp, kLatent, kNope) && fits(args.valueUp, kValue, kLatent)
        && in.projectedStride % 4 == 0 && in.latentStride % 4 == 0 && isAligned(in.projected) && isAligned(in.latent) && isAligned(in.gain);
}

cudaError_t latentStep(const LatentStepArgs &args, cudaStream_t stream)
{
    if (args.prepare.rows == 0)
        return cudaSuccess;
    return launchClusters(latentStepKernel, kLatentBytes, args.prepare.heads, args.prepare.rows, stream, args);
}

} // namespace kernels::cuda
