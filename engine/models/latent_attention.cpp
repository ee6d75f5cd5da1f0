// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/indexer.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace engine {
namespace {

// The norms inside MLA keep their class default, whatever rms_norm_eps says.
constexpr float kLatentNormEpsilon = 1e-6F;

class LatentAttention final : public Block {
public:
    LatentAttention(const TextConfig &config, std::shared_ptr<const AttentionSettings> settings)
        : m_heads(config.heads)
        , m_queryRank(config.queryLoraRank)
        , m_latent(config.kvLoraRank)
        , m_nope(config.nopeHeadDim)
        , m_rope(config.ropeHeadDim)
        , m_value(config.valueHeadDim)
        , m_interleaved(config.rope.interleaved)
        , m_settings(std::move(settings))
    {
    }

    Status load(WeightLoader &loader, const std::string &prefix)
    {
        const TextConfig &config = loader.config().text;
        std::vector<WeightLoader::Rows> parts{
            {.name = prefix + (m_queryRank > 0 ? ".q_a_proj.weight" : ".q_proj.weight"), .out = firstWidth()},
            {.name = prefix + ".kv_a_proj_with_mqa.weight", .out = keyWidth()}};
        ENGINE_TRY(m_queryAndLatent, loader.joined(parts, config.hidden));
        if (m_queryRank > 0) {
            ENGINE_TRY(m_queryNorm, loader.vector(prefix + ".q_a_layernorm.weight", m_queryRank));
            ENGINE_TRY(m_queryUp, loader.linear(prefix + ".q_b_proj.weight", queryWidth(), m_queryRank));
        }
        if (config.indexer.heads > 0) {
            m_indexer.emplace();
            ENGINE_CHECK(m_indexer->load(loader, prefix + ".indexer"));
        }
        ENGINE_TRY(m_latentNorm, loader.vector(prefix + ".kv_a_layernorm.weight", m_latent));
        ENGINE_CHECK(loadHeadMatrices(loader, prefix));
        ENGINE_TRY(m_output,
            loader.linear(prefix + ".o_proj.weight", config.hidden, std::int64_t{m_heads} * m_value));
        return Done{};
    }

    std::int64_t scratchFloats(std::int64_t rows) const override
    {
        return Scratch::cost(rows, m_queryAndLatent.outputs()) + Scratch::cost(rows, queryWidth()) +
               Scratch::cost(rows, std::int64_t{m_heads} * keyWidth()) +
               Scratch::cost(rows, std::int64_t{m_heads} * m_latent) +
               Scratch::cost(rows, std::int64_t{m_heads} * m_value) +
               (m_indexer ? m_indexer->scratchFloats(rows) : 0);
    }

