// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "answer_json.h"
#include "commands.h"
#include "exit_code.h"
#include "model_options.h"
#include "session.h"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace cli {

namespace {

struct CompareOptions {
    ModelOptions model;
    std::vector<std::string> images;
    std::string question;
    bool json = false;
};

// Bytes both answers share at their start, cut back to whole code points.
std::size_t sharedBytes(const std::string &a, const std::string &b)
{
    const auto [inA, inB] = std::ranges::mismatch(a, b);
    auto shared = static_cast<std::size_t>(inA - a.begin());
    while (shared > 0 && shared < a.size() &&
           (static_cast<unsigned char>(a[shared]) & 0xC0U) == 0x80U)
        --shared;
    return shared;
}

int run(CompareOptions options)
{
    if (options.model.models.empty())
        options.model.models = {"mini-vl", "mini-vl-q4"};
    if (options.model.models.size() != 2)
        return fail({engine::ErrorCode::BadRequest, "compare takes two models: -m A -m B"},
                    options.json);
    auto pictures = readPictures(options.images);
    if (!pictures)
        return fail(pictures.error(), options.json);
    const auto request = options.model.request(options.question, *std::move(pictures));
    if (!request)
        return fail(request.error(), options.json);

    Session session;
    std::vector<engine::ModelId> models;
    std::vector<engine::GenerationRequest> requests;
    for (std::size_t i = 0; i < 2; ++i) {
        const auto load = options.model.loadOptions(i);
        if (!load)
            return fail(load.error(), options.json);
        const auto model = session.load(*load);
        if (!model)
            return fail(model.error(), options.json);
        models.push_back(*model);
        requests.push_back(*request);
        requests.back().model = *model;
    }
    const std::vector<Answer> answers = session.ask(std::move(requests));
    const bool same = answers[0].text == answers[1].text;
    if (options.json) {
        Json list = Json::array();
        for (std::size_t i = 0; i < answers.size(); ++i)
            list.push_back(answerJson(session, models[i], answers[i], options.model));
        Json json{{"question", options.question}, {"same", same}, {"answers", list}};
        if (!same)
            json["first_difference_bytes"] = sharedBytes(answers[0].text, answers[1].text);
        printJson(json);
    } else {
        for (std::size_t i = 0; i < answers.size(); ++i) {
            std::printf("== %s\n%s\n", session.nameOf(models[i]).c_str(), answers[i].text.c_str());
            std::fprintf(stderr, "%s: %s\n", session.nameOf(models[i]).c_str(),
                         metricsLine(session, answers[i]).c_str());
        }
        std::fprintf(stderr, "%s\n", same ? "both answers are the same" : "the answers differ");
    }
    for (const Answer &answer : answers) {
        if (const engine::Status status = statusOf(answer); !status)
            return fail(status.error());
    }
    return kDone;
}

} // namespace

AddedCommand addCompare(CLI::App &app)
{
    auto options = std::make_shared<CompareOptions>();
    CLI::App *command = app.add_subcommand("compare", "Ask two models the same");
    options->model.addTo(*command);
    command->add_option("-i,--image", options->images, "Picture; may be given several times")
        ->allow_extra_args(false);
    command->add_flag("--json", options->json, "Everything as one JSON object on stdout");
    command->add_option("question", options->question, "The question")->required();
    return {command, [options] { return run(*options); }};
}

} // namespace cli
