// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/feed_forward.h"

#include <algorithm>
#include <array>

namespace engine {
namespace {

class DenseFeedForward final : public Block {
public:
    Status load(WeightLoader &loader, const std::string &prefix, std::int64_t intermediate)
    {
        m_intermediate = intermediate;
        const std::int64_t hidden = loader.config().text.hidden;
        const std::array<WeightLoader::Rows, 2> parts{{{prefix + ".gate_proj.weight", intermediate},
            {prefix + ".up_proj.weight", intermediate}}};
        ENGINE_TRY(m_gateAndUp, loader.joined(parts, hidden));
        ENGINE_TRY(m_down, loader.linear(prefix + ".down_proj.weight", hidden, intermediate));
        return Done{};
    }
    std::int64_t scratchFloats(std::int64_t rows) const override
    {
        return Scratch::cost(rows, 2 * m_intermediate) + Scratch::cost(rows, m_intermediate);
    }
    void forward(Step &step, Tensor input, Tensor residual) const override
    {
        const SwigluArgs args = gated(step, input);
        if (args.gateAndUp) {
            step.backend.feedForward({.gated = args, .down = m_down.get(), .output = residual});
            return;
        }
        m_gateAndUp.forward(step.backend, input, args.joined);
        step.backend.siluMultiply(columnsOf(args.joined, 0, m_intermediate),
            columnsOf(args.joined, m_intermediate, m_intermediate), args.output);
        step.backend.linear({.input = args.output, .weight = m_down.get(), .output = residual, .accumulate = true});
    }
    // The first half; gateAndUp is null where the two are of different number formats.
    SwigluArgs gated(Step &step, Tensor input) const
    {
        const Tensor joined = step.scratch.take(step.rows, 2 * m_intermediate);
        return {.input = input,
            .gateAndUp = m_gateAndUp.single(),
            .joined = joined,
            .output = step.scratch.take(step.rows, m_intermediate)};
    }
    bool isJoined() const { return m_gateAndUp.single() != nullptr; }
    const Weight *down() const { return m_down.get(); }

private:
    std::int64_t m_intermediate = 0;
    JoinedLinear m_gateAndUp;
    WeightPtr m_down;
};

class MoeFeedForward final : public Block {
public:
    explicit MoeFeedForward(const MoeConfig &config) : m_config(config) {}

    Status load(WeightLoader &loader, const std::string &prefix)
    {
        const std::int64_t hidden = loader.config().text.hidden;
        const std::int64_t experts = m_config.routedExperts;
        // Routing flips where the router is rounded.
        ENGINE_TRY(m_router, loader.float32(prefix + ".gate.weight", {experts, hidden}));
        if (m_config.method == RoutingMethod::Biased) {
            ENGINE_TRY(m_bias, loader.float32(prefix + ".gate.e_score_correction_bias", {experts}));
        }
        const double activeShare =
            static_cast<double>(m_config.expertsPerToken) / static_cast<double>(std::max<std::int64_t>(experts, 1));
        ENGINE_TRY(m_experts, loader.experts(prefix + ".experts", m_config.routedExperts,
            m_config.expertIntermediate, hidden, activeShare));
        if (m_config.sharedExperts > 0) {
            auto shared = std::make_unique<DenseFeedForward>();
            ENGINE_CHECK(shared->load(loader, prefix + ".shared_experts",
                std::int64_t{m_config.sharedExperts} * m_config.expertIntermediate));
            m_shared = std::move(shared);
        }
        return Done{};
    }
    std::int64_t scratchFloats(std::int64_t rows) const override
    {
        return Scratch::cost(rows, m_config.routedExperts) + 2 * Scratch::cost(rows, m_config.expertsPerToken) +
               (m_shared ? m_shared->scratchFloats(rows) : 0);
    }
    void forward(Step &step, Tensor input, Tensor residual) const override
    {
        const ExpertOptions &options = step.batch.experts;
        int perToken = m_config.expertsPerToken;
        if (options.maxExperts > 0)
            perToken = std::min(perToken, options.maxExperts);
        const Tensor logits = step.scratch.take(step.rows, m_config.routedExperts);
        const Tensor ids = step.scratch.take(step.rows, perToken, DType::I32);
        const Tensor weights = step.scratch.take(step.rows, perToken);
        step.backend.router({.input = input,
            .weight = m_router.get(),
            .route = {.logits = logits,
                .bias = m_bias.get(),
                .experts = m_config.routedExperts,
                .perToken = perToken,
                .groups = m_config.groups,
                .groupsPerToken = m_config.groupsPerToken,
                .method = static_cast<int>(m_config.method),
                .score = static_cast<int>(m_config.score),
                .normalise = m_config.normaliseWeights,
                .scale = m_config.routedScale,
                .stopExperts = options.stopExpertIds,
                .automatic = options.automatic,
                .ids = reinterpret_cast<std::int32_t *>(ids.data),
                .weights = weights.f32()}});
        if (step.batch.observeRouting && step.batch.observations)
            observe(step, ids, weights, perToken);
        const MoeArgs args{.input = input,
            .output = residual,
            .gate = m_experts.gate.get(),
            .up = m_experts.up.get(),
            .down = m_experts.down.get(),
            .ids = reinterpret_cast<const std::int32_t *>(ids.data),
            .weights = weights.f32(),
            .perToken = perToken};
        if (!m_shared) {
            step.backend.moe(args);
        } else if (m_shared->isJoined()) {
            step.backend.moeWithShared(
                {.moe = args, .shared = m_shared->gated(step, input), .sharedDown = m_shared->down()});
        } else {
            step.backend.moe(args);
            m_shared->forward(step, input, residual);
        }
    }

private:
    static void observe(Step &step, Tensor ids, Tensor weights, int perToken)
    {
        std::vector<std::int32_t> chosen(static_cast<std::size_t>(perToken));
        std::vector<float> shares(static_cast<std::size_t>(perToken));
        for (std::size_t i = 0; i < step.batch.observeRows.size(); ++i) {
            const std::int32_t row = step.batch.observeRows[i];
            step.backend.toHost(chosen.data(), rowsOf(ids, row, 1));
            step.backend.toHost(shares.data(), rowsOf(weights, row, 1));
            RoutingRecord::Layer layer{step.layer, {}, {}};
            for (std::size_t k = 0; k < chosen.size(); ++k) {
                if (chosen[k] < 0)
                    continue;
                layer.experts.push_back(chosen[k]);
                layer.weights.push_back(shares[k]);
            }
            (*step.batch.observations)[i].routing.layers.push_back(std::move(layer));
        }
    }

    MoeConfig m_config;
    WeightPtr m_router, m_bias;
    WeightLoader::Experts m_experts;
    std::unique_ptr<DenseFeedForward> m_shared;
};

} // namespace

Result<std::unique_ptr<Block>> loadDenseFeedForward(WeightLoader &loader, const std::string &prefix,
    std::int64_t intermediate)
{
    auto block = std::make_unique<DenseFeedForward>();
    ENGINE_CHECK(block->load(loader, prefix, intermediate));
    return std::unique_ptr<Block>(std::move(block));
}

Result<std::unique_ptr<Block>> loadMoeFeedForward(WeightLoader &loader, const std::string &prefix)
{
    auto block = std::make_unique<MoeFeedForward>(loader.config().text.moe);
    ENGINE_CHECK(block->load(loader, prefix));
    return std::unique_ptr<Block>(std::move(block));
}

} // namespace engine
