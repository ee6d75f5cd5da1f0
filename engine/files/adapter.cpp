// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/adapter.h"

#include "backend/tensor_rows.h"
#include "files/json.h"
#include "files/json_fields.h"
#include "files/mapped_file.h"
#include "files/printable.h"
#include "files/safetensors.h"
#include "files/stored_model.h"
#include "files/tensor_recipe.h"
#include "kernels/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>

namespace engine {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kLargestConfigBytes = 16U << 20;
constexpr int kHighestRank = 1 << 16;
constexpr double kLargestAlpha = 1e9;
constexpr const char *kConfigName = "adapter_config.json";

Error unsupported(const std::string &what)
{
    return {ErrorCode::Unsupported, "Diptych cannot apply this adapter: " + what + "."};
}

// Empty lists, empty objects, false and null say nothing.
bool saysSomething(const Json &value)
{
    if (value.is_array() || value.is_object())
        return !value.empty();
    return !value.is_null() && value != false;
}

// {"model.layers.0.self_attn.q_proj": 4}: PEFT takes the keys for patterns; plain paths are what files have.
Result<std::map<std::string, double>> readPattern(const Json &json, const char *key, double most)
{
    std::map<std::string, double> result;
    if (!json.contains(key) || !saysSomething(json[key]))
        return result;
    if (!json[key].is_object())
        return Error(ErrorCode::BadFile, std::string("In adapter_config.json ") + key + " is no object.");
    for (const auto &[path, value] : json[key].items()) {
        const bool isPlain = std::all_of(path.begin(), path.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
        });
        if (!isPlain)
            return unsupported(std::string(key) + " has the pattern " + inQuotes(path) + ", only plain paths can be read");
        if (!value.is_number() || !(value.get<double>() > 0) || value.get<double>() > most)
            return Error(ErrorCode::BadFile, std::string("In adapter_config.json ") + key + " has an impossible value for " + inQuotes(path) + ".");
        result.emplace(path, value.get<double>());
    }
    return result;
}

double valueFor(const std::map<std::string, double> &pattern, std::string_view module, double fallback)
{
    for (const auto &[path, value] : pattern) {
        const bool isEnd = module.size() > path.size() && module.ends_with(path) && module[module.size() - path.size() - 1] == '.';
        if (module == path || isEnd)
            return value;
    }
    return fallback;
}

Result<LoraConfig> readConfig(std::string_view text)
{
    ENGINE_TRY(const Json json, parseJson(text, kConfigName));
    if (!json.is_object())
        return Error(ErrorCode::BadFile, "adapter_config.json does not hold a JSON object.");
    JsonFields fields(json, kConfigName);
    if (const std::string type = fields.text("peft_type", "LORA"); type != "LORA")
        return unsupported("its kind (peft_type) is " + inQuotes(type) + ", only LORA can be applied");
    for (const char *key : {"use_qalora", "use_bdlora", "lora_bias", "fan_in_fan_out", "target_parameters",
             "trainable_token_indices", "layer_replication", "alora_invocation_tokens", "arrow_config", "megatron_config"})
        if (json.contains(key) && saysSomething(json[key]))
            return unsupported(std::string("it needs ") + key);
    if (const std::string bias = fields.text("bias", "none"); bias != "none")
        return unsupported("it changes biases (bias: " + inQuotes(bias) + ")");
    // These start from another base than the model's own weights.
    if (json.contains("init_lora_weights") && json["init_lora_weights"].is_string()) {
        const std::string start = json["init_lora_weights"].get<std::string>();
        if (start != "gaussian" && start != "eva" && start != "orthogonal")
            return unsupported("it was trained on changed base weights (init_lora_weights: " + inQuotes(start) + ")");
    }
    LoraConfig config;
    config.rank = fields.integer("r", 8);
    config.alpha = fields.number("lora_alpha", 8);
    config.isRankStabilised = fields.boolean("use_rslora", false);
    config.isDecomposed = fields.boolean("use_dora", false);
    config.keepsTies = fields.boolean("ensure_weight_tying", false);
    ENGINE_CHECK(fields.status());
    if (json.contains("modules_to_save") && saysSomething(json["modules_to_save"])) {
        const Json &names = json["modules_to_save"];
        const bool isList = names.is_array() && std::all_of(names.begin(), names.end(), [](const Json &name) { return name.is_string() && !name.get_ref<const std::string &>().empty(); });
        if (!isList)
            return Error(ErrorCode::BadFile, "In adapter_config.json modules_to_save is no list of names.");
        config.whole = names.get<std::vector<std::string>>();
    }
    if (config.rank < 1 || config.rank > kHighestRank)
        return Error(ErrorCode::BadFile, "In adapter_config.json r is " + std::to_string(config.rank) + ", between 1 and 65536 are possible.");
    if (!std::isfinite(config.alpha) || std::fabs(config.alpha) > kLargestAlpha)
        return Error(ErrorCode::BadFile, "In adapter_config.json lora_alpha has an impossible value.");
    ENGINE_TRY(config.ranks, readPattern(json, "rank_pattern", kHighestRank));
    ENGINE_TRY(config.alphas, readPattern(json, "alpha_pattern", kLargestAlpha));
    return config;
}

