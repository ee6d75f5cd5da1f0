// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Matrix products over weights that stay in their file format, float32 activations and sums.
//
// Few rows (decode): one warp per output row reads the weight row once, 32 neighbouring columns at a time, for up to
// eight input rows; bound: weight bytes over memory bandwidth. Many rows (prompt): 64x64 tiles, both operands widened to
// float32 in shared memory; bound: float32 FMA rate. Every output sums its columns in an order that depends on neither
// the number of rows nor its neighbours within one path.
#include "cuda/linear/linear.h"

#include "cuda/common/reduce.cuh"

namespace kernels::cuda {

namespace {

constexpr int kWarpsPerBlock = 4;
constexpr int kFewRows = 8;

__device__ float activate(float x, Activation activation)
{
    switch (activation) {
    case Activation::Silu: return x / (1.0F + expf(-x));
    case Activation::GeluTanh: return 0.5F * x * (1.0F + tanhf(0.7978845608028654F * (x + 0.044715F * x * x * x)));
    case Activation::GeluErf: return 0.5F * x * (1.0F + erff(x * 0.7071067811865476F));
    default: return x;
    }
}

__device__ void store(const LinearArgs &args, int row, std::int64_t column, float value)
{
    if (args.bias != nullptr)
        value += args.bias[column];
    float *target = args.output + row * args.outputStride + column;
    *target = args.accumulate ? *target + value : activate(value, args.activation);
}

// Dot product of one weight row with one input row, spread over a warp; lane 0 .. 31 all get it.
template <DType Type> __device__ float warpDot(const WeightView &w, std::int64_t expert, std::int64_t row, const float *input)
{
    const std::uint8_t *weights = w.data + (expert * w.out + row) * w.rowBytes;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float sum = 0.0F;
    for (int column = lane; column < w.in; column += 32) {
        float value = element<Type>(weights, column);
        if constexpr (Type == DType::F8E4M3)
            value *= blockScale(w, expert, row, column);
        sum += value * input[column];
    }
    return warpSum(sum);
}

template <DType Type> __global__ void __launch_bounds__(kWarpsPerBlock * 32) fewRowsKernel(LinearArgs args)
{
    const std::int64_t outputRow = static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / 32;
    if (outputRow >= args.weight.out)
        return;
    const std::uint8_t *weights = args.weight.data + outputRow * args.weight.rowBytes;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    float sums[kFewRows] = {};
    for (int column = lane; column < args.weight.in; column += 32) {
        float value = element<Type>(weights, column);
        if constexpr (Type == DType::F8E4M3)
            value *= blockScale(args.weight, 0, outputRow, column);
#pragma unroll
        for (int row = 0; row < kFewRows; ++row) {
            if (row < args.rows)
                sums[row] += value * args.input[row * args.inputStride + column];
        }
    }
#pragma unroll
    for (int row = 0; row < kFewRows; ++row) {
        if (row < args.rows) {
            const float sum = warpSum(sums[row]);
            if (lane == 0)
                store(args, row, outputRow, sum);
        }
    }
}

struct Tile {
    static constexpr int rows = 64, columns = 64, depth = 32, threads = 256;
};

// 256 threads, each 4x4 outputs; depth 32 per round.
template <DType Type> __global__ void __launch_bounds__(Tile::threads) tileKernel(LinearArgs args)
{
    __shared__ float a[Tile::depth][Tile::rows + 4];
    __shared__ float b[Tile::depth][Tile::columns + 4];
    const std::int64_t firstColumn = static_cast<std::int64_t>(blockIdx.x) * Tile::columns;
    const int firstRow = static_cast<int>(blockIdx.y) * Tile::rows;
    const int tileColumn = static_cast<int>(threadIdx.x) % 16 * 4;
    const int tileRow = static_cast<int>(threadIdx.x) / 16 * 4;
    float sums[4][4] = {};
    for (int depth = 0; depth < args.weight.in; depth += Tile::depth) {
        for (int index = threadIdx.x; index < Tile::rows * Tile::depth; index += Tile::threads) {
            const int row = index / Tile::depth;
            const int k = index % Tile::depth;
            const bool inside = firstRow + row < args.rows && depth + k < args.weight.in;
            a[k][row] = inside ? args.input[(firstRow + row) * args.inputStride + depth + k] : 0.0F;
        }
        for (int index = threadIdx.x; index < Tile::columns * Tile::depth; index += Tile::threads) {
            const int column = index / Tile::depth;
            const int k = index % Tile::depth;
            float value = 0.0F;
            if (firstColumn + column < args.weight.out && depth + k < args.weight.in) {
                value = element<Type>(args.weight.data + (firstColumn + column) * args.weight.rowBytes, depth + k);
                if constexpr (Type == DType::F8E4M3)
                    value *= blockScale(args.weight, 0, firstColumn + column, depth + k);
            }
            b[k][column] = value;
        }
        __syncthreads();
#pragma unroll 8
        for (int k = 0; k < Tile::depth; ++k) {
            for (int i = 0; i < 4; ++i) {
                for (int j = 0; j < 4; ++j)
                    sums[i][j] += a[k][tileRow + i] * b[k][tileColumn + j];
            }
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
            if (firstRow + tileRow + i < args.rows && firstColumn + tileColumn + j < args.weight.out)
                store(args, firstRow + tileRow + i, firstColumn + tileColumn + j, sums[i][j]);
        }
    }
}

template <DType Type> __global__ void __launch_bounds__(kWarpsPerBlock * 32) headLinearKernel(HeadLinearArgs args)
{
    const std::int64_t outputRow = static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / 32;
    const int head = static_cast<int>(blockIdx.y);
    const int row = static_cast<int>(blockIdx.z);
    if (outputRow >= args.weight.out)
        return;
    const float sum = warpDot<Type>(args.weight, head, outputRow,
        args.input + row * args.inputRowStride + head * args.inputHeadStride);
    if (threadIdx.x % 32 == 0)
        args.output[row * args.outputRowStride + head * args.outputHeadStride + outputRow] = sum;
}

template <DType Type> __global__ void embedKernel(EmbedArgs args)
{
    const int index = static_cast<int>(blockIdx.x);
    const std::int64_t row = args.ids[index];
    const std::uint8_t *source = args.table.data + row * args.table.rowBytes;
    for (int column = threadIdx.x; column < args.table.in; column += blockDim.x) {
        float value = element<Type>(source, column);
        if constexpr (Type == DType::F8E4M3)
            value *= blockScale(args.table, 0, row, column);
        args.output[index * args.outputStride + column] = value;
    }
}

template <DType Type> __global__ void __launch_bounds__(kWarpsPerBlock * 32) moeUpKernel(MoeArgs args)
{
    const std::int64_t unit = static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / 32;
    const int slot = static_cast<int>(blockIdx.y); // row * perToken + k
    const std::int32_t expert = args.ids[slot];
    if (unit >= args.gate.out || expert < 0)
        return;
    const float *input = args.input + (slot / args.perToken) * args.inputStride;
    const float gate = warpDot<Type>(args.gate, expert, unit, input);
    const float up = warpDot<Type>(args.up, expert, unit, input);
    if (threadIdx.x % 32 == 0)
        args.middle[slot * args.gate.out + unit] = activate(gate, Activation::Silu) * up;
}

template <DType Type> __global__ void __launch_bounds__(kWarpsPerBlock * 32) moeDownKernel(MoeArgs args)
{
    const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / 32;
    const int row = static_cast<int>(blockIdx.y);
    if (column >= args.down.out)
        return;
    float sum = 0.0F;
    for (int k = 0; k < args.perToken; ++k) {
        const int slot = row * args.perToken + k;
        if (args.ids[slot] >= 0)
            sum += args.weights[slot] * warpDot<Type>(args.down, args.ids[slot], column, args.middle + slot * args.gate.out);
    }
    if (threadIdx.x % 32 == 0)
        args.output[row * args.outputStride + column] += sum;
}

unsigned blocksFor(std::int64_t count, std::int64_t each)
{
    return static_cast<unsigned>((count + each - 1) / each);
}

cudaError_t finish(bool known)
{
    return known ? cudaGetLastError() : cudaErrorNotSupported;
}

} // namespace

cudaError_t linear(const LinearArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.weight.out == 0)
        return cudaSuccess;
    return finish(withType(args.weight.dtype, [&]<DType Type>() {
        if (args.rows <= kFewRows) {
            fewRowsKernel<Type><<<blocksFor(args.weight.out, kWarpsPerBlock), kWarpsPerBlock * 32, 0, stream>>>(args);
        } else {
            const dim3 grid(blocksFor(args.weight.out, Tile::columns), blocksFor(args.rows, Tile::rows));
            tileKernel<Type><<<grid, Tile::threads, 0, stream>>>(args);
        }
    }));
}

