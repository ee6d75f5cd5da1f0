// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// How block-quantised weights lie on the card. Same numbers as the file, another order: 16 rows are a tile, 128 columns
// a unit, and what a lane of a warp needs for one unit of one row is one aligned 16-byte load, already in the order of
// the A operand of mma.m16n8k16. Every index function here runs on the host too; tests/kernels holds them to it.
//
// A tile is planes one after the other, each contiguous over the units:
//   digits [unit][row half][piece][lane][16 bytes]   piece: 1 for four-bit digits, 2 for eight-bit ones
//   high   [unit][row half][lane][4 or 8 bytes]      fifth bit, or fifth and sixth
//   scales [unit][row 16][scaleBytes]
//   super  [pair of units][row 16][superBytes]       d and dmin of 256 columns
// Lane 4 * (row % 8) + t holds eight of the 32 columns of each of the unit's four groups (columnOf).

#include "kernels/dtype.h"

#include <cstdint>

#ifdef __CUDACC__
#define DIPTYCH_BOTH __host__ __device__
#else
#define DIPTYCH_BOTH
#endif

namespace kernels::cuda {

inline constexpr int kTileRows = 16, kUnitColumns = 128, kGroupColumns = 32, kGroupsPerUnit = 4;

struct PackedFormat {
    int digitBits = 0;   // 4 or 8; 0: the type stays as the file has it
    int highBits = 0;    // 0, 1 or 2 further bits of a digit
    int scaleBytes = 0;  // a row and unit
    int superBytes = 0;  // a row and two units
};

DIPTYCH_BOTH constexpr PackedFormat packedFormat(DType type)
{
    switch (type) {
    case DType::Q4_0: return {4, 0, 8, 0};   // four float16 d
    case DType::Q4_1: return {4, 0, 16, 0};  // four float16 d, m
    case DType::Q5_0: return {4, 1, 8, 0};
    case DType::Q5_1: return {4, 1, 16, 0};
    case DType::Q8_0: return {8, 0, 8, 0};
    case DType::Q4_K: return {4, 0, 8, 4};   // four pairs of bytes scale, minimum; float16 d, dmin
    case DType::Q5_K: return {4, 1, 8, 4};
    case DType::Q6_K: return {4, 2, 8, 2};   // eight int8 scales of 16 columns; float16 d
    case DType::F8E4M3: return {8, 0, 4, 0}; // a float32 scale
    default: return {};
    }
}

// Where everything of a [out, in] matrix lies.
struct PackedShape {
    int units = 0, tiles = 0;
    std::int64_t tileBytes = 0;
    int highOffset = 0, scaleOffset = 0, superOffset = 0; // in a tile
};

DIPTYCH_BOTH constexpr PackedShape packedShape(DType type, std::int64_t out, std::int64_t in)
{
    const PackedFormat f = packedFormat(type);
    PackedShape s;
    s.units = static_cast<int>((in + kUnitColumns - 1) / kUnitColumns);
    s.tiles = static_cast<int>((out + kTileRows - 1) / kTileRows);
    s.highOffset = s.units * f.digitBits * (kTileRows * kUnitColumns / 8);
    s.scaleOffset = s.highOffset + s.units * f.highBits * (kTileRows * kUnitColumns / 8);
    s.superOffset = s.scaleOffset + s.units * f.scaleBytes * kTileRows;
    s.tileBytes = s.superOffset + (s.units + 1) / 2 * f.superBytes * kTileRows;
    s.tileBytes = (s.tileBytes + 127) / 128 * 128;
    return s;
}

// Which of a group's 32 columns the c-th of lane t is. Q6_K has a scale every 16 columns, so there the first four of
// each lane make up the first 16.
DIPTYCH_BOTH constexpr int columnOf(DType type, int t, int c)
{
    return type == DType::Q6_K ? 16 * (c / 4) + 4 * t + c % 4 : 8 * t + c;
}
DIPTYCH_BOTH constexpr int laneOf(DType type, int column)
{
    return type == DType::Q6_K ? column % 16 / 4 : column / 8;
}
DIPTYCH_BOTH constexpr int slotOf(DType type, int column)
{
    return type == DType::Q6_K ? column / 16 * 4 + column % 4 : column % 8;
}

// Byte of the 32-bit word, and the bit in it, that hold digit (row, group, t, c) of a unit; the word's address is
// relative to the tile.
struct DigitPlace {
    int digitWord = 0, digitShift = 0; // four-bit: nibble; eight-bit: byte
    int highWord = 0, highShift = 0;
};
DIPTYCH_BOTH constexpr DigitPlace digitPlace(DType type, const PackedShape &s, int row, int unit, int group, int t, int c)
{
    const PackedFormat f = packedFormat(type);
    const int half = row / 8;
    const int lane = 4 * (row % 8) + t;
    DigitPlace p;
    if (f.digitBits == 4) {
        p.digitWord = ((unit * 2 + half) * 32 + lane) * 16 + group * 4;
        p.digitShift = (c % 2) * 16 + (c / 2) * 4;
    } else {
        p.digitWord = (((unit * 2 + half) * 2 + group / 2) * 32 + lane) * 16 + (group % 2) * 8 + c / 4 * 4;
        p.digitShift = c % 4 * 8;
    }
    if (f.highBits == 1) { // eight bits apart, as the nibbles: one shift and one mask serve four digits
        p.highWord = s.highOffset + ((unit * 2 + half) * 32 + lane) * 4;
        p.highShift = (c % 2) * 16 + (c / 4) * 8 + group * 2 + c / 2 % 2;
    } else if (f.highBits == 2) {
        p.highWord = s.highOffset + ((unit * 2 + half) * 32 + lane) * 8 + group / 2 * 4;
        p.highShift = (c % 2) * 16 + (c / 4) * 8 + (group % 2) * 4 + c / 2 % 2 * 2;
    }
    return p;
}

// A digit of a file's block, before its offset is taken away (eight-bit ones with the sign bit turned over).
DIPTYCH_BOTH inline int fileDigit(DType type, const std::uint8_t *row, int column)
{
    switch (type) {
    case DType::Q4_0:
    case DType::Q4_1: {
        const int header = type == DType::Q4_0 ? 2 : 4;
        const std::uint8_t *block = row + (column / 32) * (header + 16);
        const int j = column % 32;
        return j < 16 ? block[header + j] & 15 : block[header + j - 16] >> 4;
    }
    case DType::Q5_0:
    case DType::Q5_1: {
        const int header = type == DType::Q5_0 ? 2 : 4;
        const std::uint8_t *block = row + (column / 32) * (header + 20);
        const int j = column % 32;
        const int low = j < 16 ? block[header + 4 + j] & 15 : block[header + 4 + j - 16] >> 4;
        return low | (((block[header + j / 8] >> (j % 8)) & 1) << 4);
    }
    case DType::Q8_0: return row[(column / 32) * 34 + 2 + column % 32] ^ 0x80;
    case DType::Q4_K:
    case DType::Q5_K: {
        const std::uint8_t *block = row + (column / 256) * (type == DType::Q4_K ? 144 : 176);
        const int j = column % 256;
        const int group = j / 64;
        const bool high = (j % 64) >= 32;
        const std::uint8_t byte = block[(type == DType::Q4_K ? 16 : 48) + group * 32 + j % 32];
        int digit = high ? byte >> 4 : byte & 15;
        if (type == DType::Q5_K)
            digit |= ((block[16 + j % 32] >> (2 * group + (high ? 1 : 0))) & 1) << 4;
        return digit;
    }
    case DType::Q6_K: {
        const std::uint8_t *block = row + (column / 256) * 210;
        const int half = (column % 256) / 128;
        const int quarter = (column % 128) / 32;
        const std::uint8_t low = block[half * 64 + (quarter & 1) * 32 + column % 32];
        const std::uint8_t high = block[128 + half * 32 + column % 32];
        return (quarter < 2 ? low & 15 : low >> 4) | (((high >> (2 * quarter)) & 3) << 4);
    }
    default: return row[column]; // FP8
    }
}

// The scale bytes of one row and unit, and d/dmin of the 256 columns it lies in, out of a file's row.
// FP8: its scale comes from elsewhere, as four bytes.
DIPTYCH_BOTH inline void fileScales(DType type, const std::uint8_t *row, int unit, int columns, std::uint8_t *scales,
    std::uint8_t *super)
{
    const PackedFormat f = packedFormat(type);
    for (int i = 0; i < f.scaleBytes; ++i)
        scales[i] = 0;
    if (type == DType::Q4_K || type == DType::Q5_K) {
        const std::uint8_t *block = row + (unit / 2) * (type == DType::Q4_K ? 144 : 176);
        for (int i = 0; i < 4; ++i)
            super[i] = block[i];
        const std::uint8_t *s = block + 4;
        for (int g = 0; g < 4; ++g) {
            const int j = (unit % 2) * 4 + g;
            scales[2 * g] = static_cast<std::uint8_t>(j < 4 ? s[j] & 63 : (s[j + 4] & 15) | ((s[j - 4] >> 6) << 4));
            scales[2 * g + 1] = static_cast<std::uint8_t>(j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) | ((s[j] >> 6) << 4));
        }
    } else if (type == DType::Q6_K) {
        const std::uint8_t *block = row + (unit / 2) * 210;
        super[0] = block[208];
        super[1] = block[209];
        for (int i = 0; i < 8; ++i)
            scales[i] = block[192 + (unit % 2) * 8 + i];
    } else if (type != DType::F8E4M3) {
        const int digits = f.digitBits == 8 ? 32 : f.highBits == 1 ? 20 : 16;
        const int header = f.scaleBytes / 4; // 2 or 4 bytes
        for (int g = 0; g < 4 && unit * kUnitColumns + g * kGroupColumns < columns; ++g) {
            const std::uint8_t *block = row + (unit * 4 + g) * (header + digits);
            for (int i = 0; i < header; ++i)
                scales[g * header + i] = block[i];
        }
    }
}

