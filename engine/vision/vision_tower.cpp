// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "vision/vision_tower.h"

#include "base/assert.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace engine {
namespace {

// Rows the tower works on at once: enough to keep the matrices busy, few enough to stay in cache and to be
// interrupted soon. A card is busy with the ten tiles of VL2's largest square grid, and stops between layers.
constexpr int kRowsAtOnce = 1024, kRowsOnCard = 8192;

Tensor part(Tensor matrix, std::int64_t firstRow, std::int64_t rows, std::int64_t firstColumn, std::int64_t columns)
{
    matrix.data += static_cast<std::size_t>(firstRow * matrix.rowStride + firstColumn) * sizeof(float);
    matrix.shape = {rows, columns};
    return matrix;
}

} // namespace

VisionTower::VisionTower(const VisionConfig &config, VisionWeights weights, Backend &backend)
    : m_config(config)
    , m_weights(std::move(weights))
    , m_backend(backend)
    , m_side(config.imageSize / config.patch)
    , m_tokens(m_side * m_side)
    , m_gridSide((m_side + config.downsample - 1) / config.downsample)
{
    for (std::size_t channel = 0; channel < 3; ++channel)
        for (std::size_t value = 0; value < 256; ++value)
            m_normalised[channel * 256 + value] =
                (static_cast<float>(value) / 255.0F - m_config.mean[channel]) / m_config.std[channel];
}

Status VisionTower::reserve(int tilesAtOnce)
{
    if (tilesAtOnce <= m_reserved)
        return Done{};
    const auto allocate = [&](std::int64_t rows, std::int64_t columns) {
        return m_backend.allocate(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * sizeof(float));
    };
    const std::int64_t rows = std::int64_t{tilesAtOnce} * m_tokens;
    const std::int64_t squares = std::int64_t{tilesAtOnce} * m_gridSide * m_gridSide;
    const std::int64_t foldedWidth = std::int64_t{m_config.width} * m_config.downsample * m_config.downsample;
    m_reserved = 0;
    ENGINE_TRY(m_patches, allocate(rows, m_weights.patchColumns));
    ENGINE_TRY(m_hidden, allocate(rows, m_config.width));
    ENGINE_TRY(m_normed, allocate(rows, m_config.width));
    ENGINE_TRY(m_joined, allocate(rows, std::int64_t{3} * m_config.width));
    ENGINE_TRY(m_wide, allocate(rows, m_weights.middle));
    ENGINE_TRY(m_folded, allocate(squares, foldedWidth));
    for (Buffer &buffer : m_projected) {
        ENGINE_TRY(buffer, allocate(squares, m_config.projectorOut));
    }
    // Squares that reach over the right or lower edge keep zeros there: nothing else writes those places.
    const std::vector<float> zeros(static_cast<std::size_t>(squares * foldedWidth), 0.0F);
    m_backend.toDevice(m_folded.view({squares, foldedWidth}), zeros.data(), zeros.size() * sizeof(float));
    m_reserved = tilesAtOnce;
    return Done{};
}

Status VisionTower::runLayers(int count, const std::stop_token &stop)
{
    const std::int64_t rows = std::int64_t{count} * m_tokens;
    const std::int64_t width = m_config.width;
    const Tensor hidden = m_hidden.view({rows, width});
    const Tensor normed = m_normed.view({rows, width});
    const Tensor joined = m_joined.view({rows, 3 * width});
    const Tensor wide = m_wide.view({rows, m_weights.middle});
    const auto layerNorm = [&](const VisionWeights::Norm &norm) {
        m_backend.layerNorm({.input = hidden, .weight = norm.weight.get(), .bias = norm.bias.get(),
            .output = normed, .epsilon = m_config.layerNormEpsilon});
    };
    const int headDim = m_config.width / m_config.heads;
    for (const VisionWeights::Layer &layer : m_weights.layers) {
        if (stop.stop_requested())
            return Error{ErrorCode::Cancelled, "Looking at the picture was stopped."};
        layerNorm(layer.norm1);
        m_backend.linear({.input = normed, .weight = layer.queryKeyValue.weight.get(),
            .bias = layer.queryKeyValue.bias.get(), .output = joined});
        m_backend.denseAttention({.query = part(joined, 0, rows, 0, width),
            .key = part(joined, 0, rows, width, width),
            .value = part(joined, 0, rows, 2 * width, width),
            .output = normed,
            .batch = count,
            .tokens = m_tokens,
            .heads = m_config.heads,
            .headDim = headDim,
            .scale = 1.0F / std::sqrt(static_cast<float>(headDim))});
        m_backend.linear({.input = normed, .weight = layer.output.weight.get(), .bias = layer.output.bias.get(),
            .output = hidden, .accumulate = true});
        layerNorm(layer.norm2);
        m_backend.linear({.input = normed, .weight = layer.up.weight.get(), .bias = layer.up.bias.get(),
            .output = wide, .activation = Activation::GeluTanh});
        m_backend.linear({.input = wide, .weight = layer.down.weight.get(), .bias = layer.down.bias.get(),
            .output = hidden, .accumulate = true});
    }
    layerNorm(m_weights.norm);
    return Done{};
}

