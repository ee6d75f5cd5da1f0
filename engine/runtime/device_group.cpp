// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_group.h"

#include <algorithm>
#include <utility>

namespace engine {

DeviceGroup::DeviceGroup()
    : m_thread([this](std::stop_token stop) { run(stop); })
{}

DeviceGroup::~DeviceGroup()
{
    m_thread.request_stop();
    m_signal->raise();
    m_thread.join();
}

void DeviceGroup::post(Command command)
{
    {
        const std::lock_guard lock(m_mutex);
        m_commands.push_back(std::move(command));
    }
    m_signal->raise();
}

void DeviceGroup::addModel(std::shared_ptr<ModelSlot> slot)
{
    post([this, slot = std::move(slot)](std::stop_token) { m_models.push_back(slot); });
}

void DeviceGroup::removeModel(std::shared_ptr<ModelSlot> slot)
{
    post([this, slot = std::move(slot)](std::stop_token) { std::erase(m_models, slot); });
}

void DeviceGroup::run(std::stop_token stop)
{
    while (!stop.stop_requested()) {
        const bool hadCommand = runCommands(stop);
        if (!takeTurn() && !hadCommand)
            m_signal->wait();
    }
    // Here, on the engine thread, go the answers, the weights and the cache.
    std::deque<Command> dropped;
    {
        const std::lock_guard lock(m_mutex);
        dropped.swap(m_commands);
    }
    dropped.clear();
    m_models.clear();
}

bool DeviceGroup::runCommands(std::stop_token stop)
{
    bool any = false;
    while (!stop.stop_requested()) {
        Command command;
        {
            const std::lock_guard lock(m_mutex);
            if (m_commands.empty())
                return any;
            command = std::move(m_commands.front());
            m_commands.pop_front();
        }
        command(stop);
        any = true;
    }
    return any;
}

bool DeviceGroup::takeTurn()
{
    ModelSlot *next = nullptr;
    for (const auto &slot : m_models) {
        if (slot->scheduler.hasWork() && (!next || slot->spentMs < next->spentMs))
            next = slot.get();
    }
    if (!next)
        return false;
    // Who was idle has saved up nothing: it starts beside the one that is served now.
    for (const auto &slot : m_models) {
        if (!slot->scheduler.hasWork())
            slot->spentMs = std::max(slot->spentMs, next->spentMs);
    }
    const auto begin = Clock::now();
    next->scheduler.step();
    next->spentMs += millisecondsBetween(begin, Clock::now());
    return true;
}

} // namespace engine
