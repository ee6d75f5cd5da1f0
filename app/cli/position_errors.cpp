// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "position_errors.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cli {

std::vector<double> positionErrors(const std::vector<float> &actual, const std::vector<float> &expected, std::size_t vocabulary)
{
    constexpr double none = std::numeric_limits<double>::infinity();
    std::vector<double> errors(vocabulary > 0 ? expected.size() / vocabulary : 0, none);
    if (actual.size() != expected.size())
        return errors;
    for (std::size_t i = 0; i < errors.size(); ++i) {
        double difference = 0, size = 0;
        for (std::size_t k = i * vocabulary; k < (i + 1) * vocabulary; ++k) {
            const double value = expected[k], apart = actual[k] - value;
            difference += apart * apart;
            size += value * value;
        }
        const double error = std::sqrt(difference / size);
        if (std::isfinite(error))
            errors[i] = error;
    }
    return errors;
}

double quantile(std::vector<double> values, int thousandths)
{
    if (values.empty())
        return 0;
    const std::size_t count = values.size();
    const std::size_t below = std::min(count - 1, (count * static_cast<std::size_t>(std::max(thousandths, 1)) + 999) / 1000 - 1);
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(below), values.end());
    return values[below];
}

} // namespace cli
