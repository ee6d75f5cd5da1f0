// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "files/hf_config.h"
#include "models/model.h"
#include "released_configs.h"

#include <nlohmann/json.hpp>

#include <QTest>

#include <cmath>

using namespace engine;

namespace {

ModelConfig mustRead(std::string_view json, std::string_view processor = {}, std::string_view generation = {})
{
    auto read = readHfConfig(json, processor, generation);
    if (!read.ok())
        qFatal("%s", read.error().message.c_str());
    return read->config;
}

nlohmann::json released(const char *name)
{
    for (const ReleasedConfig &config : kReleasedConfigs)
        if (std::string_view(config.name) == name)
            return nlohmann::json::parse(config.json);
    qFatal("no configuration %s", name);
}

// The configuration with one value changed; `pointer` as "/rope_scaling/factor".
std::string changed(const char *name, const char *pointer, const char *value)
{
    nlohmann::json json = released(name);
    json[nlohmann::json::json_pointer(pointer)] = nlohmann::json::parse(value);
    return json.dump();
}

} // namespace

class TestHfConfig : public QObject {
    Q_OBJECT
private slots:
    void parametersAreThoseOfTheReleasedModels_data();
    void parametersAreThoseOfTheReleasedModels();
    void deepseekV3IsReadWhole();
    void missingKeysTakeTheClassDefaults();
    void pictureModelIsReadFromItsNestedParts();
    void yarnOfQwenMultipliesAnglesAsTransformersDoes();
    void llamaRopeScalingIsRead();
    void ropeParametersOfNewerFilesAreRead();
    void stopIdsAreJoined();
    void guessedRoutingIsSaid();
    void impossibleValuesAreRefused_data();
    void impossibleValuesAreRefused();
    void brokenTextsAreRefused_data();
    void brokenTextsAreRefused();
    void foreignModelsAreNamed_data();
    void foreignModelsAreNamed();
    void quantisationMayStandInAFileOfItsOwn();
};

void TestHfConfig::parametersAreThoseOfTheReleasedModels_data()
{
    QTest::addColumn<int>("index");
    for (std::size_t i = 0; i < kReleasedConfigs.size(); ++i)
        QTest::newRow(kReleasedConfigs[i].name) << static_cast<int>(i);
}

void TestHfConfig::parametersAreThoseOfTheReleasedModels()
{
    QFETCH(int, index);
    const ReleasedConfig &released = kReleasedConfigs[static_cast<std::size_t>(index)];
    const ParameterCount count = countParameters(mustRead(released.json));
    const double billions = static_cast<double>(count.total - count.vision) / 1e9;
    QVERIFY2(std::fabs(billions - released.textBillions) < 0.0006, std::to_string(billions).c_str());
    QVERIFY(count.active <= count.total);
    if (count.vision > 0)
        QVERIFY(std::fabs(static_cast<double>(count.vision) / 1e9 - released.visionBillions) < 0.0006);
}

void TestHfConfig::deepseekV3IsReadWhole()
{
    const ModelConfig config = mustRead(released("DeepSeek-V3").dump());
    const TextConfig &text = config.text;
    QCOMPARE(text.architecture, std::string("deepseek_v3"));
    QVERIFY(text.attention == AttentionKind::Latent);
    QCOMPARE(text.queryLoraRank, 1536);
    QCOMPARE(text.mtpLayers, 1);
    QVERIFY(text.rope.interleaved);
    QVERIFY(text.rope.scaling == RopeScaling::Yarn);
    QCOMPARE(text.rope.factor, 40.0);
    QCOMPARE(text.rope.originalContext, 4096);
    QCOMPARE(text.rope.mscaleAllDim, 1.0);
    QVERIFY(!text.rope.attentionFactor.has_value());
    QCOMPARE(text.moe.groups, 8);
    QCOMPARE(text.moe.groupsPerToken, 4);
    QCOMPARE(text.moe.firstMoeLayer, 3);
    QVERIFY(text.moe.normaliseWeights);
    QCOMPARE(text.moe.routedScale, 2.5F);
    QCOMPARE(config.quantMethod, std::string("fp8"));
    QCOMPARE(text.stopIds, std::vector<std::int32_t>{1});
    const double active = static_cast<double>(countParameters(config).active) / 1e9;
    QVERIFY2(std::fabs(active - 37.6) < 0.1, std::to_string(active).c_str());
}

