// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cache/block_manager.h"
#include "cache/embedding_cache.h"
#include "engine/request.h"
#include "engine/result.h"
#include "runtime/attention_grid.h"
#include "runtime/loaded_parts.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace engine {

struct PromptPicture {
    std::shared_ptr<const Image> image;
    PictureTokens tokens;
    EmbeddingCache::Key key;
    int imageCount = 0; // pictures in the whole request
};
struct BuiltPrompt {
    std::vector<std::int32_t> ids;
    std::vector<TokenKey> keys; // one per id
    std::vector<PromptPicture> pictures;
    std::uint64_t textKey = 0; // TokenKey::high of ids, also of those to come
    bool startsThinking = false;
};

// Checks a request and turns it into ids with final picture places; no picture is touched, only its
// size. Errors are sentences for people: BadRequest, Unsupported or ContextFull.
Result<BuiltPrompt> buildPrompt(const GenerationRequest &request, const LoadedParts &parts);
// Exact ids; each run of the model's picture token takes the next picture.
Result<BuiltPrompt> buildPromptFromIds(const std::vector<std::int32_t> &ids,
                                       const std::vector<std::shared_ptr<const Image>> &images,
                                       const LoadedParts &parts);

// A picture and so many tokens of text behind it, for measuring: needs no tokenizer.
Result<BuiltPrompt> buildPicturePrompt(const std::shared_ptr<const Image> &image, int textTokens, const LoadedParts &parts);

} // namespace engine
