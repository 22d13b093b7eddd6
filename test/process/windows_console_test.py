#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat.exe at a console: what is typed, what is shown, Ctrl-C, and who is asked there. Run it by
test/wine.sh --script. Usage: windows_console_test.py [path of leat.exe] [test names].

Happy path: wine makes a console of the terminal that it is started at, which is one of ours here:
we type, and read what is shown there. docs/platforms.md says what such a console does not show.
"""
import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess

from support import DEADLINE, Background, Child, expect, wait_until
from windows_support import WINE, main, needs_wine, own_user, test

if os.name != "nt":
    import pty
    import termios
    import tty

COLUMNS = 200  # no line of ours is folded


class Console:
    """leat.exe at a console of its own; streams that are given are no part of that."""

    def __init__(self, place, *words, raw=True, **streams):
        needs_wine("there, no terminal can be played")
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        if raw:
            tty.setraw(slave)  # wine does so itself, but only when it reads

        def own():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        for stream in ("stdin", "stdout", "stderr"):
            streams.setdefault(stream, slave)
        self.popen = Child([*WINE, place.leat_path, *words], preexec_fn=own,
                           env=dict(place.env, TERM="xterm"), **streams)
        os.close(slave)
        self.raw, self.seen = b"", 0
        place.processes.append(self)

    def text(self):
        """All that was shown, as text: the console draws what changed, and skips blanks."""
        with contextlib.suppress(OSError):  # nobody has the other end any more
            while self.master is not None and select.select([self.master], [], [], 0)[0]:
                self.raw += os.read(self.master, 65536)
        text = self.raw.decode(errors="replace")
        text = re.sub(r"\x1b\[(\d*)C", lambda skip: " " * int(skip[1] or 1), text)
        return re.sub(r"\x1b\[[?\d;]*[A-Za-z]|\x1b\][^\x07]*\x07", "", text).replace("\r", "")

    def wait(self, wanted):
        """What was shown since the last time, until this."""
        wait_until(lambda: wanted in self.text()[self.seen:],
                   "%r was not shown: %r" % (wanted, self.text()[self.seen:]))
        begin, self.seen = self.seen, self.text().index(wanted, self.seen) + len(wanted)
        return self.text()[begin:self.seen]

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self, code=0):
        def over():
            self.text()
            return self.popen.poll() is not None

        wait_until(over, "it does not end: %r" % self.text())
        assert self.popen.returncode == code, (self.popen.returncode, self.text())

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait(DEADLINE)
        if self.master is not None:
            os.close(self.master)
            self.master = None


# ---- What is typed and shown -------------------------------------------------------------------


@test
def text_is_utf8_both_ways(place):
    name = place.name("talk")
    server = place.leat_start("serve", name)
    client = Console(place, "connect", name, "--wait", "--timeout", "50s")
    client.type("hällo, Жук\r")
    server.wait_out("hällo, Жук\n".encode())
    server.write("grüße, Жук\n".encode())
    client.wait("grüße, Жук\n")
    client.type("two\rthree\r")
    server.wait_out(b"\ntwo\nthree\n")
    assert b"\r" not in server.out(), server.out()
    server.end_input()
    client.type("\x03")  # while a line is being read
    client.end()


@test
def words_and_errors_are_shown(place):
    console = Console(place, "path", "pipe:grüße")
    console.wait("\\\\.\\pipe\\grüße\n")
    console.end()
    console = Console(place, "connect", place.name("absent"))
    console.wait("there is nothing at that name")
    console.end(3)


@test
def ctrl_c_ends_serve(place):
    for words in (["--echo"], ["--keep-open"], ["--exec", "echo up& set /p x="]):
        name = place.name("sig")
        server = Console(place, "serve", name, *words, raw=False)
        expect(place.leat("wait-for", name, "--timeout", "50s"), 0)
        server.type("\x03")
        server.end()
        expect(place.leat("connect", name), 3)


# ---- Progress ----------------------------------------------------------------------------------


@test
def progress(place):
    """It is shown at a console, unless that would spoil what is shown there."""
    for words, shown in (([], True), (["--quiet"], False)):
        name = place.name("slow")
        server = place.leat_start("serve", name)
        with open(place.file("received"), "wb") as target:
            client = Console(place, "connect", name, "--wait", "--timeout", "50s", *words,
                             stdin=subprocess.DEVNULL, stdout=target)
            if shown:
                feeder = Background(feed, server, lambda: "MiB received" in client.text())
                feeder.result()
            else:
                server.write(b"x" * 4096)
            server.end_input()
            client.end()
        assert ("MiB" in client.text()) == shown, client.text()
        expect(server.wait(), 0)


def feed(server, enough):
    def more():
        server.write(b"x" * 4096)
        return enough()

    wait_until(more, "no progress is shown")


# ---- serve --who ask ---------------------------------------------------------------------------


def asks(place, **streams):
    name = place.name("asked")
    console = Console(place, "serve", name, "--echo", "--who", "ask", **streams)
    console.wait("listening")
    return name, console


def ask_for(place, name):
    """Its own user is named: one who is elevated asks for more of him otherwise."""
    return place.leat_start("send", name, "hi", "--expect", "1", "--line", "--timeout", "50s",
                            "--who", "list:" + own_user(place))


def stop(console):
    """As Ctrl-C does; wine sees no key while nothing is read."""
    console.popen.send_signal(signal.SIGINT)
    console.end()


@test
def ask_lets_in_whom_somebody_says(place):
    name, console = asks(place)
    for answer, good in (("y\r", True), ("n\r", False), ("YES\r", False), ("yes\r", True),
                         ("\r", False), ("yet\r", False), ("Y\r", True)):
        client = ask_for(place, name)
        shown = console.wait("[y/N] ")
        assert "let in user S-1-" in shown and "leat.exe" in shown, shown
        console.type(answer)
        code, out, err = client.wait()
        assert (code, out) == ((0, b"hi\n") if good else (9, b"")), (answer, code, out, err)
    stop(console)


@test
def ask_forgets_half_an_answer(place):
    """It was for who has gone; the question after it is asked again."""
    name, console = asks(place)
    first = ask_for(place, name)
    console.wait("[y/N] ")
    console.type("y")
    first.kill()
    console.wait("it has gone")
    for answer, good in (("n\r", False), ("y\r", True)):
        client = ask_for(place, name)
        console.wait("[y/N] ")
        if not good:
            console.type("\r")  # with the y before it, it is one line
            console.wait("[y/N] ")
        console.type(answer)
        assert client.wait()[:2] == ((0, b"hi\n") if good else (9, b"")), client.out()
    stop(console)


@test
def ask_while_standard_output_is_a_file(place):
    with open(place.file("out"), "wb") as out:
        name, console = asks(place, stdout=out)
    client = ask_for(place, name)
    console.wait("[y/N] ")
    console.type("y\r")
    expect(client.wait(), 0, b"hi\n")
    stop(console)


if __name__ == "__main__":
    main("the command at a console of Windows")
