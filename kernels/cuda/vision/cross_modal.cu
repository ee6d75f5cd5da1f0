// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Attention: a block a row and head walks over the picture tokens 256 at a time with a running softmax; keys and values
// come from L2 once a row. Gate: a block a row, two sums over the row and its attended half. Bound: the keys and values of
// a picture (2,017 tokens: 4 MB a block of the model at 4 heads of 64) once a step, launches for small ones.
#include "cuda/vision/cross_modal.h"

#include "cuda/common/reduce.cuh"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 128, kWarps = kThreads / 32, kChunk = 256, kMostDim = 256;

__global__ void __launch_bounds__(kThreads) crossModalAttentionKernel(const CrossModalAttentionArgs args)
{
    __shared__ float query[kMostDim];
    __shared__ float scores[kChunk];
    const int row = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y);
    const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
    const std::int64_t width = static_cast<std::int64_t>(args.heads) * args.headDim;
    const std::int64_t place = row * width + static_cast<std::int64_t>(head) * args.headDim;
    const float *keys = args.keys + static_cast<std::int64_t>(head) * args.headDim;
    const float *values = args.values + static_cast<std::int64_t>(head) * args.headDim;
    for (int d = thread; d < args.headDim; d += kThreads)
        query[d] = args.query[place + d] * args.scale;
    const auto score = [&](int token) {
        float sum = 0.0F;
        for (int d = lane; d < args.headDim; d += 32)
            sum += query[d] * keys[token * width + d];
        return warpSum(sum);
    };
    float best = -INFINITY, total = 0.0F;
    float sums[kMostDim / kThreads] = {};
    for (int first = 0; first < args.tokens; first += kChunk) {
        const int count = min(kChunk, args.tokens - first);
        __syncthreads(); // the query is there; the scores of the chunk before are used
        for (int i = warp; i < count; i += kWarps) {
            const float value = score(first + i);
            if (lane == 0)
                scores[i] = value;
        }
        __syncthreads();
        float largest = best;
        for (int i = thread; i < count; i += kThreads)
            largest = fmaxf(largest, scores[i]);
        largest = blockMax<kThreads>(largest);
        const float rescale = expf(best - largest); // first chunk: 0
        best = largest;
        float sum = 0.0F;
        for (int i = thread; i < count; i += kThreads) {
            scores[i] = expf(scores[i] - best);
            sum += scores[i];
        }
        total = total * rescale + blockSum<kThreads>(sum); // every score is written behind its barriers
#pragma unroll
        for (int part = 0; part < kMostDim / kThreads; ++part) {
            const int d = thread + part * kThreads;
            if (d >= args.headDim)
                continue;
            float value = sums[part] * rescale;
            for (int i = 0; i < count; ++i)
                value += scores[i] * values[(first + i) * width + d];
            sums[part] = value;
        }
    }
#pragma unroll
    for (int part = 0; part < kMostDim / kThreads; ++part)
        if (const int d = thread + part * kThreads; d < args.headDim)
            args.output[place + d] = sums[part] / total;
    const int watched = args.observed != nullptr ? args.observeIndex[row] : -1;
    if (watched < 0)
        return;
    for (int token = warp; token < args.tokens; token += kWarps) {
        const float value = score(token);
        if (lane == 0)
            atomicAdd(args.observed + watched * args.observeStride + token,
                expf(value - best) / total / static_cast<float>(args.heads));
    }
}

__global__ void __launch_bounds__(kThreads) crossModalGateKernel(const CrossModalGateArgs args)
{
    float *hidden = args.hidden + blockIdx.x * args.hiddenStride;
    const float *attended = args.attended + blockIdx.x * args.attendedStride;
    float text = 0.0F, picture = 0.0F;
    for (int i = static_cast<int>(threadIdx.x); i < args.columns; i += kThreads) {
        text += args.weight[i] * hidden[i] + args.weight[args.columns + i] * attended[i];
        picture += args.weight[2 * args.columns + i] * hidden[i] + args.weight[3 * args.columns + i] * attended[i];
    }
    text = blockSum<kThreads>(text) + args.bias[0];
    picture = blockSum<kThreads>(picture) + args.bias[1];
    const float best = fmaxf(text, picture), a = expf(text - best), b = expf(picture - best);
    const float share = b / (a + b);
    if (threadIdx.x == 0) {
        args.shares[blockIdx.x * args.sharesStride] = a / (a + b);
        args.shares[blockIdx.x * args.sharesStride + 1] = share;
    }
    for (int i = static_cast<int>(threadIdx.x); i < args.columns; i += kThreads)
        hidden[i] += share * attended[i];
}

} // namespace

cudaError_t crossModalAttention(const CrossModalAttentionArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.tokens == 0)
        return cudaSuccess;
    if (args.headDim > kMostDim)
        return cudaErrorNotSupported;
    crossModalAttentionKernel<<<dim3(static_cast<unsigned>(args.rows), static_cast<unsigned>(args.heads)), kThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

cudaError_t crossModalGate(const CrossModalGateArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    crossModalGateKernel<<<static_cast<unsigned>(args.rows), kThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

} // namespace kernels::cuda
