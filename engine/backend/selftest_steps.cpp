// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest_steps.h"

#include "kernels/dtype.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <span>

namespace engine {

namespace {

constexpr int kLatent = 512, kNope = 128, kRope = 64, kBlockTokens = 16;
constexpr std::int64_t kWidth = kLatent + kRope;

class Run {
public:
    Run(Backend &backend, const StepAttention &args, std::int64_t first, std::int64_t count)
        : m_backend(backend), m_args(args), m_first(first), m_count(count), m_isLatent(args.kvHeads == 0), m_random(args.seed)
        , m_longest(*std::max_element(args.contexts.begin(), args.contexts.end()))
    {
        const int blocksEach = (m_longest + 2 + kBlockTokens - 1) / kBlockTokens;
        m_blocks.resize(8);
        for (int s = 0; s < 8; ++s) {
            for (int b = 0; b < blocksEach; ++b) // scattered
                m_blocks[static_cast<std::size_t>(s)].push_back(b * 8 + (s * 3 + b) % 8);
        }
        m_cacheRows = std::int64_t{8} * blocksEach * kBlockTokens;
        const int dim = m_isLatent ? kRope : args.dim;
        for (int i = 0; i < dim / 2; ++i)
            m_frequencies.push_back(std::pow(10000.0F, -2.0F * static_cast<float>(i) / static_cast<float>(dim)));
    }

    Result<std::vector<float>> run()
    {
        ENGINE_CHECK(fillCache());
        const std::int64_t each = std::int64_t{m_args.heads} * m_args.dim;
        std::vector<float> results(static_cast<std::size_t>(m_count * 2 * each));
        for (int token = 0; token < 2; ++token) {
            std::vector<KvSequence> sequences;
            std::vector<std::int32_t> positions;
            for (std::int64_t i = 0; i < m_count; ++i) {
                const auto s = static_cast<std::size_t>(m_first + i);
                positions.push_back(m_args.contexts[s] + token);
                sequences.push_back({static_cast<int>(i), 1, positions.back(), m_blocks[s]});
            }
            ENGINE_TRY(const std::vector<float> made, m_isLatent ? latent(positions, sequences) : heads(positions, sequences));
            for (std::int64_t i = 0; i < m_count; ++i)
                std::copy_n(made.begin() + i * each, each, results.begin() + (i * 2 + token) * each);
        }
        return results;
    }

private:
    struct Placed {
        Buffer buffer;
        Tensor tensor;
    };
    std::vector<float> normals(std::int64_t count, float spread = 1.0F)
    {
        std::normal_distribution<float> normal;
        std::vector<float> values(static_cast<std::size_t>(count));
        for (float &value : values)
            value = normal(m_random) * spread;
        return values;
    }
    // Of variance 1; millions of them, so four a draw.
    static void fillEvenly(std::span<float> values, std::uint64_t seed)
    {
        std::mt19937_64 random(seed);
        std::uint64_t drawn = 0;
        for (std::size_t i = 0; i < values.size(); ++i, drawn >>= 16U) {
            if (i % 4 == 0)
                drawn = random();
            values[i] = (static_cast<float>(drawn & 0xFFFFU) - 32767.5F) * (1.7320508F / 32768.0F);
        }
    }
    Result<Placed> place(const std::vector<float> &values, std::int64_t columns)
    {
        Placed placed;
        ENGINE_TRY(placed.buffer, m_backend.allocate(values.size() * sizeof(float)));
        placed.tensor = placed.buffer.view(Shape{static_cast<std::int64_t>(values.size()) / columns, columns});
        m_backend.toDevice(placed.tensor, values.data(), values.size() * sizeof(float));
        return placed;
    }
    // Of eight rows those asked for: every row's values stay the same whoever is beside it.
    Result<Placed> placeRows(std::int64_t columns, float spread = 1.0F)
    {
        const std::vector<float> all = normals(8 * columns, spread);
        return place(std::vector<float>(all.begin() + m_first * columns, all.begin() + (m_first + m_count) * columns), columns);
    }
    Result<Placed> placeNothing(std::int64_t columns)
    {
        return place(std::vector<float>(static_cast<std::size_t>(m_count * columns), std::nanf("")), columns);
    }

