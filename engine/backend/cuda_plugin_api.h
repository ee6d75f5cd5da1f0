// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The seam between the engine and libdiptych-cuda.so: plain structs and function pointers, no C++ types, no CUDA
// headers, no shared state. Pointers called "device" are device memory, all others are host memory that the call has
// read when it returns. Every call but the ones that copy to the host only queues work; the first failure of a step is
// kept and reported by finishStep. One thread calls it.

#include <cstddef>
#include <cstdint>

extern "C" {

#define DIPTYCH_CUDA_ABI 9u

enum DiptychCudaLayout {
    DIPTYCH_CUDA_ROWS = 0,   // rows as the file has them; products in float32
    DIPTYCH_CUDA_PACKED = 1, // tiles of kernels/cuda/packed/layout.h; products on the tensor cores
    DIPTYCH_CUDA_WIDE = 2,   // rows of F16 or BF16; products on the tensor cores
};
// A weight as it lies on the device, FP8 rows with their block scales beside them.
struct DiptychCudaWeight {
    const void *data;          // device [experts, out, in]
    const void *scales;        // device, FP8 only: [experts, ceil(out/scaleRows), ceil(in/scaleColumns)]
    std::int64_t experts, out, in;
    std::int64_t rowBytes;     // of one row
    std::int32_t dtype;        // kernels::DType
    std::int32_t scaleType;    // kernels::DType, F32 or F8E8M0
    std::int32_t scaleRows, scaleColumns;
    std::int32_t layout;       // DiptychCudaLayout
};
struct DiptychCudaRows { // float32 on the device
    float *data;
    std::int64_t rows, columns, stride; // stride in elements between rows
};
struct DiptychCudaKv {
    void *keys, *values; // device [blocks, blockTokens, kvHeads * dim]
    std::int32_t dtype, kvHeads, keyDim, valueDim, valuesInKeys, blockTokens;
};
struct DiptychCudaSequence {
    std::int32_t firstRow, rowCount, firstPosition, blockCount;
    const std::int32_t *blocks;
};
struct DiptychCudaRoute {
    const float *logits; // device [rows, experts]
    const float *bias;   // device [experts] or null
    std::int32_t rows, experts, perToken, groups, groupsPerToken, method, score, normalise, automatic;
    float scale;
    const std::int32_t *stopExperts;
    std::int32_t stopCount;
    std::int32_t *ids; // device [rows, perToken]
    float *weights;    // device [rows, perToken]
};

struct DiptychCudaRope {
    const float *inverseFrequencies;
    std::int32_t pairs, interleaved;
    float magnitude;
    const std::int32_t *positions; // [rows]; null: those of the step
};
struct DiptychCudaLatent { // latentPrepare of backend.h
    DiptychCudaRows projected, latent;
    const float *gain;
    float epsilon;
    float *query;
    std::int32_t heads, latentWidth, nope, rope;
};

struct DiptychCudaLatentPrompt { // latentPrompt of backend.h
    DiptychCudaLatent latent; // without `query`
    DiptychCudaWeight keyUp, valueUp;
    DiptychCudaRows output;
    float scale;
    std::int32_t window;
};

struct DiptychCudaPictureList {
    std::int32_t firstRow, rowCount, tokens;
    const float *keys, *values; // device [tokens, heads * headDim]
};

struct DiptychCudaSelection { // selectTokens of backend.h
    DiptychCudaRows query, weights;
    std::int32_t heads;
    float scale;
    std::int32_t window, perRow;
    std::int32_t *selected; // device [rows, perRow]
};
struct DiptychCudaSparse { // attention to selected tokens
    const float *query;
    float *output;
    std::int32_t heads;
    float scale;
    const std::int32_t *selected; // device [rows, perRow]
    std::int32_t perRow;
    const std::int32_t *observeRows;
    std::int32_t observeCount;
    float *observed;
    std::int64_t observeStride;
};
struct DiptychCudaResizePass { // of backend.h; [outputs], [outputs], [outputs, taps]
    const std::int32_t *first, *count, *weights;
    std::int32_t outputs, taps;
};
struct DiptychCudaResizeView {
    DiptychCudaResizePass columns, rows;
    std::int32_t rowsFirst, left, top, tilesWide, tilesHigh;
};
struct DiptychCudaPictureLayer { // pictureLayer of backend.h
    DiptychCudaRows hidden, normed, joined, wide;
    DiptychCudaWeight queryKeyValue, output, up, down;
    const float *queryKeyValueBias, *outputBias, *upBias, *downBias;
    const float *norm1, *norm1Bias, *norm2, *norm2Bias;
    std::int32_t tiles, tokens, heads;
    float epsilon;
};

struct DiptychCudaSteps { // since the context was opened
    std::int64_t replayed, recorded;
    std::int64_t launched;  // could have been one of the two: operations launched one by one
    std::int64_t ahead;     // queued before the host had read the tokens they begin with; part of `replayed` once asked for
    std::int64_t forgotten; // of these: another step was asked for
    const char *refusal;    // why the last recording failed; empty: none did
};

struct DiptychCudaWork { // bytes of what `reserve` took
    std::uint64_t reserved, most; // most: in use at any time
    std::uint64_t outside;        // for want of room there taken from the card, in use now
};

struct DiptychCudaApi {
    std::uint32_t abi;
    void *context; // passed back to every call

    void (*close)(void *context);
    const char *(*deviceName)(void *context);
    void (*memory)(void *context, std::uint64_t *free, std::uint64_t *total);
    void *(*allocate)(void *context, std::size_t bytes); // null: out of memory
    void (*release)(void *context, void *device);
    void (*toDevice)(void *context, void *device, const void *host, std::size_t bytes);
    void (*toHost)(void *context, void *host, const void *device, std::size_t bytes); // waits
    int (*finishStep)(void *context, char *error, std::size_t errorBytes); // waits; 0: fine, 1: failed, 2: out of memory

    void (*linear)(void *context, DiptychCudaRows input, DiptychCudaWeight weight, const float *bias, DiptychCudaRows output,
        std::int32_t activation, std::int32_t accumulate);
    void (*headLinear)(void *context, const float *input, std::int64_t rows, std::int64_t heads, std::int64_t inputRowStride,
        std::int64_t inputHeadStride, DiptychCudaWeight weight, float *output, std::int64_t outputRowStride,
        std::int64_t outputHeadStride);
    void (*rmsNorm)(void *context, DiptychCudaRows input, const float *weight, DiptychCudaRows output, float epsilon);
    void (*layerNorm)(void *context, DiptychCudaRows input, const float *weight, const float *bias, DiptychCudaRows output,
        float epsilon);
    void (*embed)(void *context, DiptychCudaWeight table, const std::int32_t *ids, std::int64_t count, DiptychCudaRows output);
    void (*rope)(void *context, float *x, std::int64_t rows, std::int64_t heads, std::int64_t dim, std::int64_t rowStride,
        std::int32_t offset, const float *inverseFrequencies, std::int32_t pairs, float magnitude, std::int32_t interleaved,
        const std::int32_t *positions);
    void (*storeKv)(void *context, DiptychCudaRows keys, DiptychCudaRows values, DiptychCudaKv layer,
        const DiptychCudaSequence *sequences, std::int32_t sequenceCount);
    void (*attention)(void *context, const float *query, float *output, std::int32_t heads, float scale, std::int32_t window,
        DiptychCudaKv layer, const DiptychCudaSequence *sequences, std::int32_t sequenceCount, const std::int32_t *observeRows,
        std::int32_t observeCount, float *observed, std::int64_t observeStride);
    void (*denseAttention)(void *context, DiptychCudaRows query, DiptychCudaRows key, DiptychCudaRows value,
        DiptychCudaRows output, std::int32_t batch, std::int32_t tokens, std::int32_t heads, std::int32_t headDim, float scale);
    void (*route)(void *context, const DiptychCudaRoute *args);
    void (*moe)(void *context, DiptychCudaRows input, DiptychCudaWeight gate, DiptychCudaWeight up, DiptychCudaWeight down,
        const std::int32_t *ids, const float *weights, std::int32_t perToken, DiptychCudaRows output);
    void (*siluMultiply)(void *context, DiptychCudaRows gate, DiptychCudaRows up, DiptychCudaRows output);
    void (*add)(void *context, DiptychCudaRows accumulator, DiptychCudaRows addend);
    void (*copyRows)(void *context, DiptychCudaRows destination, DiptychCudaRows source);

    // Bytes of the packed form, 0: there is none for this weight. pack: both on the device.
    std::size_t (*packedBytes)(void *context, const DiptychCudaWeight *weight);
    void (*pack)(void *context, const DiptychCudaWeight *rows, void *packed);
    int (*fitsHalf)(void *context, const void *bfloats, std::int64_t count); // waits; 1: none is beyond float16

    // Ids, positions and block tables of a step, once. Operations that get `sequenceCount` -1, or no positions or ids,
    // use these.
    void (*beginStep)(void *context, const std::int32_t *ids, const std::int32_t *positions, std::int32_t rows,
        const DiptychCudaSequence *sequences, std::int32_t sequenceCount, std::int32_t blockTokens);
    // 0: run the operations. 1: run them, they are recorded. 2: the recorded ones are queued.
    int (*replay)(void *context, std::uint64_t key);
    int (*endRecording)(void *context); // 1: recorded and queued. 0: run the operations again, unrecorded.

    // 0: not in this form; compose it.
    int (*swiglu)(void *context, DiptychCudaRows input, DiptychCudaWeight gateAndUp, DiptychCudaRows output);
    void (*latentPrepare)(void *context, const DiptychCudaLatent *args, DiptychCudaRope rope, DiptychCudaKv layer,
        const DiptychCudaSequence *sequences, std::int32_t sequenceCount);
    void (*headsPrepare)(void *context, DiptychCudaRows query, DiptychCudaRows key, DiptychCudaRows value, float *rotated,
        std::int32_t heads, DiptychCudaRope rope, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
        std::int32_t sequenceCount);
    // moe with a dense expert that every row uses; 0: not in this form, nothing was done.
    int (*moeWithShared)(void *context, DiptychCudaRows input, DiptychCudaWeight gate, DiptychCudaWeight up,
        DiptychCudaWeight down, const std::int32_t *ids, const float *weights, std::int32_t perToken,
        DiptychCudaWeight sharedGateAndUp, DiptychCudaWeight sharedDown, DiptychCudaRows output);
    // The router's product [experts, hidden] F32, then route; args.logits is written.
    void (*router)(void *context, DiptychCudaRows input, DiptychCudaWeight weight, const DiptychCudaRoute *args);
    DiptychCudaSteps (*steps)(void *context);
    // kernels::ChooseRule [rows] to kernels::Choice [rows], ids below `count`; waits. Behind a replayed step the next one is
    // queued with the tokens chosen; beginStep and replay find it there when they ask for just that step (cuda_ahead.h).
    void (*choose)(void *context, DiptychCudaRows logits, std::int32_t count, const void *rules, void *choices);
    // One launch a list: rows [firstRow, firstRow + rowCount) of query and output over its keys and values [tokens, width].
    void (*crossModalAttention)(void *context, DiptychCudaRows query, DiptychCudaRows output, std::int32_t heads,
        std::int32_t headDim, float scale, const DiptychCudaPictureList *lists, std::int32_t listCount,
        const std::int32_t *observeRows, std::int32_t observeCount, float *observed, std::int64_t observeStride);
    void (*crossModalGate)(void *context, DiptychCudaRows hidden, DiptychCudaRows attended, const float *weight, const float *bias,
        DiptychCudaRows shares);
    void (*selectTokens)(void *context, const DiptychCudaSelection *args, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
        std::int32_t sequenceCount);
    void (*sparseAttention)(void *context, const DiptychCudaSparse *args, DiptychCudaKv layer, const DiptychCudaSequence *sequences,
        std::int32_t sequenceCount);
    // patches of backend.h; pixels [tiles, size, size, 3] on the host or, `placed`, on the device; values [3, 256].
    void (*patches)(void *context, const std::uint8_t *pixels, std::int32_t placed, std::int32_t tiles, std::int32_t size,
        std::int32_t patch, const float *values, DiptychCudaRows output);
    // 0: not in this form, nothing was done.
    int (*feedForward)(void *context, DiptychCudaRows input, DiptychCudaWeight gateAndUp, DiptychCudaWeight down,
        DiptychCudaRows output);
    int (*latentPrompt)(void *context, const DiptychCudaLatentPrompt *args, DiptychCudaRope rope, DiptychCudaKv layer,
        const DiptychCudaSequence *sequences, std::int32_t sequenceCount);
    int (*pictureLayer)(void *context, const DiptychCudaPictureLayer *args);
    // resizeTiles of backend.h; tiles: device.
    int (*resizeTiles)(void *context, const std::uint8_t *pixels, std::int32_t width, std::int32_t height,
        const DiptychCudaResizeView *views, std::int32_t viewCount, std::int32_t size, const std::uint8_t *ground, void *tiles);
    // Row i of source, or its only row, to row rows[i] of destination.
    void (*scatterRows)(void *context, DiptychCudaRows source, DiptychCudaRows destination, const std::int32_t *rows, std::int32_t count);
    // Takes so many bytes for what is allocated from now on and for what operations work in. 0: there are none.
    int (*reserve)(void *context, std::size_t bytes);
    DiptychCudaWork (*work)(void *context);
};

// The plug-in's only exported symbol. Returns 0 and fills `api`, or non-zero and one sentence in `error`: another ABI
// number, another build, no driver, a card that is too old. `exact`: float32 throughout. Reads DIPTYCH_CUDA_LIKE: 80 takes
// the kernels that Ampere and Ada cards would choose, another value is refused.
typedef int (*DiptychCudaOpen)(std::uint32_t abi, const char *buildId, int device, int exact, DiptychCudaApi *api,
    char *error, std::size_t errorBytes);
#define DIPTYCH_CUDA_OPEN "diptychCudaOpen"
}
