// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "exit_code.h"
#include "interrupt.h"
#include "model_lookup.h"
#include "output.h"
#include "session.h"

#include "engine/selftest.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

namespace cli {

namespace {

struct SelftestOptions {
    std::string device = "cpu";
    std::uint64_t seed = 1;
    std::string only;
    bool json = false;
};

void report(const engine::SelftestRow &row, bool json, Json &rows)
{
    if (!json)
        std::printf("%-4s %-12s %-24s %-24s error %.2e of %.0e\n", row.passed ? "ok" : "FAIL",
                    row.device.c_str(), row.operation.c_str(), row.shape.c_str(), row.error,
                    row.bound);
    rows.push_back({{"device", row.device},
                    {"operation", row.operation},
                    {"shape", row.shape},
                    {"error", row.error},
                    {"bound", row.bound},
                    {"passed", row.passed}});
}

// The embedded model's float32 logits on the device against the processor's.
engine::Result<engine::SelftestRow> compareModels(const std::string &device)
{
    constexpr int kTokens = 48;
    constexpr double kBound = 1e-3;
    ENGINE_TRY(engine::LoadOptions options, findModel(""));
    options.precision = engine::Precision::Exact;
    Session session;
    ENGINE_TRY(const engine::ModelId host, session.load(options));
    options.device = device;
    ENGINE_TRY(const engine::ModelId card, session.load(options));
    std::vector<std::int32_t> ids;
    for (int i = 0; i < kTokens; ++i)
        ids.push_back(i * 7 % 251);
    ENGINE_TRY(const std::vector<float> expected, session.runtime().score(host, ids, {}));
    ENGINE_TRY(const std::vector<float> actual, session.runtime().score(card, ids, {}));
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += std::pow(static_cast<double>(expected[i]) - actual[i], 2);
        size += std::pow(static_cast<double>(expected[i]), 2);
    }
    engine::SelftestRow row{.device = device,
                            .operation = "model " + session.nameOf(host),
                            .shape = std::to_string(kTokens) + " tokens",
                            .error = std::sqrt(difference / std::max(size, 1e-30)),
                            .bound = kBound};
    row.passed = row.error <= kBound; // false for a NaN
    return row;
}

int run(const SelftestOptions &options)
{
    exitOnInterrupt();
    Json rows = Json::array();
    const auto result =
        engine::runSelftest(options.device, options.seed, [&](const engine::SelftestRow &row) {
            report(row, options.json, rows);
        }, options.only);
    if (!result)
        return fail(result.error(), options.json);
    int failures = *result;
    if (options.device != "cpu" && options.only.empty()) {
        const auto row = compareModels(options.device);
        if (!row)
            return fail(row.error(), options.json);
        report(*row, options.json, rows);
        failures += row->passed ? 0 : 1;
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
                                       "the embedded model against the processor");
    command->add_option("--device", options->device, "cpu, cuda or cuda:N")->capture_default_str();
    command->add_option("--seed", options->seed, "Seed of the random inputs")
        ->capture_default_str();
    command->add_option("--only", options->only, "Operations whose name holds this text");
    command->add_flag("--json", options->json, "One JSON object on stdout");
    return {command, [options] { return run(*options); }};
}

} // namespace cli
