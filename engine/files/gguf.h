// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "kernels/dtype.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace engine {

// A list of numbers stays as bytes; a list of texts is split. Lists of lists are checked and skipped.
struct GgufArray {
    std::uint32_t elementType = 0; // as the file numbers them: 4 u32, 5 i32, 6 f32, 8 text ...
    std::uint64_t count = 0;
    std::span<const std::byte> numbers;
    std::vector<std::string_view> texts;

    std::optional<std::int64_t> integerAt(std::uint64_t index) const; // nothing: out of range or no whole numbers
};
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufArray>;

struct GgufTensor {
    std::string name;
    kernels::DType dtype = kernels::DType::F32;
    std::vector<std::int64_t> dimensions; // as in the file: innermost first
    std::span<const std::byte> bytes;
};

// One GGUF file (architectures.md 6.2, version 2 or 3, little-endian). Texts and bytes point into the file.
class GgufFile {
public:
    // Reads and checks everything but the numbers in tensors. BadFile or Unsupported names the file, the key or the
    // tensor, and what is wrong. Never throws.
    static Result<GgufFile> read(std::span<const std::byte> file, std::string_view fileName);

    const std::map<std::string, GgufValue, std::less<>> &values() const { return m_values; }
    const std::vector<GgufTensor> &tensors() const { return m_tensors; } // in the order of the file
    std::uint32_t version() const { return m_version; }

    // Typed looks. Nothing when the key is absent or of another kind; has() tells the two apart.
    bool has(std::string_view key) const { return m_values.find(key) != m_values.end(); }
    std::optional<std::int64_t> integer(std::string_view key) const;
    std::optional<double> number(std::string_view key) const; // whole numbers too
    std::optional<bool> boolean(std::string_view key) const;
    std::optional<std::string_view> text(std::string_view key) const;
    const GgufArray *array(std::string_view key) const;

private:
    friend class GgufReader;
    std::map<std::string, GgufValue, std::less<>> m_values;
    std::vector<GgufTensor> m_tensors;
    std::uint32_t m_version = 0;
};

} // namespace engine
