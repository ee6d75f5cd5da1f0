// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_info.h"
#include "files/model_files.h"

#include <string_view>

namespace engine {

// What open files hold, without reading weights: all of ModelInfo but the chat format, which takes a tokenizer.
// kvBytesPerToken counts a 16-bit cache; weightBytes the memory the CPU backend takes for what is used.
// Expects nothing of a tensor but its name: whether a load without guesses reads it.
bool isLoaded(const TextConfig &text, const std::string &name);
// The layer a tensor belongs to, -1: none; layers behind the last one guess tokens ahead (MTP).
int layerOf(const TextConfig &text, std::string_view name);
ModelInfo describeModel(const ModelFiles &files, bool listTensors = false);

} // namespace engine
