#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The seam as a fact: what the library's objects above os_real_* need from outside must be in a
# short list. Without a folder the sources are compiled here (CC chooses the compiler). With
# folders, the objects in them are judged; they must come from a build without sanitizers or
# coverage.
#
# usage: test/nm_gate.sh [--windows] [FOLDER...]     (--windows: objects of mingw-w64 for x86_64)

set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
passed=0
failed=0

# Some compilers call bcmp where the source says memcmp.
allowed='^(memcpy|memmove|memset|memcmp|bcmp|memchr|strlen|strcmp|lti_.*|leat_.*'
allowed="$allowed"'|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail)$'
nm="nm"
compiler=${CC:-cc}
# What the library must not need, and a bad sample does.
bad="__errno_location getenv malloc "
other='_(windows|nt)(_[a-z]*)*\.c$|/(address_pipe|utf16)\.c$'
if [ "${1:-}" = --windows ]; then
    shift
    nm=x86_64-w64-mingw32-nm
    compiler=${CC:-x86_64-w64-mingw32-gcc}
    # A function whose frame is larger than a page asks the compiler's own helper for it.
    allowed="$allowed|^___chkstk_ms$"
    bad="__imp__errno getenv malloc "
    other='_(posix|linux)(_[a-z]*)*\.c$'
fi

# What the os_real_* files define for each other is no part of the seam.
private='^lti_real_'

# Prints what an object needs and may not have; fails when nm does.
forbidden() {
    "$nm" -u "$1" >"$folder/symbols" || return 1
    awk '{ print $NF }' "$folder/symbols" | grep -Ev "$allowed" || true
    awk '{ print $NF }' "$folder/symbols" | grep -E "$private" || true
}

verdict() { # verdict NAME FOUND
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: $(echo "$2" | tr '\n' ' ')"
    fi
}

compile() { # compile SOURCE OBJECT
    "$compiler" -std=c11 -O2 -fPIC -Iinclude -Isrc -c "$1" -o "$2"
}

# A gate that finds nothing is worth nothing: a source that uses the C library must be caught, by
# every forbidden name, and one that stays within the list must pass.
self_check() {
    cat >"$folder/bad.c" <<'END'
#include <errno.h>
#include <stdlib.h>
void *lti_bad(const char *name);
void *lti_bad(const char *name)
{
    errno = 0;
    return getenv(name) ? malloc(1) : 0;
}
END
    cat >"$folder/good.c" <<'END'
#include <string.h>
void *lti_os_alloc(size_t size);
void *lti_good(const void *from, size_t size);
void *lti_good(const void *from, size_t size)
{
    return memcpy(lti_os_alloc(size), from, size);
}
END
    compile "$folder/bad.c" "$folder/bad.o"
    compile "$folder/good.c" "$folder/good.o"
    found=$(forbidden "$folder/bad.o" | sort | tr '\n' ' ')
    [ "$found" = "$bad" ] || {
        verdict "self-check: a bad object was not seen" "found: $found"
        return
    }
    verdict "self-check: a good object" "$(forbidden "$folder/good.o")"
}

judge() { # judge OBJECT
    case $(basename "$1") in
    os_real_* | *_test.*) return ;;
    esac
    judged=$((judged + 1))
    verdict "$(basename "$1")" "$(forbidden "$1" || echo "nm failed")"
}

self_check
judged=0
if [ $# -gt 0 ]; then
    find "$@" -name '*.o' -o -name '*.obj' >"$folder/list"
    while IFS= read -r object; do
        judge "$object"
    done <"$folder/list"
else
    mkdir "$folder/objects"
    # shellcheck disable=SC2010 # file names here have no blanks
    for source in $(ls src/*.c | grep -vE "$other"); do
        case $source in
        src/os_real_* | *_test.c) continue ;;
        esac
        object=$folder/objects/$(basename "$source" .c).o
        if compile "$source" "$object"; then
            judge "$object"
        else
            verdict "$source" "does not compile"
        fi
    done
fi
[ "$judged" -gt 0 ] || verdict "objects" "none found"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
