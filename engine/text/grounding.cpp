// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/grounding.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace engine {
namespace {

constexpr std::string_view kRef = "<|ref|>", kRefEnd = "<|/ref|>", kDet = "<|det|>", kDetEnd = "<|/det|>";
constexpr int kLargest = 999;

// Reads a text from the front; every step says whether it found what it wanted.
class Reader {
public:
    explicit Reader(std::string_view text) : m_text(text) {}

    bool take(std::string_view wanted)
    {
        if (!m_text.substr(m_at).starts_with(wanted))
            return false;
        m_at += wanted.size();
        return true;
    }
    void skipBlanks()
    {
        while (m_at < m_text.size() && m_text[m_at] == ' ')
            ++m_at;
    }
    // A mark of the list with blanks around it.
    bool mark(char wanted)
    {
        skipBlanks();
        if (m_at >= m_text.size() || m_text[m_at] != wanted)
            return false;
        ++m_at;
        skipBlanks();
        return true;
    }
    std::optional<int> number()
    {
        int value = 0, digits = 0;
        for (; m_at < m_text.size() && m_text[m_at] >= '0' && m_text[m_at] <= '9'; ++m_at, ++digits) {
            value = value * 10 + (m_text[m_at] - '0');
            if (value > kLargest || digits == 3)
                return std::nullopt;
        }
        return digits > 0 ? std::optional(value) : std::nullopt;
    }
    // Everything up to the next marker, which must be `end`.
    std::optional<std::string_view> phrase(std::string_view end)
    {
        const std::size_t stop = m_text.find("<|", m_at);
        if (stop == std::string_view::npos || !m_text.substr(stop).starts_with(end))
            return std::nullopt;
        const std::string_view found = m_text.substr(m_at, stop - m_at);
        m_at = stop + end.size();
        return found;
    }
    std::size_t at() const { return m_at; }

private:
    std::string_view m_text;
    std::size_t m_at = 0;
};

std::optional<GroundingBox> readBox(Reader &reader)
{
    int values[4] = {};
    if (!reader.mark('['))
        return std::nullopt;
    for (int i = 0; i < 4; ++i) {
        if (i > 0 && !reader.mark(','))
            return std::nullopt;
        const std::optional<int> value = reader.number();
        if (!value)
            return std::nullopt;
        values[i] = *value;
    }
    if (!reader.mark(']') || values[0] > values[2] || values[1] > values[3])
        return std::nullopt;
    return GroundingBox{values[0], values[1], values[2], values[3]};
}

std::optional<Grounding> readGrounding(std::string_view text)
{
    Reader reader(text);
    Grounding result;
    if (!reader.take(kRef))
        return std::nullopt;
    const std::optional<std::string_view> phrase = reader.phrase(kRefEnd);
    if (!phrase || !reader.take(kDet) || !reader.mark('['))
        return std::nullopt;
    result.phrase = *phrase;
    do {
        const std::optional<GroundingBox> box = readBox(reader);
        if (!box)
            return std::nullopt;
        result.boxes.push_back(*box);
    } while (reader.mark(','));
    if (!reader.mark(']') || !reader.take(kDetEnd))
        return std::nullopt;
    result.end = reader.at();
    return result;
}

} // namespace

std::vector<Grounding> findGroundings(std::string_view text)
{
    std::vector<Grounding> found;
    std::size_t at = text.find(kRef);
    while (at != std::string_view::npos) {
        std::optional<Grounding> one = readGrounding(text.substr(at));
        std::size_t next = at + kRef.size();
        if (one) {
            one->begin = at;
            one->end += at;
            next = one->end;
            found.push_back(std::move(*one));
        }
        at = text.find(kRef, next);
    }
    return found;
}

std::optional<UnfinishedGrounding> findUnfinishedGrounding(std::string_view text)
{
    const std::size_t begin = text.rfind(kRef);
    if (begin == std::string_view::npos)
        return std::nullopt;
    std::string_view rest = text.substr(begin + kRef.size());
    const std::size_t stop = std::min(rest.find('<'), rest.size());
    UnfinishedGrounding result{std::string(rest.substr(0, stop)), begin};
    rest.remove_prefix(stop);
    // One marker after the other: whole, or as far as the text goes.
    const auto take = [&rest](std::string_view marker) {
        const std::size_t length = std::min(marker.size(), rest.size());
        if (rest.substr(0, length) != marker.substr(0, length))
            return false;
        rest.remove_prefix(length);
        return true;
    };
    if (!take(kRefEnd) || !take(kDet))
        return std::nullopt;
    rest.remove_prefix(std::min(rest.find_first_not_of("[], 0123456789"), rest.size()));
    // With its last marker it is either one of those found already or none at all.
    return rest.size() < kDetEnd.size() && take(kDetEnd) ? std::optional(std::move(result)) : std::nullopt;
}

PixelBox boxInPixels(const GroundingBox &box, int width, int height)
{
    const auto pixel = [](int value, int size) { return static_cast<int>(static_cast<double>(value) / kLargest * size); };
    return {pixel(box.left, width), pixel(box.top, height), pixel(box.right, width), pixel(box.bottom, height)};
}

} // namespace engine
