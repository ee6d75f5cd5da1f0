# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""mini-vl in plain PyTorch: the mathematics of DeepSeek-VL2 at miniature dimensions.

A SigLIP-style tower, the `downsample_mlp_gelu` projector, VL2's tile layout (global view first) and a DeepSeek-V2/V3
text stack: multi-head latent attention with interleaved rotary pairs, a dense first layer, then routed and shared
experts under sigmoid `noaux_tc` gating. The experts are kept fused while training and are written one by one.
"""
import json
import math
import os

import torch
import torch.nn as nn
import torch.nn.functional as F

TILE = 224
CANDIDATES = [[224, 224], [448, 224], [224, 448], [672, 224], [224, 672], [448, 448], [896, 224], [224, 896]]


def make_config(vocab_size, bos=0, eos=1):
    quant = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    return {
        "architectures": ["DeepseekVLV2ForCausalLM"],
        "model_type": "deepseek_vl_v2",
        "candidate_resolutions": CANDIDATES,
        "global_view_pos": "head",
        "tile_tag": "2D",
        "torch_dtype": "bfloat16",
        "bos_token_id": bos,
        "eos_token_id": eos,
        "vision_config": {
            "model_type": "vision", "model_name": "siglip_mini_patch14_224", "image_size": TILE, "patch_size": 14,
            "width": 192, "layers": 6, "heads": 6, "mlp_ratio": 4.0, "class_token": False, "global_pool": "map",
            "ignore_head": True, "num_classes": 0, "weight_init": "skip", "deterministic": True},
        "projector_config": {
            "model_type": "mlp_projector", "projector_type": "downsample_mlp_gelu", "input_dim": 192, "n_embed": 256,
            "depth": 2, "mlp_ratio": 1, "downsample_ratio": 2, "token_pooling": False},
        "language_config": {
            "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "torch_dtype": "bfloat16",
            "vocab_size": vocab_size, "hidden_size": 256, "intermediate_size": 768, "moe_intermediate_size": 64,
            "num_hidden_layers": 6, "num_attention_heads": 8, "num_key_value_heads": 8, "use_mla": True,
            "q_lora_rank": None, "kv_lora_rank": 64, "qk_nope_head_dim": 32, "qk_rope_head_dim": 32,
            "v_head_dim": 32, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2,
            "first_k_dense_replace": 1, "moe_layer_freq": 1, "n_group": 1, "topk_group": 1,
            "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True,
            "routed_scaling_factor": 2.0, "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
            "rope_scaling": None, "max_position_embeddings": 4096, "attention_bias": False,
            "tie_word_embeddings": False, "bos_token_id": bos, "eos_token_id": eos, "lm_head": True, "rm_head": False,
            "quantization_config": quant},
        "quantization_config": quant,
    }


# ---------------------------------------------------------------------------------------------------------- FP8 blocks
def fp8_quantise(w):
    """[..., out, in] -> (float8_e4m3fn, float32 scales per 128x128 block). Scales are powers of two, so that the
    dequantised weight is exact in bf16 whichever way a reader multiplies."""
    *lead, o, i = w.shape
    po, pi = -o % 128, -i % 128
    wp = F.pad(w.float(), (0, pi, 0, po))
    ob, ib = (o + po) // 128, (i + pi) // 128
    blocks = wp.reshape(*lead, ob, 128, ib, 128)
    amax = blocks.abs().amax(dim=(-3, -1)).clamp_min(1e-12)
    scale = torch.exp2(torch.ceil(torch.log2(amax / 448.0)))
    q = (blocks / scale[..., :, None, :, None]).clamp(-448, 448).to(torch.float8_e4m3fn)
    q = q.reshape(*lead, o + po, i + pi)[..., :o, :i]
    return q, scale


def fp8_dequantise(q, scale):
    o, i = q.shape[-2:]
    s = scale.repeat_interleave(128, -2)[..., :o, :].repeat_interleave(128, -1)[..., :i]
    return q.float() * s


class Linear(nn.Linear):
    """A linear layer that lands in FP8 in the file."""


# -------------------------------------------------------------------------------------------------------------- vision
def vision_block(x, heads, n1w, n1b, qkv_w, qkv_b, proj_w, proj_b, n2w, n2b, fc1_w, fc1_b, fc2_w, fc2_b):
    """x [N, patches, width] through one pre-norm block"""
    n, t, c = x.shape
    h = F.layer_norm(x, (c,), n1w, n1b, 1e-6)
    q, k, v = F.linear(h, qkv_w, qkv_b).view(n, t, 3, heads, c // heads).permute(2, 0, 3, 1, 4).unbind(0)
    y = F.scaled_dot_product_attention(q, k, v)
    x = x + F.linear(y.transpose(1, 2).reshape(n, t, c), proj_w, proj_b)
    h = F.layer_norm(x, (c,), n2w, n2b, 1e-6)
    return x + F.linear(F.gelu(F.linear(h, fc1_w, fc1_b), approximate="tanh"), fc2_w, fc2_b)


class VisionBlock(nn.Module):
    def __init__(self, width, heads, mlp_ratio):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": Linear(width, 3 * width), "proj": Linear(width, width)})
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": Linear(width, int(width * mlp_ratio)), "fc2": Linear(int(width * mlp_ratio), width)})

    def forward(self, x):
        parts = (self.norm1, self.attn["qkv"], self.attn["proj"], self.norm2, self.mlp["fc1"], self.mlp["fc2"])
        return STEPS["vision"](x, self.heads, *(w for m in parts for w in (m.weight, m.bias)))


class Vision(nn.Module):
    def __init__(self, c):
        super().__init__()
        w, p = c["width"], c["patch_size"]
        n = (c["image_size"] // p) ** 2
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, w, p, stride=p)
        self.pos_embed = nn.Parameter(torch.randn(1, n, w) * 0.02)
        self.blocks = nn.ModuleList(VisionBlock(w, c["heads"], c["mlp_ratio"]) for _ in range(c["layers"]))
        self.norm = nn.LayerNorm(w, eps=1e-6)
        self.patch = p

    def forward(self, tiles):
        """tiles [N, 3, S, S] in -1..1 -> [N, patches, width]"""
        n, ch, s, _ = tiles.shape
        p = self.patch
        g = s // p
        x = tiles[:, :, :g * p, :g * p].reshape(n, ch, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(n, g * g, -1)
        proj = self.patch_embed.proj
        x = F.linear(x, proj.weight.flatten(1), proj.bias) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Projector(nn.Module):
    def __init__(self, c):
        super().__init__()
        r, d = c["downsample_ratio"], c["n_embed"]
        self.ratio = r
        self.layers = nn.Sequential(nn.Linear(c["input_dim"] * r * r, d * c["mlp_ratio"]), nn.GELU(),
                                    nn.Linear(d * c["mlp_ratio"], d))

    def forward(self, x):
        n, t, c = x.shape
        g = int(math.isqrt(t))
        x = x.view(n, g, g, c)
        pad = -g % self.ratio
        if pad:
            x = F.pad(x, (0, 0, 0, pad, 0, pad))
        h = (g + pad) // self.ratio
        x = x.view(n, h, self.ratio, h, self.ratio, c).permute(0, 1, 3, 5, 2, 4).reshape(n, h * h, -1)
        return self.layers(x)


# ---------------------------------------------------------------------------------------------------------------- text
class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), self.eps)


def rope_table(positions, dim, theta):
    inv = theta ** (-torch.arange(0, dim, 2, device=positions.device, dtype=torch.float32) / dim)
    angle = positions.float()[:, None] * inv
    return angle.cos(), angle.sin()


def turned(w):
    """Rows (2i, 2i+1) -> (-row 2i+1, row 2i): x @ turned(w).T is x @ w.T with its rotary pairs turned by a right angle. w [..., rows, in]"""
    a, b = w.unflatten(-2, (-1, 2)).unbind(-2)
    return torch.stack((-b, a), -2).flatten(-3, -2)


def heads_of(x, cos, sin, sizes, norm, wq, wa, wn, wb):
    """x [N, hidden], cos and sin [N, nope + rotary] (1 and 0 for the former) -> q, k [N, heads, nope + rotary], v [N, heads, value].
    Turning and the one rotary key of all heads are folded into the weights, so that what is left is matrix products and plain products."""
    nh, dn, dr, dv, dc = sizes
    h = F.rms_norm(x, (x.shape[-1],), norm, 1e-6)
    w = wq.unflatten(0, (nh, dn + dr))
    w_turned = F.pad(turned(w[:, dn:]), (0, 0, dn, 0)).flatten(0, 1)
    q = F.linear(h, wq).unflatten(-1, (nh, dn + dr)) * cos.unsqueeze(-2) + F.linear(h, w_turned).unflatten(-1, (nh, dn + dr)) * sin.unsqueeze(-2)
    c = F.rms_norm(F.linear(h, wa[:dc]), (dc,), wn, 1e-6)
    pe = F.linear(h, wa[dc:]) * cos[:, dn:] + F.linear(h, turned(wa[dc:])) * sin[:, dn:]
    wb = wb.unflatten(0, (nh, dn + dv))
    wk = torch.cat((wb[:, :dn], torch.zeros(nh, dr, dc, dtype=wb.dtype, device=wb.device)), 1).flatten(0, 1)
    spread = torch.eye(dr, dtype=wb.dtype, device=wb.device)
    spread = F.pad(spread, (0, 0, dn, 0)).repeat(nh, 1)
    k = F.linear(c, wk) + F.linear(pe, spread)
    return q, k.unflatten(-1, (nh, dn + dr)), F.linear(c, wb[:, dn:].flatten(0, 1)).unflatten(-1, (nh, dv))


def mlp(h, wg, wu, wd):
    return F.linear(F.silu(F.linear(h, wg)) * F.linear(h, wu), wd)


def dense_mix(x, o, wo, norm, wg, wu, wd):
    """The rest of a dense layer: output projection, norm, MLP. x [N, hidden], o [N, heads * value]"""
    x = x + F.linear(o, wo)
    return x + mlp(F.rms_norm(x, (x.shape[-1],), norm, 1e-6), wg, wu, wd)


def expert_weights(h, gate, bias, k, scaling):
    """Sigmoid routing with the balancing bias (`noaux_tc`): weights of all experts, zero where not chosen."""
    s = torch.sigmoid(F.linear(h.float(), gate.float()))
    left = s.detach() + bias
    each = torch.arange(left.shape[-1], device=left.device)
    chosen = torch.zeros_like(left, dtype=torch.bool)
    for _ in range(k):
        top = left.argmax(-1, keepdim=True) == each       # by place: exactly one, also where a compiler computes the scores twice
        chosen, left = chosen | top, torch.where(top, -1e9, left)
    w = torch.where(chosen, s, 0.0)
    return w / w.sum(-1, keepdim=True).clamp_min(1e-9) * scaling


def expert_mix(x, o, k, scaling, wo, norm, gate, bias, wg, wu, wd, sg, su, sd):
    """The rest of a layer of experts -> (x, share of the tokens that each expert got). All experts run as one wide MLP whose
    hidden units are scaled by their expert's routing weight: the same sums as dispatching, and far fewer launches at this size."""
    x = x + F.linear(o, wo)
    h = F.rms_norm(x, (x.shape[-1],), norm, 1e-6)
    w = expert_weights(h, gate, bias, k, scaling)
    e, mi, width = wg.shape
    a = F.silu(F.linear(h, wg.reshape(e * mi, width))) * F.linear(h, wu.reshape(e * mi, width))
    a = a.unflatten(-1, (e, mi)) * w.to(a.dtype).unsqueeze(-1)
    y = F.linear(a.flatten(-2), wd.permute(1, 0, 2).reshape(width, e * mi))
    return x + y + mlp(h, sg, su, sd), (w.detach() > 0).float().mean(0)