// Every square of downsample x downsample tokens becomes one row, its tokens side by side.
void VisionTower::fold(int count)
{
    const std::int64_t width = m_config.width;
    const int factor = m_config.downsample;
    const std::int64_t foldedWidth = width * factor * factor;
    const Tensor normed = m_normed.view({std::int64_t{count} * m_tokens, width});
    const Tensor folded = m_folded.view({std::int64_t{count} * m_gridSide * m_gridSide, foldedWidth});
    for (int tile = 0; tile < count; ++tile) {
        for (int y = 0; y < m_side; ++y) {
            for (int dx = 0; dx < factor; ++dx) {
                Tensor source = part(normed, std::int64_t{tile} * m_tokens + y * m_side + dx,
                    (m_side - dx + factor - 1) / factor, 0, width);
                source.rowStride = width * factor;
                const std::int64_t square = (std::int64_t{tile} * m_gridSide + y / factor) * m_gridSide;
                m_backend.copyRows(
                    part(folded, square, source.shape[0], (y % factor * factor + dx) * width, width), source);
            }
        }
    }
}

Tensor VisionTower::project(int count)
{
    const std::int64_t squares = std::int64_t{count} * m_gridSide * m_gridSide;
    Tensor input = m_folded.view(
        {squares, std::int64_t{m_config.width} * m_config.downsample * m_config.downsample});
    for (std::size_t i = 0; i < m_weights.projector.size(); ++i) {
        const Tensor output = m_projected[i % 2].view({squares, m_config.projectorOut});
        const bool isLast = i + 1 == m_weights.projector.size();
        m_backend.linear({.input = input, .weight = m_weights.projector[i].weight.get(),
            .bias = m_weights.projector[i].bias.get(), .output = output,
            .activation = isLast ? Activation::None : Activation::GeluErf});
        input = output;
    }
    return input;
}

// Tile 0 is the global view; the others are rows of one large grid.
void VisionTower::placeTile(const ImagePlan &plan, int tile, Tensor projected, Tensor output) const
{
    const std::int64_t side = m_gridSide, columns = m_config.projectorOut;
    const std::int64_t globalRows = side * (side + 1);
    const std::int64_t localRows = plan.tilesHigh * side * (plan.tilesWide * side + 1);
    const std::int64_t globalStart = m_config.globalFirst ? 0 : localRows + 1;
    const std::int64_t localStart = m_config.globalFirst ? globalRows + 1 : 0;
    for (std::int64_t y = 0; y < side; ++y) {
        std::int64_t row = globalStart + y * (side + 1);
        if (tile > 0) {
            const std::int64_t tileY = (tile - 1) / plan.tilesWide, tileX = (tile - 1) % plan.tilesWide;
            row = localStart + (tileY * side + y) * (plan.tilesWide * side + 1) + tileX * side;
        }
        m_backend.copyRows(part(output, row, side, 0, columns), part(projected, y * side, side, 0, columns));
    }
}

