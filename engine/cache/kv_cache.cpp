// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cache/kv_cache.h"

#include "base/checked.h"
#include "cache/block_manager.h"

#include <algorithm>
#include <string>

namespace engine {

namespace {

constexpr int kMostContexts = 4;
constexpr int kPoolTokens = 65536; // beyond it one full context is enough
constexpr std::uint64_t kSmallestContext = 256;
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
    KvCache cache;
    Backend *place = &backend;
    const auto allocate = [&](int heads, int dim) -> Result<std::byte *> {
        const auto bytes =
            (Checked::fromSigned(heads) * Checked::fromSigned(dim) *
             Checked(elementBytes(dtype)) * Checked::fromSigned(blocks) * Checked(kBlockTokens))
                .atMost(PTRDIFF_MAX);
        if (!bytes)
            return Error{ErrorCode::OutOfMemory, "the context does not fit the address space"};
        ENGINE_TRY(Buffer buffer, place->allocate(static_cast<std::size_t>(*bytes)));
        cache.m_bytes += *bytes;
        cache.m_buffers.push_back(std::move(buffer));
        return cache.m_buffers.back().data();
    };
    for (int layer = 0; layer < shape.layers; ++layer) {
        place = first && layer < firstLayers ? first : &backend;
        KvLayer entry{.dtype = dtype,
                      .kvHeads = shape.kvHeads,
                      .keyDim = shape.keyDim,
                      .valueDim = shape.valueDim,
                      .valuesInKeys = shape.valuesInKeys,
                      .blockTokens = kBlockTokens,
                      .indexDim = shape.indexDim};
        ENGINE_TRY(entry.keys, allocate(shape.kvHeads, shape.keyDim));
        if (!shape.valuesInKeys) {
            ENGINE_TRY(entry.values, allocate(shape.kvHeads, shape.valueDim));
        }
        if (shape.indexDim > 0) {
            ENGINE_TRY(entry.indexKeys, allocate(1, shape.indexDim));
        }
        cache.m_layers.push_back(entry);
    }
    return cache;
}

} // namespace engine
