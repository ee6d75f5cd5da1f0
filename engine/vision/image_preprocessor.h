// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "engine/image.h"
#include "engine/result.h"
#include "files/model_config.h"

#include <cstdint>
#include <vector>

namespace engine {

// How one picture is cut, known from its size alone (architectures.md 3.1, 3.2).
struct ImagePlan {
    int tilesWide = 1, tilesHigh = 1; // local grid; the global view comes in addition
    int tokenCount = 0;
    int gridSide = 0; // picture tokens along one side of a tile
};
struct ImageTiles {
    ImagePlan plan;
    int size = 0;                     // pixels along one side of a tile
    // [1 + tilesHigh * tilesWide, size, size, 3] RGB, global view first, equal to Pillow's: on the host, or `placed` in the
    // memory of the backend that made them. The one local tile of a picture is its global view again.
    std::vector<std::uint8_t> pixels;
    Buffer placed;
};

class ImagePreprocessor {
public:
    explicit ImagePreprocessor(VisionConfig config) : m_config(std::move(config)) {}
    // imageCount: pictures in the whole request; more than two turn tiling off.
    ImagePlan plan(int width, int height, int imageCount) const;
    ImageTiles prepare(const Image &image, int imageCount) const;
    // The same bytes made by the backend where its memory is not the host's and it takes the picture; on its thread.
    Result<ImageTiles> prepareOn(Backend &backend, const Image &image, int imageCount) const;
    const VisionConfig &config() const { return m_config; }

private:
    VisionConfig m_config;
};

} // namespace engine
