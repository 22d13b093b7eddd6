# SPDX-License-Identifier: MIT
"""What the process tests share: temporary places, processes that never outlive a test, waiting for
conditions, and the closing line.

Happy path: functions decorated with @test run in order, each in a fresh private folder, with every
process they started ended and every file of theirs removed.
"""
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

DEADLINE = 60.0  # generous: a wait that takes so long is a failure, not a slow machine
TEST_SECONDS = 150
PATIENCE = 5.0  # a process that is asked to end and takes longer is killed
MIB = 1024 * 1024


class Skip(Exception):
    """The machine cannot show it; the text says why."""


class Child(subprocess.Popen):
    """A process that knows whether a test killed it."""

    killed = False

    def kill(self):
        self.killed = True
        super().kill()


class Place:
    """One test's folder, environment and processes."""

    def __init__(self, leat):
        self.leat_path = leat
        self.root = tempfile.mkdtemp(prefix="leat-")
        self.run = os.path.join(self.root, "run")
        os.mkdir(self.run, 0o700)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.run, LC_ALL="C.UTF-8")
        self.processes = []

    def file(self, name):
        return os.path.join(self.root, name)

    def name(self, word):
        """As it is: the folder of plain names is this test's own."""
        return word

    def start(self, words, **more):
        """A process of this test; standard streams are pipes unless said otherwise."""
        for stream in ("stdin", "stdout", "stderr"):
            more.setdefault(stream, subprocess.PIPE)
        more.setdefault("env", self.env)
        process = Child(words, **more)
        self.processes.append(process)
        return process

    def leat(self, *words, input=b"", **more):
        """Runs leat to its end: (exit code, output, errors)."""
        process = self.start([self.leat_path, *words], **more)
        out, err = process.communicate(input if more.get("stdin") is None else None, DEADLINE)
        return process.returncode, out, err

    def leat_start(self, *words, **more):
        return self.start([self.leat_path, *words], **more)

    def address(self, name):
        code, out, err = self.leat("path", name)
        assert code == 0, err
        return out.decode().rstrip("\n")

    def serve(self, name, *words, **more):
        """A server that listens when this returns."""
        process = self.leat_start("serve", name, *words, **more)
        self.listening(self.address(name), process)
        return process

    def listening(self, address, process=None):
        """Waits until somebody listens at the address, without disturbing him."""

        def look():
            if process is not None and process.poll() is not None:
                raise AssertionError("the server ended: %r" % process.stderr.read())
            return address_listens(address)

        wait_until(look, "nobody listens at " + address)

    def close(self):
        """Asks first: only what ends by itself is judged by a leak checker."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(DEADLINE)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        shutil.rmtree(self.root, ignore_errors=True)


def address_listens(address):
    """Whether a listening socket has that path (or @name), as the kernel says."""
    with open("/proc/net/unix", "rb") as table:
        for row in table.read().split(b"\n")[1:]:
            part = row.split(None, 7)
            if len(part) == 8 and part[7] == address.encode() and int(part[3], 16) & 0x10000:
                return True
    return False


def wait_until(condition, what, seconds=DEADLINE):
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(what)
        threading.Event().wait(0.01)


def blob(size, seed=1):
    """Bytes that no shift or repetition maps onto themselves."""
    out = bytearray()
    counter = 0
    while len(out) < size:
        out += hashlib.sha512(b"%d %d" % (seed, counter)).digest()
        counter += 1
    return bytes(out[:size])


def big(size=16 * MIB):
    """As blob, but made of blocks, which is fast enough for megabytes."""
    block = blob(65536 + 7)
    parts, left, n = [], size, 0
    while left > 0:
        part = b"%016d" % n + block
        parts.append(part[:left])
        left -= len(parts[-1])
        n += 1
    return b"".join(parts)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def same(got, wanted, what="content"):
    """Compares without printing megabytes: what is there from the first difference on."""
    if got != wanted:
        at = len(os.path.commonprefix((got, wanted)))
        raise AssertionError("%s: %d bytes, wanted %d; from byte %d on %r..., wanted %r..." %
                             (what, len(got), len(wanted), at, got[at:at + 60],
                              wanted[at:at + 60]))


def expect(result, code, out=None, err=None):
    """What leat gave: its exit code, all of its output, a part of its errors."""
    assert result[0] == code, "exit %r, wanted %r; errors: %r" % (result[0], code, result[2][:500])
    if out is not None:
        same(result[1], out, "standard output")
    if err is not None:
        assert err in result[2], "%r is not in %r" % (err, result[2][:500])
    return result


def judge_doctor(result, code=None, found=(), fault=None):
    """What leat doctor --json said: its findings by id. Those named must be there, and `fault` be
    the only one of its weight."""
    got, out, err = result
    shown = json.loads(out)
    findings = {finding["id"]: finding for finding in shown["findings"]}
    assert shown["exit"] == got, (shown, got)
    if code is not None:
        assert got == code, (got, shown, err)
    faults = {key for key, finding in findings.items() if finding["weight"] == "fault"}
    if fault is not None:
        assert faults == {fault}, (fault, shown)
        assert "advice" in findings[fault] or fault == "other", shown
    for key in [*found, *([fault] if fault else [])]:
        assert key in findings, (key, shown)
        assert findings[key]["words"] and "{" not in findings[key]["words"], shown
    assert got == 0 or faults, shown
    return findings


def listen(path):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.settimeout(DEADLINE)
    server.bind(path)
    server.listen(8)
    return server


def accept(server):
    conn, _ = server.accept()
    conn.settimeout(DEADLINE)
    return conn


def dial(path):
    """Connects; a full backlog is tried again, as Linux asks for with EAGAIN."""
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    def connected():
        try:
            conn.connect(path)
        except BlockingIOError:
            return False
        return True

    conn.setblocking(False)
    wait_until(connected, "the backlog stays full")
    conn.settimeout(DEADLINE)
    return conn


def read_all(conn):
    parts = []
    while True:
        part = conn.recv(1 << 18)
        if not part:
            return b"".join(parts)
        parts.append(part)


class Background(threading.Thread):
    """A function in a thread; result() waits, and raises what it raised."""

    def __init__(self, function, *words):
        super().__init__(daemon=True)
        self.function, self.words, self.value, self.error = function, words, None, None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.words)
        except BaseException as error:  # handed to the test
            self.error = error

    def result(self):
        self.join(DEADLINE)
        assert not self.is_alive(), "a helper thread did not end"
        if self.error is not None:
            raise self.error
        return self.value


_tests = []


def test(function):
    _tests.append(function)
    return function


def _too_long(number, frame):
    raise AssertionError("the test took longer than %d seconds" % TEST_SECONDS)


def _wine_lost_a_code(place):
    """Wine kills a program that takes half a second to die after its last word, and its exit code
    is lost then. On a machine that is busy elsewhere that is no fault of the program's."""
    children = [getattr(process, "popen", process) for process in place.processes]
    return "LEAT_WINE" in os.environ and any(child.returncode == -signal.SIGKILL and
                                             not child.killed for child in children)


