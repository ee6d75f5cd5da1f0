// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"
#include "files/model_files.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// adapter_config.json of a PEFT LoRA adapter (architectures.md 6.5), as far as it changes numbers.
struct LoraConfig {
    int rank = 8;
    double alpha = 8;
    bool isRankStabilised = false;               // scale alpha / sqrt(r) instead of alpha / r
    bool isDecomposed = false;                   // DoRA: a length a row, files have it as lora_magnitude_vector
    bool keepsTies = false;                      // ensure_weight_tying
    std::map<std::string, double> ranks, alphas; // of single modules, by the end of their path
    std::vector<std::string> whole;              // modules_to_save: parts of paths whose tensors replace the model's
    // What B A is multiplied by for a module of this path.
    double scaleFor(std::string_view module) const;
    int rankFor(std::string_view module) const;
};
// Unsupported: changed biases, other bases and whatever else would change the result, by its key. Never throws.
Result<LoraConfig> readLoraConfig(std::string_view json);

// The model with W + scale * (alpha / r) * B A in place of each weight W the adapter in `folder` changes, merged in
// float32 at load; with DoRA each row of it has the length the adapter says. A merged weight keeps the type of F32 and F16
// files and is BF16 otherwise: a quantised base is not quantised again. Tensors of modules saved whole replace the model's.
// Where embeddings stand in for the output layer and the adapter changes one of the two, the other keeps the model's, as in
// PEFT: the files show an lm_head.weight then. BadFile, naming the tensor: an adapter of another model, halves without each
// other, wrong shapes.
Result<std::shared_ptr<const ModelFiles>> withAdapter(std::shared_ptr<const ModelFiles> base,
    const std::filesystem::path &folder, double scale);

} // namespace engine
