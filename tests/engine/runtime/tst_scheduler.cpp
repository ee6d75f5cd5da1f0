// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "support/scheduler_bench.h"

#include <QtTest>

#include <random>

using namespace engine;
using Bench = tests::SchedulerBench;
using tests::FakeCounters;
using tests::FakeModelOptions;
using tests::ramp;
using tests::Run;

class TestScheduler : public QObject {
    Q_OBJECT

private slots:
    void answerCountsOn();
    void longPromptIsReadInChunks();
    void aShortQuestionOvertakesALongPrompt();
    void sequencesShareSteps();
    void sameSeedSameAnswerAloneOrWithSevenOthers();
    void aDeviceThatChoosesGivesTheSameAnswers();
    void knownBeginningIsNotReadAgain();
    void fullReaderParksOnlyItself();
    void parkedSequenceGivesItsBlocksToOthers();
    void preemptionChangesNoAnswer();
    void contextEndsTheAnswer();
    void stopIdEndsTheTurn();
    void requestsThatCannotRunSaySo_data();
    void requestsThatCannotRunSaySo();
    void failedStepEndsItsSequencesOnly();
    void aStepWithoutRoomEndsTheYoungestOnly();
    void noMemoryEndsTheAnswerNotTheProgram();
    void outputThatIsNoNumberIsAnError();
    void observationsComeWhenAsked();
    void expertOptionsNeverShareAStep();
    void cancelledAtAnyStepGivesAllBlocksBack();
};

void TestScheduler::answerCountsOn()
{
    Bench bench;
    const auto run = bench.finish({bench.start(Bench::request({5, 6, 7}, 4))})[0];
    QVERIFY(run.generated == ramp(4, 8));
    QCOMPARE(run.ends, 1);
    QVERIFY(run.end->reason == FinishReason::Length);
    QVERIFY(run.end->promptIds == ramp(3, 5));
    QCOMPARE(run.end->usage.promptTokens, 3);
    QCOMPARE(run.end->usage.answerTokens, 4);
    QCOMPARE(bench.scheduler.usedBlocks(), 0);
}

void TestScheduler::longPromptIsReadInChunks()
{
    Bench bench;
    QCOMPARE(bench.scheduler.chunkTokens(), 32);
    const auto run = bench.finish({bench.start(Bench::request(ramp(100), 1))})[0];
    QVERIFY(run.generated == ramp(1, 0)); // 99 + 1 wraps
    QCOMPARE(bench.counters.steps.load(), 4);
    QCOMPARE(bench.counters.rows.load(), 100);
}

void TestScheduler::aShortQuestionOvertakesALongPrompt()
{
    Bench bench;
    const auto slow = bench.start(Bench::request(ramp(250), 4));
    const auto quick = bench.start(Bench::request({1}, 3));
    Run slowRun, quickRun;
    while (!quickRun.end) {
        bench.scheduler.step();
        Bench::drain(*slow, slowRun);
        Bench::drain(*quick, quickRun);
    }
    QVERIFY(!slowRun.end);
    QVERIFY(quickRun.generated == ramp(3, 2));
}

void TestScheduler::sequencesShareSteps()
{
    Bench bench;
    std::vector<std::shared_ptr<EventPipe>> pipes;
    for (int i = 0; i < 8; ++i)
        pipes.push_back(bench.start(Bench::request({i * 10}, 20)));
    const auto runs = bench.finish(pipes);
    for (int i = 0; i < 8; ++i)
        QVERIFY(runs[static_cast<std::size_t>(i)].generated == ramp(20, i * 10 + 1));
    QCOMPARE(bench.counters.mostSequences.load(), 8);
    QVERIFY(bench.counters.steps < 40); // and not 160
}

void TestScheduler::sameSeedSameAnswerAloneOrWithSevenOthers()
{
    Bench alone({.flat = true});
    const auto wanted = Bench::request(ramp(70), 60, 1.0F, 42);
    const auto first = alone.finish({alone.start(wanted)})[0].generated;
    QCOMPARE(first.size(), std::size_t{60});

    Bench together({.blocks = 128, .flat = true});
    std::vector<std::shared_ptr<EventPipe>> pipes;
    for (int i = 0; i < 3; ++i)
        pipes.push_back(together.start(Bench::request(ramp(40 + i, i), 90, 1.0F, 7)));
    pipes.push_back(together.start(wanted));
    for (int i = 0; i < 4; ++i)
        pipes.push_back(
            together.start(Bench::request(ramp(70), 50, 1.0F, static_cast<std::uint64_t>(i))));
    const auto runs = together.finish(pipes);
    QVERIFY(runs[3].generated == first);
    QVERIFY(runs[4].generated != first); // another seed, another answer
}

