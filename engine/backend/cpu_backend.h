// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "backend/cpu_memory.h"
#include "backend/cpu_weight.h"
#include "kernels/table.h"
#include "kernels/thread_pool.h"

#include <algorithm>
#include <string>
#include <vector>

namespace engine {

// Runs every operation at once on a pool of threads; nothing is queued. One engine thread calls it.
class CpuBackend final : public Backend {
public:
    CpuBackend(const kernels::KernelTable &table, const CpuBackendOptions &options);

    std::string_view id() const override { return "cpu"; }
    bool hostMemory() const override { return true; }
    const kernels::KernelTable &table() const { return m_table; }
    int threads() const { return m_pool.threads(); }
    void setThreads(int threads); // between steps; 0: all that are allowed

    Result<Buffer> allocate(std::size_t bytes) override;
    Result<WeightPtr> upload(const FileTensor &tensor, const UploadOptions &options) override;
    Result<WeightPtr> uploadExperts(std::span<const FileTensor *const> experts, const UploadOptions &options) override;
    Result<WeightPtr> uploadValues(std::span<const float> values, const Shape &shape) override;
    Result<std::vector<float>> dequantize(const FileTensor &tensor) override;

    void linear(const LinearArgs &args) override;
    void headLinear(const HeadLinearArgs &args) override;
    void rmsNorm(const RmsNormArgs &args) override;
    void layerNorm(const LayerNormArgs &args) override;
    void embed(const EmbedArgs &args) override;
    void rope(const RopeArgs &args) override;
    void storeKv(const StoreKvArgs &args) override;
    void attention(const AttentionArgs &args) override;
    void denseAttention(const DenseAttentionArgs &args) override;
    void route(const RouteArgs &args) override;
    void router(const RouterArgs &args) override;
    void moe(const MoeArgs &args) override;
    bool hasTokenSelection() const override { return true; }
    void selectTokens(const SelectTokensArgs &args) override;
    bool hasCrossModal() const override { return true; }
    void crossModalAttention(const CrossModalAttentionArgs &args) override;
    void crossModalGate(const CrossModalGateArgs &args) override;
    void siluMultiply(Tensor gate, Tensor up, Tensor output) override;
    void add(Tensor accumulator, Tensor addend) override;
    void copyRows(Tensor destination, Tensor source) override;
    void toDevice(Tensor destination, const void *host, std::size_t bytes) override;
    void toHost(void *host, Tensor source) override;
    Status finishStep() override { return Done{}; }

private:
    // Memory that only grows and keeps nothing between operations.
    class Scratch {
    public:
        std::byte *reserve(std::size_t bytes);

    private:
        std::vector<std::byte> m_memory;
    };
    static const CpuWeight &cpuWeight(const Weight *weight);
    // Several products that run as one region: a matrix each of a stack, or one alone.
    struct Product {
        kernels::LinearArgs args;
        const std::byte *prepared = nullptr;
        int panels = 0;
        bool isPreparedElsewhere = false; // shares `prepared` with an earlier product
    };
    struct Slice {
        std::int32_t product = 0, panelBegin = 0, panelEnd = 0;
        std::int64_t groupBegin = 0, groupEnd = 0;
    };
    struct AttentionSlice {
        kernels::AttentionRow row;
        int headBegin = 0, headEnd = 0;
    };
    void runProducts(std::vector<Product> &products);
    void roundInputs(std::vector<Product> &products);
    void prepareProducts(std::vector<Product> &products, std::int64_t work);
    std::byte *threadScratch(std::size_t bytesPerThread);
    // body(begin, end) over rows, on this thread alone when there is little to do.
    template <typename Body> void forRows(std::int64_t rows, std::int64_t workPerRow, Body &&body)
    {
        constexpr std::int64_t kSmallRows = 16 * 1024; // numbers touched
        if (rows * workPerRow <= kSmallRows) {
            body(std::int64_t{0}, rows);
            return;
        }
        const std::int64_t chunk = std::max<std::int64_t>(1, rows / (std::int64_t{4} * m_pool.threads()));
        m_pool.forEach(rows, chunk, [&body](int, std::int64_t begin, std::int64_t end) { body(begin, end); });
    }
    void sparseAttention(const AttentionArgs &args);
    void runAttention(const kernels::AttentionArgs &args, std::int64_t work, int lastPosition);
    void updateAngles(const RopeArgs &args, std::int64_t rows);
    void sortPairs(const MoeArgs &args, std::int64_t rows);
    void addExperts(const MoeArgs &args, std::int64_t rows, const float *down);

    const kernels::KernelTable &m_table;
    bool m_exact = false;
    bool m_isRounded = false;
    kernels::ThreadPool m_pool;
    WeightArena m_arena;
    CpuWeightLoader m_loader{m_arena, m_pool};

    Scratch m_preparedMemory, m_threadMemory, m_moeMemory, m_roundedMemory;
    std::size_t m_threadBytes = 0;
    std::vector<Product> m_products;
    std::vector<Slice> m_slices;
    std::vector<AttentionSlice> m_attention;
    // Rotation angles of the last step, shared by all its layers.
    std::vector<std::int32_t> m_anglePositions;
    std::vector<float> m_angleFrequencies, m_cosines, m_sines;
    float m_angleMagnitude = 0;
    // Chosen (row, expert) pairs in expert order.
    std::vector<std::int32_t> m_pairStart, m_pairNext, m_pairRow, m_pairOf;
};

} // namespace engine
