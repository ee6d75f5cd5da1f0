// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The products of few.cuh for one row, to the same bits, with memory never idle: a few blocks stay on every multiprocessor
// and take tile after tile; one warp of a block does nothing but ask for the bytes of the tiles ahead (bulk copies into a
// ring in shared memory, the first before the kernel in front is done), the others share a tile's columns in spans of 256.
// The row is cut into bytes once a block. Of Q6_K, which has a scale every 16 columns, the four columns of the mma that a
// second row would have hold the same row again, so that each half counts the columns of one scale.
// Bound: weight bytes over memory bandwidth.

#include "cuda/common/bulk.cuh"
#include "cuda/common/settle.cuh"
#include "cuda/decode/few.cuh"
#include "cuda/routing/small.cuh"

#include <algorithm>

namespace kernels::cuda {

namespace decode {

namespace ring {

using few::kGroups;
using few::kHasOffset;
using few::kHasSuper;
using few::kSpan;
using few::kUnits;
using few::Values;
using few::Work;

// Where the bytes of a stage lie: one tile's next `warps` spans.
struct Plan {
    int warps = 0;       // that share a tile's columns
    int chunks = 0;      // stages of a tile
    int stages = 0;      // of the ring
    int stageBytes = 0;
    int highAt = 0, scaleAt = 0, superAt = 0; // in a stage
    int sharedTiles = 0; // of the shared expert, before all others
    int items = 0;       // tiles, or pairs of them, in all
};

inline constexpr int kMostStages = 8;

template <DType Type> inline constexpr bool kIsHalved = Type == DType::Q6_K;
// One column of one span, as a warp's B operand.
template <DType Type> struct alignas(16) Stage {
    static constexpr int stride = kIsHalved<Type> ? 24 : 12; // uint2 of a group
    uint2 bytes[kGroups * stride];                           // [group][piece of 22 bits][t]
    int starts[kHasOffset<Type> ? kGroups : 1][kIsHalved<Type> ? 8 : 4];
    float sums[kHasMinimum<Type> ? kGroups : 1];
    float scale;
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

// Asks for one stage; one thread.
template <DType Type>
__device__ inline void fetch(std::uint32_t stage, const std::uint8_t *tile, const PackedShape &shape, const Plan &plan, int chunk, std::uint32_t full)
{
    constexpr PackedFormat f = packedFormat(Type);
    constexpr int pieces = f.digitBits / 4;
    if (plan.chunks == 1) {
        bulk::arriveExpecting(full, static_cast<unsigned>(shape.tileBytes));
        bulk::copyBytes(stage, tile, static_cast<unsigned>(shape.tileBytes), full);
        return;
    }
    const int first = chunk * plan.warps * kUnits;
    const int units = min(plan.warps * kUnits, shape.units - first);
    const int spans = (units + kUnits - 1) / kUnits;
    const int digits = units * 1024 * pieces;
    const int high = units * 256 * f.highBits;
    const int scales = units * kTileRows * f.scaleBytes;
    const int super = spans * kTileRows * f.superBytes;
    bulk::arriveExpecting(full, static_cast<unsigned>(digits + high + scales + super));
    bulk::copyBytes(stage, tile + first * (1024 * pieces), static_cast<unsigned>(digits), full);
    if constexpr (f.highBits > 0)
        bulk::copyBytes(stage + plan.highAt, tile + shape.highOffset + first * (256 * f.highBits), static_cast<unsigned>(high), full);
    bulk::copyBytes(stage + plan.scaleAt, tile + shape.scaleOffset + first * (kTileRows * f.scaleBytes), static_cast<unsigned>(scales), full);
    if constexpr (f.superBytes > 0)
        bulk::copyBytes(stage + plan.superAt, tile + shape.superOffset + first / kUnits * (kTileRows * f.superBytes), static_cast<unsigned>(super), full);
}

// few.cuh's load() out of a stage, of its span `span`.
template <DType Type>
__device__ inline void take(Work<Type> &work, const std::uint8_t *stage, const Plan &plan, int span, bool hasSecond)
{
    constexpr PackedFormat f = packedFormat(Type);
    constexpr int pieces = f.digitBits / 4;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int second = hasSecond ? 1 : 0;
    const std::uint8_t *digits = stage + span * (kUnits * 1024 * pieces) + lane * 16;
    const std::uint8_t *high = stage + plan.highAt + span * (kUnits * 256 * f.highBits) + lane * (4 * f.highBits);
    const std::uint8_t *scales = stage + plan.scaleAt + (span * (kUnits * kTileRows) + lane / 4) * f.scaleBytes;
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
        const int step = unit * second;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            LaneUnit<Type> &u = work.unit[unit][half];
#pragma unroll
            for (int piece = 0; piece < pieces; ++piece) {
                const uint4 v = *reinterpret_cast<const uint4 *>(digits + step * (1024 * pieces) + (half * pieces + piece) * 512);
                u.digits[piece * 4] = v.x;
                u.digits[piece * 4 + 1] = v.y;
                u.digits[piece * 4 + 2] = v.z;
                u.digits[piece * 4 + 3] = v.w;
            }
            if constexpr (f.highBits == 1) {
                u.high[0] = *reinterpret_cast<const std::uint32_t *>(high + step * 256 + half * 128);
            } else if constexpr (f.highBits == 2) {
                const uint2 v = *reinterpret_cast<const uint2 *>(high + step * 512 + half * 256);
                u.high[0] = v.x;
                u.high[1] = v.y;
            }
            static_assert(f.scaleBytes == 8);
            const uint2 v = *reinterpret_cast<const uint2 *>(scales + step * (kTileRows * 8) + half * (8 * 8));
            u.scales[0] = v.x;
            u.scales[1] = v.y;
        }
    }
    if constexpr (kHasSuper<Type>) {
        const std::uint8_t *super = stage + plan.superAt + (span * kTileRows + lane / 4) * f.superBytes;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            if constexpr (f.superBytes == 4)
                work.unit[0][half].super = *reinterpret_cast<const std::uint32_t *>(super + half * 32);
            else
                work.unit[0][half].super = *reinterpret_cast<const unsigned short *>(super + half * 16);
        }
    }
}

// Writes the column of one span; a warp together. The numbers are those of few::put().
template <DType Type> __device__ inline void put(Stage<Type> &stage, const Values &of)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    const float v[8] = {of.first.x, of.first.y, of.first.z, of.first.w, of.second.x, of.second.y, of.second.z, of.second.w};
    float largest = 0.0F;
#pragma unroll
    for (int i = 0; i < 8; ++i)
        largest = fmaxf(largest, fabsf(v[i]));
    const unsigned top = __reduce_max_sync(kAllLanes, __float_as_uint(largest));
    const unsigned exponent = max(top >> 23, 22U);
    const float factor = __uint_as_float((275U - exponent) << 23);
    std::uint32_t u[8]; // bytes of value + 0x8080
#pragma unroll
    for (int i = 0; i < 8; ++i)
        u[i] = __float_as_uint(__fadd_rn(__fmul_rn(v[i], factor), few::kMagic)) - few::kMagicBits + 0x8080U;
    constexpr bool inOrder = packedFormat(Type).digitBits == 8;
    uint2 bytes[3];
#pragma unroll
    for (int word = 0; word < 2; ++word) {
        const int first = inOrder ? word * 4 : word * 2;
        const std::uint32_t a = u[first];
        const std::uint32_t b = u[inOrder ? first + 1 : first + 4];
        const std::uint32_t c = u[inOrder ? first + 2 : first + 1];
        const std::uint32_t d = u[inOrder ? first + 3 : first + 5];
        const std::uint32_t ab = __byte_perm(a, b, 0x5140);
        const std::uint32_t cd = __byte_perm(c, d, 0x5140);
        const std::uint32_t parts[3] = {__byte_perm(__byte_perm(a, b, 0x0062), __byte_perm(c, d, 0x0062), 0x5410),
            __byte_perm(ab, cd, 0x7632) ^ 0x80808080U, __byte_perm(ab, cd, 0x5410) ^ 0x80808080U};
#pragma unroll
        for (int piece = 0; piece < 3; ++piece)
            (word == 0 ? bytes[piece].x : bytes[piece].y) = parts[piece];
    }
    uint2 *target = stage.bytes + g * Stage<Type>::stride + t;
#pragma unroll
    for (int piece = 0; piece < 3; ++piece) {
        if constexpr (kIsHalved<Type>) { // slots 0 to 3 are bytes 0 and 2 of both words
            target[piece * 4] = make_uint2(bytes[piece].x & 0x00FF00FFU, bytes[piece].y & 0x00FF00FFU);
            target[12 + piece * 4] = make_uint2(bytes[piece].x & 0xFF00FF00U, bytes[piece].y & 0xFF00FF00U);
        } else {
            target[piece * 4] = bytes[piece];
        }
    }
    if constexpr (kHasMinimum<Type>) {
        int sum = 0;
#pragma unroll
        for (int i = 0; i < 8; ++i)
            sum += static_cast<int>(u[i] - 0x8080U);
        sum += __shfl_xor_sync(kAllLanes, sum, 1);
        sum += __shfl_xor_sync(kAllLanes, sum, 2);
        if (t == 0)
            stage.sums[g] = static_cast<float>(sum);
    }
    if constexpr (kHasOffset<Type>) {
        // Two sums in one word: of the bytes that a half masks out and of the others.
        constexpr int offset = digitOffset<Type>();
        constexpr int even = kIsHalved<Type> ? 0x00010001 : 0x01010101;
        int mine = 0;
#pragma unroll
        for (int piece = 0; piece < 3; ++piece) {
            const int x = static_cast<int>(bytes[piece].x);
            const int y = static_cast<int>(bytes[piece].y);
            int sum = __dp4a(y, even, __dp4a(x, even, 0));
            if constexpr (kIsHalved<Type>)
                sum += __dp4a(y, 0x01000100, __dp4a(x, 0x01000100, 0)) << 16;
            sum += __shfl_xor_sync(kAllLanes, sum, 1);
            sum += __shfl_xor_sync(kAllLanes, sum, 2);
            mine = t == piece ? sum : mine;
        }
        if constexpr (kIsHalved<Type>) {
            const int low = static_cast<short>(mine & 0xFFFF);
            const int high = (mine - low) >> 16;
            stage.starts[g][t] = -offset * low;
            stage.starts[g][4 + t] = -offset * high;
        } else {
            stage.starts[g][t] = static_cast<int>(few::kMagicBits) - offset * mine;
        }
    }
    if (lane == 0) // infinite or no number: so is the result
        stage.scale = exponent == 255U ? __uint_as_float(0x7FC00000U) : __uint_as_float((exponent - 21U) << 23);
}

