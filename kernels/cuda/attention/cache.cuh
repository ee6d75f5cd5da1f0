// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers of a paged cache of any type, for the float32 kernels.

#include "cuda/attention/attention.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

namespace kernels::cuda {

__device__ inline float load(const float *p) { return *p; }
__device__ inline float load(const __half *p) { return __half2float(*p); }
__device__ inline float load(const __nv_bfloat16 *p) { return __bfloat162float(*p); }
__device__ inline void put(float *p, float v) { *p = v; }
__device__ inline void put(__half *p, float v) { *p = __float2half(v); }
__device__ inline void put(__nv_bfloat16 *p, float v) { *p = __float2bfloat16(v); }

// Where a token of the row's sequence lies.
__device__ inline std::int64_t slotOf(const KvView &cache, const RowTable &table, int row, int token)
{
    const std::int64_t block = table.blocks[table.firstBlock[row] + token / cache.blockTokens];
    return block * cache.blockTokens + token % cache.blockTokens;
}

// body.operator()<T>() launches a kernel for a cache of T.
template <typename Body> cudaError_t withCacheType(DType type, Body &&body)
{
    switch (type) {
    case DType::F32: body.template operator()<float>(); break;
    case DType::F16: body.template operator()<__half>(); break;
    case DType::BF16: body.template operator()<__nv_bfloat16>(); break;
    default: return cudaErrorNotSupported;
    }
    return cudaGetLastError();
}

} // namespace kernels::cuda
