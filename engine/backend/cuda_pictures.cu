// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Patches of pictures and cross-modal attention blocks behind the C table.
#include "backend/cuda_context.h"

#include "cuda/vision/cross_modal.h"
#include "cuda/prompt/prompt.h"
#include "cuda/vision/patches.h"
#include "cuda/vision/resize.h"
#include "cuda/vision/tile_attention.h"
#include "cuda/vision/tower.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace plugin {

namespace {

// Larger pictures, and tables of weights that the staging ring cannot hold, are left to the processor.
constexpr std::int64_t kMostPixelBytes = std::int64_t{64} << 20, kMostTableBytes = std::int64_t{4} << 20;

kc::ResizePass passOf(Context &c, const DiptychCudaResizePass &in, bool downColumns)
{
    const auto outputs = static_cast<std::size_t>(in.outputs);
    kc::ResizePass pass;
    pass.first = c.stage(in.first, outputs);
    pass.count = c.stage(in.count, outputs);
    pass.weights = c.stage(in.weights, outputs * static_cast<std::size_t>(in.taps));
    pass.outputs = in.outputs;
    pass.taps = in.taps;
    pass.downColumns = downColumns;
    return pass;
}

} // namespace

int resizeTiles(void *context, const std::uint8_t *pixels, std::int32_t width, std::int32_t height,
    const DiptychCudaResizeView *views, std::int32_t viewCount, std::int32_t size, const std::uint8_t *ground, void *tiles)
{
    Context &c = of(context);
    const std::int64_t bytes = std::int64_t{width} * height * 3;
    std::int64_t half = 0; // of the largest picture between two passes
    for (const DiptychCudaResizeView &view : std::span(views, static_cast<std::size_t>(viewCount))) {
        half = std::max(half, 3 * (view.rowsFirst != 0 ? std::int64_t{view.rows.outputs} * width : std::int64_t{view.columns.outputs} * height));
        const std::int64_t tableBytes = 4 * (std::int64_t{view.columns.outputs} * (view.columns.taps + 2) + std::int64_t{view.rows.outputs} * (view.rows.taps + 2));
        if (tableBytes > kMostTableBytes)
            return 0;
    }
    if (std::max(bytes, half) > kMostPixelBytes)
        return 0;
    auto *source = c.roomFor<std::uint8_t>(Room::Pixels, static_cast<std::size_t>(bytes));
    auto *between = c.roomFor<std::uint8_t>(Room::HalfResized, static_cast<std::size_t>(half));
    if (source == nullptr || between == nullptr)
        return 1; // noted
    c.note(cudaMemcpyAsync(source, pixels, static_cast<std::size_t>(bytes), cudaMemcpyHostToDevice, c.stream), "picture");
    auto *target = static_cast<std::uint8_t *>(tiles);
    for (const DiptychCudaResizeView &view : std::span(views, static_cast<std::size_t>(viewCount))) {
        const bool rowsFirst = view.rowsFirst != 0;
        const bool isEmpty = view.columns.outputs == 0 || view.rows.outputs == 0;
        kc::ResizeIntoTilesArgs last;
        if (!isEmpty) {
            kc::ResizeArgs first;
            first.pixels = source;
            first.width = width;
            first.height = height;
            first.pass = passOf(c, rowsFirst ? view.rows : view.columns, rowsFirst);
            first.output = between;
            c.note(kc::resize(first, c.stream), "picture");
            last.pixels = between;
            last.width = rowsFirst ? width : view.columns.outputs;
            last.height = rowsFirst ? view.rows.outputs : height;
            last.pass = passOf(c, rowsFirst ? view.columns : view.rows, !rowsFirst);
        }
        last.left = view.left;
        last.top = view.top;
        last.size = size;
        last.tilesWide = view.tilesWide;
        last.tilesHigh = view.tilesHigh;
        std::copy_n(ground, 3, last.ground);
        last.output = target;
        c.note(kc::resizeIntoTiles(last, c.stream), "picture");
        target += std::int64_t{view.tilesWide} * view.tilesHigh * size * size * 3;
    }
    c.note(cudaStreamSynchronize(c.stream), "picture"); // the host bytes may go away after this
    c.keepInside(Room::Pixels); // pictures larger than the one the load was planned for
    c.keepInside(Room::HalfResized);
    return 1;
}

