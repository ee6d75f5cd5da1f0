// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/runtime.h"

#include "runtime/device_probe.h"
#include "runtime/runtime_impl.h"

namespace engine {

std::unique_ptr<Runtime> Runtime::create()
{
    return std::make_unique<RuntimeImpl>(loadParts, probeDevices);
}

} // namespace engine
