// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/attention/attention.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// V3.2's indexer (arXiv 2512.02556): per row the `perRow` best of the tokens it sees by
// scale * sum_h weights[h] * max(query[h] . key, 0), ascending, -1 behind the last. Ties go to the earlier token.
struct SelectTokensArgs {
    const float *query = nullptr;   // [rows, heads * keyDim], queryStride
    const float *weights = nullptr; // [rows, heads], weightStride
    std::int64_t queryStride = 0, weightStride = 0;
    int heads = 0;
    float scale = 1.0F;
    int window = 0;                 // tokens, 0: off
    KvView cache;                   // one key head
    RowTable table;
    int longest = 0;                // tokens of the longest context, or more
    float *scores = nullptr;        // device [selectionScores], room to work in
    std::int32_t *selected = nullptr; // device [rows, perRow]
    int perRow = 0;
};
std::size_t selectionScores(int rows, int longest); // numbers; long contexts take their rows in parts
cudaError_t selectTokens(const SelectTokensArgs &args, cudaStream_t stream);

// Attention of each row over its selected tokens alone; observations as AttentionArgs.
struct SparseAttentionArgs {
    AttentionArgs base; // window is not used
    const std::int32_t *selected = nullptr; // device [rows, perRow]
    int perRow = 0;
};
cudaError_t sparseAttention(const SparseAttentionArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
