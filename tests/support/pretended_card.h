// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/loaded_parts.h"
#include "support/forwarding_backend.h"

#include <algorithm>
#include <cstdint>
#include <memory>

namespace tests {

// Works on the processor and says it is a card with so much free memory, which buffers and weights take from.
class PretendedCard final : public ForwardingBackend {
public:
    // `earlyBytes` go with the first weight, as code and buffers of the first kernels do on a real one.
    PretendedCard(std::unique_ptr<engine::Backend> inner, std::uint64_t freeBytes, std::uint64_t earlyBytes)
        : ForwardingBackend(std::move(inner)), m_free(freeBytes), m_total(freeBytes), m_early(earlyBytes)
    {
    }
    std::string_view id() const override { return "cuda:0"; }
    bool hostMemory() const override { return false; }
    engine::DeviceMemory memory() override { return {m_free, m_total}; }
    std::string deviceName() const override { return "pretended card"; }

    engine::Status reserve(std::size_t bytes) override
    {
        if (bytes > m_free)
            return engine::Error{engine::ErrorCode::OutOfMemory, "the pretended card has no room to reserve"};
        m_free -= bytes;
        m_hasReserved = true;
        return engine::Done{};
    }
    engine::Result<engine::Buffer> allocate(std::size_t bytes) override
    {
        if (m_hasReserved) // lies there
            return ForwardingBackend::allocate(bytes);
        if (bytes > m_free)
            return engine::Error{engine::ErrorCode::OutOfMemory, "the pretended card is full"};
        m_free -= bytes;
        return ForwardingBackend::allocate(bytes);
    }
    engine::Result<engine::WeightPtr> upload(const engine::FileTensor &tensor, const engine::UploadOptions &options) override
    {
        return taken(ForwardingBackend::upload(tensor, options));
    }
    engine::Result<engine::WeightPtr> uploadExperts(std::span<const engine::FileTensor *const> experts,
        const engine::UploadOptions &options) override
    {
        return taken(ForwardingBackend::uploadExperts(experts, options));
    }
    engine::Result<engine::WeightPtr> uploadValues(std::span<const float> values, const engine::Shape &shape) override
    {
        return taken(ForwardingBackend::uploadValues(values, shape));
    }

private:
    engine::Result<engine::WeightPtr> taken(engine::Result<engine::WeightPtr> weight)
    {
        if (weight)
            m_free -= std::min<std::uint64_t>(m_free, (*weight)->bytes + std::exchange(m_early, 0));
        return weight;
    }

    std::uint64_t m_free, m_total, m_early;
    bool m_hasReserved = false;
};

// A machine with a pretended card and a processor, each with so much free memory.
inline engine::Machine machineWith(std::uint64_t cardBytes, std::uint64_t hostBytes, std::uint64_t earlyBytes = 0)
{
    return {.openCard = [cardBytes, earlyBytes](const engine::LoadOptions &options) -> engine::Result<std::unique_ptr<engine::Backend>> {
                ENGINE_TRY(auto inner, engine::makeCpuBackend({.threads = 2, .exact = options.precision == engine::Precision::Exact, .isa = {}}));
                return std::unique_ptr<engine::Backend>(std::make_unique<PretendedCard>(std::move(inner), cardBytes, earlyBytes));
            },
        .freeBytes = [hostBytes] { return hostBytes; }};
}

} // namespace tests
