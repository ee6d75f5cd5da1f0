// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "file_builders.h"
#include "files/gguf.h"
#include "files/gguf_config.h"
#include "files/gguf_names.h"

#include <QTest>

#include <limits>

using namespace engine;
using namespace builders;

namespace {

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

std::string list(std::uint32_t type, std::uint64_t count, const std::string &values = {})
{
    return little(type) + little(count) + values;
}

} // namespace

class TestGguf : public QObject {
    Q_OBJECT
private slots:
    void valuesOfEveryKindAreRead();
    void tensorsPointIntoTheFile();
    void olderVersionTwoIsRead();
    void everyReadableTypeHasItsSize();
    void unsoundFilesAreRefused_data();
    void unsoundFilesAreRefused();
    void unreadableFilesAreNamed_data();
    void unreadableFilesAreNamed();
    void everyCutIsNoticed();
    void namesAreTranslated_data();
    void namesAreTranslated();
    void impossibleKeysAreRefused_data();
    void impossibleKeysAreRefused();
    void indexersAreReadOrRefused_data();
    void indexersAreReadOrRefused();
};

void TestGguf::valuesOfEveryKindAreRead()
{
    Gguf file;
    file.raw("u8", 0, little<std::uint8_t>(200)).raw("i8", 1, little<std::int8_t>(-3)).raw("u16", 2, little<std::uint16_t>(60000))
        .raw("i16", 3, little<std::int16_t>(-300)).u32("u32", 4000000000U).raw("i32", 5, little<std::int32_t>(-5)).f32("f32", 0.5F)
        .boolean("yes", true).text("text", "words").texts("list", {"a", "", "ccc"})
        .raw("numbers", 9, list(5, 2, little<std::int32_t>(7) + little<std::int32_t>(-8)))
        .raw("u64", 10, little(kHuge)).raw("i64", 11, little<std::int64_t>(-9)).raw("f64", 12, little(2.5))
        .raw("nested", 9, list(9, 2, list(4, 1, little<std::uint32_t>(1)) + list(8, 1, ggufText("x"))));
    const std::string bytes = file.build();
    const auto read = GgufFile::read(bytesOf(bytes), "f.gguf");
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
    QCOMPARE(read->integer("u8"), std::optional<std::int64_t>(200));
    QCOMPARE(read->integer("i8"), std::optional<std::int64_t>(-3));
    QCOMPARE(read->integer("i16"), std::optional<std::int64_t>(-300));
    QCOMPARE(read->integer("u32"), std::optional<std::int64_t>(4000000000));
    QCOMPARE(read->integer("i64"), std::optional<std::int64_t>(-9));
    QVERIFY(!read->integer("u64")); // above any signed number
    QCOMPARE(read->number("f32"), std::optional(0.5));
    QCOMPARE(read->number("f64"), std::optional(2.5));
    QCOMPARE(read->number("i32"), std::optional(-5.0));
    QVERIFY(!read->integer("f32") && !read->text("u8") && !read->boolean("u8") && !read->array("text"));
    QCOMPARE(read->boolean("yes"), std::optional(true));
    QCOMPARE(read->text("text"), std::optional<std::string_view>("words"));
    QCOMPARE(read->array("list")->texts.size(), std::size_t{3});
    QCOMPARE(read->array("numbers")->integerAt(1), std::optional<std::int64_t>(-8));
    QVERIFY(!read->array("numbers")->integerAt(2));
    QVERIFY(read->has("nested"));
}

void TestGguf::tensorsPointIntoTheFile()
{
    const std::string bytes = tinyLlama().build();
    const auto read = GgufFile::read(bytesOf(bytes), "f.gguf");
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
    QCOMPARE(read->tensors().size(), std::size_t{12});
    const GgufTensor &last = read->tensors().back();
    QCOMPARE(last.name, std::string("blk.0.ffn_down.weight"));
    QCOMPARE(last.dimensions, (std::vector<std::int64_t>{16, 8}));
    QVERIFY(last.bytes.data() + last.bytes.size() == bytesOf(bytes).data() + bytes.size());
}

void TestGguf::olderVersionTwoIsRead()
{
    Gguf file = tinyLlama();
    file.version = 2;
    QVERIFY(GgufFile::read(bytesOf(file.build()), "f.gguf").ok());
}

