# SPDX-License-Identifier: MIT
"""The part of the fuzz corpora that was made by hand: each boundary of docs/wire.md, the forms of
names, words of a command line, and scripts that begin well. corpus.py puts them there.

What a target makes of its input stands at the top of its target_NAME.c.
"""
import os
import re
import struct

FUZZ = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(os.path.dirname(FUZZ), "vectors", "wire.txt")

MAGIC = b"leat\r\n\x1a\n"
MESSAGE, FINISH, CLOSE, PING, PONG, IGNORABLE = 1, 2, 3, 4, 5, 128
LIMIT = 65536  # of target_frame.c, unless its choices say otherwise
HELLO_FIRST, LIMIT_DOUBLE, PAYLOAD = 1, 2, 4


def hello(version=1, size=32, limit=1 << 20, offered=0, required=0):
    return MAGIC + struct.pack("<HHIQQ", version, size, limit, offered, required)


def frame(kind, payload=b"", size=None, flags=0, reserved=0):
    size = len(payload) if size is None else size
    return struct.pack("<IBBH", size, kind, flags, reserved) + payload


def vectors(kind):
    """NAME, BYTES of each vector of that kind."""
    with open(VECTORS, encoding="utf-8") as stream:
        for line in stream:
            found = re.match(kind + r" (\S+) \S+ (\S+)", line)
            if found and found.group(2) != "-":
                yield found.group(1), bytes.fromhex(found.group(2))


def hello_seeds():
    for name, data in vectors("hello"):
        yield name, data
    for at in (8, 10, 12, 16, 31):
        yield f"cut-at-{at}", hello()[:at]
    for limit in (65535, 65536):
        yield f"limit-{limit}", b"\0" + hello(limit=limit)[8:]
    for size in (31, 32, 33, 4096, 4097):
        yield f"size-{size}", b"\0" + hello(size=size)[8:] + bytes(min(size, 4096) - 31)


def streams():
    """Behind a good hello: what is at each boundary of sections 3 and 4."""
    message = frame(MESSAGE, b"hello")
    yield "nothing", b""
    yield "message", message
    yield "message-empty", frame(MESSAGE) + message
    yield "finish", message + frame(FINISH)
    yield "finish-twice", frame(FINISH) * 2
    yield "message-after-finish", frame(FINISH) + message
    yield "ping-after-finish", frame(FINISH) + frame(PING, b"12345678") + frame(PONG, bytes(8))
    for code in (0, 1, 2, 3, 4, 5, 6, 255):
        yield f"close-{code}", message + frame(CLOSE, bytes([code])) + message
    yield "close-after-finish", frame(FINISH) + frame(CLOSE, b"\0")
    for kind, sizes in ((FINISH, (1,)), (CLOSE, (0, 2)), (PING, (7, 9)), (PONG, (0, 9))):
        for size in sizes:
            yield f"control-{kind}-of-{size}", frame(kind, bytes(size))
    for kind in (0, 6, 127):
        yield f"type-{kind}", frame(kind)
    for kind in (128, 255):
        yield f"ignorable-{kind}", frame(kind, b"skip me") + frame(kind) + message
    yield "flags", frame(MESSAGE, b"x", flags=1)
    yield "reserved", frame(IGNORABLE, b"x", reserved=256)
    for kind in (MESSAGE, IGNORABLE):
        for size in (LIMIT + 1, 2 * LIMIT, 2 * LIMIT + 1, 0xFFFFFFFF):
            yield f"size-{size}-of-{kind}", frame(kind, b"x", size=size)
    for cut in (1, 7, 8, 9, len(message) - 1):
        yield f"cut-at-{cut}", message + message[:cut]


