// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/loaded_parts.h"
#include "support/plain_backend.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>

namespace tests {

struct FakeModelOptions {
    int vocabulary = 100;
    int contextTokens = 256;
    int blocks = 64;
    int stepMs = 0; // how long a step takes
    int tileMs = 0; // how long a picture tile takes
    bool flat =
        false; // logits of a smooth hash of the context instead of previous + 1, for sampling
    double activeBytes = 5e9 / 32; // 32 rows a chunk
    bool vision = false;
    int stopId = -1;
    bool chooses = false; // tokens where they are asked for; undecided every third position
    bool drafts = false; // guesses the next token: right two times in three, or other smooth logits when flat
};

struct FakeCounters {
    std::atomic<int> steps{0}, rows{0}, mostSequences{0}, encodes{0}, drafts{0}, choices{0};
    std::atomic<bool> fail{false}, failDraft{false}, outOfMemory{false} /* with more than one sequence */, throwBadAlloc{false}, notANumber{false};
};

// Next token = previous + 1. Every cache row holds its token (a picture row: its embedding's first
// number), and every step reads the whole context back from the cache and checks the order of
// positions, so that a block given to two sequences, lost or reused too early shows as a wrong
// answer.
class FakeModel final : public engine::LanguageModel {
public:
    FakeModel(FakeModelOptions options, FakeCounters &counters)
        : m_options(options)
        , m_counters(counters)
    {
        m_config.architecture = "fake";
        m_config.vocabulary = options.vocabulary;
        m_config.hidden = 2;
        m_config.layers = 1;
        m_config.contextTokens = options.contextTokens;
        m_config.moe.routedExperts = 4;
        if (options.stopId >= 0)
            m_config.stopIds = {options.stopId};
    }
    const engine::TextConfig &config() const override { return m_config; }
    engine::KvShape kvShape() const override
    {
        return {.layers = m_options.drafts ? 2 : 1, .kvHeads = 1, .keyDim = 1, .valueDim = 1};
    }

    engine::Status forward(const engine::Batch &batch) override
    {
        ++m_counters.steps;
        m_lastPositions.assign(batch.positions.begin(), batch.positions.end());
        m_counters.rows += static_cast<int>(batch.ids.size());
        m_counters.mostSequences =
            std::max(m_counters.mostSequences.load(), static_cast<int>(batch.sequences.size()));
        if (m_options.stepMs > 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(m_options.stepMs));
        if (m_counters.fail)
            return engine::Error{engine::ErrorCode::DeviceLost, "the device is gone"};
        if (m_counters.outOfMemory && batch.sequences.size() > 1)
            return engine::Error{engine::ErrorCode::OutOfMemory, "the card has no room"};
        if (m_counters.throwBadAlloc)
            throw std::bad_alloc();
        std::size_t logitIndex = 0, observeIndex = 0;
        if (batch.observations)
            batch.observations->resize(batch.observeRows.size());
        for (const engine::KvSequence &sequence : batch.sequences) {
            for (int i = 0; i < sequence.rowCount; ++i) {
                const int row = sequence.firstRow + i, position = sequence.firstPosition + i;
                ENGINE_ASSERT(batch.positions[static_cast<std::size_t>(row)] == position);
                float value = static_cast<float>(batch.ids[static_cast<std::size_t>(row)]);
                for (const engine::EmbeddingSplice &splice : batch.splices) {
                    if (row >= splice.firstRow && row < splice.firstRow + splice.embeddings.rows())
                        value = splice.embeddings.f32()[(row - splice.firstRow) * m_config.hidden];
                }
                *cell(batch, sequence, position, false) = value;
                *cell(batch, sequence, position, true) = static_cast<float>(position);
                if (logitIndex < batch.logitRows.size() && batch.logitRows[logitIndex] == row) {
                    if (batch.choices.empty())
                        writeLogits(batch, sequence, position,
                                    batch.logits + static_cast<std::ptrdiff_t>(logitIndex) *
                                                       m_config.vocabulary);
                    else
                        choose(batch, sequence, position, batch.choices[logitIndex]);
                    ++logitIndex;
                }
                if (observeIndex < batch.observeRows.size() &&
                    batch.observeRows[observeIndex] == row)
                    observe(batch, position, (*batch.observations)[observeIndex++]);
            }
        }
        return engine::Done{};
    }

    bool prefersChoosing() const override { return m_options.chooses; }

