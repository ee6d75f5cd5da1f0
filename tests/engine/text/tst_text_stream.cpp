// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/stop_matcher.h"
#include "text/thinking_splitter.h"
#include "text/utf8.h"
#include "text/utf8_stream.h"

#include <QTest>

#include <random>
#include <utility>

using namespace engine;
using namespace std::string_literals;

class TestTextStream : public QObject
{
    Q_OBJECT

private slots:
    void splitCodePointWaits();
    void brokenBytesAreReplacedByMaximalSubpart_data();
    void brokenBytesAreReplacedByMaximalSubpart();
    void anyBytesInAnyCutGiveTheSameValidText();
    void stopTextIsHeldBackAndNotShown();
    void stopMatchingDoesNotDependOnTheCut();
    void thinkingIsPartedFromTheAnswer();
    void markerInsideTheAnswerIsText();
    void splittingDoesNotDependOnTheCut();
};

namespace {

// `text` in pieces of 0 to 4 bytes.
std::vector<std::string> cut(const std::string &text, std::mt19937 &random)
{
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = std::min<std::size_t>(random() % 5, text.size() - at);
        pieces.push_back(text.substr(at, length));
        at += length;
    }
    return pieces;
}

std::string streamed(const std::vector<std::string> &pieces)
{
    Utf8Stream stream;
    std::string text;
    for (const std::string &piece : pieces)
        text += stream.push(piece);
    return text + std::string(stream.finish());
}

std::string stopped(const std::vector<std::string> &stops, const std::vector<std::string> &pieces)
{
    StopMatcher matcher(stops);
    std::string shown;
    for (const std::string &piece : pieces)
        shown += matcher.push(piece);
    shown += matcher.finish();
    return shown + (matcher.stopped() ? "|" : "");
}

std::pair<std::string, std::string> parted(const std::vector<std::string> &pieces, bool startsThinking)
{
    ThinkingSplitter splitter("<think>", "</think>", startsThinking);
    std::pair<std::string, std::string> both;
    const auto take = [&](const std::vector<ThinkingSplitter::Part> &parts) {
        for (const auto &part : parts)
            (part.thinking ? both.first : both.second) += part.text;
    };
    for (const std::string &piece : pieces)
        take(splitter.push(piece));
    take(splitter.finish());
    return both;
}

} // namespace

void TestTextStream::splitCodePointWaits()
{
    Utf8Stream stream;
    QCOMPARE(stream.push("\xE2\x82"), std::string_view());
    QCOMPARE(stream.push("\xAC"), std::string_view("\xE2\x82\xAC"));
    QCOMPARE(stream.push("a\xF0\x9F\x98"), std::string_view("a"));
    QCOMPARE(stream.push("b"), std::string_view("\xEF\xBF\xBD" "b")); // can no longer become one
    QCOMPARE(stream.push("\xE4"), std::string_view());
    QCOMPARE(stream.finish(), std::string_view("\xEF\xBF\xBD"));
    QCOMPARE(stream.finish(), std::string_view());
}

void TestTextStream::brokenBytesAreReplacedByMaximalSubpart_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<int>("replacements"); // as Python 3 gives with errors="replace"
    QTest::newRow("lone continuation") << QByteArray("\x80") << 1;
    QTest::newRow("overlong slash") << QByteArray("\xC0\xAF") << 2;
    QTest::newRow("overlong of three") << QByteArray("\xE0\x80\xAF") << 3;
    QTest::newRow("surrogate") << QByteArray("\xED\xA0\x80") << 3;
    QTest::newRow("cut emoji") << QByteArray("\xF0\x9F\x98") << 1;
    QTest::newRow("cut emoji twice") << QByteArray("\xF0\x9F\xF0\x9F") << 2;
    QTest::newRow("over the last plane") << QByteArray("\xF4\x90\x80\x80") << 4;
    QTest::newRow("no lead byte") << QByteArray("\xFE\xFF") << 2;
}

void TestTextStream::brokenBytesAreReplacedByMaximalSubpart()
{
    QFETCH(QByteArray, bytes);
    QFETCH(int, replacements);
    std::string wanted;
    for (int i = 0; i < replacements; ++i)
        wanted += kReplacement;
    QCOMPARE(repairUtf8(bytes.toStdString()), wanted);
    QCOMPARE(streamed({bytes.toStdString()}), wanted);
    QVERIFY(!isValidUtf8(bytes.toStdString()));
}

