// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// Text rows over all picture tokens of their request (engine/models/cross_modal.h), float32.
struct CrossModalAttentionArgs {
    const float *query = nullptr;                   // [rows, heads * headDim], packed
    const float *keys = nullptr, *values = nullptr; // [tokens, heads * headDim], packed
    float *output = nullptr;                        // [rows, heads * headDim], packed
    int rows = 0, tokens = 0, heads = 0, headDim = 0; // headDim up to 256
    float scale = 1.0F;
    // Row r adds the mean over heads of its probabilities to observed[observeIndex[r], token].
    const std::int32_t *observeIndex = nullptr; // device [rows], -1: not observed
    float *observed = nullptr;                  // device; null: no row is
    std::int64_t observeStride = 0;
};
cudaError_t crossModalAttention(const CrossModalAttentionArgs &args, cudaStream_t stream);

// shares = softmax(weight [hidden ; attended] + bias); hidden += shares[1] * attended
struct CrossModalGateArgs {
    float *hidden = nullptr;         // [rows, columns]
    const float *attended = nullptr; // [rows, columns]
    const float *weight = nullptr;   // [2, 2 * columns]: the text's row, then the picture's
    const float *bias = nullptr;     // [2]
    float *shares = nullptr;         // [rows, 2]
    std::int64_t hiddenStride = 0, attendedStride = 0, sharesStride = 0;
    int rows = 0, columns = 0;
};
cudaError_t crossModalGate(const CrossModalGateArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
