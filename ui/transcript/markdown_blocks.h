// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QByteArrayView>
#include <QString>
#include <QStringList>

#include <vector>

namespace ui {

enum class BlockKind { Paragraph = 1, Heading, Code, Table, Rule };

enum SpanStyle : unsigned {
    SpanBold = 1,
    SpanItalic = 2,
    SpanCode = 4,
    SpanStrike = 8,
    SpanMath = 16,
    SpanLink = 32,
};

// Characters [begin, end) of Block::text.
struct Span {
    int begin = 0;
    int end = 0;
    unsigned style = 0;
    QString target; // SpanLink
    bool operator==(const Span &) const = default;
};

// Where a run of shown text stands in the source: same length in both, counted in UTF-16 and in bytes.
struct SourceRun {
    int begin = 0;       // in Block::text
    int length = 0;      // UTF-16 units
    int sourceBegin = 0; // byte offset
    int sourceEnd = 0;
    bool operator==(const SourceRun &) const = default;
};

struct TableCell {
    int begin = 0; // in Block::text
    int end = 0;
    Qt::Alignment align = Qt::AlignLeft;
    bool operator==(const TableCell &) const = default;
};

// One leaf of the document with all that is needed to draw it alone. Immutable once final.
struct Block {
    BlockKind kind = BlockKind::Paragraph;
    int level = 0;      // heading 1-6
    int listDepth = 0;  // 0: not in a list
    int quoteDepth = 0;
    QString marker;     // first block of a list item: "•", "3.", "☐", "☑"
    bool tight = false; // no gap to the block above
    QString language;   // code
    QString text;       // what is shown; a table: cells with tabs and line feeds between
    std::vector<Span> spans;
    std::vector<SourceRun> runs;
    std::vector<TableCell> cells; // row by row, header first
    int columns = 0;
    int sourceBegin = 0; // bytes in the whole source, whole lines
    int sourceEnd = 0;
    // A long paragraph or code block is several blocks that draw as one.
    bool continuesAbove = false;
    bool continuesBelow = false;
    bool operator==(const Block &) const = default;
};

// Parses Markdown. `baseOffset` is added to all source offsets. Never fails; hostile input ends as text or code.
std::vector<Block> parseMarkdown(QByteArrayView utf8, int baseOffset = 0);

// The kinds of the outermost blocks, for finding where a text may be cut.
struct TopLevel {
    bool lastIsList = false;       // before the probe
    bool probeIsAlone = false;     // the probe came out as its own outermost block
};
TopLevel probeMarkdown(QByteArrayView utf8, QByteArrayView probe, bool fence);

// One block with the text as it is.
Block plainBlock(QByteArrayView utf8, int baseOffset);

} // namespace ui
