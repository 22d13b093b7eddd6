#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat on Windows and peers that are foreign, broken, hostile or killed. They are made of Windows
calls alone (windows_peer.c); leat is windows_driver.c, which prints what it is told, or leat.exe.

usage: sh test/wine.sh --script python3 test/process/windows_peer_test.py build-windows/leat.exe
       [test names]

LEAT_DEEP=1 connects and leaves 10,000 times instead of 2,000.
"""
import os
import sys

from support import MIB, main, same, test, wait_until
from windows_peer_kit import (Command, Driver, Peer, at_rest, good_client, good_messages_client,
                              in_time, kill, new_name, peer_serves, pipe_of, serve)
from windows_support import needs_wine

DEEP = os.environ.get("LEAT_DEEP") == "1"
STALL_MS = 1500
HALF_MESSAGE = "0500000001000000" "6162"  # five bytes are promised, two come
GARBAGE = "474554202f20485454502f312e310d0a0d0a"
GROWTH_BYTES = MIB
OUTBOX = 4 * MIB  # leat.h's default
HANDLES_MORE = 2  # of the system's own, which come and go


# ---- Never reads ---------------------------------------------------------------------------------


@test
def client_that_never_reads(place):
    """Its server writes until nothing more fits, and cuts it off; another client is served."""
    server, pipe = serve(place, "--flood", "--stall", str(STALL_MS))
    before = server.report()
    peer = Peer(place, pipe, "open", "wait")
    opened = peer.did("open")
    closed = server.told("CLOSED")
    assert closed["error"] == "TIMEOUT" and closed["undelivered"] > 0, closed
    took = closed["at"] - opened["at"]
    assert STALL_MS - 50 <= took <= 2 * STALL_MS + 1000, took
    assert server.report()["hub_memory"] - before["hub_memory"] < 2 * MIB
    second = Peer(place, pipe, "open", "read:1000000", "close")
    second.did("read:1000000")
    server.end()


@test
def server_that_never_reads(place):
    for protocol in ([], ["--messages"]):
        peer, name = peer_serves(place, "accept", *(["hello"] if protocol else []), "wait")
        client = Driver(place, "connect", name, "--flood", "--stall", str(STALL_MS), *protocol)
        began = client.told("CONNECTED")
        closed = client.told("CLOSED")
        assert closed["error"] == "TIMEOUT" and closed["undelivered"] > 0, closed
        assert STALL_MS - 50 <= closed["at"] - began["at"] <= 2 * STALL_MS + 1000, closed
        client.end()
        peer.say("")
        peer.leave()


@test
def echo_to_a_client_that_never_reads(place):
    """The server stops reading as well, so what it holds is bounded; then the client goes."""
    server, pipe = serve(place, "--echo", "--stall", "60000")
    peer = Peer(place, pipe, "open", "pend-write:16777216", "wait")
    peer.did("pend-write:16777216", error=997)
    held = []

    def still():
        held.append(server.report()["read"])
        return len(held) > 20 and held[-1] == held[-20] > 0

    wait_until(still, "the server goes on reading")
    report = server.report()
    at_rest(server)
    assert report["hub_memory"] < OUTBOX + 2 * MIB, report
    assert report["read"] < OUTBOX + 2 * MIB, report
    at = kill(place, peer)
    server.noticed(at)
    server.once("CLOSED")
    good_client(place, pipe)
    server.end()


@test
def echo_that_is_paused_and_cut_off(place):
    """A program that pauses a connection until WRITABLE hears of its end all the same."""
    server, pipe = serve(place, "--echo", "--stall", str(STALL_MS))
    peer = Peer(place, pipe, "open", "pend-write:16777216", "wait")
    began = peer.did("pend-write:16777216", error=997)
    closed = server.told("CLOSED")
    assert closed["error"] == "TIMEOUT", closed
    assert closed["at"] - began["at"] <= 2 * STALL_MS + 1000, closed
    good_client(place, pipe)
    server.end()


@test
def cut_off_with_a_write_waiting_and_bytes_unread(place):
    """The connection is over, and stays until its bytes are read or it is closed; the write that
    the system still held is given back meanwhile. What was not delivered is counted once."""
    server, pipe = serve(place, "--flood", "--hold", "--stall", str(STALL_MS))
    peer = Peer(place, pipe, "open", "bytes:1000", "wait")
    peer.did("bytes:1000")
    server.told("ACCEPTED")
    wait_until(lambda: server.report()["last"] == "ENDED", "it is never cut off")
    at_rest(server)
    assert server.report()["last"] == "ENDED"
    server.say("close")
    told = server.told("CLOSE_REPORT")
    assert told["error"] == "TIMEOUT" and 0 < told["undelivered"] <= OUTBOX, told
    good = Peer(place, pipe, "open", "read:100000", "close")
    good.did("read:100000")
    server.end()


# ---- Half a frame, garbage -----------------------------------------------------------------------


@test
def half_a_frame_and_silence(place):
    server, pipe = serve(place, "--messages", "--echo", "--partial", "1000")
    peer = Peer(place, pipe, "open", "hello", "hex:" + HALF_MESSAGE, "end")
    began = peer.did("hex:" + HALF_MESSAGE)
    closed = server.told("CLOSED")
    assert closed["error"] == "TIMEOUT", closed
    assert 900 <= closed["at"] - began["at"] <= 2500, (began, closed)
    assert peer.did("end", error=109)["bytes"] == 32 + 8 + 1
    good_messages_client(place, "pipe:" + pipe.split("\\")[-1])
    server.end()


@test
def half_a_frame_and_gone(place):
    for steps in (("hello", "hex:" + HALF_MESSAGE), ("hello", "hex:0500"), ("hello",)):
        server, pipe = serve(place, "--messages", "--echo")
        peer = Peer(place, pipe, "open", *steps, "wait")
        peer.did(steps[-1])
        server.told("ACCEPTED")
        at = kill(place, peer)
        closed = server.told("CLOSED")
        assert closed["error"] == "BROKEN", closed
        in_time(closed, at)
        good_messages_client(place, "pipe:" + pipe.split("\\")[-1])
        server.end()


@test
def half_a_frame_from_a_server(place):
    peer, name = peer_serves(place, "accept", "hello", "hex:" + HALF_MESSAGE, "wait", "close")
    client = Driver(place, "connect", name, "--messages", "--partial", "1000")
    client.told("CONNECTED")
    closed = client.told("CLOSED")
    assert closed["error"] == "TIMEOUT", closed
    client.end()
    peer.say("")
    peer.leave()


@test
def garbage_instead_of_a_hello(place):
    """The server's user never hears of it; the peer gets hello and CLOSE with PROTOCOL's code."""
    server, pipe = serve(place, "--messages", "--echo", "--handshake", "1000")
    for steps, most, code in ((("hex:" + GARBAGE,), 2000, 1), (("hex:6c6561",), 3000, 5)):
        peer = Peer(place, pipe, "open", *steps, "read:32", "end")
        began = peer.did(steps[-1])
        ended = peer.did("end", error=109)
        in_time(ended, began["at"], most)
        assert ended["bytes"] == 9, (code, ended)
        peer.leave()
    good_messages_client(place, "pipe:" + pipe.split("\\")[-1])
    assert server.count("ACCEPTED") == 1, server.lines()
    server.end()


@test
def garbage_from_a_server(place):
    peer, name = peer_serves(place, "accept", "hex:" + GARBAGE, "wait", "close")
    client = Driver(place, "connect", name, "--messages")
    closed = client.told("CLOSED")
    assert closed["error"] == "PROTOCOL", closed
    client.end()
    peer.say("")
    peer.leave()


@test
def server_that_says_nothing(place):
    peer, name = peer_serves(place, "accept", "wait", "close")
    client = Driver(place, "connect", name, "--messages", "--timeout", "1000")
    closed = client.told("CLOSED")
    assert closed["error"] == "TIMEOUT", closed
    client.end()
    peer.say("")
    peer.leave()


# ---- Pipes that are not as we make them ----------------------------------------------------------


@test
def server_of_messages(place):
    """A pipe of messages cuts and joins what is written: leat does not talk to one."""
    for protocol in ([], ["--messages"]):
        peer, name = peer_serves(place, "wait", create="create-messages")
        client = Driver(place, "connect", name, *protocol)
        closed = client.told("CLOSED")
        assert closed["error"] == "REFUSED", closed
        client.end()
        peer.say("")
        peer.leave()


@test
def server_that_nobody_owns(place):
    """wine gives a pipe without a descriptor no owner; who is unknown is not trusted."""
    needs_wine("only there a pipe has no owner")
    peer, name = peer_serves(place, "wait", create="create-plain")
    client = Driver(place, "connect", name)
    closed = client.told("CLOSED")
    assert closed["error"] == "UNTRUSTED" and closed["operation"] == "identify", closed
    client.end()
    peer.say("")
    peer.leave()


@test
def client_that_reads_messages(place):
    """It may not: our pipes are of bytes. It is served all the same."""
    server, pipe = serve(place, "--echo")
    peer = Peer(place, pipe, "open", "mode-messages", "echo:5000", "close")
    peer.did("mode-messages", error=87)
    peer.did("echo:5000")
    server.told("CLOSED")
    server.end()


@test
def client_with_one_right(place):
    """One that can only read, or only write, holds up nobody and is gone when it goes."""
    server, pipe = serve(place, "--echo", "--stall", str(STALL_MS))
    reader = Peer(place, pipe, "open-read", "bytes:10", "wait")
    reader.did("open-read")
    reader.did("bytes:10", error=5)
    server.told("ACCEPTED")
    writer = Peer(place, pipe, "open-write", "bytes:300000", "wait")
    writer.did("open-write")
    server.told("ACCEPTED", n=2)
    good_client(place, pipe)
    at = kill(place, reader)
    server.noticed(at, n=1)
    closed = server.once("CLOSED", n=2)
    assert closed["error"] == "TIMEOUT", closed
    writer.say("")
    writer.leave()
    good_client(place, pipe)
    server.end()


@test
def handshake_with_one_right(place):
    server, pipe = serve(place, "--messages", "--echo", "--handshake", "1000")
    reader = Peer(place, pipe, "open-read", "end")
    reader.did("open-read")
    reader.did("end", error=109)
    writer = Peer(place, pipe, "open-write", "hello", "wait")
    writer.did("hello")
    good_messages_client(place, "pipe:" + pipe.split("\\")[-1])
    at = kill(place, writer)
    wait_until(lambda: server.report()["open"] == 0, "the writer's connection stays")
    in_time(server.report(), at, 3000)
    server.end()


@test
def writes_of_nothing(place):
    """They are no end of the stream, no event, and no work for ever."""
    server, pipe = serve(place, "--echo")
    peer = Peer(place, pipe, "open", "zero:2000", "echo:1000", "zero:1000", "wait", "echo:1000",
                "close")
    peer.did("echo:1000")
    peer.did("zero:1000")
    assert server.count("CLOSED") == 0 and server.count("FINISHED") == 0, server.lines()
    at_rest(server)
    peer.say("")
    peer.did("echo:1000")
    assert peer.leave() == 0, peer.lines()
    server.told("CLOSED")
    server.end()


# ---- Many ----------------------------------------------------------------------------------------


@test
def connects_and_leaves(place):
    """As many instances, handles and bytes as before."""
    count = 10000 if DEEP else 2000
    server, pipe = serve(place, "--echo", "--quiet")
    warm = Peer(place, pipe, "churn:200")
    warm.did("churn:200")
    good_client(place, pipe)
    wait_until(lambda: server.report()["open"] == 0, "connections stay open")
    before = server.report()
    peer = Peer(place, pipe, "churn:%d" % count)
    assert peer.did("churn:%d" % count)["bytes"] == count
    good_client(place, pipe)
    wait_until(lambda: server.report()["open"] == 0, "connections stay open")
    after = server.report()
    assert server.count("LISTEN_ERROR") == 0, server.lines()
    assert after["handles"] <= before["handles"] + HANDLES_MORE, (before, after)
    assert after["memory"] <= before["memory"] + GROWTH_BYTES, (before, after)
    assert after["hub_memory"] <= before["hub_memory"] + 65536, (before, after)
    # Four instances are armed as before: four clients get in while nobody takes them over.
    crowd = Peer(place, pipe, "crowd:4")
    assert crowd.did("crowd:4")["bytes"] == 4000
    server.end()


@test
def messages_connects_and_leaves(place):
    """Clients that never shake hands are never announced, and leave nothing."""
    server, pipe = serve(place, "--messages", "--echo", "--quiet")
    Peer(place, pipe, "churn:100").did("churn:100")
    before = server.report()
    peer = Peer(place, pipe, "churn:500")
    peer.did("churn:500")
    good_messages_client(place, "pipe:" + pipe.split("\\")[-1])
    wait_until(lambda: server.report()["open"] == 0, "the good client stays")
    after = server.report()
    assert after["opened"] == 1, after
    assert after["handles"] <= before["handles"] + HANDLES_MORE, (before, after)
    assert after["memory"] <= before["memory"] + GROWTH_BYTES, (before, after)
    server.end()


@test
def crowd_at_few_instances(place):
    """64 clients at once, while four can wait: all are served."""
    server, pipe = serve(place, "--echo", "--quiet", "--backlog", "4")
    peer = Peer(place, pipe, "crowd:64")
    assert peer.did("crowd:64")["bytes"] == 64 * 1000
    assert peer.leave() == 0
    wait_until(lambda: server.report()["ended"] == 64, "connections stay open")
    assert server.report()["opened"] == 64
    server.end()


# ---- Killed with I/O pending ---------------------------------------------------------------------


def killed_client(place, words, *steps):
    server, pipe = serve(place, *words)
    before = server.report()
    for number, script in enumerate((steps, ()), 1):
        peer = Peer(place, pipe, "open", *script, "wait")
        peer.did(script[-1] if script else "open", error=997 if script else 0)
        server.told("ACCEPTED", n=number)
        at = kill(place, peer)
        server.noticed(at, n=number)
        if "--deaf" not in words:
            in_time(server.once("CLOSED", n=number), at)
    at_rest(server)
    # A server that never reads keeps the ends of both.
    kept = 2 if "--deaf" in words else 0
    after = server.report()
    assert after["handles"] <= before["handles"] + kept + HANDLES_MORE, (before, after)
    server.end()


@test
def client_killed_while_it_reads(place):
    killed_client(place, ["--echo"], "pend-read")


@test
def client_killed_while_it_writes(place):
    """To a server that never reads: the peer's death is noticed all the same."""
    killed_client(place, ["--deaf"], "pend-write:16777216")


