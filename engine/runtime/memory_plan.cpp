// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/memory_plan.h"

#include "backend/card_name.h"
#include "backend/cuda_work.h"
#include "cache/block_manager.h"
#include "runtime/device_probe.h"

#include <algorithm>
#include <bit>
#include <string_view>

namespace engine {

namespace {

constexpr std::uint64_t kSmallCacheBytes = std::uint64_t{256} << 20U;
constexpr int kSmallestContext = 256, kUsefulContext = 4096;

struct Weights {
    std::uint64_t all = 0, experts = 0, vision = 0;
};

// Linear weights in blocks of 32 with a scale each: float32 on the processor, float16 on a card. Token embeddings stay as
// they are, the output layer takes 8 bits.
Weights weightsOf(const ModelInfo &info, const LoadOptions &options)
{
    Weights weights{info.weightBytes, info.expertBytes, info.visionBytes};
    if (isCard(options))
        weights = {info.onCard.weightBytes + (options.speculative == Speculative::Mtp ? info.onCard.guessBytes : 0), info.onCard.expertBytes,
                   info.onCard.visionBytes};
    if (options.requantize != "q4_0" && options.requantize != "q8_0")
        return weights;
    const std::uint64_t scale = isCard(options) ? 2 : 4, block = (options.requantize == "q4_0" ? 16U : 32U) + scale;
    const std::uint64_t embeddings = isCard(options) ? info.onCard.embeddingBytes : info.embeddingBytes;
    const std::uint64_t table = static_cast<std::uint64_t>(std::max(info.vocabularySize, 0)) * static_cast<std::uint64_t>(std::max(info.hiddenSize, 0));
    const std::uint64_t rest = info.parameters - std::min(info.parameters, 2 * table);
    const std::uint64_t all = std::min(weights.all, rest / 32 * block + table / 32 * (32 + scale) + embeddings);
    const double share = static_cast<double>(all) / static_cast<double>(std::max<std::uint64_t>(weights.all, 1));
    weights.experts = static_cast<std::uint64_t>(static_cast<double>(weights.experts) * share);
    weights.vision = static_cast<std::uint64_t>(static_cast<double>(weights.vision) * share);
    weights.all = all;
    return weights;
}

// Of the first layers and the token embeddings, and the rest.
struct SplitWeights {
    std::uint64_t host = 0;
    Weights card;
};
SplitWeights splitWeightsOf(const ModelInfo &info, const LoadOptions &options, int firstLayers)
{
    LoadOptions onHost = options;
    onHost.device = "cpu";
    const auto scaled = [](std::uint64_t bytes, std::uint64_t all, std::uint64_t plain) {
        return static_cast<std::uint64_t>(static_cast<double>(bytes) * static_cast<double>(all) / static_cast<double>(std::max<std::uint64_t>(plain, 1)));
    };
    std::uint64_t host = 0, gone = 0;
    for (int layer = 0; layer < firstLayers; ++layer) {
        host += info.layerBytes[static_cast<std::size_t>(layer)];
        gone += info.onCard.layerBytes[static_cast<std::size_t>(layer)];
    }
    SplitWeights weights{.host = scaled(host, weightsOf(info, onHost).all, info.weightBytes) + info.embeddingBytes, .card = weightsOf(info, options)};
    const std::uint64_t whole = weights.card.all;
    weights.card.all -= std::min(whole, scaled(gone, whole, info.onCard.weightBytes) + info.onCard.embeddingBytes);
    const std::uint64_t share = static_cast<std::uint64_t>(info.layers - firstLayers);
    weights.card.experts = weights.card.experts / static_cast<std::uint64_t>(info.layers) * share;
    return weights;
}

// The weights alone are too many.
Error noRoom(const MemoryPlan &plan, std::uint64_t free)
{
    return {ErrorCode::OutOfMemory, "the weights take " + sizeOf(plan.weightBytes) + " and every step " + sizeOf(plan.workBytes) +
            " to work in, and " + sizeOf(free) + " are free on the card"};
}

std::uint64_t numbersPerToken(const ModelInfo &info, const LoadOptions &options)
{
    std::uint64_t numbers = info.kvBytesPerToken / 2;
    if (options.speculative == Speculative::Mtp && info.layers > 0) // its layer has a cache of its own
        numbers += numbers / static_cast<std::uint64_t>(info.layers);
    return numbers;
}

} // namespace

std::string sizeOf(std::uint64_t bytes)
{
    constexpr std::uint64_t kMega = 1000 * 1000, kGiga = 1000 * kMega;
    if (bytes < kGiga)
        return std::to_string((bytes + kMega / 2) / kMega) + " MB";
    const std::uint64_t tenths = (bytes + kGiga / 20) / (kGiga / 10);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GB";
}

std::uint64_t weightBytesOf(const ModelInfo &info, const LoadOptions &options)
{
    return weightsOf(info, options).all;
}

std::uint64_t workBytesOf(const CardNeed &need, int contextTokens)
{
    const int context = std::max(contextTokens, 1);
    const auto tokens = static_cast<std::uint64_t>(context), rows = static_cast<std::uint64_t>(std::clamp(need.chunkRows, 0, context));
    std::uint64_t bytes = need.workBytes + need.workRowBytes * rows;
    if (rows > cudawork::kFewRows) { // the keys and values of a prompt lie side by side
        const std::uint64_t seen = std::min(tokens, rows * cudawork::kTokensARow);
        bytes += need.widenedBytes + need.latentTokenBytes * seen
            + std::max(std::min<std::uint64_t>(need.keyTokenBytes * seen, cudawork::kExpandedBytes), need.headTokenBytes * seen);
    }
    constexpr std::int64_t kAnswers = 8, kAnswerTokens = 8192; // side by side
    const std::int64_t parts = std::max(cudawork::parts(context), kAnswers * cudawork::parts(std::min<std::int64_t>(context, kAnswerTokens)));
    return bytes + need.partBytes * static_cast<std::uint64_t>(parts);
}

int promptRowsOf(double activeBytes, bool isHost, int firstLayers, int layers)
{
    const auto rowsFor = [](double bytesPerTenth, double bytes, int largest) { // weight bytes times rows
        const double rows = std::min(bytesPerTenth / std::max(bytes, 1.0), static_cast<double>(largest));
        return std::max(16, static_cast<int>(std::bit_floor(static_cast<unsigned>(std::max(rows, 1.0)))));
    };
    constexpr double kHostBytes = 5e9, kCardBytes = 3.3e13;
    constexpr int kHostRows = 256, kCardRows = 4096, kLeastSplitRows = 64; // fewer leave a card idle
    if (isHost)
        return rowsFor(kHostBytes, activeBytes, kHostRows);
    const int rows = rowsFor(kCardBytes, activeBytes, kCardRows);
    if (firstLayers < 1)
        return rows;
    const double share = static_cast<double>(firstLayers) / layers;
    return std::min(rows, std::max(kLeastSplitRows, rowsFor(kHostBytes, activeBytes * share, static_cast<int>(kHostRows / share))));
}

Result<CachePlan> planCache(const CachePlanInput &input, const LoadOptions &options)
{
    const auto bytesOf = [](DType type) { return static_cast<std::uint64_t>(kernels::dtypeInfo(type).blockBytes); };
    // The cache keeps float32 where precision asks for it or where it is small anyway.
    const auto context = static_cast<std::uint64_t>(std::max(options.contextTokens > 0 ? options.contextTokens : input.modelContext, 0));
    const bool isSmall = input.numbersPerToken * bytesOf(DType::F32) * context <= kSmallCacheBytes;
    CachePlan plan;
    const bool onTensorCores = isCard(options) && cudaTensorCores(); // they read nothing wider
    const bool isNarrow = options.precision == Precision::Rounded || (options.precision == Precision::Native && (!isSmall || onTensorCores));
    plan.type = isNarrow ? DType::BF16 : DType::F32;
    const std::uint64_t perLayer = input.numbersPerToken * bytesOf(plan.type) / static_cast<std::uint64_t>(input.layers);
    const std::uint64_t hostPerToken = perLayer * static_cast<std::uint64_t>(input.firstLayers);
    const std::uint64_t bytesPerToken = input.numbersPerToken * bytesOf(plan.type) - hostPerToken;
    const auto blocksIn = [&](std::uint64_t perToken, std::uint64_t freeBytes, bool takesAll) {
        return planKv({.bytesPerToken = perToken,
                       .freeBytes = freeBytes,
                       .modelContext = input.modelContext,
                       .wantedContext = options.contextTokens,
                       .takesAll = takesAll});
    };
    ENGINE_TRY(plan.blocks, blocksIn(bytesPerToken, input.freeBytes, isCard(options)));
    if (input.firstLayers > 0) { // a token has its rows in both places
        ENGINE_TRY(const KvPlan onHost, blocksIn(hostPerToken, input.hostFreeBytes, false));
        plan.blocks.contextTokens = std::min(plan.blocks.contextTokens, onHost.contextTokens);
        plan.blocks.blocks = std::min(plan.blocks.blocks, onHost.blocks);
    }
    const std::uint64_t tokens = static_cast<std::uint64_t>(plan.blocks.blocks) * kBlockTokens;
    plan.bytes = tokens * bytesPerToken;
    plan.hostBytes = tokens * hostPerToken;
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
    if (isCard(options)) {
        CardNeed need = info.onCard;
        if (options.speculative == Speculative::Mtp) // what the guess is made of, and the hidden rows it begins with
            need.workRowBytes += 4 * 4 * static_cast<std::uint64_t>(std::max(info.hiddenSize, 0));
        plan.workBytes = workBytesOf(need, options.contextTokens > 0 ? options.contextTokens : info.contextTokens);
    }
    const std::uint64_t taken = plan.weightBytes + plan.workBytes;
    if (isCard(options) && taken > freeBytes)
        return noRoom(plan, freeBytes);
    ENGINE_TRY(const CachePlan cache, planCache({.numbersPerToken = numbersPerToken(info, options),
                                                 .modelContext = info.contextTokens,
                                                 .freeBytes = freeBytes - std::min(freeBytes, taken)},
                                                options));
    plan.contextTokens = cache.blocks.contextTokens;
    plan.contextBytes = cache.bytes;
    return plan;
}

namespace {

// With exactly so many layers on the card.
Result<MemoryPlan> planSplit(const ModelInfo &info, const LoadOptions &options, int cardLayers, std::uint64_t cardBytes, std::uint64_t hostBytes)
{
    const int firstLayers = info.layers - cardLayers;
    const SplitWeights weights = splitWeightsOf(info, options, firstLayers);
    MemoryPlan plan;
    plan.cardLayers = cardLayers;
    plan.weightBytes = weights.card.all;
    plan.expertBytes = weights.card.experts;
    plan.visionBytes = weights.card.vision;
    plan.freeBytes = cardBytes;
    plan.hostWeightBytes = weights.host;
    plan.hostFreeBytes = hostBytes;
    CardNeed need = info.onCard;
    need.chunkRows = std::min(need.chunkRows, promptRowsOf(need.activeBytes, false, firstLayers, info.layers));
    plan.workBytes = workBytesOf(need, options.contextTokens > 0 ? options.contextTokens : info.contextTokens);
    const std::uint64_t taken = plan.weightBytes + plan.workBytes;
    if (taken > cardBytes)
        return noRoom(plan, cardBytes);
    ENGINE_TRY(const CachePlan cache, planCache({.numbersPerToken = numbersPerToken(info, options),
                                                 .modelContext = info.contextTokens,
                                                 .freeBytes = cardBytes - std::min(cardBytes, taken),
                                                 .layers = info.layers,
                                                 .firstLayers = firstLayers,
                                                 .hostFreeBytes = hostBytes - std::min(hostBytes, plan.hostWeightBytes)},
                                                options));
    plan.contextTokens = cache.blocks.contextTokens;
    plan.contextBytes = cache.bytes;
    plan.hostContextBytes = cache.hostBytes;
    return plan;
}

} // namespace

Result<MemoryPlan> planMemoryIn(const ModelInfo &info, const LoadOptions &options, std::uint64_t cardBytes, std::uint64_t hostBytes)
{
    const int wanted = options.cardLayers;
    if (!isCard(options) || wanted == 0 || wanted >= info.layers)
        return planMemoryIn(info, options, isCard(options) ? cardBytes : hostBytes);
    if (wanted < kLayersThatFit)
        return Error{ErrorCode::BadRequest, "the number of layers on the card must be 1 or more"};
    const bool isForbidden = options.speculative == Speculative::Mtp;
    if (wanted > 0 && isForbidden)
        return Error{ErrorCode::BadRequest, "a model that is split between card and processor cannot guess tokens ahead (MTP)"};
    if (wanted > 0 && info.layerBytes.empty())
        return Error{ErrorCode::Unsupported, "the sizes of this model's layers are not known, so it cannot be split"};
    if (wanted > 0)
        return planSplit(info, options, wanted, cardBytes, hostBytes);
    // As many as fit with a context that is of use; a smaller one only where nothing else is left.
    LoadOptions sized = options;
    Result<MemoryPlan> whole = planMemoryIn(info, options, cardBytes);
    for (const int context : {kUsefulContext, kSmallestContext}) {
        sized.contextTokens = options.contextTokens > 0 ? options.contextTokens : std::min(context, std::max(info.contextTokens, 1));
        if (whole && planMemoryIn(info, sized, cardBytes))
            return whole;
        for (int layers = info.layers - 1; layers > 0 && !isForbidden && !info.layerBytes.empty(); --layers)
            if (planSplit(info, sized, layers, cardBytes, hostBytes))
                return planSplit(info, options, layers, cardBytes, hostBytes);
    }
    return whole;
}

Result<MemoryPlan> planMemory(const ModelInfo &info, const LoadOptions &options)
{
    const std::uint64_t host = probeMemory().freeBytes;
    if (!isCard(options))
        return planMemoryIn(info, options, host);
    ENGINE_TRY(const int card, cardOf(options.device));
    ENGINE_TRY(const auto backend, makeCudaBackend(card, options.precision == Precision::Exact));
    return planMemoryIn(info, options, backend->memory().free, host);
}

} // namespace engine
