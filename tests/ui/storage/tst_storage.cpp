// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/conversation_store.h"
#include "storage/search_text.h"

#include <QCryptographicHash>
#include <QDir>
#include <QEventLoop>
#include <QTemporaryDir>
#include <QTimer>
#include <QtTest>

#include <functional>
#include <memory>
#include <optional>

using namespace ui;

class TestStorage : public QObject
{
    Q_OBJECT

private:
    // Asks and waits: only tests do that.
    template <typename T, typename Ask> T ask(Ask ask)
    {
        std::optional<T> answer;
        QEventLoop loop;
        ask([&](T value) {
            answer = std::move(value);
            loop.quit();
        });
        QTimer::singleShot(5000, &loop, &QEventLoop::quit);
        loop.exec();
        return answer.value_or(T());
    }
    QVector<SessionRow> sessions()
    {
        return ask<QVector<SessionRow>>([this](auto then) { m_store->listSessions(this, then); });
    }
    StoredConversation conversation(RowId id)
    {
        return ask<StoredConversation>([=, this](auto then) { m_store->loadConversation(id, this, then); });
    }
    QVector<SearchHit> search(const QString &words)
    {
        return ask<QVector<SearchHit>>([=, this](auto then) { m_store->search(words, this, then); });
    }
    void reopen()
    {
        m_store.reset();
        m_store = std::make_unique<ConversationStore>(m_folder->path());
        QSignalSpy opened(m_store.get(), &ConversationStore::opened);
        m_store->open();
        QVERIFY(opened.wait());
    }
    static StoredPart text(const QString &what) { return {.kind = PartKind::Text, .text = what, .sha256 = {}, .name = {}}; }

    std::unique_ptr<QTemporaryDir> m_folder;
    std::unique_ptr<ConversationStore> m_store;

private slots:
    void init()
    {
        m_folder = std::make_unique<QTemporaryDir>();
        reopen();
    }
    void cleanup() { m_store.reset(); }

    void aChatComesBackAfterARestart();
    void aStreamedAnswerIsThereWhileItRuns();
    void anAnswerInterruptedByTheEndKeepsItsText();
    void aSecondAnswerIsABranch();
    void chineseWordsOfTwoCharactersAreFound();
    void searchTakesNothingAsSyntax_data();
    void searchTakesNothingAsSyntax();
    void titlesAreFoundAndRenamed();
    void removingTakesMessagesHitsAndUnusedPictures();
    void aComparisonKeepsColumnsAndVotes();
    void writingToARemovedChatIsHarmless();
    void streamingDoesNotReloadTheList();
    void exportNamesWhoSaidWhat();
    void exportSaysBoxesInWords();
    void tokensOfAnAnswerAreKept();
    void aBlindComparisonStaysBlindUntilRevealed();
    void splittingIsUndoneByJoining();
};

