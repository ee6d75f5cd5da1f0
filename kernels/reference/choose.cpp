// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/choose.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace kernels {

namespace {

bool isLikelier(const LikelyId &a, const LikelyId &b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

std::uint64_t unitsOf(float weight) { return static_cast<std::uint64_t>(weight * kWeightUnits); }

} // namespace

Choice choose(const float *logits, int count, const ChooseRule &rule)
{
    Choice choice;
    std::vector<LikelyId> ids; // all, most likely first
    for (std::int32_t id = 0; id < count; ++id) {
        if (std::isnan(logits[id]) || logits[id] == std::numeric_limits<float>::infinity()) {
            choice.state = ChoiceState::NotANumber;
            return choice;
        }
        if (logits[id] > -std::numeric_limits<float>::infinity())
            ids.push_back({id, logits[id]});
    }
    if (ids.empty()) {
        choice.state = ChoiceState::None;
        return choice;
    }
    std::sort(ids.begin(), ids.end(), isLikelier);
    choice.state = ChoiceState::Chosen;
    choice.best = ids.front().logit;
    if (rule.alternatives > 0) {
        std::uint64_t total = 0;
        for (const LikelyId &entry : ids)
            total += unitsOf(std::exp(entry.logit - choice.best));
        choice.total = static_cast<double>(total) / static_cast<double>(kWeightUnits);
        std::copy_n(ids.begin(), std::min<std::size_t>(ids.size(), static_cast<std::size_t>(rule.alternatives)), choice.likely);
    }
    const auto take = [&](const LikelyId &entry) {
        choice.id = entry.id;
        choice.logit = entry.logit;
    };
    if (rule.temperature == 0.0F || rule.topK == 1) {
        take(ids.front());
        return choice;
    }

    if (rule.topK > 0 && static_cast<std::size_t>(rule.topK) < ids.size()) {
        const float least = ids[static_cast<std::size_t>(rule.topK - 1)].logit;
        std::erase_if(ids, [least](const LikelyId &entry) { return entry.logit < least; });
    }
    const auto weight = [&](const LikelyId &entry) { return std::exp((entry.logit - choice.best) / rule.temperature); };
    if (rule.topP < 1.0F) {
        std::uint64_t total = 0;
        for (const LikelyId &entry : ids)
            total += unitsOf(weight(entry));
        const double wanted = double{rule.topP} * static_cast<double>(total);
        std::uint64_t held = 0;
        std::size_t kept = 0;
        while (kept < ids.size() && (kept == 0 || static_cast<double>(held) < wanted))
            held += unitsOf(weight(ids[kept++]));
        ids.resize(kept);
    }
    std::erase_if(ids, [&](const LikelyId &entry) { return weight(entry) < rule.minP; });
    std::sort(ids.begin(), ids.end(), [](const LikelyId &a, const LikelyId &b) { return a.id < b.id; });
    std::uint64_t total = 0;
    for (const LikelyId &entry : ids)
        total += unitsOf(weight(entry));
    const double target = rule.share * static_cast<double>(total);
    std::uint64_t passed = 0;
    for (const LikelyId &entry : ids) {
        const std::uint64_t units = unitsOf(weight(entry));
        if (units == 0)
            continue;
        take(entry); // the last one where rounding leaves a hair
        passed += units;
        if (static_cast<double>(passed) > target)
            break;
    }
    return choice;
}

} // namespace kernels
