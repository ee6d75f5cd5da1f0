// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "protocol.h"

#include <algorithm>

namespace decode {

std::string sizeProblem(std::uint64_t width, std::uint64_t height)
{
    const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
    if (width == 0 || height == 0)
        return "The picture has no pixels (" + size + ").";
    if (width > kMaxSide || height > kMaxSide)
        return "The picture is " + size + "; a side may have at most " + std::to_string(kMaxSide) + " pixels.";
    if (width * height > kMaxPixels)
        return "The picture is " + size + "; at most 64 million pixels can be read.";
    if (std::max(width, height) > kMaxAspect * std::min(width, height))
        return "The picture is " + size + "; one side may be at most " + std::to_string(kMaxAspect)
            + " times the other.";
    return {};
}

} // namespace decode
