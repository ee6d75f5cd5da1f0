// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace engine {

using ModelId = std::uint64_t; // of one loaded model in one Runtime; 0 is none

// Exact: float32 throughout. Rounded: that, but what products read of activations is rounded to bfloat16, the router's excepted, as
// where a card reads prompts; on the processor alone, so that a card's difference from Exact has something to be held against.
enum class Precision { Native = 1, Exact, Rounded };

// Mtp: the model's own layer for it guesses tokens ahead; the answers stay the same (greedy) or as likely (sampled).
enum class Speculative { None = 1, Mtp };

// A PEFT LoRA adapter to merge into the weights at load: a folder with adapter_config.json and
// adapter_model.safetensors.
struct AdapterOptions {
    std::string path;
    double scale = 1.0; // on top of the adapter's own
};

inline constexpr int kLayersThatFit = -1;

// How to load one model. Two loads of the same files with other options are two models.
struct LoadOptions {
    std::string path;            // folder (Hugging Face layout) or .gguf file
    std::string name;            // what people see; empty: taken from the path
    std::string device = "cpu";  // "cpu", "cuda", "cuda:N"
    // On a card: so many of the last layers with the output layer and the picture path there, the layers before them on the
    // processor. 0: all of them or none. kLayersThatFit: all, and where they do not fit as many as do.
    int cardLayers = 0;
    int threads = 0;             // cpu worker threads, 0: as many as allowed
    int contextTokens = 0;       // 0: what the model allows, within memory
    int attentionWindow = 0;     // sliding window in tokens, 0: off
    Precision precision = Precision::Native;
    Speculative speculative = Speculative::None; // Mtp: Unsupported where the files hold no such layer
    std::string requantize;      // "": weights as they lie in the file; "q8_0", "q4_0": linear weights re-quantised at load
    std::vector<AdapterOptions> adapters; // one after the other
};

struct TensorSummary {
    std::string name;
    std::string type; // "BF16", "F8_E4M3", "Q4_K" ...
    std::vector<std::int64_t> shape;
    std::uint64_t bytes = 0;
};

// What a model takes on a card in native precision, before its context. What steps work in is the sum of what is said of
// it here (workBytesOf in runtime/memory_plan.h), reserved at load.
struct CardNeed {
    std::uint64_t weightBytes = 0;                  // all of them
    std::uint64_t expertBytes = 0, visionBytes = 0; // of these, routed experts and the picture path
    std::uint64_t workBytes = 0;                    // what steps work in, whatever their size,
    std::uint64_t workRowBytes = 0;                 // and that for each row of a prompt, of which
    int chunkRows = 0;                              // so many go through together;
    std::uint64_t widenedBytes = 0;                 // for prompts alone, weights in bfloat16
    std::uint64_t latentTokenBytes = 0;             // and for each token of their context its latent row,
    std::uint64_t keyTokenBytes = 0, headTokenBytes = 0; // keys and values of all heads, in slices, and of one head;
    std::uint64_t partBytes = 0;                    // for an answer, each part of its context (backend/cuda_work.h)
    std::uint64_t guessBytes = 0;                   // weights that guess tokens ahead (Speculative::Mtp), beside weightBytes
    std::uint64_t pictureBytes = 0;                 // of the largest picture as the model sees it; a few are kept
    double activeBytes = 0;                         // weights read for a token
    std::vector<std::uint64_t> layerBytes;          // [layers] of weightBytes; empty: only the sum is known
    std::uint64_t embeddingBytes = 0;               // of weightBytes, where nothing else reads the token embeddings
};

// What a set of model files holds. Made without loading weights.
struct ModelInfo {
    std::string name;
    std::string path;
    std::string architecture;  // registry id: "llama", "qwen2", "deepseek_v2", "deepseek_v3", "deepseek_vl_v2" ...
    std::string format;        // "safetensors" or "gguf"
    std::string precision;     // dominant weight type, as people name it: "FP8", "BF16", "Q4_K"
    std::string chatFormat;    // "deepseek-v3", "deepseek-r1", "deepseek-vl2", "chatml", "llama3", "plain" ...
    std::uint64_t parameters = 0;
    std::uint64_t activeParameters = 0;     // per token, MoE models use a part
    std::uint64_t fileBytes = 0;
    std::uint64_t weightBytes = 0;          // in memory after load
    std::uint64_t expertBytes = 0;          // of the files: routed experts,
    std::uint64_t visionBytes = 0;          // and the picture path
    std::vector<std::uint64_t> layerBytes;  // of weightBytes: [layers], empty where only the sum is known,
    std::uint64_t embeddingBytes = 0;       // and the token embeddings
    CardNeed onCard;
    std::uint64_t kvBytesPerToken = 0;
    int contextTokens = 0;     // largest the model allows
    int layers = 0;
    int hiddenSize = 0;
    int vocabularySize = 0;
    int routedExperts = 0;     // 0: dense
    int expertsPerToken = 0;
    bool readsPictures = false;
    bool thinks = false;       // its chat format has a thinking part
    bool locates = false;      // can be asked for the boxes of what a phrase names (Turn::asksWhere)
    std::vector<TensorSummary> tensors; // only from inspect
    std::vector<std::string> warnings;
};

} // namespace engine
