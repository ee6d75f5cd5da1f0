// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// What a device that records steps relies on: a step of running answers asks with the same key as the one before, queues
// nothing when it is replayed, and gives its operations the very spans it announced, so that none brings numbers of its
// own into a recording.
#include "engine/models/golden.h"
#include "support/forwarding_backend.h"

#include <QtTest>

namespace {

// Works on the processor and says it is a device of its own.
class RecordingBackend final : public tests::ForwardingBackend {
public:
    using ForwardingBackend::ForwardingBackend;
    engine::Replay answer = engine::Replay::Run;
    bool recordingSucceeds = true;
    std::vector<std::uint64_t> keys;
    int embeddings = 0, attentions = 0, strangers = 0; // operations since the step began; of other numbers than its own
    int downloads = 0;

    bool hostMemory() const override { return false; }
    void beginStep(const engine::StepInputs &inputs) override
    {
        m_inputs = inputs;
        embeddings = attentions = strangers = downloads = 0;
    }
    engine::Replay replay(std::uint64_t key) override
    {
        keys.push_back(key);
        return answer;
    }
    bool endRecording() override { return recordingSucceeds; }
    void embed(const engine::EmbedArgs &args) override
    {
        ++embeddings;
        count(args.ids.data() == m_inputs.ids.data() && args.ids.size() == m_inputs.ids.size());
        ForwardingBackend::embed(args);
    }
    void headsPrepare(const engine::HeadsPrepareArgs &args) override
    {
        count(isOwn(args.sequences) && args.positions.data() == m_inputs.positions.data());
        ForwardingBackend::headsPrepare(args);
    }
    void latentPrepare(const engine::LatentPrepareArgs &args) override
    {
        count(isOwn(args.sequences) && args.positions.data() == m_inputs.positions.data());
        ForwardingBackend::latentPrepare(args);
    }
    void attention(const engine::AttentionArgs &args) override
    {
        ++attentions;
        count(isOwn(args.sequences) && args.observeRows.empty());
        ForwardingBackend::attention(args);
    }
    void toHost(void *host, engine::Tensor source) override
    {
        ++downloads;
        ForwardingBackend::toHost(host, source);
    }

private:
    bool isOwn(std::span<const engine::KvSequence> sequences) const
    {
        return sequences.data() == m_inputs.sequences.data() && sequences.size() == m_inputs.sequences.size();
    }
    void count(bool own) { strangers += own ? 0 : 1; }

    engine::StepInputs m_inputs;
};

struct Loaded {
    std::unique_ptr<ModelRunner> runner;
    RecordingBackend *backend = nullptr;
};

Loaded loadOn(const QString &name)
{
    const Golden golden = readGolden(name);
    Loaded loaded;
    loaded.runner = std::make_unique<ModelRunner>();
    auto inner = engine::makeCpuBackend({.threads = 1, .exact = true});
    auto files = engine::ModelFiles::open(golden.folder.toStdString());
    if (!inner.ok() || !files.ok())
        return {};
    auto backend = std::make_unique<RecordingBackend>(std::move(inner).value());
    loaded.backend = backend.get();
    loaded.runner->backend = std::move(backend);
    loaded.runner->files = std::move(files).value();
    engine::LoadOptions options;
    options.path = golden.folder.toStdString();
    options.precision = engine::Precision::Exact;
    auto model = engine::loadModel({.files = loaded.runner->files, .backend = loaded.backend, .options = options,
        .stop = {}, .doneBytes = &loaded.runner->doneBytes});
    if (!model.ok())
        return {};
    loaded.runner->model = std::move(model).value();
    auto cache = engine::KvCache::create(*loaded.backend, loaded.runner->model.text->kvShape(), engine::DType::F32, 16);
    if (!cache.ok())
        return {};
    loaded.runner->cache = std::move(cache).value();
    loaded.runner->blocks.resize(16);
    std::iota(loaded.runner->blocks.begin(), loaded.runner->blocks.end(), 0);
    return loaded;
}

} // namespace

