// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/cross_modal.h"

#include <algorithm>
#include <cmath>

namespace engine {

Tensor memoryPlane(const PictureMemory &memory, const CrossModalConfig &config, int plane)
{
    const std::int64_t width = std::int64_t{config.heads} * config.headDim;
    const std::int64_t first = std::int64_t{plane % 2} * memory.tokens * width;
    return memory.blocks[static_cast<std::size_t>(plane / 2)].view({memory.tokens, width}, DType::F32, static_cast<std::size_t>(first) * sizeof(float));
}

CrossModalRows::CrossModalRows(const Batch &batch)
{
    if (batch.memories.empty())
        return;
    ENGINE_ASSERT(batch.memories.size() == batch.sequences.size());
    std::vector<bool> isPicture(batch.ids.size(), false);
    for (const EmbeddingSplice &splice : batch.splices)
        std::fill_n(isPicture.begin() + splice.firstRow, splice.embeddings.rows(), true);
    std::vector<std::int32_t> compactOf(batch.ids.size(), -1);
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
        const PictureMemory *memory = batch.memories[i];
        if (memory == nullptr || memory->tokens == 0)
            continue;
        List list{.firstRow = static_cast<int>(m_rows), .memory = memory};
        const KvSequence &sequence = batch.sequences[i];
        for (int row = sequence.firstRow; row < sequence.firstRow + sequence.rowCount; ++row) {
            if (isPicture[static_cast<std::size_t>(row)])
                continue;
            const auto compact = static_cast<std::int32_t>(m_rows++);
            compactOf[static_cast<std::size_t>(row)] = compact;
            if (!m_runs.empty() && m_runs.back().row + m_runs.back().count == row)
                ++m_runs.back().count;
            else
                m_runs.push_back({row, compact, 1});
            ++list.rowCount;
        }
        if (list.rowCount == 0)
            continue;
        m_mostTokens = std::max(m_mostTokens, memory->tokens);
        m_lists.push_back(list);
    }
    m_all = m_rows == static_cast<std::int64_t>(batch.ids.size()) && m_runs.size() == 1;
    if (!batch.observeAttention || batch.observations == nullptr)
        return;
    for (const std::int32_t row : batch.observeRows)
        m_observeRows.push_back(compactOf[static_cast<std::size_t>(row)]);
    observed.assign(m_observeRows.size() * static_cast<std::size_t>(m_mostTokens), 0.0F);
}

void CrossModalRows::gather(Backend &backend, Tensor hidden, Tensor compact) const
{
    for (const Run &run : m_runs)
        backend.copyRows(rowsOf(compact, run.compact, run.count), rowsOf(hidden, run.row, run.count));
}

void CrossModalRows::scatter(Backend &backend, Tensor compact, Tensor hidden) const
{
    for (const Run &run : m_runs)
        backend.copyRows(rowsOf(hidden, run.row, run.count), rowsOf(compact, run.compact, run.count));
}

Result<std::unique_ptr<CrossModalBlock>> CrossModalBlock::load(WeightLoader &loader, const std::string &prefix)
{
    const TextConfig &text = loader.config().text;
    auto block = std::make_unique<CrossModalBlock>();
    block->m_config = *text.crossModal;
    block->m_hidden = text.hidden;
    block->m_epsilon = text.rmsEpsilon;
    const std::int64_t hidden = text.hidden;
    const std::int64_t width = std::int64_t{text.crossModal->heads} * text.crossModal->headDim;
    ENGINE_TRY(block->m_norm, loader.vector(prefix + ".norm.weight", hidden));
    ENGINE_TRY(block->m_query, loader.linear(prefix + ".q_proj.weight", width, hidden));
    ENGINE_TRY(block->m_key, loader.linear(prefix + ".k_proj.weight", width, hidden));
    ENGINE_TRY(block->m_value, loader.linear(prefix + ".v_proj.weight", width, hidden));
    ENGINE_TRY(block->m_output, loader.linear(prefix + ".o_proj.weight", hidden, width));
    // Two numbers decide about a whole row: they are never rounded.
    ENGINE_TRY(const std::vector<float> gate, loader.values(prefix + ".gate.weight", {2, 2 * hidden}));
    ENGINE_TRY(block->m_gate, loader.computed(gate, {4 * hidden}));
    ENGINE_TRY(block->m_gateBias, loader.vector(prefix + ".gate.bias", 2));
    return block;
}

