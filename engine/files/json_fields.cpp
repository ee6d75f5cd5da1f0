// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/json_fields.h"

#include "files/printable.h"

#include <cmath>
#include <limits>

namespace engine {

namespace {

// A whole number, also when written as 40.0.
std::optional<int> wholeNumber(const nlohmann::json &value)
{
    constexpr auto kMost = std::numeric_limits<int>::max();
    if (value.is_number_unsigned()) {
        const auto number = value.get<std::uint64_t>();
        return number <= static_cast<std::uint64_t>(kMost) ? std::optional(static_cast<int>(number)) : std::nullopt;
    }
    if (value.is_number_integer()) {
        const auto number = value.get<std::int64_t>();
        return number >= -kMost && number <= kMost ? std::optional(static_cast<int>(number)) : std::nullopt;
    }
    if (value.is_number_float()) {
        const auto number = value.get<double>();
        if (std::isfinite(number) && std::floor(number) == number && std::fabs(number) <= kMost)
            return static_cast<int>(number);
    }
    return std::nullopt;
}

} // namespace

const nlohmann::json *JsonFields::object(const char *key)
{
    if (!hasValue(key))
        return nullptr;
    const nlohmann::json &value = m_object[key];
    if (!value.is_object()) {
        wrong(key, "an object");
        return nullptr;
    }
    return &value;
}

int JsonFields::integer(const char *key, int fallback)
{
    if (!hasValue(key))
        return fallback;
    const std::optional<int> value = wholeNumber(m_object[key]);
    if (!value)
        wrong(key, "a whole number below 2147483648");
    return value.value_or(fallback);
}

double JsonFields::number(const char *key, double fallback)
{
    if (!hasValue(key))
        return fallback;
    if (m_object[key].is_number())
        return m_object[key].get<double>();
    wrong(key, "a number");
    return fallback;
}

bool JsonFields::boolean(const char *key, bool fallback)
{
    if (!hasValue(key))
        return fallback;
    if (m_object[key].is_boolean())
        return m_object[key].get<bool>();
    wrong(key, "true or false");
    return fallback;
}

std::string JsonFields::text(const char *key, std::string_view fallback)
{
    if (!hasValue(key))
        return std::string(fallback);
    if (m_object[key].is_string())
        return m_object[key].get<std::string>();
    wrong(key, "a text");
    return std::string(fallback);
}

std::vector<std::int32_t> JsonFields::tokenIds(const char *key)
{
    std::vector<std::int32_t> ids;
    if (!hasValue(key))
        return ids;
    const nlohmann::json &value = m_object[key];
    const auto addOne = [&](const nlohmann::json &one) {
        const std::optional<int> id = wholeNumber(one);
        if (!id)
            wrong(key, "a token id or a list of them");
        else if (*id >= 0) // -1 says "none" in some files
            ids.push_back(*id);
    };
    if (!value.is_array()) {
        addOne(value);
    } else if (value.size() > 1024) {
        wrong(key, "at most 1024 token ids");
    } else {
        for (const nlohmann::json &one : value)
            addOne(one);
    }
    return ids;
}

void JsonFields::wrong(const char *key, std::string_view wanted)
{
    if (m_problem.empty())
        m_problem = inQuotes(key) + " should be " + std::string(wanted);
}

Status JsonFields::status() const
{
    if (m_problem.empty())
        return Done{};
    return Error(ErrorCode::BadFile, "In " + printable(m_fileName) + " the value of " + m_problem + ".");
}

} // namespace engine
