// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "file_builders.h"
#include "files/mapped_file.h"
#include "files/model_files.h"
#include "files/tensor_recipe.h"
#include "text/tokenizer.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <filesystem>
#include <functional>
#include <numeric>

#include <sys/stat.h>
#include <unistd.h>

using namespace engine;
using namespace builders;

namespace {

constexpr const char *kTinyConfig = R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":8,
    "intermediate_size":16,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"vocab_size":16,
    "max_position_embeddings":64})";

const std::vector<TensorEntry> kTinyTensors{{"lm_head.weight", "F32", {16, 8}, 512}, {"model.embed_tokens.weight", "F32", {16, 8}, 512},
    {"model.norm.weight", "F32", {8}, 32}};

// A folder of files to open as a model.
class Folder {
public:
    Folder() { m_path = std::filesystem::path(m_directory.path().toStdString()); }
    explicit Folder(const char *name) : Folder()
    {
        m_path /= name;
        std::filesystem::create_directory(m_path);
    }
    const std::filesystem::path &path() const { return m_path; }
    std::filesystem::path write(const std::string &name, const std::string &bytes) const
    {
        QFile file(QString::fromStdString((m_path / name).string()));
        if (!file.open(QIODevice::WriteOnly) || file.write(bytes.data(), static_cast<qint64>(bytes.size())) != static_cast<qint64>(bytes.size()))
            qFatal("cannot write %s", name.c_str());
        return m_path / name;
    }
    auto open() const { return ModelFiles::open(m_path); }

private:
    QTemporaryDir m_directory;
    std::filesystem::path m_path;
};

std::string messageOf(const Result<std::shared_ptr<const ModelFiles>> &result)
{
    return result.ok() ? "it was opened" : result.error().message;
}

bool says(const Result<std::shared_ptr<const ModelFiles>> &result, ErrorCode code, const char *part)
{
    const bool right = !result.ok() && result.error().code == code && result.error().message.find(part) != std::string::npos;
    if (!right)
        qWarning("got \"%s\", wanted \"%s\"", messageOf(result).c_str(), part);
    return right;
}

// The keys of a deepseek2 file with 2 heads of 4 + 4 and values of 4, latent rank 8, 4 experts.
Gguf latentGguf(bool isAbsorbed)
{
    Gguf file;
    file.text("general.architecture", "deepseek2").u32("deepseek2.block_count", 1).u32("deepseek2.context_length", 64)
        .u32("deepseek2.embedding_length", 8).u32("deepseek2.feed_forward_length", 16).u32("deepseek2.attention.head_count", 2)
        .u32("deepseek2.attention.head_count_kv", isAbsorbed ? 1 : 2).u32("deepseek2.attention.kv_lora_rank", 8)
        .u32("deepseek2.rope.dimension_count", 4).u32("deepseek2.expert_count", 4).u32("deepseek2.expert_used_count", 2)
        .u32("deepseek2.expert_shared_count", 1).u32("deepseek2.expert_feed_forward_length", 6)
        .u32("deepseek2.leading_dense_block_count", 0);
    if (isAbsorbed)
        file.u32("deepseek2.attention.key_length", 12).u32("deepseek2.attention.value_length", 8)
            .u32("deepseek2.attention.key_length_mla", 8).u32("deepseek2.attention.value_length_mla", 4);
    else
        file.u32("deepseek2.attention.key_length", 8).u32("deepseek2.attention.value_length", 4);
    file.tensor("token_embd.weight", {8, 16}, 0, 512).tensor("output.weight", {8, 16}, 0, 512)
        .tensor("blk.0.ffn_gate_exps.weight", {8, 6, 4}, 0, 768).tensor("blk.0.ffn_down_exps.weight", {6, 8, 4}, 0, 768);
    return file;
}

} // namespace

class TestModelFiles : public QObject {
    Q_OBJECT
private slots:
    void theEmbeddedModelOpens();
    void aFolderOfOneFileOpens();
    void shardsAreJoinedByTheirIndex();
    void shardsWithoutIndexMustBeComplete();
    void anIndexCannotLeaveItsFolder_data();
    void anIndexCannotLeaveItsFolder();
    void anIndexThatLiesIsRefused();
    void pickledWeightsAreNeverLoaded();
    void tiedEmbeddingsAreSettledByTheTensors();
    void embeddingsMustMatchTheConfiguration();
    void scalesBelongToTheirWeights();
    void packedTensorsAreNamed();
    void packedMatricesMustFitTogether();
    void numbersNothingComputesWithAreWidened_data();
    void numbersNothingComputesWithAreWidened();
    void whatIsNoRealNumberIsListedAndRefusedAsAWeight();
    void whatIsNoFileIsRefused();
    void oddPathsOpen();
    void ggufTensorsHaveHuggingFaceNames();
    void theThreeFormsOfLatentAttentionAreShownAsTwo();
    void unknownGgufTensorsAreNamed();
    void scalesOfWholeMatricesGoIntoThem();
    void splitGgufFilesAreJoined();
    void ropeDivisorsComeFromTheFile();
    void wrongShapesAreSaid();
    void aFileCutWhileMappedIsReported();
    void aFileCutBetweenOpenAndReadNeverEndsTheProcess();
    void aFileWrittenWhileMappedIsReported();
    void aReplacedOrDeletedFileDoesNoHarm();
    void randomBytesOfAModelNeverCrashOpen();
};

