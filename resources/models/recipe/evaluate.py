# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Greedy answers of mini-vl on a suite of draw_eval.py, and accuracy per kind with 95 % Wilson intervals.

    python3 evaluate.py MODEL_FOLDER SUITE_FOLDER [--swap] [--wrong 20]

An answer is right only if exactly one value of the asked kind is named and it is the right one. `--swap` puts the next
picture in place of the right one: what is left then is guessing.
"""
import argparse
import json
import math
import os
import re

import torch
import torch.nn.functional as F
from PIL import Image
from tokenizers import Tokenizer

from model import load_model, rope_interleaved, rope_table
from preprocess import picture_tiles, prompt_ids

COLOURS = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey"]
SHAPES = ["circle", "square", "rectangle", "triangle", "star", "heart", "diamond", "cross"]
ZH_C = dict(zip("红橙黄绿蓝紫粉棕黑白灰", COLOURS))
ZH_S = {"圆": "circle", "正方形": "square", "长方形": "rectangle", "矩形": "rectangle", "三角形": "triangle", "星": "star", "心": "heart",
        "菱形": "diamond", "十字": "cross"}


def named(text, lang, what):
    """The set of values of a kind that a text names."""
    low = text.lower()
    if what == "number":
        return set(re.findall(r"\d+", low))
    if what == "yesno":
        if lang == "en":
            return {w for w in ("yes", "no") if re.search(rf"\b{w}\b", low)}
        return {"no"} if re.search("没有|不是|不在|否", low) else {"yes"} if re.search("有|是", low) else set()
    if what == "colour":
        return {c for c in COLOURS if re.search(rf"\b{c}\b", low.replace("gray", "grey"))} if lang == "en" else {v for k, v in ZH_C.items() if k in low}
    if what == "shape":
        if lang == "en":
            return {s for s in SHAPES if re.search(rf"\b{s}(s|es)?\b", low)}
        return {v for k, v in ZH_S.items() if k in low}
    if what == "cant":
        return {"cant"} if "can't tell" in low or "看不出来" in low else set()
    raise ValueError(what)


def listed(text, lang):
    if lang == "en":
        got = re.findall(r"(\d+|an?) (\w+) (\w+)", text.lower())
        items = [(1 if n[0] == "a" else int(n), c, {"crosses": "cross"}.get(s, s if s == "cross" else s.rstrip("s"))) for n, c, s in got]
    else:
        items = []
        for n, c, s in re.findall(r"(\d+)个(.)色([一-龥]+)", text):
            s = next((v for k, v in ZH_S.items() if k in s), "?")
            items.append((int(n), ZH_C.get(c, "?"), s))
    return ";".join(sorted(f"{n} {c} {s}" for n, c, s in items))


def right(row, text):
    cat, want, lang = row["category"], row["answer"], row["lang"]
    if cat == "text":
        m = re.search(r"(?:is |是)(\S+?)[.。]$", text.strip())
        return bool(m) and m.group(1) == want
    if cat == "list":
        return listed(text, lang) == want
    if cat == "object":
        s, c = want.split("/")
        return named(text, lang, "shape") == {s} and named(text, lang, "colour") == {c}
    return named(text, lang, cat) == {want}


def heads(a, h, cos, sin):
    b, t, _ = h.shape
    q = a.q_proj(h).view(b, t, a.nh, a.dn + a.dr).transpose(1, 2)
    q = torch.cat((q[..., :a.dn], rope_interleaved(q[..., a.dn:], cos, sin)), -1)
    kv = a.kv_a_proj_with_mqa(h)
    pe = rope_interleaved(kv[..., a.dc:].unsqueeze(1), cos, sin)
    kv = a.kv_b_proj(a.kv_a_layernorm(kv[..., :a.dc])).view(b, t, a.nh, a.dn + a.dv).transpose(1, 2)
    return q, torch.cat((kv[..., :a.dn], pe.expand(-1, a.nh, -1, -1)), -1), kv[..., a.dn:]


@torch.no_grad()
def answers(model, tok, image, questions, limit=96):
    """Greedy replies to several questions about one picture; the picture's keys and values are computed once."""
    tiles, tw, th = picture_tiles(image, model.config["candidate_resolutions"])
    x = (torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    image_token, eos = tok.token_to_id("<image>"), model.config["eos_token_id"]
    ids = [prompt_ids(tok, q, tw, th) for q in questions]
    cut = len(ids[0]) - ids[0][::-1].index(image_token)
    lang = model.language
    emb = lang.model.embed_tokens
    h = torch.cat((emb(torch.tensor(ids[0][:ids[0].index(image_token)]))[None], model.picture(x[None], tw, th)), 1)
    c = lang.c
    cache = []
    cos, sin = rope_table(torch.arange(cut), c["qk_rope_head_dim"], c["rope_theta"])
    for layer in lang.model.layers:
        a = layer.self_attn
        q, k, v = heads(a, layer.input_layernorm(h), cos, sin)
        cache.append((k, v))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=(a.dn + a.dr) ** -0.5)
        h = h + a.o_proj(o.transpose(1, 2).flatten(2))
        h = h + layer.mlp(layer.post_attention_layernorm(h))
    tails = [i[cut:] for i in ids]
    begin = [len(t) for t in tails]
    live = list(range(len(tails)))
    for _ in range(limit):
        n = max(len(tails[i]) for i in live)
        batch = torch.tensor([tails[i] + [0] * (n - len(tails[i])) for i in live])
        h = emb(batch)
        cos, sin = rope_table(torch.arange(cut, cut + n), c["qk_rope_head_dim"], c["rope_theta"])
        mask = torch.cat((torch.ones(n, cut, dtype=torch.bool), torch.ones(n, n, dtype=torch.bool).tril()), 1)
        for layer, (pk, pv) in zip(lang.model.layers, cache):
            a = layer.self_attn
            q, k, v = heads(a, layer.input_layernorm(h), cos, sin)
            k, v = (torch.cat((p.expand(len(live), -1, -1, -1), y), 2) for p, y in ((pk, k), (pv, v)))
            o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=(a.dn + a.dr) ** -0.5)
            h = h + a.o_proj(o.transpose(1, 2).flatten(2))
            h = h + layer.mlp(layer.post_attention_layernorm(h))
        last = torch.tensor([len(tails[i]) - 1 for i in live])
        nxt = lang.lm_head(lang.model.norm(h[torch.arange(len(live)), last])).argmax(-1).tolist()
        for i, t in zip(list(live), nxt):
            tails[i].append(t)
            if t == eos:
                live.remove(i)
        if not live:
            break
    return [tok.decode([t for t in s[b:] if t != eos], skip_special_tokens=False) for s, b in zip(tails, begin)]