// Numbers of a small tensor. Types were checked.
std::vector<float> valuesOf(const SafetensorsTensor &tensor)
{
    const std::size_t count = tensor.bytes.size() / kernels::rowBytes(*tensor.dtype, 1);
    std::vector<float> values(count);
    kernels::dequantizeRow(*tensor.dtype, tensor.bytes.data(), static_cast<std::int64_t>(count), values.data());
    return values;
}

class LoraRecipe final : public TensorRecipe {
public:
    FileTensor base;
    std::vector<float> down, up; // A [rank, in] and B [out, rank], B's rows in the order of the base file
    std::vector<float> lengths;  // of the rows, DoRA only
    std::int64_t rank = 0;
    float scale = 0;
    DType dtype = DType::BF16;

    std::vector<std::span<const std::byte>> sources() const override
    {
        return base.recipe ? base.recipe->sources() : std::vector<std::span<const std::byte>>{base.bytes, base.scales};
    }

    Result<MadeBytes> makeOn(kernels::ThreadPool &pool, bool exact) const override
    {
        FileTensor weights = base;
        MadeBytes under;
        if (base.recipe) {
            ENGINE_TRY(under, base.recipe->makeOn(pool, true));
            weights.dtype = under.dtype;
            weights.bytes = under.bytes;
        }
        ENGINE_CHECK(checkTensor(weights));
        const std::int64_t rows = base.shape[0], columns = base.shape[1];
        MadeBytes made;
        made.dtype = exact ? DType::F32 : dtype;
        const std::size_t rowBytes = kernels::rowBytes(made.dtype, static_cast<std::size_t>(columns));
        made.bytes.resize(rowBytes * static_cast<std::size_t>(rows));
        pool.forEach(rows, 16, [&](int, std::int64_t begin, std::int64_t end) {
            std::vector<float> row(static_cast<std::size_t>(columns)), share(row.size());
            for (std::int64_t r = begin; r < end; ++r) {
                dequantizeTensorRow(weights, r, row.data());
                addShare(r, row, share);
                store(row, made.dtype, made.bytes.data() + static_cast<std::size_t>(r) * rowBytes);
            }
        });
        return made;
    }

private:
    // `share` is room for one row.
    void addShare(std::int64_t r, std::vector<float> &row, std::vector<float> &share) const
    {
        std::fill(share.begin(), share.end(), 0.0F);
        for (std::int64_t k = 0; k < rank; ++k) {
            const float factor = up[static_cast<std::size_t>(r * rank + k)];
            const float *const in = down.data() + static_cast<std::size_t>(k) * share.size();
            for (std::size_t c = 0; c < share.size(); ++c)
                share[c] += factor * in[c];
        }
        for (std::size_t c = 0; c < share.size(); ++c)
            row[c] += scale * share[c];
        if (!lengths.empty())
            setLength(row, lengths[static_cast<std::size_t>(r)]);
    }
    // A row of zeros stays one.
    static void setLength(std::vector<float> &row, float length)
    {
        double squares = 0;
        for (const float value : row)
            squares += static_cast<double>(value) * static_cast<double>(value);
        const double factor = squares > 0 ? static_cast<double>(length) / std::sqrt(squares) : 0;
        for (float &value : row)
            value = static_cast<float>(static_cast<double>(value) * factor);
    }
    static void store(const std::vector<float> &row, DType type, std::byte *target)
    {
        if (type == DType::F32) {
            std::memcpy(target, row.data(), row.size() * sizeof(float));
            return;
        }
        for (const float value : row) {
            const std::uint16_t bits = type == DType::F16 ? kernels::floatToHalf(value) : kernels::floatToBfloat(value);
            std::memcpy(target, &bits, sizeof bits);
            target += sizeof bits;
        }
    }
};