@test
def client_killed_while_it_is_written_to(place):
    killed_client(place, ["--echo", "--stall", "60000"], "pend-write:16777216")


@test
def messages_client_killed_in_mid_frame(place):
    """1 MiB is promised, and the server does not read it."""
    server, pipe = serve(place, "--messages", "--deaf")
    peer = Peer(place, pipe, "open", "hello", "hex:0000100001000000", "pend-write:1048576", "wait")
    peer.did("pend-write:1048576", error=997)
    server.told("ACCEPTED")
    server.noticed(kill(place, peer))
    good_messages_client(place, "pipe:" + pipe.split("\\")[-1])
    server.end()


def killed_server(place, client_words, steps):
    peer, name = peer_serves(place, "accept", *steps, "wait")
    client = Driver(place, "connect", name, *client_words)
    client.told("CONNECTED")
    peer.event(lambda line: line.get("step") == steps[-1])
    at = kill(place, peer)
    client.noticed(at)
    if "--deaf" not in client_words:
        in_time(client.once("CLOSED"), at)
    client.end()
    return client


@test
def server_killed_while_it_reads(place):
    killed_server(place, [], ["pend-read"])


@test
def server_killed_with_a_write_of_ours_waiting(place):
    client = killed_server(place, ["--flood", "--stall", "60000"], ["accept"])
    closed = [line for line in client.lines() if line.get("event") == "CLOSED"]
    assert len(closed) == 1 and closed[0]["undelivered"] > 0, client.lines()
    assert closed[0]["error"] == "BROKEN", closed


