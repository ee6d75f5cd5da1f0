// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The products of product.cuh for digits of four to six bits. A warp's step is a span of 256 columns of two tiles: the
// bytes come through a ring in shared memory of its own (cp.async), so nothing but the end of a block waits for other
// warps. Columns get one power of two for a span; with it the scales of Q4_K and Q5_K are multiplied into the digits,
// exactly (a six-bit scale times a five-bit digit is a float16 integer), and their minima are one more product of the
// tensor cores: sums leave the accumulators once in 256 columns.
// Bound: weight bytes over memory bandwidth; reached a third of it on an H200 (tests/bench/RESULTS.md).

#include "cuda/decode/product.cuh"

namespace kernels::cuda {

namespace decode {

inline constexpr int kSpanUnits = 2, kSpanGroups = 8, kMostSlots = 2;

// Where a tile's span lies in shared memory.
template <DType Type> struct Span {
    static constexpr PackedFormat format = packedFormat(Type);
    static constexpr int highUnit = format.highBits * (kTileRows * kUnitColumns / 8);
    static constexpr int scaleUnit = format.scaleBytes * kTileRows;
    static constexpr int high = kSpanUnits * 1024;
    static constexpr int scales = high + kSpanUnits * highUnit;
    static constexpr int super = scales + kSpanUnits * scaleUnit;
    static constexpr int bytes = super + format.superBytes * kTileRows;
    static_assert(format.digitBits == 4 && format.scaleBytes == 8 && bytes % 16 == 0);
};

template <DType Type> inline constexpr bool kScalesInDigits = Type == DType::Q4_K || Type == DType::Q5_K;

__device__ inline std::uint32_t sharedPlace(const void *p) { return static_cast<std::uint32_t>(__cvta_generic_to_shared(p)); }
__device__ inline void copyAhead(std::uint32_t shared, const std::uint8_t *global)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" : : "r"(shared), "l"(global) : "memory");
}
__device__ inline std::uint32_t asWord(__half2 value) { return *reinterpret_cast<const std::uint32_t *>(&value); }
__device__ inline __half2 asPair(std::uint32_t value) { return *reinterpret_cast<const __half2 *>(&value); }

// Starts the copies of one span of one tile; a warp together.
template <DType Type>
__device__ inline void fetchSpan(std::uint32_t shared, const std::uint8_t *tile, const PackedShape &shape, int span)
{
    using S = Span<Type>;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int units = min(kSpanUnits, shape.units - span * kSpanUnits);
    const std::uint8_t *digits = tile + span * kSpanUnits * 1024 + lane * 16;
#pragma unroll
    for (int i = 0; i < 2 * kSpanUnits; ++i) {
        if (i / 2 < units)
            copyAhead(shared + static_cast<std::uint32_t>(i * 512 + lane * 16), digits + i * 512);
    }
    if constexpr (S::highUnit > 0) {
#pragma unroll
        for (int i = 0; i < kSpanUnits * S::highUnit / 512; ++i) {
            const int place = i * 512 + lane * 16;
            if (place < units * S::highUnit)
                copyAhead(shared + static_cast<std::uint32_t>(S::high + place),
                    tile + shape.highOffset + span * kSpanUnits * S::highUnit + place);
        }
    }
    const int superLane = lane - 16;
    if (lane * 16 < units * S::scaleUnit)
        copyAhead(shared + static_cast<std::uint32_t>(S::scales + lane * 16),
            tile + shape.scaleOffset + span * kSpanUnits * S::scaleUnit + lane * 16);
    else if (superLane >= 0 && superLane * 16 < S::format.superBytes * kTileRows)
        copyAhead(shared + static_cast<std::uint32_t>(S::super + superLane * 16),
            tile + shape.superOffset + span * S::format.superBytes * kTileRows + superLane * 16);
}

// A lane's share of one unit of one row, out of shared memory.
template <DType Type> __device__ inline void takeUnit(LaneUnit<Type> &u, const std::uint8_t *span, int unit, int half)
{
    using S = Span<Type>;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int row = half * 8 + lane / 4;
    const uint4 v = *reinterpret_cast<const uint4 *>(span + (unit * 2 + half) * 512 + lane * 16);
    u.digits[0] = v.x;
    u.digits[1] = v.y;
    u.digits[2] = v.z;
    u.digits[3] = v.w;
    if constexpr (S::format.highBits == 1) {
        u.high[0] = *reinterpret_cast<const std::uint32_t *>(span + S::high + ((unit * 2 + half) * 32 + lane) * 4);
    } else if constexpr (S::format.highBits == 2) {
        const uint2 h = *reinterpret_cast<const uint2 *>(span + S::high + ((unit * 2 + half) * 32 + lane) * 8);
        u.high[0] = h.x;
        u.high[1] = h.y;
    }
    const uint2 s = *reinterpret_cast<const uint2 *>(span + S::scales + (unit * kTileRows + row) * 8);
    u.scales[0] = s.x;
    u.scales[1] = s.y;
}

// The pairs of groupPairs times the group's scale, exactly: digits up to 31, scales up to 63.
template <DType Type> __device__ inline void scaledPairs(const LaneUnit<Type> &u, int g, std::uint32_t (&pairs)[4])
{
    // 1024 + scale in both halves.
    const std::uint32_t biased = __byte_perm(u.scales[g / 2], 0x64646464U, g % 2 == 0 ? 0x4040 : 0x4242);
    const __half2 scale = __hsub2(asPair(biased), asPair(0x64006400U));
    const __half2 sixteenth = __hmul2(scale, asPair(0x2C002C00U));
    const __half2 minus1024 = __hmul2(scale, asPair(0xE400E400U));
    const __half2 minus64 = __hmul2(scale, asPair(0xD400D400U));
    const std::uint32_t w = u.digits[g];
#pragma unroll
    for (int p = 0; p < 4; ++p) {
        const bool odd = p % 2 != 0;
        std::uint32_t v = ((p >= 2 ? w >> 8 : w) & (odd ? 0x00F000F0U : 0x000F000FU)) | 0x64006400U;
        if constexpr (packedFormat(Type).highBits == 1) {
            const int from = p / 2 * 8 + 2 * g + p % 2;
            const int to = odd ? 8 : 4;
            const std::uint32_t h = from <= to ? u.high[0] << (to - from) : u.high[0] >> (from - to);
            v |= h & (odd ? 0x01000100U : 0x00100010U);
        }
        pairs[p] = asWord(odd ? __hfma2(asPair(v), sixteenth, minus64) : __hfma2(asPair(v), scale, minus1024));
    }
}

// What up to four columns have in common over one span: one power of two each.
struct SpanColumns {
    std::uint32_t factors; // of the groups 2t and 2t + 1, for the lane's B column
    std::uint32_t minima;  // their means, in that power of two
    float scale;           // of the column that the lane sums
};

// Where a lane finds its B column (high or low halves) and the scales and sums of that row; null: there is none.
struct ColumnPlace {
    const __half *values = nullptr;
    const float2 *meta = nullptr;
};
struct SpanMeta {
    float2 mine[2]; // of the groups 2t and 2t + 1
};
struct RawPairs {
    uint4 groups[kGroupsPerUnit];
};

__device__ inline SpanMeta loadMeta(const ColumnPlace &place, int span, int groups)
{
    SpanMeta result;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const int group = span * kSpanGroups + 2 * (static_cast<int>(threadIdx.x) % 4) + i;
        result.mine[i] = make_float2(__uint_as_float(1U << 23), 0.0F);
        if (place.meta != nullptr && group < groups)
            result.mine[i] = place.meta[group];
    }
    return result;
}

