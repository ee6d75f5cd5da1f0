// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// How fast the CPU's products are, as JSON: for one row the share of plain read measured in the same loop, for
// many rows GFLOP/s. usage: bench_kernels [isa] [threads] [megabytes of weights, 256]
#include "backend/backend.h"
#include "kernels/random_data.h"
#include "kernels/table.h"
#include "kernels/thread_pool.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace engine;

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kOutputAt = std::size_t{32} << 20; // inputs before, outputs behind

double secondsSince(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// Bytes a second of reading `memory` with every thread.
double readOnce(kernels::ThreadPool &pool, const Buffer &memory)
{
    const auto *words = reinterpret_cast<const std::uint64_t *>(memory.data());
    const auto count = static_cast<std::int64_t>(memory.bytes() / sizeof(std::uint64_t));
    std::atomic<std::uint64_t> total{0};
    const auto start = Clock::now();
    pool.forEach(count, count / (4 * pool.threads()) + 1, [&](int, std::int64_t begin, std::int64_t end) {
        std::uint64_t sums[8]{};
        for (std::int64_t i = begin; i + 8 <= end; i += 8)
            for (int j = 0; j < 8; ++j)
                sums[j] += words[i + j];
        for (const std::uint64_t sum : sums)
            total += sum;
    });
    return static_cast<double>(memory.bytes()) / secondsSince(start);
}

nlohmann::json measureType(Backend &cpu, kernels::ThreadPool &pool, const Buffer &readMemory, const Buffer &activations,
                           DType type)
{
    const std::int64_t columns = 2048;
    const std::int64_t outputs = 2048;
    kernels::Random random(1);
    const auto bytes = kernels::randomWeightRows(random, type, outputs, columns);
    const FileTensor tensor{.name = "bench", .dtype = type, .shape = {outputs, columns}, .bytes = bytes};
    std::vector<WeightPtr> weights;
    std::size_t total = 0;
    while (total < readMemory.bytes()) {
        auto weight = cpu.upload(tensor, {});
        if (!weight.ok())
            return {{"error", weight.error().message}};
        total += (*weight)->bytes;
        weights.push_back(std::move(*weight));
    }
    nlohmann::json entry{{"type", std::string(kernels::dtypeInfo(type).name)},
                         {"bitsPerWeight", 8.0 * static_cast<double>(weights.front()->bytes)
                              / static_cast<double>(outputs * columns)}};
    std::vector<double> reads, products;
    for (int round = 0; round < 7; ++round) {
        reads.push_back(readOnce(pool, readMemory));
        const auto start = Clock::now();
        for (const WeightPtr &weight : weights)
            cpu.linear({.input = activations.view({1, columns}), .weight = weight.get(),
                        .output = activations.view({1, outputs}, DType::F32, kOutputAt)});
        products.push_back(static_cast<double>(total) / secondsSince(start));
    }
    entry["readGBs"] = median(reads) / 1e9;
    entry["oneRowGBs"] = median(products) / 1e9;
    entry["shareOfRead"] = median(products) / median(reads);
    for (const std::int64_t rows : {4, 16, 256}) {
        std::vector<double> rates;
        for (int round = 0; round < 5; ++round) {
            const auto start = Clock::now();
            cpu.linear({.input = activations.view({rows, columns}), .weight = weights.front().get(),
                        .output = activations.view({rows, outputs}, DType::F32, kOutputAt)});
            rates.push_back(2.0 * static_cast<double>(rows * outputs * columns) / secondsSince(start) / 1e9);
        }
        entry["gflops" + std::to_string(rows)] = median(rates);
    }
    return entry;
}

// What a small layer costs when everything is in cache: the fork-join and the dispatch.
double smallLayerMicroseconds(Backend &cpu, const Buffer &activations, std::int64_t outputs)
{
    kernels::Random random(2);
    const auto bytes = kernels::randomWeightRows(random, DType::BF16, outputs, 256);
    const FileTensor tensor{.name = "small", .dtype = DType::BF16, .shape = {outputs, 256}, .bytes = bytes};
    const auto weight = cpu.upload(tensor, {});
    const int repeats = 5000;
    const auto start = Clock::now();
    for (int i = 0; i < repeats; ++i)
        cpu.linear({.input = activations.view({1, 256}), .weight = weight->get(),
                    .output = activations.view({1, outputs}, DType::F32, kOutputAt)});
    return secondsSince(start) / repeats * 1e6;
}

double forkJoinMicroseconds(kernels::ThreadPool &pool)
{
    std::vector<double> forks;
    for (int i = 0; i < 2000; ++i) {
        const auto begin = Clock::now();
        pool.forEach(pool.threads(), 1, [](int, std::int64_t, std::int64_t) {});
        forks.push_back(secondsSince(begin) * 1e6);
    }
    return median(forks);
}

// Five picture tiles of 256 patches, six heads of 32.
double tileAttentionMilliseconds(Backend &cpu, const Buffer &activations)
{
    const int tokens = 256, heads = 6, headDim = 32, batch = 5, repeats = 10;
    const Tensor part = activations.view({batch * tokens, heads * headDim});
    const Tensor output = activations.view({batch * tokens, heads * headDim}, DType::F32, kOutputAt);
    const auto start = Clock::now();
    for (int i = 0; i < repeats; ++i)
        cpu.denseAttention({.query = part, .key = part, .value = part, .output = output, .batch = batch, .tokens = tokens,
                            .heads = heads, .headDim = headDim, .scale = 0.17F});
    return secondsSince(start) / repeats * 1e3;
}

} // namespace

int main(int argc, char **argv)
{
    const std::string isa = argc > 1 ? argv[1] : "";
    const int threads = argc > 2 ? std::atoi(argv[2]) : 0;
    const std::size_t megabytes = argc > 3 ? static_cast<std::size_t>(std::atoi(argv[3])) : 256;
    auto made = makeCpuBackend({.threads = threads, .isa = isa});
    if (!made.ok()) {
        std::fprintf(stderr, "%s\n", made.error().message.c_str());
        return 2;
    }
    Backend &cpu = **made;
    kernels::ThreadPool pool(threads);
    const auto readMemory = cpu.allocate(megabytes << 20);
    const auto activations = cpu.allocate(2 * kOutputAt);
    if (!readMemory.ok() || !activations.ok()) {
        std::fprintf(stderr, "not enough memory\n");
        return 6;
    }
    std::memset(readMemory->data(), 1, readMemory->bytes());
    kernels::Random random(3);
    auto *floats = reinterpret_cast<float *>(activations->data());
    for (std::size_t i = 0; i < (std::size_t{1} << 20); ++i)
        floats[i] = random.normal();

    nlohmann::json report{{"isa", isa.empty() ? std::string(kernels::findTable()->name) : isa},
                          {"threads", pool.threads()}, {"weightMegabytes", megabytes}};
    for (const DType type : {DType::F32, DType::BF16, DType::F8E4M3, DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K})
        report["products"].push_back(measureType(cpu, pool, *readMemory, *activations, type));
    report["linear256x256Microseconds"] = smallLayerMicroseconds(cpu, *activations, 256);
    report["linear256x1280Microseconds"] = smallLayerMicroseconds(cpu, *activations, 1280);
    report["forkJoinMicroseconds"] = forkJoinMicroseconds(pool);
    report["tileAttentionMilliseconds"] = tileAttentionMilliseconds(cpu, *activations);
    std::printf("%s\n", report.dump(2).c_str());
    return 0;
}
