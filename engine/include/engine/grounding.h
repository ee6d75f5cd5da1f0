// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// A box in thousandths less one, as DeepSeek-VL2 writes it: 0 is the left or top edge of the original picture, 999 the
// right or bottom one.
struct GroundingBox {
    int left = 0, top = 0, right = 0, bottom = 0; // 0 to 999; left <= right, top <= bottom
    bool operator==(const GroundingBox &) const = default;
};

// What an answer points at: `<|ref|>phrase<|/ref|><|det|>[[left, top, right, bottom], ...]<|/det|>`.
struct Grounding {
    std::string phrase;              // UTF-8 as written, may be empty
    std::vector<GroundingBox> boxes; // at least one
    std::size_t begin = 0, end = 0;  // bytes of the text it takes, markers included
};

// Everything in the text that has exactly that form (DeepSeek-VL2, arXiv 2412.10302, 3.3), in order. Whatever differs in
// any way (another number of numbers, a number above 999, a sign, a missing bracket, turned corners) stays text. Blanks
// are allowed between the parts of the list. Any thread; linear in the text.
[[nodiscard]] std::vector<Grounding> findGroundings(std::string_view text);

// The end of a text that is still being written, where it may become one of them: the phrase as far as it goes, no boxes.
struct UnfinishedGrounding {
    std::string phrase;
    std::size_t begin = 0; // up to the text's end
};
[[nodiscard]] std::optional<UnfinishedGrounding> findUnfinishedGrounding(std::string_view text);

struct PixelBox {
    int left = 0, top = 0, right = 0, bottom = 0; // pixels; int(x / 999 * size), as DeepSeek-VL2's own tools do
    bool operator==(const PixelBox &) const = default;
};
[[nodiscard]] PixelBox boxInPixels(const GroundingBox &box, int width, int height);

} // namespace engine
