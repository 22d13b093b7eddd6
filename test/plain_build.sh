#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The documented plain build (docs/building.md): no build system, one compiler command, one archive.
# A small program that is linked with it must exchange bytes. CC chooses the compiler.
#
# usage: test/plain_build.sh [--windows]     (the same for Windows, with mingw-w64 and wine)

set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
root=$PWD
passed=0
failed=0
skipped=0
compiler=${CC:-cc}
archiver="ar"
others='_test|_windows|_nt'
libraries=-pthread
if [ "${1:-}" = --windows ]; then
    compiler=${CC:-x86_64-w64-mingw32-gcc}
    archiver=x86_64-w64-mingw32-ar
    others='_test|_posix|_linux'
    libraries="-ladvapi32 -lbcrypt -lntdll"
fi

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
    (cd "$folder" && "$compiler" -std=c11 -O2 "-I$root/include" "-I$root/src" \
        -c $(cd "$root" && ls src/*.c | grep -vE "$others" | sed "s|^|$root/|") &&
        "$archiver" rcs libleat.a ./*.o)
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
    # shellcheck disable=SC2086 # several libraries
    "$compiler" "-I$root/include" "$folder/user.c" -o "$folder/user.exe" "-L$folder" -lleat \
        $libraries
}

# The first C program in README.md must be one.
readme() {
    awk '/^```c$/ { on = 1; next } /^```/ && on { exit } on' README.md >"$folder/readme.c"
    # shellcheck disable=SC2086
    [ -s "$folder/readme.c" ] && "$compiler" -std=c11 -Wall -Wextra -Werror "-I$root/include" \
        "$folder/readme.c" -o "$folder/readme" "-L$folder" -lleat $libraries
}

expect "the library compiles without a build system" archive
expect "a program links with the archive" user
if [ "${1:-}" = --windows ]; then
    expect "the program exchanges bytes" sh test/wine.sh "$folder/user.exe"
    if grep -q '^skipped' "$folder/log"; then
        passed=$((passed - 1)) skipped=1
    fi
else
    expect "the program exchanges bytes" "$folder/user.exe"
fi
expect "the client in README.md compiles" readme
echo "$passed passed, $failed failed$([ $skipped -eq 0 ] || echo ", $skipped skipped")"
[ $failed -eq 0 ]
