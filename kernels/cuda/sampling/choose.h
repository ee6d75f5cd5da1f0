// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/choose.h"

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

inline constexpr int kChooseRows = 64;
inline constexpr int kChooseBuckets = 2048; // of 1/64 of a logit, from the best down
inline constexpr int kChooseStretches = 32; // of ids, in order

// What the kernels hand each other; device memory, zero before and after but for `stretches`.
struct ChooseRoom {
    unsigned long long *best = nullptr;      // [kChooseRows]
    unsigned *broken = nullptr;              // [kChooseRows]
    unsigned long long *plain = nullptr;     // [kChooseRows], weights at temperature 1
    unsigned long long *stretches = nullptr; // [kChooseRows, kChooseStretches], weights of draws that cut nothing off
    unsigned long long *masses = nullptr;    // [kChooseRows, kChooseBuckets], weights
    unsigned *counts = nullptr;              // [kChooseRows, kChooseBuckets], ids
};

// How many blocks the device can put together as a cluster for a row (sm_90 and later), at most 16; 0: none.
int mostChooseRanks();
// How many of them choose fastest, measured on an H200; with many rows three kernels for all do. Few ids are not spread over many.
constexpr int chooseRanks(int most, int rows, int count)
{
    constexpr int kFewIds = 4096;
    return rows > 16 ? 0 : count <= kFewIds && most > 2 ? 2 : rows > 4 && most > 8 ? 8 : most;
}
static_assert(chooseRanks(16, 1, 102'400) == 16 && chooseRanks(16, 8, 102'400) == 8 && chooseRanks(16, 17, 102'400) == 0);
static_assert(chooseRanks(16, 8, 128) == 2 && chooseRanks(0, 1, 128) == 0 && chooseRanks(0, 1, 102'400) == 0);

// The next token of each row (kernels/choose.h).
struct ChooseArgs {
    const float *logits = nullptr;   // [rows, count], `stride` elements between rows
    std::int64_t stride = 0;
    int rows = 0, count = 0;
    ChooseRoom room; // without clusters
    int ranks = 0;   // blocks a row: 0, 2, 4, 8 or 16, up to mostChooseRanks(); the choice is the same
    Choice *choices = nullptr;          // [rows], device memory or pinned host memory
    std::int32_t *ids = nullptr;        // device [rows]: the id chosen; null: not wanted
    std::int32_t *positions = nullptr;  // device [rows], with `ids`: one more where an id was chosen
    ChooseRule rules[kChooseRows];
};
cudaError_t choose(const ChooseArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
