// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "base/assert.h"

#include <atomic>
#include <cstdlib>

namespace tests {

// Memory from the C library and no operations: for tests of what lies above the operations.
class PlainBackend : public engine::Backend {
public:
    std::atomic<std::int64_t> liveBytes{0};
    std::atomic<int> failAllocationAfter{-1}; // so many more succeed; -1: all

    std::string_view id() const override { return "cpu"; }
    bool hostMemory() const override { return true; }
    engine::Result<engine::Buffer> allocate(std::size_t bytes) override
    {
        if (failAllocationAfter == 0)
            return engine::Error{engine::ErrorCode::OutOfMemory, "no room"};
        if (failAllocationAfter > 0)
            --failAllocationAfter;
        auto block = std::make_unique<Block>(*this, bytes);
        return engine::Buffer(std::move(block));
    }
    engine::Result<engine::WeightPtr> upload(const engine::FileTensor &,
                                             const engine::UploadOptions &) override
    {
        return none();
    }
    engine::Result<engine::WeightPtr> uploadExperts(std::span<const engine::FileTensor *const>,
                                                    const engine::UploadOptions &) override
    {
        return none();
    }
    engine::Result<engine::WeightPtr> uploadValues(std::span<const float>,
                                                   const engine::Shape &) override
    {
        return none();
    }
    engine::Result<std::vector<float>> dequantize(const engine::FileTensor &) override
    {
        return none();
    }
    void linear(const engine::LinearArgs &) override { ENGINE_ASSERT(false); }
    void headLinear(const engine::HeadLinearArgs &) override { ENGINE_ASSERT(false); }
    void rmsNorm(const engine::RmsNormArgs &) override { ENGINE_ASSERT(false); }
    void layerNorm(const engine::LayerNormArgs &) override { ENGINE_ASSERT(false); }
    void embed(const engine::EmbedArgs &) override { ENGINE_ASSERT(false); }
    void rope(const engine::RopeArgs &) override { ENGINE_ASSERT(false); }
    void storeKv(const engine::StoreKvArgs &) override { ENGINE_ASSERT(false); }
    void attention(const engine::AttentionArgs &) override { ENGINE_ASSERT(false); }
    void denseAttention(const engine::DenseAttentionArgs &) override { ENGINE_ASSERT(false); }
    void route(const engine::RouteArgs &) override { ENGINE_ASSERT(false); }
    void moe(const engine::MoeArgs &) override { ENGINE_ASSERT(false); }
    void siluMultiply(engine::Tensor, engine::Tensor, engine::Tensor) override
    {
        ENGINE_ASSERT(false);
    }
    void add(engine::Tensor, engine::Tensor) override { ENGINE_ASSERT(false); }
    void copyRows(engine::Tensor, engine::Tensor) override { ENGINE_ASSERT(false); }
    void toDevice(engine::Tensor, const void *, std::size_t) override { ENGINE_ASSERT(false); }
    void toHost(void *, engine::Tensor) override { ENGINE_ASSERT(false); }
    engine::Status finishStep() override { return engine::Done{}; }

private:
    struct Block final : engine::Buffer::Block {
        Block(PlainBackend &backend, std::size_t size)
            : owner(backend)
        {
            data = static_cast<std::byte *>(std::calloc(size == 0 ? 1 : size, 1));
            bytes = size;
            owner.liveBytes += static_cast<std::int64_t>(size);
        }
        ~Block() override
        {
            std::free(data);
            owner.liveBytes -= static_cast<std::int64_t>(bytes);
        }
        PlainBackend &owner;
    };
    static engine::Error none() { return {engine::ErrorCode::Unsupported, "no operations here"}; }
};

} // namespace tests
