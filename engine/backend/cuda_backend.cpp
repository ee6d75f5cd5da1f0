// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// The engine's side of the CUDA plug-in: finds libdiptych-cuda.so, checks it and speaks its C table. No CUDA headers.
#include "backend/backend.h"
#include "backend/cuda_plugin_api.h"
#include "base/assert.h"
#include "kernels/convert.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <string>

namespace engine {

namespace {

constexpr const char *kPluginName = "libdiptych-cuda.so";

struct Library {
    void *handle = nullptr;
    DiptychCudaApi api{};
    ~Library()
    {
        if (api.close != nullptr)
            api.close(api.context);
        // The library stays mapped: CUDA's own threads may still hold code of it.
    }
};

struct DeviceBlock final : Buffer::Block {
    explicit DeviceBlock(std::shared_ptr<Library> l) : library(std::move(l)) {}
    ~DeviceBlock() override { library->api.release(library->api.context, data); }
    std::shared_ptr<Library> library;
};

struct CudaWeight final : Weight {
    Buffer data, scales;
    DiptychCudaWeight view{}; // layout: DIPTYCH_CUDA_ROWS at first
};

DiptychCudaRows rowsOf(const Tensor &t)
{
    return {t.f32(), t.rows(), t.columns(), t.rowStride == 0 ? t.columns() : t.rowStride};
}

DiptychCudaWeight weightOf(const Weight *weight) { return static_cast<const CudaWeight *>(weight)->view; }

const float *vectorOf(const Weight *weight)
{
    return weight == nullptr ? nullptr : static_cast<const float *>(weightOf(weight).data);
}

DiptychCudaKv kvOf(const KvLayer &layer)
{
    return {layer.keys, layer.values, static_cast<std::int32_t>(layer.dtype), layer.kvHeads, layer.keyDim, layer.valueDim,
            layer.valuesInKeys ? 1 : 0, layer.blockTokens};
}

std::vector<DiptychCudaSequence> sequencesOf(std::span<const KvSequence> sequences, int blockTokens)
{
    std::vector<DiptychCudaSequence> result;
    result.reserve(sequences.size());
    for (const KvSequence &s : sequences) {
        // Only the blocks that hold context travel to the device, and the one that the next token of an answer will need.
        const int end = s.firstPosition + s.rowCount;
        const int last = s.rowCount == 1 ? end : end - 1;
        const int used = std::min(last / blockTokens + 1, static_cast<int>(s.blocks.size()));
        result.push_back({s.firstRow, s.rowCount, s.firstPosition, used, s.blocks.data()});
    }
    return result;
}

// The types the plug-in's products read as they lie; others are widened to F32 at upload.
bool isNative(DType type)
{
    switch (type) {
    case DType::F32:
    case DType::F16:
    case DType::BF16:
    case DType::F8E4M3:
    case DType::Q8_0:
    case DType::Q4_0:
    case DType::Q4_1:
    case DType::Q5_0:
    case DType::Q5_1:
    case DType::Q4_K:
    case DType::Q5_K:
    case DType::Q6_K: return true;
    default: return false;
    }
}

std::vector<float> widen(const FileTensor &tensor)
{
    const std::int64_t columns = tensor.shape.rank == 0 ? 1 : tensor.shape[tensor.shape.rank - 1];
    const std::int64_t rows = columns == 0 ? 0 : tensor.shape.elements() / columns;
    const std::size_t bytes = kernels::rowBytes(tensor.dtype, static_cast<std::size_t>(columns));
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    const std::int64_t scaleColumns = (columns + tensor.scaleBlockColumns - 1) / tensor.scaleBlockColumns;
    const std::size_t scaleRowBytes = kernels::rowBytes(tensor.scaleType, static_cast<std::size_t>(scaleColumns));
    for (std::int64_t row = 0; row < rows; ++row) {
        float *target = values.data() + row * columns;
        kernels::dequantizeRow(tensor.dtype, tensor.bytes.data() + static_cast<std::size_t>(row) * bytes, columns, target);
        if (!tensor.scales.empty()) {
            const auto block = static_cast<std::size_t>(row / tensor.scaleBlockRows);
            kernels::applyScales(target, columns, tensor.scales.data() + block * scaleRowBytes, tensor.scaleType,
                tensor.scaleBlockColumns);
        }
    }
    return values;
}

// F32: no re-quantisation asked for.
DType requantizeType(std::string_view name)
{
    if (name == "q8_0")
        return DType::Q8_0;
    return name == "q4_0" ? DType::Q4_0 : DType::F32;
}

DiptychCudaRoute routeOf(const RouteArgs &a)
{
    DiptychCudaRoute args{};
    args.logits = a.logits.f32();
    args.bias = vectorOf(a.bias);
    args.rows = static_cast<std::int32_t>(a.logits.rows());
    args.experts = a.experts;
    args.perToken = a.perToken;
    args.groups = a.groups;
    args.groupsPerToken = a.groupsPerToken;
    args.method = a.method;
    args.score = a.score;
    args.normalise = a.normalise ? 1 : 0;
    args.automatic = a.automatic ? 1 : 0;
    args.scale = a.scale;
    args.stopExperts = a.stopExperts.data();
    args.stopCount = static_cast<std::int32_t>(a.stopExperts.size());
    args.ids = a.ids;
    args.weights = a.weights;
    return args;
}

DiptychCudaLatent latentOf(const LatentPrepareArgs &a)
{
    DiptychCudaLatent args{};
    args.projected = rowsOf(a.projected);
    args.latent = rowsOf(a.latent);
    args.gain = vectorOf(a.norm);
    args.epsilon = a.epsilon;
    args.heads = a.heads;
    args.latentWidth = static_cast<std::int32_t>(a.latent.columns()) - a.rope;
    args.nope = a.nope;
    args.rope = a.rope;
    return args;
}

DiptychCudaResizePass passOf(const ResizePass &pass)
{
    return {pass.first.data(), pass.count.data(), pass.weights.data(), pass.outputs, pass.taps};
}

DiptychCudaPictureLayer pictureLayerOf(const PictureLayerArgs &a)
{
    DiptychCudaPictureLayer args{};
    args.hidden = rowsOf(a.hidden);
    args.normed = rowsOf(a.normed);
    args.joined = rowsOf(a.joined);
    args.wide = rowsOf(a.wide);
    args.queryKeyValue = weightOf(a.queryKeyValue.weight);
    args.output = weightOf(a.output.weight);
    args.up = weightOf(a.up.weight);
    args.down = weightOf(a.down.weight);
    args.queryKeyValueBias = vectorOf(a.queryKeyValue.bias);
    args.outputBias = vectorOf(a.output.bias);
    args.upBias = vectorOf(a.up.bias);
    args.downBias = vectorOf(a.down.bias);
    args.norm1 = vectorOf(a.norm1.weight);
    args.norm1Bias = vectorOf(a.norm1.bias);
    args.norm2 = vectorOf(a.norm2.weight);
    args.norm2Bias = vectorOf(a.norm2.bias);
    args.tiles = a.tiles;
    args.tokens = a.tokens;
    args.heads = a.heads;
    args.epsilon = a.epsilon;
    return args;
}

DiptychCudaRope ropeOf(std::span<const float> frequencies, float magnitude, bool interleaved)
{
    return {frequencies.data(), static_cast<std::int32_t>(frequencies.size()), interleaved ? 1 : 0, magnitude, nullptr};
}

// What one model may take of a card, in bytes; 0: all that is free.
std::uint64_t shareOfMemory()
{
    const char *mebibytes = std::getenv("DIPTYCH_CUDA_MEMORY_MIB");
    std::uint64_t value = 0;
    if (mebibytes != nullptr)
        std::from_chars(mebibytes, mebibytes + std::strlen(mebibytes), value);
    return value << 20U;
}

class CudaBackend final : public Backend {
public:
    CudaBackend(std::shared_ptr<Library> library, int device, bool exact)
        : m_library(std::move(library)), m_api(m_library->api), m_id("cuda:" + std::to_string(device)), m_exact(exact)
    {
    }

