# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Draws random scenes (what is where) and asks questions about them. No pixels here: render.py paints the scenes.

A scene is described in source pixels. Every object carries its rotated bounding box, so that questions, grounding
boxes and dense labels agree with what is painted.
"""
import math
import random

import numpy as np

import language as L
from geometry import VARIANTS, variant_vertices
from preprocess import best_resolution

ANCHORS = {
    "red": [(255, 0, 0), (255, 0, 0), (220, 20, 60), (229, 57, 53), (200, 0, 0), (214, 39, 40), (231, 76, 60), (239, 68, 68),
            (255, 59, 48), (192, 57, 43), (210, 30, 30), (230, 25, 75), (220, 50, 47), (244, 67, 54), (204, 0, 0)],
    "orange": [(255, 165, 0), (255, 165, 0), (255, 140, 0), (255, 127, 14), (251, 140, 0), (230, 126, 34), (249, 115, 22),
               (255, 149, 0), (255, 128, 0), (255, 152, 0), (245, 130, 48), (240, 140, 20), (255, 120, 0)],
    "yellow": [(255, 255, 0), (255, 255, 0), (255, 235, 59), (241, 196, 15), (255, 215, 0), (253, 216, 53), (250, 204, 21),
               (255, 221, 0), (240, 220, 40), (255, 204, 0), (255, 225, 25), (230, 220, 20), (240, 230, 60), (255, 220, 50)],
    "green": [(0, 128, 0), (0, 128, 0), (0, 255, 0), (46, 204, 113), (67, 160, 71), (44, 160, 44), (34, 139, 34), (39, 174, 96),
              (0, 200, 0), (76, 175, 80), (34, 197, 94), (50, 205, 50), (0, 110, 0), (52, 199, 89), (0, 170, 80), (60, 180, 75),
              (40, 160, 40), (0, 100, 0), (30, 150, 60)],
    "blue": [(0, 0, 255), (0, 0, 255), (30, 144, 255), (31, 119, 180), (52, 152, 219), (33, 150, 243), (65, 105, 225), (0, 0, 150),
             (59, 130, 246), (0, 122, 255), (41, 128, 185), (25, 25, 200), (0, 0, 128), (30, 90, 200), (30, 136, 229), (20, 60, 220),
             (0, 100, 255), (67, 99, 216), (40, 80, 200), (0, 150, 255), (70, 130, 180)],
    "purple": [(128, 0, 128), (128, 0, 128), (148, 103, 189), (155, 89, 182), (142, 36, 170), (156, 39, 176), (138, 43, 226),
               (168, 85, 247), (148, 0, 211), (153, 50, 204), (103, 58, 183), (102, 51, 153), (175, 82, 222), (160, 32, 240),
               (145, 30, 180), (130, 40, 160), (150, 60, 200), (147, 51, 234)],
    "pink": [(255, 192, 203), (255, 192, 203), (255, 105, 180), (255, 20, 147), (227, 119, 194), (240, 98, 146), (244, 143, 177),
             (236, 72, 153), (255, 182, 193), (255, 150, 180), (250, 128, 190), (255, 130, 180), (255, 160, 200), (240, 120, 180)],
    "brown": [(165, 42, 42), (139, 69, 19), (139, 69, 19), (121, 85, 72), (140, 86, 75), (160, 82, 45), (101, 67, 33), (150, 75, 0),
              (109, 76, 65), (92, 51, 23), (128, 70, 27), (123, 63, 0), (120, 70, 30), (140, 80, 40), (154, 99, 36), (110, 60, 20)],
    "black": [(0, 0, 0), (0, 0, 0), (20, 20, 20), (33, 33, 33), (10, 10, 15), (30, 30, 35), (0, 0, 0)],
    "white": [(255, 255, 255), (255, 255, 255), (250, 250, 250), (245, 245, 245), (240, 240, 240), (252, 250, 248)],
    "grey": [(128, 128, 128), (128, 128, 128), (158, 158, 158), (169, 169, 169), (105, 105, 105), (192, 192, 192), (149, 165, 166),
             (127, 140, 141), (117, 117, 117), (127, 127, 127), (142, 142, 147), (160, 160, 160), (95, 95, 95), (136, 136, 136),
             (120, 120, 125), (180, 180, 180), (107, 114, 128)],
}
CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz"
LAYOUTS = [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 2), (4, 1), (1, 4)]
LAYOUT_SHARE = [0.19, 0.11, 0.09, 0.05, 0.04, 0.44, 0.04, 0.04]
LAYOUT_SHARE_EARLY = [0.56, 0.10, 0.08, 0.03, 0.03, 0.16, 0.02, 0.02]      # cheap pictures first
CANDIDATES = [[224 * w, 224 * h] for w, h in [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 2), (4, 1), (1, 4)]]
SLOTS = 8
CROWD, NOISE, SCREEN = 1, 2, 3


def draw_layout(rng, level):
    t = min(1.0, level / 0.4)
    return rng.choices(LAYOUTS, [a + (b - a) * t for a, b in zip(LAYOUT_SHARE_EARLY, LAYOUT_SHARE)])[0]


def clip255(v):
    return 0.0 if v < 0 else 255.0 if v > 255 else v


def draw_colour(name, rng):
    a = ANCHORS[name]
    r = rng.random()
    p = a[int(rng.random() * len(a))]
    if r < 0.35:
        out = p
    else:
        q = a[int(rng.random() * len(a))]
        t = rng.random()
        s = 3 + 7 * rng.random()
        if name in ("black", "white", "grey"):
            g = rng.gauss(0, s)
            out = [clip255(x * t + y * (1 - t) + g + rng.gauss(0, 2.5)) for x, y in zip(p, q)]
        else:
            out = [clip255(x * t + y * (1 - t) + rng.gauss(0, s)) for x, y in zip(p, q)]
    return tuple(float(v) for v in out)


def distance(a, b):
    rm = (a[0] + b[0]) / 2
    dr, dg, db = a[0] - b[0], a[1] - b[1], a[2] - b[2]
    return math.sqrt((2 + rm / 256) * dr * dr + 4 * dg * dg + (2 + (255 - rm) / 256) * db * db)


def draw_background(rng):
    """Two end colours; equal ones make a plain ground."""
    r = rng.random()
    if r < 0.30:
        c = (255.0, 255.0, 255.0)
    elif r < 0.45:
        g = 215 + 40 * rng.random()
        c = tuple(clip255(g + rng.gauss(0, 6)) for _ in range(3))
    elif r < 0.55:
        g = rng.choice([0, 0, 20, 30, 40, 60]) + 10 * rng.random()
        c = tuple(clip255(g + rng.gauss(0, 5)) for _ in range(3))
    elif r < 0.63:
        g = 60 + 150 * rng.random()
        c = (g, g, g)
    elif r < 0.78:
        base = [rng.random() * 255 for _ in range(3)]
        k = 0.55 + 0.4 * rng.random()
        c = tuple(255 * k + b * (1 - k) for b in base)
    elif r < 0.90:
        c = draw_colour(rng.choice(L.COLOURS), rng)
    else:
        c = tuple(rng.random() * 255 for _ in range(3))
    d = c
    if rng.random() < 0.25:
        s = 10 + 45 * rng.random()
        d = tuple(clip255(v + rng.gauss(0, s * 0.5) + rng.choice((-1, 1)) * s * 0.3) for v in c)
    return c, d


def draw_size(rng, layout):
    """A source size (w, h) whose VL2 layout is the wanted one."""
    tw, th = layout
    while True:
        u = rng.random()
        if layout == (1, 1):
            w = int(round(64 * (330 / 64) ** rng.random()))
            h = int(round(64 * (330 / 64) ** rng.random()))
            if u < 0.35:
                h = w
        else:
            a = math.exp(rng.gauss(math.log(tw / th), 0.28))
            if u < 0.25 and tw == th:
                a = 1.0
            elif u < 0.40:
                a = rng.choice([4 / 3, 3 / 2, 16 / 9, 3 / 4, 2 / 3, 9 / 16, 2.0, 0.5, 3.0, 1 / 3])
            long = 120 * (2048 / 120) ** rng.random()
            w, h = (long, long / a) if a >= 1 else (long * a, long)
            w, h = int(round(w)), int(round(h))
            if rng.random() < 0.25:
                w, h = (w + 25) // 50 * 50, (h + 25) // 50 * 50
        if not (64 <= w <= 2048 and 64 <= h <= 2048):
            continue
        bw, bh = best_resolution(w, h, CANDIDATES)
        if (bw // 224, bh // 224) == layout:
            return w, h


ROT = {"circle": (0, 180), "square": (0.32, 24), "rectangle": (0.38, 180), "triangle": (0.42, 180), "star": (0.42, 180),
       "heart": (0.35, 30), "diamond": (0.3, 12), "cross": (0.32, 22)}


def draw_rotation(shape, variant, rng, tame):
    p, r = ROT[shape]
    if tame or rng.random() > p * 2:
        return 0.0
    if shape in ("heart", "star", "triangle") and rng.random() < 0.15:
        r = 180
    if shape == "diamond" and VARIANTS["diamond"][variant][1] < 0.72:
        r = 180 if rng.random() < 0.3 else 20
    if r == 180 and rng.random() < 0.4:
        r = 25
    return math.radians(rng.uniform(-r, r))


def place_objects(rng, w, h, n, easy, bg, specs):
    short = min(w, h)
    objects = []
    grow = 1.0
    tame = rng.random() < 0.4
    same_size = rng.random() < 0.15
    lo, hi = 0.05, 0.40
    if easy:
        lo = 0.16
    elif rng.random() < 0.5:
        lo = 0.09
    fixed = rng.uniform(max(lo, 0.08), 0.28)
    gap = rng.choice([0.0, 0.01, 0.02, 0.04]) * short
    outline_mode = rng.random()
    for colour, shape in specs:
        rgb = None
        for _ in range(12):
            c = draw_colour(colour, rng)
            if distance(c, bg[0]) > 75 and distance(c, bg[1]) > 75:
                rgb = c
                break
        outline = None
        if outline_mode < 0.10 or (rgb is None and outline_mode < 0.6):
            o = rng.choice([(0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (40.0, 40.0, 40.0), (255.0, 255.0, 255.0), (90.0, 90.0, 90.0)])
            if distance(o, bg[0]) > 120:
                outline = o
                if rgb is None:
                    rgb = draw_colour(colour, rng)
        if rgb is None:
            continue
        variant = int(rng.random() * len(VARIANTS[shape]))
        for attempt in range(30):
            if same_size:
                size = fixed * grow
            else:
                size = (lo * (hi / lo) ** rng.random() if rng.random() < 0.5 else rng.uniform(lo, hi)) * grow
            size = max(min(max(size, 0.05), 0.4) * short, 7.0)
            rot = draw_rotation(shape, variant, rng, tame)
            v = variant_vertices(shape, variant)
            if rot:
                cs, sn = math.cos(rot), math.sin(rot)
                v = np.stack((v[:, 0] * cs - v[:, 1] * sn, v[:, 0] * sn + v[:, 1] * cs), 1)
            lo_v, hi_v = v.min(0), v.max(0)
            half = size / 2
            bx0, by0, bx1, by1 = lo_v[0] * half, lo_v[1] * half, hi_v[0] * half, hi_v[1] * half
            ow = 0.0
            if outline is not None:
                ow = max(1.0, rng.uniform(0.02, 0.08) * size)
            m = ow + 1
            if bx1 - bx0 + 2 * m >= w or by1 - by0 + 2 * m >= h:
                continue
            cx = rng.uniform(m - bx0, w - m - bx1)
            cy = rng.uniform(m - by0, h - m - by1)
            box = (cx + bx0 - ow, cy + by0 - ow, cx + bx1 + ow, cy + by1 + ow)
            if any(box[0] < o["box"][2] + gap and o["box"][0] < box[2] + gap and box[1] < o["box"][3] + gap and
                   o["box"][1] < box[3] + gap for o in objects):
                grow *= 0.94
                continue
            objects.append({"colour": colour, "shape": shape, "variant": variant, "cx": cx, "cy": cy, "half": half, "rot": rot,
                            "rgb": rgb, "outline": outline, "ow": ow, "box": box, "size": size,
                            "mx": (box[0] + box[2]) / 2, "my": (box[1] + box[3]) / 2,
                            "area": VARIANTS[shape][variant][2] * half * half})
            break
    return objects


def draw_specs(rng, n, held=None):
    """n (colour, shape) pairs. `held`: None draws only trained pairs; True draws only held-out ones; False any."""
    mode = rng.random()
    colours, shapes = L.COLOURS, L.SHAPES
    if mode < 0.25:
        colours = rng.sample(L.COLOURS, rng.randint(1, 3))
    elif mode < 0.5:
        shapes = rng.sample(L.SHAPES, rng.randint(1, 3))
    elif mode < 0.62:
        colours, shapes = rng.sample(L.COLOURS, 2), rng.sample(L.SHAPES, 2)
    out, tries = [], 0
    while len(out) < n:
        tries += 1
        if tries > 60:
            colours, shapes = L.COLOURS, L.SHAPES
        if out and rng.random() < (0.35 if mode > 0.8 else 0.12):
            p = out[int(rng.random() * len(out))]
        else:
            p = (colours[int(rng.random() * len(colours))], shapes[int(rng.random() * len(shapes))])
        if held is None and p in L.HELD_OUT_PAIRS:
            continue
        if held is True and p not in L.HELD_OUT_PAIRS:
            if rng.random() < 0.8:
                p = rng.choice(sorted(L.HELD_OUT_PAIRS))
        out.append(p)
    return out


def draw_text(rng):
    u = rng.random()
    n = 1 + int(rng.random() * 5)
    if u < 0.40:
        pool = CHARS[:14] + CHARS[15:26] + CHARS[27:36]          # letters and digits together: O and 0 left out
    elif u < 0.64:
        pool = CHARS[:26]
    elif u < 0.84:
        pool = CHARS[26:36]
    elif u < 0.94:
        t = "".join(rng.choice(CHARS[36:]) for _ in range(n))    # one letter at least must show that it is lower case
        return t if any(c in "abdefghnqrtmyj" for c in t) else rng.choice("abdefghnqrt") + t[1:]
    else:
        return rng.choice(CHARS[:26]) + "".join(rng.choice(CHARS[36:]) for _ in range(n - 1))
    return "".join(rng.choice(pool) for _ in range(n))


def place_text(rng, w, h, bg, glyphs, fonts):
    """A line of text. `glyphs.metrics[font][char]` = (advance, cx, cy, half), in em, y down from the baseline."""
    text = draw_text(rng)
    short = min(w, h)
    font = rng.choice(fonts)
    m = glyphs.metrics[font]
    spacing = rng.choice([0, 0, 0, 0.05, 0.1, 0.2])
    width = sum(m[CHARS.index(c)][0] for c in text) + spacing * (len(text) - 1)
    for _ in range(20):
        em = short * 0.09 * (0.75 / 0.09) ** rng.random()
        if width * em < 0.94 * w and em < 0.94 * h:
            break
    else:
        em = 0.9 * w / width
    if em * 0.7 < 9:
        return None
    rgb = None
    for _ in range(20):
        u = rng.random()
        c = draw_colour("black" if u < 0.4 else "white" if u < 0.5 else rng.choice(L.COLOURS), rng)
        if distance(c, bg[0]) > 140 and distance(c, bg[1]) > 140:
            rgb = c
            break
    if rgb is None:
        return None
    x = rng.uniform(0.02 * w, max(0.021 * w, 0.98 * w - width * em)) if rng.random() < 0.6 else (w - width * em) / 2
    y = rng.uniform(0.85 * em, max(0.86 * em, h - 0.25 * em)) if rng.random() < 0.6 else h / 2 + 0.36 * em
    rot = math.radians(rng.uniform(-9, 9)) if rng.random() < 0.15 else 0.0
    out = []
    cs, sn = math.cos(rot), math.sin(rot)
    px = x + width * em / 2
    py = y - 0.35 * em
    for c in text:
        i = CHARS.index(c)
        adv, gx, gy, half = m[i]
        ux, uy = x + gx * em - px, y + gy * em - py
        x += (adv + spacing) * em
        cx, cy, hf = px + ux * cs - uy * sn, py + ux * sn + uy * cs, half * em
        out.append({"char": i, "font": font, "cx": cx, "cy": cy, "half": hf, "rot": rot, "rgb": rgb,
                    "box": (cx - hf, cy - hf, cx + hf, cy + hf)})
    lo = [min(o["box"][k] for o in out) for k in (0, 1)]
    hi = [max(o["box"][k] for o in out) for k in (2, 3)]
    return {"text": text, "glyphs": out, "box": (lo[0], lo[1], hi[0], hi[1])}


def draw_scene(rng, layout, level, glyphs, kind=None, size=None, held=None, fonts=None):
    """kind: shapes, text, blank or junk. level 0..1 is the curriculum's position."""
    w, h = size or draw_size(rng, layout)
    bg = draw_background(rng)
    scene = {"w": w, "h": h, "bg": bg, "objects": [], "text": None, "junk": 0, "layout": layout, "kind": kind}
    if kind == "text":
        scene["text"] = place_text(rng, w, h, bg, glyphs, fonts or glyphs.train_fonts)
        if scene["text"] is not None and rng.random() < 0.3:
            objs = place_objects(rng, w, h, 3, True, bg, draw_specs(rng, rng.randint(1, 3), held))
            t = scene["text"]["box"]
            scene["objects"] = [o for o in objs if o["box"][2] < t[0] or o["box"][0] > t[2] or o["box"][3] < t[1] or o["box"][1] > t[3]]
    elif kind == "shapes":
        top = 3 + int(5 * min(1.0, level * 3) + 0.5)
        u = rng.random()
        n = rng.randint(1, top) if u < 0.8 else rng.randint(1, 3)
        if u > 0.94:
            n = 1
        scene["objects"] = place_objects(rng, w, h, n, level < 0.06, bg, draw_specs(rng, n, held))
    elif kind == "junk":
        scene["junk"] = rng.choice((CROWD, CROWD, NOISE, NOISE, SCREEN))
    return scene


