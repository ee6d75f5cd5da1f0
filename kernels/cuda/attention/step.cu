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

// Blocks of a cluster tell each other that they have begun; then what one hands another arrives with a barrier of the
// receiver, which waits for the bytes that it expects. (PTX ISA, st.async and mbarrier.)
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
__device__ std::uint32_t sharedAddress(const void *p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }
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
__device__ void waitForBytes(std::uint64_t *barrier)
{
    asm volatile("{\n\t.reg .pred done;\n"
                 "again:\n\t"
                 "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], 0;\n\t"
                 "@!done bra again;\n}" ::"r"(sharedAddress(barrier)) : "memory");
}
#else // launched on sm_90 and later only
__device__ void expectBytes(std::uint64_t *, unsigned) {}
__device__ void beginInCluster() {}
__device__ void waitForBeginnings() {}
__device__ void hand(float *, int, float, std::uint64_t *) {}
__device__ void hand(float2 *, int, float2, std::uint64_t *) {}
__device__ void waitForBytes(std::uint64_t *) {}
#endif

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
template <DType Type> __device__ void unpackWeights(const uint4 &from, float (&to)[8])
{
    if constexpr (Type == DType::BF16) {
        unpack(from, to);
        return;
    }
    const std::uint32_t words[4] = {from.x, from.y, from.z, from.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        const float2 v = __half22float2(*reinterpret_cast<const __half2 *>(&words[i]));
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

template <int Bytes> __device__ void copyAsync(void *shared, const void *global)
{
    const auto to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
    if constexpr (Bytes == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(global) : "memory");
}
__device__ void endCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Left> __device__ void waitForCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(Left) : "memory"); }

// A column of a rotated vector is x[column] * cosine + x[partner] * sine; to the bits of prepare::turned.
struct Rotation {
    int partner;
    float cosine = 1.0F, sine = 0.0F;
    __device__ float of(const float *x, int column) const { return __fmaf_rn(x[column], cosine, __fmul_rn(x[partner], sine)); }
};
// One copy of its code a kernel: what runs once a block costs what fetching its instructions costs.
__device__ __noinline__ Rotation rotationOf(const float *frequencies, int column, int pairs, bool interleaved, int position, float magnitude)
{
    Rotation r{column};
    if (column >= 2 * pairs)
        return r;
    const prepare::Turn turn = prepare::turnOf(frequencies, prepare::pairOf(column, pairs, interleaved), position, magnitude);
    const bool isSecond = interleaved ? column % 2 != 0 : column >= pairs;
    r.partner = interleaved ? column ^ 1 : isSecond ? column - pairs : column + pairs;
    r.cosine = turn.cosine;
    r.sine = isSecond ? turn.sine : -turn.sine;
    return r;
}

// The cluster's part of a row's tokens: a warp has tokens mine + each * i. Where they lie, a lane knows for one i.
struct Tokens {
    int position, begin, mine, each, first, last; // i from first to last; the others' first and last are the same
    std::int64_t slot;                            // of token mine + each * (first + lane), should it be there
    __device__ Tokens(const KvView &cache, const RowTable &table, int row, int newest, int window, int own, int all)
        : position(newest), begin(window > 0 ? max(0, newest + 1 - window) : 0), mine(own), each(all), first(begin / all), last(newest / all)
    {
        const int token = mine + each * (first + static_cast<int>(threadIdx.x) % 32);
        const int shift = __ffs(cache.blockTokens) - 1;
        slot = 0;
        if (token <= position)
            slot = (static_cast<std::int64_t>(table.blocks[table.firstBlock[row] + (token >> shift)]) << shift) + (token & (cache.blockTokens - 1));
    }
};

