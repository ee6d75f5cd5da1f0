// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// One small float16 or bfloat16 matrix a head, times up to eight rows of float32: MLA's absorbed key and value matrices, with
// the small kernel that stands beside or before each: rotation and the new cache row, the parts of the attention put together.
// All of a warp's weights are asked for before the kernel in front is done; sums are float32 in one order per row.
// Bound: the latency of one or two loads.
#include "cuda/decode/heads.h"

#include "cuda/attention/prepare.cuh"
#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"
#include "cuda/packed/unpack.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace kernels::cuda {

namespace {

constexpr int kWarps = 4, kThreads = kWarps * 32, kWarpRows = 4; // outputs of a warp
enum class With { Nothing = 1, Prepare, Combine };

template <DType Type> __device__ float2 pairOf(std::uint32_t word)
{
    if constexpr (Type == DType::BF16)
        return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xFFFF0000U));
    else
        return __half22float2(*reinterpret_cast<const __half2 *>(&word));
}

// What combineKernel does for one row and head, by a block that has four columns a thread; to the same bits.
__device__ void combineRow(const TileAttentionArgs &args, int row, int head, bool write, float *target)
{
    const int thread = static_cast<int>(threadIdx.x);
    const int lane = thread % 32;
    const AttentionArgs &base = args.base;
    const int valueDim = base.cache.valueDim;
    const int position = base.table.positions[row];
    const int first = base.window > 0 ? max(0, position + 1 - base.window) / kChunkTokens : 0;
    const int count = position / kChunkTokens + 1 - first; // at most 32
    const std::int64_t index = static_cast<std::int64_t>(row) * base.heads + head;
    float2 own = make_float2(-INFINITY, 0.0F);
    if (lane < count)
        own = args.statistics[index * args.chunks + first + lane];
    const float weight = exp2f(own.x - warpMax(own.x));
    const float share = __fmul_rn(own.y, weight);
    const float *partial = args.partial + (index * args.chunks + first) * valueDim + thread * 4;
    const bool inside = thread * 4 < valueDim;
    float4 sum = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    float total = 0.0F;
#pragma unroll 4
    for (int c = 0; c < count; ++c) {
        float4 part = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
        if (inside)
            part = *reinterpret_cast<const float4 *>(partial + static_cast<std::int64_t>(c) * valueDim);
        const float factor = __shfl_sync(kAllLanes, weight, c);
        total = __fadd_rn(total, __shfl_sync(kAllLanes, share, c));
        sum.x = __fmaf_rn(part.x, factor, sum.x);
        sum.y = __fmaf_rn(part.y, factor, sum.y);
        sum.z = __fmaf_rn(part.z, factor, sum.z);
        sum.w = __fmaf_rn(part.w, factor, sum.w);
    }
    if (!inside)
        return;
    const float4 value = make_float4(__fdiv_rn(sum.x, total), __fdiv_rn(sum.y, total), __fdiv_rn(sum.z, total), __fdiv_rn(sum.w, total));
    *reinterpret_cast<float4 *>(target + thread * 4) = value;
    if (write)
        *reinterpret_cast<float4 *>(base.output + index * valueDim + thread * 4) = value;
}

