# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""The decoders of the DeepSeek family in plain torch, float32, one whole sequence at a time.

Written from the published descriptions (arXiv 2401.06066 DeepSeekMoE, 2405.04434 V2, 2412.19437 V3 with its MTP module,
2309.00071 YaRN) for what the transformers library lacks: DeepSeekMoE-16B, the MTP layers, a sliding window on any model,
fewer or forbidden experts. `python3 plain_torch.py` holds it against the logits that transformers gave for every text
model of models/; make_goldens.py does so again before it writes what only this file can compute.

`config` is config.json, `state` the tensors of model.safetensors by their released names (fused experts allowed)."""
import json
import math
import os
import sys

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def rms_norm(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def rope_of(config):
    """The keys of rope_parameters (transformers 5) or of rope_theta and rope_scaling."""
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_theta", config.get("rope_theta", 10000.0))
    rope["type"] = rope.get("rope_type", rope.get("type", "default"))
    return rope


def is_deepseek_yarn(config):
    return config["model_type"] in ("deepseek_v2", "deepseek_v3", "deepseek_v32")


def frequencies(config, size):
    """Inverse frequencies [size / 2], what cos and sin are multiplied by, and what the softmax scale is multiplied by."""
    rope = rope_of(config)
    inverse = rope["rope_theta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    magnitude = scale = 1.0
    if rope["type"] == "linear":
        inverse = inverse / rope["factor"]
    elif rope["type"] == "llama3":
        wave = 2 * math.pi / inverse
        low, high, context = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
        smooth = ((context / wave - low) / (high - low)).clamp(0, 1)
        inverse = (1 - smooth) * inverse / rope["factor"] + smooth * inverse
    elif rope["type"] == "yarn":
        factor, context = rope["factor"], rope["original_max_position_embeddings"]

        def pair_that_turns(turns):
            return size * math.log(context / (turns * 2 * math.pi)) / (2 * math.log(rope["rope_theta"]))

        low = max(math.floor(pair_that_turns(rope.get("beta_fast", 32))), 0)
        high = min(math.ceil(pair_that_turns(rope.get("beta_slow", 1))), size - 1)
        ramp = ((torch.arange(size // 2, dtype=torch.float64) - low) / max(high - low, 0.001)).clamp(0, 1)
        inverse = inverse / factor * ramp + inverse * (1 - ramp)

        def m(k):
            return 0.1 * k * math.log(factor) + 1 if factor > 1 else 1.0

        if is_deepseek_yarn(config):
            magnitude = m(rope.get("mscale", 1.0)) / m(rope.get("mscale_all_dim", 0.0))
            scale = m(rope.get("mscale_all_dim", 0.0)) ** 2
        else:
            magnitude = rope.get("attention_factor") or m(1.0)
    return inverse, magnitude, scale


def rotate(x, config, positions, interleaved):
    """x [tokens, heads, size]; pairs (i, i + size/2), or (2i, 2i + 1) when interleaved."""
    inverse, magnitude, _ = frequencies(config, x.shape[-1])
    angle = positions[:, None].double() * inverse
    cos, sin = (angle.cos() * magnitude).float()[:, None], (angle.sin() * magnitude).float()[:, None]
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def softmax_attention(q, k, v, scale, visible):
    """[tokens, heads, size] each; `visible` [tokens, tokens] says which keys a query sees."""
    scores = torch.einsum("qhd,khd->hqk", q, k) * scale
    weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, v).flatten(1)


def visible_tokens(count, window):
    """Causal; with a window a query sees itself and the window - 1 tokens before it."""
    distance = torch.arange(count)[:, None] - torch.arange(count)
    return (distance >= 0) & ((distance < window) if window else torch.ones_like(distance, dtype=torch.bool))


def has_latent_attention(config):
    return is_deepseek_yarn(config) and config.get("use_mla", True) and bool(config.get("kv_lora_rank"))


def heads_attention(config, state, prefix, x, positions, visible):
    heads, groups = config["num_attention_heads"], config.get("num_key_value_heads") or config["num_attention_heads"]
    size = config.get("head_dim") or config["hidden_size"] // heads
    if is_deepseek_yarn(config):
        size = config["hidden_size"] // heads  # transformers 5 writes the rotated size as head_dim

    def project(name, count):
        y = x @ state[f"{prefix}.{name}_proj.weight"].T
        if f"{prefix}.{name}_proj.bias" in state:
            y = y + state[f"{prefix}.{name}_proj.bias"]
        y = y.unflatten(-1, (count, size))
        if f"{prefix}.{name}_norm.weight" in state:
            y = rms_norm(y, state[f"{prefix}.{name}_norm.weight"], config["rms_norm_eps"])
        return y

    q = rotate(project("q", heads), config, positions, False)
    k = rotate(project("k", groups), config, positions, False).repeat_interleave(heads // groups, 1)
    v = project("v", groups).repeat_interleave(heads // groups, 1)
    return softmax_attention(q, k, v, size ** -0.5, visible) @ state[f"{prefix}.o_proj.weight"].T


def selected_tokens(config, state, prefix, x, low, positions, visible):
    """V3.2's lightning indexer: which of the visible keys each query attends to, the index_topk best of them. The scores'
    gap at the edge is kept in selected_tokens.gap, since equal ones would make the choice arbitrary."""
    heads, size, turned = config["index_n_heads"], config["index_head_dim"], config["qk_rope_head_dim"]
    q = (low @ state[f"{prefix}.wq_b.weight"].T).unflatten(-1, (heads, size))
    k = F.layer_norm(x @ state[f"{prefix}.wk.weight"].T, (size,), state[f"{prefix}.k_norm.weight"],
                     state[f"{prefix}.k_norm.bias"], 1e-6)[:, None]
    q, k = (torch.cat([rotate(y[..., :turned], config, positions, False), y[..., turned:]], -1) for y in (q, k))
    weights = x @ state[f"{prefix}.weights_proj.weight"].T * heads ** -0.5
    scores = torch.einsum("qh,qhk->qk", weights, F.relu(torch.einsum("qhd,kd->qhk", q, k[:, 0]) * size ** -0.5))
    scores, count = scores.masked_fill(~visible, float("-inf")), config["index_topk"]
    if count >= len(scores):
        return visible
    best = scores.topk(count + 1, -1)
    gap = best.values[:, count - 1] - best.values[:, count]
    selected_tokens.gap = min([selected_tokens.gap, *gap[gap.isfinite()].tolist()])
    return visible & torch.zeros_like(visible).scatter(1, best.indices[:, :count], True)


selected_tokens.gap = float("inf")


def latent_attention(config, state, prefix, x, positions, visible):
    heads, latent = config["num_attention_heads"], config["kv_lora_rank"]
    nope, turned, value = config["qk_nope_head_dim"], config["qk_rope_head_dim"], config["v_head_dim"]
    if config.get("q_lora_rank"):
        low = rms_norm(x @ state[f"{prefix}.q_a_proj.weight"].T, state[f"{prefix}.q_a_layernorm.weight"], 1e-6)
        q = low @ state[f"{prefix}.q_b_proj.weight"].T
        if f"{prefix}.indexer.wk.weight" in state:
            visible = selected_tokens(config, state, f"{prefix}.indexer", x, low, positions, visible)
    else:
        q = x @ state[f"{prefix}.q_proj.weight"].T
    q = q.unflatten(-1, (heads, nope + turned))
    c, k_turned = (x @ state[f"{prefix}.kv_a_proj_with_mqa.weight"].T).split([latent, turned], -1)
    c = rms_norm(c, state[f"{prefix}.kv_a_layernorm.weight"], 1e-6)
    k, v = (c @ state[f"{prefix}.kv_b_proj.weight"].T).unflatten(-1, (heads, nope + value)).split([nope, value], -1)
    q = torch.cat([q[..., :nope], rotate(q[..., nope:], config, positions, True)], -1)
    k_turned = rotate(k_turned[:, None], config, positions, True).expand(-1, heads, -1)
    scale = (nope + turned) ** -0.5 * frequencies(config, turned)[2]
    return softmax_attention(q, torch.cat([k, k_turned], -1), v, scale, visible) @ state[f"{prefix}.o_proj.weight"].T


def dense_feed_forward(state, prefix, x):
    gate, up = x @ state[f"{prefix}.gate_proj.weight"].T, x @ state[f"{prefix}.up_proj.weight"].T
    return (F.silu(gate) * up) @ state[f"{prefix}.down_proj.weight"].T


def expert(state, prefix, index, x):
    if f"{prefix}.gate_up_proj" not in state:
        return dense_feed_forward(state, f"{prefix}.{index}", x)
    gate, up = (x @ state[f"{prefix}.gate_up_proj"][index].T).chunk(2, -1)
    return (F.silu(gate) * up) @ state[f"{prefix}.down_proj"][index].T


def route(config, state, prefix, x, max_experts=0, stopped=(), share=0.0):
    """Chosen experts [tokens, k] and their weights. Fewer experts: the same with a smaller k. Stopped ones are left out
    before groups and experts are chosen. `share`: those scored below that part of the token's best chosen score go."""
    logits = x @ state[f"{prefix}.gate.weight"].T
    count, k = logits.shape[-1], config["num_experts_per_tok"]
    bias = state.get(f"{prefix}.gate.e_score_correction_bias")
    scores = logits.sigmoid() if bias is not None else logits.softmax(-1)
    choice = scores.clone() if bias is None else scores + bias
    choice[:, list(stopped)] = float("-inf")
    method = config.get("topk_method") or ("noaux_tc" if bias is not None else "greedy")
    groups = config.get("n_group") or 1
    if method in ("group_limited_greedy", "noaux_tc") and groups > 1:
        parts = choice.unflatten(-1, (groups, count // groups))
        best = parts.max(-1).values if bias is None else parts.topk(2, -1).values.sum(-1)
        kept = torch.zeros_like(best, dtype=torch.bool).scatter(1, best.topk(config["topk_group"], -1).indices, True)
        choice = choice.masked_fill(~kept.repeat_interleave(count // groups, 1), float("-inf"))
    chosen = choice.topk(min(k, max_experts) if max_experts else k, -1).indices
    weights = scores.gather(1, chosen)
    weights = weights.where(weights >= share * weights.cummax(-1).values, 0.0)
    if config.get("norm_topk_prob") and config["model_type"] != "deepseek_v2":
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
    return chosen, weights * config.get("routed_scaling_factor", 1.0)


def moe_feed_forward(config, state, prefix, x, **experts):
    chosen, weights = route(config, state, prefix, x, **experts)
    result = torch.zeros_like(x)
    for index in chosen.unique().tolist():
        rows, places = torch.nonzero(chosen == index, as_tuple=True)
        result[rows] += weights[rows, places, None] * expert(state, f"{prefix}.experts", index, x[rows])
    if config.get("n_shared_experts"):
        result = result + dense_feed_forward(state, f"{prefix}.shared_experts", x)
    return result


def layer(config, state, prefix, x, positions, visible, **experts):
    """One decoder layer; `prefix` is "model.layers.N"."""
    epsilon = config["rms_norm_eps"]
    attention = latent_attention if has_latent_attention(config) else heads_attention
    x = x + attention(config, state, f"{prefix}.self_attn", rms_norm(x, state[f"{prefix}.input_layernorm.weight"], epsilon),
                      positions, visible)
    normed = rms_norm(x, state[f"{prefix}.post_attention_layernorm.weight"], epsilon)
    if f"{prefix}.mlp.gate.weight" in state:
        return x + moe_feed_forward(config, state, f"{prefix}.mlp", normed, **experts)
    return x + dense_feed_forward(state, f"{prefix}.mlp", normed)


def forward(config, state, ids, window=0, **experts):
    """Logits [tokens, vocabulary] and the normed hidden states [tokens, hidden] they come from."""
    ids = torch.as_tensor(ids)
    positions, visible = torch.arange(len(ids)), visible_tokens(len(ids), window)
    x = state["model.embed_tokens.weight"][ids]
    for index in range(config["num_hidden_layers"]):
        x = layer(config, state, f"model.layers.{index}", x, positions, visible, **experts)
    x = rms_norm(x, state["model.norm.weight"], config["rms_norm_eps"])
    return x @ state.get("lm_head.weight", state["model.embed_tokens.weight"]).T, x


def mtp_input(config, state, ids, hidden):
    """What the MTP module's decoder layer reads: [tokens - 1, hidden] from the main model's normed hidden state of each
    token and the embedding of the next (2412.19437, 2.2; released names as README_WEIGHTS of V3 lists them)."""
    prefix, epsilon = f"model.layers.{config['num_hidden_layers']}", config["rms_norm_eps"]
    table = state.get(f"{prefix}.embed_tokens.weight", state["model.embed_tokens.weight"])
    nexts = rms_norm(table[torch.as_tensor(ids)[1:]], state[f"{prefix}.enorm.weight"], epsilon)
    return torch.cat([nexts, rms_norm(hidden[:-1], state[f"{prefix}.hnorm.weight"], epsilon)], -1) \
        @ state[f"{prefix}.eh_proj.weight"].T


def mtp_forward(config, state, ids, hidden):
    """Logits [tokens - 1, vocabulary]: row t guesses token t + 2 from the tokens up to t + 1."""
    prefix, count = f"model.layers.{config['num_hidden_layers']}", len(ids) - 1
    x = layer(config, state, prefix, mtp_input(config, state, ids, hidden), torch.arange(count), visible_tokens(count, 0))
    x = rms_norm(x, state[f"{prefix}.shared_head.norm.weight"], config["rms_norm_eps"])
    return x @ state.get(f"{prefix}.shared_head.head.weight", state["lm_head.weight"]).T


def relative_error(found, wanted):
    return float(((found - wanted).abs().amax(-1) / wanted.abs().amax(-1)).max())


def check_against(folder):
    """Against the recorded logits of a model that transformers has."""
    import numpy as np
    from safetensors.torch import load_file
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    with open(os.path.join(folder, "golden.json"), encoding="utf-8") as f:
        golden = json.load(f)
    wanted = torch.from_numpy(np.fromfile(os.path.join(folder, "logits.f32"), "<f4")).reshape(-1, golden["vocabulary"])
    state = load_file(os.path.join(folder, "model.safetensors"))
    return relative_error(forward(config, state, golden["ids"])[0], wanted)


BY_TRANSFORMERS = ["llama", "llama-tied-linear", "qwen2", "qwen3-yarn", "deepseek-v2-greedy", "deepseek-v2-group-yarn",
                   "deepseek-v3-yarn", "deepseek-vl2-base-text", "deepseek-vl2-tiny-text", "deepseek-v32"]

if __name__ == "__main__":
    worst = 0.0
    for name in BY_TRANSFORMERS:
        error = check_against(os.path.join(HERE, "models", name))
        print(f"{name}: {error:.1e}")
        worst = max(worst, error)
    sys.exit(worst > 2e-5)
