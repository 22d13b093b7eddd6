#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the attack tests and prints their table: id, attack, expected, seen, result.

usage: test/attacks/report.py [--deep] [--write] BUILD

BUILD has attack_tests, qt_defects and conformance_real. --deep runs the long forms; --write makes
docs/attacks.md of the run. What needs root is said, and never counts as passed.
"""
import os
import platform
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = ("attack_tests", "qt_defects", "conformance_real")
DEADLINE_S = 3600

OPENING = """# Attacks

Made by `python3 test/attacks/report.py --write build`, from one run{how}. L01 to L52 are attacks,
Q01 to Q12 defects of QLocalServer and QLocalSocket, tried on leat. What is defended, and what is
not, is in [access.md](access.md); the attacks on named pipes are in [platforms.md](platforms.md).

The tests really are other users: they run as root, in a folder of their own, and drop to users that
need no entry anywhere. "Each system call" means it: the victim is stopped at every one. Figures are
those of the run.

| id | attack | expected | seen | result |
|---|---|---|---|---|
"""


class Row:
    """One line of the table."""

    def __init__(self, kind, number, attack, expected, rest):
        self.kind, self.id, self.attack, self.expected = kind, number, attack, expected
        self.tests = rest.split() if kind == "ELSEWHERE" else []
        self.seen, self.results, self.failures = [], [], {}

    def result(self):
        failed = [test for test, result in self.results if result == "FAILED"]
        needs = sorted({result for _, result in self.results if result.startswith("needs")})
        if failed:
            return "FAILED: " + ", ".join(failed)
        passed = any(result == "passed" for _, result in self.results)
        return ", ".join((["passed"] if passed else []) + needs) or "FAILED: did not run"

    def words(self):
        if self.kind == "ELSEWHERE":
            return "by " + ", ".join(f"`{test}`" for test in self.tests)
        words = [text + (f" (but {self.failures[test]})" if test in self.failures else "")
                 for test, text in self.seen]
        silent = self.failures.keys() - {test for test, _ in self.seen}
        words += [f"{test}: {self.failures[test]}" for test in sorted(silent)]
        return "; ".join(dict.fromkeys(words))


def rows_read():
    with open(os.path.join(HERE, "attacks.def"), encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    rows = {}
    for kind, number, rest in re.findall(r"^([A-Z]+)\((\w+),(.*?)\)$", text, re.M | re.S):
        strings = re.sub(r'"\s*\n\s*"', "", rest)
        words = re.findall(r'"([^"]*)"', strings)
        rows[number] = Row(kind, number, words[0], words[1], words[2] if len(words) > 2 else "")
    return rows


def tests_find(build, rows):
    """Gives each row its tests; returns what is wrong with that, and the tests of each program."""
    wrong, wanted = [], {}
    for program in PROGRAMS:
        path = os.path.join(build, program)
        listed = subprocess.run([path, "--list"], capture_output=True, text=True, check=True,
                                timeout=60).stdout.split()
        if program == "conformance_real":
            named = [test for row in rows.values() if row.kind == "ELSEWHERE" for test in row.tests]
            wrong += [f"no test is called {test}" for test in named if test not in listed]
            wanted[program] = [test for test in named if test in listed]
            continue
        wanted[program] = listed
        for test in listed:
            number = re.match(r"attack_([lq]\d\d)_", test)
            row = rows.get(number.group(1).upper()) if number else None
            if row is None or row.kind != "ATTACK":
                wrong.append(f"{test} has no row in attacks.def")
            else:
                row.tests.append(test)
    wrong += [f"{row.id} has no test" for row in rows.values() if not row.tests]
    return wrong, wanted


def program_run(build, program, tests, environment):
    """Results by test, its first failure, the counts of the closing line, all that it printed."""
    path = os.path.join(build, program)
    done = subprocess.run([path, "--verbose", *tests], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment,
                          timeout=DEADLINE_S, check=False)
    results, failures, last = {}, {}, None
    for line in done.stdout.splitlines():
        verdict = re.match(r"(ok|FAILED|skipped) (\w+)[: (]", line)
        needs = re.match(r"\S+:\d+: (needs .*)$", line)
        failure = re.match(r"\S*?([^/\s]+:\d+: .*)$", line)
        if verdict:
            last = verdict.group(2)
            results[last] = {"ok": "passed", "FAILED": "FAILED", "skipped": "needs something"}[
                verdict.group(1)]
        elif needs and last and results[last].startswith("needs"):
            results[last] = needs.group(1)
        elif failure and last and results[last] == "FAILED":
            failures.setdefault(last, failure.group(1))
    closing = re.search(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", done.stdout, re.M)
    counts = [int(count or 0) for count in closing.groups()] if closing else [0, 1, 0]
    return results, failures, counts, done.stdout


def seen_read(path, rows):
    with open(path, encoding="utf-8") as file:
        for line in file:
            number, test, text = line.rstrip("\n").split("\t", 2)
            if number in rows:
                rows[number].seen.append((test, text))


def document(rows, deep):
    how = f" on {platform.system()} {platform.release().split('-')[0]}"
    how += " as root" if os.geteuid() == 0 else " without root"
    how += ", with the long forms (`--deep`)" if deep else ""
    text = OPENING.format(how=how)
    for row in rows.values():
        cells = (row.id, row.attack, row.expected, row.words(), row.result())
        text += "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |\n"
    return text


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    deep, write = "--deep" in sys.argv, "--write" in sys.argv
    if len(words) != 1 or set(sys.argv[1:]) - {"--deep", "--write", *words}:
        sys.exit(__doc__)
    build, rows, total = words[0], rows_read(), [0, 0, 0]
    wrong, wanted = tests_find(build, rows)
    with tempfile.NamedTemporaryFile(mode="w", suffix=".seen") as seen:
        environment = dict(os.environ, LEAT_ATTACKS_SEEN=seen.name)
        if deep:
            environment["LEAT_ATTACKS_DEEP"] = "1"
        for program in PROGRAMS:
            results, failures, counts, printed = program_run(build, program, wanted[program],
                                                             environment)
            total = [sum(pair) for pair in zip(total, counts)]
            for row in rows.values():
                row.results += [(test, results[test]) for test in row.tests if test in results]
                row.failures.update({test: failures.get(test, "failed") for test, result
                                     in row.results if result == "FAILED" and test in results})
            if counts[1] > 0:
                print(printed)
        seen_read(seen.name, rows)
    for row in rows.values():
        print(f"{row.id}  {row.attack}\n     expected  {row.expected}\n     seen      {row.words()}"
              f"\n     result    {row.result()}")
    for line in wrong:
        print(line)
    if write:
        with open(os.path.join(ROOT, "docs", "attacks.md"), "w", encoding="utf-8") as file:
            file.write(document(rows, deep))
    closing = f"{total[0]} passed, {total[1] + len(wrong)} failed"
    print(closing + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
