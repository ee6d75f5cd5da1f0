// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace kernels {

// CPUs this process may use: the affinity mask and the cgroup quota, at least 1.
int allowedCpus();

// Hands slices of one operation to a few threads. The calling thread is worker 0 and takes slices like the others;
// a worker that wakes up late finds nothing to do and delays nobody. Idle workers spin for 50 us, then sleep.
// run() is for one thread at a time and not for bodies of run().
class ThreadPool {
public:
    using Body = void (*)(void *context, int worker, std::int64_t begin, std::int64_t end);

    explicit ThreadPool(int threads = 0); // 0: allowedCpus()
    ~ThreadPool();
    ThreadPool(const ThreadPool &) = delete;
    ThreadPool &operator=(const ThreadPool &) = delete;

    int threads() const { return m_threads; }
    void setThreads(int threads); // not during run(); 0: allowedCpus()

    // Calls body for every index of [0, count), in slices of `chunk`, and returns when all are done.
    void run(std::int64_t count, std::int64_t chunk, Body body, void *context);

    // body(worker, begin, end)
    template <typename Callable> void forEach(std::int64_t count, std::int64_t chunk, Callable &&body)
    {
        run(count, chunk,
            [](void *context, int worker, std::int64_t begin, std::int64_t end) {
                (*static_cast<std::remove_reference_t<Callable> *>(context))(worker, begin, end);
            },
            const_cast<void *>(static_cast<const void *>(&body)));
    }

private:
    struct Job {
        Body body = nullptr;
        void *context = nullptr;
        std::int64_t count = 0, chunk = 1;
    };
    void start(int threads);
    void stop();
    void work(int worker);
    void takeSlices(int worker);

    // Low half: workers inside the job, plus kOpen while others may enter. High half: number of the job.
    alignas(64) std::atomic<std::uint64_t> m_state{0};
    alignas(64) std::atomic<std::int64_t> m_next{0};
    alignas(64) std::atomic<std::uint32_t> m_signal{0};
    std::atomic<int> m_sleepers{0};
    std::atomic<bool> m_stopping{false};
    Job m_job;
    int m_threads = 1;
    std::vector<std::thread> m_workers;
};

} // namespace kernels
