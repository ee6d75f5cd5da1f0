// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/prompt_builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace engine {

namespace {

// No vocabulary has longer tokens worth counting on; a text beyond this many bytes a token cannot
// fit.
constexpr std::size_t kMostBytesPerToken = 256;

Error badRequest(std::string message)
{
    return {ErrorCode::BadRequest, std::move(message)};
}

Error tooLong(std::size_t tokens, int context)
{
    return {ErrorCode::ContextFull, "the conversation takes " + std::to_string(tokens) +
                                        " tokens and the context holds " + std::to_string(context) +
                                        "; start a new conversation, shorten the question or load "
                                        "the model with a longer context"};
}

bool isBlank(const std::string &text)
{
    return text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
}

Status checkSampling(const SamplingOptions &options)
{
    if (!std::isfinite(options.temperature) || options.temperature < 0.0F)
        return badRequest("the temperature must be 0 or more");
    if (options.topK < 0)
        return badRequest("top-k must be 0 (off) or more");
    if (!(options.topP > 0.0F && options.topP <= 1.0F))
        return badRequest("top-p must be above 0 and at most 1");
    if (!(options.minP >= 0.0F && options.minP <= 1.0F))
        return badRequest("min-p must be between 0 and 1");
    if (!std::isfinite(options.repetitionPenalty) || options.repetitionPenalty <= 0.0F)
        return badRequest("the repetition penalty must be above 0");
    if (options.maxTokens < 1)
        return badRequest("at least one token must be allowed for the answer");
    return Done{};
}

Status checkOptions(const GenerationRequest &request, const LoadedParts &parts)
{
    ENGINE_CHECK(checkSampling(request.sampling));
    if (request.think.mode == ThinkMode::Budget && request.think.budgetTokens < 0)
        return badRequest("the thinking budget must be 0 or more tokens");
    const int experts = parts.bundle.text->config().moe.routedExperts;
    if (request.experts.maxExperts < 0)
        return badRequest("the number of experts must be 0 (as the model says) or more");
    for (const int id : request.experts.stopExpertIds) {
        if (id < 0 || id >= experts) {
            return badRequest(experts == 0 ? "this model has no experts to leave out"
                                           : "expert " + std::to_string(id) +
                                                 " does not exist; the model has " +
                                                 std::to_string(experts));
        }
    }
    return Done{};
}

Status checkTurns(const std::vector<Turn> &turns)
{
    if (turns.empty() || (turns.back().role != Role::User && turns.back().role != Role::Tool))
        return badRequest("there is no question; the last turn must be a user's or a tool's result");
    if (turns.back().role == Role::User && isBlank(turns.back().text))
        return badRequest("the question is empty; type a question");
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const bool called = i > 0 && (turns[i - 1].role == Role::Tool || !turns[i - 1].toolCalls.empty());
        if (turns[i].role == Role::Tool && !called)
            return badRequest("a tool's result must follow the answer that called the tool");
        if (turns[i].role != Role::Assistant && !turns[i].toolCalls.empty())
            return badRequest("only an answer can call tools");
    }
    return Done{};
}

TokenKey pictureKey(const PromptPicture &picture, int offset)
{
    TokenKey key;
    std::memcpy(&key.low, picture.key.picture.data(), sizeof key.low);
    std::memcpy(&key.high, picture.key.picture.data() + sizeof key.low, sizeof key.high);
    key.low ^= static_cast<std::uint64_t>(picture.key.tilesWide) << 40U |
               static_cast<std::uint64_t>(picture.key.tilesHigh) << 20U;
    key.high ^= static_cast<std::uint64_t>(offset) * 0x9E3779B97F4A7C15ULL;
    key.high |= std::uint64_t{1} << 63U; // never a token id
    return key;
}

Result<std::vector<PromptPicture>>
planPictures(const std::vector<std::shared_ptr<const Image>> &images, const LoadedParts &parts)
{
    std::vector<PromptPicture> pictures;
    if (images.empty())
        return pictures;
    if (!parts.bundle.vision)
        return badRequest(
            "the model " + parts.info.name +
            " reads text only; choose a model that reads pictures or take the picture out");
    const int count = static_cast<int>(images.size());
    const ImagePreprocessor &preprocessor = parts.bundle.vision->preprocessor();
    for (const auto &image : images) {
        if (!image || image->width <= 0 || image->height <= 0 ||
            image->rgb.size() != static_cast<std::size_t>(image->width) *
                                     static_cast<std::size_t>(image->height) * 3)
            return Error{ErrorCode::BadImage, "a picture holds no pixels"};
        PromptPicture picture{
            .image = image,
            .tokens = {.firstToken = 0,
                       .plan = preprocessor.plan(image->width, image->height, count),
                       .width = image->width,
                       .height = image->height,
                       .globalFirst = preprocessor.config().globalFirst},
            .key = {.picture = image->sha256, .tilesWide = 0, .tilesHigh = 0},
            .imageCount = count};
        picture.key.tilesWide = picture.tokens.plan.tilesWide;
        picture.key.tilesHigh = picture.tokens.plan.tilesHigh;
        pictures.push_back(std::move(picture));
    }
    return pictures;
}