// Grid: (1 + heads) * rows blocks that prepare, then outputs / 16 a head. Lanes: of one output; each holds `Each` times eight
// columns.
template <DType Type, int Lanes, int Each, With Also> __global__ void __launch_bounds__(kThreads) headsKernel(const HeadsArgs all)
{
    constexpr int atOnce = 32 / Lanes;            // outputs of one load
    constexpr int loads = kWarpRows / atOnce;
    __shared__ __align__(16) float combined[Also == With::Combine ? Lanes * Each * 8 : 4];
    letNextStart();
    const ProductArgs &args = all.product;
    int block = static_cast<int>(blockIdx.x);
    if constexpr (Also == With::Prepare) {
        const int before = (1 + all.prepare.heads) * all.prepare.rows;
        if (block < before) {
            prepare::prepareLatent(all.prepare, block / (1 + all.prepare.heads), block % (1 + all.prepare.heads));
            return;
        }
        block -= before;
    }
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int blocksEach = (args.weight.out + kWarps * kWarpRows - 1) / (kWarps * kWarpRows);
    const int head = block / blocksEach;
    const int part = lane % Lanes;
    const int firstOutput = (block % blocksEach * kWarps + static_cast<int>(threadIdx.x) / 32) * kWarpRows + lane / Lanes;
    const auto *weight = reinterpret_cast<const uint4 *>(args.weight.data + head * args.weight.matrixBytes);
    uint4 held[loads][Each];
#pragma unroll
    for (int i = 0; i < loads; ++i) {
        const int output = min(firstOutput + i * atOnce, args.weight.out - 1);
#pragma unroll
        for (int e = 0; e < Each; ++e)
            held[i][e] = loadOnce(weight + (static_cast<std::int64_t>(output) * args.weight.in) / 8 + e * Lanes + part);
    }
    waitForPrevious();
    for (int row = 0; row < args.rows; ++row) {
        const auto *x = reinterpret_cast<const float4 *>(args.values + row * args.valueStride + head * args.inputHead);
        if constexpr (Also == With::Combine) {
            __syncthreads(); // the row before is used
            combineRow(all.attention, row, head, block % blocksEach == 0, combined);
            __syncthreads();
            x = reinterpret_cast<const float4 *>(combined);
        }
        float sums[loads] = {};
#pragma unroll
        for (int e = 0; e < Each; ++e) {
            const float4 a = x[(e * Lanes + part) * 2];
            const float4 b = x[(e * Lanes + part) * 2 + 1];
#pragma unroll
            for (int i = 0; i < loads; ++i) {
                const float2 w[4] = {pairOf<Type>(held[i][e].x), pairOf<Type>(held[i][e].y), pairOf<Type>(held[i][e].z),
                    pairOf<Type>(held[i][e].w)};
                float sum = sums[i];
                sum = __fmaf_rn(w[0].x, a.x, sum);
                sum = __fmaf_rn(w[0].y, a.y, sum);
                sum = __fmaf_rn(w[1].x, a.z, sum);
                sum = __fmaf_rn(w[1].y, a.w, sum);
                sum = __fmaf_rn(w[2].x, b.x, sum);
                sum = __fmaf_rn(w[2].y, b.y, sum);
                sum = __fmaf_rn(w[3].x, b.z, sum);
                sums[i] = __fmaf_rn(w[3].y, b.w, sum);
            }
        }
#pragma unroll
        for (int i = 0; i < loads; ++i) {
            float sum = sums[i];
#pragma unroll
            for (int distance = Lanes / 2; distance > 0; distance /= 2)
                sum = __fadd_rn(sum, __shfl_xor_sync(kAllLanes, sum, distance));
            const int output = firstOutput + i * atOnce;
            if (part == 0 && output < args.weight.out)
                args.output[row * args.outputStride + head * args.outputHead + output] = sum;
        }
    }
}

template <DType Type, int Lanes, int Each> cudaError_t launchWith(const HeadsArgs &args, cudaStream_t stream)
{
    const int each = (args.product.weight.out + kWarps * kWarpRows - 1) / (kWarps * kWarpRows);
    const int before = args.hasPrepare ? (1 + args.prepare.heads) * args.prepare.rows : 0;
    const dim3 grid(static_cast<unsigned>(each * args.product.heads + before));
    const auto kernel = args.hasPrepare ? headsKernel<Type, Lanes, Each, With::Prepare>
        : args.hasCombine              ? headsKernel<Type, Lanes, Each, With::Combine>
                                       : headsKernel<Type, Lanes, Each, With::Nothing>;
    return launchChained(kernel, grid, kThreads, 0, stream, args);
}

template <DType Type> cudaError_t launchHeads(const HeadsArgs &args, cudaStream_t stream)
{
    switch (args.product.weight.in) {
    case 64: return launchWith<Type, 8, 1>(args, stream);
    case 128: return launchWith<Type, 16, 1>(args, stream);
    case 256: return launchWith<Type, 32, 1>(args, stream);
    case 512: return launchWith<Type, 32, 2>(args, stream);
    default: return cudaErrorNotSupported;
    }
}

} // namespace

bool hasFewHeads(const MatrixView &weight)
{
    return (weight.dtype == DType::BF16 || weight.dtype == DType::F16)
        && (weight.in == 64 || weight.in == 128 || weight.in == 256 || weight.in == 512);
}

bool canCombine(const TileAttentionArgs &attention, const MatrixView &weight)
{
    return attention.chunks > 0 && attention.chunks <= kCombinedChunks && attention.base.table.rows <= kFewRows
        && attention.base.cache.valueDim == weight.in;
}

cudaError_t fewHeads(const HeadsArgs &args, cudaStream_t stream)
{
    if (args.product.rows == 0 || args.product.weight.out == 0)
        return cudaSuccess;
    if (args.product.rows > kFewRows || !hasFewHeads(args.product.weight) || (args.hasPrepare && args.hasCombine))
        return cudaErrorNotSupported;
    return args.product.weight.dtype == DType::BF16 ? launchHeads<DType::BF16>(args, stream) : launchHeads<DType::F16>(args, stream);
}

} // namespace kernels::cuda
