// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest_prompts.h"

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

std::vector<float> normals(std::mt19937_64 &random, std::int64_t count, float spread = 1.0F)
{
    std::normal_distribution<float> normal;
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float &value : values)
        value = normal(random) * spread;
    return values;
}

Tensor columnsFrom(Tensor t, std::int64_t first, std::int64_t count)
{
    t.data += static_cast<std::size_t>(first) * sizeof(float);
    t.shape = {t.shape[0], count};
    return t;
}

struct Placed {
    Buffer buffer;
    Tensor tensor;
};
Result<Placed> place(Backend &backend, const std::vector<float> &values, std::int64_t rows, std::int64_t columns)
{
    Placed placed;
    ENGINE_TRY(placed.buffer, backend.allocate(values.size() * sizeof(float)));
    placed.tensor = placed.buffer.view(Shape{rows, columns});
    backend.toDevice(placed.tensor, values.data(), values.size() * sizeof(float));
    return placed;
}
Result<Placed> placeNothing(Backend &backend, std::int64_t rows, std::int64_t columns)
{
    return place(backend, std::vector<float>(static_cast<std::size_t>(rows * columns), std::nanf("")), rows, columns);
}

Status append(Backend &backend, const Tensor &tensor, std::vector<float> &results)
{
    const auto count = static_cast<std::size_t>(tensor.shape.elements());
    results.resize(results.size() + count);
    backend.toHost(results.data() + results.size() - count, tensor);
    return backend.finishStep();
}

} // namespace

LatentPrompt::LatentPrompt(std::uint64_t seed, int heads, int window) : m_heads(heads), m_window(window)
{
    std::mt19937_64 random(seed);
    m_cached = normals(random, kBefore * kWidth);
    m_projected = normals(random, kRows * heads * (kNope + kRope));
    m_latents = normals(random, kRows * kWidth);
    m_gain = normals(random, kLatent);
    m_keyUp = normals(random, std::int64_t{heads} * kLatent * kNope, 0.05F);
    m_valueUp = normals(random, std::int64_t{heads} * kValue * kLatent, 0.05F);
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
    const std::int64_t heads = m_heads;
    ENGINE_TRY(const Buffer buffer, backend.allocate(kernels::rowBytes(DType::BF16, 2 * kBlocks * kBlockTokens * kWidth)));
    const KvLayer layer{.keys = buffer.data(), .values = nullptr, .dtype = DType::BF16, .kvHeads = 1, .keyDim = kWidth,
        .valueDim = kLatent, .valuesInKeys = true, .blockTokens = kBlockTokens};
    const std::vector<KvSequence> stored{{0, static_cast<int>(kBefore), 0, m_blocksA}};
    const std::vector<KvSequence> asked{{0, static_cast<int>(kRowsA), static_cast<int>(kBefore), m_blocksA},
        {static_cast<int>(kRowsA), static_cast<int>(kRowsB), 0, m_blocksB}};
    ENGINE_TRY(const Placed old, place(backend, m_cached, kBefore, kWidth));
    backend.storeKv({.keys = old.tensor, .values = {}, .layer = layer, .sequences = stored});
    ENGINE_TRY(const WeightPtr norm, backend.uploadValues(m_gain, Shape{kLatent}));
    ENGINE_TRY(const WeightPtr keyUp, backend.uploadValues(m_keyUp, Shape{heads, kLatent, kNope}));
    ENGINE_TRY(const WeightPtr valueUp, backend.uploadValues(m_valueUp, Shape{heads, kValue, kLatent}));
    ENGINE_TRY(const Placed projected, place(backend, m_projected, kRows, heads * (kNope + kRope)));
    ENGINE_TRY(const Placed latents, place(backend, m_latents, kRows, kWidth));
    ENGINE_TRY(const Placed query, placeNothing(backend, kRows, heads * kWidth));
    ENGINE_TRY(const Placed context, placeNothing(backend, kRows, heads * kLatent));
    ENGINE_TRY(const Placed output, placeNothing(backend, kRows, heads * kValue));
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
    std::vector<float> results;
    ENGINE_CHECK(append(backend, output.tensor, results));
    return results;
}

