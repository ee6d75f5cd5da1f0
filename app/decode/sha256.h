// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace decode {

// SHA-256 (FIPS 180-4) of bytes that come in pieces.
class Sha256 {
public:
    void add(std::span<const std::uint8_t> bytes);
    [[nodiscard]] std::array<std::uint8_t, 32> finish(); // once

private:
    void block(const std::uint8_t *bytes);

    std::array<std::uint32_t, 8> m_state{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
        0x1f83d9ab, 0x5be0cd19};
    std::array<std::uint8_t, 64> m_pending{};
    std::uint64_t m_total = 0;
};

} // namespace decode
