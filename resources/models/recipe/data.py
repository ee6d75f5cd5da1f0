# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Batches of scenes with several questions each, made by CPU workers as plain arrays."""
import hashlib
import math
import os
import random

import numpy as np

import language as L
import scenes as S
from glyphs import Glyphs
from preprocess import token_count
from render import scene_rows

SHORT, N_SHORT, LONG, N_LONG = 28, 8, 72, 2
QLEN = SHORT * N_SHORT + LONG * N_LONG
SLOT_AT = [i * SHORT for i in range(N_SHORT)] + [N_SHORT * SHORT + i * LONG for i in range(N_LONG)]
SLOT_LEN = [SHORT] * N_SHORT + [LONG] * N_LONG
BLURRED = ("relation", "size", "describe")
KINDS = ["count", "colour", "shape", "exist", "relation", "size", "describe", "text", "unknown", "ground"]


def slot_positions():
    """Offset of each packed position inside its slot."""
    return np.concatenate([np.arange(n) for n in SLOT_LEN])


def slot_ids():
    return np.concatenate([np.full(n, i) for i, n in enumerate(SLOT_LEN)])


class Encoder:
    """Text to ids. Letters that were read off a picture are always single characters, whatever BPE would merge."""

    def __init__(self, tokenizer):
        self.t = tokenizer
        self.eos = tokenizer.token_to_id("<｜end▁of▁sentence｜>")
        self.chars = {c: tokenizer.token_to_id(c) for c in S.CHARS}
        self.space = tokenizer.token_to_id("Ġ")
        self.prefix = [tokenizer.token_to_id("<｜begin▁of▁sentence｜>")] + self.enc("<|User|>: ")

        def one(s):
            ids = self.enc(s)
            return ids[0] if len(ids) == 1 else None
        rows = [[one(" " + c) for c in L.COLOURS]] + [[one(L.ZH_COLOUR[c] + end) for c in L.COLOURS] for end in ("", "色", "色的")]
        self.colour_of = {t: (i, row) for row in rows for i, t in enumerate(row) if t is not None}

    def enc(self, s):
        return self.t.encode(s, add_special_tokens=False).ids

    def blur_colour(self, ids, answer, rng):
        """One colour word of the answer, as the model reads it back, becomes another (its targets stay): the shape that follows must come
        from the picture, not from the word before it. Never forms a held-out pair with a shape of the answer."""
        at = [i for i, t in enumerate(ids) if t in self.colour_of]
        if not at:
            return ids
        i = rng.choice(at)
        row = self.colour_of[ids[i]][1]
        taken = {c for c, s in L.HELD_OUT_PAIRS if s in answer or L.ZH_SHAPE[s] in answer}
        free = [t for c, t in zip(L.COLOURS, row) if t is not None and c not in taken]
        return ids[:i] + [rng.choice(free)] + ids[i + 1:] if free else ids

    def question(self, q):
        return self.enc(f"\n{q.strip()}\n\n<|Assistant|>:")

    def answer(self, a, text):
        if text:
            i = a.find(text, a.find("text ") + 5 if "text " in a else a.find("文字"))
            if i >= 0:
                head, tail = a[:i], a[i + len(text):]
                ids = []
                if head.endswith(" "):
                    ids = self.enc(head[:-1]) + [self.space]
                else:
                    ids = self.enc(head)
                return ids + [self.chars[c] for c in text] + self.enc(tail) + [self.eos]
        return self.enc(a) + [self.eos]


