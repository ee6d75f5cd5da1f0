// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cache/block_table.h"

#include "base/assert.h"

namespace engine {

int BlockTable::matchPrefix(std::span<const TokenKey> keys, int maxTokens)
{
    ENGINE_ASSERT(m_blocks.empty());
    BlockManager::Match match = m_manager->matchPrefix(keys, maxTokens);
    m_blocks = std::move(match.blocks);
    m_published = m_blocks.size();
    m_chain = match.chain;
    return capacityTokens();
}

bool BlockTable::reserve(int tokens)
{
    while (capacityTokens() < tokens) {
        const auto block = m_manager->allocate();
        if (!block)
            return false;
        m_blocks.push_back(*block);
    }
    return true;
}

void BlockTable::written(std::span<const TokenKey> keys)
{
    for (; (m_published + 1) * kBlockTokens <= keys.size(); ++m_published)
        m_chain = m_manager->publish(m_blocks[m_published], m_chain,
                                     keys.subspan(m_published * kBlockTokens, kBlockTokens));
}

void BlockTable::clear()
{
    // The tail first: it is the least likely to be asked for again and so the first to go.
    for (; !m_blocks.empty(); m_blocks.pop_back())
        m_manager->release(m_blocks.back());
    m_published = 0;
    m_chain = 0;
}

} // namespace engine
