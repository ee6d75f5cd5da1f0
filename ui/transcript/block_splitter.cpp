// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "transcript/block_splitter.h"

#include <algorithm>

namespace ui {

namespace {

constexpr qsizetype kLineDecided = 12;    // longer than any list marker
constexpr qsizetype kLongTail = 16 * 1024; // parsed again only after some growth
constexpr qsizetype kGrowth = 256;
constexpr QByteArrayView kProbe("diptychprobe");

bool isBlank(QByteArrayView line)
{
    return std::all_of(line.begin(), line.end(), [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
}

// The run of ` or ~ that opens or closes a fence; 0 when the line is none.
qsizetype fenceLength(QByteArrayView line, char &character)
{
    qsizetype at = 0;
    while (at < line.size() && at < 3 && line[at] == ' ')
        ++at;
    if (at >= line.size() || (line[at] != '`' && line[at] != '~'))
        return 0;
    character = line[at];
    const qsizetype begin = at;
    while (at < line.size() && line[at] == character)
        ++at;
    if (at - begin < 3)
        return 0;
    if (character == '`' && line.sliced(at).contains('`'))
        return 0;
    return at - begin;
}

bool startsList(QByteArrayView line)
{
    const auto endsMarker = [line](qsizetype at) {
        return at >= line.size() || line[at] == ' ' || line[at] == '\t' || line[at] == '\n' || line[at] == '\r';
    };
    if (line.isEmpty())
        return false;
    if (line[0] == '-' || line[0] == '*' || line[0] == '+')
        return endsMarker(1);
    qsizetype digits = 0;
    while (digits < line.size() && line[digits] >= '0' && line[digits] <= '9')
        ++digits;
    return digits > 0 && digits < line.size() && (line[digits] == '.' || line[digits] == ')') && endsMarker(digits + 1);
}

// An unclosed ** or ` at the end flickers when it closes: close it for the eye only.
QByteArray closedForDisplay(QByteArrayView tail)
{
    QByteArray text = tail.toByteArray();
    const qsizetype blank = text.lastIndexOf("\n\n");
    const QByteArrayView last = QByteArrayView(text).sliced(blank < 0 ? 0 : blank + 2);
    if (last.size() > 8192 || last.startsWith("    "))
        return text;
    qsizetype ticks = 0;
    qsizetype stars = 0;
    qsizetype starAt = -1;
    for (qsizetype at = 0; at < last.size(); ++at) {
        if (last[at] == '`') {
            ++ticks;
        } else if (last[at] == '*' && at + 1 < last.size() && last[at + 1] == '*' && ticks % 2 == 0) {
            ++stars;
            starAt = ++at;
        }
    }
    const bool endsOpen = !text.isEmpty() && text.back() != ' ' && text.back() != '\n' && text.back() != '*';
    if (ticks % 2 == 1 && !last.contains("```") && endsOpen && text.back() != '`')
        text += '`';
    else if (stars % 2 == 1 && starAt + 1 < last.size() && last[starAt + 1] != ' ' && endsOpen)
        text += "**";
    return text;
}

} // namespace

int BlockSplitter::append(const QByteArray &utf8)
{
    const int firstChanged = static_cast<int>(m_finalBlocks);
    m_source += utf8;
    m_finished = false;
    m_dirty = true;
    return firstChanged;
}

int BlockSplitter::finish()
{
    if (m_finished)
        return static_cast<int>(m_finalBlocks);
    m_finished = true;
    m_dirty = true;
    // A definition may name a link that stands before it: then only one parse of the whole is right.
    if (m_source.contains("]:")) {
        m_finalBytes = 0;
        m_finalBlocks = 0;
    }
    return static_cast<int>(m_finalBlocks);
}

void BlockSplitter::setWhole(const QByteArray &utf8)
{
    *this = BlockSplitter(m_plain);
    m_source = utf8;
    m_finished = true;
    m_dirty = true;
}

const std::vector<Block> &BlockSplitter::blocks() const
{
    if (!m_dirty)
        return m_blocks;
    // A tail that stays long in spite of all cuts is not parsed for every few words.
    const bool longTail = m_source.size() - m_finalBytes > kLongTail && m_lastParse > m_finalBytes;
    if (longTail && !m_finished && m_source.size() - m_lastParse < kGrowth)
        return m_blocks;
    auto *self = const_cast<BlockSplitter *>(this);
    self->m_dirty = false;
    if (!m_plain && !m_finished)
        self->advanceFinal();
    self->parseTail(m_finished);
    return m_blocks;
}

bool BlockSplitter::isCut(qsizetype position, bool fence) const
{
    const QByteArrayView before = QByteArrayView(m_source).sliced(m_finalBytes, position - m_finalBytes);
    const TopLevel top = probeMarkdown(before, kProbe, fence);
    if (!top.probeIsAlone)
        return false;
    return !top.lastIsList || !startsList(QByteArrayView(m_source).sliced(position));
}

void BlockSplitter::advanceFinal()
{
    const QByteArrayView source(m_source);
    m_scanned = std::max(m_scanned, m_finalBytes);
    while (true) {
        // A fence that opens the tail hides everything up to its end.
        qsizetype lineEnd = source.indexOf('\n', m_scanned);
        const QByteArrayView line = source.sliced(m_scanned, (lineEnd < 0 ? source.size() : lineEnd) - m_scanned);
        char fenceCharacter = 0;
        if (m_scanned == m_finalBytes && lineEnd >= 0) {
            const qsizetype length = fenceLength(line, fenceCharacter);
            if (length > 0) {
                qsizetype at = lineEnd + 1;
                qsizetype closed = -1;
                while (at < source.size()) {
                    const qsizetype end = source.indexOf('\n', at);
                    if (end < 0)
                        break;
                    char character = 0;
                    const QByteArrayView inner = source.sliced(at, end - at);
                    const qsizetype run = fenceLength(inner, character);
                    if (run >= length && character == fenceCharacter &&
                        isBlank(inner.sliced(inner.lastIndexOf(character) + 1))) {
                        closed = end + 1;
                        break;
                    }
                    at = end + 1;
                }
                if (closed < 0)
                    return;
                if (!isCut(closed, false)) {
                    m_scanned = closed;
                    continue;
                }
                const std::vector<Block> done = parseMarkdown(
                    source.sliced(m_finalBytes, closed - m_finalBytes), static_cast<int>(m_finalBytes));
                m_blocks.resize(m_finalBlocks);
                m_blocks.insert(m_blocks.end(), done.begin(), done.end());
                m_finalBlocks = m_blocks.size();
                m_finalBytes = m_scanned = closed;
                continue;
            }
        }
        // Go line by line to a place where a cut may be.
        if (lineEnd < 0)
            return;
        const qsizetype next = lineEnd + 1;
        if (next >= source.size())
            return;
        const qsizetype nextEnd = source.indexOf('\n', next);
        if (nextEnd < 0 && source.size() - next < kLineDecided)
            return;
        const QByteArrayView nextLine = source.sliced(next, (nextEnd < 0 ? source.size() : nextEnd) - next);
        char character = 0;
        const bool fence = !nextLine.startsWith(' ') && nextEnd >= 0 && fenceLength(nextLine, character) > 0;
        bool afterBlank = isBlank(line) && !isBlank(nextLine) && nextLine[0] != ' ' && nextLine[0] != '\t';
        if (afterBlank && startsList(nextLine) && startsList(source.sliced(m_finalBytes)))
            afterBlank = false; // one long list: no need to ask
        m_scanned = next;
        if (next == m_finalBytes || !(afterBlank || fence) || !isCut(next, fence))
            continue;
        const std::vector<Block> done =
            parseMarkdown(source.sliced(m_finalBytes, next - m_finalBytes), static_cast<int>(m_finalBytes));
        m_blocks.resize(m_finalBlocks);
        m_blocks.insert(m_blocks.end(), done.begin(), done.end());
        m_finalBlocks = m_blocks.size();
        m_finalBytes = next;
    }
}

void BlockSplitter::parseTail(bool last)
{
    const QByteArrayView tail = QByteArrayView(m_source).sliced(m_finalBytes);
    if (m_plain) {
        m_blocks.clear();
        if (!tail.isEmpty())
            m_blocks.push_back(plainBlock(tail, 0));
        return;
    }
    m_lastParse = m_source.size();
    m_blocks.resize(m_finalBlocks);
    const std::vector<Block> parsed = last ? parseMarkdown(tail, static_cast<int>(m_finalBytes))
                                           : parseMarkdown(closedForDisplay(tail), static_cast<int>(m_finalBytes));
    m_blocks.insert(m_blocks.end(), parsed.begin(), parsed.end());
}

} // namespace ui
