// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/tensor_rows.h"

#include "base/checked.h"
#include "kernels/convert.h"

#include <cmath>
#include <cstring>
#include <string>

namespace engine {

namespace {

using kernels::dtypeInfo;

std::int64_t divideUp(std::int64_t value, std::int64_t by)
{
    return (value + by - 1) / by;
}

} // namespace

// Rank 0 and 1: one row. Rank 2: [out, in]. Rank 3: [count, out, in]. Rank 4 (convolutions): [out, rest].
Matrices matricesOf(const Shape &shape)
{
    switch (shape.rank) {
    case 0: return {};
    case 1: return {1, 1, shape[0]};
    case 2: return {1, shape[0], shape[1]};
    case 3: return {shape[0], shape[1], shape[2]};
    default: return {1, shape[0], shape[1] * shape[2] * shape[3]};
    }
}

Result<Done> checkTensor(const FileTensor &tensor)
{
    if (!kernels::isWeightType(tensor.dtype))
        return Error{ErrorCode::Unsupported, tensor.name + " is stored as " + std::string(dtypeInfo(tensor.dtype).name)
                                                 + ", which is no type for weights"};
    Checked elements(1);
    for (int i = 0; i < tensor.shape.rank; ++i)
        elements = elements * Checked::fromSigned(tensor.shape[i]);
    const auto count = elements.atMost(std::uint64_t{1} << 48);
    if (!count || *count == 0)
        return Error{ErrorCode::BadFile, tensor.name + " has an impossible shape"};
    const Matrices m = matricesOf(tensor.shape);
    const auto &info = dtypeInfo(tensor.dtype);
    if (m.columns % info.blockElements != 0)
        return Error{ErrorCode::BadFile, tensor.name + " has rows of " + std::to_string(m.columns)
                                             + " numbers, which is no multiple of its block of "
                                             + std::to_string(info.blockElements)};
    const std::uint64_t expected = *count / static_cast<std::uint64_t>(info.blockElements)
        * static_cast<std::uint64_t>(info.blockBytes);
    if (expected != tensor.bytes.size())
        return Error{ErrorCode::BadFile, tensor.name + " has " + std::to_string(tensor.bytes.size()) + " bytes, its shape asks for "
                                             + std::to_string(expected)};
    if (tensor.dtype == DType::F8E4M3 && kernels::hasFp8Nan(tensor.bytes.data(), tensor.bytes.size()))
        return Error{ErrorCode::BadFile, tensor.name + " holds FP8 values that are not numbers"};
    if (tensor.scales.empty())
        return Done{};
    const bool isFp8 = tensor.dtype == DType::F8E4M3;
    if ((!isFp8 && tensor.dtype != DType::NVFP4) || (!isFp8 && tensor.scaleBlockColumns < m.columns))
        return Error{ErrorCode::Unsupported, tensor.name + " has scales that its number format does not have"};
    if (tensor.scaleBlockRows <= 0 || tensor.scaleBlockColumns <= 0
        || (tensor.scaleType != DType::F32 && tensor.scaleType != DType::F8E8M0))
        return Error{ErrorCode::Unsupported, tensor.name + " has scales of an unknown kind"};
    const std::int64_t scales = m.count * divideUp(m.rows, tensor.scaleBlockRows)
        * divideUp(m.columns, tensor.scaleBlockColumns);
    const std::size_t scaleBytes = tensor.scaleType == DType::F32 ? 4 : 1;
    if (tensor.scales.size() != static_cast<std::size_t>(scales) * scaleBytes)
        return Error{ErrorCode::BadFile, tensor.name + " has " + std::to_string(tensor.scales.size() / scaleBytes)
                                             + " scales, its shape asks for " + std::to_string(scales)};
    for (std::size_t i = 0; i < static_cast<std::size_t>(scales); ++i) {
        float scale = 0;
        if (tensor.scaleType == DType::F32)
            std::memcpy(&scale, tensor.scales.data() + 4 * i, sizeof scale);
        else
            scale = kernels::e8m0ToFloat(std::to_integer<std::uint8_t>(tensor.scales[i]));
        if (!std::isfinite(scale))
            return Error{ErrorCode::BadFile, tensor.name + " has a scale that is not a number"};
    }
    return Done{};
}

const std::byte *scaleRow(const FileTensor &tensor, std::int64_t row)
{
    const Matrices m = matricesOf(tensor.shape);
    const std::int64_t perMatrix = divideUp(m.rows, tensor.scaleBlockRows);
    const std::int64_t perRow = divideUp(m.columns, tensor.scaleBlockColumns);
    const std::int64_t block = row / m.rows * perMatrix + row % m.rows / tensor.scaleBlockRows;
    return tensor.scales.data() + block * perRow * (tensor.scaleType == DType::F32 ? 4 : 1);
}

void dequantizeTensorRow(const FileTensor &tensor, std::int64_t row, float *output)
{
    const std::int64_t columns = matricesOf(tensor.shape).columns;
    const std::size_t bytes = kernels::rowBytes(tensor.dtype, static_cast<std::size_t>(columns));
    kernels::dequantizeRow(tensor.dtype, tensor.bytes.data() + static_cast<std::size_t>(row) * bytes, columns, output);
    if (!tensor.scales.empty())
        kernels::applyScales(output, columns, scaleRow(tensor, row), tensor.scaleType, tensor.scaleBlockColumns);
}

} // namespace engine
