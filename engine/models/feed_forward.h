// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/step.h"
#include "models/weight_loader.h"

#include <memory>
#include <string>

namespace engine {

// down(silu(gate(x)) * up(x)). `prefix` is "model.layers.N.mlp".
Result<std::unique_ptr<Block>> loadDenseFeedForward(WeightLoader &loader, const std::string &prefix,
    std::int64_t intermediate);

// Routed and shared experts (DeepSeekMoE, arXiv 2401.06066; routing of V2 and V3). Records what was chosen for
// the observed rows.
Result<std::unique_ptr<Block>> loadMoeFeedForward(WeightLoader &loader, const std::string &prefix);

} // namespace engine
