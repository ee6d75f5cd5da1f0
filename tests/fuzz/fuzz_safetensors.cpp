// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/printable.h"
#include "files/safetensors.h"

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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::span<const std::byte> file(reinterpret_cast<const std::byte *>(data), size);
    check(file);
    // Once more with the length put right, or most changes of the header would end at its length.
    std::size_t end = size;
    while (end > 8 && file[end - 1] != std::byte{'}'})
        --end;
    if (end > 8) {
        std::vector<std::byte> mended(file.begin(), file.end());
        const std::uint64_t headerBytes = end - 8;
        std::memcpy(mended.data(), &headerBytes, sizeof headerBytes);
        check(mended);
    }
    return 0;
}
