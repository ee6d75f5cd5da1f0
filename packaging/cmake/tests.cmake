# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# diptych_add_test(tst_name SOURCES a.cpp... LIBS Diptych::Engine... LABELS unit [DEFINITIONS X=1...])
# One binary per unit. Labels: unit, golden, ui (offscreen), slow. Each test ends within 30 s, sanitizers get more.
function(diptych_add_test name)
    cmake_parse_arguments(arg "" "" "SOURCES;LIBS;LABELS;DEFINITIONS" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES AUTOMOC ON
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_link_libraries(${name} PRIVATE ${arg_LIBS} Qt6::Core Qt6::Test diptych_options)
    target_compile_definitions(${name} PRIVATE
        DIPTYCH_SOURCE_DIR="${CMAKE_SOURCE_DIR}" DIPTYCH_BINARY_DIR="${CMAKE_BINARY_DIR}" ${arg_DEFINITIONS})
    add_test(NAME ${name} COMMAND ${name})
    set(limit 30)
    if(DIPTYCH_SANITIZE)
        set(limit 300)
    endif()
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${limit}
        ENVIRONMENT "QT_QPA_PLATFORM=offscreen;LC_ALL=C.UTF-8;TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/tsan.supp")
endfunction()
