// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest_check.h"

namespace engine::selftest {

Status Check::smallOperations()
{
    const std::int64_t rows = 5;
    const std::int64_t columns = 203;
    const Floats input = values(rows * columns);
    const Floats gain = values(columns);
    const Floats shift = values(columns);
    for (const bool centred : {false, true}) {
        ENGINE_CHECK(compare(centred ? "layer norm" : "rms norm", text(rows) + " x " + text(columns), m_bound,
            [&](int side) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                ENGINE_TRY(const WeightPtr weight, backend.uploadValues(gain, Shape{columns}));
                ENGINE_TRY(const WeightPtr bias, backend.uploadValues(shift, Shape{columns}));
                ENGINE_TRY(const Placed x, place(side, input, Shape{rows, columns}));
                ENGINE_TRY(const Placed y, place(side, poison(rows * columns), Shape{rows, columns}));
                if (centred)
                    backend.layerNorm({.input = x.tensor, .weight = weight.get(), .bias = bias.get(), .output = y.tensor});
                else
                    backend.rmsNorm({.input = x.tensor, .weight = weight.get(), .output = y.tensor});
                return read(side, y.tensor);
            }));
    }
    const Floats other = values(rows * columns);
    ENGINE_CHECK(compare("silu multiply, add, copy", text(rows) + " x " + text(columns), m_bound,
        [&](int side) -> Result<Floats> {
            Backend &backend = *m_backends[side];
            ENGINE_TRY(const Placed gate, place(side, input, Shape{rows, columns}));
            ENGINE_TRY(const Placed up, place(side, other, Shape{rows, columns}));
            ENGINE_TRY(const Placed y, place(side, poison(rows * columns), Shape{rows, columns}));
            ENGINE_TRY(const Placed z, place(side, poison(rows * columns), Shape{rows, columns}));
            backend.siluMultiply(gate.tensor, up.tensor, y.tensor);
            backend.add(y.tensor, up.tensor);
            backend.copyRows(z.tensor, y.tensor);
            return read(side, z.tensor);
        }));
    for (const bool interleaved : {false, true}) {
        const std::int64_t heads = 3;
        const std::int64_t dim = 48;
        const Floats x = values(rows * heads * dim);
        const Floats frequencies{1.0F, 0.5F, 0.1F, 0.01F, 0.001F, 0.0001F, 0.3F, 0.7F};
        const std::vector<std::int32_t> positions{0, 1, 17, 4095, 9000};
        ENGINE_CHECK(compare(interleaved ? "rope, pairs" : "rope, halves", "5 x 3 x 48", 1e-4, // sine of large angles
            [&](int side) -> Result<Floats> {
                ENGINE_TRY(const Placed placed, place(side, x, Shape{rows, heads, dim}));
                m_backends[side]->rope({.x = placed.tensor, .offset = 32, .inverseFrequencies = frequencies, .magnitude = 1.1F,
                    .interleaved = interleaved, .positions = positions});
                return read(side, placed.tensor);
            }));
    }
    const RandomWeight table = weight(DType::BF16, Shape{50, columns});
    const std::vector<std::int32_t> ids{49, 0, 7, 7, 21};
    ENGINE_CHECK(compare("embedding", "5 of 50 x 203", 0.0, [&](int side) -> Result<Floats> {
        ENGINE_TRY(const WeightPtr weight, m_backends[side]->upload(table.tensor, {}));
        ENGINE_TRY(const Placed y, place(side, poison(rows * columns), Shape{rows, columns}));
        m_backends[side]->embed({.table = weight.get(), .ids = ids, .output = y.tensor});
        return read(side, y.tensor);
    }));
    for (const DType type : {DType::Q4_0, DType::Q4_1, DType::Q5_0, DType::Q5_1, DType::Q8_0, DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::F8E4M3}) {
        const RandomWeight packed = weight(type, Shape{50, 512});
        ENGINE_CHECK(compare("embedding " + std::string(kernels::dtypeInfo(type).name), "5 of 50 x 512", 1e-6, [&](int side) -> Result<Floats> {
            ENGINE_TRY(const WeightPtr weight, m_backends[side]->upload(packed.tensor, {}));
            ENGINE_TRY(const Placed y, place(side, poison(rows * 512), Shape{rows, 512}));
            m_backends[side]->embed({.table = weight.get(), .ids = ids, .output = y.tensor});
            return read(side, y.tensor);
        }));
    }
    const std::int64_t heads = 3;
    const Floats headValues = values(heads * 40 * 24, 0.2F);
    const Floats headInput = values(rows * heads * 24);
    ENGINE_CHECK(compare("head linear", "5 x 3 x 24 -> 40", m_bounds.rounded, [&](int side) -> Result<Floats> {
        ENGINE_TRY(const WeightPtr weight, m_backends[side]->uploadValues(headValues, Shape{heads, 40, 24}));
        ENGINE_TRY(const Placed x, place(side, headInput, Shape{rows, heads, 24}));
        ENGINE_TRY(const Placed y, place(side, poison(rows * heads * 40), Shape{rows, heads, 40}));
        m_backends[side]->headLinear({.input = x.tensor, .weight = weight.get(), .output = y.tensor});
        return read(side, y.tensor);
    }));
    for (const std::int64_t many : {5, 70}) {
        const Floats wideValues = values(4 * 96 * 64, 0.2F);
        const Floats wideInput = values(many * 4 * 96);
        // Heads lie 96 columns apart and use the first 64, as latent attention has it.
        ENGINE_CHECK(compare("head linear", text(many) + " x 4 x 64 of 96 -> 96", std::max(m_bounds.rounded, many > 64 ? m_bounds.many : 0.0),
            [&](int side) -> Result<Floats> {
                ENGINE_TRY(const WeightPtr weight, m_backends[side]->uploadValues(wideValues, Shape{4, 96, 64}));
                ENGINE_TRY(const Placed x, place(side, wideInput, Shape{many, 4, 96}));
                ENGINE_TRY(const Placed y, place(side, poison(many * 4 * 96), Shape{many, 4, 96}));
                Tensor strided = x.tensor;
                strided.shape = {many, 4, 64};
                m_backends[side]->headLinear({.input = strided, .weight = weight.get(), .output = y.tensor, .inputHeadStride = 96,
                    .outputHeadStride = 96, .inputRowStride = 4 * 96, .outputRowStride = 4 * 96});
                return read(side, y.tensor);
            }));
    }
    return pictureAttentions();
}

