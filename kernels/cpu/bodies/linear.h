// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which product a linear layer runs as, and its ends: bias, activation, adding to the output.
#include "cpu/bodies/quant.h"

namespace kernels::KERNELS_ISA {
namespace {

constexpr int kDirectRows = 4;

enum class Path { Direct = 1, Panel, Quant };

KERNELS_INLINE Path pathOf(const LinearArgs &args)
{
    if (args.weight.kind == PackedKind::Q8 || args.weight.kind == PackedKind::Q4)
        return args.exact ? Path::Panel : Path::Quant;
    return args.rows <= kDirectRows ? Path::Direct : Path::Panel;
}

int panelRows(const LinearArgs &args)
{
    switch (pathOf(args)) {
    case Path::Direct: return kDirectRows;
    case Path::Panel: return kPanelRows;
    case Path::Quant: return kQuantRows;
    }
    return 1;
}

KERNELS_INLINE std::size_t bytesPerRow(const LinearArgs &args)
{
    if (pathOf(args) == Path::Quant)
        return static_cast<std::size_t>(args.weight.columns / kQuantBlock * quantBlockInts(1)) * sizeof(std::int32_t);
    return static_cast<std::size_t>(args.weight.columns) * sizeof(float);
}

std::size_t preparedBytes(const LinearArgs &args)
{
    // One row of floats already lies as its panel would.
    if (args.rows == 1 && pathOf(args) != Path::Quant)
        return 0;
    return bytesPerRow(args) * static_cast<std::size_t>(args.rows);
}

void prepare(const LinearArgs &args, std::byte *prepared, int panelBegin, int panelEnd)
{
    if (preparedBytes(args) == 0)
        return; // there is no room for it, either
    const int step = panelRows(args);
    const Path path = pathOf(args);
    for (int panel = panelBegin; panel < panelEnd; ++panel) {
        const int first = panel * step;
        const int rows = args.rows - first < step ? args.rows - first : step;
        std::byte *target = prepared + bytesPerRow(args) * static_cast<std::size_t>(first);
        const float *input = args.input + first * args.inputStride;
        if (path == Path::Quant)
            quantizePanel(input, args.inputStride, rows, args.weight.columns, reinterpret_cast<std::int32_t *>(target));
        else
            packPanel(input, args.inputStride, rows, args.weight.columns, reinterpret_cast<float *>(target));
    }
}

std::size_t linearScratch(const LinearArgs &args)
{
    if (pathOf(args) != Path::Panel)
        return 0;
    return static_cast<std::size_t>(args.weight.columns) * kPanelGroups * kLanes * sizeof(float);
}

void finishTile(const LinearArgs &args, const float *tile, int firstRow, int rows, std::int64_t group, int groups)
{
    for (int g = 0; g < groups; ++g) {
        const std::int64_t column = (group + g) * kLanes;
        const std::int64_t left = args.weight.rows - column;
        const int count = left < kLanes ? static_cast<int>(left) : kLanes;
        if (count <= 0)
            return;
        const F bias = args.bias != nullptr ? loadFirst(args.bias + column, count) : zero();
        for (int r = 0; r < rows; ++r) {
            float *output = args.output + (firstRow + r) * args.outputStride + column;
            F sum = load(tile + (r * groups + g) * kLanes) + bias;
            if (args.accumulate)
                sum = loadFirst(output, count) + sum;
            else if (args.activation != Activation::None)
                sum = activated(args.activation, sum);
            storeFirst(output, sum, count);
        }
    }
}

using DirectFunction = void (*)(const PackedMatrix &, std::int64_t, const float *, float *);

template <int rows, int groups> DirectFunction directFunction(PackedKind kind)
{
    switch (kind) {
    case PackedKind::F16: return directTile<PackedKind::F16, rows, groups>;
    case PackedKind::BF16: return directTile<PackedKind::BF16, rows, groups>;
    case PackedKind::F8E4M3: return directTile<PackedKind::F8E4M3, rows, groups>;
    default: return directTile<PackedKind::F32, rows, groups>;
    }
}

template <int rows> void directRows(const LinearArgs &args, const float *input, const LinearSlice &slice)
{
    constexpr int groups = kDirectGroups[rows];
    alignas(64) float tile[kMaxTileFloats];
    std::int64_t group = slice.groupBegin;
    const DirectFunction wide = directFunction<rows, groups>(args.weight.kind);
    for (; group + groups <= slice.groupEnd; group += groups) {
        wide(args.weight, group, input, tile);
        finishTile(args, tile, 0, rows, group, groups);
    }
    if constexpr (groups > 2) {
        const DirectFunction middle = directFunction<rows, 2>(args.weight.kind);
        for (; group + 2 <= slice.groupEnd; group += 2) {
            middle(args.weight, group, input, tile);
            finishTile(args, tile, 0, rows, group, 2);
        }
    }
    const DirectFunction narrow = directFunction<rows, 1>(args.weight.kind);
    for (; group < slice.groupEnd; ++group) {
        narrow(args.weight, group, input, tile);
        finishTile(args, tile, 0, rows, group, 1);
    }
}

KERNELS_INLINE void widen(const PackedMatrix &w, std::int64_t group, float *slab, std::int64_t stride)
{
    switch (w.kind) {
    case PackedKind::F32: return widenPlain<PackedKind::F32>(w, group, slab, stride);
    case PackedKind::F16: return widenPlain<PackedKind::F16>(w, group, slab, stride);
    case PackedKind::BF16: return widenPlain<PackedKind::BF16>(w, group, slab, stride);
    case PackedKind::F8E4M3: return widenPlain<PackedKind::F8E4M3>(w, group, slab, stride);
    default: return widenQuants(w, group, slab, stride);
    }
}

void panelPath(const LinearArgs &args, const std::byte *prepared, const LinearSlice &slice, float *slab)
{
    alignas(64) float tile[kMaxTileFloats];
    const auto *inputs = prepared != nullptr ? reinterpret_cast<const float *>(prepared) : args.input;
    for (std::int64_t group = slice.groupBegin; group < slice.groupEnd;) {
        const int groups = group + kPanelGroups <= slice.groupEnd ? kPanelGroups : 1;
        for (int g = 0; g < groups; ++g)
            widen(args.weight, group + g, slab + g * kLanes, groups * kLanes);
        for (int panel = slice.panelBegin; panel < slice.panelEnd; ++panel) {
            const int first = panel * kPanelRows;
            const int rows = args.rows - first < kPanelRows ? args.rows - first : kPanelRows;
            runPanel(rows, groups, inputs + first * args.weight.columns, slab, args.weight.columns, tile);
            finishTile(args, tile, first, rows, group, groups);
        }
        group += groups;
    }
}

void quantPath(const LinearArgs &args, const std::byte *prepared, const LinearSlice &slice)
{
    alignas(64) float tile[kMaxTileFloats];
    const std::int64_t blockInts = args.weight.columns / kQuantBlock * quantBlockInts(1);
    const int firstRows = args.rows < kQuantRows ? args.rows : kQuantRows;
    const int step = kQuantGroups[firstRows];
    for (std::int64_t group = slice.groupBegin; group < slice.groupEnd; group += step) {
        const std::int64_t end = group + step < slice.groupEnd ? group + step : slice.groupEnd;
        for (int panel = slice.panelBegin; panel < slice.panelEnd; ++panel) {
            const int first = panel * kQuantRows;
            const int rows = args.rows - first < kQuantRows ? args.rows - first : kQuantRows;
            const auto *blocks = reinterpret_cast<const std::int32_t *>(prepared) + first * blockInts;
            for (std::int64_t g = group; g < end;) {
                const int groups = g + kQuantGroups[rows] <= end ? kQuantGroups[rows] : 1;
                findQuantFunction(args.weight, rows, groups)(args.weight, g, blocks, tile);
                finishTile(args, tile, first, rows, g, groups);
                g += groups;
            }
        }
    }
}

void linear(const LinearArgs &args, const std::byte *prepared, const LinearSlice &slice, std::byte *scratch)
{
    const Path path = pathOf(args);
    if (path == Path::Quant)
        return quantPath(args, prepared, slice);
    if (path == Path::Panel)
        return panelPath(args, args.rows == 1 ? nullptr : prepared, slice, reinterpret_cast<float *>(scratch));
    const auto *input = args.rows == 1 ? args.input : reinterpret_cast<const float *>(prepared);
    switch (args.rows) {
    case 1: return directRows<1>(args, input, slice);
    case 2: return directRows<2>(args, input, slice);
    case 3: return directRows<3>(args, input, slice);
    default: return directRows<4>(args, input, slice);
    }
}

} // namespace
} // namespace kernels::KERNELS_ISA
