// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace engine {

StopMatcher::StopMatcher(std::vector<std::string> stops) : m_stops(std::move(stops))
{
    std::erase_if(m_stops, [](const std::string &stop) { return stop.empty(); });
}

std::string_view StopMatcher::push(std::string_view text)
{
    m_shown.clear();
    if (m_stopped)
        return m_shown;
    m_held += text;
    // The stop text that is complete first ends the stream, so that it does not matter how the text was cut.
    std::size_t firstEnd = std::string::npos, begin = 0;
    for (const std::string &stop : m_stops) {
        const std::size_t at = m_held.find(stop);
        if (at == std::string::npos)
            continue;
        const std::size_t end = at + stop.size();
        if (end < firstEnd || (end == firstEnd && at < begin)) {
            firstEnd = end;
            begin = at;
        }
    }
    if (firstEnd != std::string::npos) {
        m_stopped = true;
        m_shown.assign(m_held, 0, begin);
        m_held.clear();
        return m_shown;
    }
    std::size_t keep = 0; // longest end of what we hold that begins a stop text
    for (const std::string &stop : m_stops) {
        for (std::size_t length = std::min(stop.size() - 1, m_held.size()); length > keep; --length) {
            if (std::string_view(m_held).ends_with(std::string_view(stop).substr(0, length)))
                keep = length;
        }
    }
    m_shown.assign(m_held, 0, m_held.size() - keep);
    m_held.erase(0, m_held.size() - keep);
    return m_shown;
}

std::string_view StopMatcher::finish()
{
    m_shown = std::exchange(m_held, {});
    return m_shown;
}

} // namespace engine
