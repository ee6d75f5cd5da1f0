#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Diptych authors
# SPDX-License-Identifier: Apache-2.0
# The self-test on a card under compute-sanitizer, topic by topic and tool by tool, several at a time; a line each:
#   tests/bench/sanitize_card.sh DIPTYCH_CLI LOGS [SECONDS [TOOL...]]
# SECONDS: what one of them may take (default 600), JOBS: how many at a time (default 8), TOPICS: these instead of all, a ; between
# them. Says what was reported, what failed and what did not come to its end; exits with 1 if anything was reported or failed,
# with 2 if something did not come to its end.
set -uo pipefail

[ $# -ge 2 ] || { sed -n 4,8p "$0" >&2; exit 64; }
cli=$1 logs=$2 seconds=${3:-600}
shift $(($# < 3 ? $# : 3))
tools=("$@")
[ ${#tools[@]} -gt 0 ] || tools=(memcheck racecheck synccheck)
command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not on the path" >&2; exit 64; }
mkdir -p "$logs" || exit 64

# Each holds the names of some operations; together they hold all. What takes longest comes first.
topics=("experts and a shared one, with the router" "experts and a shared one, automatic" "experts and a shared one, Q" "attention" "feed-forward"
    "norm and products" "gated product" "linear F32" "linear F16" "linear F8" "linear BF16" "linear Q2" "linear Q3" "linear Q4_0" "linear Q4_1" "linear Q4_K"
    "linear Q5_0" "linear Q5_1" "linear Q5_K" "linear Q6" "linear Q8" "linear IQ4_NL" "linear IQ4_XS" "experts and a shared one, B" "experts and a shared one, F"
    "choosing tokens, 70 x" "choosing tokens, 14 x 17," "choosing tokens, 14 x 128," "choosing tokens, 14 x 5003," "choosing tokens, 7 x 17,"
    "choosing tokens, 7 x 128," "picture" "embedding" "head linear" "experts greedy" "experts group" "experts biased" "norm, router" "selected tokens" "cross-modal" "rms norm"
    "layer norm" "silu multiply" "rope")
# Clusters that choose a token take seconds a launch under racecheck: a rule at a time.
for ids in 5003 102400 151937; do
    for rule in 0 1 2 3 4 5 6 7 8 9; do topics+=("7 x $ids, rule $rule,"); done
    [ "$ids" = 5003 ] || for rule in 0 2 4 6 8; do topics+=("14 x $ids, rule $rule "); done
done
[ -n "${TOPICS:-}" ] && IFS=';' read -ra topics <<<"$TOPICS"

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
