#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs every Windows suite on a real Windows, from a POSIX shell there (MSYS2): what ./dev test
# runs under wine elsewhere, and what wine cannot answer. No test "needs real Windows" here, so one
# that is skipped for that is a failure. By test/wine.sh --script it runs under wine, where exactly
# those fail.
#
# usage: test/windows_native.sh FOLDER

set -eu
cd "$(dirname "$0")/.."
build=$1
logs=$build/log
passed=0
failed=0
skipped=0
mkdir -p "$logs"

run() { # run SUITE COMMAND...
    suite=$1
    shift
    log=$logs/$suite.log
    code=0
    "$@" >"$log" 2>&1 </dev/null || code=$?
    closing=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
    bad=0
    case $closing in
    '' | '0 passed, 0 failed') bad=1 closing="no closing line, or no test" ;;
    *)
        passed=$((passed + ${closing%% passed*}))
        bad=${closing#*, }
        bad=${bad%% failed*}
        ;;
    esac
    case $closing in
    *skipped)
        left=${closing##*, }
        skipped=$((skipped + ${left%% *}))
        ;;
    esac
    if grep -q 'needs real Windows$' "$log"; then
        bad=$((bad + 1)) closing="$closing; skipped what this Windows can answer"
    fi
    [ "$code" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    failed=$((failed + bad))
    echo "$suite: exit code $code, $closing"
    [ "$bad" -eq 0 ] || cat "$log"
}

# Words of LEAT_WINE, if any, start a program.
for program in harness_test history_test unit_tests contract_nt os_calls fault_sweep \
    conformance_real stress; do
    run "$program" ${LEAT_WINE:-} "$build/$program.exe"
done
for script in test/process/windows_*_test.py; do
    run "$(basename "$script" .py)" python3 "$script" "$build/leat.exe"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
