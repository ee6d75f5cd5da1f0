// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu_weight.h"

#include "backend/tensor_rows.h"
#include "kernels/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace engine {

namespace {

using kernels::dtypeInfo;
using kernels::kGroupRows;
using kernels::PackedKind;
using kernels::PackedMatrix;

double bytesPerElement(DType type)
{
    return static_cast<double>(dtypeInfo(type).blockBytes) / dtypeInfo(type).blockElements;
}

Error noRoom(const std::string &name)
{
    return {ErrorCode::OutOfMemory, "there is not enough memory for " + name};
}

} // namespace

PackedMatrix CpuWeight::matrix(std::int64_t index) const
{
    PackedMatrix result = m_first;
    result.data += static_cast<std::size_t>(index) * m_dataStride;
    if (result.scales != nullptr)
        result.scales += static_cast<std::size_t>(index) * m_scaleStride;
    if (result.minimums != nullptr)
        result.minimums += static_cast<std::size_t>(index) * m_scaleStride;
    if (result.fineScales != nullptr)
        result.fineScales += static_cast<std::size_t>(index) * m_fineStride;
    if (result.fineMinimums != nullptr)
        result.fineMinimums += static_cast<std::size_t>(index) * m_fineStride;
    return result;
}

Result<Done> CpuWeightLoader::reserve(CpuWeight &weight, std::int64_t rows, std::int64_t columns, std::int64_t count,
                                      DType type, int scaleColumns, const std::string &name)
{
    const kernels::PackedLayout layout = kernels::packedLayout(type);
    PackedMatrix &first = weight.m_first;
    first.rows = rows;
    first.columns = columns;
    first.kind = layout.kind;
    first.offset = layout.offset;
    first.scaleColumns = scaleColumns > 0 ? scaleColumns : layout.scaleColumns;
    weight.m_count = count;
    weight.m_dataStride = kernels::packedDataBytes(first);
    weight.m_scaleStride = kernels::packedScaleCount(first, layout.isTwoLevel);
    weight.m_fineStride = kernels::packedFineCount(first, layout.isTwoLevel);
    const auto take = [&](std::size_t bytes) -> std::byte * {
        WeightArena::Piece piece = m_arena.allocate(bytes);
        if (piece.data != nullptr)
            weight.m_memory.push_back(std::move(piece.block));
        weight.bytes += bytes;
        return piece.data;
    };
    const auto matrices = static_cast<std::size_t>(count);
    first.data = take(weight.m_dataStride * matrices);
    if (first.data == nullptr)
        return noRoom(name);
    if (weight.m_scaleStride > 0) {
        first.scales = reinterpret_cast<float *>(take(weight.m_scaleStride * matrices * sizeof(float)));
        if (first.scales == nullptr)
            return noRoom(name);
    }
    if (layout.hasMinimums) {
        first.minimums = reinterpret_cast<float *>(take(weight.m_scaleStride * matrices * sizeof(float)));
        if (first.minimums == nullptr)
            return noRoom(name);
    }
    if (layout.isTwoLevel) {
        first.fineScales = reinterpret_cast<std::int8_t *>(take(weight.m_fineStride * matrices));
        if (first.fineScales == nullptr)
            return noRoom(name);
    }
    if (layout.isTwoLevel && layout.hasMinimums) {
        first.fineMinimums = reinterpret_cast<std::int8_t *>(take(weight.m_fineStride * matrices));
        if (first.fineMinimums == nullptr)
            return noRoom(name);
    }
    return Done{};
}

Result<Done> CpuWeightLoader::keepValues(CpuWeight &weight, std::span<const float> values, const std::string &name)
{
    WeightArena::Piece piece = m_arena.allocate(values.size_bytes());
    if (piece.data == nullptr)
        return noRoom(name);
    std::memcpy(piece.data, values.data(), values.size_bytes());
    weight.m_values = reinterpret_cast<float *>(piece.data);
    weight.m_memory.push_back(std::move(piece.block));
    weight.bytes += values.size_bytes();
    return Done{};
}

namespace {

kernels::PackTarget targetOf(const PackedMatrix &matrix)
{
    // The memory is the loader's own; a PackedMatrix only reads it.
    return {const_cast<std::byte *>(matrix.data), const_cast<float *>(matrix.scales),
            const_cast<float *>(matrix.minimums), const_cast<std::int8_t *>(matrix.fineScales),
            const_cast<std::int8_t *>(matrix.fineMinimums)};
}

// The FP8 scales of matrix row `index`, which is row `row` of the tensor; 1 where it has none.
void packScales(const PackedMatrix &matrix, const kernels::PackTarget &target, std::int64_t index, const FileTensor &tensor,
                std::int64_t row)
{
    const std::byte *scales = tensor.scales.empty() ? nullptr : scaleRow(tensor, row);
    for (std::int64_t b = 0; b < matrix.scaleBlocks(); ++b) {
        float scale = 1.0F;
        if (scales != nullptr)
            kernels::applyScales(&scale, 1, scales + b * (tensor.scaleType == DType::F32 ? 4 : 1), tensor.scaleType, 1);
        kernels::packScale(matrix, target, index, b, scale);
    }
}

} // namespace

