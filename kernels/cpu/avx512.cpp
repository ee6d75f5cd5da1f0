// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#define KERNELS_ISA avx512

#include "cpu/vector_avx512.h"

#include "cpu/bodies/table.h"
