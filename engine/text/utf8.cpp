// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/utf8.h"

namespace engine {

Utf8Step utf8Step(std::string_view bytes)
{
    using Kind = Utf8Step::Kind;
    const auto lead = static_cast<unsigned char>(bytes[0]);
    if (lead < 0x80)
        return {Kind::CodePoint, 1, lead};
    std::size_t needed = 0;
    char32_t value = 0;
    unsigned char low = 0x80, high = 0xBF; // limits of the second byte
    if (lead >= 0xC2 && lead <= 0xDF) {
        needed = 2;
        value = lead & 0x1FU;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        needed = 3;
        value = lead & 0x0FU;
        if (lead == 0xE0)
            low = 0xA0; // overlong below
        if (lead == 0xED)
            high = 0x9F; // surrogates above
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        needed = 4;
        value = lead & 0x07U;
        if (lead == 0xF0)
            low = 0x90; // overlong below
        if (lead == 0xF4)
            high = 0x8F; // over U+10FFFF above
    } else {
        return {Kind::Broken, 1, 0};
    }
    for (std::size_t i = 1; i < needed; ++i) {
        if (i == bytes.size())
            return {Kind::Incomplete, i, 0};
        const auto next = static_cast<unsigned char>(bytes[i]);
        if (next < low || next > high)
            return {Kind::Broken, i, 0};
        value = (value << 6) | (next & 0x3FU);
        low = 0x80;
        high = 0xBF;
    }
    return {Kind::CodePoint, needed, value};
}

bool isValidUtf8(std::string_view bytes)
{
    while (!bytes.empty()) {
        const Utf8Step step = utf8Step(bytes);
        if (step.kind != Utf8Step::Kind::CodePoint)
            return false;
        bytes.remove_prefix(step.length);
    }
    return true;
}

std::string repairUtf8(std::string_view bytes)
{
    std::string text;
    text.reserve(bytes.size());
    while (!bytes.empty()) {
        const Utf8Step step = utf8Step(bytes);
        text.append(step.kind == Utf8Step::Kind::CodePoint ? bytes.substr(0, step.length) : kReplacement);
        bytes.remove_prefix(step.length);
    }
    return text;
}

void appendUtf8(std::string &text, char32_t codePoint)
{
    const auto put = [&text](char32_t value) { text.push_back(static_cast<char>(value)); };
    if (codePoint < 0x80) {
        put(codePoint);
    } else if (codePoint < 0x800) {
        put(0xC0 | (codePoint >> 6));
        put(0x80 | (codePoint & 0x3F));
    } else if (codePoint < 0x10000) {
        put(0xE0 | (codePoint >> 12));
        put(0x80 | ((codePoint >> 6) & 0x3F));
        put(0x80 | (codePoint & 0x3F));
    } else {
        put(0xF0 | (codePoint >> 18));
        put(0x80 | ((codePoint >> 12) & 0x3F));
        put(0x80 | ((codePoint >> 6) & 0x3F));
        put(0x80 | (codePoint & 0x3F));
    }
}

} // namespace engine