void TestHfConfig::missingKeysTakeTheClassDefaults()
{
    const TextConfig v3 = mustRead(R"({"architectures":["DeepseekV3ForCausalLM"]})").text;
    QCOMPARE(v3.layers, 61);
    QCOMPARE(v3.moe.routedExperts, 256);
    QVERIFY(v3.moe.method == RoutingMethod::Biased);
    QCOMPARE(v3.contextTokens, 4096);
    // VL2-base leaves these out of its language_config (architectures.md 1.3).
    const TextConfig vl2 = mustRead(R"({"model_type":"deepseek_vl_v2","language_config":{"model_type":"deepseek_v2",
        "hidden_size":2560,"q_lora_rank":null,"n_routed_experts":72,"n_shared_experts":2,"num_experts_per_tok":6,
        "moe_intermediate_size":1536,"intermediate_size":12288,"first_k_dense_replace":1,"topk_method":"noaux_tc",
        "scoring_func":"sigmoid","norm_topk_prob":true,"routed_scaling_factor":2.0,"vocab_size":129280},
        "projector_config":{"n_embed":2560}})").text;
    QCOMPARE(vl2.layers, 30);
    QCOMPARE(vl2.heads, 32);
    QCOMPARE(vl2.kvLoraRank, 512);
    QCOMPARE(vl2.nopeHeadDim, 128);
    QCOMPARE(vl2.ropeHeadDim, 64);
    QCOMPARE(vl2.queryLoraRank, 0);
    QVERIFY(vl2.stopIds.empty()); // the class default belongs to another vocabulary
    const TextConfig gready = mustRead(R"({"model_type":"deepseek_v2","n_routed_experts":8,"num_experts_per_tok":2,
        "topk_method":"gready"})").text;
    QVERIFY(gready.moe.method == RoutingMethod::Greedy);
    const TextConfig v32 = mustRead(released("DeepSeek-V3.2").dump()).text;
    QVERIFY(v32.rope.interleaved && v32.moe.method == RoutingMethod::Biased);
    QCOMPARE(v32.indexer.heads, 64);
    QCOMPARE(v32.indexer.headDim, 128);
    QCOMPARE(v32.indexer.tokens, 2048);
    const TextConfig moe16 = mustRead(released("DeepSeekMoE-16B").dump()).text;
    QVERIFY(moe16.attention == AttentionKind::Heads && !moe16.rope.interleaved);
    QCOMPARE(moe16.headDim, 128);
    QVERIFY(moe16.moe.method == RoutingMethod::Greedy && moe16.moe.score == RoutingScore::Softmax);
    QCOMPARE(moe16.moe.routedScale, 1.0F);
    const TextConfig qwen3 = mustRead(R"({"model_type":"qwen3","hidden_size":1024,"num_attention_heads":16,
        "num_key_value_heads":8})").text;
    QCOMPARE(qwen3.headDim, 128); // not 1024 / 16
    QVERIFY(qwen3.queryKeyNorm && !qwen3.attentionBias);
    const TextConfig llama = mustRead(R"({"model_type":"llama","num_attention_heads":32,"head_dim":null})").text;
    QCOMPARE(llama.kvHeads, 32);
    QCOMPARE(llama.headDim, 128);
}

void TestHfConfig::pictureModelIsReadFromItsNestedParts()
{
    const ModelConfig config = mustRead(released("DeepSeek-VL2-Tiny").dump(),
        R"({"candidate_resolutions":[[384,384],[768,384]],"image_mean":[0.4,0.5,0.6],"image_std":[0.5,0.5,0.5],
            "patch_size":14,"downsample_ratio":2,"image_token":"<image>","pad_token":"<pad>"})");
    QCOMPARE(config.text.architecture, std::string("deepseek_vl_v2"));
    QCOMPARE(config.text.tensorPrefix, std::string("language."));
    QVERIFY(config.text.attention == AttentionKind::Heads);
    QVERIFY(!config.text.rope.interleaved);
    QCOMPARE(config.text.headDim, 128);
    const VisionConfig &vision = config.vision.value();
    QCOMPARE(vision.mlpHidden, 4304); // int(1152 * 3.7362)
    QCOMPARE(vision.heads, 16);
    QCOMPARE(vision.candidateResolutions.size(), std::size_t{2});
    QCOMPARE(vision.candidateResolutions[1], (std::pair<int, int>{768, 384}));
    QCOMPARE(vision.mean[2], 0.6F);
    QCOMPARE(vision.padToken, std::string("<pad>"));
}

