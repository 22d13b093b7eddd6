#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What sim_run does for a seed that fails: it prints it, repeats it, and shrinks it.

usage: failing_test.py SIM_RUN

The failure is a planted one (--plant): the record of a write is a byte too short, while writes are
cut short and after a kilobyte. So a shrunk plan must keep short_write and may drop every other
fault.
"""
import re
import subprocess
import sys

SEEDS = 60
program = sys.argv[1]
passed = failed = 0


def check(name, good, shown=""):
    global passed, failed
    passed, failed = passed + bool(good), failed + (not good)
    if not good:
        print(f"FAIL {name}\n{shown[-2000:]}")


def run(*words):
    return subprocess.run([program, *words], stdin=subprocess.DEVNULL, text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def why_of(result):
    found = re.search(r"^FAILED seed (\d+): (.*)$", result.stdout, re.M)
    return found.groups() if found else (None, None)


def planted_seed():
    result = run("--seeds", "1", str(SEEDS), "--plant")
    seed, why = why_of(result)
    check("a planted defect is found", seed and result.returncode == 1, result.stdout)
    check("it is the rule that it breaks", why and why.startswith("R2"), result.stdout)
    check("without it no seed fails", run("--seeds", "1", str(SEEDS)).returncode == 0)
    return seed, why, result.stdout


def command_of(text, marker):
    """The words of the command that follows a marker, without the program."""
    found = re.search(marker + r"\s+(\S+) (.*)$", text, re.M)
    return found.group(2).split() if found else []


def main():
    seed, why, printed = planted_seed()
    words = command_of(printed, "repeat with:")
    first, second = run(*words), run(*words)
    check("the printed command repeats the failure", why_of(first) == (seed, why), first.stdout)
    check("its trace is there", first.stderr.count("\n") > 100, first.stderr)
    check("and the same each time", first.stderr == second.stderr and
          first.stdout == second.stdout)

    shrunk = re.search(r"shrunk from (\d+) to (\d+) system calls", printed)
    check("it is shrunk", shrunk and int(shrunk.group(2)) * 2 < int(shrunk.group(1)), printed)
    words = command_of(printed, r"shrunk from .*\n")
    small = run(*words)
    check("the shrunk plan fails alike", (why_of(small)[1] or "").startswith("R2"), small.stdout)
    check("it has fewer calls", small.stderr.count("\n") * 2 < first.stderr.count("\n"),
          small.stderr)
    check("what it needs is kept", "short_write=0" not in words, " ".join(words))
    faults = re.search(r"^faults: (.*)$", small.stdout, re.M)
    kept = [it for it in re.findall(r"(\w+) (\d+)", faults.group(1)) if it[1] != "0"]
    check("and most else is not", len(kept) <= 4, str(kept))

    gone = run("--replay", seed, "--plant", "--set", "short_write=0")
    check("without what it needs it holds", gone.returncode == 0, gone.stdout)
    shrink = run("--shrink", seed)
    check("a seed that holds is not shrunk", "does not fail" in shrink.stdout, shrink.stdout)
    for words in (["--set", "nothing=1"], ["--set", "clients"], ["--set", "clients=x"],
                  ["--replay"], ["--shrink", "x"]):
        check(f"{words} is refused", run(*words).returncode == 2)


main()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
