// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/request.h"
#include "engine/result.h"
#include "files/model_files.h"
#include "text/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
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

// What becomes a prompt. The vectors outlive the call.
struct ChatInput {
    std::span<const Turn> turns;
    std::span<const ToolDeclaration> tools = {};
    ThinkOptions think = {};
    std::size_t mostTokens = SIZE_MAX; // a longer prompt is refused with ContextFull, without encoding all of it
    bool opensAnswer = true; // false: nothing is written after the last turn (add_generation_prompt of templates)
};

// A family's native chat format, built in as code (architectures.md 5). Text from people is encoded with
// Tokenizer::encode, so special spellings in it stay text.
class ChatFormat {
public:
    virtual ~ChatFormat() = default;
    // "deepseek-llm", "deepseek-v2.5", "deepseek-v3", "deepseek-v3-0324", "deepseek-r1", "deepseek-r1-0528",
    // "deepseek-v3.1", "deepseek-v3.2-exp", "deepseek-v3.2", "deepseek-vl2", "chatml", "qwen2.5", "qwen3",
    // "llama3", "llama3.1", "plain"
    virtual std::string_view id() const = 0;
    virtual bool canThink() const = 0;
    virtual bool canLocate() const { return false; } // writes turns that ask where something is
    // `imageTokens(i)` is the token count of picture i, known from its size alone. The prompt ends where the answer begins.
    // Errors: Unsupported (tools in a format without them, pictures in a model without), BadRequest (JSON of tools),
    // ContextFull (longer than mostTokens).
    virtual Result<EncodedPrompt> encode(
        const ChatInput &input, const Tokenizer &tokenizer, const std::function<int(int)> &imageTokens) const = 0;
    // The same as one string with `<image>` for pictures, for the prompt inspector and tests.
    virtual Result<std::string> render(const ChatInput &input) const = 0;
    virtual std::string_view thinkOpen() const { return "<think>"; }
    virtual std::string_view thinkClose() const { return "</think>"; }
    // What ends an answer: an added token where the vocabulary has it by this spelling, text otherwise.
    virtual std::vector<std::string> stopTexts() const { return {}; }
};

struct ChosenChatFormat {
    std::unique_ptr<ChatFormat> format; // never null
    std::string warning;                // the files' own template is none that we know: what is used instead
};
// Chosen by the words of the files' template, else by model class and added tokens; "plain" when nothing fits.
ChosenChatFormat chooseChatFormat(const ModelFiles &files, const Tokenizer &tokenizer);

} // namespace engine
