// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Copies into shared memory that the card makes by itself, and the barriers that count their bytes: sm_90 and later.

#include "cuda/common/tensor.cuh"

#include <cuda.h>

namespace kernels::cuda {

namespace bulk {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900

__device__ inline void initBarrier(std::uint32_t barrier, int arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// After initBarrier, before other threads and copies use them.
__device__ inline void publishBarriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// A warp that has read or written what a barrier guards arrives lane by lane (kLanes a warp): then each lane's own arrival orders
// its accesses. One lane's for all of them, behind a __syncwarp(), would do for the card, but not for compute-sanitizer's racecheck.
inline constexpr int kLanes = 32;
__device__ inline void arrive(std::uint32_t barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// Arrives; the phase ends when `bytes` have been copied too.
__device__ inline void arriveExpecting(std::uint32_t barrier, std::uint32_t bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
__device__ inline void waitFor(std::uint32_t barrier, std::uint32_t parity)
{
    asm volatile("{\n.reg .pred done;\nAGAIN:\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
                 "@done bra OVER;\nbra AGAIN;\nOVER:\n}\n" ::"r"(barrier),
        "r"(parity)
        : "memory");
}
// Consecutive bytes, addresses and count multiples of 16; `barrier` gets them.
__device__ inline void copyBytes(std::uint32_t shared, const void *from, std::uint32_t bytes, std::uint32_t barrier)
{
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(shared), "l"(from),
        "r"(bytes), "r"(barrier)
        : "memory");
}
// A tile of a tensor whose first element is (column, row, matrix); `barrier` gets its bytes.
__device__ inline void copyTile(std::uint32_t shared, const CUtensorMap &map, std::uint32_t barrier, int column, int row, int matrix)
{
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(shared),
        "l"(&map), "r"(column), "r"(row), "r"(matrix), "r"(barrier)
        : "memory");
}
// Asks for bytes into the card's cache; address and count multiples of 16.
__device__ inline void askAhead(const void *from, std::uint32_t bytes)
{
    asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
}
// Before a copy writes what threads have read or written.
__device__ inline void publishToCopies() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

#endif

} // namespace bulk

} // namespace kernels::cuda
