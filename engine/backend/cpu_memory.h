// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/backend.h"

#include <cstddef>
#include <memory>

namespace engine {

// Anonymous memory, 64-byte aligned, in 2 MB pages where the kernel grants them: reading weights through
// 4 KB pages costs about a quarter of the bandwidth (cpu_performance.md 1).
class HostMemory final : public Buffer::Block {
public:
    static std::unique_ptr<HostMemory> allocate(std::size_t bytes); // null when there is no room; zeroed
    ~HostMemory() override;

private:
    HostMemory() = default;
    void *m_mapping = nullptr;
    std::size_t m_mappingBytes = 0;
};

// Hands out pieces of larger blocks so that small weights share huge pages. A block is given back when the last
// piece of it is gone.
class WeightArena {
public:
    struct Piece {
        std::shared_ptr<HostMemory> block;
        std::byte *data = nullptr;
    };
    Piece allocate(std::size_t bytes); // block is null when there is no room; zeroed, 64-byte aligned

private:
    std::shared_ptr<HostMemory> m_current;
    std::size_t m_used = 0;
};

} // namespace engine
