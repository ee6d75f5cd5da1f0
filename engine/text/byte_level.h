// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace engine {

// GPT-2's table between bytes and printable characters: a vocabulary file spells every byte as one of 256 code points.
[[nodiscard]] char32_t byteToLevel(unsigned char byte);
[[nodiscard]] std::optional<unsigned char> levelToByte(char32_t codePoint);
// Bytes of a spelling; nothing when one of its characters stands for no byte (then the spelling is its own text).
[[nodiscard]] std::optional<std::string> bytesOfSpelling(std::string_view spelling);

} // namespace engine
