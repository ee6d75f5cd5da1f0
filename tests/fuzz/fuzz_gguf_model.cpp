// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "opened_model.h"
#include "scratch_folder.h"

#include <cstdint>

// A whole GGUF file as a model: tensors, scales beside NVFP4 matrices, tokenizer keys and chat template.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    static const ScratchFolder folder("fuzz_gguf_model");
    folder.write("model.gguf", std::string_view(reinterpret_cast<const char *>(data), size));
    checkOpenedModel(engine::ModelFiles::open(folder.path() / "model.gguf"));
    return 0;
}
