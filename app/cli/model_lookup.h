// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_info.h"
#include "engine/result.h"

#include <filesystem>
#include <string>
#include <vector>

namespace cli {

struct KnownModel {
    std::string name;
    std::filesystem::path path;
    std::string requantize; // as engine::LoadOptions
    bool isEmbedded = false;
};

// The models that come with the program (found from the executable), then those in the data
// directory.
std::vector<KnownModel> knownModels();
// A folder, a .gguf file or the name of a known model; empty: the embedded picture model. BadFile
// when there is none.
engine::Result<engine::LoadOptions> findModel(const std::string &wanted);

} // namespace cli
