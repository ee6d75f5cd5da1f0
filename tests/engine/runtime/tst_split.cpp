// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "support/pretended_card.h"
#include "support/scheduler_bench.h" // before Qt, whose `emit` hides a parameter's name

#include "engine/models/golden.h"
#include "engine/models/picture_folder.h"
#include "runtime/measure.h"
#include "runtime/memory_plan.h"

#include <QTemporaryDir>
#include <QTest>

using namespace engine;
using Bench = tests::SchedulerBench;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr std::uint64_t kPlenty = 4096 * kMiB;

LoadOptions onCard(const QString &folder, int cardLayers, Precision precision = Precision::Exact)
{
    LoadOptions options;
    options.path = folder.toStdString();
    options.device = "cuda";
    options.cardLayers = cardLayers;
    options.threads = 2;
    options.contextTokens = 256;
    options.precision = precision;
    return options;
}

Result<std::unique_ptr<LoadedParts>> load(const LoadOptions &options, std::uint64_t card = kPlenty, std::uint64_t host = kPlenty,
    std::uint64_t early = 0)
{
    LoadCounters counters;
    return loadPartsOn(tests::machineWith(card, host, early), options, {}, counters);
}

std::vector<float> logitsOf(const LoadOptions &options, const std::vector<std::int32_t> &ids,
    const std::vector<std::shared_ptr<const Image>> &images = {})
{
    auto parts = load(options);
    if (!parts.ok()) {
        qWarning("%s", parts.error().message.c_str());
        return {};
    }
    ModelSlot slot("", std::move(parts).value());
    auto logits = scoreTokens(slot, ids, images, {});
    if (!logits.ok())
        qWarning("%s", logits.error().message.c_str());
    return logits.ok() ? std::move(logits).value() : std::vector<float>();
}

std::vector<std::shared_ptr<const Image>> imagesOf(const PictureGolden::Case &one)
{
    std::vector<std::shared_ptr<const Image>> images;
    for (const PictureGolden::Picture &picture : one.pictures)
        images.push_back(picture.image);
    return images;
}

} // namespace

