# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""The generator's own pictures and questions as a suite for `diptych-cli eval` and evaluate.py.

    python3 dump_suite.py TOKENIZER.json GLYPHS.npz OUT_FOLDER --mode eval|pairs|forms|fonts|bad --questions 900 [--each 300]
"""
import argparse
import json
import os
import random

import torch
from PIL import Image
from tokenizers import Tokenizer

import data as D
import scenes as S
from glyphs import Glyphs
from render import TILE, Painter, contain


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("tokenizer")
    ap.add_argument("glyphs")
    ap.add_argument("out")
    ap.add_argument("--mode", default="eval")
    ap.add_argument("--questions", type=int, default=900)
    ap.add_argument("--each", type=int, default=1 << 30, help="at most this many of a kind")
    ap.add_argument("--seed", type=int, default=77)
    a = ap.parse_args()
    rng, gen = random.Random(a.seed), torch.Generator().manual_seed(a.seed)
    glyphs = Glyphs(a.glyphs)
    enc, painter = D.Encoder(Tokenizer.from_file(a.tokenizer)), Painter(glyphs, torch.device("cpu"))
    os.makedirs(os.path.join(a.out, "pictures"), exist_ok=True)
    count, pictures = {}, 0
    with open(os.path.join(a.out, "suite.jsonl"), "w", encoding="utf-8") as f:
        while sum(count.values()) < a.questions:
            layout = rng.choices(S.LAYOUTS, S.LAYOUT_SHARE)[0]
            b = D.make_batch(rng, enc, glyphs, layout, 8, 1.0, a.mode)
            for c in b["chunks"]:
                w, h = c["w"], c["h"]
                cw, ch = contain(w, h, TILE * layout[0], TILE * layout[1])
                size = (w, h) if w <= cw else (cw, ch)
                slots, ground = (torch.from_numpy(b[k][c["at"]:c["to"]]) for k in ("slots", "ground"))
                images = (painter.chunk(slots, ground, c, *size, gen) * 255).round().byte().permute(0, 2, 3, 1).numpy()
                for i in range(c["at"], c["to"]):
                    rows = []
                    for j, q, answer, kind in b["questions"]:
                        free = kind in ("unknown", "ground") and a.mode == "forms"      # these have no held-out forms
                        if j != i or kind == "ground" or free or count.get(kind, 0) >= a.each:
                            continue
                        count[kind] = count.get(kind, 0) + 1
                        rows.append({"image": f"pictures/g{pictures:04d}.png", "question": q, "answer": answer, "accept": [answer], "kind": kind})
                    if rows:
                        Image.fromarray(images[i - c["at"]]).save(os.path.join(a.out, rows[0]["image"]))
                        pictures += 1
                        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    print(pictures, "pictures", count)


if __name__ == "__main__":
    main()
