// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "answer_values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <utility>

namespace cli {

namespace {

struct Spelling {
    std::string_view text;
    std::string_view kind; // empty: says nothing, but must not be read as its parts
    std::string_view value;
};

// English words are compared whole and lower-case.
constexpr std::array kWords{
    Spelling{"red", "colour", "red"},
    Spelling{"orange", "colour", "orange"},
    Spelling{"yellow", "colour", "yellow"},
    Spelling{"green", "colour", "green"},
    Spelling{"blue", "colour", "blue"},
    Spelling{"purple", "colour", "purple"},
    Spelling{"violet", "colour", "purple"},
    Spelling{"pink", "colour", "pink"},
    Spelling{"brown", "colour", "brown"},
    Spelling{"black", "colour", "black"},
    Spelling{"white", "colour", "white"},
    Spelling{"grey", "colour", "grey"},
    Spelling{"gray", "colour", "grey"},
    Spelling{"circle", "shape", "circle"},
    Spelling{"circles", "shape", "circle"},
    Spelling{"disc", "shape", "circle"},
    Spelling{"disk", "shape", "circle"},
    Spelling{"square", "shape", "square"},
    Spelling{"squares", "shape", "square"},
    Spelling{"rectangle", "shape", "rectangle"},
    Spelling{"rectangles", "shape", "rectangle"},
    Spelling{"triangle", "shape", "triangle"},
    Spelling{"triangles", "shape", "triangle"},
    Spelling{"star", "shape", "star"},
    Spelling{"stars", "shape", "star"},
    Spelling{"heart", "shape", "heart"},
    Spelling{"hearts", "shape", "heart"},
    Spelling{"diamond", "shape", "diamond"},
    Spelling{"diamonds", "shape", "diamond"},
    Spelling{"rhombus", "shape", "diamond"},
    Spelling{"cross", "shape", "cross"},
    Spelling{"crosses", "shape", "cross"},
    Spelling{"zero", "number", "0"},
    Spelling{"one", "number", "1"},
    Spelling{"two", "number", "2"},
    Spelling{"three", "number", "3"},
    Spelling{"four", "number", "4"},
    Spelling{"five", "number", "5"},
    Spelling{"six", "number", "6"},
    Spelling{"seven", "number", "7"},
    Spelling{"eight", "number", "8"},
    Spelling{"nine", "number", "9"},
    Spelling{"ten", "number", "10"},
    Spelling{"left", "side", "left"},
    Spelling{"right", "side", "right"},
    Spelling{"above", "side", "above"},
    Spelling{"over", "side", "above"},
    Spelling{"top", "side", "above"},
    Spelling{"below", "side", "below"},
    Spelling{"under", "side", "below"},
    Spelling{"beneath", "side", "below"},
    Spelling{"underneath", "side", "below"},
    Spelling{"bottom", "side", "below"},
    Spelling{"yes", "yesno", "yes"},
    Spelling{"no", "yesno", "no"},
    Spelling{"not", "yesno", "no"},
    Spelling{"none", "yesno", "no"},
    Spelling{"nothing", "yesno", "no"},
    Spelling{"isn", "yesno", "no"},
    Spelling{"aren", "yesno", "no"},
    Spelling{"doesn", "yesno", "no"},
};

// Chinese is read from the left, the longest spelling first.
constexpr std::array kChinese{
    Spelling{"红", "colour", "red"},
    Spelling{"橙", "colour", "orange"},
    Spelling{"橘", "colour", "orange"},
    Spelling{"黄", "colour", "yellow"},
    Spelling{"绿", "colour", "green"},
    Spelling{"蓝", "colour", "blue"},
    Spelling{"紫", "colour", "purple"},
    Spelling{"粉红", "colour", "pink"},
    Spelling{"粉", "colour", "pink"},
    Spelling{"棕", "colour", "brown"},
    Spelling{"褐", "colour", "brown"},
    Spelling{"黑", "colour", "black"},
    Spelling{"白", "colour", "white"},
    Spelling{"灰", "colour", "grey"},
    Spelling{"圆形", "shape", "circle"},
    Spelling{"圆圈", "shape", "circle"},
    Spelling{"圆", "shape", "circle"},
    Spelling{"正方形", "shape", "square"},
    Spelling{"方形", "shape", "square"},
    Spelling{"长方形", "shape", "rectangle"},
    Spelling{"矩形", "shape", "rectangle"},
    Spelling{"三角形", "shape", "triangle"},
    Spelling{"三角", "shape", "triangle"},
    Spelling{"五角星", "shape", "star"},
    Spelling{"星形", "shape", "star"},
    Spelling{"星星", "shape", "star"},
    Spelling{"心形", "shape", "heart"},
    Spelling{"爱心", "shape", "heart"},
    Spelling{"菱形", "shape", "diamond"},
    Spelling{"十字形", "shape", "cross"},
    Spelling{"十字", "shape", "cross"},
    Spelling{"零", "number", "0"},
    Spelling{"一", "number", "1"},
    Spelling{"二", "number", "2"},
    Spelling{"两", "number", "2"},
    Spelling{"三", "number", "3"},
    Spelling{"四", "number", "4"},
    Spelling{"五", "number", "5"},
    Spelling{"六", "number", "6"},
    Spelling{"七", "number", "7"},
    Spelling{"八", "number", "8"},
    Spelling{"九", "number", "9"},
    Spelling{"十", "number", "10"},
    Spelling{"左", "side", "left"},
    Spelling{"右", "side", "right"},
    Spelling{"上面", "side", "above"},
    Spelling{"上方", "side", "above"},
    Spelling{"上边", "side", "above"},
    Spelling{"下面", "side", "below"},
    Spelling{"下方", "side", "below"},
    Spelling{"下边", "side", "below"},
    Spelling{"没有", "yesno", "no"},
    Spelling{"不是", "yesno", "no"},
    Spelling{"不在", "yesno", "no"},
    Spelling{"不", "yesno", "no"},
    Spelling{"没", "yesno", "no"},
    Spelling{"有", "yesno", "yes"},
    Spelling{"是", "yesno", "yes"},
    Spelling{"对", "yesno", "yes"},
    Spelling{"一共", "", ""},
    Spelling{"总共", "", ""},
    Spelling{"中心", "", ""},
};

constexpr std::array kUnknown{"can't tell", "cannot tell", "can not tell", "can’t tell",
                              "don't know", "do not know", "not sure",     "看不出",
                              "不知道",     "不清楚",      "不确定",       "无法"};

// Words around printed text in an answer. Case matters: "A" may be what is printed.
constexpr std::array kFillers{"The",  "the",   "It",      "it",      "says",   "reads",     "is",
                              "text", "Text",  "letters", "letter",  "digits", "digit",     "word",
                              "a",    "an",    "printed", "picture", "shows",  "in",        "This",
                              "this", "There", "there",   "are",     "number", "characters"};

bool isLetter(char c)
{
    return std::isalpha(static_cast<unsigned char>(c)) != 0;
}
bool isDigit(char c)
{
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

std::string lowered(std::string_view text)
{
    std::string result(text);
    std::ranges::transform(result, result.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

using Order = std::vector<std::pair<std::string, std::string>>; // kind and value, as they are named

void name(const std::string &kind, const std::string &value, NamedValues &values, Order &order)
{
    values[kind].insert(value);
    order.emplace_back(kind, value);
}

void addRun(std::string_view run, NamedValues &values, Order &order)
{
    if (std::ranges::all_of(run, isDigit)) {
        const std::size_t zeros = std::min(run.find_first_not_of('0'), run.size() - 1);
        name("number", std::string(run.substr(zeros)), values, order);
    } else if (const auto word = std::ranges::find(kWords, lowered(run), &Spelling::text);
               word != kWords.end()) {
        name(std::string(word->kind), std::string(word->value), values, order);
    }
    if (std::ranges::find(kFillers, run) == kFillers.end()) {
        std::string upper(run);
        std::ranges::transform(upper, upper.begin(),
                               [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        values["text"].insert(upper);
    }
}

std::size_t addChinese(std::string_view rest, NamedValues &values, Order &order)
{
    const Spelling *best = nullptr;
    for (const Spelling &spelling : kChinese) {
        if (rest.starts_with(spelling.text) && (!best || spelling.text.size() > best->text.size()))
            best = &spelling;
    }
    if (!best)
        return 1;
    if (!best->kind.empty())
        name(std::string(best->kind), std::string(best->value), values, order);
    return best->text.size();
}

bool matches(const NamedValues &answer, const NamedValues &wanted, bool isText)
{
    if (wanted.contains("unknown") || answer.contains("unknown"))
        return wanted.contains("unknown") && answer.contains("unknown");
    const auto of = [](const NamedValues &values, const char *kind) {
        const auto found = values.find(kind);
        return found == values.end() ? std::set<std::string>() : found->second;
    };
    if (isText)
        return wanted.contains("text") && of(answer, "text") == of(wanted, "text");
    bool any = false;
    for (const char *kind : {"colour", "shape", "number", "side"}) {
        const std::set<std::string> expected = of(wanted, kind);
        if (expected.empty())
            continue;
        any = true;
        std::set<std::string> named = of(answer, kind);
        if (named.empty() && std::string_view(kind) == "number" &&
            of(answer, "yesno") == std::set<std::string>{"no"})
            named = {"0"}; // "there are none"
        if (named != expected)
            return false;
    }
    if (any)
        return true;
    if (wanted.contains(
            "yesno")) // "no" decides: "there is no red circle" also holds a word for being there
        return of(answer, "yesno").contains("no") ? of(wanted, "yesno").contains("no")
                                                  : of(answer, "yesno") == of(wanted, "yesno");
    return wanted.contains("text") && of(answer, "text") == of(wanted, "text");
}

NamedValues readSentence(std::string_view sentence, Order &order)
{
    NamedValues values;
    const std::string lower = lowered(sentence);
    if (std::ranges::any_of(kUnknown, [&](const char *unknown) {
            return lower.find(unknown) != std::string::npos;
        }))
        values["unknown"].insert("unknown");
    for (std::size_t at = 0; at < sentence.size();) {
        std::size_t end = at;
        while (end < sentence.size() && (isLetter(sentence[end]) || isDigit(sentence[end])))
            ++end;
        if (end > at) {
            addRun(sentence.substr(at, end - at), values, order);
            at = end;
        } else {
            at += addChinese(sentence.substr(at), values, order);
        }
    }
    return values;
}

// "a red circle and 2 blue squares" -> {"1 red circle", "2 blue square"}
std::multiset<std::string> namedGroups(std::string_view sentence)
{
    Order order;
    (void)readSentence(sentence, order);
    std::multiset<std::string> groups;
    std::string number, colour;
    for (const auto &[kind, value] : order) {
        if (kind == "number") {
            number = value;
        } else if (kind == "colour") {
            colour = value;
        } else if (kind == "shape") {
            groups.insert((number.empty() ? "1" : number) + " " + colour + " " + value);
            number.clear();
            colour.clear();
        }
    }
    return groups;
}

} // namespace

NamedValues namedValues(std::string_view sentence)
{
    Order order;
    return readSentence(sentence, order);
}

bool isRightAnswer(std::string_view answer, const std::vector<std::string> &accepted, Asked asked)
{
    const NamedValues named = namedValues(answer);
    return std::ranges::any_of(accepted, [&](const std::string &wanted) {
        if (asked == Asked::Description)
            if (const auto groups = namedGroups(wanted); !groups.empty())
                return !named.contains("unknown") && namedGroups(answer) == groups;
        return matches(named, namedValues(wanted), asked == Asked::Text);
    });
}

Interval wilsonInterval(int right, int total)
{
    if (total <= 0)
        return {};
    constexpr double kZ = 1.959963984540054;
    const double n = total, share = right / n, square = kZ * kZ;
    const double centre = (share + square / (2 * n)) / (1 + square / n);
    const double half =
        kZ / (1 + square / n) * std::sqrt(share * (1 - share) / n + square / (4 * n * n));
    return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

} // namespace cli
