// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "session.h"
#include "token_list.h"

#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>

namespace cli {

namespace {

struct TokenizeOptions {
    ModelOptions model;
    bool chat = false, decode = false;
};

int run(const TokenizeOptions &options)
{
    const auto load = options.model.loadOptions();
    if (!load)
        return fail(load.error());
    const std::string input(std::istreambuf_iterator<char>(std::cin), {});
    Session session;
    const auto model = session.load(*load);
    if (!model)
        return fail(model.error());
    if (options.decode) {
        const auto ids = parseTokenList(input);
        if (!ids)
            return fail(ids.error());
        const auto text = session.runtime().detokenize(*model, *ids);
        if (!text)
            return fail(text.error());
        std::fwrite(text->data(), 1, text->size(), stdout);
        return kDone;
    }
    const auto ids = session.runtime().tokenize(*model, input, options.chat);
    if (!ids)
        return fail(ids.error());
    const char *separator = "";
    for (const std::int32_t id : *ids) {
        std::printf("%s%d", separator, id);
        separator = " ";
    }
    std::printf("\n");
    return kDone;
}

} // namespace

AddedCommand addTokenize(CLI::App &app)
{
    auto options = std::make_shared<TokenizeOptions>();
    CLI::App *command =
        app.add_subcommand("tokenize", "Text on stdin to token ids on stdout, or back");
    options->model.addTo(*command);
    auto *chat = command->add_flag("--chat", options->chat,
                                   "The text is a question in the model's chat format");
    command->add_flag("--decode", options->decode, "Ids on stdin to text on stdout")
        ->excludes(chat);
    return {command, [options] { return run(*options); }};
}

} // namespace cli
