// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Matrix times up to eight columns, for the shortest time of one column. A block makes 16 outputs, or a few times as many
// (gated: of the gate and the up matrix); its warps share the columns in spans of 256. A warp asks for the bytes of its
// next 16 rows before it multiplies those it has, the first before anything else. Products are of integers: digits become
// bytes by one mask each, a column of activations is 22 bits and a sign in a power of two of the span, cut into three
// signed bytes, and mma.m16n8k32 adds the products up exactly. So neither lanes nor the number of columns can change a bit;
// floats begin at the sums of a group or span, in one order per column.
// B operand: four of the mma's eight columns belong to one activation column (bytes of weight 65536, 256, 1, one unused).
// Measured: issue slots are what counts (tests/bench/RESULTS.md), so what is done once a warp is spread over many rows. One row on
// sm_90 and later: ring.cuh, to the same bits.
// Bound: weight bytes over memory bandwidth, for small matrices the latency of two loads.

#include "cuda/decode/product.cuh"

namespace kernels::cuda {

namespace decode {

namespace few {

inline constexpr int kUnits = 2, kGroups = 8, kSpan = 256;
inline constexpr int kGroupStride = 36; // uint2 of a group's B operand, padded against bank conflicts
inline constexpr std::uint32_t kMagicBits = 0x4B400000U; // 1.5 * 2^23: adding it rounds to an integer
inline constexpr float kMagic = 12582912.0F;

template <DType Type> inline constexpr bool kHasSuper = packedFormat(Type).superBytes > 0;
template <DType Type> inline constexpr bool kHasOffset = Type == DType::Q4_0 || Type == DType::Q5_0 || Type == DType::Q6_K;
// Sums of the offset formats start at minus offset times the sum of the bytes: of 32 columns, Q6_K of 16.
template <DType Type> inline constexpr int kStarts = Type == DType::Q6_K ? 16 : 8;

// Two columns of one span, as a warp's B operand.
template <DType Type> struct alignas(16) Stage {
    uint2 bytes[kGroups * kGroupStride];                   // [group][column of the mma][t]
    int starts[kHasOffset<Type> ? kStarts<Type> : 1][8];   // what the sums of the mma's columns start at
    float sums[kHasMinimum<Type> ? 2 : 1][kGroups];        // of a column's groups, in units of its scale
    float scales[2];
};

template <DType Type> struct Work {
    LaneUnit<Type> unit[kUnits][2]; // [unit][row half]
};

// 16 rows of one span, as loadUnit() has them; a second unit beyond the end is the first again, its columns are zero.
template <DType Type> __device__ inline void load(Work<Type> &work, const std::uint8_t *tile, const PackedShape &shape, int span)
{
    constexpr PackedFormat f = packedFormat(Type);
    constexpr int pieces = f.digitBits / 4;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int second = span * kUnits + 1 < shape.units ? 1 : 0;
    const std::uint8_t *digits = tile + span * (kUnits * 1024 * pieces) + lane * 16;
    const std::uint8_t *high = tile + shape.highOffset + span * (kUnits * 256 * f.highBits) + lane * (4 * f.highBits);
    const std::uint8_t *scales = tile + shape.scaleOffset + (span * (kUnits * kTileRows) + lane / 4) * f.scaleBytes;
#pragma unroll
    for (int unit = 0; unit < kUnits; ++unit) {
        const int step = unit * second;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            LaneUnit<Type> &u = work.unit[unit][half];
#pragma unroll
            for (int piece = 0; piece < pieces; ++piece) {
                const uint4 v = loadOnce(digits + step * (1024 * pieces) + (half * pieces + piece) * 512);
                u.digits[piece * 4] = v.x;
                u.digits[piece * 4 + 1] = v.y;
                u.digits[piece * 4 + 2] = v.z;
                u.digits[piece * 4 + 3] = v.w;
            }
            if constexpr (f.highBits == 1) {
                u.high[0] = __ldg(reinterpret_cast<const std::uint32_t *>(high + step * 256 + half * 128));
            } else if constexpr (f.highBits == 2) {
                const uint2 v = __ldg(reinterpret_cast<const uint2 *>(high + step * 512 + half * 256));
                u.high[0] = v.x;
                u.high[1] = v.y;
            }
            static_assert(f.scaleBytes == 8);
            const uint2 v = __ldg(reinterpret_cast<const uint2 *>(scales + step * (kTileRows * 8) + half * (8 * 8)));
            u.scales[0] = v.x;
            u.scales[1] = v.y;
        }
    }
    if constexpr (kHasSuper<Type>) {
        const std::uint8_t *super = tile + shape.superOffset + (span * kTileRows + lane / 4) * f.superBytes;
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            if constexpr (f.superBytes == 4)
                work.unit[0][half].super = __ldg(reinterpret_cast<const std::uint32_t *>(super + half * 32));
            else
                work.unit[0][half].super = __ldg(reinterpret_cast<const unsigned short *>(super + half * 16));
        }
    }
}

__device__ inline std::uint32_t moved(std::uint32_t word, int from, int to)
{
    return from <= to ? word << (to - from) : word >> (from - to);
}

// The lane's eight digits of group `g` as bytes: slots (0,4,1,5) and (2,6,3,7); of Q8_0 (0,1,2,3) and (4,5,6,7).
template <DType Type>
__device__ inline void digitBytes(const LaneUnit<Type> &u, int g, std::uint32_t &first, std::uint32_t &second)
{
    constexpr PackedFormat f = packedFormat(Type);
    if constexpr (f.digitBits == 8) {
        first = u.digits[g * 2] ^ 0x80808080U;
        second = u.digits[g * 2 + 1] ^ 0x80808080U;
        return;
    }
    const std::uint32_t w = u.digits[g];
    first = w & 0x0F0F0F0FU;
    second = w >> 4 & 0x0F0F0F0FU;
    if constexpr (f.highBits == 1) {
        const std::uint32_t h = u.high[0];
        first |= moved(h, 2 * g, 4) & 0x10101010U;
        second |= moved(h, 2 * g + 1, 4) & 0x10101010U;
    } else if constexpr (f.highBits == 2) {
        const std::uint32_t h = u.high[g / 2];
        first |= moved(h, g % 2 * 4, 4) & 0x30303030U;
        second |= moved(h, g % 2 * 4 + 2, 4) & 0x30303030U;
    }
}

template <DType Type>
__device__ inline void multiply32(int (&c)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3, const uint2 &b)
{
    if constexpr (packedFormat(Type).digitBits == 8)
        asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b.x), "r"(b.y));
    else
        asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
            : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b.x), "r"(b.y));
}
__device__ inline void multiply16(int (&c)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t b)
{
    asm("mma.sync.aligned.m16n8k16.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(b));
}

// A lane's eight columns of one span of one activation column.
struct Values {
    float4 first, second;
};
template <DType Type> __device__ inline Values loadValues(const float *x, int span, int groups)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int group = span * kGroups + lane / 4;
    Values v{make_float4(0.0F, 0.0F, 0.0F, 0.0F), make_float4(0.0F, 0.0F, 0.0F, 0.0F)};
    if (group < groups) {
        const float *at = x + group * kGroupColumns;
        v.first = *reinterpret_cast<const float4 *>(at + columnOf(Type, lane % 4, 0));
        v.second = *reinterpret_cast<const float4 *>(at + columnOf(Type, lane % 4, 4));
    }
    return v;
}

