// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/hf_model_files.h"

#include "base/checked.h"
#include "files/json.h"
#include "files/json_fields.h"
#include "files/mapped_file.h"
#include "files/number_formats.h"
#include "files/packed_weights.h"
#include "files/printable.h"
#include "files/safetensors.h"
#include "files/stored_model.h"
#include "files/tensor_recipe.h"
#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

namespace engine {

namespace {

constexpr std::size_t kLargestConfigBytes = 16U << 20;
constexpr std::size_t kLargestIndexBytes = 128U << 20;
constexpr std::size_t kLargestTokenizerBytes = 128U << 20;
constexpr std::size_t kMostShards = 2048;

// The whole text, or nothing when there is no such file.
Result<std::string> readOptional(const std::filesystem::path &path, std::size_t limit)
{
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        return std::string();
    return readTextFile(path, limit);
}

// A plain name of a safetensors file beside the index: no way out of the folder.
bool isPlainShardName(std::string_view name)
{
    constexpr std::string_view kEnding = ".safetensors";
    return name.size() > kEnding.size() && name.size() <= 255 && name.ends_with(kEnding) && name.front() != '.'
        && name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

// Which files to open, and what the index says about them.
struct Shards {
    std::vector<std::string> names;
    std::map<std::string, std::string> fileOfTensor; // empty without an index
};

Result<Shards> readIndex(const std::filesystem::path &path)
{
    const std::string fileName = displayName(path);
    ENGINE_TRY(const std::string text, readTextFile(path, kLargestIndexBytes));
    ENGINE_TRY(const nlohmann::json json, parseJson(text, fileName));
    if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object())
        return Error(ErrorCode::BadFile, fileName + " has no weight_map.");
    Shards shards;
    std::set<std::string> names;
    for (const auto &[tensor, file] : json["weight_map"].items()) {
        if (!file.is_string() || !isPlainShardName(file.get_ref<const std::string &>())) {
            return Error(ErrorCode::BadFile, fileName + " sends the tensor " + inQuotes(tensor) + " to "
                    + (file.is_string() ? inQuotes(file.get_ref<const std::string &>()) : "something")
                    + ", which is not the name of a .safetensors file in the same folder.");
        }
        names.insert(file.get<std::string>());
        shards.fileOfTensor.emplace(tensor, file.get<std::string>());
    }
    if (names.empty())
        return Error(ErrorCode::BadFile, fileName + " lists no tensors.");
    if (names.size() > kMostShards)
        return Error(ErrorCode::BadFile, fileName + " lists more than 2048 files.");
    shards.names.assign(names.begin(), names.end());
    return shards;
}

// model-00001-of-00004.safetensors gives {1, 4}.
std::optional<std::pair<int, int>> shardNumbers(std::string_view name)
{
    constexpr std::string_view kEnding = ".safetensors";
    if (!name.ends_with(kEnding))
        return std::nullopt;
    name.remove_suffix(kEnding.size());
    const std::size_t of = name.rfind("-of-");
    const std::size_t dash = of == std::string_view::npos || of == 0 ? of : name.rfind('-', of - 1);
    if (of == std::string_view::npos || dash == std::string_view::npos)
        return std::nullopt;
    const auto number = [](std::string_view digits) {
        int value = 0;
        for (const char c : digits) {
            if (c < '0' || c > '9' || digits.size() > 6)
                return -1;
            value = value * 10 + (c - '0');
        }
        return digits.empty() ? -1 : value;
    };
    const int first = number(name.substr(dash + 1, of - dash - 1));
    const int second = number(name.substr(of + 4));
    return first < 0 || second < 0 ? std::nullopt : std::optional(std::pair(first, second));
}

Result<Shards> findShards(const std::filesystem::path &folder, std::vector<std::string> &warnings)
{
    std::error_code error;
    std::vector<std::string> present;
    bool hasPickles = false;
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (isPlainShardName(name))
            present.push_back(name);
        hasPickles = hasPickles || name.ends_with(".bin") || name.ends_with(".pth") || name.ends_with(".pt");
    }
    if (error)
        return Error(ErrorCode::BadFile, "The folder " + displayName(folder) + " cannot be read: " + error.message() + ".");
    std::sort(present.begin(), present.end());

