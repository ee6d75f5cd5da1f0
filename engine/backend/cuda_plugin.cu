// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
// libdiptych-cuda.so: the C table of cuda_plugin_api.h over the kernels of kernels/cuda. No engine state crosses.
#include "backend/cuda_context.h"

#include "cuda/packed/pack.h"

#include <algorithm>
#include <bit>
#include <climits>
#include <cstdio>
#include <cstdlib>

namespace plugin {

namespace {

constexpr std::size_t kMostRecorded = 32;
constexpr std::int64_t kNarrowedColumns = 512; // norms of heads and of small rows feed no product
constexpr std::size_t kBounceBytes = std::size_t{8} << 20; // results up to this size come through pinned memory
static_assert(kBounceBytes >= kc::kChooseRows * sizeof(kernels::Choice));

void closeContext(void *context)
{
    Context *c = &of(context);
    c->close();
    delete c;
}

void memory(void *context, std::uint64_t *free, std::uint64_t *total)
{
    stepOf(context);
    std::size_t f = 0;
    std::size_t t = 0;
    cudaMemGetInfo(&f, &t);
    *free = f;
    *total = t;
}

void *allocate(void *context, std::size_t bytes)
{
    return of(context).take(bytes); // one that failed is reported here, not by the step
}

void release(void *context, void *device)
{
    Context &c = of(context);
    cudaStreamSynchronize(c.stream);
    c.give(device);
}

void toDevice(void *context, void *device, const void *host, std::size_t bytes)
{
    Context &c = of(context);
    c.wrote(static_cast<const float *>(device), 1, static_cast<std::int64_t>(bytes / sizeof(float)), 0);
    c.note(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, c.stream), "copy to the device");
    c.note(cudaStreamSynchronize(c.stream), "copy to the device"); // the host bytes may go away after this
}

int finishStep(void *context, char *error, std::size_t errorBytes)
{
    Context &c = stepOf(context);
    c.queuePending();
    // Behind a choice there is nothing to wait for but a step made ahead.
    const bool hasWaited = c.progress == Context::Stage::Chosen && !c.failed();
    if (!hasWaited) {
        c.forgetAhead();
        c.note(cudaStreamSynchronize(c.stream), "step");
    }
    c.progress = hasWaited ? Context::Stage::Finished : Context::Stage::Other;
    c.staging.reset();
    const cudaError_t result = c.error;
    c.error = cudaSuccess;
    c.stepFits = false;
    if (result == cudaSuccess)
        return 0;
    std::snprintf(error, errorBytes, "%s: %s", c.where, cudaGetErrorString(result));
    return result == cudaErrorMemoryAllocation ? 2 : 1;
}

void normRows(void *context, DiptychCudaRows input, const float *weight, const float *bias, DiptychCudaRows output,
    float epsilon, bool centred)
{
    Context &c = of(context);
    c.wrote(output);
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
    // Products of few rows mostly take them as they are.
    if (!c.exact && input.rows <= kc::kDecodeRows && input.columns % 32 == 0
        && (input.rows > kc::kFewRows || c.wasSplit(output.data)))
        args.split = c.splitFor(output.data, output.rows, output.columns, output.stride);
    if (!c.exact && input.rows > kc::kDecodeRows && input.columns >= kNarrowedColumns)
        args.narrow = c.narrowFor(output.data, output.rows, output.columns, output.stride);
    if (!c.exact && !centred && bias == nullptr && input.rows <= kc::kRouterRows)
        c.pendingNorm = args;
    else
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

kc::RouteArgs routeOf(Context &c, const DiptychCudaRoute *in)
{
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
    args.stopExperts = c.constant(in->stopExperts, static_cast<std::size_t>(in->stopCount));
    args.stopCount = args.stopExperts != nullptr ? in->stopCount : 0; // null and some: noted
    args.ids = in->ids;
    args.weights = in->weights;
    return args;
}

void route(void *context, const DiptychCudaRoute *in)
{
    Context &c = of(context);
    c.note(kc::route(routeOf(c, in), c.stream), "routing");
}

void router(void *context, DiptychCudaRows input, DiptychCudaWeight weight, const DiptychCudaRoute *in)
{
    Context &c = withPending(context);
    kc::RouterArgs args;
    args.route = routeOf(c, in);
    args.weight = static_cast<const float *>(weight.data);
    args.input = input.data;
    args.inputStride = input.stride;
    args.columns = static_cast<int>(weight.in);
    args.tickets = c.tickets;
    const auto &norm = c.pendingNorm;
    // In place, a block could read what another has normalised.
    if (norm && norm->output == input.data && norm->outputStride == input.stride && norm->rows == input.rows
        && norm->columns == weight.in && norm->input != norm->output) {
        args.input = norm->input;
        args.inputStride = norm->inputStride;
        args.gain = norm->weight;
        args.epsilon = norm->epsilon;
        args.normed = norm->output;
        args.normedStride = norm->outputStride;
        args.split = norm->split;
    }
    if (c.exact || static_cast<DType>(weight.dtype) != DType::F32 || !kc::hasRouter(args)) {
        linear(context, input, weight, nullptr,
            {const_cast<float *>(in->logits), in->rows, in->experts, in->experts}, static_cast<int>(kc::Activation::None), 0);
        route(context, in);
        return;
    }
    if (args.gain != nullptr)
        c.pendingNorm.reset();
    c.queuePending();
    c.wrote(in->logits, in->rows, in->experts, in->experts);
    args.logitsOnly = kc::canLeaveRouting(args.route);
    c.note(kc::router(args, c.stream), "router");
    if (args.logitsOnly)
        c.pendingRoute = args.route;
}

void siluMultiply(void *context, DiptychCudaRows gate, DiptychCudaRows up, DiptychCudaRows output)
{
    Context &c = of(context);
    c.wrote(output);
    c.note(kc::siluMultiply(viewOf(gate), viewOf(up), viewOf(output), c.stream), "silu");
}

void add(void *context, DiptychCudaRows accumulator, DiptychCudaRows addend)
{
    Context &c = of(context);
    c.wrote(accumulator);
    c.note(kc::add(viewOf(accumulator), viewOf(addend), c.stream), "add");
}

void copyRows(void *context, DiptychCudaRows destination, DiptychCudaRows source)
{
    Context &c = of(context);
    c.wrote(destination);
    c.note(kc::copyRows(viewOf(destination), viewOf(source), c.stream), "copy");
}

const char *deviceName(void *context) { return stepOf(context).name.c_str(); }

std::size_t packedBytes(void *, const DiptychCudaWeight *w)
{
    return kc::packedBytes(static_cast<DType>(w->dtype), w->experts, w->out, w->in, w->scaleRows,
        w->scales != nullptr ? w->scaleColumns : 128);
}

void pack(void *context, const DiptychCudaWeight *rows, void *packed)
{
    Context &c = of(context);
    c.note(kc::pack(viewOf(*rows), static_cast<std::uint8_t *>(packed), c.stream), "packing a weight");
}

int fitsHalf(void *context, const void *bfloats, std::int64_t count)
{
    Context &c = of(context);
    auto *found = c.roomFor<int>(Room::Order, 1);
    int result = 1;
    if (found == nullptr)
        return 0;
    c.note(cudaMemsetAsync(found, 0, sizeof(int), c.stream), "checking a weight");
    c.note(kc::findWideValues(static_cast<const std::uint16_t *>(bfloats), count, found, c.stream), "checking a weight");
    c.note(cudaMemcpyAsync(&result, found, sizeof(int), cudaMemcpyDeviceToHost, c.stream), "checking a weight");
    c.note(cudaStreamSynchronize(c.stream), "checking a weight");
    return result == 0 && !c.failed() ? 1 : 0;
}

// First blocks of the rows and the blocks, and before them, if wanted, ids and positions.
void uploadNumbers(Context &c, bool onlyBlocks)
{
    auto *host = reinterpret_cast<std::int32_t *>(c.stepHost); // free: the step before has been waited for
    std::ranges::copy(c.numbers.ids, host);
    std::ranges::copy(c.numbers.positions, host + Context::kStepRows);
    std::ranges::copy(c.numbers.firstBlock, host + 2 * Context::kStepRows);
    std::ranges::copy(c.numbers.blocks, host + 3 * Context::kStepRows);
    const std::size_t first = onlyBlocks ? 2 * Context::kStepRows : 0;
    const std::size_t end = 3 * Context::kStepRows + c.numbers.blocks.size();
    c.note(cudaMemcpyAsync(reinterpret_cast<std::int32_t *>(c.stepDevice) + first, host + first,
               (end - first) * sizeof(std::int32_t), cudaMemcpyHostToDevice, c.stream),
        "numbers of the step");
}

void beginStep(void *context, const std::int32_t *ids, const std::int32_t *positions, std::int32_t rows,
    const DiptychCudaSequence *sequences, std::int32_t sequenceCount, std::int32_t blockTokens)
{
    Context &c = stepOf(context);
    c.queuePending();
    c.stepSequences.assign(sequences, sequences + sequenceCount);
    const auto count = static_cast<std::size_t>(rows);
    setNumbers(c.nextNumbers, {ids, count}, {positions, count}, c.stepSequences, blockTokens);
    const bool follows = c.progress == Context::Stage::Finished;
    const bool isReady = follows && c.isAhead && isForeseen(c.numbers, c.chosen, c.nextNumbers);
    const bool bringsBlocks = isReady && hasOtherBlocks(c.numbers, c.nextNumbers);
    c.continuesAnswers = follows && continues(c.numbers, c.nextNumbers);
    if (!isReady)
        c.forgetAhead();
    std::swap(c.numbers, c.nextNumbers);
    c.stepKind = kindOf(c.numbers, kc::kStepLimits);
    const std::size_t total = static_cast<std::size_t>(3 * Context::kStepRows) + c.numbers.blocks.size();
    c.stepFits = rows <= Context::kStepRows && total * sizeof(std::int32_t) <= Context::kStepBytes;
    c.progress = c.stepFits ? Context::Stage::Begun : Context::Stage::Other;
    if (!c.stepFits)
        c.forgetAhead();
    else if (!isReady || bringsBlocks)
        uploadNumbers(c, isReady);
}

// A step runs plainly once, so that every buffer has its size, is recorded the second time and replayed from then on.
int replay(void *context, std::uint64_t key)
{
    Context &c = stepOf(context);
    c.queuePending();
    const bool isFirst = c.progress == Context::Stage::Begun; // nothing of the step was queued before
    c.progress = Context::Stage::Other;
    key = (key ^ (static_cast<std::uint64_t>(c.stepKind.context) + c.stepKind.reach)) * 0x9E3779B97F4A7C15ULL;
    if (isFirst && c.isAhead && key == c.stepKey) {
        c.isAhead = false;
        c.progress = Context::Stage::Replayed;
        ++c.steps.replayed;
        return 2;
    }
    c.forgetAhead();
    if (!c.stepFits || !c.numbers.isDecode || c.failed())
        return 0;
    if (c.recorded.size() >= kMostRecorded && !c.recorded.contains(key))
        c.forgetRecorded();
    Context::Recorded &entry = c.recorded[key];
    if (entry.generation != c.generation) {
        if (entry.graph != nullptr)
            cudaGraphExecDestroy(entry.graph);
        entry = {0, c.generation, nullptr};
    }
    if (entry.graph != nullptr) {
        c.note(cudaGraphLaunch(entry.graph, c.stream), "recorded step");
        ++c.steps.replayed;
        c.stepKey = key;
        c.progress = isFirst ? Context::Stage::Replayed : Context::Stage::Other;
        return 2;
    }
    ++c.steps.launched;
    if (entry.seen++ != 1) // later: it could not be recorded
        return 0;
    if (cudaStreamBeginCapture(c.stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
        cudaGetLastError();
        c.steps.refusal = "the driver began no recording";
        return 0;
    }
    c.recording = true;
    c.refusal = "";
    c.recordingKey = key;
    return 1;
}

int endRecording(void *context)
{
    Context &c = of(context);
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(c.stream, &graph) != cudaSuccess || graph == nullptr)
        c.refuse("the driver gave the recording up");
    if (c.failed())
        c.refuse(c.where);
    bool done = false;
    if (*c.refusal == '\0') {
        cudaGraphExec_t ready = nullptr;
        if (cudaGraphInstantiate(&ready, graph, 0) == cudaSuccess) {
            c.recorded[c.recordingKey].graph = ready;
            c.note(cudaGraphLaunch(ready, c.stream), "recorded step");
            done = true;
            ++c.steps.recorded;
            --c.steps.launched;
        } else {
            c.refuse("the driver refused the recording");
        }
    }
    c.recording = false;
    if (graph != nullptr)
        cudaGraphDestroy(graph);
    if (!done) {
        c.steps.refusal = c.refusal;
        cudaGetLastError();
        c.error = cudaSuccess; // nothing has run
    }
    return done ? 1 : 0;
}

DiptychCudaSteps steps(void *context) { return stepOf(context).steps; }

int reserve(void *context, std::size_t bytes) { return of(context).reserve(bytes) == cudaSuccess ? 1 : 0; }
DiptychCudaWork workOf(void *context) { return of(context).work(); }

int refuse(char *error, std::size_t bytes, const std::string &why)
{
    std::snprintf(error, bytes, "%s", why.c_str());
    return 1;
}

} // namespace

void toHost(void *context, void *host, const void *device, std::size_t bytes)
{
    Context &c = of(context);
    void *bounce = bytes <= kBounceBytes ? c.bounce : nullptr;
    c.note(cudaMemcpyAsync(bounce != nullptr ? bounce : host, device, bytes, cudaMemcpyDeviceToHost, c.stream), "copy to the host");
    c.note(cudaStreamSynchronize(c.stream), "copy to the host");
    if (bounce != nullptr)
        std::memcpy(host, bounce, bytes);
}

void choose(void *context, DiptychCudaRows logits, std::int32_t count, const void *rules, void *choices)
{
    Context &c = stepOf(context);
    c.queuePending();
    c.forgetAhead();
    const auto *rule = static_cast<const kernels::ChooseRule *>(rules);
    auto *target = static_cast<kernels::Choice *>(choices);
    const cudaGraphExec_t next = c.aheadOf(logits.rows);
    for (std::int64_t first = 0; first < logits.rows; first += kc::kChooseRows) {
        const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(kc::kChooseRows, logits.rows - first));
        kc::ChooseArgs args;
        args.logits = logits.data + first * logits.stride;
        args.stride = logits.stride;
        args.rows = static_cast<int>(rows);
        args.count = count;
        args.room = c.choosing;
        args.ranks = kc::chooseRanks(c.choosingRanks, args.rows, count);
        args.choices = static_cast<kernels::Choice *>(c.bounce); // no copy on the stream between a step and the next
        if (next != nullptr) {
            args.ids = reinterpret_cast<std::int32_t *>(c.stepDevice);
            args.positions = args.ids + Context::kStepRows;
        }
        std::copy_n(rule + first, rows, args.rules);
        c.note(kc::choose(args, c.stream), "choosing tokens");
        c.note(cudaEventRecord(c.chosenEvent, c.stream), "choosing tokens");
        if (next != nullptr && !c.failed()) {
            c.note(cudaGraphLaunch(next, c.stream), "recorded step");
            c.isAhead = true;
            ++c.steps.ahead;
        }
        c.note(cudaEventSynchronize(c.chosenEvent), "choosing tokens");
        if (!c.failed())
            std::copy_n(args.choices, rows, target + first);
    }
    if (c.isAhead) {
        c.chosen.clear();
        for (std::int64_t row = 0; row < logits.rows; ++row)
            c.chosen.push_back(c.failed() || target[row].state != kernels::ChoiceState::Chosen ? -1 : target[row].id);
    }
    c.progress = Context::Stage::Chosen;
}

} // namespace plugin

