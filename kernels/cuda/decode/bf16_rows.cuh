// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// A bfloat16 matrix, or a gate and an up matrix, times up to eight rows of float32: a block a multiprocessor stays and takes tile
// after tile of 16 outputs; one warp asks for their bytes (a copy by a tensor map is a stage of a ring in shared memory, the first
// before the kernel in front is done), eight share a stage's columns. The rows lie in shared memory as they are; a value is cut into the three
// bfloat16 that it is the sum of (8 + 8 + 8 bits), the B operands of three mma.m16n8k16, so products are exact and the sums
// float32. A column's sums have one order whatever the other rows are: warps in order, then slices of 4,096 columns in order;
// rows that do not fit beside the ring take as many slices a launch as do.
// Bound: weight bytes over memory bandwidth.

#include "cuda/common/activation.cuh"
#include "cuda/decode/ring.cuh"
#include "cuda/prompt/warpgroup.cuh"

namespace kernels::cuda {

namespace decode {

namespace bf16 {

inline constexpr int kShare = 8;         // warps
inline constexpr int kWarpColumns = 64;  // of a stage: 128 bytes of an output
inline constexpr int kSteps = kWarpColumns / 16;
inline constexpr int kChunk = kShare * kWarpColumns;
inline constexpr int kSlice = 4096;      // columns
inline constexpr int kBlockBytes = kTileRows * kWarpColumns * 2; // of a warp: [output][column], swizzled by 128 bytes
inline constexpr int kStageBytes = kShare * kBlockBytes;
inline constexpr int kStageAlign = 1024; // of the swizzle
inline constexpr int kRowPad = 8;        // floats between rows in shared memory: the lanes of a load meet all banks
inline constexpr int kOwnBytes = 2 * 1024 + kStageAlign; // what the kernel itself declares is less

struct Plan {
    int stages = 0;
    int firstColumn = 0, columns = 0; // of this launch: whole slices, or up to the end
    bool first = true, last = true;   // launch of the product
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

__device__ inline void multiply(float (&c)[4], std::uint32_t a0, std::uint32_t a1, std::uint32_t a2, std::uint32_t a3, std::uint32_t b0,
    std::uint32_t b1)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// The upper halves of two values; what is left of them takes their place.
__device__ inline std::uint32_t cut(float &a, float &b)
{
    const std::uint32_t pair = __byte_perm(__float_as_uint(a), __float_as_uint(b), 0x7632);
    a = __fsub_rn(a, __uint_as_float(__float_as_uint(a) & 0xFFFF0000U));
    b = __fsub_rn(b, __uint_as_float(__float_as_uint(b) & 0xFFFF0000U));
    return pair;
}

// Adds 16 columns, each piece of the values to sums of its own. `x`: the lane's columns of its row.
__device__ inline void addColumns(float (&sums)[3][4], const std::uint32_t (&weights)[4], const float2 &x0, const float2 &x1)
{
    float v[4] = {x0.x, x0.y, x1.x, x1.y};
#pragma unroll
    for (int piece = 0; piece < 3; ++piece) {
        const std::uint32_t b0 = cut(v[0], v[1]);
        const std::uint32_t b1 = cut(v[2], v[3]);
        multiply(sums[piece], weights[0], weights[1], weights[2], weights[3], b0, b1);
    }
}

__device__ inline float joined(const float (&sums)[3][4], int i) { return __fadd_rn(sums[0][i], __fadd_rn(sums[1][i], sums[2][i])); }

__device__ inline float squaresOf(const float4 &v) { return __fmaf_rn(v.w, v.w, __fmaf_rn(v.z, v.z, __fmaf_rn(v.y, v.y, v.x * v.x))); }

#endif

struct Maps {
    CUtensorMap weight, up; // (column of 64, output, which 64)
};

// Grid: a block a multiprocessor; block: kShare warps that multiply, and one that asks for bytes.
template <bool Gated> __global__ void __launch_bounds__((kShare + 1) * 32, 2) rowsKernel(const ProductArgs args, const Plan plan, const __grid_constant__ Maps maps)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    constexpr int matrices = Gated ? 2 : 1;
    extern __shared__ __align__(1024) unsigned char memory[];
    __shared__ std::uint64_t full[ring::kMostStages];
    __shared__ std::uint64_t empty[ring::kMostStages];
    __shared__ int tileOf[ring::kMostStages]; // where a stage begins one; -1: there are no more
    __shared__ float squares[kShare][kFewRows];

