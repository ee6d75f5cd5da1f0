// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/decoder.h"

namespace engine {

// One loader an architecture, each in the file of its name; registry.cpp lists them.
Result<ModelBundle> loadLlama(const LoadContext &context);
Result<ModelBundle> loadQwen2(const LoadContext &context);
Result<ModelBundle> loadDeepSeek(const LoadContext &context);
Result<ModelBundle> loadDeepSeekVl2(const LoadContext &context);

// The text half of a bundle, with the bytes it takes.
Result<ModelBundle> loadTextBundle(WeightLoader &loader, const LayerParts &parts);
// Latent or plain attention, dense and expert layers, as the configuration says.
LayerParts deepSeekParts(const TextConfig &config);

} // namespace engine
