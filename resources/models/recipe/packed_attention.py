# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Attention of packed questions as three Triton kernels: a picture's tokens see each other causally, a question's token sees the picture
and what stands before it in its own question. The recurrence is FlashAttention-2's (Dao 2023, algorithms 1 and 2); blocks of keys that
no row of a block may see are not visited. Nothing is copied: the kernels read [batch, tokens, heads, width] as the projections write it.

`model.attend` with `visible` as its mask is what they must agree with (test_recipe.py compares them with TRITON_INTERPRET=1; the
training compares its gradient before the first step).
"""
import torch
import triton
import triton.language as tl

LOG2E = 1.4426950408889634


@triton.jit
def _rows(at, T, base, width: tl.constexpr, heads: tl.constexpr):
    """Pointers' offsets of rows `at` of one head, and which exist: [rows, width]"""
    offset = (base + at)[:, None] * (heads * width) + tl.arange(0, width)[None, :]
    return offset, (at < T)[:, None]


@triton.jit
def _forward(Q, K, V, O, LSE, START, T, P, scale, H: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
    bh = tl.program_id(1)
    b, h = bh // H, bh % H
    base = b.to(tl.int64) * T
    i = tl.program_id(0) * BM + tl.arange(0, BM)
    qo, qm = _rows(i, T, base, DQ, H)
    q = tl.load(Q + h * DQ + qo, mask=qm, other=0.0)
    start = tl.load(START + base + i, mask=i < T, other=2147483647)
    m = tl.full([BM], -1e30, tl.float32)
    l = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, DV], tl.float32)
    end = tl.minimum(tl.program_id(0) * BM + BM, T)
    common = (P + BN - 1) // BN * BN
    own = tl.maximum(common, tl.min(start) // BN * BN)
    first = tl.minimum(common, (end + BN - 1) // BN * BN) // BN
    count = first + tl.maximum((end - own + BN - 1) // BN, 0)
    for block in range(count):
        at = tl.where(block < first, block * BN, own + (block - first) * BN)
        j = at + tl.arange(0, BN)
        ko, km = _rows(j, T, base, DQ, H)
        vo, vm = _rows(j, T, base, DV, H)
        k = tl.load(K + h * DQ + ko, mask=km, other=0.0)
        v = tl.load(V + h * DV + vo, mask=vm, other=0.0)
        s = tl.dot(q, tl.trans(k)) * scale
        s = tl.where((j[None, :] <= i[:, None]) & ((j[None, :] < P) | (j[None, :] >= start[:, None])), s, -1e30)
        top = tl.maximum(m, tl.max(s, 1))
        p = tl.exp2(s - top[:, None])
        old = tl.exp2(m - top)
        l = l * old + tl.sum(p, 1)
        acc = acc * old[:, None] + tl.dot(p.to(v.dtype), v)
        m = top
    oo, om = _rows(i, T, base, DV, H)
    tl.store(O + h * DV + oo, (acc / l[:, None]).to(O.dtype.element_ty), mask=om)
    tl.store(LSE + bh.to(tl.int64) * T + i, m + tl.log2(l), mask=i < T)


@triton.jit
def _backward_queries(Q, K, V, O, LSE, START, G, DELTA, dQ, T, P, scale, sm_scale, H: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
                      BM: tl.constexpr, BN: tl.constexpr):
    bh = tl.program_id(1)
    b, h = bh // H, bh % H
    base = b.to(tl.int64) * T
    i = tl.program_id(0) * BM + tl.arange(0, BM)
    qo, qm = _rows(i, T, base, DQ, H)
    oo, om = _rows(i, T, base, DV, H)
    q = tl.load(Q + h * DQ + qo, mask=qm, other=0.0)
    g = tl.load(G + h * DV + oo, mask=om, other=0.0)
    o = tl.load(O + h * DV + oo, mask=om, other=0.0)
    delta = tl.sum(g.to(tl.float32) * o.to(tl.float32), 1)
    tl.store(DELTA + bh.to(tl.int64) * T + i, delta, mask=i < T)
    start = tl.load(START + base + i, mask=i < T, other=2147483647)
    lse = tl.load(LSE + bh.to(tl.int64) * T + i, mask=i < T, other=1e30)
    acc = tl.zeros([BM, DQ], tl.float32)
    end = tl.minimum(tl.program_id(0) * BM + BM, T)
    common = (P + BN - 1) // BN * BN
    own = tl.maximum(common, tl.min(start) // BN * BN)
    first = tl.minimum(common, (end + BN - 1) // BN * BN) // BN
    count = first + tl.maximum((end - own + BN - 1) // BN, 0)
    for block in range(count):
        at = tl.where(block < first, block * BN, own + (block - first) * BN)
        j = at + tl.arange(0, BN)
        ko, km = _rows(j, T, base, DQ, H)
        vo, vm = _rows(j, T, base, DV, H)
        k = tl.load(K + h * DQ + ko, mask=km, other=0.0)
        v = tl.load(V + h * DV + vo, mask=vm, other=0.0)
        s = tl.dot(q, tl.trans(k)) * scale
        seen = (j[None, :] <= i[:, None]) & ((j[None, :] < P) | (j[None, :] >= start[:, None]))
        p = tl.where(seen, tl.exp2(s - lse[:, None]), 0.0)
        ds = p * (tl.dot(g, tl.trans(v)) - delta[:, None])
        acc += tl.dot(ds.to(k.dtype), k)
    tl.store(dQ + h * DQ + qo, (acc * sm_scale).to(dQ.dtype.element_ty), mask=qm)


@triton.jit
def _backward_keys(Q, K, V, LSE, START, STOP, G, DELTA, dK, dV, T, P, scale, sm_scale, H: tl.constexpr, DQ: tl.constexpr, DV: tl.constexpr,
                   BM: tl.constexpr, BN: tl.constexpr):
    bh = tl.program_id(1)
    b, h = bh // H, bh % H
    base = b.to(tl.int64) * T
    j = tl.program_id(0) * BN + tl.arange(0, BN)
    ko, km = _rows(j, T, base, DQ, H)
    vo, vm = _rows(j, T, base, DV, H)
    k = tl.load(K + h * DQ + ko, mask=km, other=0.0)
    v = tl.load(V + h * DV + vo, mask=vm, other=0.0)
    end = tl.max(tl.load(STOP + base + j, mask=j < T, other=0))
    dk = tl.zeros([BN, DQ], tl.float32)
    dv = tl.zeros([BN, DV], tl.float32)
    for at in range(tl.program_id(0) * BN // BM * BM, end, BM):
        i = at + tl.arange(0, BM)
        qo, qm = _rows(i, T, base, DQ, H)
        oo, om = _rows(i, T, base, DV, H)
        q = tl.load(Q + h * DQ + qo, mask=qm, other=0.0)
        g = tl.load(G + h * DV + oo, mask=om, other=0.0)
        start = tl.load(START + base + i, mask=i < T, other=2147483647)
        lse = tl.load(LSE + bh.to(tl.int64) * T + i, mask=i < T, other=1e30)
        delta = tl.load(DELTA + bh.to(tl.int64) * T + i, mask=i < T, other=0.0)
        s = tl.dot(k, tl.trans(q)) * scale
        seen = (j[:, None] <= i[None, :]) & ((j[:, None] < P) | (j[:, None] >= start[None, :]))
        p = tl.where(seen, tl.exp2(s - lse[None, :]), 0.0)
        dv += tl.dot(p.to(g.dtype), g)
        ds = p * (tl.dot(v, tl.trans(g)) - delta[None, :])
        dk += tl.dot(ds.to(q.dtype), q)
    tl.store(dK + h * DQ + ko, (dk * sm_scale).to(dK.dtype.element_ty), mask=km)
    tl.store(dV + h * DV + vo, dv.to(dV.dtype.element_ty), mask=vm)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, scale, p, start, stop, sizes):
        b, t, h, dq = q.shape
        dv = v.shape[3]
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        o = torch.empty_like(v)
        lse = torch.empty(b, h, t, device=q.device)
        bm, bn, warps, stages = sizes[0]
        _forward[(triton.cdiv(t, bm), b * h)](q, k, v, o, lse, start, t, p, scale * LOG2E, H=h, DQ=dq, DV=dv, BM=bm, BN=bn, num_warps=warps,
                                              num_stages=stages)
        ctx.save_for_backward(q, k, v, o, lse, start, stop)
        ctx.rest = scale, p, sizes
        return o

    @staticmethod
    def backward(ctx, g):
        q, k, v, o, lse, start, stop = ctx.saved_tensors
        scale, p, sizes = ctx.rest
        b, t, h, dq = q.shape
        g = g.contiguous()
        dQ, dK, dV, delta = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), torch.empty_like(lse)
        bm, bn, warps, stages = sizes[1]
        _backward_queries[(triton.cdiv(t, bm), b * h)](q, k, v, o, lse, start, g, delta, dQ, t, p, scale * LOG2E, scale, H=h, DQ=dq,
                                                       DV=v.shape[3], BM=bm, BN=bn, num_warps=warps, num_stages=stages)
        bm, bn, warps, stages = sizes[2]
        _backward_keys[(triton.cdiv(t, bn), b * h)](q, k, v, lse, start, stop, g, delta, dK, dV, t, p, scale * LOG2E, scale, H=h, DQ=dq,
                                                    DV=v.shape[3], BM=bm, BN=bn, num_warps=warps, num_stages=stages)
        return dQ, dK, dV, None, None, None, None, None


# For each of the three kernels: rows of queries and keys a block, warps, stages of the loads.
SMALL = ((64, 64, 4, 2), (64, 64, 4, 2), (64, 64, 4, 2))
WIDE = ((128, 64, 4, 3), (128, 64, 8, 2), (64, 128, 8, 2))
MIXED = ((128, 64, 8, 3), (64, 64, 4, 3), (64, 64, 4, 3))


def packed_attend(sizes):
    """-> a function with `model.attend`'s arguments whose mask is (start, stop), int32 [batch, tokens]: where the token's own question begins
    (0 for the picture's) and where the last token that may see it ends"""
    def attend(q, k, v, scale, prefix=None, mask=None):
        return _Attention.apply(*(x.transpose(1, 2) for x in (q, k, v)), scale, prefix, *mask, sizes).transpose(1, 2)
    attend.packed = True
    return attend