// Both halves of one module's share.
struct Halves {
    const SafetensorsTensor *down = nullptr, *up = nullptr; // lora_A, lora_B
    const SafetensorsTensor *lengths = nullptr;             // lora_magnitude_vector
    bool isEmbedding = false;                               // lora_embedding_A, lora_embedding_B
};

// What an adapter's file holds, by the names of the model's tensors.
struct Contents {
    std::map<std::string, Halves> modules;
    std::map<std::string, const SafetensorsTensor *> bases; // what the shares come on top of, where the file has it too
    std::map<std::string, const SafetensorsTensor *> whole; // modules_to_save
};

// [rows, columns] turned round.
std::vector<float> transposed(const std::vector<float> &values, std::int64_t rows, std::int64_t columns)
{
    std::vector<float> result(values.size());
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < columns; ++c)
            result[static_cast<std::size_t>(c * rows + r)] = values[static_cast<std::size_t>(r * columns + c)];
    return result;
}

class AdaptedFiles final : public ModelFiles {
public:
    explicit AdaptedFiles(std::shared_ptr<const ModelFiles> base)
        : m_base(std::move(base)), m_config(m_base->config()), m_tensors(m_base->tensors())
    {
    }

    const std::filesystem::path &path() const override { return m_base->path(); }
    bool isGguf() const override { return m_base->isGguf(); }
    const ModelConfig &config() const override { return m_config; }
    const std::vector<FileTensor> &tensors() const override { return m_tensors; }
    const ChatTemplateInfo &chatTemplate() const override { return m_base->chatTemplate(); }
    std::uint64_t fileBytes() const override { return m_base->fileBytes() + m_file->bytes().size(); }
    Result<std::shared_ptr<const Tokenizer>> loadTokenizer() const override { return m_base->loadTokenizer(); }
    void release(const FileTensor &tensor) const override { m_base->release(tensor); }
    Status intact() const override
    {
        ENGINE_CHECK(m_file->intact());
        return m_base->intact();
    }
    const std::vector<std::string> &warnings() const override { return m_base->warnings(); }
    const FileTensor *find(std::string_view name) const override
    {
        const auto found = std::lower_bound(m_tensors.begin(), m_tensors.end(), name,
            [](const FileTensor &tensor, std::string_view wanted) { return tensor.name < wanted; });
        return found == m_tensors.end() || found->name != name ? nullptr : &*found;
    }

