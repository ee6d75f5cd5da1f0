// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

namespace ui {

// Heights in a row with prefix sums in O(log n) (a Fenwick tree), so that a chat of 10,000 messages scrolls.
class HeightIndex {
public:
    void reset(std::vector<int> heights);
    void append(int height);
    void truncate(std::size_t count);
    void set(std::size_t index, int height);

    [[nodiscard]] std::size_t count() const { return m_heights.size(); }
    [[nodiscard]] int height(std::size_t index) const { return m_heights[index]; }
    [[nodiscard]] long long top(std::size_t index) const; // sum of all before
    [[nodiscard]] long long total() const { return top(m_heights.size()); }
    [[nodiscard]] std::size_t at(long long y) const; // the last one whose top is not below y; 0 when empty

private:
    std::vector<int> m_heights;
    std::vector<long long> m_tree; // one-based
};

} // namespace ui
