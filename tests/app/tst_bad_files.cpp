// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// What the command line says of small models that are wrong in one place: it names the tensor or the key.
#include "engine/files/file_builders.h"

#include <QFile>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QTemporaryDir>
#include <QTest>

#include <functional>

using namespace builders;

namespace {

// A Llama of one layer: hidden 8, two heads of 4, 100 tokens, in F32.
struct Folder {
    QJsonObject config{{QStringLiteral("architectures"), QJsonArray{QStringLiteral("LlamaForCausalLM")}},
        {QStringLiteral("model_type"), QStringLiteral("llama")}, {QStringLiteral("hidden_size"), 8},
        {QStringLiteral("intermediate_size"), 16}, {QStringLiteral("num_hidden_layers"), 1},
        {QStringLiteral("num_attention_heads"), 2}, {QStringLiteral("num_key_value_heads"), 1},
        {QStringLiteral("vocab_size"), 100}, {QStringLiteral("max_position_embeddings"), 64},
        {QStringLiteral("eos_token_id"), 1}};
    QJsonObject vocabulary;
    QJsonArray added, merges;
    std::vector<TensorEntry> tensors{{"lm_head.weight", "F32", {100, 8}, 3200}, {"model.embed_tokens.weight", "F32", {100, 8}, 3200},
        {"model.layers.0.input_layernorm.weight", "F32", {8}, 32}, {"model.layers.0.mlp.down_proj.weight", "F32", {8, 16}, 512},
        {"model.layers.0.mlp.gate_proj.weight", "F32", {16, 8}, 512}, {"model.layers.0.mlp.up_proj.weight", "F32", {16, 8}, 512},
        {"model.layers.0.post_attention_layernorm.weight", "F32", {8}, 32}, {"model.layers.0.self_attn.k_proj.weight", "F32", {4, 8}, 128},
        {"model.layers.0.self_attn.o_proj.weight", "F32", {8, 8}, 256}, {"model.layers.0.self_attn.q_proj.weight", "F32", {8, 8}, 256},
        {"model.layers.0.self_attn.v_proj.weight", "F32", {4, 8}, 128}, {"model.norm.weight", "F32", {8}, 32}};
    std::string whole; // instead of `tensors`
    QByteArray generation;

    Folder()
    {
        vocabulary[QStringLiteral("<s>")] = 0;
        vocabulary[QStringLiteral("</s>")] = 1;
        for (int i = 0; i < 94; ++i)
            vocabulary[QString(QChar(33 + i))] = 2 + i;
        for (int i = 96; i < 100; ++i)
            vocabulary[QStringLiteral("a%1").arg(i)] = i;
    }
    TensorEntry &tensor(const char *name)
    {
        for (TensorEntry &entry : tensors)
            if (entry.name == name)
                return entry;
        qFatal("no tensor %s", name);
    }
    void drop(const char *name)
    {
        std::erase_if(tensors, [&](const TensorEntry &entry) { return entry.name == name; });
    }
    void write(const QString &path) const
    {
        const auto put = [&](const char *name, const QByteArray &bytes) {
            QFile file(path + u'/' + QString::fromLatin1(name));
            if (!file.open(QIODevice::WriteOnly) || file.write(bytes) != bytes.size())
                qFatal("cannot write %s", name);
        };
        put("config.json", QJsonDocument(config).toJson());
        if (!generation.isEmpty())
            put("generation_config.json", generation);
        put("model.safetensors", QByteArray::fromStdString(whole.empty() ? safetensors(tensors) : whole));
        const QJsonObject level{{QStringLiteral("type"), QStringLiteral("ByteLevel")}, {QStringLiteral("add_prefix_space"), false}};
        const QJsonObject model{{QStringLiteral("type"), QStringLiteral("BPE")}, {QStringLiteral("vocab"), vocabulary}, {QStringLiteral("merges"), merges}};
        put("tokenizer.json", QJsonDocument(QJsonObject{{QStringLiteral("pre_tokenizer"), level}, {QStringLiteral("decoder"), level},
                                  {QStringLiteral("added_tokens"), added}, {QStringLiteral("model"), model}}).toJson());
    }
};

// The same in GGUF, with 16 tokens.
Gguf ggufModel(const std::vector<std::string> &tokens, const std::function<void(Gguf &)> &more = {})
{
    Gguf file = tinyLlama();
    file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "llama-bpe").texts("tokenizer.ggml.tokens", tokens)
        .texts("tokenizer.ggml.merges", {"h i"});
    if (more)
        more(file);
    return file;
}