// Waits for the kernel in front. A warp's spans of the row, times the norm's gain if there is one; returned is the sum of the squares
// then. Two more spans are on the way while one is written.
template <DType Type>
__device__ inline float prepare(Stage<Type> *stages, const ProductArgs &args, int spans, int warp, int warps)
{
    const int groups = args.weight.in / kGroupColumns;
    const bool normed = args.gain != nullptr;
    Values gain{};
    Values gainAhead{};
    Values gainLater{};
    if (normed) {
        gain = few::loadValues<Type>(args.gain, warp, groups);
        gainAhead = few::loadValues<Type>(args.gain, warp + warps, groups);
        gainLater = few::loadValues<Type>(args.gain, warp + 2 * warps, groups);
    }
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const float *from = args.values + (warp * kGroups + lane / 4) * kGroupColumns + columnOf(Type, lane % 4, 0);
    const float *then = from + warps * kSpan;
    const float *later = then + warps * kSpan;
    auto *slot = reinterpret_cast<std::uint64_t *>(stages[warp].bytes) + 2 * lane; // of a column that comes later
    settle(slot, from);
    settle(slot + 1, then, later);
    const bool has = warp * kGroups + lane / 4 < groups;
    const bool hasThen = (warp + warps) * kGroups + lane / 4 < groups;
    const bool hasLater = (warp + 2 * warps) * kGroups + lane / 4 < groups;
    const int second = columnOf(Type, lane % 4, 4) - columnOf(Type, lane % 4, 0);
    Values x{};
    Values ahead{};
    Values afterwards{};
    waitForPrevious();
    if (has) {
        x.first = *reinterpret_cast<const float4 *>(from);
        x.second = *reinterpret_cast<const float4 *>(from + second);
    }
    if (hasThen) {
        ahead.first = *reinterpret_cast<const float4 *>(then);
        ahead.second = *reinterpret_cast<const float4 *>(then + second);
    }
    if (hasLater) {
        afterwards.first = *reinterpret_cast<const float4 *>(later);
        afterwards.second = *reinterpret_cast<const float4 *>(later + second);
    }
    __syncwarp(); // the slots are another's now
    float squares = 0.0F;
#pragma unroll 1
    for (int span = warp; span < spans; span += warps) {
        if (normed) {
            const float sum = warpSum(few::squaresOf(x, 0.0F));
            squares = span == warp ? sum : __fadd_rn(squares, sum);
            few::multiplyBy(x, gain);
            gain = gainAhead;
            gainAhead = gainLater;
            gainLater = few::loadValues<Type>(args.gain, span + 3 * warps, groups);
        }
        put<Type>(stages[span], x);
        x = ahead;
        ahead = afterwards;
        afterwards = few::loadValues<Type>(args.values, span + 3 * warps, groups);
    }
    return squares;
}

