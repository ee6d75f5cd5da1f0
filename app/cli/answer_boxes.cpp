// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "answer_boxes.h"

#include "engine/grounding.h"

#include <cstdio>

namespace cli {

Json groundingJson(const std::string &answer, const std::vector<std::shared_ptr<const engine::Image>> &pictures)
{
    Json boxes = Json::array();
    for (const engine::Grounding &one : engine::findGroundings(answer)) {
        for (const engine::GroundingBox &box : one.boxes) {
            Json pixels = Json::array();
            for (const auto &picture : pictures) {
                const engine::PixelBox at = engine::boxInPixels(box, picture->width, picture->height);
                pixels.push_back({at.left, at.top, at.right, at.bottom});
            }
            boxes.push_back({{"phrase", one.phrase},
                             {"box", {box.left, box.top, box.right, box.bottom}},
                             {"pixels", std::move(pixels)}});
        }
    }
    return boxes;
}

void printBoxes(const std::string &answer, const std::vector<std::shared_ptr<const engine::Image>> &pictures)
{
    for (const engine::Grounding &one : engine::findGroundings(answer)) {
        for (const engine::GroundingBox &box : one.boxes) {
            for (std::size_t i = 0; i < pictures.size(); ++i) {
                const engine::PixelBox at = engine::boxInPixels(box, pictures[i]->width, pictures[i]->height);
                const std::string number = pictures.size() > 1 ? " of picture " + std::to_string(i + 1) : "";
                std::fprintf(stderr, "%s: pixels %d,%d to %d,%d%s\n", one.phrase.c_str(), at.left, at.top, at.right, at.bottom,
                             number.c_str());
            }
        }
    }
}

} // namespace cli
