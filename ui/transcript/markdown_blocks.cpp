// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "transcript/markdown_blocks.h"

#include "engine/grounding.h"
#include "transcript/readable_maths.h"

#include <md4c.h>

#include <algorithm>
#include <array>
#include <optional>

namespace ui {

namespace {

constexpr unsigned kFlags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_TASKLISTS |
                            MD_FLAG_LATEXMATHSPANS | MD_FLAG_NOHTML | MD_FLAG_PERMISSIVEURLAUTOLINKS;
constexpr int kBlockCharacters = 8000; // a layout gets no more
constexpr int kCodeLines = 64;
constexpr int kTableColumns = 64;
constexpr int kTableRows = 500;
constexpr int kDepth = 16;

QString decodeEntity(QStringView entity)
{
    struct Named {
        QStringView name;
        char16_t character;
    };
    static constexpr std::array kNamed{Named{u"&amp;", u'&'}, Named{u"&lt;", u'<'}, Named{u"&gt;", u'>'},
        Named{u"&quot;", u'"'}, Named{u"&apos;", u'\''}, Named{u"&nbsp;", u'\u00A0'}, Named{u"&copy;", u'\u00A9'},
        Named{u"&times;", u'\u00D7'}, Named{u"&divide;", u'\u00F7'}, Named{u"&le;", u'\u2264'},
        Named{u"&ge;", u'\u2265'}, Named{u"&ne;", u'\u2260'}, Named{u"&mdash;", u'\u2014'},
        Named{u"&ndash;", u'\u2013'}, Named{u"&hellip;", u'\u2026'}, Named{u"&rarr;", u'\u2192'},
        Named{u"&larr;", u'\u2190'}, Named{u"&deg;", u'\u00B0'}, Named{u"&middot;", u'\u00B7'}};
    for (const Named &named : kNamed) {
        if (entity == named.name)
            return QString(QChar(named.character));
    }
    if (entity.startsWith(u"&#") && entity.endsWith(u';')) {
        QStringView digits = entity.mid(2, entity.size() - 3);
        const bool hex = digits.startsWith(u'x') || digits.startsWith(u'X');
        bool ok = false;
        const uint code = hex ? digits.mid(1).toUInt(&ok, 16) : digits.toUInt(&ok, 10);
        const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        if (ok && code >= 0x20 && code <= 0x10FFFF && !surrogate) {
            const char32_t character = code;
            return QString::fromUcs4(&character, 1);
        }
        return QString(QChar(u'\uFFFD'));
    }
    return entity.toString();
}

// Control characters never reach a layout; tabs and line feeds do.
QString cleaned(QString text)
{
    for (QChar &character : text) {
        const char16_t code = character.unicode();
        if ((code < 0x20 && code != u'\t' && code != u'\n') || code == 0x7F || code == 0xFFFC)
            character = QChar(u'\uFFFD');
    }
    return text;
}

class Builder {
public:
    Builder(QByteArrayView source, int baseOffset) : m_source(source), m_base(baseOffset) {}

    std::vector<Block> take();

    int enterBlock(MD_BLOCKTYPE type, void *detail);
    int leaveBlock(MD_BLOCKTYPE type);
    int enterSpan(MD_SPANTYPE type, void *detail);
    int leaveSpan(MD_SPANTYPE type);
    int addText(MD_TEXTTYPE type, const char *text, MD_SIZE size);

private:
    struct List {
        bool ordered = false;
        unsigned next = 1;
        bool tight = true;
        bool started = false;
    };
    struct Style {
        unsigned style = 0;
        QString target;
    };

    Block &leaf(); // opens a paragraph when text comes straight into a list item
    void open(BlockKind kind);
    void close();
    void appendShown(const QString &shown, const char *text, MD_SIZE size);
    void setExtent(Block &block);
    int lineBegin(int offset) const;
    int lineEnd(int offset) const;

