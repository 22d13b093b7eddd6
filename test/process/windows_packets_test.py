#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat's packets and peers that are made of Windows calls alone (windows_peer.c): pipes of
messages, as a server and as a client.

usage: sh test/wine.sh --script python3 test/process/windows_packets_test.py \
       build-windows/leat.exe [test names]
"""
import os
import sys

from support import main, test, wait_until
from windows_peer_kit import Driver, Peer, peer_serves, serve

MORE_DATA = 234
ENDED = 109


def client(place, pipe, *steps):
    peer = Peer(place, pipe, "open", "mode-messages", *steps)
    peer.did("open")
    peer.did("mode-messages")
    return peer


def moved(peer, step, size, error=0):
    line = peer.did(step, error)
    assert line["bytes"] == size, (step, line)


@test
def client_keeps_boundaries(place):
    """What it writes comes back as it was cut, empty messages too."""
    server, pipe = serve(place, "--packets", "--echo")
    peer = client(place, pipe, "bytes:1", "bytes:5000", "zero:1", "bytes:65537", "part:70001",
                  "part:70002", "part:70003", "part:70004", "close")
    moved(peer, "part:70001", 1)
    moved(peer, "part:70002", 5000)
    moved(peer, "part:70003", 0)
    moved(peer, "part:70004", 65537)
    assert peer.leave() == 0, peer.lines()
    closed = server.told("CLOSED")
    assert closed["error"] == "CLOSED", closed
    server.end()


@test
def client_with_a_small_buffer(place):
    """A message longer than its reader's buffer is read in parts, by Windows' own rules."""
    server, pipe = serve(place, "--packets", "--echo")
    peer = client(place, pipe, "bytes:300000", "part:4096", "part:400000", "bytes:7", "part:100",
                  "close")
    moved(peer, "part:4096", 4096, MORE_DATA)
    moved(peer, "part:400000", 300000 - 4096)
    moved(peer, "part:100", 7)
    peer.leave()
    server.told("CLOSED")
    server.end()


@test
def client_that_finishes(place):
    """go-winio's CloseWrite is an empty message, and its reader takes one for the end."""
    server, pipe = serve(place, "--packets", "--finish", "--echo")
    peer = client(place, pipe, "bytes:1000", "zero:1", "part:2001", "part:2002", "end")
    moved(peer, "part:2001", 1000)
    moved(peer, "part:2002", 0)
    peer.did("end", ENDED)
    server.told("FINISHED")
    assert server.told("CLOSED")["error"] == "OK"
    peer.leave()
    server.end()


@test
def client_that_reads_bytes(place):
    """Whoever does not ask for messages reads bytes: that is its own affair."""
    server, pipe = serve(place, "--packets", "--echo")
    peer = Peer(place, pipe, "open", "echo:5000", "close")
    peer.did("echo:5000")
    assert peer.leave() == 0, peer.lines()
    server.told("CLOSED")
    server.end()


@test
def client_whose_write_is_given_up(place):
    """A deaf server never reads it: nothing of it comes, and the next client is served."""
    server, pipe = serve(place, "--packets", "--deaf")
    peer = client(place, pipe, "pend-write:300000", "cancel", "zero:1", "wait")
    peer.did("pend-write:300000", 997)
    peer.did("cancel")
    peer.did("zero:1")
    server.told("ACCEPTED", n=1)
    assert server.report()["read"] == 0
    other = client(place, pipe, "wait")
    server.told("ACCEPTED", n=2)
    for one in (peer, other):
        one.say("")
        one.leave()
    server.told("HANGUP")
    server.end()


@test
def server_keeps_boundaries(place):
    peer, name = peer_serves(place, "accept", "part:20001", "part:100", "part:20002", "part:20003",
                             "bytes:3", "zero:1", "bytes:200000", "wait", "close",
                             create="create-messages")
    driver = Driver(place, "connect", name, "--packets", "--flood")
    driver.told("CONNECTED")
    moved(peer, "part:20001", 16384)
    moved(peer, "part:100", 100, MORE_DATA)
    moved(peer, "part:20002", 16284)
    moved(peer, "part:20003", 16384)
    peer.did("bytes:200000")
    wait_until(lambda: driver.report()["read"] == 200003, "not all was read")
    peer.say("")
    closed = driver.told("CLOSED")
    assert closed["error"] == "BROKEN" and closed["undelivered"] > 0, closed
    peer.leave()
    driver.end()


@test
def server_that_ends(place):
    peer, name = peer_serves(place, "accept", "bytes:10", "zero:2", "close",
                             create="create-messages")
    driver = Driver(place, "connect", name, "--packets")
    assert driver.told("CLOSED")["error"] == "CLOSED"
    assert driver.count("FINISHED") == 1
    assert driver.report()["read"] == 10
    assert peer.leave() == 0, peer.lines()
    driver.end()


@test
def server_of_bytes(place):
    """No packets come from there: leat does not talk to it."""
    peer, name = peer_serves(place, "wait")
    driver = Driver(place, "connect", name, "--packets")
    closed = driver.told("CLOSED")
    assert closed["error"] == "REFUSED", closed
    driver.end()
    peer.say("")
    peer.leave()


if __name__ == "__main__":
    if "LEAT_WINE" not in os.environ:
        sys.exit("run it by: sh test/wine.sh --script python3 test/process/windows_packets_test.py")
    main("packets and Windows peers")
