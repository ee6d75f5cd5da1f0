// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "commands.h"
#include "exit_code.h"
#include "model_lookup.h"
#include "output.h"

#include "engine/runtime.h"

#include <cstdio>
#include <memory>

namespace cli {

namespace {

int run(bool json)
{
    Json list = Json::array();
    for (const KnownModel &model : knownModels()) {
        Json entry{
            {"name", model.name}, {"path", model.path.string()}, {"embedded", model.isEmbedded}};
        const auto info = engine::inspectModel(model.path.string(), false);
        if (info) {
            entry["architecture"] = info->architecture;
            entry["precision"] = model.requantize.empty() ? info->precision : model.requantize;
            entry["file_bytes"] = info->fileBytes;
            entry["reads_pictures"] = info->readsPictures;
        } else {
            entry["problem"] = info.error().message;
        }
        if (!json) {
            const std::string what = info ? info->architecture + ", " +
                                                entry["precision"].get<std::string>() + ", " +
                                                humanBytes(info->fileBytes) +
                                                (info->readsPictures ? ", reads pictures" : "")
                                          : info.error().message;
            std::printf("%-20s %-10s %s  %s\n", model.name.c_str(),
                        model.isEmbedded ? "embedded" : "installed", what.c_str(),
                        model.path.c_str());
        }
        list.push_back(std::move(entry));
    }
    if (json)
        printJson({{"models", list}});
    else if (list.empty())
        std::fprintf(stderr, "there are no models; put one into the data directory's models folder "
                             "or name a file with -m\n");
    return kDone;
}

} // namespace

AddedCommand addModels(CLI::App &app)
{
    auto json = std::make_shared<bool>(false);
    CLI::App *command = app.add_subcommand("models", "What is installed and embedded");
    command->add_flag("--json", *json, "One JSON object on stdout");
    return {command, [json] { return run(*json); }};
}

} // namespace cli
