// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/attention/attention.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

namespace kernels::cuda {

// denseAttention on the tensor cores, bfloat16 operands and float32 sums: heads of 64, 72, 80, 96 or 128 whose rows lie at
// multiples of 16 bytes.
bool hasPictureTiles(const DenseAttentionArgs &args);
cudaError_t pictureAttention(const DenseAttentionArgs &args, cudaStream_t stream);

// The same over rows of bfloat16 (the tower's layers on any card): heads of 64 or 72.
struct NarrowAttentionArgs {
    const __nv_bfloat16 *query = nullptr, *key = nullptr, *value = nullptr; // [batch * tokens, heads * headDim], `stride` apart
    std::int64_t stride = 0;                                                // a multiple of 8
    __nv_bfloat16 *output = nullptr;                                        // [batch * tokens, heads * headDim], packed
    int batch = 0, tokens = 0, heads = 0, headDim = 0;
    float scale = 1.0F;
};
bool hasNarrowAttention(const NarrowAttentionArgs &args);
cudaError_t narrowAttention(const NarrowAttentionArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
