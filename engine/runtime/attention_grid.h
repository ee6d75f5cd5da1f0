// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/events.h"
#include "vision/image_preprocessor.h"

#include <span>

namespace engine {

// Where one picture's tokens lie in the context and how it was cut.
struct PictureTokens {
    int firstToken = 0;
    ImagePlan plan;
    int width = 0, height = 0; // pixels of the picture itself
    bool globalFirst = true;
};

// Attention over context positions -> attention over the picture. Both views (the whole picture in
// one tile, and the tiles) are laid over one grid of the picture without the grey border; newline
// and separator tokens and cells that see only border do not count. The grid is the finer view's.
// `index` and `image` of the record are the caller's.
AttentionRecord attentionOverPicture(std::span<const float> attention,
                                     const PictureTokens &picture);

} // namespace engine
