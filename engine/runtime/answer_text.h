// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/events.h"
#include "text/chat_format.h"
#include "text/stop_matcher.h"
#include "text/thinking_splitter.h"
#include "text/tokenizer.h"
#include "text/utf8_stream.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace engine {

// Token ids of one answer -> the text people read: whole code points, thinking apart from the
// answer, ended by stop texts. Without a tokenizer there is no text and nothing ends it.
class AnswerText {
public:
    AnswerText(std::shared_ptr<const Tokenizer> tokenizer, const ChatFormat *format,
               const std::vector<std::string> &stops, bool startsThinking);

    struct Step {
        std::vector<TextAdded> pieces;
        bool stopped = false; // a stop text was met; nothing after it is shown
    };
    Step push(std::int32_t id);
    std::vector<TextAdded> finish(); // what was held back
    bool isThinking() const { return m_thinking.thinking(); }

private:
    void show(std::vector<ThinkingSplitter::Part> parts, std::vector<TextAdded> &pieces);

    std::shared_ptr<const Tokenizer> m_tokenizer;
    std::vector<std::string> m_markers; // of thinking, in case they are special tokens
    Utf8Stream m_utf8;
    ThinkingSplitter m_thinking;
    StopMatcher m_stops; // of the answer, not of the thinking
};

} // namespace engine