__device__ inline int signedByte(std::uint32_t word, std::uint32_t selector)
{
    std::uint32_t result;
    asm("prmt.b32 %0, %1, 0, %2;" : "=r"(result) : "r"(word), "r"(selector));
    return static_cast<int>(result);
}

// few::multiplySpan() for one column.
template <DType Type> __device__ inline void multiplySpan(float (&totals)[2], const Work<Type> &work, const Stage<Type> &stage)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int t = lane % 4;
    // The mma's fourth and eighth column are of no use: they get the bytes of another.
    const int place = (lane % 16 < 12 ? lane % 16 : t) + (kIsHalved<Type> && lane >= 16 ? 12 : 0);
    const int startAt = kIsHalved<Type> ? 2 * t : 2 * (t % 2);
    int whole[4] = {};
    float parts[4] = {};
    const std::uint32_t selectors[2] = {t < 2 ? 0x8880U : 0x9991U, t < 2 ? 0xAAA2U : 0xBBB3U};
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
        const LaneUnit<Type> &upper = work.unit[g / 4][0];
        const LaneUnit<Type> &lower = work.unit[g / 4][1];
        std::uint32_t a0;
        std::uint32_t a1;
        std::uint32_t a2;
        std::uint32_t a3;
        few::digitBytes<Type>(upper, g % 4, a0, a2);
        few::digitBytes<Type>(lower, g % 4, a1, a3);
        const uint2 b = stage.bytes[g * Stage<Type>::stride + place];
        if constexpr (kHasSuper<Type>) {
            int c[4] = {};
            int up;
            int down;
            if constexpr (kIsHalved<Type>) {
                const int2 start = *reinterpret_cast<const int2 *>(&stage.starts[g][startAt]);
                c[0] = c[2] = start.x;
                c[1] = c[3] = start.y;
                up = signedByte(upper.scales[g % 4 / 2], selectors[g % 2]);
                down = signedByte(lower.scales[g % 4 / 2], selectors[g % 2]);
            } else {
                up = static_cast<int>(upper.scales[g % 4 / 2] >> (g % 2 * 16) & 255U);
                down = static_cast<int>(lower.scales[g % 4 / 2] >> (g % 2 * 16) & 255U);
            }
            few::multiply32<Type>(c, a0, a1, a2, a3, b);
            whole[0] += up * c[0];
            whole[1] += up * c[1];
            whole[2] += down * c[2];
            whole[3] += down * c[3];
        } else {
            int2 start = make_int2(static_cast<int>(few::kMagicBits), static_cast<int>(few::kMagicBits));
            if constexpr (kHasOffset<Type>)
                start = *reinterpret_cast<const int2 *>(&stage.starts[g][startAt]);
            int c[4] = {start.x, start.y, start.x, start.y};
            few::multiply32<Type>(c, a0, a1, a2, a3, b);
            const float up = groupScale<Type>(upper, g % 4).x;
            const float down = groupScale<Type>(lower, g % 4).x;
            parts[0] = __fmaf_rn(up, few::asFloat(c[0]), parts[0]);
            parts[1] = __fmaf_rn(up, few::asFloat(c[1]), parts[1]);
            parts[2] = __fmaf_rn(down, few::asFloat(c[2]), parts[2]);
            parts[3] = __fmaf_rn(down, few::asFloat(c[3]), parts[3]);
        }
    }
    if constexpr (kIsHalved<Type>) {
#pragma unroll
        for (int i = 0; i < 4; ++i)
            whole[i] += __shfl_xor_sync(kAllLanes, whole[i], 2);
    }
    const bool odd = t % 2 != 0;
    const float weightA = odd ? 1.0F : 65536.0F;
    float4 x = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    if constexpr (kHasMinimum<Type>)
        x = *reinterpret_cast<const float4 *>(stage.sums + t % 2 * 4);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const LaneUnit<Type> &first = work.unit[0][half];
        float &total = totals[half];
        float d = stage.scale;
        float a = parts[2 * half];
        float b = parts[2 * half + 1];
        if constexpr (kHasSuper<Type>) {
            d = __fmul_rn(stage.scale, halfBits(first.super & 0xFFFFU));
            a = static_cast<float>(whole[2 * half]);
            b = static_cast<float>(whole[2 * half + 1]);
        }
        b = odd ? 0.0F : __fmul_rn(b, 256.0F);
        total = __fmaf_rn(d, __fmaf_rn(a, weightA, b), total);
        if constexpr (kHasMinimum<Type>) {
            const LaneUnit<Type> &second = work.unit[1][half];
            const std::uint32_t low = odd ? second.scales[0] : first.scales[0];
            const std::uint32_t high = odd ? second.scales[1] : first.scales[1];
            float minima = __fmul_rn(static_cast<float>(low >> 8 & 255U), x.x);
            minima = __fmaf_rn(static_cast<float>(low >> 24), x.y, minima);
            minima = __fmaf_rn(static_cast<float>(high >> 8 & 255U), x.z, minima);
            minima = __fmaf_rn(static_cast<float>(high >> 24), x.w, minima);
            total = __fmaf_rn(-__fmul_rn(stage.scale, halfBits(first.super >> 16)), minima, total);
        }
    }
}