void patches(void *context, const std::uint8_t *pixels, std::int32_t placed, std::int32_t tiles, std::int32_t size,
    std::int32_t patch, const float *values, DiptychCudaRows output)
{
    Context &c = of(context);
    c.wrote(output);
    kc::PatchesArgs args;
    const auto bytes = static_cast<std::size_t>(tiles) * static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3;
    args.values = c.constant(values, 3 * 256);
    args.pixels = pixels;
    if (placed == 0) {
        auto *copy = c.roomFor<std::uint8_t>(Room::Pixels, bytes);
        if (copy != nullptr)
            c.note(cudaMemcpyAsync(copy, pixels, bytes, cudaMemcpyHostToDevice, c.stream), "picture");
        args.pixels = copy;
    }
    if (args.pixels == nullptr || args.values == nullptr)
        return; // noted
    args.tiles = tiles;
    args.size = size;
    args.patch = patch;
    args.output = output.data;
    args.outputStride = output.stride;
    args.columns = static_cast<int>(output.columns);
    c.note(kc::patches(args, c.stream), "picture");
    if (placed == 0)
        c.note(cudaStreamSynchronize(c.stream), "picture"); // the host bytes may go away after this
}

// The rounded rows lie in the room that the layer is given: the norm and what attention gives in `normed`, queries, keys and
// values in `joined`, the middle in `wide`.
int pictureLayer(void *context, const DiptychCudaPictureLayer *in)
{
    Context &c = of(context);
    const std::int64_t rows = in->hidden.rows, width = in->hidden.columns, middle = in->up.out;
    auto *normed = reinterpret_cast<__nv_bfloat16 *>(in->normed.data);
    __nv_bfloat16 *attended = normed + rows * width;
    auto *joined = reinterpret_cast<__nv_bfloat16 *>(in->joined.data);
    auto *wide = reinterpret_cast<__nv_bfloat16 *>(in->wide.data);

    kc::TowerNormArgs norm;
    norm.input = in->hidden.data;
    norm.inputStride = in->hidden.stride;
    norm.weight = in->norm1;
    norm.bias = in->norm1Bias;
    norm.output = normed;
    norm.rows = static_cast<int>(rows);
    norm.columns = static_cast<int>(width);
    norm.epsilon = in->epsilon;
    kc::NarrowAttentionArgs attention;
    attention.query = joined;
    attention.key = joined + width;
    attention.value = joined + 2 * width;
    attention.stride = 3 * width;
    attention.output = attended;
    attention.batch = in->tiles;
    attention.tokens = in->tokens;
    attention.heads = in->heads;
    attention.headDim = static_cast<int>(width) / in->heads;
    attention.scale = 1.0F / std::sqrt(static_cast<float>(attention.headDim));
    const std::int64_t valueTile = (std::int64_t{in->tokens} + 7) / 8 * 8;
    kc::TowerAttentionArgs turned; // sm_90: queries and keys side by side, values turned
    turned.query = joined;
    turned.key = joined + width;
    turned.queryStride = turned.keyStride = 2 * width;
    turned.values = joined + 2 * rows * width;
    turned.valueTile = valueTile;
    turned.valueBias = in->queryKeyValueBias != nullptr ? in->queryKeyValueBias + 2 * width : nullptr;
    turned.output = attended;
    turned.batch = in->tiles;
    turned.tokens = in->tokens;
    turned.heads = in->heads;
    turned.headDim = attention.headDim;
    turned.scale = attention.scale;
    const bool isTurned = kc::card().warpgroups && kc::hasTowerAttention(turned);
    if (c.exact || rows <= kc::kDecodeRows || !isTiled(in->queryKeyValue) || !isTiled(in->output) || !isTiled(in->up)
        || !isTiled(in->down) || middle % 32 != 0 || !kc::hasTowerNorm(norm) || !kc::hasNarrowAttention(attention))
        return 0;
    for (const DiptychCudaRows &written : {in->hidden, in->normed, in->joined, in->wide})
        c.wrote(written);

    const auto product = [&](const __nv_bfloat16 *a, const DiptychCudaWeight &weight, const float *bias) {
        kc::MatrixProductArgs args;
        args.a = a;
        args.aStride = weight.in;
        args.b = widened(c, weight, 0, weight.out, 0, 1, 0, weight.out * weight.in);
        args.rows = static_cast<int>(rows);
        args.n = static_cast<int>(weight.out);
        args.k = static_cast<int>(weight.in);
        args.bias = bias;
        args.outputStride = weight.out;
        return args;
    };
    const auto queue = [&](const kc::MatrixProductArgs &args) {
        if (args.a != nullptr && args.b != nullptr) // else noted
            c.note(kc::matrixProduct(args, c.stream), "picture layer");
    };
    const auto queueInto = [&](kc::MatrixProductArgs args, __nv_bfloat16 *narrow) {
        args.narrow = narrow;
        queue(args);
    };
    const auto queueOnto = [&](kc::MatrixProductArgs args) {
        args.output = in->hidden.data;
        args.outputStride = in->hidden.stride;
        args.accumulate = true;
        queue(args);
    };
    c.note(kc::towerNorm(norm, c.stream), "picture norm");
    kc::MatrixProductArgs args = product(normed, in->queryKeyValue, in->queryKeyValueBias);
    if (isTurned) {
        kc::MatrixProductArgs values = args;
        values.a = args.b != nullptr ? args.b + 2 * width * width : nullptr;
        values.b = normed; // a tile's rows, and some behind them whose results nobody reads
        values.matrixStride = in->tokens * width;
        values.rows = static_cast<int>(width);
        values.n = static_cast<int>(valueTile);
        values.heads = in->tiles;
        values.outputHead = valueTile;
        values.outputStride = in->tiles * valueTile;
        values.bias = nullptr;
        args.n = static_cast<int>(2 * width);
        args.outputStride = 2 * width;
        queueInto(args, joined);
        queueInto(values, joined + 2 * rows * width);
        c.note(kc::towerAttention(turned, c.stream), "picture attention");
    } else {
        queueInto(args, joined);
        c.note(kc::narrowAttention(attention, c.stream), "picture attention");
    }
    queueOnto(product(attended, in->output, in->outputBias));
    norm.weight = in->norm2;
    norm.bias = in->norm2Bias;
    c.note(kc::towerNorm(norm, c.stream), "picture norm");
    args = product(normed, in->up, in->upBias);
    args.activation = kc::Activation::GeluTanh;
    queueInto(args, wide);
    queueOnto(product(wide, in->down, in->downBias));
    return 1;
}

