# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Holds `diptych-cli score` against PyTorch at VL2's full widths: the whole SigLIP tower (27 layers of 1152), tiles of
384, the projector, and the first layers of the text part, or all of them, with all experts of the released sizes.

The tower is transformers' SiglipVisionModel, the text part plain_torch.py, projector and layout as in
make_vision_goldens.py. Weights are random (seeded), bf16 in the file, widened to float32 on both sides. Layer by layer
they are drawn, used for the reference and written, so that PyTorch never holds more than one in float32. Nothing is
stored: the folder (2 to 5 GB with two layers; 7, 32 and 55 GB with all) is removed. Made with torch 2.15.0 and
transformers 5.23.0; at full depth with torch 2.11.0 and transformers 5.17.0 on a card.

    check_full_vision.py tiny|small|base DIPTYCH_CLI WORK_FOLDER [--layers N|full] [--size WIDTH HEIGHT] [--device cuda]
                         [--precisions exact,native]"""
import argparse
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers import SiglipVisionConfig, SiglipVisionModel

import plain_torch
from make_goldens import timm_names
from make_pillow import draw, tiles

HERE = os.path.dirname(os.path.abspath(__file__))
MINI_VL = os.path.join(HERE, "..", "..", "resources", "models", "mini-vl")
WIDTH, SIDE, GRID = 1152, 384, 27
CANDIDATES = [[384, 384], [384, 768], [768, 384], [384, 1152], [1152, 384], [384, 1536], [1536, 384], [768, 768],
              [384, 1920], [1920, 384], [384, 2304], [2304, 384], [768, 1152], [1152, 768], [384, 2688], [2688, 384],
              [384, 3072], [3072, 384], [768, 1536], [1536, 768], [384, 3456], [3456, 384], [1152, 1152]]
PLAIN = dict(scoring_func="softmax", topk_method="greedy", norm_topk_prob=False, routed_scaling_factor=1.0)
MLA = dict(kv_lora_rank=512, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128)
TEXT = {
    "tiny": dict(num_hidden_layers=12, hidden_size=1280, num_attention_heads=10, vocab_size=129280, intermediate_size=6848, n_routed_experts=64,
                 moe_intermediate_size=896, use_mla=False, kv_lora_rank=None, qk_nope_head_dim=0, qk_rope_head_dim=0,
                 v_head_dim=0, **PLAIN),
    "small": dict(num_hidden_layers=27, hidden_size=2048, num_attention_heads=16, vocab_size=102400, intermediate_size=10944,
                  n_routed_experts=64, moe_intermediate_size=1408, **MLA, **PLAIN),
    "base": dict(num_hidden_layers=30, hidden_size=2560, num_attention_heads=32, vocab_size=129280, intermediate_size=12288,
                 n_routed_experts=72, moe_intermediate_size=1536, **MLA, scoring_func="sigmoid", topk_method="noaux_tc",
                 n_group=1, topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.0)}


def shapes_of_layer(text, index):
    hidden, heads = text["hidden_size"], text["num_attention_heads"]
    width, experts = text["moe_intermediate_size"], text["n_routed_experts"]
    b = f"model.layers.{index}."
    yield b + "input_layernorm.weight", (hidden,)
    yield b + "post_attention_layernorm.weight", (hidden,)
    if text["kv_lora_rank"]:
        yield b + "self_attn.q_proj.weight", (heads * 192, hidden)
        yield b + "self_attn.kv_a_proj_with_mqa.weight", (576, hidden)
        yield b + "self_attn.kv_a_layernorm.weight", (512,)
        yield b + "self_attn.kv_b_proj.weight", (heads * 256, 512)
        yield b + "self_attn.o_proj.weight", (hidden, heads * 128)
    else:
        for name in "qkvo":
            yield f"{b}self_attn.{name}_proj.weight", (hidden, hidden)
    forwards = {"mlp.": text["intermediate_size"]}
    if index > 0:
        yield b + "mlp.gate.weight", (experts, hidden)
        if text["topk_method"] == "noaux_tc":
            yield b + "mlp.gate.e_score_correction_bias", (experts,)
        forwards = {f"mlp.experts.{e}.": width for e in range(experts)}
        forwards["mlp.shared_experts."] = 2 * width
    for name, inner in forwards.items():
        yield f"{b}{name}gate_proj.weight", (inner, hidden)
        yield f"{b}{name}up_proj.weight", (inner, hidden)
        yield f"{b}{name}down_proj.weight", (hidden, inner)


def random_tensor(name, shape, generator):
    noise = torch.randn(shape, generator=generator, device=generator.device)
    if "norm" in name and name.endswith("weight"):
        noise = 1 + 0.2 * noise
    elif name.endswith("bias"):
        noise = 0.1 * noise
    elif len(shape) > 1 and "embed" not in name:
        noise *= 1.2 * noise[0].numel() ** -0.5
    return noise.float() if name.endswith("correction_bias") else noise.bfloat16()


def tower_of(generator):
    """The tower in float32 with weights that bf16 holds exactly, and its tensors by the released names."""
    tower = SiglipVisionModel(SiglipVisionConfig(
        hidden_size=WIDTH, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16, image_size=SIDE,
        patch_size=14, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6,
        vision_use_head=False, attn_implementation="eager")).eval().to(generator.device)
    for name, parameter in sorted(tower.named_parameters()):
        parameter.copy_(random_tensor(name.replace("layer_norm", "norm").replace("layernorm", "norm"), parameter.shape,
                                      generator).float())
    return tower, {key: value.detach().bfloat16() for key, value in timm_names(tower).items()}


def picture_rows(tower, state, image):
    """[picture tokens, hidden] by tower, projector and layout."""
    wide, high, data = tiles(image, 1, CANDIDATES)
    pixels = torch.from_numpy(np.frombuffer(data, np.uint8).reshape(-1, SIDE, SIDE, 3).copy()).permute(0, 3, 1, 2)
    pixels = pixels.to(state["image_newline"].device)
    seen = torch.cat([tower((tile[None].float() / 255 - 0.5) / 0.5).last_hidden_state for tile in pixels])
    grid = F.pad(seen.reshape(-1, GRID, GRID, WIDTH).permute(0, 3, 1, 2), (0, 1, 0, 1))
    squares = F.unfold(grid, 2, stride=2).transpose(1, 2)
    s = {key: value.float() for key, value in state.items()
         if key.startswith(("projector", "image_newline", "view_seperator"))}
    squares = F.gelu(squares @ s["projector.layers.0.weight"].T + s["projector.layers.0.bias"])
    squares = squares @ s["projector.layers.2.weight"].T + s["projector.layers.2.bias"]
    side, hidden, newline = (GRID + 1) // 2, squares.shape[-1], s["image_newline"][None]
    rows = [torch.cat([row, newline]) for row in squares[0].reshape(side, side, hidden)]
    rows.append(s["view_seperator"][None])
    local = squares[1:].reshape(high, wide, side, side, hidden).permute(0, 2, 1, 3, 4)
    rows += [torch.cat([row, newline]) for row in local.reshape(high * side, wide * side, hidden)]
    return torch.cat(rows)


class Folder:
    """A model written shard by shard."""

    def __init__(self, path, config):
        os.makedirs(path, exist_ok=True)
        self.path, self.shards, self.writing = path, {}, []
        self.pool = concurrent.futures.ThreadPoolExecutor(4)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(os.path.join(MINI_VL, file), path)
        with open(os.path.join(MINI_VL, "processor_config.json"), encoding="utf-8") as f:
            processor = {**json.load(f), "candidate_resolutions": CANDIDATES}
        picture = dict(model_type="deepseek_vl_v2", tile_tag="2D", global_view_pos="head",
                       candidate_resolutions=CANDIDATES, torch_dtype="bfloat16", language_config=config,
                       vision_config=dict(model_type="vision", width=WIDTH, layers=27, heads=16, patch_size=14,
                                          image_size=SIDE, mlp_ratio=3.7362, model_name="siglip_so400m_patch14_384"),
                       projector_config=dict(model_type="mlp_projector", projector_type="downsample_mlp_gelu",
                                             input_dim=WIDTH, n_embed=config["hidden_size"], depth=2, downsample_ratio=2))
        self.json("config.json", picture)
        self.json("processor_config.json", processor)

    def json(self, file, content):
        with open(os.path.join(self.path, file), "w", encoding="utf-8") as f:
            json.dump(content, f, indent=1)

    def add(self, state):
        file = f"model-{len(self.writing) + 1:05d}.safetensors"
        self.shards.update(dict.fromkeys(state, file))
        while sum(not job.done() for job in self.writing) > 4:  # no more in memory than that
            time.sleep(0.01)
        state = {key: value.cpu().contiguous() for key, value in state.items()}
        self.writing.append(self.pool.submit(save_file, state, os.path.join(self.path, file)))

    def finish(self):
        for job in self.writing:
            job.result()
        self.json("model.safetensors.index.json", {"metadata": {}, "weight_map": self.shards})
        return sum(os.path.getsize(os.path.join(self.path, file)) for file in os.listdir(self.path))


def reference(name, config, folder, image, generator):
    """Writes the model's weights and returns what PyTorch makes of picture and text: ids, logits, how close the choice
    of experts was at each token, relative to the score of the last one chosen."""
    text = TEXT[name]

    def drawn(shapes, prefix="language."):
        made = {key: random_tensor(key, shape, generator) for key, shape in shapes}
        folder.add({prefix + key: value for key, value in made.items()})
        return {key: value.float() for key, value in made.items()}

    hidden = text["hidden_size"]
    tower, tensors = tower_of(generator)
    folder.add(tensors)
    projector = drawn((("projector.layers.0.weight", (hidden, 4 * WIDTH)), ("projector.layers.0.bias", (hidden,)),
                       ("projector.layers.2.weight", (hidden,) * 2), ("projector.layers.2.bias", (hidden,)),
                       ("image_newline", (hidden,)), ("view_seperator", (hidden,))), "")
    rows = picture_rows(tower, projector, image)
    del tower, tensors, projector
    with open(os.path.join(MINI_VL, "tokenizer.json"), encoding="utf-8") as f:
        image_id = next(token["id"] for token in json.load(f)["added_tokens"] if token["content"] == "<image>")
    before, behind = [3, 500, 501], [502, 600, 601, 602, 603, 700, 701, 702]
    ids = before + [image_id] * len(rows) + behind

    if text["topk_method"] == "noaux_tc":
        config = {**config, "model_type": "deepseek_v3"}  # V3's routing: weights are normalised
    closest = torch.full((len(ids),), float("inf"))
    choose = plain_torch.route

    def route(config, state, prefix, x, **options):
        scores = x @ state[f"{prefix}.gate.weight"].T
        bias = state.get(f"{prefix}.gate.e_score_correction_bias")
        scores = scores.softmax(-1) if bias is None else scores.sigmoid() + bias
        best = scores.topk(config["num_experts_per_tok"] + 1, -1).values
        closest.copy_(closest.minimum((best[:, -2] - best[:, -1]) / best[:, -2].abs()))
        return choose(config, state, prefix, x, **options)

    plain_torch.route = route
    table = drawn([("model.embed_tokens.weight", (text["vocab_size"], hidden))])["model.embed_tokens.weight"]
    x = torch.cat([table[torch.tensor(before)], rows, table[torch.tensor(behind)]])
    del table
    positions, visible = torch.arange(len(ids)), plain_torch.visible_tokens(len(ids), 0)
    for index in range(config["num_hidden_layers"]):
        x = plain_torch.layer(config, drawn(shapes_of_layer(text, index)), f"model.layers.{index}", x, positions, visible)
    last = drawn([("model.norm.weight", (hidden,)), ("lm_head.weight", (text["vocab_size"], hidden))])
    logits = plain_torch.rms_norm(x, last["model.norm.weight"], config["rms_norm_eps"]) @ last["lm_head.weight"].T
    plain_torch.route = choose
    return ids, len(rows), logits, closest


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=TEXT)
    parser.add_argument("cli")
    parser.add_argument("work")
    parser.add_argument("--layers", default="2")
    parser.add_argument("--size", type=int, nargs=2, default=(700, 380))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precisions", default="exact,native")
    asked = parser.parse_args()
    text = dict(TEXT[asked.model])
    if asked.layers != "full":
        text["num_hidden_layers"] = int(asked.layers)
    layers = text["num_hidden_layers"]
    torch.set_grad_enabled(False)
    torch.set_default_device(asked.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    generator = torch.Generator(asked.device).manual_seed(71)
    config = dict(architectures=["DeepseekV2ForCausalLM"], model_type="deepseek_v2",
                  num_key_value_heads=text["num_attention_heads"], n_shared_experts=2, num_experts_per_tok=6,
                  first_k_dense_replace=1, q_lora_rank=None, rms_norm_eps=1e-6, rope_theta=10000.0, rope_scaling=None,
                  torch_dtype="bfloat16", max_position_embeddings=4096, tie_word_embeddings=False, **text)
    path = os.path.join(asked.work, "vl2-" + asked.model)
    begin = time.time()
    folder = Folder(path, config)
    image = draw(*asked.size, 5)
    image.save(os.path.join(asked.work, "picture.png"))
    ids, picture_tokens, wanted, closest = reference(asked.model, config, folder, image, generator)
    size = folder.finish()
    print(f"vl2-{asked.model}: {size / 1e9:.1f} GB written, reference on {asked.device}, torch {torch.__version__}, "
          f"{time.time() - begin:.0f} s; closest choice of experts {float(closest.min()):.1e}", flush=True)

    tokens, out = os.path.join(asked.work, "ids.txt"), os.path.join(asked.work, "logits.f32")
    with open(tokens, "w", encoding="utf-8") as f:
        f.write(" ".join(map(str, ids)))
    failed = False
    for precision in asked.precisions.split(","):
        begin = time.time()
        subprocess.run([asked.cli, "score", "-m", path, "-i", os.path.join(asked.work, "picture.png"), "--tokens", tokens,
                        "--out", out, "--precision", precision], check=True)
        found = torch.from_numpy(np.fromfile(out, "<f4")).reshape(len(ids), -1).to(asked.device)
        errors = (found - wanted).abs().amax(-1) / wanted.abs().amax(-1)
        top = wanted.topk(2, -1)
        clear = (top.values[:, 0] - top.values[:, 1]) / wanted.abs().amax(-1) > 1e-3  # ten times the bar of 1e-4
        same = found.argmax(-1) == top.indices[:, 0]
        worst = float(errors.max())
        print(f"vl2-{asked.model}, {layers} text layers, {asked.size[0]}x{asked.size[1]}, {picture_tokens} picture tokens, "
              f"{precision}: relative error {worst:.1e} (median {float(errors.median()):.1e}), best token the same at "
              f"{int(same.sum())} of {len(ids)} places, at {int((same & clear).sum())} of {int(clear.sum())} clear ones, "
              f"{time.time() - begin:.0f} s", flush=True)
        failed |= precision == "exact" and (worst > 1e-4 or bool((clear & ~same).any()))
    shutil.rmtree(path)
    return failed


if __name__ == "__main__":
    sys.exit(main())
