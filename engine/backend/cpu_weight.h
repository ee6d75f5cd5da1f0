// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "backend/cpu_memory.h"
#include "kernels/args.h"
#include "kernels/thread_pool.h"

#include <span>
#include <vector>

namespace engine {

// A weight as the CPU kernels read it: `count` packed matrices one after the other, and the plain values when it
// is a vector.
class CpuWeight final : public Weight {
public:
    // Matrix `index`; 0 unless the weight is a stack of experts or heads.
    kernels::PackedMatrix matrix(std::int64_t index = 0) const;
    std::int64_t count() const { return m_count; }
    // [elements] float32, or null when this is no vector.
    const float *values() const { return m_values; }

private:
    friend class CpuWeightLoader;
    std::vector<std::shared_ptr<HostMemory>> m_memory;
    kernels::PackedMatrix m_first;
    std::int64_t m_count = 0;
    std::size_t m_dataStride = 0, m_scaleStride = 0, m_fineStride = 0; // bytes; numbers; bytes
    float *m_values = nullptr;
};

// Copies weights out of their files into packed memory, by many threads.
class CpuWeightLoader {
public:
    CpuWeightLoader(WeightArena &arena, kernels::ThreadPool &pool) : m_arena(arena), m_pool(pool) {}

    // Sources are the matrices of one weight, each [rows, columns] of one type; `shape` is the weight's.
    Result<WeightPtr> load(std::span<const FileTensor *const> sources, const Shape &shape,
                           const UploadOptions &options);
    Result<WeightPtr> loadValues(std::span<const float> values, const Shape &shape);
    Result<std::vector<float>> dequantize(const FileTensor &tensor);

private:
    struct Source {
        const FileTensor *tensor = nullptr;
        std::int64_t firstRow = 0; // of the tensor's rows
    };
    Result<Done> reserve(CpuWeight &weight, std::int64_t rows, std::int64_t columns, std::int64_t count, DType type,
                         int scaleColumns, const std::string &name);
    void packMatrix(CpuWeight &weight, std::int64_t index, const Source &source, std::string_view requantize);
    void packFloats(CpuWeight &weight, std::int64_t index, const float *values, DType type);
    Result<Done> keepValues(CpuWeight &weight, std::span<const float> values, const std::string &name);

    WeightArena &m_arena;
    kernels::ThreadPool &m_pool;
};

} // namespace engine