    std::string_view id() const override { return m_id; }
    bool hostMemory() const override { return false; }

    Result<Buffer> allocate(std::size_t bytes) override
    {
        auto block = std::make_unique<DeviceBlock>(m_library);
        block->data = static_cast<std::byte *>(m_api.allocate(m_api.context, bytes));
        block->bytes = bytes;
        if (block->data == nullptr)
            return outOfMemory(bytes);
        return Buffer(std::move(block));
    }

    Status reserve(std::size_t bytes) override
    {
        if (bytes > 0 && m_api.reserve(m_api.context, bytes) == 0)
            return outOfMemory(bytes);
        return Done{};
    }
    WorkMemory workMemory() const override
    {
        const DiptychCudaWork work = m_api.work(m_api.context);
        return {.reserved = work.reserved, .most = work.most, .outside = work.outside};
    }

    Result<WeightPtr> upload(const FileTensor &tensor, const UploadOptions &options) override
    {
        const FileTensor *const one[] = {&tensor};
        return uploadMany(one, tensor.shape, options);
    }

    Result<WeightPtr> uploadExperts(std::span<const FileTensor *const> experts, const UploadOptions &options) override
    {
        ENGINE_ASSERT(!experts.empty());
        const FileTensor &first = *experts[0];
        if (experts.size() == 1 && first.shape.rank == 3)
            return uploadMany(experts, first.shape, options);
        return uploadMany(experts, Shape{static_cast<std::int64_t>(experts.size()), first.shape[0], first.shape[1]}, options);
    }

