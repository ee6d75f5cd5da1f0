// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

struct pcre2_real_code_8;

namespace engine {

// One pre-tokenizer pattern, compiled once. Tokenizer files are written for Oniguruma; where PCRE2 reads the same
// spelling otherwise (\s, \h, line ends) the pattern is translated, and what has no counterpart is refused by name.
// Immutable; any thread may search.
class Regex {
public:
    static Result<Regex> compile(std::string_view pattern);
    static Regex literal(std::string_view text); // matches exactly this text

    struct Match {
        std::size_t begin = 0, end = 0;
    };
    // First match at or after `from` in valid UTF-8. Nothing: no match, or the pattern needed more steps than its
    // budget (a few for every byte), which stops patterns that explode.
    [[nodiscard]] std::optional<Match> find(std::string_view text, std::size_t from) const;

private:
    struct Free {
        void operator()(pcre2_real_code_8 *code) const;
    };
    std::unique_ptr<pcre2_real_code_8, Free> m_code;
    bool m_jit = false;
    std::string m_literal; // when there is no code
};

} // namespace engine
