# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# Sourced by run.sh and test.sh: goes to the top of the tree and installs the Debian packages that are missing.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top"

missing_packages() {
    local package
    for package in $(sed -e 's/#.*//' packaging/dependencies.txt); do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

install_missing() {
    local missing as_root=()
    missing=$(missing_packages)
    [ -z "$missing" ] && return 0
    echo "Installing:" $missing
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "These packages are missing and only root can install them:" $missing >&2; return 1; }
        as_root=(sudo)
    fi
    "${as_root[@]}" apt-get update -qq
    # shellcheck disable=SC2086
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# The CUDA plug-in is built where nvcc is found, on the path or where NVIDIA's packages put it; the program runs without it.
if ! command -v nvcc >/dev/null && [ -x /usr/local/cuda/bin/nvcc ]; then
    PATH=$PATH:/usr/local/cuda/bin
fi
cuda_options() {
    if command -v nvcc >/dev/null; then
        echo "-DDIPTYCH_CUDA=ON"
    else
        echo "nvcc is not installed: building without the CUDA plug-in; models run on the processor." >&2
        echo "-DDIPTYCH_CUDA=OFF"
    fi
}

jobs() { nproc; }
