// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/config_check.h"

#include "files/printable.h"

#include <cmath>
#include <cstdio>
#include <string>

namespace engine {

namespace {

// Wide limits: nothing released comes near them, and products of any three stay inside 63 bits.
constexpr std::int64_t kMostLayers = 1024;
constexpr std::int64_t kWidest = 1 << 18;      // hidden, ranks
constexpr std::int64_t kWidestInner = 1 << 20; // intermediate sizes
constexpr std::int64_t kMostTokens = 1 << 22;  // vocabulary
constexpr std::int64_t kMostHeads = 4096;
constexpr std::int64_t kWidestHead = 4096;
constexpr std::int64_t kMostExperts = 4096;
constexpr std::int64_t kLongestContext = 1 << 26;

// What the labels below are called in config.json and, without the architecture in front, among GGUF's keys.
struct KeyNames {
    std::string_view label, json, gguf;
};
constexpr KeyNames kKeyNames[] = {
    {"number of layers", "num_hidden_layers", "block_count"},
    {"hidden size", "hidden_size", "embedding_length"},
    {"intermediate size", "intermediate_size", "feed_forward_length"},
    {"vocabulary size", "vocab_size", "vocab_size"},
    {"number of attention heads", "num_attention_heads", "attention.head_count"},
    {"number of key/value heads", "num_key_value_heads", "attention.head_count_kv"},
    {"head size", "head_dim", "attention.key_length"},
    {"context length", "max_position_embeddings", "context_length"},
    {"rms_norm_eps", "rms_norm_eps", "attention.layer_norm_rms_epsilon"},
    {"number of MTP layers", "num_nextn_predict_layers", "nextn_predict_layers"},
    {"q_lora_rank", "q_lora_rank", "attention.q_lora_rank"},
    {"kv_lora_rank", "kv_lora_rank", "attention.kv_lora_rank"},
    {"qk_nope_head_dim", "qk_nope_head_dim", "attention.key_length_mla"},
    {"qk_rope_head_dim", "qk_rope_head_dim", "rope.dimension_count"},
    {"v_head_dim", "v_head_dim", "attention.value_length_mla"},
    {"number of indexer heads", "index_n_heads", "attention.indexer.head_count"},
    {"size of an indexer head", "index_head_dim", "attention.indexer.key_length"},
    {"index_topk", "index_topk", "attention.indexer.top_k"},
    {"end-of-text token", "eos_token_id", "tokenizer.ggml.eos_token_id"},
    {"rope theta", "rope_theta", "rope.freq_base"},
    {"rope scaling factor", "rope_scaling.factor", "rope.scaling.factor"},
    {"original context of the rope scaling", "original_max_position_embeddings", "rope.scaling.original_context_length"},
    {"low frequency factor", "rope_scaling.low_freq_factor", "rope_freqs.weight"},
    {"high frequency factor", "rope_scaling.high_freq_factor", "rope_freqs.weight"},
    {"yarn beta_fast", "rope_scaling.beta_fast", "rope.scaling.yarn_beta_fast"},
    {"yarn beta_slow", "rope_scaling.beta_slow", "rope.scaling.yarn_beta_slow"},
    {"yarn mscale", "rope_scaling.mscale", "rope.scaling.yarn_log_multiplier"},
    {"yarn mscale_all_dim", "rope_scaling.mscale_all_dim", "rope.scaling.yarn_log_multiplier"},
    {"yarn attention factor", "rope_scaling.attention_factor", "rope.scaling.attn_factor"},
    {"rope frequency divisor", "rope_scaling", "rope_freqs.weight"},
    {"number of routed experts", "n_routed_experts", "expert_count"},
    {"number of shared experts", "n_shared_experts", "expert_shared_count"},
    {"number of experts per token", "num_experts_per_tok", "expert_used_count"},
    {"width of an expert", "moe_intermediate_size", "expert_feed_forward_length"},
    {"number of expert groups", "n_group", "expert_group_count"},
    {"number of expert groups per token", "topk_group", "expert_group_used_count"},
    {"first layer with experts", "first_k_dense_replace", "leading_dense_block_count"},
    {"expert layer frequency", "moe_layer_freq", "expert_count"},
    {"routed scaling factor", "routed_scaling_factor", "expert_weights_scale"},
    {"layer of a cross-modal block", "cross_modal.layers", ""},
    {"number of cross-modal heads", "cross_modal.heads", ""},
    {"size of a cross-modal head", "cross_modal.head_dim", ""},
    {"width of the picture tower", "vision_config.width", ""},
    {"number of picture layers", "vision_config.layers", ""},
    {"number of picture heads", "vision_config.heads", ""},
    {"inner width of the picture tower", "vision_config.mlp_ratio", ""},
    {"side of a picture tile", "vision_config.image_size", ""},
    {"patch size", "vision_config.patch_size", ""},
    {"downsample ratio", "projector_config.downsample_ratio", ""},
    {"projector depth", "projector_config.depth", ""},
    {"layer norm epsilon", "vision_config.layer_norm_eps", ""},
    {"width of a candidate resolution", "candidate_resolutions", ""},
    {"height of a candidate resolution", "candidate_resolutions", ""},
    {"image mean", "image_mean", ""},
    {"image standard deviation", "image_std", ""},
    {"rows of an FP8 block", "quantization_config.weight_block_size", ""},
    {"columns of an FP8 block", "quantization_config.weight_block_size", ""},
};

class Checker {
public:
    explicit Checker(std::string_view fileName) : m_fileName(fileName), m_isGguf(fileName != "config.json") {}