void TestHfConfig::yarnOfQwenMultipliesAnglesAsTransformersDoes()
{
    const TextConfig text = mustRead(released("R1-0528-Qwen3-8B").dump()).text;
    QVERIFY(std::fabs(text.rope.attentionFactor.value() - 1.1386294) < 1e-6); // attn_factor is no key of transformers
    const TextConfig own = mustRead(changed("R1-0528-Qwen3-8B", "/rope_scaling/attention_factor", "0.5")).text;
    QCOMPARE(own.rope.attentionFactor.value(), 0.5);
}

void TestHfConfig::llamaRopeScalingIsRead()
{
    const RopeConfig rope = mustRead(released("R1-Distill-Llama-8B").dump()).text.rope;
    QVERIFY(rope.scaling == RopeScaling::Llama3 && !rope.interleaved);
    QCOMPARE(rope.theta, 500000.0);
    QCOMPARE(rope.originalContext, 8192);
    QCOMPARE(rope.highFrequencyFactor, 4.0);
}

void TestHfConfig::ropeParametersOfNewerFilesAreRead()
{
    const RopeConfig rope = mustRead(R"({"model_type":"llama","max_position_embeddings":8192,
        "rope_parameters":{"rope_type":"linear","factor":4,"rope_theta":100000.0}})").text.rope;
    QVERIFY(rope.scaling == RopeScaling::Linear);
    QCOMPARE(rope.factor, 4.0);
    QCOMPARE(rope.theta, 100000.0);
}

void TestHfConfig::stopIdsAreJoined()
{
    const TextConfig text = mustRead(released("R1-Distill-Llama-8B").dump(), {}, R"({"eos_token_id":[128001,7]})").text;
    QCOMPARE(text.stopIds, (std::vector<std::int32_t>{128001, 128008, 128009, 7}));
    QCOMPARE(text.bosId, 128000);
}

void TestHfConfig::guessedRoutingIsSaid()
{
    const auto guessed = readHfConfig(R"({"model_type":"deepseek_v3"})");
    QVERIFY(guessed.ok() && guessed->isRoutingGuessed);
    const auto told = readHfConfig(R"({"model_type":"deepseek_v3","topk_method":"noaux_tc"})");
    QVERIFY(told.ok() && !told->isRoutingGuessed);
}

