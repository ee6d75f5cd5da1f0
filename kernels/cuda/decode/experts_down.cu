// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode/experts_down.cuh"

namespace kernels::cuda {

namespace {

template <DType Type> cudaError_t besideShared(const ProductArgs &experts, const ProductArgs &shared, bool wide, cudaStream_t stream)
{
    // Files that quantise a model as a whole have these beside each other: the experts' own type, or one for rows of whole
    // super-blocks next to one of 32 columns.
    constexpr bool isSmall = Type == DType::Q5_0 || Type == DType::Q8_0;
    if (shared.weight.dtype == Type)
        return decode::ring::launchExpertsDown<Type, Type>(experts, shared, wide, stream);
    if constexpr (isSmall || Type == DType::Q6_K) {
        if (shared.weight.dtype == DType::Q4_K)
            return decode::ring::launchExpertsDown<Type, DType::Q4_K>(experts, shared, wide, stream);
    }
    if constexpr (isSmall || Type == DType::Q4_K) {
        if (shared.weight.dtype == DType::Q6_K)
            return decode::ring::launchExpertsDown<Type, DType::Q6_K>(experts, shared, wide, stream);
    }
    return cudaErrorNotSupported;
}

} // namespace

cudaError_t expertsDown(const ProductArgs &experts, const ProductArgs &shared, bool wide, cudaStream_t stream)
{
    if (experts.values == nullptr || experts.rows != 1)
        return cudaErrorNotSupported;
    switch (experts.weight.dtype) {
    case DType::Q4_0: return besideShared<DType::Q4_0>(experts, shared, wide, stream);
    case DType::Q5_0: return besideShared<DType::Q5_0>(experts, shared, wide, stream);
    case DType::Q8_0: return besideShared<DType::Q8_0>(experts, shared, wide, stream);
    case DType::Q4_K: return besideShared<DType::Q4_K>(experts, shared, wide, stream);
    case DType::Q6_K: return besideShared<DType::Q6_K>(experts, shared, wide, stream);
    default: return cudaErrorNotSupported;
    }
}

} // namespace kernels::cuda
