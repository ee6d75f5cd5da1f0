// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"
#include "cache/picture_memory.h"
#include "engine/events.h"
#include "engine/model_info.h"
#include "engine/request.h"
#include "engine/result.h"
#include "files/model_files.h"
#include "vision/image_preprocessor.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

namespace engine {

// How the cache of a model is laid out: one KvLayer per layer with these dimensions.
struct KvShape {
    int layers = 0;
    int kvHeads = 1, keyDim = 0, valueDim = 0; // per layer
    bool valuesInKeys = false;
    int indexDim = 0; // keys of V3.2's indexer, 0: none
};

// Rows of picture embeddings that replace token embeddings.
struct EmbeddingSplice {
    int firstRow = 0;        // in the batch
    Tensor embeddings;       // [n, hidden] F32, packed, in the memory of LoadContext::backend
};

struct RowObservation {
    RoutingRecord routing;                            // when asked
    std::vector<float> attention;                     // mean over layers and heads, per context position; when asked
    std::vector<float> pictureAttention; // of cross-modal blocks: mean over blocks and heads, per picture token
    std::vector<ModalityGate> gates;     // one a block
};

// What a logit row comes back as when tokens are asked for instead of logits.
struct RowChoice {
    kernels::ChooseRule rule;
    kernels::Choice choice;
    std::vector<float> logits; // [vocabulary], only where the choice is undecided
};

// One step: rows of several sequences together.
struct Batch {
    std::span<const std::int32_t> ids;       // [rows]
    std::span<const std::int32_t> positions; // [rows]
    std::span<const KvSequence> sequences;   // cover all rows
    std::span<const EmbeddingSplice> splices;
    // One a sequence, for models with cross-modal blocks: all picture tokens of its request in order, none without a
    // picture. Rows that no splice covers look at them. Empty: no sequence has any.
    std::span<const PictureMemory *const> memories;
    std::span<const KvLayer> cache;          // [layers]
    std::span<const std::int32_t> logitRows; // rows that want logits
    float *logits = nullptr;                 // host [logitRows, vocabulary]; unused with `choices`
    std::span<RowChoice> choices;            // [logitRows], in and out: tokens instead of logits; empty: logits
    int choosable = 0;                       // ids from 0 that may be chosen
    // Observations of these rows, which must be rows of `logitRows` order; empty: none.
    std::span<const std::int32_t> observeRows;
    bool observeRouting = false, observeAttention = false;
    std::vector<RowObservation> *observations = nullptr; // resized to observeRows
    ExpertOptions experts;                   // the same for the whole batch; sequences with others go in another step
    std::span<const std::int32_t> hiddenRows; // draft only: [rows] rows of the step before
};

// A text model. Engine thread only. forward writes the cache rows of its tokens and the logits asked for.
class LanguageModel {
public:
    virtual ~LanguageModel() = default;
    virtual const TextConfig &config() const = 0;
    virtual KvShape kvShape() const = 0;
    virtual Status forward(const Batch &batch) = 0;

    // Whether forward() had rather be asked for tokens: its logits lie far away.
    virtual bool prefersChoosing() const { return false; }

    // Cross-modal attention blocks read a memory of each picture: made once from its embeddings [tokens, hidden], and
    // joined, in order, where a request has several. Only asked of models that have such blocks.
    virtual bool hasCrossModal() const { return false; }
    virtual Result<PictureMemory> rememberPicture(Tensor) { return noCrossModal(); }
    virtual Result<PictureMemory> joinMemories(std::span<const PictureMemory *const>) { return noCrossModal(); }

    // Guesses for speculative decoding, by models loaded for it. draft() follows a forward(): row i reads the hidden
    // state of that step's row hiddenRows[i] at position positions[i], ids[i] is the token after it, and the logits
    // guess the token after that. It writes the same cache rows in a layer of its own, the last of kvShape().
    virtual bool canDraft() const { return false; }
    virtual Status draft(const Batch &) { return Error{ErrorCode::Internal, "this model makes no guesses"}; }

private:
    static Error noCrossModal() { return {ErrorCode::Internal, "this model has no cross-modal blocks"}; }
};

// A picture tower with projector and token layout: embeddings in prompt order, as many rows as ImagePlan::tokenCount.
class VisionEncoder {
public:
    virtual ~VisionEncoder() = default;
    virtual const ImagePreprocessor &preprocessor() const = 0;
    // What encode() wants, made where it is made fastest.
    virtual Result<ImageTiles> prepare(const Image &image, int imageCount) { return preprocessor().prepare(image, imageCount); }
    virtual Result<Buffer> encode(const ImageTiles &tiles, std::stop_token stop,
        const std::function<void(int done, int total)> &progress) = 0; // [tokenCount, hidden] F32
};

struct ModelBundle {
    std::unique_ptr<LanguageModel> text;
    std::unique_ptr<VisionEncoder> vision; // none: text only
    std::uint64_t weightBytes = 0;
    double activeBytesPerToken = 0;        // weights read for one generated token
};

struct LoadContext {
    std::shared_ptr<const ModelFiles> files;
    Backend *backend = nullptr;
    // Where a model is split: this one holds the token embeddings and the first layers, `backend` the rest with the picture
    // path and the output layer, so that a step crosses once. Models without guesses of their own (MTP) only.
    Backend *firstBackend = nullptr;
    int firstLayers = 0; // of it; fewer than the model has
    LoadOptions options;
    std::stop_token stop;
    std::atomic<std::uint64_t> *doneBytes = nullptr; // progress, may be null
};

struct Architecture {
    std::string_view id;
    Result<ModelBundle> (*load)(const LoadContext &context);
};
const Architecture *findArchitecture(std::string_view id); // nullptr: unknown
Result<ModelBundle> loadModel(const LoadContext &context);

// Parameter totals from config alone, for inspect and memory plans (architectures.md 1.2, 1.3).
struct ParameterCount {
    std::uint64_t total = 0, active = 0, vision = 0;
};
ParameterCount countParameters(const ModelConfig &config);

} // namespace engine
