// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// libdiptych-cuda.so: the C table of cuda_plugin_api.h over the kernels of kernels/cuda. No engine state crosses.
#include "backend/cuda_plugin_api.h"

#include "cuda/attention/attention.h"
#include "cuda/elementwise/elementwise.h"
#include "cuda/linear/linear.h"
#include "cuda/norm/norm.h"
#include "cuda/routing/routing.h"

#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using kernels::DType;
namespace kc = kernels::cuda;

// Small host arrays (ids, positions, block tables) go through one pinned ring; a full ring waits for the stream.
class Staging {
public:
    cudaError_t open(std::size_t bytes)
    {
        m_bytes = bytes;
        const cudaError_t host = cudaMallocHost(reinterpret_cast<void **>(&m_host), bytes);
        return host != cudaSuccess ? host : cudaMalloc(reinterpret_cast<void **>(&m_device), bytes);
    }
    void close()
    {
        cudaFreeHost(m_host);
        cudaFree(m_device);
    }
    void reset() { m_used = 0; }
    template <typename T> const T *put(const T *values, std::size_t count, cudaStream_t stream, cudaError_t &error)
    {
        const std::size_t bytes = (count * sizeof(T) + 255) / 256 * 256;
        if (count == 0)
            return nullptr;
        if (bytes > m_bytes) {
            error = cudaErrorInvalidValue;
            return nullptr;
        }
        if (m_used + bytes > m_bytes) {
            const cudaError_t waited = cudaStreamSynchronize(stream);
            if (error == cudaSuccess)
                error = waited;
            m_used = 0;
        }
        std::memcpy(m_host + m_used, values, count * sizeof(T));
        const cudaError_t copied =
            cudaMemcpyAsync(m_device + m_used, m_host + m_used, count * sizeof(T), cudaMemcpyHostToDevice, stream);
        if (error == cudaSuccess)
            error = copied;
        const auto *result = reinterpret_cast<const T *>(m_device + m_used);
        m_used += bytes;
        return result;
    }

private:
    unsigned char *m_host = nullptr;
    unsigned char *m_device = nullptr;
    std::size_t m_bytes = 0;
    std::size_t m_used = 0;
};

struct Context {
    int device = 0;
    cudaStream_t stream = nullptr;
    std::string name;
    Staging staging;
    float *workspace = nullptr;
    std::size_t workspaceBytes = 0;
    cudaError_t error = cudaSuccess; // the first of the step
    const char *where = "";

    void note(cudaError_t result, const char *operation)
    {
        if (result != cudaSuccess && error == cudaSuccess) {
            error = result;
            where = operation;
        }
    }
    template <typename T> const T *stage(const T *values, std::size_t count)
    {
        cudaError_t result = cudaSuccess;
        const T *device = staging.put(values, count, stream, result);
        note(result, "copying arguments");
        return device;
    }
    float *scratch(std::size_t bytes)
    {
        if (bytes > workspaceBytes) {
            note(cudaStreamSynchronize(stream), "workspace");
            cudaFree(workspace);
            workspace = nullptr;
            workspaceBytes = 0;
            const cudaError_t result = cudaMalloc(reinterpret_cast<void **>(&workspace), bytes);
            note(result, "workspace");
            if (result == cudaSuccess)
                workspaceBytes = bytes;
        }
        return workspace;
    }
};

