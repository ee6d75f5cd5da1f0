// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace kernels::cuda {

// What follows from arguments is made here, before a wait, and not where it is used: the assembler moves arithmetic behind waits,
// where every instruction of it is on a step's way, but no store. `slot`: shared, the thread's own.
__device__ inline void settle(volatile std::uint64_t *slot, const void *x) { *slot = reinterpret_cast<std::uint64_t>(x); }
__device__ inline void settle(volatile std::uint64_t *slot, std::int64_t x) { *slot = static_cast<std::uint64_t>(x); }
// One after the other, in one slot.
template <typename Slot, typename First, typename Second, typename... More>
__device__ inline void settle(Slot *slot, First first, Second second, More... more)
{
    settle(slot, first);
    settle(slot, second, more...);
}

} // namespace kernels::cuda
