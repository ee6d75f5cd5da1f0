// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text/chat_format.h"
#include "text/tokenizer.h"

#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// A prompt as a chat format writes it, before it becomes ids. What the format writes as a token is that token; all
// other text, the format's own words and what people typed, runs together and is encoded as plain text, so that a
// spelling of a special token in it stays text and BPE sees what it saw in training.
class PromptPieces {
public:
    void token(std::string_view spelling); // becomes text when the vocabulary has no such added token
    void bos(std::string_view spelling);   // as token; else the tokenizer's own first token, else nothing
    void text(std::string_view text);
    // The format's own words with some of its tokens in between, each spelled out in `tokens`.
    void words(std::string_view words, std::initializer_list<std::string_view> tokens);
    void boundary(); // the text before and after is encoded apart
    void image();    // the next picture

    [[nodiscard]] std::string rendered() const; // pictures as `<image>`
    Result<EncodedPrompt> encoded(const Tokenizer &tokenizer, std::string_view imageToken,
        const std::function<int(int)> &imageTokens, std::size_t mostTokens) const;

private:
    enum class Kind { Token = 1, Bos, Text, Boundary, Image };
    struct Piece {
        Kind kind = Kind::Text;
        std::string text;
    };
    std::vector<Piece> m_pieces;
};

// What every built-in format shares: a subclass writes pieces.
class PiecewiseFormat : public ChatFormat {
public:
    explicit PiecewiseFormat(std::string imageToken) : m_imageToken(std::move(imageToken)) {}
    Result<EncodedPrompt> encode(
        const ChatInput &input, const Tokenizer &tokenizer, const std::function<int(int)> &imageTokens) const final;
    Result<std::string> render(const ChatInput &input) const final;

protected:
    // Writes the prompt up to where the answer begins; true: it ends inside an open thinking part.
    virtual Result<bool> write(const ChatInput &input, PromptPieces &pieces) const = 0;
    // An error for input with tools or their calls, for formats without any.
    [[nodiscard]] Status refuseTools(const ChatInput &input) const;
    // A user turn's pictures, each followed by a line end, as the picture models were trained.
    static void writeImages(const Turn &turn, PromptPieces &pieces);

private:
    std::string m_imageToken;
};

inline constexpr std::string_view kDeepSeekBos = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kDeepSeekEos = "<｜end▁of▁sentence｜>";

[[nodiscard]] std::string_view trimmed(std::string_view text); // of white space, as Python's str.strip
[[nodiscard]] bool wantsThinking(const ThinkOptions &think, bool byDefault);
[[nodiscard]] std::string joinedSystems(std::span<const Turn> turns, std::string_view separator);

} // namespace engine
