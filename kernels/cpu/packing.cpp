// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// From file rows to interleaved groups (kernels/args.h) and back. Block formats lose nothing: quants become
// unsigned bytes or nibbles, half scales become float32, and the K formats keep their second level of scales as
// bytes. Multiplying the levels is exact in float32 (an 11-bit times a 6- or 8-bit number).
#include "reference/bytes.h"

#include <algorithm>

namespace kernels {

namespace {

using namespace bytes;

// One file block: unsigned quants, its scale and minimum, and the K formats' factors of them per 16 or 32 elements.
struct Decoded {
    std::uint8_t q[256];
    float scale = 0, minimum = 0;
    float scales[8]; // instead of `scale` where a block of one level has several
    std::int8_t fineScales[16];
    std::int8_t fineMinimums[16];
};

void nibbles(const std::byte *qs, std::uint8_t *q)
{
    for (int j = 0; j < 16; ++j) {
        q[j] = u8(qs + j) & 15;
        q[j + 16] = static_cast<std::uint8_t>(u8(qs + j) >> 4);
    }
}

void fifthBits(const std::byte *qh, std::uint8_t *q)
{
    const std::uint32_t high = u32(qh);
    for (int j = 0; j < 32; ++j)
        q[j] = static_cast<std::uint8_t>(q[j] | (((high >> j) & 1U) << 4));
}

void decodeK4(const std::byte *block, const std::byte *qh, const std::byte *qs, Decoded &out)
{
    out.scale = half(block);
    out.minimum = half(block + 2);
    for (int j = 0; j < 8; ++j) {
        int sc = 0;
        int mn = 0;
        scaleAndMinimum(block + 4, j, sc, mn);
        out.fineScales[j] = static_cast<std::int8_t>(sc);
        out.fineMinimums[j] = static_cast<std::int8_t>(mn);
        for (int l = 0; l < 32; ++l) {
            const int packed = u8(qs + 32 * (j / 2) + l);
            const int high = qh != nullptr ? (u8(qh + l) >> j) & 1 : 0;
            out.q[32 * j + l] = static_cast<std::uint8_t>((j % 2 == 0 ? packed & 15 : packed >> 4) | (high << 4));
        }
    }
}

void decodeQ2K(const std::byte *block, Decoded &out)
{
    out.scale = half(block + 80);
    out.minimum = half(block + 82);
    for (int part = 0; part < 16; ++part) {
        const int packed = u8(block + part);
        out.fineScales[part] = static_cast<std::int8_t>(packed & 15);
        out.fineMinimums[part] = static_cast<std::int8_t>(packed >> 4);
        const int n = part / 8;
        const int shift = 2 * ((part / 2) % 4);
        for (int l = 0; l < 16; ++l)
            out.q[16 * part + l] =
                static_cast<std::uint8_t>((u8(block + 16 + 32 * n + 16 * (part % 2) + l) >> shift) & 3);
    }
}

void decodeQ3K(const std::byte *block, Decoded &out)
{
    out.scale = half(block + 108);
    int scales[16];
    q3Scales(block + 96, scales);
    for (int part = 0; part < 16; ++part) {
        out.fineScales[part] = static_cast<std::int8_t>(scales[part] - 32);
        const int plane = part / 2; // 4 * n + j
        for (int l = 0; l < 16; ++l) {
            const int low = (u8(block + 32 + 32 * (plane / 4) + 16 * (part % 2) + l) >> (2 * (plane % 4))) & 3;
            const int high = (u8(block + 16 * (part % 2) + l) >> plane) & 1;
            out.q[16 * part + l] = static_cast<std::uint8_t>(low | (high << 2)); // offset 4
        }
    }
}

void decodeQ6K(const std::byte *block, Decoded &out)
{
    out.scale = half(block + 208);
    for (int part = 0; part < 8; ++part) {
        const int n = part / 4;
        const int quarter = part % 4;
        for (int l = 0; l < 32; ++l) {
            const int packed = u8(block + 64 * n + 32 * (quarter % 2) + l);
            const int low = quarter < 2 ? packed & 15 : packed >> 4;
            const int high = (u8(block + 128 + 32 * n + l) >> (2 * quarter)) & 3;
            out.q[32 * part + l] = static_cast<std::uint8_t>(low | (high << 4));
        }
        for (int h = 0; h < 2; ++h)
            out.fineScales[2 * part + h] = i8(block + 192 + 2 * part + h);
    }
}

// Codes that stand for entries of a table, as unsigned quants with the offset of packedLayout.
void tableCodes(const std::byte *qs, int count, const std::int8_t *table, int offset, std::uint8_t *q)
{
    for (int j = 0; j < count / 2; ++j) {
        q[j] = static_cast<std::uint8_t>(table[u8(qs + j) & 15] + offset);
        q[j + count / 2] = static_cast<std::uint8_t>(table[u8(qs + j) >> 4] + offset);
    }
}

void decodeBlock(DType type, const std::byte *block, Decoded &out)
{
    switch (type) {
    case DType::Q4_0:
        out.scale = half(block);
        nibbles(block + 2, out.q);
        return;
    case DType::Q4_1:
        out.scale = half(block);
        out.minimum = -half(block + 2);
        nibbles(block + 4, out.q);
        return;
    case DType::Q5_0:
        out.scale = half(block);
        nibbles(block + 6, out.q);
        fifthBits(block + 2, out.q);
        return;
    case DType::Q5_1:
        out.scale = half(block);
        out.minimum = -half(block + 2);
        nibbles(block + 8, out.q);
        fifthBits(block + 4, out.q);
        return;
    case DType::Q8_0:
        out.scale = half(block);
        for (int j = 0; j < 32; ++j)
            out.q[j] = static_cast<std::uint8_t>(i8(block + 2 + j) + 128);
        return;
    case DType::Q2_K: return decodeQ2K(block, out);
    case DType::Q3_K: return decodeQ3K(block, out);
    case DType::Q4_K: return decodeK4(block, nullptr, block + 16, out);
    case DType::Q5_K: return decodeK4(block, block + 16, block + 48, out);
    case DType::Q6_K: return decodeQ6K(block, out);
    case DType::IQ4_NL:
        out.scale = half(block);
        tableCodes(block + 2, 32, kIq4Values, 128, out.q);
        return;
    case DType::IQ4_XS:
        for (int part = 0; part < 8; ++part) {
            out.scales[part] = half(block) * static_cast<float>(iq4XsScale(block, part));
            tableCodes(block + 8 + 16 * part, 32, kIq4Values, 128, out.q + 32 * part);
        }
        return;
    case DType::MXFP4:
        out.scale = halfE8m0(u8(block));
        tableCodes(block + 1, 32, kE2m1Doubles, 12, out.q);
        return;
    case DType::NVFP4:
        for (int part = 0; part < 4; ++part) {
            out.scales[part] = halfUe4m3(u8(block + part));
            tableCodes(block + 4 + 8 * part, 16, kE2m1Doubles, 12, out.q + 16 * part);
        }
        return;
    case DType::TQ1_0:
        std::fill_n(out.scales, 8, half(block + 52));
        for (int j = 0; j < 256; ++j)
            out.q[j] = static_cast<std::uint8_t>(tq1Digit(block, j));
        return;
    case DType::TQ2_0:
        std::fill_n(out.scales, 8, half(block + 64));
        for (int j = 0; j < 256; ++j)
            out.q[j] = (u8(block + 32 * (j / 128) + j % 32) >> (2 * (j % 128 / 32))) & 3;
        return;
    case DType::Int4:
        out.scale = half(block);
        out.minimum = out.scale * static_cast<float>(u16(block + 2)); // exact, as the difference is
        nibbles(block + 4, out.q);
        return;
    case DType::Int8:
        out.scale = half(block);
        out.minimum = out.scale * static_cast<float>(u16(block + 2));
        for (int j = 0; j < 32; ++j)
            out.q[j] = u8(block + 4 + j);
        return;
    default: return;
    }
}

int elementBytes(PackedKind kind)
{
    return kind == PackedKind::F32 ? 4 : kind == PackedKind::F8E4M3 || kind == PackedKind::Q8 ? 1 : 2;
}

// Where element (row, k) lies; for Q4 the byte, with `isHigh` telling which half.
std::int64_t elementAt(const PackedMatrix &matrix, std::int64_t row, std::int64_t k, bool &isHigh)
{
    const std::int64_t group = row / kGroupRows;
    const std::int64_t lane = row % kGroupRows;
    isHigh = false;
    if (matrix.kind == PackedKind::Q8)
        return group * matrix.columns * kGroupRows + (k / 4) * 64 + lane * 4 + k % 4;
    if (matrix.kind == PackedKind::Q4) {
        isHigh = k % 8 >= 4;
        return group * matrix.columns * kGroupRows / 2 + (k / 8) * 64 + lane * 4 + k % 4;
    }
    return (group * matrix.columns + k) * kGroupRows + lane;
}

// Where the scale of `row` and block `block` of `blocks` lies.
std::int64_t scaleAt(std::int64_t blocks, std::int64_t row, std::int64_t block)
{
    return (row / kGroupRows * blocks + block) * kGroupRows + row % kGroupRows;
}

} // namespace

PackedLayout packedLayout(DType type)
{
    switch (type) {
    case DType::F16: return {.kind = PackedKind::F16};
    case DType::BF16: return {.kind = PackedKind::BF16};
    case DType::F8E4M3: return {.kind = PackedKind::F8E4M3};
    case DType::Q4_0: return {.kind = PackedKind::Q4, .scaleColumns = 32, .offset = 8};
    case DType::Q4_1: return {.kind = PackedKind::Q4, .scaleColumns = 32, .hasMinimums = true};
    case DType::Q4_K: return {.kind = PackedKind::Q4, .scaleColumns = 32, .hasMinimums = true, .isTwoLevel = true};
    case DType::Int4: return {.kind = PackedKind::Q4, .scaleColumns = 32, .hasMinimums = true};
    case DType::Int8: return {.kind = PackedKind::Q8, .scaleColumns = 32, .hasMinimums = true};
    case DType::Q5_0: return {.kind = PackedKind::Q8, .scaleColumns = 32, .offset = 16};
    case DType::Q5_1: return {.kind = PackedKind::Q8, .scaleColumns = 32, .hasMinimums = true};
    case DType::Q5_K: return {.kind = PackedKind::Q8, .scaleColumns = 32, .hasMinimums = true, .isTwoLevel = true};
    case DType::Q8_0: return {.kind = PackedKind::Q8, .scaleColumns = 32, .offset = 128};
    case DType::Q2_K: return {.kind = PackedKind::Q8, .scaleColumns = 16, .hasMinimums = true, .isTwoLevel = true};
    case DType::Q3_K: return {.kind = PackedKind::Q8, .scaleColumns = 16, .offset = 4, .isTwoLevel = true};
    case DType::Q6_K: return {.kind = PackedKind::Q8, .scaleColumns = 16, .offset = 32, .isTwoLevel = true};
    case DType::IQ4_NL:
    case DType::IQ4_XS: return {.kind = PackedKind::Q8, .scaleColumns = 32, .offset = 128};
    case DType::MXFP4: return {.kind = PackedKind::Q8, .scaleColumns = 32, .offset = 12};
    case DType::NVFP4: return {.kind = PackedKind::Q8, .scaleColumns = 16, .offset = 12};
    case DType::TQ1_0:
    case DType::TQ2_0: return {.kind = PackedKind::Q4, .scaleColumns = 32, .offset = 1};
    default: return {};
    }
}

std::size_t packedDataBytes(const PackedMatrix &matrix)
{
    const auto elements = static_cast<std::size_t>(matrix.groups() * kGroupRows * matrix.columns);
    return matrix.kind == PackedKind::Q4 ? elements / 2
                                         : elements * static_cast<std::size_t>(elementBytes(matrix.kind));
}

std::size_t packedScaleCount(const PackedMatrix &matrix, bool isTwoLevel)
{
    const std::int64_t blocks = isTwoLevel ? matrix.columns / kSuperColumns : matrix.scaleBlocks();
    return static_cast<std::size_t>(matrix.groups() * kGroupRows * blocks);
}

std::size_t packedFineCount(const PackedMatrix &matrix, bool isTwoLevel)
{
    return isTwoLevel ? static_cast<std::size_t>(matrix.groups() * kGroupRows * matrix.scaleBlocks()) : 0;
}

namespace {

// Elements [k, k + count) of `rows` rows that lie in one group; target is the element of the first row's lane.
template <typename Element>
void interleave(const std::byte *source, std::size_t rowStride, int rows, std::int64_t count, std::byte *target)
{
    for (int r = 0; r < rows; ++r) {
        const std::byte *in = source + static_cast<std::size_t>(r) * rowStride;
        std::byte *out = target + static_cast<std::size_t>(r) * sizeof(Element);
        for (std::int64_t k = 0; k < count; ++k, in += sizeof(Element), out += kGroupRows * sizeof(Element))
            std::memcpy(out, in, sizeof(Element));
    }
}

void packQuants(const PackedMatrix &matrix, const PackTarget &target, std::int64_t row, std::int64_t k, int count,
                const Decoded &decoded)
{
    bool isHigh = false;
    std::byte *cells = target.data + elementAt(matrix, row, k, isHigh);
    if (matrix.kind == PackedKind::Q8) {
        for (int j = 0; j < count; j += 4)
            std::memcpy(cells + j / 4 * 64, decoded.q + j, 4);
    } else {
        for (int j = 0; j < count; j += 8)
            for (int i = 0; i < 4; ++i)
                cells[j / 8 * 64 + i] = std::byte{static_cast<std::uint8_t>(decoded.q[j + i] | (decoded.q[j + i + 4] << 4))};
    }
    const int span = matrix.scaleColumns;
    const bool isTwoLevel = target.fineScales != nullptr;
    const std::int64_t blocks = isTwoLevel ? matrix.columns / kSuperColumns : matrix.scaleBlocks();
    const std::int64_t at = scaleAt(blocks, row, k / (isTwoLevel ? kSuperColumns : span));
    if (!isTwoLevel && count > span) {
        for (int part = 0; part < count / span; ++part)
            target.scales[at + part * kGroupRows] = decoded.scales[part];
        return; // such formats have no minimums
    }
    target.scales[at] = decoded.scale;
    if (target.minimums != nullptr)
        target.minimums[at] = decoded.minimum;
    for (int part = 0; isTwoLevel && part < count / span; ++part) {
        const std::int64_t fine = scaleAt(matrix.scaleBlocks(), row, k / span + part);
        target.fineScales[fine] = decoded.fineScales[part];
        if (target.fineMinimums != nullptr)
            target.fineMinimums[fine] = decoded.fineMinimums[part];
    }
}

} // namespace

void packRows(const PackedMatrix &matrix, const PackTarget &target, std::int64_t first, int count, DType type,
              const std::byte *rows)
{
    const DTypeInfo &info = dtypeInfo(type);
    const auto blockBytes = static_cast<std::size_t>(info.blockBytes);
    const std::size_t stride = rowBytes(type, static_cast<std::size_t>(matrix.columns));
    // A few of K for all rows, then the next few: what is written stays in the first cache.
    if (!info.isQuantised) {
        constexpr std::int64_t kStep = 64;
        bool isHigh = false;
        std::byte *out = target.data + static_cast<std::size_t>(elementAt(matrix, first, 0, isHigh)) * blockBytes;
        for (std::int64_t k = 0; k < matrix.columns; k += kStep) {
            const std::int64_t step = std::min(kStep, matrix.columns - k);
            const std::byte *in = rows + static_cast<std::size_t>(k) * blockBytes;
            std::byte *to = out + static_cast<std::size_t>(k) * kGroupRows * blockBytes;
            if (blockBytes == 4)
                interleave<std::uint32_t>(in, stride, count, step, to);
            else if (blockBytes == 2)
                interleave<std::uint16_t>(in, stride, count, step, to);
            else
                interleave<std::uint8_t>(in, stride, count, step, to);
        }
        return;
    }
    Decoded decoded;
    for (std::int64_t k = 0; k < matrix.columns; k += info.blockElements, rows += blockBytes)
        for (int r = 0; r < count; ++r) {
            decodeBlock(type, rows + static_cast<std::size_t>(r) * stride, decoded);
            packQuants(matrix, target, first + r, k, info.blockElements, decoded);
        }
}

void multiplyScales(const PackedMatrix &matrix, const PackTarget &target, std::int64_t index, float factor)
{
    for (std::int64_t block = 0; block < matrix.scaleBlocks(); ++block)
        target.scales[scaleAt(matrix.scaleBlocks(), index, block)] *= factor;
}

void packScale(const PackedMatrix &matrix, const PackTarget &target, std::int64_t index, std::int64_t block, float scale)
{
    target.scales[scaleAt(matrix.scaleBlocks(), index, block)] = scale;
}

void unpackRow(const PackedMatrix &matrix, std::int64_t index, float *output)
{
    bool isHigh = false;
    for (std::int64_t k = 0; k < matrix.columns; ++k) {
        const std::int64_t at = elementAt(matrix, index, k, isHigh);
        const std::byte *cell = matrix.data + at * elementBytes(matrix.kind);
        switch (matrix.kind) {
        case PackedKind::F32: output[k] = f32(cell); break;
        case PackedKind::F16: output[k] = half(cell); break;
        case PackedKind::BF16: output[k] = bfloatToFloat(u16(cell)); break;
        case PackedKind::F8E4M3:
            output[k] = fp8ToFloat(u8(cell)) * matrix.scales[scaleAt(matrix.scaleBlocks(), index, k / matrix.scaleColumns)];
            break;
        case PackedKind::Q8:
        case PackedKind::Q4: {
            const std::byte packed = matrix.data[at];
            const int q = matrix.kind == PackedKind::Q8 ? u8(&packed)
                                                        : (isHigh ? u8(&packed) >> 4 : u8(&packed) & 15);
            const std::int64_t fine = scaleAt(matrix.scaleBlocks(), index, k / matrix.scaleColumns);
            float scale = 0;
            float minimum = 0;
            if (matrix.fineScales != nullptr) {
                const std::int64_t coarse = scaleAt(matrix.columns / kSuperColumns, index, k / kSuperColumns);
                scale = matrix.scales[coarse] * static_cast<float>(matrix.fineScales[fine]);
                if (matrix.minimums != nullptr)
                    minimum = matrix.minimums[coarse] * static_cast<float>(matrix.fineMinimums[fine]);
            } else {
                scale = matrix.scales[fine];
                if (matrix.minimums != nullptr)
                    minimum = matrix.minimums[fine];
            }
            output[k] = static_cast<float>(q - matrix.offset) * scale - minimum;
            break;
        }
        }
    }
}

} // namespace kernels
