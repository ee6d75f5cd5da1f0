// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode/ring.cuh"

namespace kernels::cuda {

cudaError_t ringOfLegacyTypes(const ProductArgs &args, cudaStream_t stream)
{
    switch (args.weight.dtype) {
    case DType::Q4_0: return decode::launchRing<DType::Q4_0>(args, stream);
    case DType::Q5_0: return decode::launchRing<DType::Q5_0>(args, stream);
    case DType::Q8_0: return decode::launchRing<DType::Q8_0>(args, stream);
    default: return cudaErrorNotSupported;
    }
}

} // namespace kernels::cuda
