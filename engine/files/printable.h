// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace engine {

// Text from a file as it may stand in a sentence: valid UTF-8, no control characters, at most about `most` bytes.
std::string printable(std::string_view text, std::size_t most = 120);
// The same in quotes.
std::string inQuotes(std::string_view text);
bool isUtf8(std::string_view text);

} // namespace engine
