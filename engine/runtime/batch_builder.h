// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "models/model.h"
#include "runtime/loaded_parts.h"

#include <cstdint>
#include <span>
#include <vector>

namespace engine {

// Collects the rows of one step. What is added must live until the step is over.
class BatchBuilder {
public:
    // Rows for positions [from, to) of a sequence whose ids start at position 0. Returns the first
    // row.
    int addRows(std::span<const std::int32_t> ids, int from, int to,
                std::span<const std::int32_t> blocks);
    // Embeddings for those of the picture's positions that lie in [from, to), whose first row is
    // `row`.
    void addSplice(int row, int from, int to, int firstToken, int tokenCount, const Buffer &rows,
                   int hidden);
    void wantLogits(int row) { m_logitRows.push_back(row); }
    void observe(int row, bool routing, bool attention);

    int rowCount() const { return static_cast<int>(m_ids.size()); }
    int logitCount() const { return static_cast<int>(m_logitRows.size()); }
    // Runs the step; `logits` becomes [logitCount, vocabulary].
    Status run(LoadedParts &parts, const ExpertOptions &experts, std::vector<float> &logits);
    const RowObservation *observation(int row) const; // of a row observed

private:
    std::vector<std::int32_t> m_ids, m_positions, m_logitRows, m_observeRows;
    std::vector<KvSequence> m_sequences;
    std::vector<EmbeddingSplice> m_splices;
    std::vector<RowObservation> m_observations;
    bool m_observeRouting = false, m_observeAttention = false;
};

} // namespace engine