void TestHfConfig::impossibleValuesAreRefused_data()
{
    QTest::addColumn<QByteArray>("model");
    QTest::addColumn<QByteArray>("pointer");
    QTest::addColumn<QByteArray>("value");
    QTest::addColumn<QByteArray>("says");
    const char *const v3 = "DeepSeek-V3", *const llama = "R1-Distill-Llama-8B", *const vl2 = "DeepSeek-VL2-Tiny",
               *const qwen3 = "R1-0528-Qwen3-8B";
    struct Row {
        const char *model, *pointer, *value, *says;
    };
    const Row rows[] = {
        {llama, "/num_hidden_layers", "1000000000", "number of layers"},
        {llama, "/num_hidden_layers", "0", "number of layers"},
        {llama, "/num_hidden_layers", "-1", "number of layers"},
        {llama, "/num_hidden_layers", "3.5", "num_hidden_layers"},
        {llama, "/num_hidden_layers", "\"32\"", "num_hidden_layers"},
        {llama, "/num_hidden_layers", "true", "num_hidden_layers"},
        {llama, "/num_hidden_layers", "[32]", "num_hidden_layers"},
        {llama, "/num_hidden_layers", "99999999999999999999999", "num_hidden_layers"},
        {llama, "/hidden_size", "0", "hidden size"},
        {llama, "/hidden_size", "2147483647", "hidden size"},
        {llama, "/hidden_size", "4294967296", "hidden_size"},
        {llama, "/intermediate_size", "0", "intermediate size"},
        {llama, "/intermediate_size", "1e9", "intermediate size"},
        {llama, "/vocab_size", "0", "vocabulary size"},
        {llama, "/vocab_size", "-5", "vocabulary size"},
        {llama, "/vocab_size", "2000000000", "vocabulary size"},
        {llama, "/num_attention_heads", "0", "attention heads"},
        {llama, "/num_attention_heads", "-32", "attention heads"},
        {llama, "/num_key_value_heads", "0", "key/value heads"},
        {llama, "/num_key_value_heads", "5", "key/value heads"},
        {llama, "/num_key_value_heads", "64", "key/value heads"},
        {llama, "/head_dim", "0", "head size"},
        {llama, "/head_dim", "127", "head size"},
        {llama, "/head_dim", "1000000", "head size"},
        {llama, "/max_position_embeddings", "0", "context length"},
        {llama, "/max_position_embeddings", "2147483647", "context length"},
        {llama, "/rms_norm_eps", "-1", "rms_norm_eps"},
        {llama, "/rms_norm_eps", "1e30", "rms_norm_eps"},
        {llama, "/rms_norm_eps", "1e300", "rms_norm_eps"},
        {llama, "/rope_theta", "0", "rope theta"},
        {llama, "/rope_theta", "-10000", "rope theta"},
        {llama, "/rope_theta", "1e300", "rope theta"},
        {llama, "/rope_scaling/factor", "0", "scaling factor"},
        {llama, "/rope_scaling/factor", "-8", "scaling factor"},
        {llama, "/rope_scaling/factor", "\"8\"", "factor"},
        {llama, "/rope_scaling/original_max_position_embeddings", "0", "original context"},
        {llama, "/rope_scaling/low_freq_factor", "4", "high frequency factor"},
        {llama, "/rope_scaling/low_freq_factor", "0", "low frequency factor"},
        {llama, "/eos_token_id", "\"end\"", "eos_token_id"},
        {llama, "/eos_token_id", "[[1]]", "eos_token_id"},
        {llama, "/eos_token_id", "2000000000", "end-of-text token"},
        {llama, "/tie_word_embeddings", "3", "tie_word_embeddings"},
        {qwen3, "/rope_scaling/beta_slow", "0", "beta_slow"},
        {qwen3, "/rope_scaling/beta_fast", "1e9", "beta_fast"},
        {qwen3, "/rope_scaling/attention_factor", "0", "attention factor"},
        {qwen3, "/rope_scaling", "7", "rope_scaling"},
        {v3, "/n_routed_experts", "2147483648", "n_routed_experts"},
        {v3, "/n_routed_experts", "100000", "routed experts"},
        {v3, "/n_routed_experts", "-1", "routed experts"},
        {v3, "/num_experts_per_tok", "257", "experts per token"},
        {v3, "/num_experts_per_tok", "0", "experts per token"},
        {v3, "/num_experts_per_tok", "200", "expert groups hold"},
        {v3, "/n_group", "7", "expert groups"},
        {v3, "/n_group", "0", "expert groups"},
        {v3, "/n_group", "256", "expert groups hold"},
        {v3, "/topk_group", "9", "groups per token"},
        {v3, "/topk_group", "0", "groups per token"},
        {v3, "/moe_intermediate_size", "0", "width of an expert"},
        {v3, "/n_shared_experts", "1000", "shared experts"},
        {v3, "/first_k_dense_replace", "-1", "first layer with experts"},
        {v3, "/moe_layer_freq", "0", "layer frequency"},
        {v3, "/routed_scaling_factor", "0", "routed scaling"},
        {v3, "/kv_lora_rank", "-512", "kv_lora_rank"},
        {v3, "/q_lora_rank", "-1", "q_lora_rank"},
        {v3, "/qk_rope_head_dim", "0", "qk_rope_head_dim"},
        {v3, "/qk_rope_head_dim", "63", "qk_rope_head_dim"},
        {v3, "/qk_nope_head_dim", "0", "qk_nope_head_dim"},
        {v3, "/v_head_dim", "0", "v_head_dim"},
        {v3, "/rope_scaling/mscale", "-1", "mscale"},
        {v3, "/num_nextn_predict_layers", "100000", "MTP"},
        {v3, "/quantization_config/weight_block_size", "[0,128]", "FP8 block"},
        {v3, "/quantization_config/weight_block_size", "[128]", "weight_block_size"},
        {v3, "/quantization_config/weight_block_size", "[-128,128]", "weight_block_size"},
        {v3, "/quantization_config", "\"fp8\"", "quantization_config"},
        {vl2, "/language_config/num_attention_heads", "7", "attention heads"},
        {vl2, "/vision_config/patch_size", "0", "patch size"},
        {vl2, "/vision_config/patch_size", "385", "patch size"},
        {vl2, "/vision_config/width", "0", "picture tower"},
        {vl2, "/vision_config/width", "1150", "projector reads"},
        {vl2, "/vision_config/layers", "100000", "picture layers"},
        {vl2, "/vision_config/heads", "5", "picture heads"},
        {vl2, "/vision_config/mlp_ratio", "0", "inner width"},
        {vl2, "/vision_config/mlp_ratio", "1e300", "inner width"},
        {vl2, "/vision_config/image_size", "0", "picture tile"},
        {vl2, "/projector_config/n_embed", "1281", "projector writes"},
        {vl2, "/projector_config/downsample_ratio", "0", "downsample"},
        {vl2, "/projector_config/depth", "0", "projector depth"},
        {vl2, "/candidate_resolutions", "[]", "candidate_resolutions"},
        {vl2, "/candidate_resolutions", "[[384]]", "candidate_resolutions"},
        {vl2, "/candidate_resolutions", "[[0,384]]", "candidate_resolutions"},
        {vl2, "/candidate_resolutions", "[[-384,384]]", "candidate_resolutions"},
        {vl2, "/candidate_resolutions", "[[400,384]]", "candidate resolution"},
        {vl2, "/candidate_resolutions", "[[38400,38400]]", "256 tiles"},
    };
    int number = 0;
    for (const Row &row : rows)
        QTest::addRow("%d %s=%s", ++number, row.pointer, row.value) << QByteArray(row.model) << QByteArray(row.pointer) << QByteArray(row.value) << QByteArray(row.says);
}

