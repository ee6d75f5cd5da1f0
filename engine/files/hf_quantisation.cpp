// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/hf_quantisation.h"

#include "files/json.h"
#include "files/printable.h"

#include <algorithm>
#include <map>

namespace engine {

namespace {

using Json = nlohmann::json;

Error unsupported(const std::string &why)
{
    return {ErrorCode::Unsupported, "Diptych cannot run this model: " + why + "."};
}

// What several files say of packed weights, under the names that quantization_config has for it.
struct Known {
    Json json = Json::object();
    std::map<std::string, std::string> sources; // which file said it
};

// AutoGPTQ, GPTQModel and AutoAWQ spell some keys in two ways.
Status merge(const Json &json, std::string_view fileName, Known &known)
{
    constexpr std::pair<const char *, const char *> kKeys[] = {{"quant_method", "quant_method"}, {"bits", "bits"}, {"w_bit", "bits"},
        {"group_size", "group_size"}, {"q_group_size", "group_size"}, {"checkpoint_format", "checkpoint_format"}, {"sym", "sym"},
        {"is_marlin_format", "is_marlin_format"}, {"zero_point", "zero_point"}, {"version", "version"}, {"fmt", "fmt"},
        {"weight_block_size", "weight_block_size"}};
    for (const auto &[spelt, key] : kKeys) {
        if (!json.contains(spelt) || json[spelt].is_null())
            continue;
        Json value = json[spelt];
        if (value.is_string()) {
            std::string text = value.get<std::string>();
            std::transform(text.begin(), text.end(), text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
            value = text;
        }
        const auto source = known.sources.find(key);
        if (source == known.sources.end()) {
            known.json[key] = std::move(value);
            known.sources.emplace(key, fileName);
        } else if (known.json[key] != value) {
            return Error(ErrorCode::BadFile, std::string(fileName) + " says otherwise than " + source->second
                    + " how the weights are quantised (" + spelt + ").");
        }
    }
    return Done{};
}

// GPTQ and AWQ.
Status readPacked(JsonFields &fields, ModelConfig &config)
{
    PackedQuantisation &packed = config.packed;
    const bool isAwq = config.quantMethod == "awq";
    packed.layout = isAwq ? PackedLayout::Awq : PackedLayout::Gptq;
    packed.bits = fields.integer("bits", 4);
    if (packed.bits != 2 && packed.bits != 3 && packed.bits != 4 && packed.bits != 8)
        return unsupported("its " + config.quantMethod + " weights have " + std::to_string(packed.bits) + " bits (bits in " + fields.fileName() + ")");
    if (fields.hasValue("group_size") && fields.json()["group_size"] == -1)
        packed.groupSize = -1;
    else
        packed.groupSize = fields.integer("group_size", 128);
    if (packed.groupSize == 0 || packed.groupSize > (1 << 20))
        return Error(ErrorCode::BadFile, "In " + fields.fileName() + " group_size has an impossible value (" + std::to_string(packed.groupSize) + ").");
    packed.isSymmetric = fields.boolean("sym", false);
    if (isAwq) {
        const std::string version = fields.text("version", "gemm");
        if (version != "gemm")
            return unsupported("its AWQ weights are laid out for " + inQuotes(version) + ", only gemm can be read");
        if (packed.bits != 4)
            return unsupported("its AWQ weights have " + std::to_string(packed.bits) + " bits, only 4 can be read");
        packed.isSymmetric = !fields.boolean("zero_point", true);
        return fields.status();
    }
    if (fields.boolean("is_marlin_format", false))
        return unsupported("its GPTQ weights have the format \"marlin\" (is_marlin_format), only gptq and gptq_v2 can be read");
    const std::string format = fields.text("checkpoint_format", "gptq");
    if (format != "gptq" && format != "gptq_v2")
        return unsupported("its GPTQ weights have the format " + inQuotes(format) + ", only gptq and gptq_v2 can be read");
    packed.zerosAreOneLess = format == "gptq";
    return fields.status();
}

} // namespace

Status readHfQuantisation(JsonFields &top, JsonFields &text, std::span<const QuantisationFile> files, ModelConfig &config)
{
    Known known;
    const Json *json = top.object("quantization_config");
    if (json == nullptr)
        json = text.object("quantization_config");
    std::string method, fileName = "config.json";
    if (json != nullptr)
        ENGINE_CHECK(merge(*json, fileName, known));
    for (const QuantisationFile &file : files) {
        if (file.json.empty())
            continue;
        ENGINE_TRY(const Json more, parseJson(file.json, file.name));
        if (!more.is_object())
            return Error(ErrorCode::BadFile, std::string(file.name) + " does not hold a JSON object.");
        ENGINE_CHECK(merge(more, file.name, known));
        if (method.empty()) {
            method = file.isAwq ? "awq" : "gptq";
            if (json == nullptr)
                fileName = file.name;
        }
    }
    if (json == nullptr && method.empty())
        return Done{};
    JsonFields fields(known.json, fileName);
    config.quantMethod = fields.text("quant_method", method);
    if (config.quantMethod == "gptq" || config.quantMethod == "awq")
        return readPacked(fields, config);
    if (config.quantMethod != "fp8") {
        return unsupported("its weights are quantised by " + inQuotes(config.quantMethod)
            + ", of such formats only fp8, gptq, awq (and GGUF files) can be read");
    }
    if (const std::string format = fields.text("fmt", "e4m3"); format != "e4m3" && format != "float8_e4m3fn")
        return unsupported("its FP8 weights have the format " + inQuotes(format) + ", only e4m3 can be read");
    if (!fields.hasValue("weight_block_size"))
        return unsupported("its FP8 weights have no block scales (weight_block_size)");
    const Json &block = fields.json()["weight_block_size"];
    if (!block.is_array() || block.size() != 2 || !block[0].is_number_unsigned() || !block[1].is_number_unsigned()
        || block[0].get<std::uint64_t>() > 65536 || block[1].get<std::uint64_t>() > 65536)
        fields.wrong("weight_block_size", "two whole numbers");
    else {
        config.fp8BlockRows = static_cast<int>(block[0].get<std::uint64_t>());
        config.fp8BlockColumns = static_cast<int>(block[1].get<std::uint64_t>());
    }
    return fields.status();
}

} // namespace engine