template <DType Type> __device__ inline RawPairs loadPairs(const ColumnPlace &place, int unit, int groups)
{
    RawPairs result;
#pragma unroll
    for (int g = 0; g < kGroupsPerUnit; ++g) {
        const int group = unit * kGroupsPerUnit + g;
        result.groups[g] = make_uint4(0, 0, 0, 0);
        if (place.values != nullptr && group < groups)
            result.groups[g] = loadColumns<Type>(place.values + group * kGroupColumns);
    }
    return result;
}

template <DType Type> __device__ inline SpanColumns inCommon(const SpanMeta &meta)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    SpanColumns x;
    float largest = fmaxf(meta.mine[0].x, meta.mine[1].x); // powers of two
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
    const float inverse = __uint_as_float((254U << 23) - __float_as_uint(largest));
    x.factors = asWord(__floats2half2_rn(meta.mine[0].x * inverse, meta.mine[1].x * inverse));
    x.scale = __shfl_sync(kAllLanes, largest, 8 * (lane % 4));
    x.minima = 0;
    if constexpr (kScalesInDigits<Type>) {
        const float a = meta.mine[0].y * inverse * (1.0F / 32.0F);
        const float b = meta.mine[1].y * inverse * (1.0F / 32.0F);
        __half2 means = __floats2half2_rn(a, b);
        if (lane / 4 % 2 != 0)
            means = __floats2half2_rn(a - __low2float(means), b - __high2float(means));
        x.minima = asWord(means);
    }
    return x;
}