void TestHfConfig::impossibleValuesAreRefused()
{
    QFETCH(QByteArray, model);
    QFETCH(QByteArray, pointer);
    QFETCH(QByteArray, value);
    QFETCH(QByteArray, says);
    std::string json;
    if (pointer == "/vision_config/width" && value == "1150") {
        nlohmann::json tree = released(model.constData());
        tree["vision_config"]["width"] = 1152;
        tree["projector_config"]["input_dim"] = 1150;
        json = tree.dump();
    } else if (value == "99999999999999999999999") {
        json = released(model.constData()).dump();
        const std::string from = "\"num_hidden_layers\":32";
        json.replace(json.find(from), from.size(), "\"num_hidden_layers\":99999999999999999999999");
    } else {
        json = changed(model.constData(), pointer.constData(), value.constData());
    }
    const auto read = readHfConfig(json);
    QVERIFY(!read.ok());
    QVERIFY(read.error().code == ErrorCode::BadFile);
    QVERIFY2(read.error().message.find(says.toStdString()) != std::string::npos, read.error().message.c_str());
}

void TestHfConfig::brokenTextsAreRefused_data()
{
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QByteArray>("says");
    QTest::newRow("empty") << QByteArray() << QByteArray("empty");
    QTest::newRow("no JSON") << QByteArray("hello") << QByteArray("not valid JSON");
    QTest::newRow("cut") << QByteArray("{\"model_type\":\"llama\"") << QByteArray("not valid JSON");
    QTest::newRow("a list") << QByteArray("[]") << QByteArray("JSON object");
    QTest::newRow("tail") << QByteArray("{\"model_type\":\"llama\"} x") << QByteArray("not valid JSON");
    QTest::newRow("zero byte") << QByteArray("{\"model_type\":\"llama\"}\0 x", 24) << QByteArray("zero byte");
    QTest::newRow("twice") << QByteArray("{\"model_type\":\"llama\",\"model_type\":\"qwen2\"}") << QByteArray("twice");
    QTest::newRow("deep") << QByteArray("{\"a\":" + QByteArray(1000000, '[')) << QByteArray("deeper than 32");
    QTest::newRow("bad UTF-8") << QByteArray("{\"model_type\":\"\xFF\"}") << QByteArray("not valid JSON");
    QTest::newRow("lone surrogate") << QByteArray("{\"model_type\":\"\\ud800\"}") << QByteArray("not valid JSON");
    QTest::newRow("NaN") << QByteArray("{\"model_type\":\"llama\",\"rope_theta\":NaN}") << QByteArray("not valid JSON");
    QTest::newRow("huge number") << QByteArray("{\"model_type\":\"llama\",\"rope_theta\":1e999}") << QByteArray("not valid JSON");
    QTest::newRow("no class") << QByteArray("{}") << QByteArray("names no model class");
    QTest::newRow("class is no text") << QByteArray("{\"architectures\":[7]}") << QByteArray("architectures");
    QTest::newRow("class is no list") << QByteArray("{\"architectures\":\"LlamaForCausalLM\"}") << QByteArray("architectures");
    QTest::newRow("type is no text") << QByteArray("{\"model_type\":7}") << QByteArray("model_type");
}

