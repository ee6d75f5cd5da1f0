// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace engine {
namespace {

// Llama 3.1: long waves are stretched, short ones kept, those between blended.
double llama3Frequency(const RopeConfig &config, double frequency)
{
    const double context = std::max(config.originalContext, 1);
    const double wavelength = 2.0 * std::numbers::pi / frequency;
    if (wavelength < context / config.highFrequencyFactor)
        return frequency;
    if (wavelength > context / config.lowFrequencyFactor)
        return frequency / config.factor;
    const double smooth = (context / wavelength - config.lowFrequencyFactor) /
                          (config.highFrequencyFactor - config.lowFrequencyFactor);
    return (1.0 - smooth) * frequency / config.factor + smooth * frequency;
}

bool hasDeepSeekMagnitudes(const RopeConfig &config)
{
    return config.mscale != 0.0 || config.mscaleAllDim != 0.0;
}

} // namespace

double yarnMagnitude(double factor, double scale)
{
    return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

YarnRamp yarnRamp(const RopeConfig &config, int dimensions)
{
    const auto pairOfRotations = [&](double rotations) {
        return dimensions * std::log(config.originalContext / (rotations * 2.0 * std::numbers::pi)) /
               (2.0 * std::log(config.theta));
    };
    YarnRamp ramp;
    ramp.low = std::max(std::floor(pairOfRotations(config.betaFast)), 0.0);
    ramp.high = std::min(std::ceil(pairOfRotations(config.betaSlow)), dimensions - 1.0);
    if (ramp.low == ramp.high)
        ramp.high += 0.001;
    return ramp;
}

RopeTable makeRopeTable(const RopeConfig &config, int dimensions)
{
    RopeTable table;
    const int pairs = dimensions / 2;
    table.inverseFrequencies.reserve(static_cast<std::size_t>(pairs));
    const bool isYarn = config.scaling == RopeScaling::Yarn && config.originalContext > 0;
    const YarnRamp ramp = isYarn ? yarnRamp(config, dimensions) : YarnRamp{};
    for (int pair = 0; pair < pairs; ++pair) {
        double frequency = std::pow(config.theta, -2.0 * pair / dimensions);
        if (config.scaling == RopeScaling::Linear) {
            frequency /= config.factor;
        } else if (config.scaling == RopeScaling::Llama3) {
            frequency = llama3Frequency(config, frequency);
        } else if (isYarn) {
            const double stretched = std::clamp((pair - ramp.low) / (ramp.high - ramp.low), 0.0, 1.0);
            frequency = frequency / config.factor * stretched + frequency * (1.0 - stretched);
        }
        if (static_cast<std::size_t>(pair) < config.frequencyDivisors.size())
            frequency /= config.frequencyDivisors[static_cast<std::size_t>(pair)];
        table.inverseFrequencies.push_back(static_cast<float>(frequency));
    }
    if (config.scaling != RopeScaling::Yarn)
        return table;

    const double allDim = yarnMagnitude(config.factor, config.mscaleAllDim);
    if (config.attentionFactor)
        table.magnitude = static_cast<float>(*config.attentionFactor);
    else if (hasDeepSeekMagnitudes(config))
        table.magnitude = static_cast<float>(yarnMagnitude(config.factor, config.mscale) / allDim);
    else
        table.magnitude = static_cast<float>(yarnMagnitude(config.factor, 1.0));
    if (config.mscaleAllDim != 0.0)
        table.scaleFactor = static_cast<float>(allDim * allDim);
    return table;
}

} // namespace engine