void TestGguf::everyReadableTypeHasItsSize()
{
    struct Row {
        std::uint32_t id;
        std::uint64_t elements, bytes;
    };
    for (const Row &row : {Row{0, 1, 4}, Row{1, 1, 2}, Row{30, 1, 2}, Row{28, 1, 8}, Row{24, 1, 1}, Row{26, 1, 4}, Row{2, 32, 18},
             Row{3, 32, 20}, Row{6, 32, 22}, Row{7, 32, 24}, Row{8, 32, 34}, Row{10, 256, 84}, Row{11, 256, 110}, Row{12, 256, 144},
             Row{13, 256, 176}, Row{14, 256, 210}}) {
        Gguf file;
        file.tensor("t", {row.elements * 2, 3}, row.id, row.bytes * 6);
        const std::string bytes = file.build();
        const auto read = GgufFile::read(bytesOf(bytes), "f.gguf");
        QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
        QCOMPARE(read->tensors().front().bytes.size(), static_cast<std::size_t>(row.bytes * 6));
    }
}

void TestGguf::unsoundFilesAreRefused_data()
{
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QByteArray>("says");
    const auto raw = [](const char *name, const std::string &file, const char *says) {
        QTest::newRow(name) << QByteArray::fromStdString(file) << QByteArray(says);
    };
    const auto value = [&](const char *name, std::uint32_t type, const std::string &bytes, const char *says) {
        Gguf file;
        file.raw("k", type, bytes);
        raw(name, file.build(), says);
    };
    const auto tensor = [&](const char *name, const std::vector<std::uint64_t> &dims, std::uint32_t type, std::uint64_t offset,
                            std::uint64_t data, const char *says) {
        Gguf file;
        file.rawTensor("t", dims, type, offset);
        file.dataBytes = data;
        raw(name, file.build(), says);
    };
    const auto counts = [&](const char *name, std::uint64_t tensors, std::uint64_t pairs, const char *says) {
        Gguf file = tinyLlama();
        file.tensorCount = tensors;
        file.pairCount = pairs;
        raw(name, file.build(), says);
    };
    raw("empty", "", "letters GGUF");
    raw("three bytes", "GGU", "letters GGUF");
    raw("wrong magic", "GGML" + std::string(100, '\0'), "letters GGUF");
    raw("magic backwards", "FUGG" + std::string(100, '\0'), "letters GGUF");
    raw("magic in small letters", "gguf" + std::string(100, '\0'), "letters GGUF");
    raw("only magic", "GGUF", "ends inside its version");
    raw("no counts", "GGUF" + little<std::uint32_t>(3), "ends inside its tensor count");
    raw("half the counts", "GGUF" + little<std::uint32_t>(3) + little<std::uint64_t>(0), "ends inside its key count");
    counts("2^63 keys", 0, std::uint64_t{1} << 63, "keys, more than it can hold");
    counts("2^64-1 keys", 0, kHuge, "keys, more than it can hold");
    counts("more keys than bytes", 0, 1000, "keys, more than it can hold");
    counts("2^63 tensors", std::uint64_t{1} << 63, 10, "tensors, more than it can hold");
    counts("2^64-1 tensors", kHuge, 10, "tensors, more than it can hold");
    counts("more tensors than bytes", 1000, 10, "tensors, more than it can hold");
    counts("tensors read as keys", 12, 11, "");
    counts("keys read as tensors", 12, 9, "");
    {
        Gguf file;
        file.pairs = little(kHuge) + "key" + std::string(64, '\0');
        file.pairCount = 1;
        raw("key of 2^64-1 bytes", file.build(), "a key claims");
        file.pairs = little<std::uint64_t>(65536) + std::string(70000, 'k');
        raw("key of 65536 bytes", file.build(), "a key claims");
        file.pairs = little<std::uint64_t>(1000) + std::string(64, 'k');
        raw("key past the end", file.build(), "ends inside a key");
    }
    value("unknown value type", 13, std::string(16, '\0'), "unknown value type 13");
    value("value type 2^32-1", 0xFFFFFFFFU, std::string(16, '\0'), "unknown value type 4294967295");
    value("text of 2^64-1 bytes", 8, little(kHuge) + "x", "claims 18446744073709551615 bytes");
    value("text of 2^63 bytes", 8, little(std::uint64_t{1} << 63) + "x", "claims 9223372036854775808 bytes");
    value("text past the end", 8, little<std::uint64_t>(1000) + "x", "ends inside the value of \"k\"");
    value("bool of 2", 7, std::string(1, '\2'), "neither true nor false");
    value("bool of 255", 7, std::string(1, '\xFF'), "neither true nor false");
    value("list of unknown type", 9, list(99, 1, "x"), "list of the unknown type 99");
    value("list of 2^63 bytes", 9, list(0, std::uint64_t{1} << 63), "more than the file can hold");
    value("list whose size wraps", 9, list(10, (kHuge >> 3) + 2, std::string(16, '\0')), "more than the file can hold");
    value("list of 2^62 texts", 9, list(8, std::uint64_t{1} << 62), "texts, more than it can hold");
    value("list past the end", 9, list(4, 100, std::string(8, '\0')), "more than the file can hold");
    value("text in a list past the end", 9, list(8, 1, little<std::uint64_t>(500)), "ends inside the value of \"k\"");
    value("text in a list of 2^64-1", 9, list(8, 1, little(kHuge)), "claims 18446744073709551615 bytes");
    value("lists of 2^60 lists", 9, list(9, std::uint64_t{1} << 60), "more lists than the file can hold");
    std::string deep = list(0, 0);
    for (int i = 0; i < 1000; ++i)
        deep = list(9, 1, deep);
    value("lists a thousand deep", 9, deep, "deeper than 4");
    {
        Gguf file;
        file.u32("a", 1).u32("a", 1);
        raw("key twice", file.build(), "\"a\" stands twice");
        Gguf empty;
        empty.u32("", 1);
        raw("empty key", empty.build(), "not plain ASCII");
        Gguf foreign;
        foreign.u32("\xE4\xBD\xA0", 1);
        raw("key that is not ASCII", foreign.build(), "not plain ASCII");
        Gguf nul;
        nul.u32(std::string_view("a\0b", 3), 1);
        raw("key with a zero byte", nul.build(), "not plain ASCII");
    }
    for (const std::uint32_t alignment : {0U, 1U, 3U, 4U, 24U, 2097152U, 0x80000000U}) {
        Gguf file;
        file.u32("general.alignment", alignment).tensor("t", {8}, 0, 32);
        QTest::addRow("alignment %u", alignment) << QByteArray::fromStdString(file.build()) << QByteArray("general.alignment");
    }
    {
        Gguf file;
        file.text("general.alignment", "32").tensor("t", {8}, 0, 32);
        raw("alignment as text", file.build(), "general.alignment");
        Gguf negative;
        negative.raw("general.alignment", 5, little<std::int32_t>(-32)).tensor("t", {8}, 0, 32);
        raw("alignment below zero", negative.build(), "general.alignment");
    }
    tensor("no dimensions", {}, 0, 0, 32, "0 dimensions");
    tensor("five dimensions", {1, 1, 1, 1, 8}, 0, 0, 32, "5 dimensions");
    tensor("dimension of 0", {8, 0}, 0, 0, 32, "a dimension of 0");
    tensor("dimension of 2^63", {std::uint64_t{1} << 63}, 0, 0, 32, "a dimension of 9223372036854775808");
    tensor("dimension of 2^64-1", {kHuge}, 0, 0, 32, "a dimension of 18446744073709551615");
    tensor("product wraps to 0", {std::uint64_t{1} << 32, std::uint64_t{1} << 32}, 0, 0, 32, "more numbers than any file");
    tensor("product wraps to small", {(std::uint64_t{1} << 32) + 1, std::uint64_t{1} << 32}, 0, 0, 32, "more numbers than any file");
    tensor("bytes wrap", {std::uint64_t{1} << 62}, 0, 0, 32, "larger than the file");
    tensor("exabytes", {std::uint64_t{1} << 50}, 0, 0, 32, "larger than the file");
    tensor("quantised exabytes", {std::uint64_t{1} << 62}, 12, 0, 32, "larger than the file");
    tensor("row of half a block", {16, 2}, 2, 0, 64, "no multiple of the 32 of a Q4_0 block");
    tensor("row of a block and a half", {384, 2}, 12, 0, 512, "no multiple of the 256 of a Q4_K block");
    tensor("unknown type", {8}, 4, 0, 32, "unknown type number 4");
    tensor("type between known ones", {8}, 38, 0, 32, "unknown type number 38");
    tensor("type 2^32-1", {8}, 0xFFFFFFFFU, 0, 32, "unknown type number 4294967295");
    tensor("offset not aligned", {8}, 0, 4, 64, "no multiple of the alignment");
    tensor("offset at the end", {8}, 0, 32, 32, "past the end");
    tensor("offset 2^63", {8}, 0, std::uint64_t{1} << 63, 32, "past the end");
    tensor("offset and size wrap", {8}, 0, kHuge - 31, 32, "past the end");
    tensor("data of one byte too few", {9}, 0, 0, 32, "");
    {
        Gguf file;
        file.tensor("t", {8}, 0, 32).tensor("t", {8}, 0, 32);
        raw("tensor twice", file.build(), "\"t\" stands twice");
        Gguf overlap;
        overlap.rawTensor("t", {16}, 0, 0).rawTensor("u", {8}, 0, 32);
        overlap.dataBytes = 64;
        raw("overlap", overlap.build(), "overlap");
        Gguf same;
        same.rawTensor("t", {8}, 0, 0).rawTensor("u", {8}, 0, 0);
        same.dataBytes = 64;
        raw("two tensors in one place", same.build(), "overlap");
        Gguf longName;
        longName.tensor(std::string(65, 'n'), {8}, 0, 32);
        raw("name of 65 bytes", longName.build(), "a tensor name claims 65 bytes");
        Gguf noName;
        noName.tensor("", {8}, 0, 32);
        raw("empty name", noName.build(), "not plain ASCII");
        Gguf odd;
        odd.tensor("a b", {8}, 0, 32);
        raw("name with a space", odd.build(), "not plain ASCII");
        Gguf nameLies;
        nameLies.infos = little(kHuge) + std::string(64, 'n');
        nameLies.tensorCount = 1;
        raw("name of 2^64-1 bytes", nameLies.build(), "a tensor name claims");
        Gguf noData;
        noData.rawTensor("t", {8}, 0, 0);
        raw("no data at all", noData.head(), "cut off");
    }
}