    letNextStart();
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    const int step = static_cast<int>(gridDim.x);
    const std::uint32_t fullAt = sharedAddress(full);
    const std::uint32_t emptyAt = sharedAddress(empty);

    if (warp == kShare && lane == 0) {
        for (int i = 0; i < plan.stages; ++i) {
            bulk::initBarrier(fullAt + i * 8, 1);
            bulk::initBarrier(emptyAt + i * 8, kShare * bulk::kLanes);
        }
        bulk::publishBarriers();
    }
    __syncthreads();
    if (warp == kShare) {
        // The norm's gain, before this block's bytes: what is asked for after those comes microseconds later.
        const int gains = static_cast<int>(blockIdx.x) * 128;
        if (args.gain != nullptr && lane == 0 && gains < args.weight.in)
            bulk::askAhead(args.gain + gains, static_cast<std::uint32_t>(min(128, args.weight.in - gains)) * sizeof(float));
        const std::uint32_t ringAt = sharedAddress(memory);
        int stage = 0;
        unsigned round = 0;
        // The ring's first tiles and one more are a block's own; then whoever has room takes the next, since blocks do not begin
        // together and multiprocessors do not get the same share of the memory.
        const int steps = (plan.columns + kChunk - 1) / kChunk * matrices;
        const int ownTiles = (plan.stages - 1) / steps + 2;
        int owned = ownTiles;
        int tile = static_cast<int>(blockIdx.x);
        while (tile < tiles) {
            int next = tile + step;
            for (int i = 0; i < steps; ++i) {
                if (round > 0)
                    bulk::waitFor(emptyAt + stage * 8, (round - 1) & 1U);
                if (lane == 0) {
                    if (i == 0)
                        tileOf[stage] = tile;
                    bulk::arriveExpecting(fullAt + stage * 8, kStageBytes);
                    bulk::copyTile(ringAt + stage * kStageBytes, Gated && i % 2 != 0 ? maps.up : maps.weight, fullAt + stage * 8, 0, tile * kTileRows,
                        (plan.firstColumn + i / matrices * kChunk) / kWarpColumns);
                }
                if (++stage == plan.stages) {
                    stage = 0;
                    ++round;
                }
                if (owned == 1 && i == 0) {
                    waitForPrevious(); // it dealt out of the same numbers
                    if (lane == 0)
                        next = atomicAdd(args.dealt, 1);
                }
            }
            tile = owned == 1 ? step * ownTiles + __shfl_sync(kAllLanes, next, 0) : next;
            owned = max(owned - 1, 1);
        }
        if (round > 0)
            bulk::waitFor(emptyAt + stage * 8, (round - 1) & 1U);
        waitForPrevious();
        if (lane == 0) {
            tileOf[stage] = -1;
            bulk::arrive(fullAt + stage * 8);
            if (atomicAdd(args.dealt + 1, 1) + 1 == step) { // all others have asked for the last time
                atomicExch(args.dealt, 0);
                atomicExch(args.dealt + 1, 0);
            }
        }
        if (args.normed == nullptr)
            return;
        // The blocks share what the norm leaves behind for others; the other warps have the sums of the squares by now.
        ring::meetAsker(kShare, true);
#pragma unroll 1
        for (int row = 0; row < args.rows; ++row) {
            float square = 0.0F;
#pragma unroll 1
            for (int w = 0; w < kShare; ++w)
                square = __fadd_rn(square, squares[w][row]);
            const float scale = few::normScale(square, args.weight.in, args.epsilon);
#pragma unroll 1
            for (int i = static_cast<int>(blockIdx.x) * 32 + lane; i < args.weight.in; i += step * 32)
                args.normed[row * args.normedStride + i] = args.values[row * args.valueStride + i] * scale * args.gain[i];
        }
        return;
    }

