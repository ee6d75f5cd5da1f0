// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// One block per row. Rows that fit into the registers of a block are read once, the gains before the kernel in front is
// done; others twice (three times when centred), after the first time from L1. Bound: launch for few rows, else bandwidth.
#include "cuda/norm/norm.h"

#include "cuda/common/launch.cuh"
#include "cuda/common/reduce.cuh"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 256, kWideThreads = 1024;

__global__ void __launch_bounds__(kThreads) normKernel(NormArgs args)
{
    letNextStart();
    waitForPrevious();
    const float *input = args.input + blockIdx.x * args.inputStride;
    float *output = args.output + blockIdx.x * args.outputStride;
    const auto columns = static_cast<float>(args.columns);
    float mean = 0.0F;
    if (args.centred) {
        float sum = 0.0F;
        for (int column = threadIdx.x; column < args.columns; column += kThreads)
            sum += input[column];
        mean = blockSum<kThreads>(sum) / columns;
    }
    float squares = 0.0F;
    for (int column = threadIdx.x; column < args.columns; column += kThreads) {
        const float value = input[column] - mean;
        squares += value * value;
    }
    const float scale = rsqrtf(blockSum<kThreads>(squares) / columns + args.epsilon);
    for (int column = threadIdx.x; column < args.columns; column += kThreads) {
        float value = (input[column] - mean) * scale * args.weight[column];
        if (args.bias != nullptr)
            value += args.bias[column];
        output[column] = value;
        if (args.narrow != nullptr)
            args.narrow[static_cast<std::int64_t>(blockIdx.x) * args.columns + column] = __float2bfloat16(value);
        if (args.split.high != nullptr)
            writeSplit(args.split, blockIdx.x, column / 32 * 32, value);
    }
}

// RMS norm of a row that a block holds, `Each` values a thread; columns a multiple of 32.
template <int Each> __global__ void __launch_bounds__(kWideThreads) heldNormKernel(NormArgs args)
{
    letNextStart();
    const int thread = static_cast<int>(threadIdx.x);
    float gain[Each];
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        const int column = i * kWideThreads + thread;
        gain[i] = column < args.columns ? args.weight[column] : 0.0F;
    }
    waitForPrevious();
    const float *input = args.input + blockIdx.x * args.inputStride;
    float values[Each];
    float squares = 0.0F;
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        const int column = i * kWideThreads + thread;
        values[i] = column < args.columns ? input[column] : 0.0F;
        squares += values[i] * values[i];
    }
    const float scale = rsqrtf(blockSum<kWideThreads>(squares) / static_cast<float>(args.columns) + args.epsilon);
#pragma unroll
    for (int i = 0; i < Each; ++i) {
        const int column = i * kWideThreads + thread;
        if (column >= args.columns) // whole warps
            break;
        const float value = values[i] * scale * gain[i];
        args.output[blockIdx.x * args.outputStride + column] = value;
        if (args.narrow != nullptr)
            args.narrow[static_cast<std::int64_t>(blockIdx.x) * args.columns + column] = __float2bfloat16(value);
        if (args.split.high != nullptr)
            writeSplit(args.split, blockIdx.x, column / 32 * 32, value);
    }
}

} // namespace

cudaError_t norm(const NormArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    const dim3 grid(static_cast<unsigned>(args.rows));
    if (!args.centred && args.bias == nullptr && args.columns % 32 == 0 && args.columns > kThreads) {
        if (args.columns <= 2 * kWideThreads)
            return launchChained(heldNormKernel<2>, grid, kWideThreads, 0, stream, args);
        if (args.columns <= 4 * kWideThreads)
            return launchChained(heldNormKernel<4>, grid, kWideThreads, 0, stream, args);
        if (args.columns <= 8 * kWideThreads)
            return launchChained(heldNormKernel<8>, grid, kWideThreads, 0, stream, args);
    }
    return launchChained(normKernel, grid, kThreads, 0, stream, args);
}

cudaError_t probe(cudaFuncAttributes *attributes)
{
    return cudaFuncGetAttributes(attributes, normKernel);
}

} // namespace kernels::cuda
