// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/printable.h"
#include "text/bpe_tokenizer.h"

#include <utility>

namespace engine {
namespace {

constexpr std::size_t kLongestMessage = 500;
// tokenizer.ggml.token_type
constexpr int kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

Result<std::shared_ptr<const Tokenizer>> readVocabulary(Tokenizer::GgufVocabulary vocabulary)
{
    if (!vocabulary.types.empty() && vocabulary.types.size() != vocabulary.tokens.size())
        return Error{ErrorCode::BadFile, "the file lists " + std::to_string(vocabulary.tokens.size()) + " tokens and "
                + std::to_string(vocabulary.types.size()) + " token types"};
    if (vocabulary.tokens.size() > static_cast<std::size_t>(BpeModel::kHighestId))
        return Error{ErrorCode::BadFile, "the file lists " + std::to_string(vocabulary.tokens.size()) + " tokens"};
    if (vocabulary.merges.empty())
        return Error{ErrorCode::Unsupported, "the file carries no merges; only byte-level BPE tokenizers are supported"};

    BpeTokenizerParts parts;
    ENGINE_TRY(parts.preTokenizer, PreTokenizer::byName(vocabulary.pre));
    parts.model.reserve(vocabulary.tokens.size(), vocabulary.merges.size());
    // Llama 3 takes a piece that is a token as a whole before it tries merges.
    const bool isLlama3 = vocabulary.pre == "llama-bpe" || vocabulary.pre == "llama3" || vocabulary.pre == "llama-v3";
    parts.model.setIgnoreMerges(isLlama3);
    for (std::size_t i = 0; i < vocabulary.tokens.size(); ++i) {
        const auto id = static_cast<std::int32_t>(i);
        const std::string &token = vocabulary.tokens[i];
        const int type = vocabulary.types.empty() ? 1 : vocabulary.types[i];
        if (type == kByte)
            return Error{ErrorCode::Unsupported, "the tokenizer has byte tokens (SentencePiece); only byte-level BPE is supported"};
        if (type == kControl || type == kUserDefined || type == kUnknown)
            parts.added.push_back({.id = id, .content = token, .special = type != kUserDefined});
        else if (type == kUnused)
            ENGINE_CHECK(parts.model.addOutside(id, token)); // a row of the embedding that no text gives
        else
            ENGINE_CHECK(parts.model.addToken(id, token));
    }
    for (const std::string &merge : vocabulary.merges) {
        const std::size_t space = merge.find(' ');
        if (space == std::string::npos || merge.find(' ', space + 1) != std::string::npos)
            return Error{ErrorCode::BadFile, "the merge \"" + merge.substr(0, 80) + "\" is not two tokens"};
        ENGINE_CHECK(parts.model.addMerge(std::string_view(merge).substr(0, space), std::string_view(merge).substr(space + 1)));
    }
    // Qwen's files are normalised; GGUF has no key for it.
    parts.composes = vocabulary.pre == "qwen2" || vocabulary.pre == "deepseek-r1-qwen";
    parts.bosId = vocabulary.bosId;
    parts.eosId = vocabulary.eosId;
    return BpeTokenizer::make(std::move(parts));
}

} // namespace

Result<std::shared_ptr<const Tokenizer>> Tokenizer::fromGguf(GgufVocabulary vocabulary)
{
    auto read = readVocabulary(std::move(vocabulary));
    if (!read.ok()) // it may quote the file
        return Error{read.error().code, printable(read.error().message, kLongestMessage)};
    return read;
}

} // namespace engine
