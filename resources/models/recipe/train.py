# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Trains mini-vl. Runs on any number of GPUs (torchrun) or on the CPU; resumes from weights and a schedule position.

    torchrun --nproc_per_node=2 train.py --tokenizer T.json --glyphs glyphs.npz --out OUT --seconds 420 --begin 0 --end 1

The matrices of the blocks are stepped by Muon, everything else by AdamW; the model computes in bf16 with float32 masters.
"""
import argparse
import contextlib
import json
import math
import os
import queue
import random
import threading
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import data as D
import language as L
import scenes as S
from feeder import Feeder
from glyphs import Glyphs
from model import (STEPS, MiniVL, attend, dense_mix, expert_mix, fp8_dequantise, fp8_quantise, heads_of, make_config,
                   vision_block)
from render import Painter

TAPS = 1, 2, 3      # the layers behind which the targets of the picture, of the named objects and of the questions are read


class Heads(nn.Module):
    """Dense training targets; dropped at export."""

    def __init__(self, width, hidden):
        super().__init__()
        self.patch = nn.Linear(width, 10 + 12 + 63 + 4)
        self.token = nn.Linear(hidden, 10 + 12 + 4 + 2)
        self.noun = nn.Linear(hidden, 5)            # at the end of a phrase: where the object is that it names
        self.place = nn.Linear(hidden, 9)           # at the end of a question: where its two objects are, and how they stand to each other


def never_paired():
    """-> float32 [12, 10] by colour and [10, 12] by shape, counted from 1: -1e4 for the classes that training never pairs with it"""
    by_colour = torch.zeros(12, 10)
    for c, s in L.HELD_OUT_PAIRS:
        by_colour[L.COLOURS.index(c) + 1, L.SHAPES.index(s) + 1] = -1e4
    return by_colour, by_colour.T.contiguous()


def dense_loss(out, cls, box, chars, unseen):
    fg = cls[..., 0] > 0
    nf = fg.sum().clamp_min(1)
    shape, colour = cls[..., 0].flatten(), cls[..., 1].flatten()
    ls = F.cross_entropy(out[..., :10].flatten(0, -2).float() + unseen[0][colour], shape, reduction="none").view(fg.shape)
    lc = F.cross_entropy(out[..., 10:22].flatten(0, -2).float() + unseen[1][shape], colour, reduction="none").view(fg.shape)
    loss = ((ls + lc) * fg).sum() / nf + 0.5 * (ls * ~fg).mean()
    at = 22
    if chars:
        g = cls[..., 0] == 9
        lx = F.cross_entropy(out[..., 22:85].flatten(0, -2).float(), cls[..., 2].flatten(), reduction="none").view(fg.shape)
        loss = loss + (lx * g).sum() / g.sum().clamp_min(1)
        at = 85
    lb = (out[..., at:at + 4].float() - box).abs().sum(-1)
    return loss + 2.0 * (lb * fg).sum() / nf


def token_pool(lab, tw, th, keys):
    """Patch labels -> token labels: of every 2x2 the patch nearest to an object. Also the token's place in the sequence."""
    outs = {k: [] for k in keys}
    at = 0
    for gw, gh in ((16, 16), (16 * tw, 16 * th)):
        n = gw * gh

        def block(x):
            x = x[:, at:at + n]
            return x.reshape(x.shape[0], gh // 2, 2, gw // 2, 2, *x.shape[2:]).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        pick = block(lab["best"]).argmin(2)
        for k in keys:
            x = block(lab[k])
            outs[k].append(x.gather(2, pick[..., None, None].expand(-1, -1, 1, x.shape[-1]))[:, :, 0])
        at += n
    return {k: torch.cat(v, 1) for k, v in outs.items()}


def picture_tokens(h, at, tw, th):
    """The tokens of the global view and of the assembled tiles, row by row, without newlines and separator. h [B, T, D], `at` the first one"""
    d = h.shape[-1]
    g = h[:, at:at + 72].unflatten(1, (8, 9))[:, :, :8]
    loc = h[:, at + 73:at + 73 + 8 * th * (8 * tw + 1)].unflatten(1, (8 * th, 8 * tw + 1))[:, :, :8 * tw]
    return torch.cat((g.reshape(-1, 64, d), loc.reshape(-1, 64 * tw * th, d)), 1)


def newton_schulz(g):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    t = x.shape[-2] > x.shape[-1]
    if t:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        m = x @ x.mT
        x = a * x + (b * m + c * m @ m) @ x
    return x.mT if t else x


class Optimizer:
    """Every parameter lives in one flat buffer (and its float32 master in another), AdamW's first, then Muon's by shape."""

    def __init__(self, named, dtype, lr_muon=0.02, lr_adam=2e-3):
        device = named[0][1].device
        adam, muon = [], {}
        for n, p in named:
            block = (".blocks." in n or ".layers." in n) and "projector" not in n
            if block and p.dim() >= 2 and "gate.weight" not in n:
                shape = (p.shape[0] // 3, p.shape[1]) if n.endswith("qkv.weight") else tuple(p.shape[-2:])
                muon.setdefault(shape, []).append((n, p))
            else:
                adam.append((n, p))
        order, at = [], 0
        for n, p in adam:
            order.append((n, p, at))
            at += p.numel() + (-p.numel() % 64)
        self.adam_end = at
        self.groups = []
        for shape, items in muon.items():
            begin = at
            for n, p in items:
                order.append((n, p, at))
                at += p.numel()
            self.groups.append((shape, begin, at))
        self.order = order
        self.master = torch.zeros(at, device=device)
        self.values = torch.zeros(at, device=device, dtype=dtype)
        self.flat = torch.zeros(at, device=device, dtype=dtype)
        with torch.no_grad():
            for _, p, i in order:
                self.master[i:i + p.numel()] = p.detach().float().flatten()
            self.values.copy_(self.master)
            for _, p, i in order:
                p.data = self.values[i:i + p.numel()].view(p.shape)
                p.grad = self.flat[i:i + p.numel()].view(p.shape)
        self.mom = torch.zeros(at - self.adam_end, device=device)
        self.m1, self.m2 = torch.zeros(self.adam_end, device=device), torch.zeros(self.adam_end, device=device)
        self.t = torch.zeros((), device=device)
        self.scale = torch.zeros((), device=device)
        self.lr_muon, self.lr_adam = lr_muon, lr_adam
        self.norm = torch.zeros((), device=device)
        self.skipped = torch.zeros((), device=device)       # steps with gradients that were not numbers

    def state(self):
        return {n: self.master[i:i + p.numel()].view(p.shape).detach().cpu() for n, p, i in self.order}

    @torch.no_grad()
    def apply(self, fp8=False):
        self.skipped += 1 - torch.isfinite(self.flat.float().sum()).float()
        self.flat.nan_to_num_(0.0, 0.0, 0.0)
        self.t += 1
        a = self.adam_end
        g = self.flat[:a].float()
        self.norm.copy_(g.norm())
        g = g * (1.0 / (self.norm + 1e-6)).clamp(max=1.0)
        b1, b2 = 0.9, 0.98
        self.m1.lerp_(g, 1 - b1)
        self.m2.mul_(b2).addcmul_(g, g, value=1 - b2)
        c1, c2 = 1 - b1 ** self.t, 1 - b2 ** self.t
        d = (self.m2 / c2).sqrt_().add_(1e-8)
        self.master[:a] -= (self.m1 / d) * (self.lr_adam * self.scale / c1)
        self.mom.lerp_(self.flat[a:].float(), 0.05)
        for shape, i, j in self.groups:
            g = self.flat[i:j].float().view(-1, *shape)
            m = self.mom[i - a:j - a].view(-1, *shape)
            u = newton_schulz(torch.lerp(g, m, 0.95)).float()
            lr = self.lr_muon * max(1.0, shape[0] / shape[1]) ** 0.5
            w = self.master[i:j].view(-1, *shape)
            w -= u * (self.scale * lr) + w * (self.scale * 0.0004)
        self.values.copy_(self.master)
        if fp8:                     # the model computes with the rounded weights, the masters go on in float32
            for _, p, i in self.order:
                if i >= self.adam_end:
                    p.copy_(fp8_dequantise(*fp8_quantise(self.master[i:i + p.numel()].view(p.shape))))
        self.flat.zero_()


def compile_steps(plain=()):
    """Compiled versions of the layers' pure functions: one static shape for the tower, one symbolic number of tokens for the text.
    Those named in `plain` stay as they are."""
    import torch._inductor.config as ic
    ic.triton.coalesce_tiling_analysis = False         # its assertion fails on dynamic shapes in torch 2.11
    if "vision" not in plain:
        STEPS["vision"] = torch.compile(vision_block, dynamic=False)
    for k, f in (("heads", heads_of), ("dense", dense_mix), ("experts", expert_mix)):
        if k not in plain:
            STEPS[k] = any_length(f)


PLAIN = dict(STEPS)


def any_length(f, **options):
    """Compiled for any number of rows (tokens), every other size as it is."""
    g = torch.compile(f, **options)

    def call(x, *rest):
        for t in (x, *rest):
            if torch.is_tensor(t) and t.shape[:1] == x.shape[:1]:
                torch._dynamo.maybe_mark_dynamic(t, 0)
        return g(x, *rest)
    return call


def choose_attention(tr, say):
    """Takes the fastest of the attentions that agree with plain products in float32, on one layout's shape."""
    n, p, nh = 96, 349, 8
    torch.manual_seed(5)
    b = D.make_batch(random.Random(5), tr.enc, tr.glyphs, (2, 2), n, 1.0)
    mask = tr.packing(b, p)
    q, k, v = (torch.randn(n, p + D.QLEN, nh, d, device=tr.device) for d in (64, 64, 32))
    g = torch.randn(n, nh, p + D.QLEN, 32, device=tr.device)
    best, want = None, None
    from packed_attention import MIXED, SMALL, WIDE, packed_attend
    for name, f in (("plain", None), ("masked", attend), ("packed, small", packed_attend(SMALL)), ("packed, wide", packed_attend(WIDE)),
                    ("packed, mixed", packed_attend(MIXED))):
        try:
            use = [t.detach().to(tr.dtype if f else torch.float32).requires_grad_() for t in (q, k, v)]
            to = g.to(use[0].dtype)

            def once():
                with sdpa_kernel(SDPBackend.MATH) if f is None else contextlib.nullcontext():
                    y = (f or attend)(*(t.transpose(1, 2) for t in use), 0.125, p, mask)
                return y, torch.autograd.grad(y, use, to)
            y, d = once()
            got = torch.cat([y.detach().float().flatten(), *(t.float().flatten() for t in d)])
            if f is None:
                want = got
                continue
            off = float((got - want).norm() / want.norm())
            once()
            torch.cuda.synchronize()
            t = time.time()
            for _ in range(5):
                once()
            torch.cuda.synchronize()
            t = (time.time() - t) / 5
            say(f"attention {name}: {t * 1e3:.2f} ms a layer, {off:.1e} from plain float32")
            if off < 0.02 and (best is None or t < best):
                best, STEPS["attend"] = t, f
        except Exception as e:          # a kernel that is missing or refuses the shape is left out
            say(f"attention {name}: {str(e).splitlines()[0][:160]}")


def check_gradients(tr, x, layout):
    """-> how far the step's gradient lies from that of plain PyTorch with plain attention, relative"""
    got = tr.opt.flat.float()
    before = dict(STEPS)
    keep = tr.acc.clone()
    tr.opt.flat.zero_()
    STEPS.update(PLAIN)
    with sdpa_kernel(SDPBackend.MATH):
        tr.learn(x, layout)
    STEPS.update(before)
    tr.acc.copy_(keep)
    want = tr.opt.flat.float()
    tr.opt.flat.zero_()
    return float((got - want).norm() / want.norm())


class Trainer:
    def __init__(self, a, device, rank, world):
        from tokenizers import Tokenizer
        self.a, self.device, self.rank, self.world = a, device, rank, world
        self.tok = Tokenizer.from_file(a.tokenizer)
        self.enc = D.Encoder(self.tok)
        self.glyphs = Glyphs(a.glyphs)
        torch.manual_seed(11)
        c = make_config(self.tok.get_vocab_size() + (-self.tok.get_vocab_size() % 64))
        self.model = MiniVL(c)
        self.heads = Heads(c["vision_config"]["width"], c["language_config"]["hidden_size"])
        self.dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.both = nn.ModuleDict({"model": self.model, "heads": self.heads}).to(device)
        if a.resume:
            state = {}
            for f in sorted(os.listdir(a.resume)):
                if f.startswith("ckpt.") and f.endswith(".pt"):
                    state.update(torch.load(os.path.join(a.resume, f), map_location=device))
            self.both.load_state_dict(state)
        learning = list(self.both.named_parameters())
        self.frozen = bool(getattr(a, "finish", False))
        if self.frozen:                                     # the tower stays as it will be exported
            learning = [(n, p) for n, p in learning if n.startswith("model.language.") or n.startswith("heads.")]
            with torch.no_grad():
                for n, p in self.both.named_parameters():
                    if ".vision.blocks." in n and p.dim() == 2:
                        p.copy_(fp8_dequantise(*fp8_quantise(p)))
        self.opt = Optimizer(learning, self.dtype)
        self.moes = [m.mlp for m in self.model.language.model.layers if hasattr(m.mlp, "gate")]
        self.painter = Painter(self.glyphs, device)
        self.gen = torch.Generator(device=device).manual_seed(100 + rank + int(a.begin * 1000) * 17)
        self.graphs, self.pool, self.opt_graphs = {}, None, {}
        self.never = torch.from_numpy(self.enc.never_paired(c["language_config"]["vocab_size"])).to(device)
        self.unseen = [t.to(device) for t in never_paired()]
        self.acc = torch.zeros(7, device=device)
        self.side = torch.cuda.Stream(priority=-1) if device.type == "cuda" else None
        self.aux_weight = torch.ones((), device=device)
        self.load = torch.zeros(len(self.moes), self.moes[0].e, device=device)
        self.prefix = torch.tensor(self.enc.prefix, device=device)
        if a.compile:
            compile_steps(a.plain.split(","))

    def move(self, x):
        t = torch.from_numpy(x)
        return (t.pin_memory() if self.side is not None else t).to(self.device, non_blocking=True)

    def packing(self, b, p):
        """(start, stop) int32 [B, p + tokens of questions] of packed_attention.py"""
        n = b["begin"].shape[0]
        return tuple(self.move(np.concatenate((np.full((n, p), head, np.int32), p + b[k].astype(np.int32)), 1))
                     for k, head in (("begin", 0), ("stop", p + b["stop"].shape[1])))

    def inputs(self, b, swap=False):
        """Paints the batch and moves everything to the device; supervised places are padded to a fixed number."""
        tiles, lab = self.painter.batch(b, self.gen)
        if swap:
            tiles = tiles.roll(1, 0)
        n = tiles.shape[0]
        room = n * 100
        where, target, partner = np.arange(room, dtype=np.int64) % b["ids"].size, np.full(room, -100, np.int64), np.zeros(room, np.int64)
        k = min(room, len(b["where"]))
        where[:k], target[:k], partner[:k] = b["where"][:k], b["target"][:k], b["partner"][:k]
        ends, places = np.arange(n * 18, dtype=np.int64), np.full((n * 18, 6), -1, np.float32)
        k = len(b["places"])
        ends[:k], places[:k] = b["where"][np.cumsum(b["lens"]) - b["lens"]], b["places"]
        nouns, noun_places = np.arange(n * 18, dtype=np.int64), np.full((n * 18, 5), -1, np.float32)
        k = min(n * 18, len(b["nouns"]))
        nouns[:k], noun_places[:k] = b["nouns"][:k], b["noun_places"][:k]
        to = self.move
        start, stop = self.packing(b, b["prefix"])
        return {"tiles": tiles.to(self.dtype), "ids": to(b["ids"]).long(), "where": to(where), "target": to(target), "partner": to(partner),
                "ends": to(ends), "places": to(places), "nouns": to(nouns), "noun_places": to(noun_places), "start": start, "stop": stop, "gap": to(b["gap"]), **lab}

    def ahead(self, draw):
        """Endless (batch, inputs): a thread takes batches of the layouts that `draw` names and paints them on a second stream."""
        if self.side is None:
            while True:
                b = draw()
                yield b, self.inputs(b)
        q, main = queue.Queue(3), torch.cuda.current_stream()

        def work():
            torch.cuda.set_device(self.device)
            with torch.cuda.stream(self.side):
                while True:
                    b = draw()
                    x = self.inputs(b)
                    for t in x.values():
                        t.record_stream(main)
                    ready = torch.cuda.Event()
                    ready.record(self.side)
                    q.put((b, x, ready))
        threading.Thread(target=work, daemon=True).start()
        while True:
            b, x, ready = q.get(timeout=120)
            main.wait_event(ready)
            yield b, x

    def core(self, x, layout):
        """-> logits at the supervised places and the losses of the dense targets and of the questions' objects"""
        tw, th = layout
        tiles, ids = x["tiles"], x["ids"]
        n = tiles.shape[0]
        m = self.model
        with torch.no_grad() if self.frozen else contextlib.nullcontext():
            f = m.vision(tiles.flatten(0, 1))
        aux = None
        if self.both.training:
            g = f.view(n, 1 + tw * th, 16, 16, -1)
            loc = g[:, 1:].reshape(n, th, tw, 16, 16, -1).transpose(2, 3).reshape(n, th * 16 * tw * 16, -1)
            grid = torch.cat((g[:, 0].reshape(n, 256, -1), loc), 1)
            aux = dense_loss(self.heads.patch(grid), x["cls"], x["rel"], True, self.unseen)
        with torch.no_grad() if self.frozen else contextlib.nullcontext():
            t = m.projector(f)
        emb = m.assemble(t.view(n, 1 + tw * th, t.shape[1], t.shape[2]), tw, th)
        table = m.language.model.embed_tokens
        p = len(self.enc.prefix) + emb.shape[1]
        h = torch.cat((table(self.prefix)[None].expand(n, -1, -1), emb, table(ids)), 1)
        at = torch.arange(h.shape[1], device=self.device)
        y, tapped = m.language(h, torch.where(at < p, at, p + x["gap"][:, None] + at - x["start"]), p, (x["start"], x["stop"]), TAPS)
        if self.both.training:
            o = self.heads.token(picture_tokens(tapped[0], len(self.enc.prefix), tw, th))
            tl = token_pool(x, tw, th, ("cls", "abs", "own"))
            aux2 = dense_loss(o, tl["cls"], tl["abs"], False, self.unseen) + (o[..., 26:28].float() - tl["own"]).abs().sum(-1).mean() * 2
            o = self.heads.noun(tapped[1][:, p:].flatten(0, 1).index_select(0, x["nouns"])).float()
            known = x["noun_places"] >= 0
            noun = ((o - x["noun_places"]).abs() * known).sum() / known.sum().clamp_min(1)
            o = self.heads.place(tapped[2][:, p:].flatten(0, 1).index_select(0, x["ends"])).float()
            known = x["places"] >= 0
            apart = x["places"][:, :3] - x["places"][:, 3:]
            clear = known[:, :3] & known[:, 3:] & (apart.abs() > 0.02)
            sides = F.binary_cross_entropy_with_logits(o[:, 6:], (apart > 0).float(), reduction="none")     # left or right, above or below, size
            place = ((o[:, :6] - x["places"]).abs() * known).sum() / known.sum().clamp_min(1)
            aux = aux, aux2, place, noun, (sides * clear).sum() / clear.sum().clamp_min(1)
        logits = m.language.lm_head(y[:, p:].flatten(0, 1).index_select(0, x["where"])).float()
        return logits, aux

    def learn(self, x, layout):
        """Forward, backward, statistics: what a CUDA graph holds."""
        logits, aux = self.core(x, layout)
        logits = logits + self.never[x["partner"]]          # seen pairs only, as compositional zero-shot learning trains
        ce = F.cross_entropy(logits, x["target"], ignore_index=-100)
        (ce + self.aux_weight * (0.5 * aux[0] + 0.3 * aux[1] + aux[2] + 2.0 * aux[3] + 0.3 * aux[4])).backward()
        with torch.no_grad():
            real = x["target"] >= 0
            hit = ((logits.argmax(-1) == x["target"]) & real).sum() / real.sum()
            self.acc += torch.stack((ce, aux[0], aux[1], hit, *aux[2:])).nan_to_num(1e3)
            self.load.copy_(torch.stack([m.load for m in self.moes]))

    def graph(self, x, layout):
        key = (layout, x["tiles"].shape[0])
        if key not in self.graphs:
            static = {k: v.clone() for k, v in x.items()}
            s = torch.cuda.Stream()
            s.wait_stream(torch.cuda.current_stream())
            keep = self.acc.clone(), self.opt.flat.clone()
            with torch.cuda.stream(s):
                for _ in range(2):
                    self.learn(static, layout)
            torch.cuda.current_stream().wait_stream(s)
            g = torch.cuda.CUDAGraph()
            with torch.cuda.graph(g, pool=self.pool):
                self.learn(static, layout)
            self.acc.copy_(keep[0])
            self.opt.flat.copy_(keep[1])
            self.pool = g.pool()
            self.graphs[key] = (g, static)
        g, static = self.graphs[key]
        for k, v in static.items():
            v.copy_(x[k])
        g.replay()

    def step(self, x, layout, scale, fp8=False, warm=False):
        """One step; a `warm` one only builds what later ones replay."""
        graphs = self.a.graphs and self.device.type == "cuda"
        if graphs:
            self.graph(x, layout)
        else:
            self.learn(x, layout)
        if warm:
            return
        self.opt.scale.fill_(scale)
        if self.world > 1:
            dist.all_reduce(self.opt.flat)
            self.opt.flat.div_(self.world)
        if not graphs:
            self.opt.apply(fp8)
            return
        self.capture_optimizer(fp8)
        self.opt_graphs[fp8].replay()

    def capture_optimizer(self, fp8):
        if fp8 in self.opt_graphs:
            return
        names = ("master", "values", "mom", "m1", "m2", "t", "norm", "flat", "skipped")
        before = {k: getattr(self.opt, k).clone() for k in names}
        self.opt.apply(fp8)
        torch.cuda.synchronize()
        g = torch.cuda.CUDAGraph()
        with torch.cuda.graph(g):
            self.opt.apply(fp8)
        for k, v in before.items():
            getattr(self.opt, k).copy_(v)
        self.opt_graphs[fp8] = g

    def balance(self, p):
        if p > 0.9:
            return
        load = self.load
        if self.world > 1:
            dist.all_reduce(load)
            load.div_(self.world)
        for m, v in zip(self.moes, load):
            m.gate.e_score_correction_bias += 0.002 * torch.sign(v.mean() - v)

    def save(self, folder):
        os.makedirs(folder, exist_ok=True)
        state = {k: v.detach().cpu() for k, v in self.both.state_dict().items()}
        state.update(self.opt.state())                      # float32 masters in place of what the model computed with
        shards, size, cur = [], 0, {}
        for k, v in state.items():
            if size + v.numel() * 4 > 14 << 20:
                shards.append(cur)
                cur, size = {}, 0
            cur[k] = v.clone()
            size += v.numel() * 4
        shards.append(cur)
        for i, s in enumerate(shards):
            torch.save(s, os.path.join(folder, f"ckpt.{i}.pt"))


def profile(tr, batches, say):
    def now():
        torch.cuda.synchronize()
        return time.time()
    for b in batches:
        t = [now()]
        x = tr.inputs(b)
        t.append(now())
        for _ in range(3):
            tr.step(x, b["layout"], 0.0)
            t.append(now())
        d = [f"{(y - x) * 1e3:.1f}" for x, y in zip(t, t[1:])]
        say(b["layout"], "ms: paint", d[0], "first step", d[1], "steps", d[2], d[3])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA, torch.profiler.ProfilerActivity.CPU]) as prof:
        x = tr.inputs(b)
        tr.step(x, b["layout"], 0.0)
        torch.cuda.synchronize()
    rows = sorted((e for e in prof.key_averages() if e.self_device_time_total > 0), key=lambda e: -e.self_device_time_total)
    for e in rows[:28]:
        say(f"{e.self_device_time_total / 1e3:7.2f} ms {e.count:5d} {e.key[:110]}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--tokenizer", required=True)
    ap.add_argument("--glyphs", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--resume", default="")
    ap.add_argument("--seconds", type=float, default=60, help="wall time from the start of the program to the last step")
    ap.add_argument("--max-steps", type=int, default=1 << 30)
    ap.add_argument("--begin", type=float, default=0.0)
    ap.add_argument("--end", type=float, default=1.0)
    ap.add_argument("--tiles", type=int, default=480)
    ap.add_argument("--workers", type=int, default=13)
    ap.add_argument("--compile", type=int, default=1)
    ap.add_argument("--plain", default="", help="of vision, heads, dense, experts: what is not compiled")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--profile", type=int, default=0)
    ap.add_argument("--graphs", type=int, default=1)
    ap.add_argument("--finish", type=int, default=0, help="1: train the text stack alone, with many crowds of shapes and long questions; 2: with questions of up to a thousand tokens")
    ap.add_argument("--fake-from", type=float, default=0.8)
    ap.add_argument("--least-rate", type=float, default=0, help="pictures a second over all devices; slower runs end after 200 steps")
    ap.add_argument("--peak", type=float, default=1.0, help="share of the full learning rate")
    a = ap.parse_args()
    start = time.time()
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
    feeder = Feeder(a.workers, a.seed * 100 + rank * 7 + int(a.begin * 1000) * 31, a.tokenizer, a.glyphs, a.tiles,
                    mode=("train", "finish", "long")[a.finish])
    if cuda:
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cuda.enable_cudnn_sdp(False)         # its backward pass with a mask is wrong in torch 2.11 (pytorch issue 196678)
    if world > 1:
        dist.init_process_group("nccl" if cuda else "gloo", **({"device_id": device} if cuda else {}))
    tr = Trainer(a, device, rank, world)
    say = (lambda *x: print(*x, flush=True)) if rank == 0 else (lambda *x: None)
    say(f"setup {time.time() - start:.1f} s, {sum(p.numel() for p in tr.model.parameters()) / 1e6:.2f} M parameters, generator "
        f"{D.generator_hash()[:16]}")
    tr.both.train()
    if cuda:
        choose_attention(tr, say)
    if a.profile and cuda:
        layouts = ((2, 2), (1, 1), (2, 1))[:a.profile]
        for y in layouts:
            feeder.ask(y)
        profile(tr, [feeder.get() for _ in layouts], say)
    if cuda:                            # compile and capture every layout's graph before the first step
        for layout in S.LAYOUTS:
            feeder.ask(layout)
        for layout in S.LAYOUTS:
            t, b = time.time(), feeder.get()
            x = tr.inputs(b)
            tr.step(x, layout, 0.0, warm=True)
            off = check_gradients(tr, x, layout) if layout in ((1, 1), (2, 1), (2, 2)) else 0.0
            tr.opt.flat.zero_()
            say(f"layout {layout}: {time.time() - t:.1f} s, gradient {off:.4f} from plain attention's")
            if not off < 0.5:
                raise SystemExit(f"the gradient of {layout} is not that of plain PyTorch: {off}")
        tr.acc.zero_()
        for fp8 in (False, True):
            tr.capture_optimizer(fp8)
    if world > 1:
        dist.barrier()
    say(f"warm {time.time() - start:.1f} s")
    t0 = last = time.time()
    clock = torch.tensor([a.seconds - (t0 - start)], device=device)
    if world > 1:
        dist.broadcast(clock, 0)
    budget = float(clock)
    order = random.Random(a.seed)       # the same on every rank: all do the same layout at a time
    step = pictures = 0
    p = a.begin
    times = np.zeros(2)
    place = [p]
    feeder.draw = lambda: S.draw_layout(order, place[0])
    batches = tr.ahead(feeder.get)
    if cuda:
        torch.cuda.synchronize()
    while True:
        if step % 10 == 0:
            clock[0] = time.time() - t0
            if world > 1:
                dist.broadcast(clock, 0)
            elapsed = float(clock)
            p = a.begin + (a.end - a.begin) * min(1.0, max(elapsed / budget, step / a.max_steps))
            feeder.level.value = place[0] = p
            if step and (step <= 100 or step % 200 == 0):       # a lost run must not cost its whole time
                loss = float(tr.acc[0])
                rate = pictures * world / elapsed if step >= 200 else a.least_rate
                if not math.isfinite(loss) or float(tr.opt.skipped) > 2 + step // 200 or rate < a.least_rate:
                    raise SystemExit(f"step {step}: loss {loss}, {int(tr.opt.skipped)} steps with gradients that are not numbers, {rate:.0f} pictures/s")
            if elapsed >= budget or step >= a.max_steps:
                break
        scale = a.peak * min(1.0, 0.02 + p / 0.02) * (1.0 if p < 0.35 else max(0.0, (1 - p) / 0.65))
        t1 = time.time()
        b, x = next(batches)
        t2 = time.time()
        tr.aux_weight.fill_(1.0 if p < 0.3 else 0.5)
        tr.step(x, b["layout"], scale, p > a.fake_from)
        tr.balance(p)
        times += (t2 - t1, time.time() - t2)
        pictures += b["slots"].shape[0]
        step += 1
        if step % 200 == 0 or (step <= 50 and step % 25 == 0) or not cuda:
            n = max(1, step - getattr(main, "last", 0))
            main.last = step
            v = (tr.acc / n).tolist()
            tr.acc.zero_()
            if cuda and p > 0.5 and a.begin == 0 and v[6] > 0.68:
                raise SystemExit(f"at {p:.2f} of the run two named objects are not compared yet: {v[6]:.3f}")
            load = tr.load
            say(f"step {step} p {p:.3f} t {time.time() - t0:.0f} ce {v[0]:.4f} patch {v[1]:.3f} token {v[2]:.3f} place {v[4]:.3f} noun {v[5]:.3f} sides {v[6]:.3f} norm {float(tr.opt.norm):.2f} "
                f"tok-acc {v[3]:.4f} | {pictures * world / (time.time() - t0):.0f} pic/s, ms/step wait {times[0] / n * 1e3:.1f} step {times[1] / n * 1e3:.1f} "
                f"made {len(feeder.made)} skipped {int(tr.opt.skipped)} | load {float(load.min()):.2f}-{float(load.max()):.2f}")
            times[:] = 0
            if rank == 0 and time.time() - last > 100:
                last = time.time()
                tr.save(a.out)
    if cuda:
        torch.cuda.synchronize()
    t1 = time.time()
    say(f"trained {step} steps, {pictures * world} pictures in {t1 - t0:.1f} s on {world} device(s): {(t1 - t0) * world / 60:.2f} device minutes, "
        f"{(t1 - start) * world / 60:.2f} from the start of the program")
    feeder.close()
    if rank == 0:
        tr.save(a.out)
        with open(os.path.join(a.out, "training.json"), "w") as f:
            json.dump({"steps": step, "pictures": pictures * world, "seconds": t1 - t0, "seconds_from_start": t1 - start, "devices": world,
                       "device": torch.cuda.get_device_name() if cuda else "cpu", "begin": a.begin, "end": a.end,
                       "generator": D.generator_hash(), "torch": torch.__version__}, f, indent=1)
    say(f"saved at {time.time() - start:.1f} s")
    if world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
