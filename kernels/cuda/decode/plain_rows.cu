// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode/plain_rows.cuh"

namespace kernels::cuda {

cudaError_t plainRows(const ProductArgs &args, cudaStream_t stream)
{
    return decode::withFewType(args.weight.dtype, [&]<DType Type>() { return decode::launchPlainRows<Type, false>(args, stream); });
}

} // namespace kernels::cuda
