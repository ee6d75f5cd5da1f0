// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/runtime_impl.h"

#include "runtime/measure.h"

#include <filesystem>
#include <future>
#include <new>
#include <system_error>
#include <utility>

namespace engine {

namespace {

// One answer as its reader holds it.
class PipeGeneration final : public Generation {
public:
    explicit PipeGeneration(std::shared_ptr<EventPipe> pipe)
        : m_pipe(std::move(pipe))
    {}
    ~PipeGeneration() override { m_pipe->close(); }
    void cancel() override { m_pipe->cancel(); }
    std::vector<GenerationEvent> takeEvents() override { return m_pipe->takeEvents(); }

private:
    std::shared_ptr<EventPipe> m_pipe;
};

std::string canonicalDevice(const std::string &device)
{
    return device.empty() ? "cpu" : device == "cuda" ? "cuda:0" : device;
}

// Two loads with one key are one model in memory.
std::string keyOf(const LoadOptions &options)
{
    std::error_code error;
    const auto canonical = std::filesystem::canonical(options.path, error);
    std::string key = error ? options.path : canonical.string();
    for (const std::string &part :
         {canonicalDevice(options.device), std::to_string(options.cardLayers), std::to_string(options.threads),
          std::to_string(options.contextTokens), std::to_string(options.attentionWindow),
          std::to_string(static_cast<int>(options.precision)),
          std::to_string(static_cast<int>(options.speculative)), options.requantize})
        key.append(1, '\0').append(part);
    for (const AdapterOptions &adapter : options.adapters)
        key.append(1, '\0').append(adapter.path).append(1, '\0').append(std::to_string(adapter.scale));
    return key;
}

Error noSuchModel()
{
    return {ErrorCode::BadRequest, "this model is not loaded; load it first"};
}

} // namespace

// Shared by the loader thread, the reader's handle and the runtime.
struct RuntimeImpl::LoadState {
    LoadState(LoadOptions o, Wake w)
        : options(std::move(o))
        , wake(std::move(w))
    {}
    const LoadOptions options;
    WakeGuard wake;
    LoadCounters counters;
    std::stop_source stop;
    std::mutex mutex;
    std::optional<Result<ModelId>> result; // until taken
    bool done = false;
};

class RuntimeImpl::LoadHandle final : public ModelLoad {
public:
    explicit LoadHandle(std::shared_ptr<LoadState> state)
        : m_state(std::move(state))
    {}
    ~LoadHandle() override
    {
        m_state->wake.silence();
        m_state->stop.request_stop();
    }
    void cancel() override { m_state->stop.request_stop(); }
    LoadProgress progress() const override
    {
        return {m_state->counters.doneBytes, m_state->counters.totalBytes};
    }
    std::optional<Result<ModelId>> takeResult() override
    {
        const std::lock_guard lock(m_state->mutex);
        return std::exchange(m_state->result, std::nullopt);
    }

private:
    std::shared_ptr<LoadState> m_state;
};

RuntimeImpl::RuntimeImpl(PartsLoader loader, DeviceProbe probe)
    : m_loader(std::move(loader))
    , m_probe(std::move(probe))
{}

RuntimeImpl::~RuntimeImpl()
{
    std::list<Loading> loading;
    {
        const std::lock_guard lock(m_mutex);
        loading.swap(m_loading);
    }
    for (const Loading &load : loading)
        load.state->stop.request_stop();
    loading.clear(); // joins
    // The groups hold the last reference, so that weights go on the thread that used them.
    m_models.clear();
    m_groups.clear();
}

std::vector<DeviceInfo> RuntimeImpl::devices() const
{
    return m_probe ? m_probe() : std::vector<DeviceInfo>();
}

std::shared_ptr<ModelSlot> RuntimeImpl::findSlot(const std::string &key) const
{
    for (const auto &[id, entry] : m_models) {
        if (entry.slot->key == key)
            return entry.slot;
    }
    return nullptr;
}

DeviceGroup &RuntimeImpl::groupOf(const std::string &device)
{
    auto &group = m_groups[device];
    if (!group)
        group = std::make_unique<DeviceGroup>();
    return *group;
}

ModelId RuntimeImpl::enter(const LoadOptions &options, std::shared_ptr<ModelSlot> slot,
                           DeviceGroup &group)
{
    Entry entry;
    entry.info = slot->parts->info;
    if (!options.name.empty())
        entry.info.name = options.name;
    entry.slot = std::move(slot);
    entry.group = &group;
    entry.options = options;
    const ModelId id = m_nextId++;
    m_models.emplace(id, std::move(entry));
    return id;
}

std::unique_ptr<ModelLoad> RuntimeImpl::load(const LoadOptions &options, Wake wake)
{
    auto state = std::make_shared<LoadState>(options, std::move(wake));
    auto handle = std::make_unique<LoadHandle>(state);
    const std::lock_guard lock(m_mutex);
    std::erase_if(m_loading, [](const Loading &load) {
        const std::lock_guard stateLock(load.state->mutex);
        return load.state->done; // its thread is at its end: joining does not wait
    });
    std::jthread thread([this, state] { runLoad(state, state->stop.get_token()); });
    m_loading.push_back({std::move(state), std::move(thread)});
    return handle;
}

void RuntimeImpl::runLoad(const std::shared_ptr<LoadState> &state, std::stop_token stop)
{
    const auto load = [&]() -> Result<ModelId> {
        const std::string key = keyOf(state->options);
        const std::string device = canonicalDevice(state->options.device);
        {
            const std::lock_guard lock(m_mutex);
            if (auto slot = findSlot(key))
                return enter(state->options, std::move(slot), groupOf(device));
        }
        ENGINE_TRY(auto parts, m_loader(state->options, stop, state->counters));
        auto slot = std::make_shared<ModelSlot>(key, std::move(parts));
        const std::lock_guard lock(m_mutex);
        if (stop.stop_requested())
            return Error{ErrorCode::Cancelled, "loading was stopped"};
        DeviceGroup &group = groupOf(device);
        if (auto other = findSlot(key)) // somebody was faster
            return enter(state->options, std::move(other), group);
        group.addModel(slot);
        return enter(state->options, std::move(slot), group);
    };
    std::optional<Result<ModelId>> result;
    try {
        result = load();
    } catch (const std::bad_alloc &) {
        result = Error{
            ErrorCode::OutOfMemory,
            "the machine has no memory left for this model; close others or choose a smaller one"};
    } catch (const std::system_error &failure) { // a thread needs memory too
        result = Error{ErrorCode::OutOfMemory,
                       std::string("the machine has no room for the model's threads (") +
                           failure.what() + "); close other programs"};
    } catch (const std::exception &failure) {
        result = Error{ErrorCode::Internal,
                       std::string("loading met an error of its own: ") + failure.what()};
    }
    {
        const std::lock_guard lock(state->mutex);
        state->result = std::move(result);
    }
    state->wake.call();
    const std::lock_guard lock(state->mutex);
    state->done = true;
}

void RuntimeImpl::unload(ModelId model)
{
    Entry entry;
    bool shared = false;
    {
        const std::lock_guard lock(m_mutex);
        const auto found = m_models.find(model);
        if (found == m_models.end())
            return;
        entry = std::move(found->second);
        m_models.erase(found);
        shared = findSlot(entry.slot->key) != nullptr;
        if (!shared)
            entry.group->removeModel(std::move(entry.slot));
    }
    for (const auto &weak : entry.pipes) {
        if (const auto pipe = weak.lock())
            pipe->cancel();
    }
}

std::vector<LoadedModel> RuntimeImpl::models() const
{
    const std::lock_guard lock(m_mutex);
    std::vector<LoadedModel> models;
    for (const auto &[id, entry] : m_models) {
        const LoadedParts &parts =
            *entry.slot->parts; // what is read here does not change after the load
        LoadedModel model;
        model.id = id;
        model.info = entry.info;
        model.options = entry.options;
        model.contextTokens = parts.plan.contextTokens;
        model.cardLayers = parts.memoryPlan.cardLayers;
        model.running = *entry.running;
        model.memory.weightBytes = parts.bundle.weightBytes;
        model.memory.kvBytes = parts.cache.bytes();
        const DeviceMemory card = entry.slot->scheduler.cardMemory();
        model.memory.deviceFreeBytes = card.free;
        model.memory.deviceTotalBytes = card.total;
        if (parts.plan.blocks > 0) {
            model.memory.kvUsedBytes =
                parts.cache.bytes() / static_cast<std::uint64_t>(parts.plan.blocks) *
                static_cast<std::uint64_t>(entry.slot->scheduler.usedBlocks());
        }
        models.push_back(std::move(model));
    }
    return models;
}

std::unique_ptr<Generation> RuntimeImpl::start(GenerationRequest request, Wake wake)
{
    const std::lock_guard lock(m_mutex);
    const auto found = m_models.find(request.model);
    if (found == m_models.end()) {
        auto pipe = std::make_shared<EventPipe>(std::move(wake), std::make_shared<WorkSignal>());
        auto generation = std::make_unique<PipeGeneration>(pipe);
        pipe->finish(FinishReason::Failed, noSuchModel());
        return generation;
    }
    Entry &entry = found->second;
    auto pipe = std::make_shared<EventPipe>(std::move(wake), entry.group->signal());
    std::erase_if(entry.pipes, [](const auto &weak) { return weak.expired(); });
    entry.pipes.push_back(pipe);
    // Shared, because a command must be copyable; the scheduler gets the sequence itself.
    auto holder = std::make_shared<std::unique_ptr<Sequence>>(
        std::make_unique<Sequence>(std::move(request), pipe));
    (*holder)->count = entry.running;
    ++*entry.running;
    entry.group->post(
        [slot = entry.slot, holder](std::stop_token) { slot->scheduler.add(std::move(*holder)); });
    return std::make_unique<PipeGeneration>(std::move(pipe));
}

Result<RuntimeImpl::Entry> RuntimeImpl::find(ModelId model) const
{
    const std::lock_guard lock(m_mutex);
    const auto found = m_models.find(model);
    if (found == m_models.end())
        return noSuchModel();
    return found->second;
}

namespace {

// Stops when either of two does.
class EitherStop {
public:
    EitherStop(std::stop_token first, std::stop_token second)
        : m_first(std::move(first), Request{&m_source})
        , m_second(std::move(second), Request{&m_source})
    {}
    std::stop_token token() const { return m_source.get_token(); }

private:
    struct Request {
        std::stop_source *source;
        void operator()() const { source->request_stop(); }
    };
    std::stop_source m_source;
    std::stop_callback<Request> m_first, m_second;
};

} // namespace

template <typename T, typename Work> Result<T> RuntimeImpl::onEngine(const Entry &entry, Work work)
{
    auto promise = std::make_shared<std::promise<Result<T>>>();
    auto future = promise->get_future();
    entry.group->post([promise = std::move(promise), slot = entry.slot,
                       work = std::move(work)](std::stop_token stop) mutable {
        try {
            promise->set_value(work(*slot, stop));
        } catch (const std::bad_alloc &) {
            promise->set_value(Error{ErrorCode::OutOfMemory,
                                     "the machine has no memory left for this; ask for less"});
        } catch (const std::exception &failure) {
            promise->set_value(
                Error{ErrorCode::Internal,
                      std::string("the engine met an error of its own: ") + failure.what()});
        }
    });
    try {
        return future.get();
    } catch (const std::future_error &) { // dropped because the runtime ends
        return Error{ErrorCode::Cancelled, "the engine was closed"};
    }
}

Result<std::vector<float>>
RuntimeImpl::score(ModelId model, const std::vector<std::int32_t> &tokens,
                   const std::vector<std::shared_ptr<const Image>> &images, std::stop_token stop)
{
    ENGINE_TRY(const Entry entry, find(model));
    return onEngine<std::vector<float>>(entry, [&](ModelSlot &slot, std::stop_token closed) {
        const EitherStop either(stop, closed);
        return scoreTokens(slot, tokens, images, either.token());
    });
}

Result<BenchResult> RuntimeImpl::bench(const BenchOptions &options)
{
    ENGINE_TRY(const Entry entry, find(options.model));
    return onEngine<BenchResult>(entry, [&](ModelSlot &slot, std::stop_token stop) {
        const EitherStop either(options.stop, stop);
        return benchModel(slot, options, either.token());
    });
}

Result<std::vector<std::int32_t>> RuntimeImpl::tokenize(ModelId model, const std::string &text,
                                                        bool asChat)
{
    ENGINE_TRY(const Entry entry, find(model));
    const LoadedParts &parts = *entry.slot->parts;
    if (!parts.tokenizer)
        return Error{ErrorCode::Unsupported, parts.noTokenizer};
    if (!asChat)
        return parts.tokenizer->encodeWithSpecials(text);
    const std::vector<Turn> turns{{.role = Role::User, .text = text, .thinking = {}, .images = {}}};
    ENGINE_TRY(EncodedPrompt prompt,
               parts.chatFormat->encode({.turns = turns}, *parts.tokenizer, [](int) { return 0; }));
    return std::move(prompt.ids);
}

Result<ChatPrompt> RuntimeImpl::chatPrompt(const GenerationRequest &request, bool opensAnswer)
{
    ENGINE_TRY(const Entry entry, find(request.model));
    const LoadedParts &parts = *entry.slot->parts;
    if (!parts.tokenizer || !parts.chatFormat)
        return Error{ErrorCode::Unsupported, parts.noTokenizer};
    const ChatInput input{.turns = request.turns,
                          .tools = request.tools,
                          .think = request.think,
                          .opensAnswer = opensAnswer};
    ENGINE_TRY(EncodedPrompt prompt,
               parts.chatFormat->encode(input, *parts.tokenizer, [](int) { return 0; }));
    ENGINE_TRY(std::string text, parts.chatFormat->render(input));
    return ChatPrompt{.ids = std::move(prompt.ids), .text = std::move(text)};
}

Result<std::string> RuntimeImpl::detokenize(ModelId model, const std::vector<std::int32_t> &ids)
{
    ENGINE_TRY(const Entry entry, find(model));
    const LoadedParts &parts = *entry.slot->parts;
    if (!parts.tokenizer)
        return Error{ErrorCode::Unsupported, parts.noTokenizer};
    return parts.tokenizer->decode(ids, false);
}

std::vector<LoadOffer> RuntimeImpl::offers(const LoadOptions &options, ErrorCode error)
{
    if (error != ErrorCode::OutOfMemory && error != ErrorCode::DeviceLost)
        return {};
    const auto info = inspectModel(options.path);
    return info ? loadOffers(*info, options, error) : std::vector<LoadOffer>();
}

} // namespace engine
