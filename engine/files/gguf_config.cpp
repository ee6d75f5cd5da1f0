// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/gguf_config.h"

#include "files/config_check.h"
#include "files/printable.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace engine {

namespace {

// Reads keys below "<architecture>." and remembers the first one that is missing or of the wrong kind.
class Keys {
public:
    Keys(const GgufFile &file, std::string_view architecture, std::string_view fileName)
        : m_file(file), m_prefix(std::string(architecture) + "."), m_fileName(fileName)
    {
    }
    bool has(std::string_view key) const { return m_file.has(m_prefix + std::string(key)); }
    int required(std::string_view key) { return integer(key, std::nullopt); }
    int optional(std::string_view key, int fallback) { return integer(key, fallback); }
    double number(std::string_view key, double fallback)
    {
        const std::string full = m_prefix + std::string(key);
        if (!m_file.has(full))
            return fallback;
        const std::optional<double> value = m_file.number(full);
        if (!value)
            fail(full, "is no number");
        return value.value_or(fallback);
    }
    bool boolean(std::string_view key, bool fallback)
    {
        const std::string full = m_prefix + std::string(key);
        if (!m_file.has(full))
            return fallback;
        const std::optional<bool> value = m_file.boolean(full);
        if (!value)
            fail(full, "is neither true nor false");
        return value.value_or(fallback);
    }
    std::string text(std::string_view key, std::string_view fallback)
    {
        const std::string full = m_prefix + std::string(key);
        if (!m_file.has(full))
            return std::string(fallback);
        const std::optional<std::string_view> value = m_file.text(full);
        if (!value)
            fail(full, "is no text");
        return std::string(value.value_or(fallback));
    }
    Status status() const
    {
        if (m_problem.empty())
            return Done{};
        return Error(ErrorCode::BadFile, "In " + printable(m_fileName) + " " + m_problem + ".");
    }

private:
    int integer(std::string_view key, std::optional<int> fallback)
    {
        const std::string full = m_prefix + std::string(key);
        if (!m_file.has(full)) {
            if (!fallback)
                fail(full, "is missing");
            return fallback.value_or(0);
        }
        std::optional<std::int64_t> value = m_file.integer(full);
        // Some converters write one number per layer; they must all be the same.
        if (const GgufArray *list = m_file.array(full)) {
            value = list->integerAt(0);
            for (std::uint64_t i = 1; value && i < list->count; ++i)
                if (list->integerAt(i) != value)
                    value.reset();
            if (!value) {
                fail(full, "differs from layer to layer, which cannot be run");
                return 0;
            }
        }
        if (!value || *value > std::numeric_limits<int>::max() || *value < std::numeric_limits<int>::min()) {
            fail(full, "is no whole number below 2147483648");
            return fallback.value_or(0);
        }
        return static_cast<int>(*value);
    }
    void fail(std::string_view key, std::string_view why)
    {
        if (m_problem.empty())
            m_problem = "the key " + inQuotes(key) + " " + std::string(why);
    }

    const GgufFile &m_file;
    std::string m_prefix;
    std::string_view m_fileName;
    std::string m_problem;
};

const GgufTensor *findTensor(const std::vector<GgufTensor> &tensors, std::string_view name)
{
    const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const GgufTensor &t) { return t.name == name; });
    return found == tensors.end() ? nullptr : &*found;
}

bool hasTensorEnding(const std::vector<GgufTensor> &tensors, std::string_view ending)
{
    return std::any_of(tensors.begin(), tensors.end(), [&](const GgufTensor &t) { return t.name.ends_with(ending); });
}

