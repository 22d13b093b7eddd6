#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Builds the harness alone, twice (CC, and with the address sanitizer), and tests it with itself:
# a failing check, a crash, a timeout, and whatever is left behind must each be reported.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

flags="-std=c11 -D_GNU_SOURCE -g -Wall -Wextra -Wconversion -Wshadow -Werror"
passed=0 failed=0
for more in -O2 -fsanitize=address,undefined; do
    # shellcheck disable=SC2086 # the flags are several words
    ${CC:-cc} $flags $more -I"$here/../include" -I"$here" \
        "$here"/harness.c "$here"/harness_posix.c "$here"/harness_test.c \
        "$here"/harness_test_posix.c -o "$folder/harness_test"
    "$folder/harness_test" >"$folder/output" || true
    sed '$d' "$folder/output"
    # shellcheck disable=SC2046 # the closing line's two numbers become $1 and $2
    set -- $(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$folder/output")
    if [ $# -eq 2 ]; then
        passed=$((passed + $1)) failed=$((failed + $2))
    else
        cat "$folder/output"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
