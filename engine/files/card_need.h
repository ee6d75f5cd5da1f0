// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_info.h"
#include "files/model_files.h"

namespace engine {

// Pictures as the model sees them that stay on a card with no answer using them.
inline constexpr std::uint64_t kKeptPictures = 8;
// Of CardNeed::workBytes, what the driver takes for the code of kernels and for recorded steps: not for operations.
inline constexpr std::uint64_t kCodeBytes = std::uint64_t{48} << 20U;

// What the model takes on a card in native precision, from names, shapes and configuration alone.
CardNeed cardNeed(const ModelFiles &files);
// The part that steps work in, which the configuration tells. `isQuantised`: prompts widen the weights in slices.
// `activeBytes`: weights read for a token, which decides how many rows of a prompt go through together.
void addCardWork(CardNeed &need, const ModelConfig &config, bool isQuantised, double activeBytes);

} // namespace engine
