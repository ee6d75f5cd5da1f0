# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""python3 make_tokenizer.py GLYPHS.npz FOLDER: the corpus is the grammar's own questions and answers, digits kept single."""
import random
import re
import sys

import language as L
import scenes as S
from glyphs import Glyphs
from questions import Asker
from tokenizer_build import build

VOCAB = 1536
WORDS = sorted({w for ws in L.ZH_SHAPE_WORDS.values() for w in ws} | {c + e for c in L.ZH_COLOUR.values() for e in ("", "色", "色的")}, key=len, reverse=True)
CUT = re.compile("(" + "|".join(WORDS) + ")")


def corpus(glyphs, n):
    rng = random.Random(7)
    asker, held = Asker(rng), None
    del held
    out = []
    for _ in range(n):
        layout = rng.choices(S.LAYOUTS, S.LAYOUT_SHARE)[0]
        sc = S.draw_scene(rng, layout, 1.0, glyphs, "text" if rng.random() < 0.1 else "shapes")
        for _ in range(5):
            qa = asker.ask(sc)
            if qa is None or qa[2] == "ground" or qa[1].startswith(("I can't", "我看")) and rng.random() < 0.6:
                continue
            q, a, kind, _ = qa
            q = re.sub(r"[0-9]+", lambda m: m.group(0)[0], q)
            out.append(f"\n{q}\n\n")
            if sc["text"] is None:
                out.append(re.sub(r"[0-9]+", lambda m: m.group(0)[0], a))
    # a Chinese colour never merges with the shape behind it, or pairs that training shows would be tokens and held-out ones not
    return [piece for s in out for piece in CUT.split(s) if piece]


if __name__ == "__main__":
    g = Glyphs(sys.argv[1])
    t = build(corpus(g, 16000), VOCAB, sys.argv[2])
    print(t.get_vocab_size(), "tokens")
