# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the tiny models under tests/golden/models and their float32 logits, computed on the CPU by transformers, or by
plain_torch.py for what transformers lacks.

Each folder is a model in the Hugging Face layout (config.json, model.safetensors; random weights from a fixed seed) with
golden.json   {"ids": [...], "vocabulary": V} and, for picture models, the picture's size and where its tokens stand
logits.f32    little-endian float32 [tokens, V]

Made with torch 2.15.0, transformers 5.23.0, safetensors 0.8; run: python3 make_goldens.py [name ...]"""
import json
import os
import shutil
import sys

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from transformers import (DeepseekOcr2TextConfig, DeepseekOcr2TextModel, DeepseekV2Config, DeepseekV2ForCausalLM,
                          DeepseekV3Config, DeepseekV3ForCausalLM, DeepseekV32Config, DeepseekV32ForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM, SiglipVisionConfig, SiglipVisionModel)
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3DecoderLayer

import plain_torch
from make_pillow import draw, tiles

HERE = os.path.dirname(os.path.abspath(__file__))
VOCABULARY = 96
TOKENS = 80

YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 40.0, "original_max_position_embeddings": 32,
        "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 1.0}
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
MLA = dict(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=40, moe_intermediate_size=8, num_hidden_layers=3,
           num_attention_heads=4, num_key_value_heads=4, kv_lora_rank=16, q_lora_rank=None, qk_nope_head_dim=12,
           qk_rope_head_dim=8, v_head_dim=10, n_routed_experts=16, n_shared_experts=1, num_experts_per_tok=3,
           first_k_dense_replace=1, max_position_embeddings=1280, tie_word_embeddings=False, rms_norm_eps=1e-6)


def randomise(model, seed):
    """Weights wide enough that attention and routing have something to choose."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            elif name.endswith("bias"):
                parameter.copy_(0.3 * noise)
            elif "embed" in name:
                parameter.copy_(0.8 * noise)
            else:
                parameter.copy_(noise * (1.6 / parameter.shape[-1] ** 0.5))
        for name, buffer in sorted(model.named_buffers()):
            if name.endswith("e_score_correction_bias"):
                buffer.copy_(0.4 * torch.rand(buffer.shape, generator=generator) - 0.2)
    return model.eval()


def experts_apart(state):
    """One tensor an expert, as the released checkpoints have it."""
    result = {}
    for name, value in state.items():
        if name.endswith("experts.gate_up_proj"):
            for expert, both in enumerate(value):
                gate, up = both.chunk(2)
                prefix = name[:-len("gate_up_proj")] + f"{expert}."
                result[prefix + "gate_proj.weight"], result[prefix + "up_proj.weight"] = gate, up
        elif name.endswith("experts.down_proj"):
            for expert, down in enumerate(value):
                result[name[:-len("down_proj")] + f"{expert}.down_proj.weight"] = down
        else:
            result[name] = value
    return result


def state_of(model):
    state = dict(model.state_dict())
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
            state[name] = buffer
    return {name: value.detach().clone() for name, value in state.items() if "inv_freq" not in name}


def config_of(model, architecture):
    config = model.config.to_dict()
    config["architectures"] = [architecture]
    config["torch_dtype"] = "float32"
    for key in ("_name_or_path", "dtype", "transformers_version", "id2label", "label2id"):
        config.pop(key, None)
    return config


