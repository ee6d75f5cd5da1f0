// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "text/regex.h"

#include "base/assert.h"
#include "text/newer_characters.h"

#include <algorithm>
#include <cstdint>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace engine {
namespace {

constexpr std::size_t kLongestPattern = 64U << 10;
constexpr std::uint32_t kBaseSteps = 1U << 20;
constexpr std::uint32_t kStepsPerByte = 16;

// Matching needs scratch memory; each thread keeps its own.
struct Scratch {
    Scratch()
    {
        data = pcre2_match_data_create(1, nullptr);
        context = pcre2_match_context_create(nullptr);
        stack = pcre2_jit_stack_create(32U << 10, 8U << 20, nullptr);
        if (context) {
            pcre2_set_heap_limit(context, 64U << 10); // KiB
            if (stack)
                pcre2_jit_stack_assign(context, nullptr, stack);
        }
    }
    ~Scratch()
    {
        pcre2_jit_stack_free(stack);
        pcre2_match_context_free(context);
        pcre2_match_data_free(data);
    }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    pcre2_match_data *data = nullptr;
    pcre2_match_context *context = nullptr;
    pcre2_jit_stack *stack = nullptr;
};

Error refused(std::string_view pattern, const std::string &why)
{
    return Error{ErrorCode::Unsupported, "the tokenizer's pattern \"" + std::string(pattern.substr(0, 120))
            + (pattern.size() > 120 ? "...\" " : "\" ") + why};
}

// The characters of a one-letter category that PCRE2's tables may lack.
std::string_view newerCharacters(char category)
{
    for (const NewerCharacters &newer : kSinceUnicode14) {
        if (newer.category == category)
            return newer.ranges;
    }
    return {};
}

// Oniguruma's spelling to PCRE2's. PCRE2 counts U+180E as \s and reads \h as blanks; Oniguruma nests classes.
Result<std::string> translate(std::string_view pattern)
{
    std::string out;
    bool inClass = false;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (c == '\\') {
            if (i + 1 == pattern.size())
                return refused(pattern, "ends in a backslash");
            const char next = pattern[++i];
            switch (next) {
            case 's':
                out += "\\p{White_Space}";
                break;
            case 'S':
                out += "\\P{White_Space}";
                break;
            case 'h':
                out += inClass ? "0-9a-fA-F" : "[0-9a-fA-F]";
                break;
            case 'p':
            case 'P': {
                const std::string_view property = pattern.substr(i + 1, 3);
                const std::string_view newer
                    = property.size() == 3 && property[0] == '{' && property[2] == '}' ? newerCharacters(property[1]) : "";
                const bool negated = next == 'P';
                if (newer.empty() || (inClass && negated)) { // a negated one cannot be extended inside a class
                    out += {'\\', next};
                    break;
                }
                const std::string members = std::string("\\p") + std::string(property) + std::string(newer);
                out += inClass ? members : (negated ? "[^" : "[") + members + "]";
                i += 3;
                break;
            }
            case 'H':
            case 'R':
            case 'X':
            case 'K':
            case 'C':
            case 'G':
            case 'y':
            case 'Y':
                return refused(pattern, std::string("uses \\") + next + ", which we do not know");
            default:
                out += c;
                out += next;
            }
            continue;
        }
        if (inClass) {
            if (c == '[' && pattern.substr(i, 2) != "[:")
                return refused(pattern, "nests one character class in another, which we do not know");
            if (c == '&' && pattern.substr(i, 2) == "&&")
                return refused(pattern, "intersects character classes, which we do not know");
            if (c == '[') { // [:name:]
                const std::size_t end = pattern.find(":]", i);
                if (end == std::string_view::npos)
                    return refused(pattern, "has an open [:");
                out += pattern.substr(i, end + 2 - i);
                i = end + 1;
                continue;
            }
            inClass = c != ']';
        } else if (c == '[') {
            inClass = true;
            out += c;
            if (i + 1 < pattern.size() && pattern[i + 1] == '^') {
                out += '^';
                ++i;
            }
            if (i + 1 < pattern.size() && pattern[i + 1] == ']') { // a first bracket is a member
                out += "\\]";
                ++i;
            }
            continue;
        }
        out += c;
    }
    return out;
}

} // namespace

void Regex::Free::operator()(pcre2_real_code_8 *code) const
{
    pcre2_code_free(code);
}

Result<Regex> Regex::compile(std::string_view pattern)
{
    if (pattern.size() > kLongestPattern)
        return refused(pattern, "is longer than 64 KiB");
    ENGINE_TRY(const std::string translated, translate(pattern));

    const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
        pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
    if (!context)
        return Error{ErrorCode::OutOfMemory, "no memory for the tokenizer's pattern"};
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    int error = 0;
    PCRE2_SIZE offset = 0;
    // MULTILINE: Oniguruma's ^ and $ always mean line ends.
    Regex regex;
    regex.m_code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &offset, context.get()));
    if (!regex.m_code) {
        PCRE2_UCHAR message[160] = {};
        pcre2_get_error_message(error, message, sizeof(message));
        return Error{ErrorCode::BadFile, "the tokenizer's pattern \"" + std::string(pattern.substr(0, 120))
                + "\" cannot be read: " + reinterpret_cast<const char *>(message)};
    }
    regex.m_jit = pcre2_jit_compile(regex.m_code.get(), PCRE2_JIT_COMPLETE) == 0;
    return regex;
}

Regex Regex::literal(std::string_view text)
{
    ENGINE_ASSERT(!text.empty());
    Regex regex;
    regex.m_literal = text;
    return regex;
}

std::optional<Regex::Match> Regex::find(std::string_view text, std::size_t from) const
{
    if (!m_code) {
        const std::size_t at = text.find(m_literal, from);
        if (at == std::string_view::npos)
            return std::nullopt;
        return Match{at, at + m_literal.size()};
    }
    thread_local Scratch scratch;
    if (!scratch.data || !scratch.context)
        return std::nullopt; // out of memory: the text stays one piece
    const std::uint64_t steps = kBaseSteps + std::uint64_t{kStepsPerByte} * text.size();
    pcre2_set_match_limit(scratch.context, static_cast<std::uint32_t>(std::min<std::uint64_t>(steps, UINT32_MAX)));
    const auto *subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    const auto match = m_jit ? &pcre2_jit_match : &pcre2_match;
    const int found = match(m_code.get(), subject, text.size(), from, m_jit ? 0 : PCRE2_NO_UTF_CHECK, scratch.data,
        scratch.context);
    if (found < 0)
        return std::nullopt;
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(scratch.data);
    if (bounds[0] < from || bounds[1] < bounds[0])
        return std::nullopt; // \K inside a lookaround can do this
    return Match{bounds[0], bounds[1]};
}

} // namespace engine
