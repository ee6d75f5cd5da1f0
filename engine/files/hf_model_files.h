// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/hf_config.h"
#include "files/model_files.h"

#include <filesystem>
#include <memory>

namespace engine {

Result<std::shared_ptr<const ModelFiles>> openHfFolder(const std::filesystem::path &folder);

// The configuration alone, from a folder that may hold no weights at all.
Result<HfConfig> readHfFolderConfig(const std::filesystem::path &folder);

// chat_template.jinja or chat_template of tokenizer_config.json, and what else of it chooses a chat format.
Result<ChatTemplateInfo> readHfChatTemplate(const std::filesystem::path &folder);

} // namespace engine
