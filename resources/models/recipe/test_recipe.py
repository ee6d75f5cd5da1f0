# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Ten steps of the whole data path on the CPU: scenes, questions, paint, dense labels, training, export, reload, reply.

    python3 test_recipe.py        (says so and leaves with 77 where PyTorch or tokenizers is missing)
"""
import argparse
import importlib.util
import io
import os
import random
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    from PIL import Image
    from tokenizers import Tokenizer
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

import data as D
import language as L
import scenes as S
from answer_values import is_right
from evaluate import answers
from feeder import Feeder
from glyphs import Glyphs
from measure import overlap
from model import attend, fp8_dequantise, fp8_quantise, load_model, save_model
from preprocess import best_resolution, picture_tiles, token_count
from render import COLS, GRID, REACH, Painter, jpeg
from train import Trainer

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(HERE, "..", "mini-vl", "tokenizer.json")


def fake_atlas(path):
    """One face of boxes: the path is tested here, not the letters."""
    yy, xx = np.mgrid[-1.25:1.25:64j, -1.25:1.25:64j]
    d = np.maximum(np.abs(xx) - 0.6, np.abs(yy) - 1.0)
    t = np.clip(d * 254, -127, 127).astype(np.int8)
    np.savez(path, tables=np.tile(t, (1, 62, 1, 1)), metrics=np.tile(np.float32([0.6, 0.3, -0.35, 0.35]), (1, 62, 1)), fonts=np.array(["box"]))


def check_answers():
    assert is_right("There are 3.", ["3"]) and not is_right("There are 3 or 4.", ["3"]) and is_right("没有。", ["0"])
    assert is_right("It is gray.", ["grey"]) and not is_right("It is a red square.", ["blue square"])
    assert is_right("The picture shows 2 blue squares and a red circle.", ["1 red circle;2 blue square"], "description")
    assert not is_right("I can't tell.", ["red"]) and is_right("我看不出来。", ["I can't tell."])
    assert is_right("The text is A7b.", ["The text is a7B."], "text") and not is_right("The text is A7.", ["The text is A71."], "text")
    assert overlap("[[0, 0, 10, 10]]", "[[0, 0, 10, 5]]") == 0.5 and overlap("[[0, 0, 1, 1]]", "none") == 0


def check_held_out(rng):
    """No held-out sentence form, pair or corrupted answer may come out of training."""
    fill = {k: k.lower() for k in ("X", "Xs", "Y", "Gs", "A", "A1", "D", "D1", "D2", "S", "S1", "S2", "M", "F", "B", "G", "K")}
    fixed = fill | {k: k.lower() for k in ("P", "L", "C")}
    for groups in (L.E, L.Z):
        for name, forms in groups.items():
            if not forms.held:
                continue
            held = {forms.draw(rng.random, True, **fixed) for _ in range(40)}
            trained = {forms.draw(rng.random, False, **fixed) for _ in range(1500)}
            assert not held & trained, (name, held & trained)
    for _ in range(400):
        assert not set(S.draw_specs(rng, 6)) & L.HELD_OUT_PAIRS


def check_blur(enc, rng):
    for answer in ("The pink rectangle.", "粉色的长方形。", "The picture shows a red square and 2 green circles."):
        ids = enc.answer(answer, "")
        seen = {enc.t.decode(enc.blur_colour(ids, answer, rng)) for _ in range(60)}
        assert not any(f"{c} {s}" in t or L.ZH_COLOUR[c] + "色的" + L.ZH_SHAPE[s] in t for t in seen for c, s in L.HELD_OUT_PAIRS), seen


def check_kernel(glyphs):
    """The painter's kernel, interpreted, against plain PyTorch: outlines, glyphs and the repeated shapes of junk pictures."""
    if importlib.util.find_spec("triton") is None:
        print("no triton: kernel not compared")
        return
    os.environ["TRITON_INTERPRET"] = "1"
    from paint_kernel import composite
    torch.manual_seed(4)
    p = Painter(glyphs, torch.device("cpu"))
    slots = torch.zeros(1, 4, COLS)
    slots[0, :, 0] = torch.tensor([3.0, 40.0, p.tables.shape[0] - 5.0, 11.0])
    slots[0, :, 1:3] = torch.rand(4, 2) * 40
    slots[0, :, 3] = torch.tensor([9.0, 6.0, 12.0, -1.0])
    slots[0, :, 4], slots[0, :, 5] = 0.8, 0.6
    slots[0, :, 6:12] = torch.rand(4, 6) * 255
    slots[0, 0, 12], slots[0, 1, 13] = 2.0, 1.0
    c = {"w": 50, "h": 40, "hard": False, "slots": 4, "outlines": True, "wrap": True}
    size = (25, 20)
    xs, ys = (torch.arange(size[0]) + 0.5) * 2, (torch.arange(size[1]) + 0.5) * 2
    pts = torch.stack((xs[None].expand(20, 25), ys[:, None].expand(20, 25)), -1).view(1, -1, 2)
    ground = torch.rand(1, 3, 500)
    want = p.composite(ground.clone(), slots, c, size, pts)
    got = composite(ground.clone(), slots, p.tables, 4, size, (50, 40), 1.0, REACH, GRID, COLS)
    assert float((want - ground).abs().max()) > 0.3 and float((want - got).abs().max()) < 2e-3, float((want - got).abs().max())


