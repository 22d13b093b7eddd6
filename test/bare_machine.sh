#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A bare Debian 12 in a folder, a fresh copy of the tree in it, and there ./dev demo and ./dev test:
# do they set themselves up? Needs root, debootstrap and a Debian mirror: MIRROR, or the one that
# this machine's apt uses. Takes long; ./dev test-deep runs it.
#
# usage: test/bare_machine.sh [--demo-only | SUITE...]   (suites of ./dev test; all by default)
# LEAT_BARE_CACHE names a folder that keeps the bare system for the next run.

set -eu
cd "$(dirname "$0")/.."

skip() {
    echo "skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

[ "$(id -u)" = 0 ] || skip "only root can make a bare machine"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
[ -n "${MIRROR:-}" ] || MIRROR=$(apt-get indextargets --format "\$(REPO_URI) \$(CODENAME)" \
    'Created-By: Packages' 2>/dev/null | awk '$2 == "bookworm" { print $1; exit }')
[ -n "$MIRROR" ] || skip "no Debian mirror is known; set MIRROR"

# Mounts are made in a mount namespace of our own: they are gone when this script is.
if [ "${LEAT_BARE_INSIDE:-}" != yes ]; then
    unshare --mount true 2>/dev/null || skip "no mount namespace may be made here"
    export MIRROR LEAT_BARE_INSIDE=yes
    exec unshare --mount --propagation private sh test/bare_machine.sh "$@"
fi

folder=$(mktemp -d)
root=$folder/root
passed=0
failed=0
finish() {
    umount -R -l "$root/dev" 2>/dev/null || true
    umount "$root/proc" 2>/dev/null || true
    # Never walk into a mount that would not go.
    rm -rf --one-file-system "$folder"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM

verdict() { # verdict CODE NAME
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok    $2"
    else
        failed=$((failed + 1))
        echo "FAIL  $2"
        grep -E '^(FAIL|FAILED)' "$folder/log" || true
        tail -n 25 "$folder/log"
    fi
}

in_bare() { # in_bare CHROOT-OPTION COMMAND
    chroot "$1" "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        sh -c "cd /leat && $2" >"$folder/log" 2>&1 </dev/null
}

# ---- The bare machine ----------------------------------------------------------------------------

base=${LEAT_BARE_CACHE:-$folder/base}
if [ ! -x "$base/usr/bin/apt-get" ]; then
    debootstrap --variant=minbase bookworm "$base" "$MIRROR" >"$folder/log" 2>&1 ||
        { verdict 1 "debootstrap"; echo "$passed passed, $failed failed"; exit 1; }
fi
cp -a "$base" "$root"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99acquire"
rm -rf "$root"/var/lib/apt/lists/*
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"

mkdir "$root/leat"
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - |
    tar -xf - -C "$root/leat"
chmod -R a+rX "$root/leat"

# ---- The checks ----------------------------------------------------------------------------------

missing=0
for tool in cc make cmake python3; do
    ! chroot "$root" sh -c "command -v $tool" >/dev/null || missing=1
done
verdict $missing "the machine is bare"

# Who may not install is told the command, and nothing else happens.
code=0
mkdir -p "$root/leat/build/log"
chown -R 1000:1000 "$root/leat"
in_bare --userspec=1000:1000 "./dev demo" || code=$?
[ $code -ne 0 ] && grep -q 'sudo apt-get install .*gcc.*cmake' "$folder/log" && code=0 || code=1
verdict $code "a user without rights gets the exact command"
chown -R 0:0 "$root/leat"

code=0
in_bare --userspec=0:0 "./dev demo" || code=$?
verdict $code "./dev demo"

if [ "${1:-}" != --demo-only ]; then
    code=0
    in_bare --userspec=0:0 "./dev test $*" || code=$?
    tail -n 1 "$folder/log" | grep -q '^[0-9]* passed, 0 failed$' || code=1
    cp "$folder/log" build/log/bare-machine-test.log 2>/dev/null || true
    verdict $code "./dev test: $(tail -n 1 "$folder/log")"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
