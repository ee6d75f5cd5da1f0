// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace engine {
namespace {

std::uint64_t finalise(std::uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

Error outOfRange(const char *option, const char *range)
{
    return Error{ErrorCode::BadRequest, std::string(option) + " must be " + range};
}

// Streams of their own beside the one that draws tokens.
constexpr std::uint64_t kDraftStream = 0x6A09E667F3BCC908ULL;
constexpr std::uint64_t kVerdictStream = 0xBB67AE8584CAA73BULL;

// The id whose stretch of `total` holds `share` of it; rounding may leave a hair: then the last one.
template <typename Candidates>
std::int32_t drawn(const Candidates &candidates, double total, double share)
{
    double left = share * total;
    for (const auto &candidate : candidates) {
        left -= candidate.logit;
        if (left < 0.0)
            return candidate.id;
    }
    return candidates.back().id;
}

Error notANumber(int index)
{
    return {ErrorCode::Internal, "the model's output is not a number at token " + std::to_string(index)
            + "; its weights may be damaged or too large for this precision"};
}

Error noToken(int index)
{
    return {ErrorCode::Internal, "the model ruled out every token at token " + std::to_string(index)};
}

bool likelier(double a, std::int32_t aId, double b, std::int32_t bId)
{
    return a > b || (a == b && aId < bId);
}

} // namespace

double uniformAt(std::uint64_t seed, std::uint64_t index)
{
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;
    const std::uint64_t bits = finalise(finalise(seed + kGolden) ^ ((index + 1) * kGolden));
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

Result<Sampler> Sampler::create(const SamplingOptions &options, int tokenizerSize, std::span<const std::int32_t> prompt)
{
    if (!(options.temperature >= 0.0F && options.temperature <= 100.0F))
        return outOfRange("the temperature", "between 0 and 100");
    if (options.topK < 0)
        return outOfRange("top-k", "0 (off) or more");
    if (!(options.topP > 0.0F && options.topP <= 1.0F))
        return outOfRange("top-p", "over 0 and at most 1");
    if (!(options.minP >= 0.0F && options.minP <= 1.0F))
        return outOfRange("min-p", "between 0 and 1");
    if (!(options.repetitionPenalty > 0.0F && options.repetitionPenalty <= 100.0F))
        return outOfRange("the repetition penalty", "over 0 and at most 100");
    if (tokenizerSize <= 0)
        return Error{ErrorCode::Internal, "a sampler needs a tokenizer"};
    Sampler sampler(options, tokenizerSize);
    if (options.repetitionPenalty != 1.0F) {
        sampler.m_seen.resize(static_cast<std::size_t>(tokenizerSize));
        for (const std::int32_t id : prompt)
            sampler.accept(id);
    }
    return sampler;
}

void Sampler::accept(std::int32_t id)
{
    if (id >= 0 && static_cast<std::size_t>(id) < m_seen.size())
        m_seen[static_cast<std::size_t>(id)] = true;
}

double Sampler::penalised(float logit, std::int32_t id) const
{
    if (m_seen.empty() || !m_seen[static_cast<std::size_t>(id)])
        return logit;
    return logit < 0.0F ? double{logit} * m_options.repetitionPenalty : double{logit} / m_options.repetitionPenalty;
}

Status Sampler::weigh(std::span<const float> logits, int index)
{
    const auto count = static_cast<std::int32_t>(std::min(logits.size(), static_cast<std::size_t>(m_size)));
    std::int32_t best = -1;
    double bestLogit = -std::numeric_limits<double>::infinity();
    for (std::int32_t id = 0; id < count; ++id) {
        const float logit = logits[static_cast<std::size_t>(id)];
        if (std::isnan(logit) || logit == std::numeric_limits<float>::infinity())
            return notANumber(index);
        const double value = penalised(logit, id);
        if (value > bestLogit) {
            bestLogit = value;
            best = id;
        }
    }
    if (best < 0)
        return noToken(index);
    m_candidates.clear();
    if (m_options.temperature == 0.0F || m_options.topK == 1) {
        m_candidates.push_back({best, 1.0});
        return Done{};
    }
    m_candidates.reserve(static_cast<std::size_t>(count));
    for (std::int32_t id = 0; id < count; ++id) {
        const double value = penalised(logits[static_cast<std::size_t>(id)], id);
        if (value > -std::numeric_limits<double>::infinity())
            m_candidates.push_back({id, (value - bestLogit) / m_options.temperature});
    }
    if (m_options.topK > 0)
        keepTopK();
    for (Candidate &candidate : m_candidates)
        candidate.logit = std::exp(candidate.logit); // 1 for the best
    if (m_options.topP < 1.0F)
        keepTopP();
    if (m_options.minP > 0.0F)
        std::erase_if(m_candidates, [this](const Candidate &c) { return c.logit < m_options.minP; });

    // In the order of ids, which does not depend on how they were found.
    if (m_options.topK > 0 || m_options.topP < 1.0F)
        std::sort(m_candidates.begin(), m_candidates.end(), [](const Candidate &a, const Candidate &b) { return a.id < b.id; });
    std::erase_if(m_candidates, [](const Candidate &c) { return c.logit <= 0.0; });
    return Done{};
}

double Sampler::total() const
{
    double total = 0;
    for (const Candidate &candidate : m_candidates)
        total += candidate.logit;
    return total;
}

Result<std::int32_t> Sampler::sample(std::span<const float> logits, int index)
{
    ENGINE_CHECK(weigh(logits, index));
    return drawn(m_candidates, total(), uniformAt(m_options.seed, static_cast<std::uint64_t>(index)));
}

std::optional<kernels::ChooseRule> Sampler::rule(int index, int alternatives) const
{
    if (!m_seen.empty() || alternatives > kernels::kMostAlternatives)
        return std::nullopt;
    return kernels::ChooseRule{.temperature = m_options.temperature,
        .topP = m_options.topP,
        .minP = m_options.minP,
        .topK = m_options.topK,
        .share = uniformAt(m_options.seed, static_cast<std::uint64_t>(index)),
        .alternatives = std::max(alternatives, 0)};
}

Result<std::int32_t> Sampler::chosen(const kernels::Choice &choice, int index)
{
    if (choice.state == kernels::ChoiceState::NotANumber)
        return notANumber(index);
    if (choice.state == kernels::ChoiceState::None)
        return noToken(index);
    return choice.id;
}

Result<Draft> Sampler::draft(std::span<const float> logits, int index)
{
    ENGINE_CHECK(weigh(logits, index));
    Draft draft;
    draft.total = total();
    draft.id = drawn(m_candidates, draft.total,
        uniformAt(m_options.seed ^ kDraftStream, static_cast<std::uint64_t>(index)));
    draft.weights.reserve(m_candidates.size());
    for (const Candidate &candidate : m_candidates)
        draft.weights.push_back({candidate.id, candidate.logit});
    return draft;
}

Result<Sampler::Verdict> Sampler::verify(std::span<const float> logits, int index, const Draft &draft)
{
    ENGINE_CHECK(weigh(logits, index));
    // p and q by id, side by side; what is left of p beyond q stays in m_candidates for the other draw.
    const double total = this->total();
    double ofDraftP = 0, ofDraftQ = 0, left = 0;
    auto guessed = draft.weights.begin();
    for (Candidate &candidate : m_candidates) {
        while (guessed != draft.weights.end() && guessed->id < candidate.id)
            ++guessed;
        const bool isGuessed = guessed != draft.weights.end() && guessed->id == candidate.id;
        const double p = candidate.logit / total, q = isGuessed ? guessed->weight / draft.total : 0.0;
        if (candidate.id == draft.id) {
            ofDraftP = p;
            ofDraftQ = q;
        }
        candidate.logit = std::max(p - q, 0.0);
        left += candidate.logit;
    }
    const double luck = uniformAt(m_options.seed ^ kVerdictStream, static_cast<std::uint64_t>(index));
    // Where p is nowhere over q they are equal but for rounding.
    if (ofDraftP > 0.0 && (luck * ofDraftQ < ofDraftP || left <= 0.0))
        return Verdict{draft.id, true};
    std::erase_if(m_candidates, [](const Candidate &c) { return c.logit <= 0.0; });
    return Verdict{drawn(m_candidates, left, uniformAt(m_options.seed, static_cast<std::uint64_t>(index))), false};
}

// The k largest; as in transformers everything equal to the k-th stays.
void Sampler::keepTopK()
{
    const auto k = static_cast<std::size_t>(m_options.topK);
    if (k >= m_candidates.size())
        return;
    const auto kth = m_candidates.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(m_candidates.begin(), kth, m_candidates.end(),
        [](const Candidate &a, const Candidate &b) { return likelier(a.logit, a.id, b.logit, b.id); });
    const double smallest = kth->logit;
    std::erase_if(m_candidates, [smallest](const Candidate &c) { return c.logit < smallest; });
}

// The fewest most likely tokens that hold `topP` together: one stays while those before it hold less.
void Sampler::keepTopP()
{
    double total = 0;
    for (const Candidate &candidate : m_candidates)
        total += candidate.logit;
    const double wanted = double{m_options.topP} * total;
    const auto byLikelihood
        = [](const Candidate &a, const Candidate &b) { return likelier(a.logit, a.id, b.logit, b.id); };
    // Sorted in growing stretches: a peaked distribution ends in the first.
    std::size_t sorted = 0, kept = 0;
    double held = 0;
    for (std::size_t stretch = 64; kept < m_candidates.size() && held < wanted; stretch *= 8) {
        const std::size_t end = std::min(sorted + stretch, m_candidates.size());
        const auto from = m_candidates.begin() + static_cast<std::ptrdiff_t>(sorted);
        const auto to = m_candidates.begin() + static_cast<std::ptrdiff_t>(end);
        std::partial_sort(from, to, m_candidates.end(), byLikelihood);
        sorted = end;
        while (kept < sorted && held < wanted)
            held += m_candidates[kept++].logit;
    }
    m_candidates.resize(std::max<std::size_t>(kept, 1));
}

TokenProbabilities tokenProbabilities(
    std::span<const float> logits, int tokenizerSize, std::int32_t chosen, int alternatives)
{
    TokenProbabilities result;
    const std::size_t count = std::min(logits.size(), static_cast<std::size_t>(std::max(tokenizerSize, 0)));
    if (count == 0)
        return result;
    const float highest = *std::max_element(logits.begin(), logits.begin() + static_cast<std::ptrdiff_t>(count));
    double total = 0;
    for (std::size_t id = 0; id < count; ++id)
        total += std::exp(double{logits[id]} - highest);
    const auto probability = [&](std::int32_t id) {
        return static_cast<float>(std::exp(double{logits[static_cast<std::size_t>(id)]} - highest) / total);
    };
    if (chosen >= 0 && static_cast<std::size_t>(chosen) < count)
        result.chosen = probability(chosen);
    const std::size_t wanted = std::min(static_cast<std::size_t>(std::max(alternatives, 0)), count);
    if (wanted == 0)
        return result;
    // A heap of the best so far, its worst in front.
    const auto better = [&](std::int32_t a, std::int32_t b) {
        return likelier(logits[static_cast<std::size_t>(a)], a, logits[static_cast<std::size_t>(b)], b);
    };
    std::vector<std::int32_t> best;
    best.reserve(wanted + 1);
    for (std::int32_t id = 0; static_cast<std::size_t>(id) < count; ++id) {
        if (best.size() == wanted && !better(id, best.front()))
            continue;
        best.push_back(id);
        std::push_heap(best.begin(), best.end(), better);
        if (best.size() > wanted) {
            std::pop_heap(best.begin(), best.end(), better);
            best.pop_back();
        }
    }
    std::sort_heap(best.begin(), best.end(), better);
    for (const std::int32_t id : best)
        result.best.push_back({id, probability(id)});
    return result;
}

TokenProbabilities tokenProbabilities(const kernels::Choice &choice, int alternatives)
{
    const auto probability = [&](float logit) {
        return static_cast<float>(std::exp(double{logit} - choice.best) / choice.total);
    };
    TokenProbabilities result;
    result.chosen = probability(choice.logit);
    for (int i = 0; i < std::min(alternatives, kernels::kMostAlternatives) && choice.likely[i].id >= 0; ++i)
        result.best.push_back({choice.likely[i].id, probability(choice.likely[i].logit)});
    return result;
}

} // namespace engine