# ------------------------------------------------------------------------------------------------------------- questions
def count_of(objs, colour=None, shape=None):
    return sum((colour is None or o["colour"] == colour) and (shape is None or o["shape"] == shape) for o in objs)


def unique_phrase(o, objs, rng, allow_pairs=True):
    """(colour, shape) with None where the attribute is left out, naming o alone; or None."""
    options = []
    if count_of(objs, o["colour"], o["shape"]) == 1:
        options += [(o["colour"], o["shape"])] * 2
    if count_of(objs, None, o["shape"]) == 1:
        options.append((None, o["shape"]))
    if count_of(objs, o["colour"], None) == 1 and rng() < 0.6:
        options.append((o["colour"], None))
    return options[int(rng() * len(options))] if options else None


def beyond(a, b, d):
    """Signed clearance of b beyond a in direction d, in pixels of centre distance."""
    return {"left": a["mx"] - b["mx"], "right": b["mx"] - a["mx"], "above": a["my"] - b["my"], "below": b["my"] - a["my"]}[d]


class Asker:
    """Questions with exact answers about a scene. `held` draws only held-out sentence forms."""

    def __init__(self, rng, held=False, any_pairs=False):
        self.rng = rng
        self.r = rng.random
        self.held = held
        self.any_pairs = any_pairs
        self.refs = None, None
        self.names = []                 # (phrase, the one object it names) of the last question
        self.about = None               # (colour, shape) of the object whose colour or shape alone the answer names
        self.kinds = [("count", 0.19), ("colour", 0.06), ("shape", 0.06), ("exist", 0.09), ("relation", 0.30), ("size", 0.10),
                      ("describe", 0.11), ("unknown", 0.04), ("ground", 0.05)]

    def places(self, sc):
        """Of the two objects of the last question centre and size, as shares of the sides; -1 for none. [6]"""
        short = min(sc["w"], sc["h"])
        return [v for o in self.refs for v in ((o["mx"] / sc["w"], o["my"] / sc["h"], o["size"] / short) if o else (-1.0, -1.0, -1.0))]

    def trained(self, c, s):
        return self.any_pairs or (c, s) not in L.HELD_OUT_PAIRS

    def finish(self, lang, q, a, kind, first=None, second=None):
        """first: the object named first; second: the one named second, or else the one the answer names. Training asks where they are"""
        self.refs = first, second
        q = L.dress(lang, q, self.r, self.held, kind)
        return q, a, kind, lang

    def draw(self, group, lang, **fill):
        return (L.E if lang == "en" else L.Z)[group].draw(self.r, self.held, **fill)

    def ph(self, lang, c, s, plural=False):
        return L.phrase(lang, c, s, self.r, plural)

    def name(self, lang, p, o):
        """A phrase for the object o that the attributes p single out."""
        s = self.ph(lang, *p)
        self.names.append((s, o))
        return s

    def named(self, sc, q):
        """[(end of a phrase in q, [x, y, size, width, height] of the object it names)] of the last question; phrases that are not found
        once are left out"""
        w, h, low = sc["w"], sc["h"], q.lower()
        return [(low.index(n.lower()) + len(n), [o["mx"] / w, o["my"] / h, o["size"] / min(w, h), (o["box"][2] - o["box"][0]) / w,
                                                 (o["box"][3] - o["box"][1]) / h])
                for n, o in self.names if low.count(n.lower()) == 1]

    # each method returns (question, answer, kind, language) or None
    def count(self, sc, lang):
        objs, r = sc["objects"], self.r
        u = r()
        if u < 0.18:
            c = s = None
        elif u < 0.48:
            c, s = None, (L.pick(objs, r)["shape"] if objs and r() < 0.82 else L.pick(L.SHAPES, r))
        elif u < 0.75:
            c, s = (L.pick(objs, r)["colour"] if objs and r() < 0.82 else L.pick(L.COLOURS, r)), None
        else:
            o = L.pick(objs, r) if objs else None
            if o is not None and r() < 0.75:
                c, s = o["colour"], o["shape"]
            elif o is not None and r() < 0.7:
                c, s = L.pick(objs, r)["colour"], L.pick(objs, r)["shape"]
            else:
                c, s = L.pick(L.COLOURS, r), L.pick(L.SHAPES, r)
            if not self.trained(c, s):
                return None
        n = count_of(objs, c, s)
        if c and not s and r() < 0.25:
            q = self.draw("count_pred", lang, Gs=L.en_generic(r, True), Y=L.en_colour(c, r) if lang == "en" else L.ZH_COLOUR[c] + "色")
        elif s and not c and r() < 0.08:
            q = self.draw("count_pred", lang, Gs=L.en_generic(r, True), Y=L.en_shape(s, r, True) if lang == "en" else L.zh_shape(s, r))
        else:
            q = self.draw("count", lang, X=self.ph(lang, c, s, True), A1=L.article(self.ph(lang, c, s)))
        return self.finish(lang, q, L.a_count(lang, n), "count")

    def colour(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        if len(objs) == 1 and r() < 0.4:
            self.about = objs[0]["colour"], objs[0]["shape"]
            return self.finish(lang, self.draw("one_colour", lang), L.a_colour(lang, objs[0]["colour"]), "colour", None, objs[0])
        if r() < 0.06:
            s = L.pick(L.SHAPES, r)
            if count_of(objs, None, s):
                return None
            a = L.CANT[lang]
        else:
            s = L.pick(objs, r)["shape"]
            if len({o["colour"] for o in objs if o["shape"] == s}) != 1:
                return None
            self.about = next(o["colour"] for o in objs if o["shape"] == s), s
            a = L.a_colour(lang, self.about[0])
        n = count_of(objs, None, s)
        x = L.en_shape(s, r, n > 1) if lang == "en" else L.zh_shape(s, r)
        if n == 1:
            self.names.append((x, next(o for o in objs if o["shape"] == s)))
        if lang == "en":
            q = self.draw("colour", lang, X=x, Xs=L.en_shape(s, r, True))
            if n > 1:
                q = q.replace(" is the ", " are the ", 1) if r() < 0.7 else q
        else:
            q = self.draw("colour", lang, X=x)
        return self.finish(lang, q, a, "colour", next((o for o in objs if o["shape"] == s), None) if n == 1 else None)

    def shape(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        if len(objs) == 1 and r() < 0.4:
            self.about = objs[0]["colour"], objs[0]["shape"]
            return self.finish(lang, self.draw("one_shape", lang), L.a_shape(lang, objs[0]["shape"]), "shape", None, objs[0])
        if r() < 0.06:
            c = L.pick(L.COLOURS, r)
            if count_of(objs, c, None):
                return None
            a = L.CANT[lang]
        else:
            c = L.pick(objs, r)["colour"]
            if len({o["shape"] for o in objs if o["colour"] == c}) != 1:
                return None
            self.about = c, next(o["shape"] for o in objs if o["colour"] == c)
            a = L.a_shape(lang, self.about[1])
        if lang == "en":
            q = self.draw("shape", lang, Y=L.en_colour(c, r))
        else:
            q = self.draw("shape", lang, Y=L.ZH_COLOUR[c] + ("色" if r() < 0.85 else ""))
        one = [o for o in objs if o["colour"] == c]
        return self.finish(lang, q, a, "shape", one[0] if len(one) == 1 else None)

    def exist(self, sc, lang):
        objs, r = sc["objects"], self.r
        want = r() < 0.5
        u = r()
        c = s = None
        if u < 0.55:
            if want and objs:
                o = L.pick(objs, r)
                c, s = o["colour"], o["shape"]
            else:
                v = r()
                c = L.pick(objs, r)["colour"] if objs and v < 0.65 else L.pick(L.COLOURS, r)
                s = L.pick(objs, r)["shape"] if objs and (v > 0.45) else L.pick(L.SHAPES, r)
        elif u < 0.8:
            s = L.pick(objs, r)["shape"] if want and objs else L.pick(L.SHAPES, r)
        else:
            c = L.pick(objs, r)["colour"] if want and objs else L.pick(L.COLOURS, r)
        if c and s and not self.trained(c, s):
            return None
        truth = count_of(objs, c, s) > 0
        one = [o for o in objs if (c is None or o["colour"] == c) and (s is None or o["shape"] == s)]
        if lang == "en":
            x = self.name(lang, (c, s), one[0]) if len(one) == 1 else self.ph(lang, c, s)
            if c and not s and r() < 0.25:
                a = f"anything {L.en_colour(c, r)}"
            else:
                a = L.article(x)
            q = self.draw("exist", lang, A=a, X=x, Xs=self.ph(lang, c, s, True))
        else:
            q = self.draw("exist", lang, X=self.name(lang, (c, s), one[0]) if len(one) == 1 else self.ph(lang, c, s))
        return self.finish(lang, q, L.a_yes(lang, truth, True), "exist")

    def relation(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        short = min(sc["w"], sc["h"])
        d = L.pick(L.DIRECTIONS, r)
        dd = L.direction_en if lang == "en" else L.direction_zh
        u = r()
        margin = 0.07 * short
        if u < 0.40:                                             # name the one beyond
            a = L.pick(objs, r)
            for _ in range(4):
                if any(o is not a and beyond(a, o, d) > margin for o in objs):
                    break
                d = L.pick(L.DIRECTIONS, r)
            p = unique_phrase(a, objs, r)
            if p is None:
                return None
            there = [o for o in objs if o is not a and beyond(a, o, d) > 0.01 * short]
            sure = [o for o in there if beyond(a, o, d) > margin]
            if len(there) != len(sure):
                return None
            if not there:
                if r() > 0.15:
                    return None
                q = self.draw("rel", lang, X=self.name(lang, p, a), D=dd(d, r))
                return self.finish(lang, q, "Nothing." if lang == "en" else "什么都没有。", "relation")
            if len(there) > 1:
                if r() < 0.9:
                    return None
                near = sorted(there, key=lambda o: math.hypot(o["mx"] - a["mx"], o["my"] - a["my"]))
                d0, d1 = (math.hypot(o["mx"] - a["mx"], o["my"] - a["my"]) for o in near[:2])
                if d1 < 1.5 * d0:
                    return None
                there = near
            b = there[0]
            v = r()
            if v < 0.2:
                q = self.draw("rel_colour", lang, X=self.name(lang, p, a), D=dd(d, r))
                self.about = b["colour"], b["shape"]
                return self.finish(lang, q, L.a_colour(lang, b["colour"]), "relation", a, b)
            if v < 0.35:
                q = self.draw("rel_shape", lang, X=self.name(lang, p, a), D=dd(d, r))
                return self.finish(lang, q, L.a_object(lang, b["colour"], b["shape"]), "relation", a, b)
            q = self.draw("rel", lang, X=self.name(lang, p, a), D=dd(d, r))
            return self.finish(lang, q, L.a_object(lang, b["colour"], b["shape"]), "relation", a, b)
        if u < 0.86:                                             # two named objects
            if len(objs) < 2:
                return None
            a, b = self.rng.sample(objs, 2)
            pa, pb = unique_phrase(a, objs, r), unique_phrase(b, objs, r)
            if pa is None or pb is None:
                return None
            if u < 0.68:
                t = beyond(b, a, d)
                if abs(t) < margin:
                    return None
                q = self.draw("rel_yn", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), D=dd(d, r))
                return self.finish(lang, q, L.a_yes(lang, t > 0, False), "relation", a, b)
            dx, dy = a["mx"] - b["mx"], a["my"] - b["my"]
            if u < 0.78:
                horizontal = d in ("left", "right")
                pair = ["left", "right"] if horizontal else ["above", "below"]
                v = dx if horizontal else dy
                if abs(v) < margin:
                    return None
                truth = pair[0] if v < 0 else pair[1]
                if r() < 0.5:
                    pair.reverse()
                if lang == "en":
                    while True:
                        self.names.clear()
                        q = self.draw("rel_which", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), D1=dd(pair[0], r) if r() < 0.5 else
                                      {"left": "left", "right": "right"}.get(pair[0], pair[0]), D2=dd(pair[1], r),
                                      S1=pair[0], S2=pair[1])
                        if horizontal or "to the above" not in q and "to the below" not in q:
                            break
                else:
                    q = self.draw("rel_which", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), D1=dd(pair[0], r), D2=dd(pair[1], r))
                asks_pair = any(k in q for k in (" or ", "还是"))
                if not asks_pair:
                    if abs(abs(dx) - abs(dy)) < 0.4 * max(abs(dx), abs(dy)):
                        return None
                    truth = ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("above" if dy < 0 else "below")
                return self.finish(lang, q, L.a_side(lang, truth), "relation", a, b)
            v = beyond(b, a, d)
            if abs(v) < margin:
                return None
            m = L.pick((L._FURTHER if lang == "en" else L._FURTHERZ)[d], r)
            q = self.draw("further", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), M=m)
            w = a if v > 0 else b
            return self.finish(lang, q, L.a_object(lang, w["colour"], w["shape"]), "relation", a, b)
        if u < 0.94:                                             # the outermost
            if len(objs) < 2:
                return None
            key = {"left": lambda o: o["mx"], "right": lambda o: -o["mx"], "above": lambda o: o["my"], "below": lambda o: -o["my"]}[d]
            o = sorted(objs, key=key)
            if key(o[1]) - key(o[0]) < margin:
                return None
            m = L.pick((L._EXT if lang == "en" else L._EXTZ)[d], r)
            q = self.draw("extreme", lang, M=m, F=L.pick(L._FAR[d], r))
            return self.finish(lang, q, L.a_object(lang, o[0]["colour"], o[0]["shape"]), "relation", None, o[0])
        w, h = sc["w"], sc["h"]
        pos = {"left": lambda o: o["mx"] / w, "right": lambda o: 1 - o["mx"] / w, "above": lambda o: o["my"] / h,
               "below": lambda o: 1 - o["my"] / h}[d]
        inside = [o for o in objs if pos(o) < 0.5]
        if len(inside) != 1 or pos(inside[0]) > 0.42 or any(0.5 <= pos(o) < 0.58 for o in objs):
            return None
        o = inside[0]
        q = self.draw("side", lang, S=L._SIDE[d], D=L.direction_zh(d, r))
        return self.finish(lang, q, L.a_object(lang, o["colour"], o["shape"]), "relation", None, o)

    def size(self, sc, lang):
        objs, r = sc["objects"], self.r
        if len(objs) < 2:
            return None
        which = "big" if r() < 0.5 else "small"
        sign = -1 if which == "big" else 1
        m = L.pick(L._ME[which], r) if lang == "en" else L._MZ[which]

        def best(pool):
            o = sorted(pool, key=lambda o: sign * o["size"])
            big, small = (o[0], o[1]) if which == "big" else (o[1], o[0])
            if big["size"] < 1.12 * small["size"]:
                return None
            p = sorted(pool, key=lambda o: sign * o["area"])
            return o[0] if p[0] is o[0] else None
        u = r()
        if u < 0.5:
            o = best(objs)
            if o is None:
                return None
            q = self.draw("most_size", lang, M=m)
            return self.finish(lang, q, L.a_object(lang, o["colour"], o["shape"]), "size", None, o)
        if u < 0.62:
            o = best(objs)
            if o is None:
                return None
            q = self.draw("most_colour", lang, M=m, B="shape" if lang == "en" else "图形")
            self.about = o["colour"], o["shape"]
            return self.finish(lang, q, L.a_colour(lang, o["colour"]), "size", None, o)
        if u < 0.70:
            o = best(objs)
            if o is None:
                return None
            q = self.draw("most_shape", lang, M=m)
            return self.finish(lang, q, L.a_object(lang, o["colour"], o["shape"]), "size", None, o)
        if u < 0.80:
            s = L.pick(objs, r)["shape"]
            pool = [o for o in objs if o["shape"] == s]
            if len(pool) < 2 or len({o["colour"] for o in pool}) < 2:
                return None
            o = best(pool)
            if o is None:
                return None
            w = L.en_shape(s, r) if lang == "en" else L.zh_shape(s, r)
            q = self.draw("most_colour", lang, M=m, B=w, G=w, K=w)
            if w not in q:
                return None
            self.about = o["colour"], o["shape"]
            return self.finish(lang, q, L.a_colour(lang, o["colour"]), "size", None, o)
        a, b = self.rng.sample(objs, 2)
        pa, pb = unique_phrase(a, objs, r), unique_phrase(b, objs, r)
        if pa is None or pb is None or best([a, b]) is None:
            return None
        if lang == "en":
            m = L.pick(["bigger", "larger"] if which == "big" else ["smaller"], r)
        else:
            m = ("更" if u < 0.9 and r() < 0.5 else "") + ("大" if which == "big" else "小")
        w = best([a, b])
        if u < 0.9:
            q = self.draw("compare", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), M=m)
            return self.finish(lang, q, L.a_object(lang, w["colour"], w["shape"]), "size", a, b)
        q = self.draw("compare_yn", lang, X=self.name(lang, pa, a), Y=self.name(lang, pb, b), M=m)
        return self.finish(lang, q, L.a_yes(lang, w is a, False), "size", a, b)

    def describe(self, sc, lang):
        groups = {}
        for o in sc["objects"]:
            k = (o["colour"], o["shape"])
            groups[k] = groups.get(k, 0) + 1
        text = sc["text"]["text"] if sc["text"] else ""
        return self.finish(lang, self.draw("describe", lang), L.a_describe(lang, groups, text), "describe")

    def text(self, sc, lang):
        a = L.a_text(lang, sc["text"]["text"]) if sc["text"] else L.CANT[lang]
        return self.finish(lang, self.draw("text", lang), a, "text")

    def unknown(self, sc, lang):
        r = self.r
        if lang == "en" and r() < 0.10:
            q = L.pick(L.FOREIGN, r)
            q = (q[0].upper() + q[1:] if r() < 0.6 else q) + ("?" if r() < 0.8 else "")
            self.refs = None, None
            return q, L.CANT["en"], "unknown", "en"
        q = L.fill_unknown(lang, self.draw("unknown", lang), r)
        return self.finish(lang, q, L.CANT[lang], "unknown")

    def ground(self, sc, lang):
        objs, r = sc["objects"], self.r
        if not objs:
            return None
        o = L.pick(objs, r)
        p = unique_phrase(o, objs, r)
        if p is None:
            return None
        x = self.name(lang, p, o)
        b = o["box"]
        k = [min(999, max(0, int(round(v)))) for v in (b[0] / sc["w"] * 999, b[1] / sc["h"] * 999, b[2] / sc["w"] * 999,
                                                        b[3] / sc["h"] * 999)]
        a = f"<|ref|>{x}<|/ref|><|det|>[[{k[0]}, {k[1]}, {k[2]}, {k[3]}]]<|/det|>"
        return self.finish(lang, self.draw("ground", lang, X=x), a, "ground", o)

    def ask(self, sc, kind=None, lang=None):
        r = self.r
        self.refs, self.about = (None, None), None
        self.names.clear()
        lang = lang or ("en" if r() < 0.53 else "zh")
        if sc["junk"]:
            if kind is None or kind == "ground":
                kind = L.pick(["count", "colour", "shape", "exist", "describe", "text", "unknown", "size"], r)
            q = self.junk_question(lang)
            self.refs, self.about = (None, None), None
            self.names.clear()
            return q[0], L.CANT[lang], "unknown", lang
        if kind is None:
            u = r()
            if sc["kind"] == "text" and u < 0.75:
                kind = "text"
            elif sc["kind"] != "text" and u < 0.015:
                kind = "text"
            else:
                u = r()
                for k, p in self.kinds:
                    u -= p
                    if u <= 0:
                        kind = k
                        break
                else:
                    kind = "count"
        for _ in range({"relation": 5, "size": 3, "ground": 2}.get(kind, 1)):
            self.about = None
            self.names.clear()
            qa = getattr(self, kind)(sc, lang)
            if qa is not None:
                return qa
        return None

    def endless(self, tokens, most):
        """A question far too long to mean one thing: repeated words, many sentences, or noise, often with an ordinary question behind.
        tokens(text) -> how many it takes; at least 100, at most `most`"""
        r = self.r
        lang = "en" if r() < 0.53 else "zh"
        gap = " " if lang == "en" else ""
        few = [self.junk_question(lang)[0] for _ in range(3)] + [L.pick(L.FILL_E, r) if lang == "en" else L.pick(L.FILL_Z, r) for _ in range(3)]
        u, parts = r(), []
        for _ in range(400):
            if u < 0.3:
                parts.append(few[-1] if r() < 0.9 else few[0])
            elif u < 0.6:
                parts.append(L.pick(few, r))
            elif u < 0.8:
                parts.append(self.junk_question(lang)[0])
            elif u < 0.95:
                parts.append(L.pick(L.NOUNS if lang == "en" else L.NOUNS_Z, r) if r() < 0.5 else L.pick(L.FILL_E if lang == "en" else L.FILL_Z, r))
            else:
                parts.append(L._word(r) if lang == "en" else L._hanzi(r))
            if len(parts) % 8 == 0 and tokens(gap.join(parts)) > most:
                break
        end = few[0] if r() < 0.6 else ""
        want = 100 + int(r() * (most - 100))
        while parts and tokens(gap.join(parts) + gap + end) > want:
            del parts[:max(1, len(parts) // 12)]
        self.refs, self.about = (None, None), None
        self.names.clear()
        return (gap.join(parts) + gap + end).strip(), L.CANT[lang], "unknown", lang

    def junk_question(self, lang):
        """Any ordinary question: asked of an invented scene, its answer is dropped."""
        r = self.r
        objs = []
        for i in range(2):
            o = {"colour": L.COLOURS[int(r() * 11)], "shape": L.SHAPES[int(r() * 8)], "mx": 10 + 50 * i, "my": 12 + 45 * i,
                 "size": 10 + 20 * i, "area": 10 + 20 * i, "box": (0, 0, 1, 1)}
            objs.append(o)
        sc = {"w": 100, "h": 100, "objects": objs, "text": None, "junk": 0, "kind": "shapes"}
        while True:
            k = L.pick(["count", "count", "colour", "shape", "relation", "size", "describe", "text", "unknown"], r)
            q = getattr(self, k)(sc, lang)
            if q is not None:
                return q
