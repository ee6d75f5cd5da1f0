// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/prompt/warpgroup.cuh"

namespace kernels::cuda {

namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

// The driver's function, without linking against the driver.
Encode findEncode()
{
    void *found = nullptr;
    cudaDriverEntryPointQueryResult result{};
    if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result) != cudaSuccess
        || result != cudaDriverEntryPointSuccess)
        return nullptr;
    return reinterpret_cast<Encode>(found);
}

} // namespace

bool isMappable(const void *data, std::int64_t rowStride, std::int64_t matrixStride)
{
    return reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && rowStride % 8 == 0 && matrixStride % 8 == 0;
}

cudaError_t makeTensorMap(const TensorMapArgs &args, CUtensorMap &map)
{
    static const Encode encode = findEncode();
    if (encode == nullptr)
        return cudaErrorNotSupported;
    const cuuint64_t extents[3] = {static_cast<cuuint64_t>(args.columns), static_cast<cuuint64_t>(args.rows),
        static_cast<cuuint64_t>(args.matrices)};
    const std::int64_t matrixStride = args.matrixStride > 0 ? args.matrixStride : args.rowStride * args.rows;
    const cuuint64_t strides[2] = {static_cast<cuuint64_t>(args.rowStride) * sizeof(__nv_bfloat16),
        static_cast<cuuint64_t>(matrixStride) * sizeof(__nv_bfloat16)};
    const cuuint32_t box[3] = {warpgroup::kTileColumns, static_cast<cuuint32_t>(args.tileRows), static_cast<cuuint32_t>(args.tileMatrices)};
    const cuuint32_t steps[3] = {1, 1, 1};
    const CUresult made = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<__nv_bfloat16 *>(args.data), extents, strides,
        box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
        args.readOnce ? CU_TENSOR_MAP_L2_PROMOTION_L2_128B : CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return made == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

} // namespace kernels::cuda
