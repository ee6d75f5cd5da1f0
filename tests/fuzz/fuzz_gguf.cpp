// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/gguf.h"
#include "files/gguf_config.h"
#include "files/gguf_names.h"
#include "files/printable.h"
#include "models/model.h"

#include <cstdlib>

namespace {

void checkError(const engine::Error &error)
{
    if (error.message.empty() || !engine::isUtf8(error.message))
        std::abort();
}

} // namespace

// Whatever the bytes are: an error with a printable sentence, or tensors that lie in the file and a configuration
// whose parameters can be counted.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::span<const std::byte> file(reinterpret_cast<const std::byte *>(data), size);
    const auto read = engine::GgufFile::read(file, "fuzz.gguf");
    if (!read.ok()) {
        checkError(read.error());
        return 0;
    }
    for (const engine::GgufTensor &tensor : read->tensors()) {
        if (tensor.bytes.empty() || tensor.bytes.data() < file.data()
            || tensor.bytes.data() + tensor.bytes.size() > file.data() + file.size())
            std::abort();
        const volatile std::byte last = tensor.bytes.back(); // a read the sanitizer can see
        static_cast<void>(last);
        if (const auto name = engine::huggingFaceName(tensor.name); name && name->empty())
            std::abort();
    }
    for (const auto &[key, value] : read->values()) {
        const auto *array = std::get_if<engine::GgufArray>(&value);
        if (array != nullptr && array->count > 0)
            static_cast<void>(array->integerAt(array->count - 1));
    }
    std::vector<std::string> warnings;
    const auto config = engine::readGgufConfig(*read, read->tensors(), "fuzz.gguf", warnings);
    if (!config.ok())
        checkError(config.error());
    else if (engine::countParameters(*config).total == 0)
        std::abort();
    return 0;
}
