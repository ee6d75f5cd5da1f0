// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/assert.h"
#include "engine/result.h"
#include "files/file_tensor.h"
#include "kernels/choose.h"
#include "tensor/tensor.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace engine {

// Device memory that gives itself back. Move-only; must not outlive its backend.
class Buffer {
public:
    struct Block {
        virtual ~Block() = default;
        std::byte *data = nullptr;
        std::size_t bytes = 0;
    };
    Buffer() = default;
    explicit Buffer(std::unique_ptr<Block> block) : m_block(std::move(block)) {}
    std::byte *data() const { return m_block ? m_block->data : nullptr; }
    std::size_t bytes() const { return m_block ? m_block->bytes : 0; }
    Tensor view(Shape shape, DType dtype = DType::F32, std::size_t byteOffset = 0) const
    {
        Tensor t{data() + byteOffset, dtype, shape, 0};
        t.rowStride = t.columns();
        return t;
    }

private:
    std::unique_ptr<Block> m_block;
};

// A weight on the device, in whatever layout the backend likes. shape is [out, in] or [experts, out, in]
// or [n] for vectors. Immutable after upload.
class Weight {
public:
    virtual ~Weight() = default;
    Shape shape;
    DType dtype = DType::F32; // as stored on the device
    std::size_t bytes = 0;
};
using WeightPtr = std::unique_ptr<Weight>;

enum class Activation { None = 1, Silu, GeluTanh, GeluErf };

// output[r, :] (+)= activation(input[r, :] * weight^T + bias)
struct LinearArgs {
    Tensor input;                   // [rows, in] F32
    const Weight *weight = nullptr; // [out, in], any dtype
    const Weight *bias = nullptr;   // [out] or none
    Tensor output;                  // [rows, out] F32
    Activation activation = Activation::None;
    bool accumulate = false;        // add to output (activation must be None)
};
// One small matrix per head: output[r, h, :] = weight[h] * input[r, h, :]
struct HeadLinearArgs {
    Tensor input;                   // [rows, heads, in] F32, row stride of the flattened [rows, heads] allowed
    const Weight *weight = nullptr; // [heads, out, in]
    Tensor output;                  // [rows, heads, out] F32
    std::int64_t inputHeadStride = 0, outputHeadStride = 0; // elements between heads; 0: packed
    std::int64_t inputRowStride = 0, outputRowStride = 0;   // elements between rows; 0: packed
};
struct RmsNormArgs {
    Tensor input;                   // [rows, columns] F32; rowStride may exceed columns
    const Weight *weight = nullptr; // [columns]
    Tensor output;                  // [rows, columns]; may be the input
    float epsilon = 1e-6F;
};
struct LayerNormArgs {
    Tensor input;                   // [rows, columns]
    const Weight *weight = nullptr, *bias = nullptr; // [columns]
    Tensor output;
    float epsilon = 1e-6F;
};
struct EmbedArgs {
    const Weight *table = nullptr;  // [vocabulary, hidden]
    std::span<const std::int32_t> ids;
    Tensor output;                  // [ids, hidden] F32
};
// Rotates x[r, h, offset .. offset + 2*pairs) in place by the angles of position[r].
struct RopeArgs {
    Tensor x;                       // [rows, heads, dim] F32
    std::int64_t rowStride = 0;     // elements between rows (0: heads * dim)
    int offset = 0;                 // first rotated element in a head
    std::span<const float> inverseFrequencies; // [pairs]
    float magnitude = 1.0F;         // multiplies cos and sin
    bool interleaved = false;
    std::span<const std::int32_t> positions;   // [rows]
};
// Paged cache of one layer. Token t of a sequence lies in block blocks[t / blockTokens], slot t % blockTokens.
// Heads: row = [kvHeads * keyDim] in keys, [kvHeads * valueDim] in values.
// Latent: row = [kvLoraRank + ropeHeadDim] in keys only; values are the first valueDim of each key row.
struct KvLayer {
    std::byte *keys = nullptr, *values = nullptr; // [blocks, blockTokens, row]
    std::byte *indexKeys = nullptr;               // [blocks, blockTokens, indexDim], V3.2's indexer; most models: none
    DType dtype = DType::F32;                     // F32, BF16 or F16
    int kvHeads = 1, keyDim = 0, valueDim = 0;
    bool valuesInKeys = false;
    int blockTokens = 0;
    int indexDim = 0;