__device__ inline void meet(int warps) { asm volatile("bar.sync 1, %0;" : : "r"(warps * 32) : "memory"); }
// What the warps that multiply have written, the one that asks for bytes waits for; they do not wait for it.
__device__ inline void meetAsker(int warps, bool isAsker)
{
    if (isAsker)
        asm volatile("bar.sync 2, %0;" : : "r"((warps + 1) * 32) : "memory");
    else
        asm volatile("bar.arrive 2, %0;" : : "r"((warps + 1) * 32) : "memory");
}

#endif

// A block's next tile, or pair of tiles: of the shared expert, then slot after slot, or of the one matrix.
struct Place {
    int item, tile, slot = 0;
    bool shared;
    __device__ Place(const Plan &plan, int tiles) : item(static_cast<int>(blockIdx.x)), tile(item), shared(true) { settle(plan, tiles); }
    __device__ void advance(const Plan &plan, int tiles) // `tiles`: of one slot's matrix
    {
        item += static_cast<int>(gridDim.x);
        tile += static_cast<int>(gridDim.x);
        settle(plan, tiles);
    }

private:
    __device__ void settle(const Plan &plan, int tiles)
    {
        if (shared && item >= plan.sharedTiles) {
            shared = false;
            tile -= plan.sharedTiles;
        }
        for (; !shared && tile >= tiles; tile -= tiles)
            ++slot;
    }
};

