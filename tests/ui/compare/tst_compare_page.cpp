// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "../../app/picture_bytes.h"
#include "fake_runtime.h"
#include "pages.h"

#include "chat/composer.h"
#include "chat/offer_bar.h"
#include "compare/compare_column.h"
#include "compare/compare_page.h"
#include "compare/compare_parts.h"
#include "services/engine_service.h"
#include "services/image_loader.h"
#include "services/model_library.h"
#include "services/settings.h"
#include "storage/conversation_store.h"
#include "widgets/elided_label.h"
#include "widgets/offer_list.h"
#include "widgets/role_label.h"

#include <QComboBox>
#include <QLabel>
#include <QMenu>
#include <QPushButton>
#include <QScrollBar>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTextEdit>
#include <QtTest>

#include <memory>
#include <optional>

using namespace ui;

namespace {

// The two columns say different things, and each says how many questions it has been asked.
fake::Script differentAnswers(const engine::LoadOptions &options, const engine::GenerationRequest &request)
{
    int questions = 0;
    for (const engine::Turn &turn : request.turns)
        questions += turn.role == engine::Role::User ? 1 : 0;
    fake::Script script;
    const std::string number = std::to_string(questions);
    if (options.requantize.empty())
        script.answer = {"The **tallest** bar", " is 81", " and the lowest 28", ", question " + number, "."};
    else
        script.answer = {"The **tallest** bar", " is 80", " and the lowest 30", ", question " + number, "."};
    script.microsecondsPerPiece = 3000;
    return script;
}

} // namespace

class TestComparePage : public QObject
{
    Q_OBJECT

private:
    QPushButton *button(const QString &start)
    {
        for (QPushButton *candidate : m_page->findChildren<QPushButton *>())
            if (candidate->text().startsWith(start) && !candidate->isHidden())
                return candidate;
        return nullptr;
    }
    LoadedPicture picture()
    {
        const picture::Bytes encoded = picture::png(640, 360, 3, picture::gradient(640, 360));
        QSignalSpy loaded(m_loader.get(), &ImageLoader::loaded);
        m_loader->loadBytes(QByteArray(reinterpret_cast<const char *>(encoded.data()), qsizetype(encoded.size())),
            QStringLiteral("chart.png"));
        (void)loaded.wait();
        return loaded.value(0).value(1).value<LoadedPicture>();
    }
    void ask(const QString &text, const QVector<LoadedPicture> &pictures = {})
    {
        m_page->ask(text, pictures);
        QTRY_VERIFY(!m_page->isBusy());
    }
    void offerSmallerContexts()
    {
        m_runtime->noRoom = "the weights take 15 MB and every step 170 MB to work in, and 120 MB are free on the card";
        m_runtime->offersFor = [](const engine::LoadOptions &options) {
            engine::LoadOffer offer{.kind = engine::LoadOffer::Kind::SmallerContext, .options = options, .plan = {}, .layers = 4};
            offer.options.contextTokens = offer.plan.contextTokens = 512;
            offer.plan.weightBytes = 15'000'000;
            offer.plan.freeBytes = 120'000'000;
            return std::vector<engine::LoadOffer>{offer};
        };
    }
    CompareColumn &column(int index) { return *m_page->columns()[index]; }
    void openPage()
    {
        m_page = std::make_unique<ComparePage>(*m_engine, *m_library, *m_store, *m_loader, *m_settings);
        m_page->resize(1180, 820);
        m_page->show();
    }
    void reopen(RowId id)
    {
        m_page.reset();
        openPage();
        QSignalSpy opened(m_page.get(), &ComparePage::sessionOpened);
        m_page->openComparison(id);
        QVERIFY(opened.wait());
        QCOMPARE(m_page->comparison(), id);
    }
    void askOnceRead(const QString &text) // the pictures are read again before the next question
    {
        QTRY_VERIFY_WITH_TIMEOUT(([&] {
            m_page->ask(text, {});
            return m_page->isBusy();
        }()), 5000);
        QTRY_VERIFY(!m_page->isBusy());
    }
    StoredComparison stored(RowId id)
    {
        std::optional<StoredComparison> answer;
        m_store->loadComparison(id, this, [&](const StoredComparison &comparison) { answer = comparison; });
        [&] { QTRY_VERIFY(answer); }();
        return answer.value_or(StoredComparison());
    }