// The B operands of one unit of the span, in its power of two.
__device__ inline void scalePairs(std::uint32_t (&pairs)[kGroupsPerUnit][4], const RawPairs &raw, const SpanColumns &x, int unit)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int g = 0; g < kGroupsPerUnit; ++g) {
        const std::uint32_t both = __shfl_sync(kAllLanes, x.factors, (lane & ~3) | (unit * 2 + g / 2));
        const __half2 factor = g % 2 == 0 ? __low2half2(asPair(both)) : __high2half2(asPair(both));
        pairs[g][0] = asWord(__hmul2(asPair(raw.groups[g].x), factor));
        pairs[g][1] = asWord(__hmul2(asPair(raw.groups[g].y), factor));
        pairs[g][2] = asWord(__hmul2(asPair(raw.groups[g].z), factor));
        pairs[g][3] = asWord(__hmul2(asPair(raw.groups[g].w), factor));
    }
}

// What a tile's span adds up to before its common factors.
template <DType Type> struct SpanSums {
    float first[4] = {}, second[4] = {}; // scales in the digits: accumulators of the tensor cores
    float total[2] = {};                 // else: of rows r and r + 8
};

template <DType Type>
__device__ inline void multiplyUnit(SpanSums<Type> &sums, const std::uint8_t *span, int unit,
    const std::uint32_t (&pairs)[kGroupsPerUnit][4])
{
    LaneUnit<Type> upper;
    LaneUnit<Type> lower;
    takeUnit<Type>(upper, span, unit, 0);
    takeUnit<Type>(lower, span, unit, 1);
#pragma unroll
    for (int g = 0; g < kGroupsPerUnit; ++g) {
        const std::uint32_t(&b)[4] = pairs[g];
        std::uint32_t a[4];
        std::uint32_t c[4];
        if constexpr (kScalesInDigits<Type>) {
            scaledPairs<Type>(upper, g, a);
            scaledPairs<Type>(lower, g, c);
            multiply(sums.first, a[0], c[0], a[1], c[1], b[0], b[1]);
            multiply(sums.second, a[2], c[2], a[3], c[3], b[2], b[3]);
            continue;
        }
        groupPairs<Type>(upper, g, a);
        groupPairs<Type>(lower, g, c);
        float p[4] = {};
        multiply(p, a[0], c[0], a[1], c[1], b[0], b[1]);
        if constexpr (Type == DType::Q6_K) { // the scales of 16 columns; d comes at the end
            float q[4] = {};
            multiply(q, a[2], c[2], a[3], c[3], b[2], b[3]);
            const auto scaleOf = [g](const LaneUnit<Type> &u, int i) {
                return static_cast<float>(static_cast<signed char>((u.scales[g / 2] >> (g % 2 * 16 + i * 8)) & 255U));
            };
            sums.total[0] = __fmaf_rn(__fadd_rn(p[0], p[1]), scaleOf(upper, 0), sums.total[0]);
            sums.total[1] = __fmaf_rn(__fadd_rn(p[2], p[3]), scaleOf(lower, 0), sums.total[1]);
            sums.total[0] = __fmaf_rn(__fadd_rn(q[0], q[1]), scaleOf(upper, 1), sums.total[0]);
            sums.total[1] = __fmaf_rn(__fadd_rn(q[2], q[3]), scaleOf(lower, 1), sums.total[1]);
        } else {
            multiply(p, a[2], c[2], a[3], c[3], b[2], b[3]);
            sums.total[0] = __fmaf_rn(__fadd_rn(p[0], p[1]), groupScale<Type>(upper, g).x, sums.total[0]);
            sums.total[1] = __fmaf_rn(__fadd_rn(p[2], p[3]), groupScale<Type>(lower, g).x, sums.total[1]);
        }
    }
}

