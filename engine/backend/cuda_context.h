// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the plug-in keeps for one card: its stream, its buffers, the numbers of the step, recorded steps. One thread.

#include "backend/arena.h"
#include "backend/cuda_ahead.h"
#include "backend/cuda_forms.h"
#include "backend/cuda_plugin_api.h"
#include "backend/cuda_work.h"

#include "cuda/attention/step.h"
#include "cuda/attention/tiles.h"
#include "cuda/common/launch.cuh"
#include "cuda/decode/decode.h"
#include "cuda/decode/heads.h"
#include "cuda/elementwise/elementwise.h"
#include "cuda/norm/norm.h"
#include "cuda/routing/routing.h"
#include "cuda/sampling/choose.h"

#include <cuda_runtime.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace plugin {

namespace kc = kernels::cuda;
namespace work = engine::cudawork;
using kernels::DType;

// Small host arrays go through one pinned ring; a full ring waits for the stream. No stream: nothing is copied.
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
            const cudaError_t waited = stream != nullptr ? cudaStreamSynchronize(stream) : cudaSuccess;
            if (error == cudaSuccess)
                error = waited;
            m_used = 0;
        }
        if (stream != nullptr) {
            std::memcpy(m_host + m_used, values, count * sizeof(T));
            const cudaError_t copied =
                cudaMemcpyAsync(m_device + m_used, m_host + m_used, count * sizeof(T), cudaMemcpyHostToDevice, stream);
            if (error == cudaSuccess)
                error = copied;
        }
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

// Room for intermediate results, one buffer a purpose; grows, never shrinks.
enum class Room { Observed, Middle, MiddleSplit, Slots, Narrow, NarrowMiddle, Widened, Order, Partial, Statistics, Raw, Pixels, HalfResized, Scores, Expanded, Count };

struct Context {
    int device = 0;
    bool exact = true; // float32 throughout
    cudaStream_t stream = nullptr;
    std::string name;
    Staging staging;
    cudaError_t error = cudaSuccess; // the first of the step
    const char *where = "";

    void note(cudaError_t result, const char *operation)
    {
        if (result == cudaSuccess)
            return;
        cudaGetLastError(); // what is not sticky is reported once
        if (error == cudaSuccess) {
            error = result;
            where = operation;
        }
    }
    bool failed() const { return error != cudaSuccess; }
    template <typename T> const T *stage(const T *values, std::size_t count)
    {
        if (count > 0)
            refuse("an operation was given numbers of its own"); // they belong to one step
        cudaError_t result = cudaSuccess;
        const T *target = staging.put(values, count, recording ? nullptr : stream, result);
        note(result, "copying arguments");
        return target;
    }
    // The same values on the device for as long as the context lives.
    template <typename T> const T *constant(const T *values, std::size_t count)
    {
        return reinterpret_cast<const T *>(constantBytes(values, count * sizeof(T)));
    }
    const void *constantBytes(const void *values, std::size_t bytes);
    // Null, and noted, when the card has no memory left.
    void *room(Room purpose, std::size_t bytes);
    // Gives a room back that did not fit into what is reserved; nothing queued uses it any more.
    void keepInside(Room purpose);
    // Memory of the card, out of what is reserved where it fits. Null: none is left; the error is the caller's to note.
    void *take(std::size_t bytes);
    void give(void *memory); // nothing queued uses it any more
    cudaError_t reserve(std::size_t bytes);
    DiptychCudaWork work() const { return {m_arena.reservedBytes(), m_arena.mostBytes(), m_outsideBytes}; }
    template <typename T> T *roomFor(Room purpose, std::size_t count)
    {
        return static_cast<T *>(room(purpose, count * sizeof(T)));
    }