@test
def server_killed_while_it_writes(place):
    killed_server(place, ["--deaf"], ["pend-write:16777216"])


@test
def messages_server_killed(place):
    client = killed_server(place, ["--messages"], ["hello", "pend-read"])
    closed = [line for line in client.lines() if line.get("event") == "CLOSED"]
    assert [line["error"] for line in closed] == ["BROKEN"], client.lines()


@test
def server_killed_and_restarted(place):
    """Clients that wait for a server find it, lose it, and all find its successor."""
    name, count = new_name(), 16
    clients = Driver(place, "connect", name, "--messages", "--wait", "--timeout", "60000",
                     "--again", "--count", str(count))
    first, _ = serve(place, "--messages", "--echo", name=name)
    clients.told("CONNECTED")
    kill(place, first)
    second, _ = serve(place, "--messages", "--echo", name=name)
    wait_until(lambda: clients.report()["open"] == count and second.report()["open"] == count,
               "not all have connected")
    errors = {line["error"] for line in clients.lines() if line.get("event") == "CLOSED"}
    assert errors == {"BROKEN"}, errors  # of one at least, which had connected
    clients.end()
    wait_until(lambda: second.report()["open"] == 0, "connections stay open")
    second.end()


# ---- Somebody else at our name -------------------------------------------------------------------


