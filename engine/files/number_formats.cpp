// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/number_formats.h"

#include "files/printable.h"
#include "files/tensor_recipe.h"
#include "kernels/convert.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

namespace engine {

namespace {

struct FormatInfo {
    NumberFormat format;
    std::string_view name;
    int bits;
};
constexpr std::array<FormatInfo, 15> kFormats{{
    {NumberFormat::F4, "F4", 4},
    {NumberFormat::F6E2M3, "F6_E2M3", 6},
    {NumberFormat::F6E3M2, "F6_E3M2", 6},
    {NumberFormat::F8E8M0, "F8_E8M0", 8},
    {NumberFormat::F8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    {NumberFormat::F8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    {NumberFormat::I8, "I8", 8},
    {NumberFormat::U8, "U8", 8},
    {NumberFormat::I16, "I16", 16},
    {NumberFormat::U16, "U16", 16},
    {NumberFormat::I32, "I32", 32},
    {NumberFormat::U32, "U32", 32},
    {NumberFormat::I64, "I64", 64},
    {NumberFormat::U64, "U64", 64},
    {NumberFormat::F64, "F64", 64},
}};

const FormatInfo &infoOf(NumberFormat format)
{
    return kFormats[static_cast<std::size_t>(format) - 1];
}

// A sign, `exponentBits` and `mantissaBits`, without infinities and NaN; exponent 0 holds the subnormal numbers.
float smallFloat(unsigned code, int exponentBits, int mantissaBits, int bias)
{
    const int mantissa = static_cast<int>(code & ((1U << mantissaBits) - 1));
    const int exponent = static_cast<int>((code >> mantissaBits) & ((1U << exponentBits) - 1));
    const bool isNegative = ((code >> (mantissaBits + exponentBits)) & 1U) != 0;
    const float value = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), 1 - bias - mantissaBits)
                                      : std::ldexp(static_cast<float>(mantissa + (1 << mantissaBits)), exponent - bias - mantissaBits);
    return isNegative ? -value : value;
}

// What one code of at most eight bits stands for.
float valueOfCode(NumberFormat format, unsigned code)
{
    constexpr unsigned kNotANumber = 0x80; // of FNUZ: where the negative zero would stand
    switch (format) {
    case NumberFormat::F4: return smallFloat(code, 2, 1, 1);
    case NumberFormat::F6E2M3: return smallFloat(code, 2, 3, 1);
    case NumberFormat::F6E3M2: return smallFloat(code, 3, 2, 3);
    case NumberFormat::F8E8M0: return kernels::e8m0ToFloat(static_cast<std::uint8_t>(code));
    case NumberFormat::F8E4M3Fnuz: return code == kNotANumber ? std::numeric_limits<float>::quiet_NaN() : smallFloat(code, 4, 3, 8);
    case NumberFormat::F8E5M2Fnuz: return code == kNotANumber ? std::numeric_limits<float>::quiet_NaN() : smallFloat(code, 5, 2, 16);
    case NumberFormat::I8: return static_cast<float>(static_cast<std::int8_t>(code));
    default: return static_cast<float>(code);
    }
}

template <typename T> void widenPlain(std::span<const std::byte> bytes, std::span<float> output)
{
    for (std::size_t i = 0; i < output.size(); ++i) {
        T value{};
        std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value); // files do not align
        output[i] = static_cast<float>(value);
    }
}

void widenCodes(NumberFormat format, int bits, std::span<const std::byte> bytes, std::span<float> output)
{
    std::array<float, 256> values{};
    const unsigned mask = (1U << bits) - 1;
    for (unsigned code = 0; code <= mask; ++code)
        values[code] = valueOfCode(format, code);
    for (std::size_t i = 0; i < output.size(); ++i) {
        const std::size_t bit = i * static_cast<std::size_t>(bits);
        unsigned both = std::to_integer<unsigned>(bytes[bit / 8]);
        if (bit % 8 + static_cast<std::size_t>(bits) > 8)
            both |= std::to_integer<unsigned>(bytes[bit / 8 + 1]) << 8;
        output[i] = values[(both >> (bit % 8)) & mask];
    }
}

class WidenedRecipe final : public TensorRecipe {
public:
    WidenedRecipe(std::string name, NumberFormat format, std::span<const std::byte> stored)
        : m_name(std::move(name)), m_format(format), m_stored(stored)
    {
    }
    std::vector<std::span<const std::byte>> sources() const override { return {m_stored}; }
    std::string_view storedType() const override { return infoOf(m_format).name; }