    // The indexer's keys as a cache of their own.
    KvLayer ofIndex() const
    {
        return {.keys = indexKeys, .values = nullptr, .indexKeys = nullptr, .dtype = dtype, .kvHeads = 1, .keyDim = indexDim,
            .valueDim = indexDim, .valuesInKeys = true, .blockTokens = blockTokens, .indexDim = 0};
    }
};
struct KvSequence {
    int firstRow = 0, rowCount = 0;        // rows of this step that belong to the sequence, consecutive positions
    int firstPosition = 0;                 // position of the first row
    std::span<const std::int32_t> blocks;  // block table, covers firstPosition + rowCount tokens
};
struct StoreKvArgs {
    Tensor keys;   // [rows, kvHeads * keyDim] F32
    Tensor values; // [rows, kvHeads * valueDim] F32; unused when valuesInKeys
    KvLayer layer;
    std::span<const KvSequence> sequences;
};
// Causal attention over the paged cache, for prompt and decode rows alike.
struct AttentionArgs {
    Tensor query;  // [rows, heads, keyDim] F32
    Tensor output; // [rows, heads, valueDim] F32
    int heads = 0;
    float scale = 1.0F;
    int window = 0; // sliding window in tokens, 0: off
    KvLayer layer;
    std::span<const KvSequence> sequences;
    // When set: row r sees only the positions selected[r * selectedPerRow ...], ascending and ended by -1 (selectTokens).
    const std::int32_t *selected = nullptr;
    int selectedPerRow = 0;
    // When set: mean over heads of the probabilities is ADDED to observed[row of observeRows index][position].
    std::span<const std::int32_t> observeRows;
    float *observed = nullptr;      // host [observeRows, observeStride]
    std::int64_t observeStride = 0;
};
// The tokens each row shall attend to (V3.2's indexer, arXiv 2512.02556): the `perRow` best of those it sees by
// scale * sum_h weights[h] * max(query[h] . key, 0); all of them where there are no more. Ties go to the earlier token.
struct SelectTokensArgs {
    Tensor query;      // [rows, heads * keyDim] F32
    Tensor weights;    // [rows, heads] F32
    int heads = 0;
    float scale = 1.0F;
    int window = 0;    // as in AttentionArgs
    KvLayer layer;     // KvLayer::ofIndex()
    std::span<const KvSequence> sequences;
    std::int32_t *selected = nullptr; // in the backend's memory [rows, perRow], ascending positions, -1 behind the last
    int perRow = 0;
};
// Bidirectional attention inside each picture tile.
struct DenseAttentionArgs {
    Tensor query, key, value, output; // [batch * tokens, heads * headDim] F32, rowStride allowed
    int batch = 0, tokens = 0, heads = 0, headDim = 0;
    float scale = 1.0F;
};
// Cross-modal attention blocks: each text row looks at all picture tokens of its request, whatever their places.
struct CrossModalList {
    int firstRow = 0, rowCount = 0; // rows that share these pictures
    Tensor keys, values;            // [picture tokens, heads * headDim] F32, packed
};
struct CrossModalAttentionArgs {
    Tensor query;  // [rows, heads * headDim] F32
    Tensor output; // [rows, heads * headDim] F32
    int heads = 0, headDim = 0;
    float scale = 1.0F;
    std::span<const CrossModalList> lists; // cover all rows
    // As in AttentionArgs, per picture token; an observed row that is -1 is none of these rows.
    std::span<const std::int32_t> observeRows;
    float *observed = nullptr;
    std::int64_t observeStride = 0;
};
// shares = softmax(weight [hidden ; attended] + bias); hidden += shares[1] * attended
struct CrossModalGateArgs {
    Tensor hidden;                  // [rows, columns] F32, in place
    Tensor attended;                // [rows, columns] F32
    const Weight *weight = nullptr; // [4 * columns] F32: the text's row, then the picture's
    const Weight *bias = nullptr;   // [2] F32
    Tensor shares;                  // [rows, 2] F32: text, picture
};
// Pixels of picture tiles as rows of patches, normalised: channel, row, column of the patch, then zeros.
struct PatchesArgs {
    std::span<const std::uint8_t> pixels; // [tiles, size, size, 3]
    const std::byte *placed = nullptr;    // the same in the backend's memory, instead of `pixels`
    int tiles = 0, size = 0, patch = 0;
    std::span<const float> values;        // [3 * 256] what a byte stands for, by channel
    Tensor output;                        // [tiles * (size / patch)^2, at least 3 * patch^2] F32, packed
};
// One direction of a resize: output i is the sum of weights[i, t] * input[first[i] + t], t < count[i], in fixed point of 22
// bits, rounded and held to a byte (vision/bicubic_resize.h).
struct ResizePass {
    int outputs = 0, taps = 0;
    std::span<const std::int32_t> first, count; // [outputs]
    std::span<const std::int32_t> weights;      // [outputs, taps]
};
// A resized picture on a plain ground, cut into tiles.
struct ResizeView {
    ResizePass columns, rows;
    bool rowsFirst = false;             // which pass is rounded to bytes before the other
    int left = 0, top = 0;              // where the picture begins
    int tilesWide = 1, tilesHigh = 1;
};
struct ResizeTilesArgs {
    std::span<const std::uint8_t> pixels; // [height, width, 3]
    int width = 0, height = 0;
    std::span<const ResizeView> views;
    int size = 0;                         // of a tile's side
    std::array<std::uint8_t, 3> ground{};
    std::byte *tiles = nullptr;           // in the backend's memory: [tiles of all views, size, size, 3], rows of tiles one after the other
};
// One layer of a picture tower (architectures.md 3.2), attention inside tiles:
//   hidden += output * attention(queryKeyValue * norm1(hidden)), hidden += down * gelu(up * norm2(hidden))
struct PictureLayerArgs {
    struct Part { // of a layer
        const Weight *weight = nullptr, *bias = nullptr;
    };
    Tensor hidden;                      // [tiles * tokens, width] F32, packed
    Part norm1, norm2;                  // [width]
    Part queryKeyValue;                 // [3 * width, width]
    Part output, up, down;              // [width, width], [middle, width], [width, middle]
    int tiles = 0, tokens = 0, heads = 0;
    float epsilon = 1e-6F;
    Tensor normed, joined, wide;        // room: [rows, width], [rows, 3 * width], [rows, middle] F32, packed
};
// Row i of `source` goes to row rows[i] of `destination`; a single row goes to all of them.
struct ScatterRowsArgs {
    Tensor source, destination;         // [rows, columns] F32
    std::span<const std::int32_t> rows; // each inside the destination
};
// Routing (architectures.md 2.6): scores -> expert ids and weights, in float32.
struct RouteArgs {
    Tensor logits;                  // [rows, experts] F32
    const Weight *bias = nullptr;   // [experts] F32, Biased only
    int experts = 0, perToken = 0, groups = 1, groupsPerToken = 1;
    int method = 1;                 // RoutingMethod
    int score = 1;                  // RoutingScore
    bool normalise = false;
    float scale = 1.0F;
    std::span<const std::int32_t> stopExperts; // never chosen
    bool automatic = false;         // drop experts of a token below a share of the best one
    std::int32_t *ids = nullptr;    // host or device [rows, perToken], -1: none
    float *weights = nullptr;       // [rows, perToken]
};
// The router's product, which writes route.logits, then the routing.
struct RouterArgs {
    Tensor input;                   // [rows, hidden]
    const Weight *weight = nullptr; // [experts, hidden]
    RouteArgs route;
};
// output[r] += sum_k weights[r,k] * down[e](silu(gate[e](x)) * up[e](x)), e = ids[r,k]
struct MoeArgs {
    Tensor input;  // [rows, hidden]
    Tensor output; // [rows, hidden]
    const Weight *gate = nullptr, *up = nullptr, *down = nullptr; // [experts, inter, hidden] / [experts, hidden, inter]
    const std::int32_t *ids = nullptr; // [rows, perToken], -1: skip
    const float *weights = nullptr;
    int perToken = 0;
};

