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
from preprocess import token_count
from questions import Asker
from render import crowd_rows, scene_rows

QLEN, LONG_QLEN = 192, 1024     # tokens of questions and answers packed behind a picture in training
EVAL_QLEN, ROOM = 416, 14       # in evaluation, with room for answers longer than the right one
BLURRED = ("relation", "size", "describe")
BAD = {"train": (0.02, 0.015), "finish": (0.3, 0.3), "long": (0.15, 0.6), "bad": (0.5, 1.0)}     # shares of chunks with crowds, of other pictures with a long question
KINDS = ["count", "colour", "shape", "exist", "relation", "size", "describe", "text", "unknown", "ground"]


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
        rows = [[one(" " + w) for w in L.SHAPES], [one(" crosses" if w == "cross" else f" {w}s") for w in L.SHAPES], [one(w) for w in L.ZH_SHAPE.values()]]
        self.shape_of = {t: i for row in rows for i, t in enumerate(row) if t is not None}

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

    def partners(self, ids, about):
        """For every token of an answer which attribute the named object has beside the one that the token names: 0 none, 1.. a colour,
        12.. a shape. about: (colour, shape) of the object, where the answer names only one of them"""
        out = np.zeros(len(ids), np.int8)
        c, s = (L.COLOURS.index(about[0]) + 1, L.SHAPES.index(about[1]) + 12) if about else (0, 0)
        for i, t in enumerate(ids):
            if t in self.colour_of:
                k = next((j for j in ids[i + 1:i + 2] if j in self.shape_of), None)
                out[i] = s if k is None else 12 + self.shape_of[k]
            elif t in self.shape_of:
                k = ids[i - 1] if i else -1
                out[i] = 1 + self.colour_of[k][0] if k in self.colour_of else c
        return out

    def never_paired(self, vocabulary):
        """[20, vocabulary] float32 by `partners`: -1e4 for words that no training picture pairs with that attribute, otherwise 0"""
        out = np.zeros((20, vocabulary), np.float32)
        for colour, shape in L.HELD_OUT_PAIRS:
            c, s = L.COLOURS.index(colour), L.SHAPES.index(shape)
            out[1 + c, [t for t, i in self.shape_of.items() if i == s]] = -1e4
            out[12 + s, [t for t, (i, _) in self.colour_of.items() if i == c]] = -1e4
        return out

    def question(self, q, ends=()):
        """-> ids and, for each place in q at which a phrase ends, the token that holds its last character"""
        e = self.t.encode(f"\n{q.strip()}\n\n<|Assistant|>:", add_special_tokens=False)
        return e.ids, [max(i for i, (a, _) in enumerate(e.offsets) if a <= end) for end in ends]

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
    """mode: train, eval, pairs (held-out colour-shape pairs), forms (held-out sentences), fonts (held-out faces), bad (crowds and long
    questions), finish and long (training with many of these; the latter has room for questions of a thousand tokens)."""
    learns = mode in ("train", "finish", "long")
    crowds, long = BAD.get(mode, (0.0, 0.0))
    held_forms = mode == "forms"
    pairs = {"pairs": True}.get(mode)
    fonts = glyphs.held_fonts if mode == "fonts" else glyphs.train_fonts
    slots = np.zeros((size, S.SLOTS, 21), np.float32)
    ground = np.zeros((size, 8), np.float32)
    qlen, room = (LONG_QLEN if mode == "long" else QLEN, 0) if learns else (EVAL_QLEN, ROOM)
    ids = np.full((size, qlen), 2, np.int16)
    begin = np.tile(np.arange(qlen, dtype=np.int16), (size, 1))        # where a token's own question begins; a left-over token sees itself
    stop = begin + 1
    gap = np.zeros(size, np.int32)          # how many positions the questions stand further from the picture
    where, target, partner, kinds, lens, places, nouns, noun_places = [], [], [], [], [], [], [], []
    out_chunks = []
    asker = Asker(rng, held=held_forms, any_pairs=mode == "pairs")
    step = size // chunks
    questions = None if learns else []
    for c in range(chunks):
        at, to = c * step, (c + 1) * step if c + 1 < chunks else size
        w, h = S.draw_size(rng, layout)
        noise = rng.uniform(0.004, 0.045) if rng.random() < 0.25 else 0.0
        grain = rng.uniform(0.002, 0.016) if rng.random() < 0.2 else 0.0
        quality = rng.randrange(20, 92) if rng.random() < 0.12 else 0
        kind_of_chunk = "mixed"
        u = rng.random()
        crowd = None
        if rng.random() < crowds:
            kind_of_chunk, crowd = "crowd", crowd_rows(rng, w, h, to - at)
        elif u < 0.02 and mode in ("train", "finish", "long", "eval"):
            kind_of_chunk, noise = "noise", rng.uniform(0.12, 0.35)
        outlines = False
        for i in range(at, to):
            v = rng.random()
            if kind_of_chunk != "mixed":
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
            if crowd is not None:
                sc["junk"] = S.CROWD
            if sc["junk"] == S.NOISE and noise < 0.1:
                sc["junk"] = S.CROWD
            if kind == "text" and sc["text"] is None:
                sc["kind"] = "blank"
            outlines = outlines or any(o["ow"] > 0 for o in sc["objects"])
            slots[i] = scene_rows(sc, rng, len(glyphs.fonts))
            if crowd is not None:
                slots[i, :, 3] = -1.0
            g0, g1 = sc["bg"]
            ground[i] = [*g0, *g1, rng.uniform(-math.pi, math.pi), float(rng.random() < 0.3)]
            free, missed = 0, 0
            seen = set()
            endless = crowd is None and rng.random() < long
            gap[i] = int(3600 * rng.random() ** 2) if endless and mode in ("train", "finish") and rng.random() < 0.8 else 0
            for turn in range(18 if mode == "long" or not endless else 1):
                qa = asker.endless(lambda q: len(enc.question(q)[0]), qlen - room - 8) if endless and turn == 0 else asker.ask(sc, "text" if mode == "fonts" else None)
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
                named = asker.named(sc, q.strip())
                qi, noun = enc.question(q, [end for end, _ in named])
                ai = enc.answer(a, text)
                n = len(qi) + len(ai)
                if free + n + room > qlen:
                    missed += 1
                    if missed == 2:
                        break
                    continue
                s0, free = free, free + n + room
                begin[i, s0:free] = s0
                stop[i, s0:free] = free
                read_back = enc.blur_colour(ai, a, rng) if learns and kname in BLURRED and rng.random() < 0.08 else ai
                ids[i, s0:s0 + n] = qi + read_back
                p = np.arange(s0 + len(qi) - 1, s0 + n - 1)
                where.append(i * qlen + p)
                target.append(np.asarray(ai, np.int64))
                partner.append(enc.partners(ai, asker.about))
                kinds.append(KINDS.index(kname))
                places.append(asker.places(sc))
                nouns += [i * qlen + s0 + t for t in noun]
                noun_places += [place for _, place in named]
                lens.append(len(ai))
                if questions is not None:
                    questions.append((i, q, a, kname))
        live = slots[at:to, :, 3] > 0
        out_chunks.append({"slots": int(live.any(0).nonzero()[0].max(initial=-1)) + 1, "wrap": bool((slots[at:to, :, 13] > 0).any()), "at": at, "to": to, "w": w, "h": h, "hard": rng.random() < 0.5, "outlines": outlines, "noise": noise,
                           "grain": grain, "blur": rng.random() < 0.06, "jpeg": quality, "crowd": crowd})
    return {"layout": layout, "slots": slots, "ground": ground, "chunks": out_chunks, "ids": ids, "begin": begin, "stop": stop, "gap": gap,
            "where": np.concatenate(where), "target": np.concatenate(target), "partner": np.concatenate(partner), "kinds": np.asarray(kinds, np.int64),
            "lens": np.asarray(lens, np.int64), "places": np.asarray(places, np.float32).reshape(-1, 6),
            "nouns": np.asarray(nouns, np.int64), "noun_places": np.asarray(noun_places, np.float32).reshape(-1, 5), "prefix": len(enc.prefix) + token_count(*layout), "questions": questions}


def _mentions_held(q, a, sc):
    for c, s in L.HELD_OUT_PAIRS:
        if any(o["colour"] == c and o["shape"] == s for o in sc["objects"]):
            return True
    return False


def generator_hash():
    h = hashlib.sha256()
    here = os.path.dirname(os.path.abspath(__file__))
    for n in ("forms.py", "forms_en.py", "forms_zh.py", "language.py", "geometry.py", "scenes.py", "questions.py", "render.py", "data.py", "glyphs.py", "preprocess.py", "paint_kernel.py"):
        with open(os.path.join(here, n), "rb") as f:
            h.update(f.read())
    return h.hexdigest()
