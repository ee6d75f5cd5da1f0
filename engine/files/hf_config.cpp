// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/hf_config.h"

#include "files/config_check.h"
#include "files/hf_quantisation.h"
#include "files/json.h"
#include "files/json_fields.h"
#include "files/printable.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>

namespace engine {

namespace {

using Json = nlohmann::json;

enum class TextClass { Llama = 1, Qwen2, Qwen3, Deepseek, DeepseekV2, DeepseekV3, DeepseekV32 };

bool isDeepseek(TextClass textClass)
{
    return textClass == TextClass::Deepseek || textClass == TextClass::DeepseekV2 || textClass == TextClass::DeepseekV3
        || textClass == TextClass::DeepseekV32;
}

// What a model class takes for keys that config.json leaves out (architectures.md 1.3, 10.1).
struct ClassDefaults {
    int vocabulary, hidden, intermediate, layers, heads, context, bos, eos;
};
constexpr ClassDefaults kLlamaDefaults{32000, 4096, 11008, 32, 32, 2048, 1, 2};
constexpr ClassDefaults kQwenDefaults{151936, 4096, 22016, 32, 32, 32768, -1, -1};
constexpr ClassDefaults kDeepseekV2Defaults{102400, 4096, 11008, 30, 32, 2048, 100000, 100001};
constexpr ClassDefaults kDeepseekV3Defaults{129280, 7168, 18432, 61, 128, 4096, 0, 1};

const ClassDefaults &defaultsOf(TextClass textClass)
{
    switch (textClass) {
    case TextClass::Llama: return kLlamaDefaults;
    case TextClass::Qwen2:
    case TextClass::Qwen3: return kQwenDefaults;
    case TextClass::Deepseek: // its class has the same sizes
    case TextClass::DeepseekV2: return kDeepseekV2Defaults;
    case TextClass::DeepseekV3:
    case TextClass::DeepseekV32: break;
    }
    return kDeepseekV3Defaults;
}

struct Family {
    std::string_view architecture; // architectures[0]
    std::string_view modelType;
    std::string_view id; // in our registry
    TextClass textClass;
};
constexpr std::array<Family, 7> kFamilies{{
    {"LlamaForCausalLM", "llama", "llama", TextClass::Llama},
    {"Qwen2ForCausalLM", "qwen2", "qwen2", TextClass::Qwen2},
    {"Qwen3ForCausalLM", "qwen3", "qwen3", TextClass::Qwen3},
    {"DeepseekForCausalLM", "deepseek", "deepseek", TextClass::Deepseek},
    {"DeepseekV2ForCausalLM", "deepseek_v2", "deepseek_v2", TextClass::DeepseekV2},
    {"DeepseekV3ForCausalLM", "deepseek_v3", "deepseek_v3", TextClass::DeepseekV3},
    {"DeepseekV32ForCausalLM", "deepseek_v32", "deepseek_v32", TextClass::DeepseekV32},
}};

Error unsupported(const std::string &what)
{
    return {ErrorCode::Unsupported, "Diptych cannot run this model: " + what + "."};
}

// architectures[0], or nothing.
std::string firstArchitecture(JsonFields &fields)
{
    if (!fields.hasValue("architectures"))
        return {};
    const Json &list = fields.json()["architectures"];
    if (!list.is_array() || (!list.empty() && !list[0].is_string())) {
        fields.wrong("architectures", "a list of class names");
        return {};
    }
    return list.empty() ? std::string() : list[0].get<std::string>();
}

const Family *findFamily(const std::string &architecture, const std::string &modelType)
{
    for (const Family &family : kFamilies)
        if (architecture.empty() ? family.modelType == modelType : family.architecture == architecture)
            return &family;
    return nullptr;
}

Result<RopeConfig> readRope(JsonFields &text, TextClass textClass, int contextTokens)
{
    RopeConfig rope;
    rope.theta = text.number("rope_theta", 10000.0);
    const Json *const parameters = text.object("rope_parameters");
    const Json *const scaling = parameters != nullptr ? parameters : text.object("rope_scaling");
    if (scaling == nullptr)
        return rope;
    JsonFields fields(*scaling, text.fileName());
    rope.theta = fields.number("rope_theta", rope.theta);
    const std::string type = fields.text("rope_type", fields.text("type", "default"));
    rope.factor = fields.number("factor", 1.0);
    rope.originalContext = fields.integer("original_max_position_embeddings",
        text.integer("original_max_position_embeddings", contextTokens));
    if (type == "linear") {
        rope.scaling = RopeScaling::Linear;
    } else if (type == "llama3") {
        rope.scaling = RopeScaling::Llama3;
        rope.lowFrequencyFactor = fields.number("low_freq_factor", 1.0);
        rope.highFrequencyFactor = fields.number("high_freq_factor", 4.0);
    } else if (type == "yarn" && textClass != TextClass::Deepseek) { // that class knows linear scaling only
        rope.scaling = RopeScaling::Yarn;
        rope.betaFast = fields.number("beta_fast", 32.0);
        rope.betaSlow = fields.number("beta_slow", 1.0);
        if (isDeepseek(textClass)) {
            rope.mscale = fields.number("mscale", 1.0);
            rope.mscaleAllDim = fields.number("mscale_all_dim", 0.0);
        } else {
            // As transformers: `attn_factor` is not a key of it and is ignored (architectures.md 1.2).
            rope.attentionFactor = fields.number("attention_factor", 0.1 * std::log(std::max(rope.factor, 1.0)) + 1.0);
        }
    } else if (type != "default") {
        return unsupported("its rope scaling " + inQuotes(type) + " is unknown");
    }
    if (fields.number("partial_rotary_factor", 1.0) != 1.0)
        return unsupported("it rotates only a part of each head (partial_rotary_factor)");
    ENGINE_CHECK(fields.status());
    return rope;
}

Status readMoe(JsonFields &text, TextClass textClass, MoeConfig &moe, bool &isGuessed)
{
    const bool isV3 = textClass == TextClass::DeepseekV3 || textClass == TextClass::DeepseekV32;
    const char *expertsKey = "n_routed_experts";
    for (const char *alias : {"num_experts", "num_local_experts"})
        if (!text.has(expertsKey) && text.has(alias))
            expertsKey = alias;
    moe.routedExperts = text.isNull(expertsKey) ? 0 : text.integer(expertsKey, isV3 ? 256 : 0);
    moe.sharedExperts = text.isNull("n_shared_experts") ? 0 : text.integer("n_shared_experts", isV3 ? 1 : 0);
    const char *const perTokenKey = !text.has("num_experts_per_tok") && text.has("moe_topk") ? "moe_topk" : "num_experts_per_tok";
    moe.expertsPerToken = text.integer(perTokenKey, isV3 ? 8 : 0);
    moe.expertIntermediate = text.integer("moe_intermediate_size", isV3 ? 2048 : 1407);
    moe.groups = text.isNull("n_group") ? 1 : text.integer("n_group", isV3 ? 8 : 1);
    moe.groupsPerToken = text.isNull("topk_group") ? 1 : text.integer("topk_group", isV3 ? 4 : 1);
    moe.firstMoeLayer = text.integer("first_k_dense_replace", isV3 ? 3 : 0);
    moe.layerFrequency = text.integer("moe_layer_freq", 1);
    moe.normaliseWeights = text.boolean("norm_topk_prob", isV3);
    moe.routedScale = static_cast<float>(text.number("routed_scaling_factor", isV3 ? 2.5 : 1.0));
    const std::string score = text.text("scoring_func", isV3 ? "sigmoid" : "softmax");
    if (score == "sigmoid")
        moe.score = RoutingScore::Sigmoid;
    else if (score == "softmax")
        moe.score = RoutingScore::Softmax;
    else
        return unsupported("its routing score " + inQuotes(score) + " is unknown");
    isGuessed = !text.hasValue("topk_method");
    const std::string method = text.text("topk_method", moe.score == RoutingScore::Sigmoid ? "noaux_tc" : "greedy");
    if (method == "greedy" || method == "gready")
        moe.method = RoutingMethod::Greedy;
    else if (method == "group_limited_greedy")
        moe.method = RoutingMethod::GroupLimitedGreedy;
    else if (method == "noaux_tc")
        moe.method = RoutingMethod::Biased;
    else
        return unsupported("its routing method " + inQuotes(method) + " is unknown");
    if (!isV3 && moe.expertsPerToken <= 1)
        moe.normaliseWeights = false; // these classes leave the one weight as it is
    if (moe.method == RoutingMethod::Greedy)
        moe.groups = moe.groupsPerToken = 1; // not looked at by this method
    return Done{};
}

Status readDeepseek(JsonFields &text, TextClass textClass, TextConfig &config, bool &isGuessed)
{
    const bool isV3 = textClass == TextClass::DeepseekV3 || textClass == TextClass::DeepseekV32;
    const auto rank = [&](const char *key, int fallback) { return text.isNull(key) ? 0 : text.integer(key, fallback); };
    config.queryLoraRank = rank("q_lora_rank", 1536);
    config.kvLoraRank = rank("kv_lora_rank", 512);
    config.nopeHeadDim = rank("qk_nope_head_dim", 128);
    config.ropeHeadDim = rank("qk_rope_head_dim", 64);
    config.valueHeadDim = rank("v_head_dim", 128);
    const bool isLatent = textClass != TextClass::Deepseek && text.boolean("use_mla", true) && config.kvLoraRank != 0
        && (config.nopeHeadDim != 0 || config.ropeHeadDim != 0);
    if (isLatent) {
        config.attention = AttentionKind::Latent;
        config.rope.interleaved = isV3 ? text.boolean("rope_interleave", true) : true;
        config.kvHeads = config.heads;
    } else {
        config.attention = AttentionKind::Heads;
        config.queryLoraRank = config.kvLoraRank = config.nopeHeadDim = config.ropeHeadDim = config.valueHeadDim = 0;
        config.kvHeads = text.isNull("num_key_value_heads") ? config.heads : text.integer("num_key_value_heads", config.heads);
        config.headDim = config.heads > 0 ? config.hidden / config.heads : 0;
        if (config.heads > 0 && config.hidden % config.heads != 0)
            return Error(ErrorCode::BadFile, "In " + text.fileName() + " the hidden size is no multiple of the number of attention heads.");
    }
    if (text.boolean("attention_bias", false))
        return unsupported("its attention has biases, which no released model of this class has");
    config.mtpLayers = rank("num_nextn_predict_layers", 0);
    if (textClass == TextClass::DeepseekV32) {
        config.indexer = {.heads = text.integer("index_n_heads", 64), .headDim = text.integer("index_head_dim", 128),
            .tokens = text.integer("index_topk", 2048)};
        if (!isLatent || config.queryLoraRank == 0)
            return unsupported("its class selects tokens by a query rank (q_lora_rank), which it has not");
    }
    ENGINE_CHECK(readMoe(text, textClass, config.moe, isGuessed));
    return Done{};
}

Status readHeads(JsonFields &text, TextClass textClass, TextConfig &config)
{
    config.attention = AttentionKind::Heads;
    const int kvDefault = textClass == TextClass::Llama ? config.heads : 32;
    config.kvHeads = text.isNull("num_key_value_heads") ? config.heads : text.integer("num_key_value_heads", kvDefault);
    const int wholeHead = config.heads > 0 ? config.hidden / config.heads : 0;
    const int headDefault = textClass == TextClass::Qwen3 && !text.has("head_dim") ? 128 : wholeHead;
    config.headDim = text.integer("head_dim", headDefault);
    config.attentionBias = textClass == TextClass::Qwen2;
    config.queryKeyNorm = textClass == TextClass::Qwen3;
    if (textClass != TextClass::Qwen2 && text.boolean("attention_bias", false))
        return unsupported("its attention has biases on every projection");
    if (text.boolean("mlp_bias", false))
        return unsupported("its feed-forward layers have biases");
    if (text.boolean("use_sliding_window", false))
        return unsupported("it needs a sliding window in some of its layers");
    if (text.number("partial_rotary_factor", 1.0) != 1.0)
        return unsupported("it rotates only a part of each head (partial_rotary_factor)");
    return Done{};
}

// "cross_modal": {"layers": [2, 4], "num_heads": 4, "head_dim": 32}
Status readCrossModal(JsonFields &fields, std::optional<CrossModalConfig> &into)
{
    const Json *const json = fields.object("cross_modal");
    if (json == nullptr)
        return fields.status();
    JsonFields section(*json, "config.json");
    for (const auto &[key, value] : json->items())
        if (key != "layers" && key != "num_heads" && key != "head_dim")
            return unsupported("its cross_modal section has the unknown key " + inQuotes(key));
    CrossModalConfig config;
    config.heads = section.integer("num_heads", 0);
    config.headDim = section.integer("head_dim", 0);
    const Json list = section.hasValue("layers") ? (*json)["layers"] : Json::array();
    if (!list.is_array())
        section.wrong("layers", "a list of layer numbers");
    for (const Json &layer : list) {
        if (!layer.is_number_unsigned() || layer.get<std::uint64_t>() > 65535 || config.layers.size() > 65535) {
            section.wrong("layers", "a list of layer numbers");
            break;
        }
        config.layers.push_back(static_cast<int>(layer.get<std::uint64_t>()));
    }
    ENGINE_CHECK(section.status());
    std::sort(config.layers.begin(), config.layers.end());
    into = std::move(config);
    return Done{};
}

// Inside a picture model the class defaults of special tokens belong to another vocabulary and are not taken.
Status readText(const Json &json, const std::string &fileName, TextClass textClass, bool isNested, HfConfig &result)
{
    JsonFields text(json, fileName);
    TextConfig &config = result.config.text;
    const ClassDefaults &defaults = defaultsOf(textClass);
    config.layers = text.integer("num_hidden_layers", defaults.layers);
    config.hidden = text.integer("hidden_size", defaults.hidden);
    config.intermediate = text.integer("intermediate_size", defaults.intermediate);
    config.vocabulary = text.integer("vocab_size", defaults.vocabulary);
    config.heads = text.integer("num_attention_heads", defaults.heads);
    config.rmsEpsilon = static_cast<float>(text.number("rms_norm_eps", 1e-6));
    config.contextTokens = text.integer("max_position_embeddings", defaults.context);
    config.tiedEmbeddings = text.boolean("tie_word_embeddings", false);
    const std::string activation = text.text("hidden_act", "silu");
    if (activation != "silu" && activation != "swish")
        return unsupported("its activation " + inQuotes(activation) + " is unknown");
    ENGINE_TRY(config.rope, readRope(text, textClass, config.contextTokens));
    if (isDeepseek(textClass))
        ENGINE_CHECK(readDeepseek(text, textClass, config, result.isRoutingGuessed));
    else
        ENGINE_CHECK(readHeads(text, textClass, config));
    ENGINE_CHECK(readCrossModal(text, config.crossModal));
    const std::vector<std::int32_t> bos = text.tokenIds("bos_token_id");
    config.bosId = bos.empty() ? (isNested || text.has("bos_token_id") ? -1 : defaults.bos) : bos.front();
    config.stopIds = text.tokenIds("eos_token_id");
    if (!isNested && !text.has("eos_token_id") && defaults.eos >= 0 && defaults.eos < config.vocabulary)
        config.stopIds.push_back(defaults.eos);
    return text.status();
}

template <std::size_t N>
void readTriple(JsonFields &fields, const char *key, std::array<float, N> &into)
{
    if (!fields.hasValue(key))
        return;
    const Json &list = fields.json()[key];
    if (!list.is_array() || list.size() != N) {
        fields.wrong(key, "three numbers");
        return;
    }
    for (std::size_t i = 0; i < N; ++i) {
        if (!list[i].is_number()) {
            fields.wrong(key, "three numbers");
            return;
        }
        into[i] = list[i].get<float>();
    }
}

std::vector<std::pair<int, int>> readResolutions(JsonFields &fields)
{
    std::vector<std::pair<int, int>> result;
    if (!fields.hasValue("candidate_resolutions"))
        return result;
    const Json &list = fields.json()["candidate_resolutions"];
    const auto side = [](const Json &value) {
        return value.is_number_unsigned() && value.get<std::uint64_t>() < (1U << 20) ? static_cast<int>(value.get<std::uint64_t>()) : 0;
    };
    if (list.is_array() && list.size() <= 1024) {
        for (const Json &pair : list) {
            if (!pair.is_array() || pair.size() != 2 || side(pair[0]) == 0 || side(pair[1]) == 0)
                break;
            result.emplace_back(side(pair[0]), side(pair[1]));
        }
    }
    if (!list.is_array() || result.size() != list.size() || result.empty())
        fields.wrong("candidate_resolutions", "a list of [width, height] pairs");
    return result;
}

// The picture path of DeepSeek-VL2: vision_config, projector_config and what lies at the top level.
Status readVision(JsonFields &top, JsonFields &processor, ModelConfig &config)
{
    VisionConfig vision;
    const Json empty = Json::object();
    const Json *const towerJson = top.object("vision_config");
    const Json *const projectorJson = top.object("projector_config");
    JsonFields tower(towerJson != nullptr ? *towerJson : empty, "config.json");
    JsonFields projector(projectorJson != nullptr ? *projectorJson : empty, "config.json");
    // Absent keys are those of siglip_so400m_patch14_384, the one tower the released models have.
    vision.width = tower.integer("width", 1152);
    vision.layers = tower.integer("layers", 27);
    vision.heads = tower.integer("heads", 16);
    vision.patch = tower.integer("patch_size", 14);
    vision.imageSize = tower.integer("image_size", 384);
    const double ratio = tower.number("mlp_ratio", 3.7362);
    const double inner = ratio * vision.width;
    vision.mlpHidden = std::isfinite(inner) && inner >= 1 && inner < 1e9 ? static_cast<int>(inner) : 0;
    if (tower.boolean("class_token", false))
        return unsupported("its picture tower has a class token");
    const std::string type = projector.text("projector_type", "downsample_mlp_gelu");
    if (type != "downsample_mlp_gelu")
        return unsupported("its picture projector " + inQuotes(type) + " is unknown");
    if (projector.number("mlp_ratio", 1.0) != 1.0)
        return unsupported("its picture projector has an inner width of its own (mlp_ratio)");
    if (projector.boolean("token_pooling", false))
        return unsupported("its picture projector pools tokens");
    vision.projectorOut = projector.integer("n_embed", config.text.hidden);
    vision.projectorDepth = projector.integer("depth", 2);
    vision.downsample = projector.integer("downsample_ratio", 2);
    if (projector.integer("input_dim", vision.width) != vision.width)
        return Error(ErrorCode::BadFile, "In config.json the projector reads another width than the picture tower writes.");
    if (const std::string tag = top.text("tile_tag", "2D"); tag != "2D")
        return unsupported("its tile_tag " + inQuotes(tag) + " is unknown");
    vision.globalFirst = top.text("global_view_pos", "head") == "head";
    vision.candidateResolutions = readResolutions(processor);
    if (vision.candidateResolutions.empty())
        vision.candidateResolutions = readResolutions(top);
    if (vision.candidateResolutions.empty())
        vision.candidateResolutions.emplace_back(vision.imageSize, vision.imageSize);
    if (processor.integer("patch_size", vision.patch) != vision.patch
        || processor.integer("downsample_ratio", vision.downsample) != vision.downsample)
        return Error(ErrorCode::BadFile, "config.json and processor_config.json disagree about patch_size or downsample_ratio.");
    readTriple(processor, "image_mean", vision.mean);
    readTriple(processor, "image_std", vision.std);
    vision.imageToken = processor.text("image_token", "<image>");
    vision.padToken = processor.text("pad_token", "<｜▁pad▁｜>");
    ENGINE_CHECK(tower.status());
    ENGINE_CHECK(projector.status());
    ENGINE_CHECK(processor.status());
    config.vision = std::move(vision);
    return Done{};
}

void addStopIds(std::vector<std::int32_t> &ids, const std::vector<std::int32_t> &more)
{
    for (const std::int32_t id : more)
        if (std::find(ids.begin(), ids.end(), id) == ids.end())
            ids.push_back(id);
}

Result<Json> parseObject(std::string_view text, std::string_view fileName)
{
    if (text.empty())
        return Json(Json::object());
    ENGINE_TRY(Json json, parseJson(text, fileName));
    if (!json.is_object())
        return Error(ErrorCode::BadFile, printable(fileName) + " does not hold a JSON object.");
    return json;
}

Result<HfConfig> readConfig(std::string_view configJson, std::string_view processorJson, std::string_view generationJson,
    std::span<const QuantisationFile> quantisations)
{
    if (configJson.empty())
        return Error(ErrorCode::BadFile, "config.json is empty.");
    ENGINE_TRY(const Json topJson, parseObject(configJson, "config.json"));
    ENGINE_TRY(const Json processorTree, parseObject(processorJson, "processor_config.json"));
    ENGINE_TRY(const Json generationTree, parseObject(generationJson, "generation_config.json"));
    JsonFields top(topJson, "config.json");
    JsonFields processor(processorTree, "processor_config.json");
    JsonFields generation(generationTree, "generation_config.json");

    const std::string architecture = firstArchitecture(top);
    const std::string modelType = top.text("model_type", "");
    const Json *const language = top.object("language_config");
    ENGINE_CHECK(top.status());
    const bool isVl2 = language != nullptr && modelType == "deepseek_vl_v2"
        && (architecture.empty() || architecture == "DeepseekVLV2ForCausalLM");
    const Json *textJson = &topJson;
    std::string textArchitecture = architecture, textType = modelType;
    if (isVl2) {
        textJson = language;
        JsonFields fields(*language, "config.json");
        textArchitecture = firstArchitecture(fields);
        textType = fields.text("model_type", "deepseek_v2");
        ENGINE_CHECK(fields.status());
    }
    const Family *const family = findFamily(textArchitecture, textType);
    if (family == nullptr) {
        const std::string name = textArchitecture.empty() ? textType : textArchitecture;
        return name.empty() ? Error(ErrorCode::BadFile, "config.json names no model class (architectures, model_type).")
                            : unsupported("its class " + inQuotes(name) + " is unknown");
    }
    HfConfig result;
    ModelConfig &config = result.config;
    config.text.architecture = isVl2 ? "deepseek_vl_v2" : std::string(family->id);
    config.text.tensorPrefix = isVl2 ? "language." : "";
    ENGINE_CHECK(readText(*textJson, "config.json", family->textClass, isVl2, result));
    JsonFields text(*textJson, "config.json");
    ENGINE_CHECK(readHfQuantisation(top, text, quantisations, config));
    if (isVl2) {
        if (top.hasValue("cross_modal") && config.text.crossModal)
            return Error(ErrorCode::BadFile, "config.json describes its cross-modal blocks twice (cross_modal).");
        ENGINE_CHECK(readCrossModal(top, config.text.crossModal));
        ENGINE_CHECK(readVision(top, processor, config));
        addStopIds(config.text.stopIds, top.tokenIds("eos_token_id"));
    }
    addStopIds(config.text.stopIds, generation.tokenIds("eos_token_id"));
    ENGINE_CHECK(top.status());
    ENGINE_CHECK(generation.status());
    ENGINE_CHECK(checkConfig(config, "config.json"));
    return result;
}

} // namespace

Result<HfConfig> readHfConfig(std::string_view configJson, std::string_view processorJson, std::string_view generationJson,
    std::span<const QuantisationFile> quantisations)
{
    try {
        return readConfig(configJson, processorJson, generationJson, quantisations);
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::OutOfMemory, "There is no memory left to read config.json.");
    } catch (const std::exception &) {
        return Error(ErrorCode::BadFile, "config.json cannot be read.");
    }
}

} // namespace engine