    // The rows, times the norm's gain (which comes with one slice only).
    auto *const rows = reinterpret_cast<float *>(memory + plan.stages * kStageBytes); // [row][column]
    const int rowFloats = plan.columns + kRowPad;
    float *const partial = rows + args.rows * rowFloats; // [turn][warp][matrix][row][output]
    const int turnFloats = kShare * matrices * args.rows * kTileRows;
    const int own = (warp * 32 + lane) * 4;
    constexpr int apart = kShare * 128;
    float4 gain[kSlice / apart];
    if (args.gain != nullptr) {
#pragma unroll
        for (int i = 0; i < kSlice / apart; ++i) {
            if (own + i * apart < plan.columns)
                gain[i] = *reinterpret_cast<const float4 *>(args.gain + own + i * apart);
        }
    }
    waitForPrevious();
#pragma unroll 1
    for (int row = 0; row < args.rows; ++row) {
        const float *from = args.values + row * args.valueStride + plan.firstColumn;
        float square = 0.0F;
#pragma unroll 1
        for (int base = own; base - own < plan.columns; base += kSlice) {
            float4 x[kSlice / apart];
#pragma unroll
            for (int i = 0; i < kSlice / apart; ++i) {
                x[i] = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
                if (base + i * apart < plan.columns)
                    x[i] = *reinterpret_cast<const float4 *>(from + base + i * apart);
            }
#pragma unroll
            for (int i = 0; i < kSlice / apart; ++i) {
                if (args.gain != nullptr) {
                    square = __fadd_rn(square, squaresOf(x[i]));
                    x[i] = make_float4(x[i].x * gain[i].x, x[i].y * gain[i].y, x[i].z * gain[i].z, x[i].w * gain[i].w);
                }
                if (base + i * apart < plan.columns)
                    *reinterpret_cast<float4 *>(rows + row * rowFloats + base + i * apart) = x[i];
            }
        }
        square = warpSum(square);
        if (lane == 0)
            squares[warp][row] = square;
    }
    ring::meet(kShare);
    if (args.normed != nullptr)
        ring::meetAsker(kShare, false);