// Writes the first or second column; a warp together.
template <DType Type> __device__ inline void put(Stage<Type> &stage, int which, const Values &of)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int g = lane / 4;
    const int t = lane % 4;
    const float v[8] = {of.first.x, of.first.y, of.first.z, of.first.w, of.second.x, of.second.y, of.second.z, of.second.w};
    float largest = 0.0F;
#pragma unroll
    for (int i = 0; i < 8; ++i)
        largest = fmaxf(largest, fabsf(v[i]));
    const unsigned top = __reduce_max_sync(kAllLanes, __float_as_uint(largest)); // not negative: ordered like integers
    const unsigned exponent = max(top >> 23, 22U);
    const float factor = __uint_as_float((275U - exponent) << 23); // largest * factor in [2^21, 2^22)
    std::uint32_t u[8]; // bytes of value + 0x8080
#pragma unroll
    for (int i = 0; i < 8; ++i)
        u[i] = __float_as_uint(__fadd_rn(__fmul_rn(v[i], factor), kMagic)) - kMagicBits + 0x8080U;
    constexpr bool inOrder = Type == DType::Q6_K || packedFormat(Type).digitBits == 8;
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
        const std::uint32_t low = __byte_perm(ab, cd, 0x5410) ^ 0x80808080U;
        const std::uint32_t middle = __byte_perm(ab, cd, 0x7632) ^ 0x80808080U;
        const std::uint32_t high = __byte_perm(__byte_perm(a, b, 0x0062), __byte_perm(c, d, 0x0062), 0x5410);
        if (word == 0) {
            bytes[0].x = high;
            bytes[1].x = middle;
            bytes[2].x = low;
        } else {
            bytes[0].y = high;
            bytes[1].y = middle;
            bytes[2].y = low;
        }
    }
    uint2 *target = stage.bytes + g * kGroupStride + which * 16 + t;
    target[0] = bytes[0];
    target[4] = bytes[1];
    target[8] = bytes[2];
    if constexpr (kHasMinimum<Type>) {
        int sum = 0;
#pragma unroll
        for (int i = 0; i < 8; ++i)
            sum += static_cast<int>(u[i] - 0x8080U);
        sum += __shfl_xor_sync(kAllLanes, sum, 1);
        sum += __shfl_xor_sync(kAllLanes, sum, 2);
        if (t == 0)
            stage.sums[which][g] = static_cast<float>(sum);
    }
    if constexpr (kHasOffset<Type>) {
        // Two sums in one word: of the first four slots and of the second four.
        int mine = 0;
#pragma unroll
        for (int piece = 0; piece < 3; ++piece) {
            int sum = __dp4a(static_cast<int>(bytes[piece].x), 0x01010101, 0) + (__dp4a(static_cast<int>(bytes[piece].y), 0x01010101, 0) << 16);
            sum += __shfl_xor_sync(kAllLanes, sum, 1);
            sum += __shfl_xor_sync(kAllLanes, sum, 2);
            mine = t == piece ? sum : mine;
        }
        const int low = static_cast<short>(mine & 0xFFFF);
        const int high = (mine - low) >> 16;
        constexpr int offset = digitOffset<Type>();
        if constexpr (Type == DType::Q6_K) {
            stage.starts[g * 2][which * 4 + t] = -offset * low;
            stage.starts[g * 2 + 1][which * 4 + t] = -offset * high;
        } else {
            stage.starts[g][which * 4 + t] = static_cast<int>(kMagicBits) - offset * (low + high);
        }
    }
    if (lane == 0) // infinite or no number: so is the result
        stage.scales[which] = exponent == 255U ? __uint_as_float(0x7FC00000U) : __uint_as_float((exponent - 21U) << 23);
}