void TestHfConfig::brokenTextsAreRefused()
{
    QFETCH(QByteArray, text);
    QFETCH(QByteArray, says);
    const auto read = readHfConfig(text.toStdString());
    QVERIFY(!read.ok());
    QVERIFY(read.error().code == ErrorCode::BadFile);
    QVERIFY2(read.error().message.find(says.toStdString()) != std::string::npos, read.error().message.c_str());
}

void TestHfConfig::foreignModelsAreNamed_data()
{
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QByteArray>("says");
    const auto row = [](const char *name, std::string text, const char *says) {
        QTest::newRow(name) << QByteArray::fromStdString(text) << QByteArray(says);
    };
    row("another class", R"({"architectures":["GemmaForCausalLM"]})", "GemmaForCausalLM");
    row("OCR shares VL2's type", R"({"architectures":["DeepseekOCRForCausalLM"],"model_type":"deepseek_vl_v2",
        "language_config":{"model_type":"deepseek_v2"}})", "DeepseekOCRForCausalLM");
    row("OCR inside", R"({"model_type":"deepseek_vl_v2","language_config":{"architectures":["DeepseekOCRForCausalLM"]}})",
        "DeepseekOCRForCausalLM");
    const auto quantised = [&](const char *name, const char *config, const char *says) {
        row(name, changed("R1-Distill-Llama-8B", "/quantization_config", config), says);
    };
    quantised("GPTQ of 5 bits", R"({"quant_method":"gptq","bits":5})", "5 bits");
    quantised("GPTQ for one kernel", R"({"quant_method":"gptq","bits":4,"checkpoint_format":"marlin"})", "marlin");
    quantised("AWQ for one kernel", R"({"quant_method":"awq","version":"gemv"})", "gemv");
    quantised("AWQ of 3 bits", R"({"quant_method":"awq","bits":3})", "3 bits");
    quantised("bitsandbytes", R"({"quant_method":"bitsandbytes","load_in_4bit":true})", "bitsandbytes");
    quantised("compressed-tensors", R"({"quant_method":"compressed-tensors"})", "compressed-tensors");
    quantised("modelopt", R"({"quant_method":"modelopt"})", "modelopt");
    row("FP8 without blocks", changed("R1-Distill-Llama-8B", "/quantization_config", R"({"quant_method":"fp8"})"), "weight_block_size");
    row("FP8 e5m2", changed("DeepSeek-V3", "/quantization_config/fmt", "\"e5m2\""), "e5m2");
    row("an indexer without a query rank", changed("DeepSeek-V3.2", "/q_lora_rank", "null"), "q_lora_rank");
    row("YaRN in a class without it", changed("DeepSeekMoE-16B", "/rope_scaling", R"({"type":"yarn","factor":4.0})"),
        "yarn");
    row("activation", changed("R1-Distill-Llama-8B", "/hidden_act", "\"gelu\""), "gelu");
    row("attention biases", changed("R1-Distill-Llama-8B", "/attention_bias", "true"), "biases");
    row("MLP biases", changed("R1-Distill-Llama-8B", "/mlp_bias", "true"), "biases");
    row("rope kind", changed("R1-Distill-Llama-8B", "/rope_scaling/rope_type", "\"longrope\""), "longrope");
    row("partial rope", changed("R1-Distill-Llama-8B", "/partial_rotary_factor", "0.5"), "partial_rotary_factor");
    row("sliding window", changed("R1-Distill-Qwen-7B", "/use_sliding_window", "true"), "sliding window");
    row("routing", changed("DeepSeek-V3", "/topk_method", "\"magic\""), "magic");
    row("routing score", changed("DeepSeek-V3", "/scoring_func", "\"sqrtsoftplus\""), "sqrtsoftplus");
    row("projector", changed("DeepSeek-VL2-Tiny", "/projector_config/projector_type", "\"linear\""), "linear");
    row("tile tag", changed("DeepSeek-VL2-Tiny", "/tile_tag", "\"1D\""), "1D");
}

void TestHfConfig::foreignModelsAreNamed()
{
    QFETCH(QByteArray, text);
    QFETCH(QByteArray, says);
    const auto read = readHfConfig(text.toStdString());
    QVERIFY(!read.ok());
    QVERIFY(read.error().code == ErrorCode::Unsupported);
    QVERIFY2(read.error().message.find(says.toStdString()) != std::string::npos, read.error().message.c_str());
}

