// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "cache/picture_memory.h"

#include <array>
#include <cstdint>
#include <list>
#include <memory>

namespace engine {

// A picture as the model sees it: rows that stand where its tokens stand.
struct PictureEmbedding {
    Buffer rows; // [tokenCount, hidden] F32
    int tokenCount = 0;
    PictureMemory memory; // of the same rows; empty unless the model has cross-modal blocks
    std::size_t bytes() const { return rows.bytes() + memory.bytes(); }
};

// Embeddings of pictures by content and tiling, least recently used go first. Those in use live on
// with their users. Engine thread only.
class EmbeddingCache {
public:
    struct Key {
        std::array<std::uint8_t, 32> picture{}; // Image::sha256
        int tilesWide = 0, tilesHigh = 0;
        bool operator==(const Key &) const = default;
    };
    explicit EmbeddingCache(std::size_t byteBudget)
        : m_byteBudget(byteBudget)
    {}

    std::shared_ptr<const PictureEmbedding> find(const Key &key);
    void insert(const Key &key, std::shared_ptr<const PictureEmbedding> embedding);
    void clear();
    std::size_t bytes() const { return m_bytes; }

private:
    struct Entry {
        Key key;
        std::shared_ptr<const PictureEmbedding> embedding;
    };
    std::list<Entry>
        m_entries; // most recently used first; a few dozen at most, so a list is searched
    std::size_t m_byteBudget;
    std::size_t m_bytes = 0;
};

} // namespace engine