Status readRope(Keys &keys, TextConfig &text, bool isLatent, const std::vector<GgufTensor> &tensors,
    std::string_view fileName, std::vector<std::string> &warnings)
{
    RopeConfig &rope = text.rope;
    rope.theta = keys.number("rope.freq_base", 10000.0);
    const std::string type = keys.text("rope.scaling.type", "none");
    rope.factor = keys.number("rope.scaling.factor", keys.number("rope.scale_linear", 1.0));
    rope.originalContext = keys.optional("rope.scaling.original_context_length", text.contextTokens);
    if (type == "linear" || (type == "none" && !keys.has("rope.scaling.type") && rope.factor != 1.0)) {
        rope.scaling = RopeScaling::Linear;
    } else if (type == "yarn") {
        rope.scaling = RopeScaling::Yarn;
        rope.betaFast = keys.number("rope.scaling.yarn_beta_fast", 32.0);
        rope.betaSlow = keys.number("rope.scaling.yarn_beta_slow", 1.0);
        if (isLatent) {
            // yarn_log_multiplier is 0.1 * mscale_all_dim; released models have mscale equal to it.
            if (keys.has("rope.scaling.yarn_log_multiplier")) {
                rope.mscaleAllDim = 10.0 * keys.number("rope.scaling.yarn_log_multiplier", 0.1);
            } else {
                const bool isV2 = text.architecture == "deepseek_v2";
                rope.mscaleAllDim = isV2 ? 0.707 : 1.0;
                warnings.push_back("The file has no rope.scaling.yarn_log_multiplier; mscale_all_dim was taken as "
                    + std::string(isV2 ? "0.707." : "1.0."));
            }
            rope.mscale = rope.mscaleAllDim;
        } else {
            const double own = keys.number("rope.scaling.attn_factor", keys.number("rope.scaling.yarn_attn_factor", 1.0));
            rope.attentionFactor = own * (0.1 * std::log(std::max(rope.factor, 1.0)) + 1.0);
        }
    } else if (type != "none") {
        return Error(ErrorCode::Unsupported, "Diptych cannot run this model: its rope scaling " + inQuotes(type) + " is unknown.");
    }
    if (const GgufTensor *divisors = findTensor(tensors, "rope_freqs.weight")) {
        const std::int64_t pairs = (isLatent ? text.ropeHeadDim : text.headDim) / 2;
        if (divisors->dtype != kernels::DType::F32 || divisors->dimensions.size() != 1 || divisors->dimensions[0] != pairs) {
            return Error(ErrorCode::BadFile, "In " + printable(fileName) + " the tensor \"rope_freqs.weight\" should hold "
                    + std::to_string(pairs) + " numbers of type F32.");
        }
        rope.frequencyDivisors.resize(static_cast<std::size_t>(pairs));
        std::memcpy(rope.frequencyDivisors.data(), divisors->bytes.data(), divisors->bytes.size());
    }
    return Done{};
}

Status readMoe(Keys &keys, TextConfig &text, const std::vector<GgufTensor> &tensors, std::vector<std::string> &warnings)
{
    MoeConfig &moe = text.moe;
    moe.routedExperts = keys.optional("expert_count", 0);
    moe.sharedExperts = keys.optional("expert_shared_count", 0);
    moe.expertsPerToken = keys.optional("expert_used_count", 0);
    moe.expertIntermediate = keys.optional("expert_feed_forward_length", 0);
    moe.firstMoeLayer = keys.optional("leading_dense_block_count", 0);
    moe.normaliseWeights = keys.boolean("expert_weights_norm", false);
    const double scale = keys.number("expert_weights_scale", 1.0);
    moe.routedScale = scale == 0.0 ? 1.0F : static_cast<float>(scale); // 0 means "none" in older files
    switch (keys.optional("expert_gating_func", 1)) {
    case 0:
    case 1: moe.score = RoutingScore::Softmax; break;
    case 2: moe.score = RoutingScore::Sigmoid; break;
    default:
        return Error(ErrorCode::Unsupported, "Diptych cannot run this model: its expert_gating_func "
                + std::to_string(keys.optional("expert_gating_func", 1)) + " is unknown.");
    }
    if (moe.routedExperts == 0)
        return Done{};
    const bool isBiased = hasTensorEnding(tensors, ".exp_probs_b.bias") || hasTensorEnding(tensors, ".exp_probs_b");
    moe.groups = keys.optional("expert_group_count", 0);
    moe.groupsPerToken = keys.optional("expert_group_used_count", 0);
    if (!keys.has("expert_group_count") && (moe.routedExperts == 256 || moe.routedExperts == 160)) {
        // Converters of 2024 and early 2025 left the groups out; the released models of these sizes have them.
        moe.groups = 8;
        moe.groupsPerToken = moe.routedExperts == 256 ? 4 : 3;
        warnings.push_back("The file does not say how its experts are grouped; 8 groups, "
            + std::to_string(moe.groupsPerToken) + " per token, as in the released model, were taken.");
    }
    moe.groups = moe.groups == 0 ? 1 : moe.groups;
    moe.groupsPerToken = moe.groupsPerToken == 0 ? 1 : moe.groupsPerToken;
    moe.method = isBiased ? RoutingMethod::Biased : moe.groups > 1 ? RoutingMethod::GroupLimitedGreedy : RoutingMethod::Greedy;
    return Done{};
}

