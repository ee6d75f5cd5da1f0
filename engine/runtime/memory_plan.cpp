// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory_plan.h"

#include "cache/block_manager.h"
#include "runtime/device_probe.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace engine {

namespace {

constexpr std::uint64_t kSmallCacheBytes = std::uint64_t{256} << 20U;
constexpr int kSmallestContext = 256;

struct Weights {
    std::uint64_t all = 0, experts = 0, vision = 0;
};

// Linear weights in blocks of 32 with a scale each: float32 on the processor, float16 on a card.
Weights weightsOf(const ModelInfo &info, const LoadOptions &options)
{
    Weights weights{info.weightBytes, info.expertBytes, info.visionBytes};
    if (isCard(options))
        weights = {info.onCard.weightBytes, info.onCard.expertBytes, info.onCard.visionBytes};
    if (options.requantize != "q4_0" && options.requantize != "q8_0")
        return weights;
    const std::uint64_t block = (options.requantize == "q4_0" ? 16U : 32U) + (isCard(options) ? 2U : 4U);
    const std::uint64_t all = std::min(weights.all, info.parameters / 32 * block);
    const double share = static_cast<double>(all) / static_cast<double>(std::max<std::uint64_t>(weights.all, 1));
    weights.experts = static_cast<std::uint64_t>(static_cast<double>(weights.experts) * share);
    weights.vision = static_cast<std::uint64_t>(static_cast<double>(weights.vision) * share);
    weights.all = all;
    return weights;
}

std::uint64_t numbersPerToken(const ModelInfo &info, const LoadOptions &options)
{
    std::uint64_t numbers = info.kvBytesPerToken / 2;
    if (options.speculative == Speculative::Mtp && info.layers > 0) // its layer has a cache of its own
        numbers += numbers / static_cast<std::uint64_t>(info.layers);
    return numbers;
}

std::string mebibytes(std::uint64_t bytes)
{
    return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB";
}

} // namespace

Result<int> cardOf(const std::string &device)
{
    const std::string_view name = device;
    int card = 0;
    if (name == "cuda")
        return card;
    const Error unknown{ErrorCode::BadRequest, "the device " + device + " is not known; use cpu, cuda or cuda:N"};
    if (!name.starts_with("cuda:"))
        return unknown;
    const std::string_view number = name.substr(5);
    const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), card);
    if (failure != std::errc() || end != number.data() + number.size() || card < 0)
        return unknown;
    return card;
}

std::uint64_t workBytesOf(const CardNeed &need, int contextTokens)
{
    return need.workBytes + need.workRowBytes * static_cast<std::uint64_t>(std::clamp(need.chunkRows, 0, std::max(contextTokens, 1)));
}

Result<CachePlan> planCache(const CachePlanInput &input, const LoadOptions &options)
{
    const auto bytesOf = [](DType type) { return static_cast<std::uint64_t>(kernels::dtypeInfo(type).blockBytes); };
    // The cache keeps float32 where precision asks for it or where it is small anyway.
    const auto context = static_cast<std::uint64_t>(std::max(options.contextTokens > 0 ? options.contextTokens : input.modelContext, 0));
    const bool isSmall = input.numbersPerToken * bytesOf(DType::F32) * context <= kSmallCacheBytes;
    CachePlan plan;
    const bool onTensorCores = isCard(options) && cudaTensorCores(); // they read nothing wider
    plan.type = options.precision == Precision::Exact || (isSmall && !onTensorCores) ? DType::F32 : DType::BF16;
    const std::uint64_t bytesPerToken = input.numbersPerToken * bytesOf(plan.type);
    ENGINE_TRY(plan.blocks, planKv({.bytesPerToken = bytesPerToken,
                                    .freeBytes = input.freeBytes,
                                    .modelContext = input.modelContext,
                                    .wantedContext = options.contextTokens,
                                    .takesAll = isCard(options)}));
    plan.bytes = static_cast<std::uint64_t>(plan.blocks.blocks) * kBlockTokens * bytesPerToken;
    return plan;
}

Result<MemoryPlan> planMemoryIn(const ModelInfo &info, const LoadOptions &options, std::uint64_t freeBytes)
{
    MemoryPlan plan;
    const Weights weights = weightsOf(info, options);
    plan.weightBytes = weights.all;
    plan.expertBytes = weights.experts;
    plan.visionBytes = weights.vision;
    plan.freeBytes = freeBytes;
    if (isCard(options))
        plan.workBytes = workBytesOf(info.onCard, options.contextTokens > 0 ? options.contextTokens : info.contextTokens);
    const std::uint64_t taken = plan.weightBytes + plan.workBytes;
    ENGINE_TRY(const CachePlan cache, planCache({.numbersPerToken = numbersPerToken(info, options),
                                                 .modelContext = info.contextTokens,
                                                 .freeBytes = freeBytes - std::min(freeBytes, taken)},
                                                options));
    plan.contextTokens = cache.blocks.contextTokens;
    plan.contextBytes = cache.bytes;
    return plan;
}

Result<MemoryPlan> planMemory(const ModelInfo &info, const LoadOptions &options)
{
    const std::uint64_t host = probeMemory().freeBytes;
    if (!isCard(options))
        return planMemoryIn(info, options, host);
    ENGINE_TRY(const int card, cardOf(options.device));
    auto backend = makeCudaBackend(card, options.precision == Precision::Exact);
    if (!backend) {
        Error error = std::move(backend).error();
        error.message += whatFits(info, options, 0, host);
        return error;
    }
    const std::uint64_t free = (*backend)->memory().free;
    Result<MemoryPlan> plan = planMemoryIn(info, options, free);
    if (plan || plan.error().code != ErrorCode::OutOfMemory)
        return plan;
    Error error = std::move(plan).error();
    error.message += whatFits(info, options, free, host);
    return error;
}

std::string whatFits(const ModelInfo &info, const LoadOptions &options, std::uint64_t cardBytes, std::uint64_t hostBytes)
{
    std::string text;
    LoadOptions other = options;
    const auto tryOn = [&](std::uint64_t bytes) { // what is left after weights and work must hold some context
        const auto plan = planMemoryIn(info, other, bytes);
        return plan && plan->totalBytes() <= bytes ? std::optional(*plan) : std::nullopt;
    };
    if (cardBytes > 0 && options.contextTokens != kSmallestContext) {
        other.contextTokens = 0; // what fits
        if (const auto plan = tryOn(cardBytes); plan && (options.contextTokens == 0 || plan->contextTokens < options.contextTokens))
            text += " A context of " + std::to_string(plan->contextTokens) + " tokens fits on the card.";
        other.contextTokens = std::min(kSmallestContext, std::max(info.contextTokens, 1));
        for (const char *type : {"q8_0", "q4_0"}) {
            other.requantize = type;
            if (!text.empty() || type == options.requantize || weightsOf(info, other).all >= weightsOf(info, options).all)
                continue;
            if (tryOn(cardBytes))
                text += " Re-quantised to " + std::string(type) + " the weights take " + mebibytes(weightsOf(info, other).all) +
                        ", which fits on the card.";
        }
    }
    other = options;
    other.device = "cpu";
    other.contextTokens = std::min(kSmallestContext, std::max(info.contextTokens, 1));
    if (const auto plan = tryOn(hostBytes))
        text += " On the processor it takes " + mebibytes(plan->totalBytes()) + " with the smallest context, and " + mebibytes(hostBytes) +
                " are free there.";
    return text;
}

} // namespace engine
