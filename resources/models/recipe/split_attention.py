# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Attention of packed questions without a mask: the picture's tokens see each other causally, a question sees the picture and itself.

A softmax over two sets of keys is put together from the softmax of each and their log-sum-exps; the gradients of each part are those
of the part's own kernel when it is given the joint output and log-sum-exp (as in ring attention, Liu et al. 2023). No kernel reads a mask:
most of the masked scores would be thrown away, and cuDNN's backward pass with a mask is wrong in torch 2.11 (pytorch issue 196678).
"""
import torch
import torch.nn.functional as F

aten = torch.ops.aten


class Flash:
    """FlashAttention-2 in PyTorch; values as wide as keys, so padded."""

    @staticmethod
    def forward(q, k, v, causal, scale):
        o = aten._scaled_dot_product_flash_attention(q, k, F.pad(v, (0, q.shape[-1] - v.shape[-1])), 0.0, causal, False, scale=scale)
        return o[0][..., :v.shape[-1]], o[1], (o[2], o[3], o[4], o[5], o[6], o[7])

    @staticmethod
    def backward(g, q, k, v, o, lse, causal, scale, rest):
        pad = (0, q.shape[-1] - v.shape[-1])
        d = aten._scaled_dot_product_flash_attention_backward(F.pad(g, pad), q, k, F.pad(v, pad), F.pad(o, pad), lse, rest[0], rest[1], rest[2],
                                                              rest[3], 0.0, causal, rest[4], rest[5], scale=scale)
        return d[0], d[1], d[2][..., :v.shape[-1]]


class Cudnn:
    """The picture's part; a plan per shape is too dear for the short slots."""
    own = Flash

    @staticmethod
    def forward(q, k, v, causal, scale):
        o = aten._scaled_dot_product_cudnn_attention(q, k, v, None, True, 0.0, causal, False, scale=scale)
        return o[0], o[1], (o[6], o[7], o[2], o[3], o[4], o[5])

    @staticmethod
    def backward(g, q, k, v, o, lse, causal, scale, rest):
        return aten._scaled_dot_product_cudnn_attention_backward(g, q, k, v, o, lse.view(*q.shape[:3], 1), rest[0], rest[1], None, rest[2], rest[3],
                                                                 rest[4], rest[5], 0.0, causal, scale=scale)


class Host:
    """For the test: the same interface on the processor."""

    @staticmethod
    def forward(q, k, v, causal, scale):
        o, lse = aten._scaled_dot_product_flash_attention_for_cpu(q, k, F.pad(v, (0, q.shape[-1] - v.shape[-1])), 0.0, causal, scale=scale)
        return o[..., :v.shape[-1]], lse, ()

    @staticmethod
    def backward(g, q, k, v, o, lse, causal, scale, rest):
        pad = (0, q.shape[-1] - v.shape[-1])
        d = aten._scaled_dot_product_flash_attention_for_cpu_backward(F.pad(g, pad), q, k, F.pad(v, pad), F.pad(o, pad), lse, 0.0, causal, scale=scale)
        return d[0], d[1], d[2][..., :v.shape[-1]]


Flash.own, Host.own = Flash, Host


def groups(x, at, count, length):
    """`count` slots of `length` from position `at` on: x [B, H, T, D] -> [B * count, H, length, D]"""
    b, h, _, d = x.shape
    return x[:, :, at:at + count * length].reshape(b, h, count, length, d).transpose(1, 2).reshape(b * count, h, length, d)


def ungroup(x, b):
    """[B * count, H, length, ...] -> [B, H, count * length, ...]"""
    return x.unflatten(0, (b, -1)).transpose(1, 2).flatten(2, 3)


def join(o1, l1, o2, l2):
    """Outputs [..., D] and log-sum-exps [...] of two sets of keys -> those of both together"""
    l = torch.logaddexp(l1, l2)
    return ((l1 - l).exp()[..., None] * o1 + (l2 - l).exp()[..., None] * o2).to(o1.dtype), l


class SplitAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, scale, p, slots, kernel):
        """q, k, v [B, heads, p + slots, *]; slots ((count, length), ...) in the order they lie behind the picture's p tokens"""
        b = q.shape[0]
        head = [x[:, :, :p] for x in (q, k, v)]
        tail = q[:, :, p:]
        o_head, l_head, r_head = kernel.forward(*head, True, scale)
        o_tail, l_tail, r_tail = kernel.forward(tail, head[1], head[2], False, scale)
        at, own, rests = p, [], []
        for count, length in slots:
            o, l, r = kernel.own.forward(*(groups(x, at, count, length) for x in (q, k, v)), True, scale)
            own.append((ungroup(o, b), ungroup(l.view(o.shape[:3]), b)))
            rests.append(r)
            at += count * length
        o_tail, lse = join(o_tail, l_tail.view(tail.shape[:3]), *(torch.cat(t, 2) for t in zip(*own)))
        ctx.save_for_backward(q, k, v, o_head, l_head, o_tail, lse)
        ctx.rest = scale, p, slots, kernel, r_head, r_tail, rests
        return torch.cat((o_head, o_tail), 2)

    @staticmethod
    def backward(ctx, g):
        q, k, v, o_head, l_head, o_tail, lse = ctx.saved_tensors
        scale, p, slots, kernel, r_head, r_tail, rests = ctx.rest
        b = q.shape[0]
        head = [x[:, :, :p] for x in (q, k, v)]
        g = g.contiguous()
        dq, dk, dv = kernel.backward(g[:, :, :p], *head, o_head, l_head, True, scale, r_head)
        tq, tk, tv = kernel.backward(g[:, :, p:], q[:, :, p:], head[1], head[2], o_tail, lse, False, scale, r_tail)
        own, at = [], p
        for (count, length), r in zip(slots, rests):
            cut = (at - p, count, length)
            d = kernel.own.backward(groups(g, at, count, length), *(groups(x, at, count, length) for x in (q, k, v)), groups(o_tail, *cut),
                                groups(lse[..., None], *cut)[..., 0].contiguous(), True, scale, r)
            own.append([ungroup(x, b) for x in d])
            at += count * length
        oq, ok, ov = (torch.cat(t, 2) for t in zip(*own))
        return torch.cat((dq, tq + oq), 2), torch.cat((dk + tk, ok), 2), torch.cat((dv + tv, ov), 2), None, None, None, None


def split_attend(kernel, slots):
    """-> a function with `model.attend`'s arguments that needs no mask"""
    def attend(q, k, v, scale, prefix=None, mask=None):
        return SplitAttention.apply(q, k, v, scale, prefix, slots, kernel)
    attend.packed = True
    return attend
