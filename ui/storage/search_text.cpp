// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/search_text.h"

#include <QChar>
#include <QStringList>

#include <algorithm>

namespace ui {

namespace {

constexpr QChar kJoiner(0x2060);

bool isSplit(char32_t c)
{
    switch (QChar::script(c)) {
    case QChar::Script_Han:
    case QChar::Script_Hiragana:
    case QChar::Script_Katakana:
    case QChar::Script_Hangul: return true;
    default: return false;
    }
}

} // namespace

QString splitWords(const QString &text)
{
    QString split;
    split.reserve(text.size() * 2);
    const auto codePoints = text.toUcs4();
    for (const uint codePoint : codePoints) {
        const bool alone = isSplit(codePoint);
        if (alone && !split.isEmpty() && split.back() != kJoiner)
            split += kJoiner;
        split += QChar::fromUcs4(codePoint);
        if (alone)
            split += kJoiner;
    }
    return split;
}

QString joinWords(QString split)
{
    return split.remove(kJoiner);
}

QString searchQuery(const QString &words)
{
    QStringList phrases;
    const QStringList list = words.simplified().split(u' ', Qt::SkipEmptyParts);
    for (QString word : list) {
        const auto codePoints = word.toUcs4();
        const bool hasWord = std::any_of(codePoints.begin(), codePoints.end(),
            [](uint c) { return QChar::isLetterOrNumber(c); });
        if (!hasWord)
            continue;
        word.replace(u'"', QStringLiteral("\"\""));
        phrases += u'"' + splitWords(word) + QStringLiteral("\"*");
    }
    return phrases.join(u' ');
}

} // namespace ui
