// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/thread_pool.h"
#include "models/model.h"

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace engine {

// Linear layers that read the same input, computed side by side into one row: [part 0 | part 1 | ...].
// Neighbours of one number format become one weight, so that a step runs fewer operations.
class JoinedLinear {
public:
    void forward(Backend &backend, Tensor input, Tensor output) const;
    std::int64_t outputs() const { return m_outputs; }
    // The weight when there is but one, without bias; null otherwise.
    const Weight *single() const
    {
        return m_parts.size() == 1 && !m_parts[0].bias ? m_parts[0].weight.get() : nullptr;
    }

private:
    friend class WeightLoader;
    struct Part {
        WeightPtr weight, bias; // bias may be none
        std::int64_t firstColumn = 0;
    };
    std::vector<Part> m_parts;
    std::int64_t m_outputs = 0;
};

// Moves the tensors of one model to its backend: checks names and shapes, joins what belongs together, counts
// bytes and stops when asked. Every error names the tensor, what was wanted and the file.
class WeightLoader {
public:
    explicit WeightLoader(const LoadContext &context) : m_context(context), m_backend(context.backend) {}

    // Where the weights asked for from now on go; the context's backend at first.
    void useBackend(Backend &backend) { m_backend = &backend; }

    const LoadContext &context() const { return m_context; }
    const ModelConfig &config() const { return m_context.files->config(); }
    bool has(std::string_view name) const { return m_context.files->find(name) != nullptr; }

    // How a weight may be stored: as the file has it, re-quantised as the load options ask, or at most at 8 bits.
    enum class Storage { AsFile = 1, Requantised, Careful };

    Result<WeightPtr> linear(const std::string &name, std::int64_t out, std::int64_t in,
        Storage storage = Storage::Requantised);
    struct Rows {
        std::string name;      // of the weight
        std::int64_t out = 0;
        std::string bias = {}; // empty: none
    };
    Result<JoinedLinear> joined(std::span<const Rows> parts, std::int64_t in);
    Result<WeightPtr> vector(const std::string &name, std::int64_t size);
    // As float32 on the device whatever the file has (routers).
    Result<WeightPtr> float32(const std::string &name, const Shape &shape);
    // What token embeddings are read for: rows; in whole for every token too; rows, stored as those of a head, so that
    // both give the same numbers.
    enum class TableUse { Rows = 1, Head, RowsAsHead };
    Result<WeightPtr> table(const std::string &name, std::int64_t rows, std::int64_t columns, TableUse use);
    struct Experts {
        WeightPtr gate, up, down;
    };
    // `prefix` is "...mlp.experts"; each expert its own tensors, or all in one as newer transformers saves them.
    Result<Experts> experts(const std::string &prefix, int count, std::int64_t inter, std::int64_t hidden,
        double activeShare);
    // Float32 values on the host, in the shape of the file.
    Result<std::vector<float>> values(const std::string &name, const Shape &shape);
    Result<WeightPtr> computed(std::span<const float> values, const Shape &shape);

    // After everything was loaded: a tensor that nothing asked for would be left out of the answer. Layers that predict
    // further tokens (MTP) may stay unused, biases of zeros, and what VL2's own code never reads (vision.attn_pool). Of
    // picture models, the text part (TextConfig::tensorPrefix) and the rest have loaders and checks of their own.
    Status checkSurplus() const;
    Status checkPictureSurplus() const;

    std::uint64_t weightBytes() const { return m_weightBytes; }
    double activeBytes() const { return m_activeBytes; }

private:
    // The tensor with its bytes; those of a recipe are made here and live until end().
    Result<const FileTensor *> begin(const std::string &name, const Shape &shape);
    void end(const FileTensor &tensor);
    Status noPlace(const FileTensor &tensor, std::string_view more) const;
    UploadOptions options(Storage storage) const;
    Result<WeightPtr> uploadFloat32(std::span<const float> numbers, const Shape &shape);
    WeightPtr counted(WeightPtr weight, double activeShare = 1.0);
    Result<WeightPtr> joinRows(std::span<const FileTensor *const> tensors, std::int64_t in);
    Result<WeightPtr> expertSet(const std::string &prefix, const std::string &projection, int count,
        std::int64_t out, std::int64_t in, double activeShare);

    struct Made {
        FileTensor tensor;
        std::vector<std::byte> bytes;
    };
    const LoadContext &m_context;
    Backend *m_backend;
    std::unique_ptr<kernels::ThreadPool> m_pool; // for tensors that are made, from the first one on
    std::map<std::string, Made> m_made; // between begin() and end()
    std::set<const FileTensor *> m_asked;
    std::uint64_t m_weightBytes = 0;
    double m_activeBytes = 0;
};

// The rows [first, first + count) of a tensor seen as a matrix: a view, nothing is copied. Rows of FP8 blocks
// must start at a block's edge.
FileTensor sliceRows(const FileTensor &tensor, std::int64_t first, std::int64_t count);

} // namespace engine
