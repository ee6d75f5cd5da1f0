// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/image.h"
#include "engine/runtime.h"
#include "files/card_need.h"
#include "runtime/work_signal.h"
#include "support/find_fake_card.h"

#include <QtTest>

using namespace engine;

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// Within 3 %, or 16 MB where that is more.
bool isNear(std::uint64_t used, std::uint64_t planned)
{
    const std::uint64_t difference = std::max(used, planned) - std::min(used, planned);
    return difference <= std::max<std::uint64_t>(16'000'000, planned / 100 * 3);
}

struct Entry {
    QString name;
    std::vector<qint64> shape;
};

// A folder of bfloat16 weights, zeros that take no room on a disk.
void writeFolder(const QString &folder, const QJsonObject &config, const std::vector<Entry> &tensors)
{
    QFile text(folder + QStringLiteral("/config.json"));
    QVERIFY(text.open(QIODevice::WriteOnly));
    text.write(QJsonDocument(config).toJson());
    QJsonObject header;
    qint64 at = 0;
    for (const Entry &tensor : tensors) {
        qint64 bytes = 2;
        QJsonArray shape;
        for (const qint64 size : tensor.shape) {
            bytes *= size;
            shape.append(size);
        }
        header.insert(tensor.name, QJsonObject{{QStringLiteral("dtype"), QStringLiteral("BF16")}, {QStringLiteral("shape"), shape},
                                       {QStringLiteral("data_offsets"), QJsonArray{at, at + bytes}}});
        at += bytes;
    }
    QByteArray start = QJsonDocument(header).toJson(QJsonDocument::Compact);
    start.append(QByteArray((8 - start.size() % 8) % 8, ' '));
    QFile file(folder + QStringLiteral("/model.safetensors"));
    QVERIFY(file.open(QIODevice::WriteOnly));
    const auto length = static_cast<quint64>(start.size());
    file.write(reinterpret_cast<const char *>(&length), sizeof length);
    file.write(start);
    QVERIFY(file.resize(8 + start.size() + at));
}

