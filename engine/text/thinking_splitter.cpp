// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/thinking_splitter.h"

#include <algorithm>

namespace engine {
namespace {

bool isBlank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

} // namespace

ThinkingSplitter::ThinkingSplitter(std::string_view open, std::string_view close, bool startsThinking)
    : m_open(open)
    , m_close(close)
{
    if (m_open.empty() || m_close.empty())
        return;
    m_state = startsThinking ? State::Thinking : State::Start;
    m_skipLineEnds = startsThinking;
}

void ThinkingSplitter::emit(std::vector<Part> &parts, std::string_view text)
{
    if (m_skipLineEnds) {
        const std::size_t first = text.find_first_not_of("\r\n");
        text.remove_prefix(std::min(first, text.size()));
        m_skipLineEnds = text.empty();
    }
    if (text.empty())
        return;
    const bool isThought = m_state == State::Thinking;
    if (!parts.empty() && parts.back().thinking == isThought)
        parts.back().text += text;
    else
        parts.push_back({std::string(text), isThought});
}

void ThinkingSplitter::step(std::vector<Part> &parts, bool ended)
{
    if (m_state == State::Start) {
        const std::size_t blanks = static_cast<std::size_t>(
            std::find_if_not(m_held.begin(), m_held.end(), isBlank) - m_held.begin());
        const std::string_view rest = std::string_view(m_held).substr(blanks);
        if (rest.starts_with(m_open)) {
            m_held.erase(0, blanks + m_open.size());
            m_state = State::Thinking;
            m_skipLineEnds = true;
        } else if (!ended && std::string_view(m_open).starts_with(rest)) {
            return; // may still become the marker
        } else {
            m_state = State::Answer;
        }
    }
    if (m_state == State::Thinking) {
        const std::size_t at = m_held.find(m_close);
        if (at == std::string::npos) {
            // Held back: the beginning of a marker and the line ends before it.
            std::size_t keep = ended ? 0 : std::min(m_close.size() - 1, m_held.size());
            while (keep > 0 && !std::string_view(m_held).ends_with(std::string_view(m_close).substr(0, keep)))
                --keep;
            std::size_t end = m_held.size() - keep;
            while (end > 0 && (m_held[end - 1] == '\n' || m_held[end - 1] == '\r'))
                --end;
            if (ended)
                end = m_held.size();
            emit(parts, std::string_view(m_held).substr(0, end));
            m_held.erase(0, end);
            return;
        }
        std::size_t end = at;
        while (end > 0 && (m_held[end - 1] == '\n' || m_held[end - 1] == '\r'))
            --end;
        emit(parts, std::string_view(m_held).substr(0, end));
        m_held.erase(0, at + m_close.size());
        m_state = State::Answer;
        m_skipLineEnds = true;
    }
    emit(parts, m_held);
    m_held.clear();
}

std::vector<ThinkingSplitter::Part> ThinkingSplitter::push(std::string_view text)
{
    std::vector<Part> parts;
    m_held += text;
    if (!m_held.empty())
        step(parts, false);
    return parts;
}

std::vector<ThinkingSplitter::Part> ThinkingSplitter::finish()
{
    std::vector<Part> parts;
    if (!m_held.empty())
        step(parts, true);
    return parts;
}

} // namespace engine