    const int mine = lane / 4; // the row of the lane's B operand
    const float *const x = rows + mine * rowFloats + warp * kWarpColumns + lane % 4 * 2;
    // Where the lane's row of the tiles of 8 x 8 lies: output lane % 16, eight columns out of sixteen, swizzled.
    const unsigned char *const weights = memory + warp * kBlockBytes + lane % 16 * (kWarpColumns * 2);
    const int swizzled = (lane / 16 ^ lane % 8) * 16;
    int stage = 0;
    unsigned parity = 0;
    int turn = 0;
    int finisher = 0;
    for (;;) {
        bulk::waitFor(fullAt + stage * 8, parity);
        const int tile = tileOf[stage];
        if (tile < 0)
            break;
        const bool finishes = finisher == warp;
        finisher = finisher + 1 == kShare ? 0 : finisher + 1;
        const int index = tile * kTileRows + lane % kTileRows;
        float values[kFewRows / 2] = {}; // of rows lane / 16, and every second one from there
        if (!Gated && finishes && index < args.weight.out && (args.accumulate || !plan.first)) {
#pragma unroll
            for (int i = 0; i < kFewRows / 2; ++i) {
                const int row = 2 * i + lane / kTileRows;
                if (row < args.rows)
                    values[i] = args.output[row * args.outputStride + index];
            }
        }
        float others[kFewRows / 2] = {};
#pragma unroll 1
        for (int slice = 0; slice < plan.columns; slice += kSlice) {
            float sums[3][4] = {}; // [piece]
            float ups[3][4] = {};
#pragma unroll 1
            for (int column = slice; column < min(slice + kSlice, plan.columns); column += kChunk) {
#pragma unroll
                for (int matrix = 0; matrix < matrices; ++matrix) {
                    bulk::waitFor(fullAt + stage * 8, parity);
                    const unsigned char *const at = weights + stage * kStageBytes;
                    std::uint32_t w[kSteps][4];
#pragma unroll
                    for (int i = 0; i < kSteps; ++i)
                        loadFour(w[i], at + (swizzled ^ i * 32));
                    bulk::arrive(emptyAt + stage * 8);
                    if (++stage == plan.stages) {
                        stage = 0;
                        parity ^= 1U;
                    }
                    if (column + warp * kWarpColumns >= plan.columns) // what lies behind them is not taken
                        continue;
#pragma unroll
                    for (int i = 0; i < kSteps; ++i) {
                        float2 x0 = make_float2(0.0F, 0.0F);
                        float2 x1 = x0;
                        if (mine < args.rows) {
                            x0 = *reinterpret_cast<const float2 *>(x + column + i * 16);
                            x1 = *reinterpret_cast<const float2 *>(x + column + i * 16 + 8);
                        }
                        addColumns(matrix == 0 ? sums : ups, w[i], x0, x1);
                    }
                }
            }
            // A lane's sums: outputs lane / 4 and 8 more, rows lane % 4 * 2 and the next.
            float *const into = partial + turn % 2 * turnFloats;
            const auto sumsOf = [&](int w, int matrix, int row) { return into + ((w * matrices + matrix) * args.rows + row) * kTileRows; };
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const int row = lane % 4 * 2 + i % 2;
                if (row < args.rows) {
                    sumsOf(warp, 0, row)[lane / 4 + i / 2 * 8] = joined(sums, i);
                    if constexpr (Gated)
                        sumsOf(warp, 1, row)[lane / 4 + i / 2 * 8] = joined(ups, i);
                }
            }
            ring::meet(kShare);
            ++turn;
            if (finishes) {
#pragma unroll
                for (int i = 0; i < kFewRows / 2; ++i) {
                    const int row = 2 * i + lane / kTileRows;
                    if (row < args.rows) {
                        float sum = 0.0F;
                        float up = 0.0F;
#pragma unroll
                        for (int w = 0; w < kShare; ++w) {
                            sum = __fadd_rn(sum, sumsOf(w, 0, row)[lane % kTileRows]);
                            if constexpr (Gated)
                                up = __fadd_rn(up, sumsOf(w, 1, row)[lane % kTileRows]);
                        }
                        if (args.gain != nullptr) {
                            float square = 0.0F;
#pragma unroll
                            for (int w = 0; w < kShare; ++w)
                                square = __fadd_rn(square, squares[w][row]);
                            const float scale = few::normScale(square, args.weight.in, args.epsilon);
                            sum = __fmul_rn(sum, scale);
                            up = __fmul_rn(up, scale);
                        }
                        values[i] = __fadd_rn(values[i], sum);
                        others[i] = __fadd_rn(others[i], up);
                    }
                }
            }
        }
        if (finishes && index < args.weight.out) {
#pragma unroll
            for (int i = 0; i < kFewRows / 2; ++i) {
                const int row = 2 * i + lane / kTileRows;
                float value = values[i];
                if constexpr (Gated) {
                    value = value / (1.0F + expf(-value)) * others[i];
                } else if (plan.last) {
                    if (args.bias != nullptr)
                        value += args.bias[index];
                    if (!args.accumulate)
                        value = activated(value, args.activation);
                }
                if (row < args.rows)
                    args.output[row * args.outputStride + index] = value;
            }
        }
        __syncwarp();
    }
#endif
}

template <bool Gated> cudaError_t launch(const ProductArgs &args, Plan plan, cudaStream_t stream)
{
    const int floats = args.rows * (plan.columns + kRowPad + 2 * kShare * (Gated ? 2 : 1) * kTileRows); // rows and sums
    const int rowBytes = floats * static_cast<int>(sizeof(float));
    const int most = card().sharedBytes - kOwnBytes;
    plan.stages = std::min(ring::kMostStages, (most - rowBytes) / kStageBytes);
    if (plan.stages < 2)
        return cudaErrorNotSupported;
    Maps maps;
    const auto makeMap = [](const MatrixView &weight, CUtensorMap &map) {
        const std::uint8_t *data = weight.data + static_cast<std::int64_t>(weight.firstTile) * kTileRows * weight.in * 2;
        return makeTensorMap({.data = reinterpret_cast<const __nv_bfloat16 *>(data), .columns = kWarpColumns, .rows = weight.out,
            .matrices = weight.in / kWarpColumns, .rowStride = weight.in, .matrixStride = kWarpColumns, .tileRows = kTileRows, .tileMatrices = kShare, .readOnce = true}, map);
    };
    cudaError_t status = makeMap(args.weight, maps.weight);
    if (status == cudaSuccess)
        status = makeMap(Gated ? args.up : args.weight, maps.up);
    const auto kernel = rowsKernel<Gated>;
    if (status == cudaSuccess)
        status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, most);
    if (status != cudaSuccess)
        return status;
    return launchChained(kernel, dim3(static_cast<unsigned>(card().multiprocessors)), (kShare + 1) * 32U,
        static_cast<std::size_t>(plan.stages * kStageBytes + rowBytes), stream, args, plan, maps);
}

} // namespace bf16

} // namespace decode

} // namespace kernels::cuda