void TestScheduler::aDeviceThatChoosesGivesTheSameAnswers()
{
    const auto wanted = [](int i) {
        auto request = Bench::request(ramp(20 + i, i), 30, i % 3 == 0 ? 0.0F : 0.8F, static_cast<std::uint64_t>(i));
        request.sampling.topP = i % 2 == 0 ? 0.9F : 1.0F;
        request.observe.alternatives = i < 3 ? 4 : 0;
        return request;
    };
    const auto answers = [&](Bench &bench, float penaltyOfLast) {
        std::vector<std::shared_ptr<EventPipe>> pipes;
        for (int i = 0; i < 6; ++i) {
            auto request = wanted(i);
            request.sampling.repetitionPenalty = i == 5 ? penaltyOfLast : 1.0F;
            pipes.push_back(bench.start(request));
        }
        return bench.finish(pipes);
    };
    for (const float penalty : {1.0F, 1.3F}) {
        Bench host({.blocks = 128, .flat = true}), device({.blocks = 128, .flat = true, .chooses = true});
        const auto expected = answers(host, penalty), found = answers(device, penalty);
        QCOMPARE(host.counters.choices.load(), 0);
        QVERIFY(device.counters.choices > 0); // before the last one has joined, also with a penalty
        for (std::size_t i = 0; i < expected.size(); ++i) {
            QCOMPARE(found[i].generated, expected[i].generated);
            std::vector<TokenRecord> records[2];
            for (const auto *run : {&expected[i], &found[i]})
                for (const auto &event : run->events)
                    if (const auto *record = std::get_if<TokenRecord>(&event))
                        records[run == &found[i]].push_back(*record);
            QCOMPARE(records[1].size(), records[0].size());
            QCOMPARE(records[0].empty(), i >= 3);
            for (std::size_t t = 0; t < records[0].size(); ++t) {
                QVERIFY(std::abs(records[1][t].probability - records[0][t].probability) < 1e-6F);
                QCOMPARE(records[1][t].alternatives.size(), std::size_t{4});
                for (std::size_t a = 0; a < 4; ++a)
                    QCOMPARE(records[1][t].alternatives[a].id, records[0][t].alternatives[a].id);
            }
        }
    }
}

void TestScheduler::knownBeginningIsNotReadAgain()
{
    Bench bench;
    (void)bench.finish({bench.start(Bench::request(ramp(80), 2))});
    bench.counters.rows = 0;
    auto question = ramp(80);
    question.push_back(7);
    const auto run = bench.finish({bench.start(Bench::request(question, 1))})[0];
    QVERIFY(run.generated == ramp(1, 8));
    QCOMPARE(run.end->usage.cachedTokens, 80);
    QCOMPARE(bench.counters.rows.load(), 1);
    // The same prompt once more: its last token is read again, since its logits are wanted.
    const auto same = bench.finish({bench.start(Bench::request(ramp(80), 1))})[0];
    QCOMPARE(same.end->usage.cachedTokens, 64);
    QVERIFY(same.generated == ramp(1, 80));
}

void TestScheduler::fullReaderParksOnlyItself()
{
    Bench bench({.contextTokens = 2000, .blocks = 256});
    const auto observed = [](int start) {
        auto wanted = Bench::request({start}, 800);
        wanted.observe.routing = true; // an event a token
        return wanted;
    };
    const auto lazy = bench.start(observed(3)), eager = bench.start(observed(4));
    Run eagerRun, lazyRun;
    for (int step = 0; step < 2000 && !eagerRun.end; ++step) {
        bench.scheduler.step();
        Bench::drain(*eager, eagerRun);
    }
    QVERIFY(eagerRun.end);
    QVERIFY(!lazy->hasRoom() && !lazy->isFinished());
    QVERIFY(!bench.scheduler.hasWork()); // parked, so the engine sleeps
    while (!lazyRun.end) {
        Bench::drain(*lazy, lazyRun);
        QVERIFY(bench.scheduler.hasWork() || lazyRun.end);
        bench.scheduler.step();
    }
    QVERIFY(lazyRun.generated == ramp(800, 4));
    QCOMPARE(std::ranges::count_if(
                 lazyRun.events,
                 [](const auto &event) { return std::holds_alternative<RoutingRecord>(event); }),
             800);
}