QJsonObject configOf(const QString &golden)
{
    QFile file(QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/models/") + golden + QStringLiteral("/config.json"));
    return file.open(QIODevice::ReadOnly) ? QJsonDocument::fromJson(file.readAll()).object() : QJsonObject();
}

constexpr qint64 kWords = 4000, kLayers = 3;

// What both models have in common; gives the tensors outside their layers.
std::vector<Entry> setCommonSizes(QJsonObject &config, qint64 hidden, qint64 inter, qint64 heads, qint64 keyHeads)
{
    config[u"hidden_size"] = hidden;
    config[u"intermediate_size"] = inter;
    config[u"num_attention_heads"] = heads;
    config[u"num_key_value_heads"] = keyHeads;
    config[u"vocab_size"] = kWords;
    config[u"num_hidden_layers"] = kLayers;
    config[u"max_position_embeddings"] = 8192;
    config[u"tie_word_embeddings"] = false;
    return {{QStringLiteral("model.embed_tokens.weight"), {kWords, hidden}}, {QStringLiteral("lm_head.weight"), {kWords, hidden}},
        {QStringLiteral("model.norm.weight"), {hidden}}};
}

// Three layers of heads, 300 MB.
void writeLlama(const QString &folder)
{
    QJsonObject config = configOf(QStringLiteral("llama"));
    const qint64 hidden = 2048, inter = 5632, heads = 16, keyHeads = 4, dim = 128;
    std::vector<Entry> tensors = setCommonSizes(config, hidden, inter, heads, keyHeads);
    config[u"head_dim"] = dim;
    for (qint64 layer = 0; layer < kLayers; ++layer) {
        const QString start = QStringLiteral("model.layers.%1.").arg(layer);
        for (const Entry &part : std::vector<Entry>{{QStringLiteral("self_attn.q_proj.weight"), {heads * dim, hidden}},
                 {QStringLiteral("self_attn.k_proj.weight"), {keyHeads * dim, hidden}}, {QStringLiteral("self_attn.v_proj.weight"), {keyHeads * dim, hidden}},
                 {QStringLiteral("self_attn.o_proj.weight"), {hidden, heads * dim}}, {QStringLiteral("mlp.gate_proj.weight"), {inter, hidden}},
                 {QStringLiteral("mlp.up_proj.weight"), {inter, hidden}}, {QStringLiteral("mlp.down_proj.weight"), {hidden, inter}},
                 {QStringLiteral("input_layernorm.weight"), {hidden}}, {QStringLiteral("post_attention_layernorm.weight"), {hidden}}})
            tensors.push_back({start + part.name, part.shape});
    }
    writeFolder(folder, config, tensors);
}

// Latent attention and experts, one layer of them dense, 200 MB; one more to guess a token ahead.
void writeDeepSeek(const QString &folder, bool guesses)
{
    QJsonObject config = configOf(guesses ? QStringLiteral("deepseek-v3-mtp") : QStringLiteral("deepseek-v2-greedy"));
    const qint64 hidden = 1024, inter = 3072, expert = 704, experts = 16, heads = 8, latent = 512, rope = 64, nope = 128;
    std::vector<Entry> tensors = setCommonSizes(config, hidden, inter, heads, heads);
    config[u"moe_intermediate_size"] = expert;
    config[u"n_routed_experts"] = experts;
    config[u"n_shared_experts"] = 2;
    config[u"num_experts_per_tok"] = 4;
    config[u"kv_lora_rank"] = latent;
    config[u"qk_rope_head_dim"] = rope;
    config[u"head_dim"] = rope;
    config[u"qk_nope_head_dim"] = nope;
    config[u"qk_head_dim"] = rope + nope;
    config[u"v_head_dim"] = nope;
    config[u"q_lora_rank"] = QJsonValue::Null;
    config[u"first_k_dense_replace"] = 1;
    const auto add = [&](const QString &start, qint64 width) {
        tensors.push_back({start + QStringLiteral("gate_proj.weight"), {width, hidden}});
        tensors.push_back({start + QStringLiteral("up_proj.weight"), {width, hidden}});
        tensors.push_back({start + QStringLiteral("down_proj.weight"), {hidden, width}});
    };
    for (qint64 layer = 0; layer < kLayers + (guesses ? 1 : 0); ++layer) {
        const QString start = QStringLiteral("model.layers.%1.").arg(layer);
        for (const Entry &part : std::vector<Entry>{{QStringLiteral("self_attn.q_proj.weight"), {heads * (nope + rope), hidden}},
                 {QStringLiteral("self_attn.kv_a_proj_with_mqa.weight"), {latent + rope, hidden}}, {QStringLiteral("self_attn.kv_a_layernorm.weight"), {latent}},
                 {QStringLiteral("self_attn.kv_b_proj.weight"), {heads * 2 * nope, latent}}, {QStringLiteral("self_attn.o_proj.weight"), {hidden, heads * nope}},
                 {QStringLiteral("input_layernorm.weight"), {hidden}}, {QStringLiteral("post_attention_layernorm.weight"), {hidden}}})
            tensors.push_back({start + part.name, part.shape});
        if (layer == 0) {
            add(start + QStringLiteral("mlp."), inter);
            continue;
        }
        tensors.push_back({start + QStringLiteral("mlp.gate.weight"), {experts, hidden}});
        if (guesses)
            tensors.push_back({start + QStringLiteral("mlp.gate.e_score_correction_bias"), {experts}});
        add(start + QStringLiteral("mlp.shared_experts."), 2 * expert);
        for (qint64 one = 0; one < experts; ++one)
            add(start + QStringLiteral("mlp.experts.%1.").arg(one), expert);
        if (layer < kLayers)
            continue;
        for (const Entry &part : std::vector<Entry>{{QStringLiteral("eh_proj.weight"), {hidden, 2 * hidden}}, {QStringLiteral("enorm.weight"), {hidden}},
                 {QStringLiteral("hnorm.weight"), {hidden}}, {QStringLiteral("shared_head.norm.weight"), {hidden}},
                 {QStringLiteral("embed_tokens.weight"), {kWords, hidden}}, {QStringLiteral("shared_head.head.weight"), {kWords, hidden}}})
            tensors.push_back({start + part.name, part.shape});
    }
    writeFolder(folder, config, tensors);
}

std::shared_ptr<const Image> picture(int width, int height)
{
    auto image = std::make_shared<Image>();
    image->width = width;
    image->height = height;
    image->rgb.assign(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3, 90);
    image->sha256[0] = static_cast<std::uint8_t>(width % 251);
    return image;
}

} // namespace

