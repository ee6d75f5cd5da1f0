// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cli {

// What a sentence about a picture names, English or Chinese: "colour" -> {"red"}, "shape" ->
// {"circle"}, "number" -> {"3"}, "side" -> {"left"}, "yesno" -> {"yes"}, "unknown" -> {"unknown"},
// "text" -> other Latin words.
using NamedValues = std::map<std::string, std::set<std::string>>;
NamedValues namedValues(std::string_view sentence);

// Text: printed letters were asked for, so words count and colours among them do not. Description:
// what is named must be the same things, so many of each ("1 red circle;2 blue square").
enum class Asked { Value = 1, Text, Description };

// Right when the answer names, of each kind that the accepted answer names, exactly its values: an
// answer that hedges ("red or blue") is wrong, other kinds do not matter ("3 red circles" for "3"
// is right). Any accepted one will do.
bool isRightAnswer(std::string_view answer, const std::vector<std::string> &accepted, Asked asked);

// 95 % Wilson interval of a share.
struct Interval {
    double low = 0, high = 1;
};
Interval wilsonInterval(int right, int total);

} // namespace cli
