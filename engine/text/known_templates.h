// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace engine {

// FNV-1a of published chat templates without their white space, written by tests/golden/chat/make_chat.py: for these
// the built-in formats give the same strings.
inline constexpr std::uint64_t kKnownTemplates[] = {
    0x0A0A038FDF87CF3FULL, // DeepSeek-R1
    0x9DF3ACFBBA0EBA80ULL, // DeepSeek-R1-0528
    0x7F6876080CA4C0EBULL, // DeepSeek-R1-Distill-Llama-8B
    0xF1AABCD030B3B2A4ULL, // DeepSeek-V2-Chat
    0x0C985C9EA707CC5AULL, // DeepSeek-V2.5
    0xF7DBFF683E84DF2AULL, // DeepSeek-V3
    0xC813285CD1684EE2ULL, // DeepSeek-V3-0324
    0x0A8CFC7B9E365768ULL, // DeepSeek-V3.1
    0x29F1215310699837ULL, // DeepSeek-V3.2-Exp
    0xAEBD5C0840840318ULL, // Llama-3.1-8B-Instruct
    0xAE8AC1F53B8942B4ULL, // Meta-Llama-3-8B-Instruct
    0xE95A0B7A38ABE23FULL, // Qwen2-7B-Instruct
    0x2B03C19453E471A7ULL, // Qwen2.5-7B-Instruct
    0x4629B26C31E7ABF0ULL, // Qwen3
    0x07193EF762F1C148ULL, // SmolLM2-135M-Instruct
    0x284C14765820FFBCULL, // mini-vl
};

} // namespace engine
