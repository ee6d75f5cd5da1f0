// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#define KERNELS_ISA avx2

#include "cpu/vector_avx2.h"

#include "cpu/bodies/table.h"
