// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Latent attention of one new token over a long context in three kernels: queries times W_UK and the new cache row; attention
// over parts of the context; the parts put together and multiplied by W_UV. The cache is read once for all heads, its rows
// and both head matrices are on their way before the kernel in front is done.
// Bound: cache bytes over bandwidth (8,000 tokens: 9.2 MB) or the latency of three chains of loads, whichever is more.
#include "cuda/attention/step.h"

#include "cuda/attention/latent.cuh"
#include "cuda/attention/parts.cuh"

#include <algorithm>

namespace kernels::cuda {

namespace {

using namespace cluster;
using namespace latent;
using Bf16 = __nv_bfloat16;

// Queries lie in pieces of two bfloat16 (16 bits), the upper one in a word's lower half, in the order in which a lane takes them
// as the left side of a product: [row][tile of 16 heads][16 columns][column of a pair][lane][4].
constexpr int kTileHeads = 16, kSteps = kRowWidth / 16, kQueryWords = kTileHeads * kRowWidth;
__device__ std::int64_t queryIndex(int row, int head, int heads, int column)
{
    const int tiles = (heads + kTileHeads - 1) / kTileHeads;
    const int h = head % kTileHeads;
    const int lane = h % 8 * 4 + column % 8 / 2;
    const int word = ((column / 16 * 2 + column % 2) * 32 + lane) * 4 + h / 8 + column % 16 / 8 * 2;
    return (static_cast<std::int64_t>(row) * tiles + head / kTileHeads) * kQueryWords + word;
}
__device__ std::uint32_t queryWord(float x)
{
    const float upper = __bfloat162float(__float2bfloat16_rn(x));
    return packed(x, __fsub_rn(x, upper));
}

// Tokens of a part follow from the row's own position; parts begin at multiples of it.
constexpr int kRun = 64, kMostParts = kLatentParts;
__device__ int spanOf(int position)
{
    return (position / kRun + kMostParts) / kMostParts * kRun;
}
__device__ int partOf(int token, int span) { return span == kRun ? token / kRun : token / span; } // a division takes its time
__device__ int beginOf(int position, int window) { return window > 0 ? max(0, position + 1 - window) : 0; }

// Grid (8, heads + 1): a block has 64 outputs of a head, and of row `blockIdx.x` the head's rotated columns; those beyond the
// heads make a row's new cache row each.
__global__ void __maxnreg__(56) queryKernel(const LatentLongArgs all)
{
    __shared__ __align__(16) Bf16 pieces[kPieces * kNopePitch];
    __shared__ float squares[kWarps];
    __shared__ std::uint64_t settled[kThreads];
    letNextStart();
    const LatentPrepareArgs &in = all.step.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int rank = static_cast<int>(blockIdx.x);
    const int head = static_cast<int>(blockIdx.y);
    constexpr int pairs = kRope / 2;
    const bool isNewRow = head == in.heads;
    const int column = thread % kRope;
    const int position = in.table.positions[min(rank, in.rows - 1)];
    const bool hasRow = rank < in.rows && position >= kLatentStepTokens;
    const unsigned rows = __ballot_sync(kAllLanes, lane < in.rows && in.table.positions[min(lane, in.rows - 1)] >= kLatentStepTokens);
    const Rotation rotation = rotationOf(frequencyOf(in.inverseFrequencies, column, pairs, in.interleaved), column, pairs, in.interleaved,
        position, in.magnitude);
    if (isNewRow) {
        const float2 gain = *reinterpret_cast<const float2 *>(in.gain + 2 * thread);
        const int shift = __ffs(in.cache.blockTokens) - 1;
        Bf16 *to = nullptr;
        if (hasRow) {
            const std::int64_t block = in.table.blocks[in.table.firstBlock[rank] + (position >> shift)];
            to = static_cast<Bf16 *>(in.cache.keys) + ((block << shift) + (position & (in.cache.blockTokens - 1))) * kRowWidth;
        }
        waitForPrevious();
        if (!hasRow)
            return;
        const float *latent = in.latent + rank * in.latentStride;
        const float2 own = *reinterpret_cast<const float2 *>(latent + 2 * thread);
        const float ownRotated = rotation.of(latent + kLatent, column);
        const float sum = warpSum(__fmaf_rn(own.x, own.x, __fmul_rn(own.y, own.y)));
        if (lane == 0)
            squares[warp] = sum;
        __syncthreads();
        float whole = 0.0F;
#pragma unroll
        for (int w = 0; w < kWarps; ++w)
            whole = __fadd_rn(whole, squares[w]);
        const float factor = rsqrtf(whole / static_cast<float>(kLatent) + in.epsilon);
        reinterpret_cast<std::uint32_t *>(to)[thread] = packed(own.x * factor * gain.x, own.y * factor * gain.y);
        if (thread < kRope)
            to[kLatent + thread] = __float2bfloat16_rn(ownRotated);
        return;
    }
    uint4 weights[2][4]; // of warps 0 to 3: 16 outputs, all columns
    const std::uint8_t *matrix = all.step.keyUp.data + head * all.step.keyUp.matrixBytes;
    if (thread < kNope) {
        holdRows(weights[0], matrix, rank * kOwn + warp * 16, 0, kNope);
        holdRows(weights[1], matrix, rank * kOwn + warp * 16, 64, kNope);
    }
    const float scale = all.step.scale * kLog2E;
    const float *x = in.projected + head * (kNope + kRope);
    const float *rotatedFrom = x + rank * in.projectedStride + kNope;
    const bool isRotated = hasRow && thread >= kThreads - kRope; // these threads have a column each
    std::uint32_t *const toRotated = all.query + queryIndex(rank, head, in.heads, kLatent + column);
    // A lane's second output, eight further, lies two words further.
    std::uint32_t *const to = all.query + queryIndex(0, head, in.heads, rank * kOwn + warp % 4 * 16 + lane / 4);
    const std::int64_t rowWords = queryIndex(1, 0, in.heads, 0);
    x += thread % kNope;
    settle(settled + thread, x);
    settle(settled + thread, rotatedFrom + column);
    settle(settled + thread, rotatedFrom + rotation.partner);
    settle(settled + thread, toRotated);
    settle(settled + thread, to);
    settle(settled + thread, rowWords);
    waitForPrevious();
    float rotated = 0.0F;
    if (isRotated)
        rotated = rotation.of(rotatedFrom, column);
#pragma unroll 1
    for (int row = 0; row < in.rows; ++row) {
        if ((rows >> row & 1U) == 0)
            continue;
        if (thread < kNope)
            cut(x[row * in.projectedStride], pieces + thread, kNopePitch);
        __syncthreads();
        if (thread < kNope) {
            float c[4] = {};
            float rest[4] = {};
            multiplyHeld(c, weights[0], pieces, kNopePitch, 0);
            multiplyHeld(rest, weights[1], pieces, kNopePitch, 64);
#pragma unroll
            for (int i = 0; i < 4; ++i)
                c[i] = __fadd_rn(c[i], rest[i]);
            const float low = sumOf(c, false);
            const float high = sumOf(c, true);
            if (lane % 4 == 0) {
                to[row * rowWords] = queryWord(__fmul_rn(low, scale));
                to[row * rowWords + 2] = queryWord(__fmul_rn(high, scale));
            }
        }
        __syncthreads(); // the pieces are used
    }
    if (isRotated)
        *toRotated = queryWord(__fmul_rn(rotated, scale));
}

// Grid (parts, tiles of 16 heads, rows). 64 tokens at a time lie in shared memory: a warp multiplies every eighth step of a
// score's columns for all of them, then 64 columns of the result. Blocks ask for the queries in different orders.
constexpr int kRowPitch = kRowWidth + 8, kProbabilityPitch = kRun + 8, kWarpSteps = (kSteps + kWarps - 1) / kWarps;
constexpr std::size_t kPartBytes =
    sizeof(Bf16) * (kRun * kRowPitch + 2 * kTileHeads * kProbabilityPitch) + sizeof(float) * kWarps * kTileHeads * kRun;
// Where a score lies among its head's: a warp's writes and reads meet every bank once.
__device__ int scorePlace(int head, int token) { return head * kRun + (token ^ head % 8 * 8); }
// Where the n-th eight of a head's 64 columns lie among them.
__device__ int resultPlace(int head, int n) { return (n ^ head) * 8; }
// `Once`: no part has more than 64 tokens; to the same bits, with fewer registers.
template <bool Once> __global__ void __maxnreg__(Once ? 88 : 128) partsKernel(const LatentLongArgs all)
{
    extern __shared__ __align__(16) unsigned char shared[];
    auto *tile = reinterpret_cast<Bf16 *>(shared);                                 // [token][kRowPitch]
    Bf16 *probabilities = tile + kRun * kRowPitch;                                 // [piece][head][kProbabilityPitch]
    auto *scores = reinterpret_cast<float *>(probabilities + 2 * kTileHeads * kProbabilityPitch); // [warp][head][token]
    __shared__ float rescale[kTileHeads];
    __shared__ std::uint64_t barrier;
    letNextStart();
    const LatentPrepareArgs &in = all.step.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int part = static_cast<int>(blockIdx.x);
    const int headTile = static_cast<int>(blockIdx.y);
    const int row = static_cast<int>(blockIdx.z);
    const int position = in.table.positions[row];
    const std::int32_t *blocks = in.table.blocks + in.table.firstBlock[row];
    const int begin = beginOf(position, all.step.window);
    const int span = spanOf(position);
    const int firstRun = max(part * span, begin / kRun * kRun);
    const int end = min((part + 1) * span, position + 1);
    if (position < kLatentStepTokens || firstRun >= end) {
        waitForPrevious(); // whoever waits for this kernel waits for that one too
        return;
    }
    auto *cache = static_cast<const Bf16 *>(in.cache.keys);
    const int shift = __ffs(in.cache.blockTokens) - 1;
    const auto rowOf = [&](int token) {
        return cache + ((static_cast<std::int64_t>(blocks[token >> shift]) << shift) + (token & (in.cache.blockTokens - 1))) * kRowWidth;
    };
    // The new row comes below. Rows without a token must hold numbers, since their probability of zero is multiplied with them.
    const auto isNewIn = [&](int run) { return position - run < kRun; };
    const auto expect = [&](int run) {
        arriveExpecting(&barrier, static_cast<unsigned>((kRun - (isNewIn(run) ? 1 : 0)) * kRowWidth * sizeof(Bf16)));
    };
    const auto load = [&](int run) {
        const int token = run + thread;
        if (thread < kRun && token != position)
            copyRow(tile + thread * kRowPitch, rowOf(min(max(token, begin), position - 1)), kRowWidth * sizeof(Bf16), &barrier);
    };
    if (thread == 0) {
        startBarrier(&barrier, 1);
        expect(firstRun);
    }
    __syncthreads();
    load(firstRun);
    const bool isOwner = position < end && thread < kRowWidth / 8; // of a piece of the new row
    const auto *newest = reinterpret_cast<const uint4 *>(rowOf(position)) + thread;
    const int slice = (warp + part) % kWarps;
    const auto *queries = reinterpret_cast<const uint4 *>(all.query + (static_cast<std::int64_t>(row) * gridDim.y + headTile) * kQueryWords) + lane + slice * 64;
    auto *settled = reinterpret_cast<std::uint64_t *>(scores) + thread;
    settle(settled, newest);
    settle(settled, queries);
    waitForPrevious();

    uint4 made = make_uint4(0, 0, 0, 0);
    if (isOwner)
        made = *newest;
    uint4 query[kWarpSteps][2];
#pragma unroll
    for (int i = 0; i < kWarpSteps; ++i) {
        if (i * kWarps + slice < kSteps) {
            query[i][0] = queries[i * kWarps * 64];
            query[i][1] = queries[i * kWarps * 64 + 32];
        }
    }
    const int myHead = thread / 16; // whose scores of four tokens the thread looks at
    const int myTokens = thread % 16 * 4;
    float maximum = kLowest;
    float total = 0.0F;
    float result[8][4] = {};
    int parity = 0;
#pragma unroll 1
    for (int run = firstRun; run < end; run += kRun, parity ^= 1) {
        if (isOwner && isNewIn(run))
            reinterpret_cast<uint4 *>(tile + (position - run) * kRowPitch)[thread] = made;
        waitForCopied(&barrier, parity);
        __syncthreads(); // the new row
        {
            float sums[8][4] = {};
#pragma unroll
            for (int i = 0; i < kWarpSteps; ++i) {
                const int step = i * kWarps + slice;
                if (step >= kSteps)
                    break;
                const std::uint32_t first[4] = {query[i][0].x, query[i][0].y, query[i][0].z, query[i][0].w};
                const std::uint32_t second[4] = {query[i][1].x, query[i][1].y, query[i][1].z, query[i][1].w};
                std::uint32_t high[4];
                std::uint32_t low[4];
#pragma unroll
                for (int r = 0; r < 4; ++r) {
                    high[r] = __byte_perm(first[r], second[r], 0x5410);
                    low[r] = __byte_perm(first[r], second[r], 0x7632);
                }
#pragma unroll
                for (int n = 0; n < 8; n += 2) {
                    std::uint32_t b[4];
                    loadFour(b, tile + (n * 8 + lane / 16 * 8 + lane % 8) * kRowPitch + step * 16 + lane / 8 % 2 * 8);
                    multiply(sums[n], high, b[0], b[1]);
                    multiply(sums[n + 1], high, b[2], b[3]);
                    multiply(sums[n], low, b[0], b[1]);
                    multiply(sums[n + 1], low, b[2], b[3]);
                }
            }
            float *to = scores + slice * kTileHeads * kRun;
#pragma unroll
            for (int n = 0; n < 8; ++n) {
                *reinterpret_cast<float2 *>(to + scorePlace(lane / 4, n * 8 + lane % 4 * 2)) = make_float2(sums[n][0], sums[n][1]);
                *reinterpret_cast<float2 *>(to + scorePlace(lane / 4 + 8, n * 8 + lane % 4 * 2)) = make_float2(sums[n][2], sums[n][3]);
            }
        }
        __syncthreads();
        float mine[4] = {};
#pragma unroll
        for (int w = 0; w < kWarps; ++w) {
            const float4 v = *reinterpret_cast<const float4 *>(scores + w * kTileHeads * kRun + scorePlace(myHead, myTokens));
            mine[0] = __fadd_rn(mine[0], v.x);
            mine[1] = __fadd_rn(mine[1], v.y);
            mine[2] = __fadd_rn(mine[2], v.z);
            mine[3] = __fadd_rn(mine[3], v.w);
        }
        float most = maximum;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int token = run + myTokens + i;
            mine[i] = token >= begin && token <= position ? mine[i] : -INFINITY;
            most = fmaxf(most, mine[i]);
        }
#pragma unroll
        for (int distance = 8; distance > 0; distance /= 2)
            most = fmaxf(most, __shfl_xor_sync(kAllLanes, most, distance));
        const float before = powerOfTwo(maximum - most);
        maximum = most;
#pragma unroll
        for (int i = 0; i < 4; ++i)
            mine[i] = powerOfTwo(mine[i] - most);
        {
            uint2 high = make_uint2(packed(mine[0], mine[1]), packed(mine[2], mine[3]));
            const float2 a = bfloats(high.x);
            const float2 b = bfloats(high.y);
            Bf16 *to = probabilities + myHead * kProbabilityPitch + myTokens;
            *reinterpret_cast<uint2 *>(to) = high;
            *reinterpret_cast<uint2 *>(to + kTileHeads * kProbabilityPitch) =
                make_uint2(packed(mine[0] - a.x, mine[1] - a.y), packed(mine[2] - b.x, mine[3] - b.y));
        }
        if (!Once && thread % 16 == 0)
            rescale[myHead] = before;
        __syncthreads();
        float sum = __fadd_rn(__fadd_rn(mine[0], mine[1]), __fadd_rn(mine[2], mine[3]));
#pragma unroll
        for (int distance = 8; distance > 0; distance /= 2)
            sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, distance));
        total = __fmaf_rn(total, before, sum);
        if constexpr (!Once) { // else it is zero
            const float factors[2] = {rescale[lane / 4], rescale[lane / 4 + 8]};
#pragma unroll
            for (int n = 0; n < 8; ++n) {
#pragma unroll
                for (int i = 0; i < 4; ++i)
                    result[n][i] = __fmul_rn(result[n][i], factors[i / 2]);
            }
        }
#pragma unroll 2
        for (int k = 0; k < kRun; k += 16) {
            std::uint32_t high[4];
            std::uint32_t low[4];
            const Bf16 *left = probabilities + lane % 16 * kProbabilityPitch + k + lane / 16 * 8;
            loadFour(high, left);
            loadFour(low, left + kTileHeads * kProbabilityPitch);
            const Bf16 *right = tile + (k + lane % 16) * kRowPitch + warp * kOwn + lane / 16 * 8;
#pragma unroll
            for (int n = 0; n < 8; n += 2) {
                std::uint32_t b[4];
                loadFourTurned(b, right + n * 8);
                multiply(result[n], high, b[0], b[1]);
                multiply(result[n + 1], high, b[2], b[3]);
                multiply(result[n], low, b[0], b[1]);
                multiply(result[n + 1], low, b[2], b[3]);
            }
        }
        if constexpr (Once)
            break;
        if (run + kRun < end) {
            __syncthreads(); // the tile is used
            endUse();
            if (thread == 0)
                expect(run + kRun);
            load(run + kRun);
        }
    }

    // A warp's 64 columns lie where the scores were, eights of them in an order that meets every bank once.
    static_assert(kOwn == kRun && kWarps == kRanks);
    float *own = scores + warp * kTileHeads * kOwn; // [head][kOwn]
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
        for (int n = 0; n < 8; ++n)
            *reinterpret_cast<float2 *>(own + (lane / 4 + i * 8) * kOwn + resultPlace(lane / 4, n) + lane % 4 * 2) = make_float2(result[n][2 * i], result[n][2 * i + 1]);
    }
    const int firstHead = headTile * kTileHeads;
    const std::int64_t index = static_cast<std::int64_t>(row) * in.heads + firstHead;
    if (thread % 16 == 0 && firstHead + myHead < in.heads)
        all.statistics[(index + myHead) * all.parts + part] = make_float2(maximum, total);
    __syncwarp();
    constexpr int lanesEach = kOwn / 4, heads = 32 / lanesEach; // heads at a time
    float *to = all.partial + (((index + lane / lanesEach) * kRanks + warp) * all.parts + part) * kOwn + lane % lanesEach * 4;
    const std::int64_t stride = std::int64_t{heads * kRanks * kOwn} * all.parts;
