// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/events.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace cli {

using Json = nlohmann::ordered_json;

// One object and a line end on stdout; broken UTF-8 becomes U+FFFD.
void printJson(const Json &value);
std::string finishName(engine::FinishReason reason); // "end_of_turn", "length" ...
std::uint64_t peakRssBytes();
std::string humanBytes(std::uint64_t bytes);   // "9.4 MB"
std::string rounded(double value, int digits); // "12.3"

} // namespace cli
