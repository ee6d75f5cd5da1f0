// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tensor/tensor.h"

#include <memory>
#include <span>
#include <string>

namespace engine {

class TensorRecipe; // files/tensor_recipe.h

// One tensor as it lies in a memory-mapped file. The bytes live as long as the ModelFiles they came from and
// may be unaligned. Shapes are [out, in] as in Hugging Face files, whatever the file format.
struct FileTensor {
    std::string name; // canonical Hugging Face name, also for GGUF
    DType dtype = DType::F32;
    Shape shape;
    std::span<const std::byte> bytes;

    // FP8 block scales (architectures.md 2.8): value = fp8 * scale[row / scaleBlockRows, column / scaleBlockColumns].
    // NVFP4 may have them too, F32 and as large as a whole matrix, on top of those in its blocks. No other type has.
    std::span<const std::byte> scales = {}; // F32 or F8E8M0, [ceil(rows/blockRows), ceil(columns/blockColumns)]; empty: none
    DType scaleType = DType::F32;
    int scaleBlockRows = 128;
    int scaleBlockColumns = 128;

    // Set: the bytes are none of a file's but made at load (WeightLoader does), and `bytes` is empty.
    std::shared_ptr<const TensorRecipe> recipe = nullptr;
};

} // namespace engine