void scatterRows(void *context, DiptychCudaRows source, DiptychCudaRows destination, const std::int32_t *rows, std::int32_t count)
{
    Context &c = of(context);
    c.wrote(destination);
    kc::ScatterRowsArgs args;
    args.source = viewOf(source);
    args.destination = viewOf(destination);
    args.rows = c.stage(rows, static_cast<std::size_t>(count));
    args.count = count;
    if (args.rows != nullptr || count == 0)
        c.note(kc::scatterRows(args, c.stream), "placing rows");
}

void crossModalAttention(void *context, DiptychCudaRows query, DiptychCudaRows output, std::int32_t heads, std::int32_t headDim,
    float scale, const DiptychCudaPictureList *lists, std::int32_t listCount, const std::int32_t *observeRows,
    std::int32_t observeCount, float *observed, std::int64_t observeStride)
{
    Context &c = of(context);
    c.wrote(output);
    const std::size_t observedCount = static_cast<std::size_t>(observeCount) * static_cast<std::size_t>(observeStride);
    const std::int32_t *index = nullptr;
    float *sums = nullptr;
    if (observedCount > 0) {
        std::vector<std::int32_t> places(static_cast<std::size_t>(query.rows), -1);
        for (int i = 0; i < observeCount; ++i)
            if (observeRows[i] >= 0)
                places[static_cast<std::size_t>(observeRows[i])] = i;
        index = c.stage(places.data(), places.size());
        sums = c.roomFor<float>(Room::Observed, observedCount);
        if (sums == nullptr || index == nullptr)
            return; // noted
        c.note(cudaMemsetAsync(sums, 0, observedCount * sizeof(float), c.stream), "cross-modal attention");
    }
    for (int i = 0; i < listCount; ++i) {
        const std::int64_t first = lists[i].firstRow;
        kc::CrossModalAttentionArgs args;
        args.query = query.data + first * query.stride;
        args.keys = lists[i].keys;
        args.values = lists[i].values;
        args.output = output.data + first * output.stride;
        args.rows = lists[i].rowCount;
        args.tokens = lists[i].tokens;
        args.heads = heads;
        args.headDim = headDim;
        args.scale = scale;
        args.observeIndex = index != nullptr ? index + first : nullptr;
        args.observed = sums;
        args.observeStride = observeStride;
        c.note(kc::crossModalAttention(args, c.stream), "cross-modal attention");
    }
    if (observedCount == 0)
        return;
    std::vector<float> host(observedCount);
    toHost(context, host.data(), sums, observedCount * sizeof(float));
    for (std::size_t i = 0; i < observedCount; ++i)
        observed[i] += host[i];
}

void crossModalGate(void *context, DiptychCudaRows hidden, DiptychCudaRows attended, const float *weight, const float *bias,
    DiptychCudaRows shares)
{
    Context &c = of(context);
    c.wrote(hidden);
    c.wrote(shares);
    kc::CrossModalGateArgs args;
    args.hidden = hidden.data;
    args.attended = attended.data;
    args.weight = weight;
    args.bias = bias;
    args.shares = shares.data;
    args.hiddenStride = hidden.stride;
    args.attendedStride = attended.stride;
    args.sharesStride = shares.stride;
    args.rows = static_cast<int>(hidden.rows);
    args.columns = static_cast<int>(hidden.columns);
    c.note(kc::crossModalGate(args, c.stream), "cross-modal gate");
}

} // namespace plugin
