#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The style of the tree as a test: each rule of CONTRIBUTING.md that a program can judge.

usage: test/tidy.py [--library build] [--write]

Every rule is one test over the tree, and one over a bad sample that it must report, so that a rule
that sees nothing is noticed. --write makes docs/errors.md from include/leat/error.def.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CODE_DIRS = ("src", "include", "tools", "test", "examples", "bench", "fuzz", "demo")
COLUMNS_MAX, FUNCTION_LINES_MAX, FILE_LINES_MAX = 100, 70, 600
# One public header is a decision (docs/adr/0001-shape.md), so it alone may be longer.
LONG_FILES = {"include/leat/leat.h": 1320}
MADE_FILES = {"bench/report.html", "bench/report.json"}  # by ./dev bench
LABELS = ["Waits", "Thread", "Owns", "Fails", "Systems", "Since"]
PLAIN_HEADERS = {"stdalign", "stdatomic", "stdbool", "stddef", "stdint", "limits", "string"}
TEST_HEADERS = PLAIN_HEADERS | {"stdio", "stdlib", "inttypes", "errno"}
OS_MACROS = r"\b(_WIN\d+|__linux(__)?|__APPLE__|__unix(__)?|__\w*BSD__|__CYGWIN__|__MINGW\d+__)\b"


class File:
    """One file of the tree: its path from the root, its text, its lines."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.lines = text.split("\n")
        self.ends = path.rsplit(".", 1)[-1] if "." in os.path.basename(path) else ""

    def within(self, *folders):
        return self.path.startswith(tuple(folder + "/" for folder in folders))

    def is_c(self):
        return self.ends in ("c", "h", "def") and self.within(*CODE_DIRS)

    def is_source(self):
        return (self.is_c() or self.ends in ("py", "sh", "cmake")
                or self.path in ("dev", "Makefile", "CMakeLists.txt", ".ci/run"))

    def is_core(self):
        """Library code above the system seam, without its tests."""
        return (self.path.startswith("src/") and self.ends in ("c", "h")
                and not self.path.startswith("src/os_real_") and not self.path.endswith("_test.c"))


# ---- Rules over one file: each yields (line number, what is wrong) -------------------------------

def rule_columns(file):
    """no line has more than 100 columns"""
    if file.is_source():
        for number, line in enumerate(file.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield number, f"{len(line)} columns"


def rule_function_lines(file):
    """no function has more than 70 lines"""
    if file.is_c():
        begin = None
        for number, line in enumerate(file.lines, 1):
            if line == "{":
                begin = number
            elif line == "}" and begin is not None:
                if number - begin + 1 > FUNCTION_LINES_MAX:
                    yield begin, f"a function of {number - begin + 1} lines"
                begin = None


def rule_file_lines(file):
    """no file has more than 600 lines"""
    if file.is_c() and len(file.lines) - 1 > LONG_FILES.get(file.path, FILE_LINES_MAX):
        yield len(file.lines), f"{len(file.lines) - 1} lines"


def rule_licence(file):
    """every source file names its licence"""
    if file.is_source() and "SPDX-License-Identifier: MIT" not in "\n".join(file.lines[:3]):
        yield 1, "no SPDX line"


def rule_opening(file):
    """every src/*.c opens with purpose, happy path, failures and invariants"""
    if file.within("src") and file.ends == "c" and not file.path.endswith("_test.c"):
        opening = re.match(r"/\*.*?\*/", file.text, re.S)
        for word in ("Happy path", "Fails", "Invariants"):
            if not opening or word not in opening.group():
                yield 1, f"the opening comment lacks \"{word}\""


def rule_system_headers(file):
    """no system header in src/ outside os_real_*"""
    test = file.path.endswith("_test.c")
    if file.is_core() or (test and file.within("src")):
        allowed = TEST_HEADERS if test else PLAIN_HEADERS
        for number, line in enumerate(file.lines, 1):
            include = re.match(r"\s*#\s*include\s*<(.*)>", line)
            if include and not include.group(1).startswith("leat/"):
                if include.group(1).removesuffix(".h") not in allowed:
                    yield number, f"<{include.group(1)}> belongs into os_real_*"


def rule_os_conditions(file):
    """no #if on the operating system in src/ outside os_real_*"""
    if file.is_core():
        for number, line in enumerate(file.lines, 1):
            if re.match(r"\s*#\s*(el)?if", line) and re.search(OS_MACROS, line):
                yield number, "a condition on the operating system"


