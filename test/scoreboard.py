#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The scoreboard: figures of the last runs, beside those of the best anchor.

usage: test/scoreboard.py            prints the table
       test/scoreboard.py --write    puts it into docs/testing.md, and its head into README.md
       test/scoreboard.py --check    both are there, row for row, and say the same

Figures come from what runs leave behind: build/log/SUITE.log, build/soak.json, docs/planted.md,
docs/attacks.md; some are counted in the sources. What was not run is "not run": nothing is made up.
"""
import glob
import json
import os
import re
import sys

import contract

ROOT = contract.ROOT
BEGIN, END = "<!-- scoreboard: test/scoreboard.py --write -->", "<!-- scoreboard ends -->"
NOT_RUN = "not run"
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)


# ---- What runs left behind -----------------------------------------------------------------------

def text_of(*path):
    """A file of the tree, or nothing."""
    try:
        with open(os.path.join(ROOT, *path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def log(suite):
    """What a suite printed, if it came to its end."""
    text = text_of("build", "log", f"{suite}.log")
    return text if CLOSING.search(text) else ""


def closing(suite):
    """Passed and failed of a suite; None when it was not run."""
    found = CLOSING.findall(log(suite))
    return (int(found[-1][0]), int(found[-1][1])) if found else None


def number(value):
    """1234567 as 1,234,567."""
    return f"{value:,}"


def suites(*names, what):
    """The sum of some suites that were run, as "N WHAT, M failed"."""
    found = [closing(name) for name in names]
    found = [pair for pair in found if pair]
    if not found:
        return NOT_RUN
    passed, failed = sum(p for p, _ in found), sum(f for _, f in found)
    return f"{number(passed + failed)} {what}, {number(failed)} failed"


def logs_named(prefix):
    """The suites that were run whose names begin so."""
    paths = glob.glob(os.path.join(ROOT, "build", "log", f"{prefix}*.log"))
    names = [os.path.basename(path)[:-len(".log")] for path in sorted(paths)]
    return [name for name in names if closing(name)]


# ---- Figures -------------------------------------------------------------------------------------

def coverage(*kinds):
    """Both forms of a report: "lines: 97.8% (3749 out of 3835)" and "ok lines: 3749 of 3835"."""
    found = []
    for kind in kinds:
        for reached, all_of in re.findall(
                rf"^\w* ?{kind}: (?:[\d.]+% \()?(\d+) (?:out )?of (\d+)",
                text_of("build", "log", "coverage.log"), re.M)[:1]:
            percent = 100 * int(reached) / max(int(all_of), 1)
            found.append(f"{kind} {int(percent * 10) / 10} % of {number(int(all_of))}")
    return ", ".join(found) or NOT_RUN


def mutation():
    rows = re.findall(r"^\| all \| (\d+) \| (\d+) \|$", text_of("docs", "planted.md"), re.M)
    return (f"{rows[0][1]} of {rows[0][0]} mutants of the pure modules killed" if rows
            else NOT_RUN)


def planted():
    rows = re.findall(r"^\| `\d\d-[^`]*` \|.*$", text_of("docs", "planted.md"), re.M)
    caught = sum("**nobody**" not in row for row in rows)
    return f"{caught} of {len(rows)} planted bugs caught" if rows else NOT_RUN


def faults():
    figure = suites("fault", "fault-nt", what="runs")
    calls = sum(int(count) for suite in ("fault", "fault-nt")
                for count in re.findall(r"^\w+ +(\d+) calls", log(suite), re.M))
    return figure if figure == NOT_RUN else f"{number(calls)} positions, {figure}"


def simulation():
    hours = [line for suite in ("sim", "sim-nt") for line in re.findall(
        r"[\d.]+ simulated hours? [^\n,;.]*", log(suite))]
    figure = suites("sim", "sim-nt", what="seeds")
    return ", ".join([figure] + hours[:1])


def fidelity():
    counts = contract.counts()
    unexplained = sum(len(row[4]) < 20 for row in contract.differences())
    ran = [name for name in ("real-kernel", "sim-kernel", "contract-sim-nt", "wine-contract")
           if closing(name)]
    failed = sum(closing(name)[1] for name in ran)
    said = f"; {failed} failed in {', '.join(ran)}" if ran else f"; {NOT_RUN} here"
    return (f"{counts['Linux']} probes on Linux, {counts['wine']} under wine, all simulated; "
            f"{len(contract.differences())} differences known, {unexplained} unexplained{said}")


def histories():
    body = re.search(r"enum corruption \{(.*?)\};", text_of("test", "history_test.c"), re.S)[1]
    count = len(re.findall(r"^ +[A-Z_]+, ", body, re.M))
    ran = closing("history")
    rejected = f"{count} of {count} corrupted histories rejected" if ran and ran[1] == 0 else (
        f"{count} corrupted histories, {NOT_RUN}" if not ran else "the self-test fails")
    return rejected + "; judged in each stress, simulation and soak run"


def sanitizers():
    parts = [f"{title} {suites(*logs_named(prefix), what='tests')}"
             for prefix, title in (("asan-", "A, UB, L:"), ("tsan-", "T:"),
                                   ("valgrind-", "valgrind:"))
             if logs_named(prefix)]
    return "; ".join(parts) or NOT_RUN


def fuzzing():
    targets = [name for name in logs_named("fuzz-") if name != "fuzz-corpus"]
    runs = sum(int(count) for name in targets for count in re.findall(
        r"number_of_executed_units: (\d+)", log(name)))
    parts = [f"{len(targets)} targets, {number(runs)} runs"] if targets else []
    if closing("fuzz-corpus"):
        parts.append("corpus: " + suites("fuzz-corpus", what="inputs"))
    return "; ".join(parts) or NOT_RUN


def code_lines(*patterns):
    """Lines that are neither empty nor comment only, of C and Python."""
    count = 0
    for pattern in patterns:
        for path in glob.glob(os.path.join(ROOT, pattern), recursive=True):
            text = re.sub(r"/\*.*?\*/", "", text_of(os.path.relpath(path, ROOT)), flags=re.S)
            count += sum(1 for line in text.split("\n")
                         if line.strip() and not line.strip().startswith("#!"))
    return count


def sources():
    """The library's own text."""
    return "".join(text_of(os.path.relpath(path, ROOT))
                   for path in sorted(glob.glob(os.path.join(ROOT, "src", "*.c")))
                   if not path.endswith("_test.c"))


