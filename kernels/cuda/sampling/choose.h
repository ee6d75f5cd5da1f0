// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/choose.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

inline constexpr int kChooseRows = 64;

// The next token of each row (kernels/choose.h).
struct ChooseArgs {
    const float *logits = nullptr;   // [rows, count], `stride` elements between rows
    std::int64_t stride = 0;
    int rows = 0, count = 0;
    unsigned long long *best = nullptr; // device [kChooseRows], zero before and after
    unsigned *broken = nullptr;         // device [kChooseRows], zero before and after
    Choice *choices = nullptr;          // [rows], device memory or pinned host memory
    std::int32_t *ids = nullptr;        // device [rows]: the id chosen; null: not wanted
    std::int32_t *positions = nullptr;  // device [rows], with `ids`: one more where an id was chosen
    ChooseRule rules[kChooseRows];
};
cudaError_t choose(const ChooseArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
