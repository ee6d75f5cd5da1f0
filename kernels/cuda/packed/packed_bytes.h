// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plain numbers, read by the plan of a load too, which knows no card.
#include "layout.h"

#include <cstddef>

namespace kernels::cuda {

// Bytes of `matrices` packed matrices; 0: this type or shape stays as the file has it.
constexpr std::size_t packedBytes(DType type, std::int64_t matrices, std::int64_t out, std::int64_t in, int scaleRows, int scaleColumns)
{
    if (packedFormat(type).digitBits == 0 || in % kGroupColumns != 0 || out == 0 || in > (1 << 18))
        return 0;
    if (type == DType::F8E4M3 && (scaleColumns % kUnitColumns != 0 || scaleRows < 1))
        return 0;
    const PackedShape shape = packedShape(type, out, in);
    return static_cast<std::size_t>(shape.tileBytes) * static_cast<std::size_t>(shape.tiles) * static_cast<std::size_t>(matrices);
}

} // namespace kernels::cuda
