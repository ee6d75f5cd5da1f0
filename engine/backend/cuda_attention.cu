// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Rope, cache and attention behind the C table.
#include "backend/cuda_context.h"

#include "cuda/attention/prompt.h"
#include "cuda/attention/step.h"
#include "cuda/prompt/prompt.h"
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

// Which rows of a decode step have a context for the kernels of step.h.
struct Reach {
    bool someShort = false, someLong = false;
};
Reach reachOf(const Context::Sequences &sequences, int limit)
{
    Reach reach;
    for (int s = 0; s < sequences.count; ++s)
        (sequences.data[s].firstPosition < limit ? reach.someShort : reach.someLong) = true;
    return reach;
}

static_assert(kc::kPromptHeadDim == work::kHeadColumns && kc::kChunkTokens == work::kPartTokens);

std::int64_t tokensOf(const Context::Sequences &sequences)
{
    std::int64_t tokens = 0;
    for (int s = 0; s < sequences.count; ++s)
        tokens += kc::paddedTokens(sequences.data[s].firstPosition + sequences.data[s].rowCount);
    return tokens;
}

bool hasPromptKernels(const Context &c, const kc::KvView &cache, const Context::Sequences &sequences, std::int64_t rows)
{
    return !c.exact && kc::card().warpgroups && cache.dtype == DType::BF16 && rows > kc::kDecodeRows
        && tokensOf(sequences) <= rows * work::kTokensARow;
}

std::vector<kc::PromptRun> promptRunsOf(const Context::Sequences &sequences)
{
    std::vector<kc::PromptRun> runs;
    std::int32_t firstToken = 0;
    for (int s = 0; s < sequences.count; ++s) {
        const DiptychCudaSequence &q = sequences.data[s];
        for (int first = 0; first < q.rowCount; first += kc::kPromptRows)
            runs.push_back({q.firstRow + first, std::min(kc::kPromptRows, q.rowCount - first), q.firstPosition + first, firstToken});
        firstToken += kc::paddedTokens(q.firstPosition + q.rowCount);
    }
    std::stable_sort(runs.begin(), runs.end(), [](const kc::PromptRun &a, const kc::PromptRun &b) {
        return a.firstPosition + a.rows < b.firstPosition + b.rows; // the kernel begins with the last ones
    });
    return runs;
}

// Every sequence's tokens, one sequence after the other.
void gatherAll(Context &c, kc::GatherArgs args, const Context::Sequences &sequences, const kc::RowTable &table, int restWidth)
{
    const std::int32_t *blocks = table.blocks;
    for (int s = 0; s < sequences.count; ++s) {
        const DiptychCudaSequence &q = sequences.data[s];
        args.blocks = blocks;
        args.tokens = q.firstPosition + q.rowCount;
        c.note(kc::gatherCache(args, c.stream), "attention");
        blocks += q.blockCount;
        const std::int64_t taken = kc::paddedTokens(args.tokens);
        args.keys += taken * args.keyWidth;
        if (args.rest != nullptr)
            args.rest += taken * restWidth;
        if (args.values != nullptr)
            args.values += taken;
    }
}

