// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu_backend.h"

#include "base/assert.h"
#include "kernels/convert.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace engine {

namespace {

// Work (multiply-adds, or numbers touched) below which waking other threads costs more than it gives.
constexpr std::int64_t kSmallWork = 48 * 1024;

const float *valuesOf(const Weight *weight)
{
    if (weight == nullptr)
        return nullptr;
    const float *values = static_cast<const CpuWeight *>(weight)->values();
    ENGINE_ASSERT(values != nullptr);
    return values;
}

kernels::Activation toKernel(Activation activation)
{
    switch (activation) {
    case Activation::Silu: return kernels::Activation::Silu;
    case Activation::GeluTanh: return kernels::Activation::GeluTanh;
    case Activation::GeluErf: return kernels::Activation::GeluErf;
    case Activation::None: break;
    }
    return kernels::Activation::None;
}

} // namespace

const CpuWeight &CpuBackend::cpuWeight(const Weight *weight)
{
    ENGINE_ASSERT(weight != nullptr);
    return static_cast<const CpuWeight &>(*weight);
}

CpuBackend::CpuBackend(const kernels::KernelTable &table, const CpuBackendOptions &options)
    : m_table(table), m_exact(options.exact), m_isRounded(options.rounded), m_pool(options.threads)
{
}

void CpuBackend::setThreads(int threads)
{
    m_pool.setThreads(threads);
    m_threadBytes = 0;
}

std::byte *CpuBackend::Scratch::reserve(std::size_t bytes)
{
    constexpr std::size_t kAlignment = 64;
    if (m_memory.size() < bytes + kAlignment)
        m_memory.resize((bytes + kAlignment) * 5 / 4);
    const auto address = reinterpret_cast<std::uintptr_t>(m_memory.data());
    return m_memory.data() + (kAlignment - address % kAlignment) % kAlignment;
}

std::byte *CpuBackend::threadScratch(std::size_t bytesPerThread)
{
    m_threadBytes = std::max(m_threadBytes, (bytesPerThread + 4095) / 4096 * 4096);
    return m_threadMemory.reserve(m_threadBytes * static_cast<std::size_t>(m_pool.threads()));
}

Result<Buffer> CpuBackend::allocate(std::size_t bytes)
{
    auto memory = HostMemory::allocate(bytes);
    if (!memory)
        return Error{ErrorCode::OutOfMemory,
                     "there is not enough memory for another " + std::to_string(bytes >> 20) + " MB"};
    return Buffer(std::move(memory));
}

Result<WeightPtr> CpuBackend::upload(const FileTensor &tensor, const UploadOptions &options)
{
    const FileTensor *source = &tensor;
    return m_loader.load({&source, 1}, tensor.shape, options);
}

Result<WeightPtr> CpuBackend::uploadExperts(std::span<const FileTensor *const> experts, const UploadOptions &options)
{
    if (experts.size() == 1 && experts.front()->shape.rank == 3)
        return upload(*experts.front(), options);
    if (experts.empty() || experts.front()->shape.rank != 2)
        return Error{ErrorCode::BadFile, "the experts of a layer are no matrices"};
    const Shape &one = experts.front()->shape;
    return m_loader.load(experts, {static_cast<std::int64_t>(experts.size()), one[0], one[1]}, options);
}

Result<WeightPtr> CpuBackend::uploadValues(std::span<const float> values, const Shape &shape)
{
    return m_loader.loadValues(values, shape);
}

Result<std::vector<float>> CpuBackend::dequantize(const FileTensor &tensor)
{
    return m_loader.dequantize(tensor);
}

void CpuBackend::roundInputs(std::vector<Product> &products)
{
    std::size_t numbers = 0;
    for (const Product &product : products)
        numbers += product.isPreparedElsewhere ? 0 : static_cast<std::size_t>(product.args.rows * product.args.weight.columns);
    auto *memory = reinterpret_cast<float *>(m_roundedMemory.reserve(numbers * sizeof(float)));
    const float *last = nullptr;
    for (Product &product : products) {
        kernels::LinearArgs &args = product.args;
        const std::int64_t columns = args.weight.columns;
        if (!product.isPreparedElsewhere) {
            forRows(args.rows, columns, [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t r = begin; r < end; ++r)
                    for (std::int64_t k = 0; k < columns; ++k)
                        memory[r * columns + k] = kernels::bfloatToFloat(kernels::floatToBfloat(args.input[r * args.inputStride + k]));
            });
            last = memory;
            memory += args.rows * columns;
        }
        args.input = last;
        args.inputStride = columns;
    }
}