    Shards shards;
    const std::filesystem::path index = folder / "model.safetensors.index.json";
    if (std::filesystem::exists(index, error)) {
        ENGINE_TRY(shards, readIndex(index));
        for (const std::string &name : shards.names) {
            if (!std::binary_search(present.begin(), present.end(), name))
                return Error(ErrorCode::BadFile, "The file " + inQuotes(name) + " of " + displayName(folder) + " is missing: download it again.");
        }
        for (const std::string &name : present) {
            if (!std::binary_search(shards.names.begin(), shards.names.end(), name))
                warnings.push_back("The file " + inQuotes(name) + " is not in the index and was ignored.");
        }
        return shards;
    }
    if (std::binary_search(present.begin(), present.end(), "model.safetensors")) {
        shards.names = {"model.safetensors"};
        return shards;
    }
    if (present.empty()) {
        return hasPickles
            ? Error(ErrorCode::Unsupported, "The folder " + displayName(folder)
                      + " has only pickled PyTorch weights, which can run code and are never loaded: convert them to safetensors.")
            : Error(ErrorCode::BadFile, "The folder " + displayName(folder) + " has no weights (*.safetensors).");
    }
    if (present.size() == 1 && !shardNumbers(present[0])) {
        shards.names = present;
        return shards;
    }
    // Numbered parts without an index: all of them, and none missing.
    int total = -1;
    std::set<int> numbers;
    for (const std::string &name : present) {
        const auto part = shardNumbers(name);
        if (!part || (total >= 0 && part->second != total))
            return Error(ErrorCode::BadFile, "The folder " + displayName(folder) + " holds several weight files and no index (model.safetensors.index.json).");
        total = part->second;
        numbers.insert(part->first);
    }
    for (int i = 1; i <= total; ++i) {
        if (numbers.count(i) == 0)
            return Error(ErrorCode::BadFile, "Part " + std::to_string(i) + " of " + std::to_string(total) + " of the weights in " + displayName(folder) + " is missing.");
    }
    shards.names = present;
    return shards;
}

Result<FileTensor> toFileTensor(SafetensorsTensor &&from, std::string_view fileName)
{
    if (from.shape.size() > 4)
        return Error(ErrorCode::Unsupported, "In " + printable(fileName) + " the tensor " + inQuotes(from.name) + " has more than 4 dimensions.");
    FileTensor tensor;
    tensor.name = std::move(from.name);
    // transformers 5 writes fused experts as bare parameters.
    if (tensor.name.ends_with(".experts.gate_up_proj") || tensor.name.ends_with(".experts.down_proj"))
        tensor.name += ".weight";
    for (const std::int64_t dim : from.shape)
        tensor.shape.dims[static_cast<std::size_t>(tensor.shape.rank++)] = dim;
    if (from.dtype) {
        tensor.dtype = *from.dtype;
        tensor.bytes = from.bytes;
    } else if (const auto format = numberFormat(from.typeName)) {
        widenAtLoad(tensor, *format, from.bytes);
    } else {
        refuseAtLoad(tensor, from.typeName, from.bytes);
    }
    return tensor;
}

// The weight whose scales these are, or nothing: X.weight_scale_inv belongs to X.weight (architectures.md 2.8).
std::optional<std::string> weightOfScale(const FileTensor &tensor)
{
    for (const std::string_view ending : {"_scale_inv", ".scale"}) {
        if (!tensor.name.ends_with(ending))
            continue;
        const std::string stem = tensor.name.substr(0, tensor.name.size() - ending.size());
        if (ending == "_scale_inv")
            return stem;
        if (tensor.dtype == DType::F8E8M0)
            return stem + ".weight";
    }
    return std::nullopt;
}

class HfModelFiles final : public StoredModel {
public:
    bool isGguf() const override { return false; }
    Result<std::shared_ptr<const Tokenizer>> loadTokenizer() const override
    {
        ENGINE_TRY(const std::string tokenizer, readOptional(m_path / "tokenizer.json", kLargestTokenizerBytes));
        if (tokenizer.empty())
            return Error(ErrorCode::Unsupported, "The folder " + displayName(m_path) + " has no tokenizer.json, so no text can be read or written.");
        ENGINE_TRY(const std::string config, readOptional(m_path / "tokenizer_config.json", kLargestConfigBytes));
        std::vector<std::string> wanted;
        if (m_config.vision) // what DeepSeek-VL2's processor adds, in its order
            wanted = {m_config.vision->imageToken, "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<|User|>",
                "<|Assistant|>"};
        return Tokenizer::fromJson(tokenizer, config, wanted);
    }