def ids_for(seed, count=TOKENS):
    return torch.randint(0, VOCABULARY, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def write(name, config, state, logits, golden):
    folder = os.path.join(HERE, "models", name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f, indent=1, sort_keys=True)
        f.write("\n")
    save_file({key: value.contiguous() for key, value in state.items()}, os.path.join(folder, "model.safetensors"))
    logits.detach().to(torch.float32).numpy().astype("<f4").tofile(os.path.join(folder, "logits.f32"))
    golden["vocabulary"] = logits.shape[-1]
    with open(os.path.join(folder, "golden.json"), "w", encoding="utf-8") as f:
        json.dump(golden, f)
        f.write("\n")
    top = logits.topk(2, -1).values
    print(f"{name}: {sum(os.path.getsize(os.path.join(folder, x)) for x in os.listdir(folder)) // 1024} KB, "
          f"logits std {logits.std():.2f}, least gap {float((top[:, 0] - top[:, 1]).min()):.4f}")


def text_model(name, model, architecture, seed, fused=False):
    randomise(model, seed)
    ids = ids_for(seed)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    state = state_of(model)
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    write(name, config_of(model, architecture), state if fused else experts_apart(state), logits, {"ids": ids})


def llama():
    config = LlamaConfig(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=56, num_hidden_layers=3,
                         num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=512,
                         rms_norm_eps=1e-5, tie_word_embeddings=False, attn_implementation="eager",
                         rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0,
                                          "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                          "original_max_position_embeddings": 64})
    text_model("llama", LlamaForCausalLM(config), "LlamaForCausalLM", 1)


def llama_tied_linear():
    config = LlamaConfig(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512,
                         tie_word_embeddings=True, attn_implementation="eager",
                         rope_parameters={"rope_type": "linear", "rope_theta": 100000.0, "factor": 4.0})
    text_model("llama-tied-linear", LlamaForCausalLM(config), "LlamaForCausalLM", 2)


def qwen2():
    config = Qwen2Config(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=56, num_hidden_layers=3,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
                         tie_word_embeddings=False, attn_implementation="eager", rope_parameters=PLAIN)
    text_model("qwen2", Qwen2ForCausalLM(config), "Qwen2ForCausalLM", 3)


def qwen3():
    config = Qwen3Config(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                         num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=256,
                         tie_word_embeddings=False, attn_implementation="eager",
                         rope_parameters={"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 4.0,
                                          "original_max_position_embeddings": 64})
    text_model("qwen3-yarn", Qwen3ForCausalLM(config), "Qwen3ForCausalLM", 4)


def deepseek_v2():
    config = DeepseekV2Config(**MLA, topk_method="greedy", n_group=1, topk_group=1, routed_scaling_factor=1.0,
                              norm_topk_prob=False, attn_implementation="eager", rope_parameters=PLAIN)
    text_model("deepseek-v2-greedy", DeepseekV2ForCausalLM(config), "DeepseekV2ForCausalLM", 5)


def deepseek_v2_group():
    settings = {**MLA, "q_lora_rank": 20}
    config = DeepseekV2Config(**settings, topk_method="group_limited_greedy", n_group=4, topk_group=2,
                              routed_scaling_factor=16.0, norm_topk_prob=False, attn_implementation="eager",
                              rope_parameters={**YARN, "mscale": 0.707, "mscale_all_dim": 0.707})
    model = DeepseekV2ForCausalLM(config)
    # The release before 2026-07 forgot the squared magnitude of YaRN in this class.
    wanted = 20 ** -0.5 * (0.1 * 0.707 * torch.log(torch.tensor(40.0)).item() + 1) ** 2
    assert abs(model.model.layers[0].self_attn.scaling - wanted) < 1e-6, "this transformers lacks YaRN's m^2"
    text_model("deepseek-v2-group-yarn", model, "DeepseekV2ForCausalLM", 6, fused=True)


def deepseek_v3():
    settings = {**MLA, "q_lora_rank": 20, "num_experts_per_tok": 4}
    config = DeepseekV3Config(**settings, n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=True,
                              attn_implementation="eager", rope_parameters=YARN)
    text_model("deepseek-v3-yarn", DeepseekV3ForCausalLM(config), "DeepseekV3ForCausalLM", 7)


def vl2_base_text():
    settings = {**MLA, "n_shared_experts": 2}
    config = DeepseekV3Config(**settings, n_group=1, topk_group=1, routed_scaling_factor=2.0, norm_topk_prob=True,
                              attn_implementation="eager", rope_parameters=PLAIN)
    text_model("deepseek-vl2-base-text", DeepseekV3ForCausalLM(config), "DeepseekV3ForCausalLM", 8)


def vl2_tiny_text():
    """MHA with half-split rope and softmax experts: DeepSeek-VL2-Tiny's and DeepSeek-OCR's text model."""
    config = DeepseekOcr2TextConfig(vocab_size=VOCABULARY, hidden_size=32, intermediate_size=40, moe_intermediate_size=8,
                                    num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=512,
                                    n_routed_experts=16, n_shared_experts=2, num_experts_per_tok=3,
                                    topk_method="greedy", attn_implementation="eager", rope_parameters=PLAIN,
                                    mlp_layer_types=["dense", "sparse", "sparse"])
    model = randomise(DeepseekOcr2TextModel(config), 9)
    head = torch.randn(VOCABULARY, 32, generator=torch.Generator().manual_seed(90)) * 0.3
    ids = ids_for(9)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).last_hidden_state[0] @ head.T
    state = {"model." + key: value for key, value in experts_apart(state_of(model)).items()}
    state["lm_head.weight"] = head
    written = dict(architectures=["DeepseekV2ForCausalLM"], model_type="deepseek_v2", use_mla=False,
                   vocab_size=VOCABULARY, hidden_size=32, intermediate_size=40, moe_intermediate_size=8,
                   num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=512,
                   kv_lora_rank=None, q_lora_rank=None, qk_nope_head_dim=0, qk_rope_head_dim=0, v_head_dim=0,
                   n_routed_experts=16, n_shared_experts=2, num_experts_per_tok=3, first_k_dense_replace=1,
                   topk_method="gready", scoring_func="softmax", norm_topk_prob=False, routed_scaling_factor=1.0,
                   rms_norm_eps=1e-6, rope_theta=10000.0, torch_dtype="float32", tie_word_embeddings=False)
    write("deepseek-vl2-tiny-text", written, state, logits, {"ids": ids})


def checked(config, state, ids, wanted, **options):
    """What plain torch gives, after it gave what transformers gives where that has the same sums."""
    error = plain_torch.relative_error(plain_torch.forward(config, state, ids)[0], wanted)
    assert error < 2e-5, f"plain torch is {error} from transformers"
    return plain_torch.forward(config, state, ids, **options)[0]


def deepseek_moe():
    """DeepSeekMoE-16B's class, which transformers lacks: plain torch, held against DeepSeek-OCR-2's text model, whose
    attention and experts are the same."""
    written = dict(architectures=["DeepseekForCausalLM"], model_type="deepseek", vocab_size=VOCABULARY, hidden_size=32,
                   intermediate_size=40, moe_intermediate_size=8, num_hidden_layers=4, num_attention_heads=4,
                   num_key_value_heads=4, n_routed_experts=16, n_shared_experts=2, num_experts_per_tok=3,
                   first_k_dense_replace=2, moe_layer_freq=1, norm_topk_prob=False, scoring_func="softmax",
                   hidden_act="silu", max_position_embeddings=512, rms_norm_eps=1e-6, rope_theta=10000.0,
                   rope_scaling=None, attention_bias=False, bos_token_id=0, eos_token_id=1, torch_dtype="float32",
                   tie_word_embeddings=False)
    model = randomise(DeepseekOcr2TextModel(DeepseekOcr2TextConfig(
        **{key: written[key] for key in ("vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size",
                                         "num_hidden_layers", "num_attention_heads", "max_position_embeddings",
                                         "n_routed_experts", "n_shared_experts", "num_experts_per_tok")},
        topk_method="greedy", attn_implementation="eager", rope_parameters=PLAIN,
        mlp_layer_types=["dense", "dense", "sparse", "sparse"])), 15)
    head = torch.randn(VOCABULARY, 32, generator=torch.Generator().manual_seed(150)) * 0.3
    ids = ids_for(15)
    with torch.no_grad():
        wanted = model(torch.tensor([ids])).last_hidden_state[0] @ head.T
    state = {"model." + key: value for key, value in experts_apart(state_of(model)).items()}
    state["lm_head.weight"] = head
    write("deepseek-moe", written, state, checked(written, state, ids, wanted), {"ids": ids})


def deepseek_v3_mtp():
    """V3 with the layer that guesses the token after the next. transformers leaves that layer in the file: its decoder
    layer is run by transformers' class, what stands around it by plain torch. The guesses shall be right at times, so
    most of what both read and write goes straight through."""
    settings = {**MLA, "num_hidden_layers": 2, "n_routed_experts": 8, "num_experts_per_tok": 2}
    config = DeepseekV3Config(**settings, n_group=1, topk_group=1, routed_scaling_factor=2.5, norm_topk_prob=True,
                              attn_implementation="eager", rope_parameters=PLAIN)
    model = randomise(DeepseekV3ForCausalLM(config), 16)
    extra = randomise(DeepseekV3DecoderLayer(config, 2), 17)
    with torch.no_grad():
        for part in (*model.model.layers, extra):
            part.self_attn.o_proj.weight *= 0.1
            for name, parameter in part.mlp.named_parameters():
                if "down_proj" in name:
                    parameter *= 0.03
    state = experts_apart(state_of(model))
    prefix, generator = "model.layers.2.", torch.Generator().manual_seed(18)
    state.update({prefix + key: value for key, value in experts_apart(state_of(extra)).items()})
    noise = torch.randn(32, 64, generator=generator) * 0.01
    state[prefix + "eh_proj.weight"] = torch.cat([torch.eye(32), 0.1 * torch.eye(32)], 1) + noise
    for name in ("enorm", "hnorm"):
        state[f"{prefix}{name}.weight"] = 1 + 0.1 * torch.randn(32, generator=generator)
    state[prefix + "shared_head.norm.weight"] = state["model.norm.weight"].clone()
    state[prefix + "shared_head.head.weight"] = state["lm_head.weight"].clone()
    state[prefix + "embed_tokens.weight"] = state["model.embed_tokens.weight"].clone()
    written = config_of(model, "DeepseekV3ForCausalLM")
    written.update(num_nextn_predict_layers=1, bos_token_id=None, eos_token_id=0)
    ids = ids_for(16)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
        assert plain_torch.relative_error(plain_torch.forward(written, state, ids)[0], logits) < 2e-5
        hidden = model.model(torch.tensor([ids])).last_hidden_state[0]
        joined = plain_torch.mtp_input(written, state, ids, hidden)[None]
        count = len(ids) - 1
        mask = torch.full((count, count), float("-inf")).triu(1)[None, None]
        positions = torch.arange(count)[None]
        out = extra(joined, attention_mask=mask, position_ids=positions,
                    position_embeddings=model.model.rotary_emb(joined, position_ids=positions))
        out = plain_torch.rms_norm(out[0], state[prefix + "shared_head.norm.weight"], 1e-6)
        guesses = out @ state[prefix + "shared_head.head.weight"].T
        assert plain_torch.relative_error(plain_torch.mtp_forward(written, state, ids, hidden), guesses) < 2e-5
    print("guesses that are the main model's choice:",
          float((guesses[:-1].argmax(-1) == logits[1:-1].argmax(-1)).float().mean()))
    write("deepseek-v3-mtp", written, state, logits, {"ids": ids})
    folder = os.path.join(HERE, "models", "deepseek-v3-mtp")
    guesses.numpy().astype("<f4").tofile(os.path.join(folder, "guesses.f32"))
    # One token a printable ASCII character, so that the command line can ask it something.
    tokens = {"\u0120" if code == 32 else chr(code): code - 31 for code in range(32, 127)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump({"version": "1.0", "added_tokens": [{"id": 0, "content": "<end>", "special": True}],
                   "pre_tokenizer": byte_level, "decoder": byte_level,
                   "model": {"type": "BPE", "vocab": tokens, "merges": []}}, f, indent=1)
        f.write("\n")


def deepseek_v32():
    """V3.2: each query attends to 12 tokens of up to 80 that the indexer selects."""
    settings = {**MLA, "q_lora_rank": 20, "num_experts_per_tok": 4}
    config = DeepseekV32Config(**settings, n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=True,
                               index_topk=12, index_n_heads=8, index_head_dim=24, attn_implementation="eager",
                               rope_parameters=YARN)
    model = DeepseekV32ForCausalLM(config)
    text_model("deepseek-v32", model, "DeepseekV32ForCausalLM", 23)
    folder = os.path.join(HERE, "models", "deepseek-v32")
    plain_torch.selected_tokens.gap = float("inf")
    assert plain_torch.check_against(folder) < 2e-5
    assert plain_torch.selected_tokens.gap > 1e-3, "two tokens are as good at the edge of what is selected"


def deepseek_v32_mtp():
    """V3.2 with its guessing layer, which selects tokens, too: transformers' model, and a layer more of the same class that
    plain torch runs. YaRN's original context, the selection, groups and several pages are crossed by the guesses."""
    settings = {**MLA, "q_lora_rank": 20, "num_hidden_layers": 3, "n_routed_experts": 8, "num_experts_per_tok": 2}
    config = DeepseekV32Config(**settings, n_group=4, topk_group=2, routed_scaling_factor=2.5, norm_topk_prob=True,
                               index_topk=12, index_n_heads=8, index_head_dim=24, attn_implementation="eager",
                               rope_parameters=YARN)
    longer = experts_apart(state_of(randomise(DeepseekV32ForCausalLM(config), 26)))
    model = DeepseekV32ForCausalLM(DeepseekV32Config(**{**config.to_dict(), "num_hidden_layers": 2, "layer_types": None,
                                                        "mlp_layer_types": None, "attn_implementation": "eager"})).eval()
    model = randomise(model, 27)
    state, generator = experts_apart(state_of(model)), torch.Generator().manual_seed(28)
    prefix = "model.layers.2."
    state.update({key: value for key, value in longer.items() if key.startswith(prefix)})
    state[prefix + "eh_proj.weight"] = torch.randn(32, 64, generator=generator) * 0.2
    for name in ("enorm", "hnorm", "shared_head.norm"):
        state[f"{prefix}{name}.weight"] = 1 + 0.1 * torch.randn(32, generator=generator)
    written = config_of(model, "DeepseekV32ForCausalLM")
    written.update(num_nextn_predict_layers=1, bos_token_id=None, eos_token_id=None)
    ids = ids_for(26)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
        found, hidden = plain_torch.forward(written, state, ids)
        assert plain_torch.relative_error(found, logits) < 2e-5
        plain_torch.selected_tokens.gap = float("inf")
        guesses = plain_torch.mtp_forward(written, state, ids, hidden)
        assert plain_torch.selected_tokens.gap > 1e-4, "two tokens are as good at the edge of what is selected"
    write("deepseek-v32-mtp", written, state, logits, {"ids": ids})
    guesses.numpy().astype("<f4").tofile(os.path.join(HERE, "models", "deepseek-v32-mtp", "guesses.f32"))


def fp8_blocks(weight):
    rows, columns = weight.shape
    scales = torch.empty(-(-rows // 128), -(-columns // 128))
    stored = torch.empty(rows, columns, dtype=torch.float8_e4m3fn)
    exact = torch.empty(rows, columns)
    for y in range(scales.shape[0]):
        for x in range(scales.shape[1]):
            block = weight[y * 128:(y + 1) * 128, x * 128:(x + 1) * 128]
            scales[y, x] = block.abs().max() / 448
            part = (block / scales[y, x]).to(torch.float8_e4m3fn)
            stored[y * 128:(y + 1) * 128, x * 128:(x + 1) * 128] = part
            exact[y * 128:(y + 1) * 128, x * 128:(x + 1) * 128] = part.float() * scales[y, x]
    return stored, scales, exact


def deepseek_v3_fp8():
    """Blocks of 128x128 over matrices whose sides are no multiples of 128."""
    config = DeepseekV3Config(vocab_size=48, hidden_size=136, intermediate_size=200, moe_intermediate_size=24,
                              num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, kv_lora_rank=56,
                              q_lora_rank=None, qk_nope_head_dim=40, qk_rope_head_dim=16, v_head_dim=40,
                              n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, first_k_dense_replace=1,
                              n_group=1, topk_group=1, routed_scaling_factor=2.5, norm_topk_prob=True,
                              max_position_embeddings=512, tie_word_embeddings=False, attn_implementation="eager",
                              rope_parameters=PLAIN)
    model = randomise(DeepseekV3ForCausalLM(config), 10)
    state, stored = experts_apart(state_of(model)), {}
    exact = {}
    for name, value in state.items():
        keep = value.dim() != 2 or "embed" in name or "lm_head" in name or "gate.weight" in name
        if keep:
            stored[name] = exact[name] = value
        else:
            stored[name], stored[name + "_scale_inv"], exact[name] = fp8_blocks(value)
    with torch.no_grad():
        own = dict(model.state_dict())
        for name, value in own.items():
            if name.endswith("experts.gate_up_proj"):
                prefix = name[:-len("gate_up_proj")]
                for e in range(4):
                    value[e] = torch.cat([exact[f"{prefix}{e}.gate_proj.weight"], exact[f"{prefix}{e}.up_proj.weight"]])
            elif name.endswith("experts.down_proj"):
                for e in range(4):
                    value[e] = exact[f"{name[:-len('down_proj')]}{e}.down_proj.weight"]
            elif name in exact:
                value.copy_(exact[name])
        ids = [i % 48 for i in ids_for(10, 40)]
        logits = model(torch.tensor([ids])).logits[0]
    written = config_of(model, "DeepseekV3ForCausalLM")
    written["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                                      "weight_block_size": [128, 128]}
    write("deepseek-v3-fp8", written, stored, logits, {"ids": ids})


def timm_names(tower):
    """The tensors of a SiglipVisionModel by the names that VL2's files have."""
    source = {key.removeprefix("vision_model."): value for key, value in tower.state_dict().items()}
    state = {"vision.patch_embed.proj.weight": source["embeddings.patch_embedding.weight"],
             "vision.patch_embed.proj.bias": source["embeddings.patch_embedding.bias"],
             "vision.pos_embed": source["embeddings.position_embedding.weight"][None],
             "vision.norm.weight": source["post_layernorm.weight"], "vision.norm.bias": source["post_layernorm.bias"]}
    for i in range(tower.config.num_hidden_layers):
        a, b = f"encoder.layers.{i}.", f"vision.blocks.{i}."
        for kind in ("weight", "bias"):
            state[b + "attn.qkv." + kind] = torch.cat([source[f"{a}self_attn.{p}_proj.{kind}"] for p in "qkv"])
            for ours, theirs in (("attn.proj", "self_attn.out_proj"), ("norm1", "layer_norm1"),
                                 ("norm2", "layer_norm2"), ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2")):
                state[b + ours + "." + kind] = source[f"{a}{theirs}.{kind}"]
    return state


def siglip(seed, side=70):
    """The tower of VL2 is transformers' SigLIP tower with the names of timm."""
    config = SiglipVisionConfig(hidden_size=36, intermediate_size=97, num_hidden_layers=2, num_attention_heads=2,
                                image_size=side, patch_size=14, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6,
                                vision_use_head=False, attn_implementation="eager")
    model = randomise(SiglipVisionModel(config), seed)
    return model, {key: value.detach().clone() for key, value in timm_names(model).items()}


def vl2():
    candidates = [[70, 70], [70, 140], [140, 70], [140, 140], [210, 70], [70, 210]]
    tower, state = siglip(11)
    text = randomise(DeepseekV3ForCausalLM(DeepseekV3Config(
        **{**MLA, "num_hidden_layers": 2}, n_group=1, topk_group=1, routed_scaling_factor=2.0, norm_topk_prob=True,
        attn_implementation="eager", rope_parameters=PLAIN)), 12)
    generator = torch.Generator().manual_seed(13)
    for name, shape, width in (("projector.layers.0.weight", (32, 144), 0.15), ("projector.layers.0.bias", (32,), 0.3),
                               ("projector.layers.2.weight", (32, 32), 0.3), ("projector.layers.2.bias", (32,), 0.3),
                               ("image_newline", (32,), 0.8), ("view_seperator", (32,), 0.8)):
        state[name] = torch.randn(shape, generator=generator) * width
    image = draw(230, 117, 77)
    wide, high, data = tiles(image, 1, candidates)
    pixels = torch.frombuffer(bytearray(data), dtype=torch.uint8).reshape(-1, 70, 70, 3).permute(0, 3, 1, 2)
    with torch.no_grad():
        seen = tower((pixels.float() / 255 - 0.5) / 0.5).last_hidden_state          # [tiles, 25, 36]
        grid = F.pad(seen.reshape(-1, 5, 5, 36).permute(0, 3, 1, 2), (0, 1, 0, 1))  # zeros right and below
        squares = F.unfold(grid, 2, stride=2).transpose(1, 2)                       # [tiles, 9, 36 * 4], by channel
        squares = F.gelu(squares @ state["projector.layers.0.weight"].T + state["projector.layers.0.bias"])
        squares = squares @ state["projector.layers.2.weight"].T + state["projector.layers.2.bias"]
        newline = state["image_newline"][None]
        rows = [torch.cat([row, newline]) for row in squares[0].reshape(3, 3, 32)]
        rows.append(state["view_seperator"][None])
        local = squares[1:].reshape(high, wide, 3, 3, 32).permute(0, 2, 1, 3, 4).reshape(high * 3, wide * 3, 32)
        rows += [torch.cat([row, newline]) for row in local]
        embeddings = torch.cat(rows)
        ids = ids_for(14, 30)
        first, image_id = 5, 7
        ids[first:first] = [image_id] * len(embeddings)
        inputs = text.model.embed_tokens(torch.tensor([ids]))
        inputs[0, first:first + len(embeddings)] = embeddings
        logits = text(inputs_embeds=inputs).logits[0]
    state.update({"language." + key: value for key, value in experts_apart(state_of(text)).items()})
    language = config_of(text, "DeepseekV2ForCausalLM")
    for key in ("rope_parameters", "model_type"):
        language.pop(key)
    language.update(model_type="deepseek_v2", rope_theta=10000.0, rope_scaling=None, topk_method="noaux_tc",
                    scoring_func="sigmoid")
    config = dict(model_type="deepseek_vl_v2", candidate_resolutions=candidates, tile_tag="2D", global_view_pos="head",
                  torch_dtype="float32", language_config=language,
                  vision_config=dict(model_type="vision", width=36, layers=2, heads=2, patch_size=14, image_size=70,
                                     mlp_ratio=2.7, class_token=False, ignore_head=True),
                  projector_config=dict(model_type="mlp_projector", projector_type="downsample_mlp_gelu", input_dim=36,
                                        n_embed=32, depth=2, mlp_ratio=1, downsample_ratio=2))
    write("deepseek-vl2", config, state, logits,
          {"ids": ids, "picture": {"width": 230, "height": 117, "seed": 77, "firstRow": first,
                                   "tilesWide": wide, "tilesHigh": high}})
    embeddings.numpy().astype("<f4").tofile(os.path.join(HERE, "models", "deepseek-vl2", "embeddings.f32"))


MODELS = [llama, llama_tied_linear, qwen2, qwen3, deepseek_v2, deepseek_v2_group, deepseek_v3, vl2_base_text,
          vl2_tiny_text, deepseek_v3_fp8, vl2, deepseek_moe,
          deepseek_v3_mtp, deepseek_v32, deepseek_v32_mtp]

if __name__ == "__main__":
    torch.manual_seed(0)
    print("torch", torch.__version__, "transformers", transformers.__version__)
    for make in MODELS:
        if len(sys.argv) < 2 or make.__name__ in sys.argv[1:]:
            make()
