# SPDX-License-Identifier: MIT
"""What the process tests of leat.exe share: run by test/wine.sh --script, which says in LEAT_WINE
how to start a Windows program, or on Windows itself.

Happy path: functions decorated with @test run in order, each in a fresh folder, with every process
they started ended. What a process prints goes to a file: services that wine starts would keep a
pipe open for ever.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from support import DEADLINE, Child, Skip, expect, run_tests, test  # test: handed on

WINDOWS = os.name == "nt"
WINE = [] if WINDOWS else [os.environ.get("LEAT_WINE", "wine")]
HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror",
         "-D_WIN32_WINNT=0x0A00", "-D__USE_MINGW_ANSI_STDIO=1"]
own = []


def windows_path(path):
    """How a Windows program calls a file of ours; wine shows all of Linux as drive Z."""
    return path if WINDOWS else "Z:" + os.path.abspath(path).replace("/", "\\")


class Process:
    """A running Windows program. Its input is a pipe that we write, or a file."""

    def __init__(self, place, words, stdin=None, stdout=None):
        place.count += 1
        self.out_path = stdout or place.file("out-%d" % place.count)
        self.err_path = place.file("err-%d" % place.count)
        flags = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if WINDOWS else {}
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = Child(words, stdin=stdin or subprocess.PIPE, stdout=out, stderr=err,
                               env=place.env, **flags)

    def write(self, data):
        self.popen.stdin.write(data)
        self.popen.stdin.flush()

    def end_input(self):
        if self.popen.stdin is not None:
            self.popen.stdin.close()

    def out(self):
        with open(self.out_path, "rb") as file:
            return file.read()

    def err(self):
        with open(self.err_path, "rb") as file:
            return file.read()

    def said(self, wanted, seconds=DEADLINE):
        """Whether it says that before it ends, or falls silent for so long."""
        limit = time.monotonic() + seconds
        while wanted not in self.out():
            if time.monotonic() > limit or self.popen.poll() is not None:
                return wanted in self.out()
            threading.Event().wait(0.01)
        return True

    def wait_out(self, wanted):
        assert self.said(wanted), "%r never came; got %r, %r, exit code %s" % (
            wanted, self.out()[-200:], self.err()[-500:], self.popen.poll())

    def wait(self):
        """(exit code, output, errors)"""
        code = self.popen.wait(DEADLINE)
        return code, self.out(), self.err()

    def interrupt(self):
        """What Ctrl-C does, or where that reaches one process only, Ctrl-Break."""
        self.popen.send_signal(signal.CTRL_BREAK_EVENT if WINDOWS else signal.SIGINT)

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(DEADLINE)
        self.end_input()


class Place:
    """One test's folder, names and processes."""

    def __init__(self, leat):
        self.leat_path = leat
        self.root = tempfile.mkdtemp(prefix="leat-")
        self.env = dict(os.environ, LC_ALL="C.UTF-8")
        self.count = 0
        self.processes = []

    def file(self, name):
        return os.path.join(self.root, name)

    def name(self, word):
        """A name that no other run of the tests uses."""
        return "%s-%d" % (word, os.getpid())

    def start(self, program, *words, **more):
        process = Process(self, [*WINE, program, *words], **more)
        self.processes.append(process)
        return process

    def leat_start(self, *words, **more):
        return self.start(self.leat_path, *words, **more)

    def run(self, program, *words, input=b"", stdout=None):
        """Runs to the end: (exit code, output, errors)."""
        path = self.file("in-%d" % self.count)
        with open(path, "wb") as file:
            file.write(input)
        with open(path, "rb") as file:
            return self.start(program, *words, stdin=file, stdout=stdout).wait()

    def leat(self, *words, **more):
        result = self.run(self.leat_path, *words, **more)
        if WINE and result[0] == 1 and not result[1] and not result[2]:
            # leat says why it fails: under load, wine now and then ends a program before it began.
            print("wine ended %s before it began; once more" % " ".join(words[:1]))
            result = self.run(self.leat_path, *words, **more)
        return result

    def serve(self, name, *words):
        """A server of many clients that listens when this returns."""
        process = self.leat_start("serve", name, *words)
        # One for others than this user has a lower level than an elevated client asks for.
        trust = ["--insecure-anyone"] if {"--sddl", "--who"} & {*words} else []
        code, _, err = self.leat("wait-for", name, "--timeout", "50s", *trust)
        assert code == 0, (err, process.err())
        return process

    def helper(self):
        """windows_helper.c, compiled."""
        program = self.file("helper.exe")
        compiler = os.environ.get("LEAT_MINGW", "gcc" if WINDOWS else "x86_64-w64-mingw32-gcc")
        if not os.path.exists(program):
            subprocess.run([compiler, *FLAGS, os.path.join(HERE, "windows_helper.c"), "-static",
                            "-o", program, "-lws2_32"], check=True, stdin=subprocess.DEVNULL,
                           stdout=sys.stdout, stderr=sys.stdout)
        return program

    def quoted(self, path):
        return '"%s"' % windows_path(path)

    def close(self):
        for process in self.processes:
            process.kill()
        shutil.rmtree(self.root, ignore_errors=True)


def own_user(place):
    """This user's SID, as the names of his pipes have it."""
    if not own:
        path = expect(place.leat("path", "x"), 0)[1].decode()
        own.append(path.split("\\")[-2])
    return own[0]


def needs_windows():
    if not WINDOWS:
        raise Skip("needs real Windows")


def needs_wine(why):
    if WINDOWS:
        raise Skip("needs wine: " + why)


def main(title):
    threading.excepthook = lambda words: None  # a test's own thread tells by its result
    run_tests(title, "build-windows/leat.exe", Place, all_may_skip=True)
