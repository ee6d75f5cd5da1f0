// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention inside picture tiles (VL2's tower: 729 tokens, 16 heads of 72). A block takes 64 queries of one head of one
// tile and walks over the keys 64 at a time with a running softmax; a warp holds 16 queries. Keys and values are read
// from L2 once a block, 0.8 GB a layer of ten tiles: bound about 0.16 ms a layer at 5 TB/s, the products 0.05 ms.
#include "cuda/vision/tile_attention.h"

#include "cuda/common/reduce.cuh"
#include "cuda/common/tensor.cuh"

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

// The same over rows of bfloat16, 32 queries a warp and the next keys on their way while these are multiplied: a fragment of
// keys or values out of shared memory serves two tiles of queries.
constexpr int kNarrowQueries = 128;

template <int Dim> struct NarrowLayout {
    static constexpr int kDepth = (Dim + 15) / 16 * 16, kStride = kDepth + 8, kPieces = Dim / 8; // of 16 bytes
    static_assert(Dim % 8 == 0 && (kDepth / 8) % 2 == 0, "rows of 16 bytes, eight of them in different banks");
};

__device__ void copySixteen(const void *shared, const void *global, bool inside)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(shared))), "l"(global),
        "r"(inside ? 16 : 0)
        : "memory");
}

template <int Dim> __global__ void __launch_bounds__(kThreads, 2) narrowAttentionKernel(const NarrowAttentionArgs args)
{
    using L = NarrowLayout<Dim>;
    __shared__ __align__(16) __nv_bfloat16 keys[2][kKeys * L::kStride];
    __shared__ __align__(16) __nv_bfloat16 values[2][kKeys * L::kStride];
    const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
    const int headOffset = static_cast<int>(blockIdx.y) * Dim;
    const std::int64_t firstRow = static_cast<std::int64_t>(blockIdx.z) * args.tokens;
    const int firstQuery = static_cast<int>(blockIdx.x) * kNarrowQueries + warp * 32 + lane / 4; // and 8, 16, 24 further
    if constexpr (L::kDepth != Dim) // zeros behind a key, which products read
        for (int i = thread; i < 2 * kKeys * (L::kDepth - Dim); i += kThreads) {
            const int row = i / (L::kDepth - Dim);
            keys[row / kKeys][row % kKeys * L::kStride + Dim + i % (L::kDepth - Dim)] = __float2bfloat16(0.0F);
        }
    const auto fetch = [&](int first) {
        const int stage = first / kKeys % 2;
        for (int i = thread; first < args.tokens && i < kKeys * L::kPieces; i += kThreads) {
            const int row = i / L::kPieces, column = i % L::kPieces * 8;
            const bool inside = first + row < args.tokens;
            const std::int64_t place = firstRow + (inside ? first + row : 0);
            copySixteen(&keys[stage][row * L::kStride + column], args.key + place * args.stride + headOffset + column, inside);
            copySixteen(&values[stage][row * L::kStride + column], args.value + place * args.stride + headOffset + column, inside);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    fetch(0);

    std::uint32_t q[2][L::kDepth / 16][4];
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int step = 0; step < L::kDepth / 16; ++step)
#pragma unroll
            for (int part = 0; part < 4; ++part) {
                const int row = firstQuery + m * 16 + part % 2 * 8, column = step * 16 + part / 2 * 8 + lane % 4 * 2;
                q[m][step][part] = row < args.tokens && column < Dim
                    ? *reinterpret_cast<const std::uint32_t *>(args.query + (firstRow + row) * args.stride + headOffset + column)
                    : 0;
            }

    const float scale = args.scale * 1.44269504F; // powers of two below
    float sums[2][Dim / 8][4] = {};
    float best[2][2] = {{-INFINITY, -INFINITY}, {-INFINITY, -INFINITY}}, total[2][2] = {};
    for (int first = 0; first < args.tokens; first += kKeys) {
        const int count = min(kKeys, args.tokens - first);
        asm volatile("cp.async.wait_group 0;" ::: "memory");
        __syncthreads(); // these keys are there, those of the other stage used
        fetch(first + kKeys);
        const __nv_bfloat16 *keysHere = keys[first / kKeys % 2], *valuesHere = values[first / kKeys % 2];

        float scores[2][kKeys / 8][4] = {};
#pragma unroll
        for (int n = 0; n < kKeys / 8; n += 2)
#pragma unroll
            for (int step = 0; step < L::kDepth / 16; ++step) {
                const __nv_bfloat16 *key = keysHere + (n * 8 + lane / 16 * 8 + lane % 8) * L::kStride + step * 16 + lane / 8 % 2 * 8;
                std::uint32_t b[4];
                asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                             : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3])
                             : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(key)))
                             : "memory");
