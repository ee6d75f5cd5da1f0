// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "support/distribution.h"
#include "support/scheduler_bench.h"

#include <QtTest>

using namespace engine;
using Bench = tests::SchedulerBench;
using tests::Run;

namespace {

constexpr auto kFolder = DIPTYCH_SOURCE_DIR "/tests/golden/models/deepseek-v3-mtp";

Result<std::unique_ptr<LoadedParts>> load(Speculative speculative, const char *folder = kFolder,
                                          Precision precision = Precision::Exact)
{
    LoadCounters progress;
    LoadOptions options;
    options.path = folder;
    options.threads = 1;
    options.contextTokens = 256;
    options.precision = precision;
    options.speculative = speculative;
    return loadParts(options, {}, progress);
}

std::vector<std::int32_t> prompt(int seed, int length)
{
    std::vector<std::int32_t> ids;
    for (int i = 0; i < length; ++i)
        ids.push_back((seed * 31 + i * i * 7 + i) % 96);
    return ids;
}

} // namespace

// Speculative decoding with the MTP layer of a small random model of V3's class.
class TestSpeculativeModels : public QObject {
    Q_OBJECT

private slots:
    void greedyAnswersStayTheSame_data()
    {
        QTest::addColumn<QByteArray>("folder");
        QTest::addColumn<bool>("exact");
        QTest::newRow("exact") << QByteArray(kFolder) << true;
        QTest::newRow("native") << QByteArray(kFolder) << false;
        QTest::newRow("V3.2") << QByteArray(DIPTYCH_SOURCE_DIR "/tests/golden/models/deepseek-v32-mtp") << true;
    }
    void greedyAnswersStayTheSame()
    {
        QFETCH(QByteArray, folder);
        QFETCH(bool, exact);
        const Precision precision = exact ? Precision::Exact : Precision::Native;
        Bench plain(load(Speculative::None, folder.constData(), precision).value());
        Bench guessing(load(Speculative::Mtp, folder.constData(), precision).value());
        const auto ask = [](Bench &bench) {
            std::vector<std::shared_ptr<EventPipe>> pipes;
            for (int i = 0; i < 6; ++i)
                pipes.push_back(bench.start(Bench::request(prompt(i, 3 + 11 * i), 64)));
            return bench.finish(pipes);
        };
        const auto wanted = ask(plain), found = ask(guessing), again = ask(guessing);
        int drafted = 0, accepted = 0;
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            QCOMPARE(wanted[i].generated.size(), std::size_t{64});
            QVERIFY(found[i].generated == wanted[i].generated);
            QVERIFY(again[i].generated == wanted[i].generated); // the beginning came from the cache
            drafted += found[i].end->usage.draftedTokens;
            accepted += found[i].end->usage.acceptedTokens;
        }
        QVERIFY(again[5].end->usage.cachedTokens > 0);
        qInfo("acceptance %d of %d", accepted, drafted);
        // The other model's guessing layer is as random as the rest: it is seldom right.
        QVERIFY(drafted > 100 && accepted < drafted);
        QVERIFY(folder != kFolder || accepted > drafted / 10);
    }

    void sampledAnswersKeepTheirDistribution()
    {
        constexpr int kAnswers = 1500, kTokens = 2;
        const auto ask = [](Bench &bench, int first, bool observed, auto &&use) {
            std::vector<std::shared_ptr<EventPipe>> pipes;
            for (int i = 0; i < 50; ++i) {
                auto request = Bench::request({5, 17, 60}, kTokens + 2, 1.0F, static_cast<std::uint64_t>(first + i));
                request.observe.alternatives = observed ? 96 : 0;
                pipes.push_back(bench.start(request));
            }
            for (const Run &run : bench.finish(pipes))
                use(run);
        };
        tests::AnswerChances chances;
        Bench plain(load(Speculative::None).value()), guessing(load(Speculative::Mtp).value());
        for (int first = 0; first < 500; first += 50)
            ask(plain, first, true, [&](const Run &run) { chances.learn(run.events); });
        std::map<tests::Answer, int> counts;
        int drafted = 0, accepted = 0;
        for (int first = 0; first < kAnswers; first += 50)
            ask(guessing, 10000 + first, false, [&](const Run &run) {
                ++counts[tests::beginning(run.generated, kTokens)];
                drafted += run.end->usage.draftedTokens;
                accepted += run.end->usage.acceptedTokens;
            });
        QVERIFY(accepted > drafted / 5 && accepted < drafted);
        const tests::ChiSquare test = tests::chiSquare(counts, chances.answers(kTokens), kAnswers);
        QVERIFY(test.freedom > 10);
        QVERIFY2(test.deviation() < 3.0, qPrintable(QString::number(test.deviation())));
    }

    void modelsWithoutTheLayerSaySo()
    {
        for (const char *folder : {DIPTYCH_SOURCE_DIR "/tests/golden/models/deepseek-v3-yarn",
                                   DIPTYCH_SOURCE_DIR "/tests/golden/models/llama",
                                   DIPTYCH_SOURCE_DIR "/resources/models/mini-vl"}) {
            const auto refused = load(Speculative::Mtp, folder);
            QVERIFY(!refused.ok());
            QVERIFY(refused.error().code == ErrorCode::Unsupported);
            QVERIFY(refused.error().message.find("MTP") != std::string::npos);
        }
    }
};

QTEST_APPLESS_MAIN(TestSpeculativeModels)
#include "tst_speculative_models.moc"
