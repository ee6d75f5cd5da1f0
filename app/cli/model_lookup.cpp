// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "model_lookup.h"

#include <algorithm>
#include <cstdlib>
#include <unistd.h>

namespace cli {

namespace fs = std::filesystem;

namespace {

constexpr const char *kDefaultModel = "mini-vl";
constexpr const char *kFourBit = "q4_0";

bool holdsModels(const fs::path &folder)
{
    std::error_code error;
    return fs::is_directory(folder / kDefaultModel, error);
}

fs::path executableFolder()
{
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    return error ? fs::path() : self.parent_path();
}

fs::path embeddedFolder()
{
    const fs::path beside = executableFolder();
    if (beside.empty())
        return {};
    if (const fs::path installed = beside / "../share/diptych/models"; holdsModels(installed))
        return installed.lexically_normal();
    // A build folder inside the source tree.
    fs::path folder = beside;
    for (int up = 0; up < 6 && folder.has_relative_path(); ++up, folder = folder.parent_path()) {
        if (const fs::path candidate = folder / "resources/models"; holdsModels(candidate))
            return candidate;
    }
    const fs::path system = "/usr/share/diptych/models";
    return holdsModels(system) ? system : fs::path();
}

fs::path dataFolder()
{
    if (const char *home = std::getenv("XDG_DATA_HOME"); home && *home)
        return fs::path(home) / "diptych/models";
    if (const char *home = std::getenv("HOME"); home && *home)
        return fs::path(home) / ".local/share/diptych/models";
    return {};
}

bool isModel(const fs::directory_entry &entry)
{
    std::error_code error;
    if (entry.is_directory(error))
        return fs::exists(entry.path() / "config.json", error);
    return entry.is_regular_file(error) && entry.path().extension() == ".gguf";
}

void addFrom(const fs::path &folder, bool isEmbedded, std::vector<KnownModel> &models)
{
    std::vector<KnownModel> found;
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(folder, error)) {
        if (isModel(entry))
            found.push_back({entry.path().stem().string(), entry.path(), {}, isEmbedded});
    }
    std::ranges::sort(found, {}, &KnownModel::name);
    for (const KnownModel &model : found) {
        models.push_back(model);
        if (isEmbedded && model.name == kDefaultModel)
            models.push_back({model.name + "-q4", model.path, kFourBit,
                              true}); // the same files, 4-bit in memory
    }
}

engine::LoadOptions optionsFor(const KnownModel &model)
{
    engine::LoadOptions options;
    options.path = model.path.string();
    options.name = model.name;
    options.requantize = model.requantize;
    return options;
}

} // namespace

std::vector<KnownModel> knownModels()
{
    std::vector<KnownModel> models;
    if (const fs::path folder = embeddedFolder(); !folder.empty())
        addFrom(folder, true, models);
    if (const fs::path folder = dataFolder(); !folder.empty())
        addFrom(folder, false, models);
    return models;
}

engine::Result<engine::LoadOptions> findModel(const std::string &wanted)
{
    const std::string name = wanted.empty() ? kDefaultModel : wanted;
    // A name comes first where it is one; ./NAME means the folder.
    for (const KnownModel &model : knownModels()) {
        if (model.name == name)
            return optionsFor(model);
    }
    std::error_code error;
    if (fs::exists(name, error)) {
        engine::LoadOptions options;
        options.path = name;
        return options;
    }
    if (wanted.empty())
        return engine::Error{engine::ErrorCode::BadFile,
                             "the model that comes with Diptych is missing; install Diptych again "
                             "or name a model with -m"};
    return engine::Error{
        engine::ErrorCode::BadFile,
        "there is no model " + name +
            ": no file or folder of this name and none installed; see 'diptych-cli models'"};
}

} // namespace cli
