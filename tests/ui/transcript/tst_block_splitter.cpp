// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "transcript/block_splitter.h"

#include <QElapsedTimer>
#include <QRandomGenerator>
#include <QTest>

using namespace ui;

namespace {

const char kCorpus[] = R"(# Heading

A paragraph with **bold**, *italic*, `code` and a [link](https://example.org/a_b).
A second line of it.

中文段落，带有 **粗体** 和 `代码`。 Maths: \( a_1 + b_2 \) and $x^2$, money $5.

- one
- two
  - deep
  - deeper

    with a paragraph

- three after a blank

1. first
2. second
   ```python
   print("in a list")

   more
   ```
3) other list

> a quote
lazy line

> - list in quote
> ```
> code in quote

after the quote
```json
{ "a": 1 }

{ "b": 2 }
```
directly after

~~~~
```
still code
~~~~

| a | b |
|---|:-:|
| 1 | **2** |
| `x` | 3 |

***

    indented code

    more of it

Setext
======

- [ ] open
- [x] done

&amp; &lt; &#65; <b>raw</b> \[ E = mc^2 \]

last line without end)";

// A block without text (a rule, an empty item) has no exact place.
bool same(Block a, Block b)
{
    if (a.runs.empty() && b.runs.empty())
        a.sourceBegin = a.sourceEnd = b.sourceBegin = b.sourceEnd = 0;
    return a == b;
}

void compare(const std::vector<Block> &actual, const std::vector<Block> &expected, const QByteArray &source)
{
    QVERIFY2(actual.size() == expected.size(),
        qPrintable(QStringLiteral("%1 blocks, %2 wanted, of: %3").arg(actual.size()).arg(expected.size())
                .arg(QString::fromUtf8(source))));
    for (std::size_t index = 0; index < actual.size(); ++index) {
        QVERIFY2(same(actual[index], expected[index]),
            qPrintable(QStringLiteral("block %1 is '%2' at %3-%4, '%5' at %6-%7 wanted, of: %8").arg(index)
                    .arg(actual[index].text).arg(actual[index].sourceBegin).arg(actual[index].sourceEnd)
                    .arg(expected[index].text).arg(expected[index].sourceBegin).arg(expected[index].sourceEnd)
                    .arg(QString::fromUtf8(source))));
    }
}

// Feeds the source in pieces and looks at the blocks each time, as a view does.
std::vector<Block> incremental(const QByteArray &source, QRandomGenerator &random, int mostBytes)
{
    BlockSplitter splitter;
    for (qsizetype at = 0; at < source.size();) {
        qsizetype length = 1 + random.bounded(mostBytes);
        while (at + length < source.size() && (static_cast<uchar>(source[at + length]) & 0xC0) == 0x80)
            ++length; // whole code points, as the engine sends them
        splitter.append(source.mid(at, length));
        (void)splitter.blocks();
        at += length;
    }
    splitter.finish();
    return splitter.blocks();
}

} // namespace

class TestBlockSplitter : public QObject
{
    Q_OBJECT

private slots:
    void piecesGiveTheSameBlocksAsTheWhole();
    void everyPrefixGivesTheSameBlocks();
    void shuffledLinesGiveTheSameBlocks();
    void finalBlocksNeverChange();
    void linksDefinedLaterAreFound();
    void whatAModelPointsAtIsNamed();
    void whatIsStillBeingWrittenShowsNoMarkers();
    void blocksKnowTheirSource();
    void hostileTextEndsInTime_data();
    void hostileTextEndsInTime();
};

void TestBlockSplitter::piecesGiveTheSameBlocksAsTheWhole()
{
    QRandomGenerator random(1);
    const QByteArray source(kCorpus);
    const std::vector<Block> whole = parseMarkdown(source);
    QVERIFY(whole.size() > 20);
    for (int round = 0; round < 60; ++round)
        compare(incremental(source, random, 1 + round * 2), whole, source);
}