    Result<WeightPtr> uploadValues(std::span<const float> values, const Shape &shape) override
    {
        auto weight = std::make_unique<CudaWeight>();
        const bool narrow = !m_exact && shape.rank >= 2;
        if (narrow) {
            std::vector<std::uint16_t> rounded(values.size());
            std::transform(values.begin(), values.end(), rounded.begin(), kernels::floatToBfloat);
            ENGINE_TRY(weight->data, allocate(rounded.size() * sizeof(std::uint16_t)));
            m_api.toDevice(m_api.context, weight->data.data(), rounded.data(), rounded.size() * sizeof(std::uint16_t));
        } else {
            ENGINE_TRY(weight->data, allocate(values.size_bytes()));
            m_api.toDevice(m_api.context, weight->data.data(), values.data(), values.size_bytes());
        }
        describe(*weight, shape, narrow ? DType::BF16 : DType::F32);
        chooseLayout(*weight);
        ENGINE_CHECK(finishStep());
        return WeightPtr(std::move(weight));
    }

    Result<std::vector<float>> dequantize(const FileTensor &tensor) override
    {
        if (!kernels::isWeightType(tensor.dtype))
            return Error{ErrorCode::Unsupported, "tensor " + tensor.name + " holds "
                    + std::string(kernels::dtypeInfo(tensor.dtype).name) + ", which is no weight type"};
        return widen(tensor);
    }

