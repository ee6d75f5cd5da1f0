// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "cpu/tables.h"
#include "kernels/reference.h"
#include "kernels/table.h"

#include <cstdlib>
#include <vector>

namespace kernels {

namespace {

std::vector<const KernelTable *> detect()
{
    std::vector<const KernelTable *> tables;
#if defined(KERNELS_HAVE_X86)
    // The compiler's check asks CPUID and, through XGETBV, whether the system saves the registers.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
        tables.push_back(&avx512::kTable);
    // F16C came before AVX2 and every processor with the second has the first; Clang 14 does not know its name.
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tables.push_back(&avx2::kTable);
#endif
    tables.push_back(&reference::table());
    return tables;
}

} // namespace

std::span<const KernelTable *const> availableTables()
{
    static const std::vector<const KernelTable *> tables = detect();
    return tables;
}

const KernelTable *findTable(std::string_view name)
{
    if (name.empty()) {
        const char *forced = std::getenv("DIPTYCH_ISA");
        if (forced == nullptr || *forced == '\0')
            return availableTables().front();
        name = forced;
    }
    for (const KernelTable *table : availableTables())
        if (table->name == name)
            return table;
    return nullptr;
}

} // namespace kernels
