// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether the card may begin the next step of running answers before the host has read the tokens that were chosen. Plain
// numbers, no CUDA: tests/engine/backend/tst_cuda_ahead.cpp.

#include "backend/cuda_plugin_api.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace plugin {

// The numbers of a step as they lie on the card.
struct StepNumbers {
    std::vector<std::int32_t> ids, positions; // [rows]
    std::vector<std::int32_t> firstBlock;     // [rows], in `blocks`
    std::vector<std::int32_t> blockCount;     // [rows], of the row's sequence
    std::vector<std::int32_t> blocks;
    std::int32_t blockTokens = 1;
    bool isDecode = false; // one row a sequence

    std::size_t rows() const { return ids.size(); }
    std::span<const std::int32_t> blocksOf(std::size_t row) const
    {
        return std::span(blocks).subspan(static_cast<std::size_t>(firstBlock[row]), static_cast<std::size_t>(blockCount[row]));
    }
    // Blocks that hold positions up to the row's own.
    std::size_t neededBlocks(std::size_t row) const { return static_cast<std::size_t>(positions[row] / blockTokens) + 1; }
};

inline void setNumbers(StepNumbers &numbers, std::span<const std::int32_t> ids, std::span<const std::int32_t> positions,
    std::span<const DiptychCudaSequence> sequences, std::int32_t blockTokens)
{
    numbers.ids.assign(ids.begin(), ids.end());
    numbers.positions.assign(positions.begin(), positions.end());
    numbers.firstBlock.assign(ids.size(), 0);
    numbers.blockCount.assign(ids.size(), 0);
    numbers.blocks.clear();
    numbers.blockTokens = blockTokens;
    numbers.isDecode = sequences.size() == ids.size();
    for (const DiptychCudaSequence &s : sequences) {
        numbers.isDecode = numbers.isDecode && s.rowCount == 1;
        for (std::int32_t i = 0; i < s.rowCount; ++i) {
            const auto row = static_cast<std::size_t>(s.firstRow + i);
            numbers.firstBlock[row] = static_cast<std::int32_t>(numbers.blocks.size());
            numbers.blockCount[row] = s.blockCount;
        }
        numbers.blocks.insert(numbers.blocks.end(), s.blocks, s.blocks + s.blockCount);
    }
}

// What a recorded step depends on beside its key.
struct StepKind {
    std::int32_t context = 0; // the longest, rounded up to a power of two
    std::uint32_t reach = 0;  // two bits for each limit between kernels: a row below it, a row beyond
    bool operator==(const StepKind &) const = default;
};

// All of its rows are beyond all limits.
inline bool isLong(const StepKind &kind) { return kind.reach != 0 && (kind.reach & 0x55555555U) == 0; }

// `limits`: tokens from which on other kernels take a row; `later`: of the step so many tokens on.
inline StepKind kindOf(const StepNumbers &numbers, std::span<const std::int32_t> limits, std::int32_t later = 0)
{
    constexpr std::int32_t kLeastContext = 512;
    StepKind kind;
    std::int32_t longest = kLeastContext;
    for (const std::int32_t position : numbers.positions) {
        longest = std::max(longest, position + later + 1);
        for (std::size_t i = 0; i < limits.size(); ++i)
            kind.reach |= (position + later < limits[i] ? 1U : 2U) << 2 * i;
    }
    kind.context = static_cast<std::int32_t>(std::bit_ceil(static_cast<std::uint32_t>(longest)));
    return kind;
}

// `next` is the step after `before` of the same answers, whichever tokens they were given: the tables on the card hold
// every block it needs.
inline bool continues(const StepNumbers &before, const StepNumbers &next)
{
    if (!before.isDecode || !next.isDecode || before.rows() != next.rows() || before.blockTokens != next.blockTokens)
        return false;
    for (std::size_t row = 0; row < next.rows(); ++row) {
        const std::size_t needed = next.neededBlocks(row);
        const auto known = before.blocksOf(row), wanted = next.blocksOf(row);
        if (next.positions[row] != before.positions[row] + 1 || known.size() < needed || wanted.size() < needed
            || !std::ranges::equal(known.first(needed), wanted.first(needed)))
            return false;
    }
    return true;
}

// The step after this one can be told from the tokens that are being chosen: recorded steps for its kind are those of this
// one, and its new cache rows lie in blocks that the card knows.
inline bool canForesee(const StepNumbers &numbers, std::span<const std::int32_t> limits)
{
    if (!numbers.isDecode || kindOf(numbers, limits) != kindOf(numbers, limits, 1))
        return false;
    for (std::size_t row = 0; row < numbers.rows(); ++row) {
        if ((numbers.positions[row] + 1) / numbers.blockTokens >= numbers.blockCount[row])
            return false;
    }
    return true;
}

// `next` is what the card has made of `before` and the tokens chosen.
inline bool isForeseen(const StepNumbers &before, std::span<const std::int32_t> chosen, const StepNumbers &next)
{
    return continues(before, next) && std::ranges::equal(chosen, next.ids);
}

// The tables on the card serve `next`, which continues `before`, but they are not its own: the steps after it may need
// what it brings.
inline bool hasOtherBlocks(const StepNumbers &before, const StepNumbers &next)
{
    return before.firstBlock != next.firstBlock || before.blockCount != next.blockCount || before.blocks != next.blocks;
}

} // namespace plugin
