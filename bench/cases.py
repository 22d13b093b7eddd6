# SPDX-License-Identifier: MIT
"""Who is measured, and in which cases: tables only."""


class Peer:
    """A program of build/bench with options. `conns_max`: more it cannot serve in reasonable time,
    and `why`."""

    def __init__(self, name, program, *options, conns_max=10000, why="", family="library"):
        self.name, self.program, self.options = name, program, list(options)
        self.conns_max, self.why, self.family = conns_max, why, family


POLLS = "asks the system about every connection at every turn, which is minutes here"
PEERS = {peer.name: peer for peer in (
    Peer("raw", "raw_posix", family="floor"),
    Peer("raw-epoll", "raw_epoll", family="floor"),
    Peer("raw-spin", "raw_epoll", "--spin", "on", family="floor"),
    Peer("raw-judged", "raw_epoll", "--judge", family="floor"),
    Peer("raw-batch", "raw_posix", "--gather", "65536", family="floor"),
    Peer("raw-overlapped", "raw_windows", family="floor"),
    Peer("leat-bytes", "leat_loop", "--spin", "off", family="leat"),
    Peer("leat-messages", "leat_loop", "--messages", "--spin", "off", family="leat"),
    Peer("leat-blocking", "leat_blocking", "--spin", "off", family="leat"),
    Peer("leat-bytes-spin", "leat_loop", "--spin", "on", family="leat"),
    Peer("leat-messages-spin", "leat_loop", "--messages", "--spin", "on", family="leat"),
    Peer("leat-blocking-spin", "leat_blocking", "--spin", "on", family="leat"),
    Peer("leat-bytes-gather", "leat_loop", "--gather", "65536", "--single-thread", "--spin", "off",
         family="leat"),
    Peer("leat-messages-gather", "leat_loop", "--messages", "--gather", "65536", "--single-thread",
         "--spin", "off", family="leat"),
    Peer("leat-bytes-many", "leat_loop", "--gather", "65536", "--many", "64", "--single-thread",
         "--spin", "off", family="leat"),
    Peer("leat-messages-many", "leat_loop", "--messages", "--gather", "65536", "--many", "64",
         "--single-thread", "--spin", "off", family="leat"),
    Peer("leat-bytes-many-spin", "leat_loop", "--gather", "65536", "--many", "64",
         "--single-thread", "--spin", "on", family="leat"),
    Peer("leat-messages-many-spin", "leat_loop", "--messages", "--gather", "65536", "--many", "64",
         "--single-thread", "--spin", "on", family="leat"),
    Peer("libuv", "libuv"),
    Peer("asio", "asio"),
    Peer("libevent", "libevent"),
    Peer("glib", "glib", conns_max=1000, why=POLLS),
    Peer("qt6", "qt6", conns_max=1000, why=POLLS),
    Peer("nng", "nng", "--messages"),
    Peer("zmq", "zmq", "--messages"),
)}
LIBRARIES = tuple(name for name, peer in PEERS.items() if peer.family == "library")
QUIET = ("leat-bytes", "leat-messages")
LEAT = QUIET + ("leat-blocking",)
SPINNING = tuple(name + "-spin" for name in LEAT)
LOOPS = ("raw-epoll", *QUIET, "leat-bytes-spin", *LIBRARIES)
ALL = ("raw", "raw-epoll", "raw-spin", *LEAT, *SPINNING, *LIBRARIES)
GATHERING = tuple(name + "-gather" for name in QUIET)
MANY = tuple(name + way for name in QUIET for way in ("-many", "-many-spin"))
STREAM = ("raw", "raw-epoll", "raw-batch", *LEAT, "leat-bytes-spin", "leat-messages-spin",
          *GATHERING, *LIBRARIES)
WINDOWS = ("raw-overlapped", *LEAT)


class Case:
    """One table for each placement. `kind` says how it is judged and shown: "latency" by the median
    of an operation, "rate" by the time of all, "stream" likewise, with bytes a second."""

    def __init__(self, name, title, kind, arguments, peers, cores=("free",), rounds=None):
        self.name, self.title, self.kind = name, title, kind
        self.arguments, self.peers, self.cores, self.rounds = arguments, peers, cores, rounds
        self.conns, self.size = self.number("--conns", 1), self.number("--size", 64)
        self.depth = self.number("--depth", 1)

    def number(self, option, default):
        if option not in self.arguments:
            return default
        return int(self.arguments[self.arguments.index(option) + 1])


def pingpong(name, text, size):
    return Case(f"pingpong-{name}", f"ping-pong, {text}", "latency", ["echo", "--size", str(size)],
                ALL, ("free", "two", "one"))


def stream(name, text, size):
    peers = STREAM + MANY if size <= 1024 else STREAM
    return Case(f"stream-{name}", f"one-way stream, {text} at a time", "stream",
                ["stream", "--size", str(size)], peers)


def conns(count, text, rounds=None):
    return Case(f"conns-{count}", f"round trips over {text} connections, 64 B", "rate",
                ["echo", "--conns", str(count)], (*(["raw"] if count <= 1000 else []), *LOOPS),
                rounds=rounds)