void TestHfConfig::quantisationMayStandInAFileOfItsOwn()
{
    const std::string plain = changed("R1-Distill-Llama-8B", "/torch_dtype", "\"float16\"");
    const auto read = [&](const std::string &config, const char *gptq, const char *awq = "") {
        const std::array files{QuantisationFile{"quantize_config.json", gptq}, QuantisationFile{"quant_config.json", awq, true}};
        return readHfConfig(config, {}, {}, files);
    };
    QVERIFY(read(plain, "")->config.packed.layout == PackedLayout::None);
    const auto gptq = read(plain, R"({"bits":3,"group_size":-1,"desc_act":true,"sym":true,"model_name_or_path":null})");
    QVERIFY2(gptq.ok(), gptq.ok() ? "" : gptq.error().message.c_str());
    QCOMPARE(gptq->config.quantMethod, std::string("gptq"));
    const PackedQuantisation &packed = gptq->config.packed;
    QVERIFY(packed.layout == PackedLayout::Gptq && packed.bits == 3 && packed.groupSize == -1 && packed.isSymmetric && packed.zerosAreOneLess);
    const auto awq = read(plain, "", R"({"zero_point":true,"q_group_size":64,"w_bit":4,"version":"GEMM"})");
    QVERIFY2(awq.ok(), awq.ok() ? "" : awq.error().message.c_str());
    QVERIFY(awq->config.packed.layout == PackedLayout::Awq && awq->config.packed.groupSize == 64 && !awq->config.packed.isSymmetric);

    // Both may stand there as long as they say the same; either may say more.
    const std::string both = changed("R1-Distill-Llama-8B", "/quantization_config", R"({"quant_method":"gptq","bits":4,"group_size":32})");
    QVERIFY(read(both, R"({"bits":4,"group_size":32,"checkpoint_format":"gptq_v2"})")->config.packed.zerosAreOneLess == false);
    const auto says = [&](const auto &result, ErrorCode code, const char *text) {
        return !result.ok() && result.error().code == code && result.error().message.find(text) != std::string::npos;
    };
    QVERIFY(says(read(both, R"({"bits":8,"group_size":32})"), ErrorCode::BadFile, "quantize_config.json says otherwise than config.json how the weights are quantised (bits)"));
    QVERIFY(says(read(both, R"({"bits":4,"group_size":128})"), ErrorCode::BadFile, "(group_size)"));
    QVERIFY(says(read(both, R"({"quant_method":"awq"})"), ErrorCode::BadFile, "(quant_method)"));
    QVERIFY(says(read(both, "", R"({"q_group_size":64})"), ErrorCode::BadFile, "quant_config.json says otherwise than config.json how the weights are quantised (q_group_size)"));
    QVERIFY(says(read(plain, R"({"bits":4})", R"({"w_bit":8})"), ErrorCode::BadFile, "quant_config.json says otherwise than quantize_config.json"));
    const std::string fp8 = changed("DeepSeek-V3", "/torch_dtype", "\"bfloat16\"");
    QVERIFY(says(read(fp8, R"({"bits":4,"quant_method":"gptq"})"), ErrorCode::BadFile, "(quant_method)"));

    QVERIFY(says(read(plain, R"({"bits":5})"), ErrorCode::Unsupported, "5 bits (bits in quantize_config.json)"));
    QVERIFY(says(read(plain, R"({"bits":4,"is_marlin_format":true})"), ErrorCode::Unsupported, "marlin"));
    QVERIFY(says(read(plain, R"({"quant_method":"hqq","bits":4})"), ErrorCode::Unsupported, "hqq"));
    QVERIFY(says(read(plain, "", R"({"w_bit":4,"version":"GEMV"})"), ErrorCode::Unsupported, "gemv"));
    QVERIFY(says(read(plain, R"({"bits":"four"})"), ErrorCode::BadFile, "bits"));
    QVERIFY(says(read(plain, R"({"bits":4,"group_size":0})"), ErrorCode::BadFile, "In quantize_config.json group_size"));
    QVERIFY(says(read(plain, "[]"), ErrorCode::BadFile, "quantize_config.json does not hold"));
    QVERIFY(says(read(plain, "{"), ErrorCode::BadFile, "quantize_config.json"));
}

QTEST_APPLESS_MAIN(TestHfConfig)
#include "tst_hf_config.moc"
