// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cache/kv_cache.h"

#include "base/checked.h"
#include "cache/block_manager.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace engine {

namespace {

constexpr int kMostContexts = 4;
constexpr int kPoolTokens = 65536; // beyond it one full context is enough
constexpr std::uint64_t kSmallestContext = 256;
constexpr std::uint64_t kAlignment = 512; // bytes, of the rows of a layer
constexpr std::uint64_t kMaxBlocks = std::uint64_t{1} << 24U;

std::string mebibytes(std::uint64_t bytes)
{
    return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB";
}

std::uint64_t elementBytes(DType dtype)
{
    return static_cast<std::uint64_t>(kernels::dtypeInfo(dtype).blockBytes);
}

} // namespace

std::uint64_t kvBytesPerToken(const KvShape &shape, DType dtype)
{
    const auto row =
        static_cast<std::uint64_t>(shape.kvHeads) * static_cast<std::uint64_t>(shape.keyDim) +
        (shape.valuesInKeys ? 0
                            : static_cast<std::uint64_t>(shape.kvHeads) *
                                  static_cast<std::uint64_t>(shape.valueDim)) +
        static_cast<std::uint64_t>(shape.indexDim);
    return row * static_cast<std::uint64_t>(shape.layers) * elementBytes(dtype);
}

Result<KvPlan> planKv(const KvPlanInput &input)
{
    if (input.bytesPerToken == 0 || input.modelContext <= 0)
        return Error{ErrorCode::BadFile, "the model states no context length or no layers"};
    if (input.wantedContext > input.modelContext) {
        return Error{ErrorCode::BadRequest, "a context of " + std::to_string(input.wantedContext) +
                                                " tokens was asked for and the model allows " +
                                                std::to_string(input.modelContext)};
    }
    const std::uint64_t blockBytes = input.bytesPerToken * kBlockTokens;
    // What was asked for may take most of the room; what was not asked for leaves half to others.
    const std::uint64_t budget = input.takesAll            ? input.freeBytes / 100 * 97
                                 : input.wantedContext > 0 ? input.freeBytes / 10 * 8
                                                           : input.freeBytes / 2;
    const std::uint64_t affordable = std::min(budget / blockBytes, kMaxBlocks); // blocks
    const auto blocksFor = [](int tokens) {
        return (static_cast<std::uint64_t>(tokens) + kBlockTokens - 1) / kBlockTokens;
    };

    KvPlan plan;
    plan.contextTokens = input.wantedContext > 0 ? input.wantedContext : input.modelContext;
    if (blocksFor(plan.contextTokens) > affordable) {
        const std::uint64_t least =
            input.wantedContext > 0
                ? static_cast<std::uint64_t>(input.wantedContext)
                : std::min(kSmallestContext, static_cast<std::uint64_t>(input.modelContext));
        if (affordable * kBlockTokens < least) {
            return Error{ErrorCode::OutOfMemory,
                         "a context of " + std::to_string(least) + " tokens needs " +
                             mebibytes(blockBytes * blocksFor(static_cast<int>(least))) + " and " +
                             mebibytes(budget) +
                             " can be used; close another model or ask for a smaller context"};
        }
        plan.contextTokens =
            static_cast<int>(affordable * kBlockTokens); // only when none was asked for
    }
    // One block a context stays spare, so that a full sequence beside prefix blocks never waits for
    // itself.
    const int contexts = std::clamp(kPoolTokens / plan.contextTokens, 1, kMostContexts);
    plan.blocks = static_cast<int>(std::min(affordable, (blocksFor(plan.contextTokens) + 1) *
                                                            static_cast<std::uint64_t>(contexts)));
    return plan;
}

Result<KvCache> KvCache::create(Backend &backend, const KvShape &shape, DType dtype, int blocks, Backend *first,
                                int firstLayers)
{
    // One piece of memory in each place: what a device gives out in pages is not rounded up for every layer.
    struct Place {
        Backend *backend = nullptr;
        std::uint64_t bytes = 0;
        std::byte *memory = nullptr;
    };
    std::array<Place, 2> places{Place{.backend = first}, Place{.backend = &backend}};
    KvCache cache;
    const auto bytesOf = [&](int heads, int dim) {
        return (Checked::fromSigned(heads) * Checked::fromSigned(dim) * Checked(elementBytes(dtype)) * Checked::fromSigned(blocks)
            * Checked(kBlockTokens))
            .atMost(PTRDIFF_MAX);
    };
    const Error tooLarge{ErrorCode::OutOfMemory, "the context does not fit the address space"};
    const auto keys = bytesOf(shape.kvHeads, shape.keyDim), indexKeys = bytesOf(1, shape.indexDim);
    const auto values = shape.valuesInKeys ? bytesOf(0, 0) : bytesOf(shape.kvHeads, shape.valueDim);
    if (!keys || !values || !indexKeys)
        return tooLarge;
    const auto aligned = [](std::uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; };
    const auto placeOf = [&](int layer) -> Place & { return places[first && layer < firstLayers ? 0 : 1]; };
    for (int layer = 0; layer < shape.layers; ++layer) {
        const auto sum = (Checked(placeOf(layer).bytes) + Checked(aligned(*keys)) + Checked(aligned(*values)) + Checked(aligned(*indexKeys)))
                             .atMost(PTRDIFF_MAX);
        if (!sum)
            return tooLarge;
        placeOf(layer).bytes = *sum;
        cache.m_bytes += *keys + *values + *indexKeys;
    }
    for (Place &place : places) {
        if (place.bytes == 0)
            continue;
        ENGINE_TRY(Buffer buffer, place.backend->allocate(static_cast<std::size_t>(place.bytes)));
        place.memory = buffer.data();
        cache.m_buffers.push_back(std::move(buffer));
    }
    for (int layer = 0; layer < shape.layers; ++layer) {
        KvLayer entry{.dtype = dtype,
                      .kvHeads = shape.kvHeads,
                      .keyDim = shape.keyDim,
                      .valueDim = shape.valueDim,
                      .valuesInKeys = shape.valuesInKeys,
                      .blockTokens = kBlockTokens,
                      .indexDim = shape.indexDim};
        const auto next = [&](std::uint64_t bytes) {
            std::byte *&memory = placeOf(layer).memory;
            return std::exchange(memory, memory + aligned(bytes));
        };
        entry.keys = next(*keys);
        if (!shape.valuesInKeys)
            entry.values = next(*values);
        if (shape.indexDim > 0)
            entry.indexKeys = next(*indexKeys);
        cache.m_layers.push_back(entry);
    }
    return cache;
}

} // namespace engine
