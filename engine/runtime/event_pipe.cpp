// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/event_pipe.h"

#include <utility>

namespace engine {

bool EventPipe::hasRoom() const
{
    const std::lock_guard lock(m_mutex);
    return m_events.size() < kRoom;
}

bool EventPipe::isFinished() const
{
    const std::lock_guard lock(m_mutex);
    return m_finished;
}

void EventPipe::push(GenerationEvent event)
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_finished)
            return;
        const auto *phase = std::get_if<PhaseChanged>(&event);
        auto *last = m_events.empty() ? nullptr : std::get_if<PhaseChanged>(&m_events.back());
        if (phase && last && last->phase == phase->phase) {
            *last = *phase;
            return;
        }
        m_events.push_back(std::move(event));
        if (m_events.size() > 1)
            return;
    }
    m_wake.call();
}

void EventPipe::setPrompt(std::vector<std::int32_t> ids)
{
    const std::lock_guard lock(m_mutex);
    m_promptIds = std::move(ids);
}

void EventPipe::addGenerated(std::int32_t id)
{
    const std::lock_guard lock(m_mutex);
    m_generatedIds.push_back(id);
}

void EventPipe::setUsage(const Usage &usage)
{
    const std::lock_guard lock(m_mutex);
    m_usage = usage;
}

void EventPipe::finish(FinishReason reason, std::optional<Error> error)
{
    {
        const std::lock_guard lock(m_mutex);
        if (m_finished)
            return;
        m_finished = true;
        m_events.emplace_back(Finished{reason, std::move(error), m_usage, std::move(m_promptIds),
                                       std::move(m_generatedIds)});
        if (m_events.size() > 1)
            return;
    }
    m_wake.call();
}

void EventPipe::cancel()
{
    finish(FinishReason::Cancelled);
    m_stop.request_stop();
    m_engine->raise();
}

std::vector<GenerationEvent> EventPipe::takeEvents()
{
    std::vector<GenerationEvent> events;
    {
        const std::lock_guard lock(m_mutex);
        events.swap(m_events);
    }
    if (events.size() >= kRoom)
        m_engine->raise(); // it may have been parked
    return events;
}

void EventPipe::close()
{
    m_wake.silence();
    cancel();
}

} // namespace engine
