// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode/experts_rows.cuh"

namespace kernels::cuda {

cudaError_t expertsRows(const ProductArgs &args, cudaStream_t stream)
{
    return decode::withFewType(args.weight.dtype, [&]<DType Type>() { return decode::launchExpertsRows<Type>(args, stream); });
}

} // namespace kernels::cuda
