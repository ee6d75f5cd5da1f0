// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace cli {

// What this machine reads from memory with so many threads (0: all), in GB/s: the best of a few
// passes over a block larger than its caches.
double measureReadBandwidth(int threads);

} // namespace cli
