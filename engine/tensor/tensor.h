// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/dtype.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace engine {

using kernels::DType;

struct Shape {
    std::array<std::int64_t, 4> dims{1, 1, 1, 1};
    int rank = 0;

    Shape() = default;
    Shape(std::initializer_list<std::int64_t> list)
    {
        for (const std::int64_t dim : list)
            dims[static_cast<std::size_t>(rank++)] = dim;
    }
    std::int64_t operator[](int index) const { return dims[static_cast<std::size_t>(index)]; }
    std::int64_t elements() const { return rank == 0 ? 1 : dims[0] * dims[1] * dims[2] * dims[3]; }
    bool operator==(const Shape &) const = default;
};

// A view of row-major numbers in a backend's memory; owns nothing. Activations are F32 on the CPU.
// `rowStride` is in elements between rows of the last dimension ([.., columns]); columns are contiguous.
struct Tensor {
    std::byte *data = nullptr;
    DType dtype = DType::F32;
    Shape shape;
    std::int64_t rowStride = 0;

    float *f32() const { return reinterpret_cast<float *>(data); }
    std::int64_t columns() const { return shape.rank == 0 ? 1 : shape[shape.rank - 1]; }
    std::int64_t rows() const { return columns() == 0 ? 0 : shape.elements() / columns(); }
};

} // namespace engine
