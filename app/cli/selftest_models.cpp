// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "selftest_models.h"

#include "first_token_error.h"
#include "interrupt.h"
#include "position_errors.h"
#include "session.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>

namespace cli {

namespace {

constexpr int kAnswers = 8;
constexpr int kLogitTokens = 48;
constexpr const char *kUneven = "beginning and ending one by one";
constexpr double kExactBound = 1e-3;
constexpr double kFirstTokenBound = 5e-2; // of the likeliest token's probability
constexpr int kAlternatives = 8;

// So many thousandths of the tokens of prompts are off float32 by no more than `room` times what rounding alone does to them: those
// that rounding hardly moves, most of them, and those where it decides which experts are chosen.
struct Share {
    int thousandths = 0;
    double room = 0;
    const char *name = nullptr;
};
constexpr Share kShares[] = {{500, 1.5, "half"}, {900, 1.5, "nine tenths"}, {990, 3, "all but one in a hundred"}};

// What an answer consists of: ids, and the bits of the probabilities of the likely tokens.
struct Told {
    std::vector<std::int32_t> ids;
    std::vector<float> probabilities;
    LikelyTokens first; // tokens of the first place
    bool operator==(const Told &other) const
    {
        return ids == other.ids && probabilities.size() == other.probabilities.size()
               && std::memcmp(probabilities.data(), other.probabilities.data(),
                              probabilities.size() * sizeof(float)) == 0;
    }
};

// Prompts of different lengths whose first tokens differ; every second answer is drawn.
engine::GenerationRequest request(const Session &session, engine::ModelId model, int index, int tokens, int promptTokens)
{
    const int room = std::max(session.contextOf(model) - tokens - 1, 1);
    const int length = std::min(promptTokens, room);
    const int ids = std::max(session.vocabularyOf(model) - 2, 1);
    engine::GenerationRequest request;
    request.model = model;
    request.rawTokens.emplace();
    for (int i = 0; i < length; ++i)
        request.rawTokens->push_back(2 + (i * 7 + index * 13) % std::min(ids, 251));
    request.sampling.maxTokens = tokens;
    request.sampling.seed = static_cast<std::uint64_t>(100 + index);
    request.sampling.temperature = index % 2 == 1 ? 0.9F : 0.0F;
    request.observe.alternatives = kAlternatives;
    return request;
}

int shortPrompt(int index) { return 30 + 15 * index; }

// Prompts of 30 to 135 tokens, or what the context has room for, and answers of equal length.
engine::GenerationRequest shortRequest(const Session &session, engine::ModelId model, int index, int tokens)
{
    return request(session, model, index, tokens, shortPrompt(index));
}

// Answers that end one after the other; two of them pass 512 and 1,024 tokens, where the context is as long.
engine::GenerationRequest unevenRequest(const Session &session, engine::ModelId model, int index)
{
    const int prompt = index == 0 ? 1004 : index == 1 ? 500 : shortPrompt(index);
    return request(session, model, index, index < 2 ? 60 : 5 + 7 * index, prompt);
}

// A request starts when those before it have told `stagger` tokens each, or have ended.
engine::Result<std::vector<Told>> answer(Session &session, const std::vector<engine::GenerationRequest> &requests,
                                         std::size_t stagger = 0)
{
    std::vector<std::unique_ptr<engine::Generation>> running;
    std::vector<Told> told(requests.size());
    std::size_t ended = 0, tokens = 0;
    while (ended < requests.size()) {
        while (running.size() < requests.size() && (tokens >= stagger * running.size() || ended == running.size()))
            running.push_back(session.runtime().start(requests[running.size()], ring));
        bool any = false;
        for (std::size_t i = 0; i < running.size(); ++i) {
            for (const engine::GenerationEvent &event : running[i]->takeEvents()) {
                any = true;
                if (const auto *token = std::get_if<engine::TokenRecord>(&event)) {
                    ++tokens;
                    told[i].ids.push_back(token->id);
                    told[i].probabilities.push_back(token->probability);
                    for (const engine::TokenAlternative &other : token->alternatives) {
                        told[i].probabilities.push_back(other.probability);
                        if (token->index == 0)
                            told[i].first[other.id] = other.probability;
                    }
                } else if (const auto *end = std::get_if<engine::Finished>(&event)) {
                    if (end->error)
                        return *end->error;
                    ++ended;
                }
            }
        }
        if (!any && ended < requests.size())
            waitForRing();
    }
    return told;
}

double relativeError(const std::vector<float> &actual, const std::vector<float> &expected)
{
    if (actual.size() != expected.size())
        return std::numeric_limits<double>::infinity();
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference += std::pow(static_cast<double>(expected[i]) - actual[i], 2);
        size += std::pow(static_cast<double>(expected[i]), 2);
    }
    return std::sqrt(difference / std::max(size, 1e-30));
}

std::vector<double> firstTokenErrors(const std::vector<Told> &actual, const std::vector<Told> &expected)
{
    std::vector<double> errors;
    for (std::size_t i = 0; i < expected.size(); ++i)
        errors.push_back(firstTokenError(actual[i].first, expected[i].first));
    return errors;
}

int different(const std::vector<Told> &actual, const std::vector<Told> &expected)
{
    int count = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
        count += actual[i] == expected[i] ? 0 : 1;
    return count;
}

class ModelCheck {
public:
    ModelCheck(const engine::LoadOptions &options, std::string only, const ReportRow &report)
        : m_options(options), m_only(std::move(only)), m_report(report)
    {}

