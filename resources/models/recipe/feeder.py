# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Workers that make batches. A batch travels as a file in memory and only its name through the queue: a queue's own pipe moves 64 KiB at a
time, each time waiting for the interpreter lock of a busy worker, which starved the device."""
import multiprocessing as mp
import os
import pickle
import queue
import random
import shutil
import tempfile


def _worker(tasks, q, seed, tok_path, glyph_path, tiles, level, mode, stop, folder):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    from data import Encoder, make_batch
    from glyphs import Glyphs
    enc = Encoder(Tokenizer.from_file(tok_path))
    glyphs = Glyphs(glyph_path)
    while not stop.is_set():
        try:
            k, layout = tasks.get(timeout=1.0)
        except queue.Empty:
            continue
        size = max(8, tiles // (1 + layout[0] * layout[1]) // 8 * 8)
        path = os.path.join(folder, str(k))
        with open(path, "wb") as f:
            pickle.dump(make_batch(random.Random(seed * 1_000_003 + k), enc, glyphs, layout, size, level.value, mode), f,
                        pickle.HIGHEST_PROTOCOL)
        q.put((k, path))


class Feeder:
    """Batches in the order of their layouts, which `ask` or else `draw` () -> layout names."""

    def __init__(self, workers, seed, tok_path, glyph_path, tiles, draw=None, mode="train"):
        ctx = mp.get_context("spawn")
        self.folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.level = ctx.Value("d", 0.0)
        self.stop = ctx.Event()
        self.tasks, self.q = ctx.Queue(), ctx.Queue()
        self.draw, self.ahead = draw, workers * 2
        self.asked = self.taken = 0
        self.made = {}                                  # number of a batch -> its file
        self.p = [ctx.Process(target=_worker, args=(self.tasks, self.q, seed, tok_path, glyph_path, tiles, self.level, mode, self.stop,
                                                    self.folder), daemon=True) for _ in range(workers)]
        for p in self.p:
            p.start()

    def ask(self, layout):
        self.tasks.put((self.asked, layout))
        self.asked += 1

    def get(self):
        while self.draw and self.asked - self.taken < self.ahead:
            self.ask(self.draw())
        while self.taken not in self.made:
            k, path = self.q.get(timeout=120)
            self.made[k] = path
        path = self.made.pop(self.taken)
        self.taken += 1
        with open(path, "rb") as f:
            b = pickle.load(f)
        os.unlink(path)
        return b

    def close(self):
        self.stop.set()
        for p in self.p:
            p.terminate()
            p.join(5)
        shutil.rmtree(self.folder, ignore_errors=True)
