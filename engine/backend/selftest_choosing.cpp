// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/selftest_choosing.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace engine {

namespace {

using kernels::Choice;
using kernels::ChooseRule;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::int64_t kRows = 70; // more than a card takes at once
constexpr std::int64_t kPadding = 3;

struct Question {
    std::vector<float> logits; // [kRows, columns]; the padding is the largest
    std::vector<ChooseRule> rules;
};

Question randomQuestion(std::uint64_t seed, std::int64_t columns)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    Question question;
    question.logits.resize(static_cast<std::size_t>(kRows * columns));
    for (std::int64_t row = 0; row < kRows; ++row) {
        float *logits = question.logits.data() + row * columns;
        for (std::int64_t id = 0; id < columns; ++id) {
            logits[id] = normal(random) * (row % 7 == 6 ? 1.0F : 3.0F);
            if (row % 7 == 5) // equal ones on every edge
                logits[id] = std::round(logits[id] * 4.0F) / 4.0F;
            if (id % 5 == row % 5)
                logits[id] = -kInfinity;
            if (id >= columns - kPadding)
                logits[id] = 99.0F;
        }
        ChooseRule rule;
        rule.temperature = row % 9 == 0 ? 0.0F : 0.6F + 0.1F * static_cast<float>(row % 4);
        rule.topK = row % 3 == 1 ? 40 : 0;
        rule.topP = row % 4 >= 2 ? 0.95F : 1.0F;
        rule.minP = row % 8 == 7 ? 0.05F : 0.0F;
        rule.alternatives = row % 6 == 0 ? 10 : 0;
        rule.share = std::generate_canonical<double, 53>(random);
        question.rules.push_back(rule);
    }
    question.logits[static_cast<std::size_t>(2 * columns + 7)] = std::numeric_limits<float>::quiet_NaN();
    std::fill_n(question.logits.begin() + 3 * columns, columns - kPadding, -kInfinity);
    return question;
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

std::string choosingShape(std::int64_t columns)
{
    return std::to_string(kRows) + " x " + std::to_string(columns - kPadding);
}

Result<SelftestRow> checkChoosing(Backend &tested, Backend &reference, const std::string &name, std::uint64_t seed,
    std::int64_t columns)
{
    const Question question = randomQuestion(seed, columns);
    const auto count = static_cast<int>(columns - kPadding);
    std::vector<Choice> choices[2];
    Backend *const backends[] = {&tested, &reference};
    for (const int side : {0, 1}) {
        Backend &backend = *backends[side];
        ENGINE_TRY(const Buffer buffer, backend.allocate(question.logits.size() * sizeof(float)));
        const Tensor logits = buffer.view(Shape{kRows, columns});
        backend.toDevice(logits, question.logits.data(), question.logits.size() * sizeof(float));
        choices[side].resize(static_cast<std::size_t>(kRows));
        for (int round = 0; round < 2; ++round) // the first leaves its working memory as it found it
            backend.choose({.logits = logits, .count = count, .rules = question.rules}, choices[side]);
        ENGINE_CHECK(backend.finishStep());
    }
    int wrong = 0;
    for (std::size_t row = 0; row < question.rules.size(); ++row)
        wrong += isSame(choices[0][row], choices[1][row], question.rules[row].alternatives) ? 0 : 1;
    SelftestRow row{.device = name, .operation = "choosing tokens", .shape = choosingShape(columns)};
    row.error = static_cast<double>(wrong) / static_cast<double>(kRows);
    row.passed = wrong == 0;
    return row;
}

} // namespace engine
