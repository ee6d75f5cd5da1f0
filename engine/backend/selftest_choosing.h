// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "engine/selftest.h"

#include <cstdint>
#include <string>
#include <vector>

namespace engine {

// Tokens chosen from seven kinds of logits (flat, peaked, with many equal ones, ...) by ten rules, a row each; some rows have
// logits that are no numbers, or none. `atOnce`: so many rows a call, since few take other kernels than many; all 70 are one
// check, of fewer a check has the rows of a few rules, so that each ends under compute-sanitizer, too. `error` is the share of
// rows that differ from the reference's; a row with more nearly equal ids than a device sorts may stay undecided.
struct ChoosingCheck {
    std::int64_t columns = 0, atOnce = 0;
    int firstRule = 0, rules = 0;
    std::string shape() const;
};
std::vector<ChoosingCheck> choosingChecks();
Result<SelftestRow> checkChoosing(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed, const ChoosingCheck &check);

} // namespace engine
