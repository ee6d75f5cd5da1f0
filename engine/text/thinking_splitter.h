// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace engine {

// Parts the decoded text of an answer into what was thought and what is said. An opening marker counts only as
// the first thing of the answer (an answer may speak about the marker), a closing one only while thinking. Line
// ends beside the markers belong to neither. Markers may come in pieces; what could begin one is held back.
class ThinkingSplitter {
public:
    struct Part {
        std::string text; // never empty
        bool thinking = false;
    };
    // No markers (empty): everything is answer. `startsThinking`: the prompt has opened the thinking part already.
    ThinkingSplitter(std::string_view open, std::string_view close, bool startsThinking);

    [[nodiscard]] std::vector<Part> push(std::string_view text);
    [[nodiscard]] std::vector<Part> finish(); // what was held back, when the stream ends
    [[nodiscard]] bool thinking() const { return m_state == State::Thinking; }

private:
    enum class State { Start = 1, Thinking, Answer };
    void step(std::vector<Part> &parts, bool ended);
    void emit(std::vector<Part> &parts, std::string_view text);

    std::string m_open, m_close;
    State m_state = State::Answer;
    bool m_skipLineEnds = false;
    std::string m_held;
};

} // namespace engine
