// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "transcript/code_highlighter.h"

#include <QSet>

namespace ui {

namespace {

constexpr std::size_t kMostRanges = 400; // formats beyond this make a layout slow

struct Language {
    bool hashComments = false;
    bool slashComments = false;
    bool dashComments = false;
    QSet<QString> keywords;
};

QSet<QString> words(const char *list)
{
    const QStringList parts = QString::fromLatin1(list).split(u' ');
    return QSet<QString>(parts.begin(), parts.end());
}

const Language &languageFor(const QString &name)
{
    static const Language kPython{true, false, false,
        words("and as assert async await break class continue def del elif else except False finally for from global if "
              "import in is lambda None nonlocal not or pass raise return True try while with yield self")};
    static const Language kC{false, true, false,
        words("auto bool break case catch char class const constexpr continue default delete do double else enum explicit "
              "export extern false float for friend if inline int long namespace new noexcept nullptr operator override "
              "private protected public return short signed sizeof static struct switch template this throw true try "
              "typedef typename union unsigned using virtual void volatile while import package func fn let mut pub impl "
              "match mod use trait interface extends implements final var type where async await function of undefined null")};
    static const Language kShell{true, false, false,
        words("if then else elif fi for in do done while case esac function return export local echo cd sudo set")};
    static const Language kSql{false, false, true,
        words("select from where insert into values update set delete create table drop join left right inner on as and "
              "or not null order by group limit SELECT FROM WHERE INSERT INTO VALUES UPDATE SET DELETE CREATE TABLE DROP "
              "JOIN LEFT RIGHT INNER ON AS AND OR NOT NULL ORDER BY GROUP LIMIT")};
    static const Language kJson{false, false, false, words("true false null")};
    static const Language kPlain{};
    const QString lower = name.toLower();
    if (lower == QLatin1String("python") || lower == QLatin1String("py"))
        return kPython;
    if (lower == QLatin1String("bash") || lower == QLatin1String("sh") || lower == QLatin1String("shell") ||
        lower == QLatin1String("yaml") || lower == QLatin1String("toml") || lower == QLatin1String("cmake"))
        return kShell;
    if (lower == QLatin1String("sql"))
        return kSql;
    if (lower == QLatin1String("json"))
        return kJson;
    static const QSet<QString> kLikeC = words(
        "c cpp c++ cc h hpp cuda cu java js javascript ts typescript jsx tsx go rust rs swift kotlin cs csharp php");
    return kLikeC.contains(lower) ? kC : kPlain;
}

bool isWord(QChar character)
{
    return character.isLetterOrNumber() || character == u'_';
}

} // namespace

std::vector<CodeRange> highlightCode(const QString &languageName, const QString &code)
{
    std::vector<CodeRange> ranges;
    const Language &language = languageFor(languageName);
    const int size = static_cast<int>(code.size());
    const auto lineEnd = [&code, size](int from) {
        const qsizetype feed = code.indexOf(u'\n', from);
        return feed < 0 ? size : static_cast<int>(feed);
    };
    for (int at = 0; at < size && ranges.size() < kMostRanges;) {
        const QChar character = code[at];
        const QStringView rest = QStringView(code).mid(at);
        const bool comment = (language.hashComments && character == u'#') ||
                             (language.slashComments && rest.startsWith(u"//")) ||
                             (language.dashComments && rest.startsWith(u"--"));
        if (comment) {
            const int end = lineEnd(at);
            ranges.push_back({at, end, theme::Role::CodeComment});
            at = end;
        } else if (language.slashComments && rest.startsWith(u"/*")) {
            const qsizetype close = code.indexOf(u"*/", at + 2);
            const int end = close < 0 ? size : static_cast<int>(close) + 2;
            ranges.push_back({at, end, theme::Role::CodeComment});
            at = end;
        } else if (character == u'"' || character == u'\'' || (character == u'`' && language.slashComments)) {
            int end = at + 1;
            const int stop = lineEnd(at);
            while (end < stop && code[end] != character)
                end += code[end] == u'\\' ? 2 : 1;
            end = std::min(end + 1, std::max(stop, at + 1));
            ranges.push_back({at, end, theme::Role::CodeString});
            at = end;
        } else if (character.isDigit()) {
            int end = at;
            while (end < size && (isWord(code[end]) || code[end] == u'.'))
                ++end;
            ranges.push_back({at, end, theme::Role::CodeNumber});
            at = end;
        } else if (isWord(character)) {
            int end = at;
            while (end < size && isWord(code[end]))
                ++end;
            if (!language.keywords.isEmpty() && language.keywords.contains(code.mid(at, end - at)))
                ranges.push_back({at, end, theme::Role::CodeKeyword});
            at = end;
        } else {
            ++at;
        }
    }
    return ranges;
}

} // namespace ui