// Adds a tile's span to the sums of rows r and r + 8 for the lane's own column.
template <DType Type>
__device__ inline void addSpan(float (&sums)[2], const SpanSums<Type> &of, const std::uint8_t *span, const SpanColumns &x)
{
    using S = Span<Type>;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int row = lane / 4;
    const int t = lane % 4;
    if constexpr (kScalesInDigits<Type>) {
        // Groups 2t and 2t + 1 are columns 2t and 2t + 1 of this product's K.
        const std::uint8_t *scales = span + S::scales + (t / 2 * kTileRows + row) * 8 + t % 2 * 4;
        std::uint32_t minima[2];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const std::uint32_t word = *reinterpret_cast<const std::uint32_t *>(scales + half * 8 * 8);
            minima[half] = asWord(__hsub2(asPair(__byte_perm(word, 0x64646464U, 0x4341)), asPair(0x64006400U)));
        }
        float m[4] = {};
        multiply(m, minima[0], minima[1], 0, 0, x.minima, 0);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const std::uint32_t super = *reinterpret_cast<const std::uint32_t *>(span + S::super + (row + half * 8) * 4);
            const float products = __fadd_rn(__fadd_rn(of.first[2 * half], of.second[2 * half]),
                __fadd_rn(of.first[2 * half + 1], of.second[2 * half + 1]));
            const float means = __fadd_rn(m[2 * half], m[2 * half + 1]);
            sums[half] = __fmaf_rn(__fmul_rn(halfBits(super & 0xFFFFU), x.scale), products, sums[half]);
            sums[half] = __fmaf_rn(__fmul_rn(halfBits(super >> 16), x.scale * -32.0F), means, sums[half]);
        }
    } else {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            float factor = x.scale;
            if constexpr (S::format.superBytes == 2)
                factor = __fmul_rn(factor,
                    halfBits(*reinterpret_cast<const unsigned short *>(span + S::super + (row + half * 8) * 2)));
            sums[half] = __fmaf_rn(of.total[half], factor, sums[half]);
        }
    }
}

