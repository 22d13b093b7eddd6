#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The kernel contract: how many probes each kernel gets, and that every difference is explained.

usage: test/contract.py --check            what the sources and docs/simulation.md say
       test/contract.py --check LOG...     and what was skipped in runs of test/contract_nt
       test/contract.py --write            makes the table of differences in docs/simulation.md

A probe below the seam is a test of test/os_sim that both Linux and the simulated kernel run, a cell
of sim_matrix.def, or a test of test/contract_nt, which wine, Windows and the simulated kernel run.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROBES_MIN = 150
DOCUMENT = os.path.join("docs", "simulation.md")
BEGIN, END = "<!-- contract: test/contract.py --write -->", "<!-- contract ends -->"
SPLIT = re.compile(r"^(?=TEST(?:_TIMEOUT)?\()", re.M)
NAME = re.compile(r"TEST(?:_TIMEOUT)?\((\w+)")
MARK = re.compile(r"\bwine\b|\bWine\b|SKIP_NEEDS|probe_first_ignored\(")
STRING = r'"(?:[^"\\]|\\.)*"'


def read(*path):
    """The text of a file of the tree."""
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def words_of(text):
    """C strings side by side, as one."""
    return "".join(word[1:-1] for word in re.findall(STRING, text))


def rows_of(name, *path):
    """The arguments of each use of a macro: strings joined, other words as they are."""
    pattern = re.compile(rf"^{name}\(((?:[^()\"]|{STRING})*)\)", re.M)
    rows = []
    for match in pattern.finditer(read(*path)):
        parts, depth = re.findall(rf"(?:{STRING}\s*)+|[^,\s\"]+", match[1]), []
        for part in parts:
            depth.append(words_of(part) if part.startswith('"') else part)
        rows.append(depth)
    return rows


def bodies(path):
    """The text before the first test, and each test's name and text."""
    parts = SPLIT.split(read(path))
    return parts[0], [(NAME.match(part)[1], part) for part in parts[1:]]


def helpers_marked(text):
    """Functions before or between the tests that know of a difference, by the lines above them."""
    found = set()
    for match in re.finditer(r"((?:^/\*(?:[^*]|\*(?!/))*\*/\n)?)^static [^;{]*?(\w+)\([^;{]*\)\n\{"
                             r"(.*?)^\}", text, re.M | re.S):
        if MARK.search(match[1]) or MARK.search(match[3]):
            found.add(match[2])
    return found


def marked(path):
    """The probes of a file that accept two answers, or may be skipped."""
    head, tests = bodies(path)
    helpers = helpers_marked(head)
    return {name for name, text in tests
            if MARK.search(text) or any(re.search(rf"\b{helper}\(", text) for helper in helpers)}


def counts():
    """How many probes each kernel gets."""
    matrix = sum(len(row[2].split()) for row in rows_of("MATRIX_ROW", "test/os_sim/sim_matrix.def"))
    both = 0
    for path in glob.glob(os.path.join(ROOT, "test/os_sim/*_test.c")):
        name = os.path.basename(path)
        if not re.match(r"sim_.*(control|pipe|queue|who)", name) and "matrix" not in name:
            both += len(bodies(path)[1])
    pipes = sum(len(bodies(path)[1])
                for path in glob.glob(os.path.join(ROOT, "test/contract_nt/*_test.c")))
    return {"Linux": both + matrix, "wine": pipes, "simulated, sockets": both + matrix,
            "simulated, pipes": pipes}


def differences():
    """All known differences: where, which probe, what, why."""
    found = [(kernel, probe, verdict, what, why) for kernel, probe, verdict, what, why
             in rows_of("CONTRACT_DIFFERS", "test/contract.def")]
    for kind, state, operation, what, why in rows_of("MATRIX_DIFFERS",
                                                     "test/os_sim/sim_matrix.def"):
        found.append(("simulated", f"{kind}, {state}: {operation}", "differs",
                      f"says {what}", why))
    return found


def table():
    """The known differences, for docs/simulation.md."""
    verdicts = {"skipped": "is skipped there", "either": "takes both answers",
                "differs": "knows both answers"}
    lines = ["| kernel | probe | what it does there | the probe | why it may |\n",
             "|---|---|---|---|---|\n"]
    for kernel, probe, verdict, what, why in differences():
        shown = probe if " " in probe else f"`{probe}`"
        lines.append(f"| {kernel} | {shown} | {what} | {verdicts[verdict]} | {why} |\n")
    return "".join(lines)


def skipped_of(log):
    """What a run skipped."""
    with open(log, encoding="utf-8", errors="replace") as file:
        return set(re.findall(r"^skipped (\w+)", file.read(), re.M))


def check(logs):
    """Prints what is wrong, then the closing line; true when nothing is."""
    failed, passed = [], 0
    rows = rows_of("CONTRACT_DIFFERS", "test/contract.def")
    explained = {row[1] for row in rows}
    found = set().union(*(marked(os.path.relpath(path, ROOT)) for path
                          in glob.glob(os.path.join(ROOT, "test/contract_nt/*_test.c"))))
    names = {name for path in glob.glob(os.path.join(ROOT, "test/contract_nt/*_test.c"))
             for name, _ in bodies(path)[1]}
    for title, wrong in (
            ("without a row in test/contract.def", found - explained),
            ("in test/contract.def, but no probe that differs", explained - found),
            ("in test/contract.def, but no probe", explained - names),
            ("twice in test/contract.def", {n for n in explained
                                            if sum(row[1] == n for row in rows) > 1}),
            ("without a reason", {row[1] for row in differences() if len(row[4]) < 20})):
        failed += [f"{name}: {title}" for name in sorted(wrong)]
        passed += not wrong
    passed += table() in read(DOCUMENT)
    failed += [f"{DOCUMENT} has another table; run test/contract.py --write"] * (
        table() not in read(DOCUMENT))
    for kernel, count in counts().items():
        print(f"{count:4} probes: {kernel}")
        passed += count >= PROBES_MIN
        failed += [f"{kernel}: fewer than {PROBES_MIN} probes"] * (count < PROBES_MIN)
    may_skip = {row[1] for row in rows if row[2] == "skipped"}
    for log in logs:
        wrong = skipped_of(log) - may_skip
        failed += [f"{name}: skipped in {log}, and no row says why" for name in sorted(wrong)]
        passed += not wrong
    print("".join(line + "\n" for line in failed) + f"{passed} passed, {len(failed)} failed")
    return not failed


def write():
    """Puts the table between its markers."""
    before, rest = read(DOCUMENT).split(BEGIN, 1)
    with open(os.path.join(ROOT, DOCUMENT), "w", encoding="utf-8") as file:
        file.write(before + BEGIN + "\n" + table() + END + rest.split(END, 1)[1])


def main():
    if sys.argv[1:] == ["--write"]:
        write()
        return
    if len(sys.argv) < 2 or sys.argv[1] != "--check":
        sys.exit(__doc__)
    sys.exit(0 if check(sys.argv[2:]) else 1)


if __name__ == "__main__":
    main()
