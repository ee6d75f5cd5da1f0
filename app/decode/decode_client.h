// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/image.h"
#include "engine/result.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace decode {

// Decodes PNG, JPEG, BMP or WebP in the child program `diptych-decode`, which stands beside this executable
// (or in ../libexec/diptych). Alpha is composited on white, the picture is turned upright by its EXIF orientation.
// Waits for the child, at most 10 s: for worker threads and the command line. Any thread may call.
// Limits (protocol.h): 20 MB, 64 million pixels, sides of 16384, 200:1.
// Errors: BadImage with one sentence that says what is wrong with the picture; Internal when the program is missing.
engine::Result<std::shared_ptr<const engine::Image>> decodePicture(const std::filesystem::path &file);
engine::Result<std::shared_ptr<const engine::Image>> decodePicture(std::span<const std::uint8_t> bytes);

} // namespace decode