void TestModelFiles::theEmbeddedModelOpens()
{
    const auto opened = ModelFiles::open(DIPTYCH_SOURCE_DIR "/resources/models/mini-vl");
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    const ModelFiles &files = **opened;
    const TextConfig &text = files.config().text;
    QVERIFY(!files.isGguf());
    QCOMPARE(text.architecture, std::string("deepseek_vl_v2"));
    QCOMPARE(text.tensorPrefix, std::string("language."));
    QVERIFY(text.attention == AttentionKind::Latent && text.rope.interleaved);
    QVERIFY(text.moe.method == RoutingMethod::Biased && text.moe.score == RoutingScore::Sigmoid);
    QVERIFY(files.config().vision.has_value());
    QCOMPARE(files.config().vision->projectorOut, text.hidden);
    QVERIFY(files.require("language.model.embed_tokens.weight", Shape{text.vocabulary, text.hidden}).ok());
    const FileTensor *const fp8 = files.find("language.model.layers.0.mlp.gate_proj.weight");
    QVERIFY(fp8 != nullptr);
    QVERIFY(fp8->dtype == DType::F8E4M3);
    const std::int64_t blocks = (fp8->shape[0] + 127) / 128 * ((fp8->shape[1] + 127) / 128);
    QCOMPARE(fp8->scales.size(), static_cast<std::size_t>(blocks) * static_cast<std::size_t>(kernels::dtypeInfo(fp8->scaleType).blockBytes));
    QVERIFY(files.find("language.model.layers.0.mlp.gate_proj.weight_scale_inv") == nullptr);
    QVERIFY(files.intact().ok());
    QVERIFY(files.loadTokenizer().ok());
    QVERIFY(!files.chatTemplate().jinja.empty());
}

void TestModelFiles::aFolderOfOneFileOpens()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    const auto weights = folder.write("model.safetensors", safetensors(kTinyTensors));
    QVERIFY2(folder.open().ok(), messageOf(folder.open()).c_str());
    QVERIFY(ModelFiles::open(weights).ok());
    QVERIFY(ModelFiles::open(folder.path() / "config.json").ok());
    const auto opened = folder.open();
    QCOMPARE((*opened)->tensors().size(), std::size_t{3});
    QVERIFY((*opened)->find("model.norm.weight") != nullptr);
    QVERIFY((*opened)->find("model.norm") == nullptr && (*opened)->find("") == nullptr);
    QVERIFY((*opened)->loadTokenizer().error().code == ErrorCode::Unsupported);
    (*opened)->release((*opened)->tensors().front());
    QVERIFY((*opened)->tensors().front().bytes[0] == std::byte{1});
    // A single file of another name is taken too.
    std::filesystem::rename(weights, folder.path() / "weights.safetensors");
    QVERIFY2(folder.open().ok(), messageOf(folder.open()).c_str());
}

void TestModelFiles::shardsAreJoinedByTheirIndex()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    folder.write("model-00001-of-00002.safetensors", safetensors({kTinyTensors[0]}));
    folder.write("model-00002-of-00002.safetensors", safetensors({kTinyTensors[1], kTinyTensors[2]}));
    folder.write("model.safetensors.index.json", R"({"metadata":{"total_size":1},"weight_map":{
        "lm_head.weight":"model-00001-of-00002.safetensors","model.embed_tokens.weight":"model-00002-of-00002.safetensors",
        "model.norm.weight":"model-00002-of-00002.safetensors"}})");
    const auto opened = folder.open();
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    QCOMPARE((*opened)->tensors().size(), std::size_t{3});
    QVERIFY((*opened)->warnings().empty());
    // A tensor that a shard has and the index leaves out is there all the same (architectures.md 6.1).
    folder.write("model.safetensors.index.json", R"({"weight_map":{"lm_head.weight":"model-00001-of-00002.safetensors",
        "model.embed_tokens.weight":"model-00002-of-00002.safetensors"}})");
    QVERIFY((*folder.open())->find("model.norm.weight") != nullptr);
    // A file outside the index is left alone, and said.
    folder.write("extra.safetensors", "rubbish");
    const auto surplus = folder.open();
    QVERIFY2(surplus.ok(), messageOf(surplus).c_str());
    QCOMPARE((*surplus)->warnings().size(), std::size_t{1});
    std::filesystem::remove(folder.path() / "model-00002-of-00002.safetensors");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "\"model-00002-of-00002.safetensors\" of"));
}

void TestModelFiles::shardsWithoutIndexMustBeComplete()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    folder.write("model-00001-of-00002.safetensors", safetensors({kTinyTensors[0]}));
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "Part 2 of 2"));
    folder.write("model-00002-of-00002.safetensors", safetensors({kTinyTensors[1], kTinyTensors[2]}));
    QVERIFY2(folder.open().ok(), messageOf(folder.open()).c_str());
    folder.write("model-00002-of-00002.safetensors", safetensors(kTinyTensors)); // lm_head stands in both now
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "stands in two places"));
    folder.write("other.safetensors", safetensors({kTinyTensors[0]}));
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "no index"));
}

void TestModelFiles::anIndexCannotLeaveItsFolder_data()
{
    QTest::addColumn<QByteArray>("file");
    for (const char *file : {"\"../other.safetensors\"", "\"/other.safetensors\"", "\"//x/other.safetensors\"", "\"sub/x.safetensors\"",
             "\"..\"", "\"\"", "\".safetensors\"", "\".hidden.safetensors\"", "\"..\\\\x.safetensors\"", "\"x.bin\"", "\"x.safetensors/\"",
             "\"x\\u0000.safetensors\"", "\"x.safetensors\\u0000\"", "7", "null", "{}", "[\"x.safetensors\"]"})
        QTest::newRow(file) << QByteArray(file);
}

