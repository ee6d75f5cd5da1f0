// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The coarser operations, made of the finer ones.
#include "backend/backend.h"
#include "backend/tensor_rows.h"

#include <algorithm>

namespace engine {

namespace {

// Columns [first, first + count) of every head as rows of their own; the heads of all rows follow each other.
Tensor headColumns(Tensor packed, int heads, std::int64_t headWidth, std::int64_t first, std::int64_t count)
{
    packed.data += static_cast<std::size_t>(first) * sizeof(float);
    packed.shape = {packed.shape[0] * heads, count};
    packed.rowStride = headWidth;
    return packed;
}

Tensor asHeads(Tensor matrix, std::int64_t heads, std::int64_t width)
{
    matrix.shape = {matrix.shape[0], heads, width};
    matrix.rowStride = width;
    return matrix;
}

} // namespace

void Backend::router(const RouterArgs &args)
{
    linear({.input = args.input, .weight = args.weight, .output = args.route.logits});
    route(args.route);
}

void Backend::swiglu(const SwigluArgs &args)
{
    const std::int64_t inter = args.output.columns();
    linear({.input = args.input, .weight = args.gateAndUp, .output = args.joined});
    siluMultiply(columnsOf(args.joined, 0, inter), columnsOf(args.joined, inter, inter), args.output);
}

void Backend::moeWithShared(const MoeSharedArgs &args)
{
    moe(args.moe);
    feedForward({.gated = args.shared, .down = args.sharedDown, .output = args.moe.output});
}

void Backend::feedForward(const FeedForwardArgs &args)
{
    swiglu(args.gated);
    linear({.input = args.gated.output, .weight = args.down, .output = args.output, .accumulate = true});
}

void Backend::headsPrepare(const HeadsPrepareArgs &args)
{
    const std::int64_t dim = args.layer.keyDim;
    const auto rotate = [&](const Tensor &x, std::int64_t heads) {
        rope({.x = asHeads(x, heads, dim),
            .rowStride = x.rowStride,
            .inverseFrequencies = args.inverseFrequencies,
            .magnitude = args.magnitude,
            .interleaved = args.interleaved,
            .positions = args.positions});
    };
    if (args.rotated.data != args.query.data)
        copyRows(args.rotated, args.query);
    rotate(args.rotated, args.heads);
    rotate(args.key, args.layer.kvHeads);
    storeKv({.keys = args.key, .values = args.value, .layer = args.layer, .sequences = args.sequences});
}

void Backend::latentPrepare(const LatentPrepareArgs &args)
{
    const std::int64_t latent = args.latent.columns() - args.rope;
    const std::int64_t width = args.latent.columns();
    const std::int64_t projectedWidth = std::int64_t{args.nope} + args.rope;
    const Tensor normed = columnsOf(args.latent, 0, latent);
    rmsNorm({.input = normed, .weight = args.norm, .output = normed, .epsilon = args.epsilon});
    // Packed rows are one copy, rows inside a wider matrix one each.
    const bool packed = args.projected.rowStride == args.heads * projectedWidth;
    const std::int64_t rows = args.projected.rows();
    const std::int64_t rowsEach = packed ? rows : 1;
    for (std::int64_t row = 0; row < rows; row += rowsEach) {
        Tensor from = args.projected;
        Tensor to = args.query;
        from.data += static_cast<std::size_t>(row * from.rowStride) * sizeof(float);
        to.data += static_cast<std::size_t>(row * to.rowStride) * sizeof(float);
        from.shape = {rowsEach, from.shape[1]};
        to.shape = {rowsEach, to.shape[1]};
        copyRows(headColumns(to, args.heads, width, latent, args.rope),
            headColumns(from, args.heads, projectedWidth, args.nope, args.rope));
    }
    const auto rotate = [&](const Tensor &x, std::int64_t heads) {
        rope({.x = asHeads(x, heads, width),
            .rowStride = x.rowStride,
            .offset = static_cast<int>(latent),
            .inverseFrequencies = args.inverseFrequencies,
            .magnitude = args.magnitude,
            .interleaved = args.interleaved,
            .positions = args.positions});
    };
    rotate(args.query, args.heads);
    rotate(args.latent, 1);
    storeKv({.keys = args.latent, .values = {}, .layer = args.layer, .sequences = args.sequences});
}

// In host memory, where the logits lie or are copied to.
void Backend::choose(const ChooseArgs &args, std::span<kernels::Choice> choices)
{
    const auto rows = static_cast<std::size_t>(args.logits.rows());
    ENGINE_ASSERT(args.rules.size() == rows && choices.size() == rows && args.count <= args.logits.columns());
    const auto columns = static_cast<std::size_t>(args.logits.columns());
    std::vector<float> logits(rows * columns);
    toHost(logits.data(), args.logits);
    for (std::size_t row = 0; row < rows; ++row)
        choices[row] = kernels::choose(logits.data() + row * columns, args.count, args.rules[row]);
}

} // namespace engine