def assertions():
    count = len(re.findall(r"\bLTI_(?:ASSERT|INVARIANT)\(", sources()))
    tests = code_lines("src/*_test.c")
    return f"1 in {(code_lines('src/*.c') - tests) // max(count, 1)} lines, {count} in all"


def test_lines():
    unit = code_lines("src/*_test.c")
    library = code_lines("src/*.[ch]", "include/**/*.h") - unit
    tests = unit + code_lines("test/**/*.[ch]", "test/**/*.py", "test/**/*.sh")
    return f"{tests / library:.2f} : 1 ({number(tests)} lines)"


def platforms():
    found = [name[len("portability-"):] for name in logs_named("portability-")
             if closing(name)[0] > 0 and closing(name)[1] == 0]
    wine = suites(*[name for name in logs_named("wine-")], what="tests under wine")
    return ", ".join(found + [wine] * (wine != NOT_RUN)) or NOT_RUN


def soak():
    try:
        run = json.loads(text_of("build", "soak.json"))
    except ValueError:
        return NOT_RUN
    bad = [limit["name"] for limit in run["limits"] if limit["verdict"] == "FAIL"]
    unjudged = [limit["name"] for limit in run["limits"] if limit["verdict"] == "not judged"]
    growth = [int(re.match(r"-?\d+", limit["text"])[0]) for limit in run["limits"]
              if limit["name"].startswith("memory")]
    return (f"{run['seconds'] / 25:.3g} h in {run['took_ms'] / 60000:.0f} min: "
            f"{number(run['messages'])} messages, {number(run['connections'])} connections, "
            f"{number(run['kills'])} kills, {run['violations']} violations; memory "
            f"{max(growth) / 1024:+.0f} KiB" +
            (f"; not kept: {', '.join(bad)}" if bad else "; every limit kept") +
            (f"; not judged: {', '.join(unjudged)}" if unjudged else ""))


def attacks():
    rows = re.findall(r"^\| [LQ]\d\d \|.*\| ([^|]*) \|$", text_of("docs", "attacks.md"), re.M)
    return (f"{sum(row == 'passed' for row in rows)} of {len(rows)} attacks defended" if rows
            else NOT_RUN)