    void forward(Step &step, Tensor input, Tensor residual) const override
    {
        Backend &backend = step.backend;
        const std::int64_t rows = step.rows;
        const Tensor joined = step.scratch.take(rows, m_queryAndLatent.outputs());
        Tensor projected = step.scratch.take(rows, queryWidth());
        const Tensor query = step.scratch.take(rows, std::int64_t{m_heads} * keyWidth());
        const Tensor context = step.scratch.take(rows, std::int64_t{m_heads} * m_latent);
        const Tensor result = step.scratch.take(rows, std::int64_t{m_heads} * m_value);

        m_queryAndLatent.forward(backend, input, joined);
        const Tensor first = columnsOf(joined, 0, firstWidth());
        const Tensor latentRow = columnsOf(joined, firstWidth(), keyWidth());
        if (m_queryRank > 0) {
            backend.rmsNorm({.input = first, .weight = m_queryNorm.get(), .output = first,
                .epsilon = kLatentNormEpsilon});
            backend.linear({.input = first, .weight = m_queryUp.get(), .output = projected});
        } else if (backend.hostMemory()) {
            backend.copyRows(projected, first); // packed rows go faster there
        } else {
            projected = first;
        }

        const KvLayer &cache = step.batch.cache[static_cast<std::size_t>(step.layer)];
        const float scale = m_settings->rope.scaleFactor / std::sqrt(static_cast<float>(m_nope + m_rope));
        const LatentPrepareArgs prepare{.projected = projected,
            .latent = latentRow,
            .norm = m_latentNorm.get(),
            .epsilon = kLatentNormEpsilon,
            .query = query,
            .heads = m_heads,
            .nope = static_cast<int>(m_nope),
            .rope = static_cast<int>(m_rope),
            .inverseFrequencies = m_settings->rope.inverseFrequencies,
            .magnitude = m_settings->rope.magnitude,
            .interleaved = m_interleaved,
            .positions = step.batch.positions,
            .layer = cache,
            .sequences = step.batch.sequences};
        // Many rows: per head. What looks at the probabilities, or at some tokens only, needs the other way.
        if (!m_indexer && step.observed == nullptr
            && backend.latentPrompt({.prepare = prepare, .keyUp = m_keyUp.get(), .valueUp = m_valueUp.get(), .output = result,
                .scale = scale, .window = m_settings->window})) {
            backend.linear({.input = result, .weight = m_output.get(), .output = residual, .accumulate = true});
            return;
        }

        // query = [W_UK^T q_nope | rope(q_pe)] in each head, against the row [latent | rope(k_pe)].
        backend.headLinear({.input = asHeads(projected, m_nope, m_nope + m_rope),
            .weight = m_keyUp.get(),
            .output = asHeads(query, m_latent, keyWidth()),
            .inputHeadStride = m_nope + m_rope,
            .outputHeadStride = keyWidth(),
            .inputRowStride = projected.rowStride,
            .outputRowStride = std::int64_t{m_heads} * keyWidth()});
        const std::int32_t *selected = m_indexer ? m_indexer->select(step, input, first, *m_settings) : nullptr;
        backend.latentPrepare(prepare);
        backend.attention({.query = asHeads(query, keyWidth(), keyWidth()),
            .output = asHeads(context, m_latent, m_latent),
            .heads = m_heads,
            .scale = scale,
            .window = m_settings->window,
            .layer = cache,
            .sequences = step.batch.sequences,
            .selected = selected,
            .selectedPerRow = m_indexer ? m_indexer->tokens() : 0,
            .observeRows = step.observed ? step.batch.observeRows : std::span<const std::int32_t>(),
            .observed = step.observed,
            .observeStride = step.observeStride});
        backend.headLinear({.input = asHeads(context, m_latent, m_latent),
            .weight = m_valueUp.get(),
            .output = asHeads(result, m_value, m_value),
            .inputHeadStride = m_latent,
            .outputHeadStride = m_value,
            .inputRowStride = context.rowStride,
            .outputRowStride = result.rowStride});
        backend.linear({.input = result, .weight = m_output.get(), .output = residual, .accumulate = true});
    }

private:
    // kv_b holds [nope key rows | value rows] per head. The key half is transposed so that it acts on the query.
    // Newer GGUF files have the two halves apart and transposed already.
    Status loadHeadMatrices(WeightLoader &loader, const std::string &prefix)
    {
        if (!loader.has(prefix + ".kv_b_proj.weight") && loader.has(prefix + ".k_b_proj.weight")) {
            ENGINE_TRY(const std::vector<float> keys,
                loader.values(prefix + ".k_b_proj.weight", {m_heads, m_latent, m_nope}));
            ENGINE_TRY(m_keyUp, loader.computed(keys, {m_heads, m_latent, m_nope}));
            ENGINE_TRY(const std::vector<float> values,
                loader.values(prefix + ".v_b_proj.weight", {m_heads, m_value, m_latent}));
            ENGINE_TRY(m_valueUp, loader.computed(values, {m_heads, m_value, m_latent}));
            return Done{};
        }
        const std::int64_t perHead = m_nope + m_value;
        ENGINE_TRY(const std::vector<float> both,
            loader.values(prefix + ".kv_b_proj.weight", {m_heads * perHead, m_latent}));
        std::vector<float> keyUp(static_cast<std::size_t>(m_heads * m_latent * m_nope));
        std::vector<float> valueUp(static_cast<std::size_t>(m_heads * m_value * m_latent));
        for (std::int64_t head = 0; head < m_heads; ++head) {
            const float *keyRows = both.data() + head * perHead * m_latent;
            const float *valueRows = keyRows + m_nope * m_latent;
            float *transposed = keyUp.data() + head * m_latent * m_nope;
            for (std::int64_t row = 0; row < m_nope; ++row)
                for (std::int64_t column = 0; column < m_latent; ++column)
                    transposed[column * m_nope + row] = keyRows[row * m_latent + column];
            std::copy_n(valueRows, m_value * m_latent, valueUp.data() + head * m_value * m_latent);
        }
        ENGINE_TRY(m_keyUp, loader.computed(keyUp, {m_heads, m_latent, m_nope}));
        ENGINE_TRY(m_valueUp, loader.computed(valueUp, {m_heads, m_value, m_latent}));
        return Done{};
    }

    std::int64_t keyWidth() const { return m_latent + m_rope; }
    std::int64_t queryWidth() const { return m_heads * (m_nope + m_rope); }
    std::int64_t firstWidth() const { return m_queryRank > 0 ? m_queryRank : queryWidth(); }

    // The first `width` elements of every head of a packed matrix.
    Tensor asHeads(Tensor packed, std::int64_t width, std::int64_t headStride) const
    {
        packed.shape = {packed.shape[0], m_heads, width};
        packed.rowStride = headStride;
        return packed;
    }

    int m_heads;
    std::int64_t m_queryRank, m_latent, m_nope, m_rope, m_value;
    bool m_interleaved;
    std::shared_ptr<const AttentionSettings> m_settings;
    JoinedLinear m_queryAndLatent;
    std::optional<Indexer> m_indexer; // V3.2
    WeightPtr m_queryNorm, m_queryUp, m_latentNorm, m_keyUp, m_valueUp, m_output;
};

} // namespace

Result<std::unique_ptr<Block>> loadLatentAttention(WeightLoader &loader, const std::string &prefix,
    std::shared_ptr<const AttentionSettings> settings)
{
    auto block = std::make_unique<LatentAttention>(loader.config().text, std::move(settings));
    ENGINE_CHECK(block->load(loader, prefix));
    return std::unique_ptr<Block>(std::move(block));
}

} // namespace engine