cudaError_t headLinear(const HeadLinearArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    const dim3 grid(blocksFor(args.weight.out, kWarpsPerBlock), static_cast<unsigned>(args.heads),
        static_cast<unsigned>(args.rows));
    return finish(withType(args.weight.dtype, [&]<DType Type>() {
        headLinearKernel<Type><<<grid, kWarpsPerBlock * 32, 0, stream>>>(args);
    }));
}

cudaError_t embed(const EmbedArgs &args, cudaStream_t stream)
{
    if (args.count == 0)
        return cudaSuccess;
    return finish(withType(args.table.dtype, [&]<DType Type>() {
        embedKernel<Type><<<static_cast<unsigned>(args.count), 128, 0, stream>>>(args);
    }));
}

cudaError_t moe(const MoeArgs &args, cudaStream_t stream)
{
    if (args.rows == 0)
        return cudaSuccess;
    if (args.up.dtype != args.gate.dtype)
        return cudaErrorNotSupported;
    const dim3 upGrid(blocksFor(args.gate.out, kWarpsPerBlock), static_cast<unsigned>(args.rows * args.perToken));
    const dim3 downGrid(blocksFor(args.down.out, kWarpsPerBlock), static_cast<unsigned>(args.rows));
    const bool upKnown = withType(args.gate.dtype, [&]<DType Type>() {
        moeUpKernel<Type><<<upGrid, kWarpsPerBlock * 32, 0, stream>>>(args);
    });
    const bool downKnown = upKnown && withType(args.down.dtype, [&]<DType Type>() {
        moeDownKernel<Type><<<downGrid, kWarpsPerBlock * 32, 0, stream>>>(args);
    });
    return finish(downKnown);
}

} // namespace kernels::cuda
