// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest.h"

#include "backend/selftest_choosing.h"
#include "backend/selftest_prompts.h"
#include "kernels/convert.h"
#include "kernels/random_data.h"
#include "kernels/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

namespace engine {

namespace {

using Floats = std::vector<float>;

constexpr double kExactBound = 2e-5;   // float32 sums in another order
constexpr double kNativeBound = 1e-4;  // block formats multiply activations of 16 bits per 32 of a row
constexpr double kSplitBound = 5e-5;   // CUDA, few rows: activations of 22 bits, attention of 16 bits
constexpr double kRoundedBound = 1e-2; // CUDA, prompts: both operands in bfloat16
constexpr int kBlockTokens = 16;

std::string text(std::int64_t value) { return std::to_string(value); }

// A weight as a file would hold it; owns its bytes.
struct RandomWeight {
    std::vector<std::byte> bytes, scales;
    FileTensor tensor;
};

// What a device may differ from the reference by, as a share of the result's size.
struct Bounds {
    double plain = 0;   // operations without products
    double few = 0;     // products of at most 64 rows, attention of one row a sequence
    double many = 0;    // products and attention of prompts
    double rounded = 0; // weights computed at load, which a device may keep in bfloat16
};
constexpr std::int64_t kFewRows = 64;

class Check {
public:
    Check(Backend &tested, Backend &reference, std::string name, std::uint64_t seed, const Bounds &bounds,
        std::string only, const std::function<void(const SelftestRow &)> &report)
        : m_backends{&tested, &reference}, m_name(std::move(name)), m_bounds(bounds), m_bound(bounds.plain), m_isCard(m_name.starts_with("cuda")), m_random(seed)
        , m_weights(seed), m_only(std::move(only)), m_report(report)
    {
    }