void TestModelFiles::anIndexCannotLeaveItsFolder()
{
    QFETCH(QByteArray, file);
    const Folder folder("model");
    folder.write("config.json", kTinyConfig);
    folder.write("../other.safetensors", safetensors(kTinyTensors)); // exists, and must not be reached
    folder.write("x.safetensors", safetensors(kTinyTensors));
    folder.write("model.safetensors.index.json", "{\"weight_map\":{\"lm_head.weight\":" + file.toStdString() + "}}");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "not the name of a .safetensors file in the same folder"));
}

void TestModelFiles::anIndexThatLiesIsRefused()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    folder.write("a.safetensors", safetensors(kTinyTensors));
    folder.write("b.safetensors", safetensors({{"b", "U8", {1}, 1}}));
    const auto index = [&](const char *text) { folder.write("model.safetensors.index.json", text); };
    index(R"({"weight_map":{"ghost":"a.safetensors"}})");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "names the tensor \"ghost\""));
    index(R"({"weight_map":{"lm_head.weight":"b.safetensors","b":"b.safetensors","model.norm.weight":"a.safetensors"}})");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "the index says"));
    index(R"({"weight_map":{}})");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "lists no tensors"));
    index(R"({"weight_map":[]})");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "no weight_map"));
    index("[]");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "no weight_map"));
    index("{");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "not valid JSON"));
    index(R"({"weight_map":{"b":"b.safetensors","b":"a.safetensors"}})");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "twice"));
}

void TestModelFiles::pickledWeightsAreNeverLoaded()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "no weights"));
    const auto pickle = folder.write("pytorch_model.bin", "\x80\x02}q.");
    QVERIFY(says(folder.open(), ErrorCode::Unsupported, "pickled"));
    QVERIFY(says(ModelFiles::open(pickle), ErrorCode::Unsupported, "pickled"));
}

void TestModelFiles::tiedEmbeddingsAreSettledByTheTensors()
{
    const Folder folder;
    const std::string tied = std::string(kTinyConfig).insert(1, "\"tie_word_embeddings\":true,");
    folder.write("config.json", tied);
    folder.write("model.safetensors", safetensors(kTinyTensors));
    QVERIFY(!(*folder.open())->config().text.tiedEmbeddings); // the file has an output matrix of its own
    folder.write("model.safetensors", safetensors({kTinyTensors[1], kTinyTensors[2]}));
    QVERIFY((*folder.open())->config().text.tiedEmbeddings);
    folder.write("config.json", kTinyConfig);
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "no tensor \"lm_head.weight\""));
}

void TestModelFiles::embeddingsMustMatchTheConfiguration()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    folder.write("model.safetensors", safetensors({kTinyTensors[0], {"model.embed_tokens.weight", "F32", {15, 8}, 480}}));
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "is [15, 8] where [16, 8] is needed"));
    folder.write("model.safetensors", safetensors({kTinyTensors[0]}));
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "no tensor \"model.embed_tokens.weight\""));
}

void TestModelFiles::scalesBelongToTheirWeights()
{
    const Folder folder;
    const std::string quantised = std::string(kTinyConfig).insert(1, R"("quantization_config":{"quant_method":"fp8","weight_block_size":[4,4]},)");
    folder.write("config.json", quantised);
    const auto with = [&](std::vector<TensorEntry> more) {
        more.insert(more.begin(), kTinyTensors.begin(), kTinyTensors.end());
        folder.write("model.safetensors", safetensors(more));
        return folder.open();
    };
    const TensorEntry weight{"w.weight", "F8_E4M3", {6, 8}, 48};
    const auto opened = with({weight, {"w.weight_scale_inv", "F32", {2, 2}, 16}});
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    const FileTensor *const found = (*opened)->find("w.weight");
    QCOMPARE(found->scales.size(), std::size_t{16});
    QCOMPARE(found->scaleBlockRows, 4);
    QVERIFY((*opened)->find("w.weight_scale_inv") == nullptr);
    const auto powers = with({weight, {"w.weight_scale_inv", "F8_E8M0", {2, 2}, 4}});
    QVERIFY2(powers.ok(), messageOf(powers).c_str());
    QVERIFY((*powers)->find("w.weight")->scaleType == DType::F8E8M0);
    QVERIFY(with({weight, {"w.scale", "F8_E8M0", {2, 2}, 4}}).ok());
    QVERIFY(says(with({weight}), ErrorCode::BadFile, "has no scales"));
    QVERIFY(says(with({weight, {"w.weight_scale_inv", "F64", {2, 2}, 32}}), ErrorCode::Unsupported, "w.weight_scale_inv\" of"));
    QVERIFY(says(with({weight, {"w.weight_scale_inv", "U32", {2, 2}, 16}}), ErrorCode::Unsupported, "stored as U32"));
    QVERIFY(says(with({{"w.weight_scale_inv", "F32", {2, 2}, 16}}), ErrorCode::BadFile, "have no weight"));
    QVERIFY(says(with({weight, {"w.weight_scale_inv", "F32", {1, 2}, 8}}), ErrorCode::BadFile, "[1, 2] where [2, 2]"));
    QVERIFY(says(with({weight, {"w.weight_scale_inv", "F16", {2, 2}, 8}}), ErrorCode::Unsupported, "F16"));
    QVERIFY(says(with({{"w.weight", "BF16", {6, 8}, 96}, {"w.weight_scale_inv", "F32", {2, 2}, 16}}), ErrorCode::BadFile, "no FP8 matrix"));
    QVERIFY(says(with({weight, {"w.weight_scale_inv", "F32", {2, 2}, 16}, {"w.scale", "F8_E8M0", {2, 2}, 4}}), ErrorCode::BadFile, "scales twice"));
}

