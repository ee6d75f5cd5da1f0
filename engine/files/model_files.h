// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/file_tensor.h"
#include "files/model_config.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

class Tokenizer;
struct ChatTemplateInfo {
    std::string jinja;         // chat_template as the files have it, may be empty; used to recognise the native format
    std::string tokenizerClass;
    bool addBos = false;
};

// One model on disk, memory-mapped, validated: a Hugging Face folder (config.json, *.safetensors, tokenizer.json)
// or a GGUF file. GGUF tensors appear under their Hugging Face names with Hugging Face shapes; Llama-type q/k
// rows stay permuted and TextConfig::rope.interleaved says so. Immutable after open; any thread may read.
class ModelFiles {
public:
    static Result<std::shared_ptr<const ModelFiles>> open(const std::filesystem::path &path);
    virtual ~ModelFiles() = default;

    virtual const std::filesystem::path &path() const = 0;
    virtual bool isGguf() const = 0;
    virtual const ModelConfig &config() const = 0;
    virtual const FileTensor *find(std::string_view name) const = 0; // nullptr: absent
    virtual const std::vector<FileTensor> &tensors() const = 0;      // sorted by name; FP8 scales are inside their weights
    virtual const ChatTemplateInfo &chatTemplate() const = 0;
    virtual std::uint64_t fileBytes() const = 0;
    virtual Result<std::shared_ptr<const Tokenizer>> loadTokenizer() const = 0; // Unsupported when the files carry none

    // The tensor, or an error naming it, its wanted shape and the file.
    Result<const FileTensor *> require(std::string_view name, const Shape &shape) const;
    // Drops file pages that have been copied.
    virtual void release(const FileTensor &tensor) const = 0;
};

} // namespace engine
