// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// A cluster of eight blocks for each row and head (MLA) or key-value head. Token t belongs to block t % 8 of the cluster and
// warp t / 8 % 8 of it, so how sums are grouped follows from a row's own position alone. A warp has queries and sums in
// registers and reads a cache row once, as key and as value; the first rows, and MLA's small matrices, are on their way
// before the kernel in front is done. Blocks hand each other queries and partial sums through distributed shared memory.
// Bound: the latency of one chain of loads, two exchanges and about T / 64 rows a warp; beyond kStepTokens tiles.cu is faster.
#include "cuda/attention/step.h"

#include "cuda/attention/prepare.cuh"
#include "cuda/packed/unpack.cuh"

#include <cmath>

namespace kernels::cuda {

namespace {

constexpr int kRanks = 8, kWarps = 8, kThreads = kWarps * 32, kStreams = kRanks * kWarps;
constexpr int kLatent = 512, kRope = 64, kNope = 128, kValue = 128;
constexpr float kLog2E = 1.4426950408889634F;
constexpr int kMostGroup = 8;

__device__ std::uint32_t sharedAddress(const void *p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }

// Blocks of a cluster tell each other that they have begun; then what one hands another arrives with a barrier of the
// receiver, which waits for the bytes that it expects. (PTX ISA, st.async and mbarrier.)
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
__device__ std::uint32_t addressIn(const void *shared, int rank)
{
    std::uint32_t result;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(result) : "r"(sharedAddress(shared)), "r"(rank));
    return result;
}
__device__ void expectBytes(std::uint64_t *barrier, unsigned bytes) // once, by one thread, before beginInCluster
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\n\t"
                 "fence.mbarrier_init.release.cluster;\n\t"
                 "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(barrier)), "r"(bytes) : "memory");
}
__device__ void startBarrier(std::uint64_t *barrier) // of kWarps / 2 arrivals a phase
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 4;\n\tfence.mbarrier_init.release.cluster;" ::"r"(sharedAddress(barrier)) : "memory");
}
__device__ void arriveExpecting(std::uint64_t *barrier, unsigned bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(barrier)), "r"(bytes) : "memory");
}
__device__ void copyRow(void *shared, const void *global, unsigned bytes, std::uint64_t *barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(sharedAddress(shared)),
                 "l"(global), "r"(bytes), "r"(sharedAddress(barrier))
                 : "memory");
}
__device__ void endUse() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); } // before copies overwrite what was read
__device__ void beginInCluster() { asm volatile("barrier.cluster.arrive.relaxed;" ::: "memory"); }
__device__ void waitForBeginnings() { asm volatile("barrier.cluster.wait.acquire;" ::: "memory"); }
__device__ void hand(float *to, int rank, float value, std::uint64_t *barrier)
{
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.f32 [%0], %1, [%2];" ::"r"(addressIn(to, rank)), "f"(value),
                 "r"(addressIn(barrier, rank))
                 : "memory");
}
__device__ void hand(float2 *to, int rank, float2 value, std::uint64_t *barrier)
{
    asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.f32 [%0], {%1, %2}, [%3];" ::"r"(addressIn(to, rank)),
                 "f"(value.x), "f"(value.y), "r"(addressIn(barrier, rank))
                 : "memory");
}
__device__ void waitForPhase(std::uint64_t *barrier, int parity)
{
    asm volatile("{\n\t.reg .pred done;\n"
                 "again:\n\t"
                 "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n\t"
                 "@!done bra again;\n}" ::"r"(sharedAddress(barrier)), "r"(parity) : "memory");
}
#else // launched on sm_90 and later only
__device__ void expectBytes(std::uint64_t *, unsigned) {}
__device__ void beginInCluster() {}
__device__ void waitForBeginnings() {}
__device__ void hand(float *, int, float, std::uint64_t *) {}
__device__ void hand(float2 *, int, float2, std::uint64_t *) {}
__device__ void waitForPhase(std::uint64_t *, int) {}
__device__ void startBarrier(std::uint64_t *) {}
__device__ void arriveExpecting(std::uint64_t *, unsigned) {}
__device__ void endUse() {}
__device__ void copyRow(void *, const void *, unsigned, std::uint64_t *) {}
#endif
__device__ void waitForBytes(std::uint64_t *barrier) { waitForPhase(barrier, 0); }

