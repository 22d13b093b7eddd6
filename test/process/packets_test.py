#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat's packets and python3's SOCK_SEQPACKET, each as server and as client of the other.
Usage: packets_test.py [path of leat] [test names]; packets_peer lies beside leat.
"""
import os
import socket

from support import DEADLINE, Background, Skip, accept, main, test, wait_until

SIZES = (1, 100, 0, 4096, 65536, 65537, 100 * 1024, 0, 7)


def content(size):
    return bytes((i * 7 + size) & 255 for i in range(min(size, 256))) * (size // 256 + 1)


def packet(size):
    return content(size)[:size]


def line(data):
    total = 2166136261
    for byte in data:
        total = ((total ^ byte) * 16777619) & 0xFFFFFFFF
    return "%d %08x" % (len(data), total)


def start(place, *words):
    program = os.path.join(os.path.dirname(os.path.abspath(place.leat_path)), "packets_peer")
    if not os.path.exists(program):
        raise Skip("packets_peer is not beside leat")
    return place.start([program, *words])


def seqpacket():
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(DEADLINE)
    return sock


def dial(place, *words):
    """A server of leat's, and a connection to it."""
    address = place.file("leat")
    place.listening(address, start(place, "serve", address, *words))
    conn = seqpacket()
    conn.connect(address)
    return conn


def receive(conn):
    """One packet, whole; the end looks like an empty one."""
    data, _, flags, _ = conn.recvmsg(1 << 20)
    assert not flags & socket.MSG_TRUNC
    return data


@test
def python_client(place):
    conn = dial(place)
    for size in SIZES:
        conn.send(packet(size))
        assert receive(conn) == packet(size), size
    for size in SIZES:
        conn.send(packet(size))
    for size in SIZES:
        assert receive(conn) == packet(size), size
    conn.close()


@test
def python_client_with_half_close(place):
    """Everything is given back behind the half-close, and then the end."""
    conn = dial(place)
    for size in SIZES:
        conn.send(packet(size))
    conn.shutdown(socket.SHUT_WR)
    for size in SIZES:
        assert receive(conn) == packet(size), size
    assert receive(conn) == b"" and receive(conn) == b""
    conn.close()


@test
def python_client_finishes_with_an_empty_packet(place):
    conn = dial(place, "--finish")
    for size in (100, 100 * 1024):
        conn.send(packet(size))
    conn.send(b"")
    for size in (100, 100 * 1024):
        assert receive(conn) == packet(size), size
    assert receive(conn) == b""
    conn.close()


@test
def python_client_with_a_small_buffer(place):
    """What a short read cuts off is lost, as with any peer; the next packet is whole."""
    conn = dial(place)
    conn.send(packet(1000))
    conn.send(packet(7))
    data, _, flags, _ = conn.recvmsg(10)
    assert data == packet(1000)[:10] and flags & socket.MSG_TRUNC
    assert receive(conn) == packet(7)
    conn.close()


@test
def python_client_that_sends_descriptors(place):
    """They are dropped, and the packets that brought them are as good as others."""
    def held():
        return len(os.listdir("/proc/%d/fd" % place.processes[-1].pid))

    conn = dial(place)
    conn.send(packet(1))
    assert receive(conn) == packet(1)
    before = held()
    for _ in range(50):
        try:
            with open(os.devnull, "rb") as file:
                socket.send_fds(conn, [packet(100)], [file.fileno()])
        except PermissionError:  # where the system knows, leat lets nobody send them
            conn.send(packet(100))
        assert receive(conn) == packet(100)
        wait_until(lambda: held() == before, "it keeps what came")  # a thread closes that
    conn.close()


@test
def python_client_of_bytes(place):
    """A stream cannot connect there; who comes next is served."""
    conn = dial(place)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        stream.connect(place.file("leat"))
        raise AssertionError("a stream was connected to a server of packets")
    except OSError as error:
        assert "wrong type" in error.strerror, error
    stream.close()
    conn.send(b"served")
    assert receive(conn) == b"served"
    conn.close()


def serve_once(server, wanted, empty_is_end):
    """Takes the packets, answers each, and ends as its peer did."""
    conn = accept(server)
    for size in wanted:
        assert receive(conn) == packet(size), size
    assert receive(conn) == b""
    for size in wanted:
        conn.send(packet(size))
    if empty_is_end:
        conn.send(b"")
        assert receive(conn) == b""
    conn.close()


@test
def python_server(place):
    server = seqpacket()
    server.bind(place.file("python"))
    server.listen(8)
    for words, sizes in (((), SIZES), (("--finish",), (100, 100 * 1024, 1))):
        thread = Background(serve_once, server, sizes, bool(words))
        process = start(place, "connect", place.file("python"), *words, *map(str, sizes))
        out, err = process.communicate(timeout=DEADLINE)
        thread.result()
        assert process.returncode == 0, err
        wanted = [line(packet(size)) for size in sizes] + ["end FINISHED"]
        assert out.decode().split("\n")[:-1] == wanted, out
    server.close()


@test
def python_server_that_vanishes(place):
    """Killed in mid-talk: the client hears of it at once."""
    server = seqpacket()
    server.bind(place.file("python"))
    server.listen(8)
    process = start(place, "connect", place.file("python"), "5")
    conn = accept(server)
    assert conn.recv(10, socket.MSG_PEEK) == packet(5)
    conn.send(b"one")
    conn.close()  # over an unread packet
    out, err = process.communicate(timeout=DEADLINE)
    lines = out.decode().split("\n")
    assert lines[:-1] == [line(b"one"), "end BROKEN"], (out, err)
    server.close()
    wait_until(lambda: process.poll() == 0, "the client stays")


if __name__ == "__main__":
    main("packets and python3")