    // Row t of the second layer holds the token after t; every step reads it all back and compares
    // it with the first layer, so that a guess left in the cache or a row left out shows.
    bool canDraft() const override { return m_options.drafts; }
    engine::Status draft(const engine::Batch &batch) override
    {
        ++m_counters.drafts;
        if (m_counters.failDraft)
            return engine::Error{engine::ErrorCode::DeviceLost, "the device is gone"};
        ENGINE_ASSERT(batch.hiddenRows.size() == batch.ids.size());
        std::size_t logitIndex = 0;
        for (const engine::KvSequence &sequence : batch.sequences) {
            for (int i = 0; i < sequence.rowCount; ++i) {
                const auto row = static_cast<std::size_t>(sequence.firstRow + i);
                const int position = sequence.firstPosition + i;
                const auto read = static_cast<std::size_t>(batch.hiddenRows[row]);
                ENGINE_ASSERT(batch.positions[row] == position);
                ENGINE_ASSERT(read < m_lastPositions.size() && m_lastPositions[read] == position);
                *cell(batch, sequence, position, false, 1) = static_cast<float>(batch.ids[row]);
                for (int past = 0; past < position; ++past)
                    ENGINE_ASSERT(*cell(batch, sequence, past, false, 1) ==
                                  *cell(batch, sequence, past + 1, false));
                if (logitIndex >= batch.logitRows.size() ||
                    batch.logitRows[logitIndex] != static_cast<std::int32_t>(row))
                    continue;
                float *logits = batch.logits +
                                static_cast<std::ptrdiff_t>(logitIndex++) * m_config.vocabulary;
                const int wrong = position % 3 == 0 ? 1 : 0;
                const int guess = (batch.ids[row] + 1 + wrong) % m_config.vocabulary;
                for (int id = 0; id < m_config.vocabulary; ++id)
                    logits[id] = m_options.flat ? static_cast<float>((id * 7 + batch.ids[row] * 3) % 5)
                                 : id == guess  ? 10.0F
                                                : 0.0F;
            }
        }
        return engine::Done{};
    }

private:
    static float *cell(const engine::Batch &batch, const engine::KvSequence &sequence, int position,
                       bool value, std::size_t layerIndex = 0)
    {
        const engine::KvLayer &layer = batch.cache[layerIndex];
        const auto block = sequence.blocks[static_cast<std::size_t>(position / layer.blockTokens)];
        auto *base = reinterpret_cast<float *>(value ? layer.values : layer.keys);
        return base + block * layer.blockTokens + position % layer.blockTokens;
    }
    void writeLogits(const engine::Batch &batch, const engine::KvSequence &sequence, int position,
                     float *logits) const
    {
        std::uint64_t hash = 1469598103934665603ULL;
        for (int past = 0; past <= position; ++past) {
            ENGINE_ASSERT(*cell(batch, sequence, past, true) == static_cast<float>(past));
            std::uint32_t bits = 0;
            std::memcpy(&bits, cell(batch, sequence, past, false), sizeof bits);
            hash = (hash ^ bits) * 1099511628211ULL;
        }
        const int last = static_cast<int>(*cell(batch, sequence, position, false));
        for (int id = 0; id < m_config.vocabulary; ++id) {
            if (m_counters.notANumber)
                logits[id] = std::nanf("");
            else if (m_options.flat)
                logits[id] =
                    static_cast<float>(
                        ((hash >> 20U) + static_cast<std::uint64_t>(id) * 2654435761ULL) % 1000) /
                    500.0F;
            else
                logits[id] = id == (last + 1) % m_config.vocabulary ? 10.0F : 0.0F;
        }
    }
    void choose(const engine::Batch &batch, const engine::KvSequence &sequence, int position,
                engine::RowChoice &row) const
    {
        ++m_counters.choices;
        std::vector<float> logits(static_cast<std::size_t>(m_config.vocabulary));
        writeLogits(batch, sequence, position, logits.data());
        row.choice = {};
        if (position % 3 == 0)
            row.logits = std::move(logits);
        else
            row.choice = kernels::choose(logits.data(), batch.choosable, row.rule);
    }
    static void observe(const engine::Batch &batch, int position,
                        engine::RowObservation &observation)
    {
        if (batch.observeRouting)
            observation.routing.layers.push_back(
                {.layer = 0, .experts = {position % 4}, .weights = {1.0F}});
        if (batch.observeAttention)
            observation.attention.assign(static_cast<std::size_t>(position + 1),
                                         1.0F / static_cast<float>(position + 1));
    }

    FakeModelOptions m_options;
    FakeCounters &m_counters;
    std::vector<std::int32_t> m_lastPositions;
    engine::TextConfig m_config;
};

// The loader of a fake: the model's backend lives in the parts, as in the real one.
inline engine::PartsLoader fakeLoader(FakeModelOptions options, FakeCounters &counters,
                                      std::shared_ptr<const engine::Tokenizer> tokenizer = nullptr)
{
    return [options, &counters, tokenizer](const engine::LoadOptions &load, std::stop_token stop,
                                           engine::LoadCounters &progress)
               -> engine::Result<std::unique_ptr<engine::LoadedParts>> {
        progress.totalBytes = 10;
        if (load.path == "slow") {
            while (!stop.stop_requested())
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            return engine::Error{engine::ErrorCode::Cancelled, "stopped"};
        }
        if (load.path == "broken")
            return engine::Error{engine::ErrorCode::BadFile, "the file is broken"};
        auto parts = std::make_unique<engine::LoadedParts>();
        parts->options = load;
        parts->info.name = "fake";
        parts->backend = std::make_unique<PlainBackend>();
        parts->bundle.text = std::make_unique<FakeModel>(options, counters);
        parts->bundle.weightBytes = 10;
        parts->bundle.activeBytesPerToken = options.activeBytes;
        parts->tokenizer = tokenizer;
        parts->plan = {.contextTokens = options.contextTokens, .blocks = options.blocks};
        ENGINE_TRY(parts->cache,
                   engine::KvCache::create(*parts->backend, parts->bundle.text->kvShape(),
                                           engine::DType::F32, options.blocks));
        progress.doneBytes = 10;
        return parts;
    };
}

} // namespace tests