__device__ inline float asFloat(int sum) { return __fsub_rn(__int_as_float(sum), kMagic); } // of a sum begun at kMagicBits

// Adds one span of 16 rows to `totals` [pair of columns][row half]: the lane's bytes of its column (lane % 4 / 2 of the pair)
// and half of the minima.
template <DType Type, int Pairs>
__device__ inline void multiplySpan(float (*totals)[2], const Work<Type> &work, const Stage<Type> *stages)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int t = lane % 4;
    int whole[Pairs][4] = {};   // formats with integer scales
    float parts[Pairs][4] = {}; // others
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
        const LaneUnit<Type> &upper = work.unit[g / 4][0];
        const LaneUnit<Type> &lower = work.unit[g / 4][1];
        std::uint32_t a0;
        std::uint32_t a1;
        std::uint32_t a2;
        std::uint32_t a3;
        digitBytes<Type>(upper, g % 4, a0, a2);
        digitBytes<Type>(lower, g % 4, a1, a3);
        if constexpr (Type == DType::Q6_K) { // a scale's columns together
            const std::uint32_t up = a0;
            const std::uint32_t down = a1;
            a0 = __byte_perm(up, a2, 0x6420);
            a2 = __byte_perm(up, a2, 0x7531);
            a1 = __byte_perm(down, a3, 0x6420);
            a3 = __byte_perm(down, a3, 0x7531);
        }
