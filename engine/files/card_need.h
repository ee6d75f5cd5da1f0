// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_info.h"
#include "files/model_files.h"

namespace engine {

// What the model takes on a card in native precision, from names, shapes and configuration alone.
CardNeed cardNeed(const ModelFiles &files);
// The part that steps work in, which the configuration tells. `isQuantised`: prompts widen the weights in slices.
// `activeBytes`: weights read for a token, which decides how many rows of a prompt go through together.
void addCardWork(CardNeed &need, const ModelConfig &config, bool isQuantised, double activeBytes);

} // namespace engine
