#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Proves with Frama-C's WP what the files of this folder say of functions of src/: the contract, and
# that nothing undefined happens on the way (-wp-rte). Prints a line a file; a goal that is not
# proved is a failure.
#
# usage: test/proofs/run.sh [FILE...]     from the root; without one, all

set -eu
cd "$(dirname "$0")/../.."
for tool in frama-c why3 cvc4; do
    command -v $tool >/dev/null 2>&1 || { echo "0 passed, 0 failed, 1 skipped" && exit 0; }
done
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 130' HUP INT TERM
# Which provers there are is asked each time, and kept nowhere else.
WHY3CONFIG=$place/why3.conf
export WHY3CONFIG
why3 -C "$WHY3CONFIG" config detect >"$place/provers" 2>&1 || true

# Every function that has a contract in a file: the one declared behind it, or defined.
functions() {
    awk '/^\/\*@ *(requires|assigns)/ { contract = 1 }
        contract && /^[a-z].*\(/ {
            sub(/\(.*/, ""); sub(/.*[ *]/, ""); print; contract = 0 }' "$1" | paste -s -d , -
}

[ $# -gt 0 ] || set -- test/proofs/*.c
functions_all=0
goals_all=0
proved_all=0
failed=0
for file in "$@"; do
    names=$(functions "$file")
    log=$place/log
    code=0
    frama-c -machdep gcc_x86_64 -cpp-extra-args="-Iinclude -Isrc -Itest/proofs" -wp -wp-rte \
        -wp-prover cvc4 -wp-timeout 20 -wp-par 2 -wp-fct "$names" "$file" \
        >"$log" 2>&1 || code=$?
    count=$(echo "$names" | tr , '\n' | grep -c .)
    proved=$(sed -n 's/^.wp. Proved goals: *\([0-9]*\) *\/ *[0-9]*.*/\1/p' "$log")
    goals=$(sed -n 's/^.wp. Proved goals: *[0-9]* *\/ *\([0-9]*\).*/\1/p' "$log")
    echo "$file: $count functions, ${goals:-0} goals, ${proved:-0} proved"
    functions_all=$((functions_all + count))
    goals_all=$((goals_all + ${goals:-0}))
    proved_all=$((proved_all + ${proved:-0}))
    if [ "$code" -ne 0 ] || [ "${goals:-0}" -eq 0 ] || [ "$goals" != "$proved" ]; then
        grep -E 'Goal |rror' "$log" | head -n 20 || true
        failed=$((failed + 1))
    fi
done
echo "$functions_all functions, $goals_all goals, $proved_all proved"
echo "$((functions_all - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
