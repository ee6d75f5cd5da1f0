// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernels of latent attention of one new token share: shapes, products of a head's small matrices with one vector.

#include "cuda/attention/cluster.cuh"
#include "cuda/common/tensor.cuh"
#include "cuda/packed/unpack.cuh"

namespace kernels::cuda::latent {

inline constexpr int kLatent = 512, kRope = 64, kNope = 128, kValue = 128, kRowWidth = kLatent + kRope;
inline constexpr int kOwn = kLatent / cluster::kRanks, kOwnPitch = kOwn + 8, kNopePitch = kNope + 8; // kOwn: of a block

// A vector as three columns of a product's right side, 24 bits of it: the sum of the three results is its product.
inline constexpr int kPieces = 3;
__device__ inline void cut(float x, __nv_bfloat16 *to, int stride)
{
#pragma unroll
    for (int i = 0; i < kPieces; ++i) {
        const __nv_bfloat16 piece = __float2bfloat16_rn(x);
        to[i * stride] = piece;
        x = __fsub_rn(x, __bfloat162float(piece));
    }
}
// The lane's part of the right side: of columns lane / 4 (what is beyond the pieces is never looked at).
__device__ inline const __nv_bfloat16 *pieceOf(const __nv_bfloat16 *pieces, int stride)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    return pieces + min(lane / 4, kPieces - 1) * stride;
}
// Of a product's rows lane / 4 (`upper` false) and lane / 4 + 8 the sum over the pieces; in lanes that are a multiple of four.
__device__ inline float sumOf(const float (&c)[4], bool upper)
{
    const float third = __shfl_down_sync(kAllLanes, upper ? c[2] : c[0], 1);
    return __fadd_rn(__fadd_rn(upper ? c[2] : c[0], upper ? c[3] : c[1]), third);
}
// 16 rows of a matrix [., columns] times pieces [3][stride] from `first` on, 64 columns that lie in the lane's registers: of row
// lane / 4 in held[0 and 1], of the row 8 further in held[2 and 3]; eight neighbouring columns each, so columns count in another
// order than the instruction's, on both sides alike.
__device__ inline void multiplyHeld(float (&c)[4], const uint4 (&held)[4], const __nv_bfloat16 *pieces, int stride, int first)
{
    const __nv_bfloat16 *right = pieceOf(pieces, stride) + first + static_cast<int>(threadIdx.x) % 4 * 8;
#pragma unroll
    for (int part = 0; part < 2; ++part) {
        const uint4 b = *reinterpret_cast<const uint4 *>(right + part * 32);
        const uint4 &low = held[part];
        const uint4 &high = held[2 + part];
        multiply(c, {low.x, high.x, low.y, high.y}, b.x, b.y);
        multiply(c, {low.z, high.z, low.w, high.w}, b.z, b.w);
    }
}
// What multiplyHeld takes: 16 rows from `row` on, 64 columns from `column` on of a matrix of `columns`.
__device__ inline void holdRows(uint4 (&held)[4], const std::uint8_t *matrix, int row, int column, int columns)
{
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const auto *from = reinterpret_cast<const uint4 *>(matrix) + (row + lane / 4) * (columns / 8) + column / 8 + lane % 4;
#pragma unroll
    for (int e = 0; e < 4; ++e)
        held[e] = loadOnce(from + e / 2 * 8 * (columns / 8) + e % 2 * 4);
}

} // namespace kernels::cuda::latent
