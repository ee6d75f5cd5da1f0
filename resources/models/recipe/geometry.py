# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Outlines of the eight shapes, many variants each: vertices centred on their bounding box, longest side 2, y down."""
import math
import random

import numpy as np

from language import SHAPES


def _normal(v):
    v = np.asarray(v, dtype=np.float64)
    lo, hi = v.min(0), v.max(0)
    v = v - (lo + hi) / 2
    return v / (hi - lo).max() * 2


def _arc(n):
    t = np.arange(n) * 2 * math.pi / n
    return np.stack((np.cos(t), np.sin(t)), 1)


def _star(inner, points=5):
    out = []
    for i in range(points * 2):
        r = 1 if i % 2 == 0 else inner
        a = -math.pi / 2 + i * math.pi / points
        out.append((r * math.cos(a), r * math.sin(a)))
    return out


def _heart_curve(squash):
    t = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack((x, y * squash), 1)


def _heart_lobes(r, drop):
    """Two half discs above a triangle: what most drawing code builds."""
    out = []
    for k in range(19):
        a = math.pi + math.pi * k / 18
        out.append((-r + r * math.cos(a), r * math.sin(a)))
    for k in range(19):
        a = math.pi + math.pi * k / 18
        out.append((r + r * math.cos(a), r * math.sin(a)))
    out.append((0, drop))
    return out


def _heart_tangent(depth):
    """Two discs with tangents that meet below."""
    out = []
    for k in range(28):
        a = math.radians(138 + (360 - 138) * k / 27)
        out.append((-0.5 + 0.55 * math.cos(a), 0.55 * math.sin(a)))
    for k in range(28):
        a = math.radians(180 + (402 - 180) * k / 27)
        out.append((0.5 + 0.55 * math.cos(a), 0.55 * math.sin(a)))
    out.append((0, depth))
    # the lobes overlap in the middle: cut each at x = 0
    left = [(min(x, 0), y) for x, y in out[:28]]
    right = [(max(x, 0), y) for x, y in out[28:-1]]
    return left + right + [out[-1]]


def _heart_bezier(d):
    out = []
    curves = [((0, -0.45), (-0.15 - d, -1.1), (-1.15, -0.9), (-1.0, -0.25)), ((-1.0, -0.25), (-0.95, 0.2), (-0.4, 0.5), (0, 1))]
    for p0, p1, p2, p3 in curves:
        for k in range(14):
            t = k / 14
            b = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3]
            out.append(tuple(b[0] * p0[i] + b[1] * p1[i] + b[2] * p2[i] + b[3] * p3[i] for i in (0, 1)))
    mirror = [(-x, y) for x, y in out[::-1]]
    return out + [(0, 1)] + mirror[:-1]


def _cross(t, up=0.0):
    a = t
    y = up
    return [(-a, -1), (a, -1), (a, -a - y), (1, -a - y), (1, a - y), (a, a - y), (a, 1), (-a, 1), (-a, a - y), (-1, a - y), (-1, -a - y),
            (-a, -a - y)]


def _round(v, r, steps=4):
    """Rounded corners for convex outlines."""
    v = np.asarray(v, float)
    out = []
    n = len(v)
    for i in range(n):
        p, a, b = v[i], v[i - 1] - v[i], v[(i + 1) % n] - v[i]
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        s, e = p + a * r, p + b * r
        for k in range(steps + 1):
            t = k / steps
            out.append((1 - t) ** 2 * s + 2 * t * (1 - t) * p + t * t * e)
    return out


def _box(w, h):
    return [(-w, -h), (w, -h), (w, h), (-w, h)]


