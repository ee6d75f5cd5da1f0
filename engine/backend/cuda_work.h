// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sizes of the rooms that operations of the CUDA plug-in work in, from shapes alone. The plug-in asks for rooms by them and
// the plan of a load adds them up before there is a card, so that both say the same.

#include <algorithm>
#include <bit>
#include <cstdint>

namespace engine::cudawork {

constexpr std::int64_t kFewRows = 64;                            // up to so many rows weights are read as they are
constexpr std::int64_t kSliceBytes = std::int64_t{512} << 20U;   // of weights widened to bfloat16 at once
constexpr std::int64_t kExpandedBytes = std::int64_t{256} << 20U; // of a prompt's keys and values side by side
constexpr std::int64_t kHeadColumns = 128;                       // of those keys and of those values
constexpr std::int64_t kTokensARow = 64; // of context; beyond it few rows look at many tokens, and copying those costs more
constexpr std::int64_t kPartTokens = 64; // of a part of an answer's attention

// Rows of a [.., in] matrix that are widened at once.
constexpr std::int64_t sliceRows(std::int64_t in)
{
    return std::max<std::int64_t>(128, kSliceBytes / 2 / in / 128 * 128);
}
// Experts of so many elements each that are widened at once.
constexpr std::int64_t expertsAtOnce(std::int64_t expertElements, std::int64_t experts)
{
    return std::clamp<std::int64_t>(kSliceBytes / 2 / expertElements, 1, experts);
}
// Heads whose keys and values over `tokens` lie side by side.
constexpr std::int64_t headsAtOnce(std::int64_t tokens, std::int64_t heads)
{
    return std::clamp<std::int64_t>(kExpandedBytes / (tokens * kHeadColumns * 4), 1, heads);
}
// Parts of an answer's attention to so many tokens; steps are recorded for powers of two.
constexpr std::int64_t parts(std::int64_t tokens)
{
    const auto context = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(tokens, 512))));
    return (context + kPartTokens - 1) / kPartTokens;
}
// Bytes of rows as pairs of float16 with a scale and an offset for every 32 columns.
constexpr std::int64_t splitBytes(std::int64_t rows, std::int64_t columns)
{
    const std::int64_t stride = (columns + 127) / 128 * 128;
    return rows * stride * 4 + rows * stride / 32 * 8;
}

} // namespace engine::cudawork
