// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/model_config.h"

#include <string_view>

namespace engine {

// Whether the numbers of a configuration make sense together, before anything is computed or allocated from them:
// every count is positive and below a wide limit, heads divide, experts suffice, rotations are finite.
// BadFile names `fileName` and the wrong value.
Status checkConfig(const ModelConfig &config, std::string_view fileName);

} // namespace engine
