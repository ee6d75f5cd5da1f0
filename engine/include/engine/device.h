// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace engine {

// One device a model can run on, as probed on this machine.
struct DeviceInfo {
    std::string id;               // "cpu", "cuda:0"
    std::string name;             // marketing name of the processor or card
    std::uint64_t totalBytes = 0; // memory of the device
    std::uint64_t freeBytes = 0;  // free when asked
    int threads = 0;              // cpu: worker threads that will run; cuda: multiprocessors
    std::string instructionSet;   // cpu: "avx512", "avx2", "reference"; cuda: "sm_90"
    bool usable = true;
    std::string whyNot; // one sentence when not usable
};

} // namespace engine
