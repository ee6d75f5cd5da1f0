// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/model_files.h"

#include "files/gguf_model_files.h"
#include "files/hf_model_files.h"
#include "files/mapped_file.h"
#include "files/printable.h"
#include "files/stored_model.h"

#include <exception>

namespace engine {

namespace {

Result<std::shared_ptr<const ModelFiles>> openFolder(const std::filesystem::path &folder)
{
    std::error_code error;
    if (std::filesystem::exists(folder / "config.json", error))
        return openHfFolder(folder);
    // A folder around one GGUF file is meant to be that file.
    std::filesystem::path only;
    int ggufFiles = 0;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        if (entry->path().extension() != ".gguf")
            continue;
        only = only.empty() ? entry->path() : std::min(only, entry->path());
        ++ggufFiles;
    }
    if (error)
        return Error(ErrorCode::BadFile, "The folder " + displayName(folder) + " cannot be read: " + error.message() + ".");
    if (ggufFiles == 1 || (ggufFiles > 1 && isFirstGgufPart(only)))
        return openGguf(only);
    if (ggufFiles > 1)
        return Error(ErrorCode::BadFile, "The folder " + displayName(folder) + " holds several GGUF files: choose one of them.");
    return Error(ErrorCode::BadFile, "The folder " + displayName(folder) + " holds no model: there is neither a config.json nor a .gguf file.");
}

Result<std::shared_ptr<const ModelFiles>> openPath(const std::filesystem::path &path)
{
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (std::filesystem::is_directory(status))
        return openFolder(path);
    const std::string extension = path.extension().string();
    if (std::filesystem::is_regular_file(status) && (path.filename() == "config.json" || extension == ".safetensors"))
        return openFolder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
    if (extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".pkl") {
        return Error(ErrorCode::Unsupported, displayName(path)
                + " is a pickled PyTorch file, which can run code and is never loaded: convert it to safetensors.");
    }
    return openGguf(path); // refuses whatever is no GGUF file by a sentence
}

} // namespace

Result<std::shared_ptr<const ModelFiles>> ModelFiles::open(const std::filesystem::path &path)
{
    try {
        return openPath(path);
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::OutOfMemory, "There is no memory left to open " + displayName(path) + ".");
    } catch (const std::exception &problem) {
        return Error(ErrorCode::BadFile, displayName(path) + " cannot be opened: " + printable(problem.what()) + ".");
    }
}

Result<const FileTensor *> ModelFiles::require(std::string_view name, const Shape &shape) const
{
    const FileTensor *const tensor = find(name);
    if (tensor == nullptr) {
        return Error(ErrorCode::BadFile, displayName(path()) + " has no tensor " + inQuotes(name) + " (" + shapeText(shape) + " is needed).");
    }
    if (tensor->shape != shape) {
        return Error(ErrorCode::BadFile, "In " + displayName(path()) + " the tensor " + inQuotes(name) + " is "
                + shapeText(tensor->shape) + " where " + shapeText(shape) + " is needed.");
    }
    return tensor;
}

} // namespace engine
