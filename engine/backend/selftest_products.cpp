// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest_check.h"

namespace engine::selftest {

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
        // Odd sizes, one whose rows fill tiles, two of more columns than a block has at once.
        const Case cases[] = {{large ? 512 : info.isQuantised ? 224 : 203, 133}, {1280, 352}, {large ? 4352 : 4448, 80}, {large ? 9472 : 9248, 48}};
        for (const Case &c : std::span(cases).first(m_isCard ? 4 : 1)) {
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

// Norm, gated products and the second product, added to what the norm reads: what a device may do in one piece.
Status Check::feedForwards()
{
    struct Case {
        DType type, downType;
        std::int64_t columns, inter;
    };
    for (const Case &c : {Case{DType::Q4_K, DType::Q4_K, 1536, 2816}, Case{DType::Q4_K, DType::Q6_K, 512, 4352}, Case{DType::Q4_K, DType::Q5_0, 1280, 1376},
             Case{DType::Q4_K, DType::Q8_0, 2304, 512}, Case{DType::Q4_K, DType::Q4_K, 1024, 9216}, Case{DType::Q5_0, DType::Q5_0, 512, 256}, Case{DType::BF16, DType::BF16, 512, 256}}) {
        const RandomWeight w = weight(c.type, Shape{2 * c.inter, c.columns});
        const RandomWeight back = weight(c.downType, Shape{c.columns, c.inter});
        const Floats gain = values(c.columns);
        Floats input;
        const auto run = [&](int side, std::int64_t first, std::int64_t rows) -> Result<Floats> {
            Backend &backend = *m_backends[side];
            const auto begin = input.begin() + first * c.columns;
            ENGINE_TRY(const WeightPtr matrix, backend.upload(w.tensor, {}));
            ENGINE_TRY(const WeightPtr down, backend.upload(back.tensor, {}));
            ENGINE_TRY(const WeightPtr norm, backend.uploadValues(gain, Shape{c.columns}));
            ENGINE_TRY(const Placed x, place(side, Floats(begin, begin + rows * c.columns), Shape{rows, c.columns}));
            ENGINE_TRY(const Placed normed, place(side, poison(rows * c.columns), Shape{rows, c.columns}));
            ENGINE_TRY(const Placed joined, place(side, poison(rows * 2 * c.inter), Shape{rows, 2 * c.inter}));
            ENGINE_TRY(const Placed gated, place(side, poison(rows * c.inter), Shape{rows, c.inter}));
            for (int repeat = 0; repeat < 2; ++repeat) { // what the first leaves behind must not matter
                backend.rmsNorm({.input = x.tensor, .weight = norm.get(), .output = normed.tensor});
                backend.feedForward({.gated = {.input = normed.tensor, .gateAndUp = matrix.get(), .joined = joined.tensor, .output = gated.tensor},
                    .down = down.get(), .output = x.tensor});
            }
            ENGINE_TRY(Floats result, read(side, x.tensor));
            ENGINE_TRY(const Floats left, read(side, normed.tensor));
            for (std::int64_t row = rows; row-- > 0;)
                result.insert(result.begin() + (row + 1) * c.columns, left.begin() + row * c.columns, left.begin() + (row + 1) * c.columns);
            return result;
        };
        const std::string name = "feed-forward " + std::string(kernels::dtypeInfo(c.type).name) + ", " + std::string(kernels::dtypeInfo(c.downType).name);
        for (const std::int64_t rows : {1, 8, 70}) {
            input = values(rows * c.columns);
            // The second pass rounds what the first has rounded.
            ENGINE_CHECK(compare(name, text(rows) + " x " + text(c.columns) + " -> " + text(c.inter),
                rows <= kFewRows ? m_bounds.few : 2 * m_bounds.many, [&](int side) { return run(side, 0, rows); }));
        }
        ENGINE_CHECK(compareAlone(name, text(c.columns) + " -> " + text(c.inter), [&](std::int64_t first, std::int64_t rows) { return run(0, first, rows); }));
    }
    return Done{};
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

// Routed experts and a shared one; automatic routing; routing right before, which a device may leave to the product; few rows
// and a prompt.
Status Check::expertsOfManyShapes()
{
    const int perToken = 5;
    enum class Routing { Plain = 1, Automatic, WithRouter };
    struct Case {
        DType type, downType, sharedDownType;
        std::int64_t hidden = 512, inter = 256, sharedInter = 512;
        int count = 24;
    };
    // The last ones as files have them: experts of 1,408 and 896 columns have no super-blocks.
    for (const Case &c : {Case{DType::BF16, DType::BF16, DType::BF16}, Case{DType::Q4_K, DType::Q4_K, DType::Q4_K}, Case{DType::Q5_0, DType::Q5_0, DType::Q5_0},
             Case{DType::F8E4M3, DType::F8E4M3, DType::F8E4M3}, Case{DType::Q4_K, DType::Q5_0, DType::Q4_K, 2048, 1408, 2816, 7},
             Case{DType::Q5_K, DType::Q8_0, DType::Q6_K, 1280, 896, 1792, 40}, Case{DType::Q6_K, DType::Q6_K, DType::Q6_K}, Case{DType::Q8_0, DType::Q4_0, DType::Q8_0, 544, 288, 576, 9}}) {
        const auto [type, downType, sharedDownType, hidden, inter, sharedInter, count] = c;
        if (!m_isCard && (type != DType::Q4_K || downType != DType::Q4_K))
            continue;
        const RandomWeight gate = weight(type, Shape{count, inter, hidden});
        const RandomWeight up = weight(type, Shape{count, inter, hidden});
        const RandomWeight down = weight(downType, Shape{count, hidden, inter});
        const RandomWeight sharedGateAndUp = weight(type, Shape{2 * sharedInter, hidden});
        const RandomWeight sharedDown = weight(sharedDownType, Shape{hidden, sharedInter});
        const RandomWeight matrix = weight(DType::F32, Shape{count, hidden});
        for (const Routing routing : {Routing::Plain, Routing::Automatic, Routing::WithRouter}) {
            const bool automatic = routing == Routing::Automatic;
            Floats input;
            Floats logits;
            // `isLong`: as a step of an answer far along, for which a device may have other kernels.
            const auto run = [&](int side, std::int64_t first, std::int64_t rows, bool isLong) -> Result<Floats> {
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
                const RouteArgs route{.logits = l.tensor, .experts = count, .perToken = perToken, .scale = 1.5F, .stopExperts = {},
                    .automatic = automatic, .ids = idData, .weights = weights.tensor.f32()};
                ENGINE_TRY(const WeightPtr m, backend.upload(matrix.tensor, {}));
                const std::vector<std::int32_t> tokens(static_cast<std::size_t>(rows), 1);
                const std::vector<std::int32_t> positions(tokens.size(), 5'000);
                const std::int32_t block = 0;
                std::vector<KvSequence> sequences;
                for (int i = 0; i < rows; ++i)
                    sequences.push_back({.firstRow = i, .rowCount = 1, .firstPosition = positions[0], .blocks = {&block, 1}});
                if (isLong)
                    backend.beginStep({.ids = tokens, .positions = positions, .sequences = sequences, .blockTokens = 8'192});
                if (routing == Routing::WithRouter)
                    backend.router({.input = x.tensor, .weight = m.get(), .route = route});
                else
                    backend.route(route);
                const MoeArgs moe{.input = x.tensor, .output = y.tensor, .gate = g.get(), .up = u.get(), .down = d.get(),
                    .ids = idData, .weights = weights.tensor.f32(), .perToken = perToken};
                backend.moeWithShared({.moe = moe, .shared = {.input = x.tensor, .gateAndUp = sg.get(), .joined = joined.tensor,
                    .output = product.tensor}, .sharedDown = sd.get()});
                return read(side, y.tensor);
            };
            // On the processor each of the three products in a row rounds its activations anew.
            const double rounds = m_isCard ? 1.0 : 3.0;
            const std::string name = std::string("experts and a shared one") + (automatic ? ", automatic, " : routing == Routing::WithRouter ? ", with the router, " : ", ")
                + std::string(kernels::dtypeInfo(type).name);
            const std::string detail = text(hidden) + ", 5 of " + text(count);
            for (const std::int64_t rows : {1, 3, 8, 11, 130}) {
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
                ENGINE_CHECK(compare(name, text(rows) + " x " + detail,
                    rounds * (rows <= kFewRows ? m_bounds.few : m_bounds.many),
                    [&](int side) { return run(side, 0, rows, false); }));
                if (rows == 1 && m_isCard)
                    ENGINE_CHECK(compare(name, "1 x " + detail + ", far along", rounds * m_bounds.few, [&](int side) { return run(side, 0, 1, true); }));
            }
            ENGINE_CHECK(compareAlone(name, detail,
                [&](std::int64_t first, std::int64_t rows) { return run(0, first, rows, rows == 1 && first % 2 == 1); }));
        }
    }
    return Done{};
}

} // namespace engine::selftest