void TestGguf::unsoundFilesAreRefused()
{
    QFETCH(QByteArray, file);
    QFETCH(QByteArray, says);
    const std::string bytes = file.toStdString();
    const auto read = GgufFile::read(bytesOf(bytes), "model.gguf");
    QVERIFY(!read.ok());
    QVERIFY(read.error().code == ErrorCode::BadFile);
    QVERIFY2(read.error().message.find(says.toStdString()) != std::string::npos, read.error().message.c_str());
    QVERIFY2(read.error().message.starts_with("model.gguf is not a sound GGUF file: "), read.error().message.c_str());
}

void TestGguf::unreadableFilesAreNamed_data()
{
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QByteArray>("says");
    const auto version = [](const char *name, std::uint32_t number, const char *says) {
        Gguf file = tinyLlama();
        file.version = number;
        QTest::newRow(name) << QByteArray::fromStdString(file.build()) << QByteArray(says);
    };
    version("version 0", 0, "unknown version 0");
    version("version 1", 1, "version 1");
    version("version 4", 4, "unknown version 4");
    version("version 2^32-1", 0xFFFFFFFFU, "unknown version");
    version("big-endian", 0x03000000U, "big-endian");
    const auto type = [](const char *name, std::uint32_t id, const char *says) {
        Gguf file;
        file.tensor("t", {256}, id, 512);
        QTest::newRow(name) << QByteArray::fromStdString(file.build()) << QByteArray(says);
    };
    type("IQ1_S", 19, "IQ1_S");
    type("IQ2_XXS", 16, "IQ2_XXS");
    type("Q8_1", 9, "Q8_1");
    type("Q8_K", 15, "Q8_K");
    type("of ik_llama.cpp", 137, "ik_llama.cpp");
}

