// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/mapped_file.h"
#include "files/number_formats.h"
#include "files/safetensors.h"
#include "files/tensor_recipe.h"
#include "kernels/convert.h"

#include <QTest>

#include <cmath>
#include <cstring>

using namespace engine;

namespace {

// Codes of every format and the numbers they stand for (tests/golden/make_dtype_goldens.py).
class Codes {
public:
    Codes()
    {
        auto file = MappedFile::open(DIPTYCH_SOURCE_DIR "/tests/golden/dtypes/codes.safetensors");
        if (!file.ok())
            qFatal("%s", file.error().message.c_str());
        m_file = *file;
        auto tensors = readSafetensors(m_file->bytes(), "codes.safetensors");
        if (!tensors.ok())
            qFatal("%s", tensors.error().message.c_str());
        m_tensors = *std::move(tensors);
    }
    const std::vector<SafetensorsTensor> &tensors() const { return m_tensors; }
    const SafetensorsTensor *find(const std::string &name) const
    {
        for (const SafetensorsTensor &tensor : m_tensors)
            if (tensor.name == name)
                return &tensor;
        return nullptr;
    }

private:
    std::shared_ptr<const MappedFile> m_file;
    std::vector<SafetensorsTensor> m_tensors;
};

std::vector<float> floatsOf(std::span<const std::byte> bytes)
{
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
    return values;
}

// Bit for bit, but for the payload of what is no number.
int firstDifference(const std::vector<float> &a, const std::vector<float> &b)
{
    if (a.size() != b.size())
        return 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0 && !(std::isnan(a[i]) && std::isnan(b[i])))
            return static_cast<int>(i);
    return -1;
}

} // namespace

class TestNumberFormats : public QObject {
    Q_OBJECT
private slots:
    void everyCodeStandsForItsNumber_data();
    void everyCodeStandsForItsNumber();
    void recipesGiveTheSameNumbersFromAnyPlace();
    void numbersFollowEachOtherLowBitsFirst();
    void codesThatAreNoNumbersAreRefusedByName();
    void everyTypeOfTheFormatIsKnown();
};

void TestNumberFormats::everyCodeStandsForItsNumber_data()
{
    QTest::addColumn<QString>("type");
    for (const char *type : {"F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8", "U8", "I16",
             "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64"})
        QTest::newRow(type) << QString::fromLatin1(type);
}

void TestNumberFormats::everyCodeStandsForItsNumber()
{
    QFETCH(QString, type);
    const Codes codes;
    const SafetensorsTensor *const stored = codes.find(type.toStdString());
    const SafetensorsTensor *const plain = codes.find(type.toStdString() + ".float32");
    QVERIFY(stored != nullptr && plain != nullptr);
    const std::vector<float> wanted = floatsOf(plain->bytes);
    QVERIFY(wanted.size() >= 16);
    std::vector<float> found(wanted.size());
    if (const auto format = numberFormat(stored->typeName))
        widen(*format, stored->bytes, found);
    else
        kernels::dequantizeRow(*stored->dtype, stored->bytes.data(), static_cast<std::int64_t>(found.size()), found.data());
    const int at = firstDifference(found, wanted);
    QVERIFY2(at < 0, qPrintable(QStringLiteral("number %1").arg(at)));
}

