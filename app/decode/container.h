// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "byte_reader.h"

#include <cstdint>
#include <string>

namespace decode {

enum class Format { Unknown = 1, Png, Jpeg, Bmp, WebP };

// By the first bytes alone; a file's name says nothing.
[[nodiscard]] Format formatOf(Bytes bytes);

// One sentence about bytes of no known format: "This is a GIF picture; ..." where it can be named.
[[nodiscard]] std::string describeUnknown(Bytes bytes);

struct Container {
    std::string problem; // one sentence when the file is broken or cut off; empty when it is whole
    int orientation = 1; // EXIF, 1 to 8
    std::uint64_t width = 0, height = 0; // as the header says; 0 for WebP, whose own library says it
};

// Walks the container without decoding: every chunk or segment lies inside the file, PNG checksums hold, the end is
// there. The decoders themselves would fill a cut-off picture with grey and say nothing.
[[nodiscard]] Container inspectContainer(Format format, Bytes bytes);

} // namespace decode
