// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0

// A tokenizer.json, a zero byte, and text to encode with it. Whatever loads must encode without leaving the
// vocabulary, in any cut decode to valid UTF-8, and stay near linear.

#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/utf8_stream.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size > 1 << 17)
        return 0;
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    const std::size_t zero = std::min(input.find('\0'), input.size());
    const std::string_view text = zero < input.size() ? input.substr(zero + 1) : "aab <s> 12\xE4\xBD";
    const auto tokenizer = engine::Tokenizer::fromJson(input.substr(0, zero), "");
    if (!tokenizer.ok()) {
        if (tokenizer.error().message.empty() || !engine::isValidUtf8(tokenizer.error().message))
            std::abort();
        return 0;
    }
    for (const bool specials : {false, true}) {
        const auto ids = specials ? (*tokenizer)->encodeWithSpecials(text) : (*tokenizer)->encode(text);
        engine::Utf8Stream stream;
        std::string streamed;
        for (const std::int32_t id : ids) {
            if (id < 0 || id >= (*tokenizer)->size())
                std::abort();
            streamed += stream.push((*tokenizer)->bytes(id));
        }
        streamed += stream.finish();
        if (!engine::isValidUtf8(streamed) || !engine::isValidUtf8((*tokenizer)->decode(ids, specials)))
            std::abort();
    }
    return 0;
}
