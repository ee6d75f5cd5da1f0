// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/packed/split.cuh"

#include <cuda_runtime.h>

#include <cstdint>

namespace kernels::cuda {

// Scores to expert ids and weights, float32 (architectures.md 2.6). method: 1 greedy, 2 group-limited by the best
// expert, 3 biased by the two best of a group; score: 1 softmax, 2 sigmoid.
struct RouteArgs {
    const float *logits = nullptr; // [rows, experts]
    const float *bias = nullptr;   // [experts], method 3
    int rows = 0, experts = 0, perToken = 0, groups = 1, groupsPerToken = 1, method = 1, score = 1;
    bool normalise = false;
    bool automatic = false; // drop experts below kAutomaticShare of the token's best one
    float scale = 1.0F;
    const std::int32_t *stopExperts = nullptr; // device
    int stopCount = 0;
    std::int32_t *ids = nullptr;   // [rows, perToken], -1: none
    float *weights = nullptr;      // [rows, perToken]
};
cudaError_t route(const RouteArgs &args, cudaStream_t stream);
inline constexpr int kSmallExperts = 64;
bool isSmall(const RouteArgs &args); // one that chooseSmall() takes
bool canLeaveRouting(const RouteArgs &args); // to the experts' product (decode/ring.cuh)

// The router's product and the routing, for few rows; with `gain` the norm before it too, whose rows are left in `normed`
// and `split`. F32 weight; columns a multiple of 128, at most kRouterColumns.
inline constexpr int kRouterColumns = 2048, kRouterRows = 64;
inline constexpr int kOneLogitRows = 8; // up to so many: a block a logit
struct RouterArgs {
    RouteArgs route;               // logits: written
    const float *weight = nullptr; // [experts, columns]
    const float *input = nullptr;  // [rows, columns], inputStride a multiple of 4
    std::int64_t inputStride = 0;
    int columns = 0;
    const float *gain = nullptr;   // null: the input is normalised already
    float epsilon = 0.0F;
    float *normed = nullptr;
    std::int64_t normedStride = 0;
    SplitView split;               // high null: not wanted
    int *tickets = nullptr;        // device [kRouterRows], zero before and after
    bool logitsOnly = false;       // the routing is somebody else's
};
bool hasRouter(const RouterArgs &args);
cudaError_t router(const RouterArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
