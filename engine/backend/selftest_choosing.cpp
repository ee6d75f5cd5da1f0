// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest_choosing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace engine {

namespace {

using kernels::Choice;
using kernels::ChooseRule;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kPadding = 3;

struct Question {
    std::vector<float> logits; // [rows, columns]; the padding is the largest
    std::vector<ChooseRule> rules;
};

// Every kind of logits meets every kind of rule.
enum Kind { Sharp, Flat, Rounded, Peaked, NearlyEqual, Rising, Wide, kKinds };
constexpr int kRules = 10;
constexpr std::int64_t kRows = kRules * kKinds; // more than a card takes at once

float logitOf(Kind kind, float normal, std::int64_t id, std::int64_t columns)
{
    switch (kind) {
    case Flat:
        return normal;
    case Rounded: // equal ones on every edge
        return std::round(normal * 12.0F) / 4.0F;
    case Peaked: // a few far above the others, as models have them
        return id % 1009 == 7 ? 9.0F + 3.0F * normal : 2.5F * normal - 14.0F;
    case NearlyEqual:
        return 0.01F * normal;
    case Rising: // the likely ones side by side
        return 20.0F * static_cast<float>(id) / static_cast<float>(columns);
    case Wide:
        return 30.0F * normal;
    default:
        return 3.0F * normal;
    }
}

ChooseRule ruleOf(std::int64_t index)
{
    switch (index) {
    case 0:
        return {};
    case 1:
        return {.alternatives = 8};
    case 2:
        return {.temperature = 0.8F};
    case 3:
        return {.temperature = 1.0F, .minP = 0.05F, .alternatives = 10};
    case 4:
        return {.temperature = 0.6F, .topP = 0.95F};
    case 5:
        return {.temperature = 0.7F, .topK = 40};
    case 6:
        return {.temperature = 0.6F, .topP = 0.95F, .alternatives = 20};
    case 7:
        return {.temperature = 0.9F, .topP = 0.9F, .minP = 0.02F, .topK = 50};
    case 8:
        return {.temperature = 1.5F, .topP = 0.5F, .topK = 3000, .alternatives = kernels::kMostAlternatives};
    default:
        return {.temperature = 2.0F, .topP = 0.9999F, .minP = 1e-4F, .topK = 5, .alternatives = 1};
    }
}

Question randomQuestion(std::uint64_t seed, const ChoosingCheck &check)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    const std::int64_t columns = check.columns, firstRow = check.firstRule * kKinds, rows = check.rules * kKinds;
    Question question;
    question.logits.resize(static_cast<std::size_t>(rows * columns));
    for (std::int64_t row = firstRow; row < firstRow + rows; ++row) {
        float *logits = question.logits.data() + (row - firstRow) * columns;
        for (std::int64_t id = 0; id < columns; ++id) {
            logits[id] = logitOf(static_cast<Kind>(row % kKinds), normal(random), id, columns);
            if (id % 5 == row % 5)
                logits[id] = -kInfinity;
            if (id >= columns - kPadding)
                logits[id] = 99.0F;
        }
        const auto ruleAndKind = [row](int rule, int kind) { return row == rule * kKinds + kind; };
        if (ruleAndKind(0, 2))
            logits[7] = std::numeric_limits<float>::quiet_NaN();
        if (ruleAndKind(3, 2))
            logits[columns - kPadding - 1] = -std::numeric_limits<float>::quiet_NaN();
        if (ruleAndKind(4, 0))
            logits[1] = kInfinity;
        if (ruleAndKind(0, 3) || ruleAndKind(6, 3))
            std::fill_n(logits, columns - kPadding, -kInfinity);
        question.rules.push_back(ruleOf(row / kKinds));
        question.rules.back().share = std::generate_canonical<double, 53>(random);
    }
    return question;
}