// Models with their first layers on one device and the last on another: the same numbers as on one.
class TestSplit : public QObject {
    Q_OBJECT

private slots:
    void aSplitModelGivesTheSameLogits_data()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"llama", "llama-tied-linear", "qwen2", "qwen3-yarn", "deepseek-moe", "deepseek-v2-group-yarn",
                 "deepseek-v3-yarn", "deepseek-v3-fp8", "deepseek-v32"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    void aSplitModelGivesTheSameLogits()
    {
        QFETCH(QString, name);
        const Golden golden = readGolden(name);
        LoadOptions processor = onCard(golden.folder, 0);
        processor.device = "cpu";
        const std::vector<float> exact = logitsOf(processor, golden.ids);
        const std::vector<float> native = logitsOf(onCard(golden.folder, 0, Precision::Native), golden.ids);
        QVERIFY(!exact.empty() && !native.empty());
        QVERIFY(worstRowError(exact, golden.logits, golden.vocabulary) < 1e-4F);
        const int layers = golden.json[u"layers"].toInt(inspectModel(golden.folder.toStdString())->layers);
        QVERIFY(layers > 1);
        for (int onTheCard = 1; onTheCard < layers; ++onTheCard) {
            QVERIFY(logitsOf(onCard(golden.folder, onTheCard), golden.ids) == exact);
            QVERIFY(logitsOf(onCard(golden.folder, onTheCard, Precision::Native), golden.ids) == native);
        }
    }
    void aSplitPictureModelGivesTheSameLogits_data()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"deepseek-vl2-cross-modal", "deepseek-vl2-small", "deepseek-vl2-tiny"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    void aSplitPictureModelGivesTheSameLogits()
    {
        QFETCH(QString, name);
        const PictureGolden golden = readPictureGolden(name);
        QTemporaryDir folder;
        QVERIFY(writePictureModel(golden, folder));
        const int layers = inspectModel(folder.path().toStdString())->layers;
        QVERIFY(layers > 1);
        for (const PictureGolden::Case &one : golden.cases) {
            LoadOptions processor = onCard(folder.path(), 0);
            processor.device = "cpu";
            const std::vector<float> whole = logitsOf(processor, one.ids, imagesOf(one));
            QVERIFY(worstRowError(whole, golden.logitsOf(one), golden.vocabulary) < 1e-4F);
            for (int onTheCard = 1; onTheCard < layers; ++onTheCard)
                QVERIFY(logitsOf(onCard(folder.path(), onTheCard), one.ids, imagesOf(one)) == whole);
        }
    }
    // Alone, together with others, and behind a beginning that another answer left in both caches.
    void answersAreTheSameAloneTogetherAndBehindAPrefix_data()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"llama", "deepseek-v2-group-yarn"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    void answersAreTheSameAloneTogetherAndBehindAPrefix()
    {
        QFETCH(QString, name);
        const Golden golden = readGolden(name);
        std::vector<GenerationRequest> requests;
        for (const std::size_t length : {std::size_t{20}, std::size_t{65}, std::size_t{79}})
            requests.push_back(Bench::request({golden.ids.begin(), golden.ids.begin() + static_cast<std::ptrdiff_t>(length)}, 24, 0.8F, length));
        std::vector<std::vector<std::int32_t>> wanted;
        LoadOptions processor = onCard(golden.folder, 0);
        processor.device = "cpu";
        for (const GenerationRequest &request : requests) {
            Bench bench(std::move(load(processor)).value());
            wanted.push_back(bench.finish({bench.start(request)})[0].generated);
            QVERIFY(wanted.back().size() > 1);
        }
        auto parts = load(onCard(golden.folder, 1));
        QVERIFY(parts.ok());
        QVERIFY((*parts)->firstBackend && (*parts)->firstLayers > 0);
        Bench bench(std::move(parts).value());
        std::vector<std::shared_ptr<EventPipe>> pipes;
        for (const GenerationRequest &request : requests)
            pipes.push_back(bench.start(request));
        const std::vector<tests::Run> together = bench.finish(pipes);
        for (std::size_t i = 0; i < requests.size(); ++i)
            QCOMPARE(together[i].generated, wanted[i]);
        for (std::size_t i = 0; i < requests.size(); ++i) {
            const tests::Run again = bench.finish({bench.start(requests[i])})[0];
            QCOMPARE(again.generated, wanted[i]);
            if (i > 0)
                QVERIFY(again.end->usage.cachedTokens >= 48);
        }
    }
    void observationsComeFromBothPlaces()
    {
        const Golden golden = readGolden(QStringLiteral("deepseek-v2-group-yarn"));
        LoadOptions processor = onCard(golden.folder, 0);
        processor.device = "cpu";
        std::vector<std::vector<RoutingRecord>> records;
        for (const LoadOptions &options : {processor, onCard(golden.folder, 1)}) {
            auto parts = load(options);
            QVERIFY(parts.ok());
            Bench bench(std::move(parts).value());
            GenerationRequest request = Bench::request(golden.ids, 4);
            request.observe.routing = true;
            std::vector<RoutingRecord> found;
            const tests::Run run = bench.finish({bench.start(request)})[0];
            for (const GenerationEvent &event : run.events)
                if (const auto *record = std::get_if<RoutingRecord>(&event))
                    found.push_back(*record);
            QCOMPARE(found.size(), std::size_t{4});
            records.push_back(std::move(found));
        }
        for (std::size_t i = 0; i < records[0].size(); ++i) {
            QCOMPARE(records[1][i].layers.size(), records[0][i].layers.size());
            for (std::size_t layer = 0; layer < records[0][i].layers.size(); ++layer) {
                QCOMPARE(records[1][i].layers[layer].layer, records[0][i].layers[layer].layer);
                QCOMPARE(records[1][i].layers[layer].experts, records[0][i].layers[layer].experts);
            }
        }
    }
    // A card with room for part of the layers gets as many as fit.
    void asManyLayersAsFitGoOnTheCard()
    {
        const std::string model = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
        const auto info = inspectModel(model);
        QVERIFY(info.ok() && info->layers > 3);
        LoadOptions options = onCard(QString::fromStdString(model), kLayersThatFit, Precision::Native);
        QVERIFY(planMemoryIn(*info, options, kPlenty, kPlenty)->cardLayers == 0); // all
        int before = info->layers, loaded = 0;
        std::uint64_t room = planMemoryIn(*info, options, kPlenty, kPlenty)->totalBytes();
        for (; room > 0; room -= std::min(room, kMiB / 4)) {
            const auto plan = planMemoryIn(*info, options, room, kPlenty);
            if (!plan.ok())
                break;
            if (plan->cardLayers == 0)
                continue;
            QVERIFY(plan->cardLayers <= before);
            before = plan->cardLayers;
            QVERIFY(plan->totalBytes() <= room);
            QVERIFY(plan->hostWeightBytes > 0 && plan->hostContextBytes > 0);
            if (plan->cardLayers != loaded) { // its weights are the processor's here, which are a little larger
                auto parts = load(options, room);
                QVERIFY2(parts.ok(), parts.ok() ? "" : parts.error().message.c_str());
                QCOMPARE((*parts)->memoryPlan.cardLayers, plan->cardLayers);
                loaded = plan->cardLayers;
            }
            // One more would not fit.
            LoadOptions more = options;
            more.cardLayers = plan->cardLayers + 1;
            if (more.cardLayers < info->layers)
                QVERIFY(!planMemoryIn(*info, more, room, kPlenty).ok());
        }
        QCOMPARE(before, 1);
        // Weights of both places together are those of the whole.
        LoadOptions half = options;
        half.cardLayers = info->layers / 2;
        const auto plan = planMemoryIn(*info, half, kPlenty, kPlenty);
        QVERIFY(plan.ok());
        QVERIFY(plan->weightBytes < info->onCard.weightBytes && plan->hostWeightBytes < info->weightBytes);
        QVERIFY(plan->weightBytes + plan->hostWeightBytes > std::min(info->weightBytes, info->onCard.weightBytes) / 10 * 9);
    }
    // Some of what steps work in is taken with the first weights. It counts once: a card whose room the plan has used up to
    // the end still loads, with the context that was planned.
    void aPlanThatFillsTheCardLoads()
    {
        const std::string model = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
        const auto info = inspectModel(model);
        QVERIFY(info.ok());
        for (const int layers : {0, 2}) {
            LoadOptions options = onCard(QString::fromStdString(model), layers, Precision::Native);
            options.contextTokens = 0;
            const std::uint64_t most = planMemoryIn(*info, options, kPlenty, kPlenty)->totalBytes();
            const std::uint64_t least = most - planMemoryIn(*info, options, kPlenty, kPlenty)->contextBytes;
            const std::uint64_t room = least + (most - least) / 10;
            const auto plan = planMemoryIn(*info, options, room, kPlenty);
            QVERIFY(plan.ok() && plan->contextTokens < info->contextTokens && plan->workBytes > 60 * kMiB);
            const auto parts = load(options, room, kPlenty, 40 * kMiB);
            QVERIFY2(parts.ok(), parts.ok() ? "" : parts.error().message.c_str());
            QVERIFY((*parts)->plan.contextTokens >= plan->contextTokens);
        }
    }
    void aSplitThatCannotBeIsRefused()
    {
        const Golden golden = readGolden(QStringLiteral("deepseek-v3-mtp"));
        LoadOptions options = onCard(golden.folder, 1);
        options.speculative = Speculative::Mtp;
        const auto guessing = load(options);
        QVERIFY(!guessing.ok());
        QVERIFY(QString::fromStdString(guessing.error().message).contains(u"cannot guess tokens ahead"));
        const auto negative = load(onCard(golden.folder, -2));
        QVERIFY(!negative.ok() && negative.error().code == ErrorCode::BadRequest);
        const auto tooMany = load(onCard(golden.folder, 1), 48 * kMiB);
        QVERIFY(!tooMany.ok());
        QVERIFY(tooMany.error().code == ErrorCode::OutOfMemory);
        const auto noHost = load(onCard(golden.folder, 1), kPlenty, 1000);
        QVERIFY(!noHost.ok());
        QVERIFY(noHost.error().code == ErrorCode::OutOfMemory);
    }
};

QTEST_APPLESS_MAIN(TestSplit)
#include "tst_split.moc"
