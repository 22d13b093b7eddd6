#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bugs that are planted one at a time, and the suite that catches each.

usage: test/planted.py [--all] [--write] [PATCH...]
       test/planted.py --check

test/planted/NN-what.patch is one bug; its first lines say what is broken and where it hurts. Each
is applied to a copy of the tree, the test programs are built, and the suites run until one of them
fails: it has caught the bug. A bug that no suite catches is a test that is missing, and counts as
failed. --all lets every suite try, each up to its first failure. --write puts the rows of these
bugs into docs/planted.md. --check only looks whether each patch still applies and is in that table.
PATCH is the beginning of a name.
"""
import glob
import os
import re
import sys
import time

import broken_tree
from broken_tree import ROOT, Suite

DOCUMENT = os.path.join(ROOT, "docs", "planted.md")
BUGS_LEAST = 30
# Those that catch much in little time come first.
SUITES = [
    Suite("unit-nt", 120, "unit_tests_nt"),
    Suite("sim", 300, "sim_run", "--seeds", "1", "200", harness=False),
    Suite("sim-nt", 300, "sim_run_nt", "--seeds", "1", "200", harness=False),
    Suite("conformance-sim", 300, "conformance_sim"),
    Suite("conformance-sim-nt", 300, "conformance_sim_nt"),
    Suite("unit", 300, "unit_tests"),
    Suite("sim-who", 120, "sim_who_test"),
    Suite("sim-who-nt", 120, "sim_who_test_nt"),
    Suite("conformance-real", 600, "conformance_real"),
    Suite("fault once", 600, "fault_sweep", "--mode", "once", harness=False),
    Suite("fault-nt once", 600, "fault_sweep_nt", "--mode", "once", harness=False),
    Suite("fault forever", 600, "fault_sweep", "--mode", "forever", harness=False),
    Suite("fault-nt forever", 600, "fault_sweep_nt", "--mode", "forever", harness=False),
]
NOBODY = "**nobody**"
OPENING = """# Planted bugs

Made by `python3 test/planted.py --write` (the table of bugs) and `python3 test/mutate.py --write`
(the mutants). [testing.md](testing.md) says how.

## Bugs

Each is a patch of `test/planted/`, applied alone to a copy of the tree. The suites run over it in
this order: {suites}.
One that fails has caught the bug, and is named with the test, seed or fault that failed; those
behind it need not have been asked.

"""


class Bug:
    """A patch: where it belongs, what it says of itself, and its hunks as (old, new) texts."""

    def __init__(self, path):
        self.name = os.path.basename(path)[:-len(".patch")]
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        self.what = re.search(r"^Broken: (.*)", text, re.M).group(1)
        self.hurts = re.search(r"^Hurts: (.*)", text, re.M).group(1)
        self.file = re.search(r"^\+\+\+ b/(.*)", text, re.M).group(1)
        self.hunks = []
        for hunk in re.split(r"^@@.*@@.*\n", text, flags=re.M)[1:]:
            lines = hunk.rstrip("\n").split("\n")
            self.hunks.append(tuple("".join(line[1:] + "\n" for line in lines
                                            if line[:1] in (side, " ", ""))
                                    for side in "-+"))

    def apply(self, text):
        """The file with the bug; None when a hunk's place is not there, or not the only one."""
        for old, new in self.hunks:
            if text.count(old) != 1 or old == new:
                return None
            text = text.replace(old, new)
        return text if self.hunks else None


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return stream.read()


def bugs_read():
    return [Bug(path) for path in sorted(glob.glob(os.path.join(ROOT, "test/planted/*.patch")))]


def check(bugs):
    document = read("docs/planted.md") if os.path.exists(DOCUMENT) else ""
    passed = failed = 0
    for bug in bugs:
        problem = None
        if bug.apply(read(bug.file)) is None:
            problem = f"it does not apply to {bug.file} any more"
        elif f"| `{bug.name}` |" not in document or NOBODY in document:
            problem = "docs/planted.md does not say who catches it; run test/planted.py --write"
        passed, failed = passed + (not problem), failed + bool(problem)
        if problem:
            print(f"FAIL {bug.name}: {problem}")
    whole = [(len(bugs) >= BUGS_LEAST, f"there are {len(bugs)} bugs"),
             ("\n## Mutants\n" in document and "**not argued**" not in document,
              "docs/planted.md lacks the mutants, or why one of them may live")]
    for good, problem in whole:
        passed, failed = passed + good, failed + (not good)
        if not good:
            print(f"FAIL {problem}")
    print(f"{passed} passed, {failed} failed")
    return failed == 0


