# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Ten steps of the whole data path on the CPU: scenes, questions, paint, dense labels, training, export, reload, reply.

    python3 test_recipe.py        (says so and leaves with 0 where PyTorch or tokenizers is missing)
"""
import argparse
import os
import random
import sys
import tempfile

try:
    import numpy as np
    import torch
    from PIL import Image
    from tokenizers import Tokenizer
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(0)

import data as D
import scenes as S
from evaluate import answers
from model import fp8_dequantise, fp8_quantise, load_model, save_model
from preprocess import best_resolution, picture_tiles, token_count
from train import Trainer

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(HERE, "..", "mini-vl", "tokenizer.json")


def fake_atlas(path):
    """One face of boxes: the path is tested here, not the letters."""
    yy, xx = np.mgrid[-1.25:1.25:64j, -1.25:1.25:64j]
    d = np.maximum(np.abs(xx) - 0.6, np.abs(yy) - 1.0)
    t = np.clip(d * 254, -127, 127).astype(np.int8)
    np.savez(path, tables=np.tile(t, (1, 62, 1, 1)), metrics=np.tile(np.float32([0.6, 0.3, -0.35, 0.35]), (1, 62, 1)), fonts=np.array(["box"]))


def main():
    torch.set_num_threads(1)
    torch.manual_seed(3)
    w = torch.randn(200, 300)
    q, s = fp8_quantise(w)
    assert q.shape == (200, 300) and s.shape == (2, 3)
    assert float((fp8_dequantise(q, s) - w).abs().max()) < 0.07 * float(w.abs().max())
    assert best_resolution(1024, 768, S.CANDIDATES) == (448, 448) and best_resolution(64, 64, S.CANDIDATES) == (224, 224)
    tiles, tw, th = picture_tiles(Image.new("RGB", (1024, 768)), S.CANDIDATES)
    assert tiles.shape == (5, 224, 224, 3) and token_count(tw, th) == 345
    with tempfile.TemporaryDirectory() as tmp:
        atlas = os.path.join(tmp, "glyphs.npz")
        fake_atlas(atlas)
        a = argparse.Namespace(tokenizer=TOKENIZER, glyphs=atlas, resume="", begin=0.0, compile=0, graphs=0)
        tr = Trainer(a, torch.device("cpu"), 0, 1)
        tr.both.train()
        rng = random.Random(5)
        b = D.make_batch(rng, tr.enc, tr.glyphs, (1, 1), 2, 0.5, "eval", chunks=2)
        assert len(b["kinds"]) >= 8 and len(b["where"]) == len(b["target"])
        at = 0
        for i, q, ans, kind in b["questions"]:
            n = int(b["lens"][at])
            at += 1
            assert n >= 2, (q, ans, kind)
        losses = []
        for _ in range(10):
            x = tr.inputs(b)
            assert torch.isfinite(x["tiles"]).all() and x["tiles"].abs().max() <= 1.01
            tr.acc.zero_()
            tr.step(x, b["layout"], 0.3)
            tr.balance(0.1)
            losses.append(float(tr.acc[0]))
        print("loss", " ".join(f"{v:.2f}" for v in losses))
        assert all(np.isfinite(losses)) and losses[-1] < losses[0] - 0.5, losses
        folder = os.path.join(tmp, "model")
        save_model(tr.model.float(), folder)
        assert os.path.getsize(os.path.join(folder, "model.safetensors")) < 10_000_000
        model = load_model(folder)
        tok = Tokenizer.from_file(TOKENIZER)
        out = answers(model, tok, Image.new("RGB", (100, 80), (255, 255, 255)), ["How many circles are there?"], limit=4)
        assert len(out) == 1
    print("ten steps, export and reply: ok")


if __name__ == "__main__":
    main()