// More ids of a 64th of a logit than a device sorts.
bool mayBeUndecided(const float *logits, int count)
{
    constexpr int kBuckets = 2048, kSorted = 2048;
    float best = -kInfinity;
    for (int id = 0; id < count; ++id)
        best = std::max(best, logits[id]);
    std::vector<int> counts(kBuckets);
    for (int id = 0; id < count; ++id)
        if (logits[id] > -kInfinity)
            ++counts[static_cast<std::size_t>(std::min((best - logits[id]) * 64.0F, kBuckets - 1.0F))];
    return *std::max_element(counts.begin(), counts.end()) + kernels::kMostAlternatives > kSorted;
}

bool isSame(const Choice &found, const Choice &wanted, int alternatives)
{
    if (found.state != wanted.state || found.id != wanted.id)
        return false;
    if (wanted.state != kernels::ChoiceState::Chosen || alternatives == 0)
        return true;
    for (int i = 0; i < alternatives; ++i)
        if (found.likely[i].id != wanted.likely[i].id)
            return false;
    return std::abs(found.total / wanted.total - 1.0) < 1e-5;
}

} // namespace

std::string ChoosingCheck::shape() const
{
    std::string text = std::to_string(rules * kKinds) + " x " + std::to_string(columns - kPadding);
    if (rules == kRules)
        return text + ", all at once";
    for (int rule = firstRule; rule < firstRule + rules; ++rule)
        text += (rule == firstRule ? ", rule " : " and ") + std::to_string(rule);
    return text + ", " + std::to_string(atOnce) + " at once";
}

std::vector<ChoosingCheck> choosingChecks()
{
    struct Part {
        std::int64_t atOnce;
        int rules;
    };
    std::vector<ChoosingCheck> checks;
    for (const std::int64_t ids : {17, 128, 5'003, 102'400, 151'937})
        for (const Part &part : {Part{kRows, kRules}, Part{12, 2}, Part{3, 1}})
            for (int rule = 0; rule < kRules; rule += part.rules)
                checks.push_back({.columns = ids + kPadding, .atOnce = part.atOnce, .firstRule = rule, .rules = part.rules});
    return checks;
}

Result<SelftestRow> checkChoosing(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed, const ChoosingCheck &check)
{
    const Question question = randomQuestion(seed, check);
    const std::int64_t columns = check.columns, allRows = check.rules * kKinds;
    const auto count = static_cast<int>(columns - kPadding);
    const auto inParts = [&](Backend &backend, std::int64_t most) -> Result<std::vector<Choice>> {
        ENGINE_TRY(const Buffer buffer, backend.allocate(question.logits.size() * sizeof(float)));
        Tensor logits = buffer.view(Shape{allRows, columns});
        backend.toDevice(logits, question.logits.data(), question.logits.size() * sizeof(float));
        std::vector<Choice> choices(static_cast<std::size_t>(allRows));
        for (std::int64_t first = 0; first < allRows; first += most) {
            const auto from = static_cast<std::size_t>(first), rows = static_cast<std::size_t>(std::min(most, allRows - first));
            logits.data = buffer.view(Shape{allRows, columns}).data + from * static_cast<std::size_t>(columns) * sizeof(float);
            logits.shape = Shape{static_cast<std::int64_t>(rows), columns};
            backend.choose({.logits = logits, .count = count, .rules = std::span(question.rules).subspan(from, rows)},
                std::span(choices).subspan(from, rows));
        }
        ENGINE_CHECK(backend.finishStep());
        return choices;
    };
    ENGINE_TRY(const std::vector<Choice> wanted, inParts(reference, allRows));
    ENGINE_TRY(const std::vector<Choice> found, inParts(tested, check.atOnce));
    int wrong = 0;
    for (std::size_t row = 0; row < question.rules.size(); ++row) {
        const bool isLeft = found[row].state == kernels::ChoiceState::Undecided
            && mayBeUndecided(question.logits.data() + static_cast<std::int64_t>(row) * columns, count);
        wrong += isLeft || isSame(found[row], wanted[row], question.rules[row].alternatives) ? 0 : 1;
    }
    SelftestRow row{.device = name, .operation = "choosing tokens", .shape = check.shape()};
    row.error = static_cast<double>(wrong) / static_cast<double>(allRows);
    row.passed = wrong == 0;
    return row;
}

} // namespace engine