def wilson(k, n, z=1.96):
    if n == 0:
        return 0.0, 1.0
    p = k / n
    m = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (p + z * z / (2 * n) - m) / (1 + z * z / n), (p + z * z / (2 * n) + m) / (1 + z * z / n)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model")
    ap.add_argument("suite")
    ap.add_argument("--swap", action="store_true")
    ap.add_argument("--wrong", type=int, default=0)
    ap.add_argument("--limit", type=int, default=1 << 30, help="pictures")
    a = ap.parse_args()
    model = load_model(a.model)
    tok = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    rows = [json.loads(s) for s in open(os.path.join(a.suite, "suite.jsonl"), encoding="utf-8")]
    by = {}
    for r in rows:
        by.setdefault(r["image"], []).append(r)
    names = list(by)[:a.limit]
    score, wrong = {}, []
    for i, name in enumerate(names):
        if i % 5 == 0:
            print(f"{i}/{len(names)} pictures, {score.get('all', [0, 0])}", flush=True)
        use = names[(i + 1) % len(names)] if a.swap else name
        got = answers(model, tok, Image.open(os.path.join(a.suite, use)), [r["question"] for r in by[name]])
        for r, g in zip(by[name], got):
            ok = right(r, g)
            for key in (r["kind"], "all", "lang " + r["lang"]):
                s = score.setdefault(key, [0, 0])
                s[0] += ok
                s[1] += 1
            if not ok:
                wrong.append((name, r["question"], r["answer"], g))
    for k in sorted(score):
        lo, hi = wilson(*score[k])
        print(f"{k:10s} {score[k][0]:5d}/{score[k][1]:<5d} {score[k][0] / score[k][1]:.3f}  [{lo:.3f}, {hi:.3f}]")
    for w in wrong[:a.wrong]:
        print("  ", *w, sep=" | ")


if __name__ == "__main__":
    main()