    Status load(const std::filesystem::path &folder, double scale)
    {
        m_name = displayName(folder);
        std::error_code error;
        if (!std::filesystem::is_directory(folder, error))
            return Error(ErrorCode::BadFile, "The adapter " + m_name + " is no folder with adapter_config.json and adapter_model.safetensors.");
        ENGINE_TRY(const std::string text, readTextFile(folder / kConfigName, kLargestConfigBytes));
        ENGINE_TRY(const LoraConfig config, readLoraConfig(text));
        if (!std::filesystem::exists(folder / "adapter_model.safetensors", error) && std::filesystem::exists(folder / "adapter_model.bin", error))
            return Error(ErrorCode::Unsupported, "The adapter " + m_name + " is a pickled PyTorch file, which can run code and is never loaded: convert it to safetensors.");
        ENGINE_TRY(m_file, MappedFile::open(folder / "adapter_model.safetensors"));
        ENGINE_TRY(const auto tensors, readSafetensors(m_file->bytes(), "adapter_model.safetensors"));
        Contents contents;
        for (const SafetensorsTensor &tensor : tensors)
            ENGINE_CHECK(sort(tensor, config, contents));
        ENGINE_CHECK(checkWhole(config, contents));
        if (contents.modules.empty() && contents.whole.empty() && contents.bases.empty())
            return Error(ErrorCode::BadFile, "The adapter " + m_name + " changes nothing: it holds no tensors.");
        // The base of a head that the embeddings stand in for is theirs until the two part.
        const std::string head = m_config.text.tensorPrefix + "lm_head.weight";
        for (const auto &[name, tensor] : contents.bases)
            if (name != head)
                ENGINE_CHECK(replace(name, *tensor));
        ENGINE_CHECK(partFromEmbeddings(contents, config));
        if (const auto found = contents.bases.find(head); found != contents.bases.end())
            ENGINE_CHECK(replace(head, *found->second));
        if (!contents.whole.empty() && scale != 1.0)
            return unsupported("it holds the module " + inQuotes(contents.whole.begin()->first) + " whole, which can be applied at the scale 1 only");
        for (const auto &[name, tensor] : contents.whole)
            ENGINE_CHECK(replace(name, *tensor));
        for (const auto &[module, halves] : contents.modules)
            ENGINE_CHECK(apply(module, halves, config, scale));
        return m_file->intact();
    }

private:
    static bool isEmbedding(std::string_view path) { return path == "lm_head" || path.ends_with(".lm_head") || path.ends_with("embed_tokens"); }

    // Files have "base_model.model." in front of the model's own paths.
    Status sort(const SafetensorsTensor &tensor, const LoraConfig &config, Contents &contents) const
    {
        constexpr std::string_view kStart = "base_model.model.";
        const auto refused = [&] {
            return unsupported("its tensor " + inQuotes(tensor.name) + " is no part of a linear layer's or an embedding's share, and modules_to_save does not name it");
        };
        std::string_view path = tensor.name;
        if (!path.starts_with(kStart))
            return refused();
        path.remove_prefix(kStart.size());
        const auto take = [&](std::string_view ending) {
            const bool ends = path.size() > ending.size() && path.ends_with(ending);
            path.remove_suffix(ends ? ending.size() : 0);
            return ends;
        };
        if (tensor.dtype != DType::F32 && tensor.dtype != DType::F16 && tensor.dtype != DType::BF16)
            return unsupported("its tensor " + inQuotes(tensor.name) + " is stored as " + tensor.typeName + ", F32, F16 or BF16 is needed");
        if (take(".base_layer.weight")) {
            contents.bases.emplace(std::string(path) + ".weight", &tensor);
            return Done{};
        }
        if (take(".lora_magnitude_vector.weight") || take(".lora_magnitude_vector")) {
            if (!config.isDecomposed)
                return Error(ErrorCode::BadFile, "The adapter " + m_name + " has the tensor " + inQuotes(tensor.name) + ", and its configuration does not say use_dora.");
            contents.modules[std::string(path)].lengths = &tensor;
            return Done{};
        }
        const bool isDown = take(".lora_A.weight"), isUp = !isDown && take(".lora_B.weight");
        const bool isTableDown = !isDown && !isUp && take(".lora_embedding_A"), isTableUp = !isDown && !isUp && !isTableDown && take(".lora_embedding_B");
        if (isDown || isUp || isTableDown || isTableUp) {
            if (tensor.shape.size() != 2)
                return Error(ErrorCode::BadFile, "The tensor " + inQuotes(tensor.name) + " of the adapter " + m_name + " is no matrix of a module.");
            Halves &halves = contents.modules[std::string(path)];
            if (halves.down != nullptr || halves.up != nullptr)
                if (halves.isEmbedding != (isTableDown || isTableUp))
                    return Error(ErrorCode::BadFile, "The adapter " + m_name + " changes the module of " + inQuotes(tensor.name) + " in two ways.");
            halves.isEmbedding = isTableDown || isTableUp;
            (isDown || isTableDown ? halves.down : halves.up) = &tensor;
            return Done{};
        }
        const std::string_view kind = path.ends_with(".bias") ? ".bias" : ".weight";
        if (!take(kind))
            return refused();
        take(".modules_to_save");
        const auto names = [&](const std::string &part) { return ("." + std::string(path) + ".").find("." + part + ".") != std::string::npos; };
        const bool isNamed = std::any_of(config.whole.begin(), config.whole.end(), names);
        if (!isNamed && !isEmbedding(path))
            return refused();
        // Embeddings that nothing names were saved because the adapter was trained on them.
        (isNamed ? contents.whole : contents.bases).emplace(std::string(path) + std::string(kind), &tensor);
        return Done{};
    }