    void between(std::string_view what, std::int64_t value, std::int64_t least, std::int64_t most)
    {
        if (value < least || value > most) {
            fail("the " + std::string(what) + " is " + std::to_string(value) + ", between " + std::to_string(least)
                + " and " + std::to_string(most) + " are possible" + keyOf(what));
        }
    }
    void between(std::string_view what, double value, double least, double most)
    {
        if (!std::isfinite(value) || value < least || value > most)
            fail("the " + std::string(what) + " has an impossible value" + keyOf(what) + ": " + shortNumber(value));
    }
    void divides(std::string_view part, std::int64_t divisor, std::string_view whole, std::int64_t value)
    {
        if (divisor < 1 || value % divisor != 0) {
            fail("the " + std::string(whole) + " (" + std::to_string(value) + ") is no multiple of the "
                + std::string(part) + " (" + std::to_string(divisor) + ")" + keyOf(whole) + keyOf(part));
        }
    }
    void even(std::string_view what, std::int64_t value)
    {
        if (value % 2 != 0)
            fail("the " + std::string(what) + " is " + std::to_string(value) + ", an even number is needed" + keyOf(what));
    }
    void fail(std::string why)
    {
        if (m_problem.empty())
            m_problem = std::move(why);
    }
    Status status() const
    {
        if (m_problem.empty())
            return Done{};
        return Error(ErrorCode::BadFile, printable(m_fileName) + " describes no possible model: " + m_problem + ".");
    }

private:
    // " (key)", nothing where the label itself is the key.
    std::string keyOf(std::string_view label) const
    {
        for (const KeyNames &names : kKeyNames) {
            const std::string_view key = m_isGguf ? names.gguf : names.json;
            if (names.label == label)
                return key.empty() || key == label ? std::string() : " (" + std::string(key) + ")";
        }
        return {};
    }
    static std::string shortNumber(double value)
    {
        char text[32];
        std::snprintf(text, sizeof text, "%g", value);
        return text;
    }

