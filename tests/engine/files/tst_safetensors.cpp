// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/safetensors.h"
#include "file_builders.h"

#include <QTest>

#include <map>

using namespace engine;
using namespace builders;

namespace {

std::string number(std::uint64_t value)
{
    return std::to_string(value);
}

// One tensor entry; the rest of the header around it is given too.
std::string entry(std::string_view name, std::string_view type, std::string_view shape, std::string_view offsets)
{
    return "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(type) + "\",\"shape\":" + std::string(shape)
        + ",\"data_offsets\":" + std::string(offsets) + "}";
}

} // namespace

class TestSafetensors : public QObject {
    Q_OBJECT
private slots:
    void soundFilesAreRead();
    void everyTypeOfTheFormatIsKnown();
    void unsoundFilesAreRefused_data();
    void unsoundFilesAreRefused();
    void eachKindOfFaultHasItsOwnSentence();
    void aMillionTensorsAreEnough();
    void everyCutIsNoticed();
};

void TestSafetensors::soundFilesAreRead()
{
    const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "F32", "[2,3]", "[4,28]") + ","
        + entry("a", "BF16", "[2]", "[0,4]") + "," + entry("empty", "F16", "[0,7]", "[28,28]") + ","
        + entry("nothing", "F16", "[0]", "[28,28]") + "," + entry("one", "U8", "[]", "[28,29]") + "}  ";
    const std::string file = safetensors(header, 29);
    const auto read = readSafetensors(bytesOf(file), "a.safetensors");
    QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
    QCOMPARE(read->size(), std::size_t{5});
    const SafetensorsTensor &first = read->front();
    QCOMPARE(first.name, std::string("a"));
    QVERIFY(first.dtype == kernels::DType::BF16);
    QCOMPARE(first.bytes.size(), std::size_t{4});
    QVERIFY(first.bytes.data() == bytesOf(file).data() + 8 + header.size());
    QCOMPARE(read->back().name, std::string("one"));
    QVERIFY(read->back().shape.empty());
    QVERIFY(readSafetensors(bytesOf(safetensors("{}", 0)), "none.safetensors").ok());
}

void TestSafetensors::everyTypeOfTheFormatIsKnown()
{
    const std::map<std::string, int> bits{{"BOOL", 8}, {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8}, {"I8", 8},
        {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16}, {"U16", 16},
        {"F16", 16}, {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32}, {"C64", 64}, {"F64", 64}, {"I64", 64}, {"U64", 64}};
    for (const auto &[type, size] : bits) {
        const std::size_t bytes = static_cast<std::size_t>(size); // 8 numbers
        const auto read = readSafetensors(bytesOf(safetensors("{" + entry("t", type, "[8]", "[0," + number(bytes) + "]") + "}", bytes)), "f");
        QVERIFY2(read.ok(), read.ok() ? "" : read.error().message.c_str());
        QCOMPARE(read->front().typeName, type);
        if (read->front().dtype)
            QCOMPARE(static_cast<std::size_t>(kernels::dtypeInfo(*read->front().dtype).blockBytes) * 8, bytes);
    }
}

