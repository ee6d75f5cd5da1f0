// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Matrix times up to eight columns at the speed of memory: a block makes 32 outputs, its eight warps take the units of
// 128 weight columns in turn and add up in warp order. Weights are the A operand of mma.m16n8k16 as exact float16
// integers, the columns are the high and low halves of four activations each (split.cuh); scales are applied to the
// float32 sums of 32 columns. Every weight byte is read once by one block (twice when more than eight rows ask).
// Bound: weight bytes over memory bandwidth. Digits of four to six bits go through stream.cuh.

#include "cuda/common/activation.cuh"
#include "cuda/common/launch.cuh"
#include "cuda/decode/decode.h"
#include "cuda/packed/unpack.cuh"

namespace kernels::cuda {

namespace decode {

inline constexpr int kWarps = 8, kColumns = 8, kOutputs = 32;

__device__ inline void multiply(float (&c)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3,
    std::uint32_t b0, std::uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// The eight activations of a lane's columns of one group.
template <DType Type> __device__ inline uint4 loadColumns(const __half *group)
{
    const int t = static_cast<int>(threadIdx.x) % 4;
    if constexpr (Type == DType::Q6_K) {
        const uint2 a = *reinterpret_cast<const uint2 *>(group + 4 * t);
        const uint2 b = *reinterpret_cast<const uint2 *>(group + 16 + 4 * t);
        return make_uint4(a.x, a.y, b.x, b.y);
    } else {
        return *reinterpret_cast<const uint4 *>(group + 8 * t);
    }
}

// Adds one group's share: `sums` of rows r and r + 8 for the lane's own column.
template <DType Type>
__device__ inline void addGroup(float (&sums)[2], const std::uint32_t (&a)[4], const std::uint32_t (&b)[4], const uint4 &x,
    const float2 &meta, const float2 &scaleA, const float2 &scaleB)
{
    float c[4] = {};
    multiply(c, a[0], b[0], a[1], b[1], x.x, x.y);
    if constexpr (Type == DType::Q6_K) {
        float d[4] = {};
        multiply(d, a[2], b[2], a[3], b[3], x.z, x.w);
        sums[0] = __fmaf_rn(__fadd_rn(c[0], c[1]), __fmul_rn(scaleA.x, meta.x), sums[0]);
        sums[1] = __fmaf_rn(__fadd_rn(c[2], c[3]), __fmul_rn(scaleB.x, meta.x), sums[1]);
        sums[0] = __fmaf_rn(__fadd_rn(d[0], d[1]), __fmul_rn(scaleA.y, meta.x), sums[0]);
        sums[1] = __fmaf_rn(__fadd_rn(d[2], d[3]), __fmul_rn(scaleB.y, meta.x), sums[1]);
        return;
    }
    multiply(c, a[2], b[2], a[3], b[3], x.z, x.w);
    sums[0] = __fmaf_rn(__fadd_rn(c[0], c[1]), __fmul_rn(scaleA.x, meta.x), sums[0]);
    sums[1] = __fmaf_rn(__fadd_rn(c[2], c[3]), __fmul_rn(scaleB.x, meta.x), sums[1]);
    if constexpr (kHasMinimum<Type>) {
        sums[0] = __fmaf_rn(-scaleA.y, meta.y, sums[0]);
        sums[1] = __fmaf_rn(-scaleB.y, meta.y, sums[1]);
    }
}

struct Columns {
    int inputRow[kColumns], outputRow[kColumns];
    int count;
};

// Blocks of the shared expert come first: they need no ids, so their weights are on the way before the routing is done.
__device__ inline bool isShared(const ProductArgs &args) { return args.sharedWeight.data != nullptr && blockIdx.y == 0; }

// One matrix, or the rows that chose the expert of this block's slot. False: another block does it, or nobody.
__device__ inline bool findColumns(const ProductArgs &args, Columns &columns, int &matrix)
{
    const int first = static_cast<int>(blockIdx.z) * kColumns;
    const int rows = min(kColumns, args.rows - first);
    const int thread = static_cast<int>(threadIdx.x);
    const bool shared = isShared(args);
    if (args.ids == nullptr || shared) {
        matrix = shared ? 0 : static_cast<int>(blockIdx.y);
        if (thread < kColumns) {
            columns.inputRow[thread] = columns.outputRow[thread] = first + thread;
            if (thread == 0)
                columns.count = rows;
        }
        __syncthreads();
        return true;
    }
    const std::int32_t *ids = args.ids + first * args.perToken;
    const int slot = static_cast<int>(blockIdx.y) - (args.sharedWeight.data != nullptr ? 1 : 0);
    const int slots = rows * args.perToken;
    if (slot >= slots)
        return false;
    matrix = ids[slot];
    if (matrix < 0)
        return false;
    // The first slot of an expert works for all rows that chose it.
    const int lane = thread % 32;
    int count = 0;
    for (int base = 0; base < slots; base += 32) {
        const int candidate = base + lane;
        const unsigned same = __ballot_sync(kAllLanes, candidate < slots && ids[candidate] == matrix);
        if (base <= slot && (same & (slot >= base + 32 ? kAllLanes : (1U << (slot - base)) - 1U)) != 0)
            return false;
        if (thread < 32 && (same >> lane & 1U) != 0) {
            const int place = count + __popc(same & ((1U << lane) - 1U));
            if (place < kColumns) { // a row names an expert once
                columns.outputRow[place] = first * args.perToken + candidate;
                columns.inputRow[place] = args.inputPerSlot ? first * args.perToken + candidate
                                                            : first + candidate / args.perToken;
            }
        }
        count += __popc(same);
    }
    if (thread == 0)
        columns.count = min(count, kColumns);
    __syncthreads();
    return true;
}

// One column's 32 results, a lane each: bias, expert results, activation; where they go.
__device__ inline void finish(const ProductArgs &args, int row, int index, float value)
{
    const bool shared = isShared(args);
    const int out = shared ? args.sharedWeight.out : args.weight.out;
    const bool inside = index < out;
    if (inside && args.bias != nullptr)
        value += args.bias[index];
    if (inside && args.slots != nullptr) {
        for (int k = 0; k < args.slotsPerToken; ++k) {
            const int slot = row * args.slotsPerToken + k;
            if (args.slotIds[slot] >= 0)
                value = __fmaf_rn(args.slotWeights[slot], args.slots[static_cast<std::int64_t>(slot) * out + index], value);
        }
    }
    if (!args.accumulate)
        value = activated(value, args.activation);
    const unsigned head = args.ids == nullptr ? blockIdx.y : 0;
    if (inside && args.output != nullptr && !shared) {
        float *target = args.output + row * args.outputStride + head * args.outputHead + index;
        *target = args.accumulate ? *target + value : value;
    }
    const SplitView &split = shared ? args.sharedSplit : args.split;
    if (split.high != nullptr)
        writeSplit(split, row, head * args.splitHead + blockIdx.x * kOutputs, inside ? value : 0.0F);
}

template <DType Type, int Tiles> struct Work {
    LaneUnit<Type> unit[Tiles][2];
};

template <DType Type, int Tiles>
__device__ inline void load(Work<Type, Tiles> &work, const std::uint8_t *const (&tiles)[Tiles], const PackedShape &shape, int unit,
    const ProductArgs &args, const int (&firstRow)[Tiles], int rows)
{
#pragma unroll
    for (int tile = 0; tile < Tiles; ++tile) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            if constexpr (kIsWide<Type>) {
                const int row = min(firstRow[tile] + half * 8 + static_cast<int>(threadIdx.x) % 32 / 4, rows - 1);
                loadWide<Type>(work.unit[tile][half], tiles[tile] + static_cast<std::int64_t>(row) * args.weight.in * 2, unit,
                    args.weight.in / kGroupColumns);
            } else {
                loadUnit<Type>(work.unit[tile][half], tiles[tile], shape, unit, half);
            }
        }
    }
}

// Tiles 2: 32 rows of one matrix. Tiles 4: 32 rows of the gate and the same 32 of the up matrix.
template <DType Type, int Tiles> __global__ void __launch_bounds__(kWarps * 32, 2) productKernel(const ProductArgs args)
{
    constexpr bool swiglu = Tiles == 4;
    constexpr bool ahead = Tiles == 2; // the next unit is on its way while one is multiplied
    constexpr int groupsEach = kLaneGroups<Type>;
    constexpr int sumRows = Tiles * kTileRows;
    constexpr int sumStride = sumRows + 8;
    __shared__ Columns columns;
    __shared__ float partial[kWarps][kColumns][sumStride];

    letNextStart();
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int t = lane % 4;
    const int groups = args.weight.in / kGroupColumns;
    const int units = (groups + groupsEach - 1) / groupsEach;
    Work<Type, Tiles> work;
    int firstRow[Tiles];
    const std::uint8_t *tiles[Tiles];
    const auto place = [&](const MatrixView &weight, const MatrixView &up, int matrix) {
#pragma unroll
        for (int tile = 0; tile < Tiles; ++tile) {
            const MatrixView &view = swiglu && tile >= 2 ? up : weight;
            const int index = min(view.firstTile + static_cast<int>(blockIdx.x) * 2 + tile % 2, view.shape.tiles - 1);
            firstRow[tile] = index * kTileRows;
            tiles[tile] = view.data + matrix * view.matrixBytes + (kIsWide<Type> ? 0 : index * view.shape.tileBytes);
        }
    };
    const bool shared = isShared(args);
    const MatrixView &weight = shared ? args.sharedWeight : args.weight;
    if (static_cast<int>(blockIdx.x) * kOutputs >= weight.out)
        return;
    const bool known = args.ids == nullptr || shared; // which matrix, before the kernel in front is done
    if (known) {
        place(weight, shared ? args.sharedUp : args.up, shared ? 0 : static_cast<int>(blockIdx.y));
        if (warp < units)
            load<Type, Tiles>(work, tiles, weight.shape, warp, args, firstRow, weight.rows);
    }
    waitForPrevious();
    int matrix = 0;
    if (!findColumns(args, columns, matrix))
        return;
    if (!known) {
        place(weight, args.up, matrix);
        if (warp < units)
            load<Type, Tiles>(work, tiles, weight.shape, warp, args, firstRow, weight.rows);
    }

    const int count = columns.count;
    const std::int64_t headColumn = args.ids == nullptr ? blockIdx.y * args.inputHead : 0;
    const __half *x[2] = {nullptr, nullptr};
    const float2 *meta[2] = {nullptr, nullptr};
#pragma unroll
    for (int part = 0; part < 2; ++part) {
        const int mine = lane / 8 + part * 4;
        if (mine < count)
            x[part] = (lane / 4 % 2 == 0 ? args.input.high : args.input.low)
                + columns.inputRow[mine] * args.input.stride + headColumn;
        if (t + part * 4 < count)
            meta[part] = args.input.metaOf(columns.inputRow[t + part * 4]) + headColumn / kGroupColumns;
    }

    float sums[Tiles][2][2] = {};
    for (int unit = warp; unit < units; unit += kWarps) {
        Work<Type, Tiles> next;
        if (ahead && unit + kWarps < units)
            load<Type, Tiles>(next, tiles, weight.shape, unit + kWarps, args, firstRow, weight.rows);
#pragma unroll
        for (int g = 0; g < groupsEach; ++g) {
            const int group = unit * groupsEach + g;
            if (group >= groups)
                break;
            uint4 columnPairs[2] = {};
            float2 columnMeta[2] = {};
#pragma unroll
            for (int part = 0; part < 2; ++part) {
                if (x[part] != nullptr)
                    columnPairs[part] = loadColumns<Type>(x[part] + group * kGroupColumns);
                if (meta[part] != nullptr)
                    columnMeta[part] = meta[part][group];
            }
#pragma unroll
            for (int tile = 0; tile < Tiles; ++tile) {
                std::uint32_t a[4];
                std::uint32_t b[4];
                groupPairs<Type>(work.unit[tile][0], g, a);
                groupPairs<Type>(work.unit[tile][1], g, b);
                const float2 scaleA = groupScale<Type>(work.unit[tile][0], g);
                const float2 scaleB = groupScale<Type>(work.unit[tile][1], g);
                addGroup<Type>(sums[tile][0], a, b, columnPairs[0], columnMeta[0], scaleA, scaleB);
                if (count > 4)
                    addGroup<Type>(sums[tile][1], a, b, columnPairs[1], columnMeta[1], scaleA, scaleB);
            }
        }
        if constexpr (ahead)
            work = next;
        else if (unit + kWarps < units)
            load<Type, Tiles>(work, tiles, weight.shape, unit + kWarps, args, firstRow, weight.rows);
    }

#pragma unroll
    for (int tile = 0; tile < Tiles; ++tile) {
#pragma unroll
        for (int part = 0; part < 2; ++part) {
            partial[warp][t + part * 4][tile * kTileRows + lane / 4] = sums[tile][part][0];
            partial[warp][t + part * 4][tile * kTileRows + lane / 4 + 8] = sums[tile][part][1];
        }
    }
    __syncthreads();
    const int column = warp; // each warp finishes one
    if (column >= count)
        return;
    const int index = static_cast<int>(blockIdx.x) * kOutputs + lane;
    float value = 0.0F;
    float upValue = 0.0F;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) {
        value = __fadd_rn(value, partial[w][column][lane]);
        if constexpr (swiglu)
            upValue = __fadd_rn(upValue, partial[w][column][kOutputs + lane]);
    }
    if constexpr (swiglu)
        value = value / (1.0F + expf(-value)) * upValue;
    finish(args, columns.outputRow[column], index, value);
}

inline dim3 productGrid(const ProductArgs &args)
{
    int most = args.weight.out;
    unsigned matrices = static_cast<unsigned>(args.heads);
    if (args.ids != nullptr) {
        matrices = static_cast<unsigned>((args.rows < kColumns ? args.rows : kColumns) * args.perToken);
        if (args.sharedWeight.data != nullptr) {
            ++matrices;
            most = args.sharedWeight.out > most ? args.sharedWeight.out : most;
        }
    }
    return dim3(static_cast<unsigned>((most + kOutputs - 1) / kOutputs), matrices,
        static_cast<unsigned>((args.rows + kColumns - 1) / kColumns));
}

template <DType Type> cudaError_t launchProduct(const ProductArgs &args, cudaStream_t stream)
{
    if (args.up.data != nullptr)
        return launchChained<FirstMemory::Cache>(productKernel<Type, 4>, productGrid(args), kWarps * 32, 0, stream, args);
    return launchChained<FirstMemory::Cache>(productKernel<Type, 2>, productGrid(args), kWarps * 32, 0, stream, args);
}

} // namespace decode

} // namespace kernels::cuda
