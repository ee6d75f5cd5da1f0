// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/answer_text.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace engine {

namespace {

// Special tokens that are part of what a picture model says (architectures.md 3.5).
constexpr std::array<std::string_view, 5> kGrounding{"<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>",
                                                     "<|grounding|>"};

ThinkingSplitter makeSplitter(const ChatFormat *format, bool startsThinking)
{
    if (!format || !format->canThink())
        return {"", "", false};
    return {format->thinkOpen(), format->thinkClose(), startsThinking};
}

} // namespace

AnswerText::AnswerText(std::shared_ptr<const Tokenizer> tokenizer, const ChatFormat *format,
                       const std::vector<std::string> &stops, bool startsThinking)
    : m_tokenizer(std::move(tokenizer))
    , m_thinking(makeSplitter(format, startsThinking))
    , m_stops(stops)
{
    if (m_tokenizer && format && format->canThink())
        m_markers = {std::string(format->thinkOpen()), std::string(format->thinkClose())};
}

void AnswerText::show(std::vector<ThinkingSplitter::Part> parts, std::vector<TextAdded> &pieces)
{
    for (ThinkingSplitter::Part &part : parts) {
        if (part.thinking) {
            pieces.push_back({std::move(part.text), true});
            continue;
        }
        if (const std::string_view text = m_stops.push(part.text); !text.empty())
            pieces.push_back({std::string(text), false});
        if (m_stops.stopped())
            return;
    }
}

AnswerText::Step AnswerText::push(std::int32_t id)
{
    Step step;
    if (!m_tokenizer)
        return step;
    const std::string_view bytes = m_tokenizer->bytes(id);
    const bool isSilent = m_tokenizer->isSpecial(id) &&
                          std::ranges::find(kGrounding, bytes) == kGrounding.end() &&
                          std::ranges::find(m_markers, bytes) == m_markers.end();
    if (isSilent)
        return step;
    show(m_thinking.push(m_utf8.push(bytes)), step.pieces);
    step.stopped = m_stops.stopped();
    return step;
}

std::vector<TextAdded> AnswerText::finish()
{
    std::vector<TextAdded> pieces;
    if (!m_tokenizer || m_stops.stopped())
        return pieces;
    show(m_thinking.push(m_utf8.finish()), pieces);
    show(m_thinking.finish(), pieces);
    if (const std::string_view text = m_stops.finish(); !text.empty())
        pieces.push_back({std::string(text), false});
    return pieces;
}

} // namespace engine
