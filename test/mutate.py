#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mutants of the pure modules and of the state table: do the tests notice each?

usage: test/mutate.py [--count N] [--seed N] [--write] [FILE...]
       test/mutate.py --list [FILE...]

A mutant is a copy of the tree with one token changed: a relation, an operator, a constant by one, a
condition, a statement, a return, a legal change of state. N of all that there are (200, with seed
1) are drawn; those of which the compiler makes the same code are no mutants and are drawn anew.
The unit tests and the conformance tests of both simulated systems judge. Below 90 % the run has
failed. Survivors are listed; test/planted/survivors.txt says of each why it may live. --write puts
the result into docs/planted.md.
"""
import glob
import os
import queue
import random
import re
import subprocess
import sys
import threading

import broken_tree
from broken_tree import ROOT, Suite

KILLED_LEAST_PERCENT = 90
MODULES = ("access", "address", "address_pipe", "conn_share", "conn_state", "deadlines", "error",
           "frame", "inbox", "inbox.h", "options", "os_nt_code", "outbox", "pool",
           "port_posix_error", "port_windows_error", "slots", "users", "utf16")
# Of these only a part is pure: the table of legal changes, and what the public calls each state.
PARTS = {"src/conn_state.c": ("static const uint8_t legal", "static void state_trace")}
UNIT, UNIT_NT = Suite("unit", 120, "unit_tests"), Suite("unit-nt", 60, "unit_tests_nt")
SUITES = [UNIT_NT, Suite("conformance-sim", 200, "conformance_sim"),
          Suite("conformance-sim-nt", 200, "conformance_sim_nt"), UNIT]
NOT_ARGUED = "**not argued**"
DOCUMENT = os.path.join(ROOT, "docs", "planted.md")
REASONS = os.path.join(ROOT, "test", "planted", "survivors.txt")

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*) | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<directive>^[ ]*\#[^\n]*) | (?P<number>\b(?:0[xX][0-9a-fA-F]+|\d+)(?P<suffix>[uUlL]*)\b)
  | (?P<blank>\s+) | (?P<word>[A-Za-z_]\w*)
  | (?P<op><<=|>>=|->|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
    """, re.S | re.M | re.X)
SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||",
         "||": "&&", "+": "-", "-": "+"}
DECLARATION = re.compile(r"(?:const|static|struct|enum|u?int\d*_t|size_t|bool|char|void|unsigned|"
                         r"int|return|typedef|LTI_ASSERT|case|default)\b(?! *\))")
RETURNS = [(re.compile(r"return true;"), "return false;"),
           (re.compile(r"return false;"), "return true;"),
           (re.compile(r"return LEAT_OK;"), "return LEAT_E_SYSTEM;"),
           (re.compile(r"return LEAT_E_\w+;"), "return LEAT_OK;"),
           (re.compile(r"return NULL;|return SIZE_MAX;|return 0;"), "return 1;")]


class Mutant:
    """Characters [begin, end) of a file become another text."""

    def __init__(self, path, text, begin, end, new, kind):
        self.path, self.begin, self.end, self.new, self.kind = path, begin, end, new, kind
        self.line = text.count("\n", 0, begin) + 1
        first = text.rfind("\n", 0, begin) + 1
        last = text.find("\n", end)
        self.before = " ".join(text[first:last].split())
        self.after = " ".join((text[first:begin] + new + text[end:last]).split())

    def text(self, whole):
        return whole[:self.begin] + self.new + whole[self.end:]

    def __str__(self):
        return f"{self.path}:{self.line}: {self.before}  =>  {self.after}"