def burst(depth, text):
    peers = ("raw-epoll", *QUIET, *GATHERING, *LIBRARIES)
    return Case(f"burst-{depth}", f"{text} messages of 64 B handed over at once", "rate",
                ["burst", "--depth", str(depth)], peers, ("one",), rounds=5)


CASES = [
    pingpong("1", "1 B", 1),
    pingpong("64", "64 B", 64),
    pingpong("4k", "4 KiB", 4096),
    pingpong("64k", "64 KiB", 65536),
    stream("64", "64 B", 64),
    stream("1k", "1 KiB", 1024),
    stream("64k", "64 KiB", 65536),
    stream("1m", "1 MiB", 1 << 20),
    conns(64, "64"),
    conns(1000, "1,000"),
    conns(10000, "10,000", 3),
    Case("connect", "connect, one round trip, close", "latency", ["connect"],
         ("raw-judged", *ALL), ("free", "two", "one")),
    Case("fanout", "one message of 64 B to 1,000 connections", "latency",
         ["fanout", "--conns", "1000"], LOOPS, rounds=5),
    Case("mixed", "round trips of 64 B while transfers of 1 MiB run on another connection",
         "latency", ["mixed"], LOOPS),
    burst(16, "16"),
    burst(256, "256"),
    burst(4096, "4,096"),
    burst(65536, "65,536"),
]
IDLE = Case("idle", "memory for each of 10,000 idle connections, each used once", "idle",
            ["idle", "--conns", "10000"], ("raw", *LOOPS), rounds=2)
CASES_WINE = [
    Case("pingpong-64", "ping-pong, 64 B", "latency", ["echo", "--size", "64"], WINDOWS, ("wine",)),
    Case("pingpong-4k", "ping-pong, 4 KiB", "latency", ["echo", "--size", "4096"], WINDOWS,
         ("wine",)),
    Case("stream-64k", "one-way stream, 64 KiB at a time", "stream", ["stream", "--size", "65536"],
         WINDOWS, ("wine",)),
]
# Of these the system calls are counted, by strace, between so many operations and so many.
CALLS = [
    ("pingpong-64", "ping-pong, 64 B", ["echo"], ("raw", "raw-epoll", *LEAT, *LIBRARIES), 100, 600),
    ("stream-64", "one-way stream, 64 B at a time", ["stream"],
     ("raw", "raw-epoll", "raw-batch", *LEAT, *GATHERING, *LIBRARIES), 4096, 12288),
    ("stream-64k", "one-way stream, 64 KiB at a time", ["stream", "--size", "65536"],
     ("raw", "raw-epoll", *LEAT, *LIBRARIES), 100, 600),
    ("conns-64", "round trips over 64 connections, 64 B", ["echo", "--conns", "64"],
     ("raw-epoll", *QUIET, *LIBRARIES), 640, 3200),
]
CORES = {"free": "cores free", "one": "one core", "two": "one core each", "wine": "under wine"}
PINS = {"free": [], "one": ["--one-core"], "two": ["--two-cores"], "wine": []}

# arguments, peers, operations that must be done
SMOKE = [
    (["echo", "--size", "1", "--count", "100"], ALL, 100),
    (["echo", "--size", "64", "--count", "300"], ALL, 300),
    (["echo", "--size", "4096", "--count", "300", "--one-core"], ALL, 300),
    (["echo", "--size", "65536", "--count", "50"], ALL, 50),
    (["echo", "--conns", "64", "--count", "2000"], ("raw", *LOOPS), 2000),
    (["stream", "--count", "3000"], STREAM, 3000),
    (["stream", "--size", "1024", "--count", "3000"], STREAM, 3000),
    (["stream", "--size", "65536", "--count", "300"], STREAM, 300),
    (["stream", "--size", "1048576", "--count", "20"], STREAM, 20),
    (["connect", "--count", "50"], ALL, 50),
    (["idle", "--conns", "200"], ("raw", *LOOPS), 200),
    (["burst", "--depth", "1000", "--count", "5000"], (*LOOPS, *GATHERING), 5000),
    (["fanout", "--conns", "50", "--count", "20"], LOOPS, 20),
    (["fanout", "--conns", "5", "--size", "65536", "--count", "20"], LOOPS, 20),
    (["mixed", "--count", "200"], LOOPS, 200),
]
SMOKE_WINE = [
    (["echo", "--size", "64", "--count", "300"], WINDOWS, 300),
    (["echo", "--size", "4096", "--count", "300"], WINDOWS, 300),
    (["echo", "--size", "65536", "--count", "50"], WINDOWS, 50),
    (["echo", "--conns", "20", "--count", "1000"], QUIET, 1000),
    (["stream", "--size", "65536", "--count", "200"], WINDOWS, 200),
    (["stream", "--count", "2000"], WINDOWS, 2000),
    (["connect", "--count", "20"], LEAT, 20),
    (["burst", "--depth", "500", "--count", "1000"], QUIET, 1000),
    (["fanout", "--conns", "10", "--count", "10"], QUIET, 10),
    (["mixed", "--count", "50"], QUIET, 50),
]