    std::unique_ptr<QTemporaryDir> m_folder;
    std::unique_ptr<Settings> m_settings;
    std::unique_ptr<ConversationStore> m_store;
    fake::Runtime *m_runtime = nullptr;
    std::unique_ptr<EngineService> m_engine;
    std::unique_ptr<ModelLibrary> m_library;
    std::unique_ptr<ImageLoader> m_loader;
    std::unique_ptr<ComparePage> m_page;

private slots:
    void initTestCase()
    {
        QApplication::setStyle(new theme::Style);
        pages::dress(false);
    }
    void init();
    void cleanup();

    void theFirstPairIsTheModelAndItsCopy();
    void bothAnswerAtOnceWithOneSeed();
    void historiesStayApart();
    void unlockedSeedsDiffer();
    void differencesAreFound();
    void aVoteIsKept();
    void aComparisonComesBackAfterARestart();
    void whatIsNamedIsFramedInEachColumn();
    void continuingMakesAChat();
    void stopEndsBoth();
    void whatDoesNotFitAnswersInTurn();
    void aThirdColumnBeginsANewComparison();
    void anAnswerThatFailsSaysWhyAndLeavesTheOther();
    void aModelThatDoesNotFitIsOfferedInItsColumn();
    void offersOfABlindColumnDoNotNameItsModel();
    void blindHidesTheModelsUntilRevealed();
    void blindStaysBlindAfterARestart();
    void threeColumnsAreJudgedAndMarked();
    void linkedColumnsScrollTogether();
    void theFirstDifferenceIsBroughtIntoView();
    void escapeStops();
    void likelyTokensAreKept();
};

void TestComparePage::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    m_settings = std::make_unique<Settings>(m_folder->filePath(QStringLiteral("x.conf")));
    m_store = std::make_unique<ConversationStore>(m_folder->filePath(QStringLiteral("data")));
    QSignalSpy opened(m_store.get(), &ConversationStore::opened);
    m_store->open();
    QVERIFY(opened.wait());
    auto runtime = std::make_unique<fake::Runtime>();
    runtime->script = differentAnswers;
    m_runtime = runtime.get();
    m_engine = std::make_unique<EngineService>(std::move(runtime));
    m_library = std::make_unique<ModelLibrary>(*m_settings);
    m_loader = std::make_unique<ImageLoader>();
    if (!m_library->entries()[0].isUsable())
        QSKIP("the embedded model is not in this tree");
    openPage();
}

void TestComparePage::cleanup()
{
    m_page.reset();
    m_engine.reset();
    m_store.reset();
}

void TestComparePage::theFirstPairIsTheModelAndItsCopy()
{
    QCOMPARE(column(0).modelKey(), QStringLiteral("mini-vl"));
    QCOMPARE(column(1).modelKey(), QStringLiteral("mini-vl:q4_0"));
    bool said = false;
    for (const ElidedLabel *label : m_page->findChildren<ElidedLabel *>())
        said = said || (label->text().startsWith(QStringLiteral("Both fit: ")) && label->text().endsWith(QStringLiteral("GB")));
    QVERIFY(said);
    pages::shoot(*m_page, QStringLiteral("compare_empty"));
}

void TestComparePage::bothAnswerAtOnceWithOneSeed()
{
    const LoadedPicture chart = picture();
    m_runtime->script = [](const engine::LoadOptions &options, const engine::GenerationRequest &request) {
        fake::Script script = differentAnswers(options, request);
        script.microsecondsPerPiece = 60000; // long enough to meet on a busy machine
        return script;
    };
    ask(QStringLiteral("How much higher is the tallest bar?"), {chart});
    QCOMPARE(m_runtime->mostAtOnce(), 2);
    const auto requests = m_runtime->requests();
    QCOMPARE(requests.size(), std::size_t(2));
    QCOMPARE(requests[0].sampling.seed, requests[1].sampling.seed);
    QVERIFY(requests[0].model != requests[1].model);
    QCOMPARE(requests[0].turns.at(0).images.at(0)->width, 640);
    QCOMPARE(column(0).latestAnswer(), QStringLiteral("The tallest bar is 81 and the lowest 28, question 1."));
    QCOMPARE(column(0).metrics().shownTokens(), QStringLiteral("5"));
}

