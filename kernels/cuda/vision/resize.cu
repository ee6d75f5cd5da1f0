// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// A thread an output pixel, its taps from the first-level cache: neighbours share them. Integers throughout, so the bytes
// are the host's. Bound: bytes of the larger picture read once; in practice the reads of the taps, 20 us for ten tiles.
#include "cuda/vision/resize.h"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 256, kBits = 22;

__device__ void weigh(const ResizePass &pass, const std::uint8_t *pixels, int width, int x, int y, std::uint8_t *target)
{
    const int output = pass.downColumns ? y : x;
    const std::int64_t step = pass.downColumns ? std::int64_t{width} * 3 : 3;
    const std::int64_t across = pass.downColumns ? std::int64_t{x} * 3 : std::int64_t{y} * width * 3;
    const std::uint8_t *source = pixels + across + pass.first[output] * step;
    const std::int32_t *weights = pass.weights + static_cast<std::int64_t>(output) * pass.taps;
    int sums[3] = {1 << (kBits - 1), 1 << (kBits - 1), 1 << (kBits - 1)};
    for (int tap = 0; tap < pass.count[output]; ++tap, source += step) {
        const std::int32_t weight = weights[tap];
#pragma unroll
        for (int channel = 0; channel < 3; ++channel)
            sums[channel] += weight * source[channel];
    }
#pragma unroll
    for (int channel = 0; channel < 3; ++channel)
        target[channel] = static_cast<std::uint8_t>(min(max(sums[channel] >> kBits, 0), 255));
}

__global__ void __launch_bounds__(kThreads) resizeKernel(const ResizeArgs args, int newWidth)
{
    const int x = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
    const int y = static_cast<int>(blockIdx.y);
    if (x < newWidth)
        weigh(args.pass, args.pixels, args.width, x, y, args.output + (static_cast<std::int64_t>(y) * newWidth + x) * 3);
}

__global__ void __launch_bounds__(kThreads) resizeIntoTilesKernel(const ResizeIntoTilesArgs args, int newWidth, int newHeight)
{
    const int x = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
    const int y = static_cast<int>(blockIdx.y);
    if (x >= args.tilesWide * args.size)
        return;
    const std::int64_t tile = y / args.size * args.tilesWide + x / args.size;
    std::uint8_t *target = args.output + ((tile * args.size + y % args.size) * args.size + x % args.size) * 3;
    const int fromX = x - args.left, fromY = y - args.top;
    if (fromX >= 0 && fromX < newWidth && fromY >= 0 && fromY < newHeight) {
        weigh(args.pass, args.pixels, args.width, fromX, fromY, target);
        return;
    }
    for (int channel = 0; channel < 3; ++channel)
        target[channel] = args.ground[channel];
}

dim3 gridFor(int width, int height)
{
    return {static_cast<unsigned>((width + kThreads - 1) / kThreads), static_cast<unsigned>(height)};
}

} // namespace

cudaError_t resize(const ResizeArgs &args, cudaStream_t stream)
{
    const int width = args.pass.downColumns ? args.width : args.pass.outputs;
    const int height = args.pass.downColumns ? args.pass.outputs : args.height;
    if (width == 0 || height == 0)
        return cudaSuccess;
    resizeKernel<<<gridFor(width, height), kThreads, 0, stream>>>(args, width);
    return cudaGetLastError();
}

cudaError_t resizeIntoTiles(const ResizeIntoTilesArgs &args, cudaStream_t stream)
{
    const int width = args.pixels == nullptr ? 0 : args.pass.downColumns ? args.width : args.pass.outputs;
    const int height = args.pass.downColumns ? args.pass.outputs : args.height;
    resizeIntoTilesKernel<<<gridFor(args.tilesWide * args.size, args.tilesHigh * args.size), kThreads, 0, stream>>>(args, width, height);
    return cudaGetLastError();
}

} // namespace kernels::cuda