#pragma unroll
        for (int pair = 0; pair < Pairs; ++pair) {
            const Stage<Type> &stage = stages[pair];
            const uint2 b = stage.bytes[g * kGroupStride + lane];
            int(&sums)[4] = whole[pair];
            if constexpr (Type == DType::Q6_K) {
                const auto scaleOf = [g](const LaneUnit<Type> &u, int i) {
                    return static_cast<int>(u.scales[g % 4 / 2] << (24 - (g % 2 * 16 + i * 8))) >> 24;
                };
#pragma unroll
                for (int i = 0; i < 2; ++i) {
                    const int2 start = *reinterpret_cast<const int2 *>(&stage.starts[g * 2 + i][2 * t]);
                    int c[4] = {start.x, start.y, start.x, start.y};
                    multiply16(c, i == 0 ? a0 : a2, i == 0 ? a1 : a3, i == 0 ? b.x : b.y);
                    const int up = scaleOf(upper, i);
                    const int down = scaleOf(lower, i);
                    sums[0] += up * c[0];
                    sums[1] += up * c[1];
                    sums[2] += down * c[2];
                    sums[3] += down * c[3];
                }
            } else if constexpr (kHasSuper<Type>) {
                int c[4] = {};
                multiply32<Type>(c, a0, a1, a2, a3, b);
                const int up = static_cast<int>(upper.scales[g % 4 / 2] >> (g % 2 * 16) & 255U);
                const int down = static_cast<int>(lower.scales[g % 4 / 2] >> (g % 2 * 16) & 255U);
                sums[0] += up * c[0];
                sums[1] += up * c[1];
                sums[2] += down * c[2];
                sums[3] += down * c[3];
            } else {
                int2 start = make_int2(static_cast<int>(kMagicBits), static_cast<int>(kMagicBits));
                if constexpr (kHasOffset<Type>)
                    start = *reinterpret_cast<const int2 *>(&stage.starts[g][2 * t]);
                int c[4] = {start.x, start.y, start.x, start.y};
                multiply32<Type>(c, a0, a1, a2, a3, b);
                const float up = groupScale<Type>(upper, g % 4).x;
                const float down = groupScale<Type>(lower, g % 4).x;
                parts[pair][0] = __fmaf_rn(up, asFloat(c[0]), parts[pair][0]);
                parts[pair][1] = __fmaf_rn(up, asFloat(c[1]), parts[pair][1]);
                parts[pair][2] = __fmaf_rn(down, asFloat(c[2]), parts[pair][2]);
                parts[pair][3] = __fmaf_rn(down, asFloat(c[3]), parts[pair][3]);
            }
        }
    }
    const bool odd = t % 2 != 0;
    const float weightA = odd ? 1.0F : 65536.0F;
#pragma unroll
    for (int pair = 0; pair < Pairs; ++pair) {
        const float scale = stages[pair].scales[t / 2];
        float4 x = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
        if constexpr (kHasMinimum<Type>)
            x = *reinterpret_cast<const float4 *>(stages[pair].sums[t / 2] + t % 2 * 4);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const LaneUnit<Type> &first = work.unit[0][half];
            float &total = totals[pair][half];
            float d = scale;
            float a = parts[pair][2 * half];
            float b = parts[pair][2 * half + 1];
            if constexpr (kHasSuper<Type>) {
                d = __fmul_rn(scale, halfBits(first.super & 0xFFFFU));
                a = static_cast<float>(whole[pair][2 * half]);
                b = static_cast<float>(whole[pair][2 * half + 1]);
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
                total = __fmaf_rn(-__fmul_rn(scale, halfBits(first.super >> 16)), minima, total);
            }
        }
    }
}