// output = silu(gate x) * (up x); gate and up are the halves of one weight.
struct SwigluArgs {
    Tensor input;                      // [rows, in]
    const Weight *gateAndUp = nullptr; // [2 * inter, in]
    Tensor joined;                     // [rows, 2 * inter], room to work in
    Tensor output;                     // [rows, inter]
};
// output += down * swiglu; gated.output is room to work in.
struct FeedForwardArgs {
    SwigluArgs gated;
    const Weight *down = nullptr; // [columns of output, inter]
    Tensor output;
};
// Experts as moe, and a dense expert that every row uses: shared.output is room to work in, `sharedDown` leads from it
// to moe.output.
struct MoeSharedArgs {
    MoeArgs moe;
    SwigluArgs shared;
    const Weight *sharedDown = nullptr;
};
// What follows the first products of attention with heads: rotates query and key by halves or pairs of a whole head and
// stores key and value.
struct HeadsPrepareArgs {
    Tensor query, key, value; // [rows, heads or kvHeads * dim] key is rotated in place or not
    Tensor rotated;           // [rows, heads * dim], packed; may be the query
    int heads = 0;
    std::span<const float> inverseFrequencies; // [dim / 2]
    float magnitude = 1.0F;
    bool interleaved = false;
    std::span<const std::int32_t> positions;
    KvLayer layer;
    std::span<const KvSequence> sequences;
};
// The same for latent attention: the new cache row [norm(latent) | rotated], and the rotated part of every head's query.
struct LatentPrepareArgs {
    Tensor projected;             // [rows, heads * (nope + rope)]; row stride allowed
    Tensor latent;                // [rows, latent + rope]; changed or not
    const Weight *norm = nullptr; // [latent]
    float epsilon = 1e-6F;
    Tensor query;                 // [rows, heads * (latent + rope)], packed; the last `rope` of every head are written
    int heads = 0, nope = 0, rope = 0;
    std::span<const float> inverseFrequencies; // [rope / 2]
    float magnitude = 1.0F;
    bool interleaved = false;
    std::span<const std::int32_t> positions;
    KvLayer layer;
    std::span<const KvSequence> sequences;
};
// The next token of every row, chosen where the logits are.
struct ChooseArgs {
    Tensor logits;                              // [rows, vocabulary] F32
    int count = 0;                              // ids from 0 that may be chosen
    std::span<const kernels::ChooseRule> rules; // [rows]
};
// Attention of prompts over keys and values made from the latent rows, cache row and output's heads included.
struct LatentPromptArgs {
    LatentPrepareArgs prepare; // without `query`
    const Weight *keyUp = nullptr;   // [heads, latent, nope]
    const Weight *valueUp = nullptr; // [heads, value, latent]
    Tensor output;                   // [rows, heads * value]
    float scale = 1.0F;
    int window = 0;
};
// The numbers of a step that its operations are given again as the same spans.
struct StepInputs {
    std::span<const std::int32_t> ids, positions; // [rows]
    std::span<const KvSequence> sequences;
    int blockTokens = 1;
};
enum class Replay { Run = 1, Record, Done };
struct DeviceMemory {
    std::uint64_t free = 0, total = 0;
};
// Steps of running answers: queued as one recorded piece, recorded, or operation by operation although they could have
// been recorded; and why the last recording failed.
struct StepCounts {
    std::int64_t replayed = 0, recorded = 0, launched = 0;
    std::int64_t ahead = 0, forgotten = 0; // begun before the tokens before were read; of these: another was asked for
    std::string_view refusal = {};
};