void VisionTower::placeNewlines(const ImagePlan &plan, Tensor output) const
{
    const std::int64_t side = m_gridSide, columns = m_config.projectorOut;
    const std::int64_t globalRows = side * (side + 1), localColumns = plan.tilesWide * side;
    const std::int64_t localRows = plan.tilesHigh * side * (localColumns + 1);
    const Tensor newline = m_weights.newline.view({1, columns});
    const auto placeAfterRows = [&](std::int64_t start, std::int64_t rows, std::int64_t width) {
        for (std::int64_t y = 0; y < rows; ++y)
            m_backend.copyRows(part(output, start + y * (width + 1) + width, 1, 0, columns), newline);
    };
    placeAfterRows(m_config.globalFirst ? 0 : localRows + 1, side, side);
    placeAfterRows(m_config.globalFirst ? globalRows + 1 : 0, plan.tilesHigh * side, localColumns);
    m_backend.copyRows(part(output, m_config.globalFirst ? globalRows : localRows, 1, 0, columns),
        m_weights.separator.view({1, columns}));
}

Result<Buffer> VisionTower::encode(const ImageTiles &tiles, std::stop_token stop,
    const std::function<void(int done, int total)> &progress)
{
    const ImagePlan &plan = tiles.plan;
    const int total = 1 + plan.tilesWide * plan.tilesHigh;
    ENGINE_ASSERT(tiles.size == m_config.imageSize && plan.gridSide == m_gridSide);
    ENGINE_ASSERT(tiles.pixels.size() ==
                  static_cast<std::size_t>(total) * static_cast<std::size_t>(tiles.size * tiles.size) * 3);
    const int atOnce = std::clamp((m_backend.hostMemory() ? kRowsAtOnce : kRowsOnCard) / m_tokens, 1, total);
    ENGINE_CHECK(reserve(atOnce));
    ENGINE_TRY(Buffer embeddings, m_backend.allocate(static_cast<std::size_t>(plan.tokenCount) *
                                      static_cast<std::size_t>(m_config.projectorOut) * sizeof(float)));
    const Tensor output = embeddings.view({plan.tokenCount, m_config.projectorOut});
    const Tensor positions = m_weights.positions.view({m_tokens, m_config.width});
    // A picture of one tile is stored twice, as global and as local view: it is looked at once.
    const bool isSame = total == 2 && std::equal(tiles.pixels.begin(),
        tiles.pixels.begin() + static_cast<std::ptrdiff_t>(tiles.pixels.size() / 2),
        tiles.pixels.begin() + static_cast<std::ptrdiff_t>(tiles.pixels.size() / 2));
    const int distinct = isSame ? 1 : total;
    for (int first = 0; first < distinct; first += atOnce) {
        const int count = std::min(atOnce, distinct - first);
        const std::int64_t rows = std::int64_t{count} * m_tokens;
        const Tensor patches = m_patches.view({rows, m_weights.patchColumns});
        const Tensor hidden = m_hidden.view({rows, m_config.width});
        const std::size_t tileBytes = static_cast<std::size_t>(tiles.size * tiles.size) * 3;
        m_backend.patches({.pixels = std::span(tiles.pixels).subspan(static_cast<std::size_t>(first) * tileBytes,
                               static_cast<std::size_t>(count) * tileBytes),
            .tiles = count,
            .size = tiles.size,
            .patch = m_config.patch,
            .values = m_normalised,
            .output = patches});
        m_backend.linear({.input = patches, .weight = m_weights.patch.weight.get(),
            .bias = m_weights.patch.bias.get(), .output = hidden});
        for (int tile = 0; tile < count; ++tile)
            m_backend.add(part(hidden, std::int64_t{tile} * m_tokens, m_tokens, 0, m_config.width), positions);
        ENGINE_CHECK(runLayers(count, stop));
        fold(count);
        const Tensor projected = project(count);
        const std::int64_t squares = std::int64_t{m_gridSide} * m_gridSide;
        for (int tile = 0; tile < count; ++tile) {
            const Tensor rowsOfTile = part(projected, tile * squares, squares, 0, m_config.projectorOut);
            placeTile(plan, first + tile, rowsOfTile, output);
            if (isSame)
                placeTile(plan, 1, rowsOfTile, output);
        }
        ENGINE_CHECK(m_backend.finishStep());
        if (progress)
            progress(isSame ? total : first + count, total);
    }
    placeNewlines(plan, output);
    ENGINE_CHECK(m_backend.finishStep());
    return embeddings;
}

} // namespace engine
