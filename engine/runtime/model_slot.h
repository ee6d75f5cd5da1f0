// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "runtime/loaded_parts.h"
#include "runtime/scheduler.h"

#include <memory>
#include <string>
#include <utility>

namespace engine {

// One model on its device: weights, cache and the answers in progress. Loads of the same files with
// the same options share one. Made on a loader thread, then the engine thread's alone, which is
// also where it goes.
struct ModelSlot {
    ModelSlot(std::string k, std::unique_ptr<LoadedParts> p)
        : key(std::move(k))
        , parts(std::move(p))
        , scheduler(*parts)
    {}

    std::string key;
    std::unique_ptr<LoadedParts> parts;
    Scheduler scheduler;
    double spentMs = 0; // turns taken so far, for fairness; engine thread only
};

} // namespace engine
