// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace cli {

// Token ids with white space between them. BadRequest names what is none.
engine::Result<std::vector<std::int32_t>> parseTokenList(std::string_view text);

} // namespace cli
