// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "memory_bandwidth.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

namespace cli {

double measureReadBandwidth(int threads)
{
    constexpr std::size_t kBytes = std::size_t{512} << 20U;
    constexpr int kPasses = 4;
    const auto workers = static_cast<std::size_t>(
        threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
    const std::size_t share = kBytes / sizeof(std::uint64_t) / workers;
    std::vector<std::uint64_t> memory(share * workers, 1);
    std::vector<std::uint64_t> sums(workers);
    double best = 0;
    for (int pass = 0; pass < kPasses; ++pass) {
        const auto begin = std::chrono::steady_clock::now();
        {
            std::vector<std::jthread> pool;
            for (std::size_t worker = 0; worker < workers; ++worker) {
                pool.emplace_back([&, worker] {
                    const std::uint64_t *first = memory.data() + worker * share;
                    sums[worker] = std::reduce(first, first + share, std::uint64_t{0});
                });
            }
        }
        const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
        // The sum is checked, so that no compiler leaves the reading out.
        if (std::reduce(sums.begin(), sums.end()) == memory.size())
            best = std::max(best, static_cast<double>(memory.size() * sizeof(std::uint64_t)) /
                                      spent.count() / 1e9);
    }
    return best;
}

} // namespace cli
