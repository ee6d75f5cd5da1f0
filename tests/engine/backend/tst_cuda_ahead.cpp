// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// When a card may begin the next step of answers by itself, and which step it then holds ready.
#include "backend/cuda_ahead.h"

#include <QtTest>

#include <array>
#include <initializer_list>
#include <utility>

namespace {

using plugin::StepNumbers;

constexpr std::int32_t kBlockTokens = 16;
constexpr std::array<std::int32_t, 1> kLimits{1024};

// An answer at `position`, told `id`, with its blocks.
struct Row {
    std::int32_t id, position;
    std::vector<std::int32_t> blocks;
};

StepNumbers step(const std::vector<Row> &rows)
{
    std::vector<std::int32_t> ids, positions;
    std::vector<DiptychCudaSequence> sequences;
    for (const Row &row : rows) {
        sequences.push_back({static_cast<std::int32_t>(ids.size()), 1, row.position,
                             static_cast<std::int32_t>(row.blocks.size()), row.blocks.data()});
        ids.push_back(row.id);
        positions.push_back(row.position);
    }
    StepNumbers numbers;
    plugin::setNumbers(numbers, ids, positions, sequences, kBlockTokens);
    return numbers;
}

StepNumbers prompt(std::int32_t tokens)
{
    std::vector<std::int32_t> ids, blocks;
    for (std::int32_t i = 0; i < tokens; ++i)
        ids.push_back(i);
    for (std::int32_t i = 0; i <= tokens / kBlockTokens; ++i)
        blocks.push_back(i);
    const DiptychCudaSequence sequence{0, tokens, 0, static_cast<std::int32_t>(blocks.size()), blocks.data()};
    StepNumbers numbers;
    plugin::setNumbers(numbers, ids, ids, {&sequence, 1}, kBlockTokens);
    return numbers;
}

std::vector<std::int32_t> blocks(std::int32_t count)
{
    std::vector<std::int32_t> result;
    for (std::int32_t i = 0; i < count; ++i)
        result.push_back(100 + i);
    return result;
}

} // namespace

class TestCudaAhead : public QObject {
    Q_OBJECT

private slots:
    void theStepMadeOfTheChosenTokensIsTheOneForeseen()
    {
        const StepNumbers before = step({{7, 20, {3, 4}}, {8, 5, {9}}});
        const std::vector<std::int32_t> chosen{70, 80};
        QVERIFY(plugin::isForeseen(before, chosen, step({{70, 21, {3, 4}}, {80, 6, {9}}})));
    }

    void anotherStepIsNot_data()
    {
        QTest::addColumn<int>("which");
        const char *const names[] = {"a token put instead", "a position skipped", "an answer less", "an answer more",
                                     "another block", "a block of the prefix exchanged", "answers in another order",
                                     "a row without a choice", "the same step again"};
        for (int i = 0; i < static_cast<int>(std::size(names)); ++i)
            QTest::newRow(names[i]) << i;
    }
    void anotherStepIsNot()
    {
        QFETCH(int, which);
        const StepNumbers before = step({{7, 20, {3, 4}}, {8, 5, {9}}});
        std::vector<std::int32_t> chosen{70, 80};
        if (which == 7)
            chosen[1] = -1;
        const StepNumbers others[] = {
            step({{71, 21, {3, 4}}, {80, 6, {9}}}),
            step({{70, 22, {3, 4}}, {80, 6, {9}}}),
            step({{70, 21, {3, 4}}}),
            step({{70, 21, {3, 4}}, {80, 6, {9}}, {1, 1, {11}}}),
            step({{70, 21, {3, 5}}, {80, 6, {9}}}),
            step({{70, 21, {2, 4}}, {80, 6, {9}}}),
            step({{80, 6, {9}}, {70, 21, {3, 4}}}),
            step({{70, 21, {3, 4}}, {80, 6, {9}}}),
            before,
        };
        QVERIFY(!plugin::isForeseen(before, chosen, others[which]));
    }

    void aBlockThatTheCardKnewBeforeServesTheNextStep()
    {
        const StepNumbers last = step({{7, 15, {3, 4}}});
        QVERIFY(plugin::canForesee(last, kLimits));
        QVERIFY(plugin::isForeseen(last, std::vector<std::int32_t>{9}, step({{9, 16, {3, 4}}})));
        QVERIFY(!plugin::isForeseen(last, std::vector<std::int32_t>{9}, step({{9, 16, {3, 5}}})));
    }

