// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace engine {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD"; // U+FFFD

// What stands at the front of a byte string.
struct Utf8Step {
    enum class Kind { CodePoint = 1, Broken, Incomplete };
    Kind kind = Kind::Broken;
    std::size_t length = 1;  // bytes; Broken: the maximal subpart that one U+FFFD replaces
    char32_t codePoint = 0;  // CodePoint only
};

// Unicode's maximal-subpart rule (as Python's errors="replace"): overlong forms, surrogates and values over
// U+10FFFF are broken; bytes that could still become a code point are Incomplete. `bytes` is not empty.
[[nodiscard]] Utf8Step utf8Step(std::string_view bytes);

[[nodiscard]] bool isValidUtf8(std::string_view bytes);
// Every ill-formed part, an unfinished end included, becomes one U+FFFD.
[[nodiscard]] std::string repairUtf8(std::string_view bytes);
void appendUtf8(std::string &text, char32_t codePoint);

} // namespace engine
