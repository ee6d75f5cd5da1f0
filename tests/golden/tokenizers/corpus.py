# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Diverse strings for tokenizer tests, the same for the same seed: many scripts, code, emoji, digits, white
space, spellings of added tokens and broken UTF-8 (as bytes)."""
import random
import unicodedata

WORDS = """the of and Diptych model's picture can't I'LL we've They'd don'T reasoning token_count camelCase HTTPServer
naïve façade résumé Ångström Straße ĳsland ﬁne ﬂow Ǆungla ŉ ſtrange İstanbul ıs Ελληνικά και ΣΊΣΥΦΟΣ Привет мир ещё
Українська ქართული Հայերեն עברית שלום مرحبا بالعالم لا إله हिन्दी नमस्ते বাংলা தமிழ் ไทย ภาษา မြန်မာ ខ្មែរ ລາວ བོད་
한국어 안녕하세요 日本語 ひらがな カタカナ ｶﾀｶﾅ 漢字 混ぜ書き 你好 世界 图片里有几个红色的圆形 深度求索 繁體中文 龘 𠮷野家 㐀㐁
Tiếng Việt phở Yorùbá ọ̀rọ̀ Lietuvių ąčęėįšųūž e\u0301te\u0301 a\u030a o\u0308 \u1100\u1161\u11a8 \u0958 \u2126 \u212b
x² ½ ⅷ ① ٣٤٥ ৭৮ 一二三 Ⅻ ₿ € £ ¥ § ¶ ∑∫∂ ≤≥≠ → ⇒ ∀x∈ℝ αβγ ℵ ™ © … — – “quoted” ‘single’ «guillemets» 、。「」！？：；（）""".split()
CODE = ["def f(x):\n    return x ** 2 if x > 0 else -x\n", "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n",
        "#include <vector>\r\n#define MAX(a,b) ((a)>(b)?(a):(b))\r\n", "SELECT * FROM t WHERE a='b' AND c>=1.5e-3;",
        "<div class=\"a\">&amp;</div>", "https://example.org/a/b?c=d&e=%20f#g", "{\"key\": [1, 2.0, null, true]}",
        "$\\frac{1}{2}\\sum_{i=0}^{n} x_i^2$", "```python\nprint('hi')\n```", "a && b || !c ^ ~d % e", "\\d+\\.\\w*[^a-z]",
        "if (x[0]::y->z != nullptr) return x?.y ?? z;", "|a|b|\n|---|---|\n|1|2|", "- [x] done\n- [ ] todo\n\n\n1. one"]
BLANKS = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\t\t", "\r", "\u00a0", "\u3000", "\u2003", "\u200b",
          "\u0085", "\u2028", "\u180e", "\ufeff", "\x0b", "\x0c", "\x1c", " \n \n  ", "    ", "\u202f", "\u205f"]
EMOJI = ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🇨🇳", "🏳️‍🌈", "❤️", "☕", "🦙", "🫠", "1️⃣", "🧑🏿‍🚀", "🩷", "🫨", "🪿"]
SPECIALS = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<|im_start|>", "<|im_end|>",
            "<think>", "</think>", "<|endoftext|>", "<｜▁pad▁｜>", "<｜tool▁calls▁begin｜>", "<｜place▁holder▁no▁7｜>",
            "<|EOT|>", "<tool_call>", "<｜User", "｜>", "<|", "<image>", "<|User|>", "<｜fim▁hole｜>"]
BROKEN = [b"\xff", b"\xc3", b"\xe4\xbd", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\xaf", b"\x80\x80", b"\xf5\x80", b"\xe0\x80\xaf"]


def code_point(rng):
    """An assigned code point of any script; surrogates and unassigned ones come as broken bytes or not at all."""
    while True:
        c = chr(rng.choice([rng.randrange(0x20, 0x7F), rng.randrange(0xA0, 0x600), rng.randrange(0x600, 0x3400),
                            rng.randrange(0x3400, 0xA000), rng.randrange(0xA000, 0xFFFE), rng.randrange(0x10000, 0x32000)]))
        if unicodedata.category(c) not in ("Cn", "Cs", "Co"):
            return c


def piece(rng):
    kind = rng.randrange(12)
    if kind < 4:
        return rng.choice(WORDS)
    if kind == 4:
        return rng.choice(CODE)
    if kind == 5:
        return rng.choice(BLANKS)
    if kind == 6:
        return rng.choice(EMOJI)
    if kind == 7:
        return rng.choice(SPECIALS)
    if kind == 8:
        return "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 12))) + rng.choice(["", ".5", ",000", "%"])
    if kind == 9:
        return "".join(rng.choice("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") for _ in range(rng.randrange(1, 7)))
    if kind == 10:
        return "".join(code_point(rng) for _ in range(rng.randrange(1, 8)))
    return rng.choice("abcdefgXYZ一的了がぎア한") * rng.randrange(1, 60)


def strings(seed, count):
    """`count` byte strings."""
    rng = random.Random(seed)
    for _ in range(count):
        text = b""
        for _ in range(rng.randrange(0, 14)):
            text += piece(rng).encode()
            glue = rng.random()
            if glue < 0.5:
                text += b" "
            elif glue < 0.6:
                text += rng.choice(BLANKS).encode()
            elif glue < 0.62:
                text += rng.choice(BROKEN)
        yield text
