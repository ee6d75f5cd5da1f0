// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "compare/word_diff.h"

#include <QChar>

#include <algorithm>
#include <vector>

namespace ui {

namespace {

constexpr int kMostEdits = 1500;

struct Word {
    int begin = 0;
    int length = 0;
};

bool standsAlone(char32_t c)
{
    switch (QChar::script(c)) {
    case QChar::Script_Han:
    case QChar::Script_Hiragana:
    case QChar::Script_Katakana:
    case QChar::Script_Hangul: return true;
    default: return !QChar::isLetterOrNumber(c) && !QChar::isMark(c); // punctuation
    }
}

std::vector<Word> wordsOf(const QString &text)
{
    std::vector<Word> words;
    bool open = false;
    for (int at = 0; at < text.size();) {
        const bool pair = text[at].isHighSurrogate() && at + 1 < text.size() && text[at + 1].isLowSurrogate();
        const char32_t c = pair ? QChar::surrogateToUcs4(text[at], text[at + 1]) : text[at].unicode();
        const int size = pair ? 2 : 1;
        if (QChar::isSpace(c)) {
            open = false;
        } else if (standsAlone(c)) {
            words.push_back({at, size});
            open = false;
        } else if (open) {
            words.back().length += size;
        } else {
            words.push_back({at, size});
            open = true;
        }
        at += size;
    }
    return words;
}

// Which words of each side are kept; false marks the rest. Prefix and suffix are cut off before.
class Matcher {
public:
    Matcher(const QString &left, const std::vector<Word> &leftWords, const QString &right,
        const std::vector<Word> &rightWords)
        : m_left(left), m_leftWords(leftWords), m_right(right), m_rightWords(rightWords),
          leftKept(leftWords.size(), false), rightKept(rightWords.size(), false)
    {
        int from = 0;
        int leftEnd = int(leftWords.size());
        int rightEnd = int(rightWords.size());
        while (from < leftEnd && from < rightEnd && same(from, from))
            keep(from, from), ++from;
        while (leftEnd > from && rightEnd > from && same(leftEnd - 1, rightEnd - 1))
            keep(--leftEnd, --rightEnd);
        search(from, leftEnd, from, rightEnd);
    }

private:
    bool same(int l, int r) const
    {
        const Word &a = m_leftWords[std::size_t(l)];
        const Word &b = m_rightWords[std::size_t(r)];
        return QStringView(m_left).mid(a.begin, a.length) == QStringView(m_right).mid(b.begin, b.length);
    }
    void keep(int l, int r)
    {
        leftKept[std::size_t(l)] = true;
        rightKept[std::size_t(r)] = true;
    }
    // Greedy furthest-reaching paths, remembered per edit count so that the way back can be walked.
    void search(int leftBegin, int leftEnd, int rightBegin, int rightEnd)
    {
        const int n = leftEnd - leftBegin;
        const int m = rightEnd - rightBegin;
        if (n == 0 || m == 0)
            return;
        const int most = std::min(n + m, kMostEdits);
        std::vector<int> reach(std::size_t(2 * most + 2), 0);
        std::vector<std::vector<int>> trace;
        const auto at = [most](int k) { return std::size_t(k + most); };
        for (int edits = 0; edits <= most; ++edits) {
            trace.push_back(reach);
            for (int k = -edits; k <= edits; k += 2) {
                const bool down = k == -edits || (k != edits && reach[at(k - 1)] < reach[at(k + 1)]);
                int x = down ? (k == most ? 0 : reach[at(k + 1)]) : reach[at(k - 1)] + 1;
                int y = x - k;
                while (x < n && y >= 0 && y < m && same(leftBegin + x, rightBegin + y))
                    ++x, ++y;
                reach[at(k)] = x;
                if (x >= n && y >= m) {
                    walkBack(trace, edits, n, m, most, leftBegin, rightBegin);
                    return;
                }
            }
        }
    }
    void walkBack(const std::vector<std::vector<int>> &trace, int edits, int x, int y, int most, int leftBegin,
        int rightBegin)
    {
        const auto at = [most](int k) { return std::size_t(k + most); };
        for (; edits >= 0; --edits) {
            const std::vector<int> &reach = trace[std::size_t(edits)];
            const int k = x - y;
            const bool down = k == -edits || (k != edits && reach[at(k - 1)] < reach[at(k + 1)]);
            const int previousK = down ? k + 1 : k - 1;
            const int previousX = edits == 0 ? 0 : reach[at(previousK)];
            const int previousY = edits == 0 ? 0 : previousX - previousK;
            while (x > previousX && y > previousY && x > 0 && y > 0) {
                --x, --y;
                keep(leftBegin + x, rightBegin + y);
            }
            x = previousX;
            y = previousY;
        }
    }

    const QString &m_left;
    const std::vector<Word> &m_leftWords;
    const QString &m_right;
    const std::vector<Word> &m_rightWords;

public:
    std::vector<bool> leftKept;
    std::vector<bool> rightKept;
};

QVector<WordSpan> spansOf(const std::vector<Word> &words, const std::vector<bool> &kept)
{
    QVector<WordSpan> spans;
    bool open = false;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (kept[i]) {
            open = false;
            continue;
        }
        if (open)
            spans.last().length = words[i].begin + words[i].length - spans.last().begin;
        else
            spans += WordSpan{words[i].begin, words[i].length};
        open = true;
    }
    return spans;
}

} // namespace

WordDiff diffWords(const QString &left, const QString &right)
{
    const std::vector<Word> leftWords = wordsOf(left);
    const std::vector<Word> rightWords = wordsOf(right);
    const Matcher matcher(left, leftWords, right, rightWords);
    WordDiff diff;
    diff.left = spansOf(leftWords, matcher.leftKept);
    diff.right = spansOf(rightWords, matcher.rightKept);
    if (diff.left.isEmpty() && diff.right.isEmpty())
        return diff;
    std::size_t first = 0;
    while (first < leftWords.size() && first < rightWords.size() && matcher.leftKept[first] && matcher.rightKept[first])
        ++first;
    diff.firstDifferentWord = int(first) + 1;
    diff.firstLeft = first < leftWords.size() ? leftWords[first].begin : int(left.size());
    diff.firstRight = first < rightWords.size() ? rightWords[first].begin : int(right.size());
    return diff;
}

} // namespace ui
