// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "opened_model.h"
#include "scratch_folder.h"

#include <cstdint>
#include <cstring>

// A Hugging Face folder, its files in this order with the byte 0x1E (record separator) between them. Empty: no such file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static const ScratchFolder folder("fuzz_folder");
    std::string_view rest(reinterpret_cast<const char *>(data), size);
    for (const char *name : {"config.json", "generation_config.json", "processor_config.json", "quantize_config.json", "quant_config.json",
             "tokenizer_config.json", "chat_template.jinja", "tokenizer.json", "model.safetensors.index.json"}) {
        const std::size_t end = rest.find('\x1E');
        const std::string_view part = rest.substr(0, end);
        rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
        part.empty() ? folder.remove(name) : folder.write(name, part);
    }
    // The weights with the header's length put right, or most changes of the header would end at its length.
    std::string weights(rest);
    if (const std::size_t end = weights.rfind('}'); end != std::string::npos && end >= 8) {
        const std::uint64_t headerBytes = end + 1 - 8;
        std::memcpy(weights.data(), &headerBytes, sizeof headerBytes);
    }
    folder.write("model.safetensors", weights);
    checkOpenedModel(engine::ModelFiles::open(folder.path()));
    return 0;
}
