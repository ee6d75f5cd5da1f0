// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "files/mapped_file.h"
#include "files/model_files.h"

#include <memory>
#include <string>
#include <vector>

namespace engine {

// What both kinds of model files share once they are read.
class StoredModel : public ModelFiles {
public:
    const std::filesystem::path &path() const override { return m_path; }
    const ModelConfig &config() const override { return m_config; }
    const FileTensor *find(std::string_view name) const override;
    const std::vector<FileTensor> &tensors() const override { return m_tensors; }
    const ChatTemplateInfo &chatTemplate() const override { return m_chatTemplate; }
    std::uint64_t fileBytes() const override;
    void release(const FileTensor &tensor) const override;
    Status intact() const override;
    const std::vector<std::string> &warnings() const override { return m_warnings; }

protected:
    // Sorts the tensors, refuses two of one name, widens what no kernel computes with, settles what the configuration left to the tensors (tied
    // embeddings, MTP layers) and compares the embedding table with the configuration.
    Status finish();

    std::filesystem::path m_path;
    ModelConfig m_config;
    std::vector<FileTensor> m_tensors;
    std::vector<std::shared_ptr<const MappedFile>> m_files;
    ChatTemplateInfo m_chatTemplate;
    std::vector<std::string> m_warnings;
};

// Bytes of the tensor: of the file's numbers, or of the blocks that packed weights and adapted ones become.
std::uint64_t storedBytes(const FileTensor &tensor);
// The type as the file spells it, also of tensors that are made at load from such numbers.
std::string_view typeName(const FileTensor &tensor);
std::string shapeText(const Shape &shape); // "[4, 8]"

} // namespace engine
