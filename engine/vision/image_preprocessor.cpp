// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "vision/image_preprocessor.h"

#include "base/assert.h"
#include "vision/bicubic_resize.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace engine {
namespace {

// With more pictures than this in a request each is looked at as a whole only.
constexpr int kMostTiledImages = 2;
constexpr int kChannels = 3;

struct Size {
    int width = 0, height = 0;
};

// The candidate that keeps most of the picture's pixels, then the one that wastes least; the first wins ties.
Size bestResolution(const VisionConfig &config, Size image, int imageCount)
{
    const Size single{config.imageSize, config.imageSize};
    if (imageCount > kMostTiledImages || config.candidateResolutions.empty())
        return single;
    Size best = single;
    std::int64_t mostKept = -1, leastWasted = 0;
    for (const auto &[width, height] : config.candidateResolutions) {
        const double scale =
            std::min(static_cast<double>(width) / image.width, static_cast<double>(height) / image.height);
        const auto scaledWidth = static_cast<std::int64_t>(image.width * scale);
        const auto scaledHeight = static_cast<std::int64_t>(image.height * scale);
        const std::int64_t kept =
            std::min(scaledWidth * scaledHeight, std::int64_t{image.width} * image.height);
        const std::int64_t wasted = std::int64_t{width} * height - kept;
        if (kept > mostKept || (kept == mostKept && wasted < leastWasted)) {
            mostKept = kept;
            leastWasted = wasted;
            best = {width, height};
        }
    }
    return best;
}

// Python's round(): halves go to the even neighbour.
int roundHalfEven(double value)
{
    return static_cast<int>(std::nearbyint(value));
}

// The largest size of the picture's shape inside `box`. One side may become 0 for a very thin picture.
Size containedSize(Size image, Size box)
{
    const double imageRatio = static_cast<double>(image.width) / image.height;
    const double boxRatio = static_cast<double>(box.width) / box.height;
    if (imageRatio > boxRatio)
        return {box.width, roundHalfEven(static_cast<double>(image.height) / image.width * box.width)};
    if (imageRatio < boxRatio)
        return {roundHalfEven(static_cast<double>(image.width) / image.height * box.height), box.height};
    return box;
}

// Where a picture lies that is resized into `box` and centred, as Pillow's ImageOps.pad does it.
struct Placement {
    Size size;
    int left = 0, top = 0;
};

Placement placementOf(Size image, Size box)
{
    const Size size = containedSize(image, box);
    return {size, size.width != box.width ? roundHalfEven((box.width - size.width) * 0.5) : 0,
        size.width != box.width ? 0 : roundHalfEven((box.height - size.height) * 0.5)};
}

// The picture resized into `box` on a plain ground.
std::vector<std::uint8_t> padInto(const Image &image, Size box, const std::array<std::uint8_t, 3> &ground)
{
    const auto [size, left, top] = placementOf({image.width, image.height}, box);
    std::vector<std::uint8_t> resized;
    if (size.width > 0 && size.height > 0)
        resized = resizeBicubic(image.rgb, image.width, image.height, size.width, size.height);
    if (size.width == box.width && size.height == box.height)
        return resized;
    std::vector<std::uint8_t> canvas(static_cast<std::size_t>(box.width) * static_cast<std::size_t>(box.height) * kChannels);
    for (std::size_t i = 0; i < canvas.size(); i += kChannels)
        std::copy_n(ground.begin(), kChannels, canvas.begin() + static_cast<std::ptrdiff_t>(i));
    if (resized.empty())
        return canvas;
    const std::size_t rowBytes = static_cast<std::size_t>(size.width) * kChannels;
    for (int y = 0; y < size.height && top + y < box.height; ++y)
        std::copy_n(resized.data() + static_cast<std::size_t>(y) * rowBytes, rowBytes,
            canvas.data() + (static_cast<std::size_t>(top + y) * static_cast<std::size_t>(box.width) +
                                static_cast<std::size_t>(left)) * kChannels);
    return canvas;
}

// The mean colour as bytes.
std::array<std::uint8_t, 3> groundOf(const VisionConfig &config)
{
    std::array<std::uint8_t, 3> ground{};
    for (std::size_t channel = 0; channel < ground.size(); ++channel)
        ground[channel] = static_cast<std::uint8_t>(std::clamp(config.mean[channel] * 255.0F, 0.0F, 255.0F));
    return ground;
}

// A view for a backend; its spans are those of the filters.
struct DeviceView {
    ResizeFilter columns, rows;
    ResizeView view;
};

void describeView(DeviceView &target, Size image, Size box, int tileSize)
{
    const auto [size, left, top] = placementOf(image, box);
    target.view.left = left;
    target.view.top = top;
    target.view.tilesWide = box.width / tileSize;
    target.view.tilesHigh = box.height / tileSize;
    if (size.width < 1 || size.height < 1)
        return;
    target.columns = makeResizeFilter(image.width, size.width);
    target.rows = makeResizeFilter(image.height, size.height);
    target.view.rowsFirst = resizesRowsFirst(image.width, image.height, size.width, size.height);
    const auto passOf = [](const ResizeFilter &filter) {
        return ResizePass{static_cast<int>(filter.first.size()), filter.taps, filter.first, filter.count, filter.weights};
    };
    target.view.columns = passOf(target.columns);
    target.view.rows = passOf(target.rows);
}

} // namespace

