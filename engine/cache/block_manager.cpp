// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cache/block_manager.h"

#include "base/assert.h"

#include <algorithm>

namespace engine {

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value)
{
    hash ^= value + 0x9E3779B97F4A7C15ULL + (hash << 6U) + (hash >> 2U);
    hash *= 0xBF58476D1CE4E5B9ULL;
    return hash ^ (hash >> 31U);
}

std::uint64_t hashOf(std::uint64_t parent, std::span<const TokenKey> keys)
{
    std::uint64_t hash = mix(0x243F6A8885A308D3ULL, parent);
    for (const TokenKey &key : keys)
        hash = mix(mix(hash, key.low), key.high);
    return hash;
}

} // namespace

BlockManager::BlockManager(int blockCount)
{
    ENGINE_ASSERT(blockCount >= 0);
    m_blocks.resize(static_cast<std::size_t>(blockCount));
    for (std::int32_t block = 0; block < blockCount; ++block)
        at(block).freePlace = m_free.insert(m_free.end(), block);
}

std::optional<std::int32_t> BlockManager::find(std::uint64_t parent,
                                               std::span<const TokenKey> keys) const
{
    const auto [first, last] = m_known.equal_range(hashOf(parent, keys));
    for (auto entry = first; entry != last; ++entry) {
        const Block &candidate = at(entry->second);
        // The hash only leads here. The parent's name is unique, so comparing it compares the whole
        // chain.
        if (candidate.parent == parent && std::ranges::equal(candidate.keys, keys))
            return entry->second;
    }
    return std::nullopt;
}

BlockManager::Match BlockManager::matchPrefix(std::span<const TokenKey> keys, int maxTokens)
{
    Match match;
    const auto limit = std::min(keys.size(), static_cast<std::size_t>(std::max(maxTokens, 0)));
    for (std::size_t start = 0; start + kBlockTokens <= limit; start += kBlockTokens) {
        const auto block = find(match.chain, keys.subspan(start, kBlockTokens));
        if (!block)
            break;
        addReference(*block);
        match.blocks.push_back(*block);
        match.chain = at(*block).chain;
    }
    return match;
}

std::optional<std::int32_t> BlockManager::allocate()
{
    if (m_free.empty())
        return std::nullopt;
    const std::int32_t block = m_free.front();
    forget(block);
    m_free.pop_front();
    at(block).references = 1;
    ++m_used;
    return block;
}

void BlockManager::addReference(std::int32_t block)
{
    if (at(block).references++ == 0) {
        m_free.erase(at(block).freePlace);
        ++m_used;
    }
}

void BlockManager::release(std::int32_t block)
{
    Block &entry = at(block);
    ENGINE_ASSERT(entry.references > 0);
    if (--entry.references > 0)
        return;
    --m_used;
    // Content goes to the end of the queue, an empty block to its front.
    entry.freePlace = m_free.insert(entry.chain != 0 ? m_free.end() : m_free.begin(), block);
}

std::uint64_t BlockManager::publish(std::int32_t block, std::uint64_t chain,
                                    std::span<const TokenKey> keys)
{
    ENGINE_ASSERT(keys.size() == kBlockTokens);
    if (const auto known = find(chain, keys))
        return at(*known).chain;
    Block &entry = at(block);
    ENGINE_ASSERT(entry.references > 0 && entry.chain == 0);
    entry.chain = m_nextChain++;
    entry.parent = chain;
    entry.hash = hashOf(chain, keys);
    entry.keys.assign(keys.begin(), keys.end());
    m_known.emplace(entry.hash, block);
    return entry.chain;
}

void BlockManager::forget(std::int32_t block)
{
    Block &entry = at(block);
    if (entry.chain == 0)
        return;
    const auto [first, last] = m_known.equal_range(entry.hash);
    const auto own =
        std::find_if(first, last, [block](const auto &known) { return known.second == block; });
    ENGINE_ASSERT(own != last);
    m_known.erase(own);
    entry.chain = 0;
    entry.keys.clear();
}

void BlockManager::forgetContent()
{
    for (std::int32_t block = 0; block < blockCount(); ++block)
        forget(block);
}

} // namespace engine