// Maxima of scores (base 2) begin far below any score, so that no difference of two of them is not a number.
constexpr float kLowest = -1e30F;
__device__ float powerOfTwo(float x)
{
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}

__device__ float2 bfloats(std::uint32_t word)
{
    return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xFFFF0000U));
}
__device__ std::uint32_t packed(float a, float b)
{
    const __nv_bfloat162 both = __floats2bfloat162_rn(a, b);
    return *reinterpret_cast<const std::uint32_t *>(&both);
}
__device__ uint4 packed(const float (&v)[8])
{
    return make_uint4(packed(v[0], v[1]), packed(v[2], v[3]), packed(v[4], v[5]), packed(v[6], v[7]));
}
__device__ void unpack(const uint4 &from, float (&to)[8])
{
    const std::uint32_t words[4] = {from.x, from.y, from.z, from.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float2 v = bfloats(words[i]);
        to[2 * i] = v.x;
        to[2 * i + 1] = v.y;
    }
}
__device__ void setEight(float (&to)[8], const float4 &a, const float4 &b)
{
    to[0] = a.x, to[1] = a.y, to[2] = a.z, to[3] = a.w;
    to[4] = b.x, to[5] = b.y, to[6] = b.z, to[7] = b.w;
}
__device__ void readEight(const float *from, float (&to)[8])
{
    setEight(to, *reinterpret_cast<const float4 *>(from), *reinterpret_cast<const float4 *>(from + 4));
}
__device__ void writeEight(float *to, const float (&v)[8])
{
    *reinterpret_cast<float4 *>(to) = make_float4(v[0], v[1], v[2], v[3]);
    *reinterpret_cast<float4 *>(to + 4) = make_float4(v[4], v[5], v[6], v[7]);
}

__device__ void copyAsync(void *shared, const void *global)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(sharedAddress(shared)), "l"(global) : "memory");
}
__device__ void endCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Left> __device__ void waitForCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory"); }

// A column of a rotated vector is x[column] * cosine + x[partner] * sine; to the bits of prepare::turned.
struct Rotation {
    int partner;
    float cosine = 1.0F, sine = 0.0F;
    __device__ float of(const float *x, int column) const { return __fmaf_rn(x[column], cosine, __fmul_rn(x[partner], sine)); }
};
// One copy of its code a kernel: what runs once a block costs what fetching its instructions costs. `frequency`: of its pair.
__device__ __noinline__ Rotation rotationOf(float frequency, int column, int pairs, bool interleaved, int position, float magnitude)
{
    Rotation r{column};
    if (column >= 2 * pairs)
        return r;
    const prepare::Turn turn = prepare::turnOf(&frequency, 0, position, magnitude);
    const bool isSecond = interleaved ? column % 2 != 0 : column >= pairs;
    r.partner = interleaved ? column ^ 1 : isSecond ? column - pairs : column + pairs;
    r.cosine = turn.cosine;
    r.sine = isSecond ? turn.sine : -turn.sine;
    return r;
}
__device__ float frequencyOf(const float *frequencies, int column, int pairs, bool interleaved)
{
    return column < 2 * pairs ? __ldg(frequencies + prepare::pairOf(column, pairs, interleaved)) : 0.0F;
}

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

