// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/events.h"
#include "engine/request.h"
#include "storage/records.h"

#include <QString>

namespace ui {

// Between what the engine says and what the database keeps.
[[nodiscard]] QString samplerJson(const engine::SamplingOptions &sampling);
void takeUsage(StoredRun &run, const engine::Finished &finished);
[[nodiscard]] AnswerState answerState(const engine::Finished &finished);

} // namespace ui