void TestModelFiles::packedTensorsAreNamed()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    const auto with = [&](const TensorEntry &tensor) {
        folder.write("model.safetensors", safetensors({kTinyTensors[0], kTinyTensors[1], tensor}));
        return folder.open();
    };
    QVERIFY(says(with({"model.layers.0.mlp.up_proj.qweight", "I32", {1, 8}, 32}), ErrorCode::Unsupported, "up_proj.qweight"));
    QVERIFY(says(with({"model.layers.0.mlp.up_proj.weight_packed", "I32", {1, 8}, 32}), ErrorCode::Unsupported, "up_proj.weight_packed"));
    QVERIFY(with({"x", "F8_E5M2", {8}, 8}).ok());
    QVERIFY(says(with({"x", "U8", {1, 1, 1, 1, 8}, 8}), ErrorCode::Unsupported, "more than 4 dimensions"));
    const auto fused = with({"model.layers.0.mlp.experts.gate_up_proj", "F32", {2, 2, 2}, 32});
    QVERIFY((*fused)->find("model.layers.0.mlp.experts.gate_up_proj.weight") != nullptr);
    QVERIFY((*with({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {2}, 8}))->tensors().size() == 2);
}

void TestModelFiles::packedMatricesMustFitTogether()
{
    const Folder folder;
    const auto open = [&](const char *config, const std::vector<TensorEntry> &packed) {
        folder.write("config.json", std::string(kTinyConfig).insert(1, "\"quantization_config\":" + std::string(config) + ","));
        std::vector<TensorEntry> all = packed;
        all.insert(all.begin(), kTinyTensors.begin(), kTinyTensors.end());
        folder.write("model.safetensors", safetensors(all));
        return folder.open();
    };
    constexpr const char *gptq = R"({"quant_method":"gptq","bits":4,"group_size":32})";
    const TensorEntry weights{"w.qweight", "I32", {8, 16}, 512}; // 64 inputs, 16 outputs
    const TensorEntry zeros{"w.qzeros", "I32", {2, 2}, 16}, scales{"w.scales", "F16", {2, 16}, 64};
    const TensorEntry order{"w.g_idx", "I32", {64}, 256};
    const auto opened = open(gptq, {weights, zeros, scales});
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    const FileTensor *const found = (*opened)->find("w.weight");
    QVERIFY(found != nullptr && (*opened)->find("w.qweight") == nullptr);
    QVERIFY(found->dtype == DType::Int4 && found->recipe != nullptr && (found->shape == Shape{16, 64}));
    const auto made = found->recipe->make(true);
    QVERIFY(made.ok());
    QCOMPARE(made->bytes.size(), std::size_t{16 * 2 * 20});
    QVERIFY(says(open(gptq, {weights, zeros, scales, order}), ErrorCode::BadFile, "\"w.g_idx\" sends input 0 to group 16843009"));
    QVERIFY((*open(R"({"quant_method":"gptq","bits":8,"group_size":-1})",
        {{"w.qweight", "I32", {16, 16}, 1024}, {"w.qzeros", "I32", {1, 4}, 16}, {"w.scales", "F16", {1, 16}, 32}}))->find("w.weight")->dtype == DType::Int8);
    QVERIFY(open(R"({"quant_method":"gptq","bits":4,"group_size":32,"sym":true})", {weights, scales}).ok());
    QVERIFY(open(R"({"quant_method":"awq","bits":4,"group_size":32})", {{"w.qweight", "I32", {64, 2}, 512}, zeros, scales}).ok());

    QVERIFY(says(open(gptq, {weights, zeros}), ErrorCode::BadFile, "w.scales"));
    QVERIFY(says(open(gptq, {zeros, scales}), ErrorCode::BadFile, "w.qweight"));
    QVERIFY(says(open(gptq, {weights, scales}), ErrorCode::BadFile, "w.qzeros"));
    QVERIFY(says(open(gptq, {order}), ErrorCode::BadFile, "w.qweight"));
    QVERIFY(says(open(gptq, {weights, zeros, scales, {"w.weight", "F32", {16, 64}, 4096}}), ErrorCode::BadFile, "twice"));
    QVERIFY(says(open(gptq, {weights, zeros, {"w.scales", "F16", {4, 16}, 128}}), ErrorCode::BadFile, "w.scales\" is F16 [4, 16] where F16 [2, 16]"));
    QVERIFY(says(open(gptq, {weights, zeros, {"w.scales", "I8", {2, 16}, 32}}), ErrorCode::BadFile, "w.scales"));
    QVERIFY(says(open(gptq, {weights, zeros, {"w.scales", "F64", {2, 16}, 256}}), ErrorCode::BadFile, "w.scales\" are stored as F64"));
    QVERIFY(says(open(gptq, {weights, zeros, {"w.scales", "F8_E4M3FNUZ", {2, 16}, 32}}), ErrorCode::BadFile, "are stored as F8_E4M3FNUZ"));
    QVERIFY(says(open(gptq, {{"w.qweight", "U32", {8, 16}, 512}, zeros, scales}), ErrorCode::BadFile, "w.qweight"));
    QVERIFY(says(open(gptq, {weights, {"w.qzeros", "U32", {2, 2}, 16}, scales}), ErrorCode::BadFile, "w.qzeros\" is U32"));
    QVERIFY(says(open(gptq, {weights, {"w.qzeros", "I32", {2, 16}, 128}, scales}), ErrorCode::BadFile, "w.qzeros"));
    QVERIFY(says(open(gptq, {{"w.qweight", "F32", {8, 16}, 512}, zeros, scales}), ErrorCode::BadFile, "w.qweight"));
    QVERIFY(says(open(gptq, {weights, zeros, scales, {"w.g_idx", "I32", {63}, 252}}), ErrorCode::BadFile, "w.g_idx"));
    QVERIFY(says(open(R"({"quant_method":"gptq","bits":3,"group_size":32})", {weights, zeros, scales}), ErrorCode::BadFile, "w.qweight"));
    QVERIFY(says(open(R"({"quant_method":"gptq","bits":4,"group_size":0})", {}), ErrorCode::BadFile, "group_size"));
}