Status Check::pictureAttentions()
{
    std::vector<std::uint8_t> pixels(3 * 45 * 45 * 3); // three tiles; a border belongs to no patch
    for (std::uint8_t &pixel : pixels)
        pixel = static_cast<std::uint8_t>(m_random());
    const Floats normalised = values(3 * 256);
    ENGINE_CHECK(compare("picture patches", "3 tiles of 45, patches of 14", m_bound, [&](int side) -> Result<Floats> {
        ENGINE_TRY(const Placed y, place(side, poison(27 * 608), Shape{27, 608}));
        m_backends[side]->patches({.pixels = pixels, .tiles = 3, .size = 45, .patch = 14, .values = normalised, .output = y.tensor});
        return read(side, y.tensor);
    }));
    constexpr int kHeads = 2;
    for (const int headDim : {20, 64, 72, 80, 96, 128})
        for (const int tokens : {50, 150}) {
            if (!m_isCard && headDim != 72)
                continue; // one kernel for all of them
            const std::int64_t width = kHeads * headDim, rows = 2 * tokens;
            const Floats joined = values(rows * 3 * width); // query, key and value side by side, as the tower has them
            const double bound = std::max(m_bound, headDim == 20 ? m_bound : m_bounds.many);
            ENGINE_CHECK(compare("picture attention", "2 x " + text(tokens) + " x 2 heads of " + text(headDim), bound,
                [&](int side) -> Result<Floats> {
                    ENGINE_TRY(const Placed all, place(side, joined, Shape{rows, 3 * width}));
                    ENGINE_TRY(const Placed y, place(side, poison(rows * width), Shape{rows, width}));
                    const auto part = [&](std::int64_t index) {
                        Tensor tensor = all.tensor;
                        tensor.data += static_cast<std::size_t>(index * width) * sizeof(float);
                        tensor.shape = Shape{rows, width};
                        return tensor;
                    };
                    m_backends[side]->denseAttention({.query = part(0), .key = part(1), .value = part(2), .output = y.tensor,
                        .batch = 2, .tokens = tokens, .heads = kHeads, .headDim = headDim,
                        .scale = 1.0F / std::sqrt(static_cast<float>(headDim))});
                    return read(side, y.tensor);
                }));
        }
    return pictureLayers();
}

