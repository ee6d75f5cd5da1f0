// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/deepseek_formats.h"

#include "text/prompt_pieces.h"

#include <utility>

namespace engine {
namespace {

constexpr std::string_view kUser = "<｜User｜>";
constexpr std::string_view kAssistant = "<｜Assistant｜>";
constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";

// BOS, [system, blank line], then `User: ...` and `Assistant: ...` with words for roles.
class LlmFormat final : public PiecewiseFormat {
public:
    using PiecewiseFormat::PiecewiseFormat;
    std::string_view id() const override { return "deepseek-llm"; }
    bool canThink() const override { return false; }
    std::vector<std::string> stopTexts() const override { return {std::string(kDeepSeekEos)}; }

private:
    bool write(const std::vector<Turn> &turns, const ThinkOptions &, PromptPieces &pieces) const override
    {
        pieces.bos(kDeepSeekBos);
        for (const Turn &turn : turns) {
            switch (turn.role) {
            case Role::System:
                pieces.text(turn.text);
                pieces.text("\n\n");
                break;
            case Role::User:
                pieces.text("User: ");
                writeImages(turn, pieces);
                pieces.text(turn.text);
                pieces.text("\n\n");
                break;
            case Role::Assistant:
                pieces.text("Assistant: ");
                pieces.text(turn.text);
                pieces.token(kDeepSeekEos);
                break;
            }
        }
        pieces.text("Assistant:");
        return false;
    }
};

// V3's roles, which R1 and V3.1 share; they differ in how thinking is opened and left out of the history.
class V3Format : public PiecewiseFormat {
public:
    V3Format(std::string_view id, std::string imageToken) : PiecewiseFormat(std::move(imageToken)), m_id(id) {}
    std::string_view id() const final { return m_id; }
    bool canThink() const override { return false; }
    std::vector<std::string> stopTexts() const override { return {std::string(kDeepSeekEos)}; }

protected:
    virtual void writeAnswer(const Turn &turn, PromptPieces &pieces) const { pieces.text(turn.text); }
    virtual bool writeOpening(const ThinkOptions &, PromptPieces &) const { return false; }

private:
    bool write(const std::vector<Turn> &turns, const ThinkOptions &think, PromptPieces &pieces) const final
    {
        pieces.bos(kDeepSeekBos);
        pieces.text(joinedSystems(turns, "\n\n")); // no line end after it
        for (const Turn &turn : turns) {
            if (turn.role == Role::User) {
                pieces.token(kUser);
                writeImages(turn, pieces);
                pieces.text(turn.text);
            } else if (turn.role == Role::Assistant) {
                pieces.token(kAssistant);
                writeAnswer(turn, pieces);
                pieces.token(kDeepSeekEos);
            }
        }
        pieces.token(kAssistant);
        return writeOpening(think, pieces);
    }

    std::string_view m_id;
};

class R1Format final : public V3Format {
public:
    explicit R1Format(std::string imageToken) : V3Format("deepseek-r1", std::move(imageToken)) {}
    bool canThink() const override { return true; }

private:
    // What was thought is left out of the history: all up to the last closing marker.
    void writeAnswer(const Turn &turn, PromptPieces &pieces) const override
    {
        const std::size_t close = turn.text.rfind(kClose);
        pieces.text(close == std::string::npos ? std::string_view(turn.text)
                                               : std::string_view(turn.text).substr(close + kClose.size()));
    }
    // The model was trained to think first; `off` hands it an empty thought.
    bool writeOpening(const ThinkOptions &think, PromptPieces &pieces) const override
    {
        const bool thinks = wantsThinking(think, true);
        pieces.token(kOpen);
        pieces.text("\n");
        if (!thinks) {
            pieces.text("\n");
            pieces.token(kClose);
            pieces.text("\n\n");
        }
        return thinks;
    }
};

class V31Format final : public V3Format {
public:
    explicit V31Format(std::string imageToken) : V3Format("deepseek-v3.1", std::move(imageToken)) {}
    bool canThink() const override { return true; }

private:
    void writeAnswer(const Turn &turn, PromptPieces &pieces) const override
    {
        pieces.token(kClose);
        const std::size_t close = turn.text.find(kClose);
        pieces.text(close == std::string::npos ? std::string_view(turn.text)
                                               : std::string_view(turn.text).substr(close + kClose.size()));
    }
    bool writeOpening(const ThinkOptions &think, PromptPieces &pieces) const override
    {
        const bool thinks = wantsThinking(think, false);
        pieces.token(thinks ? kOpen : kClose);
        return thinks;
    }
};

// Each message is encoded by itself, pictures cut it further; the assistant's role is written with the user's turn.
class Vl2Format final : public PiecewiseFormat {
public:
    using PiecewiseFormat::PiecewiseFormat;
    std::string_view id() const override { return "deepseek-vl2"; }
    bool canThink() const override { return false; }
    std::vector<std::string> stopTexts() const override { return {std::string(kDeepSeekEos), "<|User|>"}; }

private:
    bool write(const std::vector<Turn> &turns, const ThinkOptions &, PromptPieces &pieces) const override
    {
        pieces.bos(kDeepSeekBos);
        pieces.text(joinedSystems(turns, "\n\n"));
        for (const Turn &turn : turns) {
            pieces.boundary();
            if (turn.role == Role::User) {
                pieces.token("<|User|>");
                pieces.text(": ");
                writeImages(turn, pieces);
                pieces.text(trimmed(turn.text));
                pieces.text("\n\n");
                pieces.token("<|Assistant|>");
                pieces.text(":");
            } else if (turn.role == Role::Assistant) {
                pieces.text(trimmed(turn.text));
                pieces.token(kDeepSeekEos);
            }
        }
        return false;
    }
};

} // namespace

std::unique_ptr<ChatFormat> makeDeepSeekLlm(std::string imageToken)
{
    return std::make_unique<LlmFormat>(std::move(imageToken));
}
std::unique_ptr<ChatFormat> makeDeepSeekV25(std::string imageToken)
{
    return std::make_unique<V3Format>("deepseek-v2.5", std::move(imageToken));
}
std::unique_ptr<ChatFormat> makeDeepSeekV3(std::string imageToken)
{
    return std::make_unique<V3Format>("deepseek-v3", std::move(imageToken));
}
std::unique_ptr<ChatFormat> makeDeepSeekR1(std::string imageToken)
{
    return std::make_unique<R1Format>(std::move(imageToken));
}
std::unique_ptr<ChatFormat> makeDeepSeekV31(std::string imageToken)
{
    return std::make_unique<V31Format>(std::move(imageToken));
}
std::unique_ptr<ChatFormat> makeDeepSeekVl2(std::string imageToken)
{
    return std::make_unique<Vl2Format>(std::move(imageToken));
}

} // namespace engine
