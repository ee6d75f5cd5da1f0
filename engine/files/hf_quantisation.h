// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/json_fields.h"
#include "files/model_config.h"

#include <span>
#include <string_view>

namespace engine {

// quantize_config.json (AutoGPTQ, GPTQModel) or quant_config.json (AutoAWQ): what older files have instead of
// quantization_config, or beside it.
struct QuantisationFile {
    std::string_view name; // for errors
    std::string_view json; // empty: there is none
    bool isAwq = false;    // what it means where it names no quant_method
};

// How the weights of a Hugging Face folder are quantised: quantization_config at the top of config.json or inside the text
// model's part of it, and the files of before there was one. Two that say different things of one key: BadFile names both
// files and the key. Unsupported: a way that is not read, named.
Status readHfQuantisation(JsonFields &top, JsonFields &text, std::span<const QuantisationFile> files, ModelConfig &config);

} // namespace engine