void TestComparePage::historiesStayApart()
{
    ask(QStringLiteral("first"));
    ask(QStringLiteral("second"));
    const auto requests = m_runtime->requests();
    QCOMPARE(requests.size(), std::size_t(4));
    engine::ModelId leftModel = 0; // either may have been loaded first
    for (const engine::LoadedModel &model : m_engine->models())
        if (model.options.requantize.empty())
            leftModel = model.id;
    for (std::size_t i : {2U, 3U}) {
        QCOMPARE(requests[i].turns.size(), std::size_t(3));
        const bool left = requests[i].model == leftModel;
        const std::string &own = requests[i].turns[1].text;
        QVERIFY(own.find(left ? "81" : "80") != std::string::npos);
        QVERIFY(own.find(left ? "80" : "81") == std::string::npos);
    }
}

void TestComparePage::unlockedSeedsDiffer()
{
    button(QStringLiteral("Same seed"))->click();
    ask(QStringLiteral("a"));
    const auto requests = m_runtime->requests();
    QVERIFY(requests[0].sampling.seed != requests[1].sampling.seed);
}

void TestComparePage::differencesAreFound()
{
    ask(QStringLiteral("How much higher is the tallest bar than the lowest one?"), {picture()});
    QVERIFY(button(QStringLiteral("First difference: word 5")) != nullptr);
    pages::shoot(*m_page, QStringLiteral("compare_done"));
    m_runtime->script = [](const auto &, const auto &) { return fake::Script(); };
    ask(QStringLiteral("again"));
    QVERIFY(button(QStringLiteral("The answers are the same")) != nullptr);
}

void TestComparePage::aVoteIsKept()
{
    QVERIFY(button(QStringLiteral("Tie")) == nullptr || !button(QStringLiteral("Tie"))->isVisible()); // nothing to judge yet
    ask(QStringLiteral("a"));
    button(QStringLiteral("Tie"))->click();
    button(QStringLiteral("◀ Left"))->click();
    QVERIFY(button(QStringLiteral("◀ Left"))->isChecked());
    QVERIFY(!button(QStringLiteral("Tie"))->isChecked());
    const StoredComparison kept = stored(m_page->comparison());
    QCOMPARE(kept.votes.size(), 1);
    QCOMPARE(kept.votes[0].verdict, Verdict::LeftBetter);
}

void TestComparePage::aComparisonComesBackAfterARestart()
{
    column(1).setSettings({0.7, 0.9, 64});
    ask(QStringLiteral("图里有几个圆形？"), {picture()});
    ask(QStringLiteral("second"));
    button(QStringLiteral("Both bad"))->click();
    reopen(m_page->comparison());
    QCOMPARE(column(1).modelKey(), QStringLiteral("mini-vl:q4_0"));
    QCOMPARE(column(1).settings(), (ColumnSettings{0.7, 0.9, 64}));
    QCOMPARE(column(1).latestAnswer(), QStringLiteral("The tallest bar is 80 and the lowest 30, question 2."));
    QVERIFY(button(QStringLiteral("Both bad"))->isChecked());
    QVERIFY(button(QStringLiteral("First difference: word 5")) != nullptr);
    askOnceRead(QStringLiteral("third"));
    const auto requests = m_runtime->requests();
    QCOMPARE(requests.back().turns.size(), std::size_t(5));
    QVERIFY(requests.back().turns[0].images.at(0) != nullptr);
    QCOMPARE(requests.back().turns[0].images[0]->width, 640);
}

