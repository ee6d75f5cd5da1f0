// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// What a device chooses by a rule against what the sampler chooses from the same logits.
#include "sampling/sampler.h"

#include <QTest>

#include <cmath>
#include <limits>
#include <random>

using namespace engine;
using Logits = std::vector<float>;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Logits normal(std::size_t count, float spread, unsigned seed)
{
    std::mt19937 random(seed);
    std::normal_distribution<float> draw(0.0F, spread);
    Logits logits(count);
    for (float &logit : logits)
        logit = draw(random);
    return logits;
}

} // namespace

class TestChoose : public QObject
{
    Q_OBJECT

private slots:
    void ruleAndSamplerChooseTheSameToken_data();
    void ruleAndSamplerChooseTheSameToken();
    void alternativesAreThoseOfTheLogits();
    void aPenaltyIsNoRule();
    void numbersThatAreNoneGiveTheSamplersErrors();
};

void TestChoose::ruleAndSamplerChooseTheSameToken_data()
{
    QTest::addColumn<float>("temperature");
    QTest::addColumn<int>("topK");
    QTest::addColumn<float>("topP");
    QTest::addColumn<float>("minP");
    QTest::newRow("greedy") << 0.0F << 0 << 1.0F << 0.0F;
    QTest::newRow("top-k of one") << 1.0F << 1 << 1.0F << 0.0F;
    QTest::newRow("temperature") << 0.6F << 0 << 1.0F << 0.0F;
    QTest::newRow("hot") << 5.0F << 0 << 1.0F << 0.0F;
    QTest::newRow("top-k") << 1.0F << 20 << 1.0F << 0.0F;
    QTest::newRow("top-k beyond the vocabulary") << 1.0F << 100000 << 1.0F << 0.0F;
    QTest::newRow("top-p") << 0.6F << 0 << 0.95F << 0.0F;
    QTest::newRow("top-p of nearly nothing") << 0.6F << 0 << 1e-6F << 0.0F;
    QTest::newRow("min-p") << 1.0F << 0 << 1.0F << 0.1F;
    QTest::newRow("all of them") << 0.8F << 50 << 0.9F << 0.02F;
}

void TestChoose::ruleAndSamplerChooseTheSameToken()
{
    QFETCH(float, temperature);
    QFETCH(int, topK);
    QFETCH(float, topP);
    QFETCH(float, minP);
    SamplingOptions options;
    options.temperature = temperature;
    options.topK = topK;
    options.topP = topP;
    options.minP = minP;
    options.seed = 11;
    Logits sharp = normal(3000, 4.0F, 1), flat = normal(3000, 0.5F, 2), rounded = normal(3000, 2.0F, 3);
    for (float &logit : rounded)
        logit = std::round(logit * 2.0F) / 2.0F; // many equal ones on every edge
    for (std::size_t id = 0; id < sharp.size(); id += 3)
        sharp[id] = -kInfinity;
    for (const Logits &logits : {sharp, flat, rounded}) {
        const int size = 2990; // the last ten are padding
        Sampler sampler = Sampler::create(options, size, {}).value();
        for (int index = 0; index < 60; ++index) {
            const auto rule = sampler.rule(index, 0);
            QVERIFY(rule.has_value());
            const kernels::Choice choice = kernels::choose(logits.data(), size, *rule);
            QVERIFY(choice.state == kernels::ChoiceState::Chosen);
            QCOMPARE(choice.id, sampler.sample(logits, index).value());
            QCOMPARE(choice.logit, logits[static_cast<std::size_t>(choice.id)]);
        }
    }
}

void TestChoose::alternativesAreThoseOfTheLogits()
{
    Logits logits = normal(500, 3.0F, 4);
    logits[17] = logits[400] = 12.5F; // the lower id comes first
    Sampler sampler = Sampler::create({}, 480, {}).value();
    const kernels::Choice choice = kernels::choose(logits.data(), 480, *sampler.rule(0, 6));
    const TokenProbabilities found = tokenProbabilities(choice, 6), wanted = tokenProbabilities(logits, 480, choice.id, 6);
    QCOMPARE(found.best.size(), wanted.best.size());
    QVERIFY(std::abs(found.chosen - wanted.chosen) < 1e-6F);
    for (std::size_t i = 0; i < wanted.best.size(); ++i) {
        QCOMPARE(found.best[i].id, wanted.best[i].id);
        QVERIFY(std::abs(found.best[i].probability - wanted.best[i].probability) < 1e-6F);
    }
    // No more than there are.
    const Logits two{1.0F, 2.0F, -kInfinity};
    QCOMPARE(tokenProbabilities(kernels::choose(two.data(), 3, *sampler.rule(0, 6)), 6).best.size(), std::size_t{2});
}

void TestChoose::aPenaltyIsNoRule()
{
    SamplingOptions options;
    options.repetitionPenalty = 1.1F;
    QVERIFY(!Sampler::create(options, 10, {}).value().rule(0, 0).has_value());
    options.repetitionPenalty = 1.0F;
    const Sampler sampler = Sampler::create(options, 10, {}).value();
    QVERIFY(sampler.rule(0, kernels::kMostAlternatives).has_value());
    QVERIFY(!sampler.rule(0, kernels::kMostAlternatives + 1).has_value());
}

void TestChoose::numbersThatAreNoneGiveTheSamplersErrors()
{
    SamplingOptions options;
    options.temperature = 1.0F;
    Sampler sampler = Sampler::create(options, 4, {}).value();
    const Logits nan{0.0F, std::nanf(""), 1.0F, 2.0F}, infinite{0.0F, kInfinity, 1.0F, 2.0F};
    const Logits none(4, -kInfinity);
    for (const Logits &logits : {nan, infinite, none}) {
        const auto wanted = sampler.sample(logits, 7);
        const auto found = Sampler::chosen(kernels::choose(logits.data(), 4, *sampler.rule(7, 2)), 7);
        QVERIFY(!wanted.ok() && !found.ok());
        QVERIFY(found.error().code == wanted.error().code);
        QCOMPARE(found.error().message, wanted.error().message);
    }
}

QTEST_APPLESS_MAIN(TestChoose)
#include "tst_choose.moc"
