// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cache/block_manager.h"
#include "cache/block_table.h"

#include <QtTest>

#include <random>

using engine::BlockManager;
using engine::BlockTable;
using engine::kBlockTokens;
using engine::TokenKey;

namespace {

std::vector<TokenKey> ramp(int count, int start = 0)
{
    std::vector<TokenKey> keys;
    for (int i = 0; i < count; ++i)
        keys.push_back({static_cast<std::uint64_t>(start + i), 0});
    return keys;
}

} // namespace

class TestBlockManager : public QObject {
    Q_OBJECT

private slots:
    void sameBeginningIsFoundAgain();
    void sameBlockAfterAnotherBeginningIsNotAHit();
    void pictureAndTokenWithEqualNumbersDiffer();
    void atMostSoManyTokensAreMatched();
    void leastRecentlyUsedContentGoesFirst();
    void tailOfASequenceGoesBeforeItsBeginning();
    void sharedBlockLivesUntilItsLastUser();
    void forgottenContentIsNotFound();
    void refusalLeavesCountsRight();
    void randomUseGivesEveryBlockBack();
};

void TestBlockManager::sameBeginningIsFoundAgain()
{
    BlockManager manager(8);
    const auto keys = ramp(40);
    BlockTable first(manager);
    QVERIFY(first.reserve(40));
    first.written(keys);
    BlockTable second(manager);
    QCOMPARE(second.matchPrefix(keys, 40), 32); // whole blocks only
    QCOMPARE(second.blocks()[0], first.blocks()[0]);
    QCOMPARE(manager.references(first.blocks()[1]), 2);
}

void TestBlockManager::sameBlockAfterAnotherBeginningIsNotAHit()
{
    BlockManager manager(8);
    BlockTable first(manager);
    QVERIFY(first.reserve(32));
    first.written(ramp(32));
    auto other = ramp(16, 100);
    const auto tail = ramp(16, 16);
    other.insert(other.end(), tail.begin(), tail.end());
    BlockTable second(manager);
    QCOMPARE(second.matchPrefix(other, 32), 0);
    QCOMPARE(BlockTable(manager).matchPrefix(tail, 16), 0);
}

void TestBlockManager::pictureAndTokenWithEqualNumbersDiffer()
{
    BlockManager manager(4);
    auto keys = ramp(16);
    BlockTable first(manager);
    QVERIFY(first.reserve(16));
    first.written(keys);
    keys[3].high = 1;
    QCOMPARE(BlockTable(manager).matchPrefix(keys, 16), 0);
}

void TestBlockManager::atMostSoManyTokensAreMatched()
{
    BlockManager manager(4);
    const auto keys = ramp(32);
    BlockTable first(manager);
    QVERIFY(first.reserve(32));
    first.written(keys);
    QCOMPARE(BlockTable(manager).matchPrefix(keys, 31), 16);
}

void TestBlockManager::leastRecentlyUsedContentGoesFirst()
{
    BlockManager manager(2);
    for (const int start : {0, 100}) {
        BlockTable table(manager);
        QVERIFY(table.reserve(16));
        table.written(ramp(16, start));
    }
    QCOMPARE(BlockTable(manager).matchPrefix(ramp(16), 16), 16); // used again: now the younger
    BlockTable table(manager);
    QVERIFY(table.reserve(16));
    QCOMPARE(BlockTable(manager).matchPrefix(ramp(16), 16), 16);
    QCOMPARE(BlockTable(manager).matchPrefix(ramp(16, 100), 16), 0);
}

void TestBlockManager::tailOfASequenceGoesBeforeItsBeginning()
{
    BlockManager manager(3);
    {
        BlockTable table(manager);
        QVERIFY(table.reserve(48));
        table.written(ramp(48));
    }
    BlockTable other(manager);
    QVERIFY(other.reserve(16));
    QCOMPARE(BlockTable(manager).matchPrefix(ramp(48), 48), 32);
}

void TestBlockManager::sharedBlockLivesUntilItsLastUser()
{
    BlockManager manager(2);
    auto first = std::make_unique<BlockTable>(manager);
    QVERIFY(first->reserve(16));
    first->written(ramp(16));
    BlockTable second(manager);
    QCOMPARE(second.matchPrefix(ramp(16), 16), 16);
    first.reset();
    QCOMPARE(manager.usedCount(), 1);
    BlockTable third(manager);
    QVERIFY(!third.reserve(32)); // one of two is in use
    QCOMPARE(manager.freeCount(), 0);
}

void TestBlockManager::forgottenContentIsNotFound()
{
    BlockManager manager(2);
    BlockTable table(manager);
    QVERIFY(table.reserve(16));
    table.written(ramp(16));
    manager.forgetContent();
    QCOMPARE(BlockTable(manager).matchPrefix(ramp(16), 16), 0);
}

void TestBlockManager::refusalLeavesCountsRight()
{
    BlockManager manager(3);
    BlockTable table(manager);
    QVERIFY(!table.reserve(4 * kBlockTokens));
    table.clear();
    QCOMPARE(manager.freeCount(), 3);
    QVERIFY(!BlockManager(0).allocate());
}

void TestBlockManager::randomUseGivesEveryBlockBack()
{
    std::mt19937 random(7);
    BlockManager manager(24);
    std::vector<std::unique_ptr<BlockTable>> tables;
    for (int step = 0; step < 5000; ++step) {
        if (tables.size() > 6 || (!tables.empty() && random() % 3 == 0)) {
            tables.erase(tables.begin() + static_cast<std::ptrdiff_t>(random() % tables.size()));
            continue;
        }
        // Few beginnings, so that hits, double computing and eviction all happen.
        auto keys = ramp(static_cast<int>(random() % 120) + 1, static_cast<int>(random() % 3));
        if (random() % 4 == 0)
            keys.back().low = random();
        auto table = std::make_unique<BlockTable>(manager);
        const int found = table->matchPrefix(keys, static_cast<int>(keys.size()) - 1);
        QVERIFY(found < static_cast<int>(keys.size()));
        if (table->reserve(static_cast<int>(keys.size()))) {
            table->written(keys);
            tables.push_back(std::move(table));
        }
        QCOMPARE(manager.usedCount() + manager.freeCount(), 24);
    }
    tables.clear();
    QCOMPARE(manager.usedCount(), 0);
    BlockTable all(manager);
    QVERIFY(all.reserve(24 * kBlockTokens));
}

QTEST_APPLESS_MAIN(TestBlockManager)
#include "tst_block_manager.moc"