void TestComparePage::whatIsNamedIsFramedInEachColumn()
{
    m_runtime->script = [](const engine::LoadOptions &options, const engine::GenerationRequest &request) {
        fake::Script script = differentAnswers(options, request);
        if (request.turns.back().asksWhere)
            script.answer = {"<|ref|>the tallest bar<|/ref|><|det|>[[", options.requantize.empty() ? "100" : "120", ", 200, 300, 999]]<|/det|>"};
        return script;
    };
    const auto framed = [this](int index) {
        const Message &question = column(index).messages().at(0);
        return question.pictures.value(0).boxes;
    };
    auto *composer = m_page->findChild<Composer *>();
    QVERIFY(button(QStringLiteral("Where")) == nullptr); // there is no picture yet
    const QString file = m_folder->filePath(QStringLiteral("chart.png"));
    QVERIFY(ImageLoader::toQImage(*picture().image).save(file));
    composer->addFile(file);
    QTRY_VERIFY(button(QStringLiteral("Where")) != nullptr);
    QTRY_COMPARE(composer->pictures().size(), 1);
    QTest::mouseClick(button(QStringLiteral("Where")), Qt::LeftButton);
    auto *text = composer->findChild<QTextEdit *>();
    QVERIFY(text->placeholderText().startsWith(QStringLiteral("Name something")));
    QTest::keyClicks(text, QStringLiteral("the tallest bar"));
    pages::shoot(*m_page, QStringLiteral("compare_where_asked"));
    QTest::keyClick(text, Qt::Key_Return);
    QVERIFY(m_page->isBusy());
    QTRY_VERIFY(!m_page->isBusy());
    QVERIFY(!button(QStringLiteral("Where"))->isChecked()); // the next question is one of words again
    const auto requests = m_runtime->requests();
    QCOMPARE(requests.size(), std::size_t(2));
    QVERIFY(requests[0].turns.at(0).asksWhere && requests[1].turns.at(0).asksWhere);
    QCOMPARE(framed(0).size(), 1);
    QCOMPARE(framed(0)[0].phrase, QStringLiteral("the tallest bar"));
    QCOMPARE(framed(0)[0].place.left(), 100 / 999.0);
    QCOMPARE(framed(1).value(0).place.left(), 120 / 999.0); // each column's own
    QCOMPARE(column(0).latestAnswer(), QStringLiteral("the tallest bar"));
    QVERIFY(button(QStringLiteral("The words are the same, the frames are not")) != nullptr);
    pages::shoot(*m_page, QStringLiteral("compare_where"));
    const auto *strip = m_page->findChild<QuestionStrip *>();
    QVERIFY(strip->isVisible());
    m_page->resize(720, 500); // too low to say it twice
    QVERIFY(!strip->isVisible());
    m_page->resize(1180, 820);
    QVERIFY(strip->isVisible());

    reopen(m_page->comparison());
    QCOMPARE(framed(1).value(0).place.left(), 120 / 999.0);
    askOnceRead(QStringLiteral("How tall is it?"));
    const engine::GenerationRequest last = m_runtime->requests().back();
    QCOMPARE(last.turns.size(), std::size_t(3));
    QVERIFY(last.turns[0].asksWhere && !last.turns[2].asksWhere);
}

void TestComparePage::continuingMakesAChat()
{
    ask(QStringLiteral("a question"), {picture()});
    QSignalSpy chats(m_page.get(), &ComparePage::continueInChat);
    auto *menu = button(QStringLiteral("Continue with"))->menu();
    emit menu->aboutToShow();
    QCOMPARE(menu->actions().size(), 2);
    menu->actions().at(1)->trigger();
    QVERIFY(chats.wait());
    std::optional<StoredConversation> chat;
    m_store->loadConversation(chats[0][0].toLongLong(), this, [&](const StoredConversation &back) { chat = back; });
    QTRY_VERIFY(chat);
    QCOMPARE(chat->kind, ConversationKind::Chat);
    QCOMPARE(chat->modelKey, QStringLiteral("mini-vl:q4_0"));
    QCOMPARE(chat->path().size(), 2);
    QCOMPARE(chat->path()[0].parts[0].kind, PartKind::Image);
    QCOMPARE(chat->path()[1].text(), QStringLiteral("The **tallest** bar is 80 and the lowest 30, question 1."));
    QCOMPARE(chat->path()[1].state, AnswerState::Complete);
}

void TestComparePage::stopEndsBoth()
{
    m_runtime->script = [](const auto &, const auto &) {
        fake::Script script;
        script.endless = true;
        return script;
    };
    m_page->ask(QStringLiteral("a"), {});
    QTRY_COMPARE(m_runtime->liveGenerations(), 2);
    QTest::qWait(50);
    m_page->stop();
    QTRY_VERIFY(!m_page->isBusy());
    QCOMPARE(m_runtime->liveGenerations(), 0);
    const StoredComparison kept = stored(m_page->comparison());
    for (const StoredConversation &side : kept.columns) {
        QCOMPARE(side.path().last().state, AnswerState::Cancelled);
        QVERIFY(!side.path().last().text().isEmpty());
    }
}