    // Activations that also lie in split form (packed/split.cuh), by the address of their float32 form.
    kc::SplitView splitFor(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride);   // to be written
    kc::SplitView findSplit(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride);  // high null: none
    kc::SplitView splitOf(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride);    // found or made
    bool wasSplit(const float *data) const; // somebody has asked for it in split form before
    void wrote(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride);
    void wrote(const DiptychCudaRows &r) { wrote(r.data, r.rows, r.columns, r.stride); }
    // The same in bfloat16, packed, for the products of prompts.
    __nv_bfloat16 *narrowFor(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride);        // to be written
    const __nv_bfloat16 *findNarrow(const float *data, std::int64_t rows, std::int64_t columns, std::int64_t stride); // null: none
    static kc::SplitView splitIn(void *memory, std::int64_t rows, std::int64_t columns);
    static std::size_t splitBytes(std::int64_t rows, std::int64_t columns);

    // What has not been queued yet, since the operation after it may take it along; everything else comes after it: an RMS
    // norm (router, products), rotated heads (attention), a small product a head (latentPrepare), the end of an attention
    // in parts (headLinear).
    std::optional<kc::NormArgs> pendingNorm;
    std::optional<kc::HeadsPrepareArgs> pendingRotation;
    std::optional<kc::HeadsArgs> pendingHeads;
    std::optional<kc::TileAttentionArgs> pendingParts;
    std::optional<kc::RouteArgs> pendingRoute; // of one row whose logits are queued; the experts' product takes it along
    void queuePending()
    {
        if (pendingRoute)
            note(kc::route(*pendingRoute, stream), "routing");
        pendingRoute.reset();
        if (pendingNorm)
            note(kc::norm(*pendingNorm, stream), "norm");
        if (pendingRotation)
            note(kc::headsPrepare(*pendingRotation, stream), "rotated heads");
        if (pendingHeads)
            note(kc::fewHeads(*pendingHeads, stream), "head linear");
        if (pendingParts)
            note(kc::combineParts(*pendingParts, stream), "attention");
        pendingNorm.reset();
        pendingRotation.reset();
        pendingHeads.reset();
        pendingParts.reset();
    }
    kc::ChooseRoom choosing; // of tokens
    int choosingRanks = 0;   // blocks that choose a row's together
    void *choosingRoom = nullptr;
    bool openChoosing();
    int *tickets = nullptr; // of the blocks of a router's rows; zero between kernels
    int *dealt = nullptr;   // behind them: kernels::cuda::ProductArgs::dealt

    // The step. Addresses never change, so recorded steps read the numbers of the next one.
    static constexpr int kStepRows = 64;
    static constexpr std::size_t kStepBytes = std::size_t{4} << 20;
    unsigned char *stepHost = nullptr, *stepDevice = nullptr; // pinned; ids, positions, first blocks, blocks
    bool stepFits = false;                                    // the numbers of this step lie there
    StepNumbers numbers, nextNumbers; // of this step; room for those of the next
    StepKind stepKind;                // its limits are those between the kernels of step.h
    void *bounce = nullptr; // pinned
    std::vector<DiptychCudaSequence> stepSequences;
    const std::int32_t *stepIdsDevice() const { return reinterpret_cast<const std::int32_t *>(stepDevice); }
    const std::int32_t *stepPositionsDevice() const { return stepIdsDevice() + kStepRows; }

    struct Recorded {
        int seen = 0;
        std::uint64_t generation = 0;
        cudaGraphExec_t graph = nullptr;
    };
    std::map<std::uint64_t, Recorded> recorded;
    bool recording = false;
    const char *refusal = ""; // why this recording is of no use; empty: it is
    void refuse(const char *why)
    {
        if (recording && *refusal == '\0')
            refusal = why;
    }
    DiptychCudaSteps steps{0, 0, 0, 0, 0, ""};
    std::uint64_t recordingKey = 0;

