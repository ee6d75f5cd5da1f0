// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace cli {

// The likely first tokens of an answer: id and probability.
using LikelyTokens = std::map<std::int32_t, float>;

// The largest difference of a token's probability, as a share of the likeliest one's, at least; infinite where either list is
// empty or holds no number. Of a token that one side does not list its probability is at most the least it lists.
double firstTokenError(const LikelyTokens &actual, const LikelyTokens &expected);

// The prompt with the largest of them; as many prompts on both sides, at least one.
struct WorstPrompt {
    std::size_t index = 0;
    double error = 0;
};
WorstPrompt worstFirstToken(const std::vector<LikelyTokens> &actual, const std::vector<LikelyTokens> &expected);

} // namespace cli