std::vector<std::string> sixteenTokens()
{
    return {"<s>", "</s>", "h", "i", "hi", "b", "c", "d", "e", "f", "g", "j", "k", "l", "m", "n"};
}

struct Outcome {
    int code = -1;
    QByteArray err;
};

Outcome ask(const QString &model, const QStringList &more = {})
{
    QProcess process;
    process.start(QStringLiteral(DIPTYCH_CLI),
        QStringList{QStringLiteral("ask"), QStringLiteral("-m"), model, QStringLiteral("--max-tokens"), QStringLiteral("1")} + more + QStringList{QStringLiteral("hi")});
    process.closeWriteChannel();
    if (!process.waitForFinished(25000))
        return {};
    return {process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -2, process.readAllStandardError()};
}

} // namespace

class TestBadFiles : public QObject {
    Q_OBJECT

private slots:
    void foldersAreRefusedByTensorOrKey_data();
    void foldersAreRefusedByTensorOrKey();
    void ggufFilesAreRefusedByTensorOrKey_data();
    void ggufFilesAreRefusedByTensorOrKey();
    void adaptersAreRefusedByTensorOrKey_data();
    void adaptersAreRefusedByTensorOrKey();

private:
    void compare(const QString &path, const QByteArray &says, const QStringList &more = {})
    {
        const Outcome outcome = ask(path, more);
        if (says.isEmpty()) {
            QVERIFY2(outcome.code == 0, outcome.err.constData());
            return;
        }
        QVERIFY2(outcome.code == 3, outcome.err.constData());
        QVERIFY2(outcome.err.startsWith("diptych-cli: ") && outcome.err.count('\n') == 1, outcome.err.constData());
        QVERIFY2(outcome.err.contains(says), outcome.err.constData());
    }
};

using Change = std::function<void(Folder &)>;
Q_DECLARE_METATYPE(Change)
Q_DECLARE_METATYPE(Gguf)

