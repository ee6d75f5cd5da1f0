// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model_options.h"
#include "output.h"
#include "session.h"

#include <string>

namespace cli {

// One answer with its figures and ids.
Json answerJson(const Session &session, engine::ModelId model, const Answer &answer,
                const ModelOptions &options);
// The same figures in one line for people.
std::string metricsLine(const Session &session, const Answer &answer);

} // namespace cli