def visible(start, prefix):
    """start [B, T] (packed_attention.py) -> bool [B, 1, T, T]: which keys (last) a token sees"""
    t = torch.arange(start.shape[1], device=start.device)
    return ((t[None, None] <= t[None, :, None]) & ((t[None, None] < prefix) | (t[None, None] >= start[:, :, None])))[:, None]


def attend(q, k, v, scale, prefix=None, mask=None):
    """[B, heads, T, *]. Without `prefix`: plain causal. With it: the first `prefix` tokens are a picture's and mask is (start, stop) of packed
    questions (packed_attention.py)."""
    if prefix is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible(mask[0], prefix), scale=scale)


# What the layers run; training puts compiled versions here.
STEPS = {"vision": vision_block, "heads": heads_of, "dense": dense_mix, "experts": expert_mix, "attend": attend}


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        h = c["hidden_size"]
        nh, dn, dr = c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"]
        dv, dc = c["v_head_dim"], c["kv_lora_rank"]
        self.sizes, self.scale = (nh, dn, dr, dv, dc), (dn + dr) ** -0.5
        self.q_proj = Linear(h, nh * (dn + dr), bias=False)
        self.kv_a_proj_with_mqa = Linear(h, dc + dr, bias=False)
        self.kv_a_layernorm = RMSNorm(dc)
        self.kv_b_proj = Linear(dc, nh * (dn + dv), bias=False)
        self.o_proj = Linear(nh * dv, h, bias=False)


