// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/device.h"
#include "engine/events.h"
#include "engine/model_info.h"
#include "engine/request.h"
#include "engine/result.h"

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace engine {

// Called when something waits that was not waiting before (empty to non-empty): from the engine thread, a loader
// thread, or inside cancel() on the caller's own.
// Must return at once; typically it posts one event to the reader's own thread.
using Wake = std::function<void()>;

// One running answer. Methods are for one reader thread. Dropping it cancels it and silences its wake:
// after the destructor returns the wake is never called again.
class Generation {
public:
    virtual ~Generation() = default;
    virtual void cancel() = 0;                                // answers within 100 ms with Finished{Cancelled}
    virtual std::vector<GenerationEvent> takeEvents() = 0;    // never blocks; empty when nothing new
};

struct LoadProgress {
    std::uint64_t doneBytes = 0;
    std::uint64_t totalBytes = 0;
};

// One model being loaded. Dropping it before it is done cancels the load.
class ModelLoad {
public:
    virtual ~ModelLoad() = default;
    virtual void cancel() = 0;
    virtual LoadProgress progress() const = 0;
    virtual std::optional<Result<ModelId>> takeResult() = 0;  // set once; nothing while it runs
};

struct MemoryUse {
    std::uint64_t weightBytes = 0;
    std::uint64_t kvBytes = 0;     // reserved for context
    std::uint64_t kvUsedBytes = 0; // of it, holding live tokens
    std::uint64_t deviceFreeBytes = 0, deviceTotalBytes = 0; // of its card, about a second old while it answers; 0: the processor
};

struct LoadedModel {
    ModelId id = 0;
    ModelInfo info;
    LoadOptions options;
    MemoryUse memory;
    int contextTokens = 0; // as loaded
    int cardLayers = 0;    // of a split model: the last so many lie on the card; 0: not split
    int running = 0;       // generations in progress or waiting
};

struct BenchOptions {
    ModelId model = 0;
    int promptTokens = 512;
    int generateTokens = 64;
    int depthTokens = 0;
    int batch = 1;
    std::shared_ptr<const Image> image; // when set: picture to first token instead of random prompt ids
    std::stop_token stop = {};          // ends with Cancelled
};
// What is planned for a load on a card, or taken since the card was opened.
struct CardUse {
    std::uint64_t weightBytes = 0, contextBytes = 0;
    std::uint64_t workBytes = 0; // what steps work in and the code of kernels
    std::uint64_t totalBytes() const { return weightBytes + contextBytes + workBytes; }
};
struct BenchResult {
    double promptTokensPerSecond = 0, generateTokensPerSecond = 0; // all sequences together
    double firstTokenMs = 0;
    double resizeMs = 0, lookMs = 0; // of it, with a picture: making its tiles, and the picture tower
    double readBytesPerToken = 0; // weights a generated token must read
    // Generated steps on a device that records them: queued as one piece, recorded, or operation by operation; the last
    // reason why a recording failed.
    std::int64_t replayedSteps = 0, recordedSteps = 0, launchedSteps = 0;
    // Begun before the tokens of the step before were read; of these, in vain.
    std::int64_t aheadSteps = 0, forgottenSteps = 0;
    std::string recordingRefusal;
    CardUse planned, used; // of a card only
    std::uint64_t workMostBytes = 0, workOutsideBytes = 0; // of what was reserved to work in; taken beside it
};

// What a load takes: weights, the cache that is reserved for all its sequences together, on a card also what steps work in.
struct MemoryPlan {
    std::uint64_t weightBytes = 0;                  // all of them,
    std::uint64_t expertBytes = 0, visionBytes = 0; // of these routed experts and the picture path
    std::uint64_t workBytes = 0;                    // 0 on the processor
    std::uint64_t freeBytes = 0;                    // of the device, before the load
    std::uint64_t contextBytes = 0;
    int contextTokens = 0;          // of one sequence
    // Split models: so many of the last layers lie on the card. The numbers above are of the card, these of the processor.
    int cardLayers = 0;
    std::uint64_t hostWeightBytes = 0, hostContextBytes = 0, hostFreeBytes = 0;
    std::uint64_t hostBytes() const { return hostWeightBytes + hostContextBytes; }
    std::uint64_t totalBytes() const { return weightBytes + contextBytes + workBytes; }
};
// By the loader's own rules and the memory that is free now; of a card, which is opened for it. OutOfMemory or BadRequest
// where the load would be refused, DeviceLost: there is no such card. loadOffers says what would run instead.
Result<MemoryPlan> planMemory(const ModelInfo &info, const LoadOptions &options);

// A load that fits where another did not.
struct LoadOffer {
    enum class Kind {
        SmallerContext = 1, // on the same device
        Requantised,        // on the same device, with a smaller context where need be
        Split,              // the last layers on the card, the first on the processor
        Processor,          // all of it there, re-quantised or with a smaller context where need be
    };
    Kind kind = Kind::SmallerContext;
    LoadOptions options; // complete; its context is the plan's
    MemoryPlan plan;
    int layers = 0; // of the model
};
// What would run where `options` do not, best first, by the memory that is free now; of a card, which is opened for it.
// Every offer has passed the loader's own plan. DeviceLost: nothing on a card. Empty: nothing would, or `options` themselves fit.
std::vector<LoadOffer> loadOffers(const ModelInfo &info, const LoadOptions &options, ErrorCode error = ErrorCode::OutOfMemory);
// The offer as a sentence with its numbers.
std::string sentenceOf(const LoadOffer &offer);

// A conversation as the model reads it.
struct ChatPrompt {
    std::vector<std::int32_t> ids;
    std::string text;
};

// The public door of the engine. Thread-safe; nothing here waits for a model except where said.
class Runtime {
public:
    static std::unique_ptr<Runtime> create();
    virtual ~Runtime() = default; // cancels all, joins the engine threads

    virtual std::vector<DeviceInfo> devices() const = 0;
    virtual std::unique_ptr<ModelLoad> load(const LoadOptions &options, Wake wake) = 0;
    virtual void unload(ModelId model) = 0; // running answers end with Cancelled
    virtual std::vector<LoadedModel> models() const = 0;
    virtual std::unique_ptr<Generation> start(GenerationRequest request, Wake wake) = 0;

    // These wait for their result; for the command line and worker threads.
    // Logits [tokens, vocabulary]; when stopped, those of the first tokens, as far as it came.
    virtual Result<std::vector<float>> score(ModelId model, const std::vector<std::int32_t> &tokens,
        const std::vector<std::shared_ptr<const Image>> &images, std::stop_token stop = {}) = 0;
    virtual Result<BenchResult> bench(const BenchOptions &options) = 0;
    virtual Result<std::vector<std::int32_t>> tokenize(ModelId model, const std::string &text, bool asChat) = 0;
    // A conversation without pictures as the model is asked with it. `opensAnswer` false: up to the last turn only.
    virtual Result<ChatPrompt> chatPrompt(const GenerationRequest &request, bool opensAnswer) = 0;
    virtual Result<std::string> detokenize(ModelId model, const std::vector<std::int32_t> &ids) = 0;
    // loadOffers for what options.path holds, after an error of this kind; nothing where it cannot be read, or is about
    // something else. A card that was lost is not offered again.
    virtual std::vector<LoadOffer> offers(const LoadOptions &options, ErrorCode error) = 0;
};

// Reads headers and config only. `listTensors` fills ModelInfo::tensors.
Result<ModelInfo> inspectModel(const std::string &path, bool listTensors = false);

} // namespace engine