def check_jpeg():
    """The painter's JPEG against the library's: far nearer to it than to the picture it was made from."""
    rng = np.random.default_rng(6)
    small = Image.fromarray(rng.integers(0, 255, (7, 9, 3), dtype=np.uint8))
    picture = small.resize((75, 50), Image.NEAREST)
    x = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
    for quality in (25, 60):
        got = (jpeg(x, quality)[0].permute(1, 2, 0) * 255).numpy()
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        want = np.array(Image.open(file), np.float32)
        near, far = np.abs(got - want).mean(), np.abs(want - np.array(picture)).mean()
        assert near < 0.3 * far, (quality, near, far)


def check_packed_attention():
    """The kernels of packed questions, interpreted, against plain attention with a mask: outputs and gradients; blocks that straddle the
    picture's end and questions, left-over tokens, several heads."""
    if importlib.util.find_spec("triton") is None:
        print("no triton: attention not compared")
        return
    os.environ["TRITON_INTERPRET"] = "1"
    from packed_attention import packed_attend
    torch.manual_seed(1)
    p = 21
    begin = torch.tensor([[0] * 9 + [9] * 20 + [29] * 5 + [34, 35], [0] * 30 + [30] * 6])
    stop = torch.tensor([[9] * 9 + [29] * 20 + [34] * 5 + [35, 36], [30] * 30 + [36] * 6])
    n = p + begin.shape[1]
    mask = tuple(torch.cat((torch.full((2, p), head), p + t), 1).int() for t, head in ((begin, 0), (stop, n)))
    q, k, v = (torch.randn(2, n, 3, d).transpose(1, 2).requires_grad_() for d in (16, 16, 16))
    g = torch.randn(2, 3, n, 16)
    for sizes in (((16, 16, 4, 1),) * 3, ((32, 16, 4, 1), (32, 16, 4, 1), (16, 32, 4, 1))):
        results = []
        for f in (attend, packed_attend(sizes)):
            y = f(q, k, v, 0.25, p, mask)
            results.append([y.detach(), *torch.autograd.grad(y, (q, k, v), g)])
        for want, got in zip(*results):
            assert float((got - want).norm() / want.norm()) < 1e-5


def check_partners(enc):
    """Words that training never pairs with the other attribute are known at the right places of an answer."""
    never = enc.never_paired(enc.t.get_vocab_size())
    for answer, about, banned in (("The red heart.", None, {" green"}), ("It is a star.", ("red", "star"), set()), ("It is green.", ("green", "cross"), {" blue"}),
                                  ("蓝色的圆形。", None, {"十字形"}), ("图中有2个紫色心形。", None, {"三角形", "绿", "绿色", "绿色的"})):
        ids = enc.answer(answer, "")
        got = {enc.t.decode([t]) for row in never[enc.partners(ids, about)] for t in np.flatnonzero(row)}
        assert {w for w in banned if len(enc.enc(w)) == 1} <= got, (answer, got)
        assert not any((enc.t.decode([t]) in got) for t in ids), (answer, got)


