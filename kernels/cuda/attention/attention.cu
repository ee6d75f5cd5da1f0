// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// One block per (row, head): chunks of 128 tokens, a warp scores a token at a time, then the block rescales its running
// output and adds the chunk's values. Float32 throughout. The cache of a row is read once per head; bound: cache bytes
// over bandwidth for one KV head, L2 for many. Split over the context comes with the tuned decode kernels.
#include "cuda/attention/attention.h"

#include "cuda/attention/cache.cuh"
#include "cuda/common/reduce.cuh"

#include <cmath>

namespace kernels::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kChunk = 128;
constexpr int kMaxValuesPerThread = 8; // values up to 1,024 wide

template <typename T> __global__ void storeKvKernel(StoreKvArgs args)
{
    const int row = static_cast<int>(blockIdx.x);
    const std::int64_t slot = slotOf(args.cache, args.table, row, args.table.positions[row]);
    const int keyColumns = args.cache.kvHeads * args.cache.keyDim;
    for (int column = threadIdx.x; column < keyColumns; column += blockDim.x)
        put(static_cast<T *>(args.cache.keys) + slot * keyColumns + column, args.keys[row * args.keyStride + column]);
    if (args.cache.valuesInKeys)
        return;
    const int valueColumns = args.cache.kvHeads * args.cache.valueDim;
    for (int column = threadIdx.x; column < valueColumns; column += blockDim.x)
        put(static_cast<T *>(args.cache.values) + slot * valueColumns + column, args.values[row * args.valueStride + column]);
}

// Reads keys and values of one head; `keyAt(token)` and `valueAt(token)` give the start of a row.
template <typename T, typename KeyAt, typename ValueAt>
__device__ void attendRow(const float *query, float *output, int first, int last, int keyDim, int valueDim, float scale,
    KeyAt keyAt, ValueAt valueAt, float *observed, float observeShare)
{
    extern __shared__ float shared[];
    float *q = shared;            // [keyDim]
    float *scores = q + keyDim;   // [kChunk]
    __shared__ float statistics[2];
    const int thread = static_cast<int>(threadIdx.x);
    const int warp = thread / 32;
    const int lane = thread % 32;
    for (int i = thread; i < keyDim; i += kThreads)
        q[i] = query[i] * scale;
    float running[kMaxValuesPerThread] = {};
    float maximum = -INFINITY;
    float total = 0.0F;
    for (int chunk = first; chunk <= last; chunk += kChunk) {
        const int count = min(kChunk, last + 1 - chunk);
        __syncthreads(); // q is written; the scores of the chunk before are used
        for (int i = warp; i < count; i += kThreads / 32) {
            const T *key = keyAt(chunk + i);
            float sum = 0.0F;
            for (int d = lane; d < keyDim; d += 32)
                sum += q[d] * load(key + d);
            sum = warpSum(sum);
            if (lane == 0)
                scores[i] = sum;
        }
        __syncthreads();
        if (warp == 0) {
            float best = maximum;
            for (int i = lane; i < count; i += 32)
                best = fmaxf(best, scores[i]);
            best = warpMax(best);
            float sum = 0.0F;
            for (int i = lane; i < count; i += 32) {
                scores[i] = expf(scores[i] - best);
                sum += scores[i];
            }
            sum = warpSum(sum);
            if (lane == 0) {
                statistics[0] = best;
                statistics[1] = sum;
            }
        }
        __syncthreads();
        const float rescale = expf(maximum - statistics[0]); // first chunk: exp(-inf) = 0
        maximum = statistics[0];
        total = total * rescale + statistics[1];
#pragma unroll
        for (int v = 0; v < kMaxValuesPerThread; ++v) {
            const int column = thread + v * kThreads;
            if (column < valueDim) {
                float sum = running[v] * rescale;
                for (int i = 0; i < count; ++i)
                    sum += scores[i] * load(valueAt(chunk + i) + column);
                running[v] = sum;
            }
        }
    }
#pragma unroll
    for (int v = 0; v < kMaxValuesPerThread; ++v) {
        const int column = thread + v * kThreads;
        if (column < valueDim)
            output[column] = running[v] / total;
    }
    if (observed == nullptr)
        return;
    for (int token = first + warp; token <= last; token += kThreads / 32) {
        const T *key = keyAt(token);
        float sum = 0.0F;
        for (int d = lane; d < keyDim; d += 32)
            sum += q[d] * load(key + d);
        sum = warpSum(sum);
        if (lane == 0)
            atomicAdd(observed + token, expf(sum - maximum) / total * observeShare);
    }
}

