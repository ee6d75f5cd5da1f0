// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "fake_runtime.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

namespace fake {

using engine::GenerationEvent;

struct Runtime::State {
    mutable std::mutex mutex;
    std::vector<engine::LoadedModel> models;
    std::vector<engine::GenerationRequest> requests;
    engine::ModelId next = 1;
    int live = 0;
    int most = 0;
};

namespace {

class Load final : public engine::ModelLoad {
public:
    Load(int milliseconds, std::function<engine::Result<engine::ModelId>()> finish, engine::Wake wake)
        : m_milliseconds(milliseconds),
          m_thread([this, finish = std::move(finish), wake = std::move(wake)](const std::stop_token &stop) {
              for (int i = 0; i < m_milliseconds && !stop.stop_requested(); ++i) {
                  std::this_thread::sleep_for(std::chrono::milliseconds(1));
                  m_done = i + 1;
              }
              {
                  const std::lock_guard lock(m_mutex);
                  if (stop.stop_requested())
                      m_result = engine::Error{engine::ErrorCode::Cancelled, "cancelled"};
                  else
                      m_result = finish();
              }
              wake();
          })
    {
    }
    void cancel() override { m_thread.request_stop(); }
    engine::LoadProgress progress() const override
    {
        return {std::uint64_t(m_done), std::uint64_t(std::max(1, m_milliseconds))};
    }
    std::optional<engine::Result<engine::ModelId>> takeResult() override
    {
        const std::lock_guard lock(m_mutex);
        return std::exchange(m_result, std::nullopt);
    }

private:
    int m_milliseconds;
    std::atomic<int> m_done = 0;
    std::mutex m_mutex;
    std::optional<engine::Result<engine::ModelId>> m_result;
    std::jthread m_thread;
};

class Generation final : public engine::Generation {
public:
    Generation(Script script, std::shared_ptr<Runtime::State> state, engine::Wake wake, const std::atomic<bool> *isLost)
        : m_script(std::move(script)), m_state(std::move(state)), m_wake(std::move(wake)), m_isLost(isLost),
          m_thread([this](const std::stop_token &stop) { write(stop); })
    {
    }
    ~Generation() override
    {
        m_thread.request_stop();
        m_thread.join();
    }
    void cancel() override { m_thread.request_stop(); }
    std::vector<GenerationEvent> takeEvents() override
    {
        const std::lock_guard lock(m_mutex);
        return std::exchange(m_events, {});
    }

private:
    void push(GenerationEvent event)
    {
        bool wasEmpty = false;
        {
            const std::lock_guard lock(m_mutex);
            wasEmpty = m_events.empty();
            m_events.push_back(std::move(event));
        }
        if (wasEmpty)
            m_wake();
    }
    bool pieces(const std::vector<std::string> &texts, bool thinking, const std::stop_token &stop)
    {
        for (const std::string &text : texts) {
            if (stop.stop_requested() || isLost())
                return false;
            std::this_thread::sleep_for(std::chrono::microseconds(m_script.microsecondsPerPiece));
            push(engine::TextAdded{text, thinking});
            ++(thinking ? m_usage.thinkingTokens : m_usage.answerTokens);
        }
        return true;
    }
    void write(const std::stop_token &stop)
    {
        {
            const std::lock_guard lock(m_state->mutex);
            m_state->most = std::max(m_state->most, ++m_state->live);
        }
        push(engine::PhaseChanged{engine::Phase::Reading, 10, 10});
        m_usage.promptTokens = 10;
        m_usage.firstTokenMs = 5;
        m_usage.generateTokensPerSecond = 100;
        bool whole = true;
        if (!m_script.thinking.empty()) {
            push(engine::PhaseChanged{engine::Phase::Thinking, 0, 0});
            whole = pieces(m_script.thinking, true, stop);
        }
        if (whole) {
            push(engine::PhaseChanged{engine::Phase::Answering, 0, 0});
            do {
                whole = pieces(m_script.answer, false, stop);
            } while (whole && m_script.endless);
        }
        {
            const std::lock_guard lock(m_state->mutex);
            --m_state->live;
        }
        engine::Finished finished;
        finished.reason = whole ? engine::FinishReason::EndOfTurn : engine::FinishReason::Cancelled;
        if (!whole && isLost()) {
            finished.reason = engine::FinishReason::Failed;
            finished.error = engine::Error{engine::ErrorCode::DeviceLost, "the card failed (unspecified launch failure); start Diptych again, or load the model on the processor"};
        }
        finished.usage = m_usage;
        finished.promptIds = {1, 2, 3};
        push(std::move(finished));
    }