// Grid as productGrid. Plain: all warps share the columns of 32 rows. Gated: one half of them shares those of 16 rows of
// the gate and the same 16 of the up matrix, the other those of the next 16. Parts: of four columns. `slots`: of a warp's
// ring.
template <DType Type, bool Gated, int Parts, int Warps>
__global__ void __launch_bounds__(Warps * 32, 16 / Warps) streamKernel(const ProductArgs args, int slots)
{
    using S = Span<Type>;
    constexpr int across = Gated ? Warps / 2 : Warps; // warps that share a tile's columns
    constexpr int sumStride = kOutputs + 8;
    extern __shared__ __align__(16) std::uint8_t ring[];
    __shared__ Columns columns;

    letNextStart();
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int t = lane % 4;
    const bool shared = isShared(args);
    if (static_cast<int>(blockIdx.x) * kOutputs >= (shared ? args.sharedWeight.out : args.weight.out))
        return;
    const PackedShape &shape = args.weight.shape; // a shared expert's tiles are of the same columns
    const int groups = args.weight.in / kGroupColumns;
    const int spans = (shape.units + kSpanUnits - 1) / kSpanUnits;
    const int firstSpan = warp % across;
    const std::uint8_t *own = ring + warp * slots * 2 * S::bytes;
    const std::uint32_t ownPlace = sharedPlace(own);
    const std::uint8_t *tiles[2];
    const auto place = [&](int matrix) {
        const int last = (shared ? args.sharedWeight.shape.tiles : shape.tiles) - 1;
        const int index = static_cast<int>(blockIdx.x) * 2 + (Gated ? warp / across : 0);
        const int first = (shared ? args.sharedWeight.firstTile : args.weight.firstTile) + index;
        const std::uint8_t *data = (shared ? args.sharedWeight.data : args.weight.data) + matrix * args.weight.matrixBytes;
        tiles[0] = data + min(first, last) * shape.tileBytes;
        if constexpr (Gated) {
            const int upFirst = (shared ? args.sharedUp.firstTile : args.up.firstTile) + index;
            tiles[1] = (shared ? args.sharedUp.data : args.up.data) + matrix * args.up.matrixBytes + min(upFirst, last) * shape.tileBytes;
        } else {
            tiles[1] = data + min(first + 1, last) * shape.tileBytes;
        }
    };
    const auto fetch = [&](int span, int slot) {
        if (span < spans) {
            const std::uint32_t target = ownPlace + static_cast<std::uint32_t>(slot * 2 * S::bytes);
            fetchSpan<Type>(target, tiles[0], shape, span);
            fetchSpan<Type>(target + S::bytes, tiles[1], shape, span);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    const bool known = args.ids == nullptr || shared; // which matrix, before the kernel in front is done
    if (known) {
        place(shared ? 0 : static_cast<int>(blockIdx.y));
        for (int slot = 0; slot < slots; ++slot)
            fetch(firstSpan + slot * across, slot);
    }
    waitForPrevious();
    int matrix = 0;
    if (!findColumns(args, columns, matrix))
        return;
    if (!known) {
        place(matrix);
        for (int slot = 0; slot < slots; ++slot)
            fetch(firstSpan + slot * across, slot);
    }

    const int count = columns.count;
    const std::int64_t headColumn = args.ids == nullptr ? blockIdx.y * args.inputHead : 0;
    ColumnPlace places[Parts];
#pragma unroll
    for (int part = 0; part < Parts; ++part) {
        const int mine = lane / 8 + part * 4;
        if (mine < count) {
            const int row = columns.inputRow[mine];
            places[part].values = (lane / 4 % 2 == 0 ? args.input.high : args.input.low) + row * args.input.stride + headColumn;
            places[part].meta = args.input.metaOf(row) + headColumn / kGroupColumns;
        }
    }
    float sums[Parts][2][2] = {}; // part of the columns, tile, row half
    // Of the first four columns, what comes next is on its way while something is multiplied.
    SpanMeta nextMeta = loadMeta(places[0], firstSpan, groups);
    RawPairs nextPairs = loadPairs<Type>(places[0], firstSpan * kSpanUnits, groups);
    int slot = 0;
    for (int span = firstSpan; span < spans; span += across) {
        const std::uint8_t *bytes = own + slot * 2 * S::bytes;
        const int units = min(kSpanUnits, shape.units - span * kSpanUnits);
        const SpanMeta meta = nextMeta;
        nextMeta = loadMeta(places[0], span + across, groups);
        if (slots == 2)
            asm volatile("cp.async.wait_group 1;" ::: "memory");
        else
            asm volatile("cp.async.wait_group 0;" ::: "memory");
        __syncwarp(); // what the other lanes copied
#pragma unroll
        for (int part = 0; part < Parts; ++part) {
            if (part * 4 >= count)
                break;
            const SpanColumns x = inCommon<Type>(part == 0 ? meta : loadMeta(places[part], span, groups));
            SpanSums<Type> ofTile[2];
#pragma unroll
            for (int unit = 0; unit < kSpanUnits; ++unit) {
                std::uint32_t pairs[kGroupsPerUnit][4];
                if (part == 0) {
                    scalePairs(pairs, nextPairs, x, unit);
                    const int nextUnit = unit + 1 < kSpanUnits ? span * kSpanUnits + 1 : (span + across) * kSpanUnits;
                    nextPairs = loadPairs<Type>(places[0], nextUnit, groups);
                } else {
                    scalePairs(pairs, loadPairs<Type>(places[part], span * kSpanUnits + unit, groups), x, unit);
                }
                if (unit >= units)
                    continue;
                multiplyUnit<Type>(ofTile[0], bytes, unit, pairs);
                multiplyUnit<Type>(ofTile[1], bytes + S::bytes, unit, pairs);
            }
            addSpan<Type>(sums[part][0], ofTile[0], bytes, x);
            addSpan<Type>(sums[part][1], ofTile[1], bytes + S::bytes, x);
        }
        __syncwarp(); // the slot is used
        fetch(span + slots * across, slot);
        slot = slot + 1 == slots ? 0 : slot + 1;
    }
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    __syncthreads(); // every ring is used up; the sums take its place

    auto *partial = reinterpret_cast<float *>(ring); // [warps][columns][sumStride]
#pragma unroll
    for (int tile = 0; tile < 2; ++tile) {
#pragma unroll
        for (int part = 0; part < Parts; ++part) {
            float *target = partial + (warp * kColumns + t + part * 4) * sumStride + tile * kTileRows + lane / 4;
            target[0] = sums[part][tile][0];
            target[8] = sums[part][tile][1];
        }
    }
    __syncthreads();
    const int column = warp; // each warp finishes one
    if (column >= count)
        return;
    const auto sumOf = [&](int firstWarp, int output) {
        float value = 0.0F;
#pragma unroll
        for (int w = 0; w < across; ++w)
            value = __fadd_rn(value, partial[((firstWarp + w) * kColumns + column) * sumStride + output]);
        return value;
    };
    float value;
    if constexpr (Gated) {
        const int firstWarp = lane / kTileRows * across;
        value = sumOf(firstWarp, lane % kTileRows);
        value = value / (1.0F + expf(-value)) * sumOf(firstWarp, kTileRows + lane % kTileRows);
    } else {
        value = sumOf(0, lane);
    }
    finish(args, columns.outputRow[column], static_cast<int>(blockIdx.x) * kOutputs + lane, value);
}

template <DType Type, bool Gated, int Parts, int Warps> cudaError_t launchStreamed(const ProductArgs &args, cudaStream_t stream)
{
    constexpr int across = Gated ? Warps / 2 : Warps;
    constexpr std::size_t slotBytes = std::size_t{Warps} * 2 * Span<Type>::bytes;
    static_assert(slotBytes >= sizeof(float) * Warps * kColumns * (kOutputs + 8));
    const int spans = (args.weight.shape.units + kSpanUnits - 1) / kSpanUnits;
    const int most = kMostSlots * slotBytes <= static_cast<std::size_t>(card().sharedBytes) - 1024 ? kMostSlots : 1;
    const int slots = spans > across ? most : 1;
    const auto kernel = streamKernel<Type, Gated, Parts, Warps>;
    const cudaError_t allowed = // of the current card; the same for all launches, since recorded ones stay
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(most * slotBytes));
    if (allowed != cudaSuccess)
        return allowed;
    return launchChained<FirstMemory::Cache>(kernel, productGrid(args), Warps * 32, slots * slotBytes, stream, args, slots);
}

template <DType Type, int Parts> cudaError_t launchStreamParts(const ProductArgs &args, cudaStream_t stream)
{
    if (args.up.data != nullptr)
        return launchStreamed<Type, true, Parts, kWarps>(args, stream);
    // Few outputs of many columns: more warps a block, since there are not blocks enough. Never by the number of rows.
    const bool narrow = args.ids == nullptr && args.heads == 1 && args.weight.out <= 160 * kOutputs
        && args.weight.shape.units > kWarps * kSpanUnits
        && std::size_t{2 * kWarps} * 2 * Span<Type>::bytes <= static_cast<std::size_t>(card().sharedBytes) - 1024;
    return narrow ? launchStreamed<Type, false, Parts, 2 * kWarps>(args, stream)
                  : launchStreamed<Type, false, Parts, kWarps>(args, stream);
}

template <DType Type> cudaError_t launchStream(const ProductArgs &args, cudaStream_t stream)
{
    return args.rows <= kColumns / 2 ? launchStreamParts<Type, 1>(args, stream) : launchStreamParts<Type, 2>(args, stream);
}

} // namespace decode

} // namespace kernels::cuda
