// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/other_formats.h"

#include "text/prompt_pieces.h"

#include <algorithm>
#include <utility>

namespace engine {
namespace {

std::string_view roleName(Role role)
{
    return role == Role::System ? "system" : role == Role::User ? "user" : "assistant";
}

class ChatMlFormat : public PiecewiseFormat {
public:
    ChatMlFormat(std::string imageToken, std::string defaultSystem)
        : PiecewiseFormat(std::move(imageToken))
        , m_defaultSystem(std::move(defaultSystem))
    {
    }
    std::string_view id() const override { return "chatml"; }
    bool canThink() const override { return false; }
    std::vector<std::string> stopTexts() const override { return {"<|im_end|>", "<|endoftext|>"}; }

protected:
    virtual std::string_view answerOf(const Turn &turn) const { return turn.text; }
    virtual bool writeOpening(const ThinkOptions &, PromptPieces &) const { return false; }

private:
    static void writeHead(std::string_view role, PromptPieces &pieces)
    {
        pieces.token("<|im_start|>");
        pieces.text(role);
        pieces.text("\n");
    }
    static void writeTail(PromptPieces &pieces)
    {
        pieces.token("<|im_end|>");
        pieces.text("\n");
    }
    bool write(const std::vector<Turn> &turns, const ThinkOptions &think, PromptPieces &pieces) const final
    {
        if (!m_defaultSystem.empty() && (turns.empty() || turns.front().role != Role::System)) {
            writeHead("system", pieces);
            pieces.text(m_defaultSystem);
            writeTail(pieces);
        }
        for (const Turn &turn : turns) {
            writeHead(roleName(turn.role), pieces);
            writeImages(turn, pieces);
            pieces.text(turn.role == Role::Assistant ? answerOf(turn) : std::string_view(turn.text));
            writeTail(pieces);
        }
        writeHead("assistant", pieces);
        return writeOpening(think, pieces);
    }

    std::string m_defaultSystem;
};

// The model opens its thinking itself; `off` hands it an empty thought.
class Qwen3Format final : public ChatMlFormat {
public:
    explicit Qwen3Format(std::string imageToken) : ChatMlFormat(std::move(imageToken), {}) {}
    std::string_view id() const override { return "qwen3"; }
    bool canThink() const override { return true; }

private:
    std::string_view answerOf(const Turn &turn) const override
    {
        std::string_view text = turn.text;
        const std::size_t close = text.rfind("</think>");
        if (close == std::string_view::npos)
            return text;
        text.remove_prefix(close + 8);
        text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
        return text;
    }
    bool writeOpening(const ThinkOptions &think, PromptPieces &pieces) const override
    {
        if (!wantsThinking(think, true)) {
            pieces.token("<think>");
            pieces.text("\n\n");
            pieces.token("</think>");
            pieces.text("\n\n");
        }
        return false;
    }
};

class Llama3Format final : public PiecewiseFormat {
public:
    using PiecewiseFormat::PiecewiseFormat;
    std::string_view id() const override { return "llama3"; }
    bool canThink() const override { return false; }
    std::vector<std::string> stopTexts() const override { return {"<|eot_id|>"}; }

private:
    static void writeHead(std::string_view role, PromptPieces &pieces)
    {
        pieces.token("<|start_header_id|>");
        pieces.text(role);
        pieces.token("<|end_header_id|>");
        pieces.text("\n\n");
    }
    bool write(const std::vector<Turn> &turns, const ThinkOptions &, PromptPieces &pieces) const override
    {
        pieces.bos("<|begin_of_text|>");
        for (const Turn &turn : turns) {
            writeHead(roleName(turn.role), pieces);
            writeImages(turn, pieces);
            pieces.text(trimmed(turn.text));
            pieces.token("<|eot_id|>");
        }
        writeHead("assistant", pieces);
        return false;
    }
};

class PlainFormat final : public PiecewiseFormat {
public:
    PlainFormat(std::string imageToken, bool withBos) : PiecewiseFormat(std::move(imageToken)), m_withBos(withBos) {}
    std::string_view id() const override { return "plain"; }
    bool canThink() const override { return false; }

private:
    bool write(const std::vector<Turn> &turns, const ThinkOptions &, PromptPieces &pieces) const override
    {
        if (m_withBos)
            pieces.bos(kDeepSeekBos);
        bool first = true;
        for (const Turn &turn : turns) {
            if (!first)
                pieces.text("\n\n");
            writeImages(turn, pieces);
            pieces.text(turn.text);
            first = false;
        }
        return false;
    }

    bool m_withBos;
};

} // namespace

std::unique_ptr<ChatFormat> makeChatMl(std::string imageToken, std::string defaultSystem)
{
    return std::make_unique<ChatMlFormat>(std::move(imageToken), std::move(defaultSystem));
}
std::unique_ptr<ChatFormat> makeQwen3(std::string imageToken)
{
    return std::make_unique<Qwen3Format>(std::move(imageToken));
}
std::unique_ptr<ChatFormat> makeLlama3(std::string imageToken)
{
    return std::make_unique<Llama3Format>(std::move(imageToken));
}
std::unique_ptr<ChatFormat> makePlain(std::string imageToken, bool withBos)
{
    return std::make_unique<PlainFormat>(std::move(imageToken), withBos);
}

} // namespace engine
