// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "first_token_error.h"

#include <QTest>

#include <cmath>
#include <limits>

using namespace cli;

class TestFirstTokenError : public QObject {
    Q_OBJECT

private slots:
    void isTheLargestDifferenceAsAShareOfTheLikeliest()
    {
        const LikelyTokens expected{{1, 0.5F}, {2, 0.25F}, {3, 0.125F}};
        QCOMPARE(firstTokenError(expected, expected), 0.0);
        const LikelyTokens actual{{1, 0.5F}, {2, 0.125F}, {3, 0.125F}};
        QCOMPARE(firstTokenError(actual, expected), 0.25);
        QCOMPARE(firstTokenError(expected, actual), 0.25);
    }
    void aTokenThatIsNotListedIsAtMostTheLeastOfTheList()
    {
        // Nearly equal tokens change places: nothing in common, and little is wrong.
        const LikelyTokens expected{{1, 0.0010F}, {2, 0.0009F}};
        const LikelyTokens others{{3, 0.0010F}, {4, 0.0009F}};
        QVERIFY(std::abs(firstTokenError(others, expected) - 0.1) < 1e-3);
        // A likely one that the other side does not list at all is wrong.
        QVERIFY(firstTokenError(others, LikelyTokens{{1, 0.9F}, {2, 0.05F}}) > 0.9);
        QVERIFY(firstTokenError(LikelyTokens{{1, 0.9F}, {2, 0.05F}}, others) > 0.9);
    }
    void nothingAndNoNumberAreInfinite()
    {
        const LikelyTokens some{{1, 0.5F}};
        const LikelyTokens broken{{1, std::numeric_limits<float>::quiet_NaN()}};
        QVERIFY(std::isinf(firstTokenError({}, some)));
        QVERIFY(std::isinf(firstTokenError(some, LikelyTokens{})));
        QCOMPARE(firstTokenError({}, {}), 0.0); // both answers ended before a token
        QVERIFY(std::isinf(firstTokenError(broken, some)));
        QVERIFY(std::isinf(firstTokenError(some, broken)));
    }
    void theLikeliestOfLogitsHaveTheirProbabilities()
    {
        const LikelyTokens likely = likelyTokens({std::log(1.0F), std::log(5.0F), std::log(2.0F), std::log(8.0F)}, 2);
        QCOMPARE(likely.size(), std::size_t{2});
        QVERIFY(std::abs(likely.at(3) - 0.5F) < 1e-6F);
        QVERIFY(std::abs(likely.at(1) - 0.3125F) < 1e-6F);
        QCOMPARE(likelyTokens({1.0F, 2.0F}, 8).size(), std::size_t{2}); // as many as there are
        QVERIFY(likelyTokens({}, 8).empty());
        QVERIFY(likelyTokens({1.0F, std::numeric_limits<float>::quiet_NaN()}, 8).empty());
    }
};

QTEST_GUILESS_MAIN(TestFirstTokenError)
#include "tst_first_token_error.moc"