void TestScheduler::parkedSequenceGivesItsBlocksToOthers()
{
    Bench bench({.contextTokens = 1000, .blocks = 64});
    auto wanted = Bench::request({0}, 900);
    wanted.observe.routing = true;
    const auto lazy = bench.start(wanted);
    while (bench.scheduler.hasWork())
        bench.scheduler.step();
    QVERIFY(bench.scheduler.usedBlocks() > 30);
    const auto other = bench.start(Bench::request(ramp(600, 50), 4)); // needs 38 of 64
    Run otherRun, lazyRun;
    while (!otherRun.end) {
        QVERIFY(bench.scheduler.hasWork());
        bench.scheduler.step();
        Bench::drain(*other, otherRun);
    }
    QVERIFY(otherRun.generated == ramp(4, 650));
    while (!lazyRun.end) {
        Bench::drain(*lazy, lazyRun);
        bench.scheduler.step();
    }
    QVERIFY(lazyRun.generated == ramp(900, 1));
}

void TestScheduler::preemptionChangesNoAnswer()
{
    Bench alone({.contextTokens = 160, .blocks = 64, .flat = true});
    std::vector<std::vector<std::int32_t>> expected;
    const auto wanted = [](int i) {
        return Bench::request(ramp(20 + i, i), 100, 1.0F, static_cast<std::uint64_t>(i));
    };
    for (int i = 0; i < 6; ++i)
        expected.push_back(alone.finish({alone.start(wanted(i))})[0].generated);

    Bench tight({.contextTokens = 160, .blocks = 16, .flat = true}); // all six need 48
    std::vector<std::shared_ptr<EventPipe>> pipes;
    for (int i = 0; i < 6; ++i)
        pipes.push_back(tight.start(wanted(i)));
    const auto runs = tight.finish(pipes);
    for (std::size_t i = 0; i < runs.size(); ++i) {
        QCOMPARE(runs[i].ends, 1);
        QVERIFY(runs[i].generated == expected[i]);
    }
    QCOMPARE(tight.scheduler.blocks().usedCount(), 0);
}

void TestScheduler::contextEndsTheAnswer()
{
    Bench bench({.contextTokens = 64});
    const auto run = bench.finish({bench.start(Bench::request(ramp(60), 50))})[0];
    QVERIFY(run.end->reason == FinishReason::ContextFull);
    QVERIFY(run.end->error && run.end->error->code == ErrorCode::ContextFull);
    QCOMPARE(run.generated.size(), std::size_t{4});
}

void TestScheduler::stopIdEndsTheTurn()
{
    Bench bench({.stopId = 12});
    const auto run = bench.finish({bench.start(Bench::request({8}, 50))})[0];
    QVERIFY(run.end->reason == FinishReason::EndOfTurn);
    QVERIFY(run.generated == ramp(4, 9)); // the stop id is on the record
    QCOMPARE(run.end->usage.answerTokens, 3);
}

void TestScheduler::requestsThatCannotRunSaySo_data()
{
    QTest::addColumn<int>("kind");
    QTest::addColumn<int>("code");
    QTest::newRow("no turns") << 0 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("blank question") << 1 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("a picture for a text model") << 2 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("longer than the context") << 3 << static_cast<int>(ErrorCode::ContextFull);
    QTest::newRow("id outside the vocabulary") << 4 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("negative id") << 5 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("temperature is no number") << 6 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("no tokens allowed") << 7 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("no tokenizer") << 8 << static_cast<int>(ErrorCode::Unsupported);
    QTest::newRow("unknown expert") << 9 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("no ids") << 10 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("answer as last turn") << 11 << static_cast<int>(ErrorCode::BadRequest);
    QTest::newRow("where, of a model that cannot point") << 12 << static_cast<int>(ErrorCode::Unsupported);
}