// Under cross-modal blocks every text row depends on all pictures of its request, those behind it
// too: only requests about the same pictures share cache rows.
std::uint64_t textKeyOf(const std::vector<PromptPicture> &pictures)
{
    std::uint64_t hash = 0x9E3779B97F4A7C15ULL;
    for (const PromptPicture &picture : pictures) {
        const TokenKey key = pictureKey(picture, 0);
        for (const std::uint64_t part : {key.low, key.high}) {
            hash = (hash ^ part) * 0xBF58476D1CE4E5B9ULL;
            hash ^= hash >> 29U;
        }
    }
    return (hash | 1U) & ~(std::uint64_t{1} << 63U);
}

// With other experts every cache row behind the first layer is another one. 0 where the model's own
// choice holds.
std::uint64_t expertsKeyOf(const ExpertOptions &experts, const MoeConfig &moe)
{
    const bool isFewer = experts.maxExperts > 0 && experts.maxExperts < moe.expertsPerToken;
    if (moe.routedExperts == 0 || (!isFewer && !experts.automatic && experts.stopExpertIds.empty()))
        return 0;
    std::vector<int> parts{isFewer ? experts.maxExperts : 0, experts.automatic ? 1 : 0};
    parts.insert(parts.end(), experts.stopExpertIds.begin(), experts.stopExpertIds.end());
    std::uint64_t hash = 0x9E3779B97F4A7C15ULL;
    for (const int part : parts) {
        hash = (hash ^ static_cast<std::uint64_t>(part)) * 0xBF58476D1CE4E5B9ULL;
        hash ^= hash >> 29U;
    }
    return (hash | 1U) & ~(std::uint64_t{1} << 63U);
}

Status setKeys(BuiltPrompt &prompt, const LoadedParts &parts)
{
    const int vocabulary = parts.bundle.text->config().vocabulary;
    if (parts.bundle.text->hasCrossModal() && !prompt.pictures.empty())
        prompt.textKey = textKeyOf(prompt.pictures);
    prompt.keys.reserve(prompt.ids.size());
    for (const std::int32_t id : prompt.ids) {
        if (id < 0 || id >= vocabulary) {
            return badRequest("token id " + std::to_string(id) +
                              " is outside the model's vocabulary of " +
                              std::to_string(vocabulary));
        }
        prompt.keys.push_back({static_cast<std::uint64_t>(id), prompt.textKey});
    }
    for (const PromptPicture &picture : prompt.pictures) {
        for (int offset = 0; offset < picture.tokens.plan.tokenCount; ++offset)
            prompt.keys[static_cast<std::size_t>(picture.tokens.firstToken + offset)] =
                pictureKey(picture, offset);
    }
    return Done{};
}

Status checkLength(std::size_t tokens, const LoadedParts &parts)
{
    if (tokens == 0)
        return badRequest("the prompt is empty; type a question");
    if (tokens >=
        static_cast<std::size_t>(parts.plan.contextTokens)) // one place must stay for the answer
        return tooLong(tokens, parts.plan.contextTokens);
    return Done{};
}

} // namespace

Result<BuiltPrompt> buildPromptFromIds(const std::vector<std::int32_t> &ids,
                                       const std::vector<std::shared_ptr<const Image>> &images,
                                       const LoadedParts &parts)
{
    BuiltPrompt prompt;
    prompt.ids = ids;
    ENGINE_TRY(prompt.pictures, planPictures(images, parts));
    if (!prompt.pictures.empty()) {
        const auto imageId =
            parts.tokenizer
                ? parts.tokenizer->id(parts.bundle.vision->preprocessor().config().imageToken)
                : std::nullopt;
        if (!imageId)
            return Error{ErrorCode::Unsupported, "the model's tokenizer has no picture token, so "
                                                 "ids cannot say where a picture stands"};
        auto from = prompt.ids.begin();
        for (std::size_t i = 0; i < prompt.pictures.size(); ++i) {
            PictureTokens &tokens = prompt.pictures[i].tokens;
            from = std::find(from, prompt.ids.end(), *imageId);
            const auto left = prompt.ids.end() - from;
            if (left < tokens.plan.tokenCount ||
                std::any_of(from, from + tokens.plan.tokenCount,
                            [&](auto id) { return id != *imageId; })) {
                return badRequest("picture " + std::to_string(i + 1) + " takes " +
                                  std::to_string(tokens.plan.tokenCount) +
                                  " picture tokens in a row and the ids hold fewer");
            }
            tokens.firstToken = static_cast<int>(from - prompt.ids.begin());
            from += tokens.plan.tokenCount;
        }
    }
    ENGINE_CHECK(setKeys(prompt, parts));
    return prompt;
}