    void withoutTheNextTokensBlockNothingIsForeseen()
    {
        QVERIFY(!plugin::canForesee(step({{7, 15, {3}}}), kLimits));
        QVERIFY(plugin::canForesee(step({{7, 14, {3}}}), kLimits));
        QVERIFY(!plugin::canForesee(step({{7, 3, {3}}, {7, 31, {4, 5}}}), kLimits));
        // The step after cannot be told to be the same either: the card does not know the block.
        QVERIFY(!plugin::continues(step({{7, 15, {3}}}), step({{9, 16, {3, 4}}})));
    }

    void aStepForeseenMayBringTheBlocksOfTheOneAfter()
    {
        const StepNumbers before = step({{7, 14, {3}}, {8, 4, {9}}});
        const StepNumbers next = step({{1, 15, {3, 4}}, {2, 5, {9}}});
        QVERIFY(plugin::isForeseen(before, std::vector<std::int32_t>{1, 2}, next));
        QVERIFY(plugin::hasOtherBlocks(before, next));
        QVERIFY(!plugin::hasOtherBlocks(next, step({{1, 16, {3, 4}}, {2, 6, {9}}})));
    }

    void promptsAreNeverForeseen()
    {
        QVERIFY(!plugin::canForesee(prompt(20), kLimits));
        QVERIFY(!plugin::continues(prompt(20), step({{7, 20, {0, 1}}})));
        QVERIFY(!plugin::continues(step({{7, 20, {0, 1}}}), prompt(21)));
    }

    void aStepOfAnotherKindIsNotForeseen()
    {
        // Recorded steps are of a power of two of context, and of short rows or none.
        QVERIFY(!plugin::canForesee(step({{7, 511, blocks(40)}}), kLimits));
        QVERIFY(plugin::canForesee(step({{7, 512, blocks(40)}}), kLimits));
        QVERIFY(!plugin::canForesee(step({{7, 1023, blocks(80)}}), kLimits));
        QVERIFY(plugin::canForesee(step({{7, 1024, blocks(80)}}), kLimits));
        // The last short one becomes long beside one that is long already.
        QVERIFY(!plugin::canForesee(step({{7, 1100, blocks(80)}, {7, 1023, blocks(80)}}), kLimits));
        QVERIFY(plugin::canForesee(step({{7, 1100, blocks(80)}, {7, 1022, blocks(80)}}), kLimits));
    }

    void kindsAreThoseOfTheLongestRow()
    {
        const plugin::StepKind kind = plugin::kindOf(step({{7, 10, {1}}, {7, 2048, blocks(130)}}), kLimits);
        QCOMPARE(kind.context, 4096);
        QCOMPARE(kind.reach, 3U);
        QCOMPARE(plugin::kindOf(step({{7, 2047, blocks(130)}}), kLimits).context, 2048);
        QCOMPARE(plugin::kindOf(step({{7, 2047, blocks(130)}}), kLimits).reach, 2U);
        QCOMPARE(plugin::kindOf(prompt(20), kLimits).context, 512);
    }

    void kindsTellWhichKernelsAStepTakes()
    {
        constexpr std::array<std::int32_t, 2> limits{384, 512}; // need not be ends of the contexts that steps are recorded for
        const auto shorter = plugin::kindOf(step({{7, 10, {1}}, {7, 383, blocks(40)}}), limits);
        const auto mixed = plugin::kindOf(step({{7, 10, {1}}, {7, 384, blocks(40)}}), limits);
        QCOMPARE(shorter.context, mixed.context);
        QVERIFY(shorter != mixed);
        QVERIFY(!plugin::canForesee(step({{7, 10, {1}}, {7, 383, blocks(40)}}), limits));
        QVERIFY(plugin::canForesee(step({{7, 10, {1}}, {7, 384, blocks(40)}}), limits));
        QVERIFY(!plugin::canForesee(step({{7, 10, {1}}, {7, 511, blocks(40)}}), limits));
    }
};

QTEST_APPLESS_MAIN(TestCudaAhead)
#include "tst_cuda_ahead.moc"
