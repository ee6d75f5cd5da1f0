// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// Byte-level BPE from tokenizer.json or GGUF metadata (architectures.md 4). Immutable, thread-safe.
class Tokenizer {
public:
    // `tokenizerJson` is the whole file; `tokenizerConfigJson` may be empty. `wanted`: tokens that a processor adds where
    // the files lack them, one after the other behind the last id (VL2's, architectures.md 1.4).
    static Result<std::shared_ptr<const Tokenizer>> fromJson(std::string_view tokenizerJson, std::string_view tokenizerConfigJson,
        std::span<const std::string> wanted = {});
    struct GgufVocabulary {
        std::vector<std::string> tokens; // GPT-2 byte-unicode spellings
        std::vector<int> types;          // 1 normal, 3 control, 4 user-defined, 6 byte ...
        std::vector<std::string> merges;
        std::string pre; // "deepseek-v3", "qwen2", "llama-bpe" ...
        std::int32_t bosId = -1, eosId = -1;
        bool addBos = false;
    };
    static Result<std::shared_ptr<const Tokenizer>> fromGguf(GgufVocabulary vocabulary);
    virtual ~Tokenizer() = default;

    // Plain text: spellings of added tokens stay text (what a user types).
    virtual std::vector<std::int32_t> encode(std::string_view text) const = 0;
    // The same, or nothing when it is more than `mostTokens`; then it comes back early, however long the text.
    virtual std::optional<std::vector<std::int32_t>> encodeAtMost(std::string_view text, std::size_t mostTokens) const;
    // Added tokens are recognised (what a template writes, or reference behaviour of `tokenizers`).
    virtual std::vector<std::int32_t> encodeWithSpecials(std::string_view text) const = 0;
    // Bytes of one token; may end inside a code point. Added tokens give their content. Out of range: empty.
    virtual std::string_view bytes(std::int32_t id) const = 0;
    virtual bool isAdded(std::int32_t id) const = 0;   // added token (special or not)
    virtual bool isSpecial(std::int32_t id) const = 0; // special: not shown
    virtual std::optional<std::int32_t> id(std::string_view token) const = 0; // by exact content
    virtual int size() const = 0;                      // highest id + 1
    virtual std::int32_t bosId() const = 0;            // -1: none
    virtual std::int32_t eosId() const = 0;
    std::string decode(const std::vector<std::int32_t> &ids, bool skipSpecial) const; // whole, U+FFFD for broken bytes
};

} // namespace engine