void TestGguf::unreadableFilesAreNamed()
{
    QFETCH(QByteArray, file);
    QFETCH(QByteArray, says);
    const std::string bytes = file.toStdString();
    const auto read = GgufFile::read(bytesOf(bytes), "model.gguf");
    QVERIFY(!read.ok());
    QVERIFY(read.error().code == ErrorCode::Unsupported);
    QVERIFY2(read.error().message.find(says.toStdString()) != std::string::npos, read.error().message.c_str());
}

void TestGguf::everyCutIsNoticed()
{
    const std::string file = tinyLlama().build();
    QVERIFY(file.size() < 8192);
    for (std::size_t size = 0; size < file.size(); ++size) {
        const std::string cut = file.substr(0, size);
        QVERIFY(!GgufFile::read(bytesOf(cut), "f.gguf").ok());
    }
}

void TestGguf::namesAreTranslated_data()
{
    QTest::addColumn<QByteArray>("gguf");
    QTest::addColumn<QByteArray>("huggingFace"); // empty: unknown
    const auto row = [](const char *from, const char *to) { QTest::newRow(from) << QByteArray(from) << QByteArray(to); };
    row("token_embd.weight", "model.embed_tokens.weight");
    row("output.weight", "lm_head.weight");
    row("blk.0.attn_q.weight", "model.layers.0.self_attn.q_proj.weight");
    row("blk.60.exp_probs_b.bias", "model.layers.60.mlp.gate.e_score_correction_bias");
    row("blk.3.ffn_gate_exps.weight", "model.layers.3.mlp.experts.gate_proj.weight");
    row("blk.3.attn_kv_a_mqa.weight", "model.layers.3.self_attn.kv_a_proj_with_mqa.weight");
    row("blk.3.indexer.attn_q_b.weight", "model.layers.3.self_attn.indexer.wq_b.weight");
    row("blk.3.indexer.k_norm.bias", "model.layers.3.self_attn.indexer.k_norm.bias");
    row("blk.3.indexer.proj.weight", "model.layers.3.self_attn.indexer.weights_proj.weight");
    row("blk.01.attn_q.weight", "");
    row("blk..attn_q.weight", "");
    row("blk.-1.attn_q.weight", "");
    row("blk.999999.attn_q.weight", "");
    row("blk.0", "");
    row("blk.0.", "");
    row("blk.0.attn_q", "");
    row("rope_factors_long.weight", "");
}