void CpuWeightLoader::packMatrix(CpuWeight &weight, std::int64_t index, const Source &source,
                                 std::string_view requantize)
{
    const PackedMatrix matrix = weight.matrix(index);
    const kernels::PackTarget target = targetOf(matrix);
    const FileTensor &tensor = *source.tensor;
    const auto columns = static_cast<std::size_t>(matrix.columns);
    const std::size_t bytes = kernels::rowBytes(tensor.dtype, columns);
    const bool isConverted = !requantize.empty() || tensor.dtype == DType::F8E5M2;
    const bool isFp8 = matrix.kind == PackedKind::F8E4M3;
    const bool isScaledWhole = tensor.dtype == DType::NVFP4 && !tensor.scales.empty(); // one scale a matrix over its blocks'
    m_pool.forEach(matrix.groups(), 1, [&](int, std::int64_t begin, std::int64_t end) {
        std::vector<float> values;
        std::vector<std::byte> quants;
        for (std::int64_t group = begin; group < end; ++group) {
            const std::int64_t first = group * kGroupRows;
            const auto count = static_cast<int>(std::min<std::int64_t>(kGroupRows, matrix.rows - first));
            const std::int64_t row = source.firstRow + first;
            if (!isConverted) {
                kernels::packRows(matrix, target, first, count, tensor.dtype,
                                  tensor.bytes.data() + static_cast<std::size_t>(row) * bytes);
                for (int r = 0; isFp8 && r < count; ++r)
                    packScales(matrix, target, first + r, tensor, row + r);
                for (int r = 0; isScaledWhole && r < count; ++r) {
                    float scale = 1.0F;
                    kernels::applyScales(&scale, 1, scaleRow(tensor, row + r), tensor.scaleType, 1);
                    kernels::multiplyScales(matrix, target, first + r, scale);
                }
                continue;
            }
            values.resize(columns * kGroupRows);
            for (int r = 0; r < count; ++r)
                dequantizeTensorRow(tensor, row + r, values.data() + static_cast<std::size_t>(r) * columns);
            if (requantize.empty()) {
                kernels::packRows(matrix, target, first, count, DType::F32,
                                  reinterpret_cast<const std::byte *>(values.data()));
                continue;
            }
            const std::size_t quantBytes = kernels::rowBytes(weight.dtype, columns);
            quants.resize(quantBytes * kGroupRows);
            for (int r = 0; r < count; ++r)
                kernels::quantizeRow(weight.dtype, values.data() + static_cast<std::size_t>(r) * columns, matrix.columns,
                                     quants.data() + static_cast<std::size_t>(r) * quantBytes);
            kernels::packRows(matrix, target, first, count, weight.dtype, quants.data());
        }
    });
}

// `type` is F32, or F16/BF16 for values that came from such a tensor.
void CpuWeightLoader::packFloats(CpuWeight &weight, std::int64_t index, const float *values, DType type)
{
    const PackedMatrix matrix = weight.matrix(index);
    const kernels::PackTarget target = targetOf(matrix);
    std::vector<std::uint16_t> narrow(static_cast<std::size_t>(matrix.columns));
    for (std::int64_t r = 0; r < matrix.rows; ++r) {
        const float *row = values + r * matrix.columns;
        if (type == DType::F32) {
            kernels::packRows(matrix, target, r, 1, type, reinterpret_cast<const std::byte *>(row));
            continue;
        }
        for (std::size_t k = 0; k < narrow.size(); ++k)
            narrow[k] = type == DType::F16 ? kernels::floatToHalf(row[k]) : kernels::floatToBfloat(row[k]);
        kernels::packRows(matrix, target, r, 1, type, reinterpret_cast<const std::byte *>(narrow.data()));
    }
}

