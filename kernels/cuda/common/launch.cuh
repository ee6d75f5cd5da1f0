// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <utility>

namespace kernels::cuda {

// Programmatic dependent launch (sm_90 and later): a kernel launched by `launchChained` may start while the one before it
// still runs, so it calls waitForPrevious() in every thread before it touches anything an earlier kernel of the stream
// reads or writes; before it may be read what was there before the step began: weights, the numbers of the step, older
// rows of the cache. Elsewhere both are nothing and the launch is a plain one. They want their multiprocessors' first memory
// shared as far as it goes, unless they say that they read through a cache: one that is divided otherwise must run dry before
// a block that needs more may begin there.
__device__ inline void waitForPrevious()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
__device__ inline void letNextStart()
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// What launches need to know of the card; set once when the plug-in opens.
struct Card {
    bool chained = false;    // may launches overlap (sm_90 and later)
    bool warpgroups = false; // wgmma (sm_90)
    int sharedBytes = 49152; // a block may ask for
    int multiprocessors = 1;
};
Card &card();
// Shared memory that a block asks for so that `blocks` of them find room on a multiprocessor and one more does not.
inline std::size_t roomForNoMoreThan(int blocks)
{
    constexpr int own = 1024; // the card's own in every block
    return static_cast<std::size_t>((card().sharedBytes + own) / (blocks + 1) - own + 16);
}
inline bool isAligned(const void *p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; } // for loads of 16 bytes

enum class FirstMemory { Shared, Cache };

template <FirstMemory Wants = FirstMemory::Shared, typename... Parameters, typename... Arguments>
cudaError_t launchChained(void (*kernel)(Parameters...), dim3 grid, unsigned threads, std::size_t sharedBytes, cudaStream_t stream,
    Arguments &&...arguments)
{
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = sharedBytes;
    config.stream = stream;
    cudaLaunchAttribute attributes[2]{};
    attributes[0].id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attributes[0].val.programmaticStreamSerializationAllowed = 1;
    attributes[1].id = cudaLaunchAttributePreferredSharedMemoryCarveout;
    attributes[1].val.sharedMemCarveout = cudaSharedmemCarveoutMaxShared;
    config.attrs = attributes;
    config.numAttrs = !card().chained ? 0 : Wants == FirstMemory::Shared ? 2 : 1;
    return cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...);
}

} // namespace kernels::cuda
