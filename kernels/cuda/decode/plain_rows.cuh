// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// One matrix times two to eight rows, or a gate and an up matrix, to the bits that ring.cuh gives each of them alone: a block a
// multiprocessor stays and takes tile after tile, in one or two groups of warps that share a tile's columns (gated: one has
// the gate's, one the up matrix's); one warp asks for bytes (bulk copies into a ring in shared memory), the first before the
// kernel in front is done. A tile's digits are read once for all rows, which take them two at a time. The rows are cut into
// bytes once a block.
// Bound: weight bytes over memory bandwidth.

#include "cuda/decode/experts_rows.cuh"

namespace kernels::cuda {

namespace decode {

namespace ring {

inline constexpr int kMostPlainWarps = 16;
inline constexpr int kPlainOwnBytes = 20 * 1024; // what the kernel itself declares is less

struct PlainPlan {
    Plan tile;      // `warps` of it share a tile's columns
    int groups = 0; // that take tiles of their own, or a matrix of every tile
    int stages = 0; // a multiple of what the groups take of them in turn: each stage is always the same group's
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

__device__ inline void meetGroup(int group, int warps) { asm volatile("bar.sync %0, %1;" : : "r"(group + 3), "r"(warps * 32) : "memory"); }

// Waits for the kernel in front; a warp's spans of every `by`-th row, times the norm's gain if there is one. `squares`: [row], of the warp.
template <DType Type>
__device__ inline void prepareRows(Stage<Type> *stages, float *squares, const ProductArgs &args, int spans, int warp, int warps, int first, int by)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int groups = args.weight.in / kGroupColumns;
    const bool normed = args.gain != nullptr;
    int row = first;
    int span = warp;
    const auto next = [&] {
        Values v{};
        if (row < args.rows)
            v = few::loadValues<Type>(args.values + row * args.valueStride, span, groups);
        span += warps;
        if (span >= spans) {
            span = warp;
            row += by;
        }
        return v;
    };
    Values gain{};
    if (normed)
        gain = few::loadValues<Type>(args.gain, warp, groups);
    waitForPrevious();
    Values x[3] = {next(), next(), next()};
    int gained = warp; // the span whose gain is at hand
#pragma unroll 1
    for (int of = first; of < args.rows; of += by)
#pragma unroll 1
        for (int own = warp; own < spans; own += warps) {
            if (normed) {
                if (gained != own)
                    gain = few::loadValues<Type>(args.gain, own, groups);
                gained = own;
                const float sum = warpSum(few::squaresOf(x[0], 0.0F));
                if (lane == 0)
                    squares[of] = own == warp ? sum : __fadd_rn(squares[of], sum);
                few::multiplyBy(x[0], gain);
            }
            put<Type>(stages[of * spans + own], x[0]);
            x[0] = x[1];
            x[1] = x[2];
            x[2] = next();
        }
}

#endif

// Pairs of rows at most. Grid: a block a multiprocessor; block: groups of warps that multiply, and one that asks for bytes.
template <DType Type, bool Gated, int Pairs>
__global__ void __launch_bounds__((kMostPlainWarps + 1) * 32, 1) plainRowsKernel(const ProductArgs args, const PlainPlan plan)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    extern __shared__ __align__(128) unsigned char memory[];
    __shared__ std::uint64_t full[kMostStages];
    __shared__ std::uint64_t empty[kMostStages];
    __shared__ float squares[kMostPlainWarps][kFewRows];             // [warp of a group]
    __shared__ float partial[2][kMostPlainWarps][Pairs][2 * kTileRows]; // [turn][warp][pair][row, output]

    letNextStart();
    constexpr int matrices = Gated ? 2 : 1;
    const int share = plan.tile.warps;
    const int warps = share * plan.groups;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const PackedShape &shape = args.weight.shape;
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    const int spans = (shape.units + kUnits - 1) / kUnits;
    const int step = static_cast<int>(gridDim.x);
    const std::uint32_t fullAt = sharedAddress(full);
    const std::uint32_t emptyAt = sharedAddress(empty);

