// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/card_name.h"
#include "files/card_need.h"
#include "files/inspect.h"
#include "runtime/memory_plan.h"

#include <QtTest>

#include <cmath>

using namespace engine;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// 1,000 MiB of bfloat16 weights, 64 KiB of context a token.
ModelInfo model()
{
    ModelInfo info;
    info.weightBytes = info.onCard.weightBytes = 1000 * kMiB;
    info.expertBytes = info.onCard.expertBytes = 600 * kMiB;
    info.parameters = 500 * kMiB;
    info.kvBytesPerToken = 65536;
    info.contextTokens = 32768;
    info.layers = 10;
    info.onCard.workBytes = 100 * kMiB;
    info.onCard.workRowBytes = kMiB / 16;
    info.onCard.chunkRows = 4096;
    return info;
}

LoadOptions onCard(int context = 0)
{
    LoadOptions options;
    options.device = "cuda:1";
    options.contextTokens = context;
    return options;
}

} // namespace

class TestMemoryPlan : public QObject {
    Q_OBJECT

private slots:
    void aCardHoldsWeightsWorkAndContext();
    void theContextTakesWhatIsLeftOfACard();
    void whatDoesNotFitComesWithWhatDoes_data();
    void whatDoesNotFitComesWithWhatDoes();
    void theProcessorHasOffersOfItsOwn();
    void aSplitIsCountedLayerByLayer();
    void devicesAreNamedByNumber();
    void theEmbeddedModelsNeedIsCounted();
    void anIndexersWorkIsCounted();
};

void TestMemoryPlan::aCardHoldsWeightsWorkAndContext()
{
    const auto plan = planMemoryIn(model(), onCard(8192), 8000 * kMiB);
    QVERIFY(plan.ok());
    QCOMPARE(plan->weightBytes, 1000 * kMiB);
    QCOMPARE(plan->expertBytes, 600 * kMiB);
    QCOMPARE(plan->workBytes, (100 + 256) * kMiB); // 4,096 rows
    QVERIFY(plan->contextBytes >= 8192ULL * 65536);
    QCOMPARE(plan->totalBytes(), plan->weightBytes + plan->workBytes + plan->contextBytes);
    QVERIFY(plan->totalBytes() <= plan->freeBytes);
    // A short context needs no room for long chunks.
    QCOMPARE(planMemoryIn(model(), onCard(256), 8000 * kMiB)->workBytes, (100 + 16) * kMiB);
    // The processor has no plan for what steps work in, and another size of weights re-quantised.
    LoadOptions host;
    host.requantize = "q4_0";
    const auto other = planMemoryIn(model(), host, 8000 * kMiB);
    QVERIFY(other.ok());
    QCOMPARE(other->workBytes, std::uint64_t{0});
    QCOMPARE(other->weightBytes, 500 * kMiB / 32 * 20);
}

void TestMemoryPlan::theContextTakesWhatIsLeftOfACard()
{
    const auto plan = planMemoryIn(model(), onCard(), 2000 * kMiB);
    QVERIFY(plan.ok());
    const std::uint64_t left = (2000 - 1000 - 356) * kMiB;
    QVERIFY(plan->contextBytes <= left);
    QVERIFY(plan->contextBytes > left / 10 * 9);
    QVERIFY(plan->contextTokens > 9000 && plan->contextTokens < 11000);
}

void TestMemoryPlan::whatDoesNotFitComesWithWhatDoes_data()
{
    QTest::addColumn<int>("context");
    QTest::addColumn<int>("cardMiB");
    QTest::addColumn<int>("hostMiB");
    QTest::addColumn<QStringList>("holds");
    QTest::addColumn<QStringList>("lacks");
    QTest::newRow("a long context") << 32768 << 2000 << 100 << QStringList{"A context of ", " tokens fits on the card"}
                                    << QStringList{"Re-quantised", "processor"};
    QTest::newRow("the weights") << 0 << 900 << 4000
                                 << QStringList{"Re-quantised to q8_0 the weights take 557 MB", "to q4_0 the weights take 295 MB", "On the processor it takes 3.6 GB", "4.2 GB are free"}
                                 << QStringList{"A context of"};
    QTest::newRow("nearly everything") << 0 << 420 << 100 << QStringList{"Re-quantised to q4_0 the weights take 295 MB"}
                                       << QStringList{"q8_0", "processor"};
    QTest::newRow("no card") << 0 << 0 << 4000 << QStringList{"On the processor it takes"} << QStringList{"card"};
    QTest::newRow("nothing fits") << 0 << 100 << 100 << QStringList{} << QStringList{"fits", "processor"};
}

void TestMemoryPlan::whatDoesNotFitComesWithWhatDoes()
{
    QFETCH(int, context);
    QFETCH(int, cardMiB);
    QFETCH(int, hostMiB);
    QFETCH(QStringList, holds);
    QFETCH(QStringList, lacks);
    const LoadOptions options = onCard(context);
    const auto card = static_cast<std::uint64_t>(cardMiB) * kMiB;
    const auto refused = planMemoryIn(model(), options, card);
    QVERIFY(!refused.ok());
    QVERIFY(refused.error().code == ErrorCode::OutOfMemory);
    QString text;
    for (const LoadOffer &offer : loadOffersIn(model(), options, card, static_cast<std::uint64_t>(hostMiB) * kMiB)) {
        text += QString::fromStdString(sentenceOf(offer)) + u' ';
        // What is offered passes the plan as it stands.
        const auto plan = planMemoryIn(model(), offer.options, card, static_cast<std::uint64_t>(hostMiB) * kMiB);
        QVERIFY(plan.ok());
        QCOMPARE(plan->contextTokens, offer.options.contextTokens);
        QVERIFY(plan->totalBytes() <= plan->freeBytes);
    }
    for (const QString &part : holds)
        QVERIFY2(text.contains(part), qPrintable(text));
    for (const QString &part : lacks)
        QVERIFY2(!text.contains(part), qPrintable(text));
}

