// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// V3.2's indexer and attention over what it selected, behind the C table.
#include "backend/cuda_context.h"

#include "cuda/sparse/sparse.h"

#include <algorithm>

namespace plugin {

void selectTokens(void *context, const DiptychCudaSelection *in, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
    std::int32_t sequenceCount)
{
    Context &c = of(context);
    kc::SelectTokensArgs args;
    args.query = in->query.data;
    args.queryStride = in->query.stride;
    args.weights = in->weights.data;
    args.weightStride = in->weights.stride;
    args.heads = in->heads;
    args.scale = in->scale;
    args.window = in->window;
    args.cache = viewOf(layer);
    args.table = c.tableOf(sequences, sequenceCount);
    // Of a recorded step the longest context it will be replayed for.
    args.longest = sequenceCount < 0 && c.stepFits ? c.stepKind.context : 1;
    const Context::Sequences all = c.sequencesOf(sequences, sequenceCount);
    for (int s = 0; s < all.count; ++s)
        args.longest = std::max(args.longest, all.data[s].firstPosition + all.data[s].rowCount);
    args.scores = c.roomFor<float>(Room::Scores, kc::selectionScores(args.table.rows, args.longest));
    args.selected = in->selected;
    args.perRow = in->perRow;
    if (args.scores != nullptr)
        c.note(kc::selectTokens(args, c.stream), "token selection");
}

void sparseAttention(void *context, const DiptychCudaSparse *in, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
    std::int32_t sequenceCount)
{
    Context &c = of(context);
    kc::SparseAttentionArgs args;
    args.base.query = in->query;
    args.base.output = in->output;
    args.base.heads = in->heads;
    args.base.scale = in->scale;
    args.base.cache = viewOf(layer);
    args.base.table = c.tableOf(sequences, sequenceCount);
    args.selected = in->selected;
    args.perRow = in->perRow;
    const std::int64_t width = std::int64_t{in->heads} * layer.valueDim;
    c.wrote(in->output, args.base.table.rows, width, width);
    const std::size_t observedCount = static_cast<std::size_t>(in->observeCount) * static_cast<std::size_t>(in->observeStride);
    if (observedCount > 0) {
        std::vector<std::int32_t> places(static_cast<std::size_t>(args.base.table.rows), -1);
        for (int i = 0; i < in->observeCount; ++i)
            places[static_cast<std::size_t>(in->observeRows[i])] = i;
        args.base.observeIndex = c.stage(places.data(), places.size());
        args.base.observed = c.roomFor<float>(Room::Observed, observedCount);
        if (args.base.observed == nullptr)
            return; // noted
        args.base.observeStride = in->observeStride;
        c.note(cudaMemsetAsync(args.base.observed, 0, observedCount * sizeof(float), c.stream), "attention to selected tokens");
    }
    c.note(kc::sparseAttention(args, c.stream), "attention to selected tokens");
    if (observedCount == 0)
        return;
    std::vector<float> host(observedCount);
    toHost(context, host.data(), args.base.observed, observedCount * sizeof(float));
    for (std::size_t i = 0; i < observedCount; ++i)
        in->observed[i] += host[i];
}

} // namespace plugin