// One row, one matrix a call or a gate and an up matrix, or experts that are chosen here (Routed) with a shared one. Grid: as
// many blocks as stay on the card; block: the warps that multiply, then the one that asks for bytes.
template <DType Type, bool Gated, bool Routed, int MostWarps, int Blocks>
__global__ void __launch_bounds__((MostWarps + 1) * 32, Blocks) ringKernel(const ProductArgs args, const Plan plan)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    static_assert(Gated || !Routed);
    constexpr int matrices = Gated ? 2 : 1;
    extern __shared__ __align__(128) unsigned char memory[];
    __shared__ std::uint64_t full[kMostStages];
    __shared__ std::uint64_t empty[kMostStages];
    __shared__ float squares[MostWarps];
    __shared__ float partial[2][MostWarps][matrices * kTileRows];
    __shared__ int chosen[32];      // experts
    __shared__ std::uint64_t listed; // they are known

    letNextStart();
    const int warps = plan.warps;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const PackedShape &shape = args.weight.shape;
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    const std::uint32_t ringAt = sharedAddress(memory);
    const std::uint32_t fullAt = sharedAddress(full);
    const std::uint32_t emptyAt = sharedAddress(empty);
    const std::uint32_t listedAt = sharedAddress(&listed);

    if (warp == warps && lane == 0) {
        for (int i = 0; i < plan.stages; ++i) {
            bulk::initBarrier(fullAt + i * 8, 1);
            bulk::initBarrier(emptyAt + i * 8, warps * bulk::kLanes);
        }
        if (Routed)
            bulk::initBarrier(listedAt, bulk::kLanes);
        bulk::publishBarriers();
    }
    __syncthreads();
    if (warp == warps) {
        // The norm's gain, before this block's bytes: what is asked for after those comes microseconds later.
        const int gains = static_cast<int>(blockIdx.x) * 128;
        if (!Routed && args.gain != nullptr && lane == 0 && gains < args.weight.in)
            bulk::askAhead(args.gain + gains, static_cast<std::uint32_t>(min(128, args.weight.in - gains)) * sizeof(float));
        bool known = !Routed; // which experts
        SmallRow logits{};
        int expert = -1;
        int stage = 0;
        unsigned round = 0;
        for (Place place(plan, tiles); place.item < plan.items; place.advance(plan, tiles)) {
            std::int64_t matrix = 0;
            if (Routed && !place.shared && !known) {
                known = true;
                waitForPrevious();
                logits = loadLogits(args.route, 0);
                expert = chooseSmall(logits, args.route);
                if (lane < args.perToken)
                    chosen[lane] = args.route.automatic ? weigh(expert, logits, args.route).expert : expert;
                __syncwarp();
                bulk::arrive(listedAt);
            }
            if (Routed && !place.shared)
                matrix = chosen[place.slot];
#pragma unroll 1
            for (int step = 0; step < plan.chunks * matrices; ++step) {
                if (round > 0)
                    bulk::waitFor(emptyAt + stage * 8, (round - 1) & 1);
                const bool shared = Routed && place.shared;
                const MatrixView &weight = Gated && step % 2 != 0 ? (shared ? args.sharedUp : args.up) : (shared ? args.sharedWeight : args.weight);
                const std::uint8_t *from = weight.data + matrix * weight.matrixBytes + (place.tile + weight.firstTile) * shape.tileBytes;
                if (lane == 0) {
                    if (Routed && matrix < 0)
                        bulk::arrive(fullAt + stage * 8); // nothing to multiply
                    else
                        fetch<Type>(ringAt + stage * plan.stageBytes, from, shape, plan, step / matrices, fullAt + stage * 8);
                }
                if (++stage == plan.stages) {
                    stage = 0;
                    ++round;
                }
            }
        }
        if constexpr (Routed) {
            if ((plan.items - 1) % static_cast<int>(gridDim.x) == static_cast<int>(blockIdx.x)) // its last item was an expert's
                writeChoice(args.route, 0, weigh(expert, logits, args.route));
            return;
        }
        if (args.normed == nullptr)
            return;
        // The blocks share what the norm leaves behind for others; the other warps have the sums of the squares by now.
        waitForPrevious();
        meetAsker(warps, true);
        float square = 0.0F;
#pragma unroll 1
        for (int w = 0; w < warps; ++w)
            square = __fadd_rn(square, squares[w]);
        const float scale = few::normScale(square, args.weight.in, args.epsilon);
#pragma unroll 1
        for (int i = static_cast<int>(blockIdx.x) * 32 + lane; i < args.weight.in; i += static_cast<int>(gridDim.x) * 32)
            args.normed[i] = args.values[i] * scale * args.gain[i];
        return;
    }

    auto *stages = reinterpret_cast<Stage<Type> *>(memory + plan.stages * plan.stageBytes);
    const int spans = (shape.units + kUnits - 1) / kUnits;

    int stage = 0;
    unsigned parity = 0;
    int turn = 0;
    int finisher = 0; // the warp that ends this turn: no division on the way to the first result
    bool areListed = false;
    squares[warp] = prepare<Type>(stages, args, spans, warp, warps);
    __syncwarp();
    if (!Routed && args.normed != nullptr)
        meetAsker(warps, false);
