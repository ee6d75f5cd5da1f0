// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu_memory.h"

#include "base/checked.h"

#include <sys/mman.h>
#include <unistd.h>

namespace engine {

namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kArenaBlock = std::size_t{8} << 20;
constexpr std::size_t kAlignment = 64;

// More than the machine has can be promised by the kernel, but not kept.
bool isMoreThanInstalled(std::size_t bytes)
{
    const long pages = sysconf(_SC_PHYS_PAGES);
    const long pageSize = sysconf(_SC_PAGESIZE);
    return pages > 0 && pageSize > 0
        && bytes / static_cast<std::size_t>(pageSize) > static_cast<std::size_t>(pages);
}

} // namespace

std::unique_ptr<HostMemory> HostMemory::allocate(std::size_t bytes)
{
    const bool isHuge = bytes >= kHugePage;
    const std::size_t slack = isHuge ? kHugePage : 0;
    const auto mappingBytes = (Checked(bytes == 0 ? 1 : bytes).alignedTo(4096) + Checked(slack)).get();
    if (!mappingBytes || isMoreThanInstalled(bytes))
        return nullptr;
    void *mapping = mmap(nullptr, *mappingBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return nullptr;
    auto memory = std::unique_ptr<HostMemory>(new HostMemory);
    memory->m_mapping = mapping;
    memory->m_mappingBytes = *mappingBytes;
    memory->bytes = bytes;
    auto address = reinterpret_cast<std::uintptr_t>(mapping);
    if (isHuge) {
        address = (address + kHugePage - 1) / kHugePage * kHugePage;
        madvise(reinterpret_cast<void *>(address), bytes / kHugePage * kHugePage, MADV_HUGEPAGE); // a wish
    }
    memory->data = reinterpret_cast<std::byte *>(address);
    return memory;
}

HostMemory::~HostMemory()
{
    munmap(m_mapping, m_mappingBytes);
}

WeightArena::Piece WeightArena::allocate(std::size_t bytes)
{
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (rounded >= kArenaBlock / 4) {
        std::shared_ptr<HostMemory> own = HostMemory::allocate(rounded);
        std::byte *data = own ? own->data : nullptr;
        return {std::move(own), data};
    }
    if (!m_current || m_used + rounded > m_current->bytes) {
        m_current = HostMemory::allocate(kArenaBlock);
        m_used = 0;
        if (!m_current)
            return {};
    }
    Piece piece{m_current, m_current->data + m_used};
    m_used += rounded;
    return piece;
}

} // namespace engine