void TestBadFiles::foldersAreRefusedByTensorOrKey_data()
{
    QTest::addColumn<Change>("change");
    QTest::addColumn<QByteArray>("says");
    const auto row = [](const char *title, const char *says, const Change &change) { QTest::newRow(title) << change << QByteArray(says); };
    const auto config = [&](const char *title, const char *key, const QJsonValue &value, const char *says) {
        row(title, says, [=](Folder &folder) { folder.config[QString::fromLatin1(key)] = value; });
    };
    row("sound", "", [](Folder &) {});
    // Configurations that disagree with the tensors.
    config("a layer too many", "num_hidden_layers", 2, "no tensor \"model.layers.1.input_layernorm.weight\"");
    config("another hidden size", "hidden_size", 16, "\"model.embed_tokens.weight\" is [100, 8] where [100, 16]");
    config("another inner size", "intermediate_size", 24, "\"model.layers.0.mlp.gate_proj.weight\" is [16, 8] where [24, 8]");
    config("more heads", "num_attention_heads", 4, "\"model.layers.0.self_attn.k_proj.weight\" is [4, 8] where [2, 8]");
    config("another vocabulary", "vocab_size", 101, "\"model.embed_tokens.weight\" is [100, 8] where [101, 8]");
    row("transposed", "\"model.layers.0.mlp.up_proj.weight\" is [8, 16] where [16, 8]", [](Folder &folder) { folder.tensor("model.layers.0.mlp.up_proj.weight").shape = {8, 16}; });
    row("as a vector", "\"model.layers.0.mlp.up_proj.weight\" is [128] where [16, 8]", [](Folder &folder) { folder.tensor("model.layers.0.mlp.up_proj.weight").shape = {128}; });
    // Absurd sizes.
    config("absurd layers", "num_hidden_layers", 2147483647, "(num_hidden_layers)");
    config("absurd width", "hidden_size", 2147483647, "(hidden_size)");
    config("absurd inner width", "intermediate_size", 1000000000, "(intermediate_size)");
    config("absurd vocabulary", "vocab_size", 1e18, "\"vocab_size\"");
    config("absurd context", "max_position_embeddings", 2147483647, "(max_position_embeddings)");
    config("absurd heads", "head_dim", 1000000, "(head_dim)");
    config("negative", "num_key_value_heads", -1, "(num_key_value_heads)");
    config("a fraction", "hidden_size", 8.5, "\"hidden_size\"");
    config("a text", "hidden_size", QStringLiteral("8"), "\"hidden_size\"");
    config("a theta below zero", "rope_theta", -1.0, "(rope_theta)");
    config("an end beyond the vocabulary", "eos_token_id", 5000, "(eos_token_id)");
    row("an end of the wrong kind", "\"eos_token_id\"", [](Folder &folder) { folder.generation = R"({"eos_token_id":"x"})"; });
    row("an absurd shape", "the shape of \"model.norm.weight\"", [](Folder &folder) { folder.tensor("model.norm.weight").shape = {std::int64_t{1} << 62, 8}; });
    row("a wrong size", "\"model.norm.weight\" has 32 bytes", [](Folder &folder) { folder.tensor("model.norm.weight").type = "F64"; });
    row("an unknown type", "\"model.norm.weight\" has the unknown type \"Q9\"", [](Folder &folder) { folder.tensor("model.norm.weight").type = "Q9"; });
    row("complex numbers", "\"model.norm.weight\" is stored as C64", [](Folder &folder) { folder.tensor("model.norm.weight") = {"model.norm.weight", "C64", {8}, 64}; });
    row("truth values", "model.norm.weight is stored as BOOL", [](Folder &folder) { folder.tensor("model.norm.weight") = {"model.norm.weight", "BOOL", {8}, 8}; });
    // Missing, surplus, twice.
    for (const char *name : {"model.layers.0.mlp.up_proj.weight", "model.layers.0.input_layernorm.weight", "model.norm.weight", "model.embed_tokens.weight", "lm_head.weight"})
        row((std::string("without ") + name).c_str(), (std::string("no tensor \"") + name + "\"").c_str(), [=](Folder &folder) { folder.drop(name); });
    for (const char *name : {"model.layers.0.self_attn.sinks", "model.layers.0.self_attn.q_proj.bias", "model.layers.5.mlp.up_proj.weight", "model.extra.weight", "lm_head.bias"})
        row((std::string("with ") + name).c_str(), (std::string("The tensor \"") + name + "\"").c_str(), [=](Folder &folder) { folder.tensors.push_back({name, "F32", {8}, 32}); });
    row("a tensor twice", "\"model.norm.weight\" stands twice", [](Folder &folder) { folder.tensors.push_back({"model.norm.weight", "F32", {8}, 32}); });
    row("cut off", "\"model.norm.weight\" reach past the end", [](Folder &folder) {
        folder.whole = safetensors(folder.tensors);
        folder.whole.resize(folder.whole.size() - 5);
    });
    // Vocabularies.
    row("a hole", "no token has the id 34", [](Folder &folder) { folder.vocabulary.remove(QStringLiteral("A")); });
    row("an id twice", "the id 34 twice", [](Folder &folder) { folder.vocabulary[QStringLiteral("B")] = 34; });
    row("an impossible id", "the token \"A\" has an impossible id", [](Folder &folder) { folder.vocabulary[QStringLiteral("A")] = 1000000000; });
    row("a merge of nothing", "\"Q\" with \"R\"", [](Folder &folder) { folder.merges.append(QStringLiteral("Q R")); });
    const auto addedToken = [](int id, const char *content) {
        return QJsonObject{{QStringLiteral("id"), id}, {QStringLiteral("content"), QString::fromLatin1(content)}, {QStringLiteral("special"), true}};
    };
    row("an added token in another's place", "the added token \"<x>\" has the id 5", [=](Folder &folder) { folder.added.append(addedToken(5, "<x>")); });
    row("two added tokens of one id", "both have the id 100", [=](Folder &folder) { folder.added = {addedToken(100, "<x>"), addedToken(100, "<y>")}; });
}

void TestBadFiles::foldersAreRefusedByTensorOrKey()
{
    QFETCH(Change, change);
    QFETCH(QByteArray, says);
    Folder folder;
    change(folder);
    QTemporaryDir place;
    folder.write(place.path());
    compare(place.path(), says);
}