void TestStorage::aChatComesBackAfterARestart()
{
    const QByteArray file = "not really a picture";
    const QString sha = QString::fromLatin1(QCryptographicHash::hash(file, QCryptographicHash::Sha256).toHex());
    const RowId chat = m_store->createConversation(QStringLiteral("Shapes"), QStringLiteral("mini-vl"));
    m_store->addAttachment(sha, file);
    const RowId question = m_store->addMessage(chat, 0, StoredRole::User,
        {{.kind = PartKind::Image, .text = {}, .sha256 = sha, .name = QStringLiteral("a.png"), .width = 64, .height = 48},
            text(QStringLiteral("How many circles?"))});
    StoredRun run;
    run.modelKey = QStringLiteral("mini-vl");
    run.seed = 0xFFFFFFFFFFFFFFFFULL;
    const RowId answer = m_store->beginAnswer(chat, question, run);
    m_store->appendAnswer(answer, QStringLiteral("Let me look."), true);
    m_store->appendAnswer(answer, QStringLiteral("Three "), false);
    m_store->appendAnswer(answer, QStringLiteral("circles."), false);
    run.promptIds = {1, -2, 2147483647};
    run.firstTokenMs = 12.5;
    m_store->finishAnswer(answer, AnswerState::Complete, run);

    reopen();
    const QVector<SessionRow> rows = sessions();
    QCOMPARE(rows.size(), 1);
    QCOMPARE(rows[0].title, QStringLiteral("Shapes"));
    QCOMPARE(rows[0].questions, 1);
    const StoredConversation back = conversation(chat);
    QCOMPARE(back.modelKey, QStringLiteral("mini-vl"));
    const QVector<StoredMessage> path = back.path();
    QCOMPARE(path.size(), 2);
    QCOMPARE(path[0].parts[0].sha256, sha);
    QCOMPARE(path[0].parts[0].width, 64);
    QCOMPARE(path[1].text(), QStringLiteral("Three circles."));
    QCOMPARE(path[1].text(PartKind::Thinking), QStringLiteral("Let me look."));
    QCOMPARE(path[1].state, AnswerState::Complete);
    QVERIFY(path[1].run.has_value());
    QCOMPARE(path[1].run->seed, run.seed);
    QCOMPARE(path[1].run->promptIds, run.promptIds);
    QCOMPARE(path[1].run->firstTokenMs, 12.5);
    QCOMPARE(ask<QByteArray>([&](auto then) { m_store->loadAttachment(sha, this, then); }), file);
    QVERIFY(ask<QByteArray>([&](auto then) {
        m_store->loadAttachment(QStringLiteral("../../etc/passwd"), this, then);
    }).isEmpty());
}

void TestStorage::aStreamedAnswerIsThereWhileItRuns()
{
    const RowId chat = m_store->createConversation({}, {});
    const RowId answer = m_store->beginAnswer(chat, 0, {});
    m_store->appendAnswer(answer, QStringLiteral("half "), false);
    m_store->appendAnswer(answer, QStringLiteral("an answer"), false);
    const StoredConversation now = conversation(chat);
    QCOMPARE(now.messages[0].text(), QStringLiteral("half an answer"));
    QCOMPARE(now.messages[0].state, AnswerState::Streaming);
}

void TestStorage::anAnswerInterruptedByTheEndKeepsItsText()
{
    const RowId chat = m_store->createConversation({}, {});
    const RowId answer = m_store->beginAnswer(chat, 0, {});
    m_store->appendAnswer(answer, QStringLiteral("唯一的 words"), false);
    reopen();
    const StoredConversation back = conversation(chat);
    QCOMPARE(back.messages[0].id, answer);
    QCOMPARE(back.messages[0].state, AnswerState::Interrupted);
    QCOMPARE(back.messages[0].text(), QStringLiteral("唯一的 words"));
    QCOMPARE(search(QStringLiteral("唯一")).size(), 1);
}

void TestStorage::aSecondAnswerIsABranch()
{
    const RowId chat = m_store->createConversation({}, {});
    const RowId question = m_store->addMessage(chat, 0, StoredRole::User, {text(QStringLiteral("Q"))});
    const RowId first = m_store->addMessage(chat, question, StoredRole::Assistant, {text(QStringLiteral("one"))});
    const RowId second = m_store->addMessage(chat, question, StoredRole::Assistant, {text(QStringLiteral("two"))});
    QVERIFY(first < second);
    QCOMPARE(conversation(chat).path().last().text(), QStringLiteral("two"));
    m_store->setLeaf(chat, first);
    const StoredConversation back = conversation(chat);
    QCOMPARE(back.path().last().text(), QStringLiteral("one"));
    QCOMPARE(back.messages.size(), 3);
}

void TestStorage::chineseWordsOfTwoCharactersAreFound()
{
    const RowId chat = m_store->createConversation(QStringLiteral("t"), {});
    const RowId hit = m_store->addMessage(chat, 0, StoredRole::User, {text(QStringLiteral("今天天气怎么样？看图里有几个红色的圆形"))});
    m_store->addMessage(chat, hit, StoredRole::User, {text(QStringLiteral("天上有气球"))});
    const QVector<SearchHit> hits = search(QStringLiteral("天气"));
    QCOMPARE(hits.size(), 1);
    QCOMPARE(hits[0].message, hit);
    QCOMPARE(hits[0].session, chat);
    QString marked = hits[0].snippet;
    QVERIFY(marked.contains(QChar(0x2068)) && marked.contains(QChar(0x2069)));
    QVERIFY(marked.remove(QChar(0x2068)).remove(QChar(0x2069)).contains(QStringLiteral("天气")));
    QVERIFY(!hits[0].snippet.contains(QChar(0x2060)));
    QCOMPARE(search(QStringLiteral("红色 圆形")).size(), 1);
    QCOMPARE(search(QStringLiteral("圆")).size(), 1);
    QCOMPARE(search(QStringLiteral("色红")).size(), 0);
}

