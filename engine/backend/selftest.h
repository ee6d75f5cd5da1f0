// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"

#include <cstdint>
#include <string>
#include <vector>

namespace engine {

// One operation of one backend against another on the same fresh random inputs.
struct BackendCheck {
    std::string operation; // "linear Q4_K"
    std::string shape;     // "7 x 512 -> 96"
    double error = 0;      // norm of the difference over the norm of the reference; NaN counts as infinite
    double bound = 0;
    bool passed = false;
};

// Runs every operation of `tested` against `reference` (normally the scalar CPU backend). Inputs come from `seed`;
// outputs are poisoned with NaN first, so an element nobody wrote fails. Waits for both.
Result<std::vector<BackendCheck>> checkBackend(Backend &tested, Backend &reference, std::uint64_t seed);

} // namespace engine
