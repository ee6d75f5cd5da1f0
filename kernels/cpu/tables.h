// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/table.h"

// Tables that exist only where their unit is built (x86-64).
namespace kernels::avx2 {
extern const KernelTable kTable;
}
namespace kernels::avx512 {
extern const KernelTable kTable;
}
