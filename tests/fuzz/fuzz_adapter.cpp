// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/adapter.h"
#include "files/printable.h"
#include "files/tensor_recipe.h"
#include "scratch_folder.h"

#include <cstdint>
#include <cstdlib>
#include <string_view>

// adapter_config.json, the byte 0x1E (record separator), adapter_model.safetensors, against the tiny llama model.
// Whatever the bytes are: an error with a printable sentence, or weights that can be made.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static const ScratchFolder folder("fuzz_adapter");
    static const auto base = engine::ModelFiles::open(DIPTYCH_FUZZ_MODEL);
    if (!base.ok())
        std::abort();
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    const std::size_t end = std::min(input.find('\x1E'), input.size());
    folder.write("adapter_config.json", input.substr(0, end));
    folder.write("adapter_model.safetensors", end < input.size() ? input.substr(end + 1) : std::string_view());
    const auto adapted = engine::withAdapter(*base, folder.path(), 1.0);
    if (!adapted.ok()) {
        if (adapted.error().message.empty() || !engine::isUtf8(adapted.error().message))
            std::abort();
        return 0;
    }
    bool isChanged = false;
    for (const engine::FileTensor &tensor : (*adapted)->tensors()) {
        if (!tensor.recipe) {
            const engine::FileTensor *const before = (*base)->find(tensor.name);
            isChanged = isChanged || before == nullptr || before->bytes.data() != tensor.bytes.data();
            continue;
        }
        isChanged = true;
        const auto made = tensor.recipe->make(size % 2 == 0);
        if (!made.ok() || made->bytes.size() != static_cast<std::size_t>(tensor.shape.elements()) * kernels::rowBytes(made->dtype, 1))
            std::abort();
    }
    if (!isChanged)
        std::abort();
    return 0;
}