#pragma unroll
    for (int i = 0; i < kTileHeads / heads; ++i) {
        if (firstHead + i * heads + lane / lanesEach < in.heads)
            *reinterpret_cast<float4 *>(to + i * stride) = *reinterpret_cast<const float4 *>(own + (i * 32 + lane) * 4);
    }
}

// Grid (8, heads, rows) in clusters of eight: a block puts 64 latent columns of a head together, multiplies them, and blocks
// hand each other outputs.
static_assert(kOwn == parts::kColumns && kMostParts <= parts::kMostParts && kWarps == kRanks);
__global__ void __launch_bounds__(kThreads, 2) outputKernel(const LatentLongArgs all)
{
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ parts::Sums sums;
    __shared__ __align__(16) Bf16 resultPieces[kPieces * kOwnPitch];
    __shared__ __align__(16) float handedOutputs[kRanks][kValue / kRanks];
    __shared__ std::uint64_t outputsBarrier;
    letNextStart();
    const LatentStepArgs &args = all.step;
    const LatentPrepareArgs &in = args.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int rank = static_cast<int>(blockIdx.x);
    const int head = static_cast<int>(blockIdx.y);
    const int row = static_cast<int>(blockIdx.z);
    const int position = in.table.positions[row];
    uint4 weights[4];
    holdRows(weights, args.valueUp.data + head * args.valueUp.matrixBytes, warp * 16, rank * kOwn, kLatent);
    if (position < kLatentStepTokens) { // the whole cluster
        waitForPrevious();
        return;
    }
    const int span = spanOf(position);
    const std::int64_t index = static_cast<std::int64_t>(row) * in.heads + head;
    const parts::Parts own(shared, all.parts, partOf(beginOf(position, args.window), span), partOf(position, span),
        all.partial + (index * kRanks + rank) * all.parts * kOwn, all.statistics + index * all.parts, sums);
    if (thread == 0) {
        own.expect(sums);
        expectBytes(&outputsBarrier, sizeof handedOutputs);
    }
    beginInCluster();
    __syncthreads(); // the barriers are there
    waitForPrevious();
    if (thread == 0)
        own.ask(sums);
    const int column = thread % (kOwn / 4) * 4;
    own.sum(resultPlace(head % 8, column / 8) + column % 8, sums);
    float whole = 0.0F;
    if (thread < kOwn)
        cut(parts::columnOf(sums, thread, whole), resultPieces + thread, kOwnPitch);
    __syncthreads();
    float c[4] = {};
    multiplyHeld(c, weights, resultPieces, kOwnPitch, 0);
    const float low = sumOf(c, false);
    const float high = sumOf(c, true);
    waitForBeginnings();
    if (lane % 4 == 0) {
        hand(&handedOutputs[rank][lane / 4], warp, low, &outputsBarrier);
        hand(&handedOutputs[rank][lane / 4 + 8], warp, high, &outputsBarrier);
    }
    waitForBytes(&outputsBarrier);
    if (thread < kValue / kRanks) {
        float value = 0.0F;
#pragma unroll
        for (int i = 0; i < kRanks; ++i)
            value = __fadd_rn(value, handedOutputs[i][thread]);
        args.output[row * args.outputStride + head * kValue + rank * (kValue / kRanks) + thread] = __fdividef(value, whole);
    }
}