__device__ inline void multiplyBy(Values &v, const Values &gain)
{
    v.first = make_float4(__fmul_rn(v.first.x, gain.first.x), __fmul_rn(v.first.y, gain.first.y),
        __fmul_rn(v.first.z, gain.first.z), __fmul_rn(v.first.w, gain.first.w));
    v.second = make_float4(__fmul_rn(v.second.x, gain.second.x), __fmul_rn(v.second.y, gain.second.y),
        __fmul_rn(v.second.z, gain.second.z), __fmul_rn(v.second.w, gain.second.w));
}
__device__ inline float squaresOf(const Values &v, float sum)
{
    sum = __fmaf_rn(v.first.x, v.first.x, sum);
    sum = __fmaf_rn(v.first.y, v.first.y, sum);
    sum = __fmaf_rn(v.first.z, v.first.z, sum);
    sum = __fmaf_rn(v.first.w, v.first.w, sum);
    sum = __fmaf_rn(v.second.x, v.second.x, sum);
    sum = __fmaf_rn(v.second.y, v.second.y, sum);
    sum = __fmaf_rn(v.second.z, v.second.z, sum);
    return __fmaf_rn(v.second.w, v.second.w, sum);
}

__device__ inline float normScale(float squares, int columns, float epsilon)
{
    return rsqrtf(__fadd_rn(__fdiv_rn(squares, static_cast<float>(columns)), epsilon));
}

// Which rows a slot's block works on: of an expert those that chose it, if this slot is its first. A warp's share of it is
// the same in every warp, so no barrier is needed.
struct Found {
    int matrix = 0, count = 0;
    int mine = -1; // lane i: the slot of the i-th column
};
__device__ inline bool findSlots(const ProductArgs &args, int slot, Found &found)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int slots = args.rows * args.perToken;
    found.matrix = args.ids[slot];
    if (found.matrix < 0)
        return false;
    if (args.rows == 1) {
        found.count = 1;
        found.mine = slot;
        return true;
    }
    for (int base = 0; base < slots; base += 32) {
        const int candidate = base + lane;
        const unsigned same = __ballot_sync(kAllLanes, candidate < slots && args.ids[candidate] == found.matrix);
        if (base <= slot && (same & (slot >= base + 32 ? kAllLanes : (1U << (slot - base)) - 1U)) != 0)
            return false;
        for (unsigned left = same; left != 0 && found.count < kColumns; left &= left - 1U) { // a row names an expert once
            if (lane == found.count)
                found.mine = base + __ffs(static_cast<int>(left)) - 1;
            ++found.count;
        }
    }
    return true;
}

// What a result is added to: asked for before the product, since it comes from the same memory.
struct Beside {
    float slots = 0.0F, old = 0.0F;
};
// `Together` slots are read at a time.
template <int Together = 4> __device__ inline Beside besideOf(const ProductArgs &args, int row, int head, int index, int out)
{
    Beside result;
#pragma unroll Together
    for (int k = 0; args.slots != nullptr && k < args.slotsPerToken; ++k) {
        const int from = row * args.slotsPerToken + k;
        const float weight = args.slotIds[from] >= 0 ? args.slotWeights[from] : 0.0F;
        const float value = args.slotIds[from] >= 0 ? args.slots[static_cast<std::int64_t>(from) * out + index] : 0.0F;
        result.slots = __fmaf_rn(weight, value, result.slots);
    }
    if (args.accumulate)
        result.old = args.output[row * args.outputStride + head * args.outputHead + index];
    return result;
}

