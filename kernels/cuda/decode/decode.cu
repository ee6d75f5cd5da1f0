// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The small kernels around the products of product.cuh, and the choice among those. Bound: launch.
#include "cuda/decode/decode.h"

#include "cuda/common/activation.cuh"
#include "cuda/common/launch.cuh"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 256;
__global__ void __launch_bounds__(kThreads) splitKernel(SplitArgs args)
{
    letNextStart();
    waitForPrevious();
    const int row = static_cast<int>(blockIdx.y);
    const int column = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
    if (column >= args.columns) // whole warps: columns are a multiple of 32
        return;
    writeSplit(args.output, row, column / 32 * 32, args.input[row * args.inputStride + column]);
}

// A block per output row; its four warps share the columns, every column of the batch in one order.
__global__ void __launch_bounds__(128) floatProductKernel(FloatProductArgs args)
{
    constexpr int rowsAtOnce = 8;
    __shared__ float partial[4][rowsAtOnce];
    letNextStart();
    const int output = static_cast<int>(blockIdx.x);
    const int first = static_cast<int>(blockIdx.y) * rowsAtOnce;
    const int rows = min(rowsAtOnce, args.rows - first);
    const int thread = static_cast<int>(threadIdx.x);
    const auto *weight = reinterpret_cast<const float4 *>(args.weight + static_cast<std::int64_t>(output) * args.in);
    waitForPrevious();
    float sums[rowsAtOnce] = {};
    for (int i = thread; i < args.in / 4; i += 128) {
        const float4 w = weight[i];
#pragma unroll
        for (int r = 0; r < rowsAtOnce; ++r) {
            if (r < rows) {
                const float4 x = reinterpret_cast<const float4 *>(args.input + (first + r) * args.inputStride)[i];
                sums[r] = __fmaf_rn(w.w, x.w, __fmaf_rn(w.z, x.z, __fmaf_rn(w.y, x.y, __fmaf_rn(w.x, x.x, sums[r]))));
            }
        }
    }
#pragma unroll
    for (int r = 0; r < rowsAtOnce; ++r) {
        if (r < rows) {
            const float sum = warpSum(sums[r]);
            if (thread % 32 == 0)
                partial[thread / 32][r] = sum;
        }
    }
    __syncthreads();
    if (thread >= rows)
        return;
    float value = partial[0][thread] + partial[1][thread] + partial[2][thread] + partial[3][thread];
    if (args.bias != nullptr)
        value += args.bias[output];
    float *target = args.output + (first + thread) * args.outputStride + output;
    *target = args.accumulate ? *target + value : activated(value, args.activation);
}

// The router over a prompt: tiles of 32 rows x 64 outputs, 32 columns a stage; the next stage is on its way in registers
// while one is multiplied. Every output sums K in ascending order. Bound: float32 arithmetic of half a card's warps.
constexpr int kFloatRows = 32, kFloatOutputs = 64, kFloatDepth = 32, kFloatThreads = 128;
__global__ void __launch_bounds__(kFloatThreads) floatTileKernel(FloatProductArgs args)
{
    constexpr int pad = 4, pieces = kFloatDepth / 4;
    constexpr int aEach = kFloatRows * pieces / kFloatThreads, bEach = kFloatOutputs * pieces / kFloatThreads;
    __shared__ __align__(16) float a[kFloatDepth][kFloatRows + pad];
    __shared__ __align__(16) float b[kFloatDepth][kFloatOutputs + pad];
    letNextStart();
    waitForPrevious();
    const int thread = static_cast<int>(threadIdx.x);
    const int firstOutput = static_cast<int>(blockIdx.x) * kFloatOutputs;
    const int firstRow = static_cast<int>(blockIdx.y) * kFloatRows;
    float4 nextA[aEach];
    float4 nextB[bEach];
    const auto fetch = [&](int depth) {
#pragma unroll
        for (int i = 0; i < aEach; ++i) {
            const int row = firstRow + (thread + i * kFloatThreads) / pieces;
            nextA[i] = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
            if (row < args.rows)
                nextA[i] = *reinterpret_cast<const float4 *>(args.input + row * args.inputStride + depth + thread % pieces * 4);
        }
#pragma unroll
        for (int i = 0; i < bEach; ++i) {
            const int output = firstOutput + (thread + i * kFloatThreads) / pieces;
            nextB[i] = make_float4(0.0F, 0.0F, 0.0F, 0.0F);
            if (output < args.out)
                nextB[i] = __ldg(reinterpret_cast<const float4 *>(args.weight + static_cast<std::int64_t>(output) * args.in + depth
                    + thread % pieces * 4));
        }
    };
    const auto put = [&](auto &tile, int place, const float4 &v) {
        const int k = thread % pieces * 4;
        tile[k][place] = v.x;
        tile[k + 1][place] = v.y;
        tile[k + 2][place] = v.z;
        tile[k + 3][place] = v.w;
    };
    const int row = thread / 16 * 4;
    const int output = thread % 16 * 4;
    float sums[4][4] = {};
    fetch(0);
    for (int depth = 0; depth < args.in; depth += kFloatDepth) {
#pragma unroll
        for (int i = 0; i < aEach; ++i)
            put(a, (thread + i * kFloatThreads) / pieces, nextA[i]);
#pragma unroll
        for (int i = 0; i < bEach; ++i)
            put(b, (thread + i * kFloatThreads) / pieces, nextB[i]);
        __syncthreads();
        if (depth + kFloatDepth < args.in)
            fetch(depth + kFloatDepth);
#pragma unroll 8
        for (int k = 0; k < kFloatDepth; ++k) {
            const float4 x = *reinterpret_cast<const float4 *>(&a[k][row]);
            const float4 w = *reinterpret_cast<const float4 *>(&b[k][output]);
            const float xs[4] = {x.x, x.y, x.z, x.w};
            const float ws[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
            for (int i = 0; i < 4; ++i) {
#pragma unroll
                for (int j = 0; j < 4; ++j)
                    sums[i][j] = __fmaf_rn(xs[i], ws[j], sums[i][j]);
            }
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
            if (firstRow + row + i >= args.rows || firstOutput + output + j >= args.out)
                continue;
            const float value = sums[i][j] + (args.bias != nullptr ? args.bias[firstOutput + output + j] : 0.0F);
            float *target = args.output + (firstRow + row + i) * args.outputStride + firstOutput + output + j;
            *target = args.accumulate ? *target + value : activated(value, args.activation);
        }
    }
}

__global__ void __launch_bounds__(kThreads) sumSlotsKernel(SumSlotsArgs args)
{
    letNextStart();
    waitForPrevious();
    const int row = static_cast<int>(blockIdx.y);
    const int column = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
    if (column >= args.columns)
        return;
    float sum = 0.0F;
    for (int k = 0; k < args.perToken; ++k) {
        const int slot = row * args.perToken + k;
        if (args.ids[slot] >= 0)
            sum = __fmaf_rn(args.weights[slot], args.slots[static_cast<std::int64_t>(slot) * args.columns + column], sum);
    }
    args.output[row * args.outputStride + column] += sum;
}

unsigned blocksFor(int count, int each)
{
    return static_cast<unsigned>((count + each - 1) / each);
}

} // namespace