void TestNumberFormats::recipesGiveTheSameNumbersFromAnyPlace()
{
    const Codes codes;
    for (const SafetensorsTensor &stored : codes.tensors()) {
        const auto format = numberFormat(stored.typeName);
        const SafetensorsTensor *const plain = codes.find(stored.name + ".float32");
        if (!format || plain == nullptr)
            continue;
        // 5000 times over, so that it crosses the recipe's own buffer, and one byte off every alignment.
        std::vector<float> once = floatsOf(plain->bytes), wanted;
        std::size_t bytes = stored.bytes.size();
        while (bytes > 3 && std::any_of(once.begin(), once.end(), [](float value) { return std::isnan(value); })) {
            bytes /= 2; // the upper half holds what is no number
            once.resize(once.size() / 2);
        }
        std::vector<std::byte> many(1);
        for (int i = 0; i < 5000; i += static_cast<int>(once.size())) {
            many.insert(many.end(), stored.bytes.begin(), stored.bytes.begin() + static_cast<std::ptrdiff_t>(bytes));
            wanted.insert(wanted.end(), once.begin(), once.end());
        }
        FileTensor tensor;
        tensor.name = stored.name;
        widenAtLoad(tensor, *format, std::span<const std::byte>(many).subspan(1));
        const auto made = tensor.recipe->make(true);
        QVERIFY2(made.ok(), stored.name.c_str());
        std::vector<float> found(made->bytes.size() / kernels::rowBytes(made->dtype, 1));
        kernels::dequantizeRow(made->dtype, made->bytes.data(), static_cast<std::int64_t>(found.size()), found.data());
        QVERIFY2(firstDifference(found, wanted) < 0, stored.name.c_str());
    }
}

void TestNumberFormats::numbersFollowEachOtherLowBitsFirst()
{
    std::array<float, 4> four{};
    const std::array<std::byte, 2> nibbles{std::byte{0x21}, std::byte{0xF7}};
    widen(NumberFormat::F4, nibbles, four);
    QCOMPARE(four, (std::array<float, 4>{0.5F, 1.0F, 6.0F, -6.0F}));
    // 0x01, 0x08, 0x1F, 0x20: bits 000001 001000 011111 100000 from low to high.
    const std::array<std::byte, 3> sixes{std::byte{0x01}, std::byte{0xF2}, std::byte{0x81}};
    widen(NumberFormat::F6E2M3, sixes, four);
    QCOMPARE(four, (std::array<float, 4>{0.125F, 1.0F, 7.5F, -0.0F}));
    QVERIFY(std::signbit(four[3]));
}

void TestNumberFormats::codesThatAreNoNumbersAreRefusedByName()
{
    for (const auto &[type, code] : {std::pair(NumberFormat::F8E4M3Fnuz, 0x80), std::pair(NumberFormat::F8E5M2Fnuz, 0x80), std::pair(NumberFormat::F8E8M0, 0xFF)}) {
        const std::array<std::byte, 2> bytes{std::byte{1}, static_cast<std::byte>(code)};
        FileTensor tensor;
        tensor.name = "model.norm.weight";
        widenAtLoad(tensor, type, bytes);
        const auto made = tensor.recipe->make(true);
        QVERIFY(!made.ok() && made.error().code == ErrorCode::BadFile);
        QVERIFY(made.error().message.find("\"model.norm.weight\" holds " + std::string(nameOf(type))) != std::string::npos);
    }
}

// Every name of the reference reader's list is a type of kernels, a format to widen, or stands for no real numbers.
void TestNumberFormats::everyTypeOfTheFormatIsKnown()
{
    for (const auto &[type, bits] : {std::pair("BOOL", 8), {"F4", 4}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8}, {"I8", 8}, {"F8_E5M2", 8},
             {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16}, {"BF16", 16},
             {"I32", 32}, {"U32", 32}, {"F32", 32}, {"C64", 64}, {"F64", 64}, {"I64", 64}, {"U64", 64}}) {
        const std::string header = std::string(R"({"x":{"dtype":")") + type + R"(","shape":[4],"data_offsets":[0,)" + std::to_string(bits / 2) + "]}}";
        std::string file(8, '\0');
        const std::uint64_t size = header.size();
        std::memcpy(file.data(), &size, sizeof size);
        file += header + std::string(static_cast<std::size_t>(bits / 2), '\1');
        const auto read = readSafetensors(std::as_bytes(std::span(file)), "x");
        QVERIFY2(read.ok(), type);
        const SafetensorsTensor &tensor = read->front();
        const bool isReal = std::string_view(type) != "C64" && std::string_view(type) != "BOOL";
        QCOMPARE((tensor.dtype && kernels::isWeightType(*tensor.dtype)) || numberFormat(type).has_value(), isReal);
    }
}

QTEST_APPLESS_MAIN(TestNumberFormats)
#include "tst_number_formats.moc"
