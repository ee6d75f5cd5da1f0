// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/dtype.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// Token t of a row's sequence lies in block blocks[t / blockTokens], slot t % blockTokens.
struct KvView {
    void *keys = nullptr, *values = nullptr; // [blocks, blockTokens, kvHeads * dim]
    DType dtype = DType::F32;                // F32, F16 or BF16
    int kvHeads = 1, keyDim = 0, valueDim = 0, blockTokens = 0;
    bool valuesInKeys = false;               // MLA: the value is the first valueDim of the key row
};
// Per row of the step, on the device.
struct RowTable {
    const std::int32_t *positions = nullptr;   // [rows]
    const std::int32_t *firstBlock = nullptr;  // [rows] index into blocks
    const std::int32_t *blocks = nullptr;
    int rows = 0;
};

struct StoreKvArgs {
    const float *keys = nullptr, *values = nullptr; // [rows, kvHeads * dim]
    std::int64_t keyStride = 0, valueStride = 0;
    KvView cache;
    RowTable table;
};
cudaError_t storeKv(const StoreKvArgs &args, cudaStream_t stream);

// Causal attention of every row over its own sequence, MHA, GQA and MLA alike.
struct AttentionArgs {
    const float *query = nullptr; // [rows, heads, keyDim]
    float *output = nullptr;      // [rows, heads, valueDim]
    int heads = 0;
    float scale = 1.0F;
    int window = 0;               // tokens, 0: off
    KvView cache;
    RowTable table;
    // Row observeRows[i] (or -1) adds the mean over heads of its probabilities to observed[i, position].
    const std::int32_t *observeIndex = nullptr; // device [rows], -1: not observed
    float *observed = nullptr;                  // device [observed rows, observeStride], zeroed by the caller
    std::int64_t observeStride = 0;
};
cudaError_t attention(const AttentionArgs &args, cudaStream_t stream);

// Bidirectional attention inside each of `batch` tiles of `tokens` rows.
struct DenseAttentionArgs {
    const float *query = nullptr, *key = nullptr, *value = nullptr; // [batch * tokens, heads * headDim] with strides
    float *output = nullptr;
    std::int64_t queryStride = 0, keyStride = 0, valueStride = 0, outputStride = 0;
    int batch = 0, tokens = 0, heads = 0, headDim = 0;
    float scale = 1.0F;
};
cudaError_t denseAttention(const DenseAttentionArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
