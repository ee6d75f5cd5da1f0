// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Packing runs once a weight, at load; bound: bandwidth, never reached. Widening to bfloat16 goes before the prompt
// products: each weight byte is read once, two bytes are written for every weight.
#include "cuda/packed/pack.h"

#include "cuda/common/launch.cuh"
#include "cuda/packed/unpack.cuh"

namespace kernels::cuda {

namespace {

constexpr int kThreads = 256;

// Grid: (units * 16 / kThreads, tiles, matrices); a thread makes one row's share of one unit.
__global__ void __launch_bounds__(kThreads) packKernel(WeightView source, PackedShape shape, std::uint8_t *target)
{
    const int index = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
    const int unit = index / kTileRows;
    const int row = index % kTileRows;
    if (unit >= shape.units)
        return;
    const std::int64_t tile = static_cast<std::int64_t>(blockIdx.z) * shape.tiles + blockIdx.y;
    const std::int64_t sourceRow = static_cast<std::int64_t>(blockIdx.y) * kTileRows + row;
    const bool inside = sourceRow < source.out;
    const std::uint8_t *bytes = source.data + (blockIdx.z * source.out + sourceRow) * source.rowBytes;
    float scale = 1.0F;
    if (source.dtype == DType::F8E4M3 && inside)
        scale = blockScale(source, blockIdx.z, sourceRow, unit * kUnitColumns);
    packUnit(source.dtype, shape, inside ? bytes : nullptr, static_cast<int>(source.in), row, unit, __float_as_uint(scale),
        target + tile * shape.tileBytes);
}

// Grid: (units / 8, tiles, matrices), a warp a unit.
template <DType Type> __global__ void __launch_bounds__(kThreads) widenKernel(WidenArgs args, PackedShape shape)
{
    const int unit = static_cast<int>(blockIdx.x) * (kThreads / 32) + static_cast<int>(threadIdx.x) / 32;
    if (unit >= shape.units)
        return;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int t = lane % 4;
    const std::int64_t tile = args.firstRow / kTileRows + blockIdx.y;
    const std::uint8_t *bytes = args.data + (args.firstMatrix + blockIdx.z) * args.matrixBytes + tile * shape.tileBytes;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const std::int64_t row = blockIdx.y * kTileRows + half * 8 + lane / 4;
        if (row >= args.rows)
            continue;
        LaneUnit<Type> u;
        loadUnit<Type>(u, bytes, shape, unit, half);
        __nv_bfloat16 *target = args.output + (blockIdx.z * args.rows + row) * args.in + unit * kUnitColumns;
#pragma unroll
        for (int g = 0; g < kGroupsPerUnit; ++g) {
            if (unit * kUnitColumns + g * kGroupColumns >= args.in)
                break;
            std::uint32_t pairs[4];
            groupPairs<Type>(u, g, pairs);
            const float2 scale = groupScale<Type>(u, g);
            std::uint32_t results[4];
#pragma unroll
            for (int p = 0; p < 4; ++p) {
                const float2 v = __half22float2(*reinterpret_cast<const __half2 *>(&pairs[p]));
                const float factor = Type == DType::Q6_K && p >= 2 ? scale.y : scale.x;
                const float minus = kHasMinimum<Type> ? scale.y : 0.0F;
                const __nv_bfloat162 h = __floats2bfloat162_rn(v.x * factor - minus, v.y * factor - minus);
                results[p] = *reinterpret_cast<const std::uint32_t *>(&h);
            }
            if constexpr (Type == DType::Q6_K) {
                *reinterpret_cast<uint2 *>(target + g * kGroupColumns + 4 * t) = make_uint2(results[0], results[1]);
                *reinterpret_cast<uint2 *>(target + g * kGroupColumns + 16 + 4 * t) = make_uint2(results[2], results[3]);
            } else {
                *reinterpret_cast<uint4 *>(target + g * kGroupColumns + 8 * t) =
                    make_uint4(results[0], results[1], results[2], results[3]);
            }
        }
    }
}

template <typename T> __device__ float floatOf(T value);
template <> __device__ float floatOf(float value) { return value; }
template <> __device__ float floatOf(__nv_bfloat16 value) { return __bfloat162float(value); }
template <> __device__ float floatOf(__half value) { return __half2float(value); }

// Grid: (blocks of a matrix, matrices).
template <typename T> __global__ void __launch_bounds__(kThreads) widenRowsKernel(WidenArgs args)
{
    const std::int64_t count = args.rows * args.in;
    const T *source = reinterpret_cast<const T *>(args.data + (args.firstMatrix + blockIdx.y) * args.matrixBytes)
        + args.firstRow * args.in;
    __nv_bfloat16 *target = args.output + blockIdx.y * count;
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
         i += static_cast<std::int64_t>(gridDim.x) * kThreads)
        target[i] = __float2bfloat16(floatOf<T>(source[i]));
}

