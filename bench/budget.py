#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the instructions that an operation takes, and compares them with bench/budget.def.

usage: bench/budget.py BUILD_DIR [--write] [NAME...]

Each program runs under callgrind twice, with a number of operations and with a thousand more; the
difference is theirs alone. What counts is the least of some runs: a process that is interrupted in
the middle of its work may have to look twice, and never takes less. --write puts what was counted
into budget.def. The counts are those of one compiler and one kind of processor; elsewhere all is
skipped.
"""
import argparse
import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUDGET = os.path.join(HERE, "budget.def")
ROW = re.compile(r"^BUDGET\((\w+), (\d+)\)$", re.M)
COMPILER = "12."
OVER_PERCENT = 2
FEW, MORE = 300, 1000
RUNS = 2
SECONDS_MAX = 120

CASES = {
    "bytes_round_trip": ["leat_loop", "echo"],
    "messages_round_trip": ["leat_loop", "echo", "--messages"],
    "blocking_round_trip": ["leat_blocking", "echo"],
    "bytes_connect_close": ["leat_loop", "connect"],
    "messages_connect_close": ["leat_loop", "connect", "--messages"],
}


def instructions(build, command, count):
    """What both processes took, from their first instruction to their last."""
    with tempfile.TemporaryDirectory(prefix="leat-budget-") as folder:
        program = os.path.join(build, "bench", command[0])
        out = os.path.join(folder, "out.%p")
        subprocess.run(
            ["valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=" + out, program]
            + command[1:] + ["--spin", "off", "--count", str(count)],
            check=True, stdout=subprocess.DEVNULL, timeout=SECONDS_MAX)
        told = []
        for path in glob.glob(os.path.join(folder, "out.*")):
            with open(path, encoding="ascii", errors="replace") as file:
                told += re.findall(r"^(?:summary|totals): (\d+)$", file.read(), re.M)[:1]
        if len(told) != 2:
            raise RuntimeError(f"{len(told)} processes told their count, not 2")
        return sum(int(number) for number in told)


def per_operation(build, command):
    """The least of some differences."""
    least = None
    for _ in range(RUNS):
        few = instructions(build, command, FEW)
        took = (instructions(build, command, FEW + MORE) - few) / MORE
        least = took if least is None else min(least, took)
    return round(least)


def why_not(build):
    """Why the budget says nothing here, or nothing."""
    if not shutil.which("valgrind"):
        return "valgrind is not here"
    if platform.machine() != "x86_64":
        return "the budget is of x86-64"
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as file:
        compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)$", file.read(), re.M).group(1)
    version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True,
                             check=False).stdout
    return None if version.startswith(COMPILER) else "the budget is of gcc " + COMPILER + "x"


def main():
    """Judges each row."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    with open(BUDGET, encoding="utf-8") as file:
        text = file.read()
    rows = {name: int(most) for name, most in ROW.findall(text)}
    passed = failed = 0
    if set(rows) != set(CASES):
        print("FAIL budget.def and budget.py do not name the same cases")
        failed += 1
    reason = why_not(given.build)
    if reason:
        print(f"skipped: {reason}")
        print(f"{passed} passed, {failed} failed, {len(CASES)} skipped")
        return 1 if failed else 0
    for name, command in CASES.items():
        if given.names and name not in given.names:
            continue
        took, most = per_operation(given.build, command), rows.get(name, 0)
        over = 100 * took > (100 + OVER_PERCENT) * most
        text = re.sub(rf"^BUDGET\({name}, \d+\)$", f"BUDGET({name}, {took})", text, flags=re.M)
        word = "FAIL" if over and not given.write else "ok  "
        print(f"{word} {name}: {took} instructions, budget {most}", flush=True)
        passed, failed = passed + (word != "FAIL"), failed + (word == "FAIL")
    if given.write:
        with open(BUDGET, "w", encoding="utf-8") as file:
            file.write(text)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
