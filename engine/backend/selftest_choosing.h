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
// nearly equal ids than a device sorts may stay undecided. `atOnce`: so many rows a call, since few take other kernels than many.
Result<SelftestRow> checkChoosing(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    std::int64_t columns, std::int64_t atOnce);
std::string choosingShape(std::int64_t columns, std::int64_t atOnce);
inline constexpr std::int64_t kChoosingAtOnce[] = {70, 12, 3};

} // namespace engine
