// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Rope, cache and attention behind the C table.
#include "backend/cuda_context.h"

#include "cuda/vision/tile_attention.h"

#include <algorithm>

namespace plugin {

namespace {

// Tiles of rows for a prompt: of one sequence each.
std::vector<kc::RowRun> runsOf(const Context::Sequences &sequences, int rowsEach)
{
    std::vector<kc::RowRun> runs;
    for (int s = 0; s < sequences.count; ++s) {
        const DiptychCudaSequence &sequence = sequences.data[s];
        for (int first = 0; first < sequence.rowCount; first += rowsEach)
            runs.push_back({sequence.firstRow + first, std::min(rowsEach, sequence.rowCount - first)});
    }
    return runs;
}

bool isDecode(const Context::Sequences &sequences)
{
    return std::all_of(sequences.data, sequences.data + sequences.count,
        [](const DiptychCudaSequence &s) { return s.rowCount == 1; });
}

int longestContext(const Context::Sequences &sequences)
{
    int longest = 1;
    for (int s = 0; s < sequences.count; ++s)
        longest = std::max(longest, sequences.data[s].firstPosition + sequences.data[s].rowCount);
    return longest;
}

// False: not on the tensor cores.
bool onTiles(Context &c, const kc::AttentionArgs &base, const Context::Sequences &sequences, bool isStep)
{
    if (c.exact || !kc::hasTiles(base))
        return false;
    kc::TileAttentionArgs args;
    args.base = base;
    const std::int64_t rows = base.table.rows;
    const std::int64_t width = std::int64_t{base.heads} * base.cache.valueDim;
    if (isDecode(sequences) && rows <= kc::kDecodeRows) {
        const int context = isStep && c.stepFits ? c.stepContext : longestContext(sequences);
        args.chunks = (context + kc::kChunkTokens - 1) / kc::kChunkTokens;
        const auto parts = static_cast<std::size_t>(rows * base.heads * args.chunks);
        args.partial = c.roomFor<float>(Room::Partial, parts * static_cast<std::size_t>(base.cache.valueDim));
        args.statistics = c.roomFor<float2>(Room::Statistics, parts);
        if (args.partial == nullptr || args.statistics == nullptr)
            return true; // noted
        args.split = c.splitFor(base.output, rows, width, width);
    } else {
        const std::vector<kc::RowRun> runs = runsOf(sequences, kc::rowsPerTile(base));
        args.runs = c.stage(runs.data(), runs.size());
        args.runCount = static_cast<int>(runs.size());
    }
    c.note(kc::tileAttention(args, c.stream), "attention");
    return true;
}

} // namespace

void rope(void *context, float *x, std::int64_t rows, std::int64_t heads, std::int64_t dim, std::int64_t rowStride,
    std::int32_t offset, const float *inverseFrequencies, std::int32_t pairs, float magnitude, std::int32_t interleaved,
    const std::int32_t *positions)
{
    Context &c = of(context);
    c.wrote(x, rows, heads * dim, rowStride);
    kc::RopeArgs args;
    args.x = x;
    args.rows = static_cast<int>(rows);
    args.heads = static_cast<int>(heads);
    args.dim = static_cast<int>(dim);
    args.rowStride = rowStride;
    args.offset = offset;
    args.pairs = pairs;
    args.inverseFrequencies = c.constant(inverseFrequencies, static_cast<std::size_t>(pairs));
    args.magnitude = magnitude;
    args.interleaved = interleaved != 0;
    args.positions = c.positionsOf(positions, rows);
    c.note(kc::rope(args, c.stream), "rope");
}

void storeKv(void *context, DiptychCudaRows keys, DiptychCudaRows values, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount)
{
    Context &c = of(context);
    kc::StoreKvArgs args;
    args.keys = keys.data;
    args.keyStride = keys.stride;
    args.values = values.data;
    args.valueStride = values.stride;
    args.cache = viewOf(layer);
    args.table = c.tableOf(sequences, sequenceCount);
    c.note(kc::storeKv(args, c.stream), "cache store");
}

void attention(void *context, const float *query, float *output, std::int32_t heads, float scale, std::int32_t window,
    DiptychCudaKv layer, const DiptychCudaSequence *sequences, std::int32_t sequenceCount, const std::int32_t *observeRows,
    std::int32_t observeCount, float *observed, std::int64_t observeStride)
{
    Context &c = of(context);
    kc::AttentionArgs args;
    args.query = query;
    args.output = output;
    args.heads = heads;
    args.scale = scale;
    args.window = window;
    args.cache = viewOf(layer);
    args.table = c.tableOf(sequences, sequenceCount);
    const std::int64_t width = std::int64_t{heads} * layer.valueDim;
    c.wrote(output, args.table.rows, width, width);
    if (observeCount == 0 && onTiles(c, args, c.sequencesOf(sequences, sequenceCount), sequenceCount < 0))
        return;
    const std::size_t observedCount = static_cast<std::size_t>(observeCount) * static_cast<std::size_t>(observeStride);
    if (observeCount > 0) {
        std::vector<std::int32_t> index(static_cast<std::size_t>(args.table.rows), -1);
        for (int i = 0; i < observeCount; ++i)
            index[static_cast<std::size_t>(observeRows[i])] = i;
        args.observeIndex = c.stage(index.data(), index.size());
        args.observed = c.roomFor<float>(Room::Observed, observedCount);
        if (args.observed == nullptr)
            return;
        args.observeStride = observeStride;
        c.note(cudaMemsetAsync(args.observed, 0, observedCount * sizeof(float), c.stream), "attention");
    }
    c.note(kc::attention(args, c.stream), "attention");
    if (observeCount > 0) {
        std::vector<float> host(observedCount);
        toHost(context, host.data(), args.observed, observedCount * sizeof(float));
        for (std::size_t i = 0; i < observedCount; ++i)
            observed[i] += host[i];
    }
}

void denseAttention(void *context, DiptychCudaRows query, DiptychCudaRows key, DiptychCudaRows value, DiptychCudaRows output,
    std::int32_t batch, std::int32_t tokens, std::int32_t heads, std::int32_t headDim, float scale)
{
    Context &c = of(context);
    c.wrote(output);
    kc::DenseAttentionArgs args;
    args.query = query.data;
    args.queryStride = query.stride;
    args.key = key.data;
    args.keyStride = key.stride;
    args.value = value.data;
    args.valueStride = value.stride;
    args.output = output.data;
    args.outputStride = output.stride;
    args.batch = batch;
    args.tokens = tokens;
    args.heads = heads;
    args.headDim = headDim;
    args.scale = scale;
    c.note(!c.exact && kc::hasPictureTiles(args) ? kc::pictureAttention(args, c.stream) : kc::denseAttention(args, c.stream),
        "picture attention");
}

void latentPrepare(void *context, const DiptychCudaLatent *in, DiptychCudaRope rope, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount)
{
    Context &c = of(context);
    kc::LatentPrepareArgs args;
    args.projected = in->projected.data;
    args.projectedStride = in->projected.stride;
    args.latent = in->latent.data;
    args.latentStride = in->latent.stride;
    args.gain = in->gain;
    args.epsilon = in->epsilon;
    args.query = in->query;
    args.rows = static_cast<int>(in->projected.rows);
    args.heads = in->heads;
    args.latentWidth = in->latentWidth;
    args.nope = in->nope;
    args.rope = in->rope;
    args.inverseFrequencies = c.constant(rope.inverseFrequencies, static_cast<std::size_t>(rope.pairs));
    args.magnitude = rope.magnitude;
    args.interleaved = rope.interleaved != 0;
    args.cache = viewOf(layer);
    args.table = c.tableOf(sequences, sequenceCount);
    const std::int64_t width = std::int64_t{in->heads} * (in->latentWidth + in->rope);
    c.wrote(in->query, args.rows, width, width);
    c.note(kc::latentPrepare(args, c.stream), "latent row");
}

void headsPrepare(void *context, DiptychCudaRows query, DiptychCudaRows key, DiptychCudaRows value, float *rotated,
    std::int32_t heads, DiptychCudaRope rope, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
    std::int32_t sequenceCount)
{
    Context &c = of(context);
    kc::HeadsPrepareArgs args;
    args.query = query.data;
    args.key = key.data;
    args.value = value.data;
    args.stride = query.stride;
    args.rotated = rotated;
    args.rows = static_cast<int>(query.rows);
    args.heads = heads;
    args.kvHeads = layer.kvHeads;
    args.dim = layer.keyDim;
    args.pairs = rope.pairs;
    args.inverseFrequencies = c.constant(rope.inverseFrequencies, static_cast<std::size_t>(rope.pairs));
    args.magnitude = rope.magnitude;
    args.interleaved = rope.interleaved != 0;
    args.cache = viewOf(layer);
    args.table = c.tableOf(sequences, sequenceCount);
    const std::int64_t width = std::int64_t{heads} * layer.keyDim;
    c.wrote(rotated, args.rows, width, width);
    c.note(kc::headsPrepare(args, c.stream), "rotated heads");
}

} // namespace plugin
