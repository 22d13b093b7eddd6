#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A copy of the tree in which something is broken, and the suites that should notice.

What test/planted.py and test/mutate.py share. The copy lies in a folder that this module makes and
removes; the tree itself is never touched.
"""
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("bench", "cmake", "examples", "include", "src", "test", "tools")
FILES = ("CMakeLists.txt", "leat.pc.in", "symbols.list")
# A bug may ask for memory without an end, and the machine has other users.
LIMITED = ["sh", "-c", f"ulimit -c 0; ulimit -v {4 << 20}; exec \"$@\"", "sh"]
FAILED = re.compile(r"^FAIL(?:ED)? ([^:(]*)")


class Broken(Exception):
    """The copy does not do what it must do before anything is broken in it."""


# Set when this program is asked to end: what it started is ended first.
asked_to_end = threading.Event()


def end_in_order():
    """SIGTERM, which a time limit sends, is like Ctrl-C: folders and programs do not stay."""
    def told(number, frame):
        asked_to_end.set()
        sys.exit(128 + number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, told)


class Suite:
    """A program of the tests: its name in `./dev test`, its words, its time limit in seconds."""

    def __init__(self, name, limit_s, program, *words, harness=True):
        self.name, self.limit_s, self.program, self.words = name, limit_s, program, words
        self.harness = harness # its tests can be run by their names


class Copy:
    """The tree in a folder of its own, built in little time and without -Werror."""

    def __init__(self):
        self.place = tempfile.mkdtemp(prefix="leat-broken-")
        self.build_place = os.path.join(self.place, "build")
        self.jobs = os.environ.get("LEAT_JOBS") or "2"
        self.changed = {}

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *reason):
        self.remove()

    def remove(self):
        shutil.rmtree(self.place, ignore_errors=True)

    def make(self):
        for folder in FOLDERS:
            shutil.copytree(os.path.join(ROOT, folder), os.path.join(self.place, folder),
                            ignore=shutil.ignore_patterns("__pycache__"))
        for name in FILES:
            shutil.copy(os.path.join(ROOT, name), self.place)
        generator = ["-G", "Ninja"] if shutil.which("ninja") else ["-G", "Unix Makefiles"]
        self.run_or_raise(["cmake", "-S", self.place, "-B", self.build_place, *generator,
                           "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=-O1",
                           "-DLEAT_WERROR=OFF"])

    def run_or_raise(self, command):
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            raise Broken(" ".join(command) + "\n" + done.stdout[-4000:])

    def read(self, path):
        with open(os.path.join(self.place, path), encoding="utf-8") as stream:
            return stream.read()

    def write(self, path, text):
        """Changes a file of the copy."""
        full = os.path.join(self.place, path)
        with open(full, encoding="utf-8") as stream:
            self.changed.setdefault(path, stream.read())
        with open(full, "w", encoding="utf-8") as stream:
            stream.write(text)

    def restore(self):
        for path, text in self.changed.items():
            with open(os.path.join(self.place, path), "w", encoding="utf-8") as stream:
                stream.write(text)
        self.changed = {}

    def build(self, suites):
        """None, or the end of what the compiler said."""
        targets = sorted({suite.program for suite in suites})
        done = subprocess.run(["cmake", "--build", self.build_place, "-j", self.jobs, "--target",
                               *targets], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return None if done.returncode == 0 else done.stdout[-4000:]

    def notices(self, suite, *tests):
        """None when the suite passes, else what failed first. A test that failed is run once more
        by itself, because a busy machine is no proof."""
        words = tests or suite.words
        found = self.first_failure(suite, words)
        if found and suite.harness and re.fullmatch(r"\w+", found):
            return found if self.first_failure(suite, (found,)) else self.rest(suite, words)
        return found

    def rest(self, suite, words):
        """Something failed once and not again: only a second failure of a whole run counts."""
        return self.first_failure(suite, words)

    def first_failure(self, suite, words):
        command = LIMITED + [os.path.join(self.build_place, suite.program), *words]
        end = time.monotonic() + suite.limit_s
        with subprocess.Popen(command, cwd=self.place, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              start_new_session=True) as child:
            try:
                found = read_until_failure(child, end)
            finally:
                stop(child)
        if found is None and child.returncode != 0:
            found = f"exit code {child.returncode}"
        return found


def read_until_failure(child, end):
    """The name of the first test that failed; "no end" after the time limit; None at the end."""
    text, closing = b"", False
    os.set_blocking(child.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return "no end"
            if asked_to_end.is_set():
                return "interrupted"
            if not selector.select(min(left, 1)):
                continue
            piece = child.stdout.read(65536)
            if piece == b"":
                break
            text += piece or b""
            *lines, text = text.split(b"\n")
            for line in lines:
                line = line.decode("utf-8", "replace")
                failed = FAILED.match(line)
                if failed:
                    return failed.group(1).strip()
                closing = closing or re.match(r"\d+ passed, 0 failed", line) is not None
    try:
        child.wait(max(1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "no end"
    return None if closing or child.returncode != 0 else "no closing line"


def stop(child):
    """Ends the program, which ends the tests that it started; then its group, if that is left."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.stdout.close()
    child.wait()
