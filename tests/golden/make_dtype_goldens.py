# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Writes what the number formats of safetensors files stand for.

dtypes/codes.safetensors   for every format T a tensor T of all its codes (of the wide ones: edges and random numbers)
                           and T.float32, the same numbers as float32 by ml_dtypes and numpy
models/llama-dtypes        a tiny model with each of its tensors in another format, and transformers' float32 logits

The files are written here byte by byte: the safetensors library reads every type's header, and writes neither the six-bit
types nor E8M0. Sub-byte numbers stand low bits first, as torch.float4_e2m1fn_x2 has two of them in a byte.

Made with ml_dtypes 0.6.0, numpy 2.4.6, torch 2.15.0, transformers 5.23.0, safetensors 0.8; run:
python3 make_dtype_goldens.py"""
import json
import os
import struct

import ml_dtypes
import numpy as np
import safetensors
import torch

from make_goldens import HERE, config_of, ids_for, randomise, state_of, write
from make_packed_goldens import llama

SMALL = {"F4": (4, ml_dtypes.float4_e2m1fn), "F6_E2M3": (6, ml_dtypes.float6_e2m3fn), "F6_E3M2": (6, ml_dtypes.float6_e3m2fn),
         "F8_E5M2": (8, ml_dtypes.float8_e5m2), "F8_E4M3": (8, ml_dtypes.float8_e4m3fn), "F8_E8M0": (8, ml_dtypes.float8_e8m0fnu),
         "F8_E4M3FNUZ": (8, ml_dtypes.float8_e4m3fnuz), "F8_E5M2FNUZ": (8, ml_dtypes.float8_e5m2fnuz)}
WIDE = {"I8": np.int8, "U8": np.uint8, "I16": np.int16, "U16": np.uint16, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
        "I32": np.int32, "U32": np.uint32, "F32": np.float32, "F64": np.float64, "I64": np.int64, "U64": np.uint64}


def pack(codes, bits):
    """Codes as one stream of bits, low bits first."""
    stream = (codes.reshape(-1, 1) >> np.arange(bits)) & 1
    return np.packbits(stream.astype(np.uint8).reshape(-1), bitorder="little").tobytes()


def write_file(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, numbers) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(numbers)]}
        data += numbers
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
    os.chmod(path, 0o644)
    with open(path, "rb") as f:  # the library agrees on sizes and types
        read = dict(safetensors.deserialize(f.read()))
    assert {name: entry["dtype"] for name, entry in read.items()} == {name: entry[0] for name, entry in tensors.items()}


def codes_file():
    random = np.random.default_rng(20)
    tensors = {}
    for name, (bits, dtype) in SMALL.items():
        codes = np.arange(2 ** bits, dtype=np.uint8)
        tensors[name] = name, codes.shape, pack(codes, bits)
        tensors[name + ".float32"] = "F32", codes.shape, codes.view(dtype).astype(np.float32).tobytes()
    for name, dtype in WIDE.items():
        size = np.dtype(dtype).itemsize
        if name in ("F16", "BF16"):
            numbers = np.arange(65536, dtype=np.uint16)[::17].view(dtype)
        elif name in ("F32", "F64"):
            numbers = np.concatenate([random.standard_normal(200) * 10.0 ** random.integers(-30, 30, 200), [0.0, -0.0, 1 / 3, 1 + 2.0 ** -24,
                                      1 + 3 * 2.0 ** -24, 16777217.0, 1e-42]]).astype(dtype)
        elif size == 1:
            numbers = np.arange(256, dtype=np.uint8).view(dtype)
        else:
            numbers = np.concatenate([np.frombuffer(random.bytes(200 * size), dtype), np.array([0, 1, np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)])
            if size > 2:  # ties: to even
                numbers = np.concatenate([numbers, np.array([16777217, 16777219, 33554434, 33554435, 33554437], dtype)])
        tensors[name] = name, numbers.shape, numbers.tobytes()
        tensors[name + ".float32"] = "F32", numbers.shape, numbers.astype(np.float32).tobytes()
    os.makedirs(os.path.join(HERE, "dtypes"), exist_ok=True)
    write_file(os.path.join(HERE, "dtypes", "codes.safetensors"), tensors)


def stored(values, name):
    """The weight in that format: the bytes, and the float32 numbers they stand for."""
    if name in SMALL:
        bits, dtype = SMALL[name]
        if name == "F8_E8M0":
            values = 2.0 ** np.round(np.log2(np.abs(values) + 2.0 ** -8))
        numbers = values.astype(dtype)
        return pack(numbers.view(np.uint8).reshape(-1), bits), numbers.astype(np.float32)
    dtype = WIDE[name]
    if np.issubdtype(dtype, np.integer):
        values = np.round(values)
        values = np.maximum(values, 0) if np.issubdtype(dtype, np.unsignedinteger) else values
    numbers = values.astype(dtype)
    return numbers.tobytes(), numbers.astype(np.float32)


def model():
    net = llama()
    randomise(net, 41)
    formats = ["F4", "F6_E2M3", "F6_E3M2", "F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8", "I16", "I32", "I64", "F64", "F16", "BF16"]
    positive = ["F8_E8M0", "U8", "U16", "U32", "U64"]
    tensors, whole, matrices = {}, {}, 0
    for key, value in state_of(net).items():
        if value.dim() == 1:  # norms
            name = positive.pop(0) if positive else "F32"
            numbers = value.numpy() + (1 if name.startswith("U") else 0)
        else:
            name = formats[matrices % len(formats)]
            matrices += 1
            numbers = value.numpy() * (3 if name.startswith("I") else 1)
        data, plain = stored(numbers, name)
        tensors[key] = name, value.shape, data
        whole[key] = torch.from_numpy(plain.copy()).reshape(value.shape)
    assert {entry[0] for entry in tensors.values()} >= set(SMALL) | set(WIDE) - {"F32"}
    net.load_state_dict(whole, strict=True)
    ids = ids_for(41)
    with torch.no_grad():
        logits = net(torch.tensor([ids])).logits[0]
    write("llama-dtypes", config_of(net, "LlamaForCausalLM"), {"x": torch.zeros(1)}, logits, {"ids": ids})
    write_file(os.path.join(HERE, "models", "llama-dtypes", "model.safetensors"), tensors)


if __name__ == "__main__":
    codes_file()
    model()
