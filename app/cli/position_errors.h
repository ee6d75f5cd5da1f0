// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace cli {

// Logits [positions, vocabulary] against others: of each position |actual - expected| / |expected| (Euclidean norms). Infinite where
// the sizes differ, a position holds what is no number, or `expected` is nothing but zeros.
std::vector<double> positionErrors(const std::vector<float> &actual, const std::vector<float> &expected, std::size_t vocabulary);

// The value that so many thousandths of `values` do not exceed; 0 of none.
double quantile(std::vector<double> values, int thousandths);

} // namespace cli
