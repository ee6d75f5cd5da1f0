// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "token_list.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace cli {

namespace {

// A file of logits given for a list of ids shall not reach the terminal as it is.
std::string printed(std::string_view text)
{
    std::string result(text);
    std::replace_if(result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return result;
}

} // namespace

engine::Result<std::vector<std::int32_t>> parseTokenList(std::string_view text)
{
    constexpr std::string_view kWhite = " \t\r\n\f\v";
    std::vector<std::int32_t> ids;
    for (std::size_t at = text.find_first_not_of(kWhite); at != std::string_view::npos;
         at = text.find_first_not_of(kWhite, at)) {
        const std::size_t end = std::min(text.find_first_of(kWhite, at), text.size());
        std::int32_t id = 0;
        const auto [rest, failure] = std::from_chars(text.data() + at, text.data() + end, id);
        if (failure != std::errc() || rest != text.data() + end || id < 0) {
            return engine::Error{
                engine::ErrorCode::BadRequest,
                "'" + printed(text.substr(at, std::min<std::size_t>(end - at, 40))) +
                    "' is no token id; ids are whole numbers with white space between"};
        }
        ids.push_back(id);
        at = end;
    }
    if (ids.empty())
        return engine::Error{engine::ErrorCode::BadRequest, "there are no token ids"};
    return ids;
}

} // namespace cli
