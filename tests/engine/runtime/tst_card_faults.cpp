// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.h"
#include "engine/runtime.h"
#include "runtime/work_signal.h"
#include "support/find_fake_card.h"

#include <QtTest>

using namespace engine;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

struct Reader {
    std::shared_ptr<WorkSignal> signal = std::make_shared<WorkSignal>();
    Wake wake() const
    {
        return [signal = signal] { signal->raise(); };
    }
};

// What the engine meets when the card or its driver fail, through a plug-in that pretends it.
Result<ModelId> loadOn(Runtime &runtime, const std::string &device, int contextTokens = 256, int cardLayers = 0)
{
    LoadOptions options;
    options.path = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
    options.device = device;
    options.contextTokens = contextTokens;
    options.cardLayers = cardLayers;
    options.threads = 2;
    const Reader reader;
    const auto load = runtime.load(options, reader.wake());
    for (;;) {
        if (auto result = load->takeResult())
            return std::move(*result);
        reader.signal->wait();
    }
}

struct Answer {
    std::unique_ptr<Generation> generation;
    Reader reader;
    int tokens = 0;
    std::optional<Finished> end;

    Answer(Runtime &runtime, ModelId model, int maxTokens)
    {
        GenerationRequest request;
        request.model = model;
        request.rawTokens = {5, 6, 7, 8};
        request.sampling.maxTokens = maxTokens;
        request.observe.alternatives = 1;
        generation = runtime.start(std::move(request), reader.wake());
    }
    bool wait(int untilTokens)
    {
        while (!end && tokens < untilTokens) {
            for (GenerationEvent &event : generation->takeEvents()) {
                tokens += std::holds_alternative<TokenRecord>(event) ? 1 : 0;
                if (auto *finished = std::get_if<Finished>(&event))
                    end = std::move(*finished);
            }
            if (!end && tokens < untilTokens)
                reader.signal->wait();
        }
        return end.has_value();
    }
};

} // namespace