// What a load on a card plans, and what it takes of a pretended one that counts in pages.
class TestMemoryUse : public QObject {
    Q_OBJECT

private:
    FakeCard *m_card = nullptr;
    QTemporaryDir m_llama, m_deepSeek, m_guessing;

    Result<ModelId> load(Runtime &runtime, const LoadOptions &options)
    {
        const auto signal = std::make_shared<WorkSignal>();
        const auto load = runtime.load(options, [signal] { signal->raise(); });
        for (;;) {
            if (auto result = load->takeResult())
                return std::move(*result);
            signal->wait();
        }
    }

private slots:
    void initTestCase()
    {
        m_card = tests::findFakeCard();
        QVERIFY2(m_card != nullptr, dlerror());
        writeLlama(m_llama.path());
        writeDeepSeek(m_deepSeek.path(), false);
        writeDeepSeek(m_guessing.path(), true);
    }
    void aLoadTakesWhatIsPlanned_data()
    {
        QTest::addColumn<QString>("folder");
        QTest::addColumn<int>("cardLayers");
        QTest::addColumn<int>("context");
        QTest::addColumn<bool>("looks");
        const QString mini = QStringLiteral(DIPTYCH_SOURCE_DIR "/resources/models/mini-vl");
        const QString goldens = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/models/");
        QTest::newRow("pictures") << mini << 0 << 0 << true;
        QTest::newRow("pictures, none shown") << mini << 0 << 0 << false;
        QTest::newRow("pictures, split") << mini << 2 << 2048 << true;
        QTest::newRow("heads") << m_llama.path() << 0 << 0 << false;
        QTest::newRow("heads, short context") << m_llama.path() << 0 << 1024 << false;
        QTest::newRow("heads, split") << m_llama.path() << 1 << 4096 << false;
        QTest::newRow("experts") << m_deepSeek.path() << 0 << 0 << false;
        QTest::newRow("guesses ahead") << m_guessing.path() << 0 << 4096 << false;
        QTest::newRow("experts, split") << m_deepSeek.path() << 2 << 8192 << false;
        for (const char *name : {"deepseek-v32", "deepseek-v3-fp8", "awq", "gptq-4bit", "qwen3-yarn", "llama-tied-linear"})
            QTest::newRow(name) << goldens + QLatin1String(name) << 0 << 0 << false;
        QTest::newRow("cross-modal") << goldens + QStringLiteral("deepseek-vl2-cross-modal") << 0 << 0 << true;
    }
    void aLoadTakesWhatIsPlanned()
    {
        QFETCH(QString, folder);
        QFETCH(int, cardLayers);
        QFETCH(int, context);
        QFETCH(bool, looks);
        m_card->outsideBytes = 0;
        QCOMPARE(m_card->usedBytes.load(), std::uint64_t{0});
        LoadOptions options;
        options.path = folder.toStdString();
        options.device = "cuda";
        options.cardLayers = cardLayers;
        options.contextTokens = context;
        options.threads = 2;
        if (folder == m_guessing.path())
            options.speculative = Speculative::Mtp;
        const auto info = inspectModel(options.path);
        QVERIFY2(info.ok(), info.ok() ? "" : info.error().message.c_str());
        const auto plan = planMemory(*info, options);
        QVERIFY2(plan.ok(), plan.ok() ? "" : plan.error().message.c_str());
        QCOMPARE(plan->cardLayers, cardLayers);
        {
            const auto runtime = Runtime::create();
            const auto model = load(*runtime, options);
            QVERIFY2(model.ok(), model.ok() ? "" : model.error().message.c_str());
            const std::uint64_t loaded = m_card->usedBytes;
            BenchOptions bench;
            bench.model = *model;
            bench.promptTokens = std::min(cardLayers > 0 ? 100 : 700, plan->contextTokens / 2);
            bench.generateTokens = 4;
            for (const int batch : {1, 2}) {
                bench.batch = batch;
                bench.image = looks ? picture(900, 400 + batch) : nullptr;
                const auto result = runtime->bench(bench);
                QVERIFY2(result.ok(), result.ok() ? "" : result.error().message.c_str());
                QCOMPARE(result->planned.totalBytes(), plan->totalBytes());
                QCOMPARE(result->used.totalBytes(), m_card->usedBytes.load());
                const QByteArray parts = QStringLiteral("weights %1 %2, context %3 %4, work %5 %6, at most %7").arg(result->planned.weightBytes)
                    .arg(result->used.weightBytes).arg(result->planned.contextBytes).arg(result->used.contextBytes).arg(result->planned.workBytes)
                    .arg(result->used.workBytes).arg(result->workMostBytes).toUtf8();
                QVERIFY2(isNear(result->used.totalBytes(), plan->totalBytes()), parts.constData());
                // What is planned is near in each part: none makes up for another.
                const auto off = [](std::uint64_t used, std::uint64_t planned) {
                    return std::max(used, planned) - std::min(used, planned) > std::max(10 * kMiB, planned / 100);
                };
                QVERIFY2(!off(result->used.weightBytes, result->planned.weightBytes), parts.constData());
                QVERIFY2(!off(result->used.contextBytes, result->planned.contextBytes), parts.constData());
                QVERIFY2(!off(result->used.workBytes, result->planned.workBytes), parts.constData());
            }
            // No answer takes more than the load did.
            QCOMPARE(m_card->outsideBytes.load(), std::uint64_t{0});
            QCOMPARE(m_card->usedBytes.load(), loaded);
        }
        QCOMPARE(m_card->usedBytes.load(), std::uint64_t{0});
    }
    // More pictures than are kept: those looked at first make room.
    void picturesKeptOnACardHaveABound()
    {
        const auto runtime = Runtime::create();
        LoadOptions options;
        options.path = DIPTYCH_SOURCE_DIR "/resources/models/mini-vl";
        options.device = "cuda";
        options.contextTokens = 2048;
        const auto model = load(*runtime, options);
        QVERIFY(model.ok());
        m_card->outsideBytes = 0;
        const std::uint64_t loaded = m_card->usedBytes;
        for (int i = 0; i < static_cast<int>(3 * kKeptPictures); ++i) {
            GenerationRequest request;
            request.model = *model;
            request.sampling.maxTokens = 2;
            Turn turn;
            turn.text = "What is this?";
            turn.images.push_back(picture(448 + i, 448));
            request.turns.push_back(std::move(turn));
            const auto signal = std::make_shared<WorkSignal>();
            const auto answer = runtime->start(std::move(request), [signal] { signal->raise(); });
            std::optional<Finished> end;
            while (!end) {
                for (GenerationEvent &event : answer->takeEvents()) {
                    if (auto *finished = std::get_if<Finished>(&event))
                        end = std::move(*finished);
                }
                if (!end)
                    signal->wait();
            }
            QVERIFY2(end->reason != FinishReason::Failed, end->error ? end->error->message.c_str() : "");
        }
        QCOMPARE(m_card->outsideBytes.load(), std::uint64_t{0});
        QCOMPARE(m_card->usedBytes.load(), loaded);
    }
};

QTEST_GUILESS_MAIN(TestMemoryUse)
#include "tst_memory_use.moc"