void TestBadFiles::ggufFilesAreRefusedByTensorOrKey_data()
{
    QTest::addColumn<Gguf>("file");
    QTest::addColumn<QByteArray>("says");
    const auto row = [](const char *title, const char *says, const Gguf &file) { QTest::newRow(title) << file << QByteArray(says); };
    const auto with = [&](const char *title, const char *says, const std::function<void(Gguf &)> &more) { row(title, says, ggufModel(sixteenTokens(), more)); };
    // The model's own keys with one replaced.
    const auto key = [&](const char *title, const char *name, std::uint32_t value, const char *says) {
        Gguf file = ggufModel(sixteenTokens());
        const std::string entry = ggufText(name) + little<std::uint32_t>(4);
        const std::size_t at = file.pairs.find(entry);
        if (at == std::string::npos)
            qFatal("no key %s", name);
        file.pairs.replace(at + entry.size(), 4, little(value));
        row(title, says, file);
    };
    with("sound", "", {});
    key("a layer too many", "llama.block_count", 2, "no tensor \"model.layers.1.input_layernorm.weight\"");
    key("another hidden size", "llama.embedding_length", 16, "\"model.embed_tokens.weight\" is [16, 8] where [16, 16]");
    key("another inner size", "llama.feed_forward_length", 24, "\"model.layers.0.mlp.gate_proj.weight\" is [16, 8] where [24, 8]");
    key("absurd layers", "llama.block_count", 2147483647, "(block_count)");
    key("absurd width", "llama.embedding_length", 2147483647, "(embedding_length)");
    key("absurd inner width", "llama.feed_forward_length", 2147483647, "(feed_forward_length)");
    key("absurd context", "llama.context_length", 0xFFFFFFFF, "\"llama.context_length\"");
    key("absurd heads", "llama.attention.head_count", 1 << 20, "attention.head_count");
    with("a key twice", "the key \"llama.block_count\" stands twice", [](Gguf &file) { file.u32("llama.block_count", 1); });
    with("a vocabulary of another size", "vocab_size is 17", [](Gguf &file) { file.u32("llama.vocab_size", 17); });
    with("an end beyond the vocabulary", "\"tokenizer.ggml.eos_token_id\" is 5000", [](Gguf &file) { file.u32("tokenizer.ggml.eos_token_id", 5000); });
    with("a tensor twice", "\"output.weight\" stands twice", [](Gguf &file) { file.tensor("output.weight", {8, 16}, 0, 512); });
    with("an unknown tensor", "\"blk.0.attn_sinks.weight\"", [](Gguf &file) { file.tensor("blk.0.attn_sinks.weight", {8}, 0, 32); });
    with("a surplus tensor", "\"model.layers.0.self_attn.q_norm.weight\"", [](Gguf &file) { file.tensor("blk.0.attn_q_norm.weight", {4}, 0, 16); });
    with("a surplus layer", "\"model.layers.7.self_attn.q_proj.weight\"", [](Gguf &file) { file.tensor("blk.7.attn_q.weight", {8, 8}, 0, 256); });
    with("an absurd shape", "\"blk.0.attn_q.bias\" holds more numbers", [](Gguf &file) { file.rawTensor("blk.0.attn_q.bias", {1ULL << 40, 1ULL << 40}, 0, 0); });
    with("past the end", "\"blk.0.attn_q.bias\"", [](Gguf &file) { file.rawTensor("blk.0.attn_q.bias", {1 << 20}, 0, 0); });
    with("a type nothing reads", "\"blk.0.attn_q.bias\" is stored as IQ1_S", [](Gguf &file) { file.rawTensor("blk.0.attn_q.bias", {256}, 19, 0); });
    with("rows that fill no block", "\"blk.0.attn_q.bias\" has rows of 31", [](Gguf &file) { file.rawTensor("blk.0.attn_q.bias", {31}, 8, 0); });
    Gguf without;
    {
        Gguf file = ggufModel(sixteenTokens());
        without = file;
        const std::string entry = ggufText("blk.0.ffn_up.weight");
        const std::size_t at = without.infos.find(entry);
        without.infos.erase(at, entry.size() + 4 + 16 + 4 + 8);
        --without.tensorCount;
    }
    row("a missing tensor", "no tensor \"model.layers.0.mlp.up_proj.weight\"", without);
    std::vector<std::string> tokens = sixteenTokens();
    tokens[7].clear();
    row("a hole", "the token 7 of \"tokenizer.ggml.tokens\" is empty", ggufModel(tokens));
    tokens[7] = "b";
    row("a token twice", "\"b\" twice", ggufModel(tokens));
    with("fewer types than tokens", "16 tokens and 2 token types", [](Gguf &file) {
        file.raw("tokenizer.ggml.token_type", 9, little<std::uint32_t>(5) + little<std::uint64_t>(2) + std::string(8, '\1'));
    });
    with("types of the wrong kind", "\"tokenizer.ggml.token_type\" is no list", [](Gguf &file) { file.texts("tokenizer.ggml.token_type", sixteenTokens()); });
}