void TestTextStream::anyBytesInAnyCutGiveTheSameValidText()
{
    std::mt19937 random(7);
    const std::vector<std::string> parts{"a", "\xC3\xA9", "\xE4\xBD\xA0", "\xF0\x9F\x98\x80", "\xE4", "\x80", "\xF0\x9F", "\xFF", "\xED\xA0"};
    for (int round = 0; round < 10000; ++round) {
        std::string bytes;
        for (int i = 0; i < 8; ++i)
            bytes += random() % 3 ? parts[random() % parts.size()] : std::string(1, static_cast<char>(random()));
        const std::string text = streamed(cut(bytes, random));
        QVERIFY(isValidUtf8(text));
        QCOMPARE(text, repairUtf8(bytes));
    }
}

void TestTextStream::stopTextIsHeldBackAndNotShown()
{
    StopMatcher matcher({"User:", ""});
    QCOMPARE(matcher.push("Hi U"), std::string_view("Hi "));
    QCOMPARE(matcher.push("s"), std::string_view());
    QCOMPARE(matcher.push("a"), std::string_view("Usa"));
    QCOMPARE(matcher.push(" User"), std::string_view(" "));
    QVERIFY(!matcher.stopped());
    QCOMPARE(matcher.push(": more"), std::string_view());
    QVERIFY(matcher.stopped());
    QCOMPARE(matcher.push("more"), std::string_view());
    QCOMPARE(matcher.finish(), std::string_view());
    StopMatcher ending({"\n\n"});
    QCOMPARE(ending.push("end\n"), std::string_view("end"));
    QCOMPARE(ending.finish(), std::string_view("\n"));
    StopMatcher none({});
    QCOMPARE(none.push("all"), std::string_view("all"));
}

void TestTextStream::stopMatchingDoesNotDependOnTheCut()
{
    std::mt19937 random(11);
    const std::vector<std::string> stops{"ab", "xabc", "aaab", "cc"};
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (int i = 0; i < 12; ++i)
            text += "abcx"[random() % 4];
        QCOMPARE(stopped(stops, cut(text, random)), stopped(stops, {text}));
    }
    QCOMPARE(stopped({"aab"}, {"aaab"}), "a|"s);
}

void TestTextStream::thinkingIsPartedFromTheAnswer()
{
    using Both = std::pair<std::string, std::string>;
    QCOMPARE(parted({"<think>\nhm\n</think>\n\nyes"}, false), (Both{"hm", "yes"}));
    QCOMPARE(parted({"\nhm\n\nso\n</think>\n\nyes\n"}, true), (Both{"hm\n\nso", "yes\n"}));
    QCOMPARE(parted({"\n", "</think>", "\n", "\nyes"}, true), (Both{"", "yes"}));
    QCOMPARE(parted({"never closed <"}, true), (Both{"never closed <", ""}));
    QCOMPARE(parted({"<thin"}, false), (Both{"", "<thin"}));
    QCOMPARE(parted({" \n"}, false), (Both{"", " \n"}));
    ThinkingSplitter splitter("<think>", "</think>", true);
    QVERIFY(splitter.thinking());
    (void)splitter.push("a</think>");
    QVERIFY(!splitter.thinking());
    ThinkingSplitter off("", "", false);
    QCOMPARE(off.push("<think>").at(0).text, "<think>"s);
}

void TestTextStream::markerInsideTheAnswerIsText()
{
    using Both = std::pair<std::string, std::string>;
    QCOMPARE(parted({"The <think> marker opens, </think> closes."}, false), (Both{"", "The <think> marker opens, </think> closes."}));
    QCOMPARE(parted({"<think>a <think> b</think>c </think> <think>d"}, false), (Both{"a <think> b", "c </think> <think>d"}));
}

void TestTextStream::splittingDoesNotDependOnTheCut()
{
    std::mt19937 random(13);
    const std::vector<std::string> parts{"<think>", "</think>", "\n", "a", " ", "<", "</thi", "nk>", "\n\n"};
    for (int round = 0; round < 20000; ++round) {
        std::string text;
        for (int i = 0; i < 7; ++i)
            text += parts[random() % parts.size()];
        const bool startsThinking = random() % 2;
        QCOMPARE(parted(cut(text, random), startsThinking), parted({text}, startsThinking));
    }
}

QTEST_APPLESS_MAIN(TestTextStream)
#include "tst_text_stream.moc"