def main():
    torch.set_num_threads(1)
    check_packed_attention()
    check_jpeg()
    check_answers()
    check_held_out(random.Random(8))
    torch.manual_seed(3)
    w = torch.randn(200, 300)
    q, s = fp8_quantise(w)
    assert q.shape == (200, 300) and s.shape == (2, 3)
    assert float((fp8_dequantise(q, s) - w).abs().max()) < 0.07 * float(w.abs().max())
    assert best_resolution(1024, 768, S.CANDIDATES) == (448, 448) and best_resolution(64, 64, S.CANDIDATES) == (224, 224)
    tiles, tw, th = picture_tiles(Image.new("RGB", (1024, 768)), S.CANDIDATES)
    assert tiles.shape == (5, 224, 224, 3) and token_count(tw, th) == 345
    with tempfile.TemporaryDirectory() as tmp:
        atlas = os.path.join(tmp, "glyphs.npz")
        fake_atlas(atlas)
        check_kernel(Glyphs(atlas))
        a = argparse.Namespace(tokenizer=TOKENIZER, glyphs=atlas, resume="", begin=0.0, compile=0, graphs=0)
        tr = Trainer(a, torch.device("cpu"), 0, 1)
        tr.both.train()
        check_blur(tr.enc, random.Random(2))
        check_partners(tr.enc)
        feeder = Feeder(2, 3, TOKENIZER, atlas, 16)
        try:
            for layout in ((1, 1), (2, 1), (1, 1)):
                feeder.ask(layout)
            assert [feeder.get()["layout"] for _ in range(3)] == [(1, 1), (2, 1), (1, 1)] and not os.listdir(feeder.folder)
        finally:
            feeder.close()
        assert not os.path.exists(feeder.folder)
        rng = random.Random(5)
        b = D.make_batch(rng, tr.enc, tr.glyphs, (1, 1), 2, 0.5, "eval", chunks=2)
        assert len(b["kinds"]) >= 8 and len(b["where"]) == len(b["target"])
        at = 0
        for i, q, ans, kind in b["questions"]:
            n = int(b["lens"][at])
            at += 1
            assert n >= 2, (q, ans, kind)
        for mode in ("bad", "long"):
            b2 = D.make_batch(rng, tr.enc, tr.glyphs, (1, 1), 8, 1.0, mode)
            x = tr.inputs(b2)
            assert torch.isfinite(x["tiles"]).all() and x["start"].shape == (8, b2["prefix"] + b2["ids"].shape[1])
            longest = int((b2["stop"] - b2["begin"]).max())
            assert longest > (500 if mode == "long" else 100), longest
            if mode == "bad":
                assert all(a in L.CANT.values() for c in b2["chunks"] for i, _, a, _ in b2["questions"] if c["crowd"] is not None and c["at"] <= i < c["to"])
        losses = []
        for _ in range(10):
            x = tr.inputs(b)
            assert torch.isfinite(x["tiles"]).all() and x["tiles"].abs().max() <= 1.01
            tr.acc.zero_()
            tr.step(x, b["layout"], 0.3)
            tr.balance(0.1)
            losses.append(float(tr.acc[0]))
        print("loss", " ".join(f"{v:.2f}" for v in losses))
        assert all(np.isfinite(losses)) and losses[-1] < losses[0] - 0.5, losses
        folder = os.path.join(tmp, "model")
        save_model(tr.model.float(), folder)
        assert os.path.getsize(os.path.join(folder, "model.safetensors")) < 10_000_000
        model = load_model(folder)
        tok = Tokenizer.from_file(TOKENIZER)
        out = answers(model, tok, Image.new("RGB", (100, 80), (255, 255, 255)), ["How many circles are there?"], limit=4)
        assert len(out) == 1
    print("ten steps, export and reply: ok")


if __name__ == "__main__":
    main()
