// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/thread_pool.h"

#include <QTest>

#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

class TestThreadPool : public QObject {
    Q_OBJECT

private slots:
    void everyIndexIsVisitedOnce_data();
    void everyIndexIsVisitedOnce();
    void resultsAreVisibleAfterRun();
    void sleepingWorkersWakeUp();
    void threadCountCanChange();
    void anIdlePoolUsesNoProcessor();
    void atLeastOneProcessorIsAllowed();
};

void TestThreadPool::everyIndexIsVisitedOnce_data()
{
    QTest::addColumn<int>("threads");
    QTest::addColumn<int>("count");
    QTest::addColumn<int>("chunk");
    for (const int threads : {1, 2, 5})
        for (const int count : {0, 1, 2, 7, 64, 1001})
            for (const int chunk : {1, 3, 64})
                QTest::addRow("%d threads, %d by %d", threads, count, chunk) << threads << count << chunk;
}

void TestThreadPool::everyIndexIsVisitedOnce()
{
    QFETCH(int, threads);
    QFETCH(int, count);
    QFETCH(int, chunk);
    kernels::ThreadPool pool(threads);
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(count));
    std::atomic<bool> isWorkerKnown{true};
    for (int round = 1; round <= 20; ++round) {
        pool.forEach(count, chunk, [&](int worker, std::int64_t begin, std::int64_t end) {
            if (worker < 0 || worker >= threads)
                isWorkerKnown = false;
            for (std::int64_t i = begin; i < end; ++i)
                ++visits[static_cast<std::size_t>(i)];
        });
        for (const std::atomic<int> &visit : visits)
            QCOMPARE(visit.load(), round);
    }
    QVERIFY(isWorkerKnown);
}

void TestThreadPool::resultsAreVisibleAfterRun()
{
    kernels::ThreadPool pool(3);
    std::vector<int> values(257, 0); // plain memory: the thread sanitizer judges the ordering
    for (int round = 0; round < 2000; ++round)
        pool.forEach(257, 16, [&](int, std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i)
                values[static_cast<std::size_t>(i)] += 1;
        });
    for (const int value : values)
        QCOMPARE(value, 2000);
}

void TestThreadPool::sleepingWorkersWakeUp()
{
    kernels::ThreadPool pool(2);
    for (int round = 0; round < 10; ++round) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        // Each slice waits for the other, so both threads must take part.
        std::atomic<int> arrived{0};
        pool.forEach(2, 1, [&](int, std::int64_t, std::int64_t) {
            ++arrived;
            while (arrived.load() < 2)
                std::this_thread::yield();
        });
        QCOMPARE(arrived.load(), 2);
    }
}

void TestThreadPool::threadCountCanChange()
{
    kernels::ThreadPool pool(1);
    for (const int threads : {4, 1, 3, 2}) {
        pool.setThreads(threads);
        QCOMPARE(pool.threads(), threads);
        std::atomic<int> sum{0};
        pool.forEach(100, 1, [&](int, std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i)
                sum += static_cast<int>(i);
        });
        QCOMPARE(sum.load(), 4950);
    }
}

void TestThreadPool::anIdlePoolUsesNoProcessor()
{
    kernels::ThreadPool pool(4);
    pool.forEach(64, 1, [](int, std::int64_t, std::int64_t) {});
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // let everybody fall asleep
    const std::clock_t before = std::clock();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const double used = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    QVERIFY2(used < 0.02, qPrintable(QString::number(used)));
}

void TestThreadPool::atLeastOneProcessorIsAllowed()
{
    QVERIFY(kernels::allowedCpus() >= 1);
}

QTEST_APPLESS_MAIN(TestThreadPool)
#include "tst_thread_pool.moc"
