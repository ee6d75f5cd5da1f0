// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace engine {

// Finds stop texts in a stream of decoded text. Text that could be the beginning of a stop text is held back
// until it is known not to be; a stop text itself is never shown.
class StopMatcher {
public:
    explicit StopMatcher(std::vector<std::string> stops); // empty ones are ignored

    // Returns what may be shown now; the view is valid until the next call. After a stop: empty.
    [[nodiscard]] std::string_view push(std::string_view text);
    [[nodiscard]] std::string_view finish(); // what was held back, when the stream ends without a stop
    [[nodiscard]] bool stopped() const { return m_stopped; }

private:
    std::vector<std::string> m_stops;
    std::string m_held;
    std::string m_shown;
    bool m_stopped = false;
};

} // namespace engine
