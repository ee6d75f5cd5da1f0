// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/measure.h"

#include "runtime/batch_builder.h"

#include <algorithm>
#include <random>
#include <string>

namespace engine {

namespace {

constexpr int kTextTokens = 32; // asked about a picture
constexpr int kScoreChunk = 64; // logits of so many positions at a time

Error cancelled()
{
    return {ErrorCode::Cancelled, "stopped before it was done"};
}

Result<std::shared_ptr<const PictureEmbedding>>
encodePicture(LoadedParts &parts, const PromptPicture &picture, std::stop_token stop, BenchResult *times = nullptr)
{
    const auto begin = Clock::now();
    ENGINE_TRY(const ImageTiles tiles,
               parts.bundle.vision->prepare(*picture.image, picture.imageCount));
    const auto resized = Clock::now();
    auto embedding = std::make_shared<PictureEmbedding>();
    ENGINE_TRY(embedding->rows, parts.bundle.vision->encode(tiles, stop, [](int, int) {}));
    if (times) {
        times->resizeMs = millisecondsBetween(begin, resized);
        times->lookMs = millisecondsBetween(resized, Clock::now());
    }
    embedding->tokenCount = picture.tokens.plan.tokenCount;
    LanguageModel &text = *parts.bundle.text;
    if (text.hasCrossModal()) {
        ENGINE_TRY(embedding->memory, text.rememberPicture(embedding->rows.view(
                                          {embedding->tokenCount, text.config().hidden})));
    }
    return std::shared_ptr<const PictureEmbedding>(std::move(embedding));
}

Result<std::shared_ptr<const PictureMemory>>
memoryOf(LoadedParts &parts, const std::vector<std::shared_ptr<const PictureEmbedding>> &embeddings)
{
    if (!parts.bundle.text->hasCrossModal() || embeddings.empty())
        return std::shared_ptr<const PictureMemory>();
    return joinedMemory(*parts.bundle.text, embeddings);
}

void addSplices(BatchBuilder &builder, const LoadedParts &parts, const BuiltPrompt &prompt,
                const std::vector<std::shared_ptr<const PictureEmbedding>> &embeddings, int row,
                int from, int to)
{
    for (std::size_t i = 0; i < embeddings.size(); ++i) {
        const PictureTokens &tokens = prompt.pictures[i].tokens;
        builder.addSplice(row, from, to, tokens.firstToken, tokens.plan.tokenCount,
                          embeddings[i]->rows, parts.bundle.text->config().hidden);
    }
}

// One of the sequences a benchmark runs side by side.
struct BenchSequence {
    explicit BenchSequence(BlockManager &blocks)
        : table(blocks)
    {}
    BlockTable table;
    std::vector<std::int32_t> ids;
};

// What the row of a running answer asks for: a token where the device chooses them itself, as scheduler.cpp has it.
void wantNext(BatchBuilder &builder, const LoadedParts &parts, int row, const kernels::ChooseRule &rule = {})
{
    if (parts.bundle.text->prefersChoosing())
        builder.wantToken(row, rule, parts.bundle.text->config().vocabulary);
    else
        builder.wantLogits(row);
}

// A draw that takes every id about as often as any other, whatever the weights: answers of random models would end in
// loops otherwise, and their experts would not be used as a text uses them.
kernels::ChooseRule evenDraw(std::mt19937_64 &random)
{
    kernels::ChooseRule rule;
    rule.temperature = 1000.0F;
    rule.share = std::uniform_real_distribution<double>(0.0, 1.0)(random);
    return rule;
}

// Reads positions [from, to) of every sequence, in chunks; logits for the last of each.
Status readAll(LoadedParts &parts, std::vector<std::unique_ptr<BenchSequence>> &sequences, int from,
               int to, int chunk, std::vector<float> &logits, std::stop_token stop)
{
    for (const auto &sequence : sequences) {
        for (int begin = from; begin < to; begin += chunk) {
            if (stop.stop_requested())
                return cancelled();
            const int end = std::min(begin + chunk, to);
            BatchBuilder builder;
            const int row = builder.addRows(sequence->ids, begin, end, sequence->table.blocks());
            if (end == to)
                wantNext(builder, parts, row + end - begin - 1);
            ENGINE_CHECK(builder.run(parts, {}, logits));
        }
    }
    return Done{};
}

// Time from a picture and a short question to the first token of the answer.
Status measurePicture(ModelSlot &slot, const std::shared_ptr<const Image> &image, std::stop_token stop,
                      BenchResult &result)
{
    LoadedParts &parts = *slot.parts;
    const auto begin = Clock::now();
    ENGINE_TRY(const BuiltPrompt prompt, buildPicturePrompt(image, kTextTokens, parts));
    ENGINE_TRY(auto embedding, encodePicture(parts, prompt.pictures[0], stop, &result));
    const std::vector<std::shared_ptr<const PictureEmbedding>> embeddings{std::move(embedding)};
    ENGINE_TRY(const auto memory, memoryOf(parts, embeddings));
    BlockTable table(slot.scheduler.blocks());
    const int length = static_cast<int>(prompt.ids.size()), chunk = slot.scheduler.chunkTokens();
    if (!table.reserve(length))
        return Error{ErrorCode::OutOfMemory, "the context has no room for the picture"};
    std::vector<float> logits;
    for (int from = 0; from < length; from += chunk) {
        if (stop.stop_requested())
            return cancelled();
        const int to = std::min(from + chunk, length);
        BatchBuilder builder;
        const int row = builder.addRows(prompt.ids, from, to, table.blocks(), memory.get());
        addSplices(builder, parts, prompt, embeddings, row, from, to);
        if (to == length)
            wantNext(builder, parts, row + to - from - 1);
        ENGINE_CHECK(builder.run(parts, {}, logits));
    }
    result.firstTokenMs = millisecondsBetween(begin, Clock::now());
    return Done{};
}

} // namespace

Result<std::vector<float>> scoreTokens(ModelSlot &slot, const std::vector<std::int32_t> &tokens,
                                       const std::vector<std::shared_ptr<const Image>> &images,
                                       std::stop_token stop)
{
    LoadedParts &parts = *slot.parts;
    if (tokens.empty())
        return Error{ErrorCode::BadRequest, "there are no token ids to score"};
    if (tokens.size() > static_cast<std::size_t>(parts.plan.contextTokens)) {
        return Error{ErrorCode::ContextFull, std::to_string(tokens.size()) +
                                                 " tokens were given and the context holds " +
                                                 std::to_string(parts.plan.contextTokens)};
    }
    ENGINE_TRY(const BuiltPrompt prompt, buildPromptFromIds(tokens, images, parts));
    std::vector<std::shared_ptr<const PictureEmbedding>> embeddings;
    for (const PromptPicture &picture : prompt.pictures) {
        ENGINE_TRY(auto embedding, encodePicture(parts, picture, stop));
        embeddings.push_back(std::move(embedding));
    }
    ENGINE_TRY(const auto memory, memoryOf(parts, embeddings));
    slot.scheduler.preemptAll();
    BlockTable table(slot.scheduler.blocks());
    const int length = static_cast<int>(tokens.size());
    if (!table.reserve(length))
        return Error{ErrorCode::OutOfMemory, "the context has no room for these tokens"};

    std::vector<float> all, logits;
    all.reserve(tokens.size() * static_cast<std::size_t>(parts.bundle.text->config().vocabulary));
    const int chunk = std::min(kScoreChunk, slot.scheduler.chunkTokens());
    for (int from = 0; from < length && !stop.stop_requested(); from += chunk) {
        const int to = std::min(from + chunk, length);
        BatchBuilder builder;
        const int row = builder.addRows(prompt.ids, from, to, table.blocks(), memory.get());
        addSplices(builder, parts, prompt, embeddings, row, from, to);
        for (int i = 0; i < to - from; ++i)
            builder.wantLogits(row + i);
        ENGINE_CHECK(builder.run(parts, {}, logits));
        all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
}

Result<BenchResult> benchModel(ModelSlot &slot, const BenchOptions &options, std::stop_token stop)
{
    LoadedParts &parts = *slot.parts;
    if (options.promptTokens < 0 || options.generateTokens < 0 || options.depthTokens < 0 ||
        options.batch < 1)
        return Error{
            ErrorCode::BadRequest,
            "prompt, generated and depth tokens must be 0 or more and the batch at least 1"};
    const std::int64_t length = static_cast<std::int64_t>(options.depthTokens) +
                                std::max({options.promptTokens, options.generateTokens + 1, 1});
    if (length > parts.plan.contextTokens) {
        return Error{ErrorCode::ContextFull,
                     "depth and tokens together are " + std::to_string(length) +
                         " and the context holds " + std::to_string(parts.plan.contextTokens)};
    }
    slot.scheduler.preemptAll();
    BenchResult result;
    result.readBytesPerToken = parts.bundle.activeBytesPerToken;
    if (options.image) {
        ENGINE_CHECK(measurePicture(slot, options.image, stop, result));
    }

    // Random, and the same in every run.
    std::mt19937_64 random(1);
    const int vocabulary = parts.bundle.text->config().vocabulary;
    std::vector<std::unique_ptr<BenchSequence>> sequences;
    for (int i = 0; i < options.batch; ++i) {
        auto sequence = std::make_unique<BenchSequence>(slot.scheduler.blocks());
        if (!sequence->table.reserve(static_cast<int>(length))) {
            return Error{ErrorCode::OutOfMemory,
                         "the context memory holds " + std::to_string(i) + " of the " +
                             std::to_string(options.batch) +
                             " sequences asked for; use a smaller batch or depth"};
        }
        for (std::int64_t token = 0; token < length; ++token)
            sequence->ids.push_back(
                static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(vocabulary)));
        sequences.push_back(std::move(sequence));
    }

    std::vector<float> logits;
    const int depth = options.depthTokens, chunk = slot.scheduler.chunkTokens();
    ENGINE_CHECK(readAll(parts, sequences, 0, depth, chunk, logits, stop));
    if (options.promptTokens > 0) {
        const auto begin = Clock::now();
        ENGINE_CHECK(
            readAll(parts, sequences, depth, depth + options.promptTokens, chunk, logits, stop));
        const double ms = millisecondsBetween(begin, Clock::now());
        result.promptTokensPerSecond = options.promptTokens * options.batch * 1000.0 / ms;
        if (!options.image)
            result.firstTokenMs = ms;
    }
    if (options.generateTokens > 0) {
        const StepCounts before = parts.backend->stepCounts();
        const auto begin = Clock::now();
        for (int i = 0; i < options.generateTokens; ++i) {
            if (stop.stop_requested())
                return cancelled();
            BatchBuilder builder;
            for (const auto &sequence : sequences) {
                const int row = builder.addRows(sequence->ids, depth + i, depth + i + 1, sequence->table.blocks());
                wantNext(builder, parts, row, evenDraw(random));
            }
            ENGINE_CHECK(builder.run(parts, {}, logits));
            // Answers go on with the tokens chosen, or with the random ids they have.
            for (std::size_t s = 0; s < builder.choices().size(); ++s) {
                if (const kernels::Choice &choice = builder.choices()[s].choice; choice.state == kernels::ChoiceState::Chosen)
                    sequences[s]->ids[static_cast<std::size_t>(depth + i + 1)] = choice.id;
            }
        }
        result.generateTokensPerSecond = options.generateTokens * options.batch * 1000.0 /
                                         millisecondsBetween(begin, Clock::now());
        const StepCounts after = parts.backend->stepCounts();
        result.replayedSteps = after.replayed - before.replayed;
        result.recordedSteps = after.recorded - before.recorded;
        result.launchedSteps = after.launched - before.launched;
        result.aheadSteps = after.ahead - before.ahead;
        result.forgottenSteps = after.forgotten - before.forgotten;
        result.recordingRefusal = after.refusal;
    }
    if (!parts.backend->hostMemory()) {
        const std::uint64_t free = parts.backend->memory().free;
        const MemoryPlan &plan = parts.memoryPlan;
        result.planned = {.weightBytes = plan.weightBytes, .contextBytes = plan.contextBytes, .workBytes = plan.workBytes};
        const std::uint64_t used = parts.freeBefore - std::min(parts.freeBefore, free), loaded = parts.weightsTaken + parts.cacheTaken;
        result.used = {.weightBytes = parts.weightsTaken, .contextBytes = parts.cacheTaken, .workBytes = used - std::min(used, loaded)};
        const WorkMemory work = parts.backend->workMemory();
        result.workMostBytes = work.most;
        result.workOutsideBytes = work.outside;
    }
    return result;
}

} // namespace engine
