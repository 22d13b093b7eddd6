#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Checks the models of this folder with spin, in every order of events; then each with an error
# planted, which spin must find.
#
# usage: test/models/run.sh [MODEL]     from the root; MODEL is wakeup or close
#
# One line a check: the model, what is defined, the claim (`safety`: its assertions), and whether it
# holds.

set -eu
cd "$(dirname "$0")"
here=$(pwd)
command -v spin >/dev/null 2>&1 || { echo "0 passed, 0 failed, 1 skipped" && exit 0; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 130' HUP INT TERM

checks() {
    cat <<'LINES'
wakeup NEXT                        safety holds
wakeup NEXT                        told   holds
wakeup NEXT                        heard  holds
wakeup NEXT,WAKES=1                quiet  holds
wakeup FOREIGN                     safety holds
wakeup FOREIGN                     told   holds
wakeup FOREIGN                     heard  holds
wakeup FOREIGN,WAKES=1             quiet  holds
wakeup WAIT                        safety holds
wakeup WAIT                        told   holds
wakeup WAIT                        heard  holds
wakeup WAIT                        quiet  holds
wakeup NEXT,EVENT_FIRST            told   breaks
wakeup NEXT,WAITING_LATE           heard  breaks
wakeup WAIT,WAITING_LATE           heard  breaks
wakeup WAIT,EVENT_KEPT             quiet  breaks
wakeup FOREIGN,LEAVE_SILENT        heard  breaks
wakeup NEXT,ALWAYS_TAKEN           told   breaks
close  SOCKETS                     safety holds
close  SOCKETS                     ends   holds
close  SOCKETS,FOREVER             safety holds
close  SOCKETS,FOREVER             ends   holds
close  PIPES                       safety holds
close  PIPES                       ends   holds
close  PIPES,FOREVER               safety holds
close  PIPES,FOREVER               ends   holds
close  SOCKETS,SENDS=2,FOREVER,NO_DROP ends breaks
close  SOCKETS,CLOSE_BLIND         safety breaks
close  PIPES,COUNT_TWICE           safety breaks
close  PIPES,FREE_LENT             safety breaks
close  PIPES,BURY_LENT             safety breaks
LINES
}

# Makes the checker of a model with these definitions, once. A program of many states that runs
# shortly costs more to compile well than it gains.
checker() { # checker MODEL DEFINED
    checker_at=$place/$1-$2
    [ ! -x "$checker_at/pan" ] || return 0
    mkdir "$checker_at"
    checker_flags=-O2
    [ "$1" != close ] || checker_flags=-O0
    checker_defines=$(echo "-D$2" | sed 's/,/ -D/g')
    # shellcheck disable=SC2086 # several options
    (cd "$checker_at" && spin $checker_defines -a "$here/$1.pml" >spin.log 2>&1 &&
        cc $checker_flags -w -DNFAIR=3 -DCOLLAPSE -o pan pan.c) && return 0
    cat "$checker_at/spin.log"
    return 1
}

# A search that was cut short proves nothing, so it counts as neither.
judge() { # judge LOG: holds, breaks, or what else
    if grep -q 'max search depth too small\|out of memory\|Search not completed' "$1" &&
        ! grep -q '^pan:1:' "$1"; then
        echo cut
    elif grep -q 'errors: 0$' "$1"; then
        echo holds
    elif grep -q '^pan:1: \(assertion violated\|acceptance cycle\|invalid end state\)' "$1"; then
        echo breaks
    else
        echo failed
    fi
}

passed=0
failed=0
checks >"$place/checks"
while read -r model defined claim expected; do
    case ${1:-$model} in "$model") ;; *) continue ;; esac
    # To end always is a claim that needs no fairness: every step of that model uses something up.
    case $claim in
    safety) options=-noclaim ;;
    ends) options="-a -N ends" ;;
    *) options="-a -f -N $claim" ;;
    esac
    log=$place/log
    : >"$log"
    # shellcheck disable=SC2086
    checker "$model" "$defined" &&
        (cd "$checker_at" && ./pan $options -m1000000) >"$log" 2>&1 || true
    found=$(judge "$log")
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$log" | head -n 1)
    printf '%-7s %-32s %-7s %-7s %10s states\n' "$model" "$defined" "$claim" "$found" "$states"
    if [ "$found" = "$expected" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "    expected: $expected"
        grep '^pan' "$log" | head -n 5 || true
    fi
done <"$place/checks"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
