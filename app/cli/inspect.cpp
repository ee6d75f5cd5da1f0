// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "exit_code.h"
#include "model_lookup.h"
#include "model_options.h"
#include "output.h"
#include "session.h"

#include "engine/runtime.h"

#include <cstdio>
#include <memory>

namespace cli {

namespace {

struct InspectOptions {
    ModelOptions model;
    bool json = false;
};

Json tensorsJson(const engine::ModelInfo &info)
{
    Json list = Json::array();
    for (const engine::TensorSummary &tensor : info.tensors)
        list.push_back({{"name", tensor.name},
                        {"type", tensor.type},
                        {"shape", tensor.shape},
                        {"bytes", tensor.bytes}});
    return list;
}

std::string shapeText(const std::vector<std::int64_t> &shape)
{
    std::string text = "[";
    for (const std::int64_t dim : shape)
        text += (text.size() > 1 ? ", " : "") + std::to_string(dim);
    return text + "]";
}

void printText(const engine::ModelInfo &info, const engine::MemoryPlan &plan)
{
    std::printf("%s\n  path           %s\n  architecture   %s (%s)\n", info.name.c_str(),
                info.path.c_str(), info.architecture.c_str(), info.format.c_str());
    std::printf("  precision      %s\n  chat format    %s\n", info.precision.c_str(),
                info.chatFormat.c_str());
    std::printf("  parameters     %.2f M, %.2f M a token\n",
                static_cast<double>(info.parameters) / 1e6,
                static_cast<double>(info.activeParameters) / 1e6);
    std::printf("  layers         %d, hidden %d, vocabulary %d\n", info.layers, info.hiddenSize,
                info.vocabularySize);
    if (info.routedExperts > 0)
        std::printf("  experts        %d routed, %d a token\n", info.routedExperts,
                    info.expertsPerToken);
    std::printf("  reads pictures %s\n", info.readsPictures ? "yes" : "no");
    std::printf("  memory         weights %s, %s reserved for contexts of %d tokens, %s in all\n",
                humanBytes(plan.weightBytes).c_str(), humanBytes(plan.contextBytes).c_str(),
                plan.contextTokens, humanBytes(plan.totalBytes()).c_str());
    if (plan.expertBytes > 0 || plan.visionBytes > 0 || plan.workBytes > 0)
        std::printf("                 of the weights %s experts, %s for pictures; %s to work in; %s free\n",
                    humanBytes(plan.expertBytes).c_str(), humanBytes(plan.visionBytes).c_str(),
                    humanBytes(plan.workBytes).c_str(), humanBytes(plan.freeBytes).c_str());
    if (plan.cardLayers > 0)
        std::printf("  split          layers %d to %d and the output layer on the card; token embeddings and layers 0 to %d on the\n"
                    "                 processor: weights %s, contexts %s, %s free\n",
                    info.layers - plan.cardLayers, info.layers - 1, info.layers - plan.cardLayers - 1,
                    humanBytes(plan.hostWeightBytes).c_str(), humanBytes(plan.hostContextBytes).c_str(),
                    humanBytes(plan.hostFreeBytes).c_str());
    std::printf("  context        %s a token at 16 bits\n",
                humanBytes(info.kvBytesPerToken).c_str());
    for (const std::string &warning : info.warnings)
        std::printf("  note           %s\n", warning.c_str());
    std::printf("  %zu tensors, %s\n", info.tensors.size(), humanBytes(info.fileBytes).c_str());
    for (const engine::TensorSummary &tensor : info.tensors)
        std::printf("    %-60s %-8s %-20s %s\n", tensor.name.c_str(), tensor.type.c_str(),
                    shapeText(tensor.shape).c_str(), humanBytes(tensor.bytes).c_str());
}

int run(const InspectOptions &options)
{
    const auto load = options.model.loadOptions();
    if (!load)
        return fail(load.error(), options.json);
    auto info = engine::inspectModel(load->path, true);
    if (!info)
        return fail(info.error(), options.json);
    if (!load->name.empty())
        info->name = load->name;
    // A model that does not fit here can still be looked at: then the plan is its weights.
    const auto planned = engine::planMemory(*info, *load);
    engine::MemoryPlan plan{.weightBytes = info->weightBytes};
    if (planned) {
        plan = *planned;
    } else {
        engine::Error error = planned.error();
        addOffers(error, engine::loadOffers(*info, *load, error.code));
        info->warnings.push_back(std::move(error.message));
    }
    if (!options.json) {
        printText(*info, plan);
        return kDone;
    }
    printJson({
        {"name", info->name},
        {"path", info->path},
        {"architecture", info->architecture},
        {"format", info->format},
        {"precision", info->precision},
        {"chat_format", info->chatFormat},
        {"parameters", info->parameters},
        {"active_parameters", info->activeParameters},
        {"file_bytes", info->fileBytes},
        {"context_tokens", info->contextTokens},
        {"layers", info->layers},
        {"hidden_size", info->hiddenSize},
        {"vocabulary_size", info->vocabularySize},
        {"routed_experts", info->routedExperts},
        {"experts_per_token", info->expertsPerToken},
        {"reads_pictures", info->readsPictures},
        {"thinks", info->thinks},
        {"memory",
         {{"weight_bytes", plan.weightBytes},
          {"kv_bytes_per_token", info->kvBytesPerToken},
          {"context_tokens", plan.contextTokens},
          {"context_bytes", plan.contextBytes},
          {"expert_bytes", plan.expertBytes},
          {"vision_bytes", plan.visionBytes},
          {"work_bytes", plan.workBytes},
          {"free_bytes", plan.freeBytes},
          {"total_bytes", plan.totalBytes()},
          {"card_layers", plan.cardLayers},
          {"host_weight_bytes", plan.hostWeightBytes},
          {"host_context_bytes", plan.hostContextBytes}}},
        {"warnings", info->warnings},
        {"tensors", tensorsJson(*info)},
    });
    return kDone;
}

} // namespace

AddedCommand addInspect(CLI::App &app)
{
    auto options = std::make_shared<InspectOptions>();
    CLI::App *command = app.add_subcommand(
        "inspect",
        "Architecture, tensors, precision, memory plan and context cost, without loading");
    options->model.addTo(*command);
    command->add_flag("--json", options->json, "One JSON object on stdout");
    return {command, [options] { return run(*options); }};
}

} // namespace cli
