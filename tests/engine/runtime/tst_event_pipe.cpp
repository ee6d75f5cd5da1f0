// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/event_pipe.h"

#include <QtTest>

#include <atomic>
#include <thread>

using namespace engine;

class TestEventPipe : public QObject {
    Q_OBJECT

private slots:
    void wakesOnlyWhenItWasEmpty();
    void cancelEndsAtOnceWithTheRecord();
    void nothingFollowsTheEnd();
    void progressInARowBecomesOne();
    void closedPipeIsSilent();
    void wakeMayCancelAndClose();
    void threadsLoseNothing();
};

void TestEventPipe::wakesOnlyWhenItWasEmpty()
{
    int wakes = 0;
    EventPipe pipe([&wakes] { ++wakes; }, std::make_shared<WorkSignal>());
    pipe.push(TextAdded{"a"});
    pipe.push(TextAdded{"b"});
    QCOMPARE(wakes, 1);
    QCOMPARE(pipe.takeEvents().size(), std::size_t{2});
    pipe.push(TextAdded{"c"});
    QCOMPARE(wakes, 2);
}

void TestEventPipe::cancelEndsAtOnceWithTheRecord()
{
    EventPipe pipe({}, std::make_shared<WorkSignal>());
    pipe.setPrompt({1, 2});
    pipe.addGenerated(3);
    pipe.setUsage({.promptTokens = 2, .answerTokens = 1});
    pipe.cancel();
    const auto events = pipe.takeEvents();
    QCOMPARE(events.size(), std::size_t{1});
    const auto &end = std::get<Finished>(events[0]);
    QVERIFY(end.reason == FinishReason::Cancelled);
    QVERIFY(end.promptIds == std::vector<std::int32_t>({1, 2}));
    QVERIFY(end.generatedIds == std::vector<std::int32_t>{3});
    QCOMPARE(end.usage.answerTokens, 1);
    QVERIFY(pipe.stopToken().stop_requested());
}

void TestEventPipe::nothingFollowsTheEnd()
{
    EventPipe pipe({}, std::make_shared<WorkSignal>());
    pipe.finish(FinishReason::EndOfTurn);
    pipe.push(TextAdded{"late"});
    pipe.cancel();
    const auto events = pipe.takeEvents();
    QCOMPARE(events.size(), std::size_t{1});
    QVERIFY(std::get<Finished>(events[0]).reason == FinishReason::EndOfTurn);
}

void TestEventPipe::progressInARowBecomesOne()
{
    EventPipe pipe({}, std::make_shared<WorkSignal>());
    pipe.push(PhaseChanged{Phase::Reading, 1, 9});
    pipe.push(PhaseChanged{Phase::Reading, 5, 9});
    pipe.push(PhaseChanged{Phase::Answering});
    const auto events = pipe.takeEvents();
    QCOMPARE(events.size(), std::size_t{2});
    QCOMPARE(std::get<PhaseChanged>(events[0]).done, 5);
}

void TestEventPipe::closedPipeIsSilent()
{
    int wakes = 0;
    EventPipe pipe([&wakes] { ++wakes; }, std::make_shared<WorkSignal>());
    pipe.close();
    pipe.push(TextAdded{"a"});
    QCOMPARE(wakes, 0);
    QVERIFY(pipe.isFinished());
}

void TestEventPipe::wakeMayCancelAndClose()
{
    EventPipe *self = nullptr;
    EventPipe pipe(
        [&self] {
            self->cancel();
            self->close();
        },
        std::make_shared<WorkSignal>());
    self = &pipe;
    pipe.push(TextAdded{"a"});
    QVERIFY(pipe.isFinished());
}

void TestEventPipe::threadsLoseNothing()
{
    auto signal = std::make_shared<WorkSignal>();
    std::atomic<int> wakes = 0;
    EventPipe pipe([&wakes] { ++wakes; }, signal);
    constexpr int kCount = 20000;
    std::jthread engine([&] {
        for (int i = 0; i < kCount; ++i) {
            while (!pipe.hasRoom())
                signal->wait();
            pipe.push(TextAdded{std::to_string(i)});
        }
        pipe.finish(FinishReason::EndOfTurn);
    });
    int next = 0;
    bool ended = false;
    while (!ended) {
        const auto events = pipe.takeEvents();
        if (events.empty())
            std::this_thread::yield();
        QVERIFY(events.size() <= EventPipe::kRoom + 1);
        for (const auto &event : events) {
            QVERIFY(!ended);
            if (const auto *text = std::get_if<TextAdded>(&event))
                QCOMPARE(text->text, std::to_string(next++));
            else
                ended = true;
        }
    }
    QCOMPARE(next, kCount);
    QVERIFY(wakes > 0);
}

QTEST_APPLESS_MAIN(TestEventPipe)
#include "tst_event_pipe.moc"
