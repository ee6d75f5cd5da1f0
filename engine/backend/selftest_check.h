// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The self-test's operations, each on two backends with the same random inputs; selftest.cpp runs them. Not thread-safe.

#include "backend/backend.h"
#include "backend/selftest_choosing.h"
#include "backend/selftest_prompts.h"
#include "backend/selftest_steps.h"
#include "engine/selftest.h"
#include "kernels/convert.h"
#include "kernels/random_data.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

namespace engine::selftest {

using Floats = std::vector<float>;

constexpr double kExactBound = 2e-5;   // float32 sums in another order
constexpr double kNativeBound = 1e-4;  // block formats multiply activations of 16 bits per 32 of a row
constexpr double kSplitBound = 5e-5;   // CUDA, few rows: activations of 22 bits, attention of 16 bits
constexpr double kRoundedBound = 1e-2; // CUDA, prompts: both operands in bfloat16
constexpr int kBlockTokens = 16;

inline std::string text(std::int64_t value) { return std::to_string(value); }

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
        : m_backends{&tested, &reference}, m_name(std::move(name)), m_bounds(bounds), m_bound(bounds.plain), m_isCard(m_name.starts_with("cuda"))
        , m_choosesItself(m_isCard && m_name.ends_with(", exact")), m_random(seed)
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
            ENGINE_CHECK(feedForwards());
            ENGINE_CHECK(latentChain());
            ENGINE_CHECK(stepAttentions());
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
        for (const ChoosingCheck &check : choosingChecks()) {
            if (!m_choosesItself || !isAsked("choosing tokens, " + check.shape()))
                continue;
            ENGINE_TRY(const SelftestRow row, checkChoosing(*m_backends[0], *m_backends[1], m_name, m_random(), check));
            add(row);
        }
        ENGINE_CHECK(prompts());
        for (const DType cacheType : {DType::F32, DType::BF16})
            if (m_backends[0]->hasTokenSelection() && m_backends[1]->hasTokenSelection())
                ENGINE_CHECK(tokenSelection(cacheType));
        return m_failures;
    }

private:
    // Contexts around pages, warps and the limits beyond which other kernels take over, alone and mixed.
    Status stepAttentions()
    {
        if (m_bounds.many <= m_bounds.plain)
            return Done{}; // exact sums may round the rows of the cache otherwise
        constexpr std::array within{0, 1, 16, 63, 64, 128, 250, 318};
        constexpr std::array mixed{1300, 319, 0, 340, 383, 700, 65, 2};
        for (const bool isMixed : {false, true}) {
            for (const auto &[heads, kvHeads, dim] : {std::array{4, 0, 128}, std::array{8, 2, 128}, std::array{12, 2, 128}, std::array{7, 1, 128},
                     std::array{3, 3, 128}, std::array{9, 3, 64}, std::array{14, 2, 64}, std::array{8, 1, 64}}) {
                const StepAttention args{.seed = m_random(), .contexts = isMixed ? mixed : within, .heads = heads, .kvHeads = kvHeads, .dim = dim,
                    .window = isMixed && heads % 2 == 0 ? 90 : 0, .interleaved = (heads + kvHeads) % 4 == 0};
                ENGINE_CHECK(stepAttention(args, isMixed ? ", some contexts long" : ""));
            }
        }
        // Parts of 64 tokens and of 128, the limit between them, one token of a part; more heads than a tile.
        constexpr std::array longer{8191, 1024, 9000, 0, 4095, 1087, 500, 2048};
        for (const auto &[heads, kvHeads, dim, window] : {std::array{16, 0, 128, 0}, std::array{20, 0, 128, 1500}, std::array{8, 2, 128, 0}, std::array{6, 1, 128, 0},
                 std::array{9, 3, 64, 2000}})
            ENGINE_CHECK(stepAttention({.seed = m_random(), .contexts = longer, .heads = heads, .kvHeads = kvHeads, .dim = dim, .window = window,
                .interleaved = kvHeads == 1}, ", to 9,000 tokens"));
        // Parts of several runs: where the first of them begins; more heads than a tile.
        constexpr std::array longest{17'000, 0, 40'000, 16'383, 1024, 130, 700, 64};
        for (const auto &[heads, kvHeads, dim, window] : {std::array{17, 0, 128, 0}, std::array{4, 0, 128, 30'000}, std::array{6, 1, 64, 0}})
            ENGINE_CHECK(stepAttention({.seed = m_random(), .contexts = longest, .heads = heads, .kvHeads = kvHeads, .dim = dim, .window = window,
                .interleaved = heads == 4}, ", to 40,000 tokens"));
        return Done{};
    }
    Status stepAttention(const StepAttention &args, const std::string &contexts)
    {
        const std::string shape = (args.kvHeads > 0 ? text(args.heads) + "/" + text(args.kvHeads) + " heads of " + text(args.dim) : "latent, " + text(args.heads) + " heads")
            + contexts + (args.window > 0 ? ", window" : "");
        ENGINE_CHECK(compare("attention of steps", shape, std::max(m_bounds.few, m_bounds.rounded),
            [&](int side) { return runStepAttention(*m_backends[side], args, 0, 8); }));
        return compareAlone("attention of steps", shape,
            [&](std::int64_t first, std::int64_t rows) { return runStepAttention(*m_backends[0], args, first, rows); });
    }
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
        if (!isAsked(operation + ", " + shape))
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
        if (!m_isCard || !isAsked(operation + ", alone and among eight, " + shape))
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
    Status pictureLayers();
    Status resizedPictures();
    Status normAndProducts(DType type);
    Status feedForwards();
    Status latentChain();
    Status attentions();
    Status attention(bool latent, int window, DType cacheType);
    Status experts();
    Status router();
    Status crossModal();
    Status tokenSelection(DType cacheType);
    Status expertsOfManyShapes();
    Status tiledAttention(int heads, int kvHeads, int keyDim, int valueDim);

    Backend *m_backends[2];
    std::string m_name;
    Bounds m_bounds;
    double m_bound = 0; // of what is no product
    bool m_isCard;      // more shapes
    bool m_choosesItself; // choosing tokens knows no precision, so it is checked once a card
    std::mt19937_64 m_random;
    kernels::Random m_weights;
    std::normal_distribution<float> m_normal;
    std::string m_only;
    const std::function<void(const SelftestRow &)> &m_report;
    int m_failures = 0;
};

} // namespace engine::selftest
