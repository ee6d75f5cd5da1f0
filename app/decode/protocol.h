// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace decode {

inline constexpr std::uint64_t kMaxFileBytes = 20ULL * 1000 * 1000;
inline constexpr std::uint64_t kMaxPixels = 64ULL * 1000 * 1000;
inline constexpr std::uint64_t kMaxSide = 16384;
inline constexpr std::uint64_t kMaxAspect = 200;

// What is wrong with a picture of this size, as one sentence; empty when nothing is.
[[nodiscard]] std::string sizeProblem(std::uint64_t width, std::uint64_t height);

// What the child writes: this header (little-endian), then `bytes` bytes: RGB when problem is 0, else a sentence.
struct ReplyHeader {
    char magic[4] = {'D', 'P', 'I', 'C'};
    std::uint32_t problem = 0;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t orientation = 1;
    std::uint32_t bytes = 0; // below 2^32: 64 million pixels of three bytes
};
static_assert(sizeof(ReplyHeader) == 24);

} // namespace decode
