// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "fake_runtime.h"

#include "services/answer_stream.h"
#include "services/engine_service.h"

#include <QElapsedTimer>
#include <QSignalSpy>
#include <QtTest>

#include <memory>

using ui::AnswerStream;
using ui::EngineService;

namespace {

fake::Script makeScript(std::vector<std::string> answer, int microseconds, std::vector<std::string> thinking = {})
{
    fake::Script script;
    script.answer = std::move(answer);
    script.thinking = std::move(thinking);
    script.microsecondsPerPiece = microseconds;
    return script;
}

fake::Script endlessScript()
{
    fake::Script script;
    script.endless = true;
    return script;
}

} // namespace

class TestEngineService : public QObject
{
    Q_OBJECT

private:
    static engine::LoadOptions model(const char *path)
    {
        engine::LoadOptions options;
        options.path = path;
        return options;
    }
    struct Heard {
        QString text, thinking;
        int finished = 0;
        int afterFinished = 0;
        int drains = 0;
        engine::Finished last;
    };
    static std::shared_ptr<Heard> listen(AnswerStream *stream)
    {
        auto heard = std::make_shared<Heard>();
        QObject::connect(stream, &AnswerStream::textAdded, stream, [heard](const QString &text, bool thinking) {
            (thinking ? heard->thinking : heard->text) += text;
            heard->afterFinished += heard->finished;
        });
        QObject::connect(stream, &AnswerStream::drained, stream, [heard] { ++heard->drains; });
        QObject::connect(stream, &AnswerStream::finished, stream, [heard](const engine::Finished &finished) {
            ++heard->finished;
            heard->last = finished;
        });
        return heard;
    }
    void start()
    {
        auto runtime = std::make_unique<fake::Runtime>();
        m_runtime = runtime.get();
        m_service = std::make_unique<EngineService>(std::move(runtime));
    }

    fake::Runtime *m_runtime = nullptr;
    std::unique_ptr<EngineService> m_service;

private slots:
    void init() { start(); }
    void aLostCardEndsItsAnswersAndOffersTheProcessor();
    void cleanup() { m_service.reset(); }

    void theFirstQuestionLoadsTheModel();
    void thinkingIsKeptApart();
    void manyPiecesComeInFewFrames();
    void cancelAnswersSoonAndOnce();
    void cancelWhileTheModelLoads();
    void deletingTheStreamSilencesIt();
    void aModelThatCannotBeLoadedSaysWhy();
    void twoModelsAnswerSideBySide();
    void unloadedModelsAreLoadedAgain();
    void theServiceMayEndBeforeItsStreams();
    void aSlotMayDeleteTheStream();
};

void TestEngineService::theFirstQuestionLoadsTheModel()
{
    QSignalSpy states(m_service.get(), &EngineService::loadStateChanged);
    QCOMPARE(m_service->loadState(model("a")), EngineService::LoadState::NotLoaded);
    AnswerStream *stream = m_service->ask(model("a"), {}, this);
    const auto heard = listen(stream);
    QCOMPARE(m_service->loadState(model("a")), EngineService::LoadState::Loading);
    QTRY_COMPARE(heard->finished, 1);
    QCOMPARE(heard->text, QStringLiteral("One red circle."));
    QCOMPARE(heard->last.reason, engine::FinishReason::EndOfTurn);
    QCOMPARE(m_service->loadState(model("a")), EngineService::LoadState::Loaded);
    QVERIFY(states.size() >= 2);
    QCOMPARE(m_runtime->requests().at(0).model, engine::ModelId(1));
    const auto again = listen(m_service->ask(model("a"), {}, this));
    QTRY_COMPARE(again->finished, 1);
    QCOMPARE(m_service->models().size(), std::size_t(1));
}