def rule_include_order(file):
    """includes come in order: the file's own header, the project's, the system's"""
    if not (file.is_c() and file.ends in ("c", "h")):
        return
    own = re.sub(r"(_test)?\.c$", ".h", os.path.basename(file.path))
    seen_system, first = False, True
    for number, line in enumerate(file.lines, 1):
        include = re.match(r"\s*#\s*include\s*([<\"])(.*)[>\"]", line)
        if not include or include.group(2).endswith(".def"):
            continue
        if include.group(1) == '"' or include.group(2).startswith("leat/"):
            if seen_system:
                yield number, "a project header after a system header"
            if include.group(2) == own and not first:
                yield number, "the file's own header is not the first"
        else:
            seen_system = True
        first = False


def rule_marks(file):
    """nothing is left to do"""
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")
    mark = re.compile(r"\b(" + "|".join(words) + r")\b")
    for number, line in enumerate(file.lines, 1):
        if mark.search(line):
            yield number, "work that is not done"


def rule_blanks(file):
    """no blanks at the end of a line, no tabs outside Makefile, a newline at the end"""
    for number, line in enumerate(file.lines, 1):
        if line != line.rstrip():
            yield number, "blanks at the end"
        if "\t" in line and file.path not in ("Makefile", ".editorconfig"):
            yield number, "a tab"
    if file.text and not file.text.endswith("\n"):
        yield len(file.lines), "no newline at the end"


def rule_paths(file):
    """no path of one machine"""
    for number, line in enumerate(file.lines, 1):
        if re.search(r"(^|[\s\"'(=])/(work|home/(?!user\b|me\b|\.\.)\w+)/", line):
            yield number, "a path of one machine"


def rule_labels(file):
    """every public function has a comment with its name and all labels"""
    if file.path not in ("include/leat/leat.h", "include/leat/sim.h"):
        return
    comment = ""
    for part in re.finditer(r"/\*.*?\*/|^LEAT_API\b[^;]*;", file.text, re.S | re.M):
        number = file.text.count("\n", 0, part.start()) + 1
        if part.group().startswith("/*"):
            comment = part.group()
            continue
        name = re.search(r"\b(leat_\w+)\(", part.group()).group(1)
        labels = [found for found in re.findall(r"^ \* (\w+):  ?", comment, re.M)
                  if found in LABELS]
        if labels != LABELS:
            yield number, f"{name}: its comment has the labels {labels}"
        if not re.search(r"\b" + name + r"\b", comment):
            yield number, f"{name}: its comment does not name it"


FILE_RULES = [rule_columns, rule_function_lines, rule_file_lines, rule_licence, rule_opening,
              rule_system_headers, rule_os_conditions, rule_include_order, rule_marks, rule_blanks,
              rule_paths, rule_labels]

# What each rule must report: a path and a text that breaks the rule exactly once.
FILE_SAMPLES = {
    rule_columns: ("src/a.c", "/* " + "x" * 100 + " */\n"),
    rule_function_lines: ("src/a.c", "int f(void)\n{\n" + "    f();\n" * 69 + "}\n"),
    rule_file_lines: ("test/a.c", "int a;\n" * 601),
    rule_licence: ("test/a.py", "print(1)\n"),
    rule_opening: ("src/a.c", "/* Purpose. Happy path: ... Fails: ... */\n"),
    rule_system_headers: ("src/a.c", "#include <unistd.h>\n"),
    rule_os_conditions: ("src/a.c", "#if defined(__linux__)\n#endif\n"),
    rule_include_order: ("src/a.c", "#include <string.h>\n#include \"b.h\"\n"),
    rule_marks: ("docs/a.md", "TO" + "DO: more\n"),
    rule_blanks: ("README.md", "text \n"),
    rule_paths: ("docs/a.md", "see /wo" + "rk/main\n"),
    rule_labels: ("include/leat/leat.h", "/* leat_f does.\n *\n * Waits:   never.\n */\n"
                                         "LEAT_API void leat_f(void);\n"),
}


# ---- Rules over the whole: each yields what is wrong ---------------------------------------------

def names_differ(left, left_name, right, right_name):
    for name in sorted(left - right):
        yield f"{name} is in {left_name}, not in {right_name}"
    for name in sorted(right - left):
        yield f"{name} is in {right_name}, not in {left_name}"


def declared_differ(header, listed):
    """leat.h and symbols.list name the same functions"""
    declared = set()
    for declaration in re.findall(r"^LEAT_API\b[^;]*;", header, re.M):
        declared.add(re.search(r"\b(leat_\w+)\(", declaration).group(1))
    return names_differ(declared, "leat.h", set(listed.split()), "symbols.list")


