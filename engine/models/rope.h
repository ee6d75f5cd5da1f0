// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "files/model_config.h"

#include <vector>

namespace engine {

// What attention needs to know about positions: one angle per pair and position, a factor on cosine and sine,
// and a factor on the softmax scale.
struct RopeTable {
    std::vector<float> inverseFrequencies; // [dimensions / 2], radians a position
    float magnitude = 1.0F;                // multiplies cosine and sine
    float scaleFactor = 1.0F;              // multiplies 1 / sqrt(key dimensions)
};

// Plain, linear, Llama 3 and YaRN frequencies (arXiv 2309.00071; DeepSeek's form of it when mscale or
// mscale_all_dim is given, the generic one otherwise). `dimensions` is even.
RopeTable makeRopeTable(const RopeConfig &config, int dimensions);

// YaRN's first and last pair of the ramp between kept and stretched frequencies.
struct YarnRamp {
    double low = 0, high = 0;
};
YarnRamp yarnRamp(const RopeConfig &config, int dimensions);

// 0.1 * scale * ln(factor) + 1, or 1 when nothing is stretched.
double yarnMagnitude(double factor, double scale);

} // namespace engine