    void linear(const LinearArgs &a) override
    {
        m_api.linear(m_api.context, rowsOf(a.input), weightOf(a.weight), vectorOf(a.bias), rowsOf(a.output),
            static_cast<std::int32_t>(a.activation), a.accumulate ? 1 : 0);
    }
    void headLinear(const HeadLinearArgs &a) override
    {
        const DiptychCudaWeight w = weightOf(a.weight);
        const std::int64_t heads = w.experts;
        const std::int64_t inputHead = a.inputHeadStride != 0 ? a.inputHeadStride : w.in;
        const std::int64_t outputHead = a.outputHeadStride != 0 ? a.outputHeadStride : w.out;
        const std::int64_t inputRow = a.inputRowStride != 0 ? a.inputRowStride : heads * inputHead;
        const std::int64_t outputRow = a.outputRowStride != 0 ? a.outputRowStride : heads * outputHead;
        m_api.headLinear(m_api.context, a.input.f32(), a.input.shape[0], heads, inputRow, inputHead, w, a.output.f32(), outputRow,
            outputHead);
    }
    void rmsNorm(const RmsNormArgs &a) override
    {
        m_api.rmsNorm(m_api.context, rowsOf(a.input), vectorOf(a.weight), rowsOf(a.output), a.epsilon);
    }
    void layerNorm(const LayerNormArgs &a) override
    {
        m_api.layerNorm(m_api.context, rowsOf(a.input), vectorOf(a.weight), vectorOf(a.bias), rowsOf(a.output), a.epsilon);
    }
    void embed(const EmbedArgs &a) override
    {
        m_api.embed(m_api.context, weightOf(a.table), isStep(a.ids) ? nullptr : a.ids.data(), static_cast<std::int64_t>(a.ids.size()), rowsOf(a.output));
    }
    void rope(const RopeArgs &a) override
    {
        const std::int64_t stride = a.rowStride != 0 ? a.rowStride : a.x.shape[1] * a.x.shape[2];
        m_api.rope(m_api.context, a.x.f32(), a.x.shape[0], a.x.shape[1], a.x.shape[2], stride, a.offset,
            a.inverseFrequencies.data(), static_cast<std::int32_t>(a.inverseFrequencies.size()), a.magnitude,
            a.interleaved ? 1 : 0, isStep(a.positions) ? nullptr : a.positions.data());
    }
    void storeKv(const StoreKvArgs &a) override
    {
        const Sequences sequences(*this, a.sequences, a.layer.blockTokens);
        m_api.storeKv(m_api.context, rowsOf(a.keys), a.layer.valuesInKeys ? DiptychCudaRows{} : rowsOf(a.values), kvOf(a.layer),
            sequences.data(), sequences.count());
    }
    void attention(const AttentionArgs &a) override
    {
        const Sequences sequences(*this, a.sequences, a.layer.blockTokens);
        const auto observeCount = a.observed != nullptr ? static_cast<std::int32_t>(a.observeRows.size()) : 0;
        if (a.selected != nullptr) {
            const DiptychCudaSparse args{a.query.f32(), a.output.f32(), a.heads, a.scale, a.selected, a.selectedPerRow,
                a.observeRows.data(), observeCount, a.observed, a.observeStride};
            m_api.sparseAttention(m_api.context, &args, kvOf(a.layer), sequences.data(), sequences.count());
            return;
        }
        m_api.attention(m_api.context, a.query.f32(), a.output.f32(), a.heads, a.scale, a.window, kvOf(a.layer), sequences.data(),
            sequences.count(), a.observeRows.data(), observeCount, a.observed, a.observeStride);
    }
    void denseAttention(const DenseAttentionArgs &a) override
    {
        m_api.denseAttention(m_api.context, rowsOf(a.query), rowsOf(a.key), rowsOf(a.value), rowsOf(a.output), a.batch, a.tokens,
            a.heads, a.headDim, a.scale);
    }
    void route(const RouteArgs &a) override
    {
        const DiptychCudaRoute args = routeOf(a);
        m_api.route(m_api.context, &args);
    }
    void router(const RouterArgs &a) override
    {
        const DiptychCudaRoute args = routeOf(a.route);
        m_api.router(m_api.context, rowsOf(a.input), weightOf(a.weight), &args);
    }
    void moe(const MoeArgs &a) override
    {
        m_api.moe(m_api.context, rowsOf(a.input), weightOf(a.gate), weightOf(a.up), weightOf(a.down), a.ids, a.weights, a.perToken,
            rowsOf(a.output));
    }
    void siluMultiply(Tensor gate, Tensor up, Tensor output) override
    {
        m_api.siluMultiply(m_api.context, rowsOf(gate), rowsOf(up), rowsOf(output));
    }
    void add(Tensor accumulator, Tensor addend) override
    {
        m_api.add(m_api.context, rowsOf(accumulator), rowsOf(addend));
    }
    void copyRows(Tensor destination, Tensor source) override
    {
        m_api.copyRows(m_api.context, rowsOf(destination), rowsOf(source));
    }
    void toDevice(Tensor destination, const void *host, std::size_t bytes) override
    {
        m_api.toDevice(m_api.context, destination.data, host, bytes);
    }
    void toHost(void *host, Tensor source) override
    {
        const std::int64_t stride = source.rowStride == 0 ? source.columns() : source.rowStride;
        const std::size_t rowBytes = kernels::rowBytes(source.dtype, static_cast<std::size_t>(source.columns()));
        const auto strideBytes = kernels::rowBytes(source.dtype, static_cast<std::size_t>(stride));
        if (strideBytes == rowBytes) {
            m_api.toHost(m_api.context, host, source.data, rowBytes * static_cast<std::size_t>(source.rows()));
            return;
        }
        for (std::int64_t row = 0; row < source.rows(); ++row)
            m_api.toHost(m_api.context, static_cast<std::byte *>(host) + static_cast<std::size_t>(row) * rowBytes,
                source.data + static_cast<std::size_t>(row) * strideBytes, rowBytes);
    }
    Status finishStep() override
    {
        char text[512] = {};
        m_step = {};
        const int result = m_api.finishStep(m_api.context, text, sizeof text);
        if (result == 0)
            return Done{};
        return Error{result == 2 ? ErrorCode::OutOfMemory : ErrorCode::DeviceLost, 
            result == 2 ? "the card has no memory left for this (" + std::string(text) + "); ask again with a shorter context, or load the model with a smaller one"
                        : "the card failed (" + std::string(text) + "); start Diptych again, or load the model on the processor"};
    }