Card &card()
{
    static Card theCard;
    return theCard;
}

bool isProductType(DType type)
{
    return type == DType::F16 || type == DType::BF16 || packedFormat(type).digitBits > 0;
}

bool hasFew(DType type)
{
    switch (type) {
    case DType::Q4_0:
    case DType::Q5_0:
    case DType::Q8_0:
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::Q6_K: return true;
    default: return false;
    }
}

int sharingOf(const ProductArgs &args)
{
    const int spans = (args.weight.in + kColumnSpan - 1) / kColumnSpan;
    const int tiles = (args.weight.out + kTileRows - 1) / kTileRows;
    if (args.ids != nullptr || args.heads > 1)
        return 4;
    if (args.up.data != nullptr)
        return 8;
    const bool fits = card().sharedBytes >= 190 * 1024; // eight columns of sixteen warps
    return tiles <= 132 && spans > 8 && fits ? 16 : 8;
}

bool canRoute(const ProductArgs &args)
{
    return card().chained && args.rows == 1 && args.perToken <= 32 && hasFew(args.weight.dtype) && args.weight.in <= 4096;
}

cudaError_t product(const ProductArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.weight.out == 0)
        return cudaSuccess;
    if (args.rows > kDecodeRows || args.weight.in % kGroupColumns != 0)
        return cudaErrorNotSupported;
    if (args.values != nullptr && args.weight.dtype == DType::BF16)
        return bf16Rows(args, stream);
    if (args.values != nullptr) {
        if (args.rows > kFewRows || !hasFew(args.weight.dtype))
            return cudaErrorNotSupported;
        const cudaError_t several = expertsRows(args, stream);
        if (several != cudaErrorNotSupported)
            return several;
        const cudaError_t together = args.up.data != nullptr ? gatedRows(args, stream) : plainRows(args, stream);
        if (together != cudaErrorNotSupported)
            return together;
        const bool isK = args.weight.dtype == DType::Q4_K || args.weight.dtype == DType::Q5_K || args.weight.dtype == DType::Q6_K;
        const cudaError_t one = isK ? ringOfKTypes(args, stream) : ringOfLegacyTypes(args, stream);
        if (one != cudaErrorNotSupported)
            return one;
        return isK ? fewOfKTypes(args, stream) : fewOfLegacyTypes(args, stream);
    }
    switch (args.weight.dtype) {
    case DType::F16:
    case DType::BF16:
    case DType::F8E4M3: return productOfWideTypes(args, stream);
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::Q6_K: return productOfKTypes(args, stream);
    default: return productOfLegacyTypes(args, stream);
    }
}

cudaError_t split(const SplitArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.columns == 0)
        return cudaSuccess;
    const dim3 grid(blocksFor(args.columns, kThreads), static_cast<unsigned>(args.rows));
    return launchChained(splitKernel, grid, kThreads, 0, stream, args);
}

cudaError_t floatProduct(const FloatProductArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.out == 0)
        return cudaSuccess;
    if (args.rows > kDecodeRows) {
        if (args.in % kFloatDepth != 0)
            return cudaErrorNotSupported;
        const dim3 tiles(blocksFor(args.out, kFloatOutputs), blocksFor(args.rows, kFloatRows));
        return launchChained(floatTileKernel, tiles, kFloatThreads, 0, stream, args);
    }
    const dim3 grid(static_cast<unsigned>(args.out), blocksFor(args.rows, 8));
    return launchChained(floatProductKernel, grid, 128, 0, stream, args);
}

cudaError_t sumSlots(const SumSlotsArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.perToken == 0)
        return cudaSuccess;
    const dim3 grid(blocksFor(args.columns, kThreads), static_cast<unsigned>(args.rows));
    return launchChained(sumSlotsKernel, grid, kThreads, 0, stream, args);
}

} // namespace kernels::cuda
