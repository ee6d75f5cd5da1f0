// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "answer_boxes.h"
#include "answer_json.h"
#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "session.h"

#include <cstdio>
#include <memory>

namespace cli {

namespace {

struct AskOptions {
    ModelOptions model;
    std::vector<std::string> images;
    std::string question;
    bool json = false;
    bool where = false;
};

int run(const AskOptions &options)
{
    auto pictures = readPictures(options.images);
    if (!pictures)
        return fail(pictures.error(), options.json);
    const auto shown = *pictures;
    auto request = options.model.request(options.question, *std::move(pictures));
    if (!request)
        return fail(request.error(), options.json);
    request->turns.back().asksWhere = options.where;
    const auto load = options.model.loadOptions();
    if (!load)
        return fail(load.error(), options.json);
    Session session;
    const auto model = session.load(*load);
    if (!model)
        return fail(model.error(), options.json);
    request->model = *model;

    bool thinks = false;
    const auto show = [&](std::string_view text, bool thinking) {
        if (options.json)
            return;
        if (thinks && !thinking)
            std::fputs("\n", stderr);
        thinks = thinking;
        std::FILE *stream = thinking ? stderr : stdout;
        std::fwrite(text.data(), 1, text.size(), stream);
        std::fflush(stream);
    };
    const Answer answer = session.ask({*std::move(request)}, show).front();
    const engine::Status status = statusOf(answer);
    if (options.json) {
        Json json = answerJson(session, *model, answer, options.model);
        json["question"] = options.question;
        json["boxes"] = groundingJson(answer.text, shown);
        printJson(json);
    } else {
        if (!answer.text.empty())
            std::fputs("\n", stdout);
        std::fflush(stdout); // before what goes to standard error, also where both end in one file
        if (options.where)
            printBoxes(answer.text, shown);
        if (answer.end.usage.promptTokens > 0)
            std::fprintf(stderr, "%s\n", metricsLine(session, answer).c_str());
    }
    return status ? kDone : fail(status.error());
}

} // namespace

AddedCommand addAsk(CLI::App &app)
{
    auto options = std::make_shared<AskOptions>();
    CLI::App *command = app.add_subcommand("ask", "Ask a question, about pictures if given");
    options->model.addTo(*command);
    command
        ->add_option("-i,--image", options->images,
                     "Picture (PNG, JPEG, BMP, WebP); may be given several times")
        ->allow_extra_args(false);
    command->add_flag("--where", options->where,
                      "The question names something in the picture (a red circle): answer with its boxes");
    command->add_flag("--json", options->json, "Everything as one JSON object on stdout");
    command->add_option("question", options->question, "The question")->required();
    return {command, [options] { return run(*options); }};
}

} // namespace cli
