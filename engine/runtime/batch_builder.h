// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/embedding_cache.h"
#include "models/model.h"
#include "runtime/loaded_parts.h"

#include <cstdint>
#include <span>
#include <vector>

namespace engine {

// Collects the rows of one step. What is added must live until the step is over.
class BatchBuilder {
public:
    // Rows for positions [from, to) of a sequence whose ids start at position 0; `memory` is that of
    // its pictures where the model has cross-modal blocks. Returns the first row.
    int addRows(std::span<const std::int32_t> ids, int from, int to,
                std::span<const std::int32_t> blocks, const PictureMemory *memory = nullptr);
    // One row more of the sequence added last.
    void addRow(std::int32_t id);
    // Embeddings for those of the picture's positions that lie in [from, to), whose first row is
    // `row`.
    void addSplice(int row, int from, int to, int firstToken, int tokenCount, const Buffer &rows,
                   int hidden);
    void wantLogits(int row) { m_logitRows.push_back(row); }
    // A token of the first `choosable` ids instead; of all rows of a step or of none.
    void wantToken(int row, const kernels::ChooseRule &rule, int choosable)
    {
        m_logitRows.push_back(row);
        m_choices.push_back({.rule = rule, .choice = {}, .logits = {}});
        m_choosable = choosable;
    }
    void observe(int row, bool routing, bool attention);

    int rowCount() const { return static_cast<int>(m_ids.size()); }
    int logitCount() const { return static_cast<int>(m_logitRows.size()); }
    // Runs the step; `logits` becomes [logitCount, vocabulary], or is left alone where tokens were wanted.
    Status run(LoadedParts &parts, const ExpertOptions &experts, std::vector<float> &logits);
    const RowObservation *observation(int row) const; // of a row observed
    std::span<const RowChoice> choices() const { return m_choices; } // [logitCount], or none where logits were wanted

    // For a step of guesses: the last `count` rows read the hidden states of rows `first` and so on of the step before.
    void readHidden(int first, int count);
    Status runDraft(LoadedParts &parts, const ExpertOptions &experts, std::vector<float> &logits);

private:
    Batch batch(LoadedParts &parts, const ExpertOptions &experts, std::vector<float> &logits);

    std::vector<std::int32_t> m_ids, m_positions, m_logitRows, m_observeRows, m_hiddenRows;
    std::vector<const PictureMemory *> m_memories; // as m_sequences
    std::vector<KvSequence> m_sequences;
    std::vector<EmbeddingSplice> m_splices;
    std::vector<RowObservation> m_observations;
    std::vector<RowChoice> m_choices;
    int m_choosable = 0;
    bool m_observeRouting = false, m_observeAttention = false;
};

// The memory of all pictures of a request, for models with cross-modal blocks: one picture's own, or
// theirs joined in order.
Result<std::shared_ptr<const PictureMemory>>
joinedMemory(LanguageModel &model,
             const std::vector<std::shared_ptr<const PictureEmbedding>> &pictures);

} // namespace engine
