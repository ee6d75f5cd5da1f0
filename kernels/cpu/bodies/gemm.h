// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Float32 products. Every output is one chain of fused multiply-adds over k in order, whatever the tile, so one row
// alone and the same row among hundreds come out equal to the bit.
//   direct: up to four rows, weights are widened in registers and read once (memory bound).
//   panel:  many rows, weights of a few groups are widened once into a slab of float32 that stays in L2, then
//           tiles of kPanelRows x (16 kPanelGroups) sums run over it (bound by FMA).
#include "cpu/bodies/math.h"

namespace kernels::KERNELS_ISA {
namespace {

constexpr int kLanes = 16;
constexpr int kMaxTileFloats = 16 * 8 * kLanes;
constexpr std::ptrdiff_t kPrefetchBytes = 2048;

template <PackedKind kind> constexpr std::ptrdiff_t kVectorBytes = 0;
template <> constexpr std::ptrdiff_t kVectorBytes<PackedKind::F32> = 64;
template <> constexpr std::ptrdiff_t kVectorBytes<PackedKind::F16> = 32;
template <> constexpr std::ptrdiff_t kVectorBytes<PackedKind::BF16> = 32;
template <> constexpr std::ptrdiff_t kVectorBytes<PackedKind::F8E4M3> = 16;

// FP8: `scale` is 256 times the block's scale.
template <PackedKind kind> KERNELS_INLINE F loadWeights(const std::byte *p, F scale)
{
    if constexpr (kind == PackedKind::F32)
        return load(reinterpret_cast<const float *>(p));
    else if constexpr (kind == PackedKind::F16)
        return loadHalf(p);
    else if constexpr (kind == PackedKind::BF16)
        return loadBfloat(p);
    else
        return loadFp8(p) * scale;
}

KERNELS_INLINE std::ptrdiff_t scaleBlocksOf(const PackedMatrix &w)
{
    return w.scaleColumns == 0 ? 0 : static_cast<std::ptrdiff_t>((w.columns + w.scaleColumns - 1) / w.scaleColumns);
}

// input [K][rows]; tile [rows][groups * 16]
template <PackedKind kind, int rows, int groups>
void directTile(const PackedMatrix &w, std::int64_t group, const float *input, float *tile)
{
    constexpr std::ptrdiff_t vectorBytes = kVectorBytes<kind>;
    constexpr int unroll = 4;
    F sums[rows][groups];
    F scales[groups];
    const std::byte *data[groups];
    const std::ptrdiff_t columns = w.columns;
    for (int g = 0; g < groups; ++g) {
        data[g] = w.data + (group + g) * columns * vectorBytes;
        scales[g] = zero();
        for (int r = 0; r < rows; ++r)
            sums[r][g] = zero();
    }
    const std::ptrdiff_t blocks = kind == PackedKind::F8E4M3 ? scaleBlocksOf(w) : 1;
    const std::ptrdiff_t blockColumns = kind == PackedKind::F8E4M3 ? w.scaleColumns : columns;
    const auto step = [&](std::ptrdiff_t k) __attribute__((always_inline)) {
        for (int g = 0; g < groups; ++g) {
            const F weights = loadWeights<kind>(data[g] + k * vectorBytes, scales[g]);
            for (int r = 0; r < rows; ++r)
                sums[r][g] = fma(set1(input[k * rows + r]), weights, sums[r][g]);
        }
    };
    std::ptrdiff_t k = 0;
    for (std::ptrdiff_t block = 0; block < blocks; ++block) {
        if constexpr (kind == PackedKind::F8E4M3)
            for (int g = 0; g < groups; ++g)
                scales[g] = load(w.scales + ((group + g) * blocks + block) * kLanes) * set1(256.0F);
        const std::ptrdiff_t end = (block + 1) * blockColumns < columns ? (block + 1) * blockColumns : columns;
        for (; k + unroll <= end; k += unroll) {
            for (int g = 0; g < groups; ++g)
                for (std::ptrdiff_t line = 0; line < unroll * vectorBytes; line += 64)
                    __builtin_prefetch(data[g] + k * vectorBytes + line + kPrefetchBytes);
            step(k);
            step(k + 1);
            step(k + 2);
            step(k + 3);
        }
        for (; k < end; ++k)
            step(k);
    }
    for (int r = 0; r < rows; ++r)
        for (int g = 0; g < groups; ++g)
            store(tile + (r * groups + g) * kLanes, sums[r][g]);
}

// input [K][rows], slab [K][groups * 16], tile [rows][groups * 16]
template <int rows, int groups> void panelTile(const float *input, const float *slab, std::int64_t columns, float *tile)
{
    F sums[rows][groups];
    for (int r = 0; r < rows; ++r)
        for (int g = 0; g < groups; ++g)
            sums[r][g] = zero();
    for (std::int64_t k = 0; k < columns; ++k, input += rows, slab += groups * kLanes) {
        F weights[groups];
        for (int g = 0; g < groups; ++g)
            weights[g] = load(slab + g * kLanes);
        for (int r = 0; r < rows; ++r) {
            const F x = set1(input[r]);
            for (int g = 0; g < groups; ++g)
                sums[r][g] = fma(x, weights[g], sums[r][g]);
        }
    }
    for (int r = 0; r < rows; ++r)
        for (int g = 0; g < groups; ++g)
            store(tile + (r * groups + g) * kLanes, sums[r][g]);
}

using PanelFunction = void (*)(const float *input, const float *slab, std::int64_t columns, float *tile);

template <int groups> PanelFunction panelFunction(int rows)
{
    switch (rows) {
    case 1: return panelTile<1, groups>;
    case 2: return panelTile<2, groups>;
    case 3: return panelTile<3, groups>;
    case 4: return panelTile<4, groups>;
    case 5: return panelTile<5, groups>;
    case 6: return panelTile<6, groups>;
    default: break;
    }
    if constexpr (kPanelRows > 6) {
        switch (rows) {
        case 7: return panelTile<7, groups>;
        case 8: return panelTile<8, groups>;
        case 9: return panelTile<9, groups>;
        case 10: return panelTile<10, groups>;
        case 11: return panelTile<11, groups>;
        case 12: return panelTile<12, groups>;
        default: break;
        }
    }
    return nullptr;
}

KERNELS_INLINE void runPanel(int rows, int groups, const float *input, const float *slab, std::int64_t columns, float *tile)
{
    const PanelFunction function = groups == 1 ? panelFunction<1>(rows) : panelFunction<kPanelGroups>(rows);
    function(input, slab, columns, tile);
}

// Rows of [rows, columns] as [columns][rows].
KERNELS_INLINE void packPanel(const float *input, std::int64_t stride, int rows, std::int64_t columns, float *output)
{
    for (int r = 0; r < rows; ++r) {
        const float *row = input + r * stride;
        for (std::int64_t k = 0; k < columns; ++k)
            output[k * rows + r] = row[k];
    }
}

// One group's weights as float32 at slab[k * stride + lane].
template <PackedKind kind> void widenPlain(const PackedMatrix &w, std::int64_t group, float *slab, std::int64_t stride)
{
    const std::byte *data = w.data + group * w.columns * kVectorBytes<kind>;
    if constexpr (kind == PackedKind::F8E4M3) {
        const std::ptrdiff_t blocks = scaleBlocksOf(w);
        std::int64_t k = 0;
        for (std::ptrdiff_t block = 0; block < blocks; ++block) {
            const F scale = load(w.scales + (group * blocks + block) * kLanes) * set1(256.0F);
            const std::int64_t limit = (block + 1) * w.scaleColumns;
            for (const std::int64_t end = limit < w.columns ? limit : w.columns; k < end; ++k)
                store(slab + k * stride, loadFp8(data + k * 16) * scale);
        }
    } else {
        for (std::int64_t k = 0; k < w.columns; ++k)
            store(slab + k * stride, loadWeights<kind>(data + k * kVectorBytes<kind>, zero()));
    }
}

} // namespace
} // namespace kernels::KERNELS_ISA
