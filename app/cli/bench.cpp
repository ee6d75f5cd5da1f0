// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "exit_code.h"
#include "interrupt.h"
#include "memory_bandwidth.h"
#include "model_options.h"
#include "output.h"
#include "session.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <numeric>

namespace cli {

namespace {

struct BenchCommand {
    ModelOptions model;
    std::string image;
    engine::BenchOptions bench;
    int repeat = 3;
    bool json = false;
};

struct Figure {
    double mean = 0, deviation = 0;
};

Figure figureOf(const std::vector<engine::BenchResult> &results, double engine::BenchResult::*value)
{
    Figure figure;
    const auto count = static_cast<double>(results.size());
    for (const auto &result : results)
        figure.mean += result.*value / count;
    for (const auto &result : results)
        figure.deviation += (result.*value - figure.mean) * (result.*value - figure.mean) / count;
    figure.deviation = std::sqrt(figure.deviation);
    return figure;
}

int run(BenchCommand options)
{
    if (!options.image.empty()) {
        auto pictures = readPictures({options.image});
        if (!pictures)
            return fail(pictures.error(), options.json);
        options.bench.image = pictures->front();
    }
    const auto load = options.model.loadOptions();
    if (!load)
        return fail(load.error(), options.json);
    if (load->speculative != engine::Speculative::None)
        return fail({engine::ErrorCode::BadRequest,
                     "bench feeds random tokens, on which guesses tell nothing; leave --speculative "
                     "out and compare generate_tps of two ask runs"},
                    options.json);
    Session session;
    const auto model = session.load(*load);
    if (!model)
        return fail(model.error(), options.json);
    options.bench.model = *model;
    std::vector<engine::BenchResult> results;
    {
        const InterruptStop stop;
        options.bench.stop = stop.token();
        for (int round = 0; round < options.repeat; ++round) {
            const auto result = session.runtime().bench(options.bench);
            // Stopped: the figures are of the rounds that were done.
            const bool stopped =
                !result && result.error().code == engine::ErrorCode::Cancelled && !results.empty();
            if (!result && !stopped)
                return fail(result.error(), options.json);
            if (stopped)
                break;
            results.push_back(*result);
        }
    }
    const int rounds = static_cast<int>(results.size());
    const int code = rounds < options.repeat ? kCancelled : kDone;
    engine::LoadedModel loaded;
    for (const engine::LoadedModel &one : session.runtime().models())
        if (one.id == *model)
            loaded = one;
    const Figure prompt = figureOf(results, &engine::BenchResult::promptTokensPerSecond);
    const Figure generate = figureOf(results, &engine::BenchResult::generateTokensPerSecond);
    const Figure first = figureOf(results, &engine::BenchResult::firstTokenMs);
    // Weights are read once a step, whatever the batch.
    const double bandwidth =
        results.front().readBytesPerToken * generate.mean / options.bench.batch / 1e9;
    std::int64_t replayed = 0, recorded = 0, launched = 0, ahead = 0, forgotten = 0;
    for (const engine::BenchResult &result : results) {
        replayed += result.replayedSteps;
        recorded += result.recordedSteps;
        launched += result.launchedSteps;
        ahead += result.aheadSteps;
        forgotten += result.forgottenSteps;
    }
    const bool records = replayed + recorded + launched > 0;
    const std::string refusal = results.back().recordingRefusal;
    const std::uint64_t peakBytes = peakRssBytes(); // before the block that measures the machine
    const double machine = code == kDone && load->device == "cpu" ? measureReadBandwidth(options.model.threads) : 0;

    Json json{
        {"model", session.nameOf(*model)},
        {"device", load->device},
        {"card_layers", loaded.cardLayers},
        {"prompt_tokens", options.bench.promptTokens},
        {"generate_tokens", options.bench.generateTokens},
        {"depth_tokens", options.bench.depthTokens},
        {"batch", options.bench.batch},
        {"repeat", rounds},
        {"prompt_tps", prompt.mean},
        {"prompt_tps_deviation", prompt.deviation},
        {"generate_tps", generate.mean},
        {"generate_tps_deviation", generate.deviation},
        {"ttft_ms", first.mean},
        {"ttft_ms_deviation", first.deviation},
        {"load_ms", session.loadMs()},
        {"peak_rss_bytes", peakBytes},
        {"device_bytes", session.deviceBytes()},
        {"bandwidth_gbs", bandwidth},
        {"bandwidth_share", machine > 0 ? Json(bandwidth / machine) : Json()},
        {"machine_bandwidth_gbs", machine > 0 ? Json(machine) : Json()},
    };
    if (records)
        json["steps"] = {{"replayed", replayed}, {"recorded", recorded}, {"launched", launched},
                         {"ahead", ahead}, {"forgotten", forgotten}, {"refusal", refusal}};
    const engine::CardUse &planned = results.back().planned, &used = results.back().used;
    const auto inParts = [](const engine::CardUse &use) {
        return Json{{"weight_bytes", use.weightBytes}, {"context_bytes", use.contextBytes}, {"work_bytes", use.workBytes}};
    };
    if (used.totalBytes() > 0)
        json["memory"] = {{"planned_bytes", planned.totalBytes()}, {"used_bytes", used.totalBytes()}, {"planned", inParts(planned)},
            {"used", inParts(used)}, {"work_most_bytes", results.back().workMostBytes}, {"work_outside_bytes", results.back().workOutsideBytes}};
    if (options.json) {
        printJson(json);
        return code;
    }
    const std::string depth = options.bench.depthTokens > 0
                                  ? " at depth " + std::to_string(options.bench.depthTokens)
                                  : "";
    std::printf("%s on %s, batch %d, %d rounds\n", session.nameOf(*model).c_str(),
                load->device.c_str(), options.bench.batch, rounds);
    if (loaded.cardLayers > 0)
        std::printf("%d of %d layers on the card, the first %d on the processor\n", loaded.cardLayers, loaded.info.layers,
                    loaded.info.layers - loaded.cardLayers);
    std::printf("prompt    %10.1f ± %.1f tokens/s  (%d tokens%s)\n", prompt.mean, prompt.deviation,
                options.bench.promptTokens, depth.c_str());
    std::printf("generate  %10.1f ± %.1f tokens/s  (%d tokens%s)\n", generate.mean,
                generate.deviation, options.bench.generateTokens, depth.c_str());
    std::printf("first token after %.1f ± %.1f ms%s; load %.0f ms; peak memory %s\n", first.mean, first.deviation,
                options.bench.image ? " from the picture" : "", session.loadMs(),
                humanBytes(peakBytes).c_str());
    if (options.bench.image)
        std::printf("of the last one %.1f ms for making its tiles and %.1f ms in the picture tower\n", results.back().resizeMs,
                    results.back().lookMs);
    if (records)
        std::printf("steps: %lld replayed, %lld of them begun ahead and %lld more in vain, %lld recorded, %lld launched "
                    "operation by operation%s%s\n",
                    static_cast<long long>(replayed), static_cast<long long>(ahead - forgotten),
                    static_cast<long long>(forgotten), static_cast<long long>(recorded),
                    static_cast<long long>(launched), refusal.empty() ? "" : "; not recorded: ",
                    refusal.c_str());
    if (used.totalBytes() > 0) {
        std::printf("card memory: %s planned, %s used (%+.1f %%)\n", humanBytes(planned.totalBytes()).c_str(), humanBytes(used.totalBytes()).c_str(),
                    (static_cast<double>(used.totalBytes()) / static_cast<double>(std::max<std::uint64_t>(planned.totalBytes(), 1)) - 1.0) * 100.0);
        std::printf("  weights %s, %s used; context %s, %s; to work in %s, %s; at most %s of it in use\n",
                    humanBytes(planned.weightBytes).c_str(), humanBytes(used.weightBytes).c_str(), humanBytes(planned.contextBytes).c_str(),
                    humanBytes(used.contextBytes).c_str(), humanBytes(planned.workBytes).c_str(), humanBytes(used.workBytes).c_str(),
                    humanBytes(results.back().workMostBytes).c_str());
        if (results.back().workOutsideBytes > 0)
            std::printf("  beside what was reserved: %s\n", humanBytes(results.back().workOutsideBytes).c_str());
    }
    if (machine > 0)
        std::printf("weights read at %.1f GB/s, %.0f %% of the %.1f GB/s this machine reads\n",
                    bandwidth, bandwidth / machine * 100, machine);
    return code;
}

} // namespace

AddedCommand addBench(CLI::App &app)
{
    auto options = std::make_shared<BenchCommand>();
    CLI::App *command =
        app.add_subcommand("bench", "Measure tokens per second; needs no tokenizer");
    options->model.addTo(*command);
    command->add_option("-i,--image", options->image,
                        "Measure from this picture to the first token");
    command->add_option("-p,--prompt", options->bench.promptTokens, "Prompt tokens")
        ->check(CLI::Range(0, std::numeric_limits<int>::max()))
        ->capture_default_str();
    command->add_option("-n,--generate", options->bench.generateTokens, "Tokens to generate")
        ->check(CLI::Range(0, std::numeric_limits<int>::max()))
        ->capture_default_str();
    command->add_option("-d,--depth", options->bench.depthTokens, "Tokens already in the context")
        ->check(CLI::Range(0, std::numeric_limits<int>::max()))
        ->capture_default_str();
    command->add_option("-r,--repeat", options->repeat, "Rounds")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command->add_option("--batch", options->bench.batch, "Sequences side by side")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    command->add_flag("--json", options->json, "One JSON object on stdout");
    return {command, [options] { return run(*options); }};
}

} // namespace cli