class TestRecordedSteps : public QObject {
    Q_OBJECT

private Q_SLOTS:
    void stepsOfOneAnswerHaveOneKeyAndBringNoNumbersOfTheirOwn_data()
    {
        QTest::addColumn<QString>("name");
        for (const char *name : {"llama", "qwen2", "deepseek-moe", "deepseek-v2-greedy", "deepseek-v3-yarn"})
            QTest::newRow(name) << QString::fromLatin1(name);
    }
    void stepsOfOneAnswerHaveOneKeyAndBringNoNumbersOfTheirOwn()
    {
        QFETCH(QString, name);
        const Loaded loaded = loadOn(name);
        QVERIFY(loaded.runner);
        std::vector<float> logits;
        QVERIFY(loaded.runner->feed({1, 2, 3, 4, 5}, logits).ok());
        QVERIFY(loaded.backend->keys.empty()); // a prompt is no step of a running answer
        for (const int id : {6, 7, 8}) {
            QVERIFY(loaded.runner->feed({id}, logits).ok());
            QCOMPARE(loaded.backend->embeddings, 1);
            QVERIFY(loaded.backend->attentions > 0);
            QCOMPARE(loaded.backend->strangers, 0);
            QCOMPARE(loaded.backend->downloads, 1); // the logits
        }
        QCOMPARE(loaded.backend->keys.size(), std::size_t{3});
        QCOMPARE(loaded.backend->keys[1], loaded.backend->keys[0]);
        QCOMPARE(loaded.backend->keys[2], loaded.backend->keys[0]);
    }

    void tokensAskedForBringNoLogitsDown()
    {
        const Loaded loaded = loadOn(QStringLiteral("qwen2"));
        const Loaded plain = loadOn(QStringLiteral("qwen2"));
        QVERIFY(loaded.runner && plain.runner);
        const auto vocabulary = static_cast<std::size_t>(plain.runner->model.text->config().vocabulary);
        const std::size_t choosable = vocabulary - 10;
        const auto ask = [choosable](const Loaded &from, std::vector<int> ids, std::vector<engine::RowChoice> &choices) {
            engine::Batch batch;
            batch.choices = choices;
            batch.choosable = static_cast<int>(choosable);
            std::vector<float> unused;
            return from.runner->feed({ids.begin(), ids.end()}, unused, {}, batch).ok();
        };
        for (const std::vector<int> &ids : {std::vector<int>{1, 2, 3}, std::vector<int>{9}}) { // a prompt and a step
            std::vector<float> logits;
            QVERIFY(plain.runner->feed({ids.begin(), ids.end()}, logits).ok());
            std::vector<engine::RowChoice> choices(ids.size());
            choices.back().rule.alternatives = 3;
            QVERIFY(ask(loaded, ids, choices));
            QCOMPARE(loaded.backend->downloads, 0);
            for (std::size_t row = 0; row < ids.size(); ++row) {
                const float *begin = logits.data() + row * vocabulary;
                QCOMPARE(choices[row].choice.id, static_cast<int>(std::max_element(begin, begin + choosable) - begin));
                QVERIFY(choices[row].logits.empty());
            }
            QCOMPARE(choices.back().choice.likely[0].id, choices.back().choice.id);
            QVERIFY(choices.back().choice.likely[2].id >= 0);
        }
    }

    void aReplayedStepQueuesNothing()
    {
        const Loaded loaded = loadOn(QStringLiteral("deepseek-v2-greedy"));
        QVERIFY(loaded.runner);
        std::vector<float> logits;
        loaded.backend->answer = engine::Replay::Done;
        QVERIFY(loaded.runner->feed({1}, logits).ok());
        QCOMPARE(loaded.backend->embeddings, 0);
        QCOMPARE(loaded.backend->attentions, 0);
        QCOMPARE(loaded.backend->downloads, 1);
    }

    void aRecordingThatFailsIsRunOnceMore()
    {
        const Loaded loaded = loadOn(QStringLiteral("llama"));
        QVERIFY(loaded.runner);
        std::vector<float> logits;
        loaded.backend->answer = engine::Replay::Record;
        QVERIFY(loaded.runner->feed({1}, logits).ok());
        QCOMPARE(loaded.backend->embeddings, 1);
        loaded.backend->recordingSucceeds = false;
        QVERIFY(loaded.runner->feed({2}, logits).ok());
        QCOMPARE(loaded.backend->embeddings, 2);
    }

    void otherExpertsAreAnotherKey()
    {
        const Loaded loaded = loadOn(QStringLiteral("deepseek-moe"));
        QVERIFY(loaded.runner);
        std::vector<float> logits;
        engine::Batch fewer;
        fewer.experts.maxExperts = 1;
        engine::Batch stopped;
        stopped.experts.stopExpertIds = {0};
        QVERIFY(loaded.runner->feed({1}, logits).ok());
        QVERIFY(loaded.runner->feed({2}, logits, {}, fewer).ok());
        QVERIFY(loaded.runner->feed({3}, logits, {}, stopped).ok());
        const std::vector<std::uint64_t> &keys = loaded.backend->keys;
        QCOMPARE(keys.size(), std::size_t{3});
        QVERIFY(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
    }
};

QTEST_APPLESS_MAIN(TestRecordedSteps)
#include "tst_recorded_steps.moc"
