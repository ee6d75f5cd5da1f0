# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the goldens of mini-vl: for a few pictures the preprocessed tile bytes, the prompt ids, the float32 logits of
the last prompt positions and the greedy reply, all computed by the plain PyTorch reference.

mini-vl/NAME.png         the picture
mini-vl/NAME.tiles.png   the tiles below each other (global view first), bytes before normalisation
mini-vl/golden.json      per case: question, tiles [w, h], ids, picture embedding samples, top-8 logits, reply
mini-vl/logits.f32       little-endian float32 [cases, vocab]: logits at the last prompt position
"""
import json
import os
import sys

import numpy as np
import torch
from PIL import Image, ImageDraw
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "..", "resources", "models")
sys.path.insert(0, os.path.join(MODELS, "recipe"))
from model import load_model  # noqa: E402
from preprocess import picture_tiles, prompt_ids  # noqa: E402


def pictures():
    a = Image.new("RGB", (320, 200), (250, 248, 240))
    d = ImageDraw.Draw(a)
    d.ellipse((20, 60, 90, 130), fill=(220, 20, 30))
    d.rectangle((140, 40, 210, 110), fill=(30, 60, 220))
    d.polygon(((250, 150), (300, 150), (275, 100)), fill=(20, 140, 50))
    b = Image.new("RGB", (97, 64), (30, 30, 36))
    d = ImageDraw.Draw(b)
    d.ellipse((30, 12, 70, 52), fill=(255, 215, 0))
    c = Image.new("RGB", (150, 640), (200, 220, 235))
    d = ImageDraw.Draw(c)
    d.polygon(((75, 40), (115, 90), (75, 140), (35, 90)), fill=(128, 0, 128))
    d.rectangle((30, 400, 120, 450), fill=(255, 140, 0))
    e = Image.new("RGB", (1024, 768), (255, 255, 255))
    d = ImageDraw.Draw(e)
    for i, col in enumerate(((255, 0, 0), (0, 128, 0), (255, 0, 0), (0, 0, 255))):
        d.ellipse((60 + 230 * i, 100 + 110 * i, 200 + 230 * i, 240 + 110 * i), fill=col)
    return {"three": a, "small": b, "tall": c, "wide": e}


CASES = [("three", "How many shapes are there?"), ("small", "图中的圆形是什么颜色？"), ("tall", "Is there a star?"),
         ("wide", "How many red circles are there?"), ("three", "What is to the left of the blue square?")]


def main():
    out = os.path.join(HERE, "mini-vl")
    os.makedirs(out, exist_ok=True)
    folder = os.path.join(MODELS, "mini-vl")
    model = load_model(folder)
    tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    image_token = tok.token_to_id("<image>")
    eos = model.config["eos_token_id"]
    pics, cases, rows = pictures(), [], []
    for name, im in pics.items():
        im.save(os.path.join(out, name + ".png"), optimize=True)
        tiles, _, _ = picture_tiles(im, model.config["candidate_resolutions"])
        Image.fromarray(np.concatenate(list(tiles))).save(os.path.join(out, name + ".tiles.png"), optimize=True)
    for name, question in CASES:
        tiles, tw, th = picture_tiles(pics[name], model.config["candidate_resolutions"])
        x = torch.from_numpy(tiles).permute(0, 3, 1, 2).float() / 255
        x = (x - 0.5) / 0.5
        ids = prompt_ids(tok, question, tw, th)
        prompt = list(ids)
        with torch.no_grad():
            emb = model.picture(x[None], tw, th)[0]
        reply = []
        first = None
        while len(reply) < 48:
            logits = model.logits(torch.tensor(ids), image_token, [(x, tw, th)])[-1]
            if first is None:
                first = logits
            nxt = int(logits.argmax())
            reply.append(nxt)
            ids.append(nxt)
            if nxt == eos:
                break
        rows.append(first.numpy().astype("<f4"))
        top = first.topk(8)
        at = [0, 8, 72, 73, emb.shape[0] - 1]
        cases.append({
            "picture": name, "question": question, "tiles": [tw, th], "ids": prompt,
            "embedding_rows": at, "embedding_first8": [[round(float(v), 6) for v in emb[i, :8]] for i in at],
            "top_ids": top.indices.tolist(), "top_logits": [round(float(v), 5) for v in top.values],
            "reply_ids": reply, "reply": tok.decode([r for r in reply if r != eos], skip_special_tokens=False)})
    np.stack(rows).tofile(os.path.join(out, "logits.f32"))
    with open(os.path.join(out, "golden.json"), "w", encoding="utf-8") as f:
        json.dump({"vocab_size": int(rows[0].shape[0]), "image_token": image_token, "cases": cases}, f,
                  ensure_ascii=False, indent=1)
        f.write("\n")
    for c in cases:
        print(c["picture"], c["question"], "->", c["reply"])


if __name__ == "__main__":
    main()
