// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace engine {

// Joins token bytes into text. A token may end inside a code point; those bytes wait for the next.
class Utf8Stream {
public:
    // Returns the part that is complete now; the view is valid until the next call. Bytes that can no longer
    // become a code point are replaced by U+FFFD at once (maximal-subpart rule).
    [[nodiscard]] std::string_view push(std::string_view bytes);
    [[nodiscard]] std::string_view finish(); // replaces a broken end by U+FFFD

private:
    std::string m_pending; // at most 3 bytes, the front of a code point
    std::string m_complete;
};

} // namespace engine
