// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/model_slot.h"
#include "runtime/work_signal.h"

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace engine {

// The engine thread of one device. Its models take turns step by step: the one that has had least
// time goes next. It never waits for a reader. Ending it ends all answers with Cancelled.
class DeviceGroup {
public:
    using Command = std::function<void(std::stop_token)>;

    DeviceGroup();
    ~DeviceGroup();
    DeviceGroup(const DeviceGroup &) = delete;
    DeviceGroup &operator=(const DeviceGroup &) = delete;

    // Any thread. Commands run in order between two steps; those not yet run when the group ends
    // are dropped.
    void post(Command command);
    void addModel(std::shared_ptr<ModelSlot> slot);
    void removeModel(std::shared_ptr<ModelSlot> slot); // takes the caller's reference along
    const std::shared_ptr<WorkSignal> &signal() const { return m_signal; }

private:
    void run(std::stop_token stop);
    bool runCommands(std::stop_token stop);
    bool takeTurn();

    std::shared_ptr<WorkSignal> m_signal = std::make_shared<WorkSignal>();
    std::mutex m_mutex;
    std::deque<Command> m_commands;
    std::vector<std::shared_ptr<ModelSlot>> m_models; // engine thread only
    std::jthread m_thread;                            // last: runs while the rest lives
};

} // namespace engine