// Windows and weights of any kind, some of which leave the range of a byte; bytes come back as numbers.
Status Check::resizedPictures()
{
    struct Pass {
        std::vector<std::int32_t> first, count, weights;
        ResizePass pass;
    };
    const auto passOf = [&](Pass &p, int inputs, int outputs) {
        constexpr int kTaps = 5;
        for (int i = 0; i < outputs; ++i) {
            p.count.push_back(1 + static_cast<int>(m_random() % kTaps));
            p.first.push_back(static_cast<int>(m_random() % static_cast<std::uint64_t>(inputs - p.count.back() + 1)));
            for (int tap = 0; tap < kTaps; ++tap)
                p.weights.push_back(static_cast<std::int32_t>(m_random() % (1U << 21)) - (1 << 19)); // their sums fit 32 bits
        }
        p.pass = {outputs, kTaps, p.first, p.count, p.weights};
    };
    constexpr int kWidth = 37, kHeight = 23, kSize = 14;
    std::vector<std::uint8_t> pixels(kWidth * kHeight * 3);
    for (std::uint8_t &pixel : pixels)
        pixel = static_cast<std::uint8_t>(m_random());
    std::array<Pass, 4> passes;
    passOf(passes[0], kWidth, 14);
    passOf(passes[1], kHeight, 9);
    passOf(passes[2], kWidth, 28);
    passOf(passes[3], kHeight, 25);
    const std::array views{ResizeView{.columns = passes[0].pass, .rows = passes[1].pass, .rowsFirst = true, .top = 2},
        ResizeView{.columns = passes[2].pass, .rows = passes[3].pass, .left = 0, .top = 1, .tilesWide = 2, .tilesHigh = 2},
        ResizeView{}}; // nothing of the picture is left: the ground
    constexpr std::size_t kBytes = std::size_t{6} * kSize * kSize * 3;
    return compare("picture tiles", "37 x 23 to 6 tiles of 14", 0.0, [&](int side) -> Result<Floats> {
        ENGINE_TRY(const Placed y, place(side, poison(kBytes / sizeof(float)), Shape{1, kBytes / sizeof(float)}));
        if (!m_backends[side]->resizeTiles({.pixels = pixels, .width = kWidth, .height = kHeight, .views = views, .size = kSize,
                .ground = {7, 8, 9}, .tiles = y.buffer.data()}))
            return Error{ErrorCode::Internal, "a small picture was refused"};
        std::vector<std::uint8_t> bytes(kBytes);
        m_backends[side]->toHost(bytes.data(), y.tensor);
        ENGINE_CHECK(m_backends[side]->finishStep());
        return Floats(bytes.begin(), bytes.end());
    });
}

// The tower's layer as one operation, and rows to their places.
Status Check::pictureLayers()
{
    const Floats squares = values(6 * 35);
    const std::vector<std::int32_t> places{8, 1, 2, 3, 0, 6};
    ENGINE_CHECK(compare("picture rows placed", "6 and 1 of 35 to 9", 0.0, [&](int side) -> Result<Floats> {
        ENGINE_TRY(const Placed x, place(side, squares, Shape{6, 35}));
        ENGINE_TRY(const Placed y, place(side, Floats(9 * 35, 0.5F), Shape{9, 35}));
        m_backends[side]->scatterRows({.source = x.tensor, .destination = y.tensor, .rows = places});
        Tensor one = x.tensor;
        one.shape = Shape{1, 35};
        m_backends[side]->scatterRows({.source = one, .destination = y.tensor, .rows = std::vector<std::int32_t>{4, 7}});
        return read(side, y.tensor);
    }));
    ENGINE_CHECK(resizedPictures());
    constexpr std::int64_t kMiddle = 160;
    for (const auto &[heads, headDim, tokens] : {std::array{2, 20, 50}, std::array{16, 72, 133}}) {
        if (!m_isCard && headDim == 72)
            continue; // made of the operations above
        const std::int64_t width = std::int64_t{heads} * headDim, rows = 2 * tokens;
        const Floats hidden = values(rows * width);
        const float spread = 1.0F / std::sqrt(static_cast<float>(width));
        const std::array weights{values(3 * width * width, spread), values(width * width, spread), values(kMiddle * width, spread),
            values(width * kMiddle, spread)};
        const std::array outputs{3 * width, width, kMiddle, width};
        const std::array<Floats, 4> biases{values(outputs[0]), values(outputs[1]), values(outputs[2]), values(outputs[3])};
        const std::array<Floats, 4> norms{values(width), values(width), values(width), values(width)};
        ENGINE_CHECK(compare("picture layer", "2 x " + text(tokens) + ", " + text(heads) + " heads of " + text(headDim),
            std::max(m_bounds.rounded, m_bounds.many), [&](int side) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                std::array<WeightPtr, 4> matrices, shifts, gains;
                for (std::size_t i = 0; i < 4; ++i) {
                    const std::int64_t columns = static_cast<std::int64_t>(weights[i].size()) / outputs[i];
                    ENGINE_TRY(matrices[i], backend.uploadValues(weights[i], Shape{outputs[i], columns}));
                    ENGINE_TRY(shifts[i], backend.uploadValues(biases[i], Shape{outputs[i]}));
                    ENGINE_TRY(gains[i], backend.uploadValues(norms[i], Shape{width}));
                }
                ENGINE_TRY(const Placed x, place(side, hidden, Shape{rows, width}));
                ENGINE_TRY(const Placed normed, place(side, poison(rows * width), Shape{rows, width}));
                ENGINE_TRY(const Placed joined, place(side, poison(rows * 3 * width), Shape{rows, 3 * width}));
                ENGINE_TRY(const Placed wide, place(side, poison(rows * kMiddle), Shape{rows, kMiddle}));
                const auto partOf = [&](std::size_t i) { return PictureLayerArgs::Part{matrices[i].get(), shifts[i].get()}; };
                backend.pictureLayer({.hidden = x.tensor,
                    .norm1 = {gains[0].get(), gains[1].get()},
                    .norm2 = {gains[2].get(), gains[3].get()},
                    .queryKeyValue = partOf(0),
                    .output = partOf(1),
                    .up = partOf(2),
                    .down = partOf(3),
                    .tiles = 2,
                    .tokens = tokens,
                    .heads = heads,
                    .normed = normed.tensor,
                    .joined = joined.tensor,
                    .wide = wide.tensor});
                return read(side, x.tensor);
            }));
    }
    return Done{};
}