    bool hasTokenSelection() const override { return true; }
    void selectTokens(const SelectTokensArgs &a) override
    {
        const Sequences sequences(*this, a.sequences, a.layer.blockTokens);
        const DiptychCudaSelection args{rowsOf(a.query), rowsOf(a.weights), a.heads, a.scale, a.window, a.perRow, a.selected};
        m_api.selectTokens(m_api.context, &args, kvOf(a.layer), sequences.data(), sequences.count());
    }
    bool hasCrossModal() const override { return true; }
    void crossModalAttention(const CrossModalAttentionArgs &a) override
    {
        std::vector<DiptychCudaPictureList> lists;
        for (const CrossModalList &list : a.lists)
            lists.push_back({list.firstRow, list.rowCount, static_cast<std::int32_t>(list.keys.rows()), list.keys.f32(), list.values.f32()});
        m_api.crossModalAttention(m_api.context, rowsOf(a.query), rowsOf(a.output), a.heads, a.headDim, a.scale, lists.data(),
            static_cast<std::int32_t>(lists.size()), a.observeRows.data(),
            a.observed != nullptr ? static_cast<std::int32_t>(a.observeRows.size()) : 0, a.observed, a.observeStride);
    }
    void crossModalGate(const CrossModalGateArgs &a) override
    {
        m_api.crossModalGate(m_api.context, rowsOf(a.hidden), rowsOf(a.attended), vectorOf(a.weight), vectorOf(a.bias), rowsOf(a.shares));
    }
    void patches(const PatchesArgs &a) override
    {
        m_api.patches(m_api.context, a.placed != nullptr ? reinterpret_cast<const std::uint8_t *>(a.placed) : a.pixels.data(),
            a.placed != nullptr ? 1 : 0, a.tiles, a.size, a.patch, a.values.data(), rowsOf(a.output));
    }
    bool resizeTiles(const ResizeTilesArgs &a) override
    {
        std::vector<DiptychCudaResizeView> views;
        for (const ResizeView &view : a.views)
            views.push_back({passOf(view.columns), passOf(view.rows), view.rowsFirst ? 1 : 0, view.left, view.top, view.tilesWide, view.tilesHigh});
        return m_api.resizeTiles(m_api.context, a.pixels.data(), a.width, a.height, views.data(), static_cast<std::int32_t>(views.size()),
                   a.size, a.ground.data(), a.tiles) != 0;
    }
    void pictureLayer(const PictureLayerArgs &a) override
    {
        const DiptychCudaPictureLayer args = pictureLayerOf(a);
        if (m_exact || m_api.pictureLayer(m_api.context, &args) == 0)
            Backend::pictureLayer(a);
    }
    void scatterRows(const ScatterRowsArgs &a) override
    {
        m_api.scatterRows(m_api.context, rowsOf(a.source), rowsOf(a.destination), a.rows.data(), static_cast<std::int32_t>(a.rows.size()));
    }
    bool prefersChoosing() const override { return true; }
    void choose(const ChooseArgs &a, std::span<kernels::Choice> choices) override
    {
        ENGINE_ASSERT(a.rules.size() == choices.size() && static_cast<std::int64_t>(choices.size()) == a.logits.rows());
        m_api.choose(m_api.context, rowsOf(a.logits), a.count, a.rules.data(), choices.data());
    }