__device__ void loadFour(std::uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sharedAddress(row))
                 : "memory");
}
__device__ void loadFourTurned(std::uint32_t (&r)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(sharedAddress(row))
                 : "memory");
}
__device__ void multiply(float (&c)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3, std::uint32_t b0, std::uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
// A vector as three columns of a product's right side, 24 bits of it: the sum of the three results is its product.
constexpr int kPieces = 3;
__device__ void cut(float x, __nv_bfloat16 *to, int stride)
{
#pragma unroll
    for (int i = 0; i < kPieces; ++i) {
        const __nv_bfloat16 piece = __float2bfloat16_rn(x);
        to[i * stride] = piece;
        x = __fsub_rn(x, __bfloat162float(piece));
    }
}
// The lane's part of the right side: of columns lane / 4 (what is beyond the pieces is never looked at).
__device__ const __nv_bfloat16 *pieceOf(const __nv_bfloat16 *pieces, int stride)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    return pieces + min(lane / 4, kPieces - 1) * stride;
}
// Of a product's rows lane / 4 (`upper` false) and lane / 4 + 8 the sum over the pieces; in lanes that are a multiple of four.
__device__ float sumOf(const float (&c)[4], bool upper)
{
    const float third = __shfl_down_sync(kAllLanes, upper ? c[2] : c[0], 1);
    return __fadd_rn(__fadd_rn(upper ? c[2] : c[0], upper ? c[3] : c[1]), third);
}
// 16 rows of a matrix [., columns] times pieces [3][stride] from `first` on, 64 columns that lie in the lane's registers: of row
// lane / 4 in held[0 and 1], of the row 8 further in held[2 and 3]; eight neighbouring columns each, so columns count in another
// order than the instruction's, on both sides alike.
__device__ void multiplyHeld(float (&c)[4], const uint4 (&held)[4], const __nv_bfloat16 *pieces, int stride, int first)
{
    const __nv_bfloat16 *right = pieceOf(pieces, stride) + first + static_cast<int>(threadIdx.x) % 4 * 8;
#pragma unroll
    for (int part = 0; part < 2; ++part) {
        const uint4 b = *reinterpret_cast<const uint4 *>(right + part * 32);
        const uint4 &low = held[part];
        const uint4 &high = held[2 + part];
        multiply(c, low.x, high.x, low.y, high.y, b.x, b.y);
        multiply(c, low.z, high.z, low.w, high.w, b.z, b.w);
    }
}
// Grid (8, heads, rows) in clusters of eight. Tokens go to the blocks in tiles of 16 by absolute position, kTiles of them lie in
// shared memory at a time: scores are a tile times the query, the result the turned tile times the probabilities. A warp
// takes every eighth step of a score's columns, and 64 columns of the result, which are those that one block goes on with.
constexpr int kTile = 16, kTiles = 4, kRowWidth = kLatent + kRope, kTilePitch = kRowWidth + 8, kNopePitch = kNope + 8;
constexpr int kOwn = kLatent / kRanks, kOwnPitch = kOwn + 8;
constexpr std::size_t kLatentBytes = sizeof(__nv_bfloat16) * kTiles * kTile * kTilePitch;
__global__ void __launch_bounds__(kThreads, 2) latentStepKernel(const LatentStepArgs args)
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
    __shared__ float partial[kWarps][kTiles * kTile];
    __shared__ __align__(16) float probabilities[kWarps][kTiles * kTile];
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
    {
        const auto *keys = reinterpret_cast<const uint4 *>(args.keyUp.data + head * args.keyUp.matrixBytes)
            + (rank * kOwn + warp % 4 * 16 + lane / 4) * (kNope / 8) + warp / 4 * 8 + lane % 4;
        const auto *values = reinterpret_cast<const uint4 *>(args.valueUp.data + head * args.valueUp.matrixBytes)
            + (warp * 16 + lane / 4) * (kLatent / 8) + rank * (kOwn / 8) + lane % 4;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            keyWeights[e] = loadOnce(keys + e / 2 * 8 * (kNope / 8) + e % 2 * 4);
            valueWeights[e] = loadOnce(values + e / 2 * 8 * (kLatent / 8) + e % 2 * 4);
        }
    }
    if (position >= kStepTokens) { // the whole cluster
        waitForPrevious(); // whoever waits for this kernel waits for that one too
        return;
    }
    if (thread == 0) {
        expectBytes(&queryBarrier, sizeof handedQuery);
        expectBytes(&partsBarrier, sizeof handed + sizeof handedStatistics);
        expectBytes(&outputsBarrier, sizeof handedOutputs);
        startBarrier(&tilesBarrier);
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
    const auto load = [&](int first) {
        const int tile = first + warp;
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
    };
    load(firstTile);
    // Columns of the query's rotated part, and of the new row's.
    const int column = thread % kRope;
    const Rotation rotation = rotationOf(frequency, column, pairs, in.interleaved, position, in.magnitude);
    const float scale = args.scale * kLog2E;
    Bf16 *newest = tiles + ((lastTile - firstTile) % kTiles * kTile + position % kTile) * kTilePitch; // the owner's
    // Where a longer context has more tiles than lie here at a time, the new row waits until its tile's turn.
    const bool isFirstRound = lastTile - firstTile < kTiles;
    waitForPrevious();

    const float *x = in.projected + row * in.projectedStride + head * (kNope + kRope);
    const float *latent = in.latent + row * in.latentStride;
    float2 own = make_float2(0.0F, 0.0F);
    float ownRotated = 0.0F;
    if (isOwner) {
        own = *reinterpret_cast<const float2 *>(latent + 2 * thread);
        if (thread < kRope)
            ownRotated = rotation.of(latent + kLatent, thread);
    }
    if (thread < kNope)
        cut(x[thread], nopePieces + thread, kNopePitch);
    else if (thread < kNope + kRope)
        cut(rotation.of(x + kNope, column) * scale, queryPieces + kLatent + column, kTilePitch);
    if (isOwner) {
        const float sum = warpSum(__fmaf_rn(own.x, own.x, __fmul_rn(own.y, own.y)));
        if (lane == 0)
            squares[warp] = sum;
    }
    __syncthreads();
    std::uint32_t ownWord = 0;
    if (isOwner) {
        float sum = 0.0F;
#pragma unroll
        for (int w = 0; w < kWarps; ++w)
            sum = __fadd_rn(sum, squares[w]);
        const float factor = rsqrtf(sum / static_cast<float>(kLatent) + in.epsilon);
        const float2 gain = *reinterpret_cast<const float2 *>(in.gain + 2 * thread);
        ownWord = packed(own.x * factor * gain.x, own.y * factor * gain.y);
        if (isFirstRound) {
            reinterpret_cast<std::uint32_t *>(newest)[thread] = ownWord;
            if (thread < kRope)
                newest[kLatent + thread] = __float2bfloat16_rn(ownRotated);
        }
        if (head == 0) {
            Bf16 *to = cache + slotOf(position) * kRowWidth;
            reinterpret_cast<std::uint32_t *>(to)[thread] = ownWord;
            if (thread < kRope)
                to[kLatent + thread] = __float2bfloat16_rn(ownRotated);
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

    float maximum = kLowest;
    float total = 0.0F;
    float result[4][4] = {};
    int parity = 0;
#pragma unroll 1
    for (int first = firstTile; first <= lastTile; first += kTiles, parity ^= 1) {
        const int count = min(kTiles, lastTile + 1 - first);
        if (isOwner && !isFirstRound && first + count > lastTile) {
            reinterpret_cast<std::uint32_t *>(newest)[thread] = ownWord;
            if (thread < kRope)
                newest[kLatent + thread] = __float2bfloat16_rn(ownRotated);
        }
        waitForPhase(&tilesBarrier, parity);
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
                multiply(scores[tile], a[0], a[1], a[2], a[3], b0, b1);
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
        float most = maximum;
#pragma unroll
        for (int i = 0; i < 2; ++i) { // every warp the same
            const int at = i * 32 + lane;
            mine[i] = 0.0F;
#pragma unroll
            for (int w = 0; w < kWarps; ++w)
                mine[i] = __fadd_rn(mine[i], partial[w][at]);
            const int token = ((first + at / kTile) * kRanks + rank) * kTile + at % kTile;
            mine[i] = token >= begin && token <= position ? mine[i] : -INFINITY;
            most = fmaxf(most, mine[i]);
        }
        most = warpMax(most);
        const float before = powerOfTwo(maximum - most);
        maximum = most;
        mine[0] = powerOfTwo(mine[0] - most);
        mine[1] = powerOfTwo(mine[1] - most);
        total = __fmaf_rn(total, before, warpSum(__fadd_rn(mine[0], mine[1])));
        auto *pieces = reinterpret_cast<Bf16 *>(probabilities[warp]); // [2][64], two pieces: 16 bits of them
        const Bf16 top[2] = {__float2bfloat16_rn(mine[0]), __float2bfloat16_rn(mine[1])};
        pieces[lane] = top[0];
        pieces[32 + lane] = top[1];
        pieces[64 + lane] = __float2bfloat16_rn(__fsub_rn(mine[0], __bfloat162float(top[0])));
        pieces[96 + lane] = __float2bfloat16_rn(__fsub_rn(mine[1], __bfloat162float(top[1])));
        __syncwarp();
#pragma unroll
        for (int m = 0; m < 4; ++m) {
#pragma unroll
            for (int i = 0; i < 4; ++i)
                result[m][i] = __fmul_rn(result[m][i], before);
        }
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
            if (tile >= count)
                break;
            const Bf16 *of = pieces + min(lane / 4, 1) * 64 + tile * kTile + lane % 4 * 2;
            const std::uint32_t b0 = *reinterpret_cast<const std::uint32_t *>(of);
            const std::uint32_t b1 = *reinterpret_cast<const std::uint32_t *>(of + 8);
#pragma unroll
            for (int m = 0; m < 4; ++m) {
                std::uint32_t a[4]; // turned: rows are columns of the cache
                loadFourTurned(a, tiles + (tile * kTile + lane / 16 * 8 + lane % 8) * kTilePitch + warp * kOwn + m * 16 + lane / 8 % 2 * 8);
                multiply(result[m], a[0], a[1], a[2], a[3], b0, b1);
            }
        }
        if (first + kTiles <= lastTile) {
            __syncthreads(); // the tiles are used
            endUse();
            load(first + kTiles);
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
    __shared__ std::uint64_t barrier;
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
    if (position >= kStepTokens) { // the whole cluster
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
    waitForPrevious();
    const std::int64_t from = row * in.stride;
    const float *queries = args.isRotated ? in.rotated + (static_cast<std::int64_t>(row) * in.heads + kvHead * Group) * Dim
                                          : in.query + from + kvHead * columns;
    constexpr int atOnce = kThreads / Dim; // heads
#pragma unroll
    for (int g = 0; g < Group; g += atOnce) {
        const int head = g + thread / Dim;
        if (Group % atOnce == 0 || head < Group)
            query[head * Dim + column] = ofQuery.of(queries + head * Dim, column);
    }
    if (thread < Dim)
        made[0][column] = rotation.of(in.key + from + kvHead * Dim, column);
    else if (thread < 2 * Dim)
        made[1][column] = in.value[from + kvHead * Dim + column];
    __syncthreads();
    if (position % kStreams == mine && lane < lanesEach) { // this warp has the newest token
        float v[8];
        readEight(made[0] + place * 8, v);
        newest[0][place] = packed(v);
        readEight(made[1] + place * 8, v);
        newest[1][place] = packed(v);
    }
    __syncwarp();
    const std::int64_t to = wordOf(slotOf(position));
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

template <typename Args> cudaError_t launchClusters(void (*kernel)(const Args), std::size_t sharedBytes, int heads, int rows, cudaStream_t stream, const Args &args)
{
    if (sharedBytes > 48U << 10) {
        const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(sharedBytes));
        if (allowed != cudaSuccess)
            return allowed;
    }
    cudaLaunchConfig_t config{};
    config.dynamicSmemBytes = sharedBytes;
    config.gridDim = dim3(kRanks, static_cast<unsigned>(heads), static_cast<unsigned>(rows));
    config.blockDim = dim3(kThreads);
    config.stream = stream;
    cudaLaunchAttribute attributes[2]{};
    attributes[0].id = cudaLaunchAttributeClusterDimension;
    attributes[0].val.clusterDim.x = kRanks;
    attributes[0].val.clusterDim.y = 1;
    attributes[0].val.clusterDim.z = 1;
    attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[1].val.programmaticStreamSerializationAllowed = 1;
    config.attrs = attributes;
    config.numAttrs = 2;
    return cudaLaunchKernelEx(&config, kernel, args);
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

bool isPowerOfTwo(int n) { return n > 0 && (n & (n - 1)) == 0; }
bool isAligned(const void *p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

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
