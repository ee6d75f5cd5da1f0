// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/card_name.h"
#include "runtime/device_probe.h"
#include "runtime/memory_plan.h"

#include <algorithm>
#include <optional>
#include <string>

namespace engine {

namespace {

constexpr int kSmallestContext = 256, kUsefulContext = 4096;

// A little less than fits now, so that it still fits when it is taken.
int roundedContext(int tokens)
{
    const int step = tokens >= 4096 ? 1024 : 256;
    return tokens >= step ? tokens / step * step : tokens;
}

class Offers {
public:
    Offers(const ModelInfo &info, const LoadOptions &options, std::uint64_t cardBytes, std::uint64_t hostBytes)
        : m_info(info), m_options(options), m_cardBytes(isCard(options) ? cardBytes : 0), m_hostBytes(hostBytes)
    {
    }

    std::vector<LoadOffer> find()
    {
        if (fits(m_options))
            return {};
        if (!isCard(m_options) || m_cardBytes > 0) {
            LoadOptions other = m_options;
            if (!add(LoadOffer::Kind::SmallerContext, withContext(other)))
                addRequantised(LoadOffer::Kind::Requantised, other);
        }
        if (m_cardBytes > 0 && m_options.cardLayers != kLayersThatFit) {
            LoadOptions other = m_options;
            other.cardLayers = kLayersThatFit;
            auto split = withContext(other);
            if (split && split->cardLayers > 0) {
                other.cardLayers = split->cardLayers;
                split = withContext(other);
                add(LoadOffer::Kind::Split, split);
            }
        }
        if (isCard(m_options)) {
            LoadOptions other = m_options;
            other.device = "cpu";
            other.cardLayers = 0;
            if (!add(LoadOffer::Kind::Processor, withContext(other)))
                addRequantised(LoadOffer::Kind::Processor, other);
        }
        return std::move(m_offers);
    }

private:
    // The plan of a load that fits as it stands.
    std::optional<MemoryPlan> fits(const LoadOptions &options)
    {
        if (isCard(options) && m_cardBytes == 0)
            return std::nullopt;
        const auto plan = planMemoryIn(m_info, options, m_cardBytes, m_hostBytes);
        if (!plan || plan->totalBytes() > plan->freeBytes || plan->hostBytes() > m_hostBytes)
            return std::nullopt;
        m_last = options;
        return *plan;
    }
    // With the context asked for, or the longest below it.
    std::optional<MemoryPlan> withContext(LoadOptions options)
    {
        if (options.contextTokens > 0)
            if (const auto plan = fits(options))
                return plan;
        const int asked = options.contextTokens > 0 ? options.contextTokens : m_info.contextTokens;
        options.contextTokens = 0;
        const auto longest = fits(options);
        options.contextTokens = longest ? std::min(roundedContext(longest->contextTokens), asked) : 0;
        // Asked for by its number a context may take more of the processor's memory, and a short one less to work in.
        for (int tokens = std::min(asked, kUsefulContext); tokens >= std::min(asked, kSmallestContext) && tokens > options.contextTokens; tokens /= 2) {
            LoadOptions more = options;
            more.contextTokens = tokens;
            if (const auto plan = fits(more))
                return plan;
        }
        return longest ? fits(options) : std::nullopt;
    }
    // In the most bits that fit, and in fewer where that leaves a short context.
    bool addRequantised(LoadOffer::Kind kind, LoadOptions options)
    {
        bool any = false;
        const std::string before = options.requantize;
        const std::uint64_t weightsBefore = weightBytesOf(m_info, options);
        for (const char *type : {"q8_0", "q4_0"}) {
            options.requantize = type;
            if (type == before || weightBytesOf(m_info, options) > weightsBefore / 10 * 9) // packed already
                continue;
            const auto plan = withContext(options);
            any = add(kind, plan) || any;
            if (plan && plan->contextTokens >= std::min(kUsefulContext, m_info.contextTokens))
                break;
        }
        return any;
    }
    bool add(LoadOffer::Kind kind, const std::optional<MemoryPlan> &plan)
    {
        if (!plan)
            return false;
        m_last.contextTokens = plan->contextTokens;
        m_offers.push_back({kind, m_last, *plan, m_info.layers});
        return true;
    }

    const ModelInfo &m_info;
    const LoadOptions &m_options;
    std::uint64_t m_cardBytes, m_hostBytes;
    LoadOptions m_last; // of the plan found last
    std::vector<LoadOffer> m_offers;
};

} // namespace

std::vector<LoadOffer> loadOffersIn(const ModelInfo &info, const LoadOptions &options, std::uint64_t cardBytes, std::uint64_t hostBytes)
{
    return Offers(info, options, cardBytes, hostBytes).find();
}

std::vector<LoadOffer> loadOffers(const ModelInfo &info, const LoadOptions &options, ErrorCode error)
{
    std::uint64_t cardBytes = 0;
    if (isCard(options) && error != ErrorCode::DeviceLost) {
        const auto card = cardOf(options.device);
        if (!card)
            return {};
        const auto backend = makeCudaBackend(*card, options.precision == Precision::Exact);
        cardBytes = backend ? (*backend)->memory().free : 0;
    }
    return loadOffersIn(info, options, cardBytes, probeMemory().freeBytes);
}

std::string sentenceOf(const LoadOffer &offer)
{
    const MemoryPlan &plan = offer.plan;
    const std::string context = std::to_string(plan.contextTokens) + " tokens";
    const std::string where = isCard(offer.options) ? "on the card" : "on the processor";
    const std::string bits = offer.options.requantize.empty() ? "" : "re-quantised to " + offer.options.requantize + " ";
    switch (offer.kind) {
    case LoadOffer::Kind::SmallerContext: return "A context of " + context + " fits " + where + ".";
    case LoadOffer::Kind::Requantised:
        return "Re-quantised to " + offer.options.requantize + " the weights take " + sizeOf(plan.weightBytes) + ", which fits " + where +
            " with a context of " + context + ".";
    case LoadOffer::Kind::Split:
        return "With " + std::to_string(plan.cardLayers) + " of " + std::to_string(offer.layers) + " layers on the card (" +
            sizeOf(plan.totalBytes()) + ") and the others on the processor (" + sizeOf(plan.hostBytes()) + ") it runs with a context of " +
            context + ".";
    case LoadOffer::Kind::Processor: break;
    }
    return "On the processor it takes " + bits + sizeOf(plan.totalBytes()) + " with a context of " + context + ", and " +
        sizeOf(plan.freeBytes) + " are free there.";
}

} // namespace engine
