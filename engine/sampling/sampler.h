// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/request.h"
#include "engine/result.h"
#include "kernels/choose.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace engine {

// A uniform number in [0, 1) that depends on nothing but the seed and the index of the token, so that the same
// seed gives the same answer whatever else runs (counter-based: splitmix64's finaliser over both).
[[nodiscard]] double uniformAt(std::uint64_t seed, std::uint64_t index);

struct IdWeight {
    std::int32_t id = 0;
    double weight = 0;
};
// A guess for speculative decoding and the distribution it was drawn from, by id; weights need not add up to 1.
struct Draft {
    std::int32_t id = 0;
    std::vector<IdWeight> weights;
    double total = 0;
};

// Chooses the tokens of one answer. The order is that of transformers: repetition penalty, temperature, top-k,
// top-p, min-p, then one draw. Ids at or over the tokenizer's size are rows of padding and are never chosen.
// Not thread-safe; one per generation.
class Sampler {
public:
    // BadRequest names the option that is out of range.
    static Result<Sampler> create(const SamplingOptions &options, int tokenizerSize, std::span<const std::int32_t> prompt);

    // `logits` is [vocabulary]; `index` counts generated tokens from 0. Greedy (temperature 0, or top-k 1) takes the
    // lowest id among equals. A logit that is NaN or +Inf, or none that is finite: Internal, naming the token.
    Result<std::int32_t> sample(std::span<const float> logits, int index);
    // The same choice as a rule for kernels::choose, which a device can follow. Greedy: the very token; else drawn by the
    // same random number from the same distribution, so another token only where the number falls within a rounding error
    // of an edge. None: a repetition penalty, which only sample() knows.
    [[nodiscard]] std::optional<kernels::ChooseRule> rule(int index, int alternatives) const;
    static Result<std::int32_t> chosen(const kernels::Choice &choice, int index); // errors as sample()
    void accept(std::int32_t id); // a token that is now part of the context

    // Speculative decoding (arXiv 2302.01318): draft() guesses token `index` from a small model's logits; verify(), given
    // the large model's, keeps the guess or draws another token, such that what comes out is distributed exactly as by
    // sample(). Greedy: the guess is kept when it is the best token.
    Result<Draft> draft(std::span<const float> logits, int index);
    struct Verdict {
        std::int32_t id = 0;
        bool isAccepted = false;
    };
    Result<Verdict> verify(std::span<const float> logits, int index, const Draft &draft);

private:
    struct Candidate {
        std::int32_t id = 0;
        double logit = 0; // later its weight
    };
    // Fills m_candidates by id with weights over 0, the best one's being 1; only that one when greedy.
    Status weigh(std::span<const float> logits, int index);
    [[nodiscard]] double total() const;
    Sampler(const SamplingOptions &options, int tokenizerSize) : m_options(options), m_size(tokenizerSize) {}
    [[nodiscard]] double penalised(float logit, std::int32_t id) const;
    void keepTopK();
    void keepTopP();

    SamplingOptions m_options;
    int m_size = 0;
    std::vector<bool> m_seen; // by id, when there is a repetition penalty
    std::vector<Candidate> m_candidates;
};

struct IdProbability {
    std::int32_t id = 0;
    float probability = 0.0F;
};
struct TokenProbabilities {
    float chosen = 0.0F;
    std::vector<IdProbability> best; // most likely first, equals by id
};
// Softmax of the raw logits over the tokenizer's ids, before any sampling option.
[[nodiscard]] TokenProbabilities tokenProbabilities(
    std::span<const float> logits, int tokenizerSize, std::int32_t chosen, int alternatives);

// The same from what a device chose by a rule that asks for alternatives.
[[nodiscard]] TokenProbabilities tokenProbabilities(const kernels::Choice &choice, int alternatives);

} // namespace engine
