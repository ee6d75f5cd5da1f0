// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The answer's Markdown: cut in pieces by the first byte, what is final must stay and source ranges must lie inside.
#include "transcript/block_splitter.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    const qsizetype step = 1 + data[0];
    const QByteArray source(reinterpret_cast<const char *>(data + 1), static_cast<qsizetype>(size - 1));
    ui::BlockSplitter splitter;
    for (qsizetype at = 0; at < source.size(); at += step) {
        splitter.append(source.mid(at, step));
        (void)splitter.blocks();
    }
    splitter.finish();
    for (const ui::Block &block : splitter.blocks()) {
        if (block.sourceBegin < 0 || block.sourceEnd < block.sourceBegin || block.sourceEnd > source.size())
            std::abort();
        for (const ui::Span &span : block.spans) {
            if (span.begin < 0 || span.end > block.text.size() || span.begin > span.end)
                std::abort();
        }
        for (const ui::TableCell &cell : block.cells) {
            if (cell.begin < 0 || cell.end > block.text.size() || cell.begin > cell.end)
                std::abort();
        }
    }
    return 0;
}