class Mlp(nn.Module):
    def __init__(self, hidden, inter):
        super().__init__()
        self.gate_proj = Linear(hidden, inter, bias=False)
        self.up_proj = Linear(hidden, inter, bias=False)
        self.down_proj = Linear(inter, hidden, bias=False)

    def weights(self):
        return self.gate_proj.weight, self.up_proj.weight, self.down_proj.weight


class Gate(nn.Module):
    def __init__(self, experts, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(experts, hidden) * 0.02)
        self.register_buffer("e_score_correction_bias", torch.zeros(experts))


class Moe(nn.Module):
    def __init__(self, c):
        super().__init__()
        h, mi = c["hidden_size"], c["moe_intermediate_size"]
        self.e, self.k, self.scaling = c["n_routed_experts"], c["num_experts_per_tok"], c["routed_scaling_factor"]
        self.gate = Gate(self.e, h)
        self.w_gate = nn.Parameter(torch.empty(self.e, mi, h))
        self.w_up = nn.Parameter(torch.empty(self.e, mi, h))
        self.w_down = nn.Parameter(torch.empty(self.e, h, mi))
        self.shared_experts = Mlp(h, mi * c["n_shared_experts"])
        self.load = None


class Layer(nn.Module):
    def __init__(self, c, index):
        super().__init__()
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        moe = c["n_routed_experts"] and index >= c["first_k_dense_replace"]
        self.mlp = Moe(c) if moe else Mlp(c["hidden_size"], c["intermediate_size"])

    def heads(self, x, cos, sin):
        """x [B, T, hidden], cos and sin [B * T, nope + rotary] -> q, k, v [B, heads, T, *]"""
        a = self.self_attn
        out = STEPS["heads"](x.flatten(0, 1), cos, sin, a.sizes, self.input_layernorm.weight, a.q_proj.weight, a.kv_a_proj_with_mqa.weight,
                             a.kv_a_layernorm.weight, a.kv_b_proj.weight)
        return (t.unflatten(0, x.shape[:2]).transpose(1, 2) for t in out)

    def mix(self, x, o):
        """x [B, T, hidden], o [B, heads, T, value]: everything behind the attention"""
        m, norm, wo = self.mlp, self.post_attention_layernorm.weight, self.self_attn.o_proj.weight
        flat, o = x.flatten(0, 1), o.transpose(1, 2).reshape(x.shape[0] * x.shape[1], -1)
        if isinstance(m, Moe):
            y, m.load = STEPS["experts"](flat, o, m.k, m.scaling, wo, norm, m.gate.weight, m.gate.e_score_correction_bias, m.w_gate, m.w_up,
                                         m.w_down, *m.shared_experts.weights())
        else:
            y = STEPS["dense"](flat, o, wo, norm, *m.weights())
        return y.view_as(x)

    def forward(self, x, cos, sin, prefix=None, mask=None):
        q, k, v = self.heads(x, cos, sin)
        return self.mix(x, STEPS["attend"](q, k, v, self.self_attn.scale, prefix, mask))


