#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The leat command as people and scripts meet it: every verb, option, exit code; bad input,
signals, limits. Usage: command_test.py [path of leat] [test names].
"""
import base64
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import tty

import command_access  # noqa: F401: its tests are among ours
import command_words  # noqa: F401: as are these
from support import (DEADLINE, MIB, Background, Skip, accept, big, dial, expect, listen,
                     main, read_all, same, sha, test, wait_until)

COMMANDS = ("serve", "connect", "send", "wait-for", "path", "who", "doctor", "version")
HELLO = b"leat\r\n\x1a\n"
HANG = "exec sleep 1000"  # a command that is meant to hang: who started it ends it


def end(process, code=0, number=signal.SIGTERM):
    process.send_signal(number)
    got = process.wait(DEADLINE)
    assert got == code, "exit %r; errors: %r" % (got, process.stderr.read())


def leftovers(place):
    found = []
    for folder, _, names in os.walk(place.run):
        found += [os.path.join(folder, name) for name in names]
    return found


def memory_peak(process):
    """Resident bytes at the highest, without what a sanitizer or valgrind adds."""
    with open("/proc/%d/exe" % process.pid, "rb") as file:
        program = file.read()
        if any(mark in program for mark in (b"__asan_init", b"__tsan_init", b"Memcheck")):
            return 16 * MIB  # tells nothing about leat; the bounds are shown by the plain build
    with open("/proc/%d/status" % process.pid) as status:
        for row in status:
            if row.startswith("VmHWM:"):
                return int(row.split()[1]) * 1024
    raise AssertionError("no VmHWM")


# ---- version, help, usage ----------------------------------------------------------------------


@test
def version(place):
    code, out, _ = expect(place.leat("version"), 0)
    text = out.decode().split()
    assert text[0] == "leat" and text[1].count(".") == 2
    assert json.loads(place.leat("version", "--json")[1])["version"] == text[1]
    expect(place.leat("--version"), 0, out)


@test
def help_texts(place):
    _, overview, _ = expect(place.leat("help"), 0)
    expect(place.leat("--help"), 0, overview)
    for command in COMMANDS:
        assert command.encode() in overview
        _, out, _ = expect(place.leat(command, "--help"), 0)
        assert b"Example" in out and b"leat " + command.encode() in out, out
        expect(place.leat("help", command), 0, out)
    expect(place.leat("help", "nonsense"), 2)


@test
def usage_mistakes(place):
    for words in (
        [], ["nonsense"], ["serve"], ["connect"], ["send"], ["wait-for"], ["path"],
        ["send", "x"], ["send", "x", "y", "--expect"], ["send", "x", "y", "--expect", "z"],
        ["send", "x", "y", "--expect", "-1"], ["send", "x", "y", "--expect", "9" * 20],
        ["send", "x", "y", "--timeout", "2"], ["send", "x", "y", "--timeout", "s"],
        ["send", "x", "y", "--timeout", "2sec"], ["send", "x", "y", "--timeout", "-2s"],
        ["send", "x", "y", "--timeout", "99999999h"], ["send", "x", "y", "--timeout="],
        ["send", "x", "y", "--echo"], ["connect", "x", "--keep-open"], ["connect", "x", "y"],
        ["connect", "x", "--nonsense"], ["connect", "x", "-n"], ["connect", "x", "--wait=1"],
        ["serve", "x", "--echo", "--exec", "true"], ["serve", "x", "--exec"],
        ["serve", "x", "--exec="], ["serve", "x", "--timeout", "1s"],
        ["serve", "x", "--echo", "--keep-open"], ["serve", "x", "--bytes", "--messages"],
        ["serve", "x", "--echo", "--after-end", "1s"], ["connect", "x", "--after-end", "1"],
        ["wait-for", "x", "--after-end", "1s"], ["wait-for", "x", "--quiet"],
        ["send", "x", "y", "--quiet"],
        ["path", "x", "y"], ["path", "x", "--quiet"], ["version", "x"],
    ):
        code, out, err = place.leat(*words)
        assert code == 2 and out == b"" and b"help" in err, (words, code, out, err)
    for words in (["send", "--json", "--bogus"], ["wait-for", "--json"], ["path", "--json"]):
        shown = json.loads(expect(place.leat(*words), 2, err=b"help")[1])
        assert shown["error"] == "ARGUMENT" and shown["exit"] == 2, shown


# ---- names -------------------------------------------------------------------------------------


@test
def path_of_names(place):
    expect(place.leat("path", "mail"), 0, (place.run + "/leat/mail\n").encode())
    expect(place.leat("path", "/run/x.sock"), 0, b"/run/x.sock\n")
    expect(place.leat("path", "unix:/run/x.sock"), 0, b"/run/x.sock\n")
    expect(place.leat("path", "unix:@x"), 0, b"@x\n")
    shown = json.loads(expect(place.leat("path", "mail", "--json"), 0)[1])
    assert shown == {"name": "mail", "address": "unix:%s/leat/mail" % place.run,
                     "path": place.run + "/leat/mail"}, shown
    shown = json.loads(place.leat("path", "unix:@x", "--json")[1])
    assert shown["abstract"] == "x" and "path" not in shown, shown
    odd = '/run/"quoted"\\ \u00fc\u2603'
    shown = json.loads(place.leat("path", odd, "--json")[1])
    assert shown["name"] == odd and shown["path"] == odd, shown


@test
def bad_names(place):
    long_path = "/" + "p" * 200
    for name in ("", "..", "a..b", "../x", ".hidden", "-x", "A", "a b", "a/b", "n" * 65,
                 b"\xff\xfe", b"/tmp/\xff", "/tmp/../x", long_path, "unix:", "unix:x",
                 "unix:@" + "a" * 200, "a\n", "\u00fc",
                 "/tmp/\x1b[2Jx" + "y" * 200):
        for words in (["path", "--"], ["connect", "--"], ["serve", "--echo", "--"]):
            code, out, err = place.leat(*words, name)
            assert code == 2 and out == b"", (words, name, code, out, err)
            assert b"\xff" not in err and b"\x1b" not in err, err
            assert b"name" in err, err
        assert place.leat("send", "--", name, "text")[0] == 2, name
    error = json.loads(place.leat("path", b"\xff\xfe", "--json")[1])
    assert base64.b64decode(error["name_base64"]) == b"\xff\xfe", error
    assert error["error"] == "NAME" and error["exit"] == 2, error
    assert b"too long" in place.leat("path", "n" * 65)[2]
    assert b"too long" in place.leat("path", long_path)[2]
    expect(place.leat("path", "n" * 64), 0)
    assert not leftovers(place), leftovers(place)


@test
def every_form_of_name(place):
    forms = ["plain.name-1_x", place.file("bare.sock"), "unix:" + place.file("explicit.sock"),
             "unix:@leat-test-%d" % os.getpid(), "9" * 64]
    for name in forms:
        server = place.serve(name, "--echo")
        expect(place.leat("send", name, "there?", "--expect", "1"), 0, b"there?\n")
        end(server)
        assert not os.path.exists(place.address(name))


# ---- absent, stale, in use, denied -------------------------------------------------------------


@test
def nobody_there(place):
    for words in (["connect", "absent"], ["send", "absent", "x"],
                  ["connect", place.file("absent")]):
        expect(place.leat(*words), 3, b"")
    code, out, err = place.leat("send", "absent", "x", "--json")
    shown = json.loads(out)
    assert code == 3 and shown["error"] == "NOT_FOUND" and shown["exit"] == 3, shown
    assert shown["command"] == "send" and shown["name"] == "absent", shown
    assert err.startswith(b"leat send: absent: ") and err.count(b"\n") == 1, err
    expect(place.leat("serve", place.file("no/such/folder"), "--echo"), 3)


@test
def stale_socket_is_refused_and_taken_over(place):
    server = place.serve("stale", "--echo")
    server.kill()
    server.wait(DEADLINE)
    assert os.path.exists(place.address("stale"))
    expect(place.leat("connect", "stale"), 4)
    expect(place.leat("send", "stale", "x"), 4)
    server = place.serve("stale", "--echo")
    expect(place.leat("send", "stale", "again", "--expect", "1"), 0, b"again\n")
    end(server)
    assert not leftovers(place), leftovers(place)


@test
def name_in_use(place):
    server = place.serve("used", "--echo")
    expect(place.leat("serve", "used", "--echo"), 7, b"", b"in use")
    expect(place.leat("send", "used", "x", "--expect", "1"), 0, b"x\n")
    end(server)
    foreign = listen(place.file("foreign"))
    expect(place.leat("serve", place.file("foreign"), "--echo"), 7)
    foreign.close()
    with open(place.file("plain"), "w") as plain:
        plain.write("precious")
    expect(place.leat("serve", place.file("plain"), "--echo"), 7)
    with open(place.file("plain")) as plain:
        assert plain.read() == "precious"


def other_user(place):
    """Runs leat as somebody else: as nobody when we are root."""
    if os.geteuid() != 0:
        raise Skip("only root can become another user")
    os.chmod(place.root, 0o711)
    copy = place.file("leat-copy")
    shutil.copy(place.leat_path, copy)
    os.chmod(copy, 0o755)
    return lambda *words, **more: place.start([copy, *words], user=65534, group=65534,
                                              extra_groups=[], cwd="/", **more)


@test
def permission_of_a_folder(place):
    closed = place.file("closed")
    os.mkdir(closed, 0o700)
    name = closed + "/x"
    if os.geteuid() == 0:
        process = other_user(place)("connect", name)
        _, err = process.communicate(b"", DEADLINE)
        code = process.returncode
    else:
        os.chmod(closed, 0)
        code, _, err = place.leat("connect", name)
        os.chmod(closed, 0o700)
    assert code == 5, (code, err)


@test
def another_user_is_refused(place):
    run = other_user(place)
    name = place.file("guarded")
    server = place.serve(name, "--echo")
    os.chmod(name, 0o666)
    process = run("send", name, "let me in", "--expect", "1")
    out, err = process.communicate(b"", DEADLINE)
    assert process.returncode != 0 and out == b"", (process.returncode, out, err)
    end(server)
    server = place.serve(name, "--echo", "--insecure-anyone")
    os.chmod(name, 0o666)
    process = run("send", name, "let me in", "--expect", "1", "--insecure-anyone")
    out, err = process.communicate(b"", DEADLINE)
    assert process.returncode == 0 and out == b"let me in\n", (process.returncode, out, err)


@test
def another_users_server_is_not_trusted(place):
    run = other_user(place)
    os.mkdir(place.file("theirs"))
    os.chown(place.file("theirs"), 65534, 65534)
    name = place.file("theirs/x")
    server = run("serve", name, "--echo")
    place.listening(name, server)
    expect(place.leat("send", name, "secret", "--expect", "1"), 5, b"")
    expect(place.leat("send", name, "hi", "--expect", "1", "--insecure-anyone"), 0, b"hi\n")


# ---- send --------------------------------------------------------------------------------------


@test
def send_modes(place):
    place.serve("echo", "--echo")
    place.serve("messages", "--echo", "--messages")
    expect(place.leat("send", "echo", "hello", "--expect", "1"), 0, b"hello\n")
    expect(place.leat("send", "echo", "a", "b", "--line", "--expect", "2"), 0, b"a\nb\n")
    expect(place.leat("send", "echo", "a\n", "b", "--expect", "2"), 0, b"a\nb\n")
    expect(place.leat("send", "messages", "a", "", "c\nd", "--messages", "--expect", "3"), 0,
           b"a\n\nc\nd\n")
    expect(place.leat("send", "echo", "nothing expected"), 0, b"")
    expect(place.leat("send", "messages", "nothing expected", "--messages"), 0, b"")
    expect(place.leat("send", "echo", "", "--line", "--expect", "1"), 0, b"\n")


@test
def send_large_text(place):
    place.serve("echo", "--echo")
    place.serve("messages", "--echo", "--messages")
    text = ("0123456789abcdef" * 8000)[:120000]
    for words in (["echo"], ["echo", "--line"], ["messages", "--messages"]):
        expect(place.leat("send", *words, *["--expect", "1"], text), 0, text.encode() + b"\n")


@test
def send_json(place):
    place.serve("messages", "--echo", "--messages")
    texts = ["plain", 'quote " backslash \\ tab \t newline \n bell \x07 del \x7f',
             "\u00fc \u2603 \U0001f600", "", b"\xff"]
    _, out, _ = expect(place.leat("send", "messages", *texts, "--messages", "--json", "--expect",
                                  "5"), 0)
    rows = [json.loads(row) for row in out.decode().splitlines()]
    assert [row["n"] for row in rows] == [1, 2, 3, 4, 5], rows
    assert [row.get("reply") for row in rows] == texts[:4] + [None], rows
    assert base64.b64decode(rows[4]["reply_base64"]) == b"\xff", rows
    assert rows[2]["size"] == len(texts[2].encode()), rows


@test
def send_fewer_replies(place):
    place.serve("two", "--exec", "cat > /dev/null; echo one; echo two")
    expect(place.leat("send", "two", "x", "--expect", "2"), 0, b"one\ntwo\n")
    expect(place.leat("send", "two", "x", "--expect", "3"), 9, b"one\ntwo\n")
    code, out, _ = place.leat("send", "two", "x", "--expect", "3", "--json")
    rows = [json.loads(row) for row in out.splitlines()]
    assert code == 9 and rows[1]["reply"] == "two" and rows[2]["exit"] == 9, rows


@test
def send_timeout(place):
    server = listen(place.file("silent"))
    for words in ([], ["--line"], ["--messages"]):
        begun = time.monotonic()
        expect(place.leat("send", place.file("silent"), "x", "--expect", "1", "--timeout", "300ms",
                          *words), 6, b"")
        assert 0.25 < time.monotonic() - begun < 30
    server.close()


# ---- wait-for, --wait --------------------------------------------------------------------------


@test
def wait_for_present_and_absent(place):
    place.serve("here", "--echo")
    expect(place.leat("wait-for", "here"), 0, b"")
    shown = json.loads(expect(place.leat("wait-for", "here", "--json"), 0)[1])
    assert shown["name"] == "here" and shown["listening"] is True and shown["waited_ms"] >= 0, shown
    begun = time.monotonic()
    expect(place.leat("wait-for", "absent", "--timeout", "300ms"), 6, b"")
    assert 0.25 < time.monotonic() - begun < 30
    out = place.leat("wait-for", "absent", "--timeout", "1ms", "--json")[1]
    assert json.loads(out)["error"] == "TIMEOUT", out


@test
def wait_for_late_server(place):
    waiting = place.leat_start("wait-for", "late", "--timeout", "1m", "--", "sh", "-c",
                               "echo ran \"$0\" \"$@\"; exit 42", "a b", "--json")
    assert waiting.poll() is None
    place.serve("late", "--echo")
    out, err = waiting.communicate(b"", DEADLINE)
    assert waiting.returncode == 42 and out == b"ran a b --json\n", (waiting.returncode, out, err)
    expect(place.leat("wait-for", "late", "--", "/no/such/program"), 1, b"")
    expect(place.leat("wait-for", "late", "--"), 0, b"")


@test
def wait_for_stale_name(place):
    server = place.serve("stale", "--echo")
    server.kill()
    server.wait(DEADLINE)
    waiting = place.leat_start("wait-for", "stale", "--timeout", "1m")
    server = place.serve("stale", "--echo")
    assert waiting.wait(DEADLINE) == 0, waiting.stderr.read()


@test
def connect_waits_for_late_server(place):
    client = place.leat_start("connect", "late", "--wait", "--timeout", "1m")
    client.stdin.write(b"early words")
    client.stdin.close()
    client.stdin = None
    place.serve("late", "--echo")
    out, err = client.communicate(None, DEADLINE)
    assert client.returncode == 0 and out == b"early words", (client.returncode, out, err)
    expect(place.leat("connect", "never", "--wait", "--timeout", "200ms"), 6)
    expect(place.leat("send", "never", "x", "--wait", "--timeout", "200ms"), 6)


# ---- connect and serve: bytes, lines, messages -------------------------------------------------


@test
def big_echo(place):
    data = big()
    for words in ([], ["--messages"]):
        name = "echo" + "".join(words).strip("-")
        place.serve(name, "--echo", *words)
        _, out, _ = expect(place.leat("connect", name, *words, input=data), 0)
        assert sha(out) == sha(data), len(out)
        expect(place.leat("connect", name, *words, input=b""), 0, b"")


@test
def big_through_files(place):
    """A regular file as input and as output, which a poll loop treats otherwise than a pipe."""
    data = big()
    with open(place.file("in"), "wb") as file:
        file.write(data)
    place.serve("echo", "--echo")
    with open(place.file("in"), "rb") as source, open(place.file("out"), "wb") as target:
        process = place.leat_start("connect", "echo", stdin=source, stdout=target)
        assert process.wait(DEADLINE) == 0, process.stderr.read()
    with open(place.file("out"), "rb") as file:
        assert sha(file.read()) == sha(data)


@test
def through_sockets(place):
    """Standard input and output that are sockets."""
    data = big(4 * MIB)
    place.serve("echo", "--echo")
    ours, theirs = socket.socketpair()
    process = place.leat_start("connect", "echo", stdin=theirs, stdout=theirs)
    theirs.close()
    sender = Background(lambda: (ours.sendall(data), ours.shutdown(socket.SHUT_WR)))
    assert sha(read_all(ours)) == sha(data)
    sender.result()
    assert process.wait(DEADLINE) == 0
    ours.close()


@test
def serve_standard_streams(place):
    for words in ([], ["--messages"], ["--line"], ["--messages", "--line"]):
        server = place.serve("talk", *words, "--quiet")
        result = Background(server.communicate, b"from the server\n", DEADLINE)
        expect(place.leat("connect", "talk", *words, input=b"from the client\n"), 0,
               b"from the server\n")
        out, err = result.result()
        assert server.returncode == 0 and out == b"from the client\n", (server.returncode, out, err)
        assert not leftovers(place), leftovers(place)


@test
def serve_big_both_ways(place):
    up, down = big(), big(16 * MIB + 12345)[::-1]
    for words in ([], ["--messages"]):
        server = place.serve("talk", *words)
        result = Background(server.communicate, down, DEADLINE)
        _, out, _ = expect(place.leat("connect", "talk", *words, input=up), 0)
        assert sha(out) == sha(down)
        assert sha(result.result()[0]) == sha(up) and server.returncode == 0


@test
def serve_keep_open(place):
    server = place.serve("talk", "--keep-open")
    for n in range(3):
        text = b"client %d\n" % n
        client = place.leat_start("connect", "talk")
        client.stdin.write(text)
        client.stdin.flush()
        same(server.stdout.readline(), text)
        server.stdin.write(b"answer %d\n" % n)
        server.stdin.flush()
        same(client.stdout.readline(), b"answer %d\n" % n)
        client.kill()
        client.wait(DEADLINE)
    server.stdin.close()
    server.stdin = None
    expect(place.leat("connect", "talk", input=b"last"), 0, b"")
    same(server.stdout.read(4), b"last")
    end(server)


@test
def line_messages(place):
    server = place.serve("lines", "--messages", "--line")
    result = Background(server.communicate, b"one\n\nthree, unterminated", DEADLINE)
    expect(place.leat("connect", "lines", "--messages", "--line", input=b"\n\nx"), 0,
           b"one\n\nthree, unterminated\n")
    same(result.result()[0], b"\n\nx\n")
    data = b"".join(b"%d %s\n" % (n, b"x" * (n % 300)) for n in range(20000))
    place.serve("echo", "--messages", "--echo")
    expect(place.leat("connect", "echo", "--messages", "--line", input=data), 0, data)
    longest = b"y" * MIB + b"\n"
    expect(place.leat("connect", "echo", "--messages", "--line", input=longest * 2 + b"z\n"), 0,
           longest * 2 + b"z\n")
    expect(place.leat("connect", "echo", "--messages", "--line", input=b"y" + longest), 1, b"",
           b"longer")


@test
def messages_through_a_narrow_pipe(place):
    """Messages that go out in many small writes, faster than the output ever fills up."""
    place.serve("echo", "--messages", "--echo")
    data = (b"y" * (MIB - 1) + b"\n") * 6
    for _ in range(3):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, 1031, 4096)  # F_SETPIPE_SZ
        client = place.leat_start("connect", "echo", "--messages", "--line", stdout=writer)
        os.close(writer)
        result = Background(client.communicate, data, DEADLINE)
        parts = []
        while part := os.read(reader, 65536):
            parts.append(part)
        os.close(reader)
        same(b"".join(parts), data)
        result.result()
        assert client.returncode == 0


@test
def line_bytes(place):
    place.serve("echo", "--echo")
    expect(place.leat("connect", "echo", "--line", input=b"a\nb"), 0, b"a\nb\n")
    expect(place.leat("connect", "echo", "--line", input=b"a\n"), 0, b"a\n")
    expect(place.leat("connect", "echo", input=b"a\nb"), 0, b"a\nb")
    server = listen(place.file("plain"))
    client = place.leat_start("connect", place.file("plain"), "--line")
    conn = accept(server)
    conn.sendall(b"no newline")
    conn.shutdown(socket.SHUT_WR)
    out, _ = client.communicate(b"nor here", DEADLINE)
    same(out, b"no newline\n")
    same(read_all(conn), b"nor here\n")
    assert client.returncode == 0


# ---- --exec ------------------------------------------------------------------------------------


@test
def exec_commands(place):
    place.serve("upper", "--exec", "tr a-z A-Z")
    clients = [place.leat_start("connect", "upper") for _ in range(8)]
    for n, client in enumerate(clients):
        client.stdin.write(b"client %d\n" % n)
        client.stdin.close()
        client.stdin = None
    for n, client in enumerate(clients):
        out, err = client.communicate(None, DEADLINE)
        assert (client.returncode, out) == (0, b"CLIENT %d\n" % n), (out, err)
    data = big()
    place.serve("cat", "--exec", "cat")
    assert sha(expect(place.leat("connect", "cat", input=data), 0)[1]) == sha(data)
    place.serve("catm", "--exec", "cat", "--messages")
    assert sha(expect(place.leat("connect", "catm", "--messages", input=data), 0)[1]) == sha(data)


@test
def exec_that_does_not_read(place):
    place.serve("date", "--exec", "echo now")
    expect(place.leat("connect", "date", input=b""), 0, b"now\n")
    server = dial(place.address("date"))
    same(read_all(server), b"now\n")
    server.close()
    # A server that closes drops a little of what still comes, and not megabytes: who sent those is
    # told that nobody took them, and has the answer all the same.
    data = big(8 * MIB)
    for _ in range(10):
        expect(place.leat("connect", "date", input=data), 9, b"now\n")
    place.serve("gone", "--exec", "exit 3")
    expect(place.leat("connect", "gone"), 0, b"")
    place.serve("lines", "--exec", "while read -r x; do echo \"<$x>\"; done", "--messages",
                "--line")
    expect(place.leat("send", "lines", "a", "", "c", "--messages", "--expect", "3"), 0,
           b"<a>\n<>\n<c>\n")


@test
def exec_ends_with_its_client(place):
    """A command whose client has gone gets an end of input and a broken pipe, not silence."""
    mark = place.file("mark")
    server = place.serve("tell", "--exec", "cat > /dev/null; echo over > " + mark, "--quiet")
    conn = dial(place.address("tell"))
    conn.sendall(b"x")
    conn.close()
    wait_until(lambda: os.path.exists(mark), "the command did not see the end")
    server2 = place.serve("yes", "--exec", "yes; echo over > " + mark + "2", "--quiet")
    conn = dial(place.address("yes"))
    assert conn.recv(2) == b"y\n"
    conn.close()
    wait_until(lambda: os.path.exists(mark + "2"), "the command did not see the broken pipe")
    end(server)
    end(server2)


@test
def exec_children_end_with_the_server(place):
    pids = place.file("pids")
    server = place.serve("sleep", "--exec", "echo $$ >> %s; %s" % (pids, HANG))
    clients = [dial(place.address("sleep")) for _ in range(3)]

    def started():
        return os.path.exists(pids) and open(pids).read().count("\n") == 3

    wait_until(started, "the commands did not start")
    end(server)
    for word in open(pids).read().split():
        wait_until(lambda: not os.path.exists("/proc/%s/fd/0" % word), "child %s lives" % word)
    for client in clients:
        same(read_all(client), b"")
        client.close()


# ---- ends, signals, limits ---------------------------------------------------------------------


@test
def signals_end_serve(place):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        for words in (["--echo"], [], ["--exec", "cat"], ["--echo", "--messages"], ["--keep-open"]):
            # Whoever runs the tests with nohup means them, not what they test.
            server = place.serve("sig", *words, preexec_fn=lambda: signal.signal(signal.SIGHUP,
                                                                                 signal.SIG_DFL))
            client = None
            if words != ["--echo", "--messages"]:
                client = dial(place.address("sig"))
                client.sendall(b"x")
                if words and words[0] in ("--echo", "--exec"):
                    same(client.recv(1), b"x")
            end(server, 0, number)
            if client is not None:
                client.close()
            assert not leftovers(place), leftovers(place)


@test
def hangup_that_is_ignored(place):
    """As nohup does it: the server outlives its terminal."""
    server = place.serve("kept", "--echo", preexec_fn=lambda: signal.signal(signal.SIGHUP,
                                                                             signal.SIG_IGN))
    server.send_signal(signal.SIGHUP)
    expect(place.leat("send", "kept", "still", "--expect", "1"), 0, b"still\n")
    end(server)


@test
def peer_closes_early(place):
    server = listen(place.file("rude"))
    for words in ([], ["--line"]):
        client = place.leat_start("connect", place.file("rude"), *words)
        result = Background(client.communicate, big(16 * MIB), DEADLINE)
        conn = accept(server)
        assert len(conn.recv(10)) == 10
        conn.sendall(b"bye")
        conn.close()
        out, err = result.result()
        expect((client.returncode, out, err), 9, b"bye")
    server.close()


@test
def peer_that_takes_nothing(place):
    """However the two race: what was not taken is never a success."""
    server = listen(place.file("rude"))
    for size in (MIB, 10 * MIB):
        data = big(size)
        for n in range(10):
            client = place.leat_start("connect", place.file("rude"))
            result = Background(client.communicate, data, DEADLINE)
            conn = accept(server)
            if n % 2 == 1:
                conn.recv(1)
            conn.close()
            result.result()
            assert client.returncode == 9, (size, n, client.returncode)
    server.close()


def peer_has_gone(place, words=(), **more):
    """A client whose question was answered by a peer that then left; its input goes on."""
    server = listen(place.file("short"))
    client = place.leat_start("connect", place.file("short"), *words, **more)
    if client.stdin is not None:
        client.stdin.write(b"question\n")
        client.stdin.flush()
    conn = accept(server)
    if client.stdin is not None:
        same(conn.recv(100), b"question\n")
    conn.sendall(b"answer\n")
    conn.close()
    same(client.stdout.read(), b"answer\n")  # its end as well, while the input is open
    server.close()
    os.unlink(place.file("short"))
    return client


@test
def peer_closes_before_the_input_ends(place):
    """Whether that was all of the input, only the input can tell."""
    for words in ([], ["--line"]):
        client = peer_has_gone(place, words)
        client.stdin.close()
        expect((client.wait(DEADLINE), b"", client.stderr.read()), 0)
        client = peer_has_gone(place, words)
        client.stdin.write(b"more")
        client.stdin.flush()
        expect((client.wait(DEADLINE), b"", client.stderr.read()), 9, err=b"taken all")
    begun = time.monotonic()
    client = peer_has_gone(place)
    expect((client.wait(DEADLINE), b"", client.stderr.read()), 9, err=b"the end of the input")
    assert 1.9 < time.monotonic() - begun < 30
    # At a terminal either side may end a session, and nobody waits for a person.
    master, slave = pty.openpty()
    client = peer_has_gone(place, stdin=slave)
    expect((client.wait(DEADLINE), b"", client.stderr.read()), 0, err=b"")
    os.close(slave)
    os.close(master)
    # A file is at its end, or it is not.
    for content, code in ((b"", 0), (b"x" * MIB, 9)):
        with open(place.file("content"), "wb") as file:
            file.write(content)
        with open(place.file("content"), "rb") as file:
            client = peer_has_gone(place, stdin=file)
        expect((client.wait(DEADLINE), b"", b""), code)


@test
def client_closes_before_the_input_ends(place):
    """The same for a server of one client; with --keep-open the input is for the next one."""
    for last, code in ((b"", 0), (b"more", 9)):
        server = place.serve("short")
        server.stdin.write(b"question")
        server.stdin.flush()
        conn = dial(place.address("short"))
        same(conn.recv(100), b"question")
        conn.close()
        same(server.stdout.read(), b"")
        server.stdin.write(last)
        server.stdin.close()
        assert server.wait(DEADLINE) == code, (last, server.stderr.read())
    server = place.serve("kept", "--keep-open")
    for word in (b"first", b"second"):
        conn = dial(place.address("kept"))
        server.stdin.write(word)
        server.stdin.flush()
        same(conn.recv(100), word)
        conn.close()
    end(server)


@test
def connect_ends_when_all_is_said(place):
    """Nothing is waited for when both sides have finished."""
    place.serve("echo", "--echo")
    place.serve("messages", "--echo", "--messages")
    for words in (["echo"], ["messages", "--messages"]):
        best = DEADLINE
        for _ in range(5):
            begun = time.monotonic()
            expect(place.leat("connect", *words, input=b"x"), 0, b"x")
            best = min(best, time.monotonic() - begun)
        assert best < 0.7, (words, best)


@test
def half_close_of_the_peer(place):
    """The peer has no more to say but still listens: our output ends, our input goes on."""
    server = listen(place.file("deaf"))
    client = place.leat_start("connect", place.file("deaf"))
    conn = accept(server)
    conn.sendall(b"that is all")
    conn.shutdown(socket.SHUT_WR)
    same(client.stdout.read(), b"that is all")
    assert client.poll() is None
    client.stdin.write(b"still talking")
    client.stdin.close()
    client.stdin = None
    same(read_all(conn), b"still talking")
    assert client.wait(DEADLINE) == 0, client.stderr.read()


@test
def after_the_end(place):
    """A server that never ends: by default it is waited for, with --after-end a while only."""
    server = listen(place.file("rapt"))
    patient = place.leat_start("connect", place.file("rapt"), stdin=open(os.devnull, "rb"))
    patient_conn = accept(server)
    same(read_all(patient_conn), b"")
    for words in ([], ["--messages"]):
        begun = time.monotonic()
        name = place.file("rapt") if not words else "deaf"
        if words:
            place.serve("deaf", "--messages", "--exec", HANG)
        client = place.leat_start("connect", name, "--after-end", "500ms", *words)
        client.stdin.write(b"all there is")
        client.stdin.close()
        client.stdin = None
        if not words:
            conn = accept(server)
            same(read_all(conn), b"all there is")
            conn.sendall(b"heard")
            same(client.stdout.read(5), b"heard")
        assert client.wait(DEADLINE) == 0, client.stderr.read()
        assert 0.4 < time.monotonic() - begun < 30
        assert client.stderr.read() == b""
    assert patient.poll() is None, "without the option it is patient"
    patient_conn.close()
    assert patient.wait(DEADLINE) == 0
    conn.close()
    server.close()


@test
def after_the_end_of_what_does_not_take(place):
    """As long as the peer has not taken everything, silence is no end: neither while input is left,
    nor while the last of it waits in the outbox."""
    server = listen(place.file("slow"))
    for size in (4 * MIB, 300000):
        data = big(size)
        client = place.leat_start("connect", place.file("slow"), "--after-end", "200ms")
        result = Background(client.communicate, data, DEADLINE)
        conn = accept(server)
        # One whose peer has taken everything, and is silent, ends after ten times as long: the
        # first would have gone by then, with all the time that it gives to a goodbye.
        other = place.leat_start("connect", place.file("slow"), "--after-end", "2s",
                                 stdin=subprocess.DEVNULL)
        silent = accept(server)
        assert other.wait(DEADLINE) == 0 and client.poll() is None
        silent.close()
        same(read_all(conn), data)
        conn.close()
        result.result()
        assert client.returncode == 0, client.returncode
    server.close()


@test
def after_the_end_send(place):
    """A reply without a newline, from a server that does not end."""
    place.serve("half", "--exec", "printf reply; " + HANG)
    begun = time.monotonic()
    expect(place.leat("send", "half", "x", "--expect", "1", "--after-end", "300ms"), 0, b"reply\n")
    assert 0.25 < time.monotonic() - begun < 30
    expect(place.leat("send", "half", "x", "--expect", "1", "--timeout", "500ms"), 6, b"")


@test
def protocol_error(place):
    server = listen(place.file("garbage"))

    def garbage():
        conn = accept(server)
        conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100)
        try:
            read_all(conn)
        except ConnectionError:
            pass
        conn.close()

    for words in (["connect", place.file("garbage"), "--messages"],
                  ["send", place.file("garbage"), "x", "--messages", "--expect", "1"]):
        thread = Background(garbage)
        expect(place.leat(*words), 8, b"")
        thread.result()
    server.close()
    echo = place.serve("messages", "--echo", "--messages", "--quiet")
    for rubbish in (b"GET / HTTP/1.0\r\n\r\n" * 4, HELLO[:5], b"\0" * 64, HELLO + b"\xff" * 64):
        conn = dial(place.address("messages"))
        conn.sendall(rubbish)
        conn.shutdown(socket.SHUT_WR)
        try:
            read_all(conn)
        except ConnectionError:
            pass
        conn.close()
    expect(place.leat("send", "messages", "fine", "--messages", "--expect", "1"), 0, b"fine\n")
    end(echo)


@test
def outputs_that_fail(place):
    place.serve("echo", "--echo")
    with open("/dev/full", "wb") as full:
        for words in (["version"], ["path", "x"], ["help"], ["send", "echo", "x", "--expect", "1"],
                      ["wait-for", "echo", "--json"], ["connect", "echo"]):
            process = place.leat_start(*words, stdout=full)
            _, err = process.communicate(b"input", DEADLINE)
            assert process.returncode == 1 and b"output" in err, (words, process.returncode, err)
    for words in (["connect", "echo"],):
        reader, writer = os.pipe()
        os.close(reader)
        process = place.leat_start(*words, stdout=writer)
        os.close(writer)
        _, err = process.communicate(b"input", DEADLINE)
        assert process.returncode == 1 and b"output" in err, (words, process.returncode, err)


@test
def streams_that_are_closed(place):
    with open(place.leat_path, "rb") as file:
        if file.read(2) == b"#!":
            raise Skip("what stands in for leat uses the numbers of the closed streams itself")
    place.serve("echo", "--echo")
    quoted = "'%s' connect echo" % place.leat_path
    for redirect, code in (("<&-", 0), ("</dev/null", 0), (">&-", 1), ("2>&-", 0), ("< /", 1)):
        process = place.start(["sh", "-c", quoted + " " + redirect])
        out, err = process.communicate(b"input", DEADLINE)
        assert process.returncode == code, (redirect, process.returncode, out, err)


@test
def output_shared_with_others_stays_blocking(place):
    place.serve("echo", "--echo")
    reader, writer = os.pipe()
    process = place.leat_start("connect", "echo", stdout=writer)
    process.communicate(b"x", DEADLINE)
    assert process.returncode == 0 and os.get_blocking(writer) and os.read(reader, 9) == b"x"
    os.close(reader)
    os.close(writer)


def sent_until_blocked(conn):
    """Sends until nothing was taken for a second; says how much was."""
    conn.setblocking(False)
    total = 0
    while select.select([], [conn], [], 1.0)[1]:
        total += conn.send(b"z" * 65536)
        assert total < 256 * MIB, "nothing holds it back"
    return total


@test
def back_pressure_to_a_reader_that_waits(place):
    """Nobody reads the client's output: it holds the peer back, in bounded memory."""
    for words in ([], ["--line"]):
        server = listen(place.file("source"))
        client = place.leat_start("connect", place.file("source"), *words)
        conn = accept(server)
        total = sent_until_blocked(conn)
        assert total < 8 * MIB, total
        assert memory_peak(client) < 24 * MIB, memory_peak(client)
        conn.setblocking(True)
        conn.shutdown(socket.SHUT_WR)
        out = client.communicate(b"", DEADLINE)[0]
        assert len(out) - len(words) == total and client.returncode == 0, (len(out), total)
        conn.close()
        server.close()
        os.unlink(place.file("source"))