    engine::Result<int> run()
    {
        const bool onCard = m_options.device != "cpu";
        if (isAsked(kUneven))
            ENGINE_CHECK(comingAndGoing());
        if (isAsked("alone and among eight") || isAsked("the same twice"))
            ENGINE_CHECK(repeated());
        if (onCard && (isAsked("logits") || isAsked("first tokens") || isAsked("prompts")))
            ENGINE_CHECK(againstTheProcessor());
        return m_failures;
    }

private:
    bool isAsked(const std::string &check) const { return ("model, " + check).find(m_only) != std::string::npos; }

    void add(const std::string &check, const std::string &shape, double error, double bound)
    {
        engine::SelftestRow row{.device = m_options.device, .operation = "model, " + check, .shape = m_name + ", " + shape,
                                .error = error, .bound = bound};
        row.passed = row.error <= row.bound; // false for a NaN
        m_failures += row.passed ? 0 : 1;
        m_report(row);
    }

    engine::LoadOptions onHost() const
    {
        engine::LoadOptions options = m_options;
        options.device = "cpu";
        options.precision = engine::Precision::Exact;
        return options;
    }

    engine::Result<std::vector<engine::GenerationRequest>> opened(Session &session, const engine::LoadOptions &options, int tokens)
    {
        ENGINE_TRY(const engine::ModelId model, session.load(options));
        m_name = session.nameOf(model);
        std::vector<engine::GenerationRequest> requests;
        for (int i = 0; i < kAnswers; ++i)
            requests.push_back(shortRequest(session, model, i, tokens));
        return requests;
    }

    // No prompt begins as another does: the first answers find nothing of theirs in the cache, all later ones the same part.
    engine::Status repeated()
    {
        Session session;
        ENGINE_TRY(const std::vector<engine::GenerationRequest> requests, opened(session, m_options, 24));
        const auto oneByOne = [&](Session &where) -> engine::Result<std::vector<Told>> {
            std::vector<Told> alone;
            for (const engine::GenerationRequest &request : requests) {
                ENGINE_TRY(std::vector<Told> one, answer(where, {request}));
                alone.push_back(std::move(one[0]));
            }
            return alone;
        };
        ENGINE_TRY(const std::vector<Told> unread, answer(session, requests));
        ENGINE_TRY(const std::vector<Told> together, answer(session, requests));
        if (isAsked("alone and among eight")) {
            ENGINE_TRY(const std::vector<Told> alone, oneByOne(session));
            add("alone and among eight", "answers of 24 tokens", different(alone, together), 0);
        }
        if (isAsked("the same twice")) {
            ENGINE_TRY(const std::vector<Told> again, answer(session, requests));
            add("the same twice", "answers of 24 tokens", different(again, together), 0);
        }
        if (isAsked("alone and among eight")) {
            Session other;
            ENGINE_CHECK(opened(other, m_options, 24));
            ENGINE_TRY(const std::vector<Told> alone, oneByOne(other));
            add("alone and among eight", "prompts not read before", different(alone, unread), 0);
        }
        return engine::Done{};
    }

