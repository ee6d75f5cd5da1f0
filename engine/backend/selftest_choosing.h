// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "engine/selftest.h"

#include <cstdint>
#include <string>

namespace engine {

// Tokens chosen from 70 rows: seven kinds of logits (flat, peaked, with many equal ones, ...), each by ten rules; some rows
// have logits that are no numbers, or none. `error` is the share of rows that differ from the reference's; a row with more
// nearly equal ids than a device sorts may stay undecided.
Result<SelftestRow> checkChoosing(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    std::int64_t columns);
std::string choosingShape(std::int64_t columns);

} // namespace engine