    Status fillCache()
    {
        const std::int64_t columns = m_isLatent ? kWidth : std::int64_t{m_args.kvHeads} * m_args.dim;
        const std::size_t bytes = kernels::rowBytes(DType::BF16, static_cast<std::size_t>(m_cacheRows * columns));
        ENGINE_TRY(m_keys, m_backend.allocate(bytes));
        if (!m_isLatent) {
            ENGINE_TRY(m_values, m_backend.allocate(bytes));
        }
        m_layer = {.keys = m_keys.data(), .values = m_isLatent ? nullptr : m_values.data(), .dtype = DType::BF16,
            .kvHeads = std::max(m_args.kvHeads, 1), .keyDim = m_isLatent ? static_cast<int>(kWidth) : m_args.dim,
            .valueDim = m_isLatent ? kLatent : m_args.dim, .valuesInKeys = m_isLatent, .blockTokens = kBlockTokens};
        // Of the sequences asked for, each from its own seed: long caches take their time.
        std::vector<KvSequence> stored;
        std::int64_t rows = 0;
        for (std::int64_t s = m_first; s < m_first + m_count; ++s) {
            const int context = m_args.contexts[static_cast<std::size_t>(s)];
            if (context > 0)
                stored.push_back({static_cast<int>(rows), context, 0, m_blocks[static_cast<std::size_t>(s)]});
            rows += context;
        }
        if (rows == 0)
            return Done{};
        const auto made = [&](std::uint64_t salt) {
            std::vector<float> all(static_cast<std::size_t>(rows * columns));
            auto *to = all.data();
            for (std::int64_t s = m_first; s < m_first + m_count; ++s) {
                const std::size_t count = static_cast<std::size_t>(m_args.contexts[static_cast<std::size_t>(s)] * columns);
                fillEvenly({to, count}, m_args.seed ^ (salt + static_cast<std::uint64_t>(s)));
                to += count;
            }
            return all;
        };
        ENGINE_TRY(const Placed keys, place(made(16), columns));
        ENGINE_TRY(const Placed values, place(m_isLatent ? std::vector<float>(1) : made(32), m_isLatent ? 1 : columns));
        m_backend.storeKv({.keys = keys.tensor, .values = m_isLatent ? Tensor{} : values.tensor, .layer = m_layer, .sequences = stored});
        return m_backend.finishStep();
    }

    Tensor perHead(Tensor t, std::int64_t columns, std::int64_t stride) const
    {
        t.shape = {m_count, m_args.heads, columns};
        t.rowStride = stride;
        return t;
    }
    Result<std::vector<float>> resultOf(const Tensor &tensor)
    {
        std::vector<float> host(static_cast<std::size_t>(tensor.shape.elements()));
        m_backend.toHost(host.data(), tensor);
        ENGINE_CHECK(m_backend.finishStep());
        return host;
    }