ImagePlan ImagePreprocessor::plan(int width, int height, int imageCount) const
{
    ENGINE_ASSERT(width > 0 && height > 0);
    const Size best = bestResolution(m_config, {width, height}, imageCount);
    ImagePlan plan;
    plan.tilesWide = best.width / m_config.imageSize;
    plan.tilesHigh = best.height / m_config.imageSize;
    const int patches = m_config.imageSize / m_config.patch;
    plan.gridSide = (patches + m_config.downsample - 1) / m_config.downsample;
    const int global = plan.gridSide * (plan.gridSide + 1);
    const int local = plan.tilesHigh * plan.gridSide * (plan.tilesWide * plan.gridSide + 1);
    plan.tokenCount = global + 1 + local;
    return plan;
}

ImageTiles ImagePreprocessor::prepare(const Image &image, int imageCount) const
{
    ImageTiles tiles;
    tiles.plan = plan(image.width, image.height, imageCount);
    tiles.size = m_config.imageSize;
    const std::array<std::uint8_t, 3> ground = groundOf(m_config);
    const std::size_t rowBytes = static_cast<std::size_t>(tiles.size) * kChannels;
    const int tilesWide = tiles.plan.tilesWide, tilesHigh = tiles.plan.tilesHigh;
    tiles.pixels = padInto(image, {tiles.size, tiles.size}, ground);
    const Size grid{tilesWide * tiles.size, tilesHigh * tiles.size};
    if (tilesWide == 1 && tilesHigh == 1) { // the one local tile is the global view again
        const std::size_t tileBytes = tiles.pixels.size();
        tiles.pixels.resize(2 * tileBytes);
        std::copy_n(tiles.pixels.begin(), tileBytes, tiles.pixels.begin() + static_cast<std::ptrdiff_t>(tileBytes));
        return tiles;
    }
    const std::vector<std::uint8_t> local = padInto(image, grid, ground);
    tiles.pixels.reserve(tiles.pixels.size() + local.size());
    for (int tileY = 0; tileY < tilesHigh; ++tileY) {
        for (int tileX = 0; tileX < tilesWide; ++tileX) {
            for (int y = 0; y < tiles.size; ++y) {
                const std::size_t row = static_cast<std::size_t>(tileY * tiles.size + y);
                const auto source = local.begin() + static_cast<std::ptrdiff_t>(
                    (row * static_cast<std::size_t>(tilesWide) + static_cast<std::size_t>(tileX)) * rowBytes);
                tiles.pixels.insert(tiles.pixels.end(), source, source + static_cast<std::ptrdiff_t>(rowBytes));
            }
        }
    }
    return tiles;
}

Result<ImageTiles> ImagePreprocessor::prepareOn(Backend &backend, const Image &image, int imageCount) const
{
    if (backend.hostMemory())
        return prepare(image, imageCount);
    ImageTiles tiles;
    tiles.plan = plan(image.width, image.height, imageCount);
    tiles.size = m_config.imageSize;
    const Size whole{image.width, image.height};
    const int locals = tiles.plan.tilesWide * tiles.plan.tilesHigh;
    std::array<DeviceView, 2> described;
    describeView(described[0], whole, {tiles.size, tiles.size}, tiles.size);
    describeView(described[1], whole, {tiles.plan.tilesWide * tiles.size, tiles.plan.tilesHigh * tiles.size}, tiles.size);
    const std::array views{described[0].view, described[1].view};
    const auto area = static_cast<std::size_t>(tiles.size) * static_cast<std::size_t>(tiles.size) * kChannels;
    ENGINE_TRY(tiles.placed, backend.allocate(static_cast<std::size_t>(1 + locals) * area));
    if (!backend.resizeTiles({.pixels = image.rgb, .width = image.width, .height = image.height, .views = views, .size = tiles.size,
            .ground = groundOf(m_config), .tiles = tiles.placed.data()}))
        return prepare(image, imageCount);
    return tiles;
}

} // namespace engine
