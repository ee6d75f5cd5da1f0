// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/runtime.h"

#include <mutex>
#include <utility>

namespace engine {

// Calls a reader's wake until it is silenced; once silence() has returned it is never called again.
// Recursive, because a wake may itself read, cancel or drop.
class WakeGuard {
public:
    explicit WakeGuard(Wake wake)
        : m_wake(std::move(wake))
    {}
    void call()
    {
        const std::lock_guard lock(m_mutex);
        if (!m_silent && m_wake)
            m_wake();
    }
    void silence()
    {
        const std::lock_guard lock(m_mutex);
        m_silent = true;
    }

private:
    std::recursive_mutex m_mutex;
    Wake m_wake;
    bool m_silent = false;
};

} // namespace engine