@test
def squatter(place):
    """A second server at our name takes clients away: noticed, and told once."""
    server, pipe = serve(place, "--echo")
    good_client(place, pipe)
    squatter = Peer(place, pipe, "create", "wait", "close")
    squatter.did("create")

    def told():
        client = Peer(place, pipe, "open", "wait")
        client.did("open")
        clients.append(client)
        return server.count("LISTEN_ERROR") > 0

    clients = []
    wait_until(told, "nobody is told of the squatter")
    assert len(clients) <= 4, len(clients)
    wrong = server.told("LISTEN_ERROR")
    assert wrong["error"] == "SQUATTED", wrong
    for client in clients:
        client.say("")
        client.leave()
    squatter.say("")
    squatter.leave()
    good_client(place, pipe)
    assert server.count("LISTEN_ERROR") == 1, server.lines()
    server.end()


@test
def plain_name_in_use(place):
    """A plain name that somebody holds already is not shared."""
    plain = "leat-peer-%d" % os.getpid()
    server, pipe = serve(place, "--echo", name=plain)
    assert "\\leat\\S-1-" in pipe, pipe
    good_client(place, pipe)
    server.end()
    squatter = Peer(place, pipe, "create", "wait")
    squatter.did("create")
    late = Driver(place, "serve", plain, "--echo")
    failed = late.told("failed")
    assert failed["error"] == "IN_USE", failed
    squatter.say("")
    squatter.leave()


