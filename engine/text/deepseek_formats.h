// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text/chat_format.h"

#include <memory>
#include <string>

namespace engine {

// DeepSeek's own formats (architectures.md 5). `imageToken` is empty for models that read text only.
std::unique_ptr<ChatFormat> makeDeepSeekLlm(std::string imageToken);  // LLM, MoE, V2 and Coder-V2 chat: words for roles
std::unique_ptr<ChatFormat> makeDeepSeekV25(std::string imageToken);  // V2.5: V3's roles in V2's vocabulary
std::unique_ptr<ChatFormat> makeDeepSeekV3(std::string imageToken);   // V3, V3-0324
std::unique_ptr<ChatFormat> makeDeepSeekR1(std::string imageToken);   // R1, R1-0528, R1-Zero and the distills
std::unique_ptr<ChatFormat> makeDeepSeekV31(std::string imageToken);  // V3.1, Terminus, V3.2-Exp: thinks when asked
std::unique_ptr<ChatFormat> makeDeepSeekVl2(std::string imageToken);

} // namespace engine
