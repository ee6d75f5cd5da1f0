// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "files/file_tensor.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace engine {

// The number formats of safetensors files that no kernel computes with. Weights stored in one are widened at load.
// E2M1, E2M3 and E3M2 as in OCP Microscaling Formats 1.0, 5.3 (no infinities, no NaN), packed low bits first: two
// numbers a byte, four in three bytes. FNUZ as in arXiv:2206.02915: one zero, the code 0x80 is the only NaN.
enum class NumberFormat {
    F4 = 1, F6E2M3, F6E3M2, F8E8M0, F8E4M3Fnuz, F8E5M2Fnuz, I8, U8, I16, U16, I32, U32, I64, U64, F64,
};

// The format of that name in a safetensors header ("F8_E4M3FNUZ"). Nothing: one that kernels compute with, or one that
// stands for no real numbers (BOOL, C64).
std::optional<NumberFormat> numberFormat(std::string_view typeName);
std::string_view nameOf(NumberFormat format);

// The type that holds widened weights: BF16 where it holds every value of the format, F32 otherwise.
DType widenedType(NumberFormat format);

// The numbers as float32: exact but for integers beyond 2^24 and float64, which are rounded to nearest even.
// `output` has as many places as `bytes` holds numbers (bytes.size() * 8 / bits).
void widen(NumberFormat format, std::span<const std::byte> bytes, std::span<float> output);

// A recipe (files/tensor_recipe.h) that widens `bytes`. Making it refuses codes that are no numbers with the tensor's
// name. The tensor gets the widened type; its bytes go into the recipe.
void widenAtLoad(FileTensor &tensor, NumberFormat format, std::span<const std::byte> bytes);

// A tensor of a format that is no weight (C64): it is listed, and whoever asks for its numbers gets an error.
void refuseAtLoad(FileTensor &tensor, std::string_view typeName, std::span<const std::byte> bytes);

} // namespace engine
