// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime.h"
#include "backend/card_name.h"
#include "cache/block_manager.h"
#include "files/adapter.h"
#include "files/card_need.h"
#include "files/inspect.h"
#include "files/mapped_file.h"
#include "runtime/batch_builder.h"
#include "runtime/device_probe.h"
#include "runtime/loaded_parts.h"
#include "runtime/memory_plan.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <numeric>
#include <string>

namespace engine {

namespace {

Result<std::unique_ptr<Backend>> openProcessor(const LoadOptions &options)
{
    return makeCpuBackend({.threads = workerThreads(options.threads),
                           .exact = options.precision != Precision::Native,
                           .rounded = options.precision == Precision::Rounded,
                           .isa = {}});
}

Result<std::unique_ptr<Backend>> openCard(const LoadOptions &options)
{
    ENGINE_TRY(const int card, cardOf(options.device));
    return makeCudaBackend(card, options.precision == Precision::Exact);
}

Status checkOptions(const LoadOptions &options)
{
    if (options.contextTokens < 0 || options.attentionWindow < 0 || options.threads < 0)
        return Error{ErrorCode::BadRequest,
                     "context, attention window and threads must be 0 (automatic) or more"};
    if (!options.requantize.empty() && options.requantize != "q8_0" && options.requantize != "q4_0")
        return Error{ErrorCode::BadRequest,
                     "weights can be re-quantised to q8_0 or q4_0, not to " + options.requantize};
    if (options.precision == Precision::Rounded && isCard(options))
        return Error{ErrorCode::BadRequest, "the rounded precision is the processor's; a card has native and exact"};
    return Done{};
}

std::string mebibytes(std::uint64_t bytes)
{
    return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB";
}

// What a cache on a card may take: what is free but for what steps work in. Some of that was taken with the weights: code
// and buffers that come with the first kernels.
std::uint64_t freeOnCard(const LoadedParts &parts)
{
    const std::uint64_t free = parts.backend->memory().free, work = parts.memoryPlan.workBytes;
    const std::uint64_t taken = parts.freeBefore - std::min(parts.freeBefore, free);
    const std::uint64_t early = taken - std::min(taken, parts.memoryPlan.weightBytes);
    return free - std::min(free, work - std::min(work, early));
}

// Of a model on a card, since `free` bytes were free: taken.
std::uint64_t takenSince(LoadedParts &parts, std::uint64_t free)
{
    return free - std::min(free, parts.backend->memory().free);
}

// A token after the warm-up's prompt, as an answer asks for it.
Status warmStep(LoadedParts &parts, std::span<const std::int32_t> blocks)
{
    const std::array<std::int32_t, 2> ids{};
    BatchBuilder builder;
    const int row = builder.addRows(ids, 0, 1, blocks);
    if (parts.bundle.text->prefersChoosing())
        builder.wantToken(row, {}, parts.bundle.text->config().vocabulary);
    else
        builder.wantLogits(row);
    std::vector<float> logits;
    return builder.run(parts, {}, logits);
}

// That is cut into as many tiles as any.
Image largestPicture(const VisionConfig &config)
{
    std::pair<int, int> size{config.imageSize, config.imageSize};
    for (const std::pair<int, int> &candidate : config.candidateResolutions) {
        if (std::int64_t{candidate.first} * candidate.second > std::int64_t{size.first} * size.second)
            size = candidate;
    }
    Image picture;
    picture.width = size.first;
    picture.height = size.second;
    picture.rgb.assign(static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height) * 3, 127);
    return picture;
}

// One chunk of a prompt, the first tokens of an answer and one picture of many tiles, so that what steps work in has its
// size, and a card's kernels are there, before the first question.
Status warmUp(LoadedParts &parts)
{
    const int rows = std::min({promptRowsOf(parts), parts.plan.contextTokens, parts.plan.blocks * kBlockTokens});
    std::vector<std::int32_t> ids(static_cast<std::size_t>(std::max(rows, 1)), 0);
    std::vector<std::int32_t> blocks((ids.size() + kBlockTokens - 1) / kBlockTokens);
    std::iota(blocks.begin(), blocks.end(), 0);
    BatchBuilder builder;
    builder.addRows(ids, 0, static_cast<int>(ids.size()), blocks);
    std::vector<float> logits;
    ENGINE_CHECK(builder.run(parts, {}, logits));
    if (parts.bundle.vision) {
        Image plain = largestPicture(parts.bundle.vision->preprocessor().config());
        ENGINE_TRY(const ImageTiles tiles, parts.bundle.vision->prepare(plain, 1));
        ENGINE_TRY(const Buffer embeddings, parts.bundle.vision->encode(tiles, {}, [](int, int) {}));
    }
    constexpr int kSteps = 3; // plainly, recorded, replayed
    for (int step = 0; step < kSteps; ++step)
        ENGINE_CHECK(warmStep(parts, std::span(blocks).first(1)));
    return Done{};
}

// Weights and cache are there: takes what steps work in and lets them run once. What is left of the plan after that is
// reserved too, but for a little that a driver's own books may grow by.
Status takeWork(LoadedParts &parts)
{
    constexpr std::uint64_t kSpareBytes = std::uint64_t{4} << 20U, kPieceBytes = std::uint64_t{2} << 20U;
    const MemoryPlan &plan = parts.memoryPlan;
    ENGINE_CHECK(parts.backend->reserve(plan.workBytes - std::min(plan.workBytes, kCodeBytes)));
    ENGINE_CHECK(warmUp(parts));
    const std::uint64_t taken = takenSince(parts, parts.freeBefore);
    if (taken + kSpareBytes + kPieceBytes > plan.totalBytes())
        return Done{};
    // Answers go without it where another program was faster.
    static_cast<void>(parts.backend->reserve((plan.totalBytes() - taken - kSpareBytes) / kPieceBytes * kPieceBytes).ok());
    return Done{};
}

} // namespace