void TestScheduler::requestsThatCannotRunSaySo()
{
    QFETCH(int, kind);
    QFETCH(int, code);
    Bench bench;
    GenerationRequest wanted = Bench::request({1}, 5);
    const auto ask = [&wanted](const char *text) {
        wanted.rawTokens.reset();
        wanted.turns = {{.role = Role::User, .text = text, .thinking = {}, .images = {}}};
    };
    switch (kind) {
    case 0:
        wanted.rawTokens.reset();
        break;
    case 1:
        ask(" \n\t");
        break;
    case 2:
        wanted.turns = {{.role = Role::User,
                         .text = "What is this?",
                         .thinking = {},
                         .images = {std::make_shared<Image>()}}};
        break;
    case 3:
        wanted.rawTokens = ramp(256);
        break;
    case 4:
        wanted.rawTokens = {1, 100};
        break;
    case 5:
        wanted.rawTokens = {-1};
        break;
    case 6:
        wanted.sampling.temperature = std::nanf("");
        break;
    case 7:
        wanted.sampling.maxTokens = 0;
        break;
    case 8:
        ask("Hello");
        break;
    case 9:
        wanted.experts.stopExpertIds = {4};
        break;
    case 10:
        wanted.rawTokens = std::vector<std::int32_t>();
        break;
    case 11:
        ask("Hello");
        wanted.turns[0].role = Role::Assistant;
        break;
    default:
        ask("the red circle");
        wanted.turns[0].asksWhere = true;
        break;
    }
    const auto run = bench.finish({bench.start(wanted)})[0];
    QCOMPARE(run.ends, 1);
    QVERIFY(run.end->reason == FinishReason::Failed);
    QCOMPARE(static_cast<int>(run.end->error->code), code);
    QVERIFY(run.end->error->message.size() > 10);
    QCOMPARE(run.end->error->message.find("cannot say where") != std::string::npos, kind == 12);
    QCOMPARE(bench.counters.steps.load(), 0);
}

void TestScheduler::failedStepEndsItsSequencesOnly()
{
    Bench bench;
    const auto first = bench.start(Bench::request({1}, 50)),
               second = bench.start(Bench::request({2}, 50));
    for (int i = 0; i < 6; ++i)
        bench.scheduler.step();
    bench.counters.fail = true;
    bench.scheduler.step();
    bench.counters.fail = false;
    const auto runs = bench.finish({first, second, bench.start(Bench::request({3}, 2))});
    QVERIFY(runs.size() == 3);
    QVERIFY(bench.scheduler.sequenceCount() == 0);
    QVERIFY(!first->hasRoom() || first->isFinished());
    QCOMPARE(bench.scheduler.blocks().usedCount(), 0);
    Run failed = runs[0];
    Bench::drain(*first, failed);
    QVERIFY(failed.end->reason == FinishReason::Failed);
    QVERIFY(failed.end->error->code == ErrorCode::DeviceLost);
    QVERIFY(runs[2].generated == ramp(2, 4));
}

void TestScheduler::aStepWithoutRoomEndsTheYoungestOnly()
{
    Bench bench;
    const auto first = bench.start(Bench::request({5}, 30)), second = bench.start(Bench::request({50}, 30));
    Run firstRun, secondRun;
    while (firstRun.events.empty() || secondRun.events.empty() || bench.counters.mostSequences < 2) {
        bench.scheduler.step();
        Bench::drain(*first, firstRun);
        Bench::drain(*second, secondRun);
    }
    bench.counters.outOfMemory = true; // for both together
    for (int step = 0; step < 100 && !(firstRun.end && secondRun.end); ++step) {
        bench.scheduler.step();
        Bench::drain(*first, firstRun);
        Bench::drain(*second, secondRun);
    }
    QVERIFY(firstRun.end && firstRun.end->reason == FinishReason::Length);
    QVERIFY(firstRun.generated == ramp(30, 6)); // as if nothing had been
    QVERIFY(secondRun.end && secondRun.end->reason == FinishReason::Failed);
    QVERIFY(secondRun.end->error && secondRun.end->error->code == ErrorCode::OutOfMemory);
    QCOMPARE(bench.scheduler.blocks().usedCount(), 0);
}