// False: not this shape.
bool onPromptKernels(Context &c, const kc::AttentionArgs &base, const Context::Sequences &sequences)
{
    const kc::KvView &cache = base.cache;
    const std::int64_t rows = base.table.rows;
    if (cache.valuesInKeys || cache.keyDim != kc::kPromptHeadDim || cache.valueDim != kc::kPromptHeadDim
        || !hasPromptKernels(c, cache, sequences, rows))
        return false;
    const std::int64_t tokens = tokensOf(sequences), pitch = tokens;
    const int group = base.heads / cache.kvHeads;
    const int atOnce = static_cast<int>(work::headsAtOnce(pitch, cache.kvHeads));
    const std::vector<kc::PromptRun> runs = promptRunsOf(sequences);
    kc::PromptAttentionArgs args;
    args.query = narrowed(c, base.query, std::int64_t{base.heads} * cache.keyDim, rows, std::int64_t{base.heads} * cache.keyDim);
    auto *keys = c.roomFor<__nv_bfloat16>(Room::Expanded, static_cast<std::size_t>(2 * pitch * atOnce * kc::kPromptHeadDim));
    args.runs = c.stage(runs.data(), runs.size());
    if (args.query == nullptr || keys == nullptr || args.runs == nullptr)
        return true; // noted
    auto *values = keys + pitch * atOnce * kc::kPromptHeadDim;
    args.keys = keys;
    args.values = values;
    args.valuePitch = pitch;
    args.tokens = static_cast<int>(tokens);
    args.rows = static_cast<int>(rows);
    args.heads = base.heads;
    args.kvHeads = cache.kvHeads;
    args.scale = base.scale;
    args.window = base.window;
    args.runCount = static_cast<int>(runs.size());
    args.output = base.output;
    args.narrow = c.narrowFor(base.output, rows, std::int64_t{base.heads} * cache.valueDim, std::int64_t{base.heads} * cache.valueDim);
    for (int first = 0; first < cache.kvHeads; first += atOnce) {
        const int here = std::min(atOnce, cache.kvHeads - first);
        kc::GatherArgs gather;
        gather.cache = cache;
        gather.firstHead = first;
        gather.heads = here;
        gather.keys = keys;
        gather.keyWidth = here * kc::kPromptHeadDim;
        gather.values = values;
        gather.valuePitch = pitch;
        gatherAll(c, gather, sequences, base.table, 0);
        args.firstHead = first * group;
        args.headCount = here * group;
        c.note(kc::promptAttention(args, c.stream), "attention");
    }
    return true;
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
        const int context = isStep && c.stepFits ? c.stepKind.context : longestContext(sequences);
        args.chunks = (context + kc::kChunkTokens - 1) / kc::kChunkTokens;
        const auto parts = static_cast<std::size_t>(rows * base.heads * args.chunks);
        args.partial = c.roomFor<float>(Room::Partial, parts * static_cast<std::size_t>(base.cache.valueDim));
        args.statistics = c.roomFor<float2>(Room::Statistics, parts);
        if (args.partial == nullptr || args.statistics == nullptr)
            return true; // noted
        if (rows > kc::kFewRows || c.wasSplit(base.output))
            args.split = c.splitFor(base.output, rows, width, width);
        args.partsOnly = rows <= kc::kFewRows && args.split.high == nullptr && args.chunks <= kc::kCombinedChunks;
    } else {
        const std::vector<kc::RowRun> runs = runsOf(sequences, kc::rowsPerTile(base));
        args.runs = c.stage(runs.data(), runs.size());
        args.runCount = static_cast<int>(runs.size());
    }
    c.note(kc::tileAttention(args, c.stream), "attention");
    if (args.partsOnly)
        c.pendingParts = args;
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
    if (args.inverseFrequencies == nullptr || args.positions == nullptr)
        return; // noted, or nothing to do
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
    Context &c = withPending(context);
    const Context::Sequences each = c.sequencesOf(sequences, sequenceCount);
    kc::HeadsStepArgs step;
    Reach reach;
    if (c.pendingRotation && observeCount == 0 && c.pendingRotation->rotated == query && c.pendingRotation->heads == heads
        && c.pendingRotation->cache.keys == layer.keys && c.pendingRotation->rows == each.count && isDecode(each)) {
        step.prepare = *c.pendingRotation;
        step.output = output;
        step.scale = scale;
        step.window = window;
        if (kc::hasHeadsStep(step))
            reach = reachOf(each, kc::kHeadsStepTokens);
    }
    if (reach.someShort && !reach.someLong) {
        c.pendingRotation.reset();
        c.queuePending();
        const std::int64_t columns = std::int64_t{heads} * layer.valueDim;
        c.wrote(output, each.count, columns, columns);
        c.note(kc::headsStep(step, c.stream), "attention");
        return;
    }
    if (reach.someLong && kc::hasHeadsLong(step)) {
        c.pendingRotation.reset();
        c.queuePending();
        const int context = sequenceCount < 0 && c.stepFits ? c.stepKind.context : longestContext(each);
        kc::HeadsLongArgs parts{.step = step, .parts = kc::headsLongParts(step, context)};
        const auto count = static_cast<std::size_t>(each.count) * static_cast<std::size_t>(parts.parts * heads);
        const std::int64_t columns = std::int64_t{heads} * layer.valueDim;
        parts.partial = c.roomFor<float>(Room::Partial, count * static_cast<std::size_t>(layer.valueDim));
        parts.statistics = c.roomFor<float2>(Room::Statistics, count);
        if (parts.partial == nullptr || parts.statistics == nullptr)
            return; // noted
        c.wrote(output, each.count, columns, columns);
        c.note(kc::headsLong(parts, c.stream), "attention");
        if (reach.someShort)
            c.note(kc::headsStep(step, c.stream), "attention");
        return;
    }
    c.queuePending();
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
    if (observeCount == 0 && onPromptKernels(c, args, each))
        return;
    if (observeCount == 0 && onTiles(c, args, each, sequenceCount < 0)) {
        if (reach.someShort) {
            c.queuePending();
            step.isRotated = true;
            c.note(kc::headsStep(step, c.stream), "attention");
        }
        return;
    }
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

