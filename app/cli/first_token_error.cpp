// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "first_token_error.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace cli {

double firstTokenError(const LikelyTokens &actual, const LikelyTokens &expected)
{
    constexpr double none = std::numeric_limits<double>::infinity();
    if (actual.empty() && expected.empty())
        return 0;
    double likeliest = 0, difference = 0;
    const auto compare = [&](const LikelyTokens &a, const LikelyTokens &b) {
        double least = none;
        for (const auto &[id, probability] : b)
            least = std::min(least, static_cast<double>(probability));
        for (const auto &[id, probability] : a) {
            const auto found = b.find(id);
            const double apart = found != b.end() ? std::abs(static_cast<double>(found->second) - probability) : probability - least;
            difference = std::isnan(apart) ? none : std::max(difference, apart);
            likeliest = std::max(likeliest, static_cast<double>(probability));
        }
    };
    compare(actual, expected);
    compare(expected, actual);
    return actual.empty() || expected.empty() || !(likeliest > 0) ? none : difference / likeliest;
}

LikelyTokens likelyTokens(const std::vector<float> &logits, int count)
{
    if (std::any_of(logits.begin(), logits.end(), [](float x) { return std::isnan(x); }))
        return {};
    std::vector<std::size_t> ids(logits.size());
    std::iota(ids.begin(), ids.end(), std::size_t{0});
    const auto listed = ids.begin() + std::min(static_cast<std::ptrdiff_t>(count), static_cast<std::ptrdiff_t>(ids.size()));
    std::partial_sort(ids.begin(), listed, ids.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
    LikelyTokens likely;
    double sum = 0;
    for (const float x : logits)
        sum += std::exp(static_cast<double>(x) - logits[ids[0]]);
    for (auto id = ids.begin(); id != listed; ++id)
        likely[static_cast<std::int32_t>(*id)] = static_cast<float>(std::exp(static_cast<double>(logits[*id]) - logits[ids[0]]) / sum);
    return likely;
}

} // namespace cli
