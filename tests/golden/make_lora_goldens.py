# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes adapters/NAME: random LoRA adapters of tiny models of models/, saved by PEFT, and the float32 logits PEFT gives
with the adapter beside the weights (not merged). golden.json names the base.

Made with torch 2.15.0, transformers 5.23.0, peft 0.21.2; run after make_goldens.py: python3 make_lora_goldens.py"""
import json
import os
import shutil

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from make_goldens import HERE, ids_for


def adapter(name, base, seed, **config):
    model = AutoModelForCausalLM.from_pretrained(os.path.join(HERE, "models", base), dtype=torch.float32,
                                                 attn_implementation="eager")
    ids = ids_for(seed)
    with torch.no_grad():
        before = model(torch.tensor([ids])).logits[0]
    model = get_peft_model(model, LoraConfig(lora_dropout=0.0, bias="none", **config)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, parameter in sorted(model.named_parameters()):
            if "magnitude" in key:
                parameter *= 1 + 0.3 * torch.randn(parameter.shape, generator=generator)
            elif "modules_to_save" in key:
                parameter += torch.randn(parameter.shape, generator=generator) * 0.1
            elif "lora_" in key:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * (0.5 / parameter.shape[-1] ** 0.5))
        logits = model(torch.tensor([ids])).logits[0]
    folder = os.path.join(HERE, "adapters", name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    with open(os.path.join(folder, "adapter_config.json"), encoding="utf-8") as f:
        saved = json.load(f)
    saved["base_model_name_or_path"] = base
    with open(os.path.join(folder, "adapter_config.json"), "w", encoding="utf-8") as f:
        json.dump(saved, f, indent=1, sort_keys=True)
        f.write("\n")
    logits.numpy().astype("<f4").tofile(os.path.join(folder, "logits.f32"))
    with open(os.path.join(folder, "golden.json"), "w", encoding="utf-8") as f:
        json.dump({"base": base, "ids": ids, "vocabulary": logits.shape[-1]}, f)
        f.write("\n")
    change = float((logits - before).abs().max() / before.abs().max())
    print(f"{name}: {sum(os.path.getsize(os.path.join(folder, x)) for x in os.listdir(folder)) // 1024} KB, change {change:.2f}")


if __name__ == "__main__":
    adapter("llama-lora", "llama", 51, r=4, lora_alpha=8,
            target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
    adapter("qwen2-rslora", "qwen2", 52, r=8, lora_alpha=16, use_rslora=True, target_modules=["q_proj", "v_proj"],
            rank_pattern={"layers.1.self_attn.q_proj": 2}, alpha_pattern={"layers.2.self_attn.v_proj": 3})
    adapter("deepseek-v3-lora", "deepseek-v3-yarn", 53, r=3, lora_alpha=6,
            target_modules=["q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj", "o_proj"])
    adapter("llama-dora", "llama", 54, r=4, lora_alpha=8, use_dora=True, target_modules=["q_proj", "k_proj", "down_proj"])
    adapter("llama-embeddings", "llama", 55, r=4, lora_alpha=8, target_modules=["embed_tokens", "lm_head", "v_proj"])
    adapter("llama-tied-embeddings", "llama-tied-linear", 56, r=4, lora_alpha=8, target_modules=["embed_tokens", "o_proj"])
    adapter("llama-tied-head", "llama-tied-linear", 57, r=4, lora_alpha=8, target_modules=["lm_head"])
    adapter("qwen2-saved", "qwen2", 58, r=2, lora_alpha=4, target_modules=["q_proj"], modules_to_save=["lm_head", "input_layernorm", "k_proj"])