    Status checkWhole(const LoraConfig &config, const Contents &contents) const
    {
        for (const std::string &part : config.whole) {
            const bool isThere = std::any_of(contents.whole.begin(), contents.whole.end(),
                [&](const auto &entry) { return ("." + entry.first).find("." + part + ".") != std::string::npos; });
            if (!isThere)
                return Error(ErrorCode::BadFile, "The adapter " + m_name + " has no tensor of the module " + inQuotes(part) + ", which modules_to_save names.");
        }
        return Done{};
    }

    // Gives the output layer a tensor of its own where the adapter changes it or the embeddings that stand in for it.
    Status partFromEmbeddings(const Contents &contents, const LoraConfig &config)
    {
        TextConfig &text = m_config.text;
        const std::string head = text.tensorPrefix + "lm_head", table = text.tensorPrefix + "model.embed_tokens";
        const auto changes = [&](const std::string &module) { return contents.modules.contains(module) || contents.whole.contains(module + ".weight"); };
        if (!text.tiedEmbeddings || (!changes(head) && !changes(table) && !contents.bases.contains(head + ".weight")))
            return Done{};
        if (config.keepsTies)
            return unsupported("it needs ensure_weight_tying");
        FileTensor own = *find(table + ".weight");
        own.name = head + ".weight";
        const auto place = std::lower_bound(m_tensors.begin(), m_tensors.end(), own.name,
            [](const FileTensor &tensor, std::string_view name) { return tensor.name < name; });
        m_tensors.insert(place, std::move(own));
        text.tiedEmbeddings = false;
        return Done{};
    }

