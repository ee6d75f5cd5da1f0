// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/reference.h"
#include "kernels/table.h"

#include <cstdlib>
#include <vector>

namespace kernels {

namespace {

std::vector<const KernelTable *> detect()
{
    std::vector<const KernelTable *> tables;
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
