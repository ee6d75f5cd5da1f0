// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// Patches of pictures and cross-modal attention blocks behind the C table.
#include "backend/cuda_context.h"

#include "cuda/vision/cross_modal.h"
#include "cuda/vision/patches.h"

namespace plugin {

void patches(void *context, const std::uint8_t *pixels, std::int32_t tiles, std::int32_t size, std::int32_t patch,
    const float *values, DiptychCudaRows output)
{
    Context &c = of(context);
    c.wrote(output);
    kc::PatchesArgs args;
    const auto bytes = static_cast<std::size_t>(tiles) * static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3;
    auto *copy = c.roomFor<std::uint8_t>(Room::Pixels, bytes);
    args.values = c.constant(values, 3 * 256);
    if (copy == nullptr || args.values == nullptr)
        return; // noted
    c.note(cudaMemcpyAsync(copy, pixels, bytes, cudaMemcpyHostToDevice, c.stream), "picture");
    args.pixels = copy;
    args.tiles = tiles;
    args.size = size;
    args.patch = patch;
    args.output = output.data;
    args.outputStride = output.stride;
    args.columns = static_cast<int>(output.columns);
    c.note(kc::patches(args, c.stream), "picture");
    c.note(cudaStreamSynchronize(c.stream), "picture"); // the host bytes may go away after this
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
