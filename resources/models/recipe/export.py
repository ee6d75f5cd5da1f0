# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""python3 export.py CHECKPOINT_FOLDER MODEL_FOLDER: checkpoint shards -> config.json and model.safetensors (FP8 and bf16)."""
import os
import sys

import torch
from tokenizers import Tokenizer

from model import MiniVL, make_config, save_model


def main():
    state = {}
    for f in sorted(os.listdir(sys.argv[1])):
        if f.startswith("ckpt.") and f.endswith(".pt"):
            state.update(torch.load(os.path.join(sys.argv[1], f), map_location="cpu"))
    tok = Tokenizer.from_file(os.path.join(sys.argv[2], "tokenizer.json"))
    n = tok.get_vocab_size()
    model = MiniVL(make_config(n + (-n % 64)))
    model.load_state_dict({k[6:]: v.float() for k, v in state.items() if k.startswith("model.")})
    save_model(model, sys.argv[2])
    os.chmod(os.path.join(sys.argv[2], "model.safetensors"), 0o644)


if __name__ == "__main__":
    main()
