// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/prompt_pieces.h"

#include "text/utf8.h"

#include <algorithm>
#include <utility>

namespace engine {
namespace {

// Bytes of the white space at the front of `text`, of what Python's str.strip takes away; 0: there is none.
std::size_t spaceAtFront(std::string_view text)
{
    if (text.empty())
        return 0;
    const Utf8Step step = utf8Step(text);
    if (step.kind != Utf8Step::Kind::CodePoint)
        return 0;
    const char32_t c = step.codePoint;
    const bool isSpace = (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680
        || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
    return isSpace ? step.length : 0;
}

} // namespace


void PromptPieces::token(std::string_view spelling)
{
    m_pieces.push_back({Kind::Token, std::string(spelling)});
}

void PromptPieces::bos(std::string_view spelling)
{
    m_pieces.push_back({Kind::Bos, std::string(spelling)});
}

void PromptPieces::text(std::string_view text)
{
    m_pieces.push_back({Kind::Text, std::string(text)});
}

void PromptPieces::words(std::string_view words, std::initializer_list<std::string_view> tokens)
{
    std::size_t plain = 0; // before here all is written
    for (std::size_t at = 0; at < words.size();) {
        const auto found = std::find_if(
            tokens.begin(), tokens.end(), [&](std::string_view token) { return words.substr(at).starts_with(token); });
        if (found == tokens.end()) {
            ++at;
            continue;
        }
        text(words.substr(plain, at - plain));
        token(*found);
        at += found->size();
        plain = at;
    }
    text(words.substr(plain));
}

void PromptPieces::boundary()
{
    m_pieces.push_back({Kind::Boundary, {}});
}

void PromptPieces::image()
{
    m_pieces.push_back({Kind::Image, "<image>"});
}

std::string PromptPieces::rendered() const
{
    std::string text;
    for (const Piece &piece : m_pieces)
        text += piece.text;
    return text;
}

Result<EncodedPrompt> PromptPieces::encoded(const Tokenizer &tokenizer, std::string_view imageToken,
    const std::function<int(int)> &imageTokens, std::size_t mostTokens) const
{
    EncodedPrompt prompt;
    std::string run;
    const auto flush = [&]() -> Status {
        const auto ids = tokenizer.encodeAtMost(run, mostTokens - std::min(mostTokens, prompt.ids.size()));
        if (!ids)
            return Error{ErrorCode::ContextFull, "the conversation takes more than the " + std::to_string(mostTokens)
                    + " tokens that the context holds; start a new conversation, shorten the question or load the "
                      "model with a longer context"};
        prompt.ids.insert(prompt.ids.end(), ids->begin(), ids->end());
        run.clear();
        return Done{};
    };
    for (const Piece &piece : m_pieces) {
        if (piece.kind == Kind::Text) {
            run += piece.text;
            continue;
        }
        if (piece.kind == Kind::Token || piece.kind == Kind::Bos) {
            auto id = tokenizer.id(piece.text);
            if (id && !tokenizer.isAdded(*id))
                id.reset();
            if (!id && piece.kind == Kind::Bos && tokenizer.bosId() >= 0)
                id = tokenizer.bosId();
            if (id) {
                ENGINE_CHECK(flush());
                prompt.ids.push_back(*id);
            } else if (piece.kind == Kind::Token) {
                run += piece.text;
            }
            continue;
        }
        ENGINE_CHECK(flush());
        if (piece.kind != Kind::Image)
            continue;
        const auto id = imageToken.empty() ? std::nullopt : tokenizer.id(imageToken);
        if (!id)
            return Error{ErrorCode::Unsupported, "this model reads no pictures; its tokenizer has no picture token"};
        const int index = static_cast<int>(prompt.images.size());
        const int count = imageTokens ? imageTokens(index) : 0;
        if (count <= 0)
            return Error{ErrorCode::Internal, "picture " + std::to_string(index + 1) + " has no token count"};
        prompt.images.push_back({index, static_cast<int>(prompt.ids.size()), count});
        prompt.ids.insert(prompt.ids.end(), static_cast<std::size_t>(count), *id);
    }
    ENGINE_CHECK(flush());
    return prompt;
}

Result<EncodedPrompt> PiecewiseFormat::encode(
    const ChatInput &input, const Tokenizer &tokenizer, const std::function<int(int)> &imageTokens) const
{
    PromptPieces pieces;
    ENGINE_TRY(const bool isOpen, write(input, pieces));
    ENGINE_TRY(EncodedPrompt prompt, pieces.encoded(tokenizer, m_imageToken, imageTokens, input.mostTokens));
    prompt.startsThinking = isOpen;
    return prompt;
}

Result<std::string> PiecewiseFormat::render(const ChatInput &input) const
{
    PromptPieces pieces;
    ENGINE_CHECK(write(input, pieces));
    return pieces.rendered();
}

Status PiecewiseFormat::refuseTools(const ChatInput &input) const
{
    const bool asks = std::any_of(input.turns.begin(), input.turns.end(),
        [](const Turn &turn) { return turn.role == Role::Tool || !turn.toolCalls.empty(); });
    if (asks || !input.tools.empty())
        return Error{ErrorCode::Unsupported,
            "this model's chat format (" + std::string(id()) + ") knows no tools; leave the tools out"};
    return Done{};
}

void PiecewiseFormat::writeImages(const Turn &turn, PromptPieces &pieces)
{
    for (std::size_t i = 0; i < turn.images.size(); ++i) {
        pieces.image();
        pieces.text("\n");
    }
}

std::string_view trimmed(std::string_view text)
{
    while (const std::size_t length = spaceAtFront(text))
        text.remove_prefix(length);
    // Backwards: a space is one to three bytes long.
    for (std::size_t length = 1; length <= std::min<std::size_t>(3, text.size());) {
        if (spaceAtFront(text.substr(text.size() - length)) == length) {
            text.remove_suffix(length);
            length = 1;
        } else {
            ++length;
        }
    }
    return text;
}

bool wantsThinking(const ThinkOptions &think, bool byDefault)
{
    return think.mode == ThinkMode::ModelDefault ? byDefault : think.mode != ThinkMode::Off;
}

std::string joinedSystems(std::span<const Turn> turns, std::string_view separator)
{
    std::string joined;
    bool first = true;
    for (const Turn &turn : turns) {
        if (turn.role != Role::System)
            continue;
        if (!first)
            joined += separator;
        joined += turn.text;
        first = false;
    }
    return joined;
}

} // namespace engine
