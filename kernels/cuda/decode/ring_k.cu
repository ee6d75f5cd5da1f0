// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode/ring.cuh"

namespace kernels::cuda {

cudaError_t ringOfKTypes(const ProductArgs &args, cudaStream_t stream)
{
    switch (args.weight.dtype) {
    case DType::Q4_K: return decode::launchRing<DType::Q4_K>(args, stream);
    case DType::Q5_K: return decode::launchRing<DType::Q5_K>(args, stream);
    case DType::Q6_K: return decode::launchRing<DType::Q6_K>(args, stream);
    default: return cudaErrorNotSupported;
    }
}

} // namespace kernels::cuda