// Grid: (parts of a matrix of Items / matrices tiles, matrices); a shared expert's blocks come first, as many matrices as its
// tiles fill: they need no ids, so their weights are on the way before the routing is done. 32 threads for every span, up
// to MostWarps. Pairs of columns at most; Items: tiles, of gate and up in turn when gated.
template <DType Type, bool Gated, int Pairs, int Items, int MostWarps, int Blocks>
__global__ void __launch_bounds__(MostWarps * 32, Blocks) fewKernel(const ProductArgs args, int sharedRows)
{
    constexpr int matrices = Gated ? 2 : 1;
    constexpr int tilesEach = Items / matrices;
    constexpr int outputsEach = tilesEach * kTileRows;
    constexpr int most = Pairs * 2;
    constexpr int held = Items > 1 ? 2 : 1;
    static_assert(sizeof(Stage<Type>) * Pairs >= sizeof(float) * most * Items * kTileRows);
    static_assert(Items % matrices == 0 && (Items == 1 || Items % 2 == 0));
    extern __shared__ __align__(16) unsigned char memory[];
    __shared__ float squares[MostWarps][most];

    letNextStart();
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int warps = static_cast<int>(blockDim.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    auto *stages = reinterpret_cast<Stage<Type> *>(memory) + warp * Pairs;
    const bool shared = static_cast<int>(blockIdx.y) < sharedRows;
    const PackedShape &shape = args.weight.shape; // a shared expert's tiles are of the same columns
    const int groups = args.weight.in / kGroupColumns;
    const int spans = (shape.units + kUnits - 1) / kUnits;
    const int out = shared ? args.sharedWeight.out : args.weight.out;
    const int slot = static_cast<int>(blockIdx.y) - sharedRows; // or head
    const int firstTile = static_cast<int>(shared ? blockIdx.y * gridDim.x + blockIdx.x : blockIdx.x) * tilesEach;
    if (firstTile * kTileRows >= out)
        return;
    const int lastTile = (out - 1) / kTileRows;
    const bool known = args.ids == nullptr || shared; // which matrix, before the kernel in front is done
    Work<Type> work[held];
    const std::uint8_t *base[matrices];
    const auto begin = [&](int matrix) {
        base[0] = (shared ? args.sharedWeight.data : args.weight.data) + matrix * args.weight.matrixBytes
            + (shared ? args.sharedWeight.firstTile : args.weight.firstTile) * shape.tileBytes;
        if constexpr (Gated)
            base[1] = (shared ? args.sharedUp.data : args.up.data) + matrix * args.up.matrixBytes
                + (shared ? args.sharedUp.firstTile : args.up.firstTile) * shape.tileBytes;
        load<Type>(work[0], base[0] + firstTile * shape.tileBytes, shape, warp);
    };
    const auto fetch = [&](Work<Type> &into, int item, int span) {
        load<Type>(into, base[item % matrices] + min(firstTile + item / matrices, lastTile) * shape.tileBytes, shape, span);
    };
    if (known)
        begin(shared ? 0 : slot);
    waitForPrevious();
    Found found;
    if (known) {
        found.count = args.rows;
        found.mine = lane;
    } else {
        if (!findSlots(args, slot, found))
            return;
        begin(found.matrix);
    }
    const int count = found.count;
    const int head = args.ids == nullptr ? slot : 0;
    const auto inputOf = [&](int column) {
        const int row = __shfl_sync(kAllLanes, found.mine, column);
        return args.values + (known || args.inputPerSlot ? row : row / args.perToken) * args.valueStride + head * args.inputHead;
    };
    Beside beside;
    if constexpr (!Gated && Items == 1) {
        const int column = static_cast<int>(threadIdx.x) / kTileRows;
        const int index = firstTile * kTileRows + static_cast<int>(threadIdx.x) % kTileRows;
        const int row = __shfl_sync(kAllLanes, found.mine, column % 32);
        if (column < count && index < out)
            beside = besideOf(args, row, head, index, out);
    }

    float totals[Items][Pairs][2] = {};
    for (int span = warp; span < spans; span += warps) {
        if constexpr (Items > 1)
            fetch(work[1], 1, span);
        __syncwarp(); // what was staged before is used
        for (int column = 0; column < count; ++column) {
            Values x = loadValues<Type>(inputOf(column), span, groups);
            if (args.gain != nullptr) {
                const float sum = warpSum(squaresOf(x, 0.0F));
                if (lane == 0)
                    squares[warp][column] = span == warp ? sum : __fadd_rn(squares[warp][column], sum);
                multiplyBy(x, loadValues<Type>(args.gain, span, groups));
            }
            put<Type>(stages[Pairs > 1 ? column / 2 : 0], column % 2, x);
        }
        __syncwarp();
#pragma unroll
        for (int item = 0; item < Items; ++item) {
            Work<Type> next; // of a single item: its next span
            if (Items == 1 && span + warps < spans)
                fetch(next, 0, span + warps);
            if constexpr (Pairs > 1) {
                if (count <= 2)
                    multiplySpan<Type, 1>(totals[item], work[item % held], stages);
                else
                    multiplySpan<Type, Pairs>(totals[item], work[item % held], stages);
            } else {
                multiplySpan<Type, 1>(totals[item], work[item % held], stages);
            }
            if constexpr (Items == 1) {
                work[0] = next;
            } else {
                if (item + 2 < Items)
                    fetch(work[item % held], item + 2, span);
                else if (item + 2 == Items && span + warps < spans)
                    fetch(work[0], 0, span + warps);
            }
        }
    }

    // A warp's sums take the place of what it had staged.
    __syncwarp();
    auto *partial = reinterpret_cast<float *>(memory); // [warp][column][item * 16 + row]
    constexpr int warpStride = static_cast<int>(sizeof(Stage<Type>)) * Pairs / 4;
#pragma unroll
    for (int pair = 0; pair < Pairs; ++pair) {
        if (pair * 2 >= count)
            break;
#pragma unroll
        for (int item = 0; item < Items; ++item) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float total = __fadd_rn(totals[item][pair][half], __shfl_xor_sync(kAllLanes, totals[item][pair][half], 1));
                if (lane % 2 == 0)
                    partial[warp * warpStride + (pair * 2 + lane % 4 / 2) * (Items * kTileRows) + item * kTileRows + half * 8 + lane / 4] = total;
            }
        }
    }
    __syncthreads();

    for (int first = 0; first < count * outputsEach; first += static_cast<int>(blockDim.x)) {
        const int place = first + static_cast<int>(threadIdx.x);
        const int column = place / outputsEach;
        const int output = place % outputsEach;
        const int row = __shfl_sync(kAllLanes, found.mine, column % 32); // row, or slot
        const int index = firstTile * kTileRows + output;
        if (column >= count || index >= out)
            continue;
        const float *from = partial + column * (Items * kTileRows) + (Gated ? output / kTileRows * (2 * kTileRows) + output % kTileRows : output);
        float value = 0.0F;
        float other = 0.0F;
        float square = 0.0F;
        for (int w = 0; w < warps; ++w) {
            value = __fadd_rn(value, from[w * warpStride]);
            if constexpr (Gated)
                other = __fadd_rn(other, from[w * warpStride + kTileRows]);
            if (args.gain != nullptr)
                square = __fadd_rn(square, squares[w][column]);
        }
        if (args.gain != nullptr) {
            const float scale = normScale(square, args.weight.in, args.epsilon);
            value = __fmul_rn(value, scale);
            other = __fmul_rn(other, scale);
        }
        if constexpr (Gated)
            value = value / (1.0F + expf(-value)) * other;
        if (args.bias != nullptr)
            value += args.bias[index];
        const Beside own = !Gated && Items == 1 && first == 0 ? beside : besideOf(args, row, head, index, out);
        value = __fadd_rn(value, own.slots);
        if (!args.accumulate)
            value = activated(value, args.activation);
        float *target = shared ? args.sharedOutput + row * args.sharedOutputStride : args.output + row * args.outputStride + head * args.outputHead;
        target[index] = args.accumulate ? __fadd_rn(own.old, value) : value;
    }
    if (args.normed == nullptr)
        return;
    // The blocks share what the norm leaves behind for others.
    for (int column = 0; column < count; ++column) {
        float square = 0.0F;
        for (int w = 0; w < warps; ++w)
            square = __fadd_rn(square, squares[w][column]);
        const float scale = normScale(square, args.weight.in, args.epsilon);
        const int stride = static_cast<int>(gridDim.x * blockDim.x);
        for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < args.weight.in; i += stride)
            args.normed[column * args.normedStride + i] = args.values[column * args.valueStride + i] * scale * args.gain[i];
    }
}

