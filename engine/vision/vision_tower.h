// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "files/model_config.h"
#include "vision/image_preprocessor.h"

#include <functional>
#include <stop_token>
#include <vector>

namespace engine {

// The weights of DeepSeek-VL2's picture path, on the device.
struct VisionWeights {
    struct Linear {
        WeightPtr weight, bias; // [out, in], [out]
    };
    struct Norm {
        WeightPtr weight, bias; // [width]
    };
    struct Layer {
        Norm norm1, norm2;
        Linear queryKeyValue;   // [3 * width, width]
        Linear output, up, down;
    };
    // A device whose products want columns in whole steps has zeros behind both; else they are the configuration's.
    std::int64_t patchColumns = 0; // of `patch`
    std::int64_t middle = 0;       // outputs of `up`, inputs of `down`
    Linear patch;                 // [width, patchColumns], channel-major
    Buffer positions;             // [tokens, width] F32
    std::vector<Layer> layers;
    Norm norm;
    std::vector<Linear> projector; // the first takes [4 * width] with the four pixels of a square side by side
    Buffer newline, separator;     // [hidden] F32
};

// SigLIP-style tower (pre-norm ViT with learned positions), 2x2 fold, projector and VL2's token layout
// (architectures.md 3.2-3.4). Engine thread only; working memory stays for the next picture.
class VisionTower {
public:
    VisionTower(const VisionConfig &config, VisionWeights weights, Backend &backend);
    // Embeddings in prompt order, [plan.tokenCount, projectorOut] F32 in the backend's memory.
    Result<Buffer> encode(const ImageTiles &tiles, std::stop_token stop,
        const std::function<void(int done, int total)> &progress);

private:
    Status reserve(int tilesAtOnce);
    Status runLayers(int count, const std::stop_token &stop);
    void fold(int count);
    Tensor project(int count);
    // Rows of the output that the squares of a tile belong to.
    void addPlaces(const ImagePlan &plan, int tile, std::vector<std::int32_t> &places) const;
    void placeNewlines(const ImagePlan &plan, Tensor output) const;

    VisionConfig m_config;
    VisionWeights m_weights;
    Backend &m_backend;
    int m_side = 0, m_tokens = 0, m_gridSide = 0; // patches along a tile, of a tile, squares along a tile
    int m_reserved = 0;
    std::array<float, 3 * 256> m_normalised{}; // value of a byte, by channel
    Buffer m_patches, m_hidden, m_normed, m_joined, m_wide, m_folded, m_projected[2];
};

} // namespace engine