// The current device is a property of the calling thread, so every call names it.
Context &of(void *context)
{
    auto &result = *static_cast<Context *>(context);
    cudaSetDevice(result.device);
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

kc::RowsView viewOf(const DiptychCudaRows &r) { return {r.data, r.rows, r.columns, r.stride}; }

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

kc::RowTable stageTable(Context &c, const DiptychCudaSequence *sequences, int count)
{
    std::vector<std::int32_t> blocks;
    std::vector<std::int32_t> positions;
    std::vector<std::int32_t> firstBlock;
    for (int s = 0; s < count; ++s) {
        const DiptychCudaSequence &sequence = sequences[s];
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
    kc::RowTable table;
    table.rows = static_cast<int>(positions.size());
    table.positions = c.stage(positions.data(), positions.size());
    table.firstBlock = c.stage(firstBlock.data(), firstBlock.size());
    table.blocks = c.stage(blocks.data(), blocks.size());
    return table;
}

void closeContext(void *context)
{
    Context *c = &of(context);
    cudaStreamSynchronize(c->stream);
    c->staging.close();
    cudaFree(c->workspace);
    cudaStreamDestroy(c->stream);
    delete c;
}

void memory(void *context, std::uint64_t *free, std::uint64_t *total)
{
    of(context);
    std::size_t f = 0;
    std::size_t t = 0;
    cudaMemGetInfo(&f, &t);
    *free = f;
    *total = t;
}

void *allocate(void *context, std::size_t bytes)
{
    of(context);
    void *device = nullptr;
    if (cudaMalloc(&device, bytes == 0 ? 1 : bytes) != cudaSuccess) {
        cudaGetLastError(); // an allocation that failed is reported here, not by the step
        return nullptr;
    }
    return device;
}

void release(void *context, void *device)
{
    cudaStreamSynchronize(of(context).stream);
    cudaFree(device);
}

void toDevice(void *context, void *device, const void *host, std::size_t bytes)
{
    Context &c = of(context);
    c.note(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, c.stream), "copy to the device");
    c.note(cudaStreamSynchronize(c.stream), "copy to the device"); // the host bytes may go away after this
}

void toHost(void *context, void *host, const void *device, std::size_t bytes)
{
    Context &c = of(context);
    c.note(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, c.stream), "copy to the host");
    c.note(cudaStreamSynchronize(c.stream), "copy to the host");
}

int finishStep(void *context, char *error, std::size_t errorBytes)
{
    Context &c = of(context);
    c.note(cudaStreamSynchronize(c.stream), "step");
    c.staging.reset();
    const cudaError_t result = c.error;
    c.error = cudaSuccess;
    if (result == cudaSuccess)
        return 0;
    std::snprintf(error, errorBytes, "%s: %s", c.where, cudaGetErrorString(result));
    return result == cudaErrorMemoryAllocation ? 2 : 1;
}

void linear(void *context, DiptychCudaRows input, DiptychCudaWeight weight, const float *bias, DiptychCudaRows output,
    std::int32_t activation, std::int32_t accumulate)
{
    Context &c = of(context);
    kc::LinearArgs args;
    args.input = input.data;
    args.inputStride = input.stride;
    args.weight = viewOf(weight);
    args.bias = bias;
    args.output = output.data;
    args.outputStride = output.stride;
    args.rows = static_cast<int>(input.rows);
    args.activation = static_cast<kc::Activation>(activation);
    args.accumulate = accumulate != 0;
    c.note(kc::linear(args, c.stream), "linear");
}

void headLinear(void *context, const float *input, std::int64_t rows, std::int64_t heads, std::int64_t inputRowStride,
    std::int64_t inputHeadStride, DiptychCudaWeight weight, float *output, std::int64_t outputRowStride,
    std::int64_t outputHeadStride)
{
    Context &c = of(context);
    kc::HeadLinearArgs args;
    args.input = input;
    args.weight = viewOf(weight);
    args.output = output;
    args.rows = static_cast<int>(rows);
    args.heads = static_cast<int>(heads);
    args.inputRowStride = inputRowStride;
    args.inputHeadStride = inputHeadStride;
    args.outputRowStride = outputRowStride;
    args.outputHeadStride = outputHeadStride;
    c.note(kc::headLinear(args, c.stream), "head linear");
}

void normRows(void *context, DiptychCudaRows input, const float *weight, const float *bias, DiptychCudaRows output,
    float epsilon, bool centred)
{
    Context &c = of(context);
    kc::NormArgs args;
    args.input = input.data;
    args.inputStride = input.stride;
    args.weight = weight;
    args.bias = bias;
    args.output = output.data;
    args.outputStride = output.stride;
    args.rows = static_cast<int>(input.rows);
    args.columns = static_cast<int>(input.columns);
    args.epsilon = epsilon;
    args.centred = centred;
    c.note(kc::norm(args, c.stream), "norm");
}

void rmsNorm(void *context, DiptychCudaRows input, const float *weight, DiptychCudaRows output, float epsilon)
{
    normRows(context, input, weight, nullptr, output, epsilon, false);
}

void layerNorm(void *context, DiptychCudaRows input, const float *weight, const float *bias, DiptychCudaRows output,
    float epsilon)
{
    normRows(context, input, weight, bias, output, epsilon, true);
}

