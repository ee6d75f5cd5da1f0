// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode/plain_rows.cuh"

namespace kernels::cuda {

cudaError_t plainRows(const ProductArgs &args, cudaStream_t stream)
{
    switch (args.weight.dtype) {
    case DType::Q4_0: return decode::launchPlainRows<DType::Q4_0>(args, stream);
    case DType::Q5_0: return decode::launchPlainRows<DType::Q5_0>(args, stream);
    case DType::Q8_0: return decode::launchPlainRows<DType::Q8_0>(args, stream);
    case DType::Q4_K: return decode::launchPlainRows<DType::Q4_K>(args, stream);
    case DType::Q5_K: return decode::launchPlainRows<DType::Q5_K>(args, stream);
    case DType::Q6_K: return decode::launchPlainRows<DType::Q6_K>(args, stream);
    default: return cudaErrorNotSupported;
    }
}

} // namespace kernels::cuda
