// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace engine {

// Hands out places in pieces of memory that were taken beforehand. Addresses alone: it never reads or writes what lies
// there, so it serves memory of a card too. One thread.
class Arena {
public:
    static constexpr std::size_t kAlignment = 512; // bytes; a piece begins at a multiple of it

    // `piece` is the caller's to give back, after the last use of the arena.
    void add(void *piece, std::size_t bytes);
    // The smallest free place that is large enough, cut to size; null: there is none, take it elsewhere.
    void *take(std::size_t bytes);
    // False: `place` did not come from take.
    bool give(void *place);

    std::size_t reservedBytes() const { return m_reserved; } // of all pieces
    std::size_t usedBytes() const { return m_used; }
    std::size_t mostBytes() const { return m_most; }         // used at any time

private:
    struct Place {
        std::size_t bytes = 0;
        int piece = 0; // neighbours of two pieces never become one
        bool isFree = true;
    };
    using Places = std::map<std::uintptr_t, Place>; // by address; together they are the pieces

    void joinNext(Places::iterator place);

    Places m_places;
    std::size_t m_reserved = 0, m_used = 0, m_most = 0;
    int m_pieces = 0;
};

} // namespace engine
