// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda_context.h"

#include <algorithm>
#include <bit>

namespace plugin {

// The current device is a property of the calling thread, so every call names it.
Context &stepOf(void *context)
{
    auto &result = *static_cast<Context *>(context);
    cudaSetDevice(result.device);
    return result;
}

Context &withPending(void *context)
{
    Context &result = stepOf(context);
    result.forgetAhead();
    result.progress = Context::Stage::Other;
    return result;
}

Context &of(void *context)
{
    Context &result = withPending(context);
    result.queuePending();
    return result;
}

kc::WeightView viewOf(const DiptychCudaWeight &w)
{
    kc::WeightView view;
    view.data = static_cast<const std::uint8_t *>(w.data);
    view.scales = w.scales;
    view.experts = w.experts;
    view.out = w.out;
    view.in = w.in;
    view.rowBytes = w.rowBytes;
    view.dtype = static_cast<DType>(w.dtype);
    view.scaleType = static_cast<DType>(w.scaleType);
    view.scaleRows = w.scaleRows;
    view.scaleColumns = w.scaleColumns;
    return view;
}

kc::KvView viewOf(const DiptychCudaKv &kv)
{
    kc::KvView view;
    view.keys = kv.keys;
    view.values = kv.values;
    view.dtype = static_cast<DType>(kv.dtype);
    view.kvHeads = kv.kvHeads;
    view.keyDim = kv.keyDim;
    view.valueDim = kv.valueDim;
    view.blockTokens = kv.blockTokens;
    view.valuesInKeys = kv.valuesInKeys != 0;
    return view;
}

kc::MatrixView matrixOf(const DiptychCudaWeight &w)
{
    kc::MatrixView m;
    m.data = static_cast<const std::uint8_t *>(w.data);
    m.dtype = static_cast<DType>(w.dtype);
    m.out = m.rows = static_cast<int>(w.out);
    m.in = static_cast<int>(w.in);
    m.shape = kc::packedShape(m.dtype, w.out, w.in);
    m.matrixBytes = w.layout == DIPTYCH_CUDA_PACKED ? m.shape.tileBytes * m.shape.tiles : w.out * w.rowBytes;
    return m;
}

bool Context::grow(Buffer &buffer, std::size_t bytes)
{
    if (bytes <= buffer.bytes)
        return true;
    if (recording) { // a warm-up step has had the same shapes, so this is no ordinary step
        refuse("a buffer had to grow");
        return false;
    }
    note(cudaStreamSynchronize(stream), "workspace");
    give(buffer.data);
    buffer = {};
    ++generation; // recorded steps know the old address
    const std::size_t rounded = (bytes + 0xFFFFU) / 0x10000U * 0x10000U;
    buffer.data = take(rounded);
    if (buffer.data == nullptr) {
        note(cudaErrorMemoryAllocation, "workspace");
        return false;
    }
    buffer.bytes = rounded;
    return true;
}

void Context::keepInside(Room purpose)
{
    Buffer &buffer = m_rooms[static_cast<std::size_t>(purpose)];
    if (!m_outside.contains(buffer.data))
        return;
    give(buffer.data);
    buffer = {};
    ++generation;
}

void *Context::take(std::size_t bytes)
{
    if (void *place = m_arena.take(bytes))
        return place;
    void *memory = nullptr;
    if (cudaMalloc(&memory, std::max<std::size_t>(bytes, 1)) != cudaSuccess) {
        cudaGetLastError(); // said by the null
        return nullptr;
    }
    if (m_arena.reservedBytes() > 0) {
        m_outside[memory] = bytes;
        m_outsideBytes += bytes;
    }
    return memory;
}

void Context::give(void *memory)
{
    if (memory == nullptr || m_arena.give(memory))
        return;
    if (const auto known = m_outside.find(memory); known != m_outside.end()) {
        m_outsideBytes -= known->second;
        m_outside.erase(known);
    }
    cudaFree(memory);
}

cudaError_t Context::reserve(std::size_t bytes)
{
    void *piece = nullptr;
    const cudaError_t result = cudaMalloc(&piece, bytes);
    if (result != cudaSuccess) {
        cudaGetLastError();
        return result;
    }
    m_pieces.push_back(piece);
    m_arena.add(piece, bytes);
    return cudaSuccess;
}

void *Context::room(Room purpose, std::size_t bytes)
{
    Buffer &buffer = m_rooms[static_cast<std::size_t>(purpose)];
    return grow(buffer, bytes) ? buffer.data : nullptr;
}

const void *Context::constantBytes(const void *values, std::size_t bytes)
{
    if (bytes == 0)
        return nullptr;
    for (const Constant &known : m_constants) {
        if (known.host.size() == bytes && std::memcmp(known.host.data(), values, bytes) == 0)
            return known.device;
    }
    if (recording) {
        refuse("new constants were needed");
        return nullptr;
    }
    void *target = take(bytes);
    if (target == nullptr) {
        note(cudaErrorMemoryAllocation, "constants");
        return nullptr;
    }
    note(cudaMemcpyAsync(target, values, bytes, cudaMemcpyHostToDevice, stream), "constants");
    note(cudaStreamSynchronize(stream), "constants");
    const auto *first = static_cast<const unsigned char *>(values);
    m_constants.push_back({std::vector<unsigned char>(first, first + bytes), target});
    return target;
}

std::size_t Context::splitBytes(std::int64_t rows, std::int64_t columns)
{
    return static_cast<std::size_t>(work::splitBytes(rows, columns));
}

kc::SplitView Context::splitIn(void *memory, std::int64_t rows, std::int64_t columns)
{
    kc::SplitView view;
    if (memory == nullptr)
        return view;
    view.stride = (columns + 127) / 128 * 128;
    view.high = static_cast<__half *>(memory);
    view.low = view.high + rows * view.stride;
    view.meta = reinterpret_cast<float2 *>(view.low + rows * view.stride);
    return view;
}

kc::SplitView Context::splitFor(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride)
{
    // Every number of rows has addresses of its own. A recorded step writes each form before it reads it, so it may share
    // the memory of one with other steps.
    auto entry = splitFormFor(m_splits, data, splitBytes(rows, columns));
    if (entry == m_splits.end())
        entry = m_splits.insert(entry, Split{data, 0, 0, 0, {}, false});
    entry->data = data;
    entry->valid = false;
    if (!grow(entry->memory, splitBytes(rows, columns)))
        return {};
    entry->rows = rows;
    entry->columns = columns;
    entry->stride = stride;
    entry->valid = true;
    return splitIn(entry->memory.data, rows, columns);
}

kc::SplitView Context::findSplit(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride)
{
    for (const Split &s : m_splits) {
        const std::int64_t offset = data - s.data;
        if (!s.valid || s.stride != stride || s.rows < rows || data < s.data || offset % 32 != 0 || offset + columns > s.columns)
            continue;
        kc::SplitView view = splitIn(s.memory.data, s.rows, s.columns);
        view.high += offset;
        view.low += offset;
        view.meta += offset / 32;
        return view;
    }
    return {};
}

kc::SplitView Context::splitOf(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride)
{
    kc::SplitView view = findSplit(data, rows, columns, stride);
    if (view.high != nullptr)
        return view;
    view = splitFor(data, rows, columns, stride);
    if (view.high == nullptr)
        return view;
    kc::SplitArgs args;
    args.input = data;
    args.inputStride = stride;
    args.rows = static_cast<int>(rows);
    args.columns = static_cast<int>(columns);
    args.output = view;
    note(kc::split(args, stream), "splitting activations");
    return view;
}

__nv_bfloat16 *Context::narrowFor(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride)
{
    // Addresses change with a prompt's length, so forms that nobody can use any more, then the oldest, make room; those
    // that are large enough first, the smallest of them, so that prompts after the longest take nothing more.
    const std::size_t bytes = static_cast<std::size_t>(rows * columns) * sizeof(__nv_bfloat16);
    auto entry = std::find_if(m_narrows.begin(), m_narrows.end(), [&](const Split &s) { return s.data == data; });
    if (entry == m_narrows.end())
        entry = smallestFree(m_narrows, bytes);
    if (entry == m_narrows.end() && m_narrows.size() >= kMostNarrows)
        entry = std::find_if(m_narrows.begin(), m_narrows.end(), [](const Split &s) { return !s.valid; });
    if (entry == m_narrows.end() && m_narrows.size() >= kMostNarrows)
        entry = m_narrows.begin();
    Split taken = entry != m_narrows.end() ? *entry : Split{};
    if (entry != m_narrows.end())
        m_narrows.erase(entry);
    entry = m_narrows.insert(m_narrows.end(), taken); // the newest
    entry->data = data;
    entry->valid = false;
    if (!grow(entry->memory, bytes))
        return nullptr;
    entry->rows = rows;
    entry->columns = columns;
    entry->stride = stride;
    entry->valid = true;
    return static_cast<__nv_bfloat16 *>(entry->memory.data);
}

const __nv_bfloat16 *Context::findNarrow(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride)
{
    for (const Split &s : m_narrows) {
        if (s.valid && s.data == data && s.columns == columns && s.stride == stride && s.rows >= rows)
            return static_cast<const __nv_bfloat16 *>(s.memory.data);
    }
    return nullptr;
}

bool Context::wasSplit(const float *data) const
{
    return std::any_of(m_splits.begin(), m_splits.end(), [&](const Split &s) { return s.data == data; });
}

void Context::wrote(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride)
{
    const float *end = data + (rows > 0 ? (rows - 1) * stride + columns : 0);
    for (std::vector<Split> *forms : {&m_splits, &m_narrows}) {
        for (Split &s : *forms) {
            const float *otherEnd = s.data + (s.rows > 0 ? (s.rows - 1) * s.stride + s.columns : 0);
            if (data < otherEnd && s.data < end)
                s.valid = false;
        }
    }
}

bool Context::openChoosing()
{
    constexpr std::size_t kRows = kc::kChooseRows, kBuckets = kRows * kc::kChooseBuckets, kStretches = kRows * kc::kChooseStretches;
    constexpr std::size_t kLong = 2 * kRows + kStretches + kBuckets, kShort = kRows + kBuckets;
    constexpr std::size_t kBytes = kLong * sizeof(unsigned long long) + kShort * sizeof(unsigned);
    if (cudaMalloc(&choosingRoom, kBytes) != cudaSuccess || cudaMemset(choosingRoom, 0, kBytes) != cudaSuccess)
        return false;
    choosing.best = static_cast<unsigned long long *>(choosingRoom);
    choosing.plain = choosing.best + kRows;
    choosing.stretches = choosing.plain + kRows;
    choosing.masses = choosing.stretches + kStretches;
    choosing.broken = reinterpret_cast<unsigned *>(choosing.masses + kBuckets);
    choosing.counts = choosing.broken + kRows;
    return true;
}

void Context::forgetRecorded()
{
    cudaStreamSynchronize(stream); // one may be at work
    for (auto &[key, entry] : recorded) {
        if (entry.graph != nullptr)
            cudaGraphExecDestroy(entry.graph);
    }
    recorded.clear();
}

cudaGraphExec_t Context::aheadOf(std::int64_t rows) const
{
    if (!runsAhead || progress != Stage::Replayed || !continuesAnswers || failed()
        || rows != static_cast<std::int64_t>(numbers.rows()) || !canForesee(numbers, kc::kStepLimits))
        return nullptr;
    const auto found = recorded.find(stepKey);
    return found != recorded.end() && found->second.generation == generation ? found->second.graph : nullptr;
}

kc::RowTable Context::tableOf(const DiptychCudaSequence *sequences, std::int32_t count)
{
    kc::RowTable table;
    if (count < 0 && stepFits) {
        table.rows = static_cast<int>(numbers.rows());
        table.positions = stepPositionsDevice();
        table.firstBlock = table.positions + kStepRows;
        table.blocks = table.firstBlock + kStepRows;
        return table;
    }
    const Sequences of = sequencesOf(sequences, count);
    std::vector<std::int32_t> blocks;
    std::vector<std::int32_t> positions;
    std::vector<std::int32_t> firstBlock;
    for (int s = 0; s < of.count; ++s) {
        const DiptychCudaSequence &sequence = of.data[s];
        const std::size_t end = static_cast<std::size_t>(sequence.firstRow + sequence.rowCount);
        if (positions.size() < end) {
            positions.resize(end);
            firstBlock.resize(end);
        }
        for (int i = 0; i < sequence.rowCount; ++i) {
            positions[static_cast<std::size_t>(sequence.firstRow + i)] = sequence.firstPosition + i;
            firstBlock[static_cast<std::size_t>(sequence.firstRow + i)] = static_cast<std::int32_t>(blocks.size());
        }
        blocks.insert(blocks.end(), sequence.blocks, sequence.blocks + sequence.blockCount);
    }
    table.rows = static_cast<int>(positions.size());
    table.positions = stage(positions.data(), positions.size());
    table.firstBlock = stage(firstBlock.data(), firstBlock.size());
    table.blocks = stage(blocks.data(), blocks.size());
    return table;
}

const std::int32_t *Context::positionsOf(const std::int32_t *positions, std::int64_t rows)
{
    if (positions != nullptr)
        return stage(positions, static_cast<std::size_t>(rows));
    return stepFits ? stepPositionsDevice() : stage(numbers.positions.data(), numbers.positions.size());
}

void Context::close()
{
    forgetRecorded(); // waits
    cudaEventDestroy(chosenEvent);
    staging.close();
    cudaFreeHost(stepHost);
    cudaFreeHost(bounce);
    cudaFree(stepDevice);
    cudaFree(tickets);
    cudaFree(choosingRoom);
    for (const Constant &known : m_constants)
        give(known.device);
    for (const Buffer &buffer : m_rooms)
        give(buffer.data);
    for (const std::vector<Split> *forms : {&m_splits, &m_narrows}) {
        for (const Split &form : *forms)
            give(form.memory.data);
    }
    for (void *piece : m_pieces)
        cudaFree(piece);
    cudaStreamDestroy(stream);
}

} // namespace plugin