void TestScheduler::noMemoryEndsTheAnswerNotTheProgram()
{
    Bench bench;
    bench.counters.throwBadAlloc = true;
    const auto run = bench.finish({bench.start(Bench::request({1}, 5))})[0];
    QVERIFY(run.end->error->code == ErrorCode::OutOfMemory);
    bench.counters.throwBadAlloc = false;
    QVERIFY(bench.finish({bench.start(Bench::request({1}, 2))})[0].generated == ramp(2, 2));
}

void TestScheduler::outputThatIsNoNumberIsAnError()
{
    Bench bench;
    bench.counters.notANumber = true;
    const auto run = bench.finish({bench.start(Bench::request({1}, 5))})[0];
    QVERIFY(run.end->reason == FinishReason::Failed);
    QVERIFY(run.generated.empty());
}

void TestScheduler::observationsComeWhenAsked()
{
    Bench bench;
    auto wanted = Bench::request({1, 2}, 3);
    wanted.observe = {.alternatives = 2, .routing = true, .attention = true};
    const auto run = bench.finish({bench.start(wanted), bench.start(Bench::request({1, 2}, 3))});
    int tokens = 0, routings = 0;
    for (const auto &event : run[0].events) {
        if (const auto *record = std::get_if<TokenRecord>(&event)) {
            QCOMPARE(record->index, tokens);
            QCOMPARE(record->id, 3 + tokens++);
            QCOMPARE(record->alternatives.size(), std::size_t{2});
            QCOMPARE(record->alternatives[0].id, record->id);
            // e^10 against 99 ones
            QVERIFY(std::abs(record->probability - 22026.47F / (22026.47F + 99.0F)) < 1e-4F);
        }
        if (const auto *record = std::get_if<RoutingRecord>(&event)) {
            QCOMPARE(record->index, routings);
            QCOMPARE(record->layers[0].experts[0],
                     (1 + routings++) % 4); // the row that chose the token
        }
        QVERIFY(!std::holds_alternative<AttentionRecord>(event)); // no picture
    }
    QCOMPARE(tokens, 3);
    QCOMPARE(routings, 3);
    for (const auto &event : run[1].events)
        QVERIFY(!std::holds_alternative<TokenRecord>(event) &&
                !std::holds_alternative<RoutingRecord>(event));
}

void TestScheduler::expertOptionsNeverShareAStep()
{
    Bench bench;
    auto fewer = Bench::request({1}, 10);
    fewer.experts.maxExperts = 1;
    const auto runs = bench.finish({bench.start(Bench::request({1}, 10)), bench.start(fewer)});
    QCOMPARE(bench.counters.mostSequences.load(), 1);
    QVERIFY(runs[0].generated == ramp(10, 2) && runs[1].generated == ramp(10, 2));
}

void TestScheduler::cancelledAtAnyStepGivesAllBlocksBack()
{
    std::mt19937 random(3);
    Bench bench({.contextTokens = 128, .blocks = 24});
    std::vector<std::shared_ptr<EventPipe>> pipes;
    std::vector<Run> runs;
    for (int step = 0; step < 4000; ++step) {
        if (random() % 5 == 0) {
            pipes.push_back(bench.start(Bench::request(
                ramp(static_cast<int>(random() % 100) + 1, static_cast<int>(random() % 2)), 40)));
            runs.emplace_back();
        }
        if (!pipes.empty() && random() % 7 == 0)
            pipes[random() % pipes.size()]->cancel();
        bench.scheduler.step();
        for (std::size_t i = 0; i < pipes.size(); ++i) {
            if (random() % 3 == 0)
                Bench::drain(*pipes[i], runs[i]);
        }
    }
    for (const auto &pipe : pipes)
        pipe->cancel();
    bench.scheduler.step();
    QCOMPARE(bench.scheduler.sequenceCount(), 0);
    QCOMPARE(bench.scheduler.blocks().usedCount(), 0);
    for (std::size_t i = 0; i < pipes.size(); ++i) {
        Bench::drain(*pipes[i], runs[i]);
        QCOMPARE(runs[i].ends, 1);
        QVERIFY(!runs[i].end->error || runs[i].end->reason == FinishReason::ContextFull);
        for (std::size_t token = 0; token < runs[i].generated.size(); ++token)
            QCOMPARE(runs[i].generated[token],
                     (runs[i].end->promptIds.back() + 1 + static_cast<int>(token)) % 100);
    }
}

QTEST_APPLESS_MAIN(TestScheduler)
#include "tst_scheduler.moc"