    if (warp == warps && lane == 0) {
        for (int i = 0; i < plan.stages; ++i) {
            bulk::initBarrier(fullAt + i * 8, 1);
            bulk::initBarrier(emptyAt + i * 8, share * bulk::kLanes);
        }
        bulk::publishBarriers();
    }
    __syncthreads();
    if (warp == warps) {
        const std::uint32_t ringAt = sharedAddress(memory);
        int stage = 0;
        unsigned round = 0;
        for (int tile = static_cast<int>(blockIdx.x); tile < tiles; tile += step) {
            const std::uint8_t *from = args.weight.data + (tile + args.weight.firstTile) * shape.tileBytes;
            const std::uint8_t *other = from;
            if constexpr (Gated)
                other = args.up.data + (tile + args.up.firstTile) * shape.tileBytes;
#pragma unroll 1
            for (int i = 0; i < plan.tile.chunks * matrices; ++i) {
                if (round > 0)
                    bulk::waitFor(emptyAt + stage * 8, (round - 1) & 1U);
                if (lane == 0)
                    fetch<Type>(ringAt + stage * plan.tile.stageBytes, i % matrices == 0 ? from : other, shape, plan.tile, i / matrices, fullAt + stage * 8);
                if (++stage == plan.stages) {
                    stage = 0;
                    ++round;
                }
            }
        }
        if (args.normed == nullptr)
            return;
        // The blocks share what the norm leaves behind for others; the other warps have the sums of the squares by now.
        waitForPrevious();
        meetAsker(warps, true);
#pragma unroll 1
        for (int row = 0; row < args.rows; ++row) {
            float square = 0.0F;
#pragma unroll 1
            for (int w = 0; w < share; ++w)
                square = __fadd_rn(square, squares[w][row]);
            const float scale = few::normScale(square, args.weight.in, args.epsilon);
#pragma unroll 1
            for (int i = static_cast<int>(blockIdx.x) * 32 + lane; i < args.weight.in; i += step * 32)
                args.normed[row * args.normedStride + i] = args.values[row * args.valueStride + i] * scale * args.gain[i];
        }
        return;
    }

    auto *stages = reinterpret_cast<Stage<Type> *>(memory + plan.stages * plan.tile.stageBytes); // [row][span]
    const int group = warp >= share ? 1 : 0;
    const int member = warp - group * share;
    prepareRows<Type>(stages, squares[member], args, spans, member, share, group, plan.groups);
    if (plan.groups > 1)
        meet(warps);
    if (args.normed != nullptr)
        meetAsker(warps, false);

    int stage = Gated ? group : group * plan.tile.chunks;
    unsigned parity = 0;
    int turn = 0;
    int finisher = 0; // the first warp that ends this turn
    const int pairs = (args.rows + 1) / 2;
    const int enders = Gated ? warps : share;
    const int ender = Gated ? warp : member;
    const int apart = Gated ? step : plan.groups * step;
#pragma unroll 1
    for (int tile = static_cast<int>(blockIdx.x) + (Gated ? 0 : group * step); tile < tiles; tile += apart) {
        int ends = ender - finisher; // the pair that this warp ends
        ends += ends < 0 ? enders : 0;
        const int index = tile * kTileRows + lane % kTileRows;
        const int row = 2 * ends + lane / kTileRows;
        few::Beside beside;
        if (!Gated && row < args.rows && index < args.weight.out)
            beside = few::besideOf<1>(args, row, 0, index, args.weight.out);
        float totals[Pairs][2] = {};
#pragma unroll 1
        for (int chunk = 0; chunk < plan.tile.chunks; ++chunk) {
            const int span = chunk * share + member;
            const bool works = span < spans;
            Work<Type> work;
            bulk::waitFor(fullAt + stage * 8, parity);
            if (works)
                take<Type>(work, memory + stage * plan.tile.stageBytes, plan.tile, member, span * kUnits + 1 < shape.units);
            bulk::arrive(emptyAt + stage * 8);
            stage += matrices;
            if (Gated && stage >= plan.stages) {
                stage -= plan.stages;
                parity ^= 1U;
            }
            if (works) {
#pragma unroll
                for (int pair = 0; pair < Pairs; ++pair) {
                    if (2 * pair < args.rows) {
                        const int second = min(2 * pair + 1, args.rows - 1);
                        multiplyPair<Type>(totals[pair], work, stages[(lane < 16 ? 2 * pair : second) * spans + span],
                            stages[(lane % 4 < 2 ? 2 * pair : second) * spans + span]);
                    }
                }
            }
        }
        if constexpr (!Gated) {
            stage += (plan.groups - 1) * plan.tile.chunks;
            if (stage >= plan.stages) {
                stage -= plan.stages;
                parity ^= 1U;
            }
        }
        auto *const sums = partial[turn % 2] + group * share; // [warp of the group][pair][row, output]
#pragma unroll
        for (int pair = 0; pair < Pairs; ++pair) {
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float total = __fadd_rn(totals[pair][half], __shfl_xor_sync(kAllLanes, totals[pair][half], 1));
                if (lane % 2 == 0)
                    sums[member][pair][lane % 4 / 2 * kTileRows + half * 8 + lane / 4] = total;
            }
        }
        if constexpr (Gated)
            meet(warps);
        else
            meetGroup(group, share);
        auto *const ended = Gated ? partial[turn % 2] : sums;
        ++turn;
        finisher += pairs;
        finisher -= finisher >= enders ? enders : 0;
        if (ends < pairs) {
            float value = 0.0F;
            float other = 0.0F;
            float square = 0.0F;
#pragma unroll 4
            for (int w = 0; w < share; ++w) {
                value = __fadd_rn(value, ended[w][ends][lane]);
                if constexpr (Gated)
                    other = __fadd_rn(other, ended[share + w][ends][lane]);
            }
            if (row < args.rows && index < args.weight.out) {
                if (args.gain != nullptr) {
#pragma unroll 4
                    for (int w = 0; w < share; ++w)
                        square = __fadd_rn(square, squares[w][row]);
                    const float scale = few::normScale(square, args.weight.in, args.epsilon);
                    value = __fmul_rn(value, scale);
                    other = __fmul_rn(other, scale);
                }
                if constexpr (Gated) {
                    value = value / (1.0F + expf(-value)) * other;
                } else {
                    if (args.bias != nullptr)
                        value += args.bias[index];
                    value = __fadd_rn(value, beside.slots);
                }
                args.output[row * args.outputStride + index] = !Gated && args.accumulate ? __fadd_rn(beside.old, value) : value;
            }
            __syncwarp();
        }
    }
#endif
}

template <DType Type, bool Gated, int Pairs> cudaError_t launchPlainPairs(const ProductArgs &args, const PlainPlan &plan, std::size_t bytes, cudaStream_t stream)
{
    const auto kernel = plainRowsKernel<Type, Gated, Pairs>;
    const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, card().sharedBytes - kPlainOwnBytes);
    if (allowed != cudaSuccess)
        return allowed;
    return launchChained(kernel, dim3(static_cast<unsigned>(card().multiprocessors)), static_cast<unsigned>(plan.tile.warps * plan.groups + 1) * 32U,
        bytes, stream, args, plan);
}

} // namespace ring