# Number of the metric, what, the best anchor, what we aim at, the figure, the command, in the head.
ROWS = (
    ("1", "lines, functions", "SQLite 100 % (closed tests)", "100 %, 100 %",
     lambda: coverage("lines", "functions"), "./dev coverage", True),
    ("2", "branches", "SQLite 100 %", "95 % raw, both ports", lambda: coverage("branches"),
     "./dev coverage", False),
    ("3", "MC/DC", "SQLite 100 %", "95 %", lambda: coverage("conditions"), "./dev coverage", False),
    ("4", "mutation", "SQLite, unpublished", "90 %", mutation, "./dev mutate", False),
    ("4", "planted bugs", "none", "every one", planted, "./dev planted", False),
    ("5", "each system call fails, in each way", "curl: 25 places a test, results unchecked",
     "50,000 runs, with result, leaks, bystanders", faults, "./dev test fault", True),
    ("6", "two faults", "D-Bus: 4 allocations in a row", "all pairs of short scenarios",
     lambda: suites(*logs_named("fault-pairs"), what="pairs"), "./dev test-deep fault-pairs",
     False),
    ("7", "simulation", "TigerBeetle, 1024 cores", "2,000 seeds, none open", simulation,
     "./dev test sim", True),
    ("8", "the simulation tells the truth", "nobody publishes it",
     "150 probes, no unexplained difference", fidelity,
     "./dev test real-kernel sim-kernel contract wine-contract", True),
    ("9", "the same trace everywhere", "each platform by itself", "64, 32 bit, big-endian",
     lambda: suites(*logs_named("portability-"), what="tests of other platforms"),
     "./dev portability", False),
    ("10", "killed at each system call", "iceoryx2: some places", "every call of either peer",
     lambda: suites("kill", what="tests"), "./dev test kill", False),
    ("11", "histories", "none in IPC libraries", "every run, 20 of 20 corruptions", histories,
     "./dev test history", True),
    ("12", "sanitizers", "libuv: A, M, T, UB, 1 suppression", "no suppression", sanitizers,
     "./dev test asan tsan valgrind", False),
    ("13", "fuzzing", "OpenSSH: 11 targets", "15 targets", fuzzing, "./dev test-deep fuzz", True),
    ("14", "proofs", "aws-c-common: 170 bounded harnesses", "25 functions, no bound",
     lambda: suites("proofs", what="functions"), "./dev prove", False),
    ("14", "models", "none", "wake, close", lambda: suites("models", what="checks"),
     "./dev models", False),
    ("15", "assertions", "SQLite 1 in 23 lines", "1 in 20", assertions, "test/scoreboard.py",
     False),
    ("16", "lines of tests", "SQLite 608 : 1, libuv 0.76 : 1", "3 : 1", test_lines,
     "test/scoreboard.py", False),
    ("17", "platforms", "libuv: 16 under qemu", "5 processors, musl, wine", platforms,
     "./dev portability", False),
    ("18", "soak", "unpublished", "24 h in 10 min; 64 KiB, 0 handles, p99.9 + 20 %", soak,
     "./dev soak MINUTES=10", True),
    ("", "attacks", "none publishes a list", "each of 64", attacks, "./dev test attacks", True),
)


# ---- The table -----------------------------------------------------------------------------------

def row(cells):
    return "| " + " | ".join(cells) + " |\n"


def table():
    """For docs/testing.md."""
    made = row(["#", "what", "best anchor", "aim", "leat", "command"])
    made += "|---|---|---|---|---|---|\n"
    for name, what, anchor, aim, figure, command, _ in ROWS:
        made += row([name, what, anchor, aim, figure(), f"`{command}`"])
    return made


def head(made):
    """For README.md: some rows of that table."""
    lines = made.splitlines()[2:]
    kept = row(["what", "best anchor", "leat"]) + "|---|---|---|\n"
    for line, about in zip(lines, ROWS):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if about[6]:
            kept += row([cells[1], cells[2], cells[4]])
    return kept


def between(document):
    """What stands between the markers; None when they are not there."""
    found = re.search(re.escape(BEGIN) + r"\n(.*?)" + re.escape(END), text_of(document), re.S)
    return found[1] if found else None


def put(document, made):
    text = text_of(document)
    before, rest = text.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    with open(os.path.join(ROOT, document), "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n{made}{END}{after}")


def check():
    """True when both documents have all rows, and say the same."""
    made, shown = between("docs/testing.md"), between("README.md")
    failed = []
    if made is None or shown is None:
        failed.append("docs/testing.md or README.md has no markers of the scoreboard")
    else:
        lines = made.splitlines()[2:]
        due = [(row_[0], row_[1]) for row_ in ROWS]
        there = [tuple(cell.strip() for cell in line.strip("|").split(" | ")[:2]) for line in lines]
        if there != due:
            failed.append("docs/testing.md has other rows than test/scoreboard.py")
        elif head(made) != shown:
            failed.append("README.md says something else than docs/testing.md")
    print("".join(f"{line}; run test/scoreboard.py --write\n" for line in failed) +
          f"{1 - bool(failed)} passed, {len(failed)} failed")
    return not failed


def main():
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if check() else 1)
    if sys.argv[1:] not in ([], ["--write"]):
        sys.exit(__doc__)
    made = table()
    if sys.argv[1:] == ["--write"]:
        put("docs/testing.md", made)
        put("README.md", head(made))
    print(made, end="")


if __name__ == "__main__":
    main()