    bool isLost() const { return m_isLost != nullptr && *m_isLost; }

    Script m_script;
    std::shared_ptr<Runtime::State> m_state;
    engine::Wake m_wake;
    const std::atomic<bool> *m_isLost; // none: on the processor
    engine::Usage m_usage;
    std::mutex m_mutex;
    std::vector<GenerationEvent> m_events;
    std::jthread m_thread;
};

const engine::Error kNotHere{engine::ErrorCode::Unsupported, "the fake engine cannot do this"};

} // namespace

Runtime::Runtime() : m_state(std::make_shared<State>()) {}
Runtime::~Runtime() = default;

std::vector<engine::GenerationRequest> Runtime::requests() const
{
    const std::lock_guard lock(m_state->mutex);
    return m_state->requests;
}

int Runtime::liveGenerations() const
{
    const std::lock_guard lock(m_state->mutex);
    return m_state->live;
}

int Runtime::mostAtOnce() const
{
    const std::lock_guard lock(m_state->mutex);
    return m_state->most;
}

std::vector<engine::DeviceInfo> Runtime::devices() const
{
    engine::DeviceInfo cpu;
    cpu.id = "cpu";
    cpu.name = "Test processor";
    cpu.totalBytes = 16'000'000'000ULL;
    cpu.freeBytes = freeBytes;
    cpu.threads = 2;
    cpu.instructionSet = "reference";
    return {cpu};
}

std::unique_ptr<engine::ModelLoad> Runtime::load(const engine::LoadOptions &options, engine::Wake wake)
{
    const bool isLarge = !options.requantize.empty() && (options.contextTokens == 0 || options.contextTokens > 1024);
    auto finish = [state = m_state, options, noRoom = isLarge ? noRoom : std::string(), noCard = options.device == "cpu" ? std::string() : noCard,
                      fails = options.path == failLoadsOf || (failLoadsOfRequantized && !options.requantize.empty())]() -> engine::Result<engine::ModelId> {
        if (!noCard.empty())
            return engine::Error{engine::ErrorCode::DeviceLost, noCard};
        if (!noRoom.empty())
            return engine::Error{engine::ErrorCode::OutOfMemory, noRoom};
        if (fails)
            return engine::Error{engine::ErrorCode::BadFile, "The file " + options.path + " is cut off."};
        const std::lock_guard lock(state->mutex);
        engine::LoadedModel model;
        model.id = state->next++;
        model.options = options;
        model.cardLayers = options.cardLayers;
        model.memory.weightBytes = 10'000'000;
        state->models.push_back(model);
        return model.id;
    };
    return std::make_unique<Load>(loadMilliseconds, std::move(finish), std::move(wake));
}

void Runtime::unload(engine::ModelId model)
{
    const std::lock_guard lock(m_state->mutex);
    std::erase_if(m_state->models, [model](const engine::LoadedModel &loaded) { return loaded.id == model; });
}

std::vector<engine::LoadedModel> Runtime::models() const
{
    const std::lock_guard lock(m_state->mutex);
    return m_state->models;
}

std::unique_ptr<engine::Generation> Runtime::start(engine::GenerationRequest request, engine::Wake wake)
{
    engine::LoadOptions options;
    {
        const std::lock_guard lock(m_state->mutex);
        m_state->requests.push_back(request);
        for (const engine::LoadedModel &model : m_state->models)
            if (model.id == request.model)
                options = model.options;
    }
    return std::make_unique<Generation>(script ? script(options, request) : Script(), m_state, std::move(wake),
        options.device == "cpu" ? nullptr : &isCardLost);
}

std::vector<engine::LoadOffer> Runtime::offers(const engine::LoadOptions &options, engine::ErrorCode)
{
    return offersFor ? offersFor(options) : std::vector<engine::LoadOffer>();
}

engine::Result<std::vector<float>> Runtime::score(engine::ModelId, const std::vector<std::int32_t> &,
    const std::vector<std::shared_ptr<const engine::Image>> &, std::stop_token)
{
    return kNotHere;
}

engine::Result<engine::BenchResult> Runtime::bench(const engine::BenchOptions &)
{
    return kNotHere;
}

engine::Result<std::vector<std::int32_t>> Runtime::tokenize(engine::ModelId, const std::string &, bool)
{
    return kNotHere;
}

engine::Result<engine::ChatPrompt> Runtime::chatPrompt(const engine::GenerationRequest &, bool)
{
    return kNotHere;
}

engine::Result<std::string> Runtime::detokenize(engine::ModelId, const std::vector<std::int32_t> &)
{
    return kNotHere;
}

} // namespace fake
