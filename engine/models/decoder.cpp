// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/decoder.h"

#include "models/cross_modal.h"
#include "models/feed_forward.h"
#include "models/mtp_layer.h"

#include <algorithm>

namespace engine {
namespace {

// Logits of many rows are made in parts, so that scoring a long text does not need them all on the device.
constexpr std::int64_t kLogitFloats = std::int64_t{8} << 20;

struct Layer : DecoderLayer {
    std::unique_ptr<CrossModalBlock> crossModal; // most models: none
};

// Rows that lie with one backend into rows of another's memory; both packed.
void moveRows(Backend &from, Tensor source, Backend &to, Tensor target)
{
    if (&from == &to) {
        to.copyRows(target, source);
        return;
    }
    ENGINE_ASSERT(source.rowStride == source.columns() && target.rowStride == target.columns());
    const auto floats = static_cast<std::size_t>(source.rows() * source.columns());
    if (from.hostMemory()) {
        to.toDevice(target, source.data, floats * sizeof(float));
    } else if (to.hostMemory()) {
        from.toHost(target.data, source);
    } else {
        std::vector<float> between(floats);
        from.toHost(between.data(), source);
        to.toDevice(target, between.data(), floats * sizeof(float));
    }
}

// A backend that some of the layers run on, and their working memory there.
struct Place {
    Backend *backend = nullptr;
    Scratch stream, scratch;
    Tensor hidden, normed, compact; // of a step, in `stream`
};

class Decoder final : public LanguageModel {
public:
    explicit Decoder(const LoadContext &context)
        : m_config(context.files->config().text)
        , m_backend(*context.backend)
        , m_firstLayers(context.firstBackend ? context.firstLayers : 0)
    {
        m_last.backend = context.backend;
        m_first.backend = context.firstBackend;
    }

    Status load(WeightLoader &loader, const LayerParts &parts);
    const TextConfig &config() const override { return m_config; }
    KvShape kvShape() const override;
    Status forward(const Batch &batch) override;
    bool prefersChoosing() const override { return m_backend.prefersChoosing(); }
    bool hasCrossModal() const override { return m_config.crossModal.has_value(); }
    Result<PictureMemory> rememberPicture(Tensor rows) override;
    Result<PictureMemory> joinMemories(std::span<const PictureMemory *const> memories) override;
    bool canDraft() const override { return m_mtp != nullptr; }
    Status draft(const Batch &batch) override;

private:
    int cacheLayers() const { return m_config.layers + (m_mtp ? 1 : 0); }
    Status checkBatch(const Batch &batch) const;
    Status reserve(const Batch &batch);
    Status reserve(Place &place, const Batch &batch, int begin, int end) const;
    Status reserveLogits(const Batch &batch);
    Status finishFirst() { return m_firstLayers > 0 ? m_first.backend->finishStep() : Status(Done{}); }
    void embed(const Batch &batch, const Place &place);
    Result<PictureMemory> emptyMemory(std::int64_t tokens);
    void lookAtPictures(Step &step, const Layer &layer, CrossModalRows &rows, const Place &place);
    void writePictureAttention(const Batch &batch, const CrossModalRows &rows) const;
    void takeStream(Place &place, std::int64_t rows, const CrossModalRows &crossRows) const;
    void runLayers(Step &step, CrossModalRows &crossRows, const Place &place, int begin, int end);
    Place &placeOf(int layer) { return layer < m_firstLayers ? m_first : m_last; }
    void writeLogits(const Batch &batch, Tensor hidden, const Weight &norm, const Weight &head);
    void returnLogits(const Batch &batch, std::size_t first, Tensor logits);
    bool isSteady(const Batch &batch) const;
    std::uint64_t stepKey(const Batch &batch, Tensor hidden) const;
    std::int64_t logitRowsAtOnce(std::size_t wanted) const;
    const Weight &head() const { return m_head ? *m_head : *m_embeddings; }