    void swiglu(const SwigluArgs &a) override
    {
        if (m_exact || m_api.swiglu(m_api.context, rowsOf(a.input), weightOf(a.gateAndUp), rowsOf(a.output)) == 0)
            Backend::swiglu(a);
    }
    void feedForward(const FeedForwardArgs &a) override
    {
        if (m_exact
            || m_api.feedForward(m_api.context, rowsOf(a.gated.input), weightOf(a.gated.gateAndUp), weightOf(a.down), rowsOf(a.output)) == 0)
            Backend::feedForward(a);
    }
    void moeWithShared(const MoeSharedArgs &a) override
    {
        const MoeArgs &m = a.moe;
        if (m_exact || m_api.moeWithShared(m_api.context, rowsOf(m.input), weightOf(m.gate), weightOf(m.up), weightOf(m.down), m.ids, m.weights,
                m.perToken, weightOf(a.shared.gateAndUp), weightOf(a.sharedDown), rowsOf(m.output)) == 0)
            Backend::moeWithShared(a);
    }
    void headsPrepare(const HeadsPrepareArgs &a) override
    {
        if (m_exact || a.query.rowStride != a.key.rowStride || a.query.rowStride != a.value.rowStride) {
            Backend::headsPrepare(a);
            return;
        }
        const Sequences sequences(*this, a.sequences, a.layer.blockTokens);
        m_api.headsPrepare(m_api.context, rowsOf(a.query), rowsOf(a.key), rowsOf(a.value), a.rotated.f32(), a.heads,
            ropeOf(a.inverseFrequencies, a.magnitude, a.interleaved), kvOf(a.layer), sequences.data(), sequences.count());
    }
    void latentPrepare(const LatentPrepareArgs &a) override
    {
        if (m_exact) {
            Backend::latentPrepare(a);
            return;
        }
        const Sequences sequences(*this, a.sequences, a.layer.blockTokens);
        DiptychCudaLatent args = latentOf(a);
        args.query = a.query.f32();
        m_api.latentPrepare(m_api.context, &args, ropeOf(a.inverseFrequencies, a.magnitude, a.interleaved), kvOf(a.layer),
            sequences.data(), sequences.count());
    }
    bool latentPrompt(const LatentPromptArgs &a) override
    {
        if (m_exact)
            return false;
        const LatentPrepareArgs &p = a.prepare;
        const Sequences sequences(*this, p.sequences, p.layer.blockTokens);
        DiptychCudaLatentPrompt args{};
        args.latent = latentOf(p);
        args.keyUp = weightOf(a.keyUp);
        args.valueUp = weightOf(a.valueUp);
        args.output = rowsOf(a.output);
        args.scale = a.scale;
        args.window = a.window;
        return m_api.latentPrompt(m_api.context, &args, ropeOf(p.inverseFrequencies, p.magnitude, p.interleaved), kvOf(p.layer),
                   sequences.data(), sequences.count()) != 0;
    }

    void beginStep(const StepInputs &inputs) override
    {
        if (m_exact)
            return;
        m_step = inputs;
        if (inputs.sequences.empty())
            return;
        const auto sequences = sequencesOf(inputs.sequences, inputs.blockTokens);
        m_api.beginStep(m_api.context, inputs.ids.data(), inputs.positions.data(), static_cast<std::int32_t>(inputs.ids.size()),
            sequences.data(), static_cast<std::int32_t>(sequences.size()), inputs.blockTokens);
    }
    Replay replay(std::uint64_t key) override
    {
        if (m_exact)
            return Replay::Run;
        switch (m_api.replay(m_api.context, key)) {
        case 1: return Replay::Record;
        case 2: return Replay::Done;
        default: return Replay::Run;
        }
    }
    bool endRecording() override { return m_api.endRecording(m_api.context) != 0; }
    StepCounts stepCounts() const override
    {
        const DiptychCudaSteps steps = m_api.steps(m_api.context);
        return {.replayed = steps.replayed, .recorded = steps.recorded, .launched = steps.launched, .ahead = steps.ahead,
                .forgotten = steps.forgotten, .refusal = steps.refusal};
    }
    std::string deviceName() const override { return m_api.deviceName(m_api.context); }
    DeviceMemory memory() override
    {
        DeviceMemory result;
        m_api.memory(m_api.context, &result.free, &result.total);
        if (m_free == 0)
            m_free = result.free;
        if (const std::uint64_t share = shareOfMemory(); share > 0) {
            const std::uint64_t taken = m_free - std::min(m_free, result.free);
            result.free = std::min(result.free, share - std::min(share, taken));
        }
        return result;
    }

private:
    // The sequences of an operation: those of the step, or its own.
    class Sequences {
    public:
        Sequences(const CudaBackend &backend, std::span<const KvSequence> sequences, int blockTokens)
            : m_isStep(!sequences.empty() && sequences.data() == backend.m_step.sequences.data()
                  && sequences.size() == backend.m_step.sequences.size())
        {
            if (!m_isStep)
                m_own = sequencesOf(sequences, blockTokens);
        }
        const DiptychCudaSequence *data() const { return m_own.data(); }
        std::int32_t count() const { return m_isStep ? -1 : static_cast<std::int32_t>(m_own.size()); }

    private:
        bool m_isStep;
        std::vector<DiptychCudaSequence> m_own;
    };
    bool isStep(std::span<const std::int32_t> values) const
    {
        return !values.empty() && !m_step.sequences.empty()
            && ((values.data() == m_step.ids.data() && values.size() == m_step.ids.size())
                || (values.data() == m_step.positions.data() && values.size() == m_step.positions.size()));
    }

