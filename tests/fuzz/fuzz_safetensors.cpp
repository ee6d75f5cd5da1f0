// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/number_formats.h"
#include "files/packed_weights.h"
#include "files/printable.h"
#include "files/safetensors.h"
#include "files/tensor_recipe.h"

#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

// Whatever the bytes are: an error with a printable sentence, or tensors that cover the data exactly.
void check(std::span<const std::byte> file)
{
    const auto read = engine::readSafetensors(file, "fuzz.safetensors");
    if (!read.ok()) {
        if (read.error().message.empty() || !engine::isUtf8(read.error().message))
            std::abort();
        return;
    }
    const std::byte *place = nullptr;
    for (const engine::SafetensorsTensor &tensor : *read) {
        if (place != nullptr && tensor.bytes.data() != place)
            std::abort();
        place = tensor.bytes.data() + tensor.bytes.size();
        std::size_t elements = 1;
        for (const std::int64_t dim : tensor.shape)
            elements *= static_cast<std::size_t>(dim);
        if (tensor.dtype && elements * static_cast<std::size_t>(kernels::dtypeInfo(*tensor.dtype).blockBytes) != tensor.bytes.size())
            std::abort();
    }
    if (place != nullptr && place != file.data() + file.size())
        std::abort();
}

// The same tensors as GPTQ and AWQ files would have them: refused by a sentence, or made in their full size.
void checkPacked(std::span<const std::byte> file)
{
    const auto read = engine::readSafetensors(file, "fuzz.safetensors");
    if (!read.ok())
        return;
    std::vector<engine::FileTensor> tensors;
    for (const engine::SafetensorsTensor &from : *read) {
        if (!from.dtype || from.shape.size() > 4)
            return;
        engine::FileTensor tensor;
        tensor.name = from.name;
        tensor.dtype = *from.dtype;
        tensor.bytes = from.bytes;
        for (const std::int64_t dim : from.shape)
            tensor.shape.dims[static_cast<std::size_t>(tensor.shape.rank++)] = dim;
        tensors.push_back(std::move(tensor));
    }
    using engine::PackedLayout;
    for (const engine::PackedQuantisation &packed : {engine::PackedQuantisation{.layout = PackedLayout::Gptq, .bits = 4, .groupSize = 32},
             engine::PackedQuantisation{.layout = PackedLayout::Gptq, .bits = 3, .groupSize = 16},
             engine::PackedQuantisation{.layout = PackedLayout::Awq, .bits = 4, .groupSize = -1}}) {
        const auto attached = engine::attachPackedWeights(tensors, packed, "fuzz.safetensors");
        if (!attached.ok()) {
            if (attached.error().message.empty() || !engine::isUtf8(attached.error().message))
                std::abort();
            continue;
        }
        for (const engine::FileTensor &tensor : *attached) {
            if (!tensor.recipe)
                continue;
            const auto made = tensor.recipe->make(true);
            const auto columns = static_cast<std::size_t>(tensor.shape[1]);
            if (!made.ok() || made->bytes.size() != kernels::rowBytes(made->dtype, columns) * static_cast<std::size_t>(tensor.shape[0]))
                std::abort();
        }
    }
}

// Every format that is widened at load gives as many finite numbers as it has, or says which tensor has others.
void checkWidened(std::span<const std::byte> file)
{
    const auto read = engine::readSafetensors(file, "fuzz.safetensors");
    if (!read.ok())
        return;
    for (const engine::SafetensorsTensor &from : *read) {
        const auto format = engine::numberFormat(from.typeName);
        if (!format)
            continue;
        engine::FileTensor tensor;
        tensor.name = from.name;
        std::size_t elements = 1;
        for (const std::int64_t dim : from.shape)
            elements *= static_cast<std::size_t>(dim);
        engine::widenAtLoad(tensor, *format, from.bytes);
        const auto made = tensor.recipe->make(false);
        if (made.ok() ? made->bytes.size() != elements * kernels::rowBytes(made->dtype, 1) : !engine::isUtf8(made.error().message))
            std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::span<const std::byte> file(reinterpret_cast<const std::byte *>(data), size);
    check(file);
    checkPacked(file);
    checkWidened(file);
    // Once more with the length put right, or most changes of the header would end at its length.
    std::size_t end = size;
    while (end > 8 && file[end - 1] != std::byte{'}'})
        --end;
    if (end > 8) {
        std::vector<std::byte> mended(file.begin(), file.end());
        const std::uint64_t headerBytes = end - 8;
        std::memcpy(mended.data(), &headerBytes, sizeof headerBytes);
        check(mended);
        checkPacked(mended);
        checkWidened(mended);
    }
    return 0;
}
