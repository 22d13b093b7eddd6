#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What was built for Windows, looked at from outside: it needs DLLs of the system only, exports what
# symbols.list names, and can be linked with in both ways.
#
# usage: test/windows_files.sh FOLDER

set -eu
cd "$(dirname "$0")/.."
build=$1
tools=x86_64-w64-mingw32
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' HUP INT TERM
passed=0
failed=0

# Every Windows 10 has these; msvcrt.dll and ucrt's api-ms-win-crt-* are the two C libraries.
system='^(kernel32|advapi32|bcrypt|ntdll|shell32|user32|msvcrt|ucrtbase|api-ms-win-crt-.*)\.dll$'

verdict() { # verdict NAME FOUND: nothing found is good
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: $(echo "$2" | tr '\n' ' ')"
    fi
}

imports() { # of a file; it must name at least one
    "$tools-objdump" -p "$1" >"$folder/headers" 2>&1 || echo "unreadable"
    sed -n 's/^[[:blank:]]*DLL Name: //p' "$folder/headers" | tr '[:upper:]' '[:lower:]' \
        >"$folder/imports"
    [ -s "$folder/imports" ] || echo "nothing"
    cat "$folder/imports"
}

foreign() { imports "$1" | grep -vE "$system" || true; }

exports() {
    "$tools-objdump" -p "$1" | awk '/\[Ordinal\/Name Pointer\] Table/ { on = 1; next }
        on && NF == 0 { exit } on { print $NF }' | sort
}

globals() {
    "$tools-nm" -g --defined-only "$1" |
        awk 'NF == 3 && $3 !~ /^(leat_|lti_|\.refptr\.)/ { print $3 }'
}

cat >"$folder/user.c" <<'END'
#include <leat/leat.h>
int main(void)
{
    return leat_version()[0] == '0' ? 0 : 1;
}
END

link() { # link OUT ARGUMENT...
    out=$1
    shift
    "$tools-gcc" -std=c11 -Wall -Wextra -Werror -Iinclude "$folder/user.c" -o "$folder/$out" "$@" \
        >"$folder/log" 2>&1 || cat "$folder/log"
}

for file in leat.exe libleat.dll; do
    verdict "DLLs that $file needs" "$(foreign "$build/$file")"
done
verdict "self-check: no import was not seen" \
    "$(foreign "$build/libleat.a" | grep -q nothing || echo "no word of it")"

exports "$build/libleat.dll" >"$folder/exports"
sort symbols.list >"$folder/listed"
verdict "exports of libleat.dll against symbols.list" \
    "$(diff "$folder/listed" "$folder/exports" | grep '^[<>]' || true)"
verdict "global symbols of libleat.a" "$(globals "$build/libleat.a")"

verdict "linking with the DLL" "$(link dynamic.exe -DLEAT_SHARED "-L$build" -lleat)"
verdict "linking with the DLL, unsaid" "$(link unsaid.exe "-L$build" -lleat)"
verdict "linking statically" \
    "$(link static.exe "$build/libleat.a" -ladvapi32 -lbcrypt -lntdll)"
for name in dynamic unsaid; do
    verdict "the DLL is used" \
        "$(imports "$folder/$name.exe" | grep -q '^libleat\.dll$' || echo "no import of it")"
done
verdict "no DLL is used" "$(foreign "$folder/static.exe")"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
