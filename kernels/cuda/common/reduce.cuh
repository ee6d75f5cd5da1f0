// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace kernels::cuda {

inline constexpr unsigned kAllLanes = 0xFFFFFFFFU;

__device__ inline float warpSum(float value)
{
    for (int distance = 16; distance > 0; distance /= 2)
        value += __shfl_xor_sync(kAllLanes, value, distance);
    return value;
}

__device__ inline float warpMax(float value)
{
    for (int distance = 16; distance > 0; distance /= 2)
        value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
    return value;
}

// Sum over a block of `Threads` threads; every thread gets it.
template <int Threads> __device__ float blockSum(float value)
{
    __shared__ float partial[Threads / 32];
    value = warpSum(value);
    __syncthreads(); // the last use of `partial` is over
    if (threadIdx.x % 32 == 0)
        partial[threadIdx.x / 32] = value;
    __syncthreads();
    float sum = 0.0F;
    for (int warp = 0; warp < Threads / 32; ++warp)
        sum += partial[warp];
    return sum;
}

template <int Threads> __device__ float blockMax(float value)
{
    __shared__ float partial[Threads / 32];
    value = warpMax(value);
    __syncthreads(); // the last use of `partial` is over
    if (threadIdx.x % 32 == 0)
        partial[threadIdx.x / 32] = value;
    __syncthreads();
    for (int warp = 0; warp < Threads / 32; ++warp)
        value = fmaxf(value, partial[warp]);
    return value;
}

} // namespace kernels::cuda