// Grid (8, heads, rows) in clusters of eight. Shared memory: for each warp a ring of kLatentDepth cache rows, where its sums
// lie later; what the other blocks hand over.
constexpr int kLatentDepth = 4, kRowWords = (kLatent + kRope) / 2, kRingWords = kLatentDepth * kRowWords;
constexpr std::size_t kLatentBytes = sizeof(std::uint32_t) * kWarps * kRingWords + sizeof(float) * kRanks * kLatent;
template <DType Type> __global__ void __launch_bounds__(kThreads, 2) latentStepKernel(const LatentStepArgs args)
{
    extern __shared__ __align__(16) std::uint32_t rings[];
    __shared__ __align__(16) float query[kLatent + kRope];
    __shared__ __align__(16) std::uint32_t newest[kRowWords];
    __shared__ float2 statistics[kWarps], handedStatistics[kRanks]; // maximum (base 2), sum
    __shared__ std::uint64_t queryBarrier, resultBarrier;
    auto *handed = reinterpret_cast<float *>(rings + kWarps * kRingWords); // [rank][column]
    letNextStart();
    const LatentPrepareArgs &in = args.prepare;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int rank = static_cast<int>(blockIdx.x);
    const int head = static_cast<int>(blockIdx.y);
    const int row = static_cast<int>(blockIdx.z);
    const int position = in.table.positions[row];
    if (position >= kStepTokens) { // the whole cluster
        waitForPrevious(); // whoever waits for this kernel waits for that one too
        return;
    }
    if (thread == 0) {
        expectBytes(&queryBarrier, sizeof(float) * kLatent);
        expectBytes(&resultBarrier, kRanks * (sizeof(float) * kLatent + sizeof(float2)));
    }
    beginInCluster();

    // Four threads an output of W_UK, sixteen an output of W_UV.
    uint4 keyWeights[4];
    uint4 valueWeights[4];
    {
        const auto *keys = reinterpret_cast<const uint4 *>(args.keyUp.data + head * args.keyUp.matrixBytes)
            + (rank * (kLatent / kRanks) + thread / 4) * (kNope / 8) + thread % 4;
        const auto *values = reinterpret_cast<const uint4 *>(args.valueUp.data + head * args.valueUp.matrixBytes)
            + (rank * (kValue / kRanks) + thread / 16) * (kLatent / 8) + thread % 16;
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            keyWeights[e] = loadOnce(keys + e * 4);
            valueWeights[e] = loadOnce(values + e * 16);
        }
    }
    auto *cache = static_cast<std::uint32_t *>(in.cache.keys);
    std::uint32_t *ring = rings + warp * kRingWords;
    const Tokens tokens(in.cache, in.table, row, position, args.window, warp * kRanks + rank, kStreams);
    const auto load = [&](int i) { // two tokens
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            const int token = (i + k) * kStreams + tokens.mine;
            const std::int64_t slot = __shfl_sync(kAllLanes, tokens.slot, (i + k - tokens.first) & 31);
            if (token < position) { // else it is not read, or made here
                const std::uint32_t *from = cache + slot * kRowWords;
                std::uint32_t *to = ring + (i + k - tokens.first) % kLatentDepth * kRowWords;
                copyAsync<16>(to + lane * 4, from + lane * 4);
                copyAsync<16>(to + 128 + lane * 4, from + 128 + lane * 4);
                copyAsync<4>(to + 256 + lane, from + 256 + lane);
            }
        }
        endCopies();
    };
    load(tokens.first);
    load(tokens.first + 2);
    const bool isNewest = position % kStreams == tokens.mine; // this warp makes the new row
    const auto rotationAt = [&](int column) {
        return rotationOf(in.inverseFrequencies, column, kRope / 2, in.interleaved, position, in.magnitude);
    };
    Rotation own{0};
    if (thread < kRope)
        own = rotationAt(thread);
    Rotation rotations[2] = {{0}, {0}}; // of the new row
    if (isNewest) {
#pragma unroll 1
        for (int i = 0; i < 2; ++i)
            rotations[i] = rotationAt(2 * lane + i);
    }
    waitForPrevious();

    const float *x = in.projected + row * in.projectedStride + head * (kNope + kRope);
    const float *latent = in.latent + row * in.latentStride;
    float rotated[2] = {};
    float made[2][8];
    if (isNewest) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            readEight(latent + i * 256 + lane * 8, made[i]);
            rotated[i] = rotations[i].of(latent + kLatent, 2 * lane + i);
        }
    }
    if (thread < kRope)
        query[kLatent + thread] = own.of(x + kNope, thread);
    float sum = 0.0F;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        float w[8];
        float v[8];
        unpackWeights<Type>(keyWeights[e], w);
        readEight(x + (e * 4 + thread % 4) * 8, v);
#pragma unroll
        for (int i = 0; i < 8; ++i)
            sum = __fmaf_rn(w[i], v[i], sum);
    }
    sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, 1));
    sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, 2));
    waitForBeginnings();
