# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# One INTERFACE target carries warnings and sanitizers; everything of ours links it PRIVATE.
add_library(diptych_options INTERFACE)
target_compile_options(diptych_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wundef>)
# GCC 12 warns of overlapping copies inside std::string's own operator+ at -O2 (its bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(diptych_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(DIPTYCH_WERROR)
    target_compile_options(diptych_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(DIPTYCH_SANITIZE)
    target_compile_options(diptych_options INTERFACE
        $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${DIPTYCH_SANITIZE} -fno-omit-frame-pointer>)
    target_link_options(diptych_options INTERFACE -fsanitize=${DIPTYCH_SANITIZE})
    # What the undefined sanitizer finds ends the program, and so fails its test, as the others' findings do.
    if(DIPTYCH_SANITIZE MATCHES "undefined")
        target_compile_options(diptych_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined>)
    endif()
endif()

# ccache makes a second build of the same sources nearly free; it is optional.
find_program(DIPTYCH_CCACHE ccache)
if(DIPTYCH_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${DIPTYCH_CCACHE})
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${DIPTYCH_CCACHE})
endif()
