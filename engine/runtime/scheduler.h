// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/block_manager.h"
#include "cache/embedding_cache.h"
#include "runtime/loaded_parts.h"
#include "runtime/sequence.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace engine {

// Continuous batching for one model: every step takes one token of each answer being written and
// one chunk of one prompt being read. Engine thread only, except usedBlocks().
//
// What holds: blocks in use belong to admitted sequences; a sequence whose reader is full takes no
// part; when blocks run out, parked sequences lose theirs first, then the youngest, and read again
// later; the oldest that is not parked always gets on, so something always ends.
class Scheduler {
public:
    explicit Scheduler(LoadedParts &parts);

    void add(std::unique_ptr<Sequence> sequence);
    bool hasWork() const; // false: everything is parked or there is nothing
    void step();       // one picture looked at, one prompt encoded or one batch through the model
    void preemptAll(); // frees all blocks, for score and bench
    int sequenceCount() const { return static_cast<int>(m_sequences.size()); }
    // Any thread. Of its card, about a second old while there are answers; nothing on the processor.
    DeviceMemory cardMemory() const { return {m_cardFree, m_cardTotal}; }
    int usedBlocks() const { return m_usedBlocks.load(std::memory_order_relaxed); }
    BlockManager &blocks() { return m_blocks; }
    int chunkTokens() const { return m_chunkTokens; }

private:
    void dropEnded();
    void failCurrent(const Error &error);
    bool prepareOne();
    void prepare(Sequence &sequence);
    void admit();
    bool tryAdmit(Sequence &sequence);
    void preempt(Sequence &sequence);
    bool makeRoom(Sequence &sequence);
    int chunkEnd(const Sequence &sequence) const;
    int missingPicture(const Sequence &sequence) const; // index the next chunk needs, -1: none
    void look(Sequence &sequence, int picture);
    Status rememberPictures(Sequence &sequence);
    std::vector<Sequence *> chooseRows();
    void runBatch();
    // What a step gives for a row: logits, or what the device has chosen from them.
    struct StepResult {
        std::span<const float> logits;
        const kernels::Choice *choice = nullptr;
    };
    std::optional<kernels::ChooseRule> nextRule(const Sequence &sequence) const;
    // True when the sequence's guess was verified and kept.
    bool takeToken(Sequence &sequence, const StepResult &result,
                   const RowObservation *observation);
    // What one sequence had in a step: its positions [begin, end), where its rows began, whether
    // they were all it has (so that a token follows), and whether a guess came after them.
    struct StepRows {
        Sequence *sequence = nullptr;
        int begin = 0, end = 0, firstRow = 0;
        bool isWhole = false, hasDraft = false;
    };
    bool takesDraft(const Sequence &sequence) const;
    void guessNext(std::vector<StepRows> &rows, const ExpertOptions &experts);
    std::span<const TokenKey> cacheKeys(Sequence &sequence) const;
    void closeSpentThinking(Sequence &sequence);
    void recordToken(Sequence &sequence, const StepResult &result, std::int32_t id,
                     bool thinking);
    void observe(Sequence &sequence, const RowObservation &observation);
    void setPhase(Sequence &sequence, Phase phase);
    void publishUsage(Sequence &sequence);
    void end(Sequence &sequence, FinishReason reason, std::optional<Error> error = std::nullopt);
    void publishMemory();
    int tokenCount() const;
    bool isStop(std::int32_t id) const;

    LoadedParts &m_parts;
    BlockManager m_blocks;
    EmbeddingCache m_embeddings;
    std::vector<std::unique_ptr<Sequence>> m_sequences; // by arrival
    std::vector<std::int32_t> m_stopIds;
    std::vector<std::string> m_stopTexts; // of the chat format, those that are no token
    std::vector<float> m_logits;
    std::vector<Sequence *> m_current; // at work in this step
    std::uint64_t m_step = 0, m_arrivals = 0;
    int m_chunkTokens = 0;
    std::atomic<int> m_usedBlocks{0};
    std::atomic<std::uint64_t> m_cardFree{0}, m_cardTotal{0};
    Clock::time_point m_cardAsked;
};

} // namespace engine
