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

inline constexpr std::uint64_t kMaxFileBytes = 20ULL * 1000 * 1000;
inline constexpr std::uint64_t kMaxPixels = 64ULL * 1000 * 1000;
inline constexpr int kMaxSide = 16384;
inline constexpr int kMaxAspect = 200;

// Decodes PNG, JPEG, BMP or WebP in the child program `diptych-decode`, which stands beside this executable
// (or in ../libexec/diptych). Alpha is composited on white, the picture is turned upright by its EXIF orientation.
// Waits for the child, at most 10 s: for worker threads and the command line. Any thread may call.
// Errors: BadImage with one sentence that says what is wrong with the picture; Internal when the program is missing.
engine::Result<std::shared_ptr<const engine::Image>> decodePicture(const std::filesystem::path &file);
engine::Result<std::shared_ptr<const engine::Image>> decodePicture(std::span<const std::uint8_t> bytes);

} // namespace decode
