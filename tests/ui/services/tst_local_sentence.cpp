// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "services/local_sentence.h"

#include "../../../app/decode/protocol.h"

#include <QTranslator>
#include <QtTest>

using ui::localSentence;

namespace {

// Puts every known sentence in brackets, so that it is seen which were known.
class Marks final : public QTranslator {
public:
    [[nodiscard]] QString translate(const char *context, const char *source, const char *, int) const override
    {
        return QByteArrayView(context) == "sentences" ? QStringLiteral("[%1]").arg(QString::fromUtf8(source)) : QString();
    }
    [[nodiscard]] bool isEmpty() const override { return false; }
};

} // namespace

class TestLocalSentence : public QObject
{
    Q_OBJECT

private slots:
    void englishStaysAsItIs();
    void numbersAreFilledInAgain();
    void whatTheDecoderSaysOfSizesIsKnown();
    void strangeTextInAPlaceIsHarmless();
    void everyChineseSentenceHasItsPlaces();
};

void TestLocalSentence::englishStaysAsItIs()
{
    for (const char *text : {"The picture is 90000 x 3 pixels; a side may have at most 65535 pixels.", "unheard of", ""})
        QCOMPARE(localSentence(text), QString::fromUtf8(text));
}

void TestLocalSentence::numbersAreFilledInAgain()
{
    Marks marks;
    QCoreApplication::installTranslator(&marks);
    QCOMPARE(localSentence("the context of 4096 tokens is full; start a new conversation or load the model with a longer context"),
        QStringLiteral("[the context of 4096 tokens is full; start a new conversation or load the model with a longer context]"));
    QCOMPARE(localSentence("a.gguf is not a sound GGUF file: it ends early."), QStringLiteral("[a.gguf is not a sound GGUF file: it ends early.]"));
    for (const char *text : {"The model does not fit on the card: the weights take 1.2 GB and every step 300 MB to work in, and 700 MB are free on the card",
             "The model does not fit on the card: a context of 256 tokens needs 9 MiB and 4 MiB can be used; close another model or ask for a smaller context",
             "the NVIDIA driver is missing or older than CUDA 13 needs; update it", "there is no CUDA device 3; this machine has 1",
             "the card failed (unspecified launch failure); start Diptych again, or load the model on the processor",
             "There is no file mini-vl there.", "The file a.gguf cannot be opened: Input/output error."})
        QCOMPARE(localSentence(text), QStringLiteral("[%1]").arg(QString::fromUtf8(text)));
    QCOMPARE(localSentence("unheard of"), QStringLiteral("unheard of"));
}

void TestLocalSentence::whatTheDecoderSaysOfSizesIsKnown()
{
    Marks marks;
    QCoreApplication::installTranslator(&marks);
    for (const auto &[width, height] : {std::pair(0, 5), std::pair(70000, 10), std::pair(20000, 20000), std::pair(3000, 1)}) {
        const std::string said = decode::sizeProblem(std::uint64_t(width), std::uint64_t(height));
        QVERIFY(!said.empty());
        QCOMPARE(localSentence(said), u'[' + QString::fromStdString(said) + u']');
    }
}

void TestLocalSentence::strangeTextInAPlaceIsHarmless()
{
    Marks marks;
    QCoreApplication::installTranslator(&marks);
    QCOMPARE(localSentence("%2 %1.gguf is not a sound GGUF file: \\1 (a) %%3."),
        QStringLiteral("[%2 %1.gguf is not a sound GGUF file: \\1 (a) %%3.]"));
    (void)localSentence(std::string(100000, 'a'));
    (void)localSentence("\xFF\xFE is not a sound GGUF file: x.");
}

// A place lost in the translation would hide a name or a number.
void TestLocalSentence::everyChineseSentenceHasItsPlaces()
{
    QFile file(QStringLiteral(DIPTYCH_SOURCE_DIR "/translations/diptych_zh_CN.ts"));
    QVERIFY(file.open(QIODevice::ReadOnly));
    const QString text = QString::fromUtf8(file.readAll());
    QVERIFY2(!text.contains(QStringLiteral("type=\"unfinished\"")), "translations/diptych_zh_CN.ts has untranslated texts");
    static const QRegularExpression pair(
        QStringLiteral("<source>([^<]*)</source>\\s*(?:<comment>[^<]*</comment>\\s*)?<translation>([^<]*)</translation>"));
    static const QRegularExpression place(QStringLiteral("%\\d|%n"));
    int checked = 0;
    for (auto match = pair.globalMatch(text); match.hasNext();) {
        const QRegularExpressionMatch found = match.next();
        const auto places = [](const QString &in) {
            QStringList all;
            for (auto at = place.globalMatch(in); at.hasNext();)
                all += at.next().captured();
            all.removeDuplicates();
            all.sort();
            return all;
        };
        QCOMPARE(places(found.captured(2)), places(found.captured(1)));
        ++checked;
    }
    QVERIFY(checked > 300);
}

QTEST_GUILESS_MAIN(TestLocalSentence)
#include "tst_local_sentence.moc"