void TestBlockSplitter::everyPrefixGivesTheSameBlocks()
{
    QRandomGenerator random(2);
    const QByteArray source(kCorpus);
    for (qsizetype length = 1; length < source.size(); length += 3) {
        if ((static_cast<uchar>(source[length]) & 0xC0) == 0x80)
            continue;
        const QByteArray prefix = source.left(length);
        compare(incremental(prefix, random, 40), parseMarkdown(prefix), prefix);
    }
}

void TestBlockSplitter::shuffledLinesGiveTheSameBlocks()
{
    QRandomGenerator random(3);
    QByteArrayList lines = QByteArray(kCorpus).split('\n');
    lines << "" << "" << "```" << "  ```" << "    ```" << "> ```" << "- ```" << "$$" << "| a |" << "\t- x" << "1." << "-";
    for (int round = 0; round < 1500; ++round) {
        QByteArray source;
        const int count = 1 + static_cast<int>(random.bounded(14));
        for (int line = 0; line < count; ++line)
            source += lines[random.bounded(lines.size())] + '\n';
        compare(incremental(source, random, 30), parseMarkdown(source), source);
        if (QTest::currentTestFailed())
            return;
    }
}

void TestBlockSplitter::finalBlocksNeverChange()
{
    const QByteArray source(kCorpus);
    BlockSplitter splitter;
    std::vector<Block> before;
    for (qsizetype at = 0; at < source.size(); at += 11) {
        const int firstChanged = splitter.append(source.mid(at, 11));
        const std::vector<Block> &now = splitter.blocks();
        QVERIFY(static_cast<std::size_t>(firstChanged) <= before.size());
        for (int index = 0; index < firstChanged; ++index)
            QVERIFY(now[static_cast<std::size_t>(index)] == before[static_cast<std::size_t>(index)]);
        before = now;
    }
    QVERIFY(splitter.append("x") > 20); // nearly all is final by now
}

void TestBlockSplitter::linksDefinedLaterAreFound()
{
    QRandomGenerator random(4);
    const QByteArray source("See [the page][p].\n\nMore text.\n\n[p]: https://example.org\n");
    const std::vector<Block> blocks = incremental(source, random, 5);
    QCOMPARE(blocks.size(), 2U);
    QCOMPARE(blocks[0].text, QStringLiteral("See the page."));
    QCOMPARE(blocks[0].spans.size(), 1U);
    QCOMPARE(blocks[0].spans[0].target, QStringLiteral("https://example.org"));
}

void TestBlockSplitter::whatAModelPointsAtIsNamed()
{
    const QByteArray source("Here: <|ref|>圆形 one<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|> and **<|ref|>b<|/ref|><|det|>[[1,2,3,4], [5,6,7,8]]<|/det|>**.");
    const std::vector<Block> blocks = parseMarkdown(source);
    QCOMPARE(blocks.size(), std::size_t(1));
    QCOMPARE(blocks[0].text, QStringLiteral("Here: 圆形 one and b."));
    bool found = false; // copied with all that was written
    for (const SourceRun &run : blocks[0].runs)
        found |= blocks[0].text.mid(run.begin, run.length) == QStringLiteral("圆形 one") &&
                 source.mid(run.sourceBegin, run.sourceEnd - run.sourceBegin) == "<|ref|>圆形 one<|/ref|><|det|>[[1, 2, 30, 40]]<|/det|>";
    QVERIFY(found);
    const QByteArray other("<|ref|>b<|/ref|><|det|>[[1, 2, 3]]<|/det|>");
    QCOMPARE(parseMarkdown(other).front().text, QString::fromUtf8(other)); // no box
}

