// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kernels {

inline constexpr int kMostAlternatives = 32;

// How the next token of a row is chosen from its logits. Temperature, top-k, top-p and min-p one after the other, as
// transformers has them, then one draw. Plain numbers: the struct travels to a card as it lies.
struct ChooseRule {
    float temperature = 0.0F;      // 0: the best, the lowest id among equals
    float topP = 1.0F;             // 1: off
    float minP = 0.0F;             // 0: off
    std::int32_t topK = 0;         // 0: off; everything equal to the k-th stays
    double share = 0.0;            // [0, 1): where in the kept weights, by id, the draw falls
    std::int32_t alternatives = 0; // most likely ids asked for, at most kMostAlternatives
    std::int32_t unused = 0;
};

enum class ChoiceState : std::int32_t {
    Chosen = 0,
    NotANumber = 1, // a logit is NaN or +Inf
    None = 2,       // no logit is finite
    Undecided = 3,  // too many nearly equal ones for the kernel: choose from the logits themselves
};
struct LikelyId {
    std::int32_t id = -1;
    float logit = 0.0F;
};
struct Choice {
    std::int32_t id = -1;
    ChoiceState state = ChoiceState::Undecided;
    float logit = 0.0F;  // of that id
    float best = 0.0F;   // the greatest
    double total = 0.0;  // sum of exp(logit - best); only with alternatives
    LikelyId likely[kMostAlternatives] = {}; // most likely first, equals by id
};

// Weights exp((logit - best) / temperature) are whole numbers of 2^-40, so their sums do not depend on any order: the
// same choice on every device but for the last bit of a device's exp. What is lighter is never chosen.
inline constexpr float kWeightUnits = 1099511627776.0F; // 2^40

// One row: logits [count]; never Undecided. The scalar truth of kernels/cuda/sampling.
Choice choose(const float *logits, int count, const ChooseRule &rule);

} // namespace kernels