class TestCardFaults : public QObject {
    Q_OBJECT

private:
    FakeCard *m_card = nullptr;

private slots:
    void initTestCase()
    {
        m_card = tests::findFakeCard();
        QVERIFY2(m_card != nullptr, dlerror());
    }
    void init()
    {
        m_card->opening = FakeCard::Opening::Works;
        m_card->totalBytes = std::uint64_t{8} << 30U;
        m_card->otherProgramsBytes = 0;
        m_card->isLost = false;
        m_card->fullAfterSteps = -1;
        m_card->stepMicroseconds = 0;
        m_card->answerSteps = 0;
        m_card->foreseenSteps = 0;
    }
    // Every reason is said, the devices list it, and the processor answers all the same.
    void aCardThatCannotBeOpenedSaysWhyAndTheProcessorRuns_data()
    {
        QTest::addColumn<int>("opening");
        QTest::addColumn<QString>("says");
        QTest::newRow("old driver") << int(FakeCard::Opening::OldDriver) << QStringLiteral("older than CUDA 13 needs");
        QTest::newRow("no card") << int(FakeCard::Opening::NoCard) << QStringLiteral("no NVIDIA card can be used");
        QTest::newRow("wrong generation") << int(FakeCard::Opening::WrongGeneration) << QStringLiteral("of a generation this build has no code for");
        QTest::newRow("other build") << int(FakeCard::Opening::OtherBuild) << QStringLiteral("of another build of Diptych");
        QTest::newRow("held by another program") << int(FakeCard::Opening::Busy) << QStringLiteral("another program may hold it");
    }
    void aCardThatCannotBeOpenedSaysWhyAndTheProcessorRuns()
    {
        QFETCH(int, opening);
        QFETCH(QString, says);
        m_card->opening = static_cast<FakeCard::Opening>(opening);
        const auto runtime = Runtime::create();
        const auto devices = runtime->devices();
        QCOMPARE(devices.size(), std::size_t{2});
        QVERIFY(devices[0].usable && !devices[1].usable);
        QVERIFY(QString::fromStdString(devices[1].whyNot).contains(says));
        const auto refused = loadOn(*runtime, "cuda");
        QVERIFY(!refused.ok());
        QVERIFY(refused.error().code == ErrorCode::DeviceLost);
        const QString sentence = QString::fromStdString(refused.error().message);
        QVERIFY2(sentence.contains(says), qPrintable(sentence));
        LoadOptions asked;
        asked.path = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
        asked.device = "cuda";
        const auto offers = runtime->offers(asked, refused.error().code);
        QCOMPARE(offers.size(), std::size_t{1});
        QVERIFY(offers[0].kind == LoadOffer::Kind::Processor);
        QVERIFY(QString::fromStdString(sentenceOf(offers[0])).contains(u"On the processor it takes"));
        const auto instead = loadOn(*runtime, offers[0].options.device);
        QVERIFY(instead.ok());
        Answer answer(*runtime, *instead, 3);
        QVERIFY(answer.wait(1000));
        QVERIFY(answer.end->reason != FinishReason::Failed);
    }
    void aCardThatIsThereAnswers()
    {
        const auto runtime = Runtime::create();
        QCOMPARE(QString::fromStdString(runtime->devices()[1].name), QStringLiteral("Pretended Card 8 GB"));
        for (const int layers : {0, 2}) {
            const auto model = loadOn(*runtime, "cuda", 256, layers);
            QVERIFY2(model.ok(), model.ok() ? "" : model.error().message.c_str());
            Answer answer(*runtime, *model, 5);
            QVERIFY(answer.wait(1000));
            QVERIFY(answer.end->reason == FinishReason::Length);
            QCOMPARE(runtime->models().back().cardLayers, layers);
        }
        const auto missing = loadOn(*runtime, "cuda:3");
        QVERIFY(!missing.ok() && QString::fromStdString(missing.error().message).contains(u"no CUDA device 3"));
    }
    // Blocks of 16 tokens are announced a step before they are needed, so the card never has to wait for one.
    void everyStepOfAnAnswerAfterItsFirstCanBeForeseen()
    {
        const auto runtime = Runtime::create();
        const auto model = loadOn(*runtime, "cuda", 64);
        QVERIFY(model.ok());
        m_card->answerSteps = 0; // without those of the load
        m_card->foreseenSteps = 0;
        Answer answer(*runtime, *model, 60); // the whole context
        QVERIFY(answer.wait(1000));
        QCOMPARE(answer.tokens, 60);
        QCOMPARE(m_card->answerSteps, 59);
        QCOMPARE(m_card->foreseenSteps, 58);
    }
    void oneModelsShareOfACardCanBeSet()
    {
        qputenv("DIPTYCH_CUDA_MEMORY_MIB", "100");
        auto backend = makeCudaBackend(0, false);
        QVERIFY(backend.ok());
        QCOMPARE((*backend)->memory().free, 100 * kMiB);
        const auto taken = (*backend)->allocate(30 * kMiB);
        QVERIFY(taken.ok());
        QCOMPARE((*backend)->memory().free, 70 * kMiB);
        qunsetenv("DIPTYCH_CUDA_MEMORY_MIB");
        QCOMPARE((*backend)->memory().free, m_card->totalBytes - 30 * kMiB);
    }
    // Taken by another program between two loads: the load says so with numbers, and each offer loads.
    void memoryTakenByAnotherProgramIsSaidAndOffersLoad()
    {
        LoadOptions asked;
        asked.path = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
        asked.device = "cuda";
        asked.threads = 2;
        const auto info = inspectModel(asked.path);
        QVERIFY(info.ok());
        const std::uint64_t needed = planMemory(*info, asked)->totalBytes();
        const auto runtime = Runtime::create();
        QSet<int> seen;
        for (std::uint64_t free = needed; free > 0; free -= std::min(free, std::max(needed / 8, 4 * kMiB))) {
            m_card->otherProgramsBytes = m_card->totalBytes - free;
            const auto offers = loadOffers(*info, asked);
            const auto refused = loadOn(*runtime, "cuda", 0);
            if (refused.ok()) {
                QVERIFY(offers.empty());
                runtime->unload(*refused);
                QTRY_COMPARE(m_card->usedBytes.load(), std::uint64_t{0});
                continue;
            }
            QVERIFY(refused.error().code == ErrorCode::OutOfMemory);
            QVERIFY(QString::fromStdString(refused.error().message).startsWith(u"The model does not fit on the card: "));
            QVERIFY(!offers.empty());
            for (const LoadOffer &offer : offers) {
                seen += static_cast<int>(offer.kind);
                QVERIFY(!sentenceOf(offer).empty());
                const Reader reader;
                const auto load = runtime->load(offer.options, reader.wake());
                std::optional<Result<ModelId>> result;
                while (!(result = load->takeResult()))
                    reader.signal->wait();
                QVERIFY2(result->ok(), result->ok() ? "" : result->error().message.c_str());
                runtime->unload(**result);
                QTRY_COMPARE(m_card->usedBytes.load(), std::uint64_t{0});
            }
        }
        QVERIFY(seen.contains(static_cast<int>(LoadOffer::Kind::Processor)));
        QVERIFY(seen.contains(static_cast<int>(LoadOffer::Kind::Split)));
    }
    // The answers end with the reason and keep what was written; on the processor it goes on.
    void aCardLostWhileAnsweringEndsTheAnswersAndTheProcessorGoesOn()
    {
        for (const int layers : {0, 2}) {
            m_card->isLost = false;
            const auto runtime = Runtime::create();
            const auto model = loadOn(*runtime, "cuda", 4096, layers);
            QVERIFY(model.ok());
            m_card->stepMicroseconds = 1000;
            Answer first(*runtime, *model, 4000), second(*runtime, *model, 4000); // seconds, however busy the machine is
            QVERIFY(!first.wait(3) && !second.wait(3));
            m_card->isLost = true;
            for (Answer *answer : {&first, &second}) {
                QVERIFY(answer->wait(100000));
                QVERIFY(answer->end->reason == FinishReason::Failed);
                QVERIFY(answer->end->error && answer->end->error->code == ErrorCode::DeviceLost);
                QVERIFY(QString::fromStdString(answer->end->error->message).contains(u"the card failed"));
                QVERIFY(answer->end->generatedIds.size() >= 3);
            }
            LoadOptions asked;
            asked.path = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
            asked.device = "cuda";
            m_card->isLost = false; // were it there again, a process that lost it is not offered it
            const auto offers = runtime->offers(asked, ErrorCode::DeviceLost);
            QVERIFY(offers.size() == 1 && offers[0].kind == LoadOffer::Kind::Processor);
            m_card->isLost = true;
            const auto again = loadOn(*runtime, "cuda", 512, layers);
            QVERIFY(!again.ok() && again.error().code == ErrorCode::DeviceLost);
            runtime->unload(*model);
            const auto processor = loadOn(*runtime, "cpu");
            QVERIFY(processor.ok());
            Answer instead(*runtime, *processor, 3);
            QVERIFY(instead.wait(1000));
            QVERIFY(instead.end->reason != FinishReason::Failed);
        }
    }
    // A step that finds no memory ends the youngest answer; the other goes on to its end.
    void noMemoryInAStepEndsOneAnswerOnly()
    {
        for (const int layers : {0, 2}) {
            const auto runtime = Runtime::create();
            const auto model = loadOn(*runtime, "cuda", 4096, layers);
            QVERIFY(model.ok());
            m_card->stepMicroseconds = 1000;
            Answer first(*runtime, *model, 400);
            QVERIFY(!first.wait(3));
            Answer second(*runtime, *model, 4000);
            QVERIFY(!second.wait(3));
            m_card->fullAfterSteps = 0;
            QVERIFY(first.wait(100000) && second.wait(100000));
            // Both were running, unless the first had ended just before.
            QVERIFY(second.end->reason == FinishReason::Failed && second.end->error->code == ErrorCode::OutOfMemory);
            QVERIFY(first.end->reason == FinishReason::Length);
            QCOMPARE(first.tokens, 400);
            Answer third(*runtime, *model, 3);
            QVERIFY(third.wait(1000));
            QVERIFY(third.end->reason == FinishReason::Length);
        }
    }
};

QTEST_GUILESS_MAIN(TestCardFaults)
#include "tst_card_faults.moc"
