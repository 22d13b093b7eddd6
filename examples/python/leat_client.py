#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A complete client of leat's message protocol, docs/wire.md. As a command:
leat_client.py PATH MESSAGE...     sends each, finishes, prints each reply on a line"""
import os, socket, struct, sys
HELLO = struct.Struct("<8sHHIQQ")  # magic, version, size, frame limit, offered, required
HEADER = struct.Struct("<IBBH")  # length, type, flags, reserved
MAGIC, EARLY, ACCEPTED = b"leat\r\n\x1a\n", 65536, 1 << 20
MESSAGE, FINISH, CLOSE, PING, PONG = 1, 2, 3, 4, 5
LENGTHS = {FINISH: 0, CLOSE: 1, PING: 8, PONG: 8}
REASONS = {1: "PROTOCOL", 2: "TOO_BIG", 3: "BUSY", 4: "DENIED", 5: "TIMEOUT"}

class Client:
    """Works on a connected socket; its ValueErrors begin with the name of a leat error."""
    def __init__(self, sock):
        self.sock, self.stream, self.limit, self.ended = sock, sock.makefile("rb"), None, False
        sock.sendall(HELLO.pack(MAGIC, 1, 32, ACCEPTED, 0, 0))

    def _read(self, size):
        data = self.stream.read(size)
        _check(len(data) == size, "BROKEN: the peer vanished")
        return data
    def _frame(self, kind, payload=b""):
        self.sock.sendall(HEADER.pack(len(payload), kind, 0, 0) + payload)

    def hello(self):
        if self.limit is None:
            _check(self._read(8) == MAGIC, "PROTOCOL: this is no leat peer")
            _, version, size, limit, _, required = HELLO.unpack(MAGIC + self._read(24))
            _check(version > 0, "UNSUPPORTED: no version that is known")
            _check(32 <= size <= 4096 and limit >= EARLY, "PROTOCOL: a malformed hello")
            _check(required == 0, "UNSUPPORTED: the peer requires features")
            self._read(size - 32)
            self.limit = limit

    def send(self, message):
        if len(message) > EARLY:
            self.hello()  # early ones need not wait for the peer's limit
        _check(len(message) <= max(self.limit or 0, EARLY), "TOO_BIG: above the peer's limit")
        self._frame(MESSAGE, message)

    def finish(self):
        self._frame(FINISH)
    def close(self):
        self._frame(CLOSE, b"\0")
        self.stream.close()
        self.sock.close()

    def receive(self):
        """The next message, or None when the peer has finished or said goodbye."""
        self.hello()
        while not self.ended:
            size, kind, flags, reserved = HEADER.unpack(self._read(HEADER.size))
            known = kind == MESSAGE or kind >= 128 or LENGTHS.get(kind) == size
            _check(known and not flags and not reserved, "PROTOCOL: a malformed frame")
            _check(size <= ACCEPTED, "TOO_BIG: more than we accept")
            payload = self._read(size)
            if kind == MESSAGE: return payload
            if kind == PING: self._frame(PONG, payload)
            if kind == CLOSE and payload[0] != 0:
                raise ValueError(REASONS.get(payload[0], "PROTOCOL") + ": so the peer closed")
            self.ended = kind in (FINISH, CLOSE)

def _check(held, text):
    if not held:
        raise ValueError(text)

def connect(path, timeout=5.0):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(timeout)
    sock.connect(path)
    return Client(sock)

if __name__ == "__main__":
    client = connect(sys.argv[1])
    for text in sys.argv[2:]: client.send(os.fsencode(text))
    client.finish()
    while (reply := client.receive()) is not None:
        sys.stdout.buffer.write(reply + b"\n")
