// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/args.h"
#include "kernels/dtype.h"

#include <cstddef>
#include <cstdint>
#include <span>

// Number formats and the packing of weights. Scalar, run at load; all inputs may be unaligned.
namespace kernels {

float halfToFloat(std::uint16_t half);
std::uint16_t floatToHalf(float value);         // nearest even, overflow to infinity
float bfloatToFloat(std::uint16_t bits);
std::uint16_t floatToBfloat(float value);       // nearest even
float fp8ToFloat(std::uint8_t bits);            // e4m3fn: 0x7F and 0xFF are NaN, no infinity
float fp8e5m2ToFloat(std::uint8_t bits);
float e8m0ToFloat(std::uint8_t bits);           // 2^(bits - 127), 0xFF is NaN
bool hasFp8Nan(const std::byte *data, std::size_t count);

// Types a weight can have: F32, F16, BF16, F8E4M3, F8E5M2 and the block formats.
bool isWeightType(DType type);

// output[0 .. columns) = the row's values. columns is a multiple of the type's block; FP8 without scales.
void dequantizeRow(DType type, const std::byte *row, std::int64_t columns, float *output);
// FP8 scales of one row of blocks: value[k] *= scale[k / blockColumns]; scaleType is F32 or F8E8M0.
void applyScales(float *row, std::int64_t columns, const std::byte *scales, DType scaleType, int blockColumns);

// Q8_0 and Q4_0 only; columns is a multiple of 32.
void quantizeRow(DType type, const float *row, std::int64_t columns, std::byte *output);

// How a type is packed. F8E5M2 becomes F32. scaleColumns of FP8 is set by the caller.
struct PackedLayout {
    PackedKind kind = PackedKind::F32;
    int scaleColumns = 0;
    int offset = 0;
    bool hasMinimums = false;
    bool isTwoLevel = false;
};
PackedLayout packedLayout(DType type);
// Bytes of data, and numbers in scales (minimums have as many) and fineScales; these two for a layout of one or two
// levels, as the matrix does not have its pointers yet.
std::size_t packedDataBytes(const PackedMatrix &matrix);
std::size_t packedScaleCount(const PackedMatrix &matrix, bool isTwoLevel);
std::size_t packedFineCount(const PackedMatrix &matrix, bool isTwoLevel);

// Where packing writes; the same memory as a PackedMatrix's, zeroed before.
struct PackTarget {
    std::byte *data = nullptr;
    float *scales = nullptr, *minimums = nullptr;
    std::int8_t *fineScales = nullptr, *fineMinimums = nullptr;
};
// Puts rows [first, first + count) in their place; they must lie in one group of sixteen. `rows` are the file's, of
// `type` (F8E5M2: not here), one after the other.
void packRows(const PackedMatrix &matrix, const PackTarget &target, std::int64_t first, int count, DType type,
              const std::byte *rows);
// Multiplies the scales of row `index`, which was put in its place before. Not for kinds without scales or with two levels.
void multiplyScales(const PackedMatrix &matrix, const PackTarget &target, std::int64_t index, float factor);
// FP8: the scale of row `index` and scale block `block`.
void packScale(const PackedMatrix &matrix, const PackTarget &target, std::int64_t index, std::int64_t block, float scale);
// The values of row `index`, bit-equal to dequantizeRow of the file's row.
void unpackRow(const PackedMatrix &matrix, std::int64_t index, float *output);

} // namespace kernels