#pragma unroll
                for (int m = 0; m < 2; ++m) {
                    multiply(scores[m][n], q[m][step], b[0], b[1]);
                    multiply(scores[m][n + 1], q[m][step], b[2], b[3]);
                }
            }
#pragma unroll
        for (int m = 0; m < 2; ++m) {
            float newBest[2] = {-INFINITY, -INFINITY};
#pragma unroll
            for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    if (count < kKeys && n * 8 + lane % 4 * 2 + i % 2 >= count)
                        scores[m][n][i] = -INFINITY;
                    newBest[i / 2] = fmaxf(newBest[i / 2], scores[m][n][i]);
                }
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const float next = fmaxf(best[m][half], quadMax(newBest[half]) * scale);
                const float rescale = exp2f(best[m][half] - next); // first chunk: 0
                best[m][half] = next;
                total[m][half] *= rescale;
#pragma unroll
                for (int d = 0; d < Dim / 8; ++d) {
                    sums[m][d][half * 2] *= rescale;
                    sums[m][d][half * 2 + 1] *= rescale;
                }
            }
#pragma unroll
            for (int n = 0; n < kKeys / 8; ++n)
#pragma unroll
                for (int i = 0; i < 4; ++i) {
                    scores[m][n][i] = exp2f(__fmaf_rn(scores[m][n][i], scale, -best[m][i / 2]));
                    total[m][i / 2] += scores[m][n][i];
                }
        }
#pragma unroll
        for (int step = 0; step < kKeys / 16; ++step) {
            std::uint32_t p[2][4];
#pragma unroll
            for (int m = 0; m < 2; ++m)
#pragma unroll
                for (int part = 0; part < 4; ++part) {
                    const float(&from)[4] = scores[m][2 * step + part / 2];
                    p[m][part] = pairOf(from[part % 2 * 2], from[part % 2 * 2 + 1]);
                }
#pragma unroll
            for (int d = 0; d < Dim / 8; ++d) {
                const __nv_bfloat16 *value = valuesHere + (step * 16 + lane % 16) * L::kStride + d * 8;
                std::uint32_t b0 = 0, b1 = 0;
                asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                             : "=r"(b0), "=r"(b1)
                             : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(value)))
                             : "memory");
#pragma unroll
                for (int m = 0; m < 2; ++m)
                    multiply(sums[m][d], p[m], b0, b1);
            }
        }
    }
#pragma unroll
    for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int row = firstQuery + m * 16 + half * 8;
            const float share = 1.0F / quadSum(total[m][half]);
            if (row >= args.tokens)
                continue;
            __nv_bfloat16 *output = args.output + ((firstRow + row) * args.heads + static_cast<int>(blockIdx.y)) * Dim + lane % 4 * 2;
#pragma unroll
            for (int d = 0; d < Dim / 8; ++d)
                *reinterpret_cast<std::uint32_t *>(output + d * 8) = pairOf(sums[m][d][half * 2] * share, sums[m][d][half * 2 + 1] * share);
        }
}

template <int Dim> cudaError_t launchNarrow(const NarrowAttentionArgs &args, cudaStream_t stream)
{
    const dim3 grid(static_cast<unsigned>((args.tokens + kNarrowQueries - 1) / kNarrowQueries), static_cast<unsigned>(args.heads),
        static_cast<unsigned>(args.batch));
    narrowAttentionKernel<Dim><<<grid, kThreads, 0, stream>>>(args);
    return cudaGetLastError();
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

bool hasNarrowAttention(const NarrowAttentionArgs &args)
{
    const auto isPlaced = [](const __nv_bfloat16 *data) { return reinterpret_cast<std::uintptr_t>(data) % 16 == 0; };
    return (args.headDim == 64 || args.headDim == 72) && args.stride % 8 == 0 && isPlaced(args.query) && isPlaced(args.key)
        && isPlaced(args.value) && isPlaced(args.output);
}

cudaError_t narrowAttention(const NarrowAttentionArgs &args, cudaStream_t stream)
{
    if (args.batch == 0 || args.tokens == 0)
        return cudaSuccess;
    switch (args.headDim) {
    case 64: return launchNarrow<64>(args, stream);
    case 72: return launchNarrow<72>(args, stream);
    default: return cudaErrorNotSupported;
    }
}

} // namespace kernels::cuda
