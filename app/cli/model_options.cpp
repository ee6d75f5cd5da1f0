// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "model_options.h"

#include "engine/runtime.h"
#include "model_lookup.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

namespace cli {

namespace {

std::optional<int> wholeNumber(const std::string &text)
{
    int value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failure == std::errc() && end == text.data() + text.size() && value >= 0
               ? std::optional(value)
               : std::nullopt;
}

engine::Error usage(std::string message)
{
    return {engine::ErrorCode::BadRequest, std::move(message)};
}

// FOLDER or FOLDER:SCALE; what follows the last colon is a scale only when it is a number.
engine::Result<engine::AdapterOptions> adapterOptions(const std::string &text)
{
    engine::AdapterOptions adapter{.path = text};
    const std::size_t colon = text.rfind(':');
    if (colon != std::string::npos) {
        double scale = 0;
        const char *const end = text.data() + text.size();
        const auto [stop, failure] = std::from_chars(text.data() + colon + 1, end, scale);
        if (failure == std::errc() && stop == end) {
            if (!std::isfinite(scale))
                return usage("--lora takes FOLDER or FOLDER:SCALE with a number as its scale");
            adapter = {.path = text.substr(0, colon), .scale = scale};
        }
    }
    if (adapter.path.empty())
        return usage("--lora takes FOLDER or FOLDER:SCALE");
    return adapter;
}

// The first card that has room for the model or part of it, else the processor; then stderr says why.
void chooseDevice(engine::LoadOptions &options)
{
    const auto info = engine::inspectModel(options.path);
    std::string why;
    for (const engine::DeviceInfo &found : engine::Runtime::create()->devices()) {
        if (found.id == "cpu" || !info)
            continue;
        options.device = found.id;
        const engine::Result<engine::MemoryPlan> plan =
            found.usable ? engine::planMemory(*info, options) : engine::Error{engine::ErrorCode::DeviceLost, found.whyNot};
        if (plan)
            return;
        why = plan.error().message;
    }
    if (!why.empty())
        std::fprintf(stderr, "diptych-cli: on the processor, because of the card: %s\n", why.c_str());
    options.device = "cpu";
    options.cardLayers = 0;
}

} // namespace

void ModelOptions::addTo(CLI::App &command)
{
    command
        .add_option("-m,--model", models,
                    "Folder, .gguf file or installed name (default: the embedded picture model)")
        ->allow_extra_args(false);
    command.add_option("--device", device, "cpu, cuda, cuda:N, or auto: a card where there is one, with as many layers as fit")
        ->capture_default_str();
    command.add_option("--gpu-layers", gpuLayers,
                       "With --device cuda: how many of the last layers lie on the card, the others on the processor, or auto "
                       "for as many as fit (default: all)");
    command.add_option("--threads", threads, "Worker threads (0: as many as allowed)")
        ->check(CLI::Range(0, 4096));
    command
        .add_option("--context", context,
                    "Context length in tokens (0: what the model and memory allow)")
        ->check(CLI::Range(0, std::numeric_limits<int>::max()));
    command.add_option("--precision", precision, "exact computes in float32 throughout, rounded (processor only) rounds what products read to bfloat16")
        ->check(CLI::IsMember({"native", "exact", "rounded"}));
    command.add_option("--attention-window", attentionWindow, "Sliding window in tokens (0: off)")
        ->check(CLI::Range(0, std::numeric_limits<int>::max()));
    command
        .add_option("--lora", adapters,
                    "PEFT LoRA adapter merged at load, a folder or FOLDER:SCALE; may be given several "
                    "times")
        ->allow_extra_args(false);
    command.add_option("--system", system, "System message");
    command.add_option("--seed", sampling.seed, "Seed of the sampler");
    command.add_option("--temperature", sampling.temperature, "0: the likeliest token every time");
    command.add_option("--top-k", sampling.topK, "0: off");
    command.add_option("--top-p", sampling.topP, "1: off");
    command.add_option("--min-p", sampling.minP, "0: off");
    command.add_option("--repetition-penalty", sampling.repetitionPenalty, "1: off");
    command.add_option("--max-tokens", sampling.maxTokens, "Longest answer");
    command
        .add_option("--stop", sampling.stops,
                    "Text that ends the answer; may be given several times")
        ->allow_extra_args(false);
    command.add_option("--max-experts", maxExperts, "Experts per token, or auto");
    command
        .add_option("--stop-expert-ids", stopExpertIds, "Experts that may not be chosen, as 2,5")
        ->delimiter(',');
    command.add_option("--speculative", speculative, "mtp: let the model's own extra layer guess tokens ahead; the answers stay "
                       "as they are")
        ->check(CLI::IsMember({"none", "mtp"}));
    command.add_option("--think", think, "on, off or a budget in tokens");
}

engine::Result<engine::LoadOptions> ModelOptions::loadOptions(std::size_t index) const
{
    ENGINE_TRY(engine::LoadOptions options,
               findModel(index < models.size() ? models[index] : std::string()));
    options.device = device;
    if (!gpuLayers.empty() && gpuLayers != "auto") {
        const auto count = wholeNumber(gpuLayers);
        if (!count || *count < 1 || !device.starts_with("cuda"))
            return usage("--gpu-layers takes a number from 1 or auto, together with --device cuda; all layers on the processor is --device cpu");
        options.cardLayers = *count;
    } else if (device == "auto" || (gpuLayers == "auto" && device != "cpu")) {
        options.cardLayers = engine::kLayersThatFit;
    }
    options.threads = threads;
    options.contextTokens = context;
    options.attentionWindow = attentionWindow;
    options.speculative =
        speculative == "mtp" ? engine::Speculative::Mtp : engine::Speculative::None;
    options.precision = precision == "exact" ? engine::Precision::Exact
                        : precision == "rounded" ? engine::Precision::Rounded : engine::Precision::Native;
    if (device == "auto")
        chooseDevice(options);
    for (const std::string &text : adapters) {
        ENGINE_TRY(engine::AdapterOptions adapter, adapterOptions(text));
        options.adapters.push_back(std::move(adapter));
    }
    return options;
}

engine::Result<engine::GenerationRequest> ModelOptions::request() const
{
    engine::GenerationRequest request;
    request.sampling = sampling;
    if (maxExperts == "auto") {
        request.experts.automatic = true;
    } else if (!maxExperts.empty()) {
        const auto count = wholeNumber(maxExperts);
        if (!count || *count < 1)
            return usage("--max-experts takes a number from 1 or auto");
        request.experts.maxExperts = *count;
    }
    request.experts.stopExpertIds = stopExpertIds;
    if (think == "on") {
        request.think.mode = engine::ThinkMode::On;
    } else if (think == "off") {
        request.think.mode = engine::ThinkMode::Off;
    } else if (!think.empty()) {
        const auto budget = wholeNumber(think);
        if (!budget)
            return usage("--think takes on, off or a number of tokens");
        request.think = {.mode = engine::ThinkMode::Budget, .budgetTokens = *budget};
    }
    return request;
}

engine::Result<engine::GenerationRequest>
ModelOptions::request(const std::string &question,
                      std::vector<std::shared_ptr<const engine::Image>> images) const
{
    ENGINE_TRY(engine::GenerationRequest request, this->request());
    if (!system.empty())
        request.turns.push_back(
            {.role = engine::Role::System, .text = system, .thinking = {}, .images = {}});
    request.turns.push_back({.role = engine::Role::User,
                             .text = question,
                             .thinking = {},
                             .images = std::move(images)});
    return request;
}

} // namespace cli