#pragma unroll 1
    for (Place place(plan, tiles); place.item < plan.items; place.advance(plan, tiles)) {
        const bool shared = Routed && place.shared;
        const int out = shared ? args.sharedWeight.out : args.weight.out;
        const int index = place.tile * kTileRows + lane % kTileRows;
        const bool finishes = finisher == warp;
        few::Beside beside;
        if (!Gated && finishes && lane < kTileRows && index < out)
            beside = few::besideOf<1>(args, place.slot, 0, index, out);
        float totals[2] = {};
        float others[2] = {}; // of the other matrix
        bool known = true;
        if (Routed && !shared && !areListed) {
            bulk::waitFor(listedAt, 0);
            areListed = true;
        }
#pragma unroll 1
        for (int step = 0; step < plan.chunks * matrices; ++step) {
            const int span = step / matrices * warps + warp;
            Work<Type> work;
            bulk::waitFor(fullAt + stage * 8, parity);
            known = !Routed || shared || chosen[place.slot] >= 0;
            const bool works = span < spans && known;
            if (works)
                take<Type>(work, memory + stage * plan.stageBytes, plan, warp, span * kUnits + 1 < shape.units);
            bulk::arrive(emptyAt + stage * 8);
            if (++stage == plan.stages) {
                stage = 0;
                parity ^= 1U;
            }
            if (works)
                multiplySpan<Type>(totals, work, stages[span]);
            if constexpr (Gated) {
#pragma unroll
                for (int half = 0; half < 2; ++half) {
                    const float total = totals[half];
                    totals[half] = others[half];
                    others[half] = total;
                }
            }
        }
        float(&sums)[MostWarps][matrices * kTileRows] = partial[turn % 2];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float total = __fadd_rn(totals[half], __shfl_xor_sync(kAllLanes, totals[half], 1));
            const float other = __fadd_rn(others[half], __shfl_xor_sync(kAllLanes, others[half], 1));
            if (lane % 4 == 0) {
                sums[warp][half * 8 + lane / 4] = total;
                if constexpr (Gated)
                    sums[warp][kTileRows + half * 8 + lane / 4] = other;
            }
        }
        meet(warps);
        ++turn;
        finisher = finisher + 1 == warps ? 0 : finisher + 1;
        if (finishes) {
            float value = 0.0F;
            float square = 0.0F;
            if (Gated || lane < kTileRows) {
#pragma unroll 4
                for (int w = 0; w < warps; ++w)
                    value = __fadd_rn(value, sums[w][lane]);
            }
            if (!Routed && args.gain != nullptr) {
#pragma unroll 4
                for (int w = 0; w < warps; ++w)
                    square = __fadd_rn(square, squares[w]);
                value = __fmul_rn(value, few::normScale(square, args.weight.in, args.epsilon));
            }
            if constexpr (Gated) {
                const float other = __shfl_down_sync(kAllLanes, value, 16);
                value = value / (1.0F + expf(-value)) * other;
            }
            if (lane < kTileRows && index < out && known) {
                if (!Gated && args.bias != nullptr)
                    value += args.bias[index];
                if (!Gated)
                    value = __fadd_rn(value, beside.slots);
                float *target = shared ? args.sharedOutput : args.output + place.slot * args.outputStride;
                target[index] = !Gated && args.accumulate ? __fadd_rn(beside.old, value) : value;
            }
            __syncwarp();
        }
    }