void TestSafetensors::unsoundFilesAreRefused_data()
{
    QTest::addColumn<QByteArray>("file");
    QTest::addColumn<QByteArray>("says");
    const auto raw = [](const char *name, const std::string &file, const char *says) {
        QTest::newRow(name) << QByteArray::fromStdString(file) << QByteArray(says);
    };
    const auto header = [&](const char *name, const std::string &text, std::size_t data, const char *says) {
        raw(name, safetensors(text, data), says);
    };
    // A sound file with one thing changed: one tensor "t" of 16 bytes.
    const auto tensor = [&](const char *name, std::string_view type, std::string_view shape, std::string_view offsets,
                            std::size_t data, const char *says) {
        header(name, "{" + entry("t", type, shape, offsets) + "}", data, says);
    };
    const std::string good = entry("t", "F32", "[2,2]", "[0,16]");

    raw("empty file", "", "shorter than 8 bytes");
    raw("seven bytes", std::string(7, '{'), "shorter than 8 bytes");
    raw("length 0", little<std::uint64_t>(0) + "{}", "header is empty");
    raw("length 7 of a file of 8", little<std::uint64_t>(7), "longer than the file");
    raw("length 2^63", little<std::uint64_t>(std::uint64_t{1} << 63) + "{}", "100 MB");
    raw("length -1", little<std::uint64_t>(~std::uint64_t{0}) + "{}", "100 MB");
    raw("length -8", little<std::uint64_t>(~std::uint64_t{7}) + "{}", "100 MB");
    raw("length over 100 MB", little<std::uint64_t>(100'000'001) + "{}", "100 MB");
    raw("length one too long", little<std::uint64_t>(3) + "{}", "longer than the file");
    raw("length 100 MB in a small file", little<std::uint64_t>(100'000'000) + "{}", "longer than the file");
    header("starts with a space", " {" + good + "}", 16, "does not start with {");
    header("starts with a list", "[]", 0, "does not start with {");
    header("starts with a byte order mark", "\xEF\xBB\xBF{}", 0, "does not start with {");
    header("is binary", std::string("\x80\x02}q\x00", 5), 0, "does not start with {");
    header("broken UTF-8", "{\"a\xFF\":1}", 0, "not UTF-8");
    header("surrogate in UTF-8", "{\"\xED\xA0\x80\":1}", 0, "not UTF-8");
    header("overlong UTF-8", "{\"\xC0\x80\":1}", 0, "not UTF-8");
    header("cut JSON", "{" + good, 16, "not valid JSON");
    header("JSON with a tail", "{" + good + "}}", 16, "not valid JSON");
    header("two objects", "{" + good + "}{}", 16, "not valid JSON");
    header("NUL after the object", "{" + good + "}" + std::string(1, '\0'), 16, "not valid JSON");
    header("trailing comma", "{" + good + ",}", 16, "not valid JSON");
    header("comment", "{/*x*/" + good + "}", 16, "not valid JSON");
    header("single quotes", "{'t':1}", 0, "not valid JSON");
    header("lone surrogate escape", "{\"\\ud800\":1}", 0, "not valid JSON");
    header("duplicate tensor", "{" + good + "," + entry("t", "F32", "[2,2]", "[16,32]") + "}", 32, "stands twice in the header");
    header("same tensor twice", "{" + good + "," + good + "}", 16, "stands twice in the header");
    header("duplicate field", R"({"t":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "\"dtype\" twice");
    header("duplicate shape", R"({"t":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}})", 1, "\"shape\" twice");
    header("duplicate metadata", R"({"__metadata__":{},"__metadata__":{}})", 0, "__metadata__ stands twice");
    header("duplicate metadata key", R"({"__metadata__":{"a":"1","a":"2"}})", 0, "stands twice in __metadata__");
    header("metadata is a list", R"({"__metadata__":[]})", 0, "\"__metadata__\" holds a list");
    header("metadata is a text", R"({"__metadata__":"x"})", 0, "\"__metadata__\" holds a text");
    header("metadata with a number", R"({"__metadata__":{"a":1}})", 0, "__metadata__ holds a number");
    header("metadata with an object", R"({"__metadata__":{"a":{}}})", 0, "__metadata__ holds an object");
    header("metadata with null", R"({"__metadata__":{"a":null}})", 0, "__metadata__ holds null");
    header("depth of a million", "{\"t\":" + std::string(1'000'000, '['), 0, "\"t\" holds a list");
    std::string deepObjects;
    for (int i = 0; i < 100'000; ++i)
        deepObjects += "{\"a\":";
    header("objects in objects", deepObjects, 0, "unknown field \"a\"");
    header("shape in shape", R"({"t":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})", 1, "shape of \"t\" holds a list");
    header("tensor is a number", R"({"t":5})", 0, "\"t\" holds a number");
    header("tensor is null", R"({"t":null})", 0, "\"t\" holds null");
    header("tensor is true", R"({"t":true})", 0, "true or false");
    header("empty name", "{" + entry("", "U8", "[1]", "[0,1]") + "}", 1, "empty name");
    header("endless name", "{" + entry(std::string(2000, 'n'), "U8", "[1]", "[0,1]") + "}", 1, "longer than 1024");
    header("no dtype", R"({"t":{"shape":[1],"data_offsets":[0,1]}})", 1, "no dtype");
    header("no shape", R"({"t":{"dtype":"U8","data_offsets":[0,1]}})", 1, "no shape");
    header("no offsets", R"({"t":{"dtype":"U8","shape":[1]}})", 1, "no data_offsets");
    header("no fields", R"({"t":{}})", 0, "no dtype");
    header("unknown field", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":"y"}})", 1, "unknown field \"x\"");
    header("dtype is a number", R"({"t":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1, "dtype of \"t\" holds a number");
    header("shape is a text", R"({"t":{"dtype":"U8","shape":"1","data_offsets":[0,1]}})", 1, "shape of \"t\" holds a text");
    header("shape is an object", R"({"t":{"dtype":"U8","shape":{},"data_offsets":[0,1]}})", 1, "shape of \"t\" holds an object");
    header("offsets are a text", R"({"t":{"dtype":"U8","shape":[1],"data_offsets":"0"}})", 1, "data_offsets of \"t\" holds a text");
    tensor("unknown type", "F33", "[4]", "[0,16]", 16, "unknown type \"F33\"");
    tensor("type in small letters", "f32", "[4]", "[0,16]", 16, "unknown type");
    tensor("negative shape", "F32", "[-4]", "[0,16]", 16, "shape of \"t\" holds a negative number");
    tensor("fraction in the shape", "F32", "[4.0]", "[0,16]", 16, "shape of \"t\" holds a number that is not whole");
    tensor("exponent in the shape", "F32", "[4e0]", "[0,16]", 16, "shape of \"t\" holds a number that is not whole");
    tensor("huge shape", "F32", "[18446744073709551616]", "[0,16]", 16, "shape of \"t\" holds a number that is not whole or too large");
    tensor("shape 2^63", "F32", "[9223372036854775808]", "[0,16]", 16, "too large");
    tensor("null in the shape", "F32", "[null]", "[0,16]", 16, "shape of \"t\" holds null");
    tensor("nine dimensions", "F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]", 16, "more than 8 dimensions");
    tensor("shape product wraps to 4", "U8", "[4294967296,4294967296]", "[0,0]", 0, "more numbers than any file");
    tensor("shape times type wraps", "F64", "[2305843009213693952]", "[0,0]", 0, "more numbers than any file");
    tensor("wrap beside an empty dimension", "U8", "[4611686018427387904,4611686018427387904,0]", "[0,0]", 0, "absurd");
    tensor("negative offset", "F32", "[4]", "[-1,16]", 16, "data_offsets of \"t\" holds a negative number");
    tensor("fraction in the offsets", "F32", "[4]", "[0,16.5]", 16, "data_offsets of \"t\" holds a number that is not whole");
    tensor("huge offset", "F32", "[4]", "[0,99999999999999999999]", 16, "data_offsets of \"t\" holds a number that is not whole or too large");
    tensor("one offset", "F32", "[4]", "[16]", 16, "does not hold two numbers");
    tensor("no offset numbers", "F32", "[4]", "[]", 16, "does not hold two numbers");
    tensor("three offsets", "F32", "[4]", "[0,16,32]", 16, "more than two numbers");
    tensor("begin after end", "F32", "[4]", "[16,0]", 16, "end before they begin");
    tensor("ends after the file", "F32", "[4]", "[0,16]", 15, "past the end");
    tensor("offset 2^64-1", "U8", "[18446744073709551615]", "[0,18446744073709551615]", 16, "too large");
    tensor("offset near 2^64", "U8", "[1]", "[0,18446744073709551615]", 16, "past the end");
    tensor("hole in front", "F32", "[4]", "[8,24]", 24, "hole");
    tensor("bytes too few", "F32", "[4]", "[0,12]", 12, "12 bytes where its shape and type need 16");
    tensor("bytes too many", "F32", "[4]", "[0,20]", 20, "20 bytes where its shape and type need 16");
    tensor("half a byte", "F4", "[3]", "[0,2]", 2, "whole bytes");
    tensor("four numbers of six bits and one", "F6_E2M3", "[5]", "[0,4]", 4, "numbers of \"t\" do not fill whole bytes");
    tensor("half of four numbers of six bits", "F6_E3M2", "[2, 1]", "[0,2]", 2, "numbers of \"t\" do not fill whole bytes");
    tensor("tail bytes", "F32", "[4]", "[0,16]", 17, "1 bytes at its end");
    tensor("scalar with bytes of two", "F32", "[]", "[0,8]", 8, "8 bytes where its shape and type need 4");
    tensor("empty with bytes", "F32", "[0]", "[0,4]", 4, "4 bytes where its shape and type need 0");
    header("no tensors and a tail", "{}", 8, "8 bytes at its end");
    header("overlap", "{" + good + "," + entry("u", "F32", "[4]", "[8,24]") + "}", 24, "overlap");
    header("same bytes twice", "{" + good + "," + entry("u", "F32", "[4]", "[0,16]") + "}", 16, "overlap");
    header("hole between", "{" + good + "," + entry("u", "F32", "[1]", "[20,24]") + "}", 24, "hole");
    header("empty tensor inside another", "{" + good + "," + entry("u", "F32", "[0]", "[8,8]") + "}", 16, "overlap");
    header("empty tensor behind the end", "{" + good + "," + entry("u", "F32", "[0]", "[17,17]") + "}", 16, "hole");
}

void TestSafetensors::unsoundFilesAreRefused()
{
    QFETCH(QByteArray, file);
    QFETCH(QByteArray, says);
    const std::string bytes = file.toStdString();
    const auto read = readSafetensors(bytesOf(bytes), "model.safetensors");
    QVERIFY(!read.ok());
    QVERIFY(read.error().code == ErrorCode::BadFile);
    QVERIFY2(read.error().message.find(says.toStdString()) != std::string::npos, read.error().message.c_str());
    QVERIFY2(read.error().message.starts_with("model.safetensors is not a sound safetensors file: "), read.error().message.c_str());
}

void TestSafetensors::eachKindOfFaultHasItsOwnSentence()
{
    // The reference reader's kinds, each made in the smallest way: no two may say the same.
    const std::vector<std::string> files{"", little<std::uint64_t>(1ULL << 40), little<std::uint64_t>(9) + "{}",
        safetensors("[]", 0), safetensors("{\"\xFF\":1}", 0), safetensors("{", 0), safetensors("{}", 1),
        safetensors("{" + entry("t", "U8", "[1]", "[1,2]") + "}", 2), safetensors("{" + entry("t", "U8", "[2]", "[0,1]") + "}", 1),
        safetensors("{" + entry("t", "U8", "[4294967296,4294967296]", "[0,1]") + "}", 1),
        safetensors("{" + entry("t", "F4", "[1]", "[0,1]") + "}", 1), safetensors("{" + entry("t", "X", "[1]", "[0,1]") + "}", 1)};
    std::map<std::string, std::size_t> sentences;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto read = readSafetensors(bytesOf(files[i]), "f");
        QVERIFY(!read.ok());
        QVERIFY2(sentences.emplace(read.error().message, i).second, read.error().message.c_str());
    }
}

void TestSafetensors::aMillionTensorsAreEnough()
{
#ifdef __SANITIZE_ADDRESS__
    QSKIP("a million entries take too long under the address sanitizer");
#endif
    std::string header = "{";
    for (int i = 0; i <= 1'000'000; ++i)
        header += (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
    const auto read = readSafetensors(bytesOf(safetensors(header + "}", 0)), "f");
    QVERIFY(!read.ok());
    QVERIFY2(read.error().message.find("1000000 tensors") != std::string::npos, read.error().message.c_str());
}

void TestSafetensors::everyCutIsNoticed()
{
    const std::string file = safetensors({{"model.a", "F32", {4, 8}, 128}, {"model.b", "BF16", {16}, 32}, {"model.c", "U8", {}, 1}});
    QVERIFY(readSafetensors(bytesOf(file), "f").ok());
    for (std::size_t size = 0; size < file.size(); ++size) {
        const std::string cut = file.substr(0, size); // a buffer of its own: a read past its end is seen
        QVERIFY(!readSafetensors(bytesOf(cut), "f").ok());
    }
}

QTEST_APPLESS_MAIN(TestSafetensors)
#include "tst_safetensors.moc"