    // What a model says of given tokens and of prompts, all in one session.
    struct Said {
        std::vector<float> logits;               // of a few tokens
        std::size_t tokens = 0;                  // so many
        std::vector<Told> first;                 // of each prompt, with an answer of one token, all asked together
        std::vector<std::vector<float>> prompts; // logits of every token
        std::vector<std::size_t> lengths;        // of the prompts
    };
    engine::Result<Said> say(const engine::LoadOptions &options, bool hasLogits, bool hasFirst, bool hasPrompts)
    {
        Session session;
        ENGINE_TRY(const std::vector<engine::GenerationRequest> requests, opened(session, options, 1));
        const engine::ModelId model = requests[0].model;
        Said said;
        if (hasLogits && isAsked("logits")) {
            std::vector<std::int32_t> ids;
            for (int i = 0; i < std::min(kLogitTokens, session.contextOf(model)); ++i)
                ids.push_back(i * 7 % std::min(std::max(session.vocabularyOf(model), 1), 251));
            ENGINE_TRY(said.logits, session.runtime().score(model, ids, {}));
            said.tokens = ids.size();
        }
        if (hasFirst) {
            ENGINE_TRY(said.first, answer(session, requests));
        }
        for (const engine::GenerationRequest &request : requests) {
            if (!hasPrompts)
                break;
            ENGINE_TRY(std::vector<float> logits, session.runtime().score(model, *request.rawTokens, {}));
            said.prompts.push_back(std::move(logits));
            said.lengths.push_back(request.rawTokens->size());
        }
        return said;
    }