    Result<int> run()
    {
        ENGINE_CHECK(linears());
        ENGINE_CHECK(smallOperations());
        if (m_isCard) { // the processor does one after the other what is checked alone
            for (const DType type : {DType::Q4_K, DType::Q5_0, DType::Q6_K, DType::BF16})
                ENGINE_CHECK(normAndProducts(type));
            ENGINE_CHECK(latentChain());
        }
        ENGINE_CHECK(attentions());
        ENGINE_CHECK(experts());
        ENGINE_CHECK(router());
        if (m_backends[0]->hasCrossModal() && m_backends[1]->hasCrossModal())
            ENGINE_CHECK(crossModal());
        ENGINE_CHECK(expertsOfManyShapes());
        for (const auto &[heads, kvHeads, keyDim, valueDim] : {std::array{6, 3, 64, 64}, std::array{32, 8, 128, 128}, std::array{12, 2, 128, 128},
                 std::array{16, 1, 576, 512}, std::array{40, 1, 576, 512}}) {
            ENGINE_CHECK(tiledAttention(heads, kvHeads, keyDim, valueDim));
            if (!m_isCard)
                break; // the processor has one kernel for all shapes
        }
        for (const std::int64_t columns : {std::int64_t{131}, std::int64_t{102'403}}) {
            if (!m_isCard || !isAsked("choosing tokens"))
                break; // the processor's is the reference
            ENGINE_TRY(const SelftestRow row, checkChoosing(*m_backends[0], *m_backends[1], m_name, m_random(), columns));
            add(row);
        }
        ENGINE_CHECK(prompts());
        return m_failures;
    }

private:
    Status prompts()
    {
        const bool rounds = m_bounds.many > m_bounds.plain;
        for (const std::int64_t rows : {5, 150}) {
            const double bound = rows <= kFewRows ? std::max(m_bounds.few, m_bounds.rounded) : m_bounds.many;
            const std::uint64_t seed = m_random();
            ENGINE_CHECK(compare("norm and products", text(rows) + " x 544 -> 352", bound,
                [&](int side) { return runNormedProducts(*m_backends[side], seed, rows); }));
            for (const bool interleaved : {false, true}) {
                const RotatedHeads args{.seed = seed, .rows = rows, .interleaved = interleaved, .inPlace = interleaved == (rows > 5),
                    .cacheType = rounds ? DType::BF16 : DType::F32};
                ENGINE_CHECK(compare("rotated heads and attention", text(rows) + (interleaved ? " rows, interleaved" : " rows"),
                    std::max(bound, m_bounds.rounded), [&](int side) { return runRotatedHeads(*m_backends[side], args); }));
            }
        }
        for (const int window : {0, 70}) {
            if (!rounds)
                break; // exact sums may round the rows of the cache otherwise
            const LatentPrompt prompt(m_random(), window > 0 ? 3 : 6, window);
            ENGINE_CHECK(compare("latent attention of prompts", prompt.shape(), m_bounds.many,
                [&](int side) { return prompt.run(*m_backends[side]); }));
        }
        return Done{};
    }
    bool isAsked(const std::string &operation) const { return operation.find(m_only) != std::string::npos; }
    void add(const SelftestRow &row)
    {
        m_failures += row.passed ? 0 : 1;
        m_report(row);
    }
    float normal() { return m_normal(m_random); }

    Floats values(std::int64_t count, float spread = 1.0F)
    {
        Floats result(static_cast<std::size_t>(count));
        for (float &value : result)
            value = normal() * spread;
        return result;
    }

    RandomWeight weight(DType type, const Shape &shape)
    {
        RandomWeight w;
        const auto columns = static_cast<std::size_t>(shape[shape.rank - 1]);
        const auto rows = static_cast<std::size_t>(shape.elements()) / columns;
        w.bytes = kernels::randomWeightRows(m_weights, type, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns));
        w.tensor.name = "random";
        w.tensor.dtype = type;
        w.tensor.shape = shape;
        if (type == DType::F8E4M3) {
            const std::int64_t matrices = shape.rank == 3 ? shape[0] : 1;
            const std::int64_t blocks =
                matrices * ((shape[shape.rank - 2] + 127) / 128) * ((shape[shape.rank - 1] + 127) / 128);
            w.scales.resize(static_cast<std::size_t>(blocks) * sizeof(float));
            for (std::int64_t i = 0; i < blocks; ++i) {
                const float scale = 0.01F * (0.5F + std::abs(normal()));
                std::memcpy(w.scales.data() + static_cast<std::size_t>(i) * sizeof scale, &scale, sizeof scale);
            }
        }
        w.tensor.bytes = w.bytes;
        w.tensor.scales = w.scales;
        return w;
    }

    struct Placed {
        Buffer buffer;
        Tensor tensor;
    };
    Result<Placed> place(int side, const Floats &host, const Shape &shape)
    {
        Placed placed;
        ENGINE_TRY(placed.buffer, m_backends[side]->allocate(host.size() * sizeof(float)));
        placed.tensor = placed.buffer.view(shape);
        m_backends[side]->toDevice(placed.tensor, host.data(), host.size() * sizeof(float));
        return placed;
    }
    Floats poison(std::int64_t count) const
    {
        return Floats(static_cast<std::size_t>(count), std::numeric_limits<float>::quiet_NaN());
    }

    // Runs `body` on both sides; it returns the output of its side.
    Status compare(const std::string &operation, const std::string &shape, double bound,
        const std::function<Result<Floats>(int side)> &body)
    {
        if (!isAsked(operation))
            return Done{};
        ENGINE_TRY(const Floats tested, body(0));
        ENGINE_TRY(const Floats reference, body(1));
        double difference = 0;
        double size = 0;
        bool broken = tested.size() != reference.size();
        for (std::size_t i = 0; !broken && i < tested.size(); ++i) {
            const double delta = static_cast<double>(tested[i]) - static_cast<double>(reference[i]);
            broken = !std::isfinite(delta);
            difference += delta * delta;
            size += static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
        }
        SelftestRow row;
        row.device = m_name;
        row.operation = operation;
        row.shape = shape;
        row.error = broken ? std::numeric_limits<double>::infinity() : std::sqrt(difference) / std::max(std::sqrt(size), 1e-30);
        row.bound = bound;
        row.passed = row.error <= bound;
        add(row);
        return Done{};
    }
    // The same computation for eight rows together and for each of them alone: equal to the bit, on the tested side.
    Status compareAlone(const std::string &operation, const std::string &shape,
        const std::function<Result<Floats>(std::int64_t first, std::int64_t count)> &body)
    {
        if (!m_isCard || !isAsked(operation))
            return Done{}; // the processor's kernels are held to it by their own tests
        ENGINE_TRY(const Floats together, body(0, 8));
        SelftestRow row{.device = m_name, .operation = operation + ", alone and among eight", .shape = shape};
        for (std::int64_t i = 0; i < 8; ++i) {
            ENGINE_TRY(const Floats alone, body(i, 1));
            const std::size_t columns = alone.size();
            if (together.size() != 8 * columns
                || std::memcmp(alone.data(), together.data() + static_cast<std::size_t>(i) * columns, columns * sizeof(float)) != 0)
                row.error = std::numeric_limits<double>::infinity();
        }
        row.passed = row.error <= row.bound;
        add(row);
        return Done{};
    }
    Result<Floats> read(int side, const Tensor &tensor)
    {
        Floats host(static_cast<std::size_t>(tensor.shape.elements()));
        m_backends[side]->toHost(host.data(), tensor);
        ENGINE_CHECK(m_backends[side]->finishStep());
        return host;
    }

    Status linears();
    Status gatedProducts(DType type, std::int64_t columns, std::int64_t inter);
    Status smallOperations();
    Status pictureAttentions();
    Status normAndProducts(DType type);
    Status latentChain();
    Status attentions();
    Status attention(bool latent, int window, DType cacheType);
    Status experts();
    Status router();
    Status crossModal();
    Status expertsOfManyShapes();
    Status tiledAttention(int heads, int kvHeads, int keyDim, int valueDim);

    Backend *m_backends[2];
    std::string m_name;
    Bounds m_bounds;
    double m_bound = 0; // of what is no product
    bool m_isCard;      // more shapes
    std::mt19937_64 m_random;
    kernels::Random m_weights;
    std::normal_distribution<float> m_normal;
    std::string m_only;
    const std::function<void(const SelftestRow &)> &m_report;
    int m_failures = 0;
};

Status Check::linears()
{
    const DType types[] = {DType::F32, DType::F16, DType::BF16, DType::F8E4M3, DType::Q8_0, DType::Q4_0, DType::Q4_1,
        DType::Q5_0, DType::Q5_1, DType::Q2_K, DType::Q3_K, DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::IQ4_NL, DType::IQ4_XS};
    struct Case {
        std::int64_t columns, outputs;
    };
    for (const DType type : types) {
        const kernels::DTypeInfo &info = kernels::dtypeInfo(type);
        const bool large = info.blockElements == 256;
        // Odd sizes, one whose rows fill tiles, one of more columns than a block has at once.
        const Case cases[] = {{large ? 512 : info.isQuantised ? 224 : 203, 133}, {1280, 352}, {large ? 4352 : 4448, 80}};
        for (const Case &c : std::span(cases).first(m_isCard ? 3 : 1)) {
            const RandomWeight w = weight(type, Shape{c.outputs, c.columns});
            const Floats bias = values(c.outputs);
            const std::string name = "linear " + std::string(info.name);
            // A card has no kernels for these: it computes their values at load.
            const bool isComputed =
                type == DType::Q2_K || type == DType::Q3_K || type == DType::IQ4_NL || type == DType::IQ4_XS;
            const double few = isComputed ? std::max(m_bounds.few, m_bounds.rounded) : m_bounds.few;
            const auto run = [&](int side, const Floats &input, std::int64_t rows) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                ENGINE_TRY(const WeightPtr matrix, backend.upload(w.tensor, {}));
                ENGINE_TRY(const WeightPtr biases, backend.uploadValues(bias, Shape{c.outputs}));
                ENGINE_TRY(const Placed x, place(side, input, Shape{rows, c.columns}));
                ENGINE_TRY(const Placed y, place(side, poison(rows * c.outputs), Shape{rows, c.outputs}));
                backend.linear({.input = x.tensor, .weight = matrix.get(), .bias = biases.get(), .output = y.tensor,
                    .activation = Activation::GeluTanh});
                backend.linear({.input = x.tensor, .weight = matrix.get(), .output = y.tensor, .accumulate = true});
                return read(side, y.tensor);
            };
            Floats input;
            for (const std::int64_t rows : {1, 7, 9, 70, 300}) {
                if (rows == 300 && !m_isCard)
                    continue; // a card's tiles are larger
                input = values(rows * c.columns);
                // One channel a thousand times the others, as trained models have it; one row of zeros.
                for (std::int64_t row = 0; m_isCard && row < rows; ++row)
                    input[static_cast<std::size_t>(row * c.columns + 5)] *= row % 3 == 1 ? 1000.0F : 1.0F;
                if (rows > 7)
                    std::fill_n(input.begin() + 7 * c.columns, c.columns, 0.0F);
                ENGINE_CHECK(compare(name, text(rows) + " x " + text(c.columns) + " -> " + text(c.outputs),
                    rows <= kFewRows ? few : m_bounds.many, [&](int side) { return run(side, input, rows); }));
            }
            ENGINE_CHECK(compareAlone(name, text(c.columns) + " -> " + text(c.outputs), [&](std::int64_t first, std::int64_t count) {
                const auto begin = input.begin() + first * c.columns;
                return run(0, Floats(begin, begin + count * c.columns), count);
            }));
        }
    }
    // Halves of one weight.
    for (const DType type : {DType::F32, DType::BF16, DType::Q4_K, DType::Q5_0, DType::Q6_K, DType::Q8_0}) {
        for (const auto &[columns, inter] : {std::array<std::int64_t, 2>{512, 352}, std::array<std::int64_t, 2>{2816, 96}})
            ENGINE_CHECK(gatedProducts(type, columns, inter));
    }
    return Done{};
}

Status Check::gatedProducts(DType type, std::int64_t columns, std::int64_t inter)
{
    const RandomWeight w = weight(type, Shape{2 * inter, columns});
    for (const std::int64_t rows : {1, 8, 70}) {
        const Floats input = values(rows * columns);
        ENGINE_CHECK(compare("gated product " + std::string(kernels::dtypeInfo(type).name), text(rows) + " x " + text(columns) + " -> 2 x " + text(inter),
            rows <= kFewRows ? m_bounds.few : m_bounds.many, [&](int side) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                ENGINE_TRY(const WeightPtr matrix, backend.upload(w.tensor, {}));
                ENGINE_TRY(const Placed x, place(side, input, Shape{rows, columns}));
                ENGINE_TRY(const Placed joined, place(side, poison(rows * 2 * inter), Shape{rows, 2 * inter}));
                ENGINE_TRY(const Placed y, place(side, poison(rows * inter), Shape{rows, inter}));
                backend.swiglu({.input = x.tensor, .gateAndUp = matrix.get(), .joined = joined.tensor, .output = y.tensor});
                return read(side, y.tensor);
            }));
    }
    return Done{};
}

// A norm and what multiplies it, which a device may do in one piece: the norm's rows must be there all the same, and a
// product that adds to what the norm reads must not disturb it.
Status Check::normAndProducts(DType type)
{
    const std::int64_t columns = 1536;
    const std::int64_t inter = 352;
    const RandomWeight w = weight(type, Shape{2 * inter, columns});
    const RandomWeight back = weight(type, Shape{columns, columns});
    const Floats gain = values(columns);
    Floats input = values(9 * columns);
    input[7] *= 1000.0F;
    const auto run = [&](int side, std::int64_t first, std::int64_t rows) -> Result<Floats> {
        Backend &backend = *m_backends[side];
        const auto begin = input.begin() + first * columns;
        ENGINE_TRY(const WeightPtr matrix, backend.upload(w.tensor, {}));
        ENGINE_TRY(const WeightPtr square, backend.upload(back.tensor, {}));
        ENGINE_TRY(const WeightPtr norm, backend.uploadValues(gain, Shape{columns}));
        ENGINE_TRY(const Placed x, place(side, Floats(begin, begin + rows * columns), Shape{rows, columns}));
        ENGINE_TRY(const Placed normed, place(side, poison(rows * columns), Shape{rows, columns}));
        ENGINE_TRY(const Placed joined, place(side, poison(rows * 2 * inter), Shape{rows, 2 * inter}));
        ENGINE_TRY(const Placed gated, place(side, poison(rows * inter), Shape{rows, inter}));
        backend.rmsNorm({.input = x.tensor, .weight = norm.get(), .output = normed.tensor});
        backend.linear({.input = normed.tensor, .weight = matrix.get(), .output = joined.tensor});
        Floats result;
        const auto add = [&](const Tensor &tensor) -> Status {
            ENGINE_TRY(const Floats part, read(side, tensor));
            for (std::int64_t row = 0; row < rows; ++row) // each of about the same weight in the comparison
                result.insert(result.end(), part.begin() + row * static_cast<std::int64_t>(part.size()) / rows,
                    part.begin() + (row + 1) * static_cast<std::int64_t>(part.size()) / rows);
            return Done{};
        };
        ENGINE_CHECK(add(joined.tensor));
        ENGINE_CHECK(add(normed.tensor));
        backend.rmsNorm({.input = x.tensor, .weight = norm.get(), .output = normed.tensor});
        backend.swiglu({.input = normed.tensor, .gateAndUp = matrix.get(), .joined = joined.tensor, .output = gated.tensor});
        ENGINE_CHECK(add(gated.tensor));
        backend.rmsNorm({.input = x.tensor, .weight = norm.get(), .output = normed.tensor});
        backend.linear({.input = normed.tensor, .weight = square.get(), .output = x.tensor, .accumulate = true});
        ENGINE_CHECK(add(x.tensor));
        return result;
    };
    const std::string name = "norm and products " + std::string(kernels::dtypeInfo(type).name);
    for (const std::int64_t rows : {1, 2, 8, 9})
        ENGINE_CHECK(compare(name, text(rows) + " x " + text(columns), m_bounds.few, [&](int side) { return run(side, 0, rows); }));
    return Done{};
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

Status Check::experts()
{
    const std::int64_t rows = 9;
    const std::int64_t hidden = 96;
    const std::int64_t inter = 64;
    const int count = 16;
    const int perToken = 3;
    const Floats logits = values(rows * count);
    const Floats bias = values(count, 0.2F);
    const Floats input = values(rows * hidden);
    const std::int32_t stopped[] = {2, 5};
    struct Case {
        const char *name;
        int method, score, groups, groupsPerToken;
        bool normalise;
    };
    const Case cases[] = {{"greedy softmax", 1, 1, 1, 1, false}, {"group-limited softmax", 2, 1, 4, 2, false},
        {"biased sigmoid", 3, 2, 4, 2, true}, {"biased sigmoid, one group", 3, 2, 1, 1, true}};
    for (const DType type : {DType::F32, DType::Q4_0}) {
        const RandomWeight gate = weight(type, Shape{count, inter, hidden});
        const RandomWeight up = weight(type, Shape{count, inter, hidden});
        const RandomWeight down = weight(type, Shape{count, hidden, inter});
        for (const Case &c : cases) {
            const std::string name = std::string("experts ") + c.name + ", " + std::string(kernels::dtypeInfo(type).name);
            ENGINE_CHECK(compare(name, "9 x 96, 3 of 16", m_bounds.few, [&](int side) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                const FileTensor *const gates[] = {&gate.tensor};
                const FileTensor *const ups[] = {&up.tensor};
                const FileTensor *const downs[] = {&down.tensor};
                ENGINE_TRY(const WeightPtr g, backend.uploadExperts(gates, {}));
                ENGINE_TRY(const WeightPtr u, backend.uploadExperts(ups, {}));
                ENGINE_TRY(const WeightPtr d, backend.uploadExperts(downs, {}));
                ENGINE_TRY(const WeightPtr b, backend.uploadValues(bias, Shape{count}));
                ENGINE_TRY(const Placed l, place(side, logits, Shape{rows, count}));
                ENGINE_TRY(const Placed x, place(side, input, Shape{rows, hidden}));
                ENGINE_TRY(const Placed y, place(side, Floats(static_cast<std::size_t>(rows * hidden)), Shape{rows, hidden}));
                ENGINE_TRY(const Placed weights, place(side, poison(rows * perToken), Shape{rows, perToken}));
                ENGINE_TRY(const Buffer ids, backend.allocate(static_cast<std::size_t>(rows * perToken) * sizeof(std::int32_t)));
                auto *idData = reinterpret_cast<std::int32_t *>(ids.data());
                backend.route({.logits = l.tensor, .bias = c.method == 3 ? b.get() : nullptr, .experts = count,
                    .perToken = perToken, .groups = c.groups, .groupsPerToken = c.groupsPerToken, .method = c.method,
                    .score = c.score, .normalise = c.normalise, .scale = 1.5F, .stopExperts = stopped, .ids = idData,
                    .weights = weights.tensor.f32()});
                backend.moe({.input = x.tensor, .output = y.tensor, .gate = g.get(), .up = u.get(), .down = d.get(),
                    .ids = idData, .weights = weights.tensor.f32(), .perToken = perToken});
                ENGINE_TRY(Floats result, read(side, y.tensor));
                ENGINE_TRY(const Floats share, read(side, weights.tensor));
                result.insert(result.end(), share.begin(), share.end());
                return result;
            }));
        }
    }
    return Done{};
}

// A norm, the router's product over it and the routing: what a device may do in one piece.
Status Check::router()
{
    const int count = 60;
    const int perToken = 6;
    for (const std::int64_t columns : {1152, 2048}) {
        const Floats gain = values(columns);
        const Floats matrix = values(count * columns, 0.1F);
        const Floats input = values(70 * columns);
        const RandomWeight w = [&] {
            RandomWeight result;
            result.bytes.resize(matrix.size() * sizeof(float));
            std::memcpy(result.bytes.data(), matrix.data(), result.bytes.size());
            result.tensor.name = "router";
            result.tensor.dtype = DType::F32;
            result.tensor.shape = Shape{count, columns};
            result.tensor.bytes = result.bytes;
            return result;
        }();
        for (const std::int64_t rows : {1, 8, 70}) {
            const auto run = [&](int side) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                ENGINE_TRY(const WeightPtr weight, backend.upload(w.tensor, {}));
                ENGINE_TRY(const WeightPtr norm, backend.uploadValues(gain, Shape{columns}));
                ENGINE_TRY(const Placed x, place(side, Floats(input.begin(), input.begin() + rows * columns), Shape{rows, columns}));
                ENGINE_TRY(const Placed y, place(side, poison(rows * columns), Shape{rows, columns}));
                ENGINE_TRY(const Placed logits, place(side, poison(rows * count), Shape{rows, count}));
                ENGINE_TRY(const Placed weights, place(side, poison(rows * perToken), Shape{rows, perToken}));
                ENGINE_TRY(const Buffer ids, backend.allocate(static_cast<std::size_t>(rows * perToken) * sizeof(std::int32_t)));
                Floats result;
                for (int repeat = 0; repeat < 2; ++repeat) { // what the first leaves behind must not matter
                    backend.rmsNorm({.input = x.tensor, .weight = norm.get(), .output = y.tensor});
                    backend.router({.input = y.tensor, .weight = weight.get(),
                        .route = {.logits = logits.tensor, .experts = count, .perToken = perToken, .normalise = true,
                            .scale = 1.5F, .stopExperts = {}, .ids = reinterpret_cast<std::int32_t *>(ids.data()),
                            .weights = weights.tensor.f32()}});
                    for (const Tensor &tensor : {y.tensor, logits.tensor, weights.tensor}) {
                        ENGINE_TRY(const Floats part, read(side, tensor));
                        result.insert(result.end(), part.begin(), part.end());
                    }
                }
                std::vector<std::int32_t> chosen(static_cast<std::size_t>(rows * perToken));
                backend.toHost(chosen.data(), ids.view(Shape{rows, perToken}, DType::I32));
                ENGINE_CHECK(backend.finishStep());
                result.insert(result.end(), chosen.begin(), chosen.end());
                return result;
            };
            ENGINE_CHECK(compare("norm, router, routing", text(rows) + " x " + text(columns) + ", 6 of 60", m_bound, run));
        }
    }
    return Done{};
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

// Routed experts and a shared one; automatic routing; few rows and a prompt.
Status Check::expertsOfManyShapes()
{
    const std::int64_t hidden = 512;
    const std::int64_t inter = 256;
    const std::int64_t sharedInter = 512;
    const int count = 24;
    const int perToken = 5;
    for (const DType type : {DType::BF16, DType::Q4_K, DType::Q5_0, DType::F8E4M3}) {
        if (!m_isCard && type != DType::Q4_K)
            continue;
        const RandomWeight gate = weight(type, Shape{count, inter, hidden});
        const RandomWeight up = weight(type, Shape{count, inter, hidden});
        const RandomWeight down = weight(type, Shape{count, hidden, inter});
        const RandomWeight sharedGateAndUp = weight(type, Shape{2 * sharedInter, hidden});
        const RandomWeight sharedDown = weight(type, Shape{hidden, sharedInter});
        for (const bool automatic : {false, true}) {
            Floats input;
            Floats logits;
            const auto run = [&](int side, std::int64_t first, std::int64_t rows) -> Result<Floats> {
                Backend &backend = *m_backends[side];
                const auto part = [&](const Floats &from, std::int64_t columns) {
                    const auto begin = from.begin() + first * columns;
                    return Floats(begin, begin + rows * columns);
                };
                const FileTensor *const gates[] = {&gate.tensor};
                const FileTensor *const ups[] = {&up.tensor};
                const FileTensor *const downs[] = {&down.tensor};
                ENGINE_TRY(const WeightPtr g, backend.uploadExperts(gates, {}));
                ENGINE_TRY(const WeightPtr u, backend.uploadExperts(ups, {}));
                ENGINE_TRY(const WeightPtr d, backend.uploadExperts(downs, {}));
                ENGINE_TRY(const WeightPtr sg, backend.upload(sharedGateAndUp.tensor, {}));
                ENGINE_TRY(const WeightPtr sd, backend.upload(sharedDown.tensor, {}));
                ENGINE_TRY(const Placed l, place(side, part(logits, count), Shape{rows, count}));
                ENGINE_TRY(const Placed x, place(side, part(input, hidden), Shape{rows, hidden}));
                ENGINE_TRY(const Placed y, place(side, part(input, hidden), Shape{rows, hidden}));
                ENGINE_TRY(const Placed joined, place(side, poison(rows * 2 * sharedInter), Shape{rows, 2 * sharedInter}));
                ENGINE_TRY(const Placed product, place(side, poison(rows * sharedInter), Shape{rows, sharedInter}));
                ENGINE_TRY(const Placed weights, place(side, poison(rows * perToken), Shape{rows, perToken}));
                ENGINE_TRY(const Buffer ids, backend.allocate(static_cast<std::size_t>(rows * perToken) * sizeof(std::int32_t)));
                auto *idData = reinterpret_cast<std::int32_t *>(ids.data());
                backend.route({.logits = l.tensor, .experts = count, .perToken = perToken, .scale = 1.5F, .stopExperts = {}, .automatic = automatic,
                    .ids = idData, .weights = weights.tensor.f32()});
                const MoeArgs moe{.input = x.tensor, .output = y.tensor, .gate = g.get(), .up = u.get(), .down = d.get(),
                    .ids = idData, .weights = weights.tensor.f32(), .perToken = perToken};
                backend.moeWithShared({.moe = moe, .shared = {.input = x.tensor, .gateAndUp = sg.get(), .joined = joined.tensor,
                    .output = product.tensor}, .sharedDown = sd.get()});
                return read(side, y.tensor);
            };
            // On the processor each of the three products in a row rounds its activations anew.
            const double rounds = m_isCard ? 1.0 : 3.0;
            const std::string name = std::string("experts and a shared one") + (automatic ? ", automatic, " : ", ")
                + std::string(kernels::dtypeInfo(type).name);
            for (const std::int64_t rows : {1, 8, 11, 130}) {
                if (rows == 130 && !m_isCard)
                    continue;
                input = values(rows * hidden);
                logits = values(rows * count, 2.0F);
                // Two experts that every row chooses, one that none does.
                for (std::int64_t row = 0; row < rows; ++row) {
                    logits[static_cast<std::size_t>(row * count + 3)] = 9.0F;
                    logits[static_cast<std::size_t>(row * count + 4)] = 8.0F;
                    logits[static_cast<std::size_t>(row * count + 5)] = -90.0F;
                }
                ENGINE_CHECK(compare(name, text(rows) + " x 512, 5 of 24",
                    rounds * (rows <= kFewRows ? m_bounds.few : m_bounds.many),
                    [&](int side) { return run(side, 0, rows); }));
            }
            ENGINE_CHECK(compareAlone(name, "512, 5 of 24",
                [&](std::int64_t first, std::int64_t rows) { return run(0, first, rows); }));
        }
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

Result<int> cudaCard(const std::string &device)
{
    if (device == "cuda")
        return 0;
    int card = -1;
    const char *end = device.data() + device.size();
    const auto parsed = std::from_chars(device.data() + std::min<std::size_t>(5, device.size()), end, card);
    if (device.rfind("cuda:", 0) != 0 || parsed.ec != std::errc() || parsed.ptr != end || card < 0)
        return Error{ErrorCode::BadRequest, "there is no device \"" + device + "\"; use cpu, cuda or cuda:N"};
    return card;
}

} // namespace

Result<int> checkBackend(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    const std::function<void(const SelftestRow &)> &row)
{
    return Check(tested, reference, name, seed, {kExactBound, kExactBound, kExactBound, kExactBound}, std::string(), row).run();
}

Result<int> runSelftest(const std::string &device, std::uint64_t seed, const std::function<void(const SelftestRow &)> &row,
    const std::string &only)
{
    ENGINE_TRY(const std::unique_ptr<Backend> reference, makeCpuBackend({.threads = 1, .exact = true, .isa = "reference"}));
    if (device.rfind("cuda", 0) == 0) {
        ENGINE_TRY(const int card, cudaCard(device));
        int failures = 0;
        for (const bool exact : {true, false}) {
            if (!exact && !cudaTensorCores())
                continue; // both are the same then
            ENGINE_TRY(const std::unique_ptr<Backend> tested, makeCudaBackend(card, exact));
            const Bounds bounds = exact ? Bounds{kExactBound, kExactBound, kExactBound, kExactBound}
                                        : Bounds{kExactBound, kSplitBound, kRoundedBound, kRoundedBound};
            ENGINE_TRY(const int failed, Check(*tested, *reference, device + (exact ? ", exact" : ""), seed, bounds, only, row).run());
            failures += failed;
        }
        return failures;
    }
    if (device != "cpu")
        return Error{ErrorCode::BadRequest, "there is no device \"" + device + "\"; use cpu, cuda or cuda:N"};
    int failures = 0;
    for (const kernels::KernelTable *table : kernels::availableTables()) {
        for (const bool exact : {true, false}) {
            if (!exact && table->name == "reference")
                continue; // it has no faster way
            ENGINE_TRY(const std::unique_ptr<Backend> tested, makeCpuBackend({.exact = exact, .isa = table->name}));
            const std::string name = "cpu " + std::string(table->name) + (exact ? ", exact" : "");
            const double bound = exact ? kExactBound : kNativeBound;
            ENGINE_TRY(const int failed, Check(*tested, *reference, name, seed, {bound, bound, bound, bound}, only, row).run());
            failures += failed;
        }
    }
    return failures;
}

} // namespace engine