    // Wide rows where the tensor cores can take them; packed ones are made by packRows.
    void chooseLayout(CudaWeight &weight)
    {
        DiptychCudaWeight &view = weight.view;
        const auto type = static_cast<DType>(view.dtype);
        if (m_exact || weight.shape.rank < 2 || view.in % 32 != 0 || (type != DType::F16 && type != DType::BF16))
            return;
        if (type == DType::F16 || m_api.fitsHalf(m_api.context, view.data, view.experts * view.out * view.in) != 0)
            view.layout = DIPTYCH_CUDA_WIDE;
    }
    // Quantised rows in the order the kernels read them.
    Status packRows(CudaWeight &weight)
    {
        if (m_exact || weight.shape.rank < 2)
            return Done{};
        const std::size_t bytes = m_api.packedBytes(m_api.context, &weight.view);
        if (bytes == 0)
            return Done{};
        ENGINE_TRY(Buffer packed, allocate(bytes));
        m_api.pack(m_api.context, &weight.view, packed.data());
        ENGINE_CHECK(finishStep());
        weight.data = std::move(packed);
        weight.scales = {};
        weight.view.data = weight.data.data();
        weight.view.scales = nullptr;
        weight.view.layout = DIPTYCH_CUDA_PACKED;
        weight.bytes = bytes;
        return Done{};
    }

    Error outOfMemory(std::size_t bytes)
    {
        std::uint64_t free = 0;
        std::uint64_t total = 0;
        m_api.memory(m_api.context, &free, &total);
        return Error{ErrorCode::OutOfMemory, "the card has " + std::to_string(free >> 20) + " MiB free and "
                + std::to_string(bytes >> 20) + " MiB more are needed; use a smaller context, a smaller precision or the processor"};
    }

    static void describe(CudaWeight &weight, const Shape &shape, DType dtype)
    {
        const bool isVector = shape.rank <= 1;
        weight.shape = shape;
        weight.dtype = dtype;
        weight.bytes = weight.data.bytes() + weight.scales.bytes();
        DiptychCudaWeight &view = weight.view;
        view.data = weight.data.data();
        view.scales = weight.scales.data();
        view.experts = shape.rank == 3 ? shape[0] : 1;
        view.in = shape.rank == 0 ? 1 : shape[shape.rank - 1];
        view.out = isVector ? 1 : shape[shape.rank - 2];
        view.dtype = static_cast<std::int32_t>(dtype);
        view.rowBytes = static_cast<std::int64_t>(kernels::rowBytes(dtype, static_cast<std::size_t>(view.in)));
        view.scaleType = static_cast<std::int32_t>(DType::F32);
        view.scaleRows = view.scaleColumns = 128;
    }

