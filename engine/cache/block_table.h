// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/block_manager.h"

#include <cstdint>
#include <span>
#include <vector>

namespace engine {

// The blocks of one sequence, given back when it goes. Engine thread only; must not outlive its
// manager.
class BlockTable {
public:
    explicit BlockTable(BlockManager &manager)
        : m_manager(&manager)
    {}
    ~BlockTable() { clear(); }
    BlockTable(const BlockTable &) = delete;
    BlockTable &operator=(const BlockTable &) = delete;

    // Takes what is known of the start of `keys`, at most `maxTokens`; only on an empty table.
    // Returns tokens found.
    int matchPrefix(std::span<const TokenKey> keys, int maxTokens);
    // Room for `tokens` in all; false when the cache has no block left (what it got stays).
    bool reserve(int tokens);
    // The first `keys.size()` positions are written: publishes the blocks that became full.
    void written(std::span<const TokenKey> keys);
    void clear();

    std::span<const std::int32_t> blocks() const { return m_blocks; }
    int capacityTokens() const { return static_cast<int>(m_blocks.size()) * kBlockTokens; }

private:
    BlockManager *m_manager;
    std::vector<std::int32_t> m_blocks;
    std::size_t m_published = 0; // blocks
    std::uint64_t m_chain = 0;
};

} // namespace engine