Status readLatent(Keys &keys, TextConfig &text)
{
    text.attention = AttentionKind::Latent;
    text.kvHeads = text.heads;
    text.queryLoraRank = keys.optional("attention.q_lora_rank", 0);
    text.kvLoraRank = keys.required("attention.kv_lora_rank");
    text.ropeHeadDim = keys.required("rope.dimension_count");
    const bool isAbsorbed = keys.has("attention.key_length_mla");
    const int keyLength = keys.required(isAbsorbed ? "attention.key_length_mla" : "attention.key_length");
    text.valueHeadDim = keys.required(isAbsorbed ? "attention.value_length_mla" : "attention.value_length");
    ENGINE_CHECK(keys.status());
    text.nopeHeadDim = keyLength > text.ropeHeadDim && text.ropeHeadDim > 0 ? keyLength - text.ropeHeadDim : 0;
    return Done{};
}

// V3.2's indexer, which reads the query rank.
Status readIndexer(Keys &keys, TextConfig &text)
{
    text.indexer = {.heads = keys.required("attention.indexer.head_count"),
        .headDim = keys.required("attention.indexer.key_length"),
        .tokens = keys.required("attention.indexer.top_k")};
    ENGINE_CHECK(keys.status());
    if (text.queryLoraRank == 0)
        return Error(ErrorCode::Unsupported, "Diptych cannot run this model: its class selects tokens by a query rank "
                "(attention.q_lora_rank), which it has not.");
    return Done{};
}

Status readHeads(Keys &keys, TextConfig &text)
{
    text.attention = AttentionKind::Heads;
    text.kvHeads = keys.optional("attention.head_count_kv", text.heads);
    const int whole = text.heads > 0 ? text.hidden / text.heads : 0;
    text.headDim = keys.optional("attention.key_length", keys.optional("rope.dimension_count", whole));
    if (keys.optional("attention.value_length", text.headDim) != text.headDim)
        return Error(ErrorCode::Unsupported, "Diptych cannot run this model: its keys and values have different widths (attention.key_length, attention.value_length).");
    if (keys.optional("rope.dimension_count", text.headDim) != text.headDim)
        return Error(ErrorCode::Unsupported, "Diptych cannot run this model: it rotates only a part of each head (rope.dimension_count).");
    text.attentionBias = text.architecture == "qwen2";
    text.queryKeyNorm = text.architecture == "qwen3";
    return Done{};
}

Status readVocabulary(Keys &keys, TextConfig &text, const std::vector<GgufTensor> &tensors, std::string_view fileName)
{
    const GgufTensor *const table = findTensor(tensors, "token_embd.weight");
    if (table == nullptr || table->dimensions.size() != 2)
        return Error(ErrorCode::BadFile, "In " + printable(fileName) + " the tensor \"token_embd.weight\" is missing or no matrix.");
    const std::int64_t rows = table->dimensions[1];
    if (keys.has("vocab_size") && keys.optional("vocab_size", 0) != rows) {
        return Error(ErrorCode::BadFile, "In " + printable(fileName) + " vocab_size is " + std::to_string(keys.optional("vocab_size", 0))
                + " and \"token_embd.weight\" has " + std::to_string(rows) + " rows.");
    }
    text.vocabulary = rows <= std::numeric_limits<int>::max() ? static_cast<int>(rows) : 0;
    text.tiedEmbeddings = findTensor(tensors, "output.weight") == nullptr;
    return Done{};
}