Status Check::attentions()
{
    for (const DType cacheType : {DType::F32, DType::BF16}) {
        ENGINE_CHECK(attention(false, 0, cacheType));
        ENGINE_CHECK(attention(true, 0, cacheType));
    }
    return attention(false, 20, DType::F32);
}

// Two sequences in one step: a prompt of 37 tokens written at once, and one token behind 300 cached ones.
Status Check::attention(bool latent, int window, DType cacheType)
{
    const int heads = 6;
    const int kvHeads = latent ? 1 : 2;
    const int keyDim = latent ? 80 : 48;
    const int valueDim = latent ? 64 : 48;
    const std::int64_t blocks = 30;
    const std::int64_t keyColumns = kvHeads * keyDim;
    const std::int64_t valueColumns = kvHeads * valueDim;
    const std::int64_t context = 300;
    const Floats oldKeys = values(context * keyColumns);
    const Floats oldValues = values(context * valueColumns);
    const std::int64_t rows = 38;
    const Floats keys = values(rows * keyColumns);
    const Floats vals = values(rows * valueColumns);
    const Floats query = values(rows * heads * keyDim);
    std::vector<std::int32_t> firstBlocks{29, 3, 11};
    std::vector<std::int32_t> secondBlocks;
    for (std::int32_t block = 28; block > 4; --block) {
        if (block != 11)
            secondBlocks.push_back(block);
    }
    const std::string name = std::string(latent ? "latent attention" : "attention") + (window > 0 ? ", window" : "") + ", cache "
        + std::string(kernels::dtypeInfo(cacheType).name);
    // A bf16 cache rounds the same way on both sides.
    return compare(name, "37 + 1 rows, 6 heads", m_bound, [&](int side) -> Result<Floats> {
        Backend &backend = *m_backends[side];
        const auto keyBytes = kernels::rowBytes(cacheType, static_cast<std::size_t>(blocks * kBlockTokens * keyColumns));
        const auto valueBytes = kernels::rowBytes(cacheType, static_cast<std::size_t>(blocks * kBlockTokens * valueColumns));
        ENGINE_TRY(const Buffer keyBuffer, backend.allocate(keyBytes));
        ENGINE_TRY(const Buffer valueBuffer, backend.allocate(valueBytes));
        KvLayer layer;
        layer.keys = keyBuffer.data();
        layer.values = latent ? nullptr : valueBuffer.data();
        layer.dtype = cacheType;
        layer.kvHeads = kvHeads;
        layer.keyDim = keyDim;
        layer.valueDim = valueDim;
        layer.valuesInKeys = latent;
        layer.blockTokens = kBlockTokens;
        const KvSequence old[] = {{0, static_cast<int>(context), 0, secondBlocks}};
        ENGINE_TRY(const Placed k0, place(side, oldKeys, Shape{context, keyColumns}));
        ENGINE_TRY(const Placed v0, place(side, oldValues, Shape{context, valueColumns}));
        backend.storeKv({.keys = k0.tensor, .values = v0.tensor, .layer = layer, .sequences = old});
        const KvSequence both[] = {{0, 37, 0, firstBlocks}, {37, 1, static_cast<int>(context), secondBlocks}};
        ENGINE_TRY(const Placed k1, place(side, keys, Shape{rows, keyColumns}));
        ENGINE_TRY(const Placed v1, place(side, vals, Shape{rows, valueColumns}));
        backend.storeKv({.keys = k1.tensor, .values = v1.tensor, .layer = layer, .sequences = both});
        ENGINE_TRY(const Placed q, place(side, query, Shape{rows, heads, keyDim}));
        ENGINE_TRY(const Placed y, place(side, poison(rows * heads * valueDim), Shape{rows, heads, valueDim}));
        const std::int32_t observeRows[] = {36, 37};
        Floats observed(2 * (context + 1));
        backend.attention({.query = q.tensor, .output = y.tensor, .heads = heads, .scale = 0.14F, .window = window,
            .layer = layer, .sequences = both, .observeRows = observeRows, .observed = observed.data(),
            .observeStride = context + 1});
        ENGINE_TRY(Floats result, read(side, y.tensor));
        result.insert(result.end(), observed.begin(), observed.end());
        return result;
    });
}