#pragma unroll
    for (int i = 0; i < 2; ++i)
        hand(query + rank * (kLatent / kRanks) + thread / 4, thread % 4 * 2 + i, sum, &queryBarrier);
    if (isNewest) { // while the others' parts of the query arrive
        float squares = 0.0F;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
#pragma unroll
            for (int k = 0; k < 8; ++k)
                squares = __fmaf_rn(made[i][k], made[i][k], squares);
        }
        const float scale = rsqrtf(warpSum(squares) / static_cast<float>(kLatent) + in.epsilon);
        std::uint32_t *stored = cache + __shfl_sync(kAllLanes, tokens.slot, position / kStreams - tokens.first) * kRowWords;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
            float gain[8];
            readEight(in.gain + i * 256 + lane * 8, gain);
#pragma unroll
            for (int k = 0; k < 8; ++k)
                made[i][k] = made[i][k] * scale * gain[k];
            const uint4 words = packed(made[i]);
            *reinterpret_cast<uint4 *>(newest + i * 128 + lane * 4) = words;
            if (head == 0)
                *reinterpret_cast<uint4 *>(stored + i * 128 + lane * 4) = words;
        }
        newest[256 + lane] = packed(rotated[0], rotated[1]);
        if (head == 0)
            stored[256 + lane] = newest[256 + lane];
        __syncwarp();
    }
    __syncthreads(); // the rotated part
    waitForBytes(&queryBarrier);

    const float scale = args.scale * kLog2E;
    float asked[2][8];
    float result[2][8] = {};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        readEight(query + half * 256 + lane * 8, asked[half]);
#pragma unroll
        for (int j = 0; j < 8; ++j)
            asked[half][j] *= scale;
    }
    float2 askedRotated = *reinterpret_cast<const float2 *>(query + kLatent + lane * 2);
    askedRotated.x *= scale;
    askedRotated.y *= scale;
    float maximum = kLowest;
    float total = 0.0F;
#pragma unroll 1
    for (int i = tokens.first; i <= tokens.last; i += 2) {
        waitForCopies<1>();
        __syncwarp();
        const std::uint32_t *from[2];
        float scores[2];
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            const int token = (i + k) * kStreams + tokens.mine;
            from[k] = token == position ? newest : ring + (i + k - tokens.first) % kLatentDepth * kRowWords;
            float v[8];
            unpack(*reinterpret_cast<const uint4 *>(from[k] + lane * 4), v);
            float score = 0.0F;
#pragma unroll
            for (int j = 0; j < 8; ++j)
                score = __fmaf_rn(v[j], asked[0][j], score);
            unpack(*reinterpret_cast<const uint4 *>(from[k] + 128 + lane * 4), v);
            const float2 rest = bfloats(from[k][256 + lane]);
            float other = __fmaf_rn(rest.y, askedRotated.y, __fmul_rn(rest.x, askedRotated.x));
#pragma unroll
            for (int j = 0; j < 8; ++j)
                other = __fmaf_rn(v[j], asked[1][j], other);
            scores[k] = __fadd_rn(score, other);
        }
#pragma unroll
        for (int distance = 16; distance > 0; distance /= 2) {
            scores[0] = __fadd_rn(scores[0], __shfl_xor_sync(kAllLanes, scores[0], distance));
            scores[1] = __fadd_rn(scores[1], __shfl_xor_sync(kAllLanes, scores[1], distance));
        }
        bool seen[2];
#pragma unroll
        for (int k = 0; k < 2; ++k) { // what the ring holds of other tokens may be anything
            const int token = (i + k) * kStreams + tokens.mine;
            seen[k] = token >= tokens.begin && token <= position;
            scores[k] = seen[k] ? scores[k] : kLowest;
        }
        const float next = fmaxf(maximum, fmaxf(scores[0], scores[1]));
        const float before = powerOfTwo(maximum - next);
        maximum = next;
        total = __fmul_rn(total, before);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
#pragma unroll
            for (int j = 0; j < 8; ++j)
                result[half][j] = __fmul_rn(result[half][j], before);
        }
