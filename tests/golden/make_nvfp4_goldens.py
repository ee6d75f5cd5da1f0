# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes gguf/deepseek-v3-nvfp4.gguf: a tiny DeepSeek V3 whose matrices are NVFP4 blocks with a scale over each whole
matrix (of each expert) beside them, as llama.cpp's converter writes them, and models/deepseek-v3-nvfp4: transformers'
float32 logits for what the blocks stand for by the format's definition (architectures.md 6.3), computed here by numpy.

Made with gguf 0.19.0, numpy 2.4.6, torch 2.15.0, transformers 5.23.0; run: python3 make_nvfp4_goldens.py"""
import json
import os

import numpy as np
import torch
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from make_goldens import HERE, MLA, PLAIN, config_of, experts_apart, ids_for, randomise, state_of
from make_gguf_goldens import deepseek

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)


def blocks(random, out, columns):
    """Random blocks of 64: four scales (unsigned E4M3, bias 7), 32 bytes: low nibbles are a sub-block's first eight."""
    codes = random.integers(0, 16, (out, columns // 64, 4, 2, 8), dtype=np.uint8)
    scales = random.integers(0x20, 0x48, (out, columns // 64, 4), dtype=np.uint8)
    raw = np.concatenate([scales, (codes[:, :, :, 0] | codes[:, :, :, 1] << 4).reshape(out, -1, 32)], -1).reshape(out, -1)
    wide = 2.0 ** ((scales >> 3).astype(np.float32) - 7) * (1 + (scales & 7).astype(np.float32) / 8)
    values = (E2M1[codes].reshape(out, -1, 4, 16) * wide[..., None]).reshape(out, columns)
    whole = np.array([1.6 / columns ** 0.5 / values.std() * random.uniform(0.5, 1.5)], np.float32)
    return (raw, whole), values * whole[0]


def main():
    settings = {**MLA, "hidden_size": 64, "intermediate_size": 128, "moe_intermediate_size": 64, "num_hidden_layers": 2,
                "kv_lora_rank": 64, "qk_nope_head_dim": 12, "v_head_dim": 16, "n_routed_experts": 4, "num_experts_per_tok": 2}
    config = DeepseekV3Config(**settings, n_group=1, topk_group=1, routed_scaling_factor=2.5, norm_topk_prob=True,
                              attn_implementation="eager", rope_parameters=PLAIN)
    model = randomise(DeepseekV3ForCausalLM(config), 23)
    random = np.random.default_rng(23)
    state, whole = {}, {}
    for name, value in experts_apart(state_of(model)).items():
        if value.dim() == 2 and "embed" not in name and not name.endswith("mlp.gate.weight"):
            state[name], numbers = blocks(random, *value.shape)
            whole[name] = torch.from_numpy(numbers)
        else:
            state[name], whole[name] = value.numpy(), value
    with torch.no_grad():  # fused experts: filled in place
        target = model.state_dict()
        for name, value in target.items():
            prefix = name[:name.rfind(".") + 1]
            if name.endswith("experts.gate_up_proj"):
                for expert in range(len(value)):
                    value[expert] = torch.cat([whole.pop(f"{prefix}{expert}.{part}_proj.weight") for part in ("gate", "up")])
            elif name.endswith("experts.down_proj"):
                for expert in range(len(value)):
                    value[expert] = whole.pop(f"{prefix}{expert}.down_proj.weight")
            else:
                value.copy_(whole.pop(name))
        assert not whole, whole.keys()
        ids = ids_for(23)
        logits = model(torch.tensor([ids])).logits[0]
    deepseek("whole", "deepseek-v3-nvfp4", model=(config_of(model, "DeepseekV3ForCausalLM"), state))
    folder = os.path.join(HERE, "models", "deepseek-v3-nvfp4")
    os.makedirs(folder, exist_ok=True)
    logits.numpy().astype("<f4").tofile(os.path.join(folder, "logits.f32"))
    with open(os.path.join(folder, "golden.json"), "w", encoding="utf-8") as f:
        json.dump({"ids": ids, "vocabulary": logits.shape[-1]}, f)
        f.write("\n")
    top = logits.topk(2, -1).values
    print(f"logits std {logits.std():.2f}, least gap {float((top[:, 0] - top[:, 1]).min()):.4f}")


if __name__ == "__main__":
    main()
