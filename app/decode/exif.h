// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "byte_reader.h"

namespace decode {

// The orientation tag (0x0112) of IFD0 in a TIFF-structured EXIF block: 1 to 8, and 1 for anything absent, broken
// or out of range. Reads one directory, follows no further offset, never fails. (EXIF 2.32, 4.6.4; TIFF 6.0, 2)
[[nodiscard]] int exifOrientation(Bytes tiff);

} // namespace decode