class Language(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Layer(c, i) for i in range(c["num_hidden_layers"]))
        self.model.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.lm_head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)

    def rotary(self, positions, x):
        """positions [T] or [B, T] -> cos and sin for x [B, T, hidden]: [B * T, nope + rotary], 1 and 0 where nothing turns"""
        n = self.c["qk_nope_head_dim"]
        flat = positions.expand(x.shape[:2]).flatten()
        cos, sin = (t.repeat_interleave(2, -1) for t in rope_table(flat, self.c["qk_rope_head_dim"], self.c["rope_theta"]))
        return (F.pad(t, (n, 0), value=v).to(x.dtype) for t, v in ((cos, 1.0), (sin, 0.0)))

    def forward(self, x, positions, prefix=None, mask=None, tap=()):
        cos, sin = self.rotary(positions, x)
        tapped = []
        for i, layer in enumerate(self.model.layers):
            x = layer(x, cos, sin, prefix, mask)
            if i in tap:
                tapped.append(x)
        return self.model.norm(x), tapped


class MiniVL(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.vision = Vision(config["vision_config"])
        self.projector = Projector(config["projector_config"])
        d = config["projector_config"]["n_embed"]
        self.image_newline = nn.Parameter(torch.randn(d) * 0.02)
        self.view_seperator = nn.Parameter(torch.randn(d) * 0.02)
        self.language = Language(config["language_config"])
        self.reset()

    @torch.no_grad()
    def reset(self):
        for name, p in self.named_parameters():
            if p.dim() < 2 or "pos_embed" in name:
                continue
            fan_in = p[0].numel() if p.dim() != 3 else p.shape[-1]
            std = 0.02 if ("embed_tokens" in name or "lm_head" in name or "gate.weight" in name) else fan_in ** -0.5
            if name.endswith(("o_proj.weight", "down_proj.weight", "w_down", "attn.proj.weight", "fc2.weight")):
                std *= 0.4
            nn.init.trunc_normal_(p, std=std, a=-3 * std, b=3 * std)
        for m in self.modules():
            if isinstance(m, (nn.Linear, nn.Conv2d)) and m.bias is not None:
                nn.init.zeros_(m.bias)

    def assemble(self, features, tw, th):
        """features [B, 1 + tw*th, 64, D] (global view first, tiles row by row) -> picture embeddings [B, n, D]"""
        b, n, t, d = features.shape
        h = int(math.isqrt(t))
        nl = self.image_newline.to(features.dtype)
        g = features[:, 0].view(b, h, h, d)
        g = torch.cat((g, nl.expand(b, h, 1, d)), 2).flatten(1, 2)
        loc = features[:, 1:].view(b, th, tw, h, h, d).permute(0, 1, 3, 2, 4, 5).reshape(b, th * h, tw * h, d)
        loc = torch.cat((loc, nl.expand(b, th * h, 1, d)), 2).flatten(1, 2)
        sep = self.view_seperator.to(features.dtype).expand(b, 1, d)
        return torch.cat((g, sep, loc), 1)

    def picture(self, tiles, tw, th):
        """tiles [B, 1 + tw*th, 3, S, S] in -1..1"""
        b, n = tiles.shape[:2]
        f = self.projector(self.vision(tiles.flatten(0, 1)))
        return self.assemble(f.view(b, n, f.shape[1], f.shape[2]), tw, th)

    @torch.no_grad()
    def logits(self, ids, image_token, pictures):
        """Reference: one sequence. ids [T] with `image_token` repeated; pictures is a list of (tiles, tw, th)."""
        x = self.language.model.embed_tokens(ids)[None]
        if pictures:
            emb = torch.cat([self.picture(t[None], tw, th)[0] for t, tw, th in pictures])
            where = ids == image_token
            assert int(where.sum()) == emb.shape[0]
            x[0, where] = emb.to(x.dtype)
        y, _ = self.language(x, torch.arange(ids.numel(), device=ids.device))
        return self.language.lm_head(y)[0].float()


# ----------------------------------------------------------------------------------------------------------- the files
def _is_fp8(name):
    if not name.endswith(".weight"):
        return False
    return any(name.endswith(s + ".weight") for s in (
        "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "q_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj",
        "gate_proj", "up_proj", "down_proj"))


def export_tensors(model):
    out = {}
    flat = {}
    for name, t in model.state_dict().items():
        t = t.detach().float().cpu()
        if ".mlp.w_" in name:
            stem, which = name.rsplit(".w_", 1)
            for e in range(t.shape[0]):
                flat[f"{stem}.experts.{e}.{which}_proj.weight"] = t[e].contiguous()
        else:
            flat[name] = t
    for name, t in flat.items():
        if name.endswith("e_score_correction_bias"):
            out[name] = t
        elif _is_fp8(name):
            q, s = fp8_quantise(t)
            out[name] = q.contiguous()
            out[name + "_scale_inv"] = s.contiguous()
        else:
            out[name] = t.to(torch.bfloat16).contiguous()
    return out


def save_model(model, folder):
    from safetensors.torch import save_file
    os.makedirs(folder, exist_ok=True)
    save_file(export_tensors(model), os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(model.config, f, indent=2)
        f.write("\n")


def load_model(folder, dtype=torch.float32):
    """Reads the files as the engine does: FP8 blocks times their scales, everything computed in `dtype`."""
    from safetensors.torch import load_file
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    raw = load_file(os.path.join(folder, "model.safetensors"))
    state = {}
    for name, t in raw.items():
        if name.endswith("_scale_inv"):
            continue
        s = raw.get(name + "_scale_inv")
        state[name] = fp8_dequantise(t, s) if s is not None else t.float()
    model = MiniVL(config)
    for name in list(model.state_dict()):
        if ".mlp.w_" in name:
            stem, which = name.rsplit(".w_", 1)
            n = config["language_config"]["n_routed_experts"]
            state[name] = torch.stack([state.pop(f"{stem}.experts.{e}.{which}_proj.weight") for e in range(n)])
    model.load_state_dict(state)
    return model.to(dtype).eval()