Status readSpecialTokens(const GgufFile &file, std::string_view fileName, TextConfig &text)
{
    constexpr std::int64_t kNone = 0xFFFFFFFF; // -1 in a key without a sign
    for (const std::string_view key : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
        const std::int64_t value = file.integer(key).value_or(-1);
        if (value >= text.vocabulary && value != kNone)
            return Error(ErrorCode::BadFile, "In " + printable(fileName) + " the key " + inQuotes(key) + " is " + std::to_string(value)
                    + ", and the vocabulary ends at " + std::to_string(text.vocabulary - 1) + ".");
    }
    const auto id = [&](std::string_view key) {
        const std::optional<std::int64_t> value = file.integer(key);
        return value && *value >= 0 && *value < text.vocabulary ? static_cast<std::int32_t>(*value) : -1;
    };
    text.bosId = id("tokenizer.ggml.bos_token_id");
    for (const std::string_view key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
        const std::int32_t stop = id(key);
        if (stop >= 0 && std::find(text.stopIds.begin(), text.stopIds.end(), stop) == text.stopIds.end())
            text.stopIds.push_back(stop);
    }
    return Done{};
}

} // namespace

Result<ModelConfig> readGgufConfig(const GgufFile &file, const std::vector<GgufTensor> &tensors,
    std::string_view fileName, std::vector<std::string> &warnings)
{
    const std::optional<std::string_view> architecture = file.text("general.architecture");
    if (!architecture)
        return Error(ErrorCode::BadFile, printable(fileName) + " does not name its architecture (general.architecture).");
    if (file.text("general.type").value_or("model") != "model") {
        return Error(ErrorCode::Unsupported, printable(fileName) + " holds no model but something of the type "
                + inQuotes(*file.text("general.type")) + ".");
    }
    constexpr std::array<std::string_view, 6> kKnown{"llama", "qwen2", "qwen3", "deepseek", "deepseek2", "deepseek32"};
    if (std::find(kKnown.begin(), kKnown.end(), *architecture) == kKnown.end())
        return Error(ErrorCode::Unsupported, "Diptych cannot run this model: its architecture " + inQuotes(*architecture) + " is unknown.");

    Keys keys(file, *architecture, fileName);
    const bool hasIndexer = *architecture == "deepseek32";
    const bool isLatent = hasIndexer || *architecture == "deepseek2";
    ModelConfig config;
    TextConfig &text = config.text;
    text.architecture = std::string(*architecture);
    if (isLatent) {
        const bool isV3 = hasTensorEnding(tensors, ".exp_probs_b.bias") || file.integer("deepseek2.expert_gating_func") == 2;
        text.architecture = hasIndexer ? "deepseek_v32" : isV3 ? "deepseek_v3" : "deepseek_v2";
    }
    // block_count counts MTP layers too where the file has them.
    text.mtpLayers = keys.optional("nextn_predict_layers", 0);
    text.layers = keys.required("block_count");
    if (text.mtpLayers > 0 && text.mtpLayers < text.layers)
        text.layers -= text.mtpLayers;
    text.hidden = keys.required("embedding_length");
    text.intermediate = keys.required("feed_forward_length");
    text.heads = keys.required("attention.head_count");
    text.contextTokens = keys.required("context_length");
    text.rmsEpsilon = static_cast<float>(keys.number("attention.layer_norm_rms_epsilon", 1e-6));
    ENGINE_CHECK(keys.status());
    ENGINE_CHECK(readVocabulary(keys, text, tensors, fileName));
    if (isLatent) {
        ENGINE_CHECK(readLatent(keys, text));
        if (hasIndexer)
            ENGINE_CHECK(readIndexer(keys, text));
        ENGINE_CHECK(readMoe(keys, text, tensors, warnings));
    } else {
        if (*architecture == "deepseek")
            ENGINE_CHECK(readMoe(keys, text, tensors, warnings));
        else if (keys.optional("expert_count", 0) > 0)
            return Error(ErrorCode::Unsupported, "Diptych cannot run this model: it is a " + std::string(*architecture) + " model with experts.");
        ENGINE_CHECK(readHeads(keys, text));
    }
    ENGINE_CHECK(readRope(keys, text, isLatent, tensors, fileName, warnings));
    // llama.cpp permutes q and k rows of Llama's kind of attention, which DeepSeekMoE has too.
    text.rope.interleaved = isLatent || *architecture == "llama" || *architecture == "deepseek";
    ENGINE_CHECK(readSpecialTokens(file, fileName, text));
    ENGINE_CHECK(keys.status());
    ENGINE_CHECK(checkConfig(config, fileName));
    return config;
}

} // namespace engine
