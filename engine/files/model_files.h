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
// or a GGUF file (of several parts, too). Immutable after open; any thread may read.
//
// Names and shapes are those of Hugging Face, whatever the file:
// - GGUF names are translated (architectures.md 10.2), dimensions turned round: shape is [out, in].
// - Llama-type GGUF files keep q/k rows permuted and TextConfig::rope.interleaved says so.
// - Experts of one layer stacked in one tensor (GGUF, transformers 5): `model.layers.N.mlp.experts.gate_proj.weight`
//   and `.up_proj.weight` [experts, inter, hidden], `.down_proj.weight` [experts, hidden, inter]; or, fused,
//   `.gate_up_proj.weight` [experts, 2 * inter, hidden], gate first. Otherwise one tensor an expert, under
//   `mlp.experts.E.gate_proj.weight` and so on.
// - MLA's second matrix has exactly one of two forms. Whole, as in Hugging Face files and GGUF files of before 2025-04:
//   `self_attn.kv_b_proj.weight` [heads * (nope + value), kvLoraRank], rows per head: nope of the key, then the value.
//   Or absorbed, as in newer GGUF files: `self_attn.k_b_proj.weight` [heads, kvLoraRank, nope] (the key part of each
//   head, transposed) and `self_attn.v_b_proj.weight` [heads, value, kvLoraRank]. A file with both shows the whole one.
// - FP8 block scales are inside their weights; `rotary_emb.inv_freq` and `rope_freqs` (see RopeConfig) do not appear.
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
    // Fails when a file was cut or written since open, or lost pages. Reading such bytes never ends the process: lost
    // ones read as zeros. So ask once after copying the weights, and now and then while weights are used in place.
    virtual Status intact() const = 0;
    // Sentences for people: guesses made for what older files leave out, files that were ignored.
    virtual const std::vector<std::string> &warnings() const = 0;
};

} // namespace engine