void TestModelFiles::numbersNothingComputesWithAreWidened_data()
{
    QTest::addColumn<QByteArray>("type");
    QTest::addColumn<int>("bits");
    QTest::addColumn<bool>("isNarrow");
    for (const char *type : {"I8", "U8", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
        QTest::newRow(type) << QByteArray(type) << 8 << true;
    QTest::newRow("F4") << QByteArray("F4") << 4 << true;
    QTest::newRow("F6_E2M3") << QByteArray("F6_E2M3") << 6 << true;
    QTest::newRow("F6_E3M2") << QByteArray("F6_E3M2") << 6 << true;
    for (const char *type : {"I16", "U16"})
        QTest::newRow(type) << QByteArray(type) << 16 << false;
    for (const char *type : {"I32", "U32"})
        QTest::newRow(type) << QByteArray(type) << 32 << false;
    for (const char *type : {"I64", "U64", "F64"})
        QTest::newRow(type) << QByteArray(type) << 64 << false;
}

void TestModelFiles::numbersNothingComputesWithAreWidened()
{
    QFETCH(QByteArray, type);
    QFETCH(int, bits);
    QFETCH(bool, isNarrow);
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    const std::size_t bytes = 4 * static_cast<std::size_t>(bits) * 2 / 8;
    folder.write("model.safetensors", safetensors({kTinyTensors[0], kTinyTensors[1], {"x", type.toStdString(), {2, 4}, bytes}}));
    const auto opened = folder.open();
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    const FileTensor *const found = (*opened)->find("x");
    QVERIFY(found->dtype == (isNarrow ? DType::BF16 : DType::F32) && found->recipe != nullptr);
    QCOMPARE(found->recipe->storedType(), std::string_view(type.constData()));
    const auto made = found->recipe->make(false);
    QVERIFY(made.ok());
    QVERIFY(made->dtype == found->dtype);
    QCOMPARE(made->bytes.size(), std::size_t{isNarrow ? 16U : 32U});
}

void TestModelFiles::whatIsNoRealNumberIsListedAndRefusedAsAWeight()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    folder.write("model.safetensors", safetensors({kTinyTensors[0], kTinyTensors[1], {"x", "C64", {2, 4}, 64}, {"y", "BOOL", {8}, 8}}));
    const auto opened = folder.open();
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    QCOMPARE((*opened)->find("x")->recipe->storedType(), std::string_view("C64"));
    const auto made = (*opened)->find("x")->recipe->make(false);
    QVERIFY(!made.ok() && made.error().code == ErrorCode::Unsupported);
    QVERIFY(made.error().message.find("\"x\" is stored as C64") != std::string::npos);
    QVERIFY((*opened)->find("y")->dtype == DType::Bool); // no kernel takes it (kernels::isWeightType)
}

void TestModelFiles::whatIsNoFileIsRefused()
{
    const Folder folder;
    const std::filesystem::path &at = folder.path();
    QVERIFY(says(ModelFiles::open(at / "nothing.gguf"), ErrorCode::BadFile, "no file nothing.gguf"));
    QVERIFY(says(ModelFiles::open(""), ErrorCode::BadFile, "no file"));
    QVERIFY(says(ModelFiles::open(at), ErrorCode::BadFile, "holds no model"));
    QVERIFY(says(ModelFiles::open("/dev/zero"), ErrorCode::BadFile, "is a device"));
    QVERIFY(::mkfifo((at / "pipe.gguf").c_str(), 0600) == 0);
    QVERIFY(says(ModelFiles::open(at / "pipe.gguf"), ErrorCode::BadFile, "is a pipe")); // and does not wait for a writer
    std::filesystem::create_symlink("loop.gguf", at / "loop.gguf");
    QVERIFY(says(ModelFiles::open(at / "loop.gguf"), ErrorCode::BadFile, "circle of symbolic links"));
    std::filesystem::create_directory(at / "folder.gguf");
    QVERIFY(!MappedFile::open(at / "folder.gguf").ok());
    QVERIFY(says(ModelFiles::open(folder.write("empty.gguf", "")), ErrorCode::BadFile, "is empty"));
    QVERIFY(says(ModelFiles::open(folder.write("lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")),
        ErrorCode::BadFile, "Git LFS pointer"));
    QVERIFY(says(ModelFiles::open(folder.write("text.txt", "hello")), ErrorCode::BadFile, "letters GGUF"));
    // A huge file that is not there: nothing is read but its start.
    const auto sparse = folder.write("sparse.gguf", "");
    if (::truncate(sparse.c_str(), off_t{1} << 42) == 0)
        QVERIFY(says(ModelFiles::open(sparse), ErrorCode::BadFile, "letters GGUF"));
    // The same inside a model's folder.
    folder.write("config.json", "version https://git-lfs.github.com/spec/v1\n");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "config.json is a Git LFS pointer"));
    std::filesystem::remove(at / "config.json");
    std::filesystem::create_directory(at / "config.json");
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "config.json is a folder"));
}

