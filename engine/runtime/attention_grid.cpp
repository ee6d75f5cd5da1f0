// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/attention_grid.h"

#include <algorithm>
#include <cmath>

namespace engine {

namespace {

// The part of a view that shows picture, in cells of the view: the picture is fitted inside and
// centred.
struct Inside {
    double left = 0, top = 0, width = 0, height = 0;
};

Inside pictureInside(int columns, int rows, int width, int height)
{
    const double scale =
        std::min(columns / static_cast<double>(width), rows / static_cast<double>(height));
    Inside inside{.width = width * scale, .height = height * scale};
    inside.left = (columns - inside.width) / 2;
    inside.top = (rows - inside.height) / 2;
    return inside;
}

// Spreads [from, to) of [0, 1) over `cells` equal cells, in shares of the interval's own length.
template <typename Visit> void spread(double from, double to, int cells, const Visit &visit)
{
    const double length = to - from;
    const double clippedFrom = std::max(from, 0.0), clippedTo = std::min(to, 1.0);
    if (length <= 0 || clippedTo <= clippedFrom)
        return;
    const int first = std::clamp(static_cast<int>(clippedFrom * cells), 0, cells - 1);
    for (int cell = first; cell < cells && static_cast<double>(cell) / cells < clippedTo; ++cell) {
        const double overlap = std::min(clippedTo, (cell + 1.0) / cells) -
                               std::max(clippedFrom, static_cast<double>(cell) / cells);
        if (overlap > 0)
            visit(cell, overlap / (clippedTo -
                                   clippedFrom)); // all of a cell's weight stays on the picture
    }
}

} // namespace

AttentionRecord attentionOverPicture(std::span<const float> attention, const PictureTokens &picture)
{
    const int side = picture.plan.gridSide;
    const int localColumns = picture.plan.tilesWide * side,
              localRows = picture.plan.tilesHigh * side;
    AttentionRecord record;
    if (side <= 0 || picture.width <= 0 || picture.height <= 0)
        return record;
    const Inside local = pictureInside(localColumns, localRows, picture.width, picture.height);
    record.columns = std::max(1, static_cast<int>(std::lround(local.width)));
    record.rows = std::max(1, static_cast<int>(std::lround(local.height)));
    record.weights.assign(
        static_cast<std::size_t>(record.columns) * static_cast<std::size_t>(record.rows), 0.0F);

    // One view: `rows` rows of `columns` tokens and a newline each, from context position `first`.
    const auto addView = [&](int first, int columns, int rows) {
        const Inside inside = pictureInside(columns, rows, picture.width, picture.height);
        for (int row = 0; row < rows; ++row) {
            for (int column = 0; column < columns; ++column) {
                const auto position =
                    static_cast<std::size_t>(first + row * (columns + 1) + column);
                if (position >= attention.size() || attention[position] == 0.0F)
                    continue;
                spread(
                    (row - inside.top) / inside.height, (row + 1 - inside.top) / inside.height,
                    record.rows, [&](int y, double shareY) {
                        spread(
                            (column - inside.left) / inside.width,
                            (column + 1 - inside.left) / inside.width, record.columns,
                            [&](int x, double shareX) {
                                record.weights[static_cast<std::size_t>(y * record.columns + x)] +=
                                    static_cast<float>(attention[position] * shareX * shareY);
                            });
                    });
            }
        }
    };
    const int globalTokens = side * (side + 1), localTokens = localRows * (localColumns + 1);
    addView(picture.firstToken + (picture.globalFirst ? 0 : localTokens + 1), side, side);
    addView(picture.firstToken + (picture.globalFirst ? globalTokens + 1 : 0), localColumns,
            localRows);
    return record;
}

} // namespace engine
