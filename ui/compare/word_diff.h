// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <QString>
#include <QVector>

namespace ui {

struct WordSpan {
    int begin = 0;
    int length = 0;
    friend bool operator==(const WordSpan &, const WordSpan &) = default;
};

// Where two answers differ, word by word; a Chinese, Japanese or Korean character is a word of its own and white
// space is not compared. Neighbouring different words are one span.
struct WordDiff {
    QVector<WordSpan> left;   // only in the left text, or different there
    QVector<WordSpan> right;
    int firstDifferentWord = 0; // counted from 1 in the left text; 0: the texts are the same
    int firstLeft = -1;         // where it begins; the end of the text when one simply goes on
    int firstRight = -1;

    [[nodiscard]] bool isSame() const { return firstDifferentWord == 0; }
};

// Shortest edit script (Myers 1986). Texts that differ in more than some thousand words are marked as different from
// the first difference to the last: nobody reads such a diff, and the time stays bounded.
[[nodiscard]] WordDiff diffWords(const QString &left, const QString &right);

} // namespace ui