Result<std::vector<float>> runRotatedHeads(Backend &backend, const RotatedHeads &args)
{
    constexpr int heads = 6, kvHeads = 2, dim = 128, before = 3;
    constexpr std::int64_t queryWidth = heads * dim, keyWidth = kvHeads * dim, width = queryWidth + 2 * keyWidth;
    std::mt19937_64 random(args.seed);
    ENGINE_TRY(const Placed joined, place(backend, normals(random, args.rows * width), args.rows, width));
    ENGINE_TRY(const Placed packed, place(backend, normals(random, args.rows * queryWidth), args.rows, queryWidth));
    ENGINE_TRY(const Placed old, place(backend, normals(random, before * keyWidth), before, keyWidth));
    ENGINE_TRY(const Placed result, placeNothing(backend, args.rows, queryWidth));
    const std::size_t cacheBytes = kernels::rowBytes(args.cacheType, static_cast<std::size_t>((args.rows + 2 * kBlockTokens) * keyWidth));
    ENGINE_TRY(const Buffer keys, backend.allocate(cacheBytes));
    ENGINE_TRY(const Buffer values, backend.allocate(cacheBytes));
    const KvLayer layer{.keys = keys.data(), .values = values.data(), .dtype = args.cacheType, .kvHeads = kvHeads, .keyDim = dim,
        .valueDim = dim, .valuesInKeys = false, .blockTokens = kBlockTokens};
    std::vector<std::int32_t> blocks;
    for (std::int32_t b = 0; b < static_cast<std::int32_t>((before + args.rows + kBlockTokens - 1) / kBlockTokens); ++b)
        blocks.push_back(b);
    const std::vector<KvSequence> stored{{0, before, 0, blocks}};
    backend.storeKv({.keys = old.tensor, .values = old.tensor, .layer = layer, .sequences = stored});
    const std::vector<KvSequence> asked{{0, static_cast<int>(args.rows), before, blocks}};
    std::vector<float> frequencies;
    for (int i = 0; i < dim / 2; ++i)
        frequencies.push_back(std::pow(10000.0F, -2.0F * static_cast<float>(i) / dim));
    std::vector<std::int32_t> positions;
    for (std::int64_t i = 0; i < args.rows; ++i)
        positions.push_back(static_cast<std::int32_t>(before + i));
    // In place there is a packed query of its own, as after norms of heads.
    Tensor query = args.inPlace ? packed.tensor : columnsFrom(joined.tensor, 0, queryWidth);
    Tensor key = columnsFrom(joined.tensor, queryWidth, keyWidth);
    const Tensor value = columnsFrom(joined.tensor, queryWidth + keyWidth, keyWidth);
    backend.headsPrepare({.query = query, .key = key, .value = value, .rotated = packed.tensor, .heads = heads,
        .inverseFrequencies = frequencies, .magnitude = 1.1F, .interleaved = args.interleaved, .positions = positions, .layer = layer,
        .sequences = asked});
    std::vector<float> results;
    ENGINE_CHECK(append(backend, packed.tensor, results));
    const auto perHead = [&](Tensor t) {
        t.shape = {args.rows, heads, dim};
        t.rowStride = dim;
        return t;
    };
    backend.attention({.query = perHead(packed.tensor), .output = perHead(result.tensor), .heads = heads, .scale = 0.08F, .window = 0,
        .layer = layer, .sequences = asked, .observeRows = {}});
    ENGINE_CHECK(append(backend, result.tensor, results));
    return results;
}

Result<std::vector<float>> runNormedProducts(Backend &backend, std::uint64_t seed, std::int64_t rows)
{
    constexpr std::int64_t columns = 544, outputs = 352;
    std::mt19937_64 random(seed);
    ENGINE_TRY(const Placed input, place(backend, normals(random, rows * columns), rows, columns));
    ENGINE_TRY(const Placed addend, place(backend, normals(random, rows * columns), rows, columns));
    ENGINE_TRY(const Placed normed, placeNothing(backend, rows, columns));
    ENGINE_TRY(const WeightPtr gain, backend.uploadValues(normals(random, columns), Shape{columns}));
    ENGINE_TRY(const WeightPtr weight, backend.uploadValues(normals(random, outputs * columns, 0.05F), Shape{outputs, columns}));
    std::vector<float> results;
    const auto multiply = [&]() -> Status {
        ENGINE_TRY(const Placed output, placeNothing(backend, rows, outputs));
        backend.linear({.input = normed.tensor, .weight = weight.get(), .output = output.tensor});
        return append(backend, output.tensor, results);
    };
    backend.rmsNorm({.input = input.tensor, .weight = gain.get(), .output = normed.tensor});
    ENGINE_CHECK(multiply());
    ENGINE_CHECK(multiply());
    backend.add(normed.tensor, addend.tensor);
    ENGINE_CHECK(multiply());
    return results;
}

} // namespace engine
