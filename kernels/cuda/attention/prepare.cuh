// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What goes before attention, for the kernels that do it: rotation, the new row of the cache.

#include "cuda/attention/tiles.h"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace kernels::cuda::prepare {

template <typename T> __device__ void store(T *target, float value);
template <> __device__ inline void store(float *target, float value) { *target = value; }
template <> __device__ inline void store(__half *target, float value) { *target = __float2half(value); }
template <> __device__ inline void store(__nv_bfloat16 *target, float value) { *target = __float2bfloat16(value); }

__device__ inline void storeAs(const KvView &cache, void *base, std::int64_t index, float value)
{
    switch (cache.dtype) {
    case DType::BF16: store(static_cast<__nv_bfloat16 *>(base) + index, value); break;
    case DType::F16: store(static_cast<__half *>(base) + index, value); break;
    default: store(static_cast<float *>(base) + index, value); break;
    }
}

__device__ inline std::int64_t slotOf(const KvView &cache, const RowTable &table, int row)
{
    const int token = table.positions[row];
    const std::int64_t block = table.blocks[table.firstBlock[row] + token / cache.blockTokens];
    return block * cache.blockTokens + token % cache.blockTokens;
}

struct Turn {
    float sine, cosine;
};
__device__ inline Turn turnOf(const float *frequencies, int pair, int position, float magnitude)
{
    Turn t;
    sincosf(static_cast<float>(position) * frequencies[pair], &t.sine, &t.cosine);
    t.sine *= magnitude;
    t.cosine *= magnitude;
    return t;
}
__device__ inline int pairOf(int i, int pairs, bool interleaved) // i < 2 * pairs
{
    return interleaved ? i >> 1 : i < pairs ? i : i - pairs;
}
// Column `i` of a rotated vector of 2 * pairs columns; `t`: of its pair.
__device__ inline float turned(const float *x, int i, int pairs, bool interleaved, const Turn &t)
{
    const int pair = pairOf(i, pairs, interleaved);
    const bool second = interleaved ? i % 2 != 0 : i >= pairs;
    const float a = x[interleaved ? 2 * pair : pair];
    const float b = x[interleaved ? 2 * pair + 1 : pair + pairs];
    // To the same bits in every kernel.
    return second ? __fmaf_rn(b, t.cosine, __fmul_rn(a, t.sine)) : __fmaf_rn(a, t.cosine, -__fmul_rn(b, t.sine));
}

// A block of 128 threads; `part` 0 makes the cache row of `row`, the others a head's part each. What follows from the position
// is done before the kernel in front is.
__device__ inline void prepareLatent(const LatentPrepareArgs &args, int row, int part)
{
    const int position = args.table.positions[row];
    const int width = args.latentWidth + args.rope;
    const int thread = static_cast<int>(threadIdx.x);
    const int pairs = args.rope / 2;
    Turn own{};
    if (thread < args.rope)
        own = turnOf(args.inverseFrequencies, pairOf(thread, pairs, args.interleaved), position, args.magnitude);
    const auto rotatedAt = [&](const float *x, int i) {
        return turned(x, i, pairs, args.interleaved,
            i == thread ? own : turnOf(args.inverseFrequencies, pairOf(i, pairs, args.interleaved), position, args.magnitude));
    };
    if (part > 0) {
        waitForPrevious();
        const int head = part - 1;
        const float *x = args.projected + row * args.projectedStride + head * (args.nope + args.rope) + args.nope;
        float *target = args.query + (static_cast<std::int64_t>(row) * args.heads + head) * width + args.latentWidth;
        for (int i = thread; i < args.rope; i += 128)
            target[i] = rotatedAt(x, i);
        return;
    }
    constexpr int held = 4; // columns of a thread, up to 512; more are read twice
    const std::int64_t slot = slotOf(args.cache, args.table, row) * width;
    float gain[held];
#pragma unroll
    for (int k = 0; k < held; ++k)
        gain[k] = k * 128 + thread < args.latentWidth ? args.gain[k * 128 + thread] : 0.0F;
    waitForPrevious();
    const float *x = args.latent + row * args.latentStride;
    float values[held];
    float squares = 0.0F;
#pragma unroll
    for (int k = 0; k < held; ++k) {
        values[k] = k * 128 + thread < args.latentWidth ? x[k * 128 + thread] : 0.0F;
        squares += values[k] * values[k];
    }
    for (int i = held * 128 + thread; i < args.latentWidth; i += 128)
        squares += x[i] * x[i];
    const float scale = rsqrtf(blockSum<128>(squares) / static_cast<float>(args.latentWidth) + args.epsilon);
#pragma unroll
    for (int k = 0; k < held; ++k) {
        if (k * 128 + thread < args.latentWidth)
            storeAs(args.cache, args.cache.keys, slot + k * 128 + thread, values[k] * scale * gain[k]);
    }
    for (int i = held * 128 + thread; i < args.latentWidth; i += 128)
        storeAs(args.cache, args.cache.keys, slot + i, x[i] * scale * args.gain[i]);
    for (int i = thread; i < args.rope; i += 128)
        storeAs(args.cache, args.cache.keys, slot + args.latentWidth + i, rotatedAt(x + args.latentWidth, i));
}

} // namespace kernels::cuda::prepare
