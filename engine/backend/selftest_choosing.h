// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "engine/selftest.h"

#include <cstdint>
#include <string>

namespace engine {

// Tokens chosen by every kind of rule from 70 rows of flat, sharp and rounded logits; `error` is the share of rows that
// differ from the reference's.
Result<SelftestRow> checkChoosing(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    std::int64_t columns);
std::string choosingShape(std::int64_t columns);

} // namespace engine
