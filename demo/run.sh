#!/bin/sh
# SPDX-License-Identifier: MIT
#
# leat at work, in under a minute: a real file there and back, then foreign programs.
# Usage: demo/run.sh [path of leat]. Ends with 1 when anything differs.
set -u

leat=${1:-$(dirname "$0")/../build/leat}
leat=$(cd "$(dirname "$leat")" && pwd)/$(basename "$leat")
place=$(mktemp -d) || exit 1
servers=
wrong=0
bytes_max=134217728
bytes_min=104857600
XDG_RUNTIME_DIR=$place/run
export XDG_RUNTIME_DIR

clean_up() {
    for server in $servers; do
        kill "$server" 2>/dev/null
    done
    rm -rf "$place"
}
trap clean_up EXIT
trap 'exit 1' HUP INT PIPE TERM
mkdir -m 700 "$XDG_RUNTIME_DIR" || exit 1

if [ -t 1 ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
    green=$(printf '\033[32m') red=$(printf '\033[31m')
else
    bold='' green='' red='' plain=''
fi

say() {
    printf '%s\n' "$*"
}

title() {
    printf '\n%s%s%s\n\n' "$bold" "$*" "$plain"
}

# serve NAME OPTIONS...: a server that listens when this returns
serve() {
    "$leat" serve "$@" --quiet &
    servers="$servers $!"
    if ! "$leat" wait-for "$1" --timeout 10s; then
        say "${red}the server $1 did not come up$plain"
        exit 1
    fi
}

# Hundredths of a second.
now() {
    read -r up _ </proc/uptime
    echo "${up%.*}${up#*.}"
}

# same WHAT GOT WANTED
same() {
    if [ "$2" = "$3" ]; then
        printf '    %-14s %s %ssame%s\n' "$1" "$2" "$green" "$plain"
    else
        printf '    %-14s %s %sDIFFERENT%s\n' "$1" "$2" "$red" "$plain"
        wrong=1
    fi
}

sum() {
    sha256sum "$1" | cut -d' ' -f1
}

make_file() {
    find /usr/bin /usr/lib /usr/share /bin /lib -type f -size +3k -print0 2>/dev/null |
        xargs -0 cat 2>/dev/null | head -c "$bytes_max" >"$place/file"
    size=$(wc -c <"$place/file")
    if [ "$size" -eq 0 ]; then
        say "${red}no files found to send$plain"
        exit 1
    fi
    while [ "$size" -lt "$bytes_min" ]; do
        cat "$place/file" "$place/file" | head -c "$bytes_max" >"$place/twice"
        mv "$place/twice" "$place/file"
        size=$(wc -c <"$place/file")
    done
}

# round SUFFIX OPTION: the file through an echo, and through a server that looks at what comes
round() {
    begun=$(now)
    if ! "$leat" connect "echo$1" "$2" --quiet <"$place/file" >"$place/back"; then
        say "    ${red}leat connect failed$plain"
        wrong=1
    fi
    took=$(($(now) - begun))
    awk -v size="$size" -v took="$took" 'BEGIN {
        mib = size / 1048576
        seconds = took > 0 ? took / 100 : 0.01
        printf "    %.0f MiB there and %.0f MiB back at once in %.2f s: %.0f MiB/s each way\n",
               mib, mib, seconds, mib / seconds
    }'
    same "came back" "$(sum "$place/back")" "$file_sum"
    if ! "$leat" connect "look$1" "$2" --wait --quiet <"$place/file" >"$place/back"; then
        say "    ${red}leat connect failed$plain"
        wrong=1
    fi
    same "at the server" "$(cut -d' ' -f1 "$place/sum$1")" "$file_sum"
    same "and back" "$(sum "$place/back")" "$file_sum"
    rm -f "$place/back"
}

# talk WHO WHAT HEARD WANTED: shows one exchange
talk() {
    printf '  %-22s %s\n' "$1" "$2"
    if [ "$3" = "$4" ]; then
        printf '  %-22s %s-> %s%s\n' "" "$green" "$3" "$plain"
    else
        printf '  %-22s %s-> %s, wanted %s%s\n' "" "$red" "$3" "$4" "$plain"
        wrong=1
    fi
}

