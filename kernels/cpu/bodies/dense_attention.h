// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// One head of one picture tile as two products on the panel kernels: keys and values are packed into slabs once,
// then every panel of query rows makes its scores, softmax and sum while they lie in cache. Bound by FMA.
#include "cpu/bodies/attention.h"
#include "cpu/bodies/gemm.h"

namespace kernels::KERNELS_ISA {
namespace {

struct DenseLayout { // offsets in floats
    std::int64_t keyGroups, valueGroups, width;
    std::int64_t keys, values, query, scores, weights, total;
};

KERNELS_INLINE std::int64_t panelGroupsFor(std::int64_t columns)
{
    const std::int64_t groups = (columns + kLanes - 1) / kLanes;
    return (groups + kPanelGroups - 1) / kPanelGroups * kPanelGroups;
}

KERNELS_INLINE DenseLayout denseLayout(const DenseAttentionArgs &args)
{
    DenseLayout at{};
    at.keyGroups = panelGroupsFor(args.tokens);
    at.valueGroups = panelGroupsFor(args.headDim);
    at.width = at.keyGroups * kLanes;
    at.keys = 0;
    at.values = at.keys + at.width * args.headDim;
    at.query = at.values + at.valueGroups * kLanes * args.tokens;
    at.scores = at.query + static_cast<std::int64_t>(kPanelRows) * args.headDim;
    at.weights = at.scores + kPanelRows * at.width;
    at.total = at.weights + kPanelRows * at.width;
    return at;
}

std::size_t denseAttentionScratch(const DenseAttentionArgs &args)
{
    return static_cast<std::size_t>(denseLayout(args).total) * sizeof(float);
}

void denseAttention(const DenseAttentionArgs &args, int batch, int head, std::byte *scratch)
{
    constexpr int slabColumns = kPanelGroups * kLanes;
    const DenseLayout at = denseLayout(args);
    auto *memory = reinterpret_cast<float *>(scratch);
    float *keySlabs = memory + at.keys;     // [width / slabColumns][headDim][slabColumns]
    float *valueSlabs = memory + at.values; // [..][tokens][slabColumns]
    const std::int64_t tokens = args.tokens;
    const std::int64_t dim = args.headDim;
    const std::int64_t firstRow = batch * tokens;
    const std::int64_t column = head * dim;
    for (std::int64_t t = 0; t < at.width; ++t) {
        const float *key = t < tokens ? args.key + (firstRow + t) * args.keyStride + column : nullptr;
        float *slab = keySlabs + t / slabColumns * dim * slabColumns + t % slabColumns;
        for (std::int64_t d = 0; d < dim; ++d)
            slab[d * slabColumns] = key != nullptr ? key[d] : 0.0F;
    }
    for (std::int64_t t = 0; t < tokens; ++t) {
        const float *value = args.value + (firstRow + t) * args.valueStride + column;
        for (std::int64_t d = 0; d < at.valueGroups * kLanes; d += kLanes) {
            const std::int64_t left = dim - d;
            const F part = left >= 16 ? load(value + d) : left > 0 ? loadFirst(value + d, static_cast<int>(left)) : zero();
            store(valueSlabs + d / slabColumns * tokens * slabColumns + t * slabColumns + d % slabColumns, part);
        }
    }
    alignas(64) float tile[kPanelRows * slabColumns];
    float *query = memory + at.query;
    float *scores = memory + at.scores;
    float *weights = memory + at.weights;
    for (std::int64_t first = 0; first < tokens; first += kPanelRows) {
        const int rows = static_cast<int>(tokens - first < kPanelRows ? tokens - first : kPanelRows);
        packPanel(args.query + (firstRow + first) * args.queryStride + column, args.queryStride, rows, dim, query);
        for (std::int64_t group = 0; group < at.keyGroups; group += kPanelGroups) {
            runPanel(rows, kPanelGroups, query, keySlabs + group * kLanes * dim, dim, tile);
            for (int r = 0; r < rows; ++r)
                for (int g = 0; g < kPanelGroups; ++g)
                    store(scores + r * at.width + (group + g) * kLanes,
                          load(tile + (r * kPanelGroups + g) * kLanes) * set1(args.scale));
        }
        float factors[kPanelRows];
        for (int r = 0; r < rows; ++r)
            factors[r] = 1.0F / softmaxSum(scores + r * at.width, tokens);
        packPanel(scores, at.width, rows, tokens, weights);
        for (std::int64_t group = 0; group < at.valueGroups; group += kPanelGroups) {
            runPanel(rows, kPanelGroups, weights, valueSlabs + group * kLanes * tokens, tokens, tile);
            for (int r = 0; r < rows; ++r)
                for (int g = 0; g < kPanelGroups; ++g) {
                    const std::int64_t d = (group + g) * kLanes;
                    if (d >= dim)
                        break;
                    const int width = dim - d < 16 ? static_cast<int>(dim - d) : 16;
                    storeSome(args.output + (firstRow + first + r) * args.outputStride + column + d,
                              load(tile + (r * kPanelGroups + g) * kLanes) * set1(factors[r]), width);
                }
        }
    }
}

} // namespace
} // namespace kernels::KERNELS_ISA
