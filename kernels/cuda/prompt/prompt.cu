// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products of prompts: tiles of 128 x 128 outputs, 32 columns of K a stage, four stages of cp.async, eight warps of
// 64 x 32 with mma.m16n8k16. Experts are tiles of their own rows, found from offsets on the device, so nothing waits for
// the host. Every output sums K in one order whatever the rows. Bound: tensor cores (mma.sync reaches about 60 % of what
// wgmma does on sm_90).
#include "cuda/prompt/tile.cuh"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"
#include "cuda/common/tensor.cuh"

namespace kernels::cuda {

namespace {

using Bf16 = __nv_bfloat16;
using namespace prompt;
constexpr int kThreads = 256, kColumns = 128, kDepth = 32, kStages = 4, kStride = kDepth + 8;
constexpr int kStageElements = (kRows + kColumns) * kStride;
constexpr std::size_t kSharedBytes = sizeof(Bf16) * kStages * kStageElements;

__device__ void copySixteen(std::uint32_t shared, const void *global, bool inside)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(shared), "l"(global), "r"(inside ? 16 : 0)
                 : "memory");
}
__device__ void loadFour(std::uint32_t (&r)[4], std::uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

// With `up`, the tile's columns are eight of the gate and the same eight of the up matrix in turn, so that a thread holds
// both halves of its results.
template <bool Swiglu> __global__ void __launch_bounds__(kThreads, 2) matrixProductKernel(const MatrixProductArgs args)
{
    extern __shared__ __align__(16) unsigned char shared[];
    const std::uint32_t base = sharedAddress(shared);
    Block block;
    if (!findBlock(args, block))
        return;
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    const int firstColumn = static_cast<int>(blockIdx.y) * (Swiglu ? kColumns / 2 : kColumns);

    // Each thread copies 16 bytes of two rows of each operand a stage.
    const Bf16 *aSource[2];
    const Bf16 *bSource[2];
    bool aInside[2];
    bool bInside[2];
    std::uint32_t target[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const int place = thread / 4 + i * 64;
        const int chunk = thread % 4 * 8;
        aInside[i] = place < block.rows;
        const std::int64_t row = block.firstRow + (aInside[i] ? place : 0);
        aSource[i] = args.a + row * args.aStride + (args.offsets == nullptr ? block.matrix * args.aHead : 0) + chunk;
        int column = firstColumn + place;
        const Bf16 *matrix = args.b;
        if constexpr (Swiglu) {
            column = firstColumn + place / 16 * 8 + place % 8;
            matrix = place % 16 < 8 ? args.b : args.up;
        }
        bInside[i] = column < args.n;
        bSource[i] = matrix + block.matrix * args.matrixStride + static_cast<std::int64_t>(bInside[i] ? column : 0) * args.k + chunk;
        target[i] = static_cast<std::uint32_t>((place * kStride + chunk) * sizeof(Bf16));
    }
    const int steps = args.k / kDepth;
    const auto fetch = [&](int step) {
        if (step < steps) {
            const std::uint32_t stage = base + static_cast<std::uint32_t>(step % kStages * kStageElements * sizeof(Bf16));
#pragma unroll
            for (int i = 0; i < 2; ++i) {
                copySixteen(stage + target[i], aSource[i] + step * kDepth, aInside[i]);
                copySixteen(stage + static_cast<std::uint32_t>(kRows * kStride * sizeof(Bf16)) + target[i],
                    bSource[i] + step * kDepth, bInside[i]);
            }
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    for (int step = 0; step < kStages - 1; ++step)
        fetch(step);

    const int warpRow = warp % 2 * 64;
    const int warpColumn = warp / 2 * 32;
    float sums[4][4][4] = {};
    for (int step = 0; step < steps; ++step) {
        asm volatile("cp.async.wait_group %0;" ::"n"(kStages - 2) : "memory");
        __syncthreads();
        fetch(step + kStages - 1);
        const std::uint32_t stage = base + static_cast<std::uint32_t>(step % kStages * kStageElements * sizeof(Bf16));
        const std::uint32_t aTile = stage
            + static_cast<std::uint32_t>(((warpRow + lane % 16) * kStride + lane / 16 * 8) * sizeof(Bf16));
        const std::uint32_t bTile = stage
            + static_cast<std::uint32_t>(
                ((kRows + warpColumn + lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8) * sizeof(Bf16));
#pragma unroll
        for (int k = 0; k < kDepth; k += 16) {
            std::uint32_t a[4][4];
            std::uint32_t b[2][4];
#pragma unroll
            for (int m = 0; m < 4; ++m)
                loadFour(a[m], aTile + static_cast<std::uint32_t>((m * 16 * kStride + k) * sizeof(Bf16)));
#pragma unroll
            for (int n = 0; n < 2; ++n)
                loadFour(b[n], bTile + static_cast<std::uint32_t>((n * 16 * kStride + k) * sizeof(Bf16)));
#pragma unroll
            for (int m = 0; m < 4; ++m) {
#pragma unroll
                for (int n = 0; n < 4; ++n)
                    multiply(sums[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
            }
        }
    }

#pragma unroll
    for (int m = 0; m < 4; ++m) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int inBlock = warpRow + m * 16 + lane / 4 + half * 8;
            if (inBlock >= block.rows)
                continue;
            std::int64_t row = block.firstRow + inBlock;
            if (args.order != nullptr)
                row = args.order[row];
            if constexpr (Swiglu) {
#pragma unroll
                for (int n = 0; n < 4; n += 2) {
                    const int column = firstColumn + (warpColumn + n * 8) / 2 + lane % 4 * 2;
                    if (column >= args.n)
                        continue;
                    float results[2];
#pragma unroll
                    for (int i = 0; i < 2; ++i) {
                        const float gate = sums[m][n][half * 2 + i];
                        results[i] = gate / (1.0F + expf(-gate)) * sums[m][n + 1][half * 2 + i];
                    }
                    putPair(args, block, row, column, results[0], results[1]);
                }
            } else {
#pragma unroll
                for (int n = 0; n < 4; ++n) {
                    const int column = firstColumn + warpColumn + n * 8 + lane % 4 * 2;
                    if (column < args.n)
                        putPair(args, block, row, column, sums[m][n][half * 2], sums[m][n][half * 2 + 1]);
                }
            }
        }
    }
}

__global__ void __launch_bounds__(kThreads) narrowKernel(NarrowArgs args)
{
    const auto row = static_cast<std::int64_t>(blockIdx.x);
    const int column = (static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * 4;
    if (column >= args.columns)
        return;
    const std::int64_t from = args.order != nullptr ? args.order[row] / args.perToken : row;
    const float *source = args.input + from * args.inputStride + column;
    float4 v;
    if (reinterpret_cast<std::uintptr_t>(source) % sizeof(float4) == 0)
        v = *reinterpret_cast<const float4 *>(source);
    else
        v = make_float4(source[0], source[1], source[2], source[3]);
    auto *target = reinterpret_cast<__nv_bfloat162 *>(args.output + row * args.columns + column);
    target[0] = __floats2bfloat162_rn(v.x, v.y);
    target[1] = __floats2bfloat162_rn(v.z, v.w);
}

// Grid (rows, columns / 8 / kThreads).
__global__ void __launch_bounds__(kThreads) gatherRowsKernel(GatherRowsArgs args)
{
    const auto row = static_cast<std::int64_t>(blockIdx.x);
    const int column = (static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * 8;
    if (column >= args.columns)
        return;
    const std::int64_t from = args.order[row] / args.perToken;
    *reinterpret_cast<uint4 *>(args.output + row * args.columns + column) =
        *reinterpret_cast<const uint4 *>(args.input + from * args.columns + column);
}

__global__ void __launch_bounds__(kThreads) sumNarrowSlotsKernel(SumNarrowSlotsArgs args)
{
    const auto row = static_cast<std::int64_t>(blockIdx.x);
    const int column = (static_cast<int>(blockIdx.y) * kThreads + static_cast<int>(threadIdx.x)) * 8;
    if (column >= args.columns)
        return;
    float sums[8] = {};
    for (int k = 0; k < args.perToken; ++k) {
        const std::int64_t slot = row * args.perToken + k;
        if (args.ids[slot] < 0)
            continue;
        const float weight = args.weights[slot];
        const uint4 raw = *reinterpret_cast<const uint4 *>(args.slots + slot * args.columns + column);
        const std::uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            sums[2 * i] = __fmaf_rn(weight, __uint_as_float(words[i] << 16), sums[2 * i]);
            sums[2 * i + 1] = __fmaf_rn(weight, __uint_as_float(words[i] & 0xFFFF0000U), sums[2 * i + 1]);
        }
    }
    auto *target = reinterpret_cast<float4 *>(args.output + row * args.outputStride + column);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const float4 old = target[i];
        target[i] = make_float4(old.x + sums[4 * i], old.y + sums[4 * i + 1], old.z + sums[4 * i + 2], old.w + sums[4 * i + 3]);
    }
}

// A block an expert: how many slots chose a smaller one, then its own in ascending order.
__global__ void __launch_bounds__(kThreads) groupSlotsKernel(const std::int32_t *ids, int slots, std::int32_t *order,
    std::int32_t *offsets)
{
    __shared__ int mineOf[kThreads / 32];
    __shared__ int belowOf[kThreads / 32];
    const int expert = static_cast<int>(blockIdx.x);
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % 32;
    const int warp = thread / 32;
    const int each = (slots + kThreads - 1) / kThreads;
    const int begin = min(thread * each, slots);
    const int end = min(begin + each, slots);
    int mine = 0;
    int below = 0;
    for (int i = begin; i < end; ++i) {
        mine += ids[i] == expert ? 1 : 0;
        below += ids[i] >= 0 && ids[i] < expert ? 1 : 0;
    }
    int before = mine; // inclusive scan over the warp
    for (int distance = 1; distance < 32; distance *= 2) {
        const int other = __shfl_up_sync(kAllLanes, before, distance);
        before += lane >= distance ? other : 0;
    }
    for (int distance = 16; distance > 0; distance /= 2)
        below += __shfl_xor_sync(kAllLanes, below, distance);
    if (lane == 31)
        mineOf[warp] = before;
    if (lane == 0)
        belowOf[warp] = below;
    __syncthreads();
    int first = 0;
    int total = 0;
    int start = 0;
    for (int w = 0; w < kThreads / 32; ++w) {
        first += w < warp ? mineOf[w] : 0;
        total += mineOf[w];
        start += belowOf[w];
    }
    int place = start + first + before - mine;
    for (int i = begin; i < end; ++i) {
        if (ids[i] == expert)
            order[place++] = i;
    }
    if (thread == 0) {
        offsets[expert] = start;
        if (expert + 1 == static_cast<int>(gridDim.x))
            offsets[expert + 1] = start + total;
    }
}

template <bool Swiglu> cudaError_t launchProduct(const MatrixProductArgs &args, cudaStream_t stream)
{
    return launchTiles(matrixProductKernel<Swiglu>, args, Swiglu ? kColumns / 2 : kColumns, kThreads, kSharedBytes, stream);
}

} // namespace

cudaError_t matrixProduct(const MatrixProductArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.n == 0)
        return cudaSuccess;
    if (args.k % kDepth != 0 || ((args.narrow != nullptr || args.up != nullptr) && args.n % 8 != 0))
        return cudaErrorNotSupported;
    if (card().warpgroups && hasWarpgroupProduct(args))
        return warpgroupProduct(args, stream);
    return args.up != nullptr ? launchProduct<true>(args, stream) : launchProduct<false>(args, stream);
}

cudaError_t narrow(const NarrowArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.columns == 0)
        return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(args.rows), blocksFor(args.columns, kThreads * 4));
    narrowKernel<<<grid, kThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

cudaError_t gatherRows(const GatherRowsArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.columns == 0)
        return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(args.rows), blocksFor(args.columns, kThreads * 8));
    gatherRowsKernel<<<grid, kThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

cudaError_t sumNarrowSlots(const SumNarrowSlotsArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.columns == 0)
        return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(args.rows), blocksFor(args.columns, kThreads * 8));
    sumNarrowSlotsKernel<<<grid, kThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

cudaError_t groupSlots(const std::int32_t *ids, int slots, int experts, std::int32_t *order, std::int32_t *offsets,
    cudaStream_t stream)
{
    if (experts == 0)
        return cudaSuccess;
    groupSlotsKernel<<<static_cast<unsigned>(experts), kThreads, 0, stream>>>(ids, slots, order, offsets);
    return cudaGetLastError();
}

} // namespace kernels::cuda