Result<BuiltPrompt> buildPicturePrompt(const std::shared_ptr<const Image> &image, int textTokens, const LoadedParts &parts)
{
    BuiltPrompt prompt;
    ENGINE_TRY(prompt.pictures, planPictures({image}, parts));
    const int vocabulary = parts.bundle.text->config().vocabulary;
    prompt.ids.assign(static_cast<std::size_t>(prompt.pictures[0].tokens.plan.tokenCount), 0); // embeddings take their place
    for (int i = 0; i < textTokens; ++i)
        prompt.ids.push_back((i * 7 + 1) % vocabulary);
    ENGINE_CHECK(checkLength(prompt.ids.size(), parts));
    ENGINE_CHECK(setKeys(prompt, parts));
    return prompt;
}

static Result<BuiltPrompt> buildWithOwnExperts(const GenerationRequest &request, const LoadedParts &parts)
{
    std::vector<std::shared_ptr<const Image>> images;
    std::size_t textBytes = 0;
    for (const Turn &turn : request.turns) {
        images.insert(images.end(), turn.images.begin(), turn.images.end());
        textBytes += turn.text.size();
        for (const ToolCall &call : turn.toolCalls)
            textBytes += call.arguments.size();
    }
    for (const ToolDeclaration &tool : request.tools)
        textBytes += tool.json.size();
    if (request.rawTokens) {
        ENGINE_CHECK(checkLength(request.rawTokens->size(), parts));
        return buildPromptFromIds(*request.rawTokens, images, parts);
    }
    ENGINE_CHECK(checkTurns(request.turns));
    if (std::ranges::any_of(request.turns, &Turn::asksWhere)) {
        if (!parts.info.locates)
            return Error{ErrorCode::Unsupported, "the model " + parts.info.name +
                                                     " cannot say where something is in a picture; ask in words"};
        if (images.empty())
            return badRequest("there is no picture to look for it in; add one");
    }
    if (!parts.tokenizer || !parts.chatFormat)
        return Error{ErrorCode::Unsupported,
                     parts.noTokenizer + (parts.noTokenizer.ends_with('.') ? "" : ".") + " The model can be measured and not asked."};
    if (textBytes / kMostBytesPerToken >= static_cast<std::size_t>(parts.plan.contextTokens))
        return tooLong(textBytes / kMostBytesPerToken, parts.plan.contextTokens);

    BuiltPrompt prompt;
    ENGINE_TRY(prompt.pictures, planPictures(images, parts));
    ENGINE_TRY(
        EncodedPrompt encoded,
        parts.chatFormat->encode(
            {.turns = request.turns,
             .tools = request.tools,
             .think = request.think,
             .mostTokens = static_cast<std::size_t>(parts.plan.contextTokens)},
            *parts.tokenizer,
            [&](int image) {
                return prompt.pictures[static_cast<std::size_t>(image)].tokens.plan.tokenCount;
            }));
    ENGINE_CHECK(checkLength(encoded.ids.size(), parts));
    prompt.ids = std::move(encoded.ids);
    prompt.startsThinking = encoded.startsThinking;
    if (encoded.images.size() != prompt.pictures.size())
        return Error{ErrorCode::Internal,
                     "the chat format placed another number of pictures than it was given"};
    for (const ImageSpan &span : encoded.images)
        prompt.pictures[static_cast<std::size_t>(span.image)].tokens.firstToken = span.firstToken;
    ENGINE_CHECK(setKeys(prompt, parts));
    return prompt;
}

Result<BuiltPrompt> buildPrompt(const GenerationRequest &request, const LoadedParts &parts)
{
    ENGINE_CHECK(checkOptions(request, parts));
    ENGINE_TRY(BuiltPrompt prompt, buildWithOwnExperts(request, parts));
    const std::uint64_t experts = expertsKeyOf(request.experts, parts.bundle.text->config().moe);
    prompt.textKey ^= experts;
    for (TokenKey &key : prompt.keys)
        key.high ^= experts;
    return prompt;
}

} // namespace engine
