// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/gguf_model_files.h"

#include "files/gguf.h"
#include "files/gguf_config.h"
#include "files/gguf_names.h"
#include "files/mapped_file.h"
#include "files/printable.h"
#include "files/stored_model.h"
#include "text/tokenizer.h"

#include <algorithm>
#include <cstdio>

namespace engine {

namespace {

// "name-00002-of-00003.gguf" is stem "name", part 2 of 3.
struct PartName {
    std::string stem;
    int part = 0, parts = 0;
};
constexpr std::size_t kPartEnding = 20; // "-00002-of-00003.gguf"

std::optional<PartName> partName(const std::filesystem::path &path)
{
    const std::string name = path.filename().string();
    if (name.size() <= kPartEnding)
        return std::nullopt;
    const std::string_view end = std::string_view(name).substr(name.size() - kPartEnding);
    const auto number = [&](std::size_t at) {
        int value = 0;
        for (std::size_t i = at; i < at + 5; ++i) {
            if (end[i] < '0' || end[i] > '9')
                return -1;
            value = value * 10 + (end[i] - '0');
        }
        return value;
    };
    if (end[0] != '-' || end.substr(6, 4) != "-of-" || end.substr(15) != ".gguf")
        return std::nullopt;
    const PartName result{name.substr(0, name.size() - kPartEnding), number(1), number(10)};
    return result.part < 1 || result.parts < 1 || result.part > result.parts ? std::nullopt : std::optional(result);
}

std::filesystem::path partPath(const std::filesystem::path &any, const PartName &name, int part)
{
    char ending[48];
    std::snprintf(ending, sizeof ending, "-%05d-of-%05d.gguf", part, name.parts);
    return any.parent_path() / (name.stem + ending);
}

// ik_llama.cpp writes k_b and v_b as plain matrices; the same bytes with heads as a dimension of their own.
void splitHeads(FileTensor &tensor, const TextConfig &text)
{
    if (tensor.shape.rank != 2 || text.attention != AttentionKind::Latent || tensor.shape[0] % text.heads != 0)
        return;
    if (tensor.name.ends_with("self_attn.k_b_proj.weight") || tensor.name.ends_with("self_attn.v_b_proj.weight"))
        tensor.shape = Shape{text.heads, tensor.shape[0] / text.heads, tensor.shape[1]};
}

class GgufModelFiles final : public StoredModel {
public:
    bool isGguf() const override { return true; }

    Result<std::shared_ptr<const Tokenizer>> loadTokenizer() const override
    {
        const std::string_view model = m_header.text("tokenizer.ggml.model").value_or("");
        const GgufArray *const tokens = m_header.array("tokenizer.ggml.tokens");
        if (tokens == nullptr || tokens->texts.empty())
            return Error(ErrorCode::Unsupported, displayName(m_path) + " carries no tokenizer, so no text can be read or written.");
        if (model != "gpt2")
            return Error(ErrorCode::Unsupported, displayName(m_path) + " has a tokenizer of the kind " + inQuotes(model) + ", only byte-level BPE (gpt2) can be used.");
        Tokenizer::GgufVocabulary vocabulary;
        vocabulary.tokens.assign(tokens->texts.begin(), tokens->texts.end());
        if (const GgufArray *types = m_header.array("tokenizer.ggml.token_type")) {
            if (types->count != tokens->texts.size())
                return Error(ErrorCode::BadFile, displayName(m_path) + " has " + std::to_string(tokens->texts.size()) + " tokens and " + std::to_string(types->count) + " token types.");
            for (std::uint64_t i = 0; i < types->count; ++i)
                vocabulary.types.push_back(static_cast<int>(types->integerAt(i).value_or(1)));
        }
        if (const GgufArray *merges = m_header.array("tokenizer.ggml.merges"))
            vocabulary.merges.assign(merges->texts.begin(), merges->texts.end());
        vocabulary.pre = std::string(m_header.text("tokenizer.ggml.pre").value_or(""));
        const auto id = [&](std::string_view key) {
            const std::optional<std::int64_t> value = m_header.integer(key);
            return value && *value >= 0 && *value < static_cast<std::int64_t>(tokens->texts.size()) ? static_cast<std::int32_t>(*value) : -1;
        };
        vocabulary.bosId = id("tokenizer.ggml.bos_token_id");
        vocabulary.eosId = id("tokenizer.ggml.eos_token_id");
        vocabulary.addBos = m_header.boolean("tokenizer.ggml.add_bos_token").value_or(false);
        return Tokenizer::fromGguf(std::move(vocabulary));
    }