@test
def back_pressure_from_a_peer_that_waits(place):
    """The peer does not read: leat stops reading its input, and goes on when the peer does."""
    server = listen(place.file("sink"))
    client = place.leat_start("connect", place.file("sink"))
    conn = accept(server)
    pipe = client.stdin.fileno()
    os.set_blocking(pipe, False)
    total = 0
    while select.select([], [pipe], [], 1.0)[1]:
        total += os.write(pipe, b"z" * 65536)
        assert total < 256 * MIB, "nothing holds it back"
    assert total < 16 * MIB, total
    assert memory_peak(client) < 24 * MIB, memory_peak(client)
    client.stdin.close()
    client.stdin = None
    same(read_all(conn), b"z" * total)
    conn.close()
    assert client.wait(DEADLINE) == 0
    server.close()


@test
def echo_of_clients_that_never_read(place):
    server = place.serve("echo", "--echo", "--quiet")
    conns = [dial(place.address("echo")) for _ in range(3)]
    threads = [Background(sent_until_blocked, conn) for conn in conns]
    totals = [thread.result() for thread in threads]
    assert max(totals) < 16 * MIB, totals
    expect(place.leat("send", "echo", "others are served", "--expect", "1"), 0,
           b"others are served\n")
    assert memory_peak(server) < 64 * MIB, memory_peak(server)
    for conn in conns:
        conn.close()
    expect(place.leat("send", "echo", "still", "--expect", "1"), 0, b"still\n")
    end(server)