template <typename T> __global__ void __launch_bounds__(kThreads) attentionKernel(AttentionArgs args)
{
    const int row = static_cast<int>(blockIdx.x);
    const int head = static_cast<int>(blockIdx.y);
    const KvView &cache = args.cache;
    const int kvHead = head / (args.heads / cache.kvHeads);
    const int last = args.table.positions[row];
    const int first = args.window > 0 ? max(0, last + 1 - args.window) : 0;
    const auto *keys = static_cast<const T *>(cache.keys) + kvHead * cache.keyDim;
    const int keyRow = cache.kvHeads * cache.keyDim;
    const auto *values = cache.valuesInKeys ? keys : static_cast<const T *>(cache.values) + kvHead * cache.valueDim;
    const int valueRow = cache.valuesInKeys ? keyRow : cache.kvHeads * cache.valueDim;
    const int observe = args.observed != nullptr ? args.observeIndex[row] : -1;
    const std::int64_t index = static_cast<std::int64_t>(row) * args.heads + head;
    attendRow<T>(
        args.query + index * cache.keyDim, args.output + index * cache.valueDim, first, last, cache.keyDim, cache.valueDim,
        args.scale, [&](int token) { return keys + slotOf(cache, args.table, row, token) * keyRow; },
        [&](int token) { return values + slotOf(cache, args.table, row, token) * valueRow; },
        observe >= 0 ? args.observed + observe * args.observeStride : nullptr, 1.0F / static_cast<float>(args.heads));
}

__global__ void __launch_bounds__(kThreads) denseAttentionKernel(DenseAttentionArgs args)
{
    const int row = static_cast<int>(blockIdx.x);
    const int headOffset = static_cast<int>(blockIdx.y) * args.headDim;
    const int firstRow = row / args.tokens * args.tokens;
    attendRow<float>(
        args.query + row * args.queryStride + headOffset, args.output + row * args.outputStride + headOffset, 0,
        args.tokens - 1, args.headDim, args.headDim, args.scale,
        [&](int token) { return args.key + (firstRow + token) * args.keyStride + headOffset; },
        [&](int token) { return args.value + (firstRow + token) * args.valueStride + headOffset; }, nullptr, 0.0F);
}

std::size_t sharedBytes(int keyDim)
{
    return static_cast<std::size_t>(keyDim + kChunk) * sizeof(float);
}

} // namespace

cudaError_t storeKv(const StoreKvArgs &args, cudaStream_t stream)
{
    if (args.table.rows == 0)
        return cudaSuccess;
    return withCacheType(args.cache.dtype, [&]<typename T>() {
        storeKvKernel<T><<<static_cast<unsigned>(args.table.rows), kThreads, 0, stream>>>(args);
    });
}

cudaError_t attention(const AttentionArgs &args, cudaStream_t stream)
{
    if (args.table.rows == 0)
        return cudaSuccess;
    if (args.cache.valueDim > kThreads * kMaxValuesPerThread)
        return cudaErrorNotSupported;
    const dim3 grid(static_cast<unsigned>(args.table.rows), static_cast<unsigned>(args.heads));
    return withCacheType(args.cache.dtype, [&]<typename T>() {
        attentionKernel<T><<<grid, kThreads, sharedBytes(args.cache.keyDim), stream>>>(args);
    });
}

cudaError_t denseAttention(const DenseAttentionArgs &args, cudaStream_t stream)
{
    if (args.batch == 0)
        return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(args.batch * args.tokens), static_cast<unsigned>(args.heads));
    denseAttentionKernel<<<grid, kThreads, sharedBytes(args.headDim), stream>>>(args);
    return cudaGetLastError();
}

} // namespace kernels::cuda
