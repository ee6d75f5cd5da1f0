// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/choose_chat_format.h"

#include "text/deepseek_formats.h"
#include "text/other_formats.h"

#include <algorithm>
#include <string_view>

namespace engine {
namespace {

// The system text that a ChatML template writes when the conversation has none: the literal between its opening
// and its <|im_end|>, when that is a literal.
std::string defaultSystemOf(std::string_view jinja)
{
    for (const std::string_view opening : {std::string_view("<|im_start|>system\\n"), std::string_view("<|im_start|>system\n")}) {
        for (std::size_t at = jinja.find(opening); at != std::string_view::npos; at = jinja.find(opening, at + 1)) {
            const std::string_view rest = jinja.substr(at + opening.size());
            const std::string_view text = rest.substr(0, std::min(rest.find("<|im_end|>"), rest.size()));
            if (!text.empty() && text.size() < rest.size() && text.find_first_of("'\"{}+\\") == std::string_view::npos)
                return std::string(text);
        }
    }
    return {};
}

} // namespace

std::unique_ptr<ChatFormat> chooseChatFormat(const ChatFormatClues &clues, const Tokenizer &tokenizer)
{
    const auto says = [&](std::string_view words) { return clues.jinja.find(words) != std::string::npos; };
    const auto has = [&](std::string_view token) {
        const auto id = tokenizer.id(token);
        return id && tokenizer.isAdded(*id);
    };
    const bool hasTemplate = !clues.jinja.empty();
    const bool isSecondGeneration = clues.architecture == "deepseek_v2" || tokenizer.size() < 110000;

    if (!clues.imageToken.empty() && has("<|User|>") && has("<|Assistant|>"))
        return makeDeepSeekVl2(clues.imageToken);
    // V2's vocabulary has the role tokens too, and its chat models write words: the template decides.
    if (says("'User: '") || says("\"User: \"") || (!hasTemplate && clues.architecture == "deepseek_v2"))
        return makeDeepSeekLlm(clues.imageToken);
    if (hasTemplate ? says("<｜User｜>") : (has("<｜User｜>") && has("<｜Assistant｜>"))) {
        // V3.1 asks `thinking` which marker to write; R1 only ever strips the thought.
        if (says("not thinking") || says("if thinking") || says("set thinking"))
            return makeDeepSeekV31(clues.imageToken);
        if (says("</think>") || (!hasTemplate && has("<think>")))
            return makeDeepSeekR1(clues.imageToken);
        return isSecondGeneration ? makeDeepSeekV25(clues.imageToken) : makeDeepSeekV3(clues.imageToken);
    }
    if (hasTemplate ? says("<|start_header_id|>") : has("<|start_header_id|>"))
        return makeLlama3(clues.imageToken);
    if (hasTemplate ? says("<|im_start|>") : has("<|im_start|>")) {
        if (hasTemplate ? (says("enable_thinking") || says("<think>")) : has("<think>"))
            return makeQwen3(clues.imageToken);
        return makeChatMl(clues.imageToken, defaultSystemOf(clues.jinja));
    }
    return makePlain(clues.imageToken, clues.addBos);
}

std::unique_ptr<ChatFormat> chooseChatFormat(const ModelFiles &files, const Tokenizer &tokenizer)
{
    const ModelConfig &config = files.config();
    return chooseChatFormat({.jinja = files.chatTemplate().jinja, .architecture = config.text.architecture,
                                .imageToken = config.vision ? config.vision->imageToken : std::string(),
                                .addBos = files.chatTemplate().addBos},
        tokenizer);
}

} // namespace engine
