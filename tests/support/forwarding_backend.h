// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"

#include <memory>
#include <utility>

namespace tests {

// Another backend behind it does the work: for tests of what is asked of a backend.
class ForwardingBackend : public engine::Backend {
public:
    explicit ForwardingBackend(std::unique_ptr<engine::Backend> inner) : m_inner(std::move(inner)) {}

    std::string_view id() const override { return m_inner->id(); }
    bool hostMemory() const override { return m_inner->hostMemory(); }
    engine::Result<engine::Buffer> allocate(std::size_t bytes) override { return m_inner->allocate(bytes); }
    engine::Status reserve(std::size_t bytes) override { return m_inner->reserve(bytes); }
    engine::WorkMemory workMemory() const override { return m_inner->workMemory(); }
    engine::Result<engine::WeightPtr> upload(const engine::FileTensor &tensor,
        const engine::UploadOptions &options) override
    {
        return m_inner->upload(tensor, options);
    }
    engine::Result<engine::WeightPtr> uploadExperts(std::span<const engine::FileTensor *const> experts,
        const engine::UploadOptions &options) override
    {
        return m_inner->uploadExperts(experts, options);
    }
    engine::Result<engine::WeightPtr> uploadValues(std::span<const float> values, const engine::Shape &shape) override
    {
        return m_inner->uploadValues(values, shape);
    }
    engine::Result<std::vector<float>> dequantize(const engine::FileTensor &tensor) override
    {
        return m_inner->dequantize(tensor);
    }
    void linear(const engine::LinearArgs &args) override { m_inner->linear(args); }
    void headLinear(const engine::HeadLinearArgs &args) override { m_inner->headLinear(args); }
    void rmsNorm(const engine::RmsNormArgs &args) override { m_inner->rmsNorm(args); }
    void layerNorm(const engine::LayerNormArgs &args) override { m_inner->layerNorm(args); }
    void embed(const engine::EmbedArgs &args) override { m_inner->embed(args); }
    void rope(const engine::RopeArgs &args) override { m_inner->rope(args); }
    void storeKv(const engine::StoreKvArgs &args) override { m_inner->storeKv(args); }
    void attention(const engine::AttentionArgs &args) override { m_inner->attention(args); }
    void denseAttention(const engine::DenseAttentionArgs &args) override { m_inner->denseAttention(args); }
    void route(const engine::RouteArgs &args) override { m_inner->route(args); }
    void moe(const engine::MoeArgs &args) override { m_inner->moe(args); }
    void siluMultiply(engine::Tensor gate, engine::Tensor up, engine::Tensor output) override
    {
        m_inner->siluMultiply(gate, up, output);
    }
    void add(engine::Tensor accumulator, engine::Tensor addend) override { m_inner->add(accumulator, addend); }
    void copyRows(engine::Tensor destination, engine::Tensor source) override { m_inner->copyRows(destination, source); }
    void toDevice(engine::Tensor destination, const void *host, std::size_t bytes) override
    {
        m_inner->toDevice(destination, host, bytes);
    }
    void toHost(void *host, engine::Tensor source) override { m_inner->toHost(host, source); }
    engine::Status finishStep() override { return m_inner->finishStep(); }
    bool hasTokenSelection() const override { return m_inner->hasTokenSelection(); }
    void selectTokens(const engine::SelectTokensArgs &args) override { m_inner->selectTokens(args); }
    bool hasCrossModal() const override { return m_inner->hasCrossModal(); }
    void crossModalAttention(const engine::CrossModalAttentionArgs &args) override { m_inner->crossModalAttention(args); }
    void crossModalGate(const engine::CrossModalGateArgs &args) override { m_inner->crossModalGate(args); }
    bool resizeTiles(const engine::ResizeTilesArgs &args) override { return m_inner->resizeTiles(args); }
    void patches(const engine::PatchesArgs &args) override { m_inner->patches(args); }
    void choose(const engine::ChooseArgs &args, std::span<kernels::Choice> choices) override
    {
        m_inner->choose(args, choices);
    }

private:
    std::unique_ptr<engine::Backend> m_inner;
};

} // namespace tests
