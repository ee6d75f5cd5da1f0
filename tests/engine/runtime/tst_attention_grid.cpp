// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/attention_grid.h"

#include <QtTest>

#include <numeric>

using namespace engine;

namespace {

constexpr int kSide = 4;

PictureTokens picture(int tilesWide, int tilesHigh, int width, int height)
{
    const int tokenCount = kSide * (kSide + 1) + 1 + tilesHigh * kSide * (tilesWide * kSide + 1);
    return {.firstToken = 5,
            .plan = {.tilesWide = tilesWide,
                     .tilesHigh = tilesHigh,
                     .tokenCount = tokenCount,
                     .gridSide = kSide},
            .width = width,
            .height = height};
}

float sum(const AttentionRecord &record)
{
    return std::accumulate(record.weights.begin(), record.weights.end(), 0.0F);
}

} // namespace

class TestAttentionGrid : public QObject {
    Q_OBJECT

private slots:
    void bothViewsOfASquarePictureFallOnTheSameCell();
    void newlinesAndSeparatorDoNotCount();
    void localViewIsTheFinerGrid();
    void greyBorderIsLeftOut();
    void localFirstLayoutIsUnderstood();
    void shortAttentionIsNotReadBeyondItsEnd();
};

void TestAttentionGrid::bothViewsOfASquarePictureFallOnTheSameCell()
{
    const auto tokens = picture(1, 1, 300, 300);
    std::vector<float> attention(80, 0.0F);
    const int offset = 2 * (kSide + 1) + 3; // row 2, column 3
    attention[static_cast<std::size_t>(5 + offset)] = 0.25F;
    attention[static_cast<std::size_t>(5 + kSide * (kSide + 1) + 1 + offset)] = 0.5F;
    const auto record = attentionOverPicture(attention, tokens);
    QCOMPARE(record.columns, kSide);
    QCOMPARE(record.rows, kSide);
    QCOMPARE(record.weights[2 * kSide + 3], 0.75F);
    QCOMPARE(sum(record), 0.75F);
}

void TestAttentionGrid::newlinesAndSeparatorDoNotCount()
{
    const auto tokens = picture(1, 1, 300, 300);
    std::vector<float> attention(80, 0.0F);
    attention[5 + kSide] = 1.0F;               // newline of the first row
    attention[5 + kSide * (kSide + 1)] = 1.0F; // separator
    attention[4] = 1.0F;                       // text before
    attention[static_cast<std::size_t>(5 + tokens.plan.tokenCount)] = 1.0F; // text after
    QCOMPARE(sum(attentionOverPicture(attention, tokens)), 0.0F);
}

void TestAttentionGrid::localViewIsTheFinerGrid()
{
    const auto tokens = picture(2, 1, 600, 300);
    std::vector<float> attention(100, 0.0F);
    const int local = 5 + kSide * (kSide + 1) + 1;
    attention[static_cast<std::size_t>(local + 3 * (2 * kSide + 1) + 7)] = 0.5F;
    const auto record = attentionOverPicture(attention, tokens);
    QCOMPARE(record.columns, 8);
    QCOMPARE(record.rows, 4);
    QCOMPARE(record.weights[3 * 8 + 7], 0.5F);
}

void TestAttentionGrid::greyBorderIsLeftOut()
{
    // Twice as wide as high: in the square global view rows 0 and 3 are border.
    const auto tokens = picture(2, 1, 600, 300);
    std::vector<float> attention(100, 0.0F);
    attention[5] = 1.0F; // row 0: border
    attention[5 + 1 * (kSide + 1)] =
        0.5F; // row 1: the top left of the picture, two rows and two columns of the fine grid
    const auto record = attentionOverPicture(attention, tokens);
    QCOMPARE(sum(record), 0.5F);
    QCOMPARE(record.weights[0], 0.125F);
    QCOMPARE(record.weights[8 + 1], 0.125F);
}

void TestAttentionGrid::localFirstLayoutIsUnderstood()
{
    auto tokens = picture(1, 1, 300, 300);
    tokens.globalFirst = false;
    std::vector<float> attention(80, 0.0F);
    attention[5 + kSide * (kSide + 1)] = 1.0F;     // separator
    attention[5 + kSide * (kSide + 1) + 1] = 0.5F; // first of the global view
    const auto record = attentionOverPicture(attention, tokens);
    QCOMPARE(record.weights[0], 0.5F);
    QCOMPARE(sum(record), 0.5F);
}

void TestAttentionGrid::shortAttentionIsNotReadBeyondItsEnd()
{
    const std::vector<float> attention(7, 1.0F);
    QCOMPARE(sum(attentionOverPicture(attention, picture(3, 3, 100, 100))), 2.0F);
    QCOMPARE(attentionOverPicture(attention, picture(1, 1, 0, 10)).columns, 0);
}

QTEST_APPLESS_MAIN(TestAttentionGrid)
#include "tst_attention_grid.moc"
