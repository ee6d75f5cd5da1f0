// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "kernels/dtype.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

struct SafetensorsTensor {
    std::string name;
    std::string typeName;                // as the file spells it, always one the format knows
    std::optional<kernels::DType> dtype; // nothing: a type without one (F4, U16, C64 ...); see number_formats.h
    std::vector<std::int64_t> shape;     // [] is one number; a dimension may be 0
    std::span<const std::byte> bytes;    // inside the file, maybe unaligned
};

// Reads and checks the header of one safetensors file (architectures.md 6.1): every rule of the reference reader,
// and no key twice. `file` is the whole file; tensors come in the order of their bytes.
// BadFile names the file, the tensor and what is wrong. Never throws.
Result<std::vector<SafetensorsTensor>> readSafetensors(std::span<const std::byte> file, std::string_view fileName);

} // namespace engine