@test
def stall_cuts_off(place):
    server = listen(place.file("sink"))
    client = place.leat_start("connect", place.file("sink"), "--stall", "300ms")
    conn = accept(server)
    result = Background(client.communicate, big(16 * MIB), DEADLINE)
    result.result()
    assert client.returncode == 6, client.returncode
    conn.close()
    server.close()


@test
def many_clients(place):
    """More clients than are served at once: the others wait in the backlog for their turn."""
    server = place.serve("echo", "--echo")
    path = place.address("echo")
    held = [dial(path) for _ in range(128)]
    for n, conn in enumerate(held):
        conn.sendall(b"%03d" % n)
    for n, conn in enumerate(held):
        same(conn.recv(3), b"%03d" % n)
    late = dial(path)
    late.sendall(b"late")
    late.settimeout(0.3)
    try:
        late.recv(4)
        raise AssertionError("the 129th client was served")
    except socket.timeout:
        pass
    held.pop().close()
    late.settimeout(DEADLINE)
    same(late.recv(4), b"late")
    for conn in held + [late]:
        conn.close()
    end(server)


def turns(process):
    """How often the process has gone to sleep or was interrupted: a busy loop has many."""
    with open("/proc/%d/status" % process.pid) as status:
        rows = [row.split() for row in status if "ctxt_switches" in row]
    with open("/proc/%d/stat" % process.pid) as stat:
        ticks = stat.read().rsplit(")", 1)[1].split()[11:13]
    return sum(int(row[1]) for row in rows) + 10 * sum(int(tick) for tick in ticks)