    Error forAnotherModel(const std::string &name) const
    {
        return {ErrorCode::BadFile, "The adapter " + m_name + " is for another model: it changes " + inQuotes(name) + ", and "
                + displayName(path()) + " has no such tensor."};
    }
    Error doesNotFit(const SafetensorsTensor &tensor, const std::string &wanted) const
    {
        std::string shape;
        for (const std::int64_t dim : tensor.shape)
            shape += (shape.empty() ? "" : ", ") + std::to_string(dim);
        return {ErrorCode::BadFile, "The adapter " + m_name + " does not fit " + displayName(path()) + ": its tensor " + inQuotes(tensor.name)
                + " is [" + shape + "] where " + wanted + " is needed."};
    }
    Status checkShape(const SafetensorsTensor &tensor, const std::vector<std::int64_t> &wanted) const
    {
        if (tensor.shape == wanted)
            return Done{};
        std::string text;
        for (const std::int64_t dim : wanted)
            text += (text.empty() ? "[" : ", ") + std::to_string(dim);
        return doesNotFit(tensor, text + "]");
    }
    Status checkFinite(const SafetensorsTensor &tensor, const std::vector<float> &values) const
    {
        if (std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); }))
            return Done{};
        return Error(ErrorCode::BadFile, "The tensor " + inQuotes(tensor.name) + " of the adapter " + m_name + " holds values that are not numbers.");
    }

    // The adapter's tensor in place of the model's.
    Status replace(const std::string &name, const SafetensorsTensor &by)
    {
        const FileTensor *const found = find(name);
        if (found == nullptr)
            return forAnotherModel(name);
        FileTensor &tensor = m_tensors[static_cast<std::size_t>(found - m_tensors.data())];
        const std::vector<std::int64_t> wanted(tensor.shape.dims.begin(), tensor.shape.dims.begin() + tensor.shape.rank);
        ENGINE_CHECK(checkShape(by, wanted));
        if (rowPairs(name, wanted.empty() ? 0 : wanted.front()) > 0)
            return unsupported("it holds " + inQuotes(by.name) + " whole, whose rows stand in another order in a GGUF file");
        ENGINE_CHECK(checkFinite(by, valuesOf(by)));
        tensor.dtype = *by.dtype;
        tensor.bytes = by.bytes;
        tensor.scales = {};
        tensor.recipe = nullptr;
        return Done{};
    }

    Status apply(const std::string &module, const Halves &halves, const LoraConfig &config, double scale)
    {
        if (halves.down == nullptr || halves.up == nullptr) {
            const SafetensorsTensor &half = halves.down != nullptr ? *halves.down : halves.up != nullptr ? *halves.up : *halves.lengths;
            return Error(ErrorCode::BadFile, "In the adapter " + m_name + " the tensor " + inQuotes(half.name) + " has no other half ("
                    + (halves.down != nullptr ? "lora_B" : "lora_A") + ").");
        }
        const std::string name = module + ".weight";
        const FileTensor *const found = find(name);
        if (found == nullptr || found->shape.rank != 2)
            return forAnotherModel(name);
        FileTensor &tensor = m_tensors[static_cast<std::size_t>(found - m_tensors.data())];
        const std::int64_t rows = tensor.shape[0], columns = tensor.shape[1];
        const int rank = config.rankFor(module);
        // An embedding's A is [rank, vocabulary] and its B [hidden, rank]: the two change places.
        ENGINE_CHECK(checkShape(*halves.down, {rank, halves.isEmbedding ? rows : columns}));
        ENGINE_CHECK(checkShape(*halves.up, {halves.isEmbedding ? columns : rows, rank}));
        auto recipe = std::make_shared<LoraRecipe>();
        recipe->base = tensor;
        recipe->rank = rank;
        recipe->scale = static_cast<float>(config.scaleFor(module) * scale);
        recipe->down = valuesOf(*halves.down);
        recipe->up = valuesOf(*halves.up);
        ENGINE_CHECK(checkFinite(*halves.down, recipe->down));
        ENGINE_CHECK(checkFinite(*halves.up, recipe->up));
        if (halves.isEmbedding) {
            std::swap(recipe->down, recipe->up);
            recipe->down = transposed(recipe->down, columns, rank);
            recipe->up = transposed(recipe->up, rank, rows);
        }
        recipe->up = inFileOrder(std::move(recipe->up), name, rows, rank);
        if (config.isDecomposed) {
            if (halves.isEmbedding)
                return unsupported("it needs use_dora for the embedding " + inQuotes(name));
            if (halves.lengths == nullptr)
                return Error(ErrorCode::BadFile, "The adapter " + m_name + " has no tensor " + inQuotes(module + ".lora_magnitude_vector") + ", which use_dora needs.");
            if (halves.lengths->shape != std::vector<std::int64_t>{rows, 1}) // as older files have it
                ENGINE_CHECK(checkShape(*halves.lengths, {rows}));
            recipe->lengths = valuesOf(*halves.lengths);
            ENGINE_CHECK(checkFinite(*halves.lengths, recipe->lengths));
            recipe->lengths = inFileOrder(std::move(recipe->lengths), name, rows, 1);
        }
        if (!std::isfinite(recipe->scale))
            return Error(ErrorCode::BadRequest, "The scale of the adapter " + m_name + " is not a number that can be used.");
        recipe->dtype = tensor.dtype == DType::F32 || tensor.dtype == DType::F16 ? tensor.dtype : DType::BF16;
        tensor.dtype = recipe->dtype;
        tensor.bytes = tensor.scales = {};
        tensor.recipe = std::move(recipe);
        return Done{};
    }

    // Llama's GGUF files keep the rows of q and k so that pairs to rotate are neighbours. The rows of one head, 0: in order.
    std::int64_t rowPairs(const std::string &name, std::int64_t rows) const
    {
        const TextConfig &text = m_config.text;
        const bool isQuery = name.ends_with(".self_attn.q_proj.weight"), isKey = name.ends_with(".self_attn.k_proj.weight");
        if (!isGguf() || text.attention != AttentionKind::Heads || !text.rope.interleaved || (!isQuery && !isKey))
            return 0;
        const std::int64_t width = rows / std::max(isQuery ? text.heads : text.kvHeads, 1);
        return width < 2 ? 0 : width;
    }
    std::vector<float> inFileOrder(std::vector<float> up, const std::string &name, std::int64_t rows, std::int64_t rank) const
    {
        const std::int64_t width = rowPairs(name, rows);
        if (width == 0)
            return up;
        std::vector<float> ordered(up.size());
        for (std::int64_t row = 0; row < rows; ++row) {
            const std::int64_t at = row % width;
            const std::int64_t from = row - at + at % 2 * (width / 2) + at / 2;
            std::copy_n(up.begin() + from * rank, rank, ordered.begin() + row * rank);
        }
        return ordered;
    }

    std::shared_ptr<const ModelFiles> m_base;
    ModelConfig m_config;              // the base's, but for the tie of its embeddings
    std::vector<FileTensor> m_tensors; // sorted by name
    std::shared_ptr<const MappedFile> m_file;
    std::string m_name;
};

} // namespace

