// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/byte_level.h"

#include "text/utf8.h"

#include <array>

namespace engine {
namespace {

struct Tables {
    std::array<char32_t, 256> toLevel{};
    std::array<std::int16_t, 324> toByte{}; // the table's highest code point is 323; -1: none
};

constexpr Tables makeTables()
{
    Tables tables;
    for (auto &entry : tables.toByte)
        entry = -1;
    char32_t next = 256; // bytes without a printable Latin-1 character take the code points from here
    for (int byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        const char32_t level = printable ? static_cast<char32_t>(byte) : next++;
        tables.toLevel[static_cast<std::size_t>(byte)] = level;
        tables.toByte[level] = static_cast<std::int16_t>(byte);
    }
    return tables;
}

constexpr Tables kTables = makeTables();

} // namespace

char32_t byteToLevel(unsigned char byte)
{
    return kTables.toLevel[byte];
}

std::optional<unsigned char> levelToByte(char32_t codePoint)
{
    if (codePoint >= kTables.toByte.size() || kTables.toByte[codePoint] < 0)
        return std::nullopt;
    return static_cast<unsigned char>(kTables.toByte[codePoint]);
}

std::optional<std::string> bytesOfSpelling(std::string_view spelling)
{
    std::string bytes;
    bytes.reserve(spelling.size());
    while (!spelling.empty()) {
        const Utf8Step step = utf8Step(spelling);
        if (step.kind != Utf8Step::Kind::CodePoint)
            return std::nullopt;
        const auto byte = levelToByte(step.codePoint);
        if (!byte)
            return std::nullopt;
        bytes.push_back(static_cast<char>(*byte));
        spelling.remove_prefix(step.length);
    }
    return bytes;
}

} // namespace engine
