// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/model_files.h"

#include <filesystem>
#include <memory>

namespace engine {

// One GGUF file, or any part of a split one (name-00001-of-00003.gguf): the other parts are found beside it.
Result<std::shared_ptr<const ModelFiles>> openGguf(const std::filesystem::path &path);

bool isFirstGgufPart(const std::filesystem::path &path);

} // namespace engine