// Of what Backend::reserve took, in bytes: all, and what was in use at most; and what was allocated elsewhere since then,
// for want of room there, and is in use now.
struct WorkMemory {
    std::uint64_t reserved = 0, most = 0, outside = 0;
};

struct UploadOptions {
    std::string_view requantize = {}; // "", "q8_0", "q4_0": for linear weights whose rows are a multiple of 32
    bool transposed = false;       // store the transpose (2-D only)
};

// Coarse operations; a model is written once against this. One engine thread calls it. Operations queue and never
// fail alone: the step reports. Activations are F32 tensors in the backend's memory.
class Backend {
public:
    virtual ~Backend() = default;
    virtual std::string_view id() const = 0; // "cpu", "cuda:0"
    virtual bool hostMemory() const = 0;     // tensors can be read by the CPU directly

    virtual Result<Buffer> allocate(std::size_t bytes) = 0; // 64-byte aligned, contents undefined
    // Memory for what is allocated after this and for what operations work in, taken from the device at once; may be called
    // again for more. OutOfMemory. A backend with hostMemory() does nothing.
    virtual Status reserve(std::size_t) { return Done{}; }
    virtual WorkMemory workMemory() const { return {}; }
    virtual Result<WeightPtr> upload(const FileTensor &tensor, const UploadOptions &options) = 0;
    // Experts of one layer as one weight [experts, out, in]; all of one dtype and shape.
    virtual Result<WeightPtr> uploadExperts(std::span<const FileTensor *const> experts, const UploadOptions &options) = 0;
    // A weight computed at load: float32 values, row-major; kept as F32 (or BF16 where the backend prefers and `exact` is false).
    virtual Result<WeightPtr> uploadValues(std::span<const float> values, const Shape &shape) = 0;
    // Dequantised float32 values of a file tensor, on the host.
    virtual Result<std::vector<float>> dequantize(const FileTensor &tensor) = 0;