void TestMemoryPlan::theProcessorHasOffersOfItsOwn()
{
    LoadOptions options;
    options.contextTokens = 32768;
    const auto kinds = [&](int hostMiB) {
        QList<int> list;
        for (const LoadOffer &offer : loadOffersIn(model(), options, 8000 * kMiB, static_cast<std::uint64_t>(hostMiB) * kMiB)) {
            if (offer.options.device != "cpu" || offer.plan.totalBytes() > static_cast<std::uint64_t>(hostMiB) * kMiB)
                list += -1;
            list += static_cast<int>(offer.kind);
        }
        return list;
    };
    QCOMPARE(kinds(8000), QList<int>()); // it fits
    QCOMPARE(kinds(1600), QList<int>{static_cast<int>(LoadOffer::Kind::SmallerContext)});
    QVERIFY(kinds(700).contains(static_cast<int>(LoadOffer::Kind::Requantised)) && !kinds(700).contains(-1));
    QCOMPARE(kinds(200), QList<int>());
}

void TestMemoryPlan::aSplitIsCountedLayerByLayer()
{
    ModelInfo info = model();
    info.layerBytes.assign(10, 90 * kMiB);
    info.embeddingBytes = 50 * kMiB; // and as much for the output layer
    info.onCard.layerBytes = info.layerBytes;
    info.onCard.embeddingBytes = info.embeddingBytes;
    LoadOptions options = onCard(4096);
    options.cardLayers = kLayersThatFit;
    // Four layers: 1,000 - 50 - 6 * 90 of weights, 100 and 256 rows of 1/16 to work in, 4/10 of 256 for the context: 631 and
    // what is left free of it. Five would take 764.
    const auto plan = planMemoryIn(info, options, 700 * kMiB, 4000 * kMiB);
    QVERIFY(plan.ok());
    QCOMPARE(plan->cardLayers, 4);
    QCOMPARE(plan->weightBytes, 410 * kMiB);
    QCOMPARE(plan->workBytes, 116 * kMiB);
    QCOMPARE(plan->hostWeightBytes, 590 * kMiB);
    const auto share = static_cast<double>(plan->hostContextBytes) / static_cast<double>(plan->hostContextBytes + plan->contextBytes);
    QVERIFY(std::abs(share - 0.6) < 0.001);
    QVERIFY(plan->contextBytes * 10 / 4 >= 4096ULL * 65536);
    // More than fit: as many as do are offered.
    options.cardLayers = 8;
    bool isOffered = false;
    for (const LoadOffer &offer : loadOffersIn(info, options, 700 * kMiB, 4000 * kMiB))
        isOffered = isOffered || (offer.kind == LoadOffer::Kind::Split && offer.options.cardLayers == 4 && offer.plan.contextTokens == 4096);
    QVERIFY(isOffered);
    // Without the sizes of its layers it is refused rather than guessed.
    options.cardLayers = 4;
    QVERIFY(planMemoryIn(model(), options, 700 * kMiB, 4000 * kMiB).error().code == ErrorCode::Unsupported);
    // All layers ask for no split.
    options.cardLayers = 10;
    QCOMPARE(planMemoryIn(info, options, 8000 * kMiB, 0)->cardLayers, 0);
}

void TestMemoryPlan::devicesAreNamedByNumber()
{
    QCOMPARE(cardOf("cuda").value(), 0);
    QCOMPARE(cardOf("cuda:3").value(), 3);
    for (const char *wrong : {"cuda:", "cuda:x", "cuda:-1", "cuda:1x", "gpu", ""})
        QVERIFY(!cardOf(wrong).ok());
}

void TestMemoryPlan::theEmbeddedModelsNeedIsCounted()
{
    const auto info = inspectModel(DIPTYCH_SOURCE_DIR "/resources/models/mini-vl");
    QVERIFY(info.ok());
    const CardNeed &need = info->onCard;
    QVERIFY(need.weightBytes >= info->parameters && need.weightBytes < 4 * info->parameters + 8 * kMiB);
    QVERIFY(need.expertBytes > 0 && need.visionBytes > 0);
    QVERIFY(need.expertBytes + need.visionBytes < need.weightBytes);
    QVERIFY(info->expertBytes > 0 && info->visionBytes > 0 && info->expertBytes + info->visionBytes < info->weightBytes);
    QCOMPARE(need.chunkRows, 4096);
    QVERIFY(workBytesOf(need, 4096) > workBytesOf(need, 1));
}

void TestMemoryPlan::anIndexersWorkIsCounted()
{
    ModelConfig config;
    config.text.hidden = 256;
    config.text.contextTokens = 1024;
    CardNeed without, with;
    addCardWork(without, config, false, 1e9);
    config.text.indexer = {.heads = 4, .headDim = 32, .tokens = 2048};
    addCardWork(with, config, false, 1e9);
    const std::uint64_t scores = with.workBytes - without.workBytes;
    QVERIFY(scores >= 64 * kMiB && scores < 65 * kMiB); // and queries as the tensor cores read them
    QCOMPARE(with.workRowBytes - without.workRowBytes, 4ULL * (4 * 32 + 32 + 4 + 1024)); // queries, key, weights, places
}

QTEST_APPLESS_MAIN(TestMemoryPlan)
#include "tst_memory_plan.moc"
