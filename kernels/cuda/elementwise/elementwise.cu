// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Each element is read and written once; bound: bandwidth.
#include "cuda/elementwise/elementwise.h"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 256;

template <typename Body> __global__ void perElement(std::int64_t rows, std::int64_t columns, Body body)
{
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    if (index < rows * columns)
        body(index / columns, index % columns);
}

template <typename Body> cudaError_t launch(std::int64_t rows, std::int64_t columns, cudaStream_t stream, Body body)
{
    const std::int64_t count = rows * columns;
    if (count == 0)
        return cudaSuccess;
    perElement<<<static_cast<unsigned>((count + kThreads - 1) / kThreads), kThreads, 0, stream>>>(rows, columns, body);
    return cudaGetLastError();
}

__global__ void ropeKernel(RopeArgs args)
{
    const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
    const std::int64_t perRow = static_cast<std::int64_t>(args.heads) * args.pairs;
    if (index >= args.rows * perRow)
        return;
    const std::int64_t row = index / perRow;
    const auto head = static_cast<int>(index % perRow / args.pairs);
    const auto pair = static_cast<int>(index % args.pairs);
    float sine = 0.0F;
    float cosine = 0.0F;
    sincosf(static_cast<float>(args.positions[row]) * args.inverseFrequencies[pair], &sine, &cosine);
    sine *= args.magnitude;
    cosine *= args.magnitude;
    float *x = args.x + row * args.rowStride + static_cast<std::int64_t>(head) * args.dim + args.offset;
    const int first = args.interleaved ? 2 * pair : pair;
    const int second = args.interleaved ? 2 * pair + 1 : pair + args.pairs;
    const float a = x[first];
    const float b = x[second];
    x[first] = a * cosine - b * sine;
    x[second] = b * cosine + a * sine;
}

} // namespace

cudaError_t siluMultiply(RowsView gate, RowsView up, RowsView output, cudaStream_t stream)
{
    return launch(output.rows, output.columns, stream, [=] __device__(std::int64_t row, std::int64_t column) {
        const float g = gate.data[row * gate.stride + column];
        output.data[row * output.stride + column] = g / (1.0F + expf(-g)) * up.data[row * up.stride + column];
    });
}

cudaError_t add(RowsView accumulator, RowsView addend, cudaStream_t stream)
{
    return launch(accumulator.rows, accumulator.columns, stream, [=] __device__(std::int64_t row, std::int64_t column) {
        accumulator.data[row * accumulator.stride + column] += addend.data[row * addend.stride + column];
    });
}

cudaError_t copyRows(RowsView destination, RowsView source, cudaStream_t stream)
{
    return launch(destination.rows, destination.columns, stream, [=] __device__(std::int64_t row, std::int64_t column) {
        destination.data[row * destination.stride + column] = source.data[row * source.stride + column];
    });
}

cudaError_t scatterRows(const ScatterRowsArgs &args, cudaStream_t stream)
{
    const std::int64_t step = args.source.rows == 1 ? 0 : args.source.stride;
    return launch(args.count, args.source.columns, stream, [=] __device__(std::int64_t row, std::int64_t column) {
        args.destination.data[args.rows[row] * args.destination.stride + column] = args.source.data[row * step + column];
    });
}

cudaError_t rope(const RopeArgs &args, cudaStream_t stream)
{
    const std::int64_t count = static_cast<std::int64_t>(args.rows) * args.heads * args.pairs;
    if (count == 0)
        return cudaSuccess;
    ropeKernel<<<static_cast<unsigned>((count + kThreads - 1) / kThreads), kThreads, 0, stream>>>(args);
    return cudaGetLastError();
}

} // namespace kernels::cuda