    // The card in float32 and as it answers, against float32 on the processor. As it answers it rounds, and where a rounding decides
    // which expert is chosen, or much cancels out, any rounding gives other logits: so not each token of the prompts is compared, but
    // how many are how far off, here and on a processor that rounds what products read. Eight first tokens are too few to compare
    // with eight others: half of them are off by no more than rounding puts nine tenths of all tokens of the prompts off.
    engine::Status againstTheProcessor()
    {
        engine::LoadOptions exactly = m_options, rounding = onHost();
        exactly.precision = engine::Precision::Exact;
        rounding.precision = engine::Precision::Rounded;
        const bool hasFirst = isAsked("first tokens"), hasPrompts = isAsked("prompts");
        const bool either = hasFirst || hasPrompts;
        ENGINE_TRY(const Said host, say(onHost(), true, hasFirst, either));
        if (isAsked("logits") || hasFirst) {
            ENGINE_TRY(const Said exact, say(exactly, true, hasFirst, false));
            if (isAsked("logits"))
                add("logits", std::to_string(host.tokens) + " tokens, exact", relativeError(exact.logits, host.logits), kExactBound);
            if (hasFirst)
                add("first tokens", "all of eight prompts, exact", quantile(firstTokenErrors(exact.first, host.first), 1000), kExactBound);
        }
        if (!either)
            return engine::Done{};
        ENGINE_TRY(const Said rounded, say(rounding, false, false, true));
        ENGINE_TRY(const Said told, say(m_options, false, hasFirst, hasPrompts));
        if (hasFirst)
            add("first tokens", "half of eight prompts", quantile(firstTokenErrors(told.first, host.first), 500),
                std::max(kFirstTokenBound, quantile(likelyErrors(rounded, host), 900)));
        if (hasPrompts) {
            const std::vector<double> errors = promptErrors(told, host), expected = promptErrors(rounded, host);
            for (const Share &share : kShares)
                add("prompts", std::string(share.name) + " of " + std::to_string(errors.size()) + " tokens", quantile(errors, share.thousandths),
                    share.room * quantile(expected, share.thousandths));
        }
        return engine::Done{};
    }
    // What firstTokenError says of every token of the prompts.
    static std::vector<double> likelyErrors(const Said &actual, const Said &expected)
    {
        std::vector<double> errors;
        for (std::size_t i = 0; i < expected.prompts.size(); ++i) {
            const auto vocabulary = static_cast<std::ptrdiff_t>(expected.prompts[i].size() / expected.lengths[i]);
            const auto likelyOf = [vocabulary](const std::vector<float> &logits, std::size_t token) {
                const auto first = logits.begin() + static_cast<std::ptrdiff_t>(token) * vocabulary;
                return likelyTokens({first, first + vocabulary}, kAlternatives);
            };
            for (std::size_t token = 0; token < expected.lengths[i]; ++token)
                errors.push_back(firstTokenError(likelyOf(actual.prompts[i], token), likelyOf(expected.prompts[i], token)));
        }
        return errors;
    }
    static std::vector<double> promptErrors(const Said &actual, const Said &expected)
    {
        std::vector<double> errors;
        for (std::size_t i = 0; i < expected.prompts.size(); ++i) {
            const std::vector<double> some = positionErrors(actual.prompts[i], expected.prompts[i], expected.prompts[i].size() / expected.lengths[i]);
            errors.insert(errors.end(), some.begin(), some.end());
        }
        return errors;
    }

    // Answers that begin and end while others are told, against each of them alone; on a card alone also means that no
    // step begins before the tokens of the one before it are read.
    engine::Status comingAndGoing()
    {
        const auto told = [&](bool together) -> engine::Result<std::vector<Told>> {
            Session session;
            ENGINE_TRY(const engine::ModelId model, session.load(m_options));
            m_name = session.nameOf(model);
            std::vector<engine::GenerationRequest> requests;
            for (int i = 0; i < kAnswers; ++i)
                requests.push_back(unevenRequest(session, model, i));
            ENGINE_CHECK(answer(session, requests)); // afterwards all find the same part of their prompts in the cache
            if (together)
                return answer(session, requests, 3);
            std::vector<Told> alone;
            for (const engine::GenerationRequest &request : requests) {
                ENGINE_TRY(std::vector<Told> one, answer(session, {request}));
                alone.push_back(std::move(one[0]));
            }
            return alone;
        };
        ENGINE_TRY(const std::vector<Told> together, told(true));
        const char *set = std::getenv("DIPTYCH_CUDA_AHEAD"); // read when a card is opened
        const std::optional<std::string> before = set ? std::optional<std::string>(set) : std::nullopt;
        setenv("DIPTYCH_CUDA_AHEAD", "0", 1);
        const engine::Result<std::vector<Told>> alone = told(false);
        if (before)
            setenv("DIPTYCH_CUDA_AHEAD", before->c_str(), 1);
        else
            unsetenv("DIPTYCH_CUDA_AHEAD");
        if (!alone)
            return alone.error();
        int other = 0;
        for (std::size_t i = 0; i < together.size(); ++i)
            other += together[i] == (*alone)[i] ? 0 : 1;
        add(kUneven, "answers of 19 to 60 tokens", other, 0);
        return engine::Done{};
    }

    engine::LoadOptions m_options;
    std::string m_only, m_name;
    const ReportRow &m_report;
    int m_failures = 0;
};

} // namespace

engine::Result<int> checkModel(const engine::LoadOptions &options, const std::string &only, const ReportRow &report)
{
    return ModelCheck(options, only, report).run();
}

} // namespace cli