void CpuBackend::prepareProducts(std::vector<Product> &products, std::int64_t work)
{
    std::size_t bytes = 0;
    std::int64_t panels = 0;
    for (Product &product : products) {
        const int panelRows = m_table.panelRows(product.args);
        product.panels = (product.args.rows + panelRows - 1) / panelRows;
        if (product.isPreparedElsewhere)
            continue;
        bytes += (m_table.preparedBytes(product.args) + 63) / 64 * 64;
        panels += product.panels;
    }
    if (bytes == 0)
        return;
    std::byte *memory = m_preparedMemory.reserve(bytes);
    const std::byte *last = nullptr;
    for (Product &product : products) {
        if (!product.isPreparedElsewhere) {
            last = memory;
            memory += (m_table.preparedBytes(product.args) + 63) / 64 * 64;
        }
        product.prepared = last;
    }
    const auto prepareOne = [this](const Product &product, int begin, int end) {
        m_table.prepare(product.args, const_cast<std::byte *>(product.prepared), begin, end);
    };
    const bool isSmall = work <= kSmallWork || bytes <= 32 * 1024;
    for (const Product &product : products) {
        if (product.isPreparedElsewhere)
            continue;
        if (isSmall || product.panels < 4)
            prepareOne(product, 0, product.panels);
        else
            m_pool.forEach(product.panels, std::max(1, product.panels / (4 * m_pool.threads())),
                           [&](int, std::int64_t begin, std::int64_t end) {
                               prepareOne(product, static_cast<int>(begin), static_cast<int>(end));
                           });
    }
}

void CpuBackend::runProducts(std::vector<Product> &products)
{
    if (m_isRounded)
        roundInputs(products);
    std::int64_t work = 0;
    std::size_t scratchBytes = 0;
    for (const Product &product : products) {
        work += product.args.rows * product.args.weight.rows * product.args.weight.columns;
        scratchBytes = std::max(scratchBytes, m_table.linearScratch(product.args));
    }
    prepareProducts(products, work);
    std::byte *scratch = threadScratch(scratchBytes);
    if (work <= kSmallWork || m_pool.threads() == 1) {
        for (const Product &product : products)
            m_table.linear(product.args, product.prepared, {0, product.args.weight.groups(), 0, product.panels}, scratch);
        return;
    }
    // About four slices a thread, in whole multiples of eight groups where a matrix is wide enough for it.
    const std::int64_t wanted = std::max<std::int64_t>(kSmallWork / 3, work / (std::int64_t{4} * m_pool.threads()));
    m_slices.clear();
    for (std::size_t p = 0; p < products.size(); ++p) {
        const Product &product = products[p];
        const std::int64_t groups = product.args.weight.groups();
        const std::int64_t workPerGroup = product.args.rows * kernels::kGroupRows * product.args.weight.columns;
        std::int64_t chunk = std::max<std::int64_t>(1, wanted / std::max<std::int64_t>(1, workPerGroup));
        if (chunk > 8)
            chunk = chunk / 8 * 8;
        else if (chunk > 1)
            chunk = chunk / 2 * 2;
        // Few outputs, many rows: split the rows too.
        int panelChunk = product.panels;
        const std::int64_t columnsOfWork = (groups + chunk - 1) / chunk;
        if (columnsOfWork < std::int64_t{2} * m_pool.threads() && product.panels > 8)
            panelChunk = std::max(4, product.panels / (2 * m_pool.threads()));
        for (int panel = 0; panel < product.panels; panel += panelChunk)
            for (std::int64_t group = 0; group < groups; group += chunk)
                m_slices.push_back({static_cast<std::int32_t>(p), panel, std::min(panel + panelChunk, product.panels),
                                    group, std::min(group + chunk, groups)});
    }
    m_pool.forEach(static_cast<std::int64_t>(m_slices.size()), 1, [&](int worker, std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const Slice &slice = m_slices[static_cast<std::size_t>(i)];
            const Product &product = products[static_cast<std::size_t>(slice.product)];
            m_table.linear(product.args, product.prepared,
                           {slice.groupBegin, slice.groupEnd, slice.panelBegin, slice.panelEnd},
                           scratch + static_cast<std::size_t>(worker) * m_threadBytes);
        }
    });
}

