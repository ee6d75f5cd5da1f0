// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "byte_reader.h"

#include <cstdint>
#include <string>
#include <vector>

namespace decode {

struct Decoded {
    std::string problem;           // one sentence; the rest is empty then
    int width = 0, height = 0;     // as stored, before the orientation is applied
    int orientation = 1;           // EXIF, 1 to 8
    std::vector<std::uint8_t> rgb; // [height, width, 3]; alpha composited on white
};

// Decodes untrusted bytes in this process: only for the sandboxed child and for tests of the decoder itself.
[[nodiscard]] Decoded decodeBytes(Bytes bytes);

} // namespace decode
