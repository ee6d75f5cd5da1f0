// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/added_tokens.h"

#include "text/utf8.h"

#include <unicode/uchar.h>

#include <algorithm>

namespace engine {
namespace {

bool isWord(char32_t codePoint)
{
    const auto c = static_cast<UChar32>(codePoint);
    return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL)
        || (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

// The code point that ends at `end` (> 0) of valid UTF-8, and where it begins.
std::pair<char32_t, std::size_t> before(std::string_view text, std::size_t end)
{
    std::size_t begin = end - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0U) == 0x80U)
        --begin;
    return {utf8Step(text.substr(begin)).codePoint, begin};
}

} // namespace

void AddedTokenSet::add(const AddedToken &token)
{
    std::size_t node = 0;
    for (const char c : token.content) {
        const auto byte = static_cast<unsigned char>(c);
        std::int32_t next = child(m_nodes[node], byte);
        if (next < 0) {
            next = static_cast<std::int32_t>(m_nodes.size());
            m_nodes.emplace_back();
            auto &edges = m_nodes[node].next;
            edges.insert(std::lower_bound(edges.begin(), edges.end(), std::pair(byte, std::int32_t{0})), {byte, next});
        }
        node = static_cast<std::size_t>(next);
    }
    m_nodes[node].token = static_cast<std::int32_t>(m_tokens.size());
    m_starts[static_cast<unsigned char>(token.content.front())] = true;
    m_tokens.push_back(token);
}

std::int32_t AddedTokenSet::child(const Node &node, unsigned char byte) const
{
    const auto edge = std::lower_bound(node.next.begin(), node.next.end(), std::pair(byte, std::int32_t{0}));
    return edge != node.next.end() && edge->first == byte ? edge->second : -1;
}

std::int32_t AddedTokenSet::longestAt(std::string_view text, std::size_t at) const
{
    std::int32_t longest = -1;
    std::int32_t node = 0;
    for (; at < text.size(); ++at) {
        node = child(m_nodes[static_cast<std::size_t>(node)], static_cast<unsigned char>(text[at]));
        if (node < 0)
            break;
        if (m_nodes[static_cast<std::size_t>(node)].token >= 0)
            longest = m_nodes[static_cast<std::size_t>(node)].token;
    }
    return longest;
}

void AddedTokenSet::split(std::string_view text, const std::function<void(std::string_view)> &onText,
    const std::function<void(std::int32_t)> &onToken) const
{
    std::size_t done = 0;
    std::size_t at = 0;
    while (!empty() && at < text.size()) {
        if (!m_starts[static_cast<unsigned char>(text[at])]) {
            ++at;
            continue;
        }
        const std::int32_t found = longestAt(text, at);
        if (found < 0) {
            ++at;
            continue;
        }
        const AddedToken &token = m_tokens[static_cast<std::size_t>(found)];
        std::size_t begin = at, end = at + token.content.size();
        at = end;
        if (token.singleWord
            && ((begin > 0 && isWord(before(text, begin).first))
                || (end < text.size() && isWord(utf8Step(text.substr(end)).codePoint))))
            continue;
        while (token.leftStrip && begin > done) {
            const auto [codePoint, start] = before(text, begin);
            if (!u_isUWhiteSpace(static_cast<UChar32>(codePoint)))
                break;
            begin = start;
        }
        while (token.rightStrip && end < text.size()) {
            const Utf8Step step = utf8Step(text.substr(end));
            if (!u_isUWhiteSpace(static_cast<UChar32>(step.codePoint)))
                break;
            end += step.length;
        }
        if (begin > done)
            onText(text.substr(done, begin - done));
        onToken(token.id);
        done = at = end;
    }
    if (done < text.size())
        onText(text.substr(done));
}

} // namespace engine