def _build():
    r = random.Random(20261122)
    v = {s: [] for s in SHAPES}
    v["circle"] = [(_arc(96), 1.0)] * 2
    v["square"] = [(_box(1, 1), 1.0)] * 4 + [(_round(_box(1, 1), 0.12), 1.0), (_round(_box(1, 1), 0.22), 1.0)]
    for i in range(24):
        a = 1.35 + 1.65 * (i / 23) ** 1.2
        w, h = (1, 1 / a) if i % 3 else (1 / a, 1)
        v["rectangle"].append((_box(w, h) if i % 6 else _round(_box(w, h), 0.12 / a), a))
    for a in [0.866] * 6 + [1.0] * 4 + [0.7, 0.8, 1.15, 1.3, 1.5, 0.95]:
        v["triangle"].append(([(0, -a), (1, a), (-1, a)], a))
    v["triangle"] += [([(-1, -1), (1, 1), (-1, 1)], 1.0), ([(1, -0.8), (1, 0.8), (-1, 0.8)], 1.0)]
    for k in range(6):
        a = r.uniform(0.75, 1.2)
        v["triangle"].append(([(r.uniform(-0.7, 0.7), -a), (1, a), (-1, a)], a))
    for inner in [0.382] * 6 + [0.4] * 3 + [0.45, 0.5, 0.5, 0.35, 0.42, 0.47, 0.33]:
        v["star"].append((_star(inner), inner))
    v["heart"] = [(_heart_curve(1.0), 1.0)] * 5 + [(_heart_curve(0.9), 1), (_heart_curve(1.1), 1)]
    v["heart"] += [(_heart_lobes(0.5, d), d) for d in (1.1, 1.2, 1.3, 1.45, 1.0)]
    v["heart"] += [(_heart_tangent(d), d) for d in (1.1, 1.2, 1.35, 1.0)] + [(_heart_bezier(d), d) for d in (0.0, 0.1, 0.2)]
    for a in [1.0] * 5 + [0.6, 0.62, 0.66, 0.7, 0.75, 0.8, 0.85, 0.9, 0.7, 0.75, 0.55]:
        v["diamond"].append(([(0, -1), (a, 0), (0, 1), (-a, 0)], a))
    for a in (0.6, 0.7, 0.8):
        v["diamond"].append(([(0, -a), (1, 0), (0, a), (-1, 0)], a))
    for t in [1 / 3] * 5 + [0.2, 0.24, 0.25, 0.28, 0.3, 0.36, 0.4, 0.22, 0.3]:
        v["cross"].append((_cross(t), t))
    v["cross"].append((_cross(0.2, 0.3), 0.2))
    out = {}
    for s in SHAPES:
        rows = []
        for pts, a in v[s]:
            n = _normal(pts)
            x, y = n[:, 0], n[:, 1]
            area = abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2
            rows.append((n, float(a), area))
        out[s] = rows
    return out


VARIANTS = _build()
OFFSET = {}
_n = 0
for _s in SHAPES:
    OFFSET[_s] = _n
    _n += len(VARIANTS[_s])
COUNT = _n


def variant_vertices(shape, variant):
    return VARIANTS[shape][variant][0]


def signed_distance_tables(grid=96, reach=1.25):
    """float32 [COUNT, grid, grid]: signed distance (negative inside) in units of half the longest side."""
    c = ((np.arange(grid) + 0.5) / grid * 2 - 1) * reach
    px, py = np.meshgrid(c, c)
    out = []
    for s in SHAPES:
        for v, _, _ in VARIANTS[s]:
            best = np.full(px.shape, 1e9)
            inside = np.zeros(px.shape, bool)
            n = len(v)
            for i in range(n):
                (ax, ay), (bx, by) = v[i], v[(i + 1) % n]
                ex, ey = bx - ax, by - ay
                l2 = ex * ex + ey * ey
                if l2 < 1e-12:
                    continue
                t = np.clip(((px - ax) * ex + (py - ay) * ey) / l2, 0, 1)
                best = np.minimum(best, (px - ax - t * ex) ** 2 + (py - ay - t * ey) ** 2)
                if (ay > by) != (ay < by) or True:
                    hit = (ay > py) != (by > py)
                    with np.errstate(divide="ignore", invalid="ignore"):
                        xs = ex * (py - ay) / (ey if ey else 1e-30) + ax
                    inside ^= hit & (px < xs)
            d = np.sqrt(best)
            out.append(np.where(inside, -d, d))
    return np.stack(out).astype(np.float32)