Result<WeightPtr> CpuWeightLoader::load(std::span<const FileTensor *const> sources, const Shape &shape,
                                        const UploadOptions &options)
{
    if (sources.empty())
        return Error{ErrorCode::Internal, "a weight without a source"};
    const FileTensor &front = *sources.front();
    for (const FileTensor *source : sources) {
        ENGINE_CHECK(checkTensor(*source));
        if (source->dtype != front.dtype || !(source->shape == front.shape)
            || source->scales.empty() != front.scales.empty()
            || source->scaleBlockColumns != front.scaleBlockColumns)
            return Error{ErrorCode::BadFile, source->name + " differs in type or shape from " + front.name};
    }
    const Matrices m = matricesOf(front.shape);
    auto weight = std::make_unique<CpuWeight>();
    weight->shape = shape;
    weight->dtype = front.dtype == DType::F8E5M2 ? DType::F32 : front.dtype;

    if (shape.rank <= 1 || (m.count == 1 && (m.rows == 1 || m.columns == 1))) {
        ENGINE_TRY(const std::vector<float> values, dequantize(front));
        ENGINE_CHECK(keepValues(*weight, values, front.name));
        if (shape.rank <= 1) {
            weight->dtype = DType::F32;
            return WeightPtr(std::move(weight));
        }
    }
    if (options.transposed) {
        if (shape.rank != 2 || sources.size() != 1)
            return Error{ErrorCode::Internal, front.name + " can't be transposed: it is no matrix"};
        ENGINE_TRY(const std::vector<float> values, dequantize(front));
        std::vector<float> transposed(values.size());
        for (std::int64_t r = 0; r < m.rows; ++r)
            for (std::int64_t c = 0; c < m.columns; ++c)
                transposed[static_cast<std::size_t>(c * m.rows + r)] = values[static_cast<std::size_t>(r * m.columns + c)];
        const bool isNarrow = front.dtype == DType::F16 || front.dtype == DType::BF16;
        weight->dtype = isNarrow ? front.dtype : DType::F32;
        weight->shape = {m.columns, m.rows};
        ENGINE_CHECK(reserve(*weight, m.columns, m.rows, 1, weight->dtype, 0, front.name));
        packFloats(*weight, 0, transposed.data(), weight->dtype);
        return WeightPtr(std::move(weight));
    }

    std::string_view requantize = options.requantize;
    if (!requantize.empty()) {
        if (requantize != "q8_0" && requantize != "q4_0")
            return Error{ErrorCode::BadRequest,
                         "weights can be re-quantised to q8_0 or q4_0, not to " + std::string(requantize)};
        const DType wanted = requantize == "q8_0" ? DType::Q8_0 : DType::Q4_0;
        if (shape.rank >= 2 && m.columns % 32 == 0 && bytesPerElement(front.dtype) > bytesPerElement(wanted))
            weight->dtype = wanted;
        else
            requantize = {};
    }
    int scaleColumns = 0;
    if (weight->dtype == DType::F8E4M3)
        scaleColumns = front.scales.empty() ? static_cast<int>(std::min<std::int64_t>(m.columns, 1 << 30))
                                            : front.scaleBlockColumns;
    const auto perSource = m.count;
    const auto count = perSource * static_cast<std::int64_t>(sources.size());
    ENGINE_CHECK(reserve(*weight, m.rows, m.columns, count, weight->dtype, scaleColumns, front.name));
    for (std::int64_t i = 0; i < count; ++i)
        packMatrix(*weight, i, {sources[static_cast<std::size_t>(i / perSource)], i % perSource * m.rows}, requantize);
    return WeightPtr(std::move(weight));
}

Result<WeightPtr> CpuWeightLoader::loadValues(std::span<const float> values, const Shape &shape)
{
    if (static_cast<std::size_t>(shape.elements()) != values.size() || values.empty())
        return Error{ErrorCode::Internal, "computed values do not fill their shape"};
    auto weight = std::make_unique<CpuWeight>();
    weight->shape = shape;
    weight->dtype = DType::F32;
    const Matrices m = matricesOf(shape);
    if (shape.rank <= 1 || (m.count == 1 && (m.rows == 1 || m.columns == 1)))
        ENGINE_CHECK(keepValues(*weight, values, "computed values"));
    if (shape.rank > 1) {
        ENGINE_CHECK(reserve(*weight, m.rows, m.columns, m.count, DType::F32, 0, "computed values"));
        for (std::int64_t i = 0; i < m.count; ++i)
            packFloats(*weight, i, values.data() + i * m.rows * m.columns, DType::F32);
    }
    return WeightPtr(std::move(weight));
}

Result<std::vector<float>> CpuWeightLoader::dequantize(const FileTensor &tensor)
{
    ENGINE_CHECK(checkTensor(tensor));
    const Matrices m = matricesOf(tensor.shape);
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    m_pool.forEach(m.count * m.rows, 16, [&](int, std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r)
            dequantizeTensorRow(tensor, r, values.data() + r * m.columns);
    });
    return values;
}

} // namespace engine
