# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes gguf/*.gguf: nine of the tiny models of models/ as llama.cpp's converter lays them down. Their logits are those
of the folder they come from. Llama has permuted q and k rows and its rope scaling as divisors; DeepSeekMoE permuted rows
and stacked experts; DeepSeek V3 stacked experts and kv_b in each form files have: absorbed
halves, whole (before 2025-04), and both, in three parts; V3.2 the indexer's tensors and keys beside it; V2 softmax routing, with and
without groups and a query rank. Qwen2 and Qwen3 have their rows as they are, with biases and with norms and YaRN.

Made with gguf 0.19.0, safetensors 0.8; run after make_goldens.py: python3 make_gguf_goldens.py"""
import json
import os

import gguf
import numpy as np
from safetensors.numpy import load_file

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
         "self_attn.q_a_proj": "attn_q_a", "self_attn.q_b_proj": "attn_q_b", "self_attn.q_a_layernorm": "attn_q_a_norm",
         "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
         "mlp.gate": "ffn_gate_inp", "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
         "mlp.shared_experts.up_proj": "ffn_up_shexp", "mlp.shared_experts.down_proj": "ffn_down_shexp",
         "self_attn.indexer.wq_b": "indexer.attn_q_b", "self_attn.indexer.wk": "indexer.attn_k",
         "self_attn.indexer.k_norm": "indexer.k_norm", "self_attn.indexer.weights_proj": "indexer.proj",
         "eh_proj": "nextn.eh_proj", "enorm": "nextn.enorm", "hnorm": "nextn.hnorm", "embed_tokens": "nextn.embed_tokens",
         "shared_head.norm": "nextn.shared_head_norm", "shared_head.head": "nextn.shared_head_head"}
TOP = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
       "lm_head.weight": "output.weight"}


def has_mtp(config, state):
    return f"model.layers.{config['num_hidden_layers']}.eh_proj.weight" in state


def start(name, architecture, target=None, model=None, **options):
    folder = os.path.join(HERE, "models", name)
    if model is None:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            model = json.load(f), load_file(os.path.join(folder, "model.safetensors"))
    config, state = model
    os.makedirs(os.path.join(HERE, "gguf"), exist_ok=True)
    writer = gguf.GGUFWriter(os.path.join(HERE, "gguf", (target or name) + ".gguf"), architecture, **options)
    writer.add_block_count(config["num_hidden_layers"] + has_mtp(config, state))
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_rope_freq_base(config.get("rope_parameters", config)["rope_theta"])
    return writer, config, state


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(rows, heads):
    return np.ascontiguousarray(rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape))


def divisors(rope, dimensions):
    context, result = rope["original_max_position_embeddings"], []
    for frequency in rope["rope_theta"] ** (-np.arange(dimensions // 2) * 2 / dimensions):
        wave = 2 * np.pi / frequency
        if wave < context / rope["high_freq_factor"]:
            result.append(1.0)
        elif wave > context / rope["low_freq_factor"]:
            result.append(rope["factor"])
        else:
            smooth = (context / wave - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            result.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(result, np.float32)


def llama():
    writer, config, state = start("llama", "llama")
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    for name, value in state.items():
        if name in TOP:
            writer.add_tensor(TOP[name], value)
            continue
        _, _, layer, rest = name.removesuffix(".weight").split(".", 3)
        if rest == "self_attn.q_proj":
            value = interleaved(value, config["num_attention_heads"])
        elif rest == "self_attn.k_proj":
            value = interleaved(value, config["num_key_value_heads"])
        writer.add_tensor(f"blk.{layer}.{NAMES[rest]}.weight", value)
    writer.add_tensor("rope_freqs.weight", divisors(config["rope_parameters"], config["head_dim"]))
    finish(writer)


def add_scaling(writer, scaling):
    if scaling["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(scaling["factor"])
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])


def qwen(name, architecture):
    writer, config, state = start(name, architecture)
    writer.add_head_count_kv(config["num_key_value_heads"])
    if architecture == "qwen3":
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    add_scaling(writer, config["rope_parameters"])
    for tensor, value in state.items():
        if tensor in TOP:
            writer.add_tensor(TOP[tensor], value)
            continue
        _, _, layer, rest = tensor.split(".", 3)
        rest, kind = rest.rsplit(".", 1)
        writer.add_tensor(f"blk.{layer}.{NAMES[rest]}.{kind}", value)
    finish(writer)


def add_experts(writer, config):
    writer.add_leading_dense_block_count(config["first_k_dense_replace"])
    writer.add_expert_count(config["n_routed_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_expert_shared_count(config["n_shared_experts"])
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    writer.add_expert_weights_scale(config.get("routed_scaling_factor", 1.0))


def add(writer, name, value):
    """`value` is numbers, or a pair of NVFP4 blocks and the scales of the whole matrices."""
    if not isinstance(value, tuple):
        writer.add_tensor(name, value)
        return
    blocks, scales = value
    writer.add_tensor(name, blocks, raw_dtype=gguf.GGMLQuantizationType.NVFP4)
    writer.add_tensor(name.replace(".weight", ".scale"), scales)
    writer.add_tensor(name.replace(".weight", ".input_scale"), np.full_like(scales, 0.37))  # for four-bit inputs: unused


def add_stacked(writer, experts):
    for (layer, projection), parts in experts.items():
        ordered = [parts[i] for i in sorted(parts)]
        is_packed = isinstance(ordered[0], tuple)
        add(writer, f"blk.{layer}.ffn_{projection}_exps.weight",
            (np.stack([part[0] for part in ordered]), np.concatenate([part[1] for part in ordered])) if is_packed else np.stack(ordered))


def deepseek_moe():
    writer, config, state = start("deepseek-moe", "deepseek")
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_dimension_count(config["hidden_size"] // config["num_attention_heads"])
    writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    add_experts(writer, config)
    experts = {}
    for name, value in state.items():
        if name in TOP:
            writer.add_tensor(TOP[name], value)
            continue
        _, _, layer, rest = name.removesuffix(".weight").split(".", 3)
        if rest.startswith("mlp.experts."):
            _, _, expert, projection = rest.split(".")
            experts.setdefault((layer, projection.removesuffix("_proj")), {})[int(expert)] = value
        elif rest in ("self_attn.q_proj", "self_attn.k_proj"):
            writer.add_tensor(f"blk.{layer}.{NAMES[rest]}.weight", interleaved(value, config["num_attention_heads"]))
        else:
            writer.add_tensor(f"blk.{layer}.{NAMES[rest]}.weight", value)
    add_stacked(writer, experts)
    finish(writer)


def deepseek(layout, target, source="deepseek-v3-yarn", architecture="deepseek2", **options):
    writer, config, state = start(source, architecture, target, **options)
    heads, latent = config["num_attention_heads"], config["kv_lora_rank"]
    nope, rope, value_dim = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    writer.add_head_count_kv(1)
    writer.add_key_length(latent + rope)
    writer.add_value_length(latent)
    writer.add_key_length_mla(nope + rope)
    writer.add_value_length_mla(value_dim)
    if config["q_lora_rank"]:
        writer.add_q_lora_rank(config["q_lora_rank"])
    if has_mtp(config, state):
        writer.add_nextn_predict_layers(1)
    writer.add_kv_lora_rank(latent)
    writer.add_rope_dimension_count(rope)
    add_experts(writer, config)
    if config["model_type"] == "deepseek_v2":
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SOFTMAX)
    else:
        writer.add_expert_weights_norm(True)
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_uint32(f"{architecture}.expert_group_count", config["n_group"])
    writer.add_uint32(f"{architecture}.expert_group_used_count", config["topk_group"])
    if "index_topk" in config:
        writer.add_uint32(f"{architecture}.attention.indexer.head_count", config["index_n_heads"])
        writer.add_uint32(f"{architecture}.attention.indexer.key_length", config["index_head_dim"])
        writer.add_uint32(f"{architecture}.attention.indexer.top_k", config["index_topk"])
    scaling = config["rope_parameters"]
    add_scaling(writer, scaling)
    if scaling["rope_type"] == "yarn":
        writer.add_rope_scaling_yarn_log_mul(0.1 * scaling["mscale_all_dim"])
    experts = {}
    for name, value in state.items():
        if name in TOP:
            add(writer, TOP[name], value)
            continue
        _, _, layer, rest = name.removesuffix(".weight").split(".", 3)
        if rest in ("mlp.experts.gate_up_proj", "mlp.experts.down_proj"):  # transformers stacks them, too
            halves = np.split(value, 2, axis=1) if rest.endswith("gate_up_proj") else [value]
            for projection, part in zip(("gate", "up") if len(halves) > 1 else ("down",), halves):
                writer.add_tensor(f"blk.{layer}.ffn_{projection}_exps.weight", np.ascontiguousarray(part))
        elif rest.endswith("k_norm.bias"):
            writer.add_tensor(f"blk.{layer}.{NAMES[rest.removesuffix('.bias')]}.bias", value)
        elif rest.startswith("mlp.experts."):
            _, _, expert, projection = rest.split(".")
            experts.setdefault((layer, projection.removesuffix("_proj")), {})[int(expert)] = value
        elif rest == "mlp.gate.e_score_correction_bias":
            writer.add_tensor(f"blk.{layer}.exp_probs_b.bias", value)
        elif rest == "self_attn.kv_b_proj":
            if layout != "absorbed":
                add(writer, f"blk.{layer}.attn_kv_b.weight", value)
            if layout != "whole":
                both = value.reshape(heads, nope + value_dim, latent)
                writer.add_tensor(f"blk.{layer}.attn_k_b.weight", np.ascontiguousarray(both[:, :nope].transpose(0, 2, 1)))
                writer.add_tensor(f"blk.{layer}.attn_v_b.weight", np.ascontiguousarray(both[:, nope:]))
        else:
            add(writer, f"blk.{layer}.{NAMES[rest]}.weight", value)
    add_stacked(writer, experts)
    finish(writer)


if __name__ == "__main__":
    llama()
    qwen("qwen2", "qwen2")
    qwen("qwen3-yarn", "qwen3")
    deepseek_moe()
    deepseek("absorbed", "deepseek-v2-greedy", source="deepseek-v2-greedy")
    deepseek("absorbed", "deepseek-v2-group-yarn", source="deepseek-v2-group-yarn")
    deepseek("absorbed", "deepseek-v3-yarn")
    deepseek("whole", "deepseek-v3-yarn-whole")
    deepseek("absorbed", "deepseek-v3-mtp", source="deepseek-v3-mtp")
    deepseek("absorbed", "deepseek-v32", source="deepseek-v32", architecture="deepseek32")
    deepseek("both", "deepseek-v3-yarn-both", split_max_tensors=20)