template <DType Type, bool Gated, int Pairs, int Items, int MostWarps, int Blocks>
cudaError_t launch(const ProductArgs &args, cudaStream_t stream)
{
    constexpr int outputsEach = Items / (Gated ? 2 : 1) * kTileRows;
    const int spans = (args.weight.shape.units + kUnits - 1) / kUnits;
    const int rounds = (spans + MostWarps - 1) / MostWarps;
    const int warps = (spans + rounds - 1) / rounds;
    const int across = (args.weight.out + outputsEach - 1) / outputsEach;
    const int sharedParts = args.sharedWeight.data != nullptr ? (args.sharedWeight.out + outputsEach - 1) / outputsEach : 0;
    const int sharedRows = (sharedParts + across - 1) / across;
    const int matrices = args.ids != nullptr ? args.rows * args.perToken : args.heads;
    const std::size_t bytes = sizeof(Stage<Type>) * static_cast<std::size_t>(Pairs * warps);
    const auto kernel = fewKernel<Type, Gated, Pairs, Items, MostWarps, Blocks>;
    if constexpr (sizeof(Stage<Type>) * Pairs * MostWarps > 48000) { // the same for all launches, since recorded ones stay
        const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
            static_cast<int>(sizeof(Stage<Type>) * Pairs * MostWarps));
        if (allowed != cudaSuccess)
            return allowed;
    }
    return launchChained(kernel, dim3(static_cast<unsigned>(across), static_cast<unsigned>(matrices + sharedRows)),
        static_cast<unsigned>(warps) * 32U, bytes, stream, args, sharedRows);
}

} // namespace few