    // Tensors one after the other as one weight of `shape`. Vectors (norms, biases) are kept in float32.
    Result<WeightPtr> uploadMany(std::span<const FileTensor *const> tensors, const Shape &shape, const UploadOptions &options)
    {
        const FileTensor &first = *tensors[0];
        if (!kernels::isWeightType(first.dtype))
            return Error{ErrorCode::Unsupported, "tensor " + first.name + " holds "
                    + std::string(kernels::dtypeInfo(first.dtype).name) + ", which is no weight type"};
        const std::int64_t columns = shape.rank == 0 ? 1 : shape[shape.rank - 1];
        const bool requantizable = shape.rank >= 2 && columns % 32 == 0 && !options.transposed;
        const DType target = requantizable ? requantizeType(options.requantize) : DType::F32;
        const bool requantize = target != DType::F32;
        const bool keep = shape.rank >= 2 && isNative(first.dtype) && !requantize && !options.transposed;
        auto weight = std::make_unique<CudaWeight>();
        if (keep) {
            std::size_t bytes = 0;
            std::size_t scaleBytes = 0;
            for (const FileTensor *tensor : tensors) {
                bytes += tensor->bytes.size();
                scaleBytes += tensor->scales.size();
            }
            ENGINE_TRY(weight->data, allocate(bytes));
            if (scaleBytes > 0) {
                ENGINE_TRY(weight->scales, allocate(scaleBytes));
            }
            std::size_t offset = 0;
            std::size_t scaleOffset = 0;
            for (const FileTensor *tensor : tensors) {
                m_api.toDevice(m_api.context, weight->data.data() + offset, tensor->bytes.data(), tensor->bytes.size());
                offset += tensor->bytes.size();
                if (!tensor->scales.empty())
                    m_api.toDevice(m_api.context, weight->scales.data() + scaleOffset, tensor->scales.data(), tensor->scales.size());
                scaleOffset += tensor->scales.size();
            }
            describe(*weight, shape, first.dtype);
            weight->view.scaleType = static_cast<std::int32_t>(first.scaleType);
            weight->view.scaleRows = first.scaleBlockRows;
            weight->view.scaleColumns = first.scaleBlockColumns;
            ENGINE_CHECK(finishStep());
            ENGINE_CHECK(packRows(*weight));
            chooseLayout(*weight);
            return WeightPtr(std::move(weight));
        }
        std::vector<float> values;
        for (const FileTensor *tensor : tensors) {
            const std::vector<float> part = widen(*tensor);
            values.insert(values.end(), part.begin(), part.end());
        }
        Shape stored = shape;
        if (options.transposed) {
            ENGINE_ASSERT(shape.rank == 2);
            std::vector<float> turned(values.size());
            for (std::int64_t row = 0; row < shape[0]; ++row) {
                for (std::int64_t column = 0; column < shape[1]; ++column)
                    turned[static_cast<std::size_t>(column * shape[0] + row)] = values[static_cast<std::size_t>(row * shape[1] + column)];
            }
            values = std::move(turned);
            stored = Shape{shape[1], shape[0]};
        }
        if (!requantize)
            return uploadValues(values, stored);
        const std::size_t rowBytes = kernels::rowBytes(target, static_cast<std::size_t>(columns));
        const auto rows = static_cast<std::size_t>(shape.elements() / columns);
        std::vector<std::byte> packed(rows * rowBytes);
        for (std::size_t row = 0; row < rows; ++row)
            kernels::quantizeRow(target, values.data() + row * static_cast<std::size_t>(columns), columns, packed.data() + row * rowBytes);
        ENGINE_TRY(weight->data, allocate(packed.size()));
        m_api.toDevice(m_api.context, weight->data.data(), packed.data(), packed.size());
        describe(*weight, shape, target);
        ENGINE_CHECK(finishStep());
        ENGINE_CHECK(packRows(*weight));
        return WeightPtr(std::move(weight));
    }

    std::shared_ptr<Library> m_library;
    const DiptychCudaApi &m_api;
    std::string m_id;
    bool m_exact; // float32 throughout: nothing is packed, no tensor cores
    StepInputs m_step;
    std::uint64_t m_free = 0; // when first asked
};

std::vector<std::filesystem::path> pluginPlaces()
{
    std::vector<std::filesystem::path> places;
    std::error_code error;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
        places.push_back(program.parent_path() / kPluginName);
        places.push_back(program.parent_path().parent_path() / "lib" / "diptych" / kPluginName);
    }
    return places;
}

} // namespace

bool cudaTensorCores()
{
    const char *wanted = std::getenv("DIPTYCH_CUDA_FAST");
    return wanted == nullptr || std::string_view(wanted) != "0";
}

Result<std::unique_ptr<Backend>> makeCudaBackend(int device, bool exact)
{
    exact = exact || !cudaTensorCores();
    auto library = std::make_shared<Library>();
    for (const std::filesystem::path &place : pluginPlaces()) {
        std::error_code error;
        if (!std::filesystem::exists(place, error))
            continue;
        library->handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (library->handle == nullptr)
            return Error{ErrorCode::DeviceLost, "the CUDA plug-in cannot be loaded: " + std::string(dlerror())};
        break;
    }
    if (library->handle == nullptr)
        return Error{ErrorCode::DeviceLost, "the CUDA plug-in is not installed; models run on the processor"};
    const auto open = reinterpret_cast<DiptychCudaOpen>(dlsym(library->handle, DIPTYCH_CUDA_OPEN));
    if (open == nullptr)
        return Error{ErrorCode::DeviceLost, "the CUDA plug-in is damaged: it has no entry point"};
    char text[512] = {};
    if (open(DIPTYCH_CUDA_ABI, DIPTYCH_BUILD_ID, device, exact ? 1 : 0, &library->api, text, sizeof text) != 0) {
        library->api = {};
        return Error{ErrorCode::DeviceLost, text};
    }
    return std::unique_ptr<Backend>(std::make_unique<CudaBackend>(std::move(library), device, exact));
}

} // namespace engine
