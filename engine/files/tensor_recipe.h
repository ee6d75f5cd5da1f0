// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "kernels/dtype.h"
#include "kernels/thread_pool.h"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace engine {

// The bytes of a tensor that had to be made, row after row.
struct MadeBytes {
    kernels::DType dtype = kernels::DType::F32;
    std::vector<std::byte> bytes;
};

// How a tensor is made that does not lie in its file as weights are read: GPTQ and AWQ matrices, numbers in
// formats that nothing computes with, weights with an adapter's share. Made at load, one after the other, so that the whole model never stands in memory twice.
// Immutable; any thread may make.
class TensorRecipe {
public:
    virtual ~TensorRecipe() = default;
    // `exact`: no rounding beyond float32. Otherwise the type is that of the FileTensor. The threads of `pool` share the
    // work; the bytes are the same for any number of them.
    virtual Result<MadeBytes> makeOn(kernels::ThreadPool &pool, bool exact) const = 0;
    Result<MadeBytes> make(bool exact) const // on this thread alone
    {
        kernels::ThreadPool alone(1);
        return makeOn(alone, exact);
    }
    // The file bytes it reads; they may be given back after make().
    virtual std::vector<std::span<const std::byte>> sources() const = 0;
    // How the file spells the type of its numbers where weights have no such type ("F6_E2M3"); empty otherwise.
    virtual std::string_view storedType() const { return {}; }
};

} // namespace engine
