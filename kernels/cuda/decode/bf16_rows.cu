// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cuda/decode/bf16_rows.cuh"

namespace kernels::cuda {

namespace {

// Rows that leave a ring of four stages beside them.
constexpr int kMostRowBytes = 136 * 1024;

} // namespace

bool takesBf16Rows(const MatrixView &weight, bool gated)
{
    return card().chained && card().sharedBytes >= 224 * 1024 && weight.dtype == DType::BF16 && weight.in % decode::bf16::kWarpColumns == 0
        && (!gated || weight.in <= decode::bf16::kSlice);
}

bool takesBf16Norm(const MatrixView &weight) { return weight.in <= decode::bf16::kSlice; }

cudaError_t bf16Rows(const ProductArgs &args, cudaStream_t stream)
{
    namespace bf16 = decode::bf16;
    const bool gated = args.up.data != nullptr;
    if (!takesBf16Rows(args.weight, gated) || args.dealt == nullptr || args.rows > kFewRows || args.ids != nullptr || args.heads != 1 || args.slots != nullptr
        || (args.gain != nullptr && !takesBf16Norm(args.weight)))
        return cudaErrorNotSupported;
    const int slicesAtOnce = std::max(1, kMostRowBytes / (args.rows * bf16::kSlice * static_cast<int>(sizeof(float))));
    bf16::Plan plan;
    for (int column = 0; column < args.weight.in; column += plan.columns) {
        plan.firstColumn = column;
        plan.columns = std::min(slicesAtOnce * bf16::kSlice, args.weight.in - column);
        plan.first = column == 0;
        plan.last = column + plan.columns == args.weight.in;
        const cudaError_t status = gated ? bf16::launch<true>(args, plan, stream) : bf16::launch<false>(args, plan, stream);
        if (status != cudaSuccess)
            return status;
    }
    return cudaSuccess;
}

} // namespace kernels::cuda