def frame_seeds():
    for number, (name, stream) in enumerate(streams()):
        yield name, struct.pack("<BHH", HELLO_FIRST, number, 0) + stream
    for kind in (MESSAGE, IGNORABLE):
        for size in (LIMIT, LIMIT + 4, 2 * LIMIT):
            choices = HELLO_FIRST | PAYLOAD | (LIMIT_DOUBLE if size > LIMIT + 4 else 0)
            whole = frame(MESSAGE, b"first") + frame(kind, size=size)
            yield f"whole-{size}-of-{kind}", struct.pack("<BHH", choices, 7, size // 4) + whole
    for name, data in vectors("hello"):
        yield "hello-" + name, struct.pack("<BHH", 0, 3, 0) + data


def client_seeds():
    for number, (name, stream) in enumerate(streams()):
        yield name, struct.pack("<BH", 4 | number % 4, number) + stream
    for name, data in vectors("hello"):
        yield "hello-" + name, struct.pack("<BH", 1, 5) + data


def server_seeds():
    connect, send, greet, finish, close, wait = 0, 1, 3, 4, 5, 6
    for protocol in range(3):
        for asked in (0, 4, 8):
            opening = struct.pack("<BH", protocol | asked, 9)
            for name, stream in streams():
                if asked == 0 and protocol == 0 or name in ("message", "cut-at-9", "finish-twice"):
                    acts = bytes([connect, greet | 32, send, len(stream)]) + stream
                    yield f"{protocol}{asked}-{name}", opening + acts + bytes([wait | 64, 5])
            crowd = b"".join(bytes([connect | who << 3, send | who << 3, 3]) + b"abc"
                             for who in range(4))
            ends = bytes([finish | 32, finish | 8 | 32, close | 16, close | 24, wait, 255])
            yield f"{protocol}{asked}-crowd", opening + crowd + ends


def name_seeds():
    names = ["mail", "a", "0.x_y-z", ".a", "a..b", "a" * 64, "a" * 65, "A", "", "..", "a/b", "/",
             "/a", "/a/../b", "/a/..b", "/a/", "/a//b", "a\\b", "a\\..\\b", "a\\\\b", "\\a", "a:b",
             "\u00e9", "\U0001f600", "a b", "4294967294", "4294967295", "01", "/" + "x" * 106,
             "/" + "x" * 107, "x" * 247, "x" * 248, "\U0001f600" * 93, "My App",
             "\\\\.\\pipe\\My App", "/tmp/./a/../b", "unix:@x", "unix:x"]
    raws = [b"\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xf0\x80\x80\x80",
            b"\xf4\x90\x80\x80", b"\xf5", b"a\0b", b"a\x7f", b"a\x1f", b"\xc2", b"\xd8\x00\x41"]
    for number, name in enumerate([name.encode() for name in names] + raws):
        for form in (range(9) if len(name) < 20 else (0, 2, 4, 7)):
            yield f"{number:02d}-{form}", bytes([form, 0]) + name
    for room in (0, 1, 9, 10, 14):
        yield f"room-{room}", bytes([16 | 2, room]) + b"qt"


def command_seeds():
    lines = ["0 mail --echo --who group:adm", "0 mail --exec cat --messages --stall=2s",
             "0 mail --who list:1,2,alice --keep-open", "0 mail --who ask --json --quiet",
             "1 mail --wait --timeout 5m --after-end=0", "2 mail text more --expect 3 --line",
             "2 mail -- --text", "3 mail --timeout forever -- prog --arg", "4 mail --json",
             "4 --json --nonsense", "5 mail --json --insecure-anyone --who admin", "6 mail --help",
             "7", "8", "0 mail --who list:,", "0 mail --who group:", "0 mail --who xlist",
             "1 mail --timeout 4294967295ms", "1 mail --timeout 4294967294ms", "1 mail --expect 1",
             "1 mail --stall 71582m", "2 mail x --expect 1000001", "0 --echo=x mail",
             "0 mail --exec", "1 mail --bytes --messages",
             "0 mail --who list:" + ",".join("u" for _ in range(65))]
    for number, line in enumerate(lines):
        words = line.split(" ")
        yield f"{number:02d}", bytes([int(words[0])]) + "\n".join(words[1:]).encode()
    yield "bad-text", b"\2mail\n\xff\xc2\x80\x1b[31m\"\\\t\x7f\n\xe2\x82\xac"


def api_seeds():
    opening = bytes([1, 0, 0, 0])
    listen, connect, pair, turn = bytes([0]), bytes([2]), bytes([4]), bytes([5, 0])
    for protocol in range(3):
        serve = (listen + bytes([0, protocol, 0, 0]) + connect + bytes([0, protocol, 0, 0])
                 + turn * 6)
        say = bytes([16 + (0 if protocol == 0 else 3), protocol, 5, 0])
        hear = turn * 4 + bytes([22, 0, 3]) * 2
        yield f"serve-{protocol}", opening + serve + (say + hear) * 3
        begin = pair + bytes([0, 1, protocol, 0]) + turn * 4
        for act in range(30):
            yield f"pair-{protocol}-{act:02d}", (opening + begin + say + turn
                                                 + bytes([16 + act, 1, 5, 20]) + turn * 3)
    for faults in (1, 2, 4, 8, 16, 32, 64, 255):
        yield f"faults-{faults}", (bytes([7, 0, faults, 16]) + pair + bytes([0, 1, 0, 0])
                                   + (bytes([16, 0, 5, 0]) + turn * 2 + bytes([22, 1, 3])) * 8)
    for number in range(16):
        yield f"open-{number:02d}", opening + bytes([number, 0, 1, 2, 3]) * 4 + turn * 4


SEEDS = {"hello": hello_seeds, "frame": frame_seeds, "client": client_seeds,
         "server": server_seeds, "name": name_seeds, "command": command_seeds, "api": api_seeds}