extern "C" __attribute__((visibility("default"))) int diptychCudaOpen(std::uint32_t abi, const char *buildId, int device,
    int exact, DiptychCudaApi *api, char *error, std::size_t errorBytes)
{
    using namespace plugin;
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
    const cudaError_t probed = kc::probe(&attributes);
    cudaGetLastError();
    const bool hasCode = probed != cudaErrorNoKernelImageForDevice && probed != cudaErrorInvalidDeviceFunction
        && probed != cudaErrorInvalidKernelImage && probed != cudaErrorUnsupportedPtxVersion;
    if (probed != cudaSuccess && hasCode) // an error of an earlier step stays with the process
        return refuse(error, errorBytes, std::string("the card failed (") + cudaGetErrorString(probed) + "); start Diptych again, or load the model on the processor");
    if (probed != cudaSuccess) {
        return refuse(error, errorBytes, std::string(properties.name) + " is of a generation this build has no code for (sm_"
                + std::to_string(properties.major) + std::to_string(properties.minor) + ")");
    }
    const char *like = std::getenv("DIPTYCH_CUDA_LIKE"); // 80: an Ampere or Ada card's abilities at most
    const bool isLikeOlder = like != nullptr && *like != '\0';
    if (isLikeOlder && std::strcmp(like, "80") != 0)
        return refuse(error, errorBytes, std::string("DIPTYCH_CUDA_LIKE=") + like + " names no generation that can be tried out; only 80 does");
    auto *context = new Context;
    context->device = device;
    context->exact = exact != 0;
    context->name = properties.name;
    const char *ahead = std::getenv("DIPTYCH_CUDA_AHEAD"); // 0: a step waits for the tokens it begins with
    context->runsAhead = ahead == nullptr || std::strcmp(ahead, "0") != 0;
    kc::card().chained = properties.major >= 9 && !isLikeOlder;
    const char *warpgroups = std::getenv("DIPTYCH_CUDA_WARPGROUPS"); // 0: the kernels of other cards
    kc::card().warpgroups = properties.major == 9 && !isLikeOlder && (warpgroups == nullptr || std::strcmp(warpgroups, "0") != 0);
    constexpr int adaSharedBytes = 99 << 10;
    kc::card().sharedBytes = std::min(static_cast<int>(properties.sharedMemPerBlockOptin), isLikeOlder ? adaSharedBytes : INT_MAX);
    kc::card().multiprocessors = properties.multiProcessorCount;
    context->choosingRanks = kc::card().chained ? kc::mostChooseRanks() : 0;
    if (cudaStreamCreateWithFlags(&context->stream, cudaStreamNonBlocking) != cudaSuccess
        || context->staging.open(16U << 20) != cudaSuccess
        || cudaMallocHost(reinterpret_cast<void **>(&context->stepHost), Context::kStepBytes) != cudaSuccess
        || cudaMallocHost(&context->bounce, kBounceBytes) != cudaSuccess
        || cudaEventCreateWithFlags(&context->chosenEvent, cudaEventDisableTiming) != cudaSuccess
        || cudaMalloc(reinterpret_cast<void **>(&context->stepDevice), Context::kStepBytes) != cudaSuccess
        || cudaMalloc(reinterpret_cast<void **>(&context->tickets), (kc::kRouterRows + 2) * sizeof(int)) != cudaSuccess
        || cudaMemset(context->tickets, 0, (kc::kRouterRows + 2) * sizeof(int)) != cudaSuccess
        || !context->openChoosing()) {
        delete context;
        return refuse(error, errorBytes, "the card has no memory left for Diptych's own buffers");
    }
    context->dealt = context->tickets + kc::kRouterRows;
    *api = DiptychCudaApi{DIPTYCH_CUDA_ABI, context, closeContext, deviceName, memory, allocate, release, toDevice, toHost,
        finishStep, linear, headLinear, rmsNorm, layerNorm, embed, rope, storeKv, attention, denseAttention, route, moe,
        siluMultiply, add, copyRows, packedBytes, pack, fitsHalf, beginStep, replay, endRecording, swiglu, latentPrepare,
        headsPrepare, moeWithShared, router, steps, choose, crossModalAttention, crossModalGate, selectTokens, sparseAttention, patches, feedForward, latentPrompt,
        pictureLayer, resizeTiles, scatterRows, reserve, workOf};
    return 0;
}