    TextConfig m_config;
    Backend &m_backend;              // of m_last
    // Embeddings and the first layers lie in m_first where there are such layers, everything else in m_last.
    int m_firstLayers;
    Place m_first, m_last;
    WeightPtr m_embeddings, m_norm, m_head; // no m_head: tied
    std::vector<Layer> m_layers;
    std::unique_ptr<MtpLayer> m_mtp; // none: not asked for
    Scratch m_logits;
    Tensor m_hidden;                 // of the last step's rows, in m_last
    Scratch m_draftHidden;
    std::vector<float> m_observed;
    std::vector<kernels::ChooseRule> m_rules;
    std::vector<kernels::Choice> m_choices;
};

Status Decoder::load(WeightLoader &loader, const LayerParts &parts)
{
    const std::string model = m_config.tensorPrefix + "model.";
    const std::string headName = m_config.tensorPrefix + "lm_head.weight";
    const bool hasHead = loader.has(headName) || !m_config.tiedEmbeddings;
    const bool isSplit = m_firstLayers > 0;
    if (isSplit)
        loader.useBackend(*m_first.backend);
    ENGINE_TRY(m_embeddings, loader.table(model + "embed_tokens.weight", m_config.vocabulary, m_config.hidden,
        hasHead ? WeightLoader::TableUse::Rows : isSplit ? WeightLoader::TableUse::RowsAsHead : WeightLoader::TableUse::Head));
    const auto settings = std::make_shared<AttentionSettings>();
    settings->rope = makeRopeTable(m_config.rope,
        m_config.attention == AttentionKind::Latent ? m_config.ropeHeadDim : m_config.headDim);
    settings->window = std::max(loader.context().options.attentionWindow, 0);
    for (int index = 0; index < m_config.layers; ++index) {
        if (index == m_firstLayers)
            loader.useBackend(m_backend);
        Layer layer;
        ENGINE_TRY(static_cast<DecoderLayer &>(layer), loadDecoderLayer(loader, parts, index, settings));
        if (m_config.crossModal &&
            std::ranges::find(m_config.crossModal->layers, index) != m_config.crossModal->layers.end()) {
            ENGINE_TRY(layer.crossModal,
                CrossModalBlock::load(loader, model + "layers." + std::to_string(index) + ".cross_modal"));
        }
        m_layers.push_back(std::move(layer));
    }
    ENGINE_TRY(m_norm, loader.vector(model + "norm.weight", m_config.hidden));
    if (hasHead || isSplit) { // tied embeddings lie in both places, each read where it is
        ENGINE_TRY(m_head, loader.linear(hasHead ? headName : model + "embed_tokens.weight", m_config.vocabulary,
            m_config.hidden, WeightLoader::Storage::Careful));
    }
    if (loader.context().options.speculative == Speculative::Mtp && m_config.mtpLayers > 0) {
        ENGINE_TRY(m_mtp, MtpLayer::load(loader, parts, settings));
    }
    return Done{};
}

KvShape Decoder::kvShape() const
{
    if (m_config.attention == AttentionKind::Latent)
        return {.layers = cacheLayers(),
            .kvHeads = 1,
            .keyDim = m_config.kvLoraRank + m_config.ropeHeadDim,
            .valueDim = m_config.kvLoraRank,
            .valuesInKeys = true,
            .indexDim = m_config.indexer.headDim};
    return {.layers = cacheLayers(),
        .kvHeads = m_config.kvHeads,
        .keyDim = m_config.headDim,
        .valueDim = m_config.headDim};
}

Status Decoder::checkBatch(const Batch &batch) const
{
    ENGINE_ASSERT(!batch.ids.empty() && batch.positions.size() == batch.ids.size());
    ENGINE_ASSERT(batch.cache.size() == static_cast<std::size_t>(cacheLayers()));
    ENGINE_ASSERT(batch.logitRows.empty() || batch.logits != nullptr || batch.choices.size() == batch.logitRows.size());
    for (const std::int32_t id : batch.ids) {
        if (id < 0 || id >= m_config.vocabulary)
            return Error{ErrorCode::BadRequest, "Token id " + std::to_string(id) +
                    " does not exist: this model has ids 0 to " + std::to_string(m_config.vocabulary - 1) + "."};
    }
    const std::vector<int> &stopped = batch.experts.stopExpertIds;
    for (const int id : stopped) {
        if (m_config.moe.routedExperts > 0 && (id < 0 || id >= m_config.moe.routedExperts))
            return Error{ErrorCode::BadRequest, "Expert " + std::to_string(id) +
                    " does not exist: this model has experts 0 to " +
                    std::to_string(m_config.moe.routedExperts - 1) + "."};
    }
    if (m_config.moe.routedExperts > 0 && !stopped.empty()) {
        std::vector<int> distinct = stopped;
        std::sort(distinct.begin(), distinct.end());
        distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        if (distinct.size() >= static_cast<std::size_t>(m_config.moe.routedExperts))
            return Error{ErrorCode::BadRequest, "All experts of this model are stopped; leave at least one."};
    }
    return Done{};
}

std::int64_t Decoder::logitRowsAtOnce(std::size_t wanted) const
{
    const std::int64_t fitting = std::max<std::int64_t>(1, kLogitFloats / m_config.vocabulary);
    return std::min<std::int64_t>(static_cast<std::int64_t>(wanted), fitting);
}

Status Decoder::reserve(const Batch &batch)
{
    if (m_firstLayers > 0)
        ENGINE_CHECK(reserve(m_first, batch, 0, m_firstLayers));
    ENGINE_CHECK(reserve(m_last, batch, m_firstLayers, m_config.layers));
    return reserveLogits(batch);
}

// Working memory of the layers [begin, end).
Status Decoder::reserve(Place &place, const Batch &batch, int begin, int end) const
{
    const auto rows = static_cast<std::int64_t>(batch.ids.size());
    const int streams = m_config.crossModal ? 3 : 2;
    ENGINE_CHECK(place.stream.reserve(*place.backend, streams * Scratch::cost(rows, m_config.hidden)));
    std::int64_t most = 0;
    for (int index = begin; index < end; ++index) {
        const Layer &layer = m_layers[static_cast<std::size_t>(index)];
        most = std::max({most, layer.attention->scratchFloats(rows), layer.feedForward->scratchFloats(rows),
            layer.crossModal ? layer.crossModal->scratchFloats(rows) : 0});
    }
    return place.scratch.reserve(*place.backend, most);
}

Status Decoder::reserveLogits(const Batch &batch)
{
    if (batch.logitRows.empty())
        return Done{};
    const std::int64_t rows = logitRowsAtOnce(batch.logitRows.size());
    return m_logits.reserve(m_backend,
        Scratch::cost(rows, m_config.hidden) + Scratch::cost(rows, m_config.vocabulary));
}

void Decoder::embed(const Batch &batch, const Place &place)
{
    place.backend->embed({.table = m_embeddings.get(), .ids = batch.ids, .output = place.hidden});
    for (const EmbeddingSplice &splice : batch.splices) {
        const std::int64_t count = splice.embeddings.rows();
        ENGINE_ASSERT(splice.firstRow >= 0 && splice.firstRow + count <= place.hidden.shape[0]);
        moveRows(m_backend, splice.embeddings, *place.backend, rowsOf(place.hidden, splice.firstRow, count));
    }
}

void Decoder::writeLogits(const Batch &batch, Tensor hidden, const Weight &norm, const Weight &head)
{
    const std::span<const std::int32_t> wanted = batch.logitRows;
    const std::int64_t vocabulary = m_config.vocabulary;
    const std::int64_t atOnce = logitRowsAtOnce(wanted.size());
    for (std::size_t first = 0; first < wanted.size(); first += static_cast<std::size_t>(atOnce)) {
        const auto count = std::min<std::int64_t>(atOnce, static_cast<std::int64_t>(wanted.size() - first));
        m_logits.clear();
        const Tensor rows = m_logits.take(count, m_config.hidden);
        const Tensor logits = m_logits.take(count, vocabulary);
        for (std::int64_t i = 0; i < count;) { // neighbours are copied together
            const std::int32_t row = wanted[first + static_cast<std::size_t>(i)];
            std::int64_t run = 1;
            while (i + run < count && wanted[first + static_cast<std::size_t>(i + run)] == row + run)
                ++run;
            m_backend.copyRows(rowsOf(rows, i, run), rowsOf(hidden, row, run));
            i += run;
        }
        m_backend.rmsNorm({.input = rows, .weight = &norm, .output = rows, .epsilon = m_config.rmsEpsilon});
        m_backend.linear({.input = rows, .weight = &head, .output = logits});
        returnLogits(batch, first, logits);
    }
}

// Logits of the rows from `first`, or the tokens chosen from them.
void Decoder::returnLogits(const Batch &batch, std::size_t first, Tensor logits)
{
    const auto vocabulary = static_cast<std::size_t>(m_config.vocabulary);
    if (batch.choices.empty()) {
        m_backend.toHost(batch.logits + first * vocabulary, logits);
        return;
    }
    const std::span<RowChoice> rows = batch.choices.subspan(first, static_cast<std::size_t>(logits.rows()));
    m_rules.clear();
    for (const RowChoice &row : rows)
        m_rules.push_back(row.rule);
    m_choices.resize(rows.size());
    m_backend.choose({.logits = logits, .count = batch.choosable, .rules = m_rules}, m_choices);
    for (std::size_t i = 0; i < rows.size(); ++i) {
        rows[i].choice = m_choices[i];
        if (m_choices[i].state != kernels::ChoiceState::Undecided)
            continue;
        rows[i].logits.resize(vocabulary);
        m_backend.toHost(rows[i].logits.data(), rowsOf(logits, static_cast<std::int64_t>(i), 1));
    }
}

void Decoder::takeStream(Place &place, std::int64_t rows, const CrossModalRows &crossRows) const
{
    place.stream.clear();
    place.hidden = place.stream.take(rows, m_config.hidden);
    place.normed = place.stream.take(rows, m_config.hidden);
    place.compact = crossRows.isEmpty() || crossRows.areAll() ? place.hidden : place.stream.take(crossRows.rows(), m_config.hidden);
}

// The layers [begin, end), which lie in `place`; the embeddings before the first of all.
void Decoder::runLayers(Step &step, CrossModalRows &crossRows, const Place &place, int begin, int end)
{
    if (begin == 0)
        embed(step.batch, place);
    for (step.layer = begin; step.layer < end; ++step.layer) {
        const Layer &layer = m_layers[static_cast<std::size_t>(step.layer)];
        layer.attend(step, place.hidden, place.normed, m_config.rmsEpsilon);
        if (layer.crossModal && !crossRows.isEmpty())
            lookAtPictures(step, layer, crossRows, place);
        layer.feed(step, place.hidden, place.normed, m_config.rmsEpsilon);
    }
}

// A step of running answers, which the device may have recorded: a row each, all of them want logits, nobody watches.
bool Decoder::isSteady(const Batch &batch) const
{
    return !m_backend.hostMemory() && batch.ids.size() == batch.sequences.size() &&
           batch.logitRows.size() == batch.ids.size() && batch.splices.empty() && batch.observeRows.empty() &&
           logitRowsAtOnce(batch.logitRows.size()) == static_cast<std::int64_t>(batch.logitRows.size()) &&
           std::ranges::is_sorted(batch.logitRows);
}

// Everything the queued operations depend on beside StepInputs.
std::uint64_t Decoder::stepKey(const Batch &batch, Tensor hidden) const
{
    std::uint64_t key = 0xCBF29CE484222325ULL; // FNV-1a over 64-bit words
    const auto add = [&](std::uint64_t word) { key = (key ^ word) * 0x100000001B3ULL; };
    add(batch.ids.size());
    const std::byte *const addresses[] = {hidden.data, m_last.scratch.data(), m_logits.data(),
        batch.cache[static_cast<std::size_t>(m_firstLayers)].keys};
    for (const std::byte *address : addresses)
        add(reinterpret_cast<std::uintptr_t>(address));
    add(static_cast<std::uint64_t>(batch.experts.maxExperts));
    add(batch.experts.automatic ? 1 : 0);
    for (const int id : batch.experts.stopExpertIds)
        add(static_cast<std::uint64_t>(id) + 1);
    return key;
}

Status Decoder::forward(const Batch &batch)
{
    ENGINE_CHECK(checkBatch(batch));
    ENGINE_CHECK(reserve(batch));
    const auto rows = static_cast<std::int64_t>(batch.ids.size());
    Step step{.backend = m_backend, .batch = batch, .scratch = m_last.scratch, .rows = static_cast<int>(rows)};
    const std::size_t observedRows = batch.observations ? batch.observeRows.size() : 0;
    if (batch.observations)
        batch.observations->assign(observedRows, {});
    if (batch.observeAttention && observedRows > 0) {
        for (const KvSequence &sequence : batch.sequences)
            step.observeStride = std::max<std::int64_t>(step.observeStride,
                std::int64_t{sequence.firstPosition} + sequence.rowCount);
        m_observed.assign(observedRows * static_cast<std::size_t>(step.observeStride), 0.0F);
        step.observed = m_observed.data();
    }

    CrossModalRows crossRows(batch);
    takeStream(m_last, rows, crossRows);
    const Tensor hidden = m_last.hidden;
    m_hidden = hidden;
    const StepInputs inputs{.ids = batch.ids, .positions = batch.positions, .sequences = batch.sequences,
        .blockTokens = batch.cache[0].blockTokens};
    m_backend.beginStep(inputs);
    if (m_firstLayers > 0) {
        takeStream(m_first, rows, crossRows);
        Step first{.backend = *m_first.backend, .batch = batch, .scratch = m_first.scratch, .rows = step.rows,
            .observed = step.observed, .observeStride = step.observeStride};
        m_first.backend->beginStep(inputs);
        runLayers(first, crossRows, m_first, 0, m_firstLayers);
        moveRows(*m_first.backend, m_first.hidden, m_backend, hidden);
        ENGINE_CHECK(finishFirst());
    }
    if (crossRows.isEmpty() && isSteady(batch)) {
        m_logits.clear();
        const Tensor logits = m_logits.take(rows, m_config.vocabulary);
        const auto queue = [&] {
            runLayers(step, crossRows, m_last, m_firstLayers, m_config.layers);
            m_backend.rmsNorm({.input = hidden, .weight = m_norm.get(), .output = m_last.normed,
                .epsilon = m_config.rmsEpsilon});
            m_backend.linear({.input = m_last.normed, .weight = &head(), .output = logits});
        };
        const Replay replay = m_backend.replay(stepKey(batch, hidden));
        if (replay != Replay::Done)
            queue();
        if (replay == Replay::Record && !m_backend.endRecording())
            queue();
        returnLogits(batch, 0, logits);
    } else {
        runLayers(step, crossRows, m_last, m_firstLayers, m_config.layers);
        if (!batch.logitRows.empty())
            writeLogits(batch, hidden, *m_norm, head());
    }
    ENGINE_CHECK(m_backend.finishStep());

    for (std::size_t i = 0; step.observed && i < observedRows; ++i) {
        const std::int32_t row = batch.observeRows[i];
        const auto context = static_cast<std::size_t>(batch.positions[static_cast<std::size_t>(row)]) + 1;
        const float *sums = m_observed.data() + i * static_cast<std::size_t>(step.observeStride);
        std::vector<float> &mean = (*batch.observations)[i].attention;
        mean.assign(sums, sums + context);
        for (float &share : mean)
            share /= static_cast<float>(m_config.layers);
    }
    writePictureAttention(batch, crossRows);
    return Done{};
}

void Decoder::lookAtPictures(Step &step, const Layer &layer, CrossModalRows &rows, const Place &place)
{
    const std::vector<int> &blocks = m_config.crossModal->layers;
    const auto index = static_cast<int>(std::ranges::find(blocks, step.layer) - blocks.begin());
    step.scratch.clear();
    if (rows.areAll()) {
        layer.crossModal->forward(step, rows, index, place.hidden);
        return;
    }
    rows.gather(step.backend, place.hidden, place.compact);
    layer.crossModal->forward(step, rows, index, place.compact);
    rows.scatter(step.backend, place.compact, place.hidden);
}

void Decoder::writePictureAttention(const Batch &batch, const CrossModalRows &rows) const
{
    for (const CrossModalRows::List &list : rows.lists())
        for (std::size_t i = 0; i < rows.observeRows().size(); ++i) {
            const std::int32_t row = rows.observeRows()[i];
            if (row < list.firstRow || row >= list.firstRow + list.rowCount)
                continue;
            const float *sums = rows.observed.data() + i * static_cast<std::size_t>(rows.mostPictureTokens());
            std::vector<float> &mean = (*batch.observations)[i].pictureAttention;
            mean.assign(sums, sums + list.memory->tokens);
            for (float &share : mean)
                share /= static_cast<float>(m_config.crossModal->layers.size());
        }
}

Result<PictureMemory> Decoder::emptyMemory(std::int64_t tokens)
{
    const std::int64_t width = std::int64_t{m_config.crossModal->heads} * m_config.crossModal->headDim;
    PictureMemory memory;
    memory.tokens = static_cast<int>(tokens);
    for (const int layer : m_config.crossModal->layers) {
        ENGINE_TRY(Buffer block, placeOf(layer).backend->allocate(static_cast<std::size_t>(2 * tokens * width) * sizeof(float)));
        memory.blocks.push_back(std::move(block));
    }
    return memory;
}

Result<PictureMemory> Decoder::rememberPicture(Tensor rows)
{
    ENGINE_ASSERT(m_config.crossModal && rows.columns() == m_config.hidden);
    ENGINE_TRY(PictureMemory memory, emptyMemory(rows.rows()));
    Scratch copied; // the picture for the first layers
    Tensor firstRows = rows;
    if (m_firstLayers > 0) {
        ENGINE_CHECK(copied.reserve(*m_first.backend, Scratch::cost(rows.rows(), rows.columns())));
        firstRows = copied.take(rows.rows(), rows.columns());
        moveRows(m_backend, rows, *m_first.backend, firstRows);
    }
    const std::vector<int> &layers = m_config.crossModal->layers;
    for (int index = 0; index < static_cast<int>(layers.size()); ++index) {
        const int layer = layers[static_cast<std::size_t>(index)];
        m_layers[static_cast<std::size_t>(layer)].crossModal->remember(*placeOf(layer).backend,
            layer < m_firstLayers ? firstRows : rows, memoryPlane(memory, *m_config.crossModal, 2 * index),
            memoryPlane(memory, *m_config.crossModal, 2 * index + 1));
    }
    ENGINE_CHECK(finishFirst());
    ENGINE_CHECK(m_backend.finishStep());
    return memory;
}

Result<PictureMemory> Decoder::joinMemories(std::span<const PictureMemory *const> memories)
{
    ENGINE_ASSERT(m_config.crossModal && !memories.empty());
    std::int64_t tokens = 0;
    for (const PictureMemory *memory : memories)
        tokens += memory->tokens;
    ENGINE_TRY(PictureMemory joined, emptyMemory(tokens));
    for (int plane = 0; plane < 2 * static_cast<int>(m_config.crossModal->layers.size()); ++plane) {
        Backend &backend = *placeOf(m_config.crossModal->layers[static_cast<std::size_t>(plane / 2)]).backend;
        const Tensor target = memoryPlane(joined, *m_config.crossModal, plane);
        std::int64_t first = 0;
        for (const PictureMemory *memory : memories) {
            backend.copyRows(rowsOf(target, first, memory->tokens), memoryPlane(*memory, *m_config.crossModal, plane));
            first += memory->tokens;
        }
    }
    ENGINE_CHECK(finishFirst());
    ENGINE_CHECK(m_backend.finishStep());
    return joined;
}

Status Decoder::draft(const Batch &batch)
{
    ENGINE_ASSERT(m_mtp && batch.hiddenRows.size() == batch.ids.size());
    ENGINE_CHECK(checkBatch(batch));
    const auto rows = static_cast<std::int64_t>(batch.ids.size());
    ENGINE_CHECK(m_mtp->reserve(m_backend, rows));
    ENGINE_CHECK(m_draftHidden.reserve(m_backend, Scratch::cost(rows, m_config.hidden)));
    ENGINE_CHECK(m_last.scratch.reserve(m_backend, m_mtp->scratchFloats(rows)));
    ENGINE_CHECK(reserveLogits(batch));
    m_draftHidden.clear();
    const Tensor hidden = m_draftHidden.take(rows, m_config.hidden);
    for (std::int64_t i = 0; i < rows;) { // neighbours are copied together
        const std::int32_t row = batch.hiddenRows[static_cast<std::size_t>(i)];
        std::int64_t run = 1;
        while (i + run < rows && batch.hiddenRows[static_cast<std::size_t>(i + run)] == row + run)
            ++run;
        ENGINE_ASSERT(row >= 0 && row + run <= m_hidden.shape[0]);
        m_backend.copyRows(rowsOf(hidden, i, run), rowsOf(m_hidden, row, run));
        i += run;
    }
    m_backend.rmsNorm({.input = hidden, .weight = m_norm.get(), .output = hidden, .epsilon = m_config.rmsEpsilon});
    Step step{.backend = m_backend, .batch = batch, .scratch = m_last.scratch, .rows = static_cast<int>(rows),
        .layer = m_config.layers};
    m_mtp->forward(step, *m_embeddings, hidden);
    if (!batch.logitRows.empty())
        writeLogits(batch, hidden, m_mtp->norm(), m_mtp->head() ? *m_mtp->head() : head());
    return m_backend.finishStep();
}

} // namespace

void DecoderLayer::attend(Step &step, Tensor hidden, Tensor normed, float epsilon) const
{
    step.backend.rmsNorm({.input = hidden, .weight = attentionNorm.get(), .output = normed, .epsilon = epsilon});
    step.scratch.clear();
    attention->forward(step, normed, hidden);
}

void DecoderLayer::feed(Step &step, Tensor hidden, Tensor normed, float epsilon) const
{
    step.backend.rmsNorm({.input = hidden, .weight = feedForwardNorm.get(), .output = normed, .epsilon = epsilon});
    step.scratch.clear();
    feedForward->forward(step, normed, hidden);
}

Result<DecoderLayer> loadDecoderLayer(WeightLoader &loader, const LayerParts &parts, int index,
    std::shared_ptr<const AttentionSettings> settings)
{
    const TextConfig &config = loader.config().text;
    const std::string prefix = config.tensorPrefix + "model.layers." + std::to_string(index);
    DecoderLayer layer;
    ENGINE_TRY(layer.attentionNorm, loader.vector(prefix + ".input_layernorm.weight", config.hidden));
    ENGINE_TRY(layer.attention, parts.attention(loader, prefix + ".self_attn", std::move(settings)));
    ENGINE_TRY(layer.feedForwardNorm, loader.vector(prefix + ".post_attention_layernorm.weight", config.hidden));
    ENGINE_TRY(layer.feedForward, parts.feedForward(loader, prefix + ".mlp", index));
    return layer;
}

Result<std::unique_ptr<Block>> loadFeedForwardOfLayer(WeightLoader &loader, const std::string &prefix, int layer)
{
    const TextConfig &config = loader.config().text;
    if (isMoeLayer(config.moe, layer))
        return loadMoeFeedForward(loader, prefix);
    return loadDenseFeedForward(loader, prefix, config.intermediate);
}

Status checkTextConfig(const TextConfig &config, const std::string &file)
{
    const auto wrong = [&](const std::string &what) {
        return Error{ErrorCode::BadFile, "The configuration of " + file + " cannot be right: " + what + "."};
    };
    if (config.layers < 1 || config.hidden < 1 || config.vocabulary < 1 || config.heads < 1)
        return wrong("layers, hidden size, vocabulary and heads must be positive");
    if (config.attention == AttentionKind::Heads) {
        if (config.kvHeads < 1 || config.heads % config.kvHeads != 0)
            return wrong(std::to_string(config.heads) + " heads cannot share " + std::to_string(config.kvHeads) +
                         " key-value heads");
        if (config.headDim < 2 || config.headDim % 2 != 0)
            return wrong("the head size " + std::to_string(config.headDim) + " is not a positive even number");
    } else if (config.kvLoraRank < 1 || config.nopeHeadDim < 1 || config.valueHeadDim < 1 ||
               config.ropeHeadDim < 2 || config.ropeHeadDim % 2 != 0 || config.queryLoraRank < 0) {
        return wrong("the ranks and head sizes of its latent attention do not fit together");
    }
    const MoeConfig &moe = config.moe;
    if (moe.routedExperts < 0 || moe.sharedExperts < 0)
        return wrong("a number of experts is negative");
    if (moe.routedExperts > 0) {
        if (moe.expertsPerToken < 1 || moe.expertsPerToken > moe.routedExperts || moe.expertIntermediate < 1)
            return wrong(std::to_string(moe.expertsPerToken) + " of " + std::to_string(moe.routedExperts) +
                         " experts with an inner size of " + std::to_string(moe.expertIntermediate));
        if (moe.groups < 1 || moe.routedExperts % moe.groups != 0 || moe.groupsPerToken < 1 ||
            moe.groupsPerToken > moe.groups)
            return wrong("its expert groups do not fit the number of experts");
    }
    const bool hasDense = moe.routedExperts == 0 || moe.firstMoeLayer > 0 || moe.layerFrequency > 1;
    if (hasDense && config.intermediate < 1)
        return wrong("the inner size of its dense layers is missing");
    return Done{};
}

Result<std::unique_ptr<LanguageModel>> loadDecoder(WeightLoader &loader, const LayerParts &parts)
{
    const TextConfig &config = loader.config().text;
    ENGINE_CHECK(checkTextConfig(config, loader.context().files->path().string()));
    auto decoder = std::make_unique<Decoder>(loader.context());
    ENGINE_CHECK(decoder->load(loader, parts));
    return std::unique_ptr<LanguageModel>(std::move(decoder));
}

} // namespace engine
