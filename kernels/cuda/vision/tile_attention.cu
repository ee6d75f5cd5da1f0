// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention inside picture tiles (VL2's tower: 729 tokens, 16 heads of 72). A block takes 64 queries of one head of one
// tile and walks over the keys 64 at a time with a running softmax; a warp holds 16 queries. Keys and values are read
// from L2 once a block, 0.8 GB a layer of ten tiles: bound about 0.16 ms a layer at 5 TB/s, the products 0.05 ms.
#include "cuda/vision/tile_attention.h"

#include "cuda/common/reduce.cuh"

#include <cuda_bf16.h>

#include <cstdint>

namespace kernels::cuda {

namespace {

constexpr int kThreads = 128, kQueries = 64, kKeys = 64;

__device__ std::uint32_t pairOf(float low, float high)
{
    const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<const std::uint32_t *>(&pair);
}

__device__ void multiply(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ float quadMax(float value)
{
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
    return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}

__device__ float quadSum(float value)
{
    value += __shfl_xor_sync(kAllLanes, value, 1);
    return value + __shfl_xor_sync(kAllLanes, value, 2);
}

// Rows of bfloat16 in shared memory, a stride that keeps eight rows in different banks.
template <int Dim> struct Layout {
    static constexpr int kDepth = (Dim + 15) / 16 * 16; // of a product of queries and keys
    static constexpr int kKeyStride = kDepth + 8, kValueStride = Dim + 8;
};

template <int Dim, int Stride>
__device__ void copyRows(__nv_bfloat16 *target, const float *source, std::int64_t stride, int rows)
{
    for (int i = static_cast<int>(threadIdx.x); i < kKeys * Dim / 4; i += kThreads) {
        const int row = i / (Dim / 4), column = i % (Dim / 4) * 4;
        const float4 v = row < rows ? *reinterpret_cast<const float4 *>(source + row * stride + column)
                                    : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
        auto *place = reinterpret_cast<std::uint32_t *>(target + row * Stride + column);
        place[0] = pairOf(v.x, v.y);
        place[1] = pairOf(v.z, v.w);
    }
}

template <int Dim> __global__ void __launch_bounds__(kThreads) pictureAttentionKernel(const DenseAttentionArgs args)
{
    using L = Layout<Dim>;
    __shared__ __align__(16) __nv_bfloat16 keys[kKeys * L::kKeyStride];
    __shared__ __align__(16) __nv_bfloat16 values[kKeys * L::kValueStride];
    const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
    const int headOffset = static_cast<int>(blockIdx.y) * Dim;
    const std::int64_t firstRow = static_cast<std::int64_t>(blockIdx.z) * args.tokens;
    const int query = static_cast<int>(blockIdx.x) * kQueries + warp * 16 + lane / 4; // and the one eight later
    if constexpr (L::kDepth != Dim) // zeros behind a key, which products read
        for (int i = thread; i < kKeys * (L::kDepth - Dim); i += kThreads)
            keys[i / (L::kDepth - Dim) * L::kKeyStride + Dim + i % (L::kDepth - Dim)] = __float2bfloat16(0.0F);

    const float scale = args.scale * 1.44269504F; // powers of two below
    std::uint32_t q[L::kDepth / 16][4];
#pragma unroll
    for (int step = 0; step < L::kDepth / 16; ++step)
#pragma unroll
        for (int part = 0; part < 4; ++part) {
            const int row = query + part % 2 * 8, column = step * 16 + part / 2 * 8 + lane % 4 * 2;
            float2 v = make_float2(0.0F, 0.0F);
            if (row < args.tokens && column < Dim)
                v = *reinterpret_cast<const float2 *>(args.query + (firstRow + row) * args.queryStride + headOffset + column);
            q[step][part] = pairOf(v.x * scale, v.y * scale);
        }

    float sums[Dim / 8][4] = {};
    float best[2] = {-INFINITY, -INFINITY}, total[2] = {0.0F, 0.0F};
    for (int first = 0; first < args.tokens; first += kKeys) {
        const int count = min(kKeys, args.tokens - first);
        __syncthreads(); // the chunk before is used
        copyRows<Dim, L::kKeyStride>(keys, args.key + (firstRow + first) * args.keyStride + headOffset, args.keyStride, count);
        copyRows<Dim, L::kValueStride>(values, args.value + (firstRow + first) * args.valueStride + headOffset, args.valueStride,
            count);
        __syncthreads();

        float scores[kKeys / 8][4] = {};
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
            for (int step = 0; step < L::kDepth / 16; ++step) {
                const __nv_bfloat16 *key = keys + (n * 8 + lane / 4) * L::kKeyStride + step * 16 + lane % 4 * 2;
                multiply(scores[n], q[step], *reinterpret_cast<const std::uint32_t *>(key),
                    *reinterpret_cast<const std::uint32_t *>(key + 8));
            }
        float newBest[2] = {best[0], best[1]};
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                if (n * 8 + lane % 4 * 2 + i % 2 >= count)
                    scores[n][i] = -INFINITY;
                newBest[i / 2] = fmaxf(newBest[i / 2], scores[n][i]);
            }
        float rescale[2];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            newBest[half] = quadMax(newBest[half]);
            rescale[half] = exp2f(best[half] - newBest[half]); // first chunk: 0
            best[half] = newBest[half];
            total[half] *= rescale[half];
        }
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                scores[n][i] = exp2f(scores[n][i] - best[i / 2]);
                total[i / 2] += scores[n][i];
            }
#pragma unroll
        for (int d = 0; d < Dim / 8; ++d)
#pragma unroll
            for (int i = 0; i < 4; ++i)
                sums[d][i] *= rescale[i / 2];
#pragma unroll
        for (int step = 0; step < kKeys / 16; ++step) {
            const float(&low)[4] = scores[2 * step];
            const float(&high)[4] = scores[2 * step + 1];
            const std::uint32_t p[4] = {pairOf(low[0], low[1]), pairOf(low[2], low[3]), pairOf(high[0], high[1]),
                pairOf(high[2], high[3])};
#pragma unroll
            for (int d = 0; d < Dim / 8; ++d) {
                const __nv_bfloat16 *value = values + (step * 16 + lane % 16) * L::kValueStride + d * 8;
                std::uint32_t b0 = 0, b1 = 0;
                asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                             : "=r"(b0), "=r"(b1)
                             : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(value)))
                             : "memory");
                multiply(sums[d], p, b0, b1);
            }
        }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const int row = query + half * 8;
        const float share = 1.0F / quadSum(total[half]);
        if (row >= args.tokens)
            continue;
        float *output = args.output + (firstRow + row) * args.outputStride + headOffset + lane % 4 * 2;
