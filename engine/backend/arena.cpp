// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/arena.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace engine {

void Arena::add(void *piece, std::size_t bytes)
{
    const std::size_t whole = bytes / kAlignment * kAlignment;
    if (piece == nullptr || whole == 0)
        return;
    m_places[reinterpret_cast<std::uintptr_t>(piece)] = {whole, m_pieces++, true};
    m_reserved += whole;
}

void *Arena::take(std::size_t bytes)
{
    if (bytes > std::numeric_limits<std::size_t>::max() - kAlignment)
        return nullptr;
    const std::size_t needed = std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    auto best = m_places.end();
    for (auto place = m_places.begin(); place != m_places.end(); ++place) {
        if (place->second.isFree && place->second.bytes >= needed && (best == m_places.end() || place->second.bytes < best->second.bytes))
            best = place;
    }
    if (best == m_places.end())
        return nullptr;
    if (best->second.bytes > needed)
        m_places[best->first + needed] = {best->second.bytes - needed, best->second.piece, true};
    best->second.bytes = needed;
    best->second.isFree = false;
    m_used += needed;
    m_most = std::max(m_most, m_used);
    return reinterpret_cast<void *>(best->first);
}

bool Arena::give(void *place)
{
    const auto found = m_places.find(reinterpret_cast<std::uintptr_t>(place));
    if (found == m_places.end() || found->second.isFree)
        return false;
    found->second.isFree = true;
    m_used -= found->second.bytes;
    joinNext(found);
    if (found != m_places.begin())
        joinNext(std::prev(found));
    return true;
}

void Arena::joinNext(Places::iterator place)
{
    const auto next = std::next(place);
    if (next == m_places.end() || !place->second.isFree || !next->second.isFree || next->second.piece != place->second.piece)
        return;
    place->second.bytes += next->second.bytes;
    m_places.erase(next);
}

} // namespace engine
