// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_info.h"
#include "engine/result.h"
#include "engine/selftest.h"

#include <functional>
#include <string>

namespace cli {

using ReportRow = std::function<void(const engine::SelftestRow &row)>;

// A whole model on the device of `options`: eight answers together and each alone, equal to the bit in tokens and
// probabilities; the same of answers that begin and end one by one; the same twice; and on a card float32 logits and first
// tokens against the processor. Checks whose name holds `only`. Gives the number of failures; waits, as Session does.
engine::Result<int> checkModel(const engine::LoadOptions &options, const std::string &only, const ReportRow &report);

} // namespace cli