int promptRowsOf(const LoadedParts &parts)
{
    // On a card by the files alone, as the plan has it.
    const bool isHost = parts.backend->hostMemory();
    const double planned = isHost ? 0.0 : parts.info.onCard.activeBytes;
    return promptRowsOf(planned > 0.0 ? planned : parts.bundle.activeBytesPerToken, isHost, parts.firstLayers, std::max(parts.info.layers, 1));
}

Result<std::unique_ptr<LoadedParts>> loadParts(const LoadOptions &options, std::stop_token stop,
                                               LoadCounters &counters)
{
    return loadPartsOn({.openCard = openCard, .freeBytes = [] { return probeMemory().freeBytes; }}, options, stop, counters);
}

Result<std::unique_ptr<LoadedParts>> loadPartsOn(const Machine &machine, const LoadOptions &options, std::stop_token stop,
                                                 LoadCounters &counters)
{
    const auto cancelled = [] { return Error{ErrorCode::Cancelled, "loading was stopped"}; };
    ENGINE_CHECK(checkOptions(options));
    auto parts = std::make_unique<LoadedParts>();
    parts->options = options;
    ENGINE_TRY(parts->files, ModelFiles::open(options.path));
    for (const AdapterOptions &adapter : options.adapters) {
        ENGINE_TRY(parts->files, withAdapter(parts->files, adapter.path, adapter.scale));
    }
    parts->info = describeModel(*parts->files); // as inspectModel, without opening files and tokenizer twice
    if (!options.name.empty())
        parts->info.name = options.name;
    for (const AdapterOptions &adapter : options.adapters)
        parts->info.name += " + " + displayName(adapter.path);
    counters.totalBytes = parts->files->fileBytes();
    if (stop.stop_requested())
        return cancelled();

    // A file without a tokenizer can be measured; one with a broken tokenizer is broken.
    auto tokenizer = parts->files->loadTokenizer();
    if (tokenizer) {
        parts->tokenizer = std::move(tokenizer).value();
        ChosenChatFormat chosen = chooseChatFormat(*parts->files, *parts->tokenizer);
        parts->chatFormat = std::move(chosen.format);
        if (!chosen.warning.empty())
            parts->info.warnings.push_back(std::move(chosen.warning));
        parts->info.chatFormat = std::string(parts->chatFormat->id());
        parts->info.thinks = parts->chatFormat->canThink();
        parts->info.locates = parts->info.readsPictures && parts->chatFormat->canLocate();
    } else if (tokenizer.error().code != ErrorCode::Unsupported) {
        return std::move(tokenizer).error();
    } else {
        parts->noTokenizer = tokenizer.error().message;
        parts->info.warnings.push_back(parts->noTokenizer);
    }
    if (stop.stop_requested())
        return cancelled();

    const std::uint64_t hostBytes = machine.freeBytes();
    const bool host = !isCard(options);
    if (host && !options.device.empty() && options.device != "cpu")
        ENGINE_CHECK(cardOf(options.device)); // says what is known
    ENGINE_TRY(parts->backend, host ? openProcessor(options) : machine.openCard(options));
    if (!host) {
        parts->freeBefore = parts->backend->memory().free;
        auto plan = planMemoryIn(parts->info, options, parts->freeBefore, hostBytes);
        if (!plan && plan.error().code == ErrorCode::OutOfMemory) {
            return Error{ErrorCode::OutOfMemory,
                         "The model does not fit on the card: " + std::move(plan).error().message};
        }
        if (!plan && options.cardLayers != 0)
            return std::move(plan).error();
        if (plan)
            parts->memoryPlan = *plan;
        if (parts->memoryPlan.cardLayers > 0) {
            ENGINE_TRY(parts->firstBackend, openProcessor(options));
            parts->firstLayers = parts->info.layers - parts->memoryPlan.cardLayers;
        }
    }
    const std::uint64_t hostWeights = host ? weightBytesOf(parts->info, options) : parts->memoryPlan.hostWeightBytes;
    if (hostWeights > hostBytes) {
        return Error{ErrorCode::OutOfMemory,
                     "the weights take " + mebibytes(hostWeights) + " and " + mebibytes(hostBytes) +
                         " are free; close other models or choose a smaller or more quantised one"};
    }
    ENGINE_TRY(parts->bundle, loadModel({.files = parts->files,
                                         .backend = parts->backend.get(),
                                         .firstBackend = parts->firstBackend.get(),
                                         .firstLayers = parts->firstLayers,
                                         .options = options,
                                         .stop = stop,
                                         .doneBytes = &counters.doneBytes}));
    if (stop.stop_requested())
        return cancelled();
    ENGINE_CHECK(parts->files->intact()); // a file cut meanwhile reads as zeros
    parts->info.weightBytes = parts->bundle.weightBytes;
    if (!host)
        parts->weightsTaken = takenSince(*parts, parts->freeBefore);

    const TextConfig &config = parts->bundle.text->config();
    const KvShape shape = parts->bundle.text->kvShape();
    ENGINE_TRY(const CachePlan plan, planCache({.numbersPerToken = kvBytesPerToken(shape, DType::F32) / sizeof(float),
                                                .modelContext = config.contextTokens,
                                                .freeBytes = host ? machine.freeBytes() : freeOnCard(*parts),
                                                .layers = std::max(parts->info.layers, 1),
                                                .firstLayers = parts->firstLayers,
                                                .hostFreeBytes = machine.freeBytes()},
                                               options));
    parts->plan = plan.blocks;
    ENGINE_TRY(parts->cache, KvCache::create(*parts->backend, shape, plan.type, parts->plan.blocks, parts->firstBackend.get(),
                                                  parts->firstLayers));
    if (!host) {
        parts->cacheTaken = takenSince(*parts, parts->freeBefore) - parts->weightsTaken;
        ENGINE_CHECK(takeWork(*parts));
    }
    counters.doneBytes = counters.totalBytes.load();
    return parts;
}

} // namespace engine
