// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/linear/linear.h"

namespace kernels::cuda {

__device__ inline float activated(float x, Activation activation)
{
    switch (activation) {
    case Activation::Silu: return x / (1.0F + expf(-x));
    case Activation::GeluTanh: return 0.5F * x * (1.0F + tanhf(0.7978845608028654F * (x + 0.044715F * x * x * x)));
    case Activation::GeluErf: return 0.5F * x * (1.0F + erff(x * 0.7071067811865476F));
    default: return x;
    }
}

} // namespace kernels::cuda
