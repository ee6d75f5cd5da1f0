// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/printable.h"

#include <cstdint>

namespace engine {

namespace {

// Bytes of the well-formed code point at the start of `text`, 0 when it is broken (Unicode table 3-7).
std::size_t codePointBytes(std::string_view text)
{
    const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0U; };
    const auto follows = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
    const std::uint32_t first = at(0);
    if (first < 0x80)
        return text.empty() ? 0 : 1;
    if (first >= 0xC2 && first <= 0xDF)
        return follows(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const std::uint32_t low = first == 0xE0 ? 0xA0U : 0x80U;
        const std::uint32_t high = first == 0xED ? 0x9FU : 0xBFU;
        return at(1) >= low && at(1) <= high && follows(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const std::uint32_t low = first == 0xF0 ? 0x90U : 0x80U;
        const std::uint32_t high = first == 0xF4 ? 0x8FU : 0xBFU;
        return at(1) >= low && at(1) <= high && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

} // namespace

bool isUtf8(std::string_view text)
{
    while (!text.empty()) {
        const std::size_t bytes = codePointBytes(text);
        if (bytes == 0)
            return false;
        text.remove_prefix(bytes);
    }
    return true;
}

std::string printable(std::string_view text, std::size_t most)
{
    std::string result;
    while (!text.empty()) {
        if (result.size() >= most) {
            result += "…";
            break;
        }
        const std::size_t bytes = codePointBytes(text);
        const auto first = static_cast<std::uint8_t>(text.front());
        if (bytes == 0 || first < 0x20 || first == 0x7F)
            result += "\xEF\xBF\xBD";
        else
            result += text.substr(0, bytes);
        text.remove_prefix(bytes == 0 ? 1 : bytes);
    }
    return result;
}

std::string inQuotes(std::string_view text)
{
    return "\"" + printable(text) + "\"";
}

} // namespace engine