    Result<std::vector<float>> latent(const std::vector<std::int32_t> &positions, const std::vector<KvSequence> &sequences)
    {
        const std::int64_t heads = m_args.heads;
        const std::int64_t projectedWidth = heads * (kNope + kRope);
        ENGINE_TRY(const WeightPtr norm, m_backend.uploadValues(normals(kLatent), Shape{kLatent}));
        ENGINE_TRY(const WeightPtr keyUp, m_backend.uploadValues(normals(heads * kLatent * kNope, 0.05F), Shape{heads, kLatent, kNope}));
        ENGINE_TRY(const WeightPtr valueUp, m_backend.uploadValues(normals(heads * kNope * kLatent, 0.05F), Shape{heads, kNope, kLatent}));
        // As products leave them: side by side in wider rows.
        ENGINE_TRY(const Placed joined, placeRows(projectedWidth + kWidth));
        ENGINE_TRY(const Placed query, placeNothing(heads * kWidth));
        ENGINE_TRY(const Placed context, placeNothing(heads * kLatent));
        ENGINE_TRY(const Placed output, placeNothing(heads * kNope));
        Tensor projected = joined.tensor;
        projected.shape = {m_count, projectedWidth};
        projected.rowStride = projectedWidth + kWidth;
        Tensor latentRow = projected;
        latentRow.shape = {m_count, kWidth};
        latentRow.data += static_cast<std::size_t>(projectedWidth) * sizeof(float);
        const LatentPrepareArgs prepare{.projected = projected, .latent = latentRow, .norm = norm.get(), .epsilon = 1e-6F,
            .query = query.tensor, .heads = m_args.heads, .nope = kNope, .rope = kRope, .inverseFrequencies = m_frequencies,
            .magnitude = 1.1F, .interleaved = m_args.interleaved, .positions = positions, .layer = m_layer, .sequences = sequences};
        const float scale = 0.07F;
        if (!m_backend.latentPrompt({.prepare = prepare, .keyUp = keyUp.get(), .valueUp = valueUp.get(), .output = output.tensor,
                .scale = scale, .window = m_args.window})) {
            m_backend.headLinear({.input = perHead(projected, kNope, kNope + kRope), .weight = keyUp.get(),
                .output = perHead(query.tensor, kLatent, kWidth), .inputHeadStride = kNope + kRope, .outputHeadStride = kWidth,
                .inputRowStride = projected.rowStride, .outputRowStride = heads * kWidth});
            m_backend.latentPrepare(prepare);
            m_backend.attention({.query = perHead(query.tensor, kWidth, kWidth), .output = perHead(context.tensor, kLatent, kLatent),
                .heads = m_args.heads, .scale = scale, .window = m_args.window, .layer = m_layer, .sequences = sequences, .observeRows = {}});
            m_backend.headLinear({.input = perHead(context.tensor, kLatent, kLatent), .weight = valueUp.get(),
                .output = perHead(output.tensor, kNope, kNope), .inputHeadStride = kLatent, .outputHeadStride = kNope,
                .inputRowStride = heads * kLatent, .outputRowStride = heads * kNope});
        }
        return resultOf(output.tensor);
    }

    Result<std::vector<float>> heads(const std::vector<std::int32_t> &positions, const std::vector<KvSequence> &sequences)
    {
        const std::int64_t queryWidth = std::int64_t{m_args.heads} * m_args.dim;
        const std::int64_t keyWidth = std::int64_t{m_args.kvHeads} * m_args.dim;
        ENGINE_TRY(const Placed joined, placeRows(queryWidth + 2 * keyWidth));
        ENGINE_TRY(const Placed rotated, placeNothing(queryWidth));
        ENGINE_TRY(const Placed output, placeNothing(queryWidth));
        const auto columns = [&](std::int64_t from, std::int64_t count) {
            Tensor t = joined.tensor;
            t.data += static_cast<std::size_t>(from) * sizeof(float);
            t.shape = {m_count, count};
            t.rowStride = queryWidth + 2 * keyWidth;
            return t;
        };
        m_backend.headsPrepare({.query = columns(0, queryWidth), .key = columns(queryWidth, keyWidth),
            .value = columns(queryWidth + keyWidth, keyWidth), .rotated = rotated.tensor, .heads = m_args.heads,
            .inverseFrequencies = m_frequencies, .magnitude = 1.1F, .interleaved = m_args.interleaved, .positions = positions,
            .layer = m_layer, .sequences = sequences});
        m_backend.attention({.query = perHead(rotated.tensor, m_args.dim, m_args.dim), .output = perHead(output.tensor, m_args.dim, m_args.dim),
            .heads = m_args.heads, .scale = 0.08F, .window = m_args.window, .layer = m_layer, .sequences = sequences, .observeRows = {}});
        return resultOf(output.tensor);
    }

    Backend &m_backend;
    const StepAttention &m_args;
    std::int64_t m_first, m_count, m_cacheRows = 0;
    bool m_isLatent;
    std::mt19937_64 m_random;
    int m_longest;
    std::vector<std::vector<std::int32_t>> m_blocks;
    std::vector<float> m_frequencies;
    Buffer m_keys, m_values;
    KvLayer m_layer;
};

} // namespace

Result<std::vector<float>> runStepAttention(Backend &backend, const StepAttention &args, std::int64_t first, std::int64_t count)
{
    return Run(backend, args, first, count).run();
}

} // namespace engine
