// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "models/weight_loader.h"

#include "base/assert.h"
#include "files/tensor_recipe.h"

#include <algorithm>

namespace engine {
namespace {

std::int64_t matrixRows(const FileTensor &tensor)
{
    const std::int64_t columns = tensor.shape[tensor.shape.rank - 1];
    return columns == 0 ? 0 : tensor.shape.elements() / columns;
}

std::int64_t blocksOf(std::int64_t count, int block)
{
    return (count + block - 1) / block;
}

bool canFollow(const FileTensor &first, const FileTensor &next)
{
    if (first.dtype != next.dtype || first.scales.empty() != next.scales.empty())
        return false;
    if (first.scales.empty())
        return true;
    return first.scaleType == next.scaleType && first.scaleBlockRows == next.scaleBlockRows &&
           first.scaleBlockColumns == next.scaleBlockColumns &&
           matrixRows(first) % first.scaleBlockRows == 0;
}

} // namespace

FileTensor sliceRows(const FileTensor &tensor, std::int64_t first, std::int64_t count)
{
    FileTensor slice = tensor;
    const std::int64_t columns = tensor.shape[tensor.shape.rank - 1];
    const std::size_t rowBytes = kernels::rowBytes(tensor.dtype, static_cast<std::size_t>(columns));
    ENGINE_ASSERT(first >= 0 && count >= 0 && first + count <= matrixRows(tensor));
    slice.shape = {count, columns};
    slice.bytes = tensor.bytes.subspan(static_cast<std::size_t>(first) * rowBytes,
        static_cast<std::size_t>(count) * rowBytes);
    if (!tensor.scales.empty()) {
        ENGINE_ASSERT(first % tensor.scaleBlockRows == 0);
        const std::size_t scaleBytes = kernels::rowBytes(tensor.scaleType,
            static_cast<std::size_t>(blocksOf(columns, tensor.scaleBlockColumns)));
        slice.scales = tensor.scales.subspan(
            static_cast<std::size_t>(first / tensor.scaleBlockRows) * scaleBytes,
            static_cast<std::size_t>(blocksOf(count, tensor.scaleBlockRows)) * scaleBytes);
    }
    return slice;
}

void JoinedLinear::forward(Backend &backend, Tensor input, Tensor output) const
{
    for (const Part &part : m_parts) {
        Tensor columns = output;
        columns.data = output.data + static_cast<std::size_t>(part.firstColumn) * sizeof(float);
        columns.shape = {output.shape[0], part.weight->shape[0]};
        backend.linear({.input = input, .weight = part.weight.get(), .bias = part.bias.get(),
            .output = columns});
    }
}

Result<const FileTensor *> WeightLoader::begin(const std::string &name, const Shape &shape)
{
    if (m_context.stop.stop_requested())
        return Error{ErrorCode::Cancelled, "Loading " + m_context.files->path().string() + " was stopped."};
    ENGINE_TRY(const FileTensor *tensor, m_context.files->require(name, shape));
    m_asked.insert(tensor);
    if (!tensor->recipe)
        return tensor;
    if (!m_pool)
        m_pool = std::make_unique<kernels::ThreadPool>(m_context.options.threads);
    ENGINE_TRY(MadeBytes bytes, tensor->recipe->makeOn(*m_pool, m_context.options.precision == Precision::Exact));
    Made &made = m_made[name];
    made.tensor = *tensor;
    made.tensor.dtype = bytes.dtype;
    made.bytes = std::move(bytes.bytes);
    made.tensor.bytes = made.bytes;
    return &made.tensor;
}

Status WeightLoader::noPlace(const FileTensor &tensor, std::string_view more) const
{
    return Error{ErrorCode::BadFile, "The tensor \"" + tensor.name + "\" in " + m_context.files->path().string()
            + " has no place in a model of this configuration" + std::string(more) + "."};
}

Status WeightLoader::checkSurplus() const
{
    const TextConfig &text = config().text;
    const std::string start = text.tensorPrefix + "model.layers.";
    for (const FileTensor &tensor : m_context.files->tensors()) {
        if (!tensor.name.starts_with(text.tensorPrefix) || m_asked.contains(&tensor))
            continue;
        // Older GPTQ files have a bias of zeros beside every matrix.
        const auto isZero = [](std::byte byte) { return byte == std::byte{0}; };
        if (tensor.name.ends_with(".bias") && !tensor.recipe && std::all_of(tensor.bytes.begin(), tensor.bytes.end(), isZero))
            continue;
        if (!tensor.name.starts_with(start))
            return noPlace(tensor, "");
        int layer = 0;
        for (std::size_t i = start.size(); i < tensor.name.size() && tensor.name[i] >= '0' && tensor.name[i] <= '9' && layer < 100000; ++i)
            layer = layer * 10 + (tensor.name[i] - '0');
        if (layer >= text.layers && text.mtpLayers > 0)
            continue;
        return noPlace(tensor, layer >= text.layers ? " (" + std::to_string(text.layers) + " layers)" : "");
    }
    return Done{};
}

Status WeightLoader::checkPictureSurplus() const
{
    for (const FileTensor &tensor : m_context.files->tensors())
        if (!tensor.name.starts_with(config().text.tensorPrefix) && !m_asked.contains(&tensor) && !tensor.name.starts_with("vision.attn_pool."))
            return noPlace(tensor, "");
    return Done{};
}

void WeightLoader::end(const FileTensor &tensor)
{
    m_context.files->release(tensor);
    std::uint64_t read = tensor.scales.size() + (tensor.recipe ? 0 : tensor.bytes.size());
    if (tensor.recipe)
        for (const std::span<const std::byte> part : tensor.recipe->sources())
            read += part.size();
    if (m_context.doneBytes)
        *m_context.doneBytes += read;
    if (tensor.recipe)
        m_made.erase(std::string(tensor.name)); // the tensor itself goes here
}

UploadOptions WeightLoader::options(Storage storage) const
{
    UploadOptions upload;
    if (storage == Storage::AsFile || m_context.options.requantize.empty())
        return upload;
    // Four bits in the tower or the output layer cost more quality than they save memory.
    upload.requantize = storage == Storage::Careful ? "q8_0" : std::string_view(m_context.options.requantize);
    return upload;
}

WeightPtr WeightLoader::counted(WeightPtr weight, double activeShare)
{
    m_weightBytes += weight->bytes;
    m_activeBytes += static_cast<double>(weight->bytes) * activeShare;
    return weight;
}

Result<WeightPtr> WeightLoader::linear(const std::string &name, std::int64_t out, std::int64_t in, Storage storage)
{
    ENGINE_TRY(const FileTensor *tensor, begin(name, {out, in}));
    ENGINE_TRY(WeightPtr weight, m_backend->upload(*tensor, options(storage)));
    end(*tensor);
    return counted(std::move(weight));
}

Result<WeightPtr> WeightLoader::joinRows(std::span<const FileTensor *const> tensors, std::int64_t in)
{
    if (tensors.size() == 1)
        return m_backend->upload(*tensors[0], options(Storage::Requantised));
    FileTensor whole = *tensors[0];
    std::vector<std::byte> bytes, scales;
    std::int64_t rows = 0;
    for (const FileTensor *tensor : tensors) {
        bytes.insert(bytes.end(), tensor->bytes.begin(), tensor->bytes.end());
        scales.insert(scales.end(), tensor->scales.begin(), tensor->scales.end());
        rows += tensor->shape[0];
    }
    whole.bytes = bytes;
    whole.scales = scales;
    whole.shape = {rows, in};
    return m_backend->upload(whole, options(Storage::Requantised));
}

Result<JoinedLinear> WeightLoader::joined(std::span<const Rows> parts, std::int64_t in)
{
    JoinedLinear result;
    std::vector<const FileTensor *> tensors;
    for (const Rows &part : parts) {
        ENGINE_TRY(const FileTensor *tensor, begin(part.name, {part.out, in}));
        tensors.push_back(tensor);
    }
    for (std::size_t first = 0; first < parts.size();) {
        std::size_t last = first + 1;
        while (last < parts.size() && canFollow(*tensors[last - 1], *tensors[last]) &&
               parts[last].bias.empty() == parts[first].bias.empty())
            ++last;
        JoinedLinear::Part part;
        part.firstColumn = result.m_outputs;
        ENGINE_TRY(WeightPtr weight, joinRows(std::span(tensors).subspan(first, last - first), in));
        part.weight = counted(std::move(weight));
        if (!parts[first].bias.empty()) {
            std::vector<float> bias;
            for (std::size_t i = first; i < last; ++i) {
                ENGINE_TRY(const std::vector<float> piece, values(parts[i].bias, {parts[i].out}));
                bias.insert(bias.end(), piece.begin(), piece.end());
            }
            ENGINE_TRY(part.bias, uploadFloat32(bias, {static_cast<std::int64_t>(bias.size())}));
        }
        for (std::size_t i = first; i < last; ++i) {
            result.m_outputs += parts[i].out;
            end(*tensors[i]);
        }
        result.m_parts.push_back(std::move(part));
        first = last;
    }
    return result;
}

Result<WeightPtr> WeightLoader::vector(const std::string &name, std::int64_t size)
{
    return float32(name, {size});
}

Result<WeightPtr> WeightLoader::float32(const std::string &name, const Shape &shape)
{
    ENGINE_TRY(const std::vector<float> numbers, values(name, shape));
    return uploadFloat32(numbers, shape);
}

Result<WeightPtr> WeightLoader::uploadFloat32(std::span<const float> numbers, const Shape &shape)
{
    FileTensor tensor;
    tensor.shape = shape;
    tensor.bytes = std::as_bytes(numbers);
    ENGINE_TRY(WeightPtr weight, m_backend->upload(tensor, {}));
    return counted(std::move(weight));
}

Result<WeightPtr> WeightLoader::table(const std::string &name, std::int64_t rows, std::int64_t columns, TableUse use)
{
    ENGINE_TRY(const FileTensor *tensor, begin(name, {rows, columns}));
    ENGINE_TRY(WeightPtr weight,
        m_backend->upload(*tensor, options(use == TableUse::Rows ? Storage::AsFile : Storage::Careful)));
    end(*tensor);
    return counted(std::move(weight), use == TableUse::Head || rows == 0 ? 1.0 : 1.0 / static_cast<double>(rows));
}

Result<WeightPtr> WeightLoader::expertSet(const std::string &prefix, const std::string &projection, int count,
    std::int64_t out, std::int64_t in, double activeShare)
{
    std::vector<FileTensor> slices;
    std::vector<const FileTensor *> sources;
    const auto canSlice = [&](const FileTensor &tensor) {
        return tensor.scales.empty() || out % tensor.scaleBlockRows == 0;
    };
    const auto cannotSlice = [&](const FileTensor &tensor) {
        return Error{ErrorCode::Unsupported, "The stacked experts " + tensor.name + " in " +
                m_context.files->path().string() + " have FP8 blocks that cross from one expert to the next."};
    };
    const bool isGateOrUp = projection != "down_proj";
    const std::string fused = prefix + ".gate_up_proj.weight";
    const std::string stacked = prefix + "." + projection + ".weight";
    if (has(stacked)) {
        ENGINE_TRY(const FileTensor *tensor, begin(stacked, {count, out, in}));
        if (!canSlice(*tensor))
            return cannotSlice(*tensor);
        sources.push_back(tensor);
        for (int expert = 0; expert < count; ++expert)
            slices.push_back(sliceRows(*tensor, expert * out, out));
    } else if (isGateOrUp && has(fused)) {
        const std::int64_t rows = 2 * out;
        ENGINE_TRY(const FileTensor *tensor, begin(fused, {count, rows, in}));
        if (!canSlice(*tensor))
            return cannotSlice(*tensor);
        if (projection == "up_proj")
            sources.push_back(tensor); // counted once
        for (int expert = 0; expert < count; ++expert)
            slices.push_back(sliceRows(*tensor, expert * rows + (projection == "up_proj" ? out : 0), out));
    } else {
        for (int expert = 0; expert < count; ++expert) {
            const std::string name = prefix + "." + std::to_string(expert) + "." + projection + ".weight";
            ENGINE_TRY(const FileTensor *tensor, begin(name, {out, in}));
            if (tensor->dtype != (sources.empty() ? tensor : sources[0])->dtype)
                return Error{ErrorCode::Unsupported, "The experts of one layer have different number formats: " +
                        name + " is not like " + sources[0]->name + " in " +
                        m_context.files->path().string() + "."};
            sources.push_back(tensor);
            slices.push_back(*tensor);
        }
    }
    std::vector<const FileTensor *> pointers;
    for (const FileTensor &slice : slices)
        pointers.push_back(&slice);
    ENGINE_TRY(WeightPtr weight,
        m_backend->uploadExperts(pointers, options(Storage::Requantised)));
    for (const FileTensor *source : sources)
        end(*source);
    return counted(std::move(weight), activeShare);
}

Result<WeightLoader::Experts> WeightLoader::experts(const std::string &prefix, int count, std::int64_t inter,
    std::int64_t hidden, double activeShare)
{
    Experts result;
    ENGINE_TRY(result.gate, expertSet(prefix, "gate_proj", count, inter, hidden, activeShare));
    ENGINE_TRY(result.up, expertSet(prefix, "up_proj", count, inter, hidden, activeShare));
    ENGINE_TRY(result.down, expertSet(prefix, "down_proj", count, hidden, inter, activeShare));
    return result;
}

Result<std::vector<float>> WeightLoader::values(const std::string &name, const Shape &shape)
{
    ENGINE_TRY(const FileTensor *tensor, begin(name, shape));
    ENGINE_TRY(std::vector<float> numbers, m_backend->dequantize(*tensor));
    end(*tensor);
    return numbers;
}

Result<WeightPtr> WeightLoader::computed(std::span<const float> values, const Shape &shape)
{
    ENGINE_TRY(WeightPtr weight, m_backend->uploadValues(values, shape));
    return counted(std::move(weight));
}

} // namespace engine