void TestComparePage::whatDoesNotFitAnswersInTurn()
{
    m_runtime->freeBytes = 1000;
    m_page->newComparison();
    bool said = false;
    for (const ElidedLabel *label : m_page->findChildren<ElidedLabel *>())
        said = said || label->text().startsWith(QStringLiteral("Will swap: "));
    QVERIFY(said);
    ask(QStringLiteral("a"));
    QCOMPARE(m_runtime->mostAtOnce(), 1);
    QCOMPARE(m_runtime->requests().size(), std::size_t(2));
    QCOMPARE(m_engine->models().size(), std::size_t(1)); // the first made room
    QVERIFY(!column(0).latestAnswer().isEmpty());
    QVERIFY(!column(1).latestAnswer().isEmpty());
    m_page->ask(QStringLiteral("stopped while one waits"), {});
    m_page->stop();
    QTRY_VERIFY(!m_page->isBusy());
}

void TestComparePage::aThirdColumnBeginsANewComparison()
{
    ask(QStringLiteral("a"));
    const RowId first = m_page->comparison();
    button(QStringLiteral("Add column"))->click();
    QCOMPARE(m_page->columns().size(), 3);
    QCOMPARE(m_page->comparison(), RowId(0));
    ask(QStringLiteral("b"));
    QVERIFY(m_page->comparison() != first);
    QCOMPARE(stored(m_page->comparison()).columns.size(), 3);
    m_page->openComparison(first);
    QTRY_COMPARE(m_page->columns().size(), 2);
    QTRY_COMPARE(column(0).latestAnswer(), QStringLiteral("The tallest bar is 81 and the lowest 28, question 1."));
}

void TestComparePage::anAnswerThatFailsSaysWhyAndLeavesTheOther()
{
    m_runtime->failLoadsOfRequantized = true;
    ask(QStringLiteral("a"));
    QVERIFY(!column(0).latestAnswer().isEmpty());
    QVERIFY(column(1).latestAnswer().isEmpty());
    QVERIFY(button(QStringLiteral("Tie")) == nullptr || !button(QStringLiteral("Tie"))->isVisible()); // nothing to compare
    const StoredComparison kept = stored(m_page->comparison());
    QCOMPARE(kept.columns[1].path().last().state, AnswerState::Failed);
    QVERIFY(kept.columns[1].path().last().run->error.contains(QStringLiteral("cut off")));
    m_runtime->failLoadsOfRequantized = false;
    ask(QStringLiteral("b"));
    QCOMPARE(column(1).latestAnswer(), QStringLiteral("The tallest bar is 80 and the lowest 30, question 1."));
    QVERIFY(button(QStringLiteral("Tie")) != nullptr && button(QStringLiteral("Tie"))->isVisible());
}

void TestComparePage::aModelThatDoesNotFitIsOfferedInItsColumn()
{
    offerSmallerContexts();
    ask(QStringLiteral("a"), {picture()});
    const auto *none = column(0).findChild<OfferBar *>();
    const auto *offers = column(1).findChild<OfferBar *>();
    QTRY_VERIFY(offers->isVisible());
    QVERIFY(!none->isVisible());
    pages::shoot(*m_page, QStringLiteral("compare_offers"));
    m_page->resize(720, 820); // in a narrow column the numbers stand below
    QTest::qWait(20);
    const QPushButton *action = button(QStringLiteral("Use a shorter context"));
    const auto *numbers = offers->findChild<OfferList *>()->findChildren<RoleLabel *>()[0];
    QVERIFY(numbers->y() >= action->geometry().bottom() && action->geometry().right() <= offers->width());
    pages::shoot(*m_page, QStringLiteral("compare_offers_narrow"));
    m_page->resize(1180, 820);
    QTest::qWait(20);
    QVERIFY(numbers->x() > action->geometry().right());
    QVERIFY(column(1).latestAnswer().isEmpty());
    const RowId comparison = m_page->comparison();
    QPushButton *smaller = button(QStringLiteral("Use a shorter context"));
    QVERIFY(smaller != nullptr);
    QTest::keyClick(smaller, Qt::Key_Space);
    // The question is asked again there alone, with its picture, and the failed try is gone from sight.
    QTRY_VERIFY(!m_page->isBusy() && !column(1).latestAnswer().isEmpty());
    QCOMPARE(column(1).latestAnswer(), QStringLiteral("The tallest bar is 80 and the lowest 30, question 1."));
    QCOMPARE(column(1).turns(), 1);
    QVERIFY(!offers->isVisible());
    QCOMPARE(m_library->loadOptions(column(1).modelKey()).contextTokens, 512);
    const std::vector<engine::GenerationRequest> requests = m_runtime->requests();
    QCOMPARE(requests.size(), std::size_t{2});
    QCOMPARE(requests[1].turns.back().images.size(), std::size_t{1});
    QCOMPARE(m_page->comparison(), comparison);
    ask(QStringLiteral("b"));
    QVERIFY(column(1).latestAnswer().contains(QStringLiteral("question 2")));
    // So it is kept: two questions, each with its answer.
    const StoredComparison kept = stored(comparison);
    QCOMPARE(kept.columns[1].path().size(), qsizetype{4});
    QCOMPARE(kept.columns[1].path()[1].state, AnswerState::Complete);
}

