// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"

#include <vector>

namespace engine {

// Keys and values of picture tokens for the cross-modal attention blocks of a model: computed once for a picture and
// kept beside its embeddings. Empty for models without such blocks.
struct PictureMemory {
    std::vector<Buffer> blocks; // one a block, with its layer: [keys, values][tokens, heads * headDim] F32
    int tokens = 0; // in prompt order, newline and separator tokens among them

    std::size_t bytes() const
    {
        std::size_t sum = 0;
        for (const Buffer &block : blocks)
            sum += block.bytes();
        return sum;
    }
};

} // namespace engine