    Status load(const std::filesystem::path &folder)
    {
        m_path = folder;
        ENGINE_TRY(HfConfig config, readHfFolderConfig(folder));
        m_config = std::move(config.config);
        ENGINE_TRY(m_chatTemplate, readHfChatTemplate(folder));
        ENGINE_TRY(const Shards shards, findShards(folder, m_warnings));
        for (const std::string &name : shards.names)
            ENGINE_CHECK(loadShard(name, shards));
        ENGINE_CHECK(checkIndex(shards));
        ENGINE_TRY(m_tensors, attachPackedWeights(std::move(m_tensors), m_config.packed, displayName(m_path)));
        ENGINE_CHECK(attachScales());
        ENGINE_CHECK(finish());
        if (config.isRoutingGuessed && m_config.text.moe.method == RoutingMethod::Biased && !hasRoutingBias())
            m_config.text.moe.method = RoutingMethod::Greedy;
        return Done{};
    }

private:
    Status loadShard(const std::string &name, const Shards &shards)
    {
        ENGINE_TRY(auto file, MappedFile::open(m_path / name));
        ENGINE_TRY(auto tensors, readSafetensors(file->bytes(), name));
        m_files.push_back(file);
        for (SafetensorsTensor &found : tensors) {
            if (found.name.ends_with("rotary_emb.inv_freq"))
                continue; // older files; computed from the configuration
            if (found.name.ends_with(".weight_packed"))
                return Error(ErrorCode::Unsupported, "Diptych cannot run this model: the tensor " + inQuotes(found.name) + " of " + printable(name)
                        + " is packed in a way (compressed-tensors) that is not read.");
            const auto indexed = shards.fileOfTensor.find(found.name);
            if (indexed != shards.fileOfTensor.end() && indexed->second != name) {
                return Error(ErrorCode::BadFile, "The tensor " + inQuotes(found.name) + " stands in " + printable(name)
                        + ", and the index says in " + printable(indexed->second) + ".");
            }
            m_found.insert(found.name);
            ENGINE_TRY(FileTensor tensor, toFileTensor(std::move(found), name));
            m_tensors.push_back(std::move(tensor));
        }
        return file->intact();
    }

    Status checkIndex(const Shards &shards)
    {
        for (const auto &[tensor, file] : shards.fileOfTensor) {
            if (m_found.count(tensor) == 0 && !tensor.ends_with("rotary_emb.inv_freq"))
                return Error(ErrorCode::BadFile, "The index names the tensor " + inQuotes(tensor) + " in " + printable(file) + ", which does not hold it.");
        }
        m_found.clear();
        return Done{};
    }

    // Puts FP8 block scales into their weights and takes them out of the list.
    Status attachScales()
    {
        std::unordered_map<std::string, std::size_t> places;
        for (std::size_t i = 0; i < m_tensors.size(); ++i)
            places.emplace(m_tensors[i].name, i);
        std::vector<bool> isScale(m_tensors.size(), false);
        for (std::size_t i = 0; i < m_tensors.size(); ++i) {
            const std::optional<std::string> owner = weightOfScale(m_tensors[i]);
            if (!owner)
                continue;
            const auto found = places.find(*owner);
            if (found == places.end())
                return Error(ErrorCode::BadFile, "The scales " + inQuotes(m_tensors[i].name) + " of " + displayName(m_path) + " have no weight.");
            ENGINE_CHECK(attach(m_tensors[found->second], m_tensors[i]));
            isScale[i] = true;
        }
        std::vector<FileTensor> kept;
        kept.reserve(m_tensors.size());
        for (std::size_t i = 0; i < m_tensors.size(); ++i) {
            const FileTensor &tensor = m_tensors[i];
            if (isScale[i])
                continue;
            if (m_config.quantMethod == "fp8" && tensor.dtype == DType::F8E4M3 && tensor.scales.empty() && !tensor.bytes.empty())
                return Error(ErrorCode::BadFile, "The FP8 tensor " + inQuotes(tensor.name) + " of " + displayName(m_path) + " has no scales (weight_scale_inv).");
            kept.push_back(tensor);
        }
        m_tensors = std::move(kept);
        return Done{};
    }