    Result<MadeBytes> makeOn(kernels::ThreadPool &pool, bool) const override
    {
        MadeBytes made;
        made.dtype = widenedType(m_format);
        const auto bits = static_cast<std::size_t>(infoOf(m_format).bits);
        const std::size_t count = m_stored.size() * 8 / bits;
        made.bytes.resize(count * kernels::rowBytes(made.dtype, 1));
        std::atomic<bool> areNumbers{true};
        const std::size_t parts = (count + kPart - 1) / kPart;
        pool.forEach(static_cast<std::int64_t>(parts), 4, [&](int, std::int64_t begin, std::int64_t end) {
            for (std::int64_t part = begin; part < end; ++part)
                if (!widenPart(static_cast<std::size_t>(part) * kPart, count, bits, made))
                    areNumbers = false;
        });
        if (!areNumbers)
            return Error(ErrorCode::BadFile, "The tensor " + inQuotes(m_name) + " holds " + std::string(storedType()) + " values that are not numbers.");
        return made;
    }

private:
    static constexpr std::size_t kPart = 4096; // numbers: whole bytes of every format

    // False: one of them is no number.
    bool widenPart(std::size_t first, std::size_t count, std::size_t bits, MadeBytes &made) const
    {
        std::array<float, kPart> buffer{};
        const std::span<float> values = std::span(buffer).first(std::min(kPart, count - first));
        widen(m_format, m_stored.subspan(first * bits / 8, values.size() * bits / 8), values);
        const std::size_t size = kernels::rowBytes(made.dtype, 1);
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::uint16_t narrow = kernels::floatToBfloat(values[i]);
            std::memcpy(made.bytes.data() + (first + i) * size, size == 4 ? static_cast<const void *>(&values[i]) : &narrow, size);
        }
        return std::none_of(values.begin(), values.end(), [](float value) { return std::isnan(value); });
    }

    const std::string m_name;
    const NumberFormat m_format;
    const std::span<const std::byte> m_stored;
};

class RefusedRecipe final : public TensorRecipe {
public:
    RefusedRecipe(std::string name, std::string_view typeName, std::span<const std::byte> stored)
        : m_name(std::move(name)), m_typeName(typeName), m_stored(stored)
    {
    }
    std::vector<std::span<const std::byte>> sources() const override { return {m_stored}; }
    std::string_view storedType() const override { return m_typeName; }
    Result<MadeBytes> makeOn(kernels::ThreadPool &, bool) const override
    {
        return Error(ErrorCode::Unsupported, "The tensor " + inQuotes(m_name) + " is stored as " + m_typeName + ", which is no type for weights.");
    }

private:
    const std::string m_name, m_typeName;
    const std::span<const std::byte> m_stored;
};

} // namespace

std::optional<NumberFormat> numberFormat(std::string_view typeName)
{
    for (const FormatInfo &info : kFormats)
        if (info.name == typeName)
            return info.format;
    return std::nullopt;
}

std::string_view nameOf(NumberFormat format)
{
    return infoOf(format).name;
}

DType widenedType(NumberFormat format)
{
    return infoOf(format).bits <= 8 ? DType::BF16 : DType::F32;
}

void widen(NumberFormat format, std::span<const std::byte> bytes, std::span<float> output)
{
    switch (format) {
    case NumberFormat::I16: return widenPlain<std::int16_t>(bytes, output);
    case NumberFormat::U16: return widenPlain<std::uint16_t>(bytes, output);
    case NumberFormat::I32: return widenPlain<std::int32_t>(bytes, output);
    case NumberFormat::U32: return widenPlain<std::uint32_t>(bytes, output);
    case NumberFormat::I64: return widenPlain<std::int64_t>(bytes, output);
    case NumberFormat::U64: return widenPlain<std::uint64_t>(bytes, output);
    case NumberFormat::F64: return widenPlain<double>(bytes, output);
    default: return widenCodes(format, infoOf(format).bits, bytes, output);
    }
}

void widenAtLoad(FileTensor &tensor, NumberFormat format, std::span<const std::byte> bytes)
{
    tensor.recipe = std::make_shared<WidenedRecipe>(tensor.name, format, bytes);
    tensor.dtype = widenedType(format);
    tensor.bytes = {};
}

void refuseAtLoad(FileTensor &tensor, std::string_view typeName, std::span<const std::byte> bytes)
{
    tensor.recipe = std::make_shared<RefusedRecipe>(tensor.name, typeName, bytes);
    tensor.dtype = DType::F32;
    tensor.bytes = {};
}

} // namespace engine