def closing(text, begin):
    """The place of the parenthesis that closes the one at begin."""
    depth = 0
    for at in range(begin, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if depth == 0:
            return at
    return len(text)


def spans_left_out(text):
    """Assertions: one that is weaker is no defect. Declarations of arrays: nor is a larger one."""
    for found in re.finditer(r"LTI_ASSERT\(", text):
        yield found.start(), closing(text, found.end() - 1)
    for found in re.finditer(r"^ *(?:static )?(?:const )?\w+ \w+\[[^\]]*\][^;\n]*;", text, re.M):
        yield found.span()


def number_mutants(found, number):
    digits = number[:len(number) - len(found.group("suffix"))]
    value = int(digits, 16 if digits[:2] in ("0x", "0X") else 10)
    for near in (value + 1, value - 1):
        if near >= 0:
            yield str(near) + found.group("suffix")


def token_mutants(path, text):
    before = ""
    for found in TOKEN.finditer(text):
        kind, token = found.lastgroup, found.group()
        if kind == "suffix":
            kind = "number"
        if kind == "directive":
            define = re.match(r"#define \w+ \(*(\d+)", token)
            if define:
                value, at = int(define.group(1)), found.start() + define.start(1)
                for near in (value + 1, value - 1):
                    yield Mutant(path, text, at, at + len(define.group(1)), str(near), "constant")
        elif found.group("number"):
            for new in number_mutants(found, found.group("number")):
                yield Mutant(path, text, found.start(), found.end(), new, "constant")
        elif found.group("op") in SWAPS:
            # A sign or the star of a pointer is no operator between two values.
            if token not in "+-" or re.match(r"[\w\])]", before[-1:] or "("):
                kind = "arithmetic" if token in "+-" else "condition"
                yield Mutant(path, text, found.start(), found.end(), SWAPS[token], kind)
        elif token == "BIT":
            end = closing(text, found.end()) + 1
            if text[found.end():end] != "(state)":
                yield Mutant(path, text, found.start(), end, "0u", "state")
        if not found.group("comment") and not found.group("blank"):
            before = token


def line_mutants(path, text):
    """Conditions negated, statements deleted, returns swapped."""
    for found in re.finditer(r"\bif \(", text):
        end = closing(text, found.end() - 1)
        inner = text[found.end():end]
        yield Mutant(path, text, found.end(), end, f"!({inner})", "negated")
    for found in re.finditer(r"(?<=[{};:)\n])\n( +)([*\w(+-][^\n]*;)(?=\n)", text):
        statement = found.group(2)
        if not DECLARATION.match(statement) and text[:found.start(1)].count("{"):
            yield Mutant(path, text, found.start(2), found.end(2), ";", "deleted")
    for pattern, new in RETURNS:
        for found in pattern.finditer(text):
            yield Mutant(path, text, found.start(), found.end(), new, "return")
    for found in re.finditer(r"\breturn ([^?;\n]+) \? ([^?:;\n]+) : ([^?:;\n]+);", text):
        condition, yes, no = found.groups()
        yield Mutant(path, text, found.start(), found.end(),
                     f"return {condition} ? {no} : {yes};", "return")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return stream.read()


def mutants_of(path):
    text = read(path)
    begin, end = 0, len(text)
    if path in PARTS:
        begin, end = (text.index(word) for word in PARTS[path])
    out = [found.span() for found in TOKEN.finditer(text) if found.group("comment")]
    out += list(spans_left_out(text))
    for mutant in [*token_mutants(path, text), *line_mutants(path, text)]:
        inside = begin <= mutant.begin and mutant.end <= end
        if inside and not any(a <= mutant.begin < b for a, b in out):
            yield mutant


def module_tests(path):
    """The names of the unit tests that stand beside a module."""
    names = {UNIT: [], UNIT_NT: []}
    stem = os.path.splitext(path)[0]
    for test in glob.glob(os.path.join(ROOT, stem + "_test.c")) + glob.glob(
            os.path.join(ROOT, stem + "_posix_test.c")):
        suite = UNIT_NT if "port_windows" in test else UNIT
        names[suite] += re.findall(r"^TEST\w*\((\w+)", read(os.path.relpath(test, ROOT)), re.M)
    return names


class Worker:
    """One copy of the tree, in which one mutant after the other lives."""

    def __init__(self, copy):
        self.copy = copy
        self.copy.jobs = "1"
        self.objects = {}

    def code(self, path):
        """What an optimising compiler makes of the file; None: it refuses."""
        unit = path if path.endswith(".c") else path[:-2] + ".c"
        out = os.path.join(self.copy.place, "mutant.o")
        done = subprocess.run(["cc", "-std=c11", "-O2", "-w", "-Iinclude", "-Isrc", "-c", unit,
                               "-o", out], cwd=self.copy.place, stderr=subprocess.DEVNULL,
                              check=False)
        if done.returncode != 0:
            return None
        with open(out, "rb") as stream:
            return stream.read()

    def judge(self, mutant):
        """A verdict, and who killed it: "killed", "survived", "same" or "refused"."""
        if mutant.path not in self.objects:
            self.objects[mutant.path] = self.code(mutant.path)
        self.copy.write(mutant.path, mutant.text(read(mutant.path)))
        try:
            code = self.code(mutant.path)
            if code is None or code == self.objects[mutant.path]:
                return ("refused" if code is None else "same"), ""
            if self.copy.build(SUITES):
                return "refused", ""
            for suite, names in module_tests(mutant.path).items():
                found = names and self.copy.notices(suite, *names)
                if found:
                    return "killed", f"{suite.name}: {found}"
            for suite in SUITES:
                found = self.copy.notices(suite)
                if found:
                    return "killed", f"{suite.name}: {found}"
            return "survived", ""
        finally:
            self.copy.restore()


class Run:
    """Draws mutants until enough were judged; several workers at a time."""

    def __init__(self, mutants, count):
        self.left, self.count = queue.SimpleQueue(), count
        for mutant in mutants:
            self.left.put(mutant)
        self.lock = threading.Lock()
        self.results, self.no_mutants, self.error = [], {"same": 0, "refused": 0}, None
        self.under_way = 0

    def take(self):
        with self.lock:
            enough = len(self.results) + self.under_way >= self.count
            if self.error or broken_tree.asked_to_end.is_set() or enough:
                return None
            try:
                mutant = self.left.get_nowait()
            except queue.Empty:
                return None
            self.under_way += 1
            return mutant

    def told(self, mutant, verdict, by):
        with self.lock:
            self.under_way -= 1
            if verdict in self.no_mutants:
                self.no_mutants[verdict] += 1
                return
            self.results.append((mutant, verdict, by))
            print(f"{len(self.results):4} {verdict:8} {mutant}  {by}", flush=True)

    def work(self):
        try:
            with broken_tree.Copy() as copy:
                worker = Worker(copy)
                said = copy.build(SUITES)
                if said:
                    raise broken_tree.Broken(said)
                for suite in SUITES:
                    found = copy.notices(suite)
                    if found:
                        raise broken_tree.Broken(f"{suite.name} fails by itself: {found}")
                while True:
                    mutant = self.take()
                    if mutant is None:
                        break
                    self.told(mutant, *worker.judge(mutant))
        except Exception as error: # told by the main thread
            self.error = error

    def all(self):
        threads = [threading.Thread(target=self.work)
                   for _ in range(int(os.environ.get("LEAT_JOBS") or 2))]
        for thread in threads:
            thread.start()
        for thread in threads: # with a limit, so that signals are heard
            while thread.is_alive():
                thread.join(1)
        if self.error:
            raise self.error


def reasons_read():
    """(file, before, after): why the mutant may live."""
    reasons = {}
    if os.path.exists(REASONS):
        with open(REASONS, encoding="utf-8") as stream:
            for block in re.split(r"\n{2,}", stream.read()):
                lines = [line for line in block.strip().split("\n")
                         if not re.match(r"#( |$)", line)]
                if len(lines) >= 4:
                    reasons[tuple(lines[:3])] = " ".join(lines[3:])
    return reasons


def document_write(run, seed, possible):
    lines = ["## Mutants", "",
             f"`./dev mutate --count {run.count} --seed {seed}`: {len(run.results)} of {possible} "
             "possible changes of one token each, in the pure modules and the table of states. "
             f"{run.no_mutants['same']} more were drawn of which the compiler makes the same code, "
             f"and {run.no_mutants['refused']} that do not compile.", "",
             "| file | mutants | killed |", "|---|---:|---:|"]
    paths = sorted({mutant.path for mutant, _, _ in run.results})
    for path in paths + ["all"]:
        mine = [verdict for mutant, verdict, _ in run.results if path in (mutant.path, "all")]
        lines.append(f"| {path if path == 'all' else '`' + path + '`'} | {len(mine)} | "
                     f"{mine.count('killed')} |")
    lines += ["", "Those that lived:", "", "| where | before | after | why it may live |",
              "|---|---|---|---|"]
    reasons = reasons_read()
    for mutant, verdict, _ in sorted(run.results, key=lambda result: str(result[0])):
        if verdict == "survived":
            cells = [text.replace("|", "\\|") for text in (mutant.before, mutant.after)]
            reason = reasons.get((mutant.path, mutant.before, mutant.after), NOT_ARGUED)
            lines.append(f"| `{mutant.path}` | `{cells[0]}` | `{cells[1]}` | {reason} |")
    rest = read("docs/planted.md") if os.path.exists(DOCUMENT) else "# Planted bugs\n"
    rest = re.sub(r"\n*^## Mutants\n.*", "", rest, flags=re.M | re.S)
    with open(DOCUMENT, "w", encoding="utf-8") as stream:
        stream.write(rest.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n")


def option(words, name, otherwise):
    return int(words[words.index(name) + 1]) if name in words else otherwise


def main(words):
    broken_tree.end_in_order()
    count, seed = option(words, "--count", 200), option(words, "--seed", 1)
    paths = [word for word in words if word.startswith("src/")] or [
        f"src/{name}" + ("" if name.endswith(".h") else ".c") for name in MODULES]
    mutants = [mutant for path in paths for mutant in mutants_of(path)]
    if "--list" in words:
        for mutant in mutants:
            print(mutant.kind, mutant)
        return 0
    random.Random(seed).shuffle(mutants)
    run = Run(mutants, count)
    run.all()
    killed = sum(verdict == "killed" for _, verdict, _ in run.results)
    lived = len(run.results) - killed
    if "--write" in words:
        document_write(run, seed, len(mutants))
    print(f"{len(mutants)} possible, {run.no_mutants['same']} drawn without another code, "
          f"{run.no_mutants['refused']} refused by the compiler")
    print(f"{killed} killed, {lived} survived")
    enough = killed * 100 >= KILLED_LEAST_PERCENT * len(run.results) > 0
    print(f"{int(enough)} passed, {int(not enough)} failed")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
