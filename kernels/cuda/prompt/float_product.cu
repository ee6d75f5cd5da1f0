// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The router over a prompt, float32: tiles of 32 rows x 64 outputs, 64 columns a stage, three stages of cp.async. Four
// groups of 64 threads take 16 columns of a stage each, eight rows x four outputs a thread, and add up their sums in
// ascending order at the end; the order of no sum depends on the rows. Bound: float32 multiply-adds.
#include "cuda/decode/decode.h"

#include "cuda/common/activation.cuh"
#include "cuda/prompt/prompt.h"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 256, kGroups = 4, kRows = 32, kOutputs = 64, kDepth = 64, kStages = 3, kStride = kDepth + 4;
constexpr int kStageFloats = (kRows + kOutputs) * kStride;
constexpr std::size_t kSharedBytes = sizeof(float) * kStages * kStageFloats;
static_assert(kStages * kStageFloats >= (kGroups - 1) * kRows * kOutputs, "the groups' sums lie where the stages were");

__global__ void __launch_bounds__(kThreads) routerTileKernel(const FloatProductArgs args)
{
    extern __shared__ __align__(16) float stages[];
    const int thread = static_cast<int>(threadIdx.x);
    const int firstRow = static_cast<int>(blockIdx.x) * kRows;
    const int firstOutput = static_cast<int>(blockIdx.y) * kOutputs;
    const int steps = (args.in + kDepth - 1) / kDepth;
    const auto fetch = [&](int step) {
        if (step < steps) {
            float *stage = stages + step % kStages * kStageFloats;
            for (int i = thread; i < (kRows + kOutputs) * (kDepth / 4); i += kThreads) {
                const int place = i / (kDepth / 4);
                const int column = step * kDepth + i % (kDepth / 4) * 4;
                const bool isRow = place < kRows;
                const int index = isRow ? firstRow + place : firstOutput + place - kRows;
                const bool inside = index < (isRow ? args.rows : args.out) && column < args.in;
                const float *source = isRow ? args.input + index * args.inputStride : args.weight + static_cast<std::int64_t>(index) * args.in;
                const auto target = static_cast<std::uint32_t>(__cvta_generic_to_shared(stage + place * kStride + i % (kDepth / 4) * 4));
                asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                             :
                             : "r"(target), "l"(inside ? source + column : args.input), "r"(inside ? 16 : 0)
                             : "memory");
            }
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    for (int step = 0; step < kStages - 1; ++step)
        fetch(step);

    const int group = thread / 64;
    const int row = thread % 64 / 16; // and every fourth one further
    const int output = thread % 16;   // and every sixteenth
    float sums[8][4] = {};
    for (int step = 0; step < steps; ++step) {
        asm volatile("cp.async.wait_group %0;" ::"n"(kStages - 2) : "memory");
        __syncthreads();
        fetch(step + kStages - 1);
        const float *a = stages + step % kStages * kStageFloats + group * (kDepth / kGroups);
        const float *b = a + kRows * kStride;
#pragma unroll
        for (int k = 0; k < kDepth / kGroups; k += 4) {
            float4 x[8];
            float4 w[4];
#pragma unroll
            for (int i = 0; i < 8; ++i)
                x[i] = *reinterpret_cast<const float4 *>(a + (row + i * 4) * kStride + k);
#pragma unroll
            for (int j = 0; j < 4; ++j)
                w[j] = *reinterpret_cast<const float4 *>(b + (output + j * 16) * kStride + k);
#pragma unroll
            for (int i = 0; i < 8; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    sums[i][j] = __fmaf_rn(x[i].w, w[j].w,
                        __fmaf_rn(x[i].z, w[j].z, __fmaf_rn(x[i].y, w[j].y, __fmaf_rn(x[i].x, w[j].x, sums[i][j]))));
            }
        }
    }
    __syncthreads(); // the stages are used
    if (group > 0) {
        for (int i = 0; i < 8; ++i) {
            for (int j = 0; j < 4; ++j)
                stages[((group - 1) * kRows + row + i * 4) * kOutputs + output + j * 16] = sums[i][j];
        }
    }
    __syncthreads();
    if (group > 0)
        return;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            const int r = row + i * 4;
            const int o = output + j * 16;
            if (firstRow + r >= args.rows || firstOutput + o >= args.out)
                continue;
            float value = sums[i][j];
            for (int g = 1; g < kGroups; ++g)
                value += stages[((g - 1) * kRows + r) * kOutputs + o];
            value += args.bias != nullptr ? args.bias[firstOutput + o] : 0.0F;
            float *target = args.output + (firstRow + r) * args.outputStride + firstOutput + o;
            *target = args.accumulate ? *target + value : activated(value, args.activation);
        }
    }
}

} // namespace

cudaError_t promptFloatProduct(const FloatProductArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.out == 0)
        return cudaSuccess;
    const cudaError_t allowed =
        cudaFuncSetAttribute(routerTileKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kSharedBytes));
    if (allowed != cudaSuccess)
        return allowed;
    const dim3 grid(static_cast<unsigned>((args.rows + kRows - 1) / kRows), static_cast<unsigned>((args.out + kOutputs - 1) / kOutputs));
    routerTileKernel<<<grid, kThreads, kSharedBytes, stream>>>(args);
    return cudaGetLastError();
}

} // namespace kernels::cuda
