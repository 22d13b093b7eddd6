#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The example of leat/sim.h: its protocol holds for every seed, its planted defect is found, and a
# seed that is run again gives the same trace.
#
# usage: example_test.sh PROGRAM

set -u
program=$1
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
passed=0
failed=0

expect() { # expect NAME COMMAND...
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
    fi
}

all_hold() { "$program" 200 >"$folder/out" && grep -qx '200 passed, 0 failed' "$folder/out"; }

defect_found() {
    ! "$program" 20 --defect >"$folder/out" && grep -q 'wrong total' "$folder/out"
}

# Lines that begin so are a sanitizer's, with numbers of processes.
trace() { "$program" 1 7 --trace 2>&1 >/dev/null | grep -v '^==' >"$1"; }

same_again() {
    trace "$folder/first" && trace "$folder/second" &&
        [ "$(wc -l <"$folder/first")" -gt 1000 ] && cmp "$folder/first" "$folder/second"
}

expect "the protocol holds for 200 seeds" all_hold
expect "a server that forgets is found" defect_found
expect "a seed is the same run again" same_again
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
