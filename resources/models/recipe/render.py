# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Paints scenes on the device in batches and cuts them into VL2's tiles; also makes the dense labels.

Shapes and glyphs are signed-distance tables sampled through an affine map. A picture is painted at its own source size
when that is small (so that enlarging it looks as it does in life) and at the size of its tiles otherwise, then resized
with the antialiased bicubic filter that Pillow uses, padded with grey 127 and cut.
"""
import functools
import math

import numpy as np
import torch
import torch.nn.functional as F

import language as L
from geometry import COUNT, OFFSET, VARIANTS, signed_distance_tables
from scenes import CROWD, NOISE, SCREEN, SLOTS

GRID = 96
REACH = 1.25
# columns of a slot: table, cx, cy, half, cos, sin, r, g, b, or, og, ob, outline width, wrap, shape, colour, char, box x0 y0 x1 y1
COLS = 21
TILE = 224


def contain(w, h, bw, bh):
    """The size ImageOps.contain gives."""
    if w / h > bw / bh:
        return bw, max(1, round(h / w * bw))
    if w / h < bw / bh:
        return max(1, round(w / h * bh)), bh
    return bw, bh


def slot_row(o, kind):
    if kind == "shape":
        table = OFFSET[o["shape"]] + o["variant"]
        s, c, ch = L.SHAPES.index(o["shape"]) + 1, L.COLOURS.index(o["colour"]) + 1, 0
        out = o["outline"] or (0.0, 0.0, 0.0)
        ow = o["ow"]
    else:
        table = COUNT + o["font"] * 62 + o["char"]
        s, c, ch = 9, 0, o["char"] + 1
        out, ow = (0.0, 0.0, 0.0), 0.0
    return [table, o["cx"], o["cy"], o["half"], math.cos(o["rot"]), math.sin(o["rot"]), *o["rgb"], *out, ow, 0.0, s, c, ch, *o["box"]]


def junk_rows(scene, rng, n_fonts):
    """Slots of a picture nobody should answer about: repeated small shapes, or a page of glyphs and boxes."""
    w, h = scene["w"], scene["h"]
    short = min(w, h)
    rows = []
    n = {CROWD: SLOTS, NOISE: rng.choice((0, 0, 2, 4)), SCREEN: SLOTS}[scene["junk"]]
    for i in range(n):
        half = short * rng.uniform(0.012, 0.05)
        wrap = 1.0
        table = rng.randrange(COUNT)
        if scene["junk"] == NOISE:
            half, wrap = short * rng.uniform(0.1, 0.6), 0.0
        if scene["junk"] == SCREEN:
            if i < 3:
                half, wrap, table = short * rng.uniform(0.1, 0.5), 0.0, OFFSET["rectangle"] + rng.randrange(24)
            else:
                half, table = max(2.0, short * rng.uniform(0.008, 0.02)), COUNT + rng.randrange(n_fonts * 62)
        a = rng.uniform(-math.pi, math.pi) if scene["junk"] != SCREEN else 0.0
        rgb = [rng.random() * 255 for _ in range(3)]
        rows.append([table, rng.uniform(0, w), rng.uniform(0, h), half, math.cos(a), math.sin(a), *rgb, 0, 0, 0, 0, wrap, 0, 0, 0, 0, 0, 0, 0])
    return rows


def crowd_rows(rng, w, h, n):
    """Slots of n pictures with dozens to hundreds of shapes each: float32 [n, k, COLS], painted in their order"""
    k = int(24 * (320 / 24) ** rng.random()) // 16 * 16
    out = np.zeros((n, k, COLS), np.float32)
    short = min(w, h)
    for i in range(n):
        half = min(0.06, 0.5 / math.sqrt(k)) * short * rng.uniform(0.35, 1.0)
        vary, upright, grid = rng.random() < 0.6, rng.random() < 0.5, rng.random() < 0.25
        shapes = L.SHAPES if rng.random() < 0.6 else rng.sample(L.SHAPES, rng.randint(1, 2))
        colours = None if rng.random() < 0.5 else [[rng.random() * 255 for _ in range(3)] for _ in range(rng.randint(1, 5))]
        across = max(1, round(math.sqrt(k * w / h)))
        for j in range(k):
            s = rng.choice(shapes)
            x, y = ((j % across + 0.5) * w / across, (j // across + 0.5) * h / math.ceil(k / across)) if grid else (rng.uniform(0, w), rng.uniform(0, h))
            a = 0.0 if upright else rng.uniform(-math.pi, math.pi)
            r = half * (rng.uniform(0.5, 1.3) if vary and not grid else 1.0)
            rgb = rng.choice(colours) if colours else [rng.random() * 255 for _ in range(3)]
            out[i, j, :9] = [OFFSET[s] + rng.randrange(len(VARIANTS[s])), x, y, r, math.cos(a), math.sin(a), *rgb]
    return out


def scene_rows(scene, rng, n_fonts):
    rows = [slot_row(o, "shape") for o in scene["objects"]]
    if scene["text"]:
        rows += [slot_row(g, "glyph") for g in scene["text"]["glyphs"]]
    if scene["junk"]:
        rows = junk_rows(scene, rng, n_fonts)
    rows = rows[:SLOTS]
    out = np.zeros((SLOTS, COLS), np.float32)
    out[:, 3] = -1.0
    if rows:
        out[:len(rows)] = rows
    return out


JPEG_LUMA = (16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
             18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99)
JPEG_CHROMA = (17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66) + (99,) * 38
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


@functools.lru_cache
def jpeg_constants(device):
    """-> RGB to YCbCr, its inverse, the matrix of the DCT of 8, the two tables of quality 50 [8, 8]"""
    k = torch.arange(8.0)
    m = torch.cos((2 * k[None] + 1) * k[:, None] * (math.pi / 16)) * 0.5
    m[0] /= math.sqrt(2.0)
    ycc = torch.tensor(TO_YCC)
    tables = [torch.tensor(t, dtype=torch.float32).view(8, 8) for t in (JPEG_LUMA, JPEG_CHROMA)]
    return [t.to(device) for t in (ycc, torch.linalg.inv(ycc), m, *tables)]


def jpeg(img, quality):
    """What JPEG (ITU-T T.81, annexes A.3 and K.1) with chroma at half resolution leaves of img [n, 3, h, w] in 0..1"""
    h, w = img.shape[2:]
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    ycc, rgb, m, luma, chroma = jpeg_constants(img.device)
    x = torch.einsum("ij,njhw->nihw", ycc, F.pad(img, (0, -w % 16, 0, -h % 16), mode="replicate") * 255)

    def coded(y, table):
        q = ((table * scale + 50) / 100).floor().clamp(1, 255)
        b = y.unflatten(2, (-1, 8)).unflatten(4, (-1, 8)).transpose(3, 4)
        b = m.T @ ((m @ b @ m.T / q).round() * q) @ m
        return b.transpose(3, 4).flatten(4, 5).flatten(2, 3)
    y = coded(x[:, :1] - 128, luma) + 128
    c = F.interpolate(coded(F.avg_pool2d(x[:, 1:], 2), chroma), scale_factor=2, mode="bilinear", align_corners=False)
    return (torch.einsum("ij,njhw->nihw", rgb, torch.cat((y, c), 1)) / 255).clamp(0, 1)[:, :, :h, :w]


class Painter:
    def __init__(self, glyphs, device):
        self.device = device
        shapes = torch.from_numpy(signed_distance_tables(GRID, REACH)).to(device)
        g = torch.from_numpy(glyphs.tables).to(device).flatten(0, 1).float() / 254
        g = torch.cat([F.interpolate(c[:, None], size=(GRID, GRID), mode="bilinear", align_corners=False)[:, 0].half()
                       for c in g.split(512)])
        self.tables = torch.cat((shapes.half(), g)).contiguous()
        self.kernel = None
        if torch.device(device).type == "cuda":
            from paint_kernel import composite
            self.kernel = composite

    def sample(self, slots, points, wrap):
        """Signed distance in source pixels. slots [n, S, COLS], points [n or 1, P, 2] in source pixels -> [n, S, P]"""
        n, s, _ = slots.shape
        t = self.tables[slots[..., 0].long().flatten()].float()[:, None]
        half = slots[..., 3:4].abs()
        k = 1 / (half * REACH)
        cs, sn = slots[..., 4:5] * k, slots[..., 5:6] * k
        dx = points[:, None, :, 0] - slots[..., 1:2]
        dy = points[:, None, :, 1] - slots[..., 2:3]
        u = torch.stack((dx * cs + dy * sn, dy * cs - dx * sn), -1)
        if wrap:
            u = torch.where(slots[..., None, 13:14] > 0, torch.remainder(u + 1.5, 3.0) - 1.5, u)
        v = F.grid_sample(t, u.view(n * s, -1, 1, 2), mode="bilinear", padding_mode="border", align_corners=False)
        reach = u.abs().amax(-1)
        return (v.view(n, s, -1) + (reach - 1).clamp_min(0) * REACH) * half, reach

    def composite(self, img, slots, c, size, pts):
        """Slots over the ground. img [n, 3, pixels]"""
        aa = 0.02 if c["hard"] else 1.0
        w, h = c["w"], c["h"]
        if self.kernel:
            return self.kernel(img, slots, self.tables, c["slots"], size, (w, h), aa, REACH, GRID, COLS)
        sl = slots[:, :c["slots"]]
        px = max(w / size[0], h / size[1])
        sd, _ = self.sample(sl, pts, c["wrap"])
        sd = torch.where(sl[..., 3:4] > 0, sd, 1e9) / px
        a = (0.5 - sd / aa).clamp(0, 1)
        rgb = sl[..., 6:9] / 255
        if c["outlines"]:
            ow = sl[..., 12:13]
            ring = ((0.5 - (sd - ow / px) / aa).clamp(0, 1) * (ow > 0) - a).clamp_min(0)
            a, rgb = torch.cat((a, ring), 1), torch.cat((rgb, sl[..., 9:12] / 255), 1)
        total = a.sum(1, keepdim=True)
        return img * (1 - total).clamp_min(0) + torch.bmm(rgb.transpose(1, 2), a / total.clamp_min(1))

    def sprinkle(self, img, crowd, c):
        """Small slots without outlines one after the other, each where it lies: what the kernel does quickly enough for all pixels."""
        rh, rw = img.shape[2:]
        sx, sy = rw / c["w"], rh / c["h"]
        for picture, rows in zip(img, crowd):
            for row in rows:
                cx, cy, half = (float(v) for v in row[1:4])
                r = half * REACH * 1.45
                x0, x1 = max(0, int((cx - r) * sx)), min(rw, int((cx + r) * sx) + 2)
                y0, y1 = max(0, int((cy - r) * sy)), min(rh, int((cy + r) * sy) + 2)
                if x0 >= x1 or y0 >= y1:
                    continue
                ys, xs = torch.meshgrid((torch.arange(y0, y1) + 0.5) / sy, (torch.arange(x0, x1) + 0.5) / sx, indexing="ij")
                sd, _ = self.sample(row[None, None], torch.stack((xs, ys), -1).view(1, -1, 2), False)
                a = (0.5 - sd.view(1, y1 - y0, x1 - x0) / max(1 / sx, 1 / sy) / (0.02 if c["hard"] else 1.0)).clamp(0, 1)
                part = picture[:, y0:y1, x0:x1]
                part += (row[6:9, None, None] / 255 - part) * a
        return img

    @torch.no_grad()
    def chunk(self, slots, ground, c, rw, rh, gen):
        """-> float [n, 3, rh, rw] in 0..1"""
        n = slots.shape[0]
        dev, w, h, noise = self.device, c["w"], c["h"], c["noise"]
        xs = (torch.arange(rw, device=dev) + 0.5) * (w / rw)
        ys = (torch.arange(rh, device=dev) + 0.5) * (h / rh)
        pts = torch.stack((xs[None].expand(rh, rw), ys[:, None].expand(rh, rw)), -1).view(1, -1, 2)
        # ground: c0(3) c1(3) angle radial
        c0, c1 = ground[:, 0:3, None] / 255, ground[:, 3:6, None] / 255
        ang, radial = ground[:, 6:7], ground[:, 7:8]
        nx, ny = pts[..., 0] / w - 0.5, pts[..., 1] / h - 0.5
        t = torch.where(radial > 0, (nx * nx + ny * ny).sqrt() * 1.41, 0.5 + (nx * ang.cos() + ny * ang.sin()) / 1.41).clamp(0, 1)
        img = torch.lerp(c0.expand(-1, -1, rw * rh), c1.expand(-1, -1, rw * rh), t[:, None].expand(-1, 3, -1))
        if noise > 0:
            img = img.view(n, 3, rh, rw)
            for o in ((4, 1.0), (11, 0.7), (29, 0.5)) + (((80, 0.5), (160, 0.35)) if noise > 0.1 else ()):
                z = torch.randn(n, 3, o[0], o[0], device=dev, generator=gen)
                if noise <= 0.1:
                    z = z.mean(1, keepdim=True) * 1.2 + 0.35 * z
                img = img + F.interpolate(z, size=(rh, rw), mode="bicubic", align_corners=False) * (noise * o[1])
            img = img.clamp(0, 1).view(n, 3, -1)
        if c["slots"]:
            img = self.composite(img.contiguous(), slots, c, (rw, rh), pts)
        if c["crowd"] is not None and not self.kernel:
            img = self.sprinkle(img.view(n, 3, rh, rw).clone(), torch.from_numpy(c["crowd"]), c)
        elif c["crowd"] is not None:
            for k in range(0, c["crowd"].shape[1], 16):
                some = torch.from_numpy(np.ascontiguousarray(c["crowd"][:, k:k + 16])).to(dev)
                img = self.composite(img.contiguous(), some, c | {"slots": some.shape[1], "wrap": False, "outlines": False}, (rw, rh), pts)
        img = img.view(n, 3, rh, rw)
        if c["blur"]:
            img = F.avg_pool2d(F.pad(img, (1, 1, 1, 1), mode="replicate"), 3, 1)
        if c["grain"] > 0:
            img = img + torch.randn(img.shape, device=dev, generator=gen) * c["grain"]
        if c["jpeg"]:
            img = jpeg(img.clamp(0, 1), c["jpeg"])
        return (img.clamp(0, 1) * 255).round() / 255

    @staticmethod
    def pad_view(img, w, h, bw, bh):
        cw, ch = contain(w, h, bw, bh)
        if (cw, ch) != (img.shape[3], img.shape[2]):
            img = F.interpolate(img, size=(ch, cw), mode="bicubic", align_corners=False, antialias=True).clamp(0, 1)
            img = (img * 255).round() / 255
        x, y = round((bw - cw) * 0.5), round((bh - ch) * 0.5)
        return F.pad(img, (x, bw - cw - x, y, bh - ch - y), value=127 / 255)

    @staticmethod
    def label_points(w, h, tw, th):
        """Patch centres of the global view and of the assembled local grid, in source pixels; and pixels per source pixel."""
        out, scales = [], []
        for bw, bh in ((TILE, TILE), (TILE * tw, TILE * th)):
            cw, ch = contain(w, h, bw, bh)
            x, y = round((bw - cw) * 0.5), round((bh - ch) * 0.5)
            px = ((np.arange(bw // 14) + 0.5) * 14 - x) * (w / cw)
            py = ((np.arange(bh // 14) + 0.5) * 14 - y) * (h / ch)
            gx, gy = np.meshgrid(px, py)
            out.append(np.stack((gx, gy), -1).reshape(-1, 2))
            scales.append(np.full((gx.size, 1), cw / w))
        return np.concatenate((np.concatenate(out), np.concatenate(scales)), 1).astype(np.float32)

    @torch.no_grad()
    def batch(self, b, gen):
        """b: one layout's batch of chunks -> tiles float [B, 1+n, 3, 224, 224] in -1..1 and the dense labels."""
        def move(x):
            t = torch.from_numpy(x)
            return (t.pin_memory() if self.kernel else t).to(self.device, non_blocking=True)
        tw, th = b["layout"]
        tiles = []
        slots, ground = move(b["slots"]), move(b["ground"])
        pts = np.empty((slots.shape[0], 256 * (1 + tw * th), 5), np.float32)
        for c in b["chunks"]:
            sl, gr = slots[c["at"]:c["to"]], ground[c["at"]:c["to"]]
            w, h = c["w"], c["h"]
            cw, ch = contain(w, h, TILE * tw, TILE * th)
            rw, rh = (w, h) if w <= cw else (cw, ch)
            img = self.chunk(sl, gr, c, rw, rh, gen)
            g = self.pad_view(img, w, h, TILE, TILE)
            loc = self.pad_view(img, w, h, TILE * tw, TILE * th)
            loc = loc.view(-1, 3, th, TILE, tw, TILE).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)
            tiles.append(torch.cat((g[:, None], loc), 1))
            pts[c["at"]:c["to"], :, :3] = self.label_points(w, h, tw, th)
            pts[c["at"]:c["to"], :, 3:] = (w, h)
        pts = move(pts)
        points, scale, wh = pts[..., :2], pts[..., 2:3], pts[..., 3:]
        sd, reach = self.sample(slots, points, False)
        sd = sd * scale[:, None, :, 0]
        bad = (slots[..., 3:4] < 0) | (slots[..., 14:15] == 0) | (reach > 1)
        best, who = torch.where(bad, 1e6, sd).min(1)
        info = slots.gather(1, who[..., None].expand(-1, -1, COLS))
        info = torch.where((best < 4.0)[..., None], info, 0.0)
        centre = (info[..., 17:19] + info[..., 19:21]) / 2
        extent = info[..., 19:21] - info[..., 17:19]
        return torch.cat(tiles) * 2 - 1, {
            "cls": info[..., 14:17].long(),
            "rel": torch.cat(((centre - points) * scale / TILE, extent * scale / TILE), -1),
            "abs": torch.cat((centre / wh, extent / wh), -1),
            "own": points / wh,
            "best": best.clamp(max=1e5)}
