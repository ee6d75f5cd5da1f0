#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# Builds Diptych and starts it. Without a display it asks the embedded model about a bundled picture instead.
#   packaging/run.sh [--build-only] [arguments of diptych...]
set -euo pipefail
source "$(dirname "$0")/prepare.sh"

build_only=no
if [ "${1:-}" = "--build-only" ]; then
    build_only=yes
    shift
fi

install_missing
cmake --preset release "$(cuda_options)" >/dev/null
cmake --build --preset release --parallel "$(jobs)"
[ "$build_only" = yes ] && exit 0

if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec build/release/bin/diptych "$@"
fi
picture=resources/pictures/shapes.png
question="How many shapes are in the picture?"
echo "There is no display here, so this asks the embedded model in the terminal."
echo "For the window, run the same command in a graphical session (or over ssh -X)."
echo
echo "Picture:  $picture"
echo "Question: $question"
printf 'Answer:   '
exec build/release/bin/diptych-cli ask -i "$picture" "$question"