// Latent attention of eight sequences' next tokens: the absorbed key matrix, the new cache row, attention, the value matrix.
Status Check::latentChain()
{
    const int heads = 16;
    const std::int64_t nope = 128;
    const std::int64_t rope = 64;
    const std::int64_t latent = 512;
    const std::int64_t width = latent + rope;
    const std::int64_t projectedWidth = heads * (nope + rope);
    const int contexts[] = {1, 2, 64, 65, 100, 128, 200, 340}; // with the new token
    const std::int64_t longest = 340;
    constexpr std::int32_t blocksEach = 22;
    const Floats old = values(8 * longest * width);
    const Floats projected = values(8 * projectedWidth, 0.3F);
    const Floats newRows = values(8 * width);
    const Floats gain = values(latent);
    const Floats keyUp = values(heads * latent * nope, 0.1F);
    const Floats valueUp = values(heads * nope * latent, 0.1F);
    Floats frequencies(static_cast<std::size_t>(rope / 2));
    for (std::size_t i = 0; i < frequencies.size(); ++i)
        frequencies[i] = std::pow(10000.0F, -static_cast<float>(i) / static_cast<float>(frequencies.size()));
    std::vector<std::vector<std::int32_t>> blocks(8);
    for (std::int32_t s = 0; s < 8; ++s) {
        for (std::int32_t b = 0; b < blocksEach; ++b)
            blocks[static_cast<std::size_t>(s)].push_back(b * 8 + (s * 3 + b) % 8);
    }
    const auto run = [&](int side, std::int64_t first, std::int64_t rows) -> Result<Floats> {
        Backend &backend = *m_backends[side];
        ENGINE_TRY(const Buffer cache,
            backend.allocate(kernels::rowBytes(DType::BF16, static_cast<std::size_t>(8 * blocksEach * kBlockTokens * width))));
        const KvLayer layer{.keys = cache.data(), .values = nullptr, .dtype = DType::BF16, .kvHeads = 1,
            .keyDim = static_cast<int>(width), .valueDim = static_cast<int>(latent), .valuesInKeys = true, .blockTokens = kBlockTokens};
        std::vector<KvSequence> stored;
        std::vector<KvSequence> asked;
        std::vector<std::int32_t> positions;
        for (std::int64_t s = 0; s < 8; ++s)
            stored.push_back({static_cast<int>(s * longest), static_cast<int>(longest), 0, blocks[static_cast<std::size_t>(s)]});
        for (std::int64_t s = first; s < first + rows; ++s) {
            asked.push_back({static_cast<int>(s - first), 1, contexts[s] - 1, blocks[static_cast<std::size_t>(s)]});
            positions.push_back(contexts[s] - 1);
        }
        const auto part = [&](const Floats &from, std::int64_t columns) {
            return Floats(from.begin() + first * columns, from.begin() + (first + rows) * columns);
        };
        ENGINE_TRY(const Placed before, place(side, old, Shape{8 * longest, width}));
        backend.storeKv({.keys = before.tensor, .values = {}, .layer = layer, .sequences = stored});
        ENGINE_TRY(const WeightPtr up, backend.uploadValues(keyUp, Shape{heads, latent, nope}));
        ENGINE_TRY(const WeightPtr down, backend.uploadValues(valueUp, Shape{heads, nope, latent}));
        ENGINE_TRY(const WeightPtr norm, backend.uploadValues(gain, Shape{latent}));
        ENGINE_TRY(const Placed p, place(side, part(projected, projectedWidth), Shape{rows, projectedWidth}));
        ENGINE_TRY(const Placed l, place(side, part(newRows, width), Shape{rows, width}));
        ENGINE_TRY(const Placed query, place(side, poison(rows * heads * width), Shape{rows, heads * width}));
        ENGINE_TRY(const Placed context, place(side, poison(rows * heads * latent), Shape{rows, heads * latent}));
        ENGINE_TRY(const Placed y, place(side, poison(rows * heads * nope), Shape{rows, heads * nope}));
        const auto asHeads = [&](Tensor packed, std::int64_t columns, std::int64_t stride) {
            packed.shape = {rows, heads, columns};
            packed.rowStride = stride;
            return packed;
        };
        backend.headLinear({.input = asHeads(p.tensor, nope, nope + rope), .weight = up.get(),
            .output = asHeads(query.tensor, latent, width), .inputHeadStride = nope + rope, .outputHeadStride = width,
            .inputRowStride = projectedWidth, .outputRowStride = heads * width});
        backend.latentPrepare({.projected = p.tensor, .latent = l.tensor, .norm = norm.get(), .epsilon = 1e-6F, .query = query.tensor,
            .heads = heads, .nope = static_cast<int>(nope), .rope = static_cast<int>(rope), .inverseFrequencies = frequencies,
            .magnitude = 1.0F, .interleaved = true, .positions = positions, .layer = layer, .sequences = asked});
        backend.attention({.query = asHeads(query.tensor, width, width), .output = asHeads(context.tensor, latent, latent),
            .heads = heads, .scale = 0.07F, .layer = layer, .sequences = asked, .observeRows = {}});
        backend.headLinear({.input = asHeads(context.tensor, latent, latent), .weight = down.get(),
            .output = asHeads(y.tensor, nope, nope), .inputHeadStride = latent, .outputHeadStride = nope,
            .inputRowStride = heads * latent, .outputRowStride = heads * nope});
        ENGINE_TRY(Floats result, read(side, y.tensor));
        ENGINE_TRY(const Floats middle, read(side, context.tensor));
        for (std::int64_t row = rows; row > 0; --row) // a row's own values side by side
            result.insert(result.begin() + row * heads * nope, middle.begin() + (row - 1) * heads * latent,
                middle.begin() + row * heads * latent);
        return result;
    };
    ENGINE_CHECK(compare("latent attention, all of a step", "8 rows, 16 heads", std::max(m_bounds.rounded, m_bounds.few),
        [&](int side) { return run(side, 0, 8); }));
    ENGINE_CHECK(compare("latent attention, all of a step", "1 row, 16 heads", std::max(m_bounds.rounded, m_bounds.few),
        [&](int side) { return run(side, 4, 1); }));
    return compareAlone("latent attention, all of a step", "16 heads",
        [&](std::int64_t first, std::int64_t rows) { return run(0, first, rows); });
}

