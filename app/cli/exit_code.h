// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/result.h"

namespace cli {

// What scripts rely on (the command line's contract).
enum ExitCode {
    kDone = 0,
    kUsage = 2,
    kBadModel = 3,
    kBadImage = 4,
    kNoMemory = 5,
    kDevice = 6,
    kNetwork = 7,
    kContextFull = 8,
    kStorage = 9,
    kInternal = 70,
    kCancelled = 130,
};
ExitCode exitCodeOf(engine::ErrorCode code);

// Says the error on stderr and gives its exit code; with `json` also as {"error": ...} on stdout.
int fail(const engine::Error &error, bool json = false);

} // namespace cli