// cudaErrorNotSupported, and nothing is queued: not this card, these shapes, or rows that do not fit into shared memory beside a ring.
template <DType Type, bool Gated> cudaError_t launchPlainRows(const ProductArgs &args, cudaStream_t stream)
{
    if (!card().chained || args.rows < 2 || args.rows > kFewRows || args.ids != nullptr || (args.up.data != nullptr) != Gated || args.heads != 1
        || args.inputPerSlot || (!Gated && !args.accumulate && args.activation != Activation::None))
        return cudaErrorNotSupported;
    const PackedShape &shape = args.weight.shape;
    const int spans = (shape.units + ring::kUnits - 1) / ring::kUnits;
    const int pairs = (args.rows + 1) / 2;
    ring::PlainPlan plan;
    plan.tile = ring::planOf<Type>(shape, sharingOf(args));
    plan.groups = plan.tile.warps <= ring::kMostPlainWarps / 2 ? 2 : 1;
    if (plan.tile.warps * (Gated ? 2 : 1) < pairs || plan.tile.warps * plan.groups > ring::kMostPlainWarps || (Gated && plan.groups != 2)) // a warp ends a pair
        return cudaErrorNotSupported;
    const std::size_t columnBytes = sizeof(ring::Stage<Type>) * static_cast<std::size_t>(spans * args.rows);
    const bool last = args.weight.out > 1024 * kTileRows; // of a step: nothing finds room beside it
    const int unit = Gated ? 2 : plan.groups * plan.tile.chunks; // stages
    const std::size_t least = columnBytes + static_cast<std::size_t>(unit * plan.tile.stageBytes);
    const std::size_t most = static_cast<std::size_t>(card().sharedBytes) - ring::kPlainOwnBytes;
    const std::size_t wanted = std::min<std::size_t>(most, last || Gated ? 210 * 1024 : 128 * 1024);
    if (least > most || unit > ring::kMostStages)
        return cudaErrorNotSupported;
    plan.stages = unit;
    while (plan.stages + unit <= ring::kMostStages
        && columnBytes + static_cast<std::size_t>((plan.stages + unit) * plan.tile.stageBytes) <= (plan.stages == unit ? most : wanted))
        plan.stages += unit;
    const std::size_t bytes = columnBytes + static_cast<std::size_t>(plan.stages * plan.tile.stageBytes);
    return pairs == 1 ? ring::launchPlainPairs<Type, Gated, 1>(args, plan, bytes, stream)
        : pairs == 2  ? ring::launchPlainPairs<Type, Gated, 2>(args, plan, bytes, stream)
                      : ring::launchPlainPairs<Type, Gated, 4>(args, plan, bytes, stream);
}

} // namespace decode

} // namespace kernels::cuda