    Status load(const std::filesystem::path &path)
    {
        m_path = path;
        std::vector<GgufTensor> tensors;
        ENGINE_CHECK(readParts(tensors));
        if (tensors.empty())
            return Error(ErrorCode::BadFile, displayName(path) + " holds no tensors.");
        ENGINE_TRY(m_config, readGgufConfig(m_header, tensors, displayName(path), m_warnings));
        for (const GgufTensor &tensor : tensors)
            ENGINE_CHECK(addTensor(tensor));
        keepOneLatentForm();
        m_chatTemplate.jinja = std::string(m_header.text("tokenizer.chat_template").value_or(""));
        m_chatTemplate.addBos = m_header.boolean("tokenizer.ggml.add_bos_token").value_or(false);
        return finish();
    }

private:
    Status readParts(std::vector<GgufTensor> &tensors)
    {
        std::optional<PartName> name = partName(m_path);
        ENGINE_TRY(GgufFile first, readPart(name ? partPath(m_path, *name, 1) : m_path));
        const std::int64_t count = first.integer("split.count").value_or(1);
        if (count > 1 && (!name || count != name->parts)) {
            return Error(ErrorCode::BadFile, displayName(m_path) + " is one of " + std::to_string(count)
                    + " parts, which are found only under their own names (name-00001-of-0000N.gguf).");
        }
        tensors = first.tensors();
        for (int part = 2; part <= (count > 1 ? name->parts : 1); ++part) {
            ENGINE_TRY(const GgufFile more, readPart(partPath(m_path, *name, part)));
            if (more.integer("split.no") != part - 1)
                return Error(ErrorCode::BadFile, displayName(m_files.back()->path()) + " is not part " + std::to_string(part) + " of its model.");
            tensors.insert(tensors.end(), more.tensors().begin(), more.tensors().end());
        }
        const std::optional<std::int64_t> total = first.integer("split.tensors.count");
        if (count > 1 && total && *total != static_cast<std::int64_t>(tensors.size()))
            return Error(ErrorCode::BadFile, "The parts of " + displayName(m_path) + " hold " + std::to_string(tensors.size()) + " tensors, " + std::to_string(*total) + " were announced.");
        m_header = std::move(first);
        return Done{};
    }

    Result<GgufFile> readPart(const std::filesystem::path &path)
    {
        ENGINE_TRY(auto file, MappedFile::open(path));
        ENGINE_TRY(GgufFile part, GgufFile::read(file->bytes(), displayName(path)));
        m_files.push_back(std::move(file));
        return part;
    }

    Status addTensor(const GgufTensor &from)
    {
        if (from.name == "rope_freqs.weight")
            return Done{}; // in RopeConfig
        const std::optional<std::string> name = huggingFaceName(from.name);
        if (!name)
            return Error(ErrorCode::Unsupported, "Diptych cannot run this model: it does not know the tensor " + inQuotes(from.name) + " of " + displayName(m_path) + ".");
        FileTensor tensor;
        tensor.name = *name;
        tensor.dtype = from.dtype;
        tensor.bytes = from.bytes;
        for (auto dim = from.dimensions.rbegin(); dim != from.dimensions.rend(); ++dim)
            tensor.shape.dims[static_cast<std::size_t>(tensor.shape.rank++)] = *dim;
        splitHeads(tensor, m_config.text);
        m_tensors.push_back(std::move(tensor));
        return Done{};
    }

    void keepOneLatentForm()
    {
        const bool hasWhole = std::any_of(m_tensors.begin(), m_tensors.end(),
            [](const FileTensor &tensor) { return tensor.name == "model.layers.0.self_attn.kv_b_proj.weight"; });
        if (!hasWhole)
            return;
        std::erase_if(m_tensors, [](const FileTensor &tensor) {
            return tensor.name.ends_with(".self_attn.k_b_proj.weight") || tensor.name.ends_with(".self_attn.v_b_proj.weight");
        });
    }

    GgufFile m_header; // of the first part; points into m_files
};

} // namespace

bool isFirstGgufPart(const std::filesystem::path &path)
{
    const std::optional<PartName> name = partName(path);
    return name && name->part == 1;
}

Result<std::shared_ptr<const ModelFiles>> openGguf(const std::filesystem::path &path)
{
    auto files = std::make_shared<GgufModelFiles>();
    ENGINE_CHECK(files->load(path));
    return std::shared_ptr<const ModelFiles>(std::move(files));
}

} // namespace engine