// Writes one row's share of one unit into its tile. `source` is the file's row, null for a row of padding.
DIPTYCH_BOTH inline void packUnit(DType type, const PackedShape &s, const std::uint8_t *source, int columns, int row, int unit,
    std::uint32_t floatScale, std::uint8_t *tile)
{
    const PackedFormat f = packedFormat(type);
    const auto store = [&](int offset, std::uint32_t value) { *reinterpret_cast<std::uint32_t *>(tile + offset) = value; };
    for (int t = 0; t < 4; ++t) {
        std::uint32_t high[2] = {0, 0};
        int highWord[2] = {0, 0};
        for (int group = 0; group < kGroupsPerUnit; ++group) {
            std::uint32_t words[2] = {0, 0};
            int places[2] = {0, 0};
            const int first = unit * kUnitColumns + group * kGroupColumns;
            for (int c = 0; c < 8; ++c) {
                const DigitPlace p = digitPlace(type, s, row, unit, group, t, c);
                const int column = first + columnOf(type, t, c);
                const int digit = source != nullptr && column < columns ? fileDigit(type, source, column) : 0;
                const int word = f.digitBits == 8 ? c / 4 : 0;
                places[word] = p.digitWord;
                words[word] |= static_cast<std::uint32_t>(digit & (f.digitBits == 8 ? 255 : 15)) << p.digitShift;
                if (f.highBits > 0) {
                    const int part = f.highBits == 2 ? group / 2 : 0;
                    highWord[part] = p.highWord;
                    high[part] |= static_cast<std::uint32_t>(digit >> 4) << p.highShift;
                }
            }
            for (int word = 0; word < f.digitBits / 4; ++word)
                store(places[word], words[word]);
        }
        for (int part = 0; part < f.highBits; ++part)
            store(highWord[part], high[part]);
    }
    std::uint8_t scales[16] = {};
    std::uint8_t super[4] = {};
    if (source != nullptr)
        fileScales(type, source, unit, columns, scales, super);
    std::uint8_t *target = tile + s.scaleOffset + (unit * kTileRows + row) * f.scaleBytes;
    if (type == DType::F8E4M3) {
        *reinterpret_cast<std::uint32_t *>(target) = source != nullptr ? floatScale : 0;
    } else {
        for (int i = 0; i < f.scaleBytes; ++i)
            target[i] = scales[i];
    }
    if (unit % 2 == 0) {
        for (int i = 0; i < f.superBytes; ++i)
            tile[s.superOffset + (unit / 2 * kTileRows + row) * f.superBytes + i] = super[i];
    }
}

DIPTYCH_BOTH inline std::uint32_t wordAt(const std::uint8_t *p) { return *reinterpret_cast<const std::uint32_t *>(p); }

// The digit at (row, column) of a tile as the file holds it, before its offset is taken away.
DIPTYCH_BOTH inline int packedDigit(DType type, const PackedShape &s, const std::uint8_t *tile, int row, int column)
{
    const PackedFormat f = packedFormat(type);
    const int inGroup = column % kGroupColumns;
    const DigitPlace p = digitPlace(type, s, row, column / kUnitColumns, column % kUnitColumns / kGroupColumns,
        laneOf(type, inGroup), slotOf(type, inGroup));
    int digit = static_cast<int>(wordAt(tile + p.digitWord) >> p.digitShift) & (f.digitBits == 8 ? 255 : 15);
    if (f.highBits > 0)
        digit |= (static_cast<int>(wordAt(tile + p.highWord) >> p.highShift) & (f.highBits == 2 ? 3 : 1)) << 4;
    return digit;
}

} // namespace kernels::cuda
