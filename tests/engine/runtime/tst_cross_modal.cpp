// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/measure.h"
#include "runtime/scheduler.h"

#include "engine/models/picture_folder.h"

#include <QTemporaryDir>
#include <QTest>

#include <numeric>

using namespace engine;

namespace {

struct Run {
    std::vector<std::int32_t> generated;
    std::vector<AttentionRecord> attention;
    Usage usage;
};

} // namespace

// A model with cross-modal attention blocks under the scheduler: batches, prefix reuse, preemption, against what torch
// goes on with.
class TestCrossModal : public QObject {
    Q_OBJECT

private:
    std::unique_ptr<QTemporaryDir> m_folder;
    PictureGolden m_golden;

    static void addModels()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"deepseek-vl2-cross-modal", "deepseek-vl2-small", "deepseek-vl2-tiny"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    bool open(const QString &golden)
    {
        m_folder = std::make_unique<QTemporaryDir>();
        m_golden = readPictureGolden(golden);
        return writePictureModel(m_golden, *m_folder);
    }

    std::unique_ptr<ModelSlot> load()
    {
        LoadCounters counters;
        LoadOptions options;
        options.path = m_folder->path().toStdString();
        options.threads = 2;
        options.contextTokens = 256;
        options.precision = Precision::Exact;
        auto parts = loadParts(options, {}, counters);
        if (!parts.ok()) {
            qWarning("%s", parts.error().message.c_str());
            return nullptr;
        }
        return std::make_unique<ModelSlot>("", std::move(parts).value());
    }
    GenerationRequest request(std::size_t index, std::vector<std::int32_t> more = {}, bool observe = false) const
    {
        const PictureGolden::Case &one = m_golden.cases[index];
        GenerationRequest result;
        result.rawTokens = one.ids;
        result.rawTokens->insert(result.rawTokens->end(), more.begin(), more.end());
        Turn turn;
        for (const PictureGolden::Picture &picture : one.pictures)
            turn.images.push_back(picture.image);
        result.turns.push_back(std::move(turn));
        result.sampling.maxTokens = 8;
        result.observe.attention = observe;
        return result;
    }
    static std::vector<Run> run(Scheduler &scheduler, std::vector<GenerationRequest> requests, int preemptAt = -1)
    {
        std::vector<std::shared_ptr<EventPipe>> pipes;
        for (GenerationRequest &wanted : requests) {
            pipes.push_back(std::make_shared<EventPipe>(Wake(), std::make_shared<WorkSignal>()));
            scheduler.add(std::make_unique<Sequence>(std::move(wanted), pipes.back()));
        }
        std::vector<Run> runs(pipes.size());
        for (int step = 0; step < 1000 && scheduler.sequenceCount() > 0; ++step) {
            if (step == preemptAt)
                scheduler.preemptAll();
            scheduler.step();
            for (std::size_t i = 0; i < pipes.size(); ++i)
                for (const GenerationEvent &event : pipes[i]->takeEvents()) {
                    if (const auto *record = std::get_if<AttentionRecord>(&event))
                        runs[i].attention.push_back(*record);
                    if (const auto *end = std::get_if<Finished>(&event)) {
                        if (end->error)
                            qWarning("%s", end->error->message.c_str());
                        runs[i].generated = end->generatedIds;
                        runs[i].usage = end->usage;
                    }
                }
        }
        return runs;
    }

private slots:
    void init() { QVERIFY(open(QStringLiteral("deepseek-vl2-cross-modal"))); }
    // VL2's text variants without such blocks come along where the scheduler is what is looked at.
    void answersAreTheReferencesAloneAndTogether_data() { addModels(); }
    void answersAreTheReferencesAloneAndTogether()
    {
        QFETCH(QString, name);
        QVERIFY(open(name));
        const auto slot = load();
        QVERIFY(slot);
        for (std::size_t i = 0; i < 4; ++i)
            QVERIFY(run(slot->scheduler, {request(i)})[0].generated == m_golden.cases[i].greedy);
        const auto fresh = load();
        QVERIFY(fresh);
        const auto together = run(fresh->scheduler, {request(0), request(1), request(2), request(3)});
        for (std::size_t i = 0; i < 4; ++i)
            QVERIFY(together[i].generated == m_golden.cases[i].greedy);
    }
    void decodeBehindAReusedPrefixIsTheReferences_data() { addModels(); }
    void decodeBehindAReusedPrefixIsTheReferences()
    {
        QFETCH(QString, name);
        QVERIFY(open(name));
        const auto slot = load();
        QVERIFY(slot);
        const std::vector<std::int32_t> &greedy = m_golden.cases[1].greedy;
        QVERIFY(run(slot->scheduler, {request(1)})[0].generated == greedy);
        // The same beginning and three of the answer's tokens: all but the last block comes from the cache, with the
        // pictures and the text before them.
        const Run again = run(slot->scheduler, {request(1, {greedy[0], greedy[1], greedy[2]})})[0];
        QVERIFY(again.usage.cachedTokens > m_golden.cases[1].pictures[1].firstRow);
        QVERIFY(std::equal(greedy.begin() + 3, greedy.end(), again.generated.begin()));
    }
    void preemptionChangesNoAnswer_data() { addModels(); }
    void preemptionChangesNoAnswer()
    {
        QFETCH(QString, name);
        QVERIFY(open(name));
        for (const int step : {3, 7, 12}) {
            const auto slot = load();
            QVERIFY(slot);
            QVERIFY(run(slot->scheduler, {request(1)}, step)[0].generated == m_golden.cases[1].greedy);
        }
    }
    void textBeforeAnotherPictureIsAnotherPrefix()
    {
        // The same ids, other pixels: even the text in front of the picture may not be shared.
        const auto slot = load();
        QVERIFY(slot);
        GenerationRequest first = request(0);
        first.rawTokens->insert(first.rawTokens->begin(), 40, 5);
        GenerationRequest second = first;
        Image other = drawPicture(230, 117, 123);
        other.sha256[0] = 99;
        second.turns[0].images[0] = std::make_shared<const Image>(std::move(other));
        QCOMPARE(run(slot->scheduler, {first})[0].usage.cachedTokens, 0);
        QCOMPARE(run(slot->scheduler, {second})[0].usage.cachedTokens, 0);
        QVERIFY(run(slot->scheduler, {first})[0].usage.cachedTokens > 40);
    }
    void attentionOverThePicturesIsTheBlocks()
    {
        const auto slot = load();
        QVERIFY(slot);
        const Run result = run(slot->scheduler, {request(1, {}, true)})[0];
        QVERIFY(result.generated == m_golden.cases[1].greedy);
        QCOMPARE(result.attention.size(), 2 * result.generated.size());
        for (const AttentionRecord &record : result.attention) {
            QCOMPARE(record.gates.size(), std::size_t{2});
            for (const ModalityGate &gate : record.gates)
                QVERIFY(std::abs(gate.text + gate.image - 1.0F) < 1e-5F && gate.image > 0.0F);
            const float share = std::accumulate(record.weights.begin(), record.weights.end(), 0.0F);
            QVERIFY(share > 0.0F && share < 1.0F);
        }
    }
    void scoresAreTheReferences_data() { addModels(); }
    void scoresAreTheReferences()
    {
        QFETCH(QString, name);
        QVERIFY(open(name));
        const auto slot = load();
        QVERIFY(slot);
        for (const PictureGolden::Case &one : m_golden.cases) {
            std::vector<std::shared_ptr<const Image>> images;
            for (const PictureGolden::Picture &picture : one.pictures)
                images.push_back(picture.image);
            const auto logits = scoreTokens(*slot, one.ids, images, {});
            QVERIFY(logits.ok());
            const std::vector<float> wanted = m_golden.logitsOf(one);
            QCOMPARE(logits->size(), wanted.size());
            for (std::size_t i = 0; i < wanted.size(); ++i)
                QVERIFY(std::abs((*logits)[i] - wanted[i]) < 1e-3F);
        }
    }
};

QTEST_APPLESS_MAIN(TestCrossModal)
#include "tst_cross_modal.moc"
