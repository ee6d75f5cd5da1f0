// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace cli {

// The likely first tokens of an answer: id and probability.
using LikelyTokens = std::map<std::int32_t, float>;

// The largest difference of a token's probability, as a share of the likeliest one's, at least; 0 where both lists are empty (an
// answer that ended before it), infinite where one of them is, or holds no number. Of a token that one side does not list its
// probability is at most the least it lists.
double firstTokenError(const LikelyTokens &actual, const LikelyTokens &expected);

// The `count` likeliest tokens of one position's logits, with their probabilities (softmax); none where a logit is no number.
LikelyTokens likelyTokens(const std::vector<float> &logits, int count);

} // namespace cli