void TestEngineService::thinkingIsKeptApart()
{
    m_runtime->script = [](const auto &, const auto &) {
        return makeScript({"三", "个"}, 500, {"Let me ", "see."});
    };
    const auto heard = listen(m_service->ask(model("a"), {}, this));
    QTRY_COMPARE(heard->finished, 1);
    QCOMPARE(heard->thinking, QStringLiteral("Let me see."));
    QCOMPARE(heard->text, QStringLiteral("三个"));
}

void TestEngineService::manyPiecesComeInFewFrames()
{
    m_runtime->script = [](const auto &, const auto &) {
        return makeScript(std::vector<std::string>(1000, "x"), 50);
    };
    QElapsedTimer clock;
    clock.start();
    const auto heard = listen(m_service->ask(model("a"), {}, this));
    QTRY_COMPARE(heard->finished, 1);
    QCOMPARE(heard->text.size(), 1000);
    QVERIFY2(heard->drains <= clock.elapsed() / 16 + 3, qPrintable(QString::number(heard->drains)));
}

void TestEngineService::cancelAnswersSoonAndOnce()
{
    m_runtime->script = [](const auto &, const auto &) { return endlessScript(); };
    AnswerStream *stream = m_service->ask(model("a"), {}, this);
    const auto heard = listen(stream);
    QTRY_VERIFY(heard->text.size() > 20);
    QElapsedTimer clock;
    clock.start();
    stream->cancel();
    stream->cancel();
    while (heard->finished == 0 && clock.elapsed() < 1000)
        QTest::qWait(1);
    QVERIFY(clock.elapsed() < 200);
    QTest::qWait(30);
    QCOMPARE(heard->finished, 1);
    QCOMPARE(heard->afterFinished, 0);
    QCOMPARE(heard->last.reason, engine::FinishReason::Cancelled);
}

void TestEngineService::cancelWhileTheModelLoads()
{
    m_runtime->loadMilliseconds = 100;
    AnswerStream *stream = m_service->ask(model("a"), {}, this);
    const auto heard = listen(stream);
    stream->cancel();
    QCOMPARE(heard->finished, 1);
    QTRY_COMPARE(m_service->loadState(model("a")), EngineService::LoadState::Loaded);
    QCOMPARE(m_runtime->requests().size(), std::size_t(0));
}

void TestEngineService::deletingTheStreamSilencesIt()
{
    m_runtime->script = [](const auto &, const auto &) { return endlessScript(); };
    AnswerStream *stream = m_service->ask(model("a"), {}, this);
    const auto heard = listen(stream);
    QTRY_VERIFY(heard->text.size() > 4);
    delete stream;
    QTRY_COMPARE(m_runtime->liveGenerations(), 0);
    QCOMPARE(heard->finished, 0);
}

void TestEngineService::aModelThatCannotBeLoadedSaysWhy()
{
    m_runtime->failLoadsOf = "broken";
    const auto heard = listen(m_service->ask(model("broken"), {}, this));
    QTRY_COMPARE(heard->finished, 1);
    QCOMPARE(heard->last.reason, engine::FinishReason::Failed);
    QVERIFY(heard->last.error.has_value());
    QCOMPARE(QString::fromStdString(heard->last.error->message), QStringLiteral("The file broken is cut off."));
    QCOMPARE(m_service->loadError(model("broken")), QStringLiteral("The file broken is cut off."));
    m_runtime->failLoadsOf.clear(); // repaired: the next question tries again
    const auto again = listen(m_service->ask(model("broken"), {}, this));
    QTRY_COMPARE(again->finished, 1);
    QCOMPARE(again->last.reason, engine::FinishReason::EndOfTurn);
}

