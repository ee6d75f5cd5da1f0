// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/files/file_builders.h"
#include "engine/models/model_runner.h"
#include "files/tensor_recipe.h"

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QTemporaryDir>
#include <QTest>

#include <cstring>

using namespace engine;
using builders::TensorEntry;

namespace {

const QString kGoldens = QStringLiteral(DIPTYCH_SOURCE_DIR "/tests/golden/");

struct Golden {
    std::string base;
    std::vector<std::int32_t> ids;
    std::vector<float> logits;
    std::size_t vocabulary = 0;
};

// A folder with golden.json and logits.f32: an adapter's or a model's.
Golden readGolden(const QString &folder)
{
    Golden golden;
    QFile file(folder + QStringLiteral("/golden.json"));
    QFile numbers(folder + QStringLiteral("/logits.f32"));
    if (!file.open(QIODevice::ReadOnly) || !numbers.open(QIODevice::ReadOnly))
        qFatal("no golden in %s", qPrintable(folder));
    const QJsonObject json = QJsonDocument::fromJson(file.readAll()).object();
    golden.base = (kGoldens + QStringLiteral("models/") + json[u"base"].toString()).toStdString();
    for (const QJsonValue &id : json[u"ids"].toArray())
        golden.ids.push_back(id.toInt());
    golden.vocabulary = static_cast<std::size_t>(json[u"vocabulary"].toInt());
    const QByteArray bytes = numbers.readAll();
    golden.logits.resize(static_cast<std::size_t>(bytes.size()) / sizeof(float));
    std::memcpy(golden.logits.data(), bytes.constData(), golden.logits.size() * sizeof(float));
    return golden;
}

std::string adapterPath(const char *name)
{
    return (kGoldens + QStringLiteral("adapters/") + QString::fromLatin1(name)).toStdString();
}

std::string modelPath(const char *name)
{
    return (kGoldens + QStringLiteral("models/") + QString::fromLatin1(name)).toStdString();
}

Result<std::vector<float>> logitsOf(const std::string &model, const std::vector<AdapterOptions> &adapters,
    const std::vector<std::int32_t> &ids, bool exact = true)
{
    LoadOptions options;
    options.adapters = adapters;
    ENGINE_TRY(const auto runner, ModelRunner::load(model, {.threads = 2, .exact = exact}, 16, options));
    std::vector<float> logits;
    ENGINE_CHECK(runner->feed(ids, logits));
    return logits;
}

// An adapter's folder, written by hand.
class AdapterFolder {
public:
    explicit AdapterFolder(const std::vector<TensorEntry> &tensors, const char *config = R"({"peft_type":"LORA","r":2,"lora_alpha":4})")
    {
        write("adapter_config.json", config);
        write("adapter_model.safetensors", builders::safetensors(tensors));
    }
    void write(const char *name, const std::string &bytes) const
    {
        QFile file(m_folder.filePath(QString::fromLatin1(name)));
        if (!file.open(QIODevice::WriteOnly) || file.write(bytes.data(), static_cast<qint64>(bytes.size())) < 0)
            qFatal("cannot write %s", name);
    }
    std::string path() const { return m_folder.path().toStdString(); }
    // What opening the llama model with it says; empty: it opened.
    std::string problem() const
    {
        const auto base = ModelFiles::open(modelPath("llama"));
        const auto adapted = withAdapter(*base, path(), 1.0);
        return adapted.ok() ? std::string() : adapted.error().message;
    }

private:
    QTemporaryDir m_folder;
};

TensorEntry half(const std::string &module, bool isDown, std::int64_t rows, std::int64_t columns, const char *type = "F32")
{
    const auto bytes = static_cast<std::size_t>(rows * columns) * (std::strcmp(type, "F32") == 0 ? 4 : std::strcmp(type, "F64") == 0 ? 8 : 2);
    return {"base_model.model." + module + (isDown ? ".lora_A.weight" : ".lora_B.weight"), type, {rows, columns}, bytes};
}

constexpr const char *kValue = "model.layers.0.self_attn.v_proj"; // [32, 32] in the llama model

} // namespace