// Grid: (columns / kThreads, rows), a thread a column, so that a row's loads are all under way at once.
template <DType Type> __global__ void __launch_bounds__(kThreads) packedEmbedKernel(PackedEmbedArgs args, PackedShape shape)
{
    letNextStart();
    const int column = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
    waitForPrevious();
    if (column >= args.in)
        return;
    const std::int64_t id = args.ids[blockIdx.y];
    const std::uint8_t *tile = args.data + id / kTileRows * shape.tileBytes;
    const int row = static_cast<int>(id % kTileRows);
    constexpr PackedFormat f = packedFormat(Type);
    const int unit = column / kUnitColumns;
    const int group = column % kUnitColumns / kGroupColumns;
    const auto digit = static_cast<float>(packedDigit(Type, shape, tile, row, column) - digitOffset<Type>());
    const std::uint8_t *scales = tile + shape.scaleOffset + (unit * kTileRows + row) * f.scaleBytes;
    const std::uint8_t *super = tile + shape.superOffset + (unit / 2 * kTileRows + row) * f.superBytes;
    float value = 0.0F;
    if constexpr (Type == DType::F8E4M3) {
        const auto bits = static_cast<__nv_fp8_storage_t>(packedDigit(Type, shape, tile, row, column));
        value = __half2float(__half(__nv_cvt_fp8_to_halfraw(bits, __NV_E4M3))) * __uint_as_float(wordAt(scales));
    } else if constexpr (Type == DType::Q4_1 || Type == DType::Q5_1) {
        value = halfAt(scales + 4 * group) * digit + halfAt(scales + 4 * group + 2);
    } else if constexpr (Type == DType::Q4_K || Type == DType::Q5_K) {
        value = halfAt(super) * static_cast<float>(scales[2 * group]) * digit - halfAt(super + 2) * static_cast<float>(scales[2 * group + 1]);
    } else if constexpr (Type == DType::Q6_K) {
        value = halfAt(super) * static_cast<float>(static_cast<std::int8_t>(scales[column % kUnitColumns / 16])) * digit;
    } else {
        value = halfAt(scales + 2 * group) * digit;
    }
    args.output[blockIdx.y * args.outputStride + column] = value;
}

__global__ void __launch_bounds__(kThreads) findWideKernel(const std::uint16_t *values, std::int64_t count, int *found)
{
    for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < count;
         i += static_cast<std::int64_t>(gridDim.x) * kThreads) {
        if ((values[i] & 0x7FFFU) >= 0x4780U) // 65536 and beyond, infinities, NaN
            *found = 1;
    }
}

} // namespace

cudaError_t pack(const WeightView &source, std::uint8_t *target, cudaStream_t stream)
{
    const PackedShape shape = packedShape(source.dtype, source.out, source.in);
    const dim3 grid(static_cast<unsigned>((shape.units * kTileRows + kThreads - 1) / kThreads), static_cast<unsigned>(shape.tiles),
        static_cast<unsigned>(source.experts));
    packKernel<<<grid, kThreads, 0, stream>>>(source, shape, target);
    return cudaGetLastError();
}

cudaError_t widen(const WidenArgs &args, cudaStream_t stream)
{
    if (args.rows == 0 || args.matrices == 0)
        return cudaSuccess;
    const dim3 rowGrid(1024, static_cast<unsigned>(args.matrices));
    const PackedShape shape = packedShape(args.dtype, args.totalRows, args.in);
    const dim3 grid(static_cast<unsigned>((shape.units + kThreads / 32 - 1) / (kThreads / 32)),
        static_cast<unsigned>((args.rows + kTileRows - 1) / kTileRows), static_cast<unsigned>(args.matrices));
    switch (args.dtype) {
    case DType::F32: widenRowsKernel<float><<<rowGrid, kThreads, 0, stream>>>(args); break;
    case DType::F16: widenRowsKernel<__half><<<rowGrid, kThreads, 0, stream>>>(args); break;
    case DType::BF16: widenRowsKernel<__nv_bfloat16><<<rowGrid, kThreads, 0, stream>>>(args); break;
    case DType::Q4_0: widenKernel<DType::Q4_0><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::Q4_1: widenKernel<DType::Q4_1><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::Q5_0: widenKernel<DType::Q5_0><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::Q5_1: widenKernel<DType::Q5_1><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::Q8_0: widenKernel<DType::Q8_0><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::Q4_K: widenKernel<DType::Q4_K><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::Q5_K: widenKernel<DType::Q5_K><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::Q6_K: widenKernel<DType::Q6_K><<<grid, kThreads, 0, stream>>>(args, shape); break;
    case DType::F8E4M3: widenKernel<DType::F8E4M3><<<grid, kThreads, 0, stream>>>(args, shape); break;
    default: return cudaErrorNotSupported;
    }
    return cudaGetLastError();
}

cudaError_t packedEmbed(const PackedEmbedArgs &args, cudaStream_t stream)
{
    if (args.count == 0)
        return cudaSuccess;
    const PackedShape shape = packedShape(args.dtype, args.out, args.in);
    const dim3 grid(static_cast<unsigned>((args.in + kThreads - 1) / kThreads), static_cast<unsigned>(args.count));
    const auto start = [&](auto kernel) { return launchChained(kernel, grid, kThreads, 0, stream, args, shape); };
    switch (args.dtype) {
    case DType::Q4_0: return start(packedEmbedKernel<DType::Q4_0>);
    case DType::Q4_1: return start(packedEmbedKernel<DType::Q4_1>);
    case DType::Q5_0: return start(packedEmbedKernel<DType::Q5_0>);
    case DType::Q5_1: return start(packedEmbedKernel<DType::Q5_1>);
    case DType::Q8_0: return start(packedEmbedKernel<DType::Q8_0>);
    case DType::Q4_K: return start(packedEmbedKernel<DType::Q4_K>);
    case DType::Q5_K: return start(packedEmbedKernel<DType::Q5_K>);
    case DType::Q6_K: return start(packedEmbedKernel<DType::Q6_K>);
    case DType::F8E4M3: return start(packedEmbedKernel<DType::F8E4M3>);
    default: return cudaErrorNotSupported;
    }
}

cudaError_t findWideValues(const std::uint16_t *values, std::int64_t count, int *found, cudaStream_t stream)
{
    if (count == 0)
        return cudaSuccess;
    findWideKernel<<<1024, kThreads, 0, stream>>>(values, count, found);
    return cudaGetLastError();
}

} // namespace kernels::cuda