void TestBadFiles::ggufFilesAreRefusedByTensorOrKey()
{
    QFETCH(Gguf, file);
    QFETCH(QByteArray, says);
    QTemporaryDir place;
    QFile target(place.filePath(QStringLiteral("model.gguf")));
    const std::string bytes = file.build();
    QVERIFY(target.open(QIODevice::WriteOnly) && target.write(bytes.data(), static_cast<qint64>(bytes.size())) == static_cast<qint64>(bytes.size()));
    target.close();
    compare(target.fileName(), says);
}

void TestBadFiles::adaptersAreRefusedByTensorOrKey_data()
{
    QTest::addColumn<QByteArray>("config");
    QTest::addColumn<QString>("module");
    QTest::addColumn<int>("rows");
    QTest::addColumn<QByteArray>("says");
    const auto row = [](const char *title, const char *config, const char *module, int rows, const char *says) {
        QTest::newRow(title) << QByteArray(config) << QString::fromLatin1(module) << rows << QByteArray(says);
    };
    constexpr const char *plain = R"({"peft_type":"LORA","r":2,"lora_alpha":4})";
    row("sound", plain, "model.layers.0.mlp.up_proj", 16, "");
    row("of a model with other rows", plain, "model.layers.0.mlp.up_proj", 24, "\"base_model.model.model.layers.0.mlp.up_proj.lora_B.weight\" is [24, 2] where [16, 2]");
    row("of a model with more layers", plain, "model.layers.3.mlp.up_proj", 16, "is for another model: it changes \"model.layers.3.mlp.up_proj.weight\"");
    row("of another class", plain, "model.layers.0.self_attn.kv_a_proj_with_mqa", 16, "\"model.layers.0.self_attn.kv_a_proj_with_mqa.weight\"");
    row("another rank", R"({"r":3})", "model.layers.0.mlp.up_proj", 16, "up_proj.lora_A.weight\" is [2, 8] where [3, 8]");
    row("another method", R"({"peft_type":"IA3"})", "model.layers.0.mlp.up_proj", 16, "peft_type");
    row("fused experts", R"({"r":2,"target_parameters":["mlp.experts.down_proj"]})", "model.layers.0.mlp.up_proj", 16, "target_parameters");
    row("a key twice", R"({"r":2,"r":2})", "model.layers.0.mlp.up_proj", 16, "\"r\" stands twice");
}

void TestBadFiles::adaptersAreRefusedByTensorOrKey()
{
    QFETCH(QByteArray, config);
    QFETCH(QString, module);
    QFETCH(int, rows);
    QFETCH(QByteArray, says);
    QTemporaryDir model, adapter;
    Folder().write(model.path());
    const std::string name = "base_model.model." + module.toStdString();
    const std::string weights = safetensors({{name + ".lora_A.weight", "F32", {2, 8}, 64}, {name + ".lora_B.weight", "F32", {rows, 2}, static_cast<std::size_t>(rows) * 8}});
    QFile text(adapter.filePath(QStringLiteral("adapter_config.json"))), numbers(adapter.filePath(QStringLiteral("adapter_model.safetensors")));
    QVERIFY(text.open(QIODevice::WriteOnly) && text.write(config) > 0);
    QVERIFY(numbers.open(QIODevice::WriteOnly) && numbers.write(weights.data(), static_cast<qint64>(weights.size())) > 0);
    text.close();
    numbers.close();
    compare(model.path(), says, {QStringLiteral("--lora"), adapter.path()});
}

QTEST_APPLESS_MAIN(TestBadFiles)
#include "tst_bad_files.moc"
