// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace decode {

using Bytes = std::span<const std::uint8_t>;

// Numbers out of untrusted bytes: nothing is returned where the bytes end.
[[nodiscard]] inline std::optional<std::uint32_t> readNumber(
    Bytes bytes, std::size_t offset, std::size_t size, bool bigEndian)
{
    if (size > 4 || bytes.size() < size || offset > bytes.size() - size)
        return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value = (value << 8) | bytes[offset + (bigEndian ? i : size - 1 - i)];
    return value;
}

// The part from `offset` with at most `size` bytes; empty where the bytes end before it.
[[nodiscard]] inline Bytes part(Bytes bytes, std::size_t offset, std::size_t size)
{
    if (offset >= bytes.size())
        return {};
    return bytes.subspan(offset, size < bytes.size() - offset ? size : bytes.size() - offset);
}

} // namespace decode