    Status attach(FileTensor &weight, const FileTensor &scales) const
    {
        const std::string name = inQuotes(scales.name);
        if (weight.dtype != DType::F8E4M3 || weight.shape.rank != 2)
            return Error(ErrorCode::BadFile, "The scales " + name + " of " + displayName(m_path) + " belong to a tensor that is no FP8 matrix.");
        if (!weight.scales.empty())
            return Error(ErrorCode::BadFile, "The FP8 tensor " + inQuotes(weight.name) + " of " + displayName(m_path) + " has scales twice.");
        if (scales.recipe || (scales.dtype != DType::F32 && scales.dtype != DType::F8E8M0)) {
            return Error(ErrorCode::Unsupported, "The scales " + name + " of " + displayName(m_path) + " are stored as "
                    + std::string(typeName(scales)) + ", F32 or F8_E8M0 is needed.");
        }
        const auto blocks = [](std::int64_t size, int block) { return (size + block - 1) / block; };
        const Shape wanted{blocks(weight.shape[0], m_config.fp8BlockRows), blocks(weight.shape[1], m_config.fp8BlockColumns)};
        if (scales.shape != wanted) {
            return Error(ErrorCode::BadFile, "The scales " + name + " of " + displayName(m_path) + " are " + shapeText(scales.shape)
                    + " where " + shapeText(wanted) + " is needed.");
        }
        weight.scales = scales.bytes;
        weight.scaleType = scales.dtype;
        weight.scaleBlockRows = m_config.fp8BlockRows;
        weight.scaleBlockColumns = m_config.fp8BlockColumns;
        return Done{};
    }

    bool hasRoutingBias() const
    {
        return std::any_of(m_tensors.begin(), m_tensors.end(),
            [](const FileTensor &tensor) { return tensor.name.ends_with(".mlp.gate.e_score_correction_bias"); });
    }

    std::set<std::string> m_found; // names as in the files, while loading
};

} // namespace

Result<HfConfig> readHfFolderConfig(const std::filesystem::path &folder)
{
    ENGINE_TRY(const std::string config, readTextFile(folder / "config.json", kLargestConfigBytes));
    ENGINE_TRY(const std::string processor, readOptional(folder / "processor_config.json", kLargestConfigBytes));
    ENGINE_TRY(const std::string generation, readOptional(folder / "generation_config.json", kLargestConfigBytes));
    ENGINE_TRY(const std::string gptq, readOptional(folder / "quantize_config.json", kLargestConfigBytes));
    ENGINE_TRY(const std::string awq, readOptional(folder / "quant_config.json", kLargestConfigBytes));
    const std::array quantisations{QuantisationFile{"quantize_config.json", gptq}, QuantisationFile{"quant_config.json", awq, true}};
    return readHfConfig(config, processor, generation, quantisations);
}

Result<ChatTemplateInfo> readHfChatTemplate(const std::filesystem::path &folder)
{
    ChatTemplateInfo info;
    ENGINE_TRY(const std::string text, readOptional(folder / "tokenizer_config.json", kLargestConfigBytes));
    if (!text.empty()) {
        ENGINE_TRY(const nlohmann::json json, parseJson(text, "tokenizer_config.json"));
        JsonFields fields(json, "tokenizer_config.json");
        info.tokenizerClass = fields.text("tokenizer_class", "");
        info.addBos = fields.boolean("add_bos_token", false);
        ENGINE_CHECK(fields.status());
        if (fields.hasValue("chat_template") && json["chat_template"].is_string())
            info.jinja = json["chat_template"].get<std::string>();
        // Several templates: a list of {"name", "template"}, the one called default counts.
        if (fields.hasValue("chat_template") && json["chat_template"].is_array()) {
            for (const nlohmann::json &one : json["chat_template"]) {
                if (!one.is_object() || !one.contains("name") || !one.contains("template") || !one["template"].is_string())
                    continue;
                if (info.jinja.empty() || one["name"] == "default")
                    info.jinja = one["template"].get<std::string>();
            }
        }
    }
    ENGINE_TRY(std::string file, readOptional(folder / "chat_template.jinja", kLargestConfigBytes));
    if (!file.empty())
        info.jinja = std::move(file);
    return info;
}

Result<std::shared_ptr<const ModelFiles>> openHfFolder(const std::filesystem::path &folder)
{
    auto files = std::make_shared<HfModelFiles>();
    ENGINE_CHECK(files->load(folder));
    return std::shared_ptr<const ModelFiles>(std::move(files));
}

} // namespace engine
