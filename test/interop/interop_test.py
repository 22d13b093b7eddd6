#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat and programs that know nothing of leat, each as server and as client of the other, with 100
bytes and 16 MiB each way. Usage: interop_test.py [path of leat] [how names of tests begin].

Happy path: each end gets every byte in its place, then the end of the other; both exit with 0.
Fails:      programs.py says which programs are not here: their tests are skipped.

A test is PROGRAM_ROLE_CASE, where the role is the foreign program's:
  100, 16m           all of it there and back, both directions at a time; then the client ends
  half_close         a question, the client's half-close, the answer, the server's end
  half_close_first   the same, and the server asks
  close              for who has no half-close: it says all and ends at once, and all of it arrives
"""
import functools
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "process"))

from programs import HTTP, PEERS  # noqa: E402  the path of support.py comes first
from support import (DEADLINE, MIB, TEST_SECONDS, Background, Place, big, run_tests,  # noqa: E402
                     same, test)

SIZES = {"100": 100, "16m": 16 * MIB}
QT_PATH_BYTES = 106  # one less than the system takes


class InteropPlace(Place):
    """Qt looks for its names in TMPDIR, so that is the test's own."""

    def __init__(self, leat):
        super().__init__(leat)
        self.env["TMPDIR"] = self.root
        self.socket = None

    def script(self, name, text):
        path = self.file(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path


def read_some(process, size):
    """So many bytes of its output, or less when that ends."""
    parts = []
    while size > 0 and (part := process.stdout.read1(min(size, 1 << 18))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def say(process, data, end):
    process.stdin.write(data)
    process.stdin.flush()
    if end:
        process.stdin.close()


def ended(process, what):
    """The process has ended by itself, content."""
    if not process.stdin.closed:
        process.stdin.close()
    code = process.wait(DEADLINE)
    assert code == 0, "%s: exit %d: %r" % (what, code, process.stderr.read()[-500:])
    same(process.stdout.read(), b"", "what %s wrote after the end" % what)


def there_and_back(process, data, part_bytes):
    """Through a client of an echo, both directions at a time. Its input ends when all is back."""
    for begin in range(0, len(data), part_bytes or len(data)):
        part = data[begin:begin + (part_bytes or len(data))]
        sender = Background(say, process, part, False)
        same(read_some(process, len(part)), part, "from byte %d on" % begin)
        sender.result()


def ask(process, question, answer):
    """Through a client of a server that answers when the question has ended."""
    sender = Background(say, process, question, True)
    same(read_some(process, len(answer) + 1), answer)
    sender.result()


def arrives(process, data):
    """All of it, and then the end. (One more byte is asked for, which does not come.)"""
    same(read_some(process, len(data) + 1), data)


# ---- The foreign program is the server -----------------------------------------------------------


def server_begin(place, peer, mode):
    server = place.start(peer.server(place, mode))
    peer.listening(place, server)
    return server, place.leat_start("connect", peer.leat_name(place))


def server_echo(place, peer, size):
    server, leat = server_begin(place, peer, "echo")
    there_and_back(leat, big(size), peer.echo_bytes)
    ended(leat, "leat")
    ended(server, peer.key)


def server_half_close(place, peer, size):
    server, leat = server_begin(place, peer, "reverse")
    question = big(size)
    ask(leat, question, question[::-1])
    ended(leat, "leat")
    ended(server, peer.key)


def server_half_close_first(place, peer, size):
    """The server asks, and leat answers."""
    server, leat = server_begin(place, peer, "ask")
    question = big(size)
    sender = Background(say, server, question, True)
    arrives(leat, question)
    sender.result()
    sender = Background(say, leat, question[::-1], True)
    arrives(server, question[::-1])
    sender.result()
    ended(leat, "leat")
    ended(server, peer.key)


def server_close(place, peer, size):
    server, leat = server_begin(place, peer, "say")
    sender = Background(say, server, big(size), True)
    arrives(leat, big(size))
    sender.result()
    ended(leat, "leat")
    ended(server, peer.key)


# ---- The foreign program is the client -----------------------------------------------------------


def client_begin(place, peer, *words):
    leat = place.serve(peer.leat_name(place), *words)
    return leat, place.start(peer.client(place))


def client_echo(place, peer, size):
    leat, client = client_begin(place, peer, "--echo")
    there_and_back(client, big(size), None)
    ended(client, peer.key)
    leat.send_signal(signal.SIGINT)
    ended(leat, "leat")


def client_half_close(place, peer, size):
    leat, client = client_begin(place, peer)
    question = big(size)
    sender = Background(say, client, question, True)
    arrives(leat, question)
    sender.result()
    sender = Background(say, leat, question[::-1], True)
    arrives(client, question[::-1])
    sender.result()
    ended(client, peer.key)
    ended(leat, "leat")


def client_close(place, peer, size):
    leat, client = client_begin(place, peer)
    sender = Background(say, client, big(size), True)
    arrives(leat, big(size))
    sender.result()
    ended(client, peer.key)
    ended(leat, "leat")


def client_http(place, peer, size):
    leat, client = client_begin(place, peer, "--exec", "exec '%s'" % place.script("http", HTTP))
    ask(client, big(size), big(size)[::-1])
    ended(client, peer.key)
    leat.send_signal(signal.SIGINT)
    ended(leat, "leat")


# ---- Names of Qt ---------------------------------------------------------------------------------


def qt_peer(place):
    peer = next(peer for peer in PEERS if peer.key == "qt_name")
    ready(place, peer, "peer")
    return peer


def qt_answers_send(place):
    """What a user would do: a line to a program of Qt, and its answer."""
    peer = qt_peer(place)
    server = place.start(peer.server(place, "echo"))
    peer.listening(place, server)
    code, out, err = place.leat("send", peer.leat_name(place), "hello", "--line", "--expect", "1")
    assert code == 0 and out == b"hello\n", (code, out, err)
    ended(server, peer.key)


def qt_listens_where_leat_says(place):
    """Whatever TMPDIR looks like, up to the longest path that Qt takes; and not a byte more."""
    peer = qt_peer(place)
    os.mkdir(place.file("sub"))
    longest = "q" * (QT_PATH_BYTES - len(place.root) - 1)
    for folder in (place.root, place.root + "/", place.root + "//sub/./../"):
        place.env["TMPDIR"] = folder
        for name in ("app", "My App", "-\u00e4", "sub/app", "./sub//app", place.file("x"), longest):
            code, out, err = place.leat("path", "qt:" + name)
            assert code == 0, (folder, name, err)
            same(qt_where(place, peer, name, 0), out, "where Qt listens as %r" % name)
    same(qt_where(place, peer, longest + "q", 1), b"")
    code, out, err = place.leat("path", "qt:" + longest + "q")
    assert code == 2 and out == b"", (code, out, err)


def qt_where(place, peer, name, wanted):
    process = place.start([*peer.words, "where", name])
    out, err = process.communicate(b"", DEADLINE)
    assert process.returncode == wanted, (name, process.returncode, err)
    return out


# ---- The tests -----------------------------------------------------------------------------------


def ready(place, peer, socket):
    """Skips the test when the program is not here, else builds it, and says where to meet."""
    peer.need()
    folder = os.path.join(os.path.dirname(place.leat_path), "interop")
    os.makedirs(folder, exist_ok=True)
    peer.make(folder)
    place.socket = place.file(socket)


def run_sizes(function, peer, sizes, place):
    for size in sizes:
        ready(place, peer, "peer-%d" % size)  # some servers leave their socket behind
        function(place, peer, size)
        for process in place.processes:
            assert process.poll() is not None


ENDS = {
    ("server", "half_close"): server_half_close,
    ("server", "half_close_first"): server_half_close_first,
    ("server", "close"): server_close,
    ("client", "half_close"): client_half_close,
    ("client", "close"): client_close,
}
ECHOES = {"server": server_echo, "client": client_echo}


def add_tests(peer, role):
    end = peer.ends.get(role)
    cases = {size: (ECHOES[role] if end else client_http, [SIZES[size]]) for size in SIZES}
    if end:
        cases[end] = (ENDS[role, end], SIZES.values())
    for case, (function, sizes) in cases.items():
        one = functools.partial(run_sizes, function, peer, sizes)
        one.__name__ = "%s_%s_%s" % (peer.key, role, case)
        add_test(one)


def add_test(function):
    if len(sys.argv) < 3 or function.__name__.startswith(tuple(sys.argv[2:])):
        test(function)


def main():
    for peer in PEERS:
        for role in peer.ends:
            add_tests(peer, role)
    add_test(qt_answers_send)
    add_test(qt_listens_where_leat_says)
    del sys.argv[2:]
    run_tests("interop", "build/leat", InteropPlace, seconds=TEST_SECONDS, all_may_skip=True)


if __name__ == "__main__":
    main()
