# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Holds `diptych-cli score --precision exact` against transformers (plain_torch.py for DeepSeekMoE) on models of random
shapes: sizes that are no powers of two, any grouping of heads and experts, every kind of rope scaling with odd numbers,
dense and routed layers in any mix, tied embeddings, biases, indexers; a third of them with a sliding window, for which plain
torch stands in once it gave the logits without. Nothing is stored.

    check_random_models.py DIPTYCH_CLI COUNT SEED

A model is left out where two experts or selected tokens are nearly as good, since either choice is right. Made with
torch 2.15.0, transformers 5.23.0."""
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config, DeepseekV3ForCausalLM, DeepseekV32Config,
                          DeepseekV32ForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config,
                          Qwen3ForCausalLM)

import plain_torch
from make_goldens import config_of, experts_apart, randomise, state_of

CLASSES = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen2": (Qwen2Config, Qwen2ForCausalLM),
           "qwen3": (Qwen3Config, Qwen3ForCausalLM), "deepseek_v2": (DeepseekV2Config, DeepseekV2ForCausalLM),
           "deepseek_v3": (DeepseekV3Config, DeepseekV3ForCausalLM), "deepseek_v32": (DeepseekV32Config, DeepseekV32ForCausalLM)}


def rope_of(rng, kinds):
    rope = {"rope_type": rng.choice(kinds), "rope_theta": rng.choice([1e4, 1e5, 1e6, 5e5, 1234.5])}
    if rope["rope_type"] != "default":
        rope["factor"] = rng.choice([1.5, 2.0, 4.0, 8.0, 40.0])
    if rope["rope_type"] in ("yarn", "llama3"):
        rope["original_max_position_embeddings"] = rng.choice([16, 24, 32, 64, 100])
    if rope["rope_type"] == "llama3":
        rope.update(low_freq_factor=rng.choice([1.0, 1.5]), high_freq_factor=rng.choice([2.5, 4.0]))
    if rope["rope_type"] == "yarn":
        rope.update(beta_fast=rng.choice([32, 16.5, 4]), beta_slow=rng.choice([1, 0.5, 2]))
    return rope


def dense_config(rng, kind):
    heads = rng.choice([1, 2, 3, 4, 6, 8])
    size = rng.choice([4, 6, 8, 10, 16, 18, 32, 40, 64, 72])
    hidden = heads * rng.randint(-(-20 // heads), 100 // heads)  # transformers wants a multiple
    settings = dict(vocab_size=rng.randint(30, 150), hidden_size=hidden, intermediate_size=rng.randint(9, 90),
                    num_hidden_layers=rng.randint(1, 4), num_attention_heads=heads,
                    num_key_value_heads=rng.choice([d for d in range(1, heads + 1) if heads % d == 0]),
                    max_position_embeddings=512, rms_norm_eps=rng.choice([1e-6, 1e-5]),
                    tie_word_embeddings=rng.random() < 0.3, attn_implementation="eager")
    if kind == "qwen2":
        settings["hidden_size"] = heads * size
    else:
        settings["head_dim"] = size
    rope = rope_of(rng, ["default", "linear", "llama3", "yarn"])
    if rope["rope_type"] == "yarn" and rng.random() < 0.3:
        rope["attention_factor"] = 1.25
    return {**settings, "rope_parameters": rope}


def moe_settings(rng, grouped):
    groups = rng.choice([1, 2, 3, 4]) if grouped else 1
    size = rng.randint(2, 6) if groups > 1 else rng.randint(4, 20)
    kept = rng.randint(1, groups)
    layers = rng.randint(1, 4)
    return dict(num_hidden_layers=layers, n_routed_experts=groups * size, n_group=groups, topk_group=kept,
                num_experts_per_tok=rng.randint(1, min(6, kept * size)), n_shared_experts=rng.randint(1, 3),
                first_k_dense_replace=rng.randint(0, layers), moe_intermediate_size=rng.randint(3, 30),
                intermediate_size=rng.randint(9, 90), hidden_size=rng.choice([24, 36, 40, 56, 72, 100]),
                vocab_size=rng.randint(30, 150), max_position_embeddings=512, rms_norm_eps=1e-6,
                routed_scaling_factor=rng.choice([1.0, 2.5, 16.0]), tie_word_embeddings=rng.random() < 0.2)


def latent_config(rng, kind):
    settings = moe_settings(rng, True)
    heads = rng.choice([1, 2, 3, 4, 5, 8])
    turned = rng.choice([4, 6, 8, 16])
    settings["hidden_size"] = heads * rng.randint(-(-20 // heads), 100 // heads)
    settings.update(num_attention_heads=heads, num_key_value_heads=heads, kv_lora_rank=rng.choice([8, 12, 20, 34, 64]),
                    q_lora_rank=rng.choice([None, 7, 20]), qk_nope_head_dim=rng.choice([6, 8, 12, 24]), qk_rope_head_dim=turned,
                    v_head_dim=rng.choice([6, 10, 24, 40]), attn_implementation="eager",
                    experts_implementation="eager")
    rope = rope_of(rng, ["default", "yarn", "yarn"])
    if rope["rope_type"] == "yarn":
        mscale = rng.choice([0.707, 1.0])
        rope.update(mscale=mscale, mscale_all_dim=rng.choice([mscale, 1.0, 0.5]))
    if kind == "deepseek_v2":
        settings.update(topk_method="group_limited_greedy" if settings["n_group"] > 1 else "greedy", norm_topk_prob=False)
    else:
        settings["norm_topk_prob"] = rng.random() < 0.7
    if kind == "deepseek_v32":
        settings.update(q_lora_rank=rng.choice([7, 20]), index_n_heads=rng.choice([1, 3, 8]), index_topk=rng.choice([3, 16, 50]),
                        index_head_dim=turned + rng.choice([0, 4, 10, 24]))
    return {**settings, "rope_parameters": rope}


def moe_config(rng):
    settings = moe_settings(rng, False)
    heads = rng.choice([1, 2, 4])
    settings["hidden_size"] = heads * rng.choice([8, 10, 24])
    settings.update(architectures=["DeepseekForCausalLM"], model_type="deepseek", num_attention_heads=heads,
                    num_key_value_heads=heads, norm_topk_prob=rng.random() < 0.5, scoring_func="softmax", rope_theta=10000.0,
                    rope_scaling=rng.choice([None, {"type": "linear", "factor": 2.0}]), torch_dtype="float32",
                    routed_scaling_factor=1.0, tie_word_embeddings=False)
    for key in ("n_group", "topk_group"):
        del settings[key]
    if settings["num_experts_per_tok"] == 1:
        settings["norm_topk_prob"] = False
    return settings


def moe_state(config, seed):
    h, generator = config["hidden_size"], torch.Generator().manual_seed(seed)
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], h), "model.norm.weight": (h,),
              "lm_head.weight": (config["vocab_size"], h)}
    for i in range(config["num_hidden_layers"]):
        b = f"model.layers.{i}."
        shapes.update({b + "input_layernorm.weight": (h,), b + "post_attention_layernorm.weight": (h,)})
        shapes.update({f"{b}self_attn.{x}_proj.weight": (h, h) for x in "qkvo"})
        parts = {"mlp.": config["intermediate_size"]}
        if i >= config["first_k_dense_replace"]:
            shapes[b + "mlp.gate.weight"] = (config["n_routed_experts"], h)
            parts = {f"mlp.experts.{e}.": config["moe_intermediate_size"] for e in range(config["n_routed_experts"])}
            parts["mlp.shared_experts."] = config["n_shared_experts"] * config["moe_intermediate_size"]
        for name, inner in parts.items():
            shapes.update({f"{b}{name}gate_proj.weight": (inner, h), f"{b}{name}up_proj.weight": (inner, h),
                           f"{b}{name}down_proj.weight": (h, inner)})
    return {key: 1 + 0.2 * torch.randn(shape, generator=generator) if "norm" in key else
            torch.randn(shape, generator=generator) * (0.8 if "embed" in key else 1.6 / shape[-1] ** 0.5)
            for key, shape in shapes.items()}


def closeness(config, state, ids, window=0):
    """The least gap, relative, between what was chosen and what was not: experts, groups, selected tokens."""
    least, choose = [1.0], plain_torch.route

    def route(config, state, prefix, x, **options):
        chosen, weights = choose(config, state, prefix, x, **options)
        bias = state.get(f"{prefix}.gate.e_score_correction_bias")
        logits = x @ state[f"{prefix}.gate.weight"].T
        scores = logits.softmax(-1) if bias is None else logits.sigmoid() + bias
        groups = (config.get("n_group") or 1) if config.get("topk_method", "noaux_tc") != "greedy" else 1
        parts = scores.unflatten(-1, (groups, -1))
        if groups > 1:
            best = parts.max(-1).values if bias is None else parts.topk(2, -1).values.sum(-1)
            if config["topk_group"] < groups:
                top = best.topk(config["topk_group"] + 1, -1).values
                least.append(float((top[:, -2] - top[:, -1]).min()))
            kept = best.topk(config["topk_group"], -1).indices
            scores = scores.masked_fill(~torch.zeros_like(best, dtype=torch.bool).scatter(1, kept, True)
                                        .repeat_interleave(parts.shape[-1], 1), float("-inf"))
        top = scores.sort(-1, descending=True).values
        k = chosen.shape[-1]
        if k < top.shape[-1]:
            least.append(float((top[:, k - 1] - top[:, k]).min()))
        return chosen, weights

    plain_torch.route, plain_torch.selected_tokens.gap = route, float("inf")
    logits = plain_torch.forward(config, state, ids, window=window)[0]
    plain_torch.route = choose
    return min(*least, plain_torch.selected_tokens.gap), logits


def main():
    cli, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_grad_enabled(False)
    worst, left_out, failed = 0.0, 0, 0
    for number in range(seed, seed + count):
        rng = random.Random(number)
        kind = rng.choice([*CLASSES, "deepseek", "deepseek_v2", "deepseek_v3", "deepseek_v32"])
        tokens = rng.choice([1, 5, 33, 80, 130])
        if kind == "deepseek":
            config = moe_config(rng)
            state, reference = moe_state(config, number), "plain torch"
            ids = [rng.randrange(config["vocab_size"]) for _ in range(tokens)]
            gap, wanted = closeness(config, state, ids)
        else:
            make, run = CLASSES[kind]
            settings = (latent_config if kind.startswith("deepseek") else dense_config)(rng, kind)
            ids = [rng.randrange(settings["vocab_size"]) for _ in range(tokens)]
            model = randomise(run(make(**settings)), number)
            wanted, reference = model(torch.tensor([ids])).logits[0], "transformers"
            state = experts_apart(state_of(model))
            config = config_of(model, run.__name__)
            if config["tie_word_embeddings"]:
                state.pop("lm_head.weight", None)
            gap, plain = closeness(config, state, ids)
            if gap > 1e-4 and plain_torch.relative_error(plain, wanted) > 1e-4:
                print(f"{number} {kind}: plain torch is {plain_torch.relative_error(plain, wanted):.1e} from transformers")
        window = rng.choice([0, 0, 0, 0, 1, 17])
        if window > 0 and gap >= 1e-4:
            reference = f"plain torch, window {window}"
            gap, wanted = closeness(config, state, ids, window)
        if gap < 1e-4:
            left_out += 1
            continue
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
                json.dump(config, f)
            save_file({key: value.contiguous() for key, value in state.items()}, os.path.join(folder, "model.safetensors"))
            path = os.path.join(folder, "ids")
            with open(path, "w", encoding="utf-8") as f:
                f.write(" ".join(map(str, ids)))
            done = subprocess.run([cli, "score", "-m", folder, "--tokens", path, "--out", path + ".f32", "--precision", "exact",
                                   "--attention-window", str(window)], capture_output=True, text=True)
            error = float("inf")
            if done.returncode == 0:
                error = plain_torch.relative_error(torch.from_numpy(np.fromfile(path + ".f32", "<f4")).reshape(tokens, -1), wanted)
        if not error < 1e-4:
            failed += 1
            print(f"{number} {kind}, {tokens} tokens: {error:.1e} from {reference} {done.stderr.strip()[:300]}\n   {json.dumps(config)}")
        else:
            worst = max(worst, error)
    print(f"{count} models, {left_out} left out, {failed} wrong, the others within {worst:.1e}")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
