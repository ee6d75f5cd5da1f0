// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_probe.h"

#include "backend/backend.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <sched.h>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>

namespace engine {

namespace {

// The value after "Name:" in files such as /proc/meminfo, in kB there.
std::optional<std::uint64_t> procKilobytes(const char *path, std::string_view name)
{
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ':')
            return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10);
    }
    return std::nullopt;
}

std::optional<std::uint64_t> numberIn(const char *path)
{
    std::ifstream file(path);
    std::uint64_t value = 0;
    if (file >> value) // "max" is no number
        return value;
    return std::nullopt;
}

std::string processorName()
{
    std::ifstream file("/proc/cpuinfo");
    std::string line;
    while (std::getline(file, line)) {
        const auto colon = line.find(':');
        if (colon == std::string::npos || !line.starts_with("model name"))
            continue;
        const auto start = line.find_first_not_of(' ', colon + 1);
        return start == std::string::npos ? std::string() : line.substr(start);
    }
    return "processor";
}

// The path the kernels will take: the forced one, or the best this processor has.
std::string instructionSet()
{
    if (const char *forced = std::getenv("DIPTYCH_ISA"); forced && *forced)
        return forced;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return "avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "avx2";
#endif
    return "reference";
}

} // namespace

MemoryState probeMemory()
{
    MemoryState memory;
    memory.totalBytes = procKilobytes("/proc/meminfo", "MemTotal").value_or(0) * 1024;
    memory.freeBytes = procKilobytes("/proc/meminfo", "MemAvailable").value_or(0) * 1024;
    if (const auto limit = numberIn("/sys/fs/cgroup/memory.max")) {
        const std::uint64_t used =
            std::min(numberIn("/sys/fs/cgroup/memory.current").value_or(0), *limit);
        memory.totalBytes = std::min(memory.totalBytes, *limit);
        memory.freeBytes = std::min(memory.freeBytes, *limit - used);
    }
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        const std::uint64_t used = procKilobytes("/proc/self/status", "VmSize").value_or(0) * 1024;
        memory.freeBytes = std::min<std::uint64_t>(
            memory.freeBytes, limit.rlim_cur > used ? limit.rlim_cur - used : 0);
    }
    return memory;
}

int workerThreads(int wanted)
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    const int processors =
        sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? std::max(1, CPU_COUNT(&allowed)) : 1;
    return wanted > 0 ? wanted : processors;
}

std::vector<DeviceInfo> probeDevices()
{
    const MemoryState memory = probeMemory();
    DeviceInfo cpu;
    cpu.id = "cpu";
    cpu.name = processorName();
    cpu.totalBytes = memory.totalBytes;
    cpu.freeBytes = memory.freeBytes;
    cpu.threads = workerThreads(0);
    cpu.instructionSet = instructionSet();
    std::vector<DeviceInfo> devices{std::move(cpu)};

    constexpr int kMostCards = 16;
    for (int card = 0; card < kMostCards; ++card) {
        const auto backend = makeCudaBackend(card, false); // an error says why not
        if (!backend && card > 0)
            break;
        DeviceInfo device;
        device.id = "cuda:" + std::to_string(card);
        device.name = "CUDA device " + std::to_string(card);
        device.usable = backend.ok();
        if (!backend) {
            device.whyNot = backend.error().message;
        } else {
            device.name = (*backend)->deviceName();
            const DeviceMemory cardMemory = (*backend)->memory();
            device.totalBytes = cardMemory.total;
            device.freeBytes = cardMemory.free;
        }
        devices.push_back(std::move(device));
        if (!backend)
            break;
    }
    return devices;
}

} // namespace engine