void CrossModalBlock::remember(Backend &backend, Tensor pictureRows, Tensor keys, Tensor values) const
{
    backend.linear({.input = pictureRows, .weight = m_key.get(), .output = keys});
    backend.linear({.input = pictureRows, .weight = m_value.get(), .output = values});
}

std::int64_t CrossModalBlock::scratchFloats(std::int64_t rows) const
{
    const std::int64_t width = std::int64_t{m_config.heads} * m_config.headDim;
    return 2 * Scratch::cost(rows, m_hidden) + 2 * Scratch::cost(rows, width) + Scratch::cost(rows, 2);
}

void CrossModalBlock::forward(Step &step, CrossModalRows &rows, int index, Tensor hidden) const
{
    Backend &backend = step.backend;
    const std::int64_t width = std::int64_t{m_config.heads} * m_config.headDim;
    const Tensor normed = step.scratch.take(rows.rows(), m_hidden);
    const Tensor attended = step.scratch.take(rows.rows(), m_hidden);
    const Tensor query = step.scratch.take(rows.rows(), width);
    const Tensor mixed = step.scratch.take(rows.rows(), width);
    const Tensor shares = step.scratch.take(rows.rows(), 2);
    backend.rmsNorm({.input = hidden, .weight = m_norm.get(), .output = normed, .epsilon = m_epsilon});
    backend.linear({.input = normed, .weight = m_query.get(), .output = query});
    std::vector<CrossModalList> lists;
    for (const CrossModalRows::List &list : rows.lists())
        lists.push_back({.firstRow = list.firstRow,
            .rowCount = list.rowCount,
            .keys = memoryPlane(*list.memory, m_config, 2 * index),
            .values = memoryPlane(*list.memory, m_config, 2 * index + 1)});
    backend.crossModalAttention({.query = query,
        .output = mixed,
        .heads = m_config.heads,
        .headDim = m_config.headDim,
        .scale = 1.0F / std::sqrt(static_cast<float>(m_config.headDim)),
        .lists = lists,
        .observeRows = rows.observeRows(),
        .observed = rows.observed.empty() ? nullptr : rows.observed.data(),
        .observeStride = rows.mostPictureTokens()});
    backend.linear({.input = mixed, .weight = m_output.get(), .output = attended});
    backend.crossModalGate(
        {.hidden = hidden, .attended = attended, .weight = m_gate.get(), .bias = m_gateBias.get(), .shares = shares});
    for (std::size_t i = 0; i < rows.observeRows().size(); ++i) {
        const std::int32_t row = rows.observeRows()[i];
        if (row < 0)
            continue;
        float share[2] = {0.0F, 0.0F};
        backend.toHost(share, rowsOf(shares, row, 1));
        (*step.batch.observations)[i].gates.push_back({.layer = step.layer, .text = share[0], .image = share[1]});
    }
}

Status checkCrossModalTensors(const ModelFiles &files)
{
    constexpr std::string_view kPart = ".cross_modal.";
    constexpr std::string_view kNames[] = {"norm.weight", "q_proj.weight", "k_proj.weight", "v_proj.weight",
        "o_proj.weight", "gate.weight", "gate.bias"};
    const TextConfig &text = files.config().text;
    for (const FileTensor &tensor : files.tensors()) {
        const std::size_t at = tensor.name.find(kPart);
        if (at == std::string::npos)
            continue;
        bool isKnown = false;
        if (text.crossModal) {
            const std::string_view end = std::string_view(tensor.name).substr(at + kPart.size());
            for (const int layer : text.crossModal->layers)
                isKnown = isKnown || (std::string_view(tensor.name).substr(0, at) ==
                                         text.tensorPrefix + "model.layers." + std::to_string(layer) &&
                                         std::find(std::begin(kNames), std::end(kNames), end) != std::end(kNames));
        }
        if (!isKnown)
            return Error{ErrorCode::BadFile, "The tensor \"" + tensor.name + "\" of " + files.path().string() +
                    " belongs to no cross-modal block that config.json lists (cross_modal)."};
    }
    return Done{};
}

} // namespace engine
