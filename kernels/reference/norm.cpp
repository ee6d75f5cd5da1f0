// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference.h"

#include <cmath>

namespace kernels::reference {

void rmsNorm(const RmsNormArgs &args, std::int64_t rowBegin, std::int64_t rowEnd)
{
    for (std::int64_t r = rowBegin; r < rowEnd; ++r) {
        const float *in = args.input + r * args.inputStride;
        float *out = args.output + r * args.outputStride;
        double squares = 0;
        for (std::int64_t k = 0; k < args.columns; ++k)
            squares += static_cast<double>(in[k]) * in[k];
        const double scale = 1.0 / std::sqrt(squares / static_cast<double>(args.columns) + args.epsilon);
        for (std::int64_t k = 0; k < args.columns; ++k)
            out[k] = static_cast<float>(in[k] * scale * args.weight[k]);
    }
}

void layerNorm(const LayerNormArgs &args, std::int64_t rowBegin, std::int64_t rowEnd)
{
    const auto count = static_cast<double>(args.columns);
    for (std::int64_t r = rowBegin; r < rowEnd; ++r) {
        const float *in = args.input + r * args.inputStride;
        float *out = args.output + r * args.outputStride;
        double sum = 0;
        for (std::int64_t k = 0; k < args.columns; ++k)
            sum += in[k];
        const double mean = sum / count;
        double squares = 0;
        for (std::int64_t k = 0; k < args.columns; ++k)
            squares += (in[k] - mean) * (in[k] - mean);
        const double scale = 1.0 / std::sqrt(squares / count + args.epsilon);
        for (std::int64_t k = 0; k < args.columns; ++k) {
            const double shift = args.bias != nullptr ? args.bias[k] : 0.0;
            out[k] = static_cast<float>((in[k] - mean) * scale * args.weight[k] + shift);
        }
    }
}

void rope(const RopeArgs &args, std::int64_t rowBegin, std::int64_t rowEnd)
{
    for (std::int64_t r = rowBegin; r < rowEnd; ++r)
        for (int h = 0; h < args.heads; ++h) {
            float *x = args.x + r * args.rowStride + static_cast<std::int64_t>(h) * args.dim + args.offset;
            for (int p = 0; p < args.pairs; ++p) {
                float &a = x[args.interleaved ? 2 * p : p];
                float &b = x[args.interleaved ? 2 * p + 1 : p + args.pairs];
                const double c = args.cosines[r * args.pairs + p];
                const double s = args.sines[r * args.pairs + p];
                const double first = a;
                const double second = b;
                a = static_cast<float>(first * c - second * s);
                b = static_cast<float>(second * c + first * s);
            }
        }
}

} // namespace kernels::reference
