// SPDX-FileCopyrightText: 2026 The Diptych authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// What packed weights take on a card: the one header of kernels/cuda that says something without CUDA.
#include "../../cuda/packed/packed_bytes.h"