void embed(void *context, DiptychCudaWeight table, const std::int32_t *ids, std::int64_t count, DiptychCudaRows output)
{
    Context &c = of(context);
    kc::EmbedArgs args;
    args.table = viewOf(table);
    args.ids = c.stage(ids, static_cast<std::size_t>(count));
    args.output = output.data;
    args.outputStride = output.stride;
    args.count = static_cast<int>(count);
    c.note(kc::embed(args, c.stream), "embedding");
}

void rope(void *context, float *x, std::int64_t rows, std::int64_t heads, std::int64_t dim, std::int64_t rowStride,
    std::int32_t offset, const float *inverseFrequencies, std::int32_t pairs, float magnitude, std::int32_t interleaved,
    const std::int32_t *positions)
{
    Context &c = of(context);
    kc::RopeArgs args;
    args.x = x;
    args.rows = static_cast<int>(rows);
    args.heads = static_cast<int>(heads);
    args.dim = static_cast<int>(dim);
    args.rowStride = rowStride;
    args.offset = offset;
    args.pairs = pairs;
    args.inverseFrequencies = c.stage(inverseFrequencies, static_cast<std::size_t>(pairs));
    args.magnitude = magnitude;
    args.interleaved = interleaved != 0;
    args.positions = c.stage(positions, static_cast<std::size_t>(rows));
    c.note(kc::rope(args, c.stream), "rope");
}

void storeKv(void *context, DiptychCudaRows keys, DiptychCudaRows values, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount)
{
    Context &c = of(context);
    kc::StoreKvArgs args;
    args.keys = keys.data;
    args.keyStride = keys.stride;
    args.values = values.data;
    args.valueStride = values.stride;
    args.cache = viewOf(layer);
    args.table = stageTable(c, sequences, sequenceCount);
    c.note(kc::storeKv(args, c.stream), "cache store");
}

void attention(void *context, const float *query, float *output, std::int32_t heads, float scale, std::int32_t window,
    DiptychCudaKv layer, const DiptychCudaSequence *sequences, std::int32_t sequenceCount, const std::int32_t *observeRows,
    std::int32_t observeCount, float *observed, std::int64_t observeStride)
{
    Context &c = of(context);
    kc::AttentionArgs args;
    args.query = query;
    args.output = output;
    args.heads = heads;
    args.scale = scale;
    args.window = window;
    args.cache = viewOf(layer);
    args.table = stageTable(c, sequences, sequenceCount);
    const std::size_t observedCount = static_cast<std::size_t>(observeCount) * static_cast<std::size_t>(observeStride);
    if (observeCount > 0) {
        std::vector<std::int32_t> index(static_cast<std::size_t>(args.table.rows), -1);
        for (int i = 0; i < observeCount; ++i)
            index[static_cast<std::size_t>(observeRows[i])] = i;
        args.observeIndex = c.stage(index.data(), index.size());
        args.observed = c.scratch(observedCount * sizeof(float));
        args.observeStride = observeStride;
        c.note(cudaMemsetAsync(args.observed, 0, observedCount * sizeof(float), c.stream), "attention");
    }
    c.note(kc::attention(args, c.stream), "attention");
    if (observeCount > 0) {
        std::vector<float> host(observedCount);
        toHost(context, host.data(), args.observed, observedCount * sizeof(float));
        for (std::size_t i = 0; i < observedCount; ++i)
            observed[i] += host[i];
    }
}

void denseAttention(void *context, DiptychCudaRows query, DiptychCudaRows key, DiptychCudaRows value, DiptychCudaRows output,
    std::int32_t batch, std::int32_t tokens, std::int32_t heads, std::int32_t headDim, float scale)
{
    Context &c = of(context);
    kc::DenseAttentionArgs args;
    args.query = query.data;
    args.queryStride = query.stride;
    args.key = key.data;
    args.keyStride = key.stride;
    args.value = value.data;
    args.valueStride = value.stride;
    args.output = output.data;
    args.outputStride = output.stride;
    args.batch = batch;
    args.tokens = tokens;
    args.heads = heads;
    args.headDim = headDim;
    args.scale = scale;
    c.note(kc::denseAttention(args, c.stream), "picture attention");
}

