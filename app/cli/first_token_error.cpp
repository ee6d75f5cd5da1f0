// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "first_token_error.h"

#include <algorithm>
#include <cmath>
#include <limits>

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

} // namespace cli