void TestModelFiles::oddPathsOpen()
{
    for (const char *name : {"with space", "模型", "emoji 🐋", "line\nbreak", "quote'\"", "percent%20", "-dash"}) {
        const Folder folder(name);
        folder.write("config.json", kTinyConfig);
        folder.write("model.safetensors", safetensors(kTinyTensors));
        QVERIFY2(folder.open().ok(), messageOf(folder.open()).c_str());
        const auto gguf = ModelFiles::open(folder.write(std::string(name) + ".gguf", tinyLlama().build()));
        QVERIFY2(gguf.ok(), messageOf(gguf).c_str());
    }
}

void TestModelFiles::ggufTensorsHaveHuggingFaceNames()
{
    const Folder folder;
    const auto path = folder.write("tiny.gguf", tinyLlama().build());
    const auto opened = ModelFiles::open(path);
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    const ModelFiles &files = **opened;
    QVERIFY(files.isGguf());
    QVERIFY(files.config().text.rope.interleaved);
    QCOMPARE(files.config().text.headDim, 4);
    QVERIFY(files.require("model.layers.0.mlp.down_proj.weight", Shape{8, 16}).ok());
    QVERIFY(files.require("model.layers.0.self_attn.k_proj.weight", Shape{4, 8}).ok());
    QVERIFY(files.loadTokenizer().error().code == ErrorCode::Unsupported);
    QVERIFY2(folder.open().ok(), "a folder around one GGUF file is that file");
    const auto qwen = ModelFiles::open(folder.write("qwen.gguf", tinyLlama("qwen2").build()));
    QVERIFY((*qwen)->config().text.attentionBias && !(*qwen)->config().text.rope.interleaved);
    QVERIFY(says(folder.open(), ErrorCode::BadFile, "several GGUF files"));
    QVERIFY(says(ModelFiles::open(folder.write("gemma.gguf", tinyLlama("gemma").build())), ErrorCode::Unsupported, "\"gemma\""));
}

void TestModelFiles::theThreeFormsOfLatentAttentionAreShownAsTwo()
{
    const Folder folder;
    const std::string layer = "model.layers.0.self_attn.";
    const auto check = [&](const Gguf &file, bool isWhole) {
        const auto opened = ModelFiles::open(folder.write("latent.gguf", file.build()));
        QVERIFY2(opened.ok(), messageOf(opened).c_str());
        const TextConfig &text = (*opened)->config().text;
        QVERIFY(text.attention == AttentionKind::Latent);
        QCOMPARE(text.nopeHeadDim, 4);
        QCOMPARE(text.ropeHeadDim, 4);
        QCOMPARE(text.valueHeadDim, 4);
        QCOMPARE((*opened)->require(layer + "kv_b_proj.weight", Shape{2 * (4 + 4), 8}).ok(), isWhole);
        QCOMPARE((*opened)->require(layer + "k_b_proj.weight", Shape{2, 8, 4}).ok(), !isWhole);
        QCOMPARE((*opened)->require(layer + "v_b_proj.weight", Shape{2, 4, 8}).ok(), !isWhole);
        QVERIFY((*opened)->require("model.layers.0.mlp.experts.gate_proj.weight", Shape{4, 6, 8}).ok());
        QVERIFY((*opened)->require("model.layers.0.mlp.experts.down_proj.weight", Shape{4, 8, 6}).ok());
    };
    check(latentGguf(true).tensor("blk.0.attn_k_b.weight", {4, 8, 2}, 0, 256).tensor("blk.0.attn_v_b.weight", {8, 4, 2}, 0, 256), false);
    check(latentGguf(false).tensor("blk.0.attn_kv_b.weight", {8, 16}, 0, 512), true);
    // ik_llama.cpp: both, the pieces as plain matrices; without the whole one they are split by heads.
    check(latentGguf(false).tensor("blk.0.attn_kv_b.weight", {8, 16}, 0, 512).tensor("blk.0.attn_k_b.weight", {4, 16}, 0, 256)
              .tensor("blk.0.attn_v_b.weight", {8, 8}, 0, 256), true);
    check(latentGguf(false).tensor("blk.0.attn_k_b.weight", {4, 16}, 0, 256).tensor("blk.0.attn_v_b.weight", {8, 8}, 0, 256), false);
}

void TestModelFiles::unknownGgufTensorsAreNamed()
{
    const Folder folder;
    const auto opened = ModelFiles::open(folder.write("x.gguf", tinyLlama().tensor("blk.0.attn_sinks.weight", {8}, 0, 32).build()));
    QVERIFY(says(opened, ErrorCode::Unsupported, "blk.0.attn_sinks.weight"));
    Gguf none;
    none.text("general.architecture", "llama");
    QVERIFY(says(ModelFiles::open(folder.write("none.gguf", none.build())), ErrorCode::BadFile, "no tensors"));
}

