# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""The glyph atlas: signed-distance tables of 62 characters in fonts of Debian packages and OpenCV's stroke fonts.

    python3 glyphs.py FONT_ROOT glyphs.npz

FONT_ROOT holds the unpacked packages (dpkg -x), so /usr/share/fonts is one. A face that is missing is left out and named.
"""
import os
import sys

import numpy as np

CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abcdefghijklmnopqrstuvwxyz"
GRID = 64
REACH = 1.25
TRAIN = """DejaVuSans DejaVuSans DejaVuSans-Bold DejaVuSansMono DejaVuSansMono-Bold DejaVuSerif DejaVuSerif-Bold DejaVuSansCondensed
DejaVuSansCondensed-Bold DejaVuSans-Oblique LiberationSans-Regular LiberationSans-Bold LiberationSans-Italic LiberationSerif-Regular
LiberationSerif-Bold LiberationMono-Regular LiberationMono-Bold LiberationSansNarrow-Regular FreeSans FreeSansBold FreeSerif FreeSerifBold FreeMono
FreeMonoBold FreeSerifItalic Roboto-Regular Roboto-Bold Roboto-Medium Roboto-Light RobotoCondensed-Regular RobotoCondensed-Bold
OpenSans-Regular OpenSans-Bold OpenSans-CondBold OpenSans-Italic Hack-Regular Hack-Bold Cantarell-Regular Cantarell-Bold Carlito-Regular
Carlito-Bold ComicNeue-Regular ComicNeue-Bold Inconsolata Quicksand-Regular Quicksand-Bold JetBrainsMono-Regular JetBrainsMono-Bold
NotoSans-Regular NotoSans-Bold NotoSerif-Regular NotoSerif-Bold NotoMono-Regular RobotoSlab-Regular RobotoSlab-Bold Inter-Regular Inter-Bold
Inter-Medium Inter-Black C059-Roman C059-Bold NimbusMonoPS-Regular NimbusMonoPS-Bold NimbusRoman-Regular NimbusRoman-Bold NimbusSans-Regular
NimbusSans-Bold NimbusSansNarrow-Bold P052-Roman P052-Bold URWBookman-Light URWBookman-Demi URWGothic-Book URWGothic-Demi NotoSansCJK-Regular
NotoSansCJK-Bold NotoSerifCJK-Regular hershey0 hershey0b hershey1 hershey2 hershey2b hershey3 hershey4""".split()
HELD_OUT = """Lato-Regular Lato-Bold Caladea-Regular Caladea-Bold FiraCode-Regular FiraCode-Bold LinLibertine_R LinLibertine_RB
LinBiolinum_R""".split()
BIG = 400


def _mask_font(path):
    from PIL import Image, ImageDraw, ImageFont
    font = ImageFont.truetype(path, BIG)

    def draw(c):
        im = Image.new("L", (BIG * 3, BIG * 3), 0)
        ImageDraw.Draw(im).text((BIG, BIG * 2), c, font=font, fill=255, anchor="ls")
        return np.asarray(im) > 127, font.getlength(c) / BIG
    return draw


def _mask_hershey(face, thick):
    import cv2

    def draw(c):
        im = np.zeros((BIG * 3, BIG * 3), np.uint8)
        scale = BIG / 30
        (w, _), _ = cv2.getTextSize(c, face, scale, thick)
        cv2.putText(im, c, (BIG, BIG * 2), face, scale, 255, thick, cv2.LINE_AA)
        return im > 127, w / BIG
    return draw


def build(root, out):
    import cv2
    found = {}
    for base, _, names in os.walk(root):
        for n in names:
            if n.endswith((".ttf", ".otf", ".ttc")):
                found.setdefault(os.path.splitext(n)[0], os.path.join(base, n))
    tables, metrics, fonts = [], [], []
    hershey = {"hershey0": (0, 14), "hershey0b": (0, 34), "hershey1": (1, 22), "hershey2": (2, 18), "hershey2b": (2, 36), "hershey3": (3, 18),
               "hershey4": (4, 18)}
    for name in dict.fromkeys(TRAIN + HELD_OUT):
        if name in hershey:
            draw = _mask_hershey(*hershey[name])
        elif name in found:
            draw = _mask_font(found[name])
        else:
            print("missing", name)
            continue
        rows, met = [], []
        for c in CHARS:
            m, adv = draw(c)
            ys, xs = np.nonzero(m)
            x0, x1, y0, y1 = xs.min(), xs.max() + 1, ys.min(), ys.max() + 1
            half = max(x1 - x0, y1 - y0) / 2
            cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
            pos = (np.arange(GRID) + 0.5) / GRID * 2 - 1
            # a square crop around the glyph, scaled so that the table covers +-REACH of its half extent
            r = half * REACH
            mat = np.float32([[160 / (2 * r), 0, 80 - cx * 160 / (2 * r)], [0, 160 / (2 * r), 80 - cy * 160 / (2 * r)]])
            crop = cv2.warpAffine(m.astype(np.uint8) * 255, mat, (160, 160), flags=cv2.INTER_AREA) > 127
            d = cv2.distanceTransform((~crop).astype(np.uint8), cv2.DIST_L2, 5) - cv2.distanceTransform(crop.astype(np.uint8),
                                                                                                       cv2.DIST_L2, 5)
            d = d * (2 * REACH / 160)
            d = cv2.resize(d.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
            rows.append(np.clip(np.round(d * 254), -127, 127).astype(np.int8))
            met.append((adv, (cx - BIG) / BIG, (cy - 2 * BIG) / BIG, half / BIG))
            del pos
        tables.append(np.stack(rows))
        metrics.append(met)
        fonts.append(name)
    np.savez_compressed(out, tables=np.stack(tables), metrics=np.array(metrics, np.float32), fonts=np.array(fonts))
    print(len(fonts), "faces", os.path.getsize(out) // 1024, "KiB")


class Glyphs:
    def __init__(self, path):
        z = np.load(path)
        self.tables = z["tables"]                       # int8 [F, 62, GRID, GRID], distance * 254, in half extents
        self.metrics = z["metrics"].tolist()            # [F][62] (advance, cx, cy, half) in em from the pen's origin, y down
        self.fonts = [str(f) for f in z["fonts"]]
        self.train_fonts = [i for i, f in enumerate(self.fonts) if f not in HELD_OUT]
        self.held_fonts = [i for i, f in enumerate(self.fonts) if f in HELD_OUT]


if __name__ == "__main__":
    build(sys.argv[1], sys.argv[2])