// Rows of two requests over pictures of 50 and 3 tokens, then the gate.
Status Check::crossModal()
{
    const int heads = 3;
    const int headDim = 20;
    const std::int64_t width = heads * headDim;
    const std::int64_t rows = 9;
    const std::int64_t columns = 75;
    const Floats q = values(rows * width);
    const Floats k = values(53 * width);
    const Floats v = values(53 * width);
    const Floats hidden = values(rows * columns);
    const Floats attended = values(rows * columns);
    const Floats gate = values(4 * columns, 0.1F);
    const Floats bias = values(2);
    ENGINE_CHECK(compare("cross-modal attention", "9 rows, 50 and 3 picture tokens", m_bound, [&](int side) -> Result<Floats> {
        ENGINE_TRY(const Placed query, place(side, q, Shape{rows, width}));
        ENGINE_TRY(const Placed keys, place(side, k, Shape{53, width}));
        ENGINE_TRY(const Placed vals, place(side, v, Shape{53, width}));
        ENGINE_TRY(const Placed y, place(side, poison(rows * width), Shape{rows, width}));
        const auto part = [&](const Placed &whole, std::int64_t first, std::int64_t count) {
            return whole.buffer.view(Shape{count, width}, DType::F32, static_cast<std::size_t>(first * width) * sizeof(float));
        };
        const CrossModalList lists[] = {{0, 7, part(keys, 0, 50), part(vals, 0, 50)}, {7, 2, part(keys, 50, 3), part(vals, 50, 3)}};
        const std::int32_t observeRows[] = {6, -1, 7};
        Floats observed(3 * 50);
        m_backends[side]->crossModalAttention({.query = query.tensor, .output = y.tensor, .heads = heads, .headDim = headDim,
            .scale = 0.22F, .lists = lists, .observeRows = observeRows, .observed = observed.data(), .observeStride = 50});
        ENGINE_TRY(Floats result, read(side, y.tensor));
        result.insert(result.end(), observed.begin(), observed.end());
        return result;
    }));
    return compare("cross-modal gate", "9 x 75", m_bound, [&](int side) -> Result<Floats> {
        ENGINE_TRY(const WeightPtr weight, m_backends[side]->uploadValues(gate, Shape{4 * columns}));
        ENGINE_TRY(const WeightPtr biases, m_backends[side]->uploadValues(bias, Shape{2}));
        ENGINE_TRY(const Placed x, place(side, hidden, Shape{rows, columns}));
        ENGINE_TRY(const Placed a, place(side, attended, Shape{rows, columns}));
        ENGINE_TRY(const Placed shares, place(side, poison(rows * 2), Shape{rows, 2}));
        m_backends[side]->crossModalGate({.hidden = x.tensor, .attended = a.tensor, .weight = weight.get(),
            .bias = biases.get(), .shares = shares.tensor});
        ENGINE_TRY(Floats result, read(side, x.tensor));
        ENGINE_TRY(const Floats both, read(side, shares.tensor));
        result.insert(result.end(), both.begin(), both.end());
        return result;
    });
}