def make_batch(rng, enc, glyphs, layout, size, level, mode="train", chunks=8):
    """mode: train, eval, pairs (held-out colour-shape pairs), forms (held-out sentences), fonts (held-out faces)."""
    held_forms = mode == "forms"
    pairs = {"pairs": True, "train": None}.get(mode, None)
    fonts = glyphs.held_fonts if mode == "fonts" else glyphs.train_fonts
    slots = np.zeros((size, S.SLOTS, 21), np.float32)
    ground = np.zeros((size, 8), np.float32)
    ids = np.full((size, QLEN), 2, np.int16)
    where, target, kinds, lens, places = [], [], [], [], []
    out_chunks = []
    asker = S.Asker(rng, held=held_forms, any_pairs=mode == "pairs")
    step = size // chunks
    questions = [] if mode != "train" else None
    for c in range(chunks):
        at, to = c * step, (c + 1) * step if c + 1 < chunks else size
        w, h = S.draw_size(rng, layout)
        noise = rng.uniform(0.004, 0.045) if rng.random() < 0.25 else 0.0
        grain = rng.uniform(0.002, 0.016) if rng.random() < 0.2 else 0.0
        quality = rng.randrange(20, 92) if rng.random() < 0.12 else 0
        kind_of_chunk = "mixed"
        u = rng.random()
        if u < 0.02 and mode in ("train", "eval"):
            kind_of_chunk, noise = "noise", rng.uniform(0.12, 0.35)
        outlines = False
        for i in range(at, to):
            v = rng.random()
            if kind_of_chunk == "noise":
                kind = "junk"
            elif mode == "fonts":
                kind = "text"
            elif mode == "pairs":
                kind = "shapes"
            else:
                kind = "text" if v < 0.24 else "blank" if v < 0.26 else "junk" if v < 0.27 else "shapes"
            sc = S.draw_scene(rng, layout, level, glyphs, kind, (w, h), pairs, fonts)
            if kind_of_chunk == "noise":
                sc["junk"] = S.NOISE
            if sc["junk"] == S.NOISE and noise < 0.1:
                sc["junk"] = S.CROWD
            if kind == "text" and sc["text"] is None:
                sc["kind"] = "blank"
            outlines = outlines or any(o["ow"] > 0 for o in sc["objects"])
            slots[i] = scene_rows(sc, rng, len(glyphs.fonts))
            g0, g1 = sc["bg"]
            ground[i] = [*g0, *g1, rng.uniform(-math.pi, math.pi), float(rng.random() < 0.3)]
            free_s, free_l = 0, N_SHORT
            seen = set()
            for _ in range(16):
                qa = asker.ask(sc, "text" if mode == "fonts" else None)
                if qa is None or qa[0] in seen:
                    continue
                q, a, kname, lang = qa
                if mode == "pairs" and kname in ("unknown", "ground", "text"):
                    continue
                if mode == "forms" and kname in ("unknown", "ground"):     # these have no held-out forms
                    continue
                if mode == "pairs" and not _mentions_held(q, a, sc):
                    continue
                seen.add(q)
                text = sc["text"]["text"] if sc["text"] and kname in ("text", "describe") else ""
                qi = enc.question(q)
                ai = enc.answer(a, text)
                n = len(qi) + len(ai)
                if n <= SHORT and free_s < N_SHORT:
                    k = free_s
                    free_s += 1
                elif n <= LONG and free_l < N_SHORT + N_LONG and (n > SHORT or free_s == N_SHORT):
                    k = free_l
                    free_l += 1
                else:
                    continue
                s0 = SLOT_AT[k]
                read_back = enc.blur_colour(ai, a, rng) if mode == "train" and kname in BLURRED and rng.random() < 0.08 else ai
                ids[i, s0:s0 + n] = qi + read_back
                p = np.arange(s0 + len(qi) - 1, s0 + n - 1)
                where.append(i * QLEN + p)
                target.append(np.asarray(ai, np.int64))
                kinds.append(KINDS.index(kname))
                places.append(asker.places(sc))
                lens.append(len(ai))
                if questions is not None:
                    questions.append((i, q, a, kname))
                if free_s == N_SHORT and free_l == N_SHORT + N_LONG:
                    break
        live = slots[at:to, :, 3] > 0
        out_chunks.append({"slots": int(live.any(0).nonzero()[0].max(initial=-1)) + 1, "wrap": bool((slots[at:to, :, 13] > 0).any()), "at": at, "to": to, "w": w, "h": h, "hard": rng.random() < 0.5, "outlines": outlines, "noise": noise,
                           "grain": grain, "blur": rng.random() < 0.06, "jpeg": quality})
    return {"layout": layout, "slots": slots, "ground": ground, "chunks": out_chunks, "ids": ids,
            "where": np.concatenate(where), "target": np.concatenate(target), "kinds": np.asarray(kinds, np.int64),
            "lens": np.asarray(lens, np.int64), "places": np.asarray(places, np.float32).reshape(-1, 6), "prefix": len(enc.prefix) + token_count(*layout), "questions": questions}


def _mentions_held(q, a, sc):
    for c, s in L.HELD_OUT_PAIRS:
        if any(o["colour"] == c and o["shape"] == s for o in sc["objects"]):
            return True
    return False


def generator_hash():
    h = hashlib.sha256()
    here = os.path.dirname(os.path.abspath(__file__))
    for n in ("forms.py", "forms_en.py", "forms_zh.py", "language.py", "geometry.py", "scenes.py", "render.py", "data.py", "glyphs.py", "preprocess.py", "paint_kernel.py"):
        with open(os.path.join(here, n), "rb") as f:
            h.update(f.read())
    return h.hexdigest()
