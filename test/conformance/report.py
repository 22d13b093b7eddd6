#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What other libraries test and what their users ask for, against the tests of leat.

usage: test/conformance/report.py --check
       test/conformance/report.py --write BUILD BUILD-WINDOWS

--check looks at sources.def and demands.def: every row is there once, the tests and calls that it
names exist, a port without a test has its reason, and docs/conformance.md and docs/demands.md have
the same rows. --write runs the tests on every port (those of Windows under wine), fails when one
of them does not pass where it is, and makes the two documents of the run.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DEMANDS, DEADLINE_S = 92, 1800
PORTS = {
    "sockets": ("conformance_real", "attack_tests", "qt_defects"),
    "sockets, simulated": ("conformance_sim", "sim_who_test"),
    "pipes, simulated": ("conformance_sim_nt", "sim_who_test_nt"),
    "pipes, wine": ("conformance_real.exe",),
}
REAL, SIM, SIM_NT, WINE = PORTS

CONFORMANCE_OPENING = """# Conformance

Made by `python3 test/conformance/report.py --write build build-windows` from one run, of
`test/conformance/sources.def`: what other libraries test, what none of them tests, and the weak
points of one of them; beside each, the tests of leat that show the same of it. *sockets* is Linux,
*simulated* is the simulated kernel with either port, *wine* stands in for Windows. A dash: none of
these tests is about that port; the remark says why.
"""
DEMANDS_OPENING = """# Demands

Made by `python3 test/conformance/report.py --write build build-windows` of
`test/conformance/demands.def`: what users of other libraries ask for or complain about, and what
leat does about it. Where it says *met*, the tests passed in that run.

| # | what | answer | calls | tests | remark |
|---:|---|---|---|---|---|
"""


class Row:
    """One line of a table."""

    def __init__(self, kind, source, number, words):
        self.kind, self.source, self.number, self.what = kind, source, number, words[0]
        self.calls = words[1].split() if kind == "MET" else []
        self.tests = words[-2].split() if kind in ("ROW", "MET") else []
        self.remark = words[-1]
        self.name = f"{source} {number}"


