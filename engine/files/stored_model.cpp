// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/stored_model.h"

#include "files/number_formats.h"
#include "files/printable.h"
#include "files/tensor_recipe.h"

#include <algorithm>

namespace engine {

std::uint64_t storedBytes(const FileTensor &tensor)
{
    if (!tensor.recipe)
        return tensor.bytes.size() + tensor.scales.size();
    if (!tensor.recipe->storedType().empty())
        return tensor.recipe->sources().front().size();
    const std::int64_t columns = tensor.shape[tensor.shape.rank - 1];
    return columns == 0 ? 0 : static_cast<std::uint64_t>(tensor.shape.elements() / columns)
            * kernels::rowBytes(tensor.dtype, static_cast<std::size_t>(columns));
}

std::string_view typeName(const FileTensor &tensor)
{
    if (tensor.recipe && !tensor.recipe->storedType().empty())
        return tensor.recipe->storedType();
    return kernels::dtypeInfo(tensor.dtype).name;
}

std::string shapeText(const Shape &shape)
{
    std::string text = "[";
    for (int i = 0; i < shape.rank; ++i)
        text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return text + "]";
}

const FileTensor *StoredModel::find(std::string_view name) const
{
    const auto found = std::lower_bound(m_tensors.begin(), m_tensors.end(), name,
        [](const FileTensor &tensor, std::string_view wanted) { return tensor.name < wanted; });
    return found == m_tensors.end() || found->name != name ? nullptr : &*found;
}

std::uint64_t StoredModel::fileBytes() const
{
    std::uint64_t bytes = 0;
    for (const auto &file : m_files)
        bytes += file->bytes().size();
    return bytes;
}

void StoredModel::release(const FileTensor &tensor) const
{
    for (const auto &file : m_files) {
        file->release(tensor.bytes); // does nothing for bytes of other files
        if (!tensor.scales.empty())
            file->release(tensor.scales);
    }
    if (!tensor.recipe)
        return;
    for (const std::span<const std::byte> part : tensor.recipe->sources())
        for (const auto &file : m_files)
            file->release(part);
}

Status StoredModel::intact() const
{
    for (const auto &file : m_files)
        ENGINE_CHECK(file->intact());
    return Done{};
}

Status StoredModel::finish()
{
    // Whole numbers, float64 and E8M0: those who look for packed weights and scales have read them as they lie, and what
    // is left of them can be but a weight.
    for (FileTensor &tensor : m_tensors)
        if (const auto format = numberFormat(typeName(tensor)); format && !tensor.recipe)
            widenAtLoad(tensor, *format, tensor.bytes);
    std::sort(m_tensors.begin(), m_tensors.end(),
        [](const FileTensor &a, const FileTensor &b) { return a.name < b.name; });
    const auto twice = std::adjacent_find(m_tensors.begin(), m_tensors.end(),
        [](const FileTensor &a, const FileTensor &b) { return a.name == b.name; });
    if (twice != m_tensors.end())
        return Error(ErrorCode::BadFile, "The tensor " + inQuotes(twice->name) + " of " + displayName(m_path) + " stands in two places.");

    TextConfig &text = m_config.text;
    ENGINE_CHECK(require(text.tensorPrefix + "model.embed_tokens.weight", Shape{text.vocabulary, text.hidden}));
    if (find(text.tensorPrefix + "lm_head.weight") != nullptr) {
        text.tiedEmbeddings = false;
    } else if (!text.tiedEmbeddings) {
        return Error(ErrorCode::BadFile, displayName(m_path) + " has no tensor " + inQuotes(text.tensorPrefix + "lm_head.weight")
                + ", and its configuration does not say that the embeddings stand in for it.");
    }
    if (text.mtpLayers > 0
        && find(text.tensorPrefix + "model.layers." + std::to_string(text.layers) + ".eh_proj.weight") == nullptr)
        text.mtpLayers = 0; // announced, and left out of these files
    return intact();
}

} // namespace engine
