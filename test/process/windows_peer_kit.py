# SPDX-License-Identifier: MIT
"""What the tests of hostile Windows peers share: windows_driver.exe, windows_peer.exe and leat.exe
as processes that print lines, and what a server must still do after a bad client.

Happy path: a step or an event is waited for by its line; times are those that the programs print,
by one clock.
"""
import json
import os

from support import DEADLINE, wait_until

NOTICED_MS = 1000  # a peer that died is known to be dead within this time
TICK_MS = 40  # how often leat looks after a peer that it does not read from
number = 0


class Program:
    """A Windows program that prints JSON lines, and reads lines of ours."""

    def __init__(self, place, name, words):
        self.name, self.seen = name, 0
        path = os.path.join(os.path.dirname(place.leat_path), name + ".exe")
        # On a busy machine wine now and then ends with 1 before the program's first instruction.
        for _ in range(3):
            self.log = place.file("%s-%d.log" % (name, len(place.processes)))
            with open(self.log, "wb") as log:
                self.process = place.start([os.environ["LEAT_WINE"], path, *words],
                                           stdout=log, stderr=log)
            wait_until(lambda: self.lines() or self.process.poll() is not None,
                       "waiting for the first line of " + name)
            if self.lines() or self.process.returncode != 1:
                break
        self.pid = self.event(lambda line: "pid" in (line.get("event"), line.get("step")))
        self.pid = self.pid.get("pid", self.pid.get("bytes"))

    def lines(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            text = log.read()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()
                if line.startswith("{")]

    def event(self, good, what="an event"):
        """The next line that is good; those before it are passed over."""
        found = []

        def look():
            lines = self.lines()
            for at in range(self.seen, len(lines)):
                if good(lines[at]):
                    found.append(lines[at])
                    self.seen = at + 1
                    return True
            if self.process.poll() is not None and len(self.lines()) == len(lines):
                raise AssertionError("%s ended with %s before %s: %r" % (
                    self.name, self.process.returncode, what, lines[-5:]))
            return False

        try:
            wait_until(look, "waiting for " + what)
        except AssertionError as error:
            raise AssertionError("%s; %s printed %r" % (error, self.name, self.lines()[-9:]))
        return found[0]

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def leave(self):
        """The end of its input, and a good end of its own."""
        self.process.stdin.close()
        self.process.wait(DEADLINE)
        return self.process.returncode


class Driver(Program):
    def __init__(self, place, *words):
        super().__init__(place, "windows_driver", words)

    def told(self, event, **more):
        return self.event(lambda line: line.get("event") == event and
                          all(line.get(key) == value for key, value in more.items()),
                          "%s %r" % (event, more))

    def once(self, event, **more):
        """As told, but also when it came before what was waited for last."""
        self.seen = 0
        return self.told(event, **more)

    def noticed(self, since, **more):
        """The first word of the peer's end comes in time."""
        self.seen = 0
        event = self.event(lambda line: line.get("event") in ("HANGUP", "FINISHED", "CLOSED") and
                           all(line.get(key) == value for key, value in more.items()), "an end")
        in_time(event, since)
        return event

    def count(self, event):
        return sum(1 for line in self.lines() if line.get("event") == event)

    def report(self):
        self.say("report")
        return self.told("report")

    def end(self):
        """It ends as it should: its hub gave everything back."""
        code = self.leave()
        assert code == 0 and self.count("end") == 1, (code, self.lines()[-5:])


class Peer(Program):
    def __init__(self, place, pipe, *steps):
        super().__init__(place, "windows_peer", (pipe, *steps))

    def did(self, step, error=0):
        line = self.event(lambda line: line.get("step") == step, step)
        if error is not None:
            assert line["error"] == error, (step, line, self.lines())
        return line


def new_name():
    global number
    number += 1
    return "pipe:leat-peer-%d-%d" % (os.getpid(), number)


def pipe_of(name):
    return "\\\\.\\pipe\\" + name[len("pipe:"):]


def serve(place, *words, name=None):
    """A driver that listens: itself, and its pipe."""
    driver = Driver(place, "serve", name or new_name(), *words)
    return driver, driver.told("listening")["name"].replace("pipe:", "\\\\.\\pipe\\")


def peer_serves(place, *steps, create="create"):
    """A peer with one instance, and the name that leads to it."""
    name = new_name()
    peer = Peer(place, pipe_of(name), create, *steps)
    peer.did(create)
    return peer, name


def good_client(place, pipe):
    """A client that behaves is served at once."""
    client = Peer(place, pipe, "open", "echo:100000", "close")
    begun = client.event(lambda line: line.get("step") == "open")
    done = client.did("echo:100000")
    assert begun["error"] == 0, begun
    assert done["at"] - begun["at"] < 5000, (begun, done)
    assert client.leave() == 0, client.lines()


def good_messages_client(place, name):
    client = Driver(place, "connect", name, "--messages")
    client.told("CONNECTED")
    client.end()


def kill(place, victim):
    """Ends a process from outside, in the middle of whatever it does; says when."""
    killer = Peer(place, "none", "kill:%d" % victim.pid)
    at = killer.did("killing")["at"]
    killer.did("kill:%d" % victim.pid)
    killer.leave()
    victim.process.killed = True
    victim.process.wait(DEADLINE)
    return at


def at_rest(driver, for_ms=400):
    """A hub with nothing to do asks the system only when it must: every tick, and for a report."""
    first = last = driver.report()
    reports = 0
    while last["at"] - first["at"] < for_ms:
        last = driver.report()
        reports += 1
    turns = last["waits"] - first["waits"]
    assert turns <= 4 * reports + 2 * (last["at"] - first["at"]) // TICK_MS + 8, (first, last)


def in_time(event, since, most_ms=NOTICED_MS):
    assert event["at"] - since <= most_ms, (event["at"] - since, event)


class Command:
    """leat.exe: its output goes to a file, since what wine starts would keep a pipe open."""

    def __init__(self, place, *words, input=b""):
        self.out = place.file("leat-%d.out" % len(place.processes))
        self.err = place.file("leat-%d.err" % len(place.processes))
        source = place.file("leat-%d.in" % len(place.processes))
        with open(source, "wb") as file:
            file.write(input)
        with open(self.out, "wb") as out, open(self.err, "wb") as err, open(source, "rb") as file:
            self.process = place.start([os.environ["LEAT_WINE"], place.leat_path, *words],
                                       stdin=file, stdout=out, stderr=err)

    def wait(self):
        self.process.wait(DEADLINE)
        with open(self.out, "rb") as out, open(self.err, "rb") as err:
            return self.process.returncode, out.read(), err.read()
