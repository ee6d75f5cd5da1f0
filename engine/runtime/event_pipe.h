// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/events.h"
#include "engine/runtime.h"
#include "runtime/wake_guard.h"
#include "runtime/work_signal.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

namespace engine {

// From the engine thread to one reader. Bounded: the engine asks hasRoom() before it works for this
// reader and parks it otherwise; what is pushed is never dropped. Wakes the reader only when it was
// empty. The record of the run (prompt, generated ids, usage) lies here too, so that cancel() can
// end it at once, whatever the engine is doing.
class EventPipe {
public:
    static constexpr std::size_t kRoom = 512; // events; a step adds a handful

    EventPipe(Wake wake, std::shared_ptr<WorkSignal> engine)
        : m_wake(std::move(wake))
        , m_engine(std::move(engine))
    {}

    // The engine's side.
    bool hasRoom() const;
    bool isFinished() const;
    void push(
        GenerationEvent event); // ignored after the end; two phases of one kind in a row become one
    void setPrompt(std::vector<std::int32_t> ids);
    void addGenerated(std::int32_t id);
    void setUsage(const Usage &usage);
    void finish(FinishReason reason,
                std::optional<Error> error = std::nullopt); // the first call counts
    std::stop_token stopToken() const { return m_stop.get_token(); }

    // The reader's side.
    void cancel();
    std::vector<GenerationEvent> takeEvents();
    void close(); // cancels; the wake is never called again

private:
    mutable std::mutex m_mutex;
    std::vector<GenerationEvent> m_events;
    std::vector<std::int32_t> m_promptIds, m_generatedIds;
    Usage m_usage;
    bool m_finished = false;
    WakeGuard m_wake;
    std::shared_ptr<WorkSignal> m_engine;
    std::stop_source m_stop;
};

} // namespace engine
