// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "compare/word_diff.h"

#include <QElapsedTimer>
#include <QRandomGenerator>
#include <QtTest>

using ui::WordDiff;
using ui::WordSpan;

class TestWordDiff : public QObject
{
    Q_OBJECT

private:
    static QStringList marked(const QString &text, const QVector<WordSpan> &spans)
    {
        QStringList words;
        for (const WordSpan &span : spans)
            words += text.mid(span.begin, span.length);
        return words;
    }
    // What is not marked, without white space: it must be the same on both sides.
    static QString kept(QString text, const QVector<WordSpan> &spans)
    {
        for (auto span = spans.crbegin(); span != spans.crend(); ++span)
            text.remove(span->begin, span->length);
        return text.remove(QRegularExpression(QStringLiteral("\\s")));
    }

private slots:
    void differentWordsAreMarked_data();
    void differentWordsAreMarked();
    void whatIsLeftIsTheSameOnBothSides();
    void longTextsStayFast();
};

void TestWordDiff::differentWordsAreMarked_data()
{
    QTest::addColumn<QString>("left");
    QTest::addColumn<QString>("right");
    QTest::addColumn<QStringList>("onlyLeft");
    QTest::addColumn<QStringList>("onlyRight");
    QTest::addColumn<int>("first");
    const auto row = [](const char *name, const char *left, const char *right, const QStringList &onlyLeft,
                         const QStringList &onlyRight, int first) {
        QTest::newRow(name) << QString::fromUtf8(left) << QString::fromUtf8(right) << onlyLeft << onlyRight << first;
    };
    const auto words = [](std::initializer_list<const char *> list) {
        QStringList result;
        for (const char *word : list)
            result += QString::fromUtf8(word);
        return result;
    };
    row("same", "a b c", "a b c", {}, {}, 0);
    row("white space is not compared", "a  b\nc", "a b c", {}, {}, 0);
    row("both empty", "", "", {}, {}, 0);
    row("one empty", "", "a b", {}, words({"a b"}), 1);
    row("numbers", "The tallest bar is 81 and the lowest 28.", "The tallest bar is 80 and the lowest 30.",
        words({"81", "28"}), words({"80", "30"}), 5);
    row("goes on", "one two", "one two three", {}, words({"three"}), 3);
    row("inserted", "a c d", "a b c d", {}, words({"b"}), 2);
    row("nothing in common", "x y", "a b c", words({"x y"}), words({"a b c"}), 1);
    row("punctuation", "Yes.", "Yes!", words({"."}), words({"!"}), 2);
    row("Chinese by character", "图里有三个红色的圆形", "图里有四个红色的圆形", words({"三"}), words({"四"}), 4);
    row("beyond the basic plane", "𠮷a", "𠮷b", words({"a"}), words({"b"}), 2);
}

void TestWordDiff::differentWordsAreMarked()
{
    QFETCH(QString, left);
    QFETCH(QString, right);
    QFETCH(QStringList, onlyLeft);
    QFETCH(QStringList, onlyRight);
    QFETCH(int, first);
    const WordDiff diff = ui::diffWords(left, right);
    QCOMPARE(marked(left, diff.left), onlyLeft);
    QCOMPARE(marked(right, diff.right), onlyRight);
    QCOMPARE(diff.firstDifferentWord, first);
    QCOMPARE(diff.isSame(), first == 0);
}

void TestWordDiff::whatIsLeftIsTheSameOnBothSides()
{
    QRandomGenerator random(3);
    for (int round = 0; round < 400; ++round) {
        const auto text = [&] {
            QString words;
            for (int i = 0, count = int(random.bounded(30)); i < count; ++i)
                words += QStringLiteral("a b c dd 天 气 . ").split(u' ')[int(random.bounded(7))] + u' ';
            return words;
        };
        const QString left = text();
        const QString right = text();
        const WordDiff diff = ui::diffWords(left, right);
        QCOMPARE(kept(left, diff.left), kept(right, diff.right));
        const WordDiff back = ui::diffWords(right, left);
        QCOMPARE(back.isSame(), diff.isSame());
    }
}

void TestWordDiff::longTextsStayFast()
{
    QString left, right;
    for (int i = 0; i < 20000; ++i) {
        left += QStringLiteral("left%1 ").arg(i);
        right += QStringLiteral("right%1 ").arg(i);
    }
    QElapsedTimer clock;
    clock.start();
    const WordDiff diff = ui::diffWords(left, right);
    QVERIFY2(clock.elapsed() < 1000, qPrintable(QString::number(clock.elapsed())));
    QCOMPARE(diff.left.size(), 1);
    QCOMPARE(diff.firstDifferentWord, 1);
}

QTEST_APPLESS_MAIN(TestWordDiff)
#include "tst_word_diff.moc"