# ---- The command ---------------------------------------------------------------------------------


def command_serves(place, name, *words):
    """leat.exe serve, when clients can come."""
    server = Command(place, "serve", name, *words)
    Peer(place, pipe_of(name), "open-when-there", "close").did("open-when-there")
    return server


@test
def command_serves_after_bad_clients(place):
    name = new_name()
    pipe = pipe_of(name)
    command_serves(place, name, "--echo", "--stall", "1s")
    Peer(place, pipe, "churn:200").did("churn:200")
    deaf = Peer(place, pipe, "open", "pend-write:16777216", "wait")
    deaf.did("pend-write:16777216", error=997)
    killed = Peer(place, pipe, "open", "pend-read", "wait")
    killed.did("pend-read", error=997)
    kill(place, killed)
    kill(place, deaf)
    good_client(place, pipe)
    crowd = Peer(place, pipe, "crowd:64")
    assert crowd.did("crowd:64")["bytes"] == 64000


@test
def command_serves_messages_after_bad_clients(place):
    name = new_name()
    command_serves(place, name, "--echo", "--messages")
    for steps in (("hex:" + GARBAGE,), ("hello", "hex:" + HALF_MESSAGE), ("hello", "zero:100")):
        peer = Peer(place, pipe_of(name), "open", *steps, "wait")
        peer.did(steps[-1])
        kill(place, peer)
    code, out, err = Command(place, "send", name, "still there", "--messages", "--expect",
                             "1").wait()
    assert code == 0, err
    same(out.replace(b"\r", b""), b"still there\n")


@test
def command_and_bad_servers(place):
    """Exit codes: 3 not found, 4 refused, 6 timeout."""
    peer, name = peer_serves(place, "wait", create="create-messages")
    code, _, err = Command(place, "connect", name).wait()
    assert code == 4, (code, err)
    peer.say("")
    peer.leave()

    peer, name = peer_serves(place, "accept", "wait")
    code, _, err = Command(place, "send", name, "x", "--messages", "--expect", "1", "--timeout",
                           "1s").wait()
    assert code == 6, (code, err)
    peer.say("")
    peer.leave()

    peer, name = peer_serves(place, "accept", "wait")
    code, _, err = Command(place, "connect", name, "--stall", "1s", input=bytes(4 * MIB)).wait()
    assert code == 6, (code, err)
    peer.say("")
    peer.leave()

    code, _, err = Command(place, "connect", name).wait()
    assert code == 3, (code, err)


@test
def command_and_a_server_that_dies(place):
    peer, name = peer_serves(place, "accept", "hello", "read:32", "wait")
    client = Command(place, "send", name, "x", "--messages", "--expect", "1", "--timeout", "30s")
    peer.did("read:32")
    kill(place, peer)
    code, _, err = client.wait()
    assert code == 9, (code, err)


if __name__ == "__main__":
    if "LEAT_WINE" not in os.environ:
        sys.exit("run it by: sh test/wine.sh --script python3 test/process/windows_peer_test.py")
    main("hostile Windows peers")
