// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "engine/selftest.h"

namespace engine {

// Runs every operation of `tested` against `reference` (normally the scalar CPU backend); `name` becomes SelftestRow::device.
// Outputs are poisoned with NaN first, so an element nobody wrote fails. Both compute in float32.
Result<int> checkBackend(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    const std::function<void(const SelftestRow &)> &row);

} // namespace engine
