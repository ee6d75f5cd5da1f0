// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/batch_builder.h"

#include <algorithm>

namespace engine {

int BatchBuilder::addRows(std::span<const std::int32_t> ids, int from, int to,
                          std::span<const std::int32_t> blocks, const PictureMemory *memory)
{
    const int firstRow = rowCount();
    m_ids.insert(m_ids.end(), ids.begin() + from, ids.begin() + to);
    for (int position = from; position < to; ++position)
        m_positions.push_back(position);
    m_sequences.push_back(
        {.firstRow = firstRow, .rowCount = to - from, .firstPosition = from, .blocks = blocks});
    m_memories.push_back(memory);
    return firstRow;
}

void BatchBuilder::addRow(std::int32_t id)
{
    m_ids.push_back(id);
    m_positions.push_back(m_positions.back() + 1);
    ++m_sequences.back().rowCount;
}

void BatchBuilder::readHidden(int first, int count)
{
    for (int row = first; row < first + count; ++row)
        m_hiddenRows.push_back(row);
}

void BatchBuilder::addSplice(int row, int from, int to, int firstToken, int tokenCount,
                             const Buffer &rows, int hidden)
{
    const int start = std::max(from, firstToken), end = std::min(to, firstToken + tokenCount);
    if (start >= end)
        return;
    const auto offset = static_cast<std::size_t>(start - firstToken) *
                        static_cast<std::size_t>(hidden) * sizeof(float);
    m_splices.push_back({.firstRow = row + start - from,
                         .embeddings = rows.view({end - start, hidden}, DType::F32, offset)});
}

void BatchBuilder::observe(int row, bool routing, bool attention)
{
    if (!routing && !attention)
        return;
    m_observeRows.push_back(row);
    m_observeRouting |= routing;
    m_observeAttention |= attention;
}

Batch BatchBuilder::batch(LoadedParts &parts, const ExpertOptions &experts,
                          std::vector<float> &logits)
{
    if (m_choices.empty())
        logits.resize(m_logitRows.size() *
                      static_cast<std::size_t>(parts.bundle.text->config().vocabulary));
    Batch batch;
    batch.ids = m_ids;
    batch.positions = m_positions;
    batch.sequences = m_sequences;
    batch.splices = m_splices;
    batch.memories = m_memories;
    batch.cache = parts.cache.layers();
    batch.logitRows = m_logitRows;
    batch.logits = logits.data();
    batch.choices = m_choices;
    batch.choosable = m_choosable;
    batch.observeRows = m_observeRows;
    batch.observeRouting = m_observeRouting;
    batch.observeAttention = m_observeAttention;
    batch.observations = m_observeRows.empty() ? nullptr : &m_observations;
    batch.experts = experts;
    batch.hiddenRows = m_hiddenRows;
    return batch;
}

Status BatchBuilder::run(LoadedParts &parts, const ExpertOptions &experts,
                         std::vector<float> &logits)
{
    return parts.bundle.text->forward(batch(parts, experts, logits));
}

Status BatchBuilder::runDraft(LoadedParts &parts, const ExpertOptions &experts,
                              std::vector<float> &logits)
{
    return parts.bundle.text->draft(batch(parts, experts, logits));
}

Result<std::shared_ptr<const PictureMemory>>
joinedMemory(LanguageModel &model,
             const std::vector<std::shared_ptr<const PictureEmbedding>> &pictures)
{
    if (pictures.size() == 1) // lives as long as its embedding
        return std::shared_ptr<const PictureMemory>(pictures[0], &pictures[0]->memory);
    std::vector<const PictureMemory *> parts;
    for (const auto &picture : pictures)
        parts.push_back(&picture->memory);
    ENGINE_TRY(PictureMemory joined, model.joinMemories(parts));
    return std::make_shared<const PictureMemory>(std::move(joined));
}

const RowObservation *BatchBuilder::observation(int row) const
{
    const auto found = std::ranges::find(m_observeRows, row);
    const auto index = static_cast<std::size_t>(found - m_observeRows.begin());
    return index < m_observations.size() ? &m_observations[index] : nullptr;
}

} // namespace engine
