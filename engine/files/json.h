// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace engine {

struct JsonLimits {
    int depth = 32;                    // nested arrays and objects
    std::size_t values = 4'000'000;    // all values together
    std::size_t stringBytes = 16U << 20;
};

// JSON from an untrusted file, as a tree. Refuses what nests too deep, holds too much, names a key twice in one
// object or is not JSON; the error names `fileName` and, where known, the place. Never throws.
Result<nlohmann::json> parseJson(std::string_view text, std::string_view fileName, const JsonLimits &limits = {});

} // namespace engine
