// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace engine {
[[noreturn]] void assertionFailed(const char *condition, const char *file, int line);
}

// Our own mistakes, on in every build. Never for input.
#define ENGINE_ASSERT(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ::engine::assertionFailed(#condition, __FILE__, __LINE__);                             \
    } while (false)
