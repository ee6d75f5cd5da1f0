# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes variants/: float32 logits of models of models/ under options that no library has: a sliding window, fewer
experts, stopped experts. Plain torch computes them, after it gave each model's own golden logits (plain_torch.py).

variants.json   [{"model", "logits", "window", "maxExperts", "stopped", "share"}]; share 0.2 is `--max-experts auto`
*.f32           little-endian float32 [tokens of the model's golden.json, vocabulary]

Made with torch 2.15.0, safetensors 0.8; run after make_goldens.py: python3 make_variants.py"""
import json
import os

import torch
from safetensors.torch import load_file

import plain_torch

HERE = os.path.dirname(os.path.abspath(__file__))
# A window of 20 ends inside a page of 16 and before YaRN's original 32.
VARIANTS = [("llama", dict(window=20)), ("qwen3-yarn", dict(window=20)), ("deepseek-v3-yarn", dict(window=20)),
            ("deepseek-moe", dict(window=20)), ("deepseek-moe", dict(max_experts=2)),
            ("deepseek-moe", dict(max_experts=1, stopped=[0, 1, 2, 9])), ("deepseek-moe", dict(share=0.2)),
            ("deepseek-v2-group-yarn", dict(max_experts=2, stopped=[3, 7])),
            ("deepseek-v3-yarn", dict(max_experts=2)), ("deepseek-v3-yarn", dict(max_experts=1)),
            ("deepseek-v3-yarn", dict(stopped=[1, 4, 6, 11])), ("deepseek-v3-yarn", dict(share=0.2)),
            # MHA, GQA, latent attention without a query rank, and selected tokens (12 of the 20 in the window).
            ("qwen2", dict(window=20)), ("deepseek-vl2-tiny-text", dict(window=20, max_experts=2, stopped=[5, 8])),
            ("deepseek-v2-greedy", dict(window=20, share=0.2)), ("deepseek-v32", dict(window=20)),
            ("deepseek-v32", dict(max_experts=2)), ("deepseek-v32", dict(stopped=[0, 7, 15])),
            ("deepseek-v32", dict(window=20, share=0.2))]


def read(name):
    folder = os.path.join(HERE, "models", name)
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    with open(os.path.join(folder, "golden.json"), encoding="utf-8") as f:
        ids = json.load(f)["ids"]
    return folder, config, load_file(os.path.join(folder, "model.safetensors")), ids


if __name__ == "__main__":
    print("torch", torch.__version__)
    target = os.path.join(HERE, "variants")
    os.makedirs(target, exist_ok=True)
    table = []
    for name, options in VARIANTS:
        folder, config, state, ids = read(name)
        assert plain_torch.check_against(folder) < 2e-5
        plain_torch.selected_tokens.gap = float("inf")
        logits = plain_torch.forward(config, state, ids, **options)[0]
        assert plain_torch.selected_tokens.gap > 1e-5  # else which token is selected would be arbitrary
        file = "-".join([name] + [f"{key}-{'-'.join(map(str, value)) if isinstance(value, list) else value}"
                                  for key, value in options.items()]).replace("_", "-") + ".f32"
        logits.numpy().astype("<f4").tofile(os.path.join(target, file))
        table.append({"model": name, "logits": file, "window": options.get("window", 0),
                      "maxExperts": options.get("max_experts", 0), "stopped": options.get("stopped", []),
                      "share": options.get("share", 0.0)})
        own = plain_torch.forward(config, state, ids)[0]
        print(f"{file}: {plain_torch.relative_error(logits, own):.3f} from the model's own logits")
    with open(os.path.join(target, "variants.json"), "w", encoding="utf-8") as f:
        json.dump(table, f, indent=1)
        f.write("\n")