class TestAdapters : public QObject {
    Q_OBJECT

private slots:
    void logitsEqualPeft_data()
    {
        QTest::addColumn<QByteArray>("adapter");
        for (const char *name : {"llama-lora", "qwen2-rslora", "deepseek-v3-lora", "llama-dora", "llama-embeddings", "llama-tied-embeddings", "llama-tied-head", "qwen2-saved"})
            QTest::newRow(name) << QByteArray(name);
    }
    void logitsEqualPeft()
    {
        QFETCH(QByteArray, adapter);
        const std::string path = adapterPath(adapter.constData());
        const Golden golden = readGolden(QString::fromStdString(path));
        const auto found = logitsOf(golden.base, {{.path = path}}, golden.ids);
        QVERIFY2(found.ok(), found.ok() ? "" : found.error().message.c_str());
        const float error = worstRowError(*found, golden.logits, golden.vocabulary);
        QVERIFY2(error < 1e-4F, qPrintable(QStringLiteral("relative error %1").arg(static_cast<double>(error))));
        for (std::size_t row = 0; row < golden.ids.size(); ++row)
            QCOMPARE(bestColumn(*found, row, golden.vocabulary), bestColumn(golden.logits, row, golden.vocabulary));
        const auto native = logitsOf(golden.base, {{.path = path}}, golden.ids, false);
        QVERIFY(native.ok());
        QVERIFY(worstRowError(*native, golden.logits, golden.vocabulary) < 0.05F);
    }
    void permutedRowsOfGgufFilesAreFollowed_data()
    {
        QTest::addColumn<QByteArray>("adapter");
        for (const char *name : {"llama-lora", "llama-dora", "llama-embeddings"})
            QTest::newRow(name) << QByteArray(name);
    }
    void permutedRowsOfGgufFilesAreFollowed()
    {
        QFETCH(QByteArray, adapter);
        const std::string path = adapterPath(adapter.constData());
        const Golden golden = readGolden(QString::fromStdString(path));
        const auto found = logitsOf((kGoldens + QStringLiteral("gguf/llama.gguf")).toStdString(), {{.path = path}}, golden.ids);
        QVERIFY2(found.ok(), found.ok() ? "" : found.error().message.c_str());
        QVERIFY(worstRowError(*found, golden.logits, golden.vocabulary) < 1e-4F);
    }
    // The head that the embeddings stand in for keeps the model's numbers when the embeddings change.
    void tiedEmbeddingsPartWhereOneOfThemChanges()
    {
        const auto base = ModelFiles::open(modelPath("llama-tied-linear"));
        QVERIFY((*base)->config().text.tiedEmbeddings && (*base)->find("lm_head.weight") == nullptr);
        for (const char *name : {"llama-tied-embeddings", "llama-tied-head"}) {
            const auto adapted = withAdapter(*base, adapterPath(name), 1.0);
            QVERIFY2(adapted.ok(), adapted.ok() ? "" : adapted.error().message.c_str());
            QVERIFY(!(*adapted)->config().text.tiedEmbeddings);
            const FileTensor *const head = (*adapted)->find("lm_head.weight"), *const table = (*adapted)->find("model.embed_tokens.weight");
            QVERIFY(head != nullptr && table != nullptr);
            QCOMPARE(head->recipe != nullptr, std::strcmp(name, "llama-tied-head") == 0);
            QCOMPARE(table->recipe == nullptr, std::strcmp(name, "llama-tied-head") == 0);
            QCOMPARE((*adapted)->tensors().size(), (*base)->tensors().size() + 1);
        }
        QVERIFY((*base)->config().text.tiedEmbeddings);
    }
    void wholeModulesTakeTheModelsPlace()
    {
        const TensorEntry norm{"base_model.model.model.norm.weight", "BF16", {32}, 64};
        const AdapterFolder folder({norm}, R"({"r":2,"modules_to_save":["norm"]})");
        const auto base = ModelFiles::open(modelPath("llama"));
        const auto adapted = withAdapter(*base, folder.path(), 1.0);
        QVERIFY2(adapted.ok(), adapted.ok() ? "" : adapted.error().message.c_str());
        QVERIFY((*adapted)->find("model.norm.weight")->dtype == DType::BF16 && (*base)->find("model.norm.weight")->dtype == DType::F32);
        const auto refused = [](const Result<std::shared_ptr<const ModelFiles>> &files, const char *text) {
            if (!files.ok() && files.error().message.find(text) == std::string::npos)
                qWarning("%s", files.error().message.c_str());
            return !files.ok() && files.error().message.find(text) != std::string::npos;
        };
        QVERIFY(refused(withAdapter(*base, folder.path(), 0.5), "holds the module \"model.norm.weight\" whole"));
        const AdapterFolder unnamed({norm});
        QVERIFY(refused(withAdapter(*base, unnamed.path(), 1.0), "model.norm.weight\" is no part of"));
        const AdapterFolder without({norm}, R"({"r":2,"modules_to_save":["norm","lm_head"]})");
        QVERIFY(refused(withAdapter(*base, without.path(), 1.0), "no tensor of the module \"lm_head\""));
        const AdapterFolder longer({{"base_model.model.model.norm.weight", "F32", {33}, 132}}, R"({"r":2,"modules_to_save":["norm"]})");
        QVERIFY(refused(withAdapter(*base, longer.path(), 1.0), "model.norm.weight\" is [33] where [32] is needed"));
        const AdapterFolder unknown({{"base_model.model.score.weight", "F32", {2, 32}, 256}}, R"({"r":2,"modules_to_save":["score"]})");
        QVERIFY(refused(withAdapter(*base, unknown.path(), 1.0), "for another model: it changes \"score.weight\""));
        // A vocabulary that grew in training.
        const AdapterFolder grown({{"base_model.model.model.embed_tokens.weight", "F32", {98, 32}, 98 * 128}});
        QVERIFY(refused(withAdapter(*base, grown.path(), 1.0), "embed_tokens.weight\" is [98, 32] where [96, 32] is needed"));
        const AdapterFolder query({{"base_model.model.model.layers.0.self_attn.q_proj.weight", "F32", {64, 32}, 8192}}, R"({"r":2,"modules_to_save":["q_proj"]})");
        QVERIFY(withAdapter(*base, query.path(), 1.0).ok());
        QVERIFY(refused(withAdapter(*ModelFiles::open((kGoldens + QStringLiteral("gguf/llama.gguf")).toStdString()), query.path(), 1.0), "rows stand in another order"));
        const AdapterFolder tied({half("lm_head", true, 2, 32), half("lm_head", false, 96, 2)}, R"({"r":2,"ensure_weight_tying":true})");
        QVERIFY(withAdapter(*base, tied.path(), 1.0).ok()); // nothing is tied there
        QVERIFY(refused(withAdapter(*ModelFiles::open(modelPath("llama-tied-linear")), tied.path(), 1.0), "ensure_weight_tying"));
    }
    void scalesAddUp()
    {
        const std::string path = adapterPath("llama-lora");
        const Golden golden = readGolden(QString::fromStdString(path));
        const auto halves = logitsOf(golden.base, {{.path = path, .scale = 0.25}, {.path = path, .scale = 0.75}}, golden.ids);
        QVERIFY(halves.ok());
        QVERIFY(worstRowError(*halves, golden.logits, golden.vocabulary) < 1e-4F);
        const auto without = logitsOf(golden.base, {}, golden.ids);
        const auto none = logitsOf(golden.base, {{.path = path, .scale = 0.0}}, golden.ids);
        QVERIFY(without.ok() && none.ok());
        QVERIFY(worstRowError(*none, *without, golden.vocabulary) < 1e-6F);
        QVERIFY(worstRowError(*none, golden.logits, golden.vocabulary) > 0.1F);
    }
    void quantisedBasesAreWidened()
    {
        const std::string base = modelPath("gptq-4bit");
        const AdapterFolder folder({half("model.layers.1.mlp.up_proj", true, 2, 64), half("model.layers.1.mlp.up_proj", false, 96, 2)});
        const auto adapted = withAdapter(*ModelFiles::open(base), folder.path(), 1.0);
        QVERIFY2(adapted.ok(), adapted.ok() ? "" : adapted.error().message.c_str());
        QVERIFY((*adapted)->find("model.layers.1.mlp.up_proj.weight")->dtype == DType::BF16);
        QVERIFY((*adapted)->find("model.layers.0.mlp.up_proj.weight")->dtype == DType::Int4);
        QVERIFY((*adapted)->find("model.layers.1.mlp.nothing.weight") == nullptr);
        const Golden golden = readGolden(QString::fromStdString(base));
        const auto found = logitsOf(base, {{.path = folder.path()}}, golden.ids); // the share is about 1e-75
        QVERIFY(found.ok());
        QVERIFY(worstRowError(*found, golden.logits, golden.vocabulary) < 1e-4F);
    }
    void fp8BasesAreWidened()
    {
        const auto base = ModelFiles::open(modelPath("deepseek-v3-fp8"));
        QVERIFY(base.ok());
        const FileTensor *scaled = nullptr;
        for (const FileTensor &tensor : (*base)->tensors())
            if (!tensor.scales.empty() && tensor.name.ends_with(".o_proj.weight"))
                scaled = &tensor;
        QVERIFY(scaled != nullptr);
        const std::string module = scaled->name.substr(0, scaled->name.size() - 7);
        const AdapterFolder folder({half(module, true, 2, scaled->shape[1]), half(module, false, scaled->shape[0], 2)});
        const auto adapted = withAdapter(*base, folder.path(), 1.0);
        QVERIFY2(adapted.ok(), adapted.ok() ? "" : adapted.error().message.c_str());
        const auto made = (*adapted)->find(scaled->name)->recipe->make(true);
        QVERIFY(made.ok());
        const auto backend = makeCpuBackend({.threads = 1, .exact = true});
        const auto values = (*backend)->dequantize(*scaled);
        QCOMPARE(std::memcmp(made->bytes.data(), values->data(), made->bytes.size()), 0);
        QCOMPARE(made->bytes.size(), values->size() * sizeof(float));
    }
    void adaptersOfOtherModelsNameTheTensor()
    {
        const auto refused = [](const char *model, const char *adapter) {
            const auto files = withAdapter(*ModelFiles::open(modelPath(model)), adapterPath(adapter), 1.0);
            return files.ok() || files.error().code != ErrorCode::BadFile ? std::string() : files.error().message;
        };
        const std::string shape = refused("qwen2", "llama-lora");
        QVERIFY2(shape.find("does not fit qwen2") != std::string::npos && shape.find("lora_B.weight") != std::string::npos, shape.c_str());
        const std::string missing = refused("llama", "deepseek-v3-lora");
        QVERIFY2(missing.find("is for another model") != std::string::npos && missing.find("self_attn.kv_") != std::string::npos, missing.c_str());
    }
    void unusualAdaptersAreNamed_data()
    {
        QTest::addColumn<QByteArray>("config");
        QTest::addColumn<QByteArray>("says");
        const auto row = [](const char *config, const char *says) { QTest::newRow(says) << QByteArray(config) << QByteArray(says); };
        row(R"({"peft_type":"IA3"})", "IA3");
        row(R"({"r":2,"use_dora":true})", "use_dora");
        row(R"({"r":2,"modules_to_save":["lm_head"]})", "modules_to_save");
        row(R"({"r":2,"modules_to_save":[7]})", "no list of names");
        row(R"({"r":2,"bias":"lora_only"})", "lora_only");
        row(R"({"r":2,"fan_in_fan_out":true})", "fan_in_fan_out");
        row(R"({"r":2,"target_parameters":["mlp.experts.gate_up_proj"]})", "target_parameters");
        row(R"({"r":2,"alora_invocation_tokens":[1,2]})", "alora_invocation_tokens");
        row(R"({"r":2,"init_lora_weights":"pissa_niter_4"})", "pissa_niter_4");
        row(R"({"r":2,"rank_pattern":{".*q_proj":4}})", "rank_pattern");
        row(R"({"r":0})", "r is 0");
        row(R"({"r":-3})", "r is -3");
        row(R"({"r":2,"lora_alpha":"much"})", "lora_alpha");
        row(R"({"r":2,"alpha_pattern":{"q_proj":-1}})", "alpha_pattern");
        row(R"({"r":2)", "not valid JSON");
        row("[]", "no");
    }
    void unusualAdaptersAreNamed()
    {
        QFETCH(QByteArray, config);
        QFETCH(QByteArray, says);
        const AdapterFolder folder({half(kValue, true, 2, 32), half(kValue, false, 32, 2)});
        QCOMPARE(folder.problem(), std::string());
        folder.write("adapter_config.json", config.toStdString());
        QVERIFY2(folder.problem().find(says.toStdString()) != std::string::npos, folder.problem().c_str());
    }
    void brokenAdaptersNameTheTensor()
    {
        const auto says = [](const AdapterFolder &folder, const char *text) {
            const std::string problem = folder.problem();
            if (problem.find(text) == std::string::npos)
                qWarning("%s", problem.c_str());
            return problem.find(text) != std::string::npos;
        };
        const TensorEntry down = half(kValue, true, 2, 32), up = half(kValue, false, 32, 2);
        QVERIFY(says(AdapterFolder({down}), "v_proj.lora_A.weight\" has no other half (lora_B)"));
        QVERIFY(says(AdapterFolder({up}), "v_proj.lora_B.weight\" has no other half (lora_A)"));
        QVERIFY(says(AdapterFolder({half(kValue, true, 3, 32), up}), "v_proj.lora_A.weight\" is [3, 32] where [2, 32]"));
        QVERIFY(says(AdapterFolder({down, half(kValue, false, 31, 2)}), "v_proj.lora_B.weight\" is [31, 2] where [32, 2]"));
        QVERIFY(says(AdapterFolder({down, half(kValue, false, 32, 2, "F64")}), "F64"));
        QVERIFY(says(AdapterFolder({down, up, {"base_model.model." + std::string(kValue) + ".lora_embedding_A", "F32", {2, 32}, 256}}), "in two ways"));
        const TensorEntry length{"base_model.model." + std::string(kValue) + ".lora_magnitude_vector", "F32", {31}, 124};
        QVERIFY(says(AdapterFolder({down, up, length}, R"({"r":2,"use_dora":true})"), "v_proj.lora_magnitude_vector\" is [31] where [32]"));
        QVERIFY(says(AdapterFolder({length}, R"({"r":2,"use_dora":true})"), "v_proj.lora_magnitude_vector\" has no other half"));
        const auto table = [](const char *ending, std::int64_t rows, std::int64_t columns) {
            return TensorEntry{std::string("base_model.model.model.embed_tokens.lora_embedding_") + ending, "F32", {rows, columns}, static_cast<std::size_t>(rows * columns) * 4};
        };
        QVERIFY(says(AdapterFolder({table("A", 2, 96), table("B", 32, 2)}, R"({"r":2,"use_dora":true})"), "use_dora for the embedding"));
        QVERIFY(says(AdapterFolder({table("A", 2, 98), table("B", 32, 2)}), "lora_embedding_A\" is [2, 98] where [2, 96]"));
        QVERIFY(says(AdapterFolder({table("A", 2, 96), table("B", 31, 2)}), "lora_embedding_B\" is [31, 2] where [32, 2]"));
        QVERIFY(says(AdapterFolder({down, up, {"base_model.model.lm_head.weight", "F32", {1}, 4}}), "lm_head.weight"));
        QVERIFY(says(AdapterFolder({down, up, {"base_model.model." + std::string(kValue) + ".lora_magnitude_vector", "F32", {1}, 4}}), "lora_magnitude_vector"));
        QVERIFY(says(AdapterFolder({down, up, half("model.layers.9.self_attn.v_proj", true, 2, 32), half("model.layers.9.self_attn.v_proj", false, 32, 2)}),
            "model.layers.9.self_attn.v_proj.weight"));
        QVERIFY(says(AdapterFolder({half("model.norm", true, 2, 32), half("model.norm", false, 32, 2)}), "model.norm.weight"));
        QVERIFY(says(AdapterFolder(std::vector<TensorEntry>{}), "holds no tensors"));
        const AdapterFolder notNumbers({down, up});
        std::string bytes = builders::safetensors(std::vector<TensorEntry>{down, up});
        std::fill(bytes.end() - 4, bytes.end(), '\xFF');
        notNumbers.write("adapter_model.safetensors", bytes);
        QVERIFY(says(notNumbers, "v_proj.lora_B.weight\" of the adapter"));
        notNumbers.write("adapter_model.safetensors", "short");
        QVERIFY(says(notNumbers, "adapter_model.safetensors is not a sound safetensors file"));
        const auto missing = withAdapter(*ModelFiles::open(modelPath("llama")), "/nothing/here", 1.0);
        QVERIFY(!missing.ok() && missing.error().code == ErrorCode::BadFile);
    }
};

QTEST_APPLESS_MAIN(TestAdapters)
#include "tst_adapters.moc"