void route(void *context, const DiptychCudaRoute *in)
{
    Context &c = of(context);
    kc::RouteArgs args;
    args.logits = in->logits;
    args.bias = in->bias;
    args.rows = in->rows;
    args.experts = in->experts;
    args.perToken = in->perToken;
    args.groups = in->groups;
    args.groupsPerToken = in->groupsPerToken;
    args.method = in->method;
    args.score = in->score;
    args.normalise = in->normalise != 0;
    args.automatic = in->automatic != 0;
    args.scale = in->scale;
    args.stopExperts = c.stage(in->stopExperts, static_cast<std::size_t>(in->stopCount));
    args.stopCount = in->stopCount;
    args.ids = in->ids;
    args.weights = in->weights;
    c.note(kc::route(args, c.stream), "routing");
}

void moe(void *context, DiptychCudaRows input, DiptychCudaWeight gate, DiptychCudaWeight up, DiptychCudaWeight down,
    const std::int32_t *ids, const float *weights, std::int32_t perToken, DiptychCudaRows output)
{
    Context &c = of(context);
    kc::MoeArgs args;
    args.input = input.data;
    args.inputStride = input.stride;
    args.gate = viewOf(gate);
    args.up = viewOf(up);
    args.down = viewOf(down);
    args.ids = ids;
    args.weights = weights;
    args.perToken = perToken;
    args.rows = static_cast<int>(input.rows);
    args.output = output.data;
    args.outputStride = output.stride;
    args.middle = c.scratch(static_cast<std::size_t>(input.rows * perToken * gate.out) * sizeof(float));
    c.note(kc::moe(args, c.stream), "experts");
}

void siluMultiply(void *context, DiptychCudaRows gate, DiptychCudaRows up, DiptychCudaRows output)
{
    Context &c = of(context);
    c.note(kc::siluMultiply(viewOf(gate), viewOf(up), viewOf(output), c.stream), "silu");
}

void add(void *context, DiptychCudaRows accumulator, DiptychCudaRows addend)
{
    Context &c = of(context);
    c.note(kc::add(viewOf(accumulator), viewOf(addend), c.stream), "add");
}

void copyRows(void *context, DiptychCudaRows destination, DiptychCudaRows source)
{
    Context &c = of(context);
    c.note(kc::copyRows(viewOf(destination), viewOf(source), c.stream), "copy");
}

const char *deviceName(void *context) { return of(context).name.c_str(); }

int refuse(char *error, std::size_t bytes, const std::string &why)
{
    std::snprintf(error, bytes, "%s", why.c_str());
    return 1;
}

} // namespace

extern "C" __attribute__((visibility("default"))) int diptychCudaOpen(std::uint32_t abi, const char *buildId, int device,
    DiptychCudaApi *api, char *error, std::size_t errorBytes)
{
    if (abi != DIPTYCH_CUDA_ABI || std::strcmp(buildId, DIPTYCH_BUILD_ID) != 0)
        return refuse(error, errorBytes, "the CUDA plug-in is of another build of Diptych; install both from one package");
    int count = 0;
    const cudaError_t found = cudaGetDeviceCount(&count);
    if (found == cudaErrorInsufficientDriver)
        return refuse(error, errorBytes, "the NVIDIA driver is missing or older than CUDA 13 needs; update it");
    if (found != cudaSuccess)
        return refuse(error, errorBytes, std::string("no NVIDIA card can be used: ") + cudaGetErrorString(found));
    if (device < 0 || device >= count)
        return refuse(error, errorBytes, "there is no CUDA device " + std::to_string(device) + "; this machine has "
                + std::to_string(count));
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, device) != cudaSuccess || cudaSetDevice(device) != cudaSuccess)
        return refuse(error, errorBytes, "the card does not answer; another program may hold it exclusively");
    cudaFuncAttributes attributes{};
    if (kc::probe(&attributes) != cudaSuccess) {
        cudaGetLastError();
        return refuse(error, errorBytes, std::string(properties.name) + " is of a generation this build has no code for (sm_"
                + std::to_string(properties.major) + std::to_string(properties.minor) + ")");
    }
    auto *context = new Context;
    context->device = device;
    context->name = properties.name;
    if (cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking) != cudaSuccess
        || context->staging.open(16U << 20) != cudaSuccess) {
        delete context;
        return refuse(error, errorBytes, "the card has no memory left for Diptych's own buffers");
    }
    *api = DiptychCudaApi{DIPTYCH_CUDA_ABI, context, closeContext, deviceName, memory, allocate, release, toDevice, toHost,
        finishStep, linear, headLinear, rmsNorm, layerNorm, embed, rope, storeKv, attention, denseAttention, route, moe,
        siluMultiply, add, copyRows};
    return 0;
}
