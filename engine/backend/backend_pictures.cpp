// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The coarser operations on pictures, made of finer ones or in host memory.
#include "backend/backend.h"
#include "backend/tensor_rows.h"

#include <algorithm>
#include <cmath>

namespace engine {

namespace {

// One pass over `height` rows of `width` pixels, along the rows or down the columns.
std::vector<std::uint8_t> resized(const ResizePass &pass, bool downColumns, std::span<const std::uint8_t> pixels, int width, int height)
{
    const auto newWidth = static_cast<std::size_t>(downColumns ? width : pass.outputs);
    const auto newHeight = static_cast<std::size_t>(downColumns ? pass.outputs : height);
    const std::size_t step = downColumns ? static_cast<std::size_t>(width) * 3 : 3;
    std::vector<std::uint8_t> result(newWidth * newHeight * 3);
    for (std::size_t y = 0; y < newHeight; ++y) {
        for (std::size_t x = 0; x < newWidth; ++x) {
            const std::size_t output = downColumns ? y : x;
            const auto first = static_cast<std::size_t>(pass.first[output]);
            const std::size_t start = downColumns ? first * step + x * 3 : y * static_cast<std::size_t>(width) * 3 + first * 3;
            for (std::size_t channel = 0; channel < 3; ++channel) {
                std::int32_t sum = 1 << 21;
                for (std::size_t tap = 0; tap < static_cast<std::size_t>(pass.count[output]); ++tap)
                    sum += pass.weights[output * static_cast<std::size_t>(pass.taps) + tap] * pixels[start + tap * step + channel];
                result[(y * newWidth + x) * 3 + channel] = static_cast<std::uint8_t>(std::clamp(sum >> 22, 0, 255));
            }
        }
    }
    return result;
}

} // namespace

void Backend::pictureLayer(const PictureLayerArgs &args)
{
    const std::int64_t width = args.hidden.columns();
    const int headDim = static_cast<int>(width) / args.heads;
    const auto norm = [&](const PictureLayerArgs::Part &part) {
        layerNorm({.input = args.hidden, .weight = part.weight, .bias = part.bias, .output = args.normed, .epsilon = args.epsilon});
    };
    const auto product = [&](Tensor input, const PictureLayerArgs::Part &part, Tensor output, Activation activation, bool accumulate) {
        linear({.input = input, .weight = part.weight, .bias = part.bias, .output = output, .activation = activation, .accumulate = accumulate});
    };
    norm(args.norm1);
    product(args.normed, args.queryKeyValue, args.joined, Activation::None, false);
    denseAttention({.query = columnsOf(args.joined, 0, width),
        .key = columnsOf(args.joined, width, width),
        .value = columnsOf(args.joined, 2 * width, width),
        .output = args.normed,
        .batch = args.tiles,
        .tokens = args.tokens,
        .heads = args.heads,
        .headDim = headDim,
        .scale = 1.0F / std::sqrt(static_cast<float>(headDim))});
    product(args.normed, args.output, args.hidden, Activation::None, true);
    norm(args.norm2);
    product(args.normed, args.up, args.wide, Activation::GeluTanh, false);
    product(args.wide, args.down, args.hidden, Activation::None, true);
}

void Backend::scatterRows(const ScatterRowsArgs &args)
{
    const auto rowsOf = [](Tensor tensor, std::int64_t first, std::int64_t count) {
        tensor.data += static_cast<std::size_t>(first * tensor.rowStride) * sizeof(float);
        tensor.shape = {count, tensor.columns()};
        return tensor;
    };
    const bool isOne = args.source.rows() == 1;
    std::size_t begin = 0;
    while (begin < args.rows.size()) { // neighbours that stay neighbours are one copy
        std::size_t end = begin + 1;
        while (!isOne && end < args.rows.size() && args.rows[end] == args.rows[end - 1] + 1)
            ++end;
        const auto count = static_cast<std::int64_t>(end - begin);
        copyRows(rowsOf(args.destination, args.rows[begin], count), rowsOf(args.source, isOne ? 0 : static_cast<std::int64_t>(begin), count));
        begin = end;
    }
}

bool Backend::resizeTiles(const ResizeTilesArgs &args)
{
    const auto size = static_cast<std::size_t>(args.size);
    std::vector<std::uint8_t> tiles;
    for (const ResizeView &view : args.views) {
        const int width = view.columns.outputs, height = view.rows.outputs;
        const std::vector<std::uint8_t> picture = view.rowsFirst
            ? resized(view.columns, false, resized(view.rows, true, args.pixels, args.width, args.height), args.width, height)
            : resized(view.rows, true, resized(view.columns, false, args.pixels, args.width, args.height), width, args.height);
        const std::size_t first = tiles.size();
        tiles.resize(first + static_cast<std::size_t>(view.tilesWide * view.tilesHigh) * size * size * 3);
        for (int y = 0; y < view.tilesHigh * args.size; ++y) {
            for (int x = 0; x < view.tilesWide * args.size; ++x) {
                const int fromX = x - view.left, fromY = y - view.top;
                const bool inside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
                const auto tile = static_cast<std::size_t>(y / args.size * view.tilesWide + x / args.size);
                const std::size_t place = (tile * size + static_cast<std::size_t>(y % args.size)) * size + static_cast<std::size_t>(x % args.size);
                const std::uint8_t *source =
                    inside ? picture.data() + (static_cast<std::size_t>(fromY) * static_cast<std::size_t>(width) + static_cast<std::size_t>(fromX)) * 3
                           : args.ground.data();
                std::copy_n(source, 3, tiles.begin() + static_cast<std::ptrdiff_t>(first + place * 3));
            }
        }
    }
    toDevice(Tensor{args.tiles, DType::F32, Shape{1, static_cast<std::int64_t>(tiles.size() / sizeof(float))}, 0}, tiles.data(), tiles.size());
    return true;
}

void Backend::patches(const PatchesArgs &args)
{
    const auto size = static_cast<std::size_t>(args.size), patch = static_cast<std::size_t>(args.patch);
    const std::size_t side = size / patch, columns = static_cast<std::size_t>(args.output.columns());
    const std::size_t bytes = static_cast<std::size_t>(args.tiles) * size * size * 3;
    ENGINE_ASSERT(args.values.size() == 768 && (args.placed != nullptr ? hostMemory() : args.pixels.size() == bytes));
    const auto *pixels = args.placed != nullptr ? reinterpret_cast<const std::uint8_t *>(args.placed) : args.pixels.data();
    ENGINE_ASSERT(columns >= 3 * patch * patch && args.output.rowStride == args.output.columns());
    std::vector<float> elsewhere;
    float *rows = args.output.f32();
    if (!hostMemory()) {
        elsewhere.resize(static_cast<std::size_t>(args.output.shape.elements()));
        rows = elsewhere.data();
    }
    for (std::size_t row = 0; row < static_cast<std::size_t>(args.output.rows()); ++row) {
        const std::size_t tile = row / (side * side), token = row % (side * side);
        const std::uint8_t *first = pixels + ((tile * size + token / side * patch) * size + token % side * patch) * 3;
        float *out = rows + row * columns;
        for (std::size_t channel = 0; channel < 3; ++channel) {
            const float *values = args.values.data() + channel * 256;
            for (std::size_t y = 0; y < patch; ++y) {
                const std::uint8_t *pixel = first + y * size * 3 + channel;
                for (std::size_t x = 0; x < patch; ++x)
                    *out++ = values[pixel[3 * x]];
            }
        }
        std::fill(out, rows + (row + 1) * columns, 0.0F);
    }
    if (!hostMemory())
        toDevice(args.output, elsewhere.data(), elsewhere.size() * sizeof(float));
}

} // namespace engine
