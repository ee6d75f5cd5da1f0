// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/card_name.h"

#include <charconv>
#include <string_view>

namespace engine {

Result<int> cardOf(const std::string &device)
{
    const std::string_view name = device;
    int card = 0;
    if (name == "cuda")
        return card;
    const Error unknown{ErrorCode::BadRequest, "the device \"" + device + "\" is not known; use cpu, cuda or cuda:N"};
    if (!name.starts_with("cuda:"))
        return unknown;
    const std::string_view number = name.substr(5);
    const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), card);
    if (failure != std::errc() || end != number.data() + number.size() || card < 0)
        return unknown;
    return card;
}

} // namespace engine
