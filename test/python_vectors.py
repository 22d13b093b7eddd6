#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python client against the test vectors of the wire protocol: each vector is fed to a client
over a socket pair, and must end as the vector says. Needs nothing of leat; arguments are ignored.
"""
import os
import socket
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "examples", "python"))
sys.dont_write_bytecode = True
import leat_client  # noqa: E402

HELLO = bytes.fromhex("6c6561740d0a1a0a0100200000001000" + "00" * 16)
GOODBYE = bytes.fromhex("0100000003000000" + "00")
LIMIT = 1 << 20


class Peer:
    """Feeds bytes to a client, then ends the stream; keeps what the client sent."""

    def __init__(self, data):
        ours, theirs = socket.socketpair()
        theirs.settimeout(20)
        self.sock = theirs
        self.got = bytearray()
        self.threads = [threading.Thread(target=self._feed, args=(ours, data)),
                        threading.Thread(target=self._drain, args=(ours,))]
        for thread in self.threads:
            thread.start()
        self.client = leat_client.Client(theirs)

    def _feed(self, sock, data):
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the client refused and has gone

    def _drain(self, sock):
        with sock:
            while part := sock.recv(65536):
                self.got += part
            self.threads[0].join()

    def end(self):
        self.client.stream.close()
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        for thread in self.threads:
            thread.join()


def outcome(data, ask):
    """What the client said, as the name of a leat error, and what `ask` gave, and what it sent."""
    peer = Peer(data)
    name, result = "OK", None
    try:
        result = ask(peer.client)
    except ValueError as error:
        name = str(error).split(":")[0]
    finally:
        peer.end()
    return name, result, bytes(peer.got[len(HELLO):])


def check_hello(expected, data, fields):
    def ask(client):
        client.hello()
        return client.limit

    if expected not in ("OK", "EMPTY"):
        data = data.ljust(4200, b"\0")  # this client looks at whole hellos only
    name, limit, _ = outcome(data, ask)
    if expected == "OK":
        return name == "OK" and limit == int(fields["frame_bytes_max"])
    return name == ("BROKEN" if expected == "EMPTY" else expected)


def check_frame(expected, data, fields):
    size = int.from_bytes(data[:4], "little")
    if expected == "OK":
        data = data.ljust(8 + size, b"x" if data[4] != leat_client.CLOSE else b"\0")
    name, result, sent = outcome(HELLO + data + GOODBYE, lambda client: client.receive())
    if expected != "OK":
        return name == expected
    if data[4] == leat_client.CLOSE and data[8] != 0:
        return name == leat_client.REASONS[data[8]]
    wanted = data[8:] if data[4] == leat_client.MESSAGE else None
    answer = data[:4] + b"\x05" + data[5:] if data[4] == leat_client.PING else b""
    return (name, result, sent) == ("OK", wanted, answer) and size == int(fields["size"])


def check_close(expected, data, _):
    frame = bytes.fromhex("0100000003000000") + data
    name, result, _ = outcome(HELLO + frame, lambda client: client.receive())
    return result is None and name == ("OK" if expected == "CLOSED" else expected)


CHECKS = {"hello": check_hello, "frame": check_frame, "close": check_close}


def main():
    passed = failed = 0
    with open(os.path.join(HERE, "vectors", "wire.txt"), encoding="ascii") as vectors:
        lines = [line.split() for line in vectors if line.strip() and line[0] != "#"]
    for kind, name, expected, text, *fields in lines:
        data = bytes.fromhex("" if text == "-" else text)
        if CHECKS[kind](expected, data, dict(field.split("=") for field in fields)):
            passed += 1
        else:
            failed += 1
            print(f"FAILED {kind} {name}: not {expected}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
