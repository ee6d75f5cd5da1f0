// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/gguf.h"
#include "files/model_config.h"

#include <string>
#include <string_view>
#include <vector>

namespace engine {

// The keys of a GGUF file normalised like config.json (architectures.md 2.2-2.6, 6.2), and checked. `tensors` are
// those of all parts of the file; some facts only show there (vocabulary, routing bias, rope divisors).
// `warnings` gets what was guessed because older converters did not write it.
Result<ModelConfig> readGgufConfig(const GgufFile &file, const std::vector<GgufTensor> &tensors,
    std::string_view fileName, std::vector<std::string> &warnings);

} // namespace engine