    std::string_view m_fileName;
    bool m_isGguf = false;
    std::string m_problem;
};

void checkRope(Checker &check, const RopeConfig &rope)
{
    check.between("rope theta", rope.theta, 1e-3, 1e12);
    if (rope.scaling != RopeScaling::None)
        check.between("rope scaling factor", rope.factor, 1e-3, 1e5);
    if (rope.scaling == RopeScaling::Yarn || rope.scaling == RopeScaling::Llama3)
        check.between("original context of the rope scaling", std::int64_t{rope.originalContext}, 1, kLongestContext);
    if (rope.scaling == RopeScaling::Llama3) {
        check.between("low frequency factor", rope.lowFrequencyFactor, 1e-6, 1e6);
        check.between("high frequency factor", rope.highFrequencyFactor, 1e-6, 1e6);
        if (rope.highFrequencyFactor <= rope.lowFrequencyFactor)
            check.fail("the high frequency factor is not above the low one");
    }
    if (rope.scaling == RopeScaling::Yarn) {
        check.between("yarn beta_fast", rope.betaFast, 1e-6, 1e6);
        check.between("yarn beta_slow", rope.betaSlow, 1e-6, 1e6);
        check.between("yarn mscale", rope.mscale, 0.0, 100.0);
        check.between("yarn mscale_all_dim", rope.mscaleAllDim, 0.0, 100.0);
        if (rope.attentionFactor)
            check.between("yarn attention factor", *rope.attentionFactor, 1e-6, 1e3);
    }
    for (const float divisor : rope.frequencyDivisors)
        check.between("rope frequency divisor", double{divisor}, 1e-9, 1e9);
}

void checkMoe(Checker &check, const MoeConfig &moe)
{
    check.between("number of routed experts", std::int64_t{moe.routedExperts}, 0, kMostExperts);
    if (moe.routedExperts == 0)
        return;
    check.between("number of shared experts", std::int64_t{moe.sharedExperts}, 0, 64);
    check.between("number of experts per token", std::int64_t{moe.expertsPerToken}, 1, moe.routedExperts);
    check.between("width of an expert", std::int64_t{moe.expertIntermediate}, 1, kWidestInner);
    check.between("number of expert groups", std::int64_t{moe.groups}, 1, moe.routedExperts);
    check.divides("number of expert groups", moe.groups, "number of routed experts", moe.routedExperts);
    check.between("number of expert groups per token", std::int64_t{moe.groupsPerToken}, 1, moe.groups);
    if (moe.groups > 0 && moe.method != RoutingMethod::Greedy
        && std::int64_t{moe.expertsPerToken} > std::int64_t{moe.groupsPerToken} * (moe.routedExperts / moe.groups))
        check.fail("a token needs more experts than its expert groups hold");
    if (moe.method == RoutingMethod::Biased && moe.groups > 1 && moe.routedExperts / moe.groups < 2)
        check.fail("its expert groups hold one expert each, two are needed");
    check.between("first layer with experts", std::int64_t{moe.firstMoeLayer}, 0, kMostLayers);
    check.between("expert layer frequency", std::int64_t{moe.layerFrequency}, 1, kMostLayers);
    check.between("routed scaling factor", double{moe.routedScale}, 1e-6, 1e6);
}

void checkText(Checker &check, const TextConfig &text)
{
    check.between("number of layers", std::int64_t{text.layers}, 1, kMostLayers);
    check.between("hidden size", std::int64_t{text.hidden}, 1, kWidest);
    check.between("intermediate size", std::int64_t{text.intermediate}, 1, kWidestInner);
    check.between("vocabulary size", std::int64_t{text.vocabulary}, 1, kMostTokens);
    check.between("number of attention heads", std::int64_t{text.heads}, 1, kMostHeads);
    check.between("context length", std::int64_t{text.contextTokens}, 1, kLongestContext);
    check.between("rms_norm_eps", double{text.rmsEpsilon}, 0.0, 1.0);
    check.between("number of MTP layers", std::int64_t{text.mtpLayers}, 0, 64);
    if (text.attention == AttentionKind::Heads) {
        check.between("number of key/value heads", std::int64_t{text.kvHeads}, 1, kMostHeads);
        check.between("head size", std::int64_t{text.headDim}, 2, kWidestHead);
        check.even("head size", text.headDim);
        check.divides("number of key/value heads", text.kvHeads, "number of attention heads", text.heads);
    } else {
        check.between("q_lora_rank", std::int64_t{text.queryLoraRank}, 0, kWidest);
        check.between("kv_lora_rank", std::int64_t{text.kvLoraRank}, 1, kWidest);
        check.between("qk_nope_head_dim", std::int64_t{text.nopeHeadDim}, 1, kWidestHead);
        check.between("qk_rope_head_dim", std::int64_t{text.ropeHeadDim}, 2, kWidestHead);
        check.even("qk_rope_head_dim", text.ropeHeadDim);
        check.between("v_head_dim", std::int64_t{text.valueHeadDim}, 1, kWidestHead);
    }
    if (text.attention == AttentionKind::Latent && (text.indexer.heads != 0 || text.architecture == "deepseek_v32")) {
        check.between("number of indexer heads", std::int64_t{text.indexer.heads}, 1, kMostHeads);
        check.between("size of an indexer head", std::int64_t{text.indexer.headDim}, text.ropeHeadDim, kWidestHead);
        check.between("index_topk", std::int64_t{text.indexer.tokens}, 1, kLongestContext);
    }
    checkRope(check, text.rope);
    checkMoe(check, text.moe);
    for (const std::int32_t id : text.stopIds)
        check.between("end-of-text token", std::int64_t{id}, 0, std::int64_t{text.vocabulary} - 1);
}

void checkCrossModal(Checker &check, const ModelConfig &config)
{
    const CrossModalConfig &blocks = *config.text.crossModal;
    if (!config.vision)
        check.fail("it has cross-modal attention blocks (cross_modal) and no picture tower");
    check.between("number of cross-modal heads", std::int64_t{blocks.heads}, 1, kMostHeads);
    check.between("size of a cross-modal head", std::int64_t{blocks.headDim}, 1, kWidestHead);
    if (blocks.layers.empty())
        check.fail("cross_modal lists no layers");
    for (std::size_t i = 0; i < blocks.layers.size(); ++i) {
        check.between("layer of a cross-modal block", std::int64_t{blocks.layers[i]}, 0, std::int64_t{config.text.layers} - 1);
        if (i > 0 && blocks.layers[i] <= blocks.layers[i - 1])
            check.fail("the layers of cross_modal are listed twice");
    }
}

void checkVision(Checker &check, const VisionConfig &vision, const TextConfig &text)
{
    check.between("width of the picture tower", std::int64_t{vision.width}, 1, 1 << 14);
    check.between("number of picture layers", std::int64_t{vision.layers}, 1, 256);
    check.between("number of picture heads", std::int64_t{vision.heads}, 1, 256);
    check.divides("number of picture heads", vision.heads, "width of the picture tower", vision.width);
    check.between("inner width of the picture tower", std::int64_t{vision.mlpHidden}, 1, 1 << 18);
    check.between("side of a picture tile", std::int64_t{vision.imageSize}, 1, 4096);
    check.between("patch size", std::int64_t{vision.patch}, 1, vision.imageSize);
    check.between("downsample ratio", std::int64_t{vision.downsample}, 1, 16);
    check.between("projector depth", std::int64_t{vision.projectorDepth}, 1, 8);
    check.between("layer norm epsilon", double{vision.layerNormEpsilon}, 0.0, 1.0);
    if (vision.projectorOut != text.hidden) {
        check.fail("the projector writes rows of " + std::to_string(vision.projectorOut)
            + " numbers and the text model reads " + std::to_string(text.hidden));
    }
    if (vision.candidateResolutions.empty() || vision.candidateResolutions.size() > 1024)
        check.fail("candidate_resolutions holds no usable list");
    for (const auto &[width, height] : vision.candidateResolutions) {
        check.between("width of a candidate resolution", std::int64_t{width}, 1, 1 << 16);
        check.between("height of a candidate resolution", std::int64_t{height}, 1, 1 << 16);
        check.divides("side of a picture tile", vision.imageSize, "width of a candidate resolution", width);
        check.divides("side of a picture tile", vision.imageSize, "height of a candidate resolution", height);
        if (vision.imageSize > 0
            && std::int64_t{width} / vision.imageSize * (std::int64_t{height} / vision.imageSize) > 256)
            check.fail("a candidate resolution needs more than 256 tiles");
    }
    for (std::size_t i = 0; i < 3; ++i) {
        check.between("image mean", double{vision.mean[i]}, -100.0, 100.0);
        check.between("image standard deviation", double{vision.std[i]}, 1e-6, 100.0);
    }
    if (vision.imageToken.empty())
        check.fail("the image token is empty");
}

} // namespace

Status checkConfig(const ModelConfig &config, std::string_view fileName)
{
    Checker check(fileName);
    checkText(check, config.text);
    if (config.vision)
        checkVision(check, *config.vision, config.text);
    if (config.text.crossModal)
        checkCrossModal(check, config);
    if (config.quantMethod == "fp8") {
        check.between("rows of an FP8 block", std::int64_t{config.fp8BlockRows}, 1, 1 << 16);
        check.between("columns of an FP8 block", std::int64_t{config.fp8BlockColumns}, 1, 1 << 16);
    }
    return check.status();
}

} // namespace engine
