#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Analysers over src/ and tools/, without findings: gcc -fanalyzer, clang-tidy, cppcheck.

usage: test/analyse.py [gcc|tidy|cppcheck]... [FILE...]

Each tool on each file is one test. Files of Windows are compiled for it by mingw-w64. What is not
installed is skipped. The checks of clang-tidy are chosen in .clang-tidy; what a tool says wrongly
is suppressed at the line it is about, with a reason beside it.
"""
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FLAGS = ["-std=c11", "-Iinclude", "-Isrc", "-Itools"]
WINDOWS_FLAGS = ["-D_WIN32_WINNT=0x0A00", "-D__USE_MINGW_ANSI_STDIO=1"]
MINGW = "x86_64-w64-mingw32"
# Of the Windows port this is what needs Windows' headers; the rest compiles anywhere.
WINDOWS_FILE = re.compile(r"(src/os_real_nt|tools/os_windows)")


def flags_of(path):
    flags = list(FLAGS)
    if path.startswith("tools/"):
        flags.append("-D_GNU_SOURCE=")
    return flags + (WINDOWS_FLAGS if WINDOWS_FILE.match(path) else [])


def gcc(path):
    compiler = MINGW + "-gcc" if WINDOWS_FILE.match(path) else "gcc"
    # -O0, because optimisation takes away half of what the analyser could follow.
    return [compiler, *flags_of(path), "-O0", "-fanalyzer", "-Werror", "-Wall", "-Wextra",
            "-c", "-o", os.devnull, path]


def tidy(path):
    tool = shutil.which("clang-tidy-19") or "clang-tidy"
    target = ["--target=" + MINGW] if WINDOWS_FILE.match(path) else []
    return [tool, "--quiet", "--warnings-as-errors=*", path, "--", *flags_of(path), *target]


def cppcheck(path):
    system = "win64" if WINDOWS_FILE.match(path) else "unix64"
    defines = [flag for flag in flags_of(path) if flag[:2] in ("-D", "-I")]
    return ["cppcheck", "--quiet", "--error-exitcode=1", "--std=c11", "--platform=" + system,
            "--enable=warning,performance,portability", "--inline-suppr",
            "--suppress=missingIncludeSystem", *defines, path]


TOOLS = {"gcc": gcc, "tidy": tidy, "cppcheck": cppcheck}


def run(name, path):
    command = TOOLS[name](path)
    if shutil.which(command[0]) is None:
        return "skipped", f"{command[0]} is not installed"
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return ("passed" if done.returncode == 0 else "failed"), done.stdout


def main(words):
    names = [word for word in words if word in TOOLS] or list(TOOLS)
    paths = [word for word in words if word not in TOOLS] or sorted(
        os.path.relpath(path, ROOT) for folder in ("src", "tools")
        for path in glob.glob(os.path.join(ROOT, folder, "*.c")) if not path.endswith("_test.c"))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    work = [(name, path) for name in names for path in paths]
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("LEAT_JOBS") or 2)) as pool:
        for (name, path), (verdict, text) in zip(work, pool.map(lambda one: run(*one), work)):
            counts[verdict] += 1
            if verdict != "passed":
                print(f"{verdict} {name} {path}\n{text}", flush=True)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    print(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