#endif
}

// Stages of `warps` spans, or of less where as many stages do with less.
template <DType Type> Plan planOf(const PackedShape &shape, int warps, bool exactly = false)
{
    constexpr PackedFormat f = packedFormat(Type);
    const int spans = (shape.units + kUnits - 1) / kUnits;
    Plan plan;
    plan.chunks = (spans + warps - 1) / warps;
    plan.warps = exactly ? warps : (spans + plan.chunks - 1) / plan.chunks;
    if (plan.chunks == 1) {
        plan.stageBytes = static_cast<int>(shape.tileBytes);
        plan.highAt = shape.highOffset;
        plan.scaleAt = shape.scaleOffset;
        plan.superAt = shape.superOffset;
    } else {
        const int units = plan.warps * kUnits;
        plan.highAt = units * (1024 * (f.digitBits / 4));
        plan.scaleAt = plan.highAt + units * 256 * f.highBits;
        plan.superAt = plan.scaleAt + units * kTileRows * f.scaleBytes;
        plan.stageBytes = (plan.superAt + plan.warps * kTileRows * f.superBytes + 127) / 128 * 128;
    }
    return plan;
}

// cudaErrorNotSupported, and nothing is queued: not this card, or too many columns for its shared memory.
template <DType Type, bool Gated, bool Routed, int MostWarps, int Together>
cudaError_t launch(const ProductArgs &args, int warps, int blocks, int stages, cudaStream_t stream)
{
    const PackedShape &shape = args.weight.shape;
    const int spans = (shape.units + kUnits - 1) / kUnits;
    Plan plan = planOf<Type>(shape, warps);
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    plan.sharedTiles = args.sharedWeight.data != nullptr ? (args.sharedWeight.out + kTileRows - 1) / kTileRows : 0;
    plan.items = plan.sharedTiles + tiles * (args.ids != nullptr ? args.perToken : 1);
    plan.stages = stages;
    std::size_t bytes = static_cast<std::size_t>(plan.stages * plan.stageBytes) + sizeof(Stage<Type>) * static_cast<std::size_t>(spans);
    // The multiprocessors get the same number of blocks: one that has more ends last, one that has less gets too many of the next
    // kernel's. So where one block a multiprocessor leaves room for another kernel's, there is one for each, be it without a tile.
    const int grid = blocks == 1 ? card().multiprocessors : std::min(blocks * card().multiprocessors, plan.items);
    if (Gated)
        bytes = std::max(bytes, roomForNoMoreThan(blocks));
    const std::size_t most = static_cast<std::size_t>(card().sharedBytes) - 8192; // what the kernel itself declares is less
    if (bytes > most)
        return cudaErrorNotSupported;
    const auto kernel = ringKernel<Type, Gated, Routed, MostWarps, Together>;
    const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most));
    if (allowed != cudaSuccess)
        return allowed;
    return launchChained(kernel, dim3(static_cast<unsigned>(grid)), static_cast<unsigned>(plan.warps + 1) * 32U, bytes, stream, args, plan);
}

} // namespace ring

