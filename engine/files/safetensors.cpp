// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/safetensors.h"

#include "base/checked.h"
#include "files/printable.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <set>

namespace engine {

namespace {

using Json = nlohmann::json;
using kernels::DType;

constexpr std::uint64_t kLargestHeaderBytes = 100'000'000;
constexpr std::size_t kMostTensors = 1'000'000;
constexpr std::size_t kLongestName = 1024;
constexpr std::size_t kHighestRank = 8;
constexpr std::size_t kLongestString = 16U << 20;

struct TypeName {
    std::string_view name;
    std::uint64_t bits;
    std::optional<DType> dtype;
};
constexpr std::array<TypeName, 22> kTypes{{
    {"BOOL", 8, DType::Bool},
    {"F4", 4, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
    {"U8", 8, DType::U8},
    {"I8", 8, DType::I8},
    {"F8_E5M2", 8, DType::F8E5M2},
    {"F8_E4M3", 8, DType::F8E4M3},
    {"F8_E8M0", 8, DType::F8E8M0},
    {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt},
    {"I16", 16, DType::I16},
    {"U16", 16, std::nullopt},
    {"F16", 16, DType::F16},
    {"BF16", 16, DType::BF16},
    {"I32", 32, DType::I32},
    {"U32", 32, std::nullopt},
    {"F32", 32, DType::F32},
    {"F64", 64, DType::F64},
    {"I64", 64, DType::I64},
    {"U64", 64, std::nullopt},
    {"C64", 64, std::nullopt},
}};

const TypeName *findType(std::string_view name)
{
    for (const TypeName &type : kTypes)
        if (type.name == name)
            return &type;
    return nullptr;
}

// One entry of the header as it was written.
struct Entry {
    std::string name;
    const TypeName *type = nullptr;
    std::vector<std::int64_t> shape;
    std::array<std::uint64_t, 2> offsets{};
};

// Reads the header without building a tree: only the shape the format allows gets through, so nothing can nest,
// and memory grows with the tensors alone.
class HeaderReader : public nlohmann::json_sax<Json> {
public:
    std::vector<Entry> entries;
    std::string problem;

    bool null() override { return wrongValue("null"); }
    bool boolean(bool) override { return wrongValue("true or false"); }
    bool number_integer(number_integer_t) override
    {
        return m_place == Place::Shape || m_place == Place::Offsets ? fail(here() + " holds a negative number")
                                                                    : wrongValue("a number");
    }
    bool number_float(number_float_t, const string_t &) override
    {
        return m_place == Place::Shape || m_place == Place::Offsets
            ? fail(here() + " holds a number that is not whole or too large")
            : wrongValue("a number");
    }
    bool number_unsigned(number_unsigned_t value) override
    {
        Entry &entry = m_entry;
        if (m_place == Place::Shape) {
            if (value > static_cast<std::uint64_t>(INT64_MAX))
                return fail("the shape of " + inQuotes(entry.name) + " holds a number that is too large");
            if (entry.shape.size() >= kHighestRank)
                return fail("the tensor " + inQuotes(entry.name) + " has more than 8 dimensions");
            entry.shape.push_back(static_cast<std::int64_t>(value));
            return true;
        }
        if (m_place == Place::Offsets) {
            if (m_offsetCount >= 2)
                return fail("data_offsets of " + inQuotes(entry.name) + " holds more than two numbers");
            entry.offsets[m_offsetCount++] = value;
            return true;
        }
        return wrongValue("a number");
    }
    bool binary(binary_t &) override { return wrongValue("binary"); }
    bool string(string_t &value) override
    {
        if (m_place == Place::Metadata)
            return value.size() <= kLongestString || fail("a text in __metadata__ is too long");
        if (m_place == Place::Tensor && m_field == Field::Type) {
            m_entry.type = findType(value);
            if (m_entry.type == nullptr)
                return fail("the tensor " + inQuotes(m_entry.name) + " has the unknown type " + inQuotes(value));
            return true;
        }
        return wrongValue("a text");
    }
    bool start_object(std::size_t) override
    {
        if (m_place == Place::Outside) {
            m_place = Place::Root;
            return true;
        }
        if (m_place == Place::Root) {
            m_place = m_isMetadata ? Place::Metadata : Place::Tensor;
            return true;
        }
        return wrongValue("an object");
    }
    bool key(string_t &value) override
    {
        switch (m_place) {
        case Place::Root:
            return startEntry(value);
        case Place::Metadata:
            if (!m_metadataKeys.insert(value).second)
                return fail("the key " + inQuotes(value) + " stands twice in __metadata__");
            return m_metadataKeys.size() <= kMostTensors || fail("__metadata__ holds too many keys");
        default:
            return startField(value);
        }
    }
    bool end_object() override
    {
        if (m_place == Place::Tensor)
            return endTensor();
        m_place = m_place == Place::Metadata ? Place::Root : Place::Outside;
        return true;
    }
    bool start_array(std::size_t) override
    {
        if (m_place != Place::Tensor || (m_field != Field::Shape && m_field != Field::Offsets))
            return wrongValue("a list");
        m_place = m_field == Field::Shape ? Place::Shape : Place::Offsets;
        return true;
    }
    bool end_array() override
    {
        m_place = Place::Tensor;
        return true;
    }
    bool parse_error(std::size_t position, const std::string &, const nlohmann::detail::exception &) override
    {
        return fail("the header is not valid JSON near its byte " + std::to_string(position));
    }

private:
    enum class Place { Outside = 1, Root, Metadata, Tensor, Shape, Offsets };
    enum class Field { None = 0, Type = 1, Shape = 2, Offsets = 4 };

    bool fail(std::string why)
    {
        if (problem.empty())
            problem = std::move(why);
        return false;
    }
    std::string here() const
    {
        switch (m_place) {
        case Place::Outside:
            return "the header";
        case Place::Root:
            return "the entry " + inQuotes(m_isMetadata ? "__metadata__" : m_entry.name);
        case Place::Metadata:
            return "__metadata__";
        case Place::Shape:
            return "the shape of " + inQuotes(m_entry.name);
        case Place::Offsets:
            return "data_offsets of " + inQuotes(m_entry.name);
        default: {
            const char *const field = m_field == Field::Type ? "dtype"
                : m_field == Field::Shape                    ? "shape"
                                                             : "data_offsets";
            return std::string(field) + " of " + inQuotes(m_entry.name);
        }
        }
    }
    bool wrongValue(std::string_view what) { return fail(here() + " holds " + std::string(what) + " where none may stand"); }
    bool startEntry(const std::string &name)
    {
        m_isMetadata = name == "__metadata__";
        if (m_isMetadata) {
            if (m_hadMetadata)
                return fail("__metadata__ stands twice in the header");
            m_hadMetadata = true;
            return true;
        }
        if (name.empty())
            return fail("a tensor has an empty name");
        if (name.size() > kLongestName)
            return fail("the tensor name " + inQuotes(name) + " is longer than 1024 bytes");
        if (entries.size() >= kMostTensors)
            return fail("it lists more than 1000000 tensors");
        m_entry = Entry{};
        m_entry.name = name;
        m_fields = 0;
        m_field = Field::None;
        m_offsetCount = 0;
        return true;
    }
    bool startField(const std::string &name)
    {
        if (name == "dtype")
            m_field = Field::Type;
        else if (name == "shape")
            m_field = Field::Shape;
        else if (name == "data_offsets")
            m_field = Field::Offsets;
        else
            return fail("the tensor " + inQuotes(m_entry.name) + " has the unknown field " + inQuotes(name));
        const auto bit = static_cast<unsigned>(m_field);
        if ((m_fields & bit) != 0)
            return fail("the tensor " + inQuotes(m_entry.name) + " has the field " + inQuotes(name) + " twice");
        m_fields |= bit;
        return true;
    }
    bool endTensor()
    {
        if ((m_fields & 1U) == 0)
            return fail("the tensor " + inQuotes(m_entry.name) + " has no dtype");
        if ((m_fields & 2U) == 0)
            return fail("the tensor " + inQuotes(m_entry.name) + " has no shape");
        if ((m_fields & 4U) == 0)
            return fail("the tensor " + inQuotes(m_entry.name) + " has no data_offsets");
        if (m_offsetCount != 2)
            return fail("data_offsets of " + inQuotes(m_entry.name) + " does not hold two numbers");
        entries.push_back(std::move(m_entry));
        m_place = Place::Root;
        return true;
    }

    Place m_place = Place::Outside;
    Field m_field = Field::None;
    unsigned m_fields = 0; // which fields the entry has had
    Entry m_entry;
    std::size_t m_offsetCount = 0;
    bool m_isMetadata = false, m_hadMetadata = false;
    std::set<std::string> m_metadataKeys;
};

Error broken(std::string_view fileName, const std::string &why)
{
    return {ErrorCode::BadFile, printable(fileName) + " is not a sound safetensors file: " + why + "."};
}

Status checkNames(const std::vector<Entry> &entries, std::string_view fileName)
{
    std::vector<std::string_view> names;
    names.reserve(entries.size());
    for (const Entry &entry : entries)
        names.push_back(entry.name);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
        return broken(fileName, "the tensor " + inQuotes(*twice) + " stands twice in the header");
    return Done{};
}

// The rules about one tensor and the one before it. Returns where its bytes end.
Result<std::uint64_t> checkPlace(const Entry &entry, std::uint64_t previousEnd, std::uint64_t dataBytes,
    std::string_view fileName)
{
    const std::string name = inQuotes(entry.name);
    const auto [begin, end] = entry.offsets;
    if (end < begin)
        return broken(fileName, "the bytes of " + name + " end before they begin");
    if (begin < previousEnd)
        return broken(fileName, "the bytes of " + name + " overlap those of another tensor");
    if (begin > previousEnd)
        return broken(fileName, "there is a hole of unused bytes before " + name);
    if (end > dataBytes)
        return broken(fileName, "the bytes of " + name + " reach past the end of the file (it may be cut off)");
    Checked bits(entry.type->bits);
    bool isEmpty = false;
    for (const std::int64_t dim : entry.shape) {
        isEmpty = isEmpty || dim == 0;
        bits = bits * Checked::fromSigned(dim);
    }
    if (!bits.ok())
        return broken(fileName, "the shape of " + name + (isEmpty ? " is absurd" : " holds more numbers than any file can"));
    if (*bits.get() % 8 != 0)
        return broken(fileName, "the numbers of " + name + " do not fill whole bytes");
    if (end - begin != *bits.get() / 8) {
        return broken(fileName, name + " has " + std::to_string(end - begin) + " bytes where its shape and type need "
                + std::to_string(*bits.get() / 8));
    }
    return end;
}

Result<std::vector<SafetensorsTensor>> readChecked(std::span<const std::byte> file, std::string_view fileName)
{
    if (file.size() < 8)
        return broken(fileName, "it is shorter than 8 bytes");
    std::uint64_t headerBytes = 0;
    for (std::size_t i = 0; i < 8; ++i)
        headerBytes |= std::to_integer<std::uint64_t>(file[i]) << (8 * i);
    if (headerBytes > kLargestHeaderBytes)
        return broken(fileName, "its header claims " + std::to_string(headerBytes) + " bytes, 100 MB are allowed");
    if (headerBytes > file.size() - 8)
        return broken(fileName, "its header is longer than the file (it may be cut off)");
    if (headerBytes == 0)
        return broken(fileName, "its header is empty");
    // A copy: the file may change under us, and the header is read twice by the parser's error reports.
    const std::string header(reinterpret_cast<const char *>(file.data()) + 8, headerBytes);
    if (header.front() != '{')
        return broken(fileName, "its header does not start with {");
    if (!isUtf8(header))
        return broken(fileName, "its header is not UTF-8");
    if (header.find('\0') != std::string::npos)
        return broken(fileName, "the header is not valid JSON (a zero byte)"); // the parser would take it for the end
    HeaderReader reader;
    if (!Json::sax_parse(header.begin(), header.end(), &reader))
        return broken(fileName, reader.problem.empty() ? "the header is not valid JSON" : reader.problem);
    ENGINE_CHECK(checkNames(reader.entries, fileName));

    std::sort(reader.entries.begin(), reader.entries.end(), [](const Entry &a, const Entry &b) {
        return a.offsets != b.offsets ? a.offsets < b.offsets : a.name < b.name;
    });
    const std::span<const std::byte> data = file.subspan(8 + static_cast<std::size_t>(headerBytes));
    std::uint64_t end = 0;
    std::vector<SafetensorsTensor> tensors;
    tensors.reserve(reader.entries.size());
    for (Entry &entry : reader.entries) {
        const std::uint64_t begin = end;
        ENGINE_TRY(end, checkPlace(entry, begin, data.size(), fileName));
        tensors.push_back({std::move(entry.name), std::string(entry.type->name), entry.type->dtype,
            std::move(entry.shape), data.subspan(begin, end - begin)});
    }
    if (end != data.size())
        return broken(fileName, std::to_string(data.size() - end) + " bytes at its end belong to no tensor");
    return tensors;
}

} // namespace

Result<std::vector<SafetensorsTensor>> readSafetensors(std::span<const std::byte> file, std::string_view fileName)
{
    try {
        return readChecked(file, fileName);
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::OutOfMemory, "There is no memory left to read " + printable(fileName) + ".");
    } catch (const std::exception &) {
        return broken(fileName, "the header is not valid JSON");
    }
}

} // namespace engine