void TestGguf::namesAreTranslated()
{
    QFETCH(QByteArray, gguf);
    QFETCH(QByteArray, huggingFace);
    QCOMPARE(huggingFaceName(gguf.toStdString()).value_or(""), huggingFace.toStdString());
}

void TestGguf::impossibleKeysAreRefused_data()
{
    QTest::addColumn<QByteArray>("key");
    QTest::addColumn<quint32>("type");
    QTest::addColumn<QByteArray>("value"); // empty: the key is left out
    QTest::addColumn<QByteArray>("says");
    int number = 0;
    const auto row = [&number](const char *key, std::uint32_t type, const std::string &value, const char *says) {
        QTest::addRow("%d %s", ++number, key) << QByteArray(key) << quint32(type) << QByteArray::fromStdString(value) << QByteArray(says);
    };
    const auto u32 = [](std::uint32_t word) { return little(word); };
    row("llama.block_count", 4, "", "\"llama.block_count\" is missing");
    row("llama.block_count", 4, u32(0), "number of layers");
    row("llama.block_count", 4, u32(1'000'000'000), "number of layers");
    row("llama.block_count", 4, u32(0xFFFFFFFFU), "\"llama.block_count\" is no whole number");
    row("llama.block_count", 8, ggufText("1"), "\"llama.block_count\" is no whole number");
    row("llama.embedding_length", 4, "", "\"llama.embedding_length\" is missing");
    row("llama.embedding_length", 4, u32(0), "hidden size");
    row("llama.feed_forward_length", 4, u32(0), "intermediate size");
    row("llama.attention.head_count", 4, u32(0), "attention heads");
    row("llama.attention.head_count_kv", 4, u32(0), "key/value heads");
    row("llama.attention.head_count_kv", 4, u32(3), "key/value heads");
    row("llama.attention.head_count_kv", 9, list(4, 2, u32(1) + u32(2)), "differs from layer to layer");
    row("llama.attention.head_count_kv", 9, list(8, 1, ggufText("1")), "differs from layer to layer");
    row("llama.rope.dimension_count", 4, u32(5), "head size");
    row("llama.rope.dimension_count", 4, u32(0), "head size");
    row("llama.context_length", 4, u32(0), "context length");
    row("llama.rope.freq_base", 6, little(0.0F), "rope theta");
    row("llama.rope.freq_base", 6, little(std::numeric_limits<float>::quiet_NaN()), "rope theta");
    row("llama.rope.freq_base", 6, little(std::numeric_limits<float>::infinity()), "rope theta");
    row("llama.rope.freq_base", 8, ggufText("x"), "is no number");
    row("llama.attention.layer_norm_rms_epsilon", 6, little(-1.0F), "rms_norm_eps");
    row("llama.attention.layer_norm_rms_epsilon", 6, little(std::numeric_limits<float>::quiet_NaN()), "rms_norm_eps");
    row("llama.vocab_size", 4, u32(17), "vocab_size is 17");
    row("llama.rope.scaling.type", 4, u32(1), "is no text");
}

void TestGguf::impossibleKeysAreRefused()
{
    QFETCH(QByteArray, key);
    QFETCH(quint32, type);
    QFETCH(QByteArray, value);
    QFETCH(QByteArray, says);
    // The pairs of the tiny model again, with this one replaced.
    Gguf file;
    const auto u32 = [&](const char *name, std::uint32_t number) {
        if (key != name)
            file.u32(name, number);
    };
    file.text("general.architecture", "llama");
    u32("llama.block_count", 1);
    u32("llama.context_length", 64);
    u32("llama.embedding_length", 8);
    u32("llama.feed_forward_length", 16);
    u32("llama.attention.head_count", 2);
    u32("llama.attention.head_count_kv", 1);
    u32("llama.rope.dimension_count", 4);
    if (!value.isEmpty())
        file.raw(key.toStdString(), type, value.toStdString());
    file.tensor("token_embd.weight", {8, 16}, 0, 512);
    const std::string bytes = file.build();
    const auto read = GgufFile::read(bytesOf(bytes), "f.gguf");
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
    std::vector<std::string> warnings;
    const auto config = readGgufConfig(*read, read->tensors(), "f.gguf", warnings);
    QVERIFY(!config.ok());
    QVERIFY(config.error().code == ErrorCode::BadFile);
    QVERIFY2(config.error().message.find(says.toStdString()) != std::string::npos, config.error().message.c_str());
}

void TestGguf::indexersAreReadOrRefused_data()
{
    QTest::addColumn<QByteArray>("key");
    QTest::addColumn<int>("value"); // -1: the key is left out
    QTest::addColumn<QByteArray>("says");
    QTest::newRow("whole") << QByteArray() << 0 << QByteArray();
    QTest::newRow("no head count") << QByteArray("attention.indexer.head_count") << -1 << QByteArray("is missing");
    QTest::newRow("no heads") << QByteArray("attention.indexer.head_count") << 0 << QByteArray("indexer heads");
    QTest::newRow("no key length") << QByteArray("attention.indexer.key_length") << -1 << QByteArray("is missing");
    QTest::newRow("shorter than what is rotated") << QByteArray("attention.indexer.key_length") << 4 << QByteArray("indexer head");
    QTest::newRow("nothing is chosen") << QByteArray("attention.indexer.top_k") << 0 << QByteArray("index_topk");
    QTest::newRow("no query rank") << QByteArray("attention.q_lora_rank") << -1 << QByteArray("attention.q_lora_rank");
}

void TestGguf::indexersAreReadOrRefused()
{
    QFETCH(QByteArray, key);
    QFETCH(int, value);
    QFETCH(QByteArray, says);
    Gguf file;
    file.text("general.architecture", "deepseek32");
    const std::pair<const char *, int> keys[] = {{"block_count", 1}, {"context_length", 64}, {"embedding_length", 8},
        {"feed_forward_length", 16}, {"attention.head_count", 2}, {"attention.head_count_kv", 1}, {"attention.q_lora_rank", 6},
        {"attention.kv_lora_rank", 12}, {"attention.key_length", 20}, {"attention.value_length", 12},
        {"attention.key_length_mla", 16}, {"attention.value_length_mla", 10}, {"rope.dimension_count", 8},
        {"attention.indexer.head_count", 4}, {"attention.indexer.key_length", 24}, {"attention.indexer.top_k", 9}};
    for (const auto &[name, number] : keys)
        if (key != name || value >= 0)
            file.u32("deepseek32." + std::string(name), static_cast<std::uint32_t>(key == name ? value : number));
    file.tensor("token_embd.weight", {8, 16}, 0, 512);
    const std::string bytes = file.build();
    const auto read = GgufFile::read(bytesOf(bytes), "f.gguf");
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
    std::vector<std::string> warnings;
    const auto config = readGgufConfig(*read, read->tensors(), "f.gguf", warnings);
    if (!says.isEmpty()) {
        QVERIFY(!config.ok());
        QVERIFY2(config.error().message.find(says.toStdString()) != std::string::npos, config.error().message.c_str());
        return;
    }
    QVERIFY2(config.ok(), config.ok() ? "" : config.error().message.c_str());
    QCOMPARE(config->text.architecture, std::string("deepseek_v32"));
    QVERIFY(config->text.attention == AttentionKind::Latent && config->text.rope.interleaved);
    QCOMPARE(config->text.indexer.heads, 4);
    QCOMPARE(config->text.indexer.headDim, 24);
    QCOMPARE(config->text.indexer.tokens, 9);
    QCOMPARE(config->text.nopeHeadDim, 8);
}

QTEST_APPLESS_MAIN(TestGguf)
#include "tst_gguf.moc"
