// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "position_errors.h"

#include <QTest>

#include <cmath>
#include <limits>

using namespace cli;

class TestPositionErrors : public QObject {
    Q_OBJECT

private slots:
    void aPositionsErrorIsAShareOfItsLogits()
    {
        const std::vector<float> expected{3, 4, 0, 6, 8, 0};
        QCOMPARE(positionErrors(expected, expected, 3), (std::vector<double>{0, 0}));
        const std::vector<float> actual{3, 4, 0.5F, 6, 8, -5};
        QCOMPARE(positionErrors(actual, expected, 3), (std::vector<double>{0.1, 0.5}));
    }
    void whatCannotBeComparedIsInfinite()
    {
        constexpr float nan = std::numeric_limits<float>::quiet_NaN();
        const std::vector<double> errors = positionErrors({1, 2, nan, 2, 1, 2}, {1, 2, 1, 2, 0, 0}, 2);
        QCOMPARE(errors.size(), std::size_t{3});
        QCOMPARE(errors[0], 0.0);
        QVERIFY(std::isinf(errors[1]));
        QVERIFY(std::isinf(errors[2]));
        QVERIFY(std::isinf(positionErrors({1, 2}, {1, 2, 3, 4}, 2)[0]));
        QVERIFY(positionErrors({}, {}, 0).empty());
    }
    void aQuantileIsAValueOfTheList()
    {
        const std::vector<double> values{5, 1, 4, 2, 3, 10, 9, 8, 7, 6};
        QCOMPARE(quantile(values, 500), 5.0);
        QCOMPARE(quantile(values, 900), 9.0);
        QCOMPARE(quantile(values, 990), 10.0);
        QCOMPARE(quantile(values, 1000), 10.0);
        QCOMPARE(quantile(values, 0), 1.0);
        QCOMPARE(quantile({}, 500), 0.0);
    }
};

QTEST_GUILESS_MAIN(TestPositionErrors)
#include "tst_position_errors.moc"
