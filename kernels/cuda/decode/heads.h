// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/attention/tiles.h"
#include "cuda/decode/decode.h"

namespace kernels::cuda {

// A small float16 or bfloat16 matrix a head, for at most kFewRows rows.
struct HeadsArgs {
    ProductArgs product;       // weight, values, inputHead, rows, heads and output are used
    bool hasPrepare = false;   // latentPrepare() of the same rows beside it; neither needs the other
    LatentPrepareArgs prepare;
    bool hasCombine = false;   // `values` is the output of this attention, which left its parts apart
    TileAttentionArgs attention;
};
bool hasFewHeads(const MatrixView &weight);
inline constexpr int kCombinedChunks = 32;
bool canCombine(const TileAttentionArgs &attention, const MatrixView &weight);
cudaError_t fewHeads(const HeadsArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