    QByteArrayView m_source;
    int m_base;
    std::vector<Block> m_blocks;
    Block m_leaf;
    bool m_open = false;
    bool m_fenced = false;
    std::vector<List> m_lists;
    int m_quoteDepth = 0;
    QString m_marker;      // waits for the item's first block
    bool m_freshItem = false;
    std::vector<Style> m_styles;
    int m_tableRow = 0;
    Qt::Alignment m_cellAlign = Qt::AlignLeft;
    int m_cellBegin = 0;
    int m_rowCells = 0;
};

int Builder::lineBegin(int offset) const
{
    while (offset > 0 && m_source[offset - 1] != '\n')
        --offset;
    return offset;
}

int Builder::lineEnd(int offset) const
{
    while (offset < m_source.size() && m_source[offset] != '\n')
        ++offset;
    return offset < m_source.size() ? offset + 1 : offset;
}

Block &Builder::leaf()
{
    if (!m_open)
        open(BlockKind::Paragraph);
    return m_leaf;
}

void Builder::open(BlockKind kind)
{
    close();
    m_leaf = Block{};
    m_leaf.kind = kind;
    m_leaf.listDepth = std::min(static_cast<int>(m_lists.size()), kDepth);
    m_leaf.quoteDepth = std::min(m_quoteDepth, kDepth);
    m_leaf.marker = std::exchange(m_marker, {});
    // Inside a tight list nothing is set apart; the first item still is from what stands above the list.
    const bool firstOfOuterList = m_lists.size() == 1 && !m_lists.front().started;
    m_leaf.tight = !m_lists.empty() && m_lists.back().tight && !firstOfOuterList;
    if (!m_lists.empty())
        m_lists.front().started = true;
    m_freshItem = false;
    m_open = true;
}

void Builder::setExtent(Block &block)
{
    const int floor = m_blocks.empty() ? m_base : m_blocks.back().sourceEnd;
    if (block.runs.empty()) {
        int at = floor - m_base;
        while (at < m_source.size() && (m_source[at] == '\n' || m_source[at] == ' ' || m_source[at] == '\r'))
            ++at;
        block.sourceBegin = block.sourceEnd = at + m_base;
        return;
    }
    int first = lineBegin(block.runs.front().sourceBegin - m_base);
    int last = lineEnd(std::max(block.runs.back().sourceEnd - m_base - 1, 0));
    if (block.kind == BlockKind::Code && m_fenced) {
        // Blank lines of the code have no run; the fences lie behind them.
        while (first > 0) {
            const int above = lineBegin(first - 1);
            const bool blank = m_source.sliced(above, first - above).trimmed().isEmpty();
            first = above;
            if (!blank)
                break;
        }
        for (int at = last; at < m_source.size();) {
            const int end = lineEnd(at);
            const QByteArrayView line = m_source.sliced(at, end - at).trimmed();
            at = end;
            if (line.endsWith("```") || line.endsWith("~~~"))
                last = end;
            if (!line.isEmpty())
                break;
        }
    }
    block.sourceBegin = std::max(first + m_base, floor);
    block.sourceEnd = std::max(last + m_base, block.sourceBegin);
}

void Builder::close()
{
    if (!m_open)
        return;
    m_open = false;
    if (m_leaf.kind == BlockKind::Code && m_leaf.text.endsWith(u'\n'))
        m_leaf.text.chop(1);
    setExtent(m_leaf);
    if (m_leaf.kind == BlockKind::Paragraph && m_leaf.text.isEmpty() && m_leaf.marker.isEmpty())
        return;
    m_blocks.push_back(std::move(m_leaf));
}

int Builder::enterBlock(MD_BLOCKTYPE type, void *detail)
{
    switch (type) {
    case MD_BLOCK_DOC:
    case MD_BLOCK_THEAD:
    case MD_BLOCK_TBODY:
    case MD_BLOCK_HTML:
        break;
    case MD_BLOCK_QUOTE:
        close();
        ++m_quoteDepth;
        break;
    case MD_BLOCK_UL:
        close();
        m_lists.push_back({false, 0, static_cast<MD_BLOCK_UL_DETAIL *>(detail)->is_tight != 0, false});
        break;
    case MD_BLOCK_OL: {
        close();
        const auto *list = static_cast<MD_BLOCK_OL_DETAIL *>(detail);
        m_lists.push_back({true, list->start, list->is_tight != 0, false});
        break;
    }
    case MD_BLOCK_LI: {
        close();
        const auto *item = static_cast<MD_BLOCK_LI_DETAIL *>(detail);
        List &list = m_lists.back();
        if (item->is_task)
            m_marker = item->task_mark == ' ' ? QStringLiteral("☐") : QStringLiteral("☑");
        else if (list.ordered)
            m_marker = QString::number(list.next++) + u'.';
        else
            m_marker = m_lists.size() % 2 == 1 ? QStringLiteral("•") : QStringLiteral("◦");
        m_freshItem = true;
        break;
    }
    case MD_BLOCK_HR:
        open(BlockKind::Rule);
        close();
        break;
    case MD_BLOCK_H:
        open(BlockKind::Heading);
        m_leaf.level = static_cast<int>(static_cast<MD_BLOCK_H_DETAIL *>(detail)->level);
        break;
    case MD_BLOCK_P:
        open(BlockKind::Paragraph);
        break;
    case MD_BLOCK_CODE: {
        open(BlockKind::Code);
        const auto *code = static_cast<MD_BLOCK_CODE_DETAIL *>(detail);
        m_fenced = code->fence_char != 0;
        if (code->lang.size > 0)
            m_leaf.language = cleaned(QString::fromUtf8(code->lang.text, std::min<qsizetype>(code->lang.size, 40)));
        break;
    }
    case MD_BLOCK_TABLE:
        open(BlockKind::Table);
        m_leaf.columns = static_cast<int>(static_cast<MD_BLOCK_TABLE_DETAIL *>(detail)->col_count);
        m_tableRow = 0;
        break;
    case MD_BLOCK_TR:
        if (m_tableRow++ > 0)
            m_leaf.text += u'\n';
        m_rowCells = 0;
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD: {
        if (m_rowCells++ > 0)
            m_leaf.text += u'\t';
        const auto align = static_cast<MD_BLOCK_TD_DETAIL *>(detail)->align;
        m_cellAlign = align == MD_ALIGN_RIGHT    ? Qt::AlignRight
                      : align == MD_ALIGN_CENTER ? Qt::AlignHCenter
                                                 : Qt::AlignLeft;
        m_cellBegin = static_cast<int>(m_leaf.text.size());
        break;
    }
    }
    return 0;
}

int Builder::leaveBlock(MD_BLOCKTYPE type)
{
    switch (type) {
    case MD_BLOCK_QUOTE:
        close();
        --m_quoteDepth;
        break;
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
        close();
        m_lists.pop_back();
        break;
    case MD_BLOCK_LI:
        if (m_freshItem && !m_open)
            open(BlockKind::Paragraph); // an empty item still shows its marker
        close();
        break;
    case MD_BLOCK_TH:
    case MD_BLOCK_TD:
        m_leaf.cells.push_back({m_cellBegin, static_cast<int>(m_leaf.text.size()), m_cellAlign});
        break;
    case MD_BLOCK_H:
    case MD_BLOCK_P:
    case MD_BLOCK_CODE:
    case MD_BLOCK_TABLE:
        close();
        break;
    default:
        break;
    }
    return 0;
}

int Builder::enterSpan(MD_SPANTYPE type, void *detail)
{
    Style style = m_styles.empty() ? Style{} : m_styles.back();
    switch (type) {
    case MD_SPAN_EM:
        style.style |= SpanItalic;
        break;
    case MD_SPAN_STRONG:
        style.style |= SpanBold;
        break;
    case MD_SPAN_CODE:
        style.style |= SpanCode;
        break;
    case MD_SPAN_DEL:
        style.style |= SpanStrike;
        break;
    case MD_SPAN_LATEXMATH:
    case MD_SPAN_LATEXMATH_DISPLAY:
        style.style |= SpanMath;
        break;
    case MD_SPAN_A: {
        const MD_ATTRIBUTE &href = static_cast<MD_SPAN_A_DETAIL *>(detail)->href;
        style.style |= SpanLink;
        style.target = cleaned(QString::fromUtf8(href.text, std::min<qsizetype>(href.size, 2048)));
        break;
    }
    case MD_SPAN_IMG: { // never fetched: a link with its description
        const MD_ATTRIBUTE &src = static_cast<MD_SPAN_IMG_DETAIL *>(detail)->src;
        style.style |= SpanLink;
        style.target = cleaned(QString::fromUtf8(src.text, std::min<qsizetype>(src.size, 2048)));
        break;
    }
    default:
        break;
    }
    m_styles.push_back(style);
    return 0;
}

int Builder::leaveSpan(MD_SPANTYPE)
{
    if (!m_styles.empty())
        m_styles.pop_back();
    return 0;
}

void Builder::appendShown(const QString &shown, const char *text, MD_SIZE size)
{
    if (shown.isEmpty())
        return;
    Block &block = leaf();
    const int begin = static_cast<int>(block.text.size());
    const int end = begin + static_cast<int>(shown.size());
    block.text += shown;
    if (!m_styles.empty() && m_styles.back().style != 0) {
        const Style &style = m_styles.back();
        if (!block.spans.empty() && block.spans.back().end == begin && block.spans.back().style == style.style &&
            block.spans.back().target == style.target)
            block.spans.back().end = end;
        else
            block.spans.push_back({begin, end, style.style, style.target});
    }
    const bool inSource = text >= m_source.data() && text + size <= m_source.data() + m_source.size();
    if (!inSource)
        return;
    const int from = static_cast<int>(text - m_source.data()) + m_base;
    const int to = from + static_cast<int>(size);
    SourceRun *last = block.runs.empty() ? nullptr : &block.runs.back();
    if (last && last->sourceEnd == from && last->begin + last->length == begin) {
        last->length += end - begin;
        last->sourceEnd = to;
    } else {
        block.runs.push_back({begin, end - begin, from, to});
    }
}

int Builder::addText(MD_TEXTTYPE type, const char *text, MD_SIZE size)
{
    switch (type) {
    case MD_TEXT_NULLCHAR:
        appendShown(QString(QChar(u'\uFFFD')), text, size);
        break;
    case MD_TEXT_BR:
    case MD_TEXT_SOFTBR: // models mean it when they break a line
        appendShown(m_open && m_leaf.kind == BlockKind::Table ? QStringLiteral(" ") : QStringLiteral("\n"), text, 0);
        break;
    case MD_TEXT_ENTITY:
        appendShown(cleaned(decodeEntity(QString::fromUtf8(text, static_cast<qsizetype>(size)))), text, size);
        break;
    default: {
        // DeepSeek writes maths as \( \) and \[ \]; CommonMark takes the backslash for an escape.
        const bool escaped = type == MD_TEXT_NORMAL && size > 0 && text > m_source.data() &&
                             text < m_source.data() + m_source.size() && text[-1] == '\\' &&
                             (*text == '(' || *text == ')' || *text == '[' || *text == ']');
        if (escaped) {
            --text;
            ++size;
        }
        appendShown(cleaned(QString::fromUtf8(text, static_cast<qsizetype>(size))), text, size);
        break;
    }
    }
    return 0;
}

void markBracketMaths(Block &block)
{
    if (block.kind == BlockKind::Code || !block.text.contains(u'\\'))
        return;
    for (const auto &[opening, closing] : {std::pair{u"\\(", u"\\)"}, std::pair{u"\\[", u"\\]"}}) {
        qsizetype from = 0;
        while ((from = block.text.indexOf(QStringView(opening), from)) >= 0) {
            const qsizetype to = block.text.indexOf(QStringView(closing), from + 2);
            if (to < 0)
                break;
            block.spans.push_back({static_cast<int>(from), static_cast<int>(to + 2), SpanMath, {}});
            from = to + 2;
        }
    }
    std::stable_sort(block.spans.begin(), block.spans.end(),
        [](const Span &a, const Span &b) { return a.begin < b.begin; });
}

struct Change {
    int begin = 0; // in Block::text
    int end = 0;
    QString shown;
};

// Shows other text at some places; they do not overlap and are in order.
void show(const std::vector<Change> &changes, Block &block)
{
    if (changes.empty())
        return;
    // Where a place of the old text is in the new one; inside a change it goes to the change's beginning or end.
    const auto moved = [&changes](int offset, bool toEnd) {
        int by = 0;
        for (const Change &change : changes) {
            if (offset <= change.begin)
                break;
            const int shown = static_cast<int>(change.shown.size());
            if (offset < change.end)
                return change.begin + by + (toEnd ? shown : 0);
            by += shown - (change.end - change.begin);
        }
        return offset + by;
    };
    std::vector<SourceRun> runs;
    for (const SourceRun &run : block.runs) {
        // What is changed is one run of its own: it is copied whole or not at all.
        int from = run.begin;
        int sourceFrom = run.sourceBegin;
        const int end = run.begin + run.length;
        const auto add = [&](int to) {
            if (to <= from)
                return;
            const int bytes = static_cast<int>(block.text.mid(from, to - from).toUtf8().size());
            const int sourceTo = to == end ? run.sourceEnd : std::min(run.sourceEnd, sourceFrom + bytes);
            const int shownFrom = moved(from, false);
            runs.push_back({shownFrom, moved(to, true) - shownFrom, sourceFrom, sourceTo});
            from = to;
            sourceFrom = sourceTo;
        };
        for (const Change &change : changes) {
            if (change.end <= from || change.begin >= end)
                continue;
            add(std::min(std::max(change.begin, from), end));
            add(std::min(change.end, end));
        }
        add(end);
    }
    for (Span &span : block.spans) {
        const int begin = moved(span.begin, false);
        span.end = moved(span.end, true);
        span.begin = begin;
    }
    for (TableCell &cell : block.cells) {
        const int begin = moved(cell.begin, false);
        cell.end = moved(cell.end, true);
        cell.begin = begin;
    }
    for (auto change = changes.rbegin(); change != changes.rend(); ++change)
        block.text.replace(change->begin, change->end - change->begin, change->shown);
    block.runs = std::move(runs);
}

// Formulas that one line can show are shown as one; the others keep their source, as code.
void showMaths(Block &block)
{
    std::vector<Change> changes;
    for (Span &span : block.spans) {
        if (!(span.style & SpanMath) || block.kind == BlockKind::Code || (!changes.empty() && span.begin < changes.back().end))
            continue;
        QStringView source = QStringView(block.text).sliced(span.begin, span.end - span.begin);
        const bool inBrackets = (source.startsWith(u"\\(") && source.endsWith(u"\\)")) ||
                                (source.startsWith(u"\\[") && source.endsWith(u"\\]"));
        if (inBrackets && source.size() >= 4)
            source = source.sliced(2).chopped(2);
        if (std::optional<QString> shown = readableMaths(source); shown && !shown->isEmpty())
            changes.push_back({span.begin, span.end, *std::move(shown)});
        else
            span.style |= SpanCode;
    }
    show(changes, block);
}

// What a picture model points at is framed in the picture; in the text its name stands alone.
// `isLast`: the text may go on, and what has begun is shown by its name already.
void showGroundings(Block &block, bool isLast)
{
    if (block.kind == BlockKind::Code || !block.text.contains(QLatin1String(isLast ? "<|ref|>" : "<|det|>")))
        return;
    const QByteArray utf8 = block.text.toUtf8();
    const auto place = [&utf8](std::size_t byte) {
        return static_cast<int>(QString::fromUtf8(utf8.constData(), static_cast<qsizetype>(byte)).size());
    };
    std::vector<Change> changes;
    for (const engine::Grounding &one : engine::findGroundings({utf8.constData(), static_cast<std::size_t>(utf8.size())}))
        changes.push_back({place(one.begin), place(one.end), QString::fromStdString(one.phrase)});
    if (const auto begun = isLast ? engine::findUnfinishedGrounding({utf8.constData(), static_cast<std::size_t>(utf8.size())}) : std::nullopt)
        changes.push_back({place(begun->begin), static_cast<int>(block.text.size()), QString::fromStdString(begun->phrase)});
    show(changes, block);
}

// Where the next part of a long block ends.
qsizetype partEnd(const Block &block, qsizetype begin)
{
    const qsizetype size = block.text.size();
    if (block.kind == BlockKind::Code) {
        qsizetype end = begin;
        for (int line = 0; line < kCodeLines; ++line) {
            const qsizetype feed = block.text.indexOf(u'\n', end);
            if (feed < 0 || feed - begin > kBlockCharacters)
                break;
            end = feed + 1;
        }
        if (size - begin <= kBlockCharacters && block.text.indexOf(u'\n', end) < 0 &&
            block.text.mid(begin).count(u'\n') < kCodeLines)
            return size;
        if (end > begin)
            return end;
    }
    if (size - begin <= kBlockCharacters)
        return size;
    qsizetype end = begin + kBlockCharacters;
    for (qsizetype back = end; back > end - 400; --back) {
        if (block.text[back - 1].isSpace())
            return back;
    }
    return block.text[end].isLowSurrogate() ? end - 1 : end;
}

Block slice(const Block &whole, qsizetype begin, qsizetype end)
{
    Block part = whole;
    part.text = whole.text.mid(begin, end - begin);
    part.spans.clear();
    part.runs.clear();
    const int from = static_cast<int>(begin);
    const int to = static_cast<int>(end);
    for (const Span &span : whole.spans) {
        if (span.end > from && span.begin < to)
            part.spans.push_back({std::max(span.begin, from) - from, std::min(span.end, to) - from, span.style, span.target});
    }
    for (const SourceRun &run : whole.runs) {
        const int runEnd = run.begin + run.length;
        if (runEnd <= from || run.begin >= to)
            continue;
        SourceRun cut = run;
        if (run.begin < from) {
            cut.sourceBegin += static_cast<int>(whole.text.mid(run.begin, from - run.begin).toUtf8().size());
            cut.begin = from;
        }
        if (runEnd > to)
            cut.sourceEnd -= static_cast<int>(whole.text.mid(to, runEnd - to).toUtf8().size());
        cut.length = std::min(runEnd, to) - cut.begin;
        cut.begin -= from;
        cut.sourceBegin = std::clamp(cut.sourceBegin, run.sourceBegin, run.sourceEnd);
        cut.sourceEnd = std::clamp(cut.sourceEnd, cut.sourceBegin, run.sourceEnd);
        part.runs.push_back(cut);
    }
    part.continuesAbove = begin > 0;
    part.continuesBelow = end < whole.text.size();
    if (part.continuesAbove) {
        part.marker.clear();
        part.tight = true;
        if (!part.runs.empty())
            part.sourceBegin = part.runs.front().sourceBegin;
    }
    if (part.continuesBelow && !part.runs.empty())
        part.sourceEnd = part.runs.back().sourceEnd;
    return part;
}

std::vector<Block> Builder::take()
{
    close();
    std::vector<Block> result;
    result.reserve(m_blocks.size());
    for (Block &block : m_blocks) {
        const int rows = block.columns > 0 ? static_cast<int>(block.cells.size()) / block.columns : 0;
        if (block.kind == BlockKind::Table && (block.columns > kTableColumns || rows > kTableRows)) {
            block.kind = BlockKind::Code;
            block.cells.clear();
            block.spans.clear();
        }
        markBracketMaths(block);
        showMaths(block);
        showGroundings(block, &block == &m_blocks.back());
        if (block.kind == BlockKind::Table || partEnd(block, 0) == block.text.size()) {
            result.push_back(std::move(block));
            continue;
        }
        for (qsizetype begin = 0; begin < block.text.size();) {
            const qsizetype end = partEnd(block, begin);
            result.push_back(slice(block, begin, end));
            begin = end;
        }
    }
    return result;
}

MD_PARSER parserFor()
{
    MD_PARSER parser{};
    parser.flags = kFlags;
    return parser;
}

struct Probe {
    QByteArrayView wanted;
    MD_BLOCKTYPE wantedType = MD_BLOCK_P;
    int depth = 0;
    MD_BLOCKTYPE last = MD_BLOCK_DOC;
    MD_BLOCKTYPE beforeLast = MD_BLOCK_DOC;
    QByteArray lastText;
};

} // namespace

std::vector<Block> parseMarkdown(QByteArrayView utf8, int baseOffset)
{
    Builder builder(utf8, baseOffset);
    MD_PARSER parser = parserFor();
    parser.enter_block = [](MD_BLOCKTYPE type, void *detail, void *data) {
        return static_cast<Builder *>(data)->enterBlock(type, detail);
    };
    parser.leave_block = [](MD_BLOCKTYPE type, void *, void *data) {
        return static_cast<Builder *>(data)->leaveBlock(type);
    };
    parser.enter_span = [](MD_SPANTYPE type, void *detail, void *data) {
        return static_cast<Builder *>(data)->enterSpan(type, detail);
    };
    parser.leave_span = [](MD_SPANTYPE type, void *, void *data) {
        return static_cast<Builder *>(data)->leaveSpan(type);
    };
    parser.text = [](MD_TEXTTYPE type, const char *text, MD_SIZE size, void *data) {
        return static_cast<Builder *>(data)->addText(type, text, size);
    };
    md_parse(utf8.data(), static_cast<MD_SIZE>(utf8.size()), &parser, &builder);
    return builder.take();
}

TopLevel probeMarkdown(QByteArrayView utf8, QByteArrayView probeText, bool fence)
{
    QByteArray text = utf8.toByteArray();
    text += fence ? QByteArray("```\n") + probeText.toByteArray() + "\n```\n" : probeText.toByteArray() + '\n';
    Probe probe;
    MD_PARSER parser = parserFor();
    parser.enter_block = [](MD_BLOCKTYPE type, void *, void *data) {
        auto &state = *static_cast<Probe *>(data);
        if (state.depth++ == 1) {
            state.beforeLast = state.last;
            state.last = type;
            state.lastText.clear();
        }
        return 0;
    };
    parser.leave_block = [](MD_BLOCKTYPE, void *, void *data) {
        --static_cast<Probe *>(data)->depth;
        return 0;
    };
    parser.enter_span = [](MD_SPANTYPE, void *, void *) { return 0; };
    parser.leave_span = [](MD_SPANTYPE, void *, void *) { return 0; };
    parser.text = [](MD_TEXTTYPE, const char *piece, MD_SIZE size, void *data) {
        auto &state = *static_cast<Probe *>(data);
        if (state.lastText.size() < 256) // only compared with a short probe
            state.lastText.append(piece, static_cast<qsizetype>(size));
        return 0;
    };
    md_parse(text.constData(), static_cast<MD_SIZE>(text.size()), &parser, &probe);
    const MD_BLOCKTYPE wanted = fence ? MD_BLOCK_CODE : MD_BLOCK_P;
    return {.lastIsList = probe.beforeLast == MD_BLOCK_UL || probe.beforeLast == MD_BLOCK_OL,
        .probeIsAlone = probe.last == wanted && probe.lastText.trimmed() == probeText};
}

Block plainBlock(QByteArrayView utf8, int baseOffset)
{
    Block block;
    block.text = cleaned(QString::fromUtf8(utf8.data(), utf8.size()));
    block.sourceBegin = baseOffset;
    block.sourceEnd = baseOffset + static_cast<int>(utf8.size());
    block.runs.push_back({0, static_cast<int>(block.text.size()), block.sourceBegin, block.sourceEnd});
    return block;
}

} // namespace ui
