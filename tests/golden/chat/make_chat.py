# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Renders conversations through the published chat templates, and encodes them as the reference does.

    python3 make_chat.py          writes deepseek_v3.json and qwen3.json beside this file

Made with jinja2 3.1.6 and tokenizers 0.23.3; the environment is that of transformers' apply_chat_template
(trim_blocks, lstrip_blocks, loop controls), checked against transformers 5.23.0. The texts hold no spelling of an
added token, for there the reference and Diptych differ on purpose: what people type stays text with us.
"""
import gzip
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox
import tokenizers

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent / "tokenizers"


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


CONVERSATIONS = {
    "one question": [user("What is 1234567 + 1?")],
    "with a system text": [system("You are terse."), user("你好，世界！")],
    "two system texts": [system("First."), system("Second."), user("Go on.")],
    "three turns": [user("Hi"), assistant("Hello! How can I help?"), user("Tell me a joke.\n\nA short one.")],
    "spaces at the edges": [system(" s "), user("  two spaces "), assistant(" padded\n"), user("\n\nlines\n\n")],
    "many turns": [system("Be kind."), user("a"), assistant("b"), user("c"), assistant("d"), user("e")],
    "code and emoji": [user("```python\nprint('👍🏽')\n```"), assistant("`x**2`\t→ x²"), user("🩷 why?")],
    "question that ends in a letter": [user("Is it I"), assistant("no"), user("or Ill")],
    "letters that compose": [user("e\u0301te\u0301 \u1100\u1161"), assistant("a\u030a"), user("o\u0308")],
}
THOUGHT = {
    "a thought in the history": [user("2+2?"), assistant("<think>\nsum\n</think>\n\n4"), user("3+3?")],
}


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    made.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    return made


def main():
    for family in ("deepseek_v3", "qwen3"):
        config = json.loads((DATA / family / "tokenizer_config.json").read_text(encoding="utf-8"))
        with gzip.open(DATA / family / "tokenizer.json.gz") as file:
            tokenizer = tokenizers.Tokenizer.from_str(file.read().decode("utf-8"))
        template = environment().from_string(config["chat_template"])
        bos = config["bos_token"]
        variables = {"bos_token": bos["content"] if isinstance(bos, dict) else bos, "add_generation_prompt": True}
        conversations = dict(CONVERSATIONS)
        if family == "qwen3":
            conversations.update(THOUGHT)
        cases = []
        for name, messages in conversations.items():
            for thinking in (True, False) if family == "qwen3" else (True,):
                extra = {} if thinking else {"enable_thinking": False}
                text = template.render(messages=messages, **variables, **extra)
                cases.append({"name": name + ("" if thinking else ", no thinking"), "messages": messages,
                              "think": thinking, "text": text,
                              "ids": tokenizer.encode(text, add_special_tokens=False).ids})
        out = "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n"
        (HERE / f"{family}.json").write_text(out, encoding="utf-8")


if __name__ == "__main__":
    main()
