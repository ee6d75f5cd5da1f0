# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# The CUDA plug-in: one library beside the programs, no engine state in it, cudart linked statically.
include(cuda)
set(CMAKE_CUDA_ARCHITECTURES ${DIPTYCH_CUDA_ARCHITECTURES})
enable_language(CUDA)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
add_subdirectory(${CMAKE_SOURCE_DIR}/kernels/cuda ${CMAKE_BINARY_DIR}/kernels/cuda)
add_library(diptych_cuda MODULE backend/arena.cpp backend/cuda_attention.cu backend/cuda_context.cu backend/cuda_pictures.cu
    backend/cuda_plugin.cu
    backend/cuda_products.cu backend/cuda_sparse.cu)
set_target_properties(diptych_cuda PROPERTIES OUTPUT_NAME diptych-cuda)
target_include_directories(diptych_cuda PRIVATE .)
target_compile_definitions(diptych_cuda PRIVATE DIPTYCH_BUILD_ID="${DIPTYCH_BUILD_ID}")
target_link_libraries(diptych_cuda PRIVATE diptych_kernels_cuda)