int LoraConfig::rankFor(std::string_view module) const
{
    return static_cast<int>(valueFor(ranks, module, rank));
}

double LoraConfig::scaleFor(std::string_view module) const
{
    const double r = rankFor(module);
    return valueFor(alphas, module, alpha) / (isRankStabilised ? std::sqrt(r) : r);
}

Result<LoraConfig> readLoraConfig(std::string_view json)
{
    try {
        return readConfig(json);
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::OutOfMemory, "There is no memory left to read adapter_config.json.");
    } catch (const std::exception &) {
        return Error(ErrorCode::BadFile, "adapter_config.json cannot be read.");
    }
}

Result<std::shared_ptr<const ModelFiles>> withAdapter(std::shared_ptr<const ModelFiles> base,
    const std::filesystem::path &folder, double scale)
{
    try {
        auto files = std::make_shared<AdaptedFiles>(std::move(base));
        ENGINE_CHECK(files->load(folder, scale));
        return std::shared_ptr<const ModelFiles>(std::move(files));
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::OutOfMemory, "There is no memory left to read the adapter " + displayName(folder) + ".");
    } catch (const std::exception &problem) {
        return Error(ErrorCode::BadFile, "The adapter " + displayName(folder) + " cannot be opened: " + printable(problem.what()) + ".");
    }
}

} // namespace engine
