// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/request.h"
#include "engine/result.h"
#include "files/model_files.h"
#include "text/tokenizer.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace engine {

struct ImageSpan {
    int image = 0;      // index among all pictures of the request, in order
    int firstToken = 0; // in EncodedPrompt::ids
    int tokenCount = 0;
};
struct EncodedPrompt {
    std::vector<std::int32_t> ids;
    std::vector<ImageSpan> images;
    bool startsThinking = false; // the prompt ends inside an open thinking part
};

// A family's native chat format, built in as code (architectures.md 5). Text from people is encoded with
// Tokenizer::encode, so special spellings in it stay text.
class ChatFormat {
public:
    virtual ~ChatFormat() = default;
    virtual std::string_view id() const = 0; // "deepseek-v3", "deepseek-r1", "deepseek-v3.1", "deepseek-vl2", "deepseek-llm", "chatml", "qwen3", "llama3", "plain"
    virtual bool canThink() const = 0;
    // `imageTokens(i)` is the token count of picture i, known from its size alone. The prompt ends where the answer begins.
    virtual Result<EncodedPrompt> encode(const std::vector<Turn> &turns, const ThinkOptions &think,
        const Tokenizer &tokenizer, const std::function<int(int)> &imageTokens) const = 0;
    // The same as one string with `<image>` for pictures, for the prompt inspector and tests.
    virtual std::string render(const std::vector<Turn> &turns, const ThinkOptions &think) const = 0;
    virtual std::string_view thinkOpen() const { return "<think>"; }
    virtual std::string_view thinkClose() const { return "</think>"; }
    // What ends an answer: an added token where the vocabulary has it by this spelling, text otherwise.
    virtual std::vector<std::string> stopTexts() const { return {}; }
};

// Chosen by model class, added tokens and the template's own words; "plain" when nothing fits.
std::unique_ptr<ChatFormat> chooseChatFormat(const ModelFiles &files, const Tokenizer &tokenizer);

} // namespace engine
