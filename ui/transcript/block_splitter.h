// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transcript/markdown_blocks.h"

#include <QByteArray>

#include <vector>

namespace ui {

// Markdown that arrives in pieces. What is final is parsed once and never changes; only the tail is parsed again.
// Whatever the pieces were, after finish() the blocks equal those of one parse of the whole.
class BlockSplitter {
public:
    // Plain: one block as typed, no Markdown (a user's question).
    explicit BlockSplitter(bool plain = false) : m_plain(plain) {}

    // Returns the index of the first block that changed.
    int append(const QByteArray &utf8);
    int finish();
    void setWhole(const QByteArray &utf8); // a stored text: parsed once, when it is looked at

    [[nodiscard]] const QByteArray &source() const { return m_source; }
    [[nodiscard]] const std::vector<Block> &blocks() const;

private:
    void parseTail(bool last);
    void advanceFinal();
    [[nodiscard]] bool isCut(qsizetype position, bool fence) const;

    bool m_plain = false;
    bool m_finished = false;
    QByteArray m_source;
    qsizetype m_finalBytes = 0;   // all before is final
    qsizetype m_scanned = 0;      // line starts before this were looked at
    qsizetype m_lastParse = 0;    // source length at the last parse
    std::size_t m_finalBlocks = 0;
    std::vector<Block> m_blocks;
    bool m_dirty = false; // appended since the last parse; parsed on first look
};

} // namespace ui
