#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The documented plain build (docs/building.md): no build system, one compiler command, one archive.
# A small program that is linked with it must exchange bytes. CC chooses the compiler.

set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
root=$PWD
passed=0
failed=0

expect() { # expect NAME COMMAND...
    name=$1
    shift
    if "$@" >"$folder/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $name"
        tail -n 20 "$folder/log"
    fi
}

archive() {
    # shellcheck disable=SC2046,SC2010 # the documented command; file names here have no blanks
    (cd "$folder" && ${CC:-cc} -std=c11 -O2 "-I$root/include" "-I$root/src" \
        -c $(ls "$root"/src/*.c | grep -v '_test\.c$') && ar rcs libleat.a ./*.o)
}

cat >"$folder/user.c" <<'EOF'
#include <leat/leat.h>

#include <string.h>

int main(void)
{
    struct leat_hub *hub = NULL;
    leat_conn a, b;
    char text[8] = "";
    size_t size = 0;

    if (leat_hub_create(NULL, &hub) || leat_pair(hub, hub, NULL, &a, &b)) {
        return 1;
    }
    if (leat_write_full(hub, a, "hello\n", 6, 5000, &size) || size != 6) {
        return 2;
    }
    if (leat_read_line(hub, b, text, sizeof text, 5000, &size) || strcmp(text, "hello\n") != 0) {
        return 3;
    }
    return leat_hub_destroy(hub) == LEAT_OK ? 0 : 4;
}
EOF

user() {
    ${CC:-cc} "-I$root/include" "$folder/user.c" -o "$folder/user" "-L$folder" -lleat -pthread
}

# The first C program in README.md must be one.
readme() {
    awk '/^```c$/ { on = 1; next } /^```/ && on { exit } on' README.md >"$folder/readme.c"
    [ -s "$folder/readme.c" ] && ${CC:-cc} -std=c11 -Wall -Wextra -Werror "-I$root/include" \
        "$folder/readme.c" -o "$folder/readme" "-L$folder" -lleat -pthread
}

expect "the library compiles without a build system" archive
expect "a program links with the archive" user
expect "the program exchanges bytes" "$folder/user"
expect "the client in README.md compiles" readme
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
