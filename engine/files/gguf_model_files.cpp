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
#include <deque>

namespace engine {

namespace {

// "name-00002-of-00003.gguf" is stem "name", part 2 of 3.
struct PartName {
    std::string stem;
    int part = 0, parts = 0;
};
constexpr std::int64_t kMostRows = 1 << 30;
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
        const auto isNoListOf = [&](const char *key, const char *what) {
            return Error(ErrorCode::BadFile, "In " + displayName(m_path) + " the key " + inQuotes(key) + " is no list of " + what + ".");
        };
        if (m_header.has("tokenizer.ggml.tokens") && (tokens == nullptr || tokens->texts.size() != tokens->count))
            return isNoListOf("tokenizer.ggml.tokens", "texts");
        if (tokens == nullptr || tokens->texts.empty())
            return Error(ErrorCode::Unsupported, displayName(m_path) + " carries no tokenizer, so no text can be read or written.");
        if (model != "gpt2")
            return Error(ErrorCode::Unsupported, displayName(m_path) + " has a tokenizer of the kind " + inQuotes(model) + ", only byte-level BPE (gpt2) can be used.");
        Tokenizer::GgufVocabulary vocabulary;
        vocabulary.tokens.assign(tokens->texts.begin(), tokens->texts.end());
        if (const GgufArray *types = m_header.array("tokenizer.ggml.token_type")) {
            if (types->count != tokens->texts.size())
                return Error(ErrorCode::BadFile, displayName(m_path) + " has " + std::to_string(tokens->texts.size()) + " tokens and " + std::to_string(types->count) + " token types.");
            for (std::uint64_t i = 0; i < types->count; ++i) {
                const std::optional<std::int64_t> type = types->integerAt(i);
                if (!type)
                    return isNoListOf("tokenizer.ggml.token_type", "whole numbers");
                vocabulary.types.push_back(static_cast<int>(std::clamp<std::int64_t>(*type, 0, 1000)));
            }
        }
        constexpr int kUnused = 5;
        for (std::size_t i = 0; i < tokens->texts.size(); ++i) {
            if (tokens->texts[i].empty() && (vocabulary.types.empty() || vocabulary.types[i] != kUnused))
                return Error(ErrorCode::BadFile, displayName(m_path) + " has a hole in its vocabulary: the token " + std::to_string(i)
                        + " of " + inQuotes("tokenizer.ggml.tokens") + " is empty.");
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
        for (const GgufTensor &tensor : tensors)
            if (isScale(tensor.name))
                ENGINE_CHECK(attachScale(tensor));
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

    // A scale over a whole matrix of NVFP4 (llama.cpp's converter: the file's weight_scale_2), which stands beside it as
    // X.scale; some files have X.weight.scale.
    static bool isScale(std::string_view name) { return name.ends_with(".scale") || name.ends_with(".input_scale"); }

    Status attachScale(const GgufTensor &scale)
    {
        const std::string name = "The scale " + inQuotes(scale.name) + " of " + displayName(m_path);
        const bool isInput = scale.name.ends_with(".input_scale");
        std::string owner = scale.name.substr(0, scale.name.rfind('.'));
        if (!owner.ends_with(".weight"))
            owner += ".weight";
        const std::optional<std::string> wanted = huggingFaceName(owner);
        const auto found = !wanted ? m_tensors.end()
                                   : std::find_if(m_tensors.begin(), m_tensors.end(), [&](const FileTensor &tensor) { return tensor.name == *wanted; });
        if (found == m_tensors.end())
            return Error(ErrorCode::BadFile, name + " has no weight (" + inQuotes(owner) + ").");
        FileTensor &tensor = *found;
        if (tensor.dtype != DType::NVFP4 || tensor.shape.rank < 2)
            return Error(ErrorCode::Unsupported, name + " belongs to a tensor of the type " + std::string(typeName(tensor)) + ", only matrices of NVFP4 have one.");
        std::int64_t count = 1;
        for (const std::int64_t dim : scale.dimensions)
            count *= dim; // bounded by the file's size
        const std::int64_t matrices = tensor.shape.rank == 3 ? tensor.shape[0] : 1;
        if (scale.dtype != DType::F32 || scale.bytes.size() != static_cast<std::size_t>(count) * sizeof(float) || (count != 1 && count != matrices)) {
            return Error(ErrorCode::BadFile, name + " is " + std::string(kernels::dtypeInfo(scale.dtype).name) + " with " + std::to_string(count)
                    + " numbers where F32 with 1 or " + std::to_string(matrices) + " is needed.");
        }
        if (isInput)
            return Done{}; // for rounding what goes in to four bits, which is not done
        if (!tensor.scales.empty())
            return Error(ErrorCode::BadFile, name + " is the second one of " + inQuotes(owner) + ".");
        // Gate and up in one matrix are loaded apart.
        const std::int64_t parts = tensor.name.ends_with(".gate_up_proj.weight") && tensor.shape[1] % 2 == 0 ? 2 : 1;
        std::vector<std::byte> &scales = m_scales.emplace_back();
        for (std::int64_t i = 0; i < matrices * parts; ++i) {
            const auto at = scale.bytes.begin() + (count == 1 ? 0 : i / parts) * static_cast<std::ptrdiff_t>(sizeof(float));
            scales.insert(scales.end(), at, at + sizeof(float));
        }
        tensor.scales = scales;
        tensor.scaleType = DType::F32;
        const std::int64_t rows = tensor.shape[tensor.shape.rank - 2] / parts, columns = tensor.shape[tensor.shape.rank - 1];
        if (rows < 1 || rows > kMostRows || columns < 1 || columns > kMostRows)
            return Error(ErrorCode::BadFile, name + " belongs to a tensor of an impossible shape.");
        tensor.scaleBlockRows = static_cast<int>(rows);
        tensor.scaleBlockColumns = static_cast<int>(columns);
        return Done{};
    }

    Status addTensor(const GgufTensor &from)
    {
        if (from.name == "rope_freqs.weight" || isScale(from.name))
            return Done{}; // in RopeConfig, and in their weights
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

    std::deque<std::vector<std::byte>> m_scales; // NVFP4's, one a matrix
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
