// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// Typed reading of one JSON object. A wrong type is remembered, not thrown; status() gives the first.
// Absent keys and null give the fallback.
class JsonFields {
public:
    JsonFields(const nlohmann::json &object, std::string_view fileName) : m_object(object), m_fileName(fileName) {}

    bool has(const char *key) const { return m_object.is_object() && m_object.contains(key); }
    bool isNull(const char *key) const { return has(key) && m_object[key].is_null(); }
    bool hasValue(const char *key) const { return has(key) && !m_object[key].is_null(); }
    const nlohmann::json *object(const char *key); // nullptr: absent or null

    int integer(const char *key, int fallback);
    double number(const char *key, double fallback);
    bool boolean(const char *key, bool fallback);
    std::string text(const char *key, std::string_view fallback);
    std::vector<std::int32_t> tokenIds(const char *key); // one id or a list
    void wrong(const char *key, std::string_view wanted);

    Status status() const;
    const nlohmann::json &json() const { return m_object; }
    const std::string &fileName() const { return m_fileName; }

private:
    const nlohmann::json &m_object;
    std::string m_fileName;
    std::string m_problem;
};

} // namespace engine