// V3.2's indexer and attention to what it chose: one row a sequence, and a prompt.
Status Check::tokenSelection(DType cacheType)
{
    const int heads = 4, keyDim = 48, latent = 64, rope = 16, perRow = 24;
    const std::int64_t tokens = 130, width = latent + rope;
    const std::vector<std::int32_t> blocks{4, 0, 7, 2, 8, 1, 6, 3, 5};
    const Floats indexKeys = values(tokens * keyDim), keys = values(tokens * width);
    for (const std::int64_t rows : {1, 40}) {
        const Floats indexQuery = values(rows * heads * keyDim), weights = values(rows * heads), query = values(rows * heads * width);
        ENGINE_CHECK(compare("selected tokens, cache " + std::string(kernels::dtypeInfo(cacheType).name), text(rows) + " rows, 24 of 130",
            m_bound, [&](int side) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                const auto cacheBytes = [&](std::int64_t columns) {
                    return kernels::rowBytes(cacheType, static_cast<std::size_t>(9 * kBlockTokens * columns));
                };
                ENGINE_TRY(const Buffer indexBuffer, backend.allocate(cacheBytes(keyDim)));
                ENGINE_TRY(const Buffer keyBuffer, backend.allocate(cacheBytes(width)));
                const KvLayer layer{.keys = keyBuffer.data(), .values = nullptr, .indexKeys = indexBuffer.data(), .dtype = cacheType,
                    .kvHeads = 1, .keyDim = static_cast<int>(width), .valueDim = latent, .valuesInKeys = true,
                    .blockTokens = kBlockTokens, .indexDim = keyDim};
                const KvSequence stored[] = {{0, static_cast<int>(tokens), 0, blocks}};
                // The last token; or the first ones, of which some see fewer tokens than they may choose.
                const KvSequence asked[] = {{0, static_cast<int>(rows), rows == 1 ? static_cast<int>(tokens) - 1 : 0, blocks}};
                ENGINE_TRY(const Placed ik, place(side, indexKeys, Shape{tokens, keyDim}));
                ENGINE_TRY(const Placed k, place(side, keys, Shape{tokens, width}));
                ENGINE_TRY(const Placed iq, place(side, indexQuery, Shape{rows, heads * keyDim}));
                ENGINE_TRY(const Placed w, place(side, weights, Shape{rows, heads}));
                ENGINE_TRY(const Placed q, place(side, query, Shape{rows, heads, width}));
                ENGINE_TRY(const Placed y, place(side, poison(rows * heads * latent), Shape{rows, heads, latent}));
                ENGINE_TRY(const Buffer chosen, backend.allocate(static_cast<std::size_t>(rows * perRow) * sizeof(std::int32_t)));
                auto *selected = reinterpret_cast<std::int32_t *>(chosen.data());
                backend.storeKv({.keys = ik.tensor, .values = {}, .layer = layer.ofIndex(), .sequences = stored});
                backend.storeKv({.keys = k.tensor, .values = {}, .layer = layer, .sequences = stored});
                backend.selectTokens({.query = iq.tensor, .weights = w.tensor, .heads = heads, .scale = 0.07F, .layer = layer.ofIndex(),
                    .sequences = asked, .selected = selected, .perRow = perRow});
                const std::int32_t observeRows[] = {0};
                Floats observed(static_cast<std::size_t>(tokens));
                backend.attention({.query = q.tensor, .output = y.tensor, .heads = heads, .scale = 0.11F, .layer = layer, .sequences = asked,
                    .selected = selected, .selectedPerRow = perRow, .observeRows = observeRows, .observed = observed.data(),
                    .observeStride = tokens});
                std::vector<std::int32_t> ids(static_cast<std::size_t>(rows * perRow));
                backend.toHost(ids.data(), chosen.view(Shape{rows, perRow}, DType::I32));
                ENGINE_TRY(Floats result, read(side, y.tensor));
                result.insert(result.end(), observed.begin(), observed.end());
                for (const std::int32_t id : ids)
                    result.push_back(0.01F * static_cast<float>(id)); // as large as the rest
                return result;
            }));
    }
    return Done{};
}

