# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Computes what transformers makes of a GGUF file: its weights dequantised to float32, logits after a few prompts and
the greedy continuation. For tst_gguf_reference, which runs when DIPTYCH_GGUF_GOLDEN names the folder written here;
nothing of it is kept in the tree.

Made with torch 2.15.0, transformers 5.23.0, gguf 0.19, accelerate 1.15; run: python3 make_gguf_reference.py MODEL.gguf FOLDER"""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = ["The capital of France is", "Once upon a time, there was a little",
           "def fibonacci(n):\n    if n <= 1:\n        return n\n    return",
           "<|im_start|>user\nWhat is the colour of a ripe banana?<|im_end|>\n<|im_start|>assistant\n"]


def main():
    path, out = os.path.abspath(sys.argv[1]), sys.argv[2]
    folder, name = os.path.split(path)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    os.makedirs(out, exist_ok=True)
    cases, rows = [], []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
            everything = model.generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False,
                                        eos_token_id=[], pad_token_id=0, repetition_penalty=1.0)[0].tolist()
        reply = everything[len(ids):]
        cases.append({"prompt": prompt, "ids": ids, "reply_ids": reply, "reply": tokenizer.decode(reply)})
        rows.append(logits[-1].to(torch.float32))
        print(repr(prompt), "->", repr(cases[-1]["reply"]))
    torch.stack(rows).numpy().astype("<f4").tofile(os.path.join(out, "logits.f32"))
    with open(os.path.join(out, "golden.json"), "w", encoding="utf-8") as f:
        json.dump({"gguf": path, "vocabulary": rows[0].shape[0], "cases": cases}, f, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main()