@test
def idle_servers_sleep(place):
    """Clients that say nothing, that half-closed, whose command ignores them: no busy loop."""
    servers = [place.serve("echo", "--echo"), place.serve("msgs", "--echo", "--messages"),
               place.serve("deaf", "--exec", "exec 0<&-; echo up; " + HANG),
               place.serve("mute", "--exec", "exec 1>&-; " + HANG),
               place.serve("talk"), place.serve("keep", "--keep-open")]
    conns = []
    for name in ("echo", "msgs", "deaf", "mute", "talk", "keep"):
        for half in (False, True):
            conns.append(dial(place.address(name)))
            if name not in ("msgs", "echo"):
                conns[-1].sendall(b"words")
            if half:
                conns[-1].shutdown(socket.SHUT_WR)
            if name == "talk":
                break
            if name == "deaf":
                same(conns[-1].recv(3), b"up\n")
    seen = []

    def settled():
        """What they have to do at first is done."""
        seen.append([turns(server) for server in servers])
        return len(seen) > 10 and seen[-1] == seen[-10]

    wait_until(settled, "they never come to rest")
    before = seen[-1]
    expect(place.leat("wait-for", "nobody", "--timeout", "1s"), 6)  # a second goes by
    after = [turns(server) for server in servers]
    assert max(new - old for new, old in zip(after, before)) < 60, (before, after)
    for conn in conns:
        conn.close()
    for server in servers:
        server.stdin.close()
        server.stdin = None
        if server.poll() is None:
            end(server)


