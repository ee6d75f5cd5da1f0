// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <array>
#include <cstdio>
#include <sys/resource.h>

namespace cli {

void printJson(const Json &value)
{
    const std::string text = value.dump(2, ' ', false, Json::error_handler_t::replace);
    std::fputs((text + "\n").c_str(), stdout);
    std::fflush(stdout);
}

std::string finishName(engine::FinishReason reason)
{
    switch (reason) {
    case engine::FinishReason::EndOfTurn:
        return "end_of_turn";
    case engine::FinishReason::StopText:
        return "stop_text";
    case engine::FinishReason::Length:
        return "length";
    case engine::FinishReason::ContextFull:
        return "context_full";
    case engine::FinishReason::Cancelled:
        return "cancelled";
    case engine::FinishReason::Failed:
        break;
    }
    return "failed";
}

std::uint64_t peakRssBytes()
{
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::string rounded(double value, int digits)
{
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    return text.data();
}

std::string humanBytes(std::uint64_t bytes)
{
    constexpr std::array<const char *, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit)
        value /= 1000;
    return rounded(value, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

} // namespace cli
