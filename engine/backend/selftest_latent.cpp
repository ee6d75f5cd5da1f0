// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest_latent.h"

#include "kernels/dtype.h"

#include <cmath>
#include <random>

namespace engine {

namespace {

constexpr int kLatent = 512, kNope = 128, kRope = 64, kValue = 128, kBlockTokens = 16, kBlocks = 14;
constexpr std::int64_t kWidth = kLatent + kRope;
constexpr std::int64_t kBefore = 71, kRowsA = 140, kRowsB = 75, kRows = kRowsA + kRowsB; // more than a tile of 128

Tensor asHeads(Tensor t, std::int64_t heads, std::int64_t columns, std::int64_t stride)
{
    t.shape = {kRows, heads, columns};
    t.rowStride = stride;
    return t;
}

} // namespace

LatentPrompt::LatentPrompt(std::uint64_t seed, int heads, int window) : m_heads(heads), m_window(window)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float> &values, std::int64_t count, float spread) {
        for (std::int64_t i = 0; i < count; ++i)
            values.push_back(normal(random) * spread);
    };
    fill(m_cached, kBefore * kWidth, 1.0F);
    fill(m_projected, kRows * heads * (kNope + kRope), 1.0F);
    fill(m_latents, kRows * kWidth, 1.0F);
    fill(m_gain, kLatent, 1.0F);
    fill(m_keyUp, std::int64_t{heads} * kLatent * kNope, 0.05F);
    fill(m_valueUp, std::int64_t{heads} * kValue * kLatent, 0.05F);
    for (int i = 0; i < kRope / 2; ++i)
        m_frequencies.push_back(std::pow(10000.0F, -2.0F * static_cast<float>(i) / kRope));
    for (std::int32_t b = 0; b < kBlocks; ++b) { // scattered
        m_blocksA.push_back(2 * b + 1);
        m_blocksB.push_back(2 * (kBlocks - 1 - b));
    }
    for (std::int64_t i = 0; i < kRows; ++i)
        m_positions.push_back(static_cast<std::int32_t>(i < kRowsA ? kBefore + i : i - kRowsA));
}

std::string LatentPrompt::shape() const
{
    return std::to_string(m_heads) + " heads, 140 rows after 71 and 75 rows" + (m_window > 0 ? ", window" : "");
}

Result<std::vector<float>> LatentPrompt::run(Backend &backend) const
{
    struct Placed {
        Buffer buffer;
        Tensor tensor;
    };
    const auto place = [&](const std::vector<float> *host, std::int64_t rows, std::int64_t columns) -> Result<Placed> {
        Placed placed;
        const std::vector<float> nothing(host == nullptr ? static_cast<std::size_t>(rows * columns) : 0, std::nanf(""));
        const std::vector<float> &values = host != nullptr ? *host : nothing;
        ENGINE_TRY(placed.buffer, backend.allocate(values.size() * sizeof(float)));
        placed.tensor = placed.buffer.view(Shape{rows, columns});
        backend.toDevice(placed.tensor, values.data(), values.size() * sizeof(float));
        return placed;
    };
    const std::int64_t heads = m_heads;
    ENGINE_TRY(const Buffer buffer, backend.allocate(kernels::rowBytes(DType::BF16, 2 * kBlocks * kBlockTokens * kWidth)));
    const KvLayer layer{.keys = buffer.data(), .values = nullptr, .dtype = DType::BF16, .kvHeads = 1, .keyDim = kWidth,
        .valueDim = kLatent, .valuesInKeys = true, .blockTokens = kBlockTokens};
    const std::vector<KvSequence> stored{{0, static_cast<int>(kBefore), 0, m_blocksA}};
    const std::vector<KvSequence> asked{{0, static_cast<int>(kRowsA), static_cast<int>(kBefore), m_blocksA},
        {static_cast<int>(kRowsA), static_cast<int>(kRowsB), 0, m_blocksB}};
    ENGINE_TRY(const Placed old, place(&m_cached, kBefore, kWidth));
    backend.storeKv({.keys = old.tensor, .values = {}, .layer = layer, .sequences = stored});
    ENGINE_TRY(const WeightPtr norm, backend.uploadValues(m_gain, Shape{kLatent}));
    ENGINE_TRY(const WeightPtr keyUp, backend.uploadValues(m_keyUp, Shape{heads, kLatent, kNope}));
    ENGINE_TRY(const WeightPtr valueUp, backend.uploadValues(m_valueUp, Shape{heads, kValue, kLatent}));
    ENGINE_TRY(const Placed projected, place(&m_projected, kRows, heads * (kNope + kRope)));
    ENGINE_TRY(const Placed latents, place(&m_latents, kRows, kWidth));
    ENGINE_TRY(const Placed query, place(nullptr, kRows, heads * kWidth));
    ENGINE_TRY(const Placed context, place(nullptr, kRows, heads * kLatent));
    ENGINE_TRY(const Placed output, place(nullptr, kRows, heads * kValue));
    const LatentPrepareArgs prepare{.projected = projected.tensor, .latent = latents.tensor, .norm = norm.get(), .query = query.tensor,
        .heads = m_heads, .nope = kNope, .rope = kRope, .inverseFrequencies = m_frequencies, .magnitude = 1.1F, .interleaved = true,
        .positions = m_positions, .layer = layer, .sequences = asked};
    const float scale = 0.07F;
    if (!backend.latentPrompt({.prepare = prepare, .keyUp = keyUp.get(), .valueUp = valueUp.get(), .output = output.tensor,
            .scale = scale, .window = m_window})) {
        backend.headLinear({.input = asHeads(projected.tensor, heads, kNope, kNope + kRope), .weight = keyUp.get(),
            .output = asHeads(query.tensor, heads, kLatent, kWidth), .inputHeadStride = kNope + kRope, .outputHeadStride = kWidth,
            .inputRowStride = heads * (kNope + kRope), .outputRowStride = heads * kWidth});
        backend.latentPrepare(prepare);
        backend.attention({.query = asHeads(query.tensor, heads, kWidth, kWidth), .output = asHeads(context.tensor, heads, kLatent, kLatent),
            .heads = m_heads, .scale = scale, .window = m_window, .layer = layer, .sequences = asked, .observeRows = {}});
        backend.headLinear({.input = asHeads(context.tensor, heads, kLatent, kLatent), .weight = valueUp.get(),
            .output = asHeads(output.tensor, heads, kValue, kValue), .inputHeadStride = kLatent, .outputHeadStride = kValue,
            .inputRowStride = heads * kLatent, .outputRowStride = heads * kValue});
    }
    std::vector<float> host(static_cast<std::size_t>(kRows * heads * kValue));
    backend.toHost(host.data(), output.tensor);
    ENGINE_CHECK(backend.finishStep());
    return host;
}

} // namespace engine
