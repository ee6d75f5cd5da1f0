// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/convert.h"
#include "kernels/reference.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace kernels::reference {

float activate(Activation activation, float value)
{
    const double x = value;
    switch (activation) {
    case Activation::None: return value;
    case Activation::Silu: return static_cast<float>(x / (1.0 + std::exp(-x)));
    case Activation::GeluTanh: {
        const double inner = 0.7978845608028654 * (x + 0.044715 * x * x * x);
        return static_cast<float>(0.5 * x * (1.0 + std::tanh(inner)));
    }
    case Activation::GeluErf: return static_cast<float>(0.5 * x * (1.0 + std::erf(x * 0.7071067811865476)));
    }
    return value;
}

void linear(const LinearArgs &args, std::int64_t outputBegin, std::int64_t outputEnd, int rowBegin, int rowEnd)
{
    const std::int64_t columns = args.weight.columns;
    std::vector<float> weights(static_cast<std::size_t>(columns));
    for (std::int64_t o = outputBegin; o < outputEnd; ++o) {
        unpackRow(args.weight, o, weights.data());
        for (int r = rowBegin; r < rowEnd; ++r) {
            const float *input = args.input + r * args.inputStride;
            double sum = args.bias != nullptr ? args.bias[o] : 0.0;
            for (std::int64_t k = 0; k < columns; ++k)
                sum += static_cast<double>(input[k]) * weights[static_cast<std::size_t>(k)];
            float &out = args.output[r * args.outputStride + o];
            out = args.accumulate ? static_cast<float>(out + sum)
                                  : activate(args.activation, static_cast<float>(sum));
        }
    }
}

} // namespace kernels::reference
