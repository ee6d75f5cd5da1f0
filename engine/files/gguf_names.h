// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace engine {

// The Hugging Face name of a GGUF tensor (architectures.md 6.2, 10.2); nothing for names we do not know.
std::optional<std::string> huggingFaceName(std::string_view ggufName);

} // namespace engine