namespace {

kc::LatentPrepareArgs prepareOf(Context &c, const DiptychCudaLatent &in, const DiptychCudaRope &rope, const DiptychCudaKv &layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount)
{
    kc::LatentPrepareArgs args;
    args.projected = in.projected.data;
    args.projectedStride = in.projected.stride;
    args.latent = in.latent.data;
    args.latentStride = in.latent.stride;
    args.gain = in.gain;
    args.epsilon = in.epsilon;
    args.query = in.query;
    args.rows = static_cast<int>(in.projected.rows);
    args.heads = in.heads;
    args.latentWidth = in.latentWidth;
    args.nope = in.nope;
    args.rope = in.rope;
    args.inverseFrequencies = c.constant(rope.inverseFrequencies, static_cast<std::size_t>(rope.pairs));
    args.magnitude = rope.magnitude;
    args.interleaved = rope.interleaved != 0;
    args.cache = viewOf(layer);
    args.table = c.tableOf(sequences, sequenceCount);
    return args;
}

// One token a sequence; 0: not this shape.
int latentStep(Context &c, const DiptychCudaLatentPrompt &in, const DiptychCudaRope &rope, const DiptychCudaKv &layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount)
{
    const Context::Sequences each = c.sequencesOf(sequences, sequenceCount);
    const Reach reach = reachOf(each, kc::kLatentStepTokens);
    kc::LatentStepArgs args;
    args.prepare = prepareOf(c, in.latent, rope, layer, sequences, sequenceCount);
    args.keyUp = matrixOf(in.keyUp);
    args.valueUp = matrixOf(in.valueUp);
    args.output = in.output.data;
    args.outputStride = in.output.stride;
    args.scale = in.scale;
    args.window = in.window;
    if (args.prepare.inverseFrequencies == nullptr || !kc::hasLatentStep(args) || !kc::hasLatentLong()) // which kernels must not depend on the others' contexts
        return 0;
    c.wrote(in.output);
    if (reach.someShort)
        c.note(kc::latentStep(args, c.stream), "attention");
    if (reach.someLong) {
        const int context = sequenceCount < 0 && c.stepFits ? c.stepKind.context : longestContext(each);
        const kc::LatentLongRoom room = kc::latentLongRoom(args, context);
        kc::LatentLongArgs parts{.step = args, .parts = room.parts, .context = context};
        parts.partial = c.roomFor<float>(Room::Partial, room.partial + room.queryWords);
        parts.statistics = c.roomFor<float2>(Room::Statistics, room.statistics);
        if (parts.partial == nullptr || parts.statistics == nullptr)
            return 1; // noted
        parts.query = reinterpret_cast<std::uint32_t *>(parts.partial + room.partial);
        c.note(kc::latentLong(parts, c.stream), "attention");
    }
    return 1;
}

} // namespace

