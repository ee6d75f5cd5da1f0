// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "transcript/height_index.h"

#include <utility>

namespace ui {

namespace {
std::size_t lowBit(std::size_t value)
{
    return value & (~value + 1);
}
} // namespace

void HeightIndex::reset(std::vector<int> heights)
{
    m_heights = std::move(heights);
    m_tree.assign(m_heights.size() + 1, 0);
    for (std::size_t node = 1; node < m_tree.size(); ++node) {
        m_tree[node] += m_heights[node - 1];
        const std::size_t parent = node + lowBit(node);
        if (parent < m_tree.size())
            m_tree[parent] += m_tree[node];
    }
}

void HeightIndex::append(int height)
{
    if (m_tree.empty())
        m_tree.push_back(0);
    const std::size_t node = m_heights.size() + 1;
    // The new node covers (node - lowBit, node].
    const long long before = top(m_heights.size()) - top(node - lowBit(node));
    m_heights.push_back(height);
    m_tree.push_back(before + height);
}

void HeightIndex::truncate(std::size_t count)
{
    if (count >= m_heights.size())
        return;
    m_heights.resize(count);
    m_tree.resize(count + 1);
}

void HeightIndex::set(std::size_t index, int height)
{
    const long long change = height - m_heights[index];
    if (change == 0)
        return;
    m_heights[index] = height;
    for (std::size_t node = index + 1; node < m_tree.size(); node += lowBit(node))
        m_tree[node] += change;
}

long long HeightIndex::top(std::size_t index) const
{
    long long sum = 0;
    for (std::size_t node = index; node > 0; node -= lowBit(node))
        sum += m_tree[node];
    return sum;
}

std::size_t HeightIndex::at(long long y) const
{
    std::size_t step = 1;
    while (step * 2 < m_tree.size())
        step *= 2;
    std::size_t node = 0;
    for (; step > 0 && !m_tree.empty(); step /= 2) {
        if (node + step < m_tree.size() && m_tree[node + step] <= y) {
            node += step;
            y -= m_tree[node];
        }
    }
    return m_heights.empty() ? 0 : node < m_heights.size() ? node : m_heights.size() - 1;
}

} // namespace ui