class Garden:
    """The copy in which bugs are planted, and the suites that are known to pass without one."""

    def __init__(self, copy):
        self.copy, self.sound = copy, set()

    def notices(self, suite):
        said = self.copy.build([suite])
        if said:
            raise broken_tree.Broken(said)
        return self.copy.notices(suite)

    def prove(self, suite):
        """A suite that fails with nothing planted proves nothing."""
        if suite in self.sound:
            return
        planted = {path: self.copy.read(path) for path in self.copy.changed}
        self.copy.restore()
        found = self.notices(suite)
        if found:
            raise broken_tree.Broken(f"{suite.name} fails with nothing planted: {found}")
        self.sound.add(suite)
        for path, text in planted.items():
            self.copy.write(path, text)

    def plant(self, bug, every):
        """(suite, what failed) of each that caught the bug. `every` are the suites that run
        whatever the others say."""
        text = bug.apply(read(bug.file))
        if text is None:
            raise broken_tree.Broken(f"{bug.name} does not apply")
        self.copy.write(bug.file, text)
        caught = []
        try:
            for suite in SUITES:
                if caught and suite not in every:
                    continue
                self.prove(suite)
                found = self.notices(suite)
                if found:
                    caught.append((suite.name, found))
        finally:
            self.copy.restore()
        return caught


def row(bug, caught):
    suites = "; ".join(f"{name}: `{test}`" for name, test in caught) or NOBODY
    return (f"| `{bug.name}` | `{bug.file}` | {bug.what} | {bug.hurts} | {suites} |\n")


def document_write(results):
    """Rows of bugs that were not run stay as they are."""
    before = read("docs/planted.md") if os.path.exists(DOCUMENT) else ""
    found = re.findall(r"^(\| `(\d\d-[^`]*)` \|.*\n)", before, re.M)
    rows = {name: line for line, name in found}
    rows.update({bug.name: row(bug, caught) for bug, caught in results})
    rows = [rows[bug.name] for bug in bugs_read() if bug.name in rows]
    table = "| bug | where | what is broken | where it hurts | caught by |\n|---|---|---|---|---|\n"
    table += "".join(rows)
    counts = {suite.name: sum(f" {suite.name}: `" in line for line in rows) for suite in SUITES}
    table += f"\nOf {len(rows)} bugs, so many name each of these suites: "
    table += ", ".join(f"{name} {count}" for name, count in counts.items() if count) + ".\n"
    mutants = "".join("\n" + part for part in re.findall(r"^## Mutants\n.*", before, re.M | re.S))
    names = ", ".join(suite.name for suite in SUITES)
    with open(DOCUMENT, "w", encoding="utf-8") as stream:
        stream.write(OPENING.format(suites=names) + table + mutants)


def main(words):
    broken_tree.end_in_order()
    names = [word for word in words if not word.startswith("--")]
    bugs = [bug for bug in bugs_read()
            if not names or any(bug.name.startswith(name) for name in names)]
    if "--check" in words:
        return 0 if check(bugs) else 1
    write = "--write" in words
    every = SUITES if "--all" in words else []
    passed, results = 0, []
    with broken_tree.Copy() as copy:
        garden = Garden(copy)
        for bug in bugs:
            began = time.monotonic()
            caught = garden.plant(bug, every)
            results.append((bug, caught))
            passed += bool(caught)
            said = "; ".join(f"{name}: {test}" for name, test in caught) or "no suite catches it"
            print(f"{'ok' if caught else 'FAIL'} {bug.name}: {said} "
                  f"({time.monotonic() - began:.0f} s)", flush=True)
    if write:
        document_write(results)
    print(f"{passed} passed, {len(bugs) - passed} failed")
    return 0 if bugs and passed == len(bugs) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
