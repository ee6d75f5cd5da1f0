// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/attention/attention.h"

#include <cuda_runtime.h>

namespace kernels::cuda {

// denseAttention on the tensor cores, bfloat16 operands and float32 sums: heads of 64, 72, 80, 96 or 128 whose rows lie at
// multiples of 16 bytes.
bool hasPictureTiles(const DenseAttentionArgs &args);
cudaError_t pictureAttention(const DenseAttentionArgs &args, cudaStream_t stream);

} // namespace kernels::cuda
