# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""DeepSeek-VL2's picture preprocessing and prompt layout, with Pillow."""
import numpy as np
from PIL import Image, ImageOps

PAD = (127, 127, 127)


def best_resolution(w, h, candidates):
    best, fit, waste = None, -1, float("inf")
    for cw, ch in candidates:
        s = min(cw / w, ch / h)
        eff = min(int(w * s) * int(h * s), w * h)
        lost = cw * ch - eff
        if eff > fit or (eff == fit and lost < waste):
            best, fit, waste = (cw, ch), eff, lost
    return best


def picture_tiles(image, candidates, tile=224):
    """PIL image -> (uint8 [1 + tw*th, tile, tile, 3], tw, th): the global view, then the tiles row by row."""
    image = image.convert("RGB")
    bw, bh = best_resolution(image.width, image.height, candidates)
    views = [np.asarray(ImageOps.pad(image, (tile, tile), color=PAD))]
    local = np.asarray(ImageOps.pad(image, (bw, bh), color=PAD))
    for y in range(0, bh, tile):
        for x in range(0, bw, tile):
            views.append(local[y:y + tile, x:x + tile])
    return np.stack(views), bw // tile, bh // tile


def token_count(tw, th, h=8):
    return h * (h + 1) + 1 + th * h * (tw * h + 1)


def prompt_ids(tokenizer, question, tw=None, th=None):
    """BOS + `<|User|>: <image>\\nQUESTION\\n\\n<|Assistant|>:`, the text around the picture tokenised piece by piece."""
    ids = [tokenizer.token_to_id("<｜begin▁of▁sentence｜>")]

    def enc(s):
        return tokenizer.encode(s, add_special_tokens=False).ids

    if tw is None:
        return ids + enc(f"<|User|>: {question.strip()}\n\n<|Assistant|>:")
    ids += enc("<|User|>: ")
    ids += [tokenizer.token_to_id("<image>")] * token_count(tw, th)
    return ids + enc(f"\n{question.strip()}\n\n<|Assistant|>:")