void TestStorage::searchTakesNothingAsSyntax_data()
{
    QTest::addColumn<QString>("words");
    for (const char *words : {"\"", "a\"b", "NEAR(", "body:x", "* OR *", "(((", "-x", "^", "''", "AND", "\\", "col : y", ""})
        QTest::newRow(words) << QString::fromUtf8(words);
}

void TestStorage::searchTakesNothingAsSyntax()
{
    QFETCH(QString, words);
    QSignalSpy failed(m_store.get(), &ConversationStore::writeFailed);
    const RowId chat = m_store->createConversation({}, {});
    m_store->addMessage(chat, 0, StoredRole::User, {text(QStringLiteral("before ") + words + QStringLiteral(" after"))});
    const QString query = searchQuery(words);
    QCOMPARE(search(words).size(), query.isEmpty() ? 0 : 1);
    QCOMPARE(search(QStringLiteral("aft")).size(), 1); // the beginning of a word is enough
    QCOMPARE(failed.size(), 0);
}

void TestStorage::titlesAreFoundAndRenamed()
{
    const RowId chat = m_store->createConversation(QStringLiteral("图里有几个圆形"), {});
    QCOMPARE(search(QStringLiteral("几个")).size(), 1);
    QCOMPARE(search(QStringLiteral("几个"))[0].message, 0);
    m_store->rename(ConversationKind::Chat, chat, QStringLiteral("Circles"));
    QCOMPARE(search(QStringLiteral("几个")).size(), 0);
    QCOMPARE(search(QStringLiteral("circles"))[0].title, QStringLiteral("Circles"));
    QCOMPARE(sessions()[0].title, QStringLiteral("Circles"));
}

void TestStorage::removingTakesMessagesHitsAndUnusedPictures()
{
    const QByteArray file = "bytes";
    const QString sha = QString::fromLatin1(QCryptographicHash::hash(file, QCryptographicHash::Sha256).toHex());
    m_store->addAttachment(sha, file);
    const StoredPart picture{.kind = PartKind::Image, .text = {}, .sha256 = sha, .name = {}};
    const RowId one = m_store->createConversation(QStringLiteral("one"), {});
    const RowId two = m_store->createConversation(QStringLiteral("two"), {});
    m_store->addMessage(one, 0, StoredRole::User, {picture, text(QStringLiteral("shared word"))});
    m_store->addMessage(two, 0, StoredRole::User, {picture, text(QStringLiteral("shared word"))});
    const auto kept = [&] { return ask<QByteArray>([&](auto then) { m_store->loadAttachment(sha, this, then); }); };
    QCOMPARE(search(QStringLiteral("shared")).size(), 2);
    m_store->remove(ConversationKind::Chat, one);
    QCOMPARE(search(QStringLiteral("shared")).size(), 1);
    QCOMPARE(kept(), file);
    m_store->remove(ConversationKind::Chat, two);
    QCOMPARE(search(QStringLiteral("shared")).size(), 0);
    QVERIFY(kept().isEmpty());
    QVERIFY(sessions().isEmpty());
    QCOMPARE(conversation(one).id, RowId(0));
}