def exported_differ(dynamic, listed):
    """libleat.so exports exactly symbols.list"""
    exported = set()
    for line in dynamic.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":
            exported.add(name.split("@")[0])
    return names_differ(exported, "libleat.so", set(listed.split()), "symbols.list")


def globals_wrong(static):
    """every global symbol of libleat.a and libleat_sim.a begins with leat_ or lti_"""
    for line in static.splitlines():
        words = line.split()
        if len(words) == 3 and not words[2].startswith(("leat_", "lti_", "__gcov", "__odr_asan")):
            yield f"{words[2]} is a global symbol"


ERRORS_OPENING = """# Errors

Made from `include/leat/error.def` by `python3 test/tidy.py --write`. Every fallible function
returns `enum leat_error`; `LEAT_OK` is 0. Values never change and are never used again.

| value | name | text |
|---:|---|---|
| 0 | `LEAT_OK` | no error |
"""


def errors_document(table):
    text = ERRORS_OPENING
    for name, value, what in re.findall(r'^LEAT_ERROR\((\w+), (\d+), "(.*)"\)$', table, re.M):
        text += f"| {value} | `LEAT_E_{name}` | {what} |\n"
    return text


def errors_differ(table, document):
    """docs/errors.md agrees with error.def, whose values are unique"""
    if errors_document(table) != document:
        yield "docs/errors.md is not what error.def gives; run test/tidy.py --write"
    values = re.findall(r"^LEAT_ERROR\(\w+, (\d+)", table, re.M)
    if len(values) != len(set(values)):
        yield "a value is used twice in error.def"


HEADER_SAMPLE = "LEAT_API void leat_f(void);\n"
TREE_SAMPLES = [
    (declared_differ, (HEADER_SAMPLE, "leat_g\n")),
    (exported_differ, ("0000 T leat_f@@LEAT_0.1\n", "leat_g\n")),
    (globals_wrong, ("0000 T stray\n",)),
    (errors_differ, ('LEAT_ERROR(A, 1, "a")\n', "# Errors\n")),
]


# ---- Running -------------------------------------------------------------------------------------

def tree_files():
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders
                            if name not in (".git", "build", "__pycache__")
                            and not name.startswith("build-"))
        for name in sorted(names):
            full = os.path.join(folder, name)
            if os.path.relpath(full, ROOT) in MADE_FILES:
                continue
            try:
                with open(full, encoding="utf-8", newline="") as stream:
                    text = stream.read()
            except UnicodeDecodeError:
                continue
            if "\0" not in text:
                yield File(os.path.relpath(full, ROOT), text)


def read(path):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def symbols(library, *options):
    done = subprocess.run(["nm", *options, "--defined-only", os.path.join(ROOT, library)],
                          capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else f"0000 T no_{os.path.basename(library)}\n"


class Tests:
    def __init__(self):
        self.passed = self.failed = 0

    def expect(self, good, name, problems=()):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {name}")
            for problem in problems:
                print(f"  {problem}")


def main(arguments):
    library = "build"
    if "--library" in arguments:
        library = arguments[arguments.index("--library") + 1]
    table = read("include/leat/error.def")
    if "--write" in arguments:
        with open(os.path.join(ROOT, "docs/errors.md"), "w", encoding="utf-8") as stream:
            stream.write(errors_document(table))

    tests = Tests()
    files = list(tree_files())
    for rule in FILE_RULES:
        problems = [f"{file.path}:{number}: {what}" for file in files
                    for number, what in rule(file)]
        tests.expect(not problems, rule.__doc__, problems)
        tests.expect(len(list(rule(File(*FILE_SAMPLES[rule])))) == 1,
                     f"the sample is reported once: {rule.__doc__}")

    listed = read("symbols.list")
    for rule, texts in (
            (declared_differ, (read("include/leat/leat.h"), listed)),
            (exported_differ, (symbols(library + "/libleat.so", "-D"), listed)),
            (globals_wrong, (symbols(library + "/libleat.a", "-g") +
                             symbols(library + "/libleat_sim.a", "-g"),)),
            (errors_differ, (table, read("docs/errors.md")))):
        problems = list(rule(*texts))
        tests.expect(not problems, rule.__doc__, problems)
    for rule, texts in TREE_SAMPLES:
        tests.expect(list(rule(*texts)), f"the sample is reported: {rule.__doc__}")

    print(f"{tests.passed} passed, {tests.failed} failed")
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
