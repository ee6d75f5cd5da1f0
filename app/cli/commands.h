// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace cli {

// Each adds its sub-command and returns what runs it; the result is the exit code.
using Command = std::function<int()>;
struct AddedCommand {
    CLI::App *app = nullptr;
    Command run;
};
AddedCommand addAsk(CLI::App &app);
AddedCommand addCompare(CLI::App &app);
AddedCommand addBench(CLI::App &app);
AddedCommand addScore(CLI::App &app);
AddedCommand addTokenize(CLI::App &app);
AddedCommand addInspect(CLI::App &app);
AddedCommand addEval(CLI::App &app);
AddedCommand addModels(CLI::App &app);
AddedCommand addSelftest(CLI::App &app);

} // namespace cli
