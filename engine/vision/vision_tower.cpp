// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "vision/vision_tower.h"

#include "base/assert.h"

#include <algorithm>
#include <cmath>

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
    const auto normOf = [](const VisionWeights::Norm &norm) {
        return PictureLayerArgs::Part{norm.weight.get(), norm.bias.get()};
    };
    const auto partOf = [](const VisionWeights::Linear &linear) {
        return PictureLayerArgs::Part{linear.weight.get(), linear.bias.get()};
    };
    for (const VisionWeights::Layer &layer : m_weights.layers) {
        if (stop.stop_requested())
            return Error{ErrorCode::Cancelled, "Looking at the picture was stopped."};
        m_backend.pictureLayer({.hidden = hidden,
            .norm1 = normOf(layer.norm1),
            .norm2 = normOf(layer.norm2),
            .queryKeyValue = partOf(layer.queryKeyValue),
            .output = partOf(layer.output),
            .up = partOf(layer.up),
            .down = partOf(layer.down),
            .tiles = count,
            .tokens = m_tokens,
            .heads = m_config.heads,
            .epsilon = m_config.layerNormEpsilon,
            .normed = normed,
            .joined = m_joined.view({rows, 3 * width}),
            .wide = m_wide.view({rows, m_weights.middle})});
    }
    m_backend.layerNorm({.input = hidden, .weight = m_weights.norm.weight.get(), .bias = m_weights.norm.bias.get(),
        .output = normed, .epsilon = m_config.layerNormEpsilon});
    return Done{};
}

// Every square of downsample x downsample tokens becomes one row, its tokens side by side.
void VisionTower::fold(int count)
{
    const std::int64_t width = m_config.width;
    const int factor = m_config.downsample, perSquare = factor * factor;
    std::vector<std::int32_t> places;
    places.reserve(static_cast<std::size_t>(count * m_tokens));
    for (int tile = 0; tile < count; ++tile) {
        for (int y = 0; y < m_side; ++y) {
            for (int x = 0; x < m_side; ++x) {
                const int square = (tile * m_gridSide + y / factor) * m_gridSide + x / factor;
                places.push_back(square * perSquare + y % factor * factor + x % factor);
            }
        }
    }
    const std::int64_t squares = std::int64_t{count} * m_gridSide * m_gridSide;
    m_backend.scatterRows({.source = m_normed.view({std::int64_t{count} * m_tokens, width}),
        .destination = m_folded.view({squares * perSquare, width}),
        .rows = places});
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
void VisionTower::addPlaces(const ImagePlan &plan, int tile, std::vector<std::int32_t> &places) const
{
    const int side = m_gridSide, rowOfTiles = plan.tilesWide * side + 1; // a newline ends every row
    const int globalRows = side * (side + 1), localRows = plan.tilesHigh * side * rowOfTiles;
    const int globalStart = m_config.globalFirst ? 0 : localRows + 1;
    const int localStart = m_config.globalFirst ? globalRows + 1 : 0;
    for (int y = 0; y < side; ++y) {
        int row = globalStart + y * (side + 1);
        if (tile > 0) {
            const int tileY = (tile - 1) / plan.tilesWide, tileX = (tile - 1) % plan.tilesWide;
            row = localStart + (tileY * side + y) * rowOfTiles + tileX * side;
        }
        for (int x = 0; x < side; ++x)
            places.push_back(row + x);
    }
}

void VisionTower::placeNewlines(const ImagePlan &plan, Tensor output) const
{
    const int side = m_gridSide, localColumns = plan.tilesWide * side;
    const int globalRows = side * (side + 1), localRows = plan.tilesHigh * side * (localColumns + 1);
    std::vector<std::int32_t> places;
    const auto addAfterRows = [&](int start, int rows, int width) {
        for (int y = 0; y < rows; ++y)
            places.push_back(start + y * (width + 1) + width);
    };
    addAfterRows(m_config.globalFirst ? 0 : localRows + 1, side, side);
    addAfterRows(m_config.globalFirst ? globalRows + 1 : 0, plan.tilesHigh * side, localColumns);
    m_backend.scatterRows({.source = m_weights.newline.view({1, m_config.projectorOut}), .destination = output, .rows = places});
    const std::int32_t between = m_config.globalFirst ? globalRows : localRows;
    m_backend.scatterRows(
        {.source = m_weights.separator.view({1, m_config.projectorOut}), .destination = output, .rows = std::span(&between, 1)});
}

Result<Buffer> VisionTower::encode(const ImageTiles &tiles, std::stop_token stop,
    const std::function<void(int done, int total)> &progress)
{
    const ImagePlan &plan = tiles.plan;
    const int total = 1 + plan.tilesWide * plan.tilesHigh;
    ENGINE_ASSERT(tiles.size == m_config.imageSize && plan.gridSide == m_gridSide);
    const std::size_t tileBytes = static_cast<std::size_t>(tiles.size * tiles.size) * 3;
    const bool isPlaced = tiles.placed.data() != nullptr;
    ENGINE_ASSERT(isPlaced ? tiles.placed.bytes() >= static_cast<std::size_t>(total) * tileBytes
                           : tiles.pixels.size() == static_cast<std::size_t>(total) * tileBytes);
    const int atOnce = std::clamp((m_backend.hostMemory() ? kRowsAtOnce : kRowsOnCard) / m_tokens, 1, total);
    ENGINE_CHECK(reserve(atOnce));
    ENGINE_TRY(Buffer embeddings, m_backend.allocate(static_cast<std::size_t>(plan.tokenCount) *
                                      static_cast<std::size_t>(m_config.projectorOut) * sizeof(float)));
    const Tensor output = embeddings.view({plan.tokenCount, m_config.projectorOut});
    const Tensor positions = m_weights.positions.view({m_tokens, m_config.width});
    // A picture of one tile is stored twice, as global and as local view: it is looked at once.
    const bool isSame = total == 2;
    const int distinct = isSame ? 1 : total;
    for (int first = 0; first < distinct; first += atOnce) {
        const int count = std::min(atOnce, distinct - first);
        const std::int64_t rows = std::int64_t{count} * m_tokens;
        const Tensor patches = m_patches.view({rows, m_weights.patchColumns});
        const Tensor hidden = m_hidden.view({rows, m_config.width});
        const std::size_t firstByte = static_cast<std::size_t>(first) * tileBytes;
        m_backend.patches({.pixels = isPlaced ? std::span<const std::uint8_t>()
                                              : std::span(tiles.pixels).subspan(firstByte, static_cast<std::size_t>(count) * tileBytes),
            .placed = isPlaced ? tiles.placed.data() + firstByte : nullptr,
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
        const auto place = [&](int asTile) {
            std::vector<std::int32_t> places;
            for (int tile = 0; tile < count; ++tile)
                addPlaces(plan, asTile + tile, places);
            m_backend.scatterRows({.source = projected, .destination = output, .rows = places});
        };
        place(first);
        if (isSame)
            place(1);
        ENGINE_CHECK(m_backend.finishStep());
        if (progress)
            progress(isSame ? total : first + count, total);
    }
    placeNewlines(plan, output);
    ENGINE_CHECK(m_backend.finishStep());
    return embeddings;
}

} // namespace engine
