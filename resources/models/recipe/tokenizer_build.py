# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Trains mini-vl's byte-level BPE on sentences of its own grammar, with DeepSeek-V3's pre-tokeniser patterns."""
import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SPECIAL = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
ADDED = ["<image>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<|User|>", "<|Assistant|>"]
PATTERNS = [
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
]
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|User|>: ' + "
    "message['content'].strip() + '\\n\\n<|Assistant|>:' }}{% elif message['role'] == 'assistant' %}"
    "{{ message['content'].strip() + eos_token }}{% else %}{{ message['content'] }}{% endif %}{% endfor %}")


def build(sentences, vocab_size, folder):
    tok = Tokenizer(models.BPE())
    split = [pre_tokenizers.Split(Regex(p), "isolated") for p in PATTERNS]
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        split + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(ADDED), min_frequency=3, show_progress=False, max_token_length=24,
        special_tokens=[AddedToken(s, special=True, normalized=False) for s in SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tok.train_from_iterator(sentences, trainer)
    tok.add_tokens([AddedToken(s, special=False, normalized=False) for s in ADDED])
    os.makedirs(folder, exist_ok=True)
    tok.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    config = {"add_bos_token": True, "add_eos_token": False, "bos_token": SPECIAL[0], "eos_token": SPECIAL[1],
              "pad_token": SPECIAL[2], "unk_token": None, "clean_up_tokenization_spaces": False,
              "model_max_length": 4096, "tokenizer_class": "LlamaTokenizerFast", "chat_template": CHAT_TEMPLATE}
    write(folder, "tokenizer_config.json", config)
    write(folder, "generation_config.json", {
        "_from_model_config": True, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "do_sample": False,
        "max_new_tokens": 128})
    write(folder, "processor_config.json", processor_config())
    return tok


def processor_config():
    from model import CANDIDATES
    return {"processor_class": "DeepseekVLV2Processor", "candidate_resolutions": CANDIDATES, "patch_size": 14,
            "downsample_ratio": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "normalize": True,
            "image_token": "<image>", "pad_token": SPECIAL[2], "add_special_token": False, "mask_prompt": False,
            "ignore_id": -100, "sft_format": "deepseek"}


def write(folder, name, data):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
        json.dump(data, f, indent=2, ensure_ascii=False)
        f.write("\n")