    // The step made ahead: behind the choice of a replayed step's tokens the same recording is queued again, for the ids
    // chosen and the positions after them, while the host still waits for the tokens. Nothing waits for it: all that comes
    // later on the stream comes after it. It writes what the step it repeats has written (working memory, logits) and cache
    // rows behind the last of each sequence, in blocks that no other sequence reads before they are full; when a block has
    // gone to another sequence, that one writes a row before it reads it. So it may be forgotten at any time, and any
    // operation that comes between forgets it.
    enum class Stage { Other, Begun, Replayed, Chosen, Finished }; // of steps without a foreign operation
    Stage progress = Stage::Other;
    bool runsAhead = true;              // DIPTYCH_CUDA_AHEAD=0: never
    bool continuesAnswers = false;      // this step is the one after the step before; the next will be, too
    bool isAhead = false;               // a step is queued that nobody has asked for
    std::uint64_t stepKey = 0;          // of the recording replayed
    std::vector<std::int32_t> chosen;   // ids of the step made ahead; -1: none
    cudaEvent_t chosenEvent = nullptr;  // behind the choice
    void forgetAhead()
    {
        steps.forgotten += isAhead ? 1 : 0;
        isAhead = false;
    }
    cudaGraphExec_t aheadOf(std::int64_t rows) const; // null: not this step
    std::uint64_t generation = 0; // of the buffers' addresses
    void forgetRecorded();

    struct Sequences { // of the arguments of an operation
        const DiptychCudaSequence *data;
        int count;
    };
    Sequences sequencesOf(const DiptychCudaSequence *sequences, std::int32_t count) const
    {
        return count < 0 ? Sequences{stepSequences.data(), static_cast<int>(stepSequences.size())} : Sequences{sequences, count};
    }
    kc::RowTable tableOf(const DiptychCudaSequence *sequences, std::int32_t count);
    const std::int32_t *positionsOf(const std::int32_t *positions, std::int64_t rows);

    void close();

private:
    struct Constant {
        std::vector<unsigned char> host;
        void *device;
    };
    std::vector<Constant> m_constants;
    struct Buffer {
        void *data = nullptr;
        std::size_t bytes = 0;
    };
    std::array<Buffer, static_cast<std::size_t>(Room::Count)> m_rooms;
    engine::Arena m_arena;
    std::vector<void *> m_pieces; // of the arena
    std::map<void *, std::size_t> m_outside; // taken from the card although there is an arena
    std::size_t m_outsideBytes = 0;
    struct Split {
        const float *data;
        std::int64_t rows, columns, stride;
        Buffer memory;
        bool valid;
    };
    static constexpr std::size_t kMostNarrows = 6; // a layer has up to five
    std::vector<Split> m_splits, m_narrows;
    bool grow(Buffer &buffer, std::size_t bytes);
};

Context &stepOf(void *context);        // for what belongs to the step itself, not an operation
Context &of(void *context);            // for an operation: what is pending goes before it
Context &withPending(void *context);   // leaves it pending
kc::WeightView viewOf(const DiptychCudaWeight &w);
kc::MatrixView matrixOf(const DiptychCudaWeight &w);
// Rows [first, first + rows) of matrices [firstMatrix, ...) as bfloat16; null, and noted: no memory.
const __nv_bfloat16 *widened(Context &c, const DiptychCudaWeight &w, std::int64_t first, std::int64_t rows, int firstMatrix,
    int matrices, std::int64_t roomOffset, std::int64_t roomElements);
const __nv_bfloat16 *narrowed(Context &c, const float *data, std::int64_t stride, std::int64_t rows, std::int64_t columns,
    const std::int32_t *order = nullptr, int perToken = 1);
inline bool isTiled(const DiptychCudaWeight &w) { return w.layout != DIPTYCH_CUDA_ROWS; } // products on the tensor cores
inline kc::RowsView viewOf(const DiptychCudaRows &r) { return {r.data, r.rows, r.columns, r.stride}; }
kc::KvView viewOf(const DiptychCudaKv &kv);

// The operations of cuda_plugin_api.h.
void linear(void *context, DiptychCudaRows input, DiptychCudaWeight weight, const float *bias, DiptychCudaRows output,
    std::int32_t activation, std::int32_t accumulate);
void headLinear(void *context, const float *input, std::int64_t rows, std::int64_t heads, std::int64_t inputRowStride,
    std::int64_t inputHeadStride, DiptychCudaWeight weight, float *output, std::int64_t outputRowStride,
    std::int64_t outputHeadStride);