void TestModelFiles::scalesOfWholeMatricesGoIntoThem()
{
    const Folder folder;
    const auto with = [&](const std::function<void(Gguf &)> &add) {
        Gguf file = tinyLlama();
        file.tensor("blk.1.ffn_gate.weight", {64, 4}, 40, 144).tensor("blk.1.ffn_gate_exps.weight", {64, 4, 3}, 40, 432)
            .tensor("blk.1.ffn_gate_up_exps.weight", {64, 4, 2}, 40, 288);
        add(file);
        return ModelFiles::open(folder.write("x.gguf", file.build()));
    };
    const auto opened = with([](Gguf &file) {
        file.tensor("blk.1.ffn_gate.scale", {1}, 0, 4).tensor("blk.1.ffn_gate.input_scale", {1}, 0, 4)
            .tensor("blk.1.ffn_gate_exps.scale", {3}, 0, 12).tensor("blk.1.ffn_gate_up_exps.weight.scale", {1}, 0, 4);
    });
    QVERIFY2(opened.ok(), messageOf(opened).c_str());
    const FileTensor *const plain = (*opened)->find("model.layers.1.mlp.gate_proj.weight");
    QCOMPARE(plain->scales.size(), std::size_t{4});
    QVERIFY(plain->scaleBlockRows == 4 && plain->scaleBlockColumns == 64);
    QCOMPARE((*opened)->find("model.layers.1.mlp.experts.gate_proj.weight")->scales.size(), std::size_t{12});
    const FileTensor *const fused = (*opened)->find("model.layers.1.mlp.experts.gate_up_proj.weight");
    QCOMPARE(fused->scales.size(), std::size_t{16}); // gate and up of two experts
    QCOMPARE(fused->scaleBlockRows, 2);
    QCOMPARE((*opened)->tensors().size(), std::size_t{15});

    const auto refused = [&](const char *name, const std::vector<std::uint64_t> &dims, std::uint32_t type, std::uint64_t bytes) {
        return with([&](Gguf &file) { file.tensor(name, dims, type, bytes); });
    };
    QVERIFY(says(refused("blk.1.ffn_up.scale", {1}, 0, 4), ErrorCode::BadFile, "\"blk.1.ffn_up.scale\" of x.gguf has no weight"));
    QVERIFY(says(refused("blk.1.bogus.input_scale", {1}, 0, 4), ErrorCode::BadFile, "blk.1.bogus.input_scale"));
    QVERIFY(says(refused(".scale", {1}, 0, 4), ErrorCode::BadFile, "has no weight"));
    QVERIFY(says(refused("blk.0.attn_q.scale", {1}, 0, 4), ErrorCode::Unsupported, "\"blk.0.attn_q.scale\" of x.gguf belongs to a tensor of the type F32"));
    QVERIFY(says(refused("blk.1.ffn_gate.scale", {2}, 0, 8), ErrorCode::BadFile, "with 2 numbers where F32 with 1"));
    QVERIFY(says(refused("blk.1.ffn_gate.scale", {0}, 0, 0), ErrorCode::BadFile, "blk.1.ffn_gate.scale"));
    QVERIFY(says(refused("blk.1.ffn_gate_exps.scale", {2}, 0, 8), ErrorCode::BadFile, "F32 with 1 or 3"));
    QVERIFY(says(refused("blk.1.ffn_gate.scale", {1}, 1, 2), ErrorCode::BadFile, "is F16"));
    QVERIFY(says(with([](Gguf &file) { file.tensor("blk.1.ffn_gate.scale", {1}, 0, 4).tensor("blk.1.ffn_gate.weight.scale", {1}, 0, 4); }),
        ErrorCode::BadFile, "is the second one of \"blk.1.ffn_gate.weight\""));
}

void TestModelFiles::splitGgufFilesAreJoined()
{
    const Folder folder;
    Gguf first = tinyLlama();
    first.raw("split.count", 2, little<std::uint16_t>(2)).raw("split.no", 2, little<std::uint16_t>(0)).raw("split.tensors.count", 5, little<std::int32_t>(13));
    Gguf second;
    second.raw("split.count", 2, little<std::uint16_t>(2)).raw("split.no", 2, little<std::uint16_t>(1));
    second.tensor("blk.0.attn_q.bias", {8}, 0, 32);
    const auto one = folder.write("m-00001-of-00002.gguf", first.build());
    QVERIFY(says(ModelFiles::open(one), ErrorCode::BadFile, "no file m-00002-of-00002.gguf"));
    const auto two = folder.write("m-00002-of-00002.gguf", second.build());
    for (const auto &path : {one, two, folder.path()}) {
        const auto opened = ModelFiles::open(path);
        QVERIFY2(opened.ok(), messageOf(opened).c_str());
        QCOMPARE((*opened)->tensors().size(), std::size_t{13});
    }
    folder.write("m-00002-of-00002.gguf", first.build());
    QVERIFY(says(ModelFiles::open(one), ErrorCode::BadFile, "not part 2"));
    second.tensor("blk.0.attn_k.bias", {4}, 0, 32);
    folder.write("m-00002-of-00002.gguf", second.build());
    QVERIFY(says(ModelFiles::open(one), ErrorCode::BadFile, "14 tensors, 13 were announced"));
    QVERIFY(says(ModelFiles::open(folder.write("alone.gguf", first.build())), ErrorCode::BadFile, "one of 2 parts"));
}

void TestModelFiles::ropeDivisorsComeFromTheFile()
{
    const Folder folder;
    const auto opened = ModelFiles::open(folder.write("r.gguf", tinyLlama().tensor("rope_freqs.weight", {2}, 0, 8).build()));
    QVERIFY(says(opened, ErrorCode::BadFile, "divisor")); // bytes of ones are no sensible numbers
    std::string bytes = tinyLlama().tensor("rope_freqs.weight", {2}, 0, 8).build();
    bytes.replace(bytes.size() - 32, 8, little(1.0F) + little(8.0F));
    const auto right = ModelFiles::open(folder.write("r.gguf", bytes));
    QVERIFY2(right.ok(), messageOf(right).c_str());
    QCOMPARE((*right)->config().text.rope.frequencyDivisors, (std::vector<float>{1.0F, 8.0F}));
    QVERIFY((*right)->find("rope_freqs.weight") == nullptr);
    QVERIFY(says(ModelFiles::open(folder.write("r.gguf", tinyLlama().tensor("rope_freqs.weight", {3}, 0, 12).build())), ErrorCode::BadFile, "2 numbers of type F32"));
}