    virtual void linear(const LinearArgs &args) = 0;
    virtual void headLinear(const HeadLinearArgs &args) = 0;
    virtual void rmsNorm(const RmsNormArgs &args) = 0;
    virtual void layerNorm(const LayerNormArgs &args) = 0;
    virtual void embed(const EmbedArgs &args) = 0;
    virtual void rope(const RopeArgs &args) = 0;
    virtual void storeKv(const StoreKvArgs &args) = 0;
    virtual void attention(const AttentionArgs &args) = 0;
    virtual void denseAttention(const DenseAttentionArgs &args) = 0;
    virtual void route(const RouteArgs &args) = 0;
    virtual void moe(const MoeArgs &args) = 0;
    // A backend without them says so, and a model that needs them is refused at load.
    virtual bool hasTokenSelection() const { return false; } // and attention over what was selected
    virtual void selectTokens(const SelectTokensArgs &) { ENGINE_ASSERT(hasTokenSelection()); }
    virtual bool hasCrossModal() const { return false; }
    virtual void crossModalAttention(const CrossModalAttentionArgs &) { ENGINE_ASSERT(hasCrossModal()); }
    virtual void crossModalGate(const CrossModalGateArgs &) { ENGINE_ASSERT(hasCrossModal()); }
    virtual void siluMultiply(Tensor gate, Tensor up, Tensor output) = 0; // output = silu(gate) * up; may alias
    virtual void add(Tensor accumulator, Tensor addend) = 0;              // accumulator += addend, same shape
    virtual void copyRows(Tensor destination, Tensor source) = 0;         // [rows, columns], strides may differ
    virtual void toDevice(Tensor destination, const void *host, std::size_t bytes) = 0;
    virtual void toHost(void *host, Tensor source) = 0;                   // waits for what was queued before
    virtual Status finishStep() = 0;

    // Whether steps shall ask for tokens instead of logits. choose() waits for what was queued before, as toHost.
    virtual bool prefersChoosing() const { return false; }
    virtual void choose(const ChooseArgs &args, std::span<kernels::Choice> choices); // [rows]

    // Coarser operations; the defaults are made of the ones above (backend.cpp).
    virtual void router(const RouterArgs &args);
    virtual void swiglu(const SwigluArgs &args);
    virtual void feedForward(const FeedForwardArgs &args);
    virtual void moeWithShared(const MoeSharedArgs &args);
    virtual void headsPrepare(const HeadsPrepareArgs &args);
    virtual void latentPrepare(const LatentPrepareArgs &args);
    // False: not this shape or not these rows, nothing was done; use latentPrepare and attention.
    virtual bool latentPrompt(const LatentPromptArgs &) { return false; }

    virtual void patches(const PatchesArgs &args);
    // False: the picture is too large for this backend, nothing was done.
    virtual bool resizeTiles(const ResizeTilesArgs &args);
    virtual void pictureLayer(const PictureLayerArgs &args);
    virtual void scatterRows(const ScatterRowsArgs &args);

    // Announces a step: its spans live until finishStep.
    virtual void beginStep(const StepInputs &) {}
    // Steps with equal keys queue the same operations on the same memory and differ in their StepInputs alone, so a
    // backend may keep them. Done: it has queued them, the caller has nothing to do. Record: the caller queues them, then
    // calls endRecording; if that is false, it queues them once more.
    virtual Replay replay(std::uint64_t) { return Replay::Run; }
    virtual bool endRecording() { return true; }
    virtual StepCounts stepCounts() const { return {}; } // of a backend that records

    virtual DeviceMemory memory() { return {}; } // of a backend without hostMemory()
    virtual std::string deviceName() const { return {}; } // what the maker calls it; of a backend without hostMemory()
};

struct CpuBackendOptions {
    int threads = 0;            // 0: allowed CPUs
    bool exact = false;         // float32 throughout: no int8 activations, no bf16 products
    bool rounded = false;       // with `exact`: what products read, all but the router's, is rounded to bfloat16 first
    std::string_view isa = {};  // force "reference", "avx2", "avx512"; empty: best (or DIPTYCH_ISA)
};
Result<std::unique_ptr<Backend>> makeCpuBackend(const CpuBackendOptions &options);
// Loads libdiptych-cuda.so; an error says in one sentence why it cannot run.
Result<std::unique_ptr<Backend>> makeCudaBackend(int device, bool exact);
// Whether CUDA backends that are not exact pack weights, use the tensor cores and record steps; DIPTYCH_CUDA_FAST=0: no.
bool cudaTensorCores();

} // namespace engine
