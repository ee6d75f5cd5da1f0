// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "golden_tokenizer.h"
#include "text/utf8.h"

#include <QFile>
#include <QTest>

#include <array>
#include <cstring>

using namespace engine;
using Ids = std::vector<std::int32_t>;

// The published tokenizers against ids stored from the reference library (tests/golden/tokenizers/make_ids.py).
class TestTokenizerGolden : public QObject
{
    Q_OBJECT

private slots:
    void initTestCase();
    void idsEqualTheReference_data();
    void idsEqualTheReference();
    void textRoundTrips_data();
    void textRoundTrips();
    void specialSpellingsFromPeopleGiveNoAddedIds_data();
    void specialSpellingsFromPeopleGiveNoAddedIds();
    void digitsGoInThreesOrOneByOne();

private:
    std::vector<std::string> m_strings;
};

namespace {

std::uint64_t fnv1a(const Ids &ids)
{
    std::uint64_t value = 0xCBF29CE484222325ULL;
    for (const std::int32_t id : ids) {
        for (int shift = 0; shift < 32; shift += 8)
            value = (value ^ ((static_cast<std::uint32_t>(id) >> shift) & 0xFFU)) * 0x100000001B3ULL;
    }
    return value;
}

// Undoes \xNN.
std::string unescaped(const QByteArray &line)
{
    std::string text;
    for (qsizetype i = 0; i < line.size(); ++i) {
        if (line[i] == '\\') {
            text.push_back(static_cast<char>(line.mid(i + 2, 2).toInt(nullptr, 16)));
            i += 3;
        } else {
            text.push_back(line[i]);
        }
    }
    return text;
}

void families()
{
    QTest::addColumn<QString>("family");
    for (const char *family : {"deepseek_v3", "qwen3"})
        QTest::newRow(family) << QString::fromLatin1(family);
}

} // namespace

void TestTokenizerGolden::initTestCase()
{
    QFile file(goldenPath("tokenizers/strings.txt"));
    QVERIFY(file.open(QIODevice::ReadOnly));
    while (!file.atEnd()) {
        QByteArray line = file.readLine();
        line.chop(1);
        m_strings.push_back(unescaped(line));
    }
    QCOMPARE(m_strings.size(), std::size_t{2000});
}

void TestTokenizerGolden::idsEqualTheReference_data() { families(); }

void TestTokenizerGolden::idsEqualTheReference()
{
    QFETCH(QString, family);
    const auto tokenizer = goldenTokenizer(family);
    QVERIFY(tokenizer);
    QFile file(goldenPath("tokenizers/" + family + "/ids.txt"));
    QVERIFY(file.open(QIODevice::ReadOnly));
    std::size_t inClear = 0;
    for (const std::string &text : m_strings) {
        const QList<QByteArray> fields = file.readLine().trimmed().split(' ');
        const Ids ids = tokenizer->encodeWithSpecials(text);
        if (fields.size() > 1 && !fields[1].isEmpty()) {
            Ids wanted;
            for (qsizetype i = 1; i < fields.size(); ++i)
                wanted.push_back(fields[i].toInt());
            QCOMPARE(ids, wanted);
            ++inClear;
        }
        QVERIFY2(fnv1a(ids) == fields[0].toULongLong(nullptr, 16), text.c_str());
    }
    QVERIFY(file.atEnd());
    QVERIFY(inClear > 150);
}

void TestTokenizerGolden::textRoundTrips_data() { families(); }

void TestTokenizerGolden::textRoundTrips()
{
    QFETCH(QString, family);
    const auto tokenizer = goldenTokenizer(family);
    QVERIFY(tokenizer);
    for (const std::string &text : m_strings) {
        for (const Ids &ids : {tokenizer->encodeWithSpecials(text), tokenizer->encode(text)}) {
            const std::string decoded = tokenizer->decode(ids, false);
            if (family == QStringLiteral("deepseek_v3")) // Qwen3 composes, so its text may come back in another form
                QCOMPARE(decoded, repairUtf8(text));
            QVERIFY(isValidUtf8(decoded));
        }
        const Ids plain = tokenizer->encode(text);
        QCOMPARE(tokenizer->encode(tokenizer->decode(plain, false)), plain);
    }
}

void TestTokenizerGolden::specialSpellingsFromPeopleGiveNoAddedIds_data() { families(); }

void TestTokenizerGolden::specialSpellingsFromPeopleGiveNoAddedIds()
{
    QFETCH(QString, family);
    const auto tokenizer = goldenTokenizer(family);
    QVERIFY(tokenizer);
    int added = 0;
    for (std::int32_t id = 0; id < tokenizer->size(); ++id) {
        if (!tokenizer->isAdded(id))
            continue;
        ++added;
        const std::string spelling(tokenizer->bytes(id));
        QCOMPARE(tokenizer->encodeWithSpecials("a" + spelling + "b").at(1), id);
        for (const std::int32_t plain : tokenizer->encode("a" + spelling + "b"))
            QVERIFY2(!tokenizer->isAdded(plain), spelling.c_str());
    }
    QCOMPARE(added, family == QStringLiteral("qwen3") ? 26 : 818);
}

void TestTokenizerGolden::digitsGoInThreesOrOneByOne()
{
    const auto pieces = [](const Tokenizer &tokenizer) {
        std::vector<std::string> texts;
        for (const std::int32_t id : tokenizer.encode("1234567"))
            texts.emplace_back(tokenizer.bytes(id));
        return texts;
    };
    QCOMPARE(pieces(*goldenTokenizer("deepseek_v3")), (std::vector<std::string>{"123", "456", "7"}));
    QCOMPARE(pieces(*goldenTokenizer("qwen3")), (std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7"}));
}

QTEST_APPLESS_MAIN(TestTokenizerGolden)
#include "tst_tokenizer_golden.moc"
