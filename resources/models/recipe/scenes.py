# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Draws random scenes: what is where. No pixels here: render.py paints the scenes, questions.py asks about them.

A scene is described in source pixels. Every object carries its rotated bounding box, so that questions, grounding
boxes and dense labels agree with what is painted.
"""
import math

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
