// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/deepseek_formats.h"

#include "text/deepseek_words.h"
#include "text/prompt_pieces.h"
#include "text/tool_json.h"

#include <utility>

namespace engine {
namespace {

using namespace deepseek;

// BOS, [system, blank line], then `User: ...` and `Assistant: ...` with words for roles.
class LlmFormat final : public PiecewiseFormat {
public:
    using PiecewiseFormat::PiecewiseFormat;
    std::string_view id() const override { return "deepseek-llm"; }
    bool canThink() const override { return false; }
    std::vector<std::string> stopTexts() const override { return {std::string(kDeepSeekEos)}; }

private:
    Result<bool> write(const ChatInput &input, PromptPieces &pieces) const override
    {
        ENGINE_CHECK(refuseTools(input));
        pieces.bos(kDeepSeekBos);
        for (const Turn &turn : input.turns) {
            if (turn.role == Role::System) {
                pieces.text(turn.text);
                pieces.text("\n\n");
            } else if (turn.role == Role::User) {
                pieces.text("User: ");
                writeImages(turn, pieces);
                pieces.text(turn.text);
                pieces.text("\n\n");
            } else {
                pieces.text("Assistant: ");
                pieces.text(turn.text);
                pieces.token(kDeepSeekEos);
            }
        }
        if (input.opensAnswer)
            pieces.text("Assistant:");
        return false;
    }
};

// The roles and tool markers of V2.5, V3 and R1.
class V3Format final : public PiecewiseFormat {
public:
    V3Format(std::string imageToken, const DeepSeekV3Rules &rules)
        : PiecewiseFormat(std::move(imageToken))
        , m_rules(rules)
    {
    }
    std::string_view id() const override { return m_rules.id; }
    bool canThink() const override { return m_rules.opening != ThinkOpening::Never; }
    std::vector<std::string> stopTexts() const override { return {std::string(kDeepSeekEos)}; }

private:
    // Where the published templates are after a turn. Their quirks are kept (a second round of calls stands without
    // a role, results stay open before a question): this is what models were asked with.
    struct State {
        bool hasCalled = false, hasResults = false; // in this round of tools
        bool afterResult = false, afterQuestion = false;
    };

    Result<bool> write(const ChatInput &input, PromptPieces &pieces) const override
    {
        pieces.bos(kDeepSeekBos);
        ENGINE_CHECK(writeSystem(input, pieces));
        State state;
        for (const Turn &turn : input.turns) {
            switch (turn.role) {
            case Role::System:
                break;
            case Role::User:
                state.afterResult = false;
                pieces.token(kUser);
                writeImages(turn, pieces);
                pieces.text(turn.text);
                if (m_rules.rolesWithQuestion) {
                    pieces.token(kAssistant);
                    state.hasCalled = false;
                    state.afterQuestion = true;
                }
                break;
            case Role::Assistant:
                if (turn.toolCalls.empty())
                    writeAnswer(turn, state, pieces);
                else
                    writeCalls(turn, state, pieces);
                state.afterQuestion = false;
                break;
            case Role::Tool:
                writeResult(turn, state, pieces);
                break;
            }
        }
        if (state.afterResult)
            pieces.token(kResultsEnd);
        if (!input.opensAnswer || state.afterResult)
            return false;
        if (!state.afterQuestion)
            pieces.token(kAssistant);
        return writeOpening(input.think, pieces);
    }

    Status writeSystem(const ChatInput &input, PromptPieces &pieces) const
    {
        std::string system;
        if (m_rules.lastSystemOnly) {
            for (const Turn &turn : input.turns)
                system = turn.role == Role::System ? turn.text : system;
        } else {
            system = joinedSystems(input.turns, "\n\n");
        }
        pieces.text(system); // no line end after it
        if (input.tools.empty())
            return Done{};
        ENGINE_TRY(const auto tools, parseTools(input.tools));
        pieces.text(system.empty() ? "" : "\n\n");
        pieces.text("## Tools\n\n### Function\n\nYou have the following functions available:\n\n");
        for (const Tool &tool : tools)
            pieces.text("- `" + tool.name + "`:\n```json\n" + pythonJson(tool.function, 4) + "\n```\n");
        return Done{};
    }

    std::string_view answerOf(const Turn &turn) const
    {
        const std::string_view text = turn.text;
        const std::size_t close = m_rules.forgetsThoughts ? text.rfind(kClose) : std::string_view::npos;
        return close == std::string_view::npos ? text : text.substr(close + kClose.size());
    }