// `launch` for a format of hasFew(), which it gets as its template's argument.
template <typename Launch> cudaError_t withFewType(DType type, const Launch &launch)
{
    switch (type) {
    case DType::Q4_0: return launch.template operator()<DType::Q4_0>();
    case DType::Q5_0: return launch.template operator()<DType::Q5_0>();
    case DType::Q8_0: return launch.template operator()<DType::Q8_0>();
    case DType::Q4_K: return launch.template operator()<DType::Q4_K>();
    case DType::Q5_K: return launch.template operator()<DType::Q5_K>();
    case DType::Q6_K: return launch.template operator()<DType::Q6_K>();
    default: return cudaErrorNotSupported;
    }
}

// What stands here was the fastest of five on an H200 for the shapes of V2-Lite, Llama-8B and Qwen-1.5B (tests/bench/RESULTS.md).
template <DType Type> cudaError_t launchFew(const ProductArgs &args, cudaStream_t stream)
{
    constexpr bool isWide = Type == DType::Q6_K || Type == DType::Q8_0; // more registers a span
    const bool one = args.rows <= 2;
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    const int sharing = sharingOf(args);
    if (args.up.data != nullptr && args.ids != nullptr)
        return one ? few::launch<Type, true, 1, 4, 4, 3>(args, stream) : few::launch<Type, true, 4, 2, 4, 3>(args, stream);
    if (args.up.data != nullptr && !one)
        return few::launch<Type, true, 4, 2, 8, 2>(args, stream);
    if (args.up.data != nullptr)
        return tiles < 640 ? few::launch<Type, true, 1, 2, 8, 2>(args, stream) : few::launch<Type, true, 1, 4, 8, 2>(args, stream);
    if (sharing == 16)
        return one ? few::launch<Type, false, 1, 1, 16, 1>(args, stream) : few::launch<Type, false, 4, 1, 16, 1>(args, stream);
    if (sharing == 8 && tiles > 1024)
        return one ? few::launch<Type, false, 1, 2, 8, 1>(args, stream) : few::launch<Type, false, 4, 2, 8, 2>(args, stream);
    if (sharing == 8 && !one)
        return few::launch<Type, false, 4, 1, 8, 2>(args, stream);
    if (sharing == 8)
        return tiles <= 264 ? few::launch<Type, false, 1, 1, 8, 2>(args, stream) : few::launch<Type, false, 1, 2, 8, 2>(args, stream);
    if (one)
        return few::launch<Type, false, 1, 2, 4, isWide ? 3 : 4>(args, stream);
    return few::launch<Type, false, 4, isWide ? 4 : 2, 4, isWide ? 2 : 3>(args, stream);
}

} // namespace decode

} // namespace kernels::cuda