void CpuBackend::linear(const LinearArgs &args)
{
    const CpuWeight &weight = cpuWeight(args.weight);
    ENGINE_ASSERT(weight.count() == 1 && args.input.columns() == weight.matrix().columns);
    Product product;
    product.args = {.input = args.input.f32(), .inputStride = args.input.rowStride, .weight = weight.matrix(),
                    .bias = valuesOf(args.bias), .output = args.output.f32(), .outputStride = args.output.rowStride,
                    .rows = static_cast<int>(args.input.rows()), .activation = toKernel(args.activation),
                    .accumulate = args.accumulate, .exact = m_exact};
    if (product.args.rows == 0)
        return;
    m_products.assign(1, product);
    runProducts(m_products);
}

void CpuBackend::headLinear(const HeadLinearArgs &args)
{
    const CpuWeight &weight = cpuWeight(args.weight);
    const kernels::PackedMatrix first = weight.matrix();
    const std::int64_t heads = weight.count();
    const std::int64_t rows = args.input.rows() / heads;
    ENGINE_ASSERT(args.input.columns() == first.columns);
    const std::int64_t inputHead = args.inputHeadStride != 0 ? args.inputHeadStride : first.columns;
    const std::int64_t outputHead = args.outputHeadStride != 0 ? args.outputHeadStride : first.rows;
    if (rows == 0)
        return;
    m_products.clear();
    for (std::int64_t h = 0; h < heads; ++h) {
        Product product;
        product.args = {.input = args.input.f32() + h * inputHead,
                        .inputStride = args.inputRowStride != 0 ? args.inputRowStride : heads * inputHead,
                        .weight = weight.matrix(h), .output = args.output.f32() + h * outputHead,
                        .outputStride = args.outputRowStride != 0 ? args.outputRowStride : heads * outputHead,
                        .rows = static_cast<int>(rows), .exact = m_exact};
        m_products.push_back(product);
    }
    runProducts(m_products);
}

void CpuBackend::rmsNorm(const RmsNormArgs &args)
{
    const kernels::RmsNormArgs kernel{.input = args.input.f32(), .weight = valuesOf(args.weight),
                                      .output = args.output.f32(), .inputStride = args.input.rowStride,
                                      .outputStride = args.output.rowStride, .columns = args.input.columns(),
                                      .epsilon = args.epsilon};
    forRows(args.input.rows(), kernel.columns,
            [&](std::int64_t begin, std::int64_t end) { m_table.rmsNorm(kernel, begin, end); });
}

void CpuBackend::layerNorm(const LayerNormArgs &args)
{
    const kernels::LayerNormArgs kernel{.input = args.input.f32(), .weight = valuesOf(args.weight),
                                        .bias = valuesOf(args.bias), .output = args.output.f32(),
                                        .inputStride = args.input.rowStride, .outputStride = args.output.rowStride,
                                        .columns = args.input.columns(), .epsilon = args.epsilon};
    forRows(args.input.rows(), kernel.columns,
            [&](std::int64_t begin, std::int64_t end) { m_table.layerNorm(kernel, begin, end); });
}

void CpuBackend::embed(const EmbedArgs &args)
{
    const CpuWeight &weight = cpuWeight(args.table);
    const kernels::PackedMatrix table = weight.matrix();
    forRows(static_cast<std::int64_t>(args.ids.size()), 16 * table.columns, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r) {
            const std::int32_t id = args.ids[static_cast<std::size_t>(r)];
            float *output = args.output.f32() + r * args.output.rowStride;
            if (id >= 0 && id < table.rows)
                kernels::unpackRow(table, id, output);
            else
                std::fill_n(output, table.columns, 0.0F);
        }
    });
}