void TestEngineService::twoModelsAnswerSideBySide()
{
    m_runtime->script = [](const engine::LoadOptions &options, const auto &) {
        return makeScript(std::vector<std::string>(50, options.requantize.empty() ? "a" : "b"), 1000);
    };
    engine::LoadOptions copy = model("a");
    copy.requantize = "q4_0";
    const auto left = listen(m_service->ask(model("a"), {}, this));
    const auto right = listen(m_service->ask(copy, {}, this));
    QTRY_VERIFY(left->finished == 1 && right->finished == 1);
    QCOMPARE(left->text, QString(50, u'a'));
    QCOMPARE(right->text, QString(50, u'b'));
    QCOMPARE(m_runtime->mostAtOnce(), 2);
    QCOMPARE(m_service->memoryInUse().weightBytes, 20'000'000U);
}

void TestEngineService::unloadedModelsAreLoadedAgain()
{
    const auto first = listen(m_service->ask(model("a"), {}, this));
    QTRY_COMPARE(first->finished, 1);
    m_service->unload(model("a"));
    QCOMPARE(m_service->loadState(model("a")), EngineService::LoadState::NotLoaded);
    QCOMPARE(m_service->models().size(), std::size_t(0));
    const auto second = listen(m_service->ask(model("a"), {}, this));
    QTRY_COMPARE(second->finished, 1);
    QCOMPARE(second->text, first->text);
}

void TestEngineService::theServiceMayEndBeforeItsStreams()
{
    m_runtime->script = [](const auto &, const auto &) { return endlessScript(); };
    const auto heard = listen(m_service->ask(model("a"), {}, this));
    QTRY_VERIFY(heard->text.size() > 4);
    m_service.reset();
    QCOMPARE(heard->finished, 1);
    QCOMPARE(heard->last.reason, engine::FinishReason::Cancelled);
}

void TestEngineService::aSlotMayDeleteTheStream()
{
    AnswerStream *stream = m_service->ask(model("a"), {}, this);
    bool deleted = false;
    connect(stream, &AnswerStream::textAdded, this, [&] {
        delete stream;
        deleted = true;
    });
    QTRY_VERIFY(deleted);
    QTRY_COMPARE(m_runtime->liveGenerations(), 0);
}

void TestEngineService::aLostCardEndsItsAnswersAndOffersTheProcessor()
{
    m_runtime->script = [](const engine::LoadOptions &, const engine::GenerationRequest &) { return endlessScript(); };
    m_runtime->offersFor = [](const engine::LoadOptions &options) {
        engine::LoadOffer offer{.kind = engine::LoadOffer::Kind::Processor, .options = options, .plan = {}, .layers = 4};
        offer.options.device = "cpu";
        return std::vector<engine::LoadOffer>{offer};
    };
    engine::LoadOptions onCard = model("a");
    onCard.device = "cuda:0";
    QObject owner;
    const auto first = listen(m_service->ask(onCard, {}, &owner)), second = listen(m_service->ask(onCard, {}, &owner));
    QTRY_VERIFY(!first->text.isEmpty() && !second->text.isEmpty());
    m_runtime->isCardLost = true;
    QTRY_VERIFY(first->finished == 1 && second->finished == 1);
    for (const auto &heard : {first, second}) {
        QVERIFY(heard->last.reason == engine::FinishReason::Failed);
        QVERIFY(heard->last.error && heard->last.error->code == engine::ErrorCode::DeviceLost);
        QVERIFY(!heard->text.isEmpty());
    }
    QCOMPARE(m_service->loadState(onCard), EngineService::LoadState::Failed);
    QVERIFY(m_service->loadError(onCard).contains(QStringLiteral("the card failed")));
    QTRY_COMPARE(m_service->offers(onCard).size(), std::size_t{1});
    QTRY_VERIFY(m_service->models().empty()); // its memory is given back
    m_runtime->script = {};
    const auto third = listen(m_service->ask(m_service->offers(onCard)[0].options, {}, &owner));
    QTRY_COMPARE(third->finished, 1);
    QVERIFY(third->last.reason == engine::FinishReason::EndOfTurn);
}

QTEST_GUILESS_MAIN(TestEngineService)
#include "tst_engine_service.moc"