inline constexpr std::int64_t kSmallBytes = 8500 * 1000; // Qwen-1.5B's down product is below, Llama-8B's output product above
template <DType Type> cudaError_t launchRing(const ProductArgs &args, cudaStream_t stream)
{
    if (!card().chained || args.rows != 1 || args.heads != 1 || args.inputPerSlot || args.perToken > 32 || (args.ids != nullptr && args.up.data == nullptr))
        return cudaErrorNotSupported;
    const bool gated = args.up.data != nullptr;
    if (args.ids != nullptr && !args.routes) // the experts of a step whose routing is another kernel's
        return cudaErrorNotSupported;
    if (!gated && !args.accumulate && args.activation != Activation::None) // rare, and code that all others would fetch
        return cudaErrorNotSupported;
    const bool last = !gated && args.weight.out > 1024 * kTileRows; // of a step: nothing finds room beside it
    const ring::Plan plan = ring::planOf<Type>(args.weight.shape, sharingOf(args));
    const int columns = static_cast<int>(sizeof(ring::Stage<Type>)) * ((args.weight.shape.units + ring::kUnits - 1) / ring::kUnits);
    // A small product leaves room on the multiprocessors, so that the next kernel's blocks begin while it runs; what takes longer
    // than beginning does needs all of them.
    const bool isSmall = !gated && !last && args.weight.shape.tileBytes * args.weight.shape.tiles <= kSmallBytes;
    const int blocks = args.routes ? 3 : isSmall ? 1 : 2;
    const int room = last || (gated && !args.routes) ? 200 * 1024 : gated ? 150 * 1024 : 104 * 1024;
    const int stages = std::clamp((room / blocks - columns) / plan.stageBytes, 2, last ? 3 : 4);
    if (args.routes)
        return ring::launch<Type, true, true, 16, 1>(args, sharingOf(args), blocks, stages, stream);
    if (gated)
        return ring::launch<Type, true, false, 8, 2>(args, sharingOf(args), blocks, stages, stream);
    return ring::launch<Type, false, false, 16, 1>(args, sharingOf(args), blocks, stages, stream);
}

} // namespace decode

} // namespace kernels::cuda
