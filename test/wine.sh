#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs a Windows program, or a script that starts some, under wine, with a Windows of its own in
# build-windows/prefix and without touching any other. Made at the first run; nothing of it runs any
# more afterwards.
#
# usage: test/wine.sh PROGRAM.exe [ARGUMENT...]
#        test/wine.sh --script COMMAND [ARGUMENT...]   which finds wine as $LEAT_WINE
#
# What a program prints goes to a file first: services that wine starts inherit what we print to,
# and a pipe would have no end while they live. LEAT_WINE_LIMIT is the time limit in seconds.

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
limit=${LEAT_WINE_LIMIT:-1500}
mkdir -p "$root/build-windows"

skip() {
    echo "skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

# The wrapper, the plain loader, or Debian's place for a loader without a wrapper.
find_tool() {
    for found in "$@"; do
        if command -v "$found" 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

case $(uname -s)-$(uname -m) in
Linux-x86_64) ;;
*) skip "wine runs programs for x86_64 only on Linux on x86_64" ;;
esac
wine=$(find_tool wine wine64 /usr/lib/wine/wine64) || skip "wine is not installed"
server=$(find_tool wineserver /usr/lib/wine/wineserver64 /usr/lib/wine/wineserver) || server=

# One run at a time: a second one would lose its server when the first one ends.
exec 9>"$root/build-windows/prefix.lock"
if command -v flock >/dev/null; then
    flock -w "$limit" 9
fi

# Without the two DLLs wine offers to download what we do not need.
export WINEPREFIX="$root/build-windows/prefix" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
export WINEARCH=win64 LEAT_WINE="$wine"
[ -z "$server" ] || export WINESERVER="$server"
unset DISPLAY
folder=$(mktemp -d)
running=

# Waits for its end, too.
end_server() {
    [ -z "$server" ] || timeout -s KILL 30 "$server" -k 9>&- >/dev/null 2>&1 </dev/null || true
}

finish() {
    trap '' HUP INT TERM # a second one must not cut this short
    [ -z "$running" ] || kill "$running" 2>/dev/null || true
    end_server
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM

# under_wine LIMIT WORD...: its output in $folder/output, its exit code as ours.
under_wine() {
    under_limit=$1
    shift
    code=0
    timeout -s KILL "$under_limit" "$@" 9>&- >"$folder/output" 2>&1 </dev/null &
    running=$!
    wait "$running" || code=$?
    running=
    return "$code"
}

prepare() {
    under_wine 120 "$wine" wineboot -i && under_wine 120 "$wine" winecfg -v win10 &&
        touch "$WINEPREFIX/ready"
}

if [ ! -f "$WINEPREFIX/ready" ]; then
    rm -rf "$WINEPREFIX"
    if ! prepare; then
        cat "$folder/output"
        echo "wine could not make its Windows in $WINEPREFIX"
        exit 1
    fi
fi

# The server stays until the end: by itself it would go three seconds after a program, and a program
# that begins just then can end with 1, with or without a word. One that runs already (the Windows
# was just made, or a run before was killed) cannot be told to stay.
if [ -n "$server" ]; then
    end_server
    if ! timeout -s KILL 30 "$server" -p 9>&- >/dev/null 2>&1 </dev/null; then
        echo "wine's server does not start in $WINEPREFIX"
        exit 1
    fi
fi

result=0
if [ "$1" = --script ]; then
    shift
    under_wine "$limit" "$@" || result=$?
else
    under_wine "$limit" "$wine" "$@" || result=$?
fi
tr -d '\r' <"$folder/output" # a program may end its lines as Windows does
if [ "$result" -eq 137 ]; then
    # Wine kills a program that takes half a second to die after its last word, which on a busy
    # machine may be. Its exit code is lost then; its last line has said how its tests went.
    if tail -n 1 "$folder/output" | tr -d '\r' | grep -q '^[1-9][0-9]* passed, 0 failed'; then
        result=0
    else
        echo "killed: it took $limit s, or wine did not wait for its end"
    fi
fi
exit "$result"
