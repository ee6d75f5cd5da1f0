# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""What DeepSeek-VL2's own processor makes of our conversations, and whether mini-vl's goldens are what it makes.

    python3 make_vl2_chat.py DEEPSEEK_VL2        writes deepseek_vl2.json beside this file

DEEPSEEK_VL2 is a checkout of github.com/deepseek-ai/DeepSeek-VL2 (made with ef9f91e2b6426536b83294c11742c27be66361b1); its
deepseek_vl2/models/conversation.py and processing_deepseek_vl_v2.py run unchanged, with stand-ins for the imports that
today's libraries lack. Its tokens are those of mini-vl, which has VL2's special tokens. As its inference code does, an
empty answer closes the messages and the last end token is cut off, except where the conversation ends in an answer.

For mini-vl's questions the ids and the tiles of the same processor must be those of ../mini-vl. Made with tokenizers 0.23.3,
Pillow 13.0.0, torch 2.15.0."""
import importlib.util
import json
import pathlib
import sys
import types

import numpy as np
import torch.nn.utils.rnn  # noqa: F401 (before its relatives get stand-ins)
import transformers.processing_utils  # noqa: F401
from PIL import Image
from tokenizers import Tokenizer

from make_chat import CONVERSATIONS, assistant, system, user

HERE = pathlib.Path(__file__).parent
MINI_VL = HERE.parents[2] / "resources" / "models" / "mini-vl"
MORE = {
    "wide spaces at the edges": [system("\u3000s\u00a0"), user("\u3000\u2003词\u3000词\u3000"), assistant("\u2028a\u3000"),
                                 user("\x1cb\x85")],
    "zero width is no space": [user("\u200ba\ufeff"), assistant("\u2060")],
    "pictures": [user("<image>\nWhat is this?"), assistant("A cat."), user("<image>\n<image>\nAnd these?")],
    "a picture without words": [user("<image>\n")],
}


def published(folder):
    """The processor's class, from its two files."""
    class Anything(types.ModuleType):
        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

    for name in ("torchvision", "torchvision.transforms"):
        sys.modules.setdefault(name, Anything(name))
    package = types.ModuleType("vl2")
    package.__path__ = [str(folder / "deepseek_vl2" / "models")]
    sys.modules["vl2"] = package
    for name in ("conversation", "processing_deepseek_vl_v2"):
        spec = importlib.util.spec_from_file_location("vl2." + name, folder / "deepseek_vl2" / "models" / (name + ".py"))
        sys.modules["vl2." + name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["vl2." + name])
    return sys.modules["vl2.processing_deepseek_vl_v2"].DeepseekVLV2Processor


def processor_of(kind):
    tokenizer = Tokenizer.from_file(str(MINI_VL / "tokenizer.json"))
    settings = json.loads((MINI_VL / "processor_config.json").read_text(encoding="utf-8"))
    config = json.loads((MINI_VL / "tokenizer_config.json").read_text(encoding="utf-8"))

    class Recorder(kind):
        def __init__(self):  # not the published one, which adds tokens and prints
            self.tokenizer = types.SimpleNamespace(
                bos_token_id=tokenizer.token_to_id(config["bos_token"]), eos_token_id=tokenizer.token_to_id(config["eos_token"]),
                encode=lambda text, add_special_tokens: tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)
            self.candidate_resolutions = settings["candidate_resolutions"]
            self.image_size = self.candidate_resolutions[0][0]
            self.patch_size, self.downsample_ratio = settings["patch_size"], settings["downsample_ratio"]
            self.image_token, self.sft_format, self.mask_prompt, self.ignore_id = "<image>", "deepseek", True, -100
            self.image_token_id = tokenizer.token_to_id("<image>")
            self.image_transform = type("Bytes", (), {"mean": (0.5, 0.5, 0.5), "__call__": lambda _, tile: np.asarray(tile)})()
            self.text = ""

        def tokenize_with_images(self, conversation, images, bos=True, eos=True, cropping=True):
            self.text += conversation + config["eos_token"] * eos
            return super().tokenize_with_images(conversation, images, bos, eos, cropping)

        def encode(self, text, bos=True, eos=False):
            self.text += text * (sys._getframe(1).f_code.co_name == "format_messages_v2")
            return super().encode(text, bos, eos)

        def prompt(self, messages, pictures=()):
            """Text, ids and tiles of the prompt for the next answer."""
            self.text = ""
            opened = messages[-1]["role"] == "user"
            ids, _, tiles, *_ = self.format_messages_v2(messages + [assistant("")] * opened, list(pictures))
            if opened:
                assert ids.pop() == self.eos_id
                self.text = self.text.removesuffix(config["eos_token"])
            return config["bos_token"] + self.text, ids, tiles

    return Recorder()


def check_mini_vl(processor):
    folder = HERE.parent / "mini-vl"
    for case in json.loads((folder / "golden.json").read_text(encoding="utf-8"))["cases"]:
        picture = Image.open(folder / (case["picture"] + ".png"))
        _, ids, tiles = processor.prompt([user("<image>\n" + case["question"])], [picture])
        assert ids == case["ids"], case["question"]
        stored = np.asarray(Image.open(folder / (case["picture"] + ".tiles.png")))
        assert np.array_equal(np.concatenate(tiles), stored), case["picture"]
        print(case["question"], len(ids), "ids,", len(tiles), "tiles: the same")


def main():
    processor = processor_of(published(pathlib.Path(sys.argv[1])))
    check_mini_vl(processor)
    cases = []
    for name, messages in {**CONVERSATIONS, **MORE}.items():
        if sum(message["role"] == "system" for message in messages) > 1:
            continue  # refused by the processor
        pictures = [Image.new("RGB", (50 + 60 * i, 70)) for i in range(sum(m["content"].count("<image>") for m in messages))]
        text, ids, _ = processor.prompt(messages, pictures)
        case = {"name": name, "messages": messages, "text": text, "ids": ids}
        if pictures:
            case["pictures"] = [picture.size for picture in pictures]
        cases.append(case)
    out = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n"
    (HERE / "deepseek_vl2.json").write_text(out, encoding="utf-8")
    print(len(cases), "conversations")


if __name__ == "__main__":
    main()
