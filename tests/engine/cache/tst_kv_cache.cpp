// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cache/block_manager.h"
#include "cache/embedding_cache.h"
#include "cache/kv_cache.h"
#include "support/plain_backend.h"

#include <QtTest>

using namespace engine;

class TestKvCache : public QObject {
    Q_OBJECT

private slots:
    void bytesOfATokenFollowTheShape();
    void planTakesWhatTheModelAllows();
    void planShrinksAnUnaskedContextToMemory();
    void planRefusesWhatDoesNotFit();
    void planRefusesMoreThanTheModelAllows();
    void memoryIsLaidOutPerLayerAndGivenBack();
    void failedAllocationIsAnErrorAndLeaksNothing();
    void layersLieOneBehindTheOther();
    void embeddingsStayWithinTheirBudget();
};

void TestKvCache::bytesOfATokenFollowTheShape()
{
    QCOMPARE(kvBytesPerToken({.layers = 2, .kvHeads = 4, .keyDim = 8, .valueDim = 6}, DType::F32),
             std::uint64_t{2 * 4 * 14 * 4});
    QCOMPARE(kvBytesPerToken(
                 {.layers = 3, .kvHeads = 1, .keyDim = 576, .valueDim = 512, .valuesInKeys = true},
                 DType::BF16),
             std::uint64_t{3 * 576 * 2});
}

void TestKvCache::planTakesWhatTheModelAllows()
{
    const auto plan =
        planKv({.bytesPerToken = 1000, .freeBytes = std::uint64_t{1} << 34U, .modelContext = 4096});
    QVERIFY(plan);
    QCOMPARE(plan->contextTokens, 4096);
    QVERIFY(plan->blocks >= 4 * 4096 / kBlockTokens);
}

void TestKvCache::planShrinksAnUnaskedContextToMemory()
{
    const auto plan = planKv(
        {.bytesPerToken = 1 << 16, .freeBytes = std::uint64_t{1} << 30U, .modelContext = 1 << 20});
    QVERIFY(plan);
    QVERIFY(plan->contextTokens <= (1 << 13));
    QVERIFY(plan->contextTokens >= 4096);
    QVERIFY(plan->blocks * kBlockTokens >= plan->contextTokens);
}

void TestKvCache::planRefusesWhatDoesNotFit()
{
    const auto plan = planKv({.bytesPerToken = 1 << 20,
                              .freeBytes = 1 << 30,
                              .modelContext = 100000,
                              .wantedContext = 50000});
    QVERIFY(!plan);
    QCOMPARE(plan.error().code, ErrorCode::OutOfMemory);
    QVERIFY(plan.error().message.find("50000") != std::string::npos);
    const auto tiny =
        planKv({.bytesPerToken = 1 << 20, .freeBytes = 1 << 20, .modelContext = 100000});
    QVERIFY(!tiny);
    QCOMPARE(tiny.error().code, ErrorCode::OutOfMemory);
}

void TestKvCache::planRefusesMoreThanTheModelAllows()
{
    const auto plan = planKv(
        {.bytesPerToken = 1, .freeBytes = 1 << 30, .modelContext = 2048, .wantedContext = 4096});
    QVERIFY(!plan);
    QCOMPARE(plan.error().code, ErrorCode::BadRequest);
}

void TestKvCache::memoryIsLaidOutPerLayerAndGivenBack()
{
    tests::PlainBackend backend;
    {
        auto cache = KvCache::create(
            backend, {.layers = 3, .kvHeads = 2, .keyDim = 4, .valueDim = 4}, DType::F32, 5);
        QVERIFY(cache);
        QCOMPARE(cache->layers().size(), std::size_t{3});
        QCOMPARE(cache->bytes(), std::uint64_t{3 * 2 * 5 * 16 * 2 * 4 * 4});
        QCOMPARE(backend.liveBytes.load(), static_cast<std::int64_t>(cache->bytes()));
        QVERIFY(cache->layers()[0].keys != cache->layers()[1].keys);
        auto latent = KvCache::create(
            backend, {.layers = 1, .kvHeads = 1, .keyDim = 4, .valueDim = 3, .valuesInKeys = true},
            DType::F32, 5);
        QVERIFY(latent);
        QVERIFY(!latent->layers()[0].values);
    }
    QCOMPARE(backend.liveBytes.load(), std::int64_t{0});
}

void TestKvCache::failedAllocationIsAnErrorAndLeaksNothing()
{
    // One piece for the layers of each place.
    for (int good = 0; good < 3; ++good) {
        tests::PlainBackend last, first;
        (good == 0 ? first : last).failAllocationAfter = 0;
        const auto cache = KvCache::create(
            last, {.layers = 3, .kvHeads = 1, .keyDim = 4, .valueDim = 4}, DType::F32, 5, good == 2 ? nullptr : &first, 2);
        QVERIFY(!cache);
        QCOMPARE(cache.error().code, ErrorCode::OutOfMemory);
        QCOMPARE(last.liveBytes.load(), std::int64_t{0});
        QCOMPARE(first.liveBytes.load(), std::int64_t{0});
    }
}

void TestKvCache::layersLieOneBehindTheOther()
{
    tests::PlainBackend last, first;
    const auto cache = KvCache::create(
        last, {.layers = 3, .kvHeads = 2, .keyDim = 4, .valueDim = 6, .indexDim = 3}, DType::BF16, 5, &first, 1);
    QVERIFY(cache);
    const std::ptrdiff_t rows = 5 * 16 * 2;
    const auto &layers = cache->layers();
    for (std::size_t layer = 0; layer < 3; ++layer) { // none reaches into another
        QVERIFY(layers[layer].values - layers[layer].keys >= rows * 8);
        QVERIFY(layers[layer].indexKeys - layers[layer].values >= rows * 12);
        QCOMPARE((layers[layer].values - layers[layer].keys) % 64, std::ptrdiff_t{0});
    }
    QVERIFY(layers[2].keys - layers[1].indexKeys >= rows * 3);
    QVERIFY(first.liveBytes.load() > 0 && last.liveBytes.load() == 2 * first.liveBytes.load());
}

void TestKvCache::embeddingsStayWithinTheirBudget()
{
    tests::PlainBackend backend;
    EmbeddingCache cache(1000);
    const auto key = [](int number) {
        EmbeddingCache::Key result{.tilesWide = 1, .tilesHigh = 1};
        result.picture[0] = static_cast<std::uint8_t>(number);
        return result;
    };
    const auto picture = [&](std::size_t bytes) {
        auto embedding = std::make_shared<PictureEmbedding>();
        embedding->rows = std::move(backend.allocate(bytes)).value();
        return embedding;
    };
    cache.insert(key(1), picture(400));
    cache.insert(key(2), picture(400));
    const auto held = cache.find(key(1)); // now the younger
    cache.insert(key(3), picture(400));
    QVERIFY(!cache.find(key(2)));
    QVERIFY(cache.find(key(1)) && cache.find(key(3)));
    auto otherTiles = key(1);
    otherTiles.tilesWide = 2;
    QVERIFY(!cache.find(otherTiles));
    cache.insert(key(4), picture(4000)); // larger than all: used once, not kept
    QVERIFY(cache.bytes() <= 1000);
    QCOMPARE(held->rows.bytes(), std::size_t{400});
}

QTEST_APPLESS_MAIN(TestKvCache)
#include "tst_kv_cache.moc"