void CpuBackend::updateAngles(const RopeArgs &args, std::int64_t rows)
{
    const auto positions = args.positions.first(static_cast<std::size_t>(rows));
    if (std::ranges::equal(positions, m_anglePositions)
        && std::ranges::equal(args.inverseFrequencies, m_angleFrequencies) && args.magnitude == m_angleMagnitude)
        return;
    m_anglePositions.assign(positions.begin(), positions.end());
    m_angleFrequencies.assign(args.inverseFrequencies.begin(), args.inverseFrequencies.end());
    m_angleMagnitude = args.magnitude;
    const std::size_t pairs = m_angleFrequencies.size();
    m_cosines.resize(positions.size() * pairs);
    m_sines.resize(positions.size() * pairs);
    forRows(rows, static_cast<std::int64_t>(pairs) * 64, [&](std::int64_t begin, std::int64_t end) {
        for (auto r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r)
            for (std::size_t p = 0; p < pairs; ++p) {
                // The product is rounded to float32 as every reference implementation does.
                const float angle = static_cast<float>(m_anglePositions[r]) * m_angleFrequencies[p];
                m_cosines[r * pairs + p] = static_cast<float>(std::cos(static_cast<double>(angle))) * args.magnitude;
                m_sines[r * pairs + p] = static_cast<float>(std::sin(static_cast<double>(angle))) * args.magnitude;
            }
    });
}

void CpuBackend::rope(const RopeArgs &args)
{
    ENGINE_ASSERT(args.x.shape.rank == 3);
    const std::int64_t rows = args.x.shape[0];
    const auto heads = static_cast<int>(args.x.shape[1]);
    const auto dim = static_cast<int>(args.x.shape[2]);
    if (rows == 0 || args.inverseFrequencies.empty())
        return;
    updateAngles(args, rows);
    const kernels::RopeArgs kernel{.x = args.x.f32(), .cosines = m_cosines.data(), .sines = m_sines.data(),
                                   .rowStride = args.rowStride != 0 ? args.rowStride : std::int64_t{heads} * dim,
                                   .heads = heads, .dim = dim, .offset = args.offset,
                                   .pairs = static_cast<int>(args.inverseFrequencies.size()),
                                   .interleaved = args.interleaved};
    forRows(rows, std::int64_t{heads} * kernel.pairs * 2,
            [&](std::int64_t begin, std::int64_t end) { m_table.rope(kernel, begin, end); });
}

void CpuBackend::siluMultiply(Tensor gate, Tensor up, Tensor output)
{
    const std::int64_t columns = gate.columns();
    forRows(gate.rows(), columns * 2, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r)
            m_table.siluMultiply(gate.f32() + r * gate.rowStride, up.f32() + r * up.rowStride,
                                 output.f32() + r * output.rowStride, columns);
    });
}

void CpuBackend::add(Tensor accumulator, Tensor addend)
{
    const std::int64_t columns = accumulator.columns();
    forRows(accumulator.rows(), columns / 2, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t r = begin; r < end; ++r)
            m_table.add(accumulator.f32() + r * accumulator.rowStride, addend.f32() + r * addend.rowStride, columns);
    });
}

void CpuBackend::copyRows(Tensor destination, Tensor source)
{
    const std::size_t element = static_cast<std::size_t>(kernels::dtypeInfo(source.dtype).blockBytes);
    const std::size_t bytes = static_cast<std::size_t>(source.columns()) * element;
    for (std::int64_t r = 0; r < source.rows(); ++r)
        std::memmove(destination.data + static_cast<std::size_t>(r * destination.rowStride) * element,
                     source.data + static_cast<std::size_t>(r * source.rowStride) * element, bytes);
}

void CpuBackend::toDevice(Tensor destination, const void *host, std::size_t bytes)
{
    std::memcpy(destination.data, host, bytes);
}

void CpuBackend::toHost(void *host, Tensor source)
{
    const std::size_t element = static_cast<std::size_t>(kernels::dtypeInfo(source.dtype).blockBytes);
    const std::size_t bytes = static_cast<std::size_t>(source.columns()) * element;
    for (std::int64_t r = 0; r < source.rows(); ++r)
        std::memcpy(static_cast<std::byte *>(host) + static_cast<std::size_t>(r) * bytes,
                    source.data + static_cast<std::size_t>(r * source.rowStride) * element, bytes);
}

Result<std::unique_ptr<Backend>> makeCpuBackend(const CpuBackendOptions &options)
{
    const kernels::KernelTable *table = kernels::findTable(options.isa);
    if (table == nullptr) {
        std::string known;
        for (const kernels::KernelTable *each : kernels::availableTables())
            known += (known.empty() ? "" : ", ") + std::string(each->name);
        return Error{ErrorCode::BadRequest, "this machine does not run the instruction set asked for; it runs " + known};
    }
    return std::unique_ptr<Backend>(std::make_unique<CpuBackend>(*table, options));
}

} // namespace engine
