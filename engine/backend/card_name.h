// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <string>

namespace engine {

// The number in "cuda" or "cuda:N". BadRequest: neither.
Result<int> cardOf(const std::string &device);

} // namespace engine