    void writeAnswer(const Turn &turn, State &state, PromptPieces &pieces) const
    {
        if (state.afterResult) {
            pieces.token(kResultsEnd);
            pieces.text(m_rules.rolesWithQuestion ? answerOf(turn) : std::string_view(turn.text));
        } else {
            if (!m_rules.rolesWithQuestion)
                pieces.token(kAssistant);
            pieces.text(answerOf(turn));
        }
        pieces.token(kDeepSeekEos);
        state.afterResult = false;
    }

    void writeCalls(const Turn &turn, State &state, PromptPieces &pieces) const
    {
        if (m_rules.rolesWithQuestion) {
            if (state.afterResult)
                pieces.token(kResultsEnd);
            state.hasCalled = false;
            state.hasResults = false;
        }
        state.afterResult = false;
        for (const ToolCall &call : turn.toolCalls) {
            const bool first = !state.hasCalled;
            if (first) {
                if (!m_rules.rolesWithQuestion)
                    pieces.token(kAssistant);
                pieces.text(m_rules.rolesWithQuestion ? answerOf(turn) : std::string_view(turn.text));
                pieces.token(kCallsBegin);
                state.hasCalled = true;
            } else {
                pieces.text("\n");
            }
            pieces.token(kCallBegin);
            pieces.text("function");
            pieces.token(kCallSeparator);
            pieces.text(call.name + "\n```json\n" + call.arguments + "\n```");
            pieces.token(kCallEnd);
            if (!first && !m_rules.endsCalls)
                endCalls(pieces);
        }
        if (m_rules.endsCalls)
            endCalls(pieces);
    }

    static void endCalls(PromptPieces &pieces)
    {
        pieces.token(kCallsEnd);
        pieces.token(kDeepSeekEos);
    }

    void writeResult(const Turn &turn, State &state, PromptPieces &pieces) const
    {
        if (!state.hasResults)
            pieces.token(kResultsBegin);
        else if (m_rules.linesBetweenResults)
            pieces.text("\n");
        pieces.token(kResultBegin);
        pieces.text(turn.text);
        pieces.token(kResultEnd);
        state.hasResults = true;
        state.afterResult = true;
        state.afterQuestion = false;
    }

    // `off` hands the model an empty thought.
    bool writeOpening(const ThinkOptions &think, PromptPieces &pieces) const
    {
        if (!canThink() || (m_rules.opening == ThinkOpening::Model && think.mode == ThinkMode::ModelDefault))
            return false;
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

    DeepSeekV3Rules m_rules;
};

// Each message is encoded by itself, pictures cut it further; the assistant's role is written with the user's turn.
class Vl2Format final : public PiecewiseFormat {
public:
    using PiecewiseFormat::PiecewiseFormat;
    std::string_view id() const override { return "deepseek-vl2"; }
    bool canThink() const override { return false; }
    bool canLocate() const override { return true; }
    std::vector<std::string> stopTexts() const override { return {std::string(kDeepSeekEos), "<|User|>"}; }

private:
    Result<bool> write(const ChatInput &input, PromptPieces &pieces) const override
    {
        ENGINE_CHECK(refuseTools(input));
        pieces.bos(kDeepSeekBos);
        const std::string system = joinedSystems(input.turns, "\n\n");
        pieces.text(trimmed(system));
        for (const Turn &turn : input.turns) {
            pieces.boundary();
            if (turn.role == Role::User) {
                const std::string_view words = trimmed(turn.text);
                pieces.token("<|User|>");
                pieces.text(": ");
                for (std::size_t i = 0; i < turn.images.size(); ++i) {
                    pieces.image();
                    if (i + 1 < turn.images.size() || !words.empty())
                        pieces.text("\n"); // the processor strips it from a turn's end
                }
                if (turn.asksWhere) { // as the authors' examples ask (DeepSeek-VL2, README)
                    pieces.token("<|ref|>");
                    pieces.text(words);
                    pieces.token("<|/ref|>");
                    pieces.text(".");
                } else {
                    pieces.text(words);
                }
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
std::unique_ptr<ChatFormat> makeDeepSeekV3(std::string imageToken, const DeepSeekV3Rules &rules)
{
    return std::make_unique<V3Format>(std::move(imageToken), rules);
}
std::unique_ptr<ChatFormat> makeDeepSeekVl2(std::string imageToken)
{
    return std::make_unique<Vl2Format>(std::move(imageToken));
}

} // namespace engine
