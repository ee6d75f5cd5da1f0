// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/file_tensor.h"

#include <cstdint>

namespace engine {

// A tensor as the matrices it holds.
struct Matrices {
    std::int64_t count = 1, rows = 1, columns = 1;
};
Matrices matricesOf(const Shape &shape);

// Everything later code relies on; file numbers are not trusted here either. Errors name the tensor.
Result<Done> checkTensor(const FileTensor &tensor);
// The FP8 scales of row `row`, counted over all matrices of the tensor, which has some.
const std::byte *scaleRow(const FileTensor &tensor, std::int64_t row);
// output: [columns] float32. The tensor was checked.
void dequantizeTensorRow(const FileTensor &tensor, std::int64_t row, float *output);

// Columns [first, first + count) of an F32 matrix.
inline Tensor columnsOf(Tensor matrix, std::int64_t first, std::int64_t count)
{
    matrix.data += static_cast<std::size_t>(first) * sizeof(float);
    matrix.shape = {matrix.shape[0], count};
    return matrix;
}

} // namespace engine
