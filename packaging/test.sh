#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# Builds everything and runs all tests: the dev build, then parsers and engine under the address and undefined
# sanitizers, then the runtime under the thread sanitizer.
set -euo pipefail
source "$(dirname "$0")/prepare.sh"

install_missing
step() { printf '\n== %s (%s)\n' "$1" "$(date +%T)"; }

step "dev build"
cmake --preset dev "$(cuda_options)" -DDIPTYCH_CUDA_ARCHITECTURES=90a-real >/dev/null
cmake --build --preset dev --parallel "$(jobs)"

step "parsers and engine under address and undefined sanitizers: build"
cmake --preset asan >/dev/null
cmake --build --preset asan --parallel "$(jobs)"

step "runtime under the thread sanitizer: build"
cmake --preset tsan >/dev/null
cmake --build --preset tsan --parallel "$(jobs)" --target diptych_thread_tests

step "tests: thread sanitizer"
ctest --preset tsan -L threads --no-tests=error
step "tests: address and undefined sanitizers"
ctest --preset asan -LE "cli|slow" --no-tests=error
step "tests: dev"
ctest --preset dev -LE slow --no-tests=error
