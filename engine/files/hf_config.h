// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/hf_quantisation.h"
#include "files/model_config.h"

#include <span>
#include <string_view>

namespace engine {

struct HfConfig {
    ModelConfig config;
    // topk_method was absent and guessed from the score; a model without correction biases routes greedily then.
    bool isRoutingGuessed = false;
};

// config.json normalised with the class defaults of architectures.md 1.3 and 10.1, and checked. The other texts are
// those of processor_config.json and generation_config.json, empty when there is no such file. Of `quantisations` the first
// that exists counts where config.json says nothing of the kind; where it does, they must say the same.
// BadFile: broken or impossible; Unsupported: a model or feature we cannot run, named. Never throws.
Result<HfConfig> readHfConfig(std::string_view configJson, std::string_view processorJson = {},
    std::string_view generationJson = {}, std::span<const QuantisationFile> quantisations = {});

} // namespace engine