void latentPrepare(void *context, const DiptychCudaLatent *in, DiptychCudaRope rope, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount)
{
    Context &c = withPending(context);
    const kc::LatentPrepareArgs args = prepareOf(c, *in, rope, layer, sequences, sequenceCount);
    if (args.inverseFrequencies == nullptr) { // noted
        c.queuePending();
        return;
    }
    const std::int64_t width = std::int64_t{in->heads} * (in->latentWidth + in->rope);
    if (c.pendingHeads && !c.pendingHeads->hasCombine && c.pendingHeads->product.output == in->query
        && c.pendingHeads->product.rows == args.rows) {
        c.pendingHeads->hasPrepare = true;
        c.pendingHeads->prepare = args;
        c.queuePending();
    } else {
        c.queuePending();
        c.note(kc::latentPrepare(args, c.stream), "latent row");
    }
    c.wrote(in->query, args.rows, width, width);
}

int latentPrompt(void *context, const DiptychCudaLatentPrompt *in, DiptychCudaRope rope, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount)
{
    Context &c = of(context);
    const DiptychCudaLatent &l = in->latent;
    const Context::Sequences each = c.sequencesOf(sequences, sequenceCount);
    const std::int64_t rows = l.projected.rows;
    if (rows == each.count && rows <= kc::kFewRows && isDecode(each) && isTiled(in->keyUp) && isTiled(in->valueUp))
        return latentStep(c, *in, rope, layer, sequences, sequenceCount);
    if (l.nope != kc::kPromptHeadDim || l.rope != kc::kPromptRope || in->valueUp.out != kc::kPromptHeadDim || l.latentWidth % 64 != 0
        || layer.valuesInKeys == 0 || layer.keyDim != l.latentWidth + l.rope || !isTiled(in->keyUp) || !isTiled(in->valueUp)
        || in->output.stride != std::int64_t{l.heads} * kc::kPromptHeadDim || !hasPromptKernels(c, viewOf(layer), each, rows))
        return 0;
    const std::int64_t tokens = tokensOf(each), pitch = tokens;
    const std::int64_t width = l.latentWidth;
    const std::int64_t queryColumns = std::int64_t{l.heads} * (l.nope + l.rope);
    const std::int64_t weightElements = l.heads * width * kc::kPromptHeadDim;
    const int atOnce = static_cast<int>(work::headsAtOnce(pitch, l.heads));
    const std::int64_t sliceElements = pitch * atOnce * kc::kPromptHeadDim;
    auto *query = c.roomFor<__nv_bfloat16>(Room::Narrow, static_cast<std::size_t>(rows * queryColumns));
    auto *latentRows = c.roomFor<__nv_bfloat16>(Room::Expanded,
        static_cast<std::size_t>(pitch * (width + l.rope) + weightElements + 2 * sliceElements));
    const __nv_bfloat16 *keyUp = widened(c, in->keyUp, 0, width, 0, l.heads, 0, 2 * weightElements);
    const __nv_bfloat16 *valueUp = widened(c, in->valueUp, 0, kc::kPromptHeadDim, 0, l.heads, weightElements, 2 * weightElements);
    const std::vector<kc::PromptRun> runs = promptRunsOf(each);
    const kc::PromptRun *deviceRuns = c.stage(runs.data(), runs.size());
    if (query == nullptr || latentRows == nullptr || keyUp == nullptr || valueUp == nullptr || deviceRuns == nullptr)
        return 1; // noted
    auto *rest = latentRows + pitch * width;
    auto *turnedKeyUp = rest + pitch * l.rope;
    auto *keys = turnedKeyUp + weightElements;
    auto *values = keys + sliceElements;

    kc::LatentQueryArgs prepare;
    prepare.projected = l.projected.data;
    prepare.projectedStride = l.projected.stride;
    prepare.latent = l.latent.data;
    prepare.latentStride = l.latent.stride;
    prepare.gain = l.gain;
    prepare.epsilon = l.epsilon;
    prepare.query = query;
    prepare.rows = static_cast<int>(rows);
    prepare.heads = l.heads;
    prepare.latentWidth = l.latentWidth;
    prepare.nope = l.nope;
    prepare.rope = l.rope;
    prepare.inverseFrequencies = c.constant(rope.inverseFrequencies, static_cast<std::size_t>(rope.pairs));
    prepare.magnitude = rope.magnitude;
    prepare.interleaved = rope.interleaved != 0;
    prepare.cache = viewOf(layer);
    prepare.table = c.tableOf(sequences, sequenceCount);
    if (prepare.inverseFrequencies == nullptr)
        return 1; // noted
    c.note(kc::latentQuery(prepare, c.stream), "latent row");

    kc::GatherArgs gather;
    gather.cache = prepare.cache;
    gather.keys = latentRows;
    gather.rest = rest;
    gather.keyWidth = l.latentWidth;
    gatherAll(c, gather, each, prepare.table, l.rope);
    c.note(kc::turn({.input = keyUp, .output = turnedKeyUp, .matrices = l.heads, .rows = l.latentWidth, .columns = l.nope}, c.stream),
        "attention");

    c.wrote(in->output);
    kc::PromptAttentionArgs args;
    args.query = query;
    args.keys = keys;
    args.sharedKeys = rest;
    args.values = values;
    args.valuePitch = pitch;
    args.tokens = static_cast<int>(tokens);
    args.rows = static_cast<int>(rows);
    args.heads = args.kvHeads = l.heads;
    args.scale = in->scale;
    args.window = in->window;
    args.runs = deviceRuns;
    args.runCount = static_cast<int>(runs.size());
    args.output = in->output.data;
    args.narrow = c.narrowFor(in->output.data, rows, in->output.columns, in->output.stride);
    for (int first = 0; first < l.heads; first += atOnce) {
        const int here = std::min(atOnce, l.heads - first);
        const std::int64_t firstWeight = first * width * kc::kPromptHeadDim;
        kc::MatrixProductArgs product;
        product.a = latentRows;
        product.aStride = width;
        product.b = turnedKeyUp + firstWeight;
        product.rows = static_cast<int>(tokens);
        product.n = here * kc::kPromptHeadDim;
        product.k = l.latentWidth;
        product.narrow = keys;
        product.outputStride = product.n;
        c.note(kc::matrixProduct(product, c.stream), "keys of a prompt");
        product.a = valueUp + firstWeight; // turned: a row a column of the values
        product.b = latentRows;
        product.rows = here * kc::kPromptHeadDim;
        product.n = static_cast<int>(pitch);
        product.narrow = values;
        product.outputStride = pitch;
        c.note(kc::matrixProduct(product, c.stream), "values of a prompt");
        args.firstHead = first;
        args.headCount = here;
        c.note(kc::promptAttention(args, c.stream), "attention");
    }
    return 1;
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
    if (args.inverseFrequencies == nullptr)
        return; // noted
    const std::int64_t width = std::int64_t{heads} * layer.keyDim;
    c.wrote(rotated, args.rows, width, width);
    if (!c.exact && kc::card().warpgroups && args.rows > kc::kDecodeRows && layer.keyDim == kc::kPromptHeadDim && kc::hasPromptPrepare(args))
        args.narrow = c.narrowFor(rotated, args.rows, width, width);
    kc::HeadsStepArgs step;
    step.prepare = args;
    if (!c.exact && kc::hasHeadsStep(step))
        c.pendingRotation = args;
    else
        c.note(kc::headsPrepare(args, c.stream), "rotated heads");
}

} // namespace plugin
