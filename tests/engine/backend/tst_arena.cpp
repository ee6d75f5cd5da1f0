// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/arena.h"

#include <QtTest>

#include <map>
#include <random>

using engine::Arena;

namespace {

// Addresses that are never touched.
void *at(std::size_t address) { return reinterpret_cast<void *>(address); }
std::size_t addressOf(const void *place) { return reinterpret_cast<std::size_t>(place); }

constexpr std::size_t kBase = 0x100000, kUnit = Arena::kAlignment;

} // namespace

class TestArena : public QObject {
    Q_OBJECT

private slots:
    void placesLieInItsPiecesAndNeverOverlap();
    void theSmallestPlaceThatFitsIsTaken();
    void neighboursJoinWithinAPieceOnly();
    void whatDoesNotFitIsRefused();
};

void TestArena::placesLieInItsPiecesAndNeverOverlap()
{
    Arena arena;
    arena.add(at(kBase), 1000 * kUnit);
    arena.add(at(kBase + 5000 * kUnit), 500 * kUnit);
    std::mt19937 random(7);
    std::map<std::size_t, std::size_t> taken; // address, bytes
    std::size_t most = 0, sum = 0;
    for (int step = 0; step < 20000; ++step) {
        if (random() % 3 != 0 || taken.empty()) {
            const std::size_t bytes = random() % (40 * kUnit);
            void *place = arena.take(bytes);
            if (place == nullptr)
                continue;
            const std::size_t address = addressOf(place), whole = std::max<std::size_t>((bytes + kUnit - 1) / kUnit, 1) * kUnit;
            QCOMPARE((address - kBase) % kUnit, std::size_t{0});
            const bool isFirst = address >= kBase && address + whole <= kBase + 1000 * kUnit;
            const bool isSecond = address >= kBase + 5000 * kUnit && address + whole <= kBase + 5500 * kUnit;
            QVERIFY(isFirst || isSecond);
            const auto next = taken.lower_bound(address);
            QVERIFY(next == taken.end() || next->first >= address + whole);
            QVERIFY(next == taken.begin() || std::prev(next)->first + std::prev(next)->second <= address);
            taken[address] = whole;
            sum += whole;
            most = std::max(most, sum);
        } else {
            auto one = taken.begin();
            std::advance(one, random() % taken.size());
            QVERIFY(arena.give(at(one->first)));
            QVERIFY(!arena.give(at(one->first)));
            sum -= one->second;
            taken.erase(one);
        }
        QCOMPARE(arena.usedBytes(), sum);
        QCOMPARE(arena.mostBytes(), most);
    }
    for (const auto &[address, bytes] : taken)
        QVERIFY(arena.give(at(address)));
    QCOMPARE(arena.usedBytes(), std::size_t{0});
    // Given back, they are whole again.
    QCOMPARE(arena.take(1000 * kUnit), at(kBase));
    QCOMPARE(arena.take(500 * kUnit), at(kBase + 5000 * kUnit));
}

void TestArena::theSmallestPlaceThatFitsIsTaken()
{
    Arena arena;
    arena.add(at(kBase), 10 * kUnit);
    void *large = arena.take(6 * kUnit), *between = arena.take(kUnit), *little = arena.take(2 * kUnit), *last = arena.take(kUnit);
    QVERIFY(between != nullptr && last != nullptr);
    QVERIFY(arena.give(large) && arena.give(little));
    QCOMPARE(arena.take(2 * kUnit), little);
    QCOMPARE(arena.take(2 * kUnit), large);
}

void TestArena::neighboursJoinWithinAPieceOnly()
{
    Arena arena;
    arena.add(at(kBase), 4 * kUnit);
    arena.add(at(kBase + 4 * kUnit), 4 * kUnit); // right behind it, and another piece
    QCOMPARE(arena.reservedBytes(), 8 * kUnit);
    QVERIFY(arena.take(5 * kUnit) == nullptr);
    void *first = arena.take(4 * kUnit), *second = arena.take(4 * kUnit);
    QVERIFY(arena.give(second) && arena.give(first));
    QVERIFY(arena.take(5 * kUnit) == nullptr);
}

void TestArena::whatDoesNotFitIsRefused()
{
    Arena arena;
    QVERIFY(arena.take(1) == nullptr); // nothing was added
    arena.add(nullptr, 100 * kUnit);
    arena.add(at(kBase), kUnit - 1);
    QCOMPARE(arena.reservedBytes(), std::size_t{0});
    arena.add(at(kBase), 2 * kUnit + 17);
    QCOMPARE(arena.reservedBytes(), 2 * kUnit);
    QVERIFY(arena.take(2 * kUnit + 1) == nullptr);
    QVERIFY(arena.take(~std::size_t{0}) == nullptr);
    QVERIFY(!arena.give(at(kBase + kUnit)));
    QVERIFY(!arena.give(at(kBase))); // free
    QVERIFY(arena.take(0) != nullptr && arena.take(0) != nullptr && arena.take(0) == nullptr);
}

QTEST_APPLESS_MAIN(TestArena)
#include "tst_arena.moc"
