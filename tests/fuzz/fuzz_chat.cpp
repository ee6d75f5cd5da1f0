// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "conversation.h"
#include "files/printable.h"
#include "text/deepseek_formats.h"
#include "text/other_formats.h"
#include "text/thinking_splitter.h"
#include "text/tool_json.h"
#include "token_list.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

std::vector<std::unique_ptr<engine::ChatFormat>> allFormats()
{
    using namespace engine;
    std::vector<std::unique_ptr<ChatFormat>> formats;
    formats.push_back(makeDeepSeekLlm("<image>"));
    formats.push_back(makeDeepSeekVl2("<image>"));
    formats.push_back(makeDeepSeekV3("<image>", {}));
    formats.push_back(makeDeepSeekV3("<image>", {.id = "deepseek-r1", .opening = ThinkOpening::Format, .forgetsThoughts = true}));
    formats.push_back(makeDeepSeekV3("<image>", {.id = "deepseek-r1-0528", .opening = ThinkOpening::Model, .lastSystemOnly = true, .rolesWithQuestion = true, .endsCalls = false}));
    formats.push_back(makeDeepSeekV31("<image>", DeepSeekV31Revision::V31));
    formats.push_back(makeDeepSeekV31("<image>", DeepSeekV31Revision::V32Exp));
    formats.push_back(makeDeepSeekV32("<image>"));
    formats.push_back(makeChatMl("<image>", "system"));
    formats.push_back(makeQwen25("<image>", "system"));
    formats.push_back(makeQwen3("<image>"));
    formats.push_back(makeLlama3("<image>"));
    formats.push_back(makeLlama31("<image>"));
    formats.push_back(makePlain("<image>", true));
    return formats;
}

void checkError(const engine::Error &error)
{
    if (error.message.empty() || !engine::isUtf8(error.message))
        std::abort();
}

} // namespace

// A conversation as `tokenize --chat` reads it, tools and arguments among it, in every chat format; the same bytes as an
// answer whose thought is parted off, and as a list of token ids.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    if (const auto ids = cli::parseTokenList(text); !ids.ok())
        checkError(ids.error());
    engine::ThinkingSplitter splitter("<think>", "</think>", size % 2 == 0);
    std::string parted;
    for (std::size_t at = 0; at < size; at += 7)
        for (const auto &part : splitter.push(std::string_view(text).substr(at, 7)))
            parted += part.text;
    for (const auto &part : splitter.finish())
        parted += part.text;
    if (parted.size() > size)
        std::abort();

    const auto conversation = cli::parseConversation(text);
    if (!conversation.ok()) {
        checkError(conversation.error());
        return 0;
    }
    if (!*conversation)
        return 0;
    const engine::GenerationRequest &request = (*conversation)->request;
    if (const auto tools = engine::parseTools(request.tools); !tools.ok())
        checkError(tools.error());
    static const auto formats = allFormats();
    for (const auto &format : formats) {
        const auto prompt = format->render({.turns = request.turns, .tools = request.tools, .think = request.think, .opensAnswer = (*conversation)->opensAnswer});
        if (!prompt.ok())
            checkError(prompt.error());
        else if (!engine::isUtf8(*prompt))
            std::abort();
    }
    return 0;
}
