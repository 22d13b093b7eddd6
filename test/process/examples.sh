#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs every lesson of examples/ against leat and against each other.
# Usage: examples.sh [path of leat] [folder of the compiled lessons]
# Lessons that are not there are compiled here, against the library beside leat.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
leat=${1:-$root/build/leat}
leat=$(cd "$(dirname "$leat")" && pwd)/$(basename "$leat")
lessons=${2:-$(dirname "$leat")/examples}
place=$(mktemp -d) || exit 1
servers=
passed=0
failed=0
XDG_RUNTIME_DIR=$place/run
export XDG_RUNTIME_DIR
mkdir -m 700 "$XDG_RUNTIME_DIR" || exit 1

clean_up() {
    for server in $servers; do
        kill "$server" 2>/dev/null
    done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 1' HUP INT PIPE TERM

# result NAME CODE WANTED-TEXT FILE: the lesson ended with 0 and its output holds the text
result() {
    if [ "$2" -eq 0 ] && grep -qF -e "$3" "$4"; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1: exit code $2, output:"
        cat "$4"
    fi
}

lesson() {
    name=$1
    shift
    timeout 60 "$lessons/$name" "$@"
}

if [ ! -x "$lessons/01_blocking_client" ]; then
    lessons=$place/lessons
    mkdir "$lessons"
    for source in "$root"/examples/[0-9]*.c; do
        case $source in *_windows.c) continue ;; esac
        ${CC:-cc} -std=c11 -Wall -Wextra -Werror ${CFLAGS:-} -I"$root/include" "$source" \
            "$(dirname "$leat")/libleat.a" -pthread -o "$lessons/$(basename "$source" .c)" || exit 1
    done
fi

for source in "$root"/examples/[0-9]*.c; do
    lines=$(wc -l <"$source")
    if [ "$lines" -ge 60 ]; then
        echo "$source has $lines lines, a lesson has less than 60" >"$place/out"
        result "length of $(basename "$source")" 1 "" "$place/out"
    fi
done

"$leat" serve echo --echo --quiet &
servers="$servers $!"
"$leat" wait-for echo --timeout 1m || exit 1

lesson 01_blocking_client echo "good morning" >"$place/out" 2>&1
result "01 against leat serve" $? "the answer: good morning" "$place/out"
lesson 01_blocking_client nobody >"$place/out" 2>&1
[ $? -eq 1 ]
result "01 with nobody there" $? "NOT_FOUND" "$place/out"

# Four clients: wait-for itself, leat send, lesson 1, and a large one.
lesson 02_echo_server lesson2 4 >"$place/server" 2>&1 &
server=$!
servers="$servers $server"
"$leat" wait-for lesson2 --timeout 1m
"$leat" send lesson2 "good morning" --expect 1 >"$place/out" 2>&1
result "02 against leat send" $? "good morning" "$place/out"
lesson 01_blocking_client lesson2 "good evening" >"$place/out" 2>&1
result "02 against 01" $? "the answer: good evening" "$place/out"
head -c 16777216 /dev/urandom >"$place/big"
"$leat" connect lesson2 <"$place/big" >"$place/back" 2>"$place/out"
code=$?
cmp "$place/big" "$place/back" >>"$place/out" 2>&1 && echo same >>"$place/out"
result "02 echoes 16 MiB" $code same "$place/out"
wait "$server"
result "02 ends after its clients" $? "a client has gone" "$place/server"

lesson 03_many_clients >"$place/out" 2>&1
result "03 many clients" $? "100 clients have their answer" "$place/out"
lesson 04_messages >"$place/out" 2>&1
result "04 messages" $? "and that was all" "$place/out"
lesson 05_deadlines_and_errors >"$place/out" 2>&1
result "05 deadlines and errors" $? "the end" "$place/out"
printf 'one\ntwo\n' | lesson 06_foreign_epoll echo >"$place/out" 2>&1
result "06 inside epoll" $? "two" "$place/out"
lesson 07_two_threads >"$place/out" 2>&1
result "07 two threads" $? "1000 messages in order" "$place/out"

find "$XDG_RUNTIME_DIR" -type s | grep -v '/echo$' >"$place/out" || echo none >"$place/out"
result "no name is left behind" 0 none "$place/out"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
