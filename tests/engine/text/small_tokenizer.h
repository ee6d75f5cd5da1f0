// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text/byte_level.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

// A byte-level tokenizer small enough to follow by hand: ids 0-255 are the bytes in order of their value, 256
// "he", 257 "ll", 258 "hell", 259 " h", 260 " he", 261 "aa", 262 "aaaa"; tests change the JSON before loading it.
inline std::string spelled(const std::string &bytes)
{
    std::string spelling;
    for (const char c : bytes)
        engine::appendUtf8(spelling, engine::byteToLevel(static_cast<unsigned char>(c)));
    return spelling;
}

inline nlohmann::json smallTokenizerJson()
{
    nlohmann::json vocab = nlohmann::json::object();
    for (int byte = 0; byte < 256; ++byte)
        vocab[spelled(std::string(1, static_cast<char>(byte)))] = byte;
    int next = 256;
    for (const char *token : {"he", "ll", "hell", " h", " he", "aa", "aaaa"})
        vocab[spelled(token)] = next++;
    const std::string space = spelled(" ");
    return {
        {"version", "1.0"},
        {"added_tokens", nlohmann::json::array()},
        {"normalizer", nullptr},
        {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
        {"model",
            {{"type", "BPE"}, {"vocab", vocab},
                {"merges", {"h e", "l l", "he ll", space + " h", space + " he", "a a", "aa aa"}}}},
    };
}

inline nlohmann::json addedToken(int id, const std::string &content, bool special = true)
{
    return {{"id", id}, {"content", content}, {"single_word", false}, {"lstrip", false}, {"rstrip", false},
        {"normalized", false}, {"special", special}};
}

inline engine::Result<std::shared_ptr<const engine::Tokenizer>> loadTokenizer(const nlohmann::json &json)
{
    return engine::Tokenizer::fromJson(json.dump(), "");
}