def _run_test(function, make_place, leat, seconds):
    """What goes wrong is raised; wine's losses are not, the first two times."""
    for again in (True, True, False):
        place = make_place(leat)
        if seconds:
            signal.alarm(seconds)
        try:
            return function(place)
        except AssertionError:
            if not again or not _wine_lost_a_code(place):
                raise
            print("again %s: wine killed a program that was ending" % function.__name__, flush=True)
        finally:
            if seconds:
                signal.alarm(0)
            place.close()


def run_tests(title, leat, make_place, seconds=0, all_may_skip=False):
    """Runs those that the command line names, or all, each in a place of its own, for at most so
    many seconds (0: as long as it takes), and ends with the closing line."""
    leat = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else leat)
    wanted = sys.argv[2:]
    passed = failed = skipped = 0
    if seconds:
        signal.signal(signal.SIGALRM, _too_long)
    print("%s: %s" % (title, os.path.basename(leat)), flush=True)
    for function in _tests:
        name = function.__name__
        if wanted and name not in wanted:
            continue
        try:
            _run_test(function, make_place, leat, seconds)
            passed += 1
            print("ok   " + name, flush=True)
        except Skip as reason:
            skipped += 1
            print("skipped %s\n    %s" % (name, reason), flush=True)
        except Exception:
            failed += 1
            print("FAIL %s\n%s" % (name, traceback.format_exc()), flush=True)
    more = ", %d skipped" % skipped if skipped else ""
    print("%d passed, %d failed%s" % (passed, failed, more), flush=True)
    sys.exit(1 if failed or passed + (skipped if all_may_skip else 0) == 0 else 0)


def main(title):
    run_tests(title, "build/leat", Place, seconds=TEST_SECONDS)