#pragma unroll
        for (int k = 0; k < 2; ++k) {
            if (!seen[k]) // the whole warp
                continue;
            const float weight = powerOfTwo(scores[k] - next);
            total = __fadd_rn(total, weight);
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float v[8];
                unpack(*reinterpret_cast<const uint4 *>(from[k] + half * 128 + lane * 4), v);
#pragma unroll
                for (int j = 0; j < 8; ++j)
                    result[half][j] = __fmaf_rn(weight, v[j], result[half][j]);
            }
        }
        __syncwarp(); // both rows are used
        load(i + 4);
    }

    waitForCopies<0>();
    __syncwarp();
    auto *sums = reinterpret_cast<float *>(ring);
    writeEight(sums + lane * 8, result[0]);
    writeEight(sums + 256 + lane * 8, result[1]);
    if (lane == 0)
        statistics[warp] = make_float2(maximum, total);
    __syncthreads();
    // Two columns a thread; first of the warps, then of the blocks.
    static_assert(kWarps == 8 && kRanks == 8 && kLatent == 2 * kThreads);
    float2 all;
    float2 value;
#pragma unroll 1
    for (int round = 0; round < 2; ++round) {
        const float2 *of = round == 0 ? statistics : handedStatistics;
        const float *from = (round == 0 ? reinterpret_cast<const float *>(rings) : handed) + 2 * thread;
        const int stride = round == 0 ? kRingWords : kLatent;
        float most = kLowest;
#pragma unroll
        for (int i = 0; i < 8; ++i)
            most = fmaxf(most, of[i].x);
        value = make_float2(0.0F, 0.0F);
        float whole = 0.0F;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const float share = powerOfTwo(of[i].x - most);
            const float2 v = *reinterpret_cast<const float2 *>(from + i * stride);
            value.x = __fmaf_rn(v.x, share, value.x);
            value.y = __fmaf_rn(v.y, share, value.y);
            whole = __fmaf_rn(of[i].y, share, whole);
        }
        all = make_float2(most, whole);
        if (round == 1)
            break;
#pragma unroll
        for (int i = 0; i < kRanks; ++i)
            hand(reinterpret_cast<float2 *>(handed + rank * kLatent + 2 * thread), (rank + i) % kRanks, value, &resultBarrier);
        if (thread < kRanks)
            hand(handedStatistics + rank, thread, all, &resultBarrier);
        waitForBytes(&resultBarrier);
    }
    *reinterpret_cast<float2 *>(query + 2 * thread) = value;
    __syncthreads();
    sum = 0.0F;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        float w[8];
        float v[8];
        unpackWeights<Type>(valueWeights[e], w);
        readEight(query + (e * 16 + thread % 16) * 8, v);
#pragma unroll
        for (int i = 0; i < 8; ++i)
            sum = __fmaf_rn(w[i], v[i], sum);
    }
#pragma unroll
    for (int distance = 8; distance > 0; distance /= 2)
        sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, distance));
    if (thread % 16 == 0)
        args.output[row * args.outputStride + head * kValue + rank * (kValue / kRanks) + thread / 16] = __fdividef(sum, all.y);
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
    const Tokens tokens(in.cache, in.table, row, position, args.window, mine, kStreams);
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
            copyAsync<16>(to, keys + from);
            copyAsync<16>(to + 128, values + from);
        }
        endCopies();
    };
#pragma unroll 1
    for (int i = 0; i < kHeadsDepth; ++i)
        load(firstStep + i);
    // A thread's columns are the same in every head.
    const int column = thread % Dim;
    const Rotation rotation = rotationOf(in.inverseFrequencies, column, in.pairs, in.interleaved, position, in.magnitude);
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
        return (m.dtype == DType::F16 || m.dtype == DType::BF16) && m.out == out && m.in == columns && isAligned(m.data) && m.matrixBytes % 16 == 0;
    };
    return card().chained && in.rows <= kFewRows && in.latentWidth == kLatent && in.rope == kRope && in.nope == kNope
        && isPowerOfTwo(in.cache.blockTokens) && in.cache.dtype == DType::BF16 && in.cache.valuesInKeys && in.cache.keyDim == kLatent + kRope && in.cache.valueDim == kLatent
        && fits(args.keyUp, kLatent, kNope) && fits(args.valueUp, kValue, kLatent) && args.keyUp.dtype == args.valueUp.dtype
        && in.projectedStride % 4 == 0 && in.latentStride % 4 == 0 && isAligned(in.projected) && isAligned(in.latent) && isAligned(in.gain);
}

cudaError_t latentStep(const LatentStepArgs &args, cudaStream_t stream)
{
    if (args.prepare.rows == 0)
        return cudaSuccess;
    return launchClusters(args.keyUp.dtype == DType::BF16 ? latentStepKernel<DType::BF16> : latentStepKernel<DType::F16>,
        kLatentBytes, args.prepare.heads, args.prepare.rows, stream, args);
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