def rows_read(text):
    """The rows, and how many each source should have."""
    text = re.sub(r'"\s*\n\s*"', "", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
    sources = {name: (int(count), what) for name, count, what
               in re.findall(r'^SOURCE\((\w+), (\d+), "(.*?)"\)$', text, re.M)}
    rows = []
    for kind, head, rest in re.findall(r'^(ROW|OUT|MET|NOT|OPEN)\(([\w, ]+),\s*(".*?")\)$', text,
                                       re.M | re.S):
        source, _, number = head.rpartition(", ")
        rows.append(Row(kind, source or "demands", int(number), re.findall(r'"([^"]*)"', rest)))
    return sources, rows


def rows_missing(sources, rows):
    """every row of every source is there once"""
    for source, count in sources.items():
        numbers = [row.number for row in rows if row.source == source]
        if numbers != list(range(1, count + 1)):
            yield f"{source}: its rows are not 1 to {count}, each once and in order"
    for row in rows:
        if row.source not in sources:
            yield f"{row.name}: no such source"
        if row.kind in ("ROW", "MET") and not row.tests:
            yield f"{row.name}: no test"
        if row.kind in ("OUT", "NOT", "OPEN") and not row.remark:
            yield f"{row.name}: no reason"


def ports_of(path):
    """On which ports the tests of a file are."""
    folder, name = os.path.split(path)
    posix = re.search(r"_posix(_\w+)?\.c$", name)
    windows = re.search(r"_(windows|nt)(_\w+)?\.c$", name)
    ports = {"conformance": [REAL, SIM, SIM_NT, WINE], "conformance_real": [REAL, WINE],
             "conformance_nt": [SIM_NT, WINE], "sim_who": [SIM, SIM_NT],
             "attacks": [REAL]}[os.path.basename(folder)]
    return {port for port in ports
            if not (posix and port in (SIM_NT, WINE)) and not (windows and port in (REAL, SIM))}


def tests_read():
    """Each test of the sources, and its ports. Tests may be defined by macros of their own."""
    tests = {}
    for folder in ("conformance", "conformance_real", "conformance_nt", "sim_who", "attacks"):
        for name in sorted(os.listdir(os.path.join(ROOT, "test", folder))):
            if not name.endswith(".c"):
                continue
            path = os.path.join(ROOT, "test", folder, name)
            with open(path, encoding="utf-8") as file:
                found = re.findall(r"^[A-Z][A-Z_]+\((\w+)[,)]", file.read(), re.M)
            for test in found:
                tests.setdefault(test, set()).update(ports_of(path))
    return tests


def tests_missing(rows, tests, header):
    """every test that a row names is there, and every port has one or a reason"""
    for row in rows:
        for test in row.tests:
            if test not in tests:
                yield f"{row.name}: no test is called {test}"
        for word in re.findall(r"\b[a-z]+(?:_[a-z0-9]+){2,}\b", row.remark):
            if word not in tests and word not in header:
                yield f"{row.name}: nothing is called {word}"
        if row.kind == "ROW" and not row.remark:
            there = set().union(*(tests.get(test, set()) for test in row.tests))
            for port in PORTS:
                if port not in there:
                    yield f"{row.name}: no test of it on {port}, and no remark why"


def calls_missing(rows, header):
    """every call that a row names is in leat.h"""
    declared = set(re.findall(r"\b(leat_\w+)\(", header))
    for row in rows:
        if row.kind == "MET" and not row.calls:
            yield f"{row.name}: met by no call"
        for call in row.calls:
            if call not in declared:
                yield f"{row.name}: leat.h has no {call}"


# ---- The documents -------------------------------------------------------------------------------

def cells(*words):
    return "| " + " | ".join(word.replace("|", "/") for word in words) + " |\n"


def code(words):
    return ", ".join(f"`{word}`" for word in words)


def row_result(row, port, results):
    """What a row's cell for one port says: passed, what it needs, what failed, or a dash."""
    seen = {test: results[port][test] for test in row.tests if test in results[port]}
    if "FAILED" in seen.values():
        return "FAILED"
    words = ["passed"] if "passed" in seen.values() else []
    words += [f"`{test}` {result}" for test, result in seen.items() if result != "passed"]
    return "; ".join(words) or "-"


def conformance_document(sources, rows, results):
    text = CONFORMANCE_OPENING
    for source, (_, what) in sources.items():
        text += f"\n## {what[0].upper() + what[1:]}\n\n"
        text += cells("#", "theirs", "ours", *PORTS, "remark")
        text += "|---:|" + "---|" * (len(PORTS) + 3) + "\n"
        for row in rows:
            if row.source == source:
                there = [row_result(row, port, results) if row.tests else "-" for port in PORTS]
                text += cells(str(row.number), row.what, code(row.tests) or "left out", *there,
                              row.remark)
    return text


def test_word(test, results):
    """A test's name, and what it needed when it passed nowhere."""
    seen = [results[port][test] for port in PORTS if test in results[port]]
    return f"`{test}`" + (f" ({seen[0]})" if seen and "passed" not in seen else "")


def demands_document(rows, results):
    text = DEMANDS_OPENING
    words = {"MET": "met", "NOT": "not for leat", "OPEN": "open"}
    for row in rows:
        tests = ", ".join(test_word(test, results) for test in row.tests)
        text += cells(str(row.number), row.what, words[row.kind], code(row.calls), tests,
                      row.remark)
    counts = [sum(row.kind == kind for row in rows) for kind in words]
    return text + "\n{} met, {} not for leat, {} open.\n".format(*counts)


def bare(document):
    """A document without the results of its run."""
    document = re.sub(r" \(needs [^)]*\)", "", document)
    return re.sub(r"\| (passed[^|]*|`\w+` needs [^|]*|FAILED|-) (?=\|)", "| . ", document)


def documents_differ(made, found):
    """the documents have the rows of the tables"""
    for name, text in made.items():
        if bare(found.get(name, "")) != bare(text):
            yield f"docs/{name} is of other rows: report.py --write makes it"
        if "FAILED" in found.get(name, ""):
            yield f"docs/{name} is of a run that failed"


# ---- Running -------------------------------------------------------------------------------------

def program_run(command):
    """Results by test, and whether the program ended as it should."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE_S, check=False)
    results, last = {}, None
    for line in done.stdout.splitlines():
        verdict = re.match(r"(ok|FAILED|skipped) (\w+)[: (]", line)
        needs = re.match(r"\S+:\d+: (needs .*)$", line)
        if verdict:
            last = verdict.group(2)
            results[last] = {"ok": "passed", "FAILED": "FAILED", "skipped": "needs something"}[
                verdict.group(1)]
        elif needs and last and results[last].startswith("needs"):
            results[last] = needs.group(1)
    good = re.search(r"^\d+ passed, 0 failed(, \d+ skipped)?$", done.stdout, re.M) is not None
    if not good:
        print(done.stdout)
    return results, good and done.returncode == 0


def ports_run(rows, tests, build, build_windows):
    """Results by port and test, and what went wrong."""
    results, wrong = {port: {} for port in PORTS}, []
    wanted = {test for row in rows for test in row.tests}
    for port, programs in PORTS.items():
        here = sorted(test for test in wanted if port in tests[test])
        for program in programs:
            command = [os.path.join(build, program)]
            if port == WINE:
                command = ["sh", os.path.join(ROOT, "test/wine.sh"),
                           os.path.join(build_windows, program)]
            found, good = program_run(command + ["--verbose", *here])
            results[port].update({test: found[test] for test in found if test in wanted})
            if not good:
                wrong.append(f"{program} failed")
    for row in rows:
        for test in row.tests:
            seen = [results[port].get(test) for port in PORTS]
            if not any(seen):
                wrong.append(f"{row.name}: {test} ran nowhere")
            if "FAILED" in seen:
                wrong.append(f"{row.name}: {test} failed")
        if row.tests and not any(row_result(row, port, results).startswith("passed")
                                 for port in PORTS):
            wrong.append(f"{row.name}: nothing of it passed anywhere")
        if row.kind == "ROW" and not row.remark:
            wrong += [f"{row.name}: nothing of it ran on {port}, and no remark why"
                      for port in PORTS if row_result(row, port, results) == "-"]
    return results, wrong


def read(*path):
    try:
        with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


SAMPLE = Row("ROW", "qt", 2, ["what", "a_test", ""])
SAMPLE_OUT = Row("OUT", "qt", 2, ["what", "see not_a_test"])
SAMPLE_MET = Row("MET", "demands", 1, ["what", "leat_nothing", "a_test", ""])
SAMPLES = [(rows_missing, ({"qt": 2}, [SAMPLE])), (tests_missing, ([SAMPLE], {}, "")),
           (tests_missing, ([SAMPLE], {"a_test": {REAL}}, "")),
           (tests_missing, ([SAMPLE_OUT], {}, "")),
           (calls_missing, ([SAMPLE_MET], "leat_something(")),
           (documents_differ, ({"a.md": "| 1 | what |"}, {"a.md": "| 2 | what |"})),
           (documents_differ, ({"a.md": "| passed |"}, {"a.md": "| FAILED |"}))]


def main():
    sources, rows = rows_read(read("test/conformance/sources.def"))
    _, demands = rows_read(read("test/conformance/demands.def"))
    counts = {source: count for source, (count, _) in sources.items()}
    header = read("include/leat/leat.h")
    tests, writes = tests_read(), sys.argv[1:2] == ["--write"]
    if sys.argv[1:] != ["--check"] and not (writes and len(sys.argv) == 4):
        sys.exit(__doc__)
    results, wrong = {port: {} for port in PORTS}, []
    checks = [(rows_missing, (dict(counts, demands=DEMANDS), rows + demands)),
              (tests_missing, (rows + demands, tests, header)),
              (calls_missing, (demands, header))]
    if writes:
        wrong = [line for rule, given in checks for line in rule(*given)]
        if not wrong:
            results, wrong = ports_run(rows + demands, tests, *sys.argv[2:])
    made = {"conformance.md": conformance_document(sources, rows, results),
            "demands.md": demands_document(demands, results)}
    if writes and not wrong:
        for name, text in made.items():
            with open(os.path.join(ROOT, "docs", name), "w", encoding="utf-8") as file:
                file.write(text)
    checks.append((documents_differ, (made, {name: read("docs", name) for name in made})))
    passed, failed = 0, int(bool(wrong))
    for rule, given in checks:
        found = list(rule(*given))
        passed, failed = passed + (not found), failed + bool(found)
        wrong += found
    for rule, given in SAMPLES:
        reported = bool(list(rule(*given)))
        passed, failed = passed + reported, failed + (not reported)
        wrong += [] if reported else [f"the bad sample is not reported: {rule.__doc__}"]
    for line in dict.fromkeys(wrong):
        print(line)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