// The shapes of released models over a bfloat16 cache: contexts around the edges of pages and chunks, then a prompt.
Status Check::tiledAttention(int heads, int kvHeads, int keyDim, int valueDim)
{
    const bool latent = valueDim < keyDim;
    const std::int64_t keyColumns = std::int64_t{kvHeads} * keyDim;
    const std::int64_t valueColumns = std::int64_t{kvHeads} * valueDim;
    constexpr std::int32_t blocksEach = 22;
    const int contexts[] = {1, 16, 63, 64, 65, 128, 129, 340}; // with the new token
    const std::int64_t longest = 340;
    const Floats keys = values(8 * longest * keyColumns);
    const Floats vals = values(8 * longest * valueColumns);
    std::vector<std::vector<std::int32_t>> blocks(8);
    for (std::int32_t s = 0; s < 8; ++s) {
        for (std::int32_t b = 0; b < blocksEach; ++b)
            blocks[static_cast<std::size_t>(s)].push_back((b * 8 + (s * 5 + b) % 8)); // scattered
    }
    const Floats query = values(8 * heads * keyDim, 0.5F);
    const bool hasMoreRows = m_isCard && !latent; // more rows than a tile; latentPrompts has them for MLA
    const std::int64_t promptRows = hasMoreRows ? 75 + 150 : 75;
    const Floats promptQuery = values(promptRows * heads * keyDim, 0.5F);
    const float scale = 1.0F / std::sqrt(static_cast<float>(keyDim));
    const auto run = [&](int side, std::int64_t first, std::int64_t count, bool prompt, int window) -> Result<Floats> {
        Backend &backend = *m_backends[side];
        const auto cacheBytes = [&](std::int64_t columns) {
            return kernels::rowBytes(DType::BF16, static_cast<std::size_t>(8 * blocksEach * kBlockTokens * columns));
        };
        ENGINE_TRY(const Buffer keyBuffer, backend.allocate(cacheBytes(keyColumns)));
        ENGINE_TRY(const Buffer valueBuffer, backend.allocate(cacheBytes(valueColumns)));
        const KvLayer layer{.keys = keyBuffer.data(), .values = latent ? nullptr : valueBuffer.data(), .dtype = DType::BF16,
            .kvHeads = kvHeads, .keyDim = keyDim, .valueDim = valueDim, .valuesInKeys = latent, .blockTokens = kBlockTokens};
        std::vector<KvSequence> stored;
        std::vector<KvSequence> asked;
        for (std::int64_t s = 0; s < 8; ++s)
            stored.push_back({static_cast<int>(s * longest), static_cast<int>(longest), 0, blocks[static_cast<std::size_t>(s)]});
        for (std::int64_t s = first; s < first + count && !prompt; ++s)
            asked.push_back({static_cast<int>(s - first), 1, contexts[s] - 1, blocks[static_cast<std::size_t>(s)]});
        if (prompt) {
            asked.push_back({0, 70, 190, blocks[2]});
            asked.push_back({70, 5, 0, blocks[6]});
            if (hasMoreRows)
                asked.push_back({75, 150, 7, blocks[3]});
        }
        ENGINE_TRY(const Placed k, place(side, keys, Shape{8 * longest, keyColumns}));
        ENGINE_TRY(const Placed v, place(side, vals, Shape{8 * longest, valueColumns}));
        backend.storeKv({.keys = k.tensor, .values = v.tensor, .layer = layer, .sequences = stored});
        const std::int64_t rows = prompt ? promptRows : count;
        const std::int64_t width = std::int64_t{heads} * keyDim;
        const Floats &all = prompt ? promptQuery : query;
        const auto begin = all.begin() + (prompt ? 0 : first * width);
        ENGINE_TRY(const Placed q, place(side, Floats(begin, begin + rows * width), Shape{rows, heads, keyDim}));
        ENGINE_TRY(const Placed y, place(side, poison(rows * heads * valueDim), Shape{rows, heads, valueDim}));
        backend.attention({.query = q.tensor, .output = y.tensor, .heads = heads, .scale = scale, .window = window, .layer = layer,
            .sequences = asked, .observeRows = {}});
        return read(side, y.tensor);
    };
    const std::string name = std::string(latent ? "latent attention" : "attention") + ", cache BF16";
    const std::string shape = text(heads) + "/" + text(kvHeads) + " heads of " + text(keyDim);
    for (const int window : {0, 70}) {
        const std::string suffix = window > 0 ? ", window" : "";
        ENGINE_CHECK(compare(name + suffix, shape + ", contexts 1 to 340", m_bounds.few,
            [&](int side) { return run(side, 0, 8, false, window); }));
        ENGINE_CHECK(compare(name + suffix, shape + ", prompts", m_bounds.many, [&](int side) { return run(side, 0, 0, true, window); }));
    }
    return compareAlone(name, shape,
        [&](std::int64_t first, std::int64_t count) { return run(0, first, count, false, 0); });
}

} // namespace engine::selftest
