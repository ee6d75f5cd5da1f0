// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <cstdint>
#include <functional>
#include <string>

namespace engine {

// One operation of one device against the scalar float32 reference, on fresh random inputs.
struct SelftestRow {
    std::string device;    // "cpu avx512", "cuda:0"
    std::string operation; // "linear Q4_K"
    std::string shape;     // "7 x 512 -> 133"
    double error = 0;      // norm of the difference over the norm of the reference
    double bound = 0;
    bool passed = false;
};

// Checks every operation of a device: "cpu" runs each instruction set this machine has, "cuda" or "cuda:N" one card.
// Inputs come from `seed`. `only`: checks whose "operation, shape" holds this text; empty: all. Rows arrive as they are computed; the result is the number of failures. Waits.
Result<int> runSelftest(const std::string &device, std::uint64_t seed, const std::function<void(const SelftestRow &)> &row,
    const std::string &only = {});

} // namespace engine
