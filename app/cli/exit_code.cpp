// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "exit_code.h"

#include "output.h"

#include <cstdio>

namespace cli {

ExitCode exitCodeOf(engine::ErrorCode code)
{
    switch (code) {
    case engine::ErrorCode::BadFile:
    case engine::ErrorCode::Unsupported:
        return kBadModel;
    case engine::ErrorCode::BadImage:
        return kBadImage;
    case engine::ErrorCode::OutOfMemory:
        return kNoMemory;
    case engine::ErrorCode::DeviceLost:
        return kDevice;
    case engine::ErrorCode::ContextFull:
        return kContextFull;
    case engine::ErrorCode::Cancelled:
        return kCancelled;
    case engine::ErrorCode::Network:
        return kNetwork;
    case engine::ErrorCode::Storage:
        return kStorage;
    case engine::ErrorCode::BadRequest:
        return kUsage;
    case engine::ErrorCode::Internal:
        break;
    }
    return kInternal;
}

int fail(const engine::Error &error, bool json)
{
    const ExitCode code = exitCodeOf(error.code);
    std::fprintf(stderr, "diptych-cli: %s\n", error.message.c_str());
    if (json)
        printJson({{"error", {{"exit_code", static_cast<int>(code)}, {"message", error.message}}}});
    return code;
}

} // namespace cli
