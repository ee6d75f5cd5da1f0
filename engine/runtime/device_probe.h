// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/device.h"

#include <cstdint>
#include <string>
#include <vector>

namespace engine {

struct MemoryState {
    std::uint64_t totalBytes = 0;
    std::uint64_t freeBytes =
        0; // what this process may still take: machine, control group and rlimit
};
MemoryState probeMemory();

// The processor, then every CUDA device or one entry that says why there is none.
std::vector<DeviceInfo> probeDevices();

// 0: processors this process may run on.
int workerThreads(int wanted);

} // namespace engine
