// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/dtype.h"

#include <cstddef>
#include <cstdint>
#include <vector>

// Inputs for the self-test, the tests and the benches: the same seed gives the same numbers everywhere.
namespace kernels {

class Random {
public:
    explicit Random(std::uint64_t seed) : m_state(seed * 2 + 1) {}
    std::uint32_t bits();
    float uniform(float low, float high);
    float normal(); // mean 0, deviation about 1

private:
    std::uint64_t m_state;
};

std::vector<float> randomFloats(Random &random, std::size_t count);
// Rows of a weight as a file would hold them: random quants, scales of a trained weight's size, no NaN.
std::vector<std::byte> randomWeightRows(Random &random, DType type, std::int64_t rows, std::int64_t columns);

} // namespace kernels