void TestStorage::aComparisonKeepsColumnsAndVotes()
{
    const auto made = m_store->createComparison(QStringLiteral("A beside B"),
        {{QStringLiteral("mini-vl"), {}}, {QStringLiteral("mini-vl:q4_0"), QStringLiteral("{}")}}, true, 42);
    QCOMPARE(made.columns.size(), 2);
    for (const RowId column : made.columns)
        m_store->addMessage(column, 0, StoredRole::User, {text(QStringLiteral("哪个最大 compared"))});
    m_store->recordVote(made.id, 0, Verdict::Tie);
    m_store->recordVote(made.id, 0, Verdict::LeftBetter);
    reopen();
    QCOMPARE(sessions().size(), 1); // not its columns
    QCOMPARE(sessions()[0].kind, ConversationKind::Compare);
    QCOMPARE(sessions()[0].columns, 2);
    QCOMPARE(sessions()[0].questions, 1);
    const auto back = ask<StoredComparison>([&](auto then) { m_store->loadComparison(made.id, this, then); });
    QCOMPARE(back.columns.size(), 2);
    QCOMPARE(back.columns[1].modelKey, QStringLiteral("mini-vl:q4_0"));
    QCOMPARE(back.seed, quint64(42));
    QVERIFY(back.sameSeed);
    QCOMPARE(back.votes.size(), 1);
    QCOMPARE(back.votes[0].verdict, Verdict::LeftBetter);
    const QVector<SearchHit> hits = search(QStringLiteral("最大"));
    QCOMPARE(hits.size(), 2);
    QCOMPARE(hits[0].session, made.id);
    QCOMPARE(hits[0].kind, ConversationKind::Compare);
    m_store->remove(ConversationKind::Compare, made.id);
    QVERIFY(sessions().isEmpty());
    QVERIFY(search(QStringLiteral("compared")).isEmpty());
}

void TestStorage::writingToARemovedChatIsHarmless()
{
    QSignalSpy failed(m_store.get(), &ConversationStore::writeFailed);
    const RowId chat = m_store->createConversation({}, {});
    const RowId answer = m_store->beginAnswer(chat, 0, {});
    m_store->remove(ConversationKind::Chat, chat);
    QVERIFY(sessions().isEmpty());
    m_store->appendAnswer(answer, QStringLiteral("late"), false);
    m_store->finishAnswer(answer, AnswerState::Complete, {});
    QVERIFY(sessions().isEmpty());
    QCOMPARE(failed.size(), 0);
}

void TestStorage::streamingDoesNotReloadTheList()
{
    const RowId chat = m_store->createConversation({}, {});
    const RowId answer = m_store->beginAnswer(chat, 0, {});
    sessions();
    QSignalSpy changed(m_store.get(), &ConversationStore::sessionsChanged);
    for (int i = 0; i < 50; ++i) {
        m_store->appendAnswer(answer, QStringLiteral("x"), false);
        if (i % 10 == 0)
            conversation(chat);
    }
    QCOMPARE(conversation(chat).messages[0].text().size(), 50);
    QCOMPARE(changed.size(), 0);
}

void TestStorage::exportNamesWhoSaidWhat()
{
    const RowId chat = m_store->createConversation(QStringLiteral("Shapes"), {});
    const RowId question = m_store->addMessage(chat, 0, StoredRole::User, {text(QStringLiteral("How many?"))});
    StoredRun run;
    run.modelName = QStringLiteral("mini-vl");
    const RowId answer = m_store->beginAnswer(chat, question, run);
    m_store->appendAnswer(answer, QStringLiteral("**Three**"), false);
    m_store->finishAnswer(answer, AnswerState::Complete, run);
    const QString markdown = ask<QString>([&](auto then) {
        m_store->exportMarkdown(ConversationKind::Chat, chat, this, then);
    });
    QCOMPARE(markdown, QStringLiteral("# Shapes\n\n### Question\n\nHow many?\n\n### mini-vl\n\n**Three**\n\n"));
}

