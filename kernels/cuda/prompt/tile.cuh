// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the prompt's products have in common: where a tile's rows come from and where its results go.

#include "cuda/common/activation.cuh"
#include "cuda/prompt/prompt.h"

namespace kernels::cuda {

namespace prompt {

inline constexpr int kRows = 128; // of a tile

// Where a block's rows come from.
struct Block {
    int matrix = 0, firstRow = 0, rows = 0;
};

__device__ inline bool findBlock(const MatrixProductArgs &args, Block &block)
{
    if (args.offsets == nullptr) {
        block.matrix = static_cast<int>(blockIdx.z);
        block.firstRow = static_cast<int>(blockIdx.x) * kRows;
        block.rows = min(kRows, args.rows - block.firstRow);
        return true;
    }
    int tile = static_cast<int>(blockIdx.x);
    for (int e = 0; e < args.experts; ++e) {
        const int begin = args.offsets[args.firstExpert + e];
        const int count = args.offsets[args.firstExpert + e + 1] - begin;
        const int tiles = (count + kRows - 1) / kRows;
        if (tile < tiles) {
            block.matrix = e;
            block.firstRow = begin + tile * kRows;
            block.rows = min(kRows, count - tile * kRows);
            return true;
        }
        tile -= tiles;
    }
    return false;
}

// Two neighbouring results of a row.
__device__ inline void putPair(const MatrixProductArgs &args, const Block &block, std::int64_t row, int column, float x, float y)
{
    const bool both = column + 1 < args.n;
    if (args.bias != nullptr) {
        x += args.bias[column];
        y += both ? args.bias[column + 1] : 0.0F;
    }
    const std::int64_t place = row * args.outputStride + (args.offsets == nullptr ? block.matrix * args.outputHead : 0) + column;
    if (args.narrow != nullptr) {
        *reinterpret_cast<__nv_bfloat162 *>(args.narrow + place) =
            __floats2bfloat162_rn(activated(x, args.activation), activated(y, args.activation));
        return;
    }
    float *out = args.output + place;
    out[0] = args.accumulate ? out[0] + x : activated(x, args.activation);
    if (both)
        out[1] = args.accumulate ? out[1] + y : activated(y, args.activation);
}

inline unsigned blocksFor(std::int64_t count, std::int64_t each)
{
    return static_cast<unsigned>((count + each - 1) / each);
}

// `columns` outputs and kRows rows a block; experts' last tiles may be part full.
inline cudaError_t launchTiles(void (*kernel)(MatrixProductArgs), const MatrixProductArgs &args, int columns, int threads,
    std::size_t sharedBytes, cudaStream_t stream)
{
    const cudaError_t allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(sharedBytes));
    if (allowed != cudaSuccess)
        return allowed;
    const unsigned across = blocksFor(args.n, columns);
    const dim3 grid = args.offsets != nullptr
        ? dim3(blocksFor(args.slots, kRows) + static_cast<unsigned>(args.experts), across)
        : dim3(blocksFor(args.rows, kRows), across, static_cast<unsigned>(args.heads));
    kernel<<<grid, static_cast<unsigned>(threads), sharedBytes, stream>>>(args);
    return cudaGetLastError();
}

} // namespace prompt

// The same on the warpgroup instructions of sm_90 (warpgroup.cu), for the shapes that gain by it.
bool hasWarpgroupProduct(const MatrixProductArgs &args);
cudaError_t warpgroupProduct(const MatrixProductArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