int headTilesOf(const LatentStepArgs &args) { return (args.prepare.heads + kTileHeads - 1) / kTileHeads; }

} // namespace

bool hasLatentLong() { return static_cast<std::size_t>(card().sharedBytes) >= kPartBytes + 1024; }

LatentLongRoom latentLongRoom(const LatentStepArgs &args, int context)
{
    const auto parts = static_cast<std::size_t>(std::min((context + 2 * kRun - 1) / (2 * kRun) * 2, kMostParts)); // even: copies of 16 bytes
    const auto rows = static_cast<std::size_t>(args.prepare.rows);
    const auto heads = static_cast<std::size_t>(args.prepare.heads);
    return {.queryWords = rows * static_cast<std::size_t>(headTilesOf(args)) * kQueryWords, .partial = rows * parts * heads * kLatent,
        .statistics = rows * parts * heads, .parts = static_cast<int>(parts)};
}

cudaError_t latentLong(const LatentLongArgs &args, cudaStream_t stream)
{
    const LatentPrepareArgs &in = args.step.prepare;
    if (in.rows == 0)
        return cudaSuccess;
    const auto ofParts = args.context <= kRun * kMostParts ? partsKernel<true> : partsKernel<false>;
    const int tiles = headTilesOf(args.step);
    // Where there is a multiprocessor for each block, no two of them begin on one.
    const bool isOneEach = args.parts * tiles * in.rows <= card().multiprocessors;
    const auto most = static_cast<std::size_t>(card().sharedBytes) - 1024; // what the kernel itself declares is less
    const std::size_t bytes = isOneEach ? std::max(kPartBytes, most / 2 + 2048) : kPartBytes;
    const cudaError_t allowed = cudaFuncSetAttribute(ofParts, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most));
    if (allowed != cudaSuccess)
        return allowed;
    const auto heads = static_cast<unsigned>(in.heads);
    const auto rows = static_cast<unsigned>(in.rows);
    cudaError_t result = launchChained(queryKernel, dim3(kRanks, heads + 1), kThreads, 0, stream, args);
    if (result == cudaSuccess)
        result = launchChained(ofParts, dim3(static_cast<unsigned>(args.parts), static_cast<unsigned>(tiles), rows), kThreads, bytes, stream, args);
    return result != cudaSuccess ? result : launchClusters(outputKernel, parts::roomOf(args.parts, kMostParts), in.heads, in.rows, stream, args);
}

} // namespace kernels::cuda