#pragma unroll
        for (int d = 0; d < Dim / 8; ++d)
            *reinterpret_cast<float2 *>(output + d * 8) = make_float2(sums[d][half * 2] * share, sums[d][half * 2 + 1] * share);
    }
}

bool isAligned(const float *data, std::int64_t stride)
{
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && stride % 4 == 0;
}

template <int Dim> cudaError_t launch(const DenseAttentionArgs &args, cudaStream_t stream)
{
    const dim3 grid(static_cast<unsigned>((args.tokens + kQueries - 1) / kQueries), static_cast<unsigned>(args.heads),
        static_cast<unsigned>(args.batch));
    pictureAttentionKernel<Dim><<<grid, kThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

} // namespace

bool hasPictureTiles(const DenseAttentionArgs &args)
{
    const int dim = args.headDim;
    return (dim == 64 || dim == 72 || dim == 80 || dim == 96 || dim == 128) && isAligned(args.query, args.queryStride)
        && isAligned(args.key, args.keyStride) && isAligned(args.value, args.valueStride)
        && isAligned(args.output, args.outputStride);
}

cudaError_t pictureAttention(const DenseAttentionArgs &args, cudaStream_t stream)
{
    if (args.batch == 0 || args.tokens == 0)
        return cudaSuccess;
    switch (args.headDim) {
    case 64: return launch<64>(args, stream);
    case 72: return launch<72>(args, stream);
    case 80: return launch<80>(args, stream);
    case 96: return launch<96>(args, stream);
    case 128: return launch<128>(args, stream);
    default: return cudaErrorNotSupported;
    }
}

} // namespace kernels::cuda
