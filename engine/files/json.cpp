// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/json.h"

#include "files/printable.h"

#include <exception>
#include <vector>

namespace engine {

namespace {

using Json = nlohmann::json;

// Builds the tree while counting. Every callback returns false to stop the parser.
class TreeBuilder : public nlohmann::json_sax<Json> {
public:
    explicit TreeBuilder(const JsonLimits &limits) : m_limits(limits) {}

    bool null() override { return add(nullptr) != nullptr; }
    bool boolean(bool value) override { return add(value) != nullptr; }
    bool number_integer(number_integer_t value) override { return add(value) != nullptr; }
    bool number_unsigned(number_unsigned_t value) override { return add(value) != nullptr; }
    bool number_float(number_float_t value, const string_t &) override { return add(value) != nullptr; }
    bool binary(binary_t &) override { return fail("binary values have no place here"); }
    bool string(string_t &value) override { return checkString(value) && add(std::move(value)) != nullptr; }
    bool key(string_t &value) override
    {
        if (!checkString(value))
            return false;
        if (m_open.back()->contains(value))
            return fail("the key " + inQuotes(value) + " stands twice in one object");
        m_key = std::move(value);
        return true;
    }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_array() override { return close(); }
    bool parse_error(std::size_t position, const std::string &, const nlohmann::detail::exception &) override
    {
        return fail("it is not valid JSON near byte " + std::to_string(position));
    }

    Json root;
    std::string problem;

private:
    bool fail(std::string why)
    {
        if (problem.empty())
            problem = std::move(why);
        return false;
    }
    bool checkString(const std::string &value)
    {
        return value.size() <= m_limits.stringBytes || fail("a text in it is too long");
    }
    template <typename T> Json *add(T &&value)
    {
        if (++m_values > m_limits.values) {
            fail("it holds too many values");
            return nullptr;
        }
        if (m_open.empty()) {
            root = Json(std::forward<T>(value));
            return &root;
        }
        Json &parent = *m_open.back();
        if (parent.is_array()) {
            parent.push_back(Json(std::forward<T>(value)));
            return &parent.back();
        }
        Json &slot = parent[m_key];
        slot = Json(std::forward<T>(value));
        return &slot;
    }
    bool open(Json container)
    {
        if (static_cast<int>(m_open.size()) >= m_limits.depth)
            return fail("it nests deeper than " + std::to_string(m_limits.depth) + " levels");
        Json *const added = add(std::move(container));
        if (added == nullptr)
            return false;
        m_open.push_back(added); // stays valid: only the innermost container grows
        return true;
    }
    bool close()
    {
        m_open.pop_back();
        return true;
    }

    JsonLimits m_limits;
    std::vector<Json *> m_open;
    std::string m_key;
    std::size_t m_values = 0;
};

} // namespace

Result<Json> parseJson(std::string_view text, std::string_view fileName, const JsonLimits &limits)
{
    try {
        // The parser would take a zero byte for the end and never look behind it.
        if (text.find('\0') != std::string_view::npos)
            return Error(ErrorCode::BadFile, printable(fileName) + " cannot be read: it is not valid JSON (a zero byte).");
        TreeBuilder builder(limits);
        if (Json::sax_parse(text.begin(), text.end(), &builder))
            return std::move(builder.root);
        return Error(ErrorCode::BadFile, printable(fileName) + " cannot be read: "
                + (builder.problem.empty() ? "it is not valid JSON" : builder.problem) + ".");
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::OutOfMemory, "There is no memory left to read " + printable(fileName) + ".");
    } catch (const std::exception &) {
        return Error(ErrorCode::BadFile, printable(fileName) + " cannot be read: it is not valid JSON.");
    }
}

} // namespace engine