void TestModelFiles::wrongShapesAreSaid()
{
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    folder.write("model.safetensors", safetensors(kTinyTensors));
    const auto opened = folder.open();
    const auto wrong = (*opened)->require("model.norm.weight", Shape{9});
    QVERIFY(wrong.error().message.find("\"model.norm.weight\" is [8] where [9] is needed") != std::string::npos);
    const auto absent = (*opened)->require("model.layers.0.input_layernorm.weight", Shape{8});
    QVERIFY(absent.error().message.find("no tensor \"model.layers.0.input_layernorm.weight\" ([8] is needed)") != std::string::npos);
}

void TestModelFiles::aFileCutWhileMappedIsReported()
{
    // 100 cuts at all places: reading on gives zeros behind the cut's page, an error, and no signal.
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    std::vector<TensorEntry> tensors = kTinyTensors;
    tensors.push_back({"big", "U8", {300, 1000}, 300000});
    const std::string whole = safetensors(tensors);
    for (int i = 0; i < 100; ++i) {
        const auto path = folder.write("model.safetensors", whole);
        const auto opened = folder.open();
        QVERIFY2(opened.ok(), messageOf(opened).c_str());
        const auto size = static_cast<off_t>(whole.size() * static_cast<std::size_t>(i) / 100);
        QVERIFY(::truncate(path.c_str(), size) == 0);
        std::uint64_t sum = 0;
        for (const FileTensor &tensor : (*opened)->tensors())
            for (const std::byte byte : tensor.bytes)
                sum += std::to_integer<std::uint64_t>(byte);
        QVERIFY(sum <= 300000 + 512 + 512 + 32);
        const Status status = (*opened)->intact();
        QVERIFY(!status.ok());
        QVERIFY2(status.error().message.find("was cut from") != std::string::npos, status.error().message.c_str());
    }
}

void TestModelFiles::aFileCutBetweenOpenAndReadNeverEndsTheProcess()
{
    const Folder folder;
    const auto path = folder.write("m.gguf", tinyLlama().build() + std::string(100000, '\1'));
    const auto file = MappedFile::open(path);
    QVERIFY(file.ok());
    QVERIFY(::truncate(path.c_str(), 0) == 0);
    unsigned sum = 0;
    for (const std::byte byte : (*file)->bytes())
        sum += std::to_integer<unsigned>(byte);
    QCOMPARE(sum, 0U);
    QVERIFY(!(*file)->intact().ok());
    // Grown back to its size, the lost pages stay lost.
    QVERIFY(::truncate(path.c_str(), static_cast<off_t>((*file)->bytes().size())) == 0);
    QVERIFY(!(*file)->intact().ok());
}

void TestModelFiles::aFileWrittenWhileMappedIsReported()
{
    const Folder folder;
    const auto path = folder.write("m.gguf", tinyLlama().build());
    const auto opened = ModelFiles::open(path);
    QVERIFY((*opened)->intact().ok());
    QFile file(QString::fromStdString(path.string()));
    QVERIFY(file.open(QIODevice::Append));
    file.write("more");
    file.close();
    QVERIFY((*opened)->intact().error().message.find("was written") != std::string::npos);
}

void TestModelFiles::aReplacedOrDeletedFileDoesNoHarm()
{
    const Folder folder;
    const auto path = folder.write("m.gguf", tinyLlama().build());
    const auto opened = ModelFiles::open(path);
    std::filesystem::rename(folder.write("new.gguf", "something else"), path);
    QVERIFY((*opened)->intact().ok());
    std::filesystem::remove(path);
    QVERIFY((*opened)->intact().ok());
    QVERIFY((*opened)->tensors().back().bytes[0] == std::byte{1});
}

void TestModelFiles::randomBytesOfAModelNeverCrashOpen()
{
    // The whole way with real files, some hundred seeded changes; the fuzz targets do the many.
    const Folder folder;
    folder.write("config.json", kTinyConfig);
    const std::string gguf = tinyLlama().build(), tensors = safetensors(kTinyTensors);
    std::uint64_t state = 1;
    const auto random = [&state](std::size_t limit) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        return static_cast<std::size_t>(state >> 33) % limit;
    };
    int opened = 0;
    for (int i = 0; i < 400; ++i) {
        std::string bytes = i % 2 == 0 ? gguf : tensors;
        const std::size_t headBytes = i % 2 == 0 ? 1200 : 300; // where the structure is
        for (std::size_t changes = 1 + random(3); changes > 0; --changes)
            bytes[random(headBytes)] = static_cast<char>(random(256));
        const auto result = i % 2 == 0 ? ModelFiles::open(folder.write("m.gguf", bytes))
                                       : (folder.write("model.safetensors", bytes), folder.open());
        opened += result.ok() ? 1 : 0;
        if (!result.ok())
            QVERIFY(!result.error().message.empty());
    }
    QVERIFY(opened < 400);
}

QTEST_APPLESS_MAIN(TestModelFiles)
#include "tst_model_files.moc"