void TestComparePage::offersOfABlindColumnDoNotNameItsModel()
{
    offerSmallerContexts();
    button(QStringLiteral("Blind"))->click();
    ask(QStringLiteral("a"));
    const auto shown = [this] {
        for (const OfferBar *bar : m_page->findChildren<OfferBar *>())
            if (bar->isVisible())
                return bar;
        return static_cast<const OfferBar *>(nullptr);
    };
    QTRY_VERIFY(shown() != nullptr);
    for (const QLabel *label : shown()->findChildren<QLabel *>())
        QVERIFY2(!label->text().contains(QStringLiteral("mini-vl")), qPrintable(label->text()));
    QVERIFY(shown()->findChildren<QLabel *>()[0]->text().startsWith(QStringLiteral("Model ")));
}

void TestComparePage::blindHidesTheModelsUntilRevealed()
{
    column(1).setSettings({0.7, 0.9, 64});
    button(QStringLiteral("Blind"))->click();
    const auto namesShown = [this] {
        for (const QWidget *widget : m_page->findChildren<QWidget *>()) {
            const auto *combo = qobject_cast<const QComboBox *>(widget);
            if (combo != nullptr && combo->isVisible())
                return true;
            const auto *label = qobject_cast<const QLabel *>(widget);
            if (label != nullptr && label->isVisible() && label->text().contains(QStringLiteral("mini-vl")))
                return true;
        }
        return false;
    };
    QVERIFY(!namesShown());
    ask(QStringLiteral("a"));
    QVERIFY(!namesShown());
    QCOMPARE(column(0).metrics().shownTokens(), QStringLiteral("–")); // speed gives a model away
    QVERIFY(button(QStringLiteral("Continue with")) == nullptr);
    // Whatever the order now is, settings went with their model.
    const int copy = column(0).modelKey() == QStringLiteral("mini-vl") ? 1 : 0;
    QCOMPARE(column(copy).modelKey(), QStringLiteral("mini-vl:q4_0"));
    QCOMPARE(column(copy).settings(), (ColumnSettings{0.7, 0.9, 64}));
    button(QStringLiteral("◀ Left"))->click();
    QVERIFY(!namesShown());
    button(QStringLiteral("Reveal"))->click();
    QVERIFY(namesShown());
    QVERIFY(column(0).metrics().shownTokens() != QStringLiteral("–"));
    QCOMPARE(stored(m_page->comparison()).blind, Blind::Revealed);
    QCOMPARE(stored(m_page->comparison()).columns[copy].modelKey, QStringLiteral("mini-vl:q4_0"));
}

void TestComparePage::blindStaysBlindAfterARestart()
{
    button(QStringLiteral("Blind"))->click();
    ask(QStringLiteral("a"));
    const RowId id = m_page->comparison();
    m_page.reset();
    openPage();
    QSignalSpy opened(m_page.get(), &ComparePage::sessionOpened);
    m_page->openComparison(id);
    QVERIFY(opened.wait());
    QCOMPARE(column(0).shownName(), QStringLiteral("Model A"));
    QCOMPARE(column(0).metrics().shownTokens(), QStringLiteral("–"));
    button(QStringLiteral("Reveal"))->click();
    QVERIFY(column(0).shownName().startsWith(QStringLiteral("mini-vl")));
    QVERIFY(column(0).metrics().shownTokens() != QStringLiteral("–"));
}