void embed(void *context, DiptychCudaWeight table, const std::int32_t *ids, std::int64_t count, DiptychCudaRows output);
void moe(void *context, DiptychCudaRows input, DiptychCudaWeight gate, DiptychCudaWeight up, DiptychCudaWeight down,
    const std::int32_t *ids, const float *weights, std::int32_t perToken, DiptychCudaRows output);
int moeWithShared(void *context, DiptychCudaRows input, DiptychCudaWeight gate, DiptychCudaWeight up, DiptychCudaWeight down,
    const std::int32_t *ids, const float *weights, std::int32_t perToken, DiptychCudaWeight sharedGateAndUp,
    DiptychCudaWeight sharedDown, DiptychCudaRows output);
int swiglu(void *context, DiptychCudaRows input, DiptychCudaWeight gateAndUp, DiptychCudaRows output);
int feedForward(void *context, DiptychCudaRows input, DiptychCudaWeight gateAndUp, DiptychCudaWeight down,
    DiptychCudaRows output);

void rope(void *context, float *x, std::int64_t rows, std::int64_t heads, std::int64_t dim, std::int64_t rowStride,
    std::int32_t offset, const float *inverseFrequencies, std::int32_t pairs, float magnitude, std::int32_t interleaved,
    const std::int32_t *positions);
void storeKv(void *context, DiptychCudaRows keys, DiptychCudaRows values, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount);
void attention(void *context, const float *query, float *output, std::int32_t heads, float scale, std::int32_t window,
    DiptychCudaKv layer, const DiptychCudaSequence *sequences, std::int32_t sequenceCount, const std::int32_t *observeRows,
    std::int32_t observeCount, float *observed, std::int64_t observeStride);
void denseAttention(void *context, DiptychCudaRows query, DiptychCudaRows key, DiptychCudaRows value, DiptychCudaRows output,
    std::int32_t batch, std::int32_t tokens, std::int32_t heads, std::int32_t headDim, float scale);
void latentPrepare(void *context, const DiptychCudaLatent *args, DiptychCudaRope rope, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount);
void headsPrepare(void *context, DiptychCudaRows query, DiptychCudaRows key, DiptychCudaRows value, float *rotated,
    std::int32_t heads, DiptychCudaRope rope, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
    std::int32_t sequenceCount);
int latentPrompt(void *context, const DiptychCudaLatentPrompt *args, DiptychCudaRope rope, DiptychCudaKv layer,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount);

void toHost(void *context, void *host, const void *device, std::size_t bytes);
void crossModalAttention(void *context, DiptychCudaRows query, DiptychCudaRows output, std::int32_t heads, std::int32_t headDim,
    float scale, const DiptychCudaPictureList *lists, std::int32_t listCount, const std::int32_t *observeRows,
    std::int32_t observeCount, float *observed, std::int64_t observeStride);
void crossModalGate(void *context, DiptychCudaRows hidden, DiptychCudaRows attended, const float *weight, const float *bias,
    DiptychCudaRows shares);
void selectTokens(void *context, const DiptychCudaSelection *args, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
    std::int32_t sequenceCount);
void sparseAttention(void *context, const DiptychCudaSparse *args, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
    std::int32_t sequenceCount);
void patches(void *context, const std::uint8_t *pixels, std::int32_t placed, std::int32_t tiles, std::int32_t size,
    std::int32_t patch, const float *values, DiptychCudaRows output);
int resizeTiles(void *context, const std::uint8_t *pixels, std::int32_t width, std::int32_t height,
    const DiptychCudaResizeView *views, std::int32_t viewCount, std::int32_t size, const std::uint8_t *ground, void *tiles);
int pictureLayer(void *context, const DiptychCudaPictureLayer *args);
void scatterRows(void *context, DiptychCudaRows source, DiptychCudaRows destination, const std::int32_t *rows, std::int32_t count);
void choose(void *context, DiptychCudaRows logits, std::int32_t count, const void *rules, void *choices);

} // namespace plugin
