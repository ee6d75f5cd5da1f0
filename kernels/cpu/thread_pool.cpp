// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sched.h>
#include <string>

namespace kernels {

namespace {

constexpr std::uint64_t kOpen = 1ULL << 31;
constexpr std::uint64_t kJobOne = 1ULL << 32;
constexpr std::uint64_t kCountMask = kOpen - 1;
constexpr auto kSpinTime = std::chrono::microseconds(50);
constexpr int kMaxThreads = 256;

void pause()
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

// CPUs of a "quota period" pair, 0 when there is no limit.
int quotaCpus(double quota, double period)
{
    return quota > 0 && period > 0 ? std::max(1, static_cast<int>(std::ceil(quota / period))) : 0;
}

int cgroupCpus()
{
    int limit = 0;
    const auto note = [&limit](int cpus) {
        if (cpus > 0)
            limit = limit == 0 ? cpus : std::min(limit, cpus);
    };
    const auto readV2 = [&note](const std::string &folder) {
        std::ifstream file(folder + "/cpu.max");
        std::string quota;
        double period = 0;
        if (file >> quota >> period && quota != "max")
            note(quotaCpus(std::atof(quota.c_str()), period));
    };
    readV2("/sys/fs/cgroup");
    std::ifstream own("/proc/self/cgroup");
    for (std::string line; std::getline(own, line);)
        if (line.starts_with("0::/") && line.size() > 4)
            readV2("/sys/fs/cgroup" + line.substr(3));
    std::ifstream quotaFile("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
    std::ifstream periodFile("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    double quota = 0;
    double period = 0;
    if (quotaFile >> quota && periodFile >> period)
        note(quotaCpus(quota, period));
    return limit;
}

} // namespace

int allowedCpus()
{
    int cpus = static_cast<int>(std::thread::hardware_concurrency());
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cpus = CPU_COUNT(&set);
    const int quota = cgroupCpus();
    if (quota > 0)
        cpus = std::min(cpus, quota);
    return std::clamp(cpus, 1, kMaxThreads);
}

ThreadPool::ThreadPool(int threads)
{
    start(threads);
}

ThreadPool::~ThreadPool()
{
    stop();
}

void ThreadPool::setThreads(int threads)
{
    stop();
    start(threads);
}

void ThreadPool::start(int threads)
{
    m_threads = std::clamp(threads > 0 ? threads : allowedCpus(), 1, kMaxThreads);
    m_stopping.store(false);
    for (int worker = 1; worker < m_threads; ++worker)
        m_workers.emplace_back([this, worker] { work(worker); });
}

void ThreadPool::stop()
{
    m_stopping.store(true);
    m_signal.fetch_add(1);
    m_signal.notify_all();
    for (std::thread &worker : m_workers)
        worker.join();
    m_workers.clear();
}

void ThreadPool::run(std::int64_t count, std::int64_t chunk, Body body, void *context)
{
    if (count <= 0)
        return;
    chunk = std::max<std::int64_t>(chunk, 1);
    if (m_threads == 1 || count <= chunk) {
        body(context, 0, 0, count);
        return;
    }
    m_job = {body, context, count, chunk};
    m_next.store(0, std::memory_order_relaxed);
    // No worker is inside and none can enter: only this thread changes the state now.
    const std::uint64_t job = (m_state.load(std::memory_order_relaxed) & ~(kOpen | kCountMask)) + kJobOne;
    m_state.store(job | kOpen, std::memory_order_release);
    m_signal.fetch_add(1);
    if (m_sleepers.load() > 0)
        m_signal.notify_all();

    takeSlices(0);
    m_state.fetch_and(~kOpen, std::memory_order_acq_rel);
    for (int spins = 0; (m_state.load(std::memory_order_acquire) & kCountMask) != 0; ++spins) {
        if (spins < 20000)
            pause();
        else
            std::this_thread::yield(); // a worker lost its CPU in the middle of a slice
    }
}

void ThreadPool::takeSlices(int worker)
{
    const Job job = m_job;
    for (;;) {
        const std::int64_t begin = m_next.fetch_add(job.chunk, std::memory_order_relaxed);
        if (begin >= job.count)
            return;
        job.body(job.context, worker, begin, std::min(begin + job.chunk, job.count));
    }
}

void ThreadPool::work(int worker)
{
    std::uint64_t lastJob = 0;
    auto idleSince = std::chrono::steady_clock::now();
    for (int spins = 0;;) {
        const std::uint32_t signal = m_signal.load();
        if (m_stopping.load())
            return;
        std::uint64_t state = m_state.load(std::memory_order_acquire);
        const std::uint64_t job = state & ~(kOpen | kCountMask);
        if ((state & kOpen) != 0 && job != lastJob) {
            if (!m_state.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel))
                continue;
            lastJob = job;
            takeSlices(worker);
            m_state.fetch_sub(1, std::memory_order_acq_rel);
            idleSince = std::chrono::steady_clock::now();
            spins = 0;
            continue;
        }
        pause();
        if (++spins % 64 != 0 || std::chrono::steady_clock::now() - idleSince < kSpinTime)
            continue;
        m_sleepers.fetch_add(1);
        m_signal.wait(signal);
        m_sleepers.fetch_sub(1);
        idleSince = std::chrono::steady_clock::now();
    }
}

} // namespace kernels