// Corners in pixels of the picture the answer is about, the one asked about last; markers of another form stay.
void TestStorage::exportSaysBoxesInWords()
{
    const RowId chat = m_store->createConversation(QStringLiteral("Where"), {});
    const QString box = QStringLiteral("<|ref|>the 圆<|/ref|><|det|>[[0, 0, 999, 999], [111, 333, 222, 666]]<|/det|> and <|ref|>b<|/ref|><|det|>[[1]]<|/det|>");
    const auto pictured = [](int width, int height) {
        return StoredPart{.kind = PartKind::Image, .text = {}, .sha256 = QStringLiteral("ab"), .name = QStringLiteral("p.png"), .width = width, .height = height};
    };
    RowId last = m_store->addMessage(chat, 0, StoredRole::User, {pictured(90, 60), text(box)});
    const auto answer = [&] {
        const RowId id = m_store->beginAnswer(chat, last, {});
        m_store->appendAnswer(id, box, false);
        m_store->finishAnswer(id, AnswerState::Complete, {});
        last = id;
    };
    answer();
    last = m_store->addMessage(chat, last, StoredRole::User, {pictured(900, 600), text(QStringLiteral("And here?"))});
    answer();
    const QString markdown = ask<QString>([&](auto then) { m_store->exportMarkdown(ConversationKind::Chat, chat, this, then); });
    const QString rest = QStringLiteral(" and <|ref|>b<|/ref|><|det|>[[1]]<|/det|>\n");
    QVERIFY2(markdown.contains(QStringLiteral("the 圆 (0, 0)-(90, 60) (10, 20)-(20, 40)") + rest), qPrintable(markdown));
    QVERIFY2(markdown.contains(QStringLiteral("the 圆 (0, 0)-(900, 600) (100, 200)-(200, 400)") + rest), qPrintable(markdown));
    QVERIFY(markdown.contains(box)); // what a person wrote stays
}

void TestStorage::tokensOfAnAnswerAreKept()
{
    const RowId chat = m_store->createConversation({}, {});
    const RowId answer = m_store->beginAnswer(chat, 0, {});
    const StoredToken first{.index = 0, .id = 17, .probability = 0.25F, .thinking = true, .text = QStringLiteral("红"),
        .alternatives = {{17, 0.25F, QStringLiteral("红")}, {-4, 0.125F, QStringLiteral(" \"a")}}};
    const StoredToken second{.index = 1, .id = 2, .probability = 1, .thinking = false, .text = {}, .alternatives = {}};
    m_store->recordTokens(answer, {second});
    m_store->recordTokens(answer, {first});
    m_store->recordTokens(answer + 1, {first}); // of no message
    const auto kept = ask<QVector<StoredToken>>([&](auto then) { m_store->loadTokens(answer, this, then); });
    QCOMPARE(kept.size(), 2);
    QCOMPARE(kept[0].text, first.text);
    QCOMPARE(kept[0].thinking, true);
    QCOMPARE(kept[0].probability, 0.25F);
    QCOMPARE(kept[0].alternatives.size(), 2);
    QCOMPARE(kept[0].alternatives[1].id, -4);
    QCOMPARE(kept[0].alternatives[1].probability, 0.125F);
    QCOMPARE(kept[0].alternatives[1].text, QStringLiteral(" \"a"));
    QCOMPARE(kept[1].id, 2);
    m_store->remove(ConversationKind::Chat, chat);
    QVERIFY((ask<QVector<StoredToken>>([&](auto then) { m_store->loadTokens(answer, this, then); }).isEmpty()));
}

void TestStorage::aBlindComparisonStaysBlindUntilRevealed()
{
    const auto load = [this](RowId id) {
        return ask<StoredComparison>([&](auto then) { m_store->loadComparison(id, this, then); });
    };
    const auto made = m_store->createComparison({}, {{}, {}, {}}, true, 1, Blind::Hidden);
    m_store->recordVote(made.id, 0, Verdict::BestC);
    QCOMPARE(load(made.id).blind, Blind::Hidden);
    QCOMPARE(load(made.id).votes[0].verdict, Verdict::BestC);
    m_store->setBlind(made.id, Blind::Revealed);
    QCOMPARE(load(made.id).blind, Blind::Revealed);
}

void TestStorage::splittingIsUndoneByJoining()
{
    for (const QString &text : {QStringLiteral("abc 天气 def"), QStringLiteral("カタカナとひらがな"), QStringLiteral("𠮷野家"), QString()})
        QCOMPARE(joinWords(splitWords(text)), text);
}

QTEST_GUILESS_MAIN(TestStorage)
#include "tst_storage.moc"