void TestBlockSplitter::whatIsStillBeingWrittenShowsNoMarkers()
{
    const QByteArray source("Two: <|ref|>the red one<|/ref|><|det|>[[1, 2, 30, 40], [5, 6, 70, 80]]<|/det|> and <|ref|>圆形<|/ref|><|det|>[[1,2,3,4]]<|/det|>.");
    const QString whole = QStringLiteral("Two: the red one and 圆形.");
    for (qsizetype length = 1; length <= source.size(); ++length) {
        const QByteArray part = source.first(length);
        const bool isInMarker = part.lastIndexOf("<|ref|>") < part.lastIndexOf('<') && QByteArray("<|ref|>").startsWith(part.mid(part.lastIndexOf('<')));
        if (isInMarker || !QString::fromUtf8(part).toUtf8().startsWith(part)) // tokens are whole
            continue;
        const QString shown = parseMarkdown(part).back().text;
        QVERIFY2(whole.startsWith(shown), part.constData());
        QVERIFY(part.size() < 20 || shown.size() > 4);
    }
    QCOMPARE(parseMarkdown("A <|ref|>b<|/ref|><|det|>[[1, 2").back().text, QStringLiteral("A b"));
    // What cannot become a box stays text.
    for (const char *other : {"A <|ref|>b<|/ref|> c", "A <|ref|>b<|det|>", "A <|ref|>b<|/ref|><|det|>[[1, x", "A <|ref|>b<c"})
        QCOMPARE(parseMarkdown(other).back().text, QString::fromUtf8(other));
    QCOMPARE(parseMarkdown("A <|ref|>b\n\nc").front().text, QStringLiteral("A <|ref|>b")); // the text went on without it
}

void TestBlockSplitter::blocksKnowTheirSource()
{
    const QByteArray source("# A\n\n- **b**\n- c\n\n```\nx\n\n```\n\nend\n");
    const std::vector<Block> blocks = parseMarkdown(source);
    QByteArrayList slices;
    for (const Block &block : blocks)
        slices << source.mid(block.sourceBegin, block.sourceEnd - block.sourceBegin);
    QCOMPARE(slices, (QByteArrayList{"# A\n", "- **b**\n", "- c\n", "```\nx\n\n```\n", "end\n"}));
}

void TestBlockSplitter::hostileTextEndsInTime_data()
{
    QTest::addColumn<QByteArray>("source");
    QTest::newRow("1 MB without a space") << QByteArray(1 << 20, 'a');
    QTest::newRow("brackets") << QByteArray(100000, '[');
    QTest::newRow("stars") << QByteArray(100000, '*');
    QTest::newRow("backticks") << QByteArray("` ``").repeated(20000);
    QTest::newRow("quotes") << QByteArray("> ").repeated(20000);
    QTest::newRow("nested list") << [] {
        QByteArray text;
        for (int depth = 0; depth < 500; ++depth)
            text += QByteArray(depth * 2, ' ') + "- x\n";
        return text;
    }();
    QTest::newRow("loose list") << QByteArray("- a\n\n").repeated(10000);
    QTest::newRow("open fence") << QByteArray("```\n") + QByteArray("line of code\n\n").repeated(20000);
    QTest::newRow("wide table") << QByteArray("|a").repeated(5000) + "\n" + QByteArray("|-").repeated(5000) + "\n";
    QTest::newRow("zero bytes") << QByteArray(1000, '\0');
    QTest::newRow("broken UTF-8") << QByteArray("\xFF\xC0\x80\xED\xA0\x80 x\n\n").repeated(1000);
    QTest::newRow("paragraphs") << QByteArray("word and word\n\n").repeated(20000);
}

void TestBlockSplitter::hostileTextEndsInTime()
{
    QFETCH(QByteArray, source);
    BlockSplitter splitter;
    QElapsedTimer timer;
    timer.start();
    splitter.append(source);
    QVERIFY(splitter.blocks().size() <= 50000);
    splitter.finish();
    for (const Block &block : splitter.blocks())
        QVERIFY(block.text.size() <= 70000);
    QVERIFY2(timer.elapsed() < 4000, qPrintable(QString::number(timer.elapsed())));
}

QTEST_APPLESS_MAIN(TestBlockSplitter)
#include "tst_block_splitter.moc"
