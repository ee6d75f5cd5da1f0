# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy answers of an exported model to the generator's questions, new seeds: accuracy per kind and per held-out cell.

    python3 measure.py MODEL_FOLDER GLYPHS.npz OUT.json [--modes eval,pairs,forms,fonts,swapped] [--batches 16]

An answer counts when it ended and names exactly the wanted values (answer_values.py); beside it stands how many are the canonical
sentence to the last token. `swapped` puts another picture in place of the right one: what is left is guessing. `bad` asks about crowds of shapes, and questions of
hundreds of tokens: right is only that it can't tell.
"""
import argparse
import json
import os
import random
import re

import numpy as np
import torch
from tokenizers import Tokenizer

import data as D
import scenes as S
from answer_values import is_right
from evaluate import wilson
from glyphs import Glyphs
from model import STEPS, load_model
from render import Painter

SEED = 9_000_000
BOX = re.compile(r"\[\[(\d+), (\d+), (\d+), (\d+)\]\]")


def overlap(a, b):
    """Intersection over union of two written boxes; 0 if one is missing."""
    a, b = ([int(v) for v in m.groups()] if (m := BOX.search(t)) else None for t in (a, b))
    if not a or not b:
        return 0.0
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(0, w) * max(0, h)
    return both / max(1, (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def right(kind, want, got):
    if kind == "ground":
        return overlap(want, got) >= 0.5
    if kind == "describe":
        text = re.search(r"(?:the text |文字)([A-Za-z0-9]+)", want)
        return is_right(got, [want], "description") and (not text or re.search(rf"(?:the text |文字){text.group(1)}\b", got) is not None)
    return is_right(got, [want], "text" if kind == "text" else "value")


class Answerer:
    """Answers the packed questions of a batch: slots see the picture and themselves only, so all questions of all pictures go on
    together, a token a pass."""

    def __init__(self, folder, glyphs, device):
        self.device = torch.device(device)
        self.dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.model = load_model(folder, self.dtype).to(self.device)
        self.tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.enc = D.Encoder(self.tok)
        self.painter = Painter(glyphs, self.device)
        if self.device.type == "cuda":
            from packed_attention import MIXED, packed_attend
            STEPS["attend"] = packed_attend(MIXED)

    @torch.no_grad()
    def __call__(self, b, gen, swap=False):
        """-> [(text, its tokens, canonical tokens)] in the order of b["questions"]"""
        tw, th = b["layout"]
        tiles, _ = self.painter.batch(b, gen)
        tiles = (tiles.roll(1, 0) if swap else tiles).to(self.dtype)
        lang, m = self.model.language, self.model
        n = tiles.shape[0]
        emb = lang.model.embed_tokens
        prefix = emb(torch.tensor(self.enc.prefix, device=self.device))[None].expand(n, -1, -1)
        head = torch.cat((prefix, m.picture(tiles, tw, th)), 1)
        p = head.shape[1]
        qlen = b["ids"].shape[1]
        start, stop = (torch.from_numpy(np.concatenate((np.full((n, p), edge, np.int32), p + b[k].astype(np.int32)), 1)).to(self.device)
                       for k, edge in (("begin", 0), ("stop", p + qlen)))
        t = torch.arange(p + qlen, device=self.device)
        pos = torch.where(t < p, t, p + t - start)
        ids = b["ids"].astype(np.int64)
        at, wants, k = [], [], 0
        for length in b["lens"]:
            at.append(int(b["where"][k]))
            wants.append(b["target"][k:k + length].tolist())
            k += length
        for a, w in zip(at, wants):                 # the canonical answers are taken out of what the model reads
            i, c = divmod(a, qlen)
            ids[i, c + 1:c + len(w)] = 2
        got = [[] for _ in at]
        live = list(range(len(at)))
        ids = torch.from_numpy(ids).to(self.device)
        while live:
            h, _ = lang(torch.cat((head, emb(ids)), 1), pos, p, (start, stop))
            where = torch.tensor([at[j] + len(got[j]) for j in live], device=self.device)
            nxt = lang.lm_head(h[:, p:].reshape(-1, h.shape[-1])[where]).argmax(-1)
            for j, t in zip(list(live), nxt.tolist()):
                got[j].append(t)
                i, c = divmod(at[j], qlen)
                if t == self.enc.eos or c + len(got[j]) >= b["stop"][i, c]:
                    live.remove(j)
                else:
                    ids[i, c + len(got[j])] = t
        return [(self.tok.decode([t for t in g if t != self.enc.eos], skip_special_tokens=False) if g[-1] == self.enc.eos else "", g, w)
                for g, w in zip(got, wants)]


def measure(answerer, glyphs, mode, batches, tiles, say=print):
    rng = random.Random(SEED + 131 * ("eval", "pairs", "forms", "fonts", "swapped", "bad").index(mode))
    gen = torch.Generator(device=answerer.device).manual_seed(rng.randrange(1 << 30))
    cell, ious, wrong = {}, [], []
    for _ in range(batches):
        layout = S.draw_layout(rng, 1.0)
        size = max(8, tiles // (1 + layout[0] * layout[1]) // 8 * 8)
        b = D.make_batch(rng, answerer.enc, glyphs, layout, size, 1.0, "eval" if mode == "swapped" else mode)
        for (i, q, a, kind), (text, got, want) in zip(b["questions"], answerer(b, gen, mode == "swapped")):
            ok = right(kind, a, text)
            yesno = kind if kind != "relation" and kind != "size" or a not in ("Yes.", "No.", "是的。", "不是。") else kind + " yes/no"
            for key in {kind, yesno, "all" if kind != "ground" else "ground", "zh" if re.search("[一-龥]", a) else "en"}:
                c = cell.setdefault(key, [0, 0, 0])
                c[0] += ok
                c[1] += got == want
                c[2] += 1
            if kind == "ground":
                ious.append(overlap(a, text))
            if not ok:
                wrong.append([kind, q, a, text])
    line = " | ".join(f"{k} {v[0] / v[2]:.3f} ({v[1] / v[2]:.3f} exact, {v[2]})" for k, v in sorted(cell.items()))
    say(f"[{mode}] {line}" + (f" | mean IoU {np.mean(ious):.3f}" if ious else ""), flush=True)
    for w in random.Random(1).sample(wrong, min(14, len(wrong))):
        say("   ", *w, sep=" | ", flush=True)
    out = {k: {"right": v[0], "exact": v[1], "questions": v[2], "interval": wilson(v[0], v[2])} for k, v in sorted(cell.items())}
    return out | ({"iou": {"mean": float(np.mean(ious)), "boxes": len(ious)}} if ious else {})


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model")
    ap.add_argument("glyphs")
    ap.add_argument("out")
    ap.add_argument("--modes", default="eval,pairs,forms,fonts,swapped")
    ap.add_argument("--batches", type=int, default=16)
    ap.add_argument("--tiles", type=int, default=480)
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    a = ap.parse_args()
    glyphs = Glyphs(a.glyphs)
    answerer = Answerer(a.model, glyphs, a.device)
    result = {"generator": D.generator_hash()}
    for mode in a.modes.split(","):
        result[mode] = measure(answerer, glyphs, mode, a.batches, a.tiles)
        with open(a.out, "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
