// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference.h"

#include <QTest>

#include <array>
#include <cmath>
#include <limits>

namespace {

struct Routed {
    std::vector<int> ids;
    std::vector<float> weights;
};

Routed run(kernels::RouteArgs args, const std::vector<float> &logits, int perToken)
{
    std::vector<std::int32_t> ids(static_cast<std::size_t>(perToken));
    std::vector<float> weights(static_cast<std::size_t>(perToken));
    args.logits = logits.data();
    args.rows = 1;
    args.experts = static_cast<int>(logits.size());
    args.perToken = perToken;
    args.ids = ids.data();
    args.weights = weights.data();
    kernels::route(args, 0, 1);
    return {std::vector<int>(ids.begin(), ids.end()), weights};
}

float sigmoid(float x)
{
    return 1.0F / (1.0F + std::exp(-x));
}

} // namespace

class TestRoute : public QObject {
    Q_OBJECT

private slots:
    void greedyTakesTheLargestSoftmax();
    void normalisedWeightsAddUpToTheScale();
    void tiesGoToTheLowerExpert();
    void groupsCountByTheirBestExpert();
    void biasChoosesButDoesNotWeigh();
    void biasedGroupsCountByTheirTwoBest();
    void stoppedExpertsAreNeverChosen();
    void automaticDropsWeakExperts();
    void brokenLogitsChooseNothing();
};

void TestRoute::greedyTakesTheLargestSoftmax()
{
    const Routed r = run({.scale = 2.0F}, {0.0F, std::log(3.0F), std::log(2.0F), std::log(2.0F) - 20}, 2);
    QCOMPARE(r.ids, (std::vector<int>{1, 2}));
    QVERIFY(std::fabs(r.weights[0] - 2.0F * 0.5F) < 1e-6F);
    QVERIFY(std::fabs(r.weights[1] - 2.0F / 3.0F) < 1e-6F);
}

void TestRoute::normalisedWeightsAddUpToTheScale()
{
    const Routed r = run({.normalise = true, .scale = 2.5F}, {0.3F, -1.0F, 0.7F, 0.1F}, 3);
    QVERIFY(std::fabs(r.weights[0] + r.weights[1] + r.weights[2] - 2.5F) < 1e-5F);
}

void TestRoute::tiesGoToTheLowerExpert()
{
    QCOMPARE(run({}, {1, 1, 1, 1}, 3).ids, (std::vector<int>{0, 1, 2}));
}

void TestRoute::groupsCountByTheirBestExpert()
{
    // Best single expert in group 1; group 2 is second by its best although group 0 has the larger sum.
    const Routed r = run({.groups = 3, .groupsPerToken = 2, .method = kernels::RoutingMethod::GroupLimited},
                         {1.0F, 1.0F, 3.0F, -5.0F, 1.5F, -5.0F}, 3);
    QCOMPARE(r.ids, (std::vector<int>{2, 4, 3}));
}

void TestRoute::biasChoosesButDoesNotWeigh()
{
    const std::array<float, 3> bias{0.0F, 0.9F, 0.0F};
    const Routed r = run({.bias = bias.data(), .method = kernels::RoutingMethod::Biased,
                          .score = kernels::RoutingScore::Sigmoid},
                         {0.5F, -1.0F, 0.4F}, 2);
    QCOMPARE(r.ids, (std::vector<int>{1, 0}));
    QCOMPARE(r.weights[0], sigmoid(-1.0F));
    QCOMPARE(r.weights[1], sigmoid(0.5F));
}

void TestRoute::biasedGroupsCountByTheirTwoBest()
{
    // Group 0 has the best expert, group 1 the better pair.
    const Routed r = run({.groups = 2, .groupsPerToken = 1, .method = kernels::RoutingMethod::Biased,
                          .score = kernels::RoutingScore::Sigmoid},
                         {2.0F, -3.0F, -3.0F, 1.0F, 1.1F, -3.0F}, 2);
    QCOMPARE(r.ids, (std::vector<int>{4, 3}));
}

void TestRoute::stoppedExpertsAreNeverChosen()
{
    const std::array<std::int32_t, 2> stopped{1, 3};
    QCOMPARE(run({.stopExperts = stopped.data(), .stopCount = 2}, {1, 9, 2, 8}, 3).ids, (std::vector<int>{2, 0, -1}));
}

void TestRoute::automaticDropsWeakExperts()
{
    const Routed r = run({.automatic = true}, {5.0F, 4.9F, 0.0F, 0.0F}, 3);
    QCOMPARE(r.ids, (std::vector<int>{0, 1, -1}));
    QCOMPARE(r.weights[2], 0.0F);
}

void TestRoute::brokenLogitsChooseNothing()
{
    const float nan = std::numeric_limits<float>::quiet_NaN();
    QCOMPARE(run({.score = kernels::RoutingScore::Sigmoid}, {nan, 1.0F, nan}, 2).ids, (std::vector<int>{1, -1}));
}

QTEST_APPLESS_MAIN(TestRoute)
#include "tst_route.moc"
