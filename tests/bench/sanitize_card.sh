#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# The self-test on a card under compute-sanitizer, topic by topic and tool by tool, several at a time; a line each:
#   tests/bench/sanitize_card.sh DIPTYCH_CLI LOGS [SECONDS [TOOL...]]
# SECONDS: what one of them may take (default 600), JOBS: how many at a time (default 8). Says what was reported, what failed and
# what did not come to its end; exits with 1 if anything was reported or failed, with 2 if something did not come to its end.
set -uo pipefail

[ $# -ge 2 ] || { sed -n 4,7p "$0" >&2; exit 64; }
cli=$1 logs=$2 seconds=${3:-600}
shift $(($# < 3 ? $# : 3))
tools=("$@")
[ ${#tools[@]} -gt 0 ] || tools=(memcheck racecheck synccheck)
command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not on the path" >&2; exit 64; }
mkdir -p "$logs" || exit 64

# Each holds the names of some operations; together they hold all.
topics=("rms norm" "layer norm" "silu multiply" "rope" "embedding" "head linear" "linear F" "linear BF" "linear Q4" "linear Q5" "linear Q6" "linear Q8"
    "linear Q2" "linear Q3" "linear IQ" "gated product" "norm and products" "feed-forward" "experts greedy" "experts group" "experts biased"
    "experts and a shared one, Q" "experts and a shared one, B" "experts and a shared one, F" "experts and a shared one, automatic" "experts and a shared one, with the router"
    "norm, router" "attention" "selected tokens" "cross-modal" "choosing" "picture")

# shellcheck disable=SC2317 # xargs calls it
one() { # topic tool
    local log="$logs/$2 ${1//\//-}.txt" start=$SECONDS status outcome
    timeout -s KILL "$seconds" compute-sanitizer --tool "$2" --num-cuda-barriers 64 --print-limit 20 --error-exitcode 9 \
        "$cli" selftest --device cuda --only "$1" >"$log" 2>&1
    status=$?
    outcome=clean
    [ $status -ne 0 ] && outcome=failed
    [ $status -eq 9 ] && outcome=reported
    [ $status -eq 137 ] && outcome="not through"
    grep -q '^0 checks' "$log" && outcome="no checks"
    printf '%-12s %-10s %4s s  %s: %s\n' "$outcome" "$2" $((SECONDS - start)) "$1" "$(grep -h ' checks, ' "$log" | tail -1)"
}
export -f one
export cli logs seconds

for tool in "${tools[@]}"; do
    for topic in "${topics[@]}"; do
        printf '%s\0%s\0' "$topic" "$tool"
    done
done | xargs -0 -n 2 -P "${JOBS:-8}" bash -c 'one "$0" "$1"' | tee "$logs/summary.txt"

grep -qE '^(reported|failed|no checks)' "$logs/summary.txt" && exit 1
grep -q '^not through' "$logs/summary.txt" && exit 2
exit 0