missing() {
    printf '  %-22s not installed, skipped\n' "$1"
}

have() {
    command -v "$1" >/dev/null 2>&1
}

talk_python() {
    heard=$(python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"hello from python3")
s.shutdown(socket.SHUT_WR)
print(s.makefile().read())' "$("$leat" path echo-bytes)")
    talk "python3 to leat" 's.sendall(b"hello from python3")' "$heard" "hello from python3"
    python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
while True:
    c, _ = s.accept()
    text = c.makefile().readline()
    if text:
        c.sendall(("python3 heard: " + text).encode())
    c.close()' "$place/python" &
    servers="$servers $!"
    "$leat" wait-for "$place/python" --timeout 20s
    heard=$("$leat" send "$place/python" "hello from leat" --line --expect 1 --timeout 20s)
    talk "leat to python3" 'leat send PATH "hello from leat" --line --expect 1' "$heard" \
        "python3 heard: hello from leat"
}

talk_socat() {
    heard=$(printf 'hello from socat' | socat -t 20 - "UNIX-CONNECT:$("$leat" path upper)")
    talk "socat to leat" 'socat - UNIX-CONNECT:$(leat path upper)' "$heard" "HELLO FROM SOCAT"
    socat -t 20 "UNIX-LISTEN:$place/socat,fork" "EXEC:rev" &
    servers="$servers $!"
    "$leat" wait-for "$place/socat" --timeout 20s
    heard=$(echo "hello from leat" | "$leat" connect "$place/socat")
    talk "leat to socat" 'socat UNIX-LISTEN:PATH,fork EXEC:rev' "$heard" "tael morf olleh"
}

talk_curl() {
    cat >"$place/web" <<'WEB'
end=$(printf '\r')
while IFS= read -r row && [ "$row" != "$end" ]; do :; done
printf 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 37\r\n\r\n'
printf 'hello curl, a shell script sends this'
WEB
    serve web --exec "sh '$place/web'"
    heard=$(curl -sS --max-time 20 --unix-socket "$("$leat" path web)" http://localhost/)
    talk "curl to leat" 'curl --unix-socket $(leat path web) http://localhost/' "$heard" \
        "hello curl, a shell script sends this"
}

talk_node() {
    heard=$(node -e '
const socket = require("net").connect({path: process.argv[1], allowHalfOpen: true});
socket.end("hello from node");
socket.pipe(process.stdout);' "$("$leat" path upper)")
    talk "node to leat" 'socket.end("hello from node")' "$heard" "HELLO FROM NODE"
}

say "${bold}leat: two programs on one machine, talking$plain"
title "1. A real file, there and back"
make_file
file_sum=$(sum "$place/file")
say "  made of files of this machine, $size bytes"
printf '    %-14s %s\n\n' "SHA-256" "$file_sum"
mkfifo "$place/pipe-bytes" "$place/pipe-messages"
for kind in bytes messages; do
    serve "echo-$kind" --echo "--$kind"
    # This one sums up what passes while it sends it back.
    "$leat" serve "look-$kind" "--$kind" --quiet --exec \
        "sha256sum <'$place/pipe-$kind' >'$place/sum-$kind' & tee '$place/pipe-$kind'; wait" &
    servers="$servers $!"
    say "  as $kind"
    round "-$kind" "--$kind"
    say
done

title "2. Programs that know nothing of leat"
serve upper --exec 'tr a-z A-Z'
for program in python3 socat curl node; do
    if have "$program"; then
        "talk_${program%3}"
    else
        missing "$program"
    fi
done

title "3. And leat with itself"
heard=$("$leat" send echo-messages "a message" "" "and another" --messages --expect 3 |
    tr '\n' '|')
talk "three messages" 'leat send NAME "a message" "" "and another" --messages' "$heard" \
    "a message||and another|"
heard=$("$leat" send echo-bytes "as json" --expect 1 --json)
talk "for programs" 'leat send NAME "as json" --expect 1 --json' "$heard" \
    '{"n":1,"size":7,"reply":"as json"}'

if [ "$wrong" -ne 0 ]; then
    printf '\n%sSomething differed.%s\n' "$red" "$plain"
    exit 1
fi
printf '\n%sEverything arrived as it was sent.%s\n' "$green" "$plain"
