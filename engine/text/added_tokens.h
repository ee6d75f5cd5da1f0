// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace engine {

// A token that is found in the text before BPE sees it.
struct AddedToken {
    std::int32_t id = -1;
    std::string content;
    bool singleWord = false; // only where no word character touches it
    bool leftStrip = false;  // takes the white space before it along
    bool rightStrip = false; // and after it
    bool normalized = false; // looked for in normalised text
    bool special = false;
};

// Finds a set of added tokens in text: leftmost first, of several the longest. Immutable once filled.
class AddedTokenSet {
public:
    void add(const AddedToken &token); // content is not empty
    [[nodiscard]] bool empty() const { return m_tokens.empty(); }
    // Calls `onText` for each stretch without a token and `onToken` for each token, in order.
    void split(std::string_view text, const std::function<void(std::string_view)> &onText,
        const std::function<void(std::int32_t)> &onToken) const;

private:
    struct Node {
        std::vector<std::pair<unsigned char, std::int32_t>> next; // sorted by byte
        std::int32_t token = -1;                                  // index into m_tokens, where one ends
    };
    [[nodiscard]] std::int32_t child(const Node &node, unsigned char byte) const;
    // Index of the longest token that starts at `at`, -1: none.
    [[nodiscard]] std::int32_t longestAt(std::string_view text, std::size_t at) const;

    std::vector<AddedToken> m_tokens;
    std::vector<Node> m_nodes{Node{}};
    std::array<bool, 256> m_starts{};
};

} // namespace engine