void TestComparePage::threeColumnsAreJudgedAndMarked()
{
    button(QStringLiteral("Add column"))->click();
    column(1).setModelKey(QStringLiteral("mini-vl"));
    column(2).setModelKey(QStringLiteral("mini-vl:q4_0")); // only this one says something else
    ask(QStringLiteral("a"));
    QVERIFY(button(QStringLiteral("First difference: word 5")) != nullptr);
    QVERIFY(button(QStringLiteral("◀ Left")) == nullptr);
    QVERIFY(button(QStringLiteral("D is best")) == nullptr);
    button(QStringLiteral("C is best"))->click();
    QCOMPARE(stored(m_page->comparison()).votes.value(0).verdict, Verdict::BestC);
    button(QStringLiteral("All bad"))->click();
    QVERIFY(!button(QStringLiteral("C is best"))->isChecked());
    QCOMPARE(stored(m_page->comparison()).votes.value(0).verdict, Verdict::BothBad);
    button(QStringLiteral("First difference"))->click();
    QCOMPARE(column(0).view().selectedText(), QStringLiteral("81"));
    QVERIFY(!column(1).view().hasSelection());
    QCOMPARE(column(2).view().selectedText(), QStringLiteral("80"));
}

void TestComparePage::linkedColumnsScrollTogether()
{
    m_runtime->script = [](const engine::LoadOptions &options, const auto &) {
        fake::Script script;
        script.answer.assign(options.requantize.empty() ? 100 : 200, "A paragraph.\n\n");
        script.microsecondsPerPiece = 10;
        return script;
    };
    ask(QStringLiteral("a"));
    QScrollBar *left = column(0).view().verticalScrollBar();
    QScrollBar *right = column(1).view().verticalScrollBar();
    QTRY_VERIFY(left->maximum() > 500 && right->maximum() > 1000);
    left->setValue(0);
    QCOMPARE(right->value(), 0);
    right->setValue(right->maximum() / 2);
    QVERIFY(qAbs(left->value() - left->maximum() / 2) < 100); // heights far away are estimates until they are seen
    button(QStringLiteral("Link"))->click();
    left->setValue(0);
    QVERIFY(right->value() > right->maximum() / 4);
}

void TestComparePage::theFirstDifferenceIsBroughtIntoView()
{
    m_runtime->script = [](const engine::LoadOptions &options, const auto &) {
        fake::Script script;
        script.answer.assign(120, "The same paragraph.\n\n");
        script.answer[60] = options.requantize.empty() ? "Here is **left** alone.\n\n" : "Here is **right** alone.\n\n";
        script.microsecondsPerPiece = 10;
        return script;
    };
    ask(QStringLiteral("a"));
    button(QStringLiteral("First difference"))->click();
    QCOMPARE(column(0).view().selectedText(), QStringLiteral("left"));
    QCOMPARE(column(1).view().selectedText(), QStringLiteral("right"));
    for (int i = 0; i < 2; ++i) {
        const QScrollBar *bar = column(i).view().verticalScrollBar();
        QVERIFY2(bar->value() > bar->maximum() / 3 && bar->value() < bar->maximum() * 2 / 3, qPrintable(QString::number(bar->value())));
    }
}

void TestComparePage::escapeStops()
{
    m_runtime->script = [](const auto &, const auto &) {
        fake::Script script;
        script.endless = true;
        return script;
    };
    m_page->ask(QStringLiteral("a"), {});
    QTRY_COMPARE(m_runtime->liveGenerations(), 2);
    QTest::keyClick(m_page->findChild<Composer *>()->findChild<QTextEdit *>(), Qt::Key_Escape);
    QTRY_VERIFY(!m_page->isBusy());
}

void TestComparePage::likelyTokensAreKept()
{
    ask(QStringLiteral("a"));
    for (const engine::GenerationRequest &request : m_runtime->requests())
        QVERIFY(request.observe.alternatives > 0);
    QTRY_VERIFY(!m_library->weightsHash(QStringLiteral("mini-vl")).isEmpty()); // read beside the first answer
    ask(QStringLiteral("b"));
    const StoredMessage answer = stored(m_page->comparison()).columns[0].path().last();
    QVERIFY(answer.run && answer.run->weightsHash.startsWith(QStringLiteral("sha256:")));
}

QTEST_MAIN(TestComparePage)
#include "tst_compare_page.moc"
