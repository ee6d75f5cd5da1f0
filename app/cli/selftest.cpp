// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "exit_code.h"
#include "interrupt.h"
#include "model_lookup.h"
#include "output.h"
#include "selftest_models.h"

#include "engine/selftest.h"

#include <cstdio>
#include <memory>

namespace cli {

namespace {

struct SelftestOptions {
    std::string device = "cpu";
    std::uint64_t seed = 1;
    std::string only, model;
    int context = 0;
    bool json = false;
};

void report(const engine::SelftestRow &row, bool json, Json &rows)
{
    if (!json)
        std::printf("%-4s %-12s %-24s %-24s error %.2e of %.0e\n", row.passed ? "ok" : "FAIL",
                    row.device.c_str(), row.operation.c_str(), row.shape.c_str(), row.error,
                    row.bound);
    std::fflush(stdout); // a large model takes minutes
    rows.push_back({{"device", row.device},
                    {"operation", row.operation},
                    {"shape", row.shape},
                    {"error", row.error},
                    {"bound", row.bound},
                    {"passed", row.passed}});
}

int run(const SelftestOptions &options)
{
    exitOnInterrupt();
    Json rows = Json::array();
    int failures = 0;
    const auto add = [&](const engine::SelftestRow &row) { report(row, options.json, rows); };
    if (options.model.empty()) {
        const auto failed = engine::runSelftest(options.device, options.seed, add, options.only);
        if (!failed)
            return fail(failed.error(), options.json);
        failures += *failed;
    }
    if (!options.model.empty() || (options.device != "cpu" && options.only.empty())) {
        auto load = findModel(options.model);
        if (!load)
            return fail(load.error(), options.json);
        load->device = options.device;
        load->contextTokens = options.context;
        const auto failed = checkModel(*load, options.only, add);
        if (!failed)
            return fail(failed.error(), options.json);
        failures += *failed;
    }
    if (options.json)
        printJson({{"device", options.device},
                   {"seed", options.seed},
                   {"checks", rows.size()},
                   {"failures", failures},
                   {"rows", rows}});
    else
        std::printf("%zu checks, %d failed\n", rows.size(), failures);
    return failures == 0 ? kDone : kInternal;
}

} // namespace

AddedCommand addSelftest(CLI::App &app)
{
    auto options = std::make_shared<SelftestOptions>();
    CLI::App *command =
        app.add_subcommand("selftest", "Every kernel against the scalar reference; on a card also "
                                       "the embedded model against the processor, and eight answers of "
                                       "it together and alone");
    command->add_option("--device", options->device, "cpu, cuda or cuda:N")->capture_default_str();
    command->add_option("--seed", options->seed, "Seed of the random inputs")
        ->capture_default_str();
    command->add_option("--only", options->only, "Checks whose operation and shape (\"OPERATION, SHAPE\") hold this text");
    command->add_option("-m,--model", options->model, "This model instead of the kernels: a folder, a .gguf file or a name");
    command->add_option("--context", options->context, "Its context in tokens")->check(CLI::NonNegativeNumber);
    command->add_flag("--json", options->json, "One JSON object on stdout");
    return {command, [options] { return run(*options); }};
}

} // namespace cli