def call_denied(number):
    """From now on that system call is ENOSYS for this process and what it runs."""
    code = b"".join(struct.pack("HBBI", *words) for words in (
        (0x20, 0, 0, 0),  # the number of the call
        (0x15, 0, 1, number),  # is it this one?
        (6, 0, 0, 0x50000 | errno.ENOSYS),
        (6, 0, 0, 0x7fff0000)))  # all others are allowed
    room = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(room))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(38, 1, 0, 0, 0) != 0 or prctl(22, 2, program, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no filter of system calls")


@test
def a_sandbox_without_epoll_is_told(place):
    epoll_create1 = {"x86_64": 291, "aarch64": 20}.get(os.uname().machine)
    if sys.platform != "linux" or epoll_create1 is None:
        raise Skip("knows the number of Linux' epoll_create1 on x86_64 and aarch64 only")
    for words in (["serve", "sandbox", "--echo"], ["connect", "sandbox"]):
        code, out, err = place.leat(*words, preexec_fn=lambda: call_denied(epoll_create1))
        same(out, b"")
        assert code == 1 and b"does not support it" in err, (code, err)


@test
def nothing_is_left_of_clients(place):
    """After many clients a server has the descriptors it began with, and no dead children."""
    for words in (["--echo"], ["--echo", "--messages"], ["--exec", "cat"]):
        server = place.serve("many", *words, "--quiet")
        more = ["--messages"] if "--messages" in words else []
        expect(place.leat("send", "many", "x", "--expect", "1", *more), 0)
        folder = "/proc/%d/fd" % server.pid

        def children():
            with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as file:
                return file.read().split()

        wait_until(lambda: not children(), "a child is left")
        begun = len(os.listdir(folder))
        for n in range(50):
            if n % 2 == 0:
                expect(place.leat("send", "many", "x", "--expect", "1", *more), 0, b"x\n")
            else:
                conn = dial(place.address("many"))
                conn.sendall(b"half a wo")
                conn.close()
        wait_until(lambda: not children(), "a child is left")
        wait_until(lambda: len(os.listdir(folder)) <= begun, "descriptors are left")
        end(server)


@test
def parallel_big_transfers(place):
    place.serve("echo", "--echo")
    place.serve("messages", "--echo", "--messages")
    data = big(4 * MIB)
    wanted = sha(data)

    def transfer(words):
        code, out, err = place.leat("connect", *words, input=data)
        assert code == 0 and sha(out) == wanted, (words, code, len(out), err)

    threads = [Background(transfer, words) for words in (["echo"], ["messages", "--messages"]) * 4]
    for thread in threads:
        thread.result()


def shown_by(place, words, feed, **streams):
    """What a transfer shows on its terminal, as standard error, while `feed` does its part."""
    master, slave = pty.openpty()
    for stream, value in streams.items():
        if value == "terminal":
            streams[stream] = slave
    process = place.leat_start(*words, stderr=slave, **streams)
    os.close(slave)
    shown = bytearray()

    def look(seconds=0.05):
        with contextlib.suppress(OSError):  # nobody has the other end any more
            while select.select([master], [], [], seconds)[0]:
                shown.extend(os.read(master, 65536))
                seconds = 0
        return shown

    feed(process, master, look)
    if process.stdin is not None:
        process.stdin.close()

    def over():
        look()
        return process.poll() is not None

    wait_until(over, "the transfer does not end")
    assert process.returncode == 0, bytes(look(0))
    look(0)
    os.close(master)
    return bytes(shown)


def download(place, words=(), expected=b"", typed=b"", **streams):
    """The peer sends until the terminal shows what is expected; nothing: for two seconds."""
    server = listen(place.file("slow"))

    def feed(client, master, look):
        conn = accept(server)
        begun = time.monotonic()
        if typed:
            os.write(master, typed)
            same(conn.recv(100), typed)
        while time.monotonic() - begun < (DEADLINE if expected else 2.0) and \
                not (expected and expected in look()):
            conn.sendall(b"x" * 4096)
            look()
        assert time.monotonic() - begun > 1.0
        conn.shutdown(socket.SHUT_RDWR)
        conn.close()

    with open(place.file("received"), "wb") as target:
        streams.setdefault("stdout", target)
        shown = shown_by(place, ["connect", place.file("slow"), *words], feed, **streams)
        assert streams["stdout"] != target or os.path.getsize(place.file("received")) > 4096
    server.close()
    os.unlink(place.file("slow"))
    assert expected in shown, shown
    return shown


@test
def progress(place):
    """A person in front of it sees how far it is, unless that would spoil what is shown there."""
    wanted = b"MiB received"
    download(place, expected=wanted)
    download(place, expected=wanted, stdin="terminal")  # connect file > report.pdf
    other_master, other = pty.openpty()
    tty.setraw(other)
    reader = Background(drained, other_master)
    download(place, expected=wanted, stdin="terminal", stdout=other)
    os.close(other)
    reader.result()
    os.close(other_master)
    assert download(place, ["--quiet"]) == b""
    assert wanted not in download(place, stdin="terminal", stdout="terminal")
    assert wanted not in download(place, stdin="terminal", typed=b"typed\n")


def drained(master):
    """Takes what a terminal shows until nobody has it open."""
    with contextlib.suppress(OSError):
        while os.read(master, 65536):
            pass


@test
def progress_of_the_session_s_terminal(place):
    """A terminal that is called /dev/tty is still the same one."""
    master, slave = pty.openpty()
    server = listen(place.file("slow"))

    def own_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    client = place.start(["sh", "-c", "exec '%s' connect '%s' 2>/dev/tty" %
                          (place.leat_path, place.file("slow"))],
                         stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
    os.close(slave)
    conn = accept(server)
    shown = bytearray()
    begun = time.monotonic()
    while time.monotonic() - begun < 2.0:
        conn.sendall(b"x" * 64)
        if select.select([master], [], [], 0.05)[0]:
            shown += os.read(master, 65536)
    conn.close()
    assert client.wait(DEADLINE) == 0 and b"x" in shown and b"MiB" not in shown, bytes(shown)
    os.close(master)
    server.close()


@test
def progress_of_serve(place):
    """serve file < report.pdf, at a terminal that shows what the client says."""
    with open(place.file("report"), "wb") as file:
        file.write(big(16 * MIB))

    def feed(server, master, look):
        place.listening(place.address("file"), server)
        conn = dial(place.address("file"))
        limit = time.monotonic() + DEADLINE
        size = 0
        while b"MiB sent" not in look() and time.monotonic() < limit:
            size += len(conn.recv(4096))
        assert size + len(read_all(conn)) == 16 * MIB
        conn.close()

    with open(place.file("report"), "rb") as file:
        shown = shown_by(place, ["serve", "file"], feed, stdin=file, stdout="terminal")
    assert b"16.0 MiB sent" in shown, shown


if __name__ == "__main__":
    main("command tests")
