#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat.exe as people and scripts meet it: what command_test.py shows of leat, as far as pipes and
Windows have it, and what only Windows has. Run it by test/wine.sh --script, or on Windows.
Usage: windows_command_test.py [path of leat.exe] [test names].
"""
import base64
import json
import os
import select
import time

import command_words  # noqa: F401: its tests are among ours
from support import DEADLINE, MIB, Background, big, expect, sha, wait_until
from windows_support import WINDOWS, main, needs_windows, needs_wine, test, windows_path

COMMANDS = ("serve", "connect", "send", "wait-for", "path", "who", "doctor", "version")
QUICK = ["--after-end", "1s"]
# Under wine nobody owns a pipe that was made without a word about that, as other programs do.
ANYONE = [] if WINDOWS else ["--insecure-anyone"]


def plain_path(path):
    """Of a file in a test's folder, for a command that is not to be quoted."""
    path = windows_path(path)
    assert " " not in path, path
    return path


def end(process, code=0):
    process.interrupt()
    got, _, err = process.wait()
    assert got == code, (got, err)


# ---- words and names ---------------------------------------------------------------------------


@test
def version_and_help(place):
    _, out, _ = expect(place.leat("version"), 0)
    text = out.decode().split()
    assert text[0] == "leat" and out.endswith(b"\n") and b"\r" not in out, out
    assert json.loads(place.leat("version", "--json")[1])["version"] == text[1]
    _, overview, _ = expect(place.leat("help"), 0)
    for command in COMMANDS:
        assert command.encode() in overview
        _, out, _ = expect(place.leat(command, "--help"), 0)
        assert b"Example" in out and b"leat " + command.encode() in out, out


@test
def usage_mistakes(place):
    for words in (["connect"], ["send", "x", "y", "--timeout", "2sec"],
                  ["serve", "x", "--echo", "--after-end", "1s"],
                  ["connect", "x", "--after-end", "1"], ["wait-for", "x", "--after-end", "1s"]):
        code, out, err = place.leat(*words)
        assert code == 2 and out == b"" and b"help" in err, (words, code, out, err)


@test
def names(place):
    _, out, _ = expect(place.leat("path", "mail"), 0)
    assert out.startswith(b"\\\\.\\pipe\\leat\\S-1-") and out.endswith(b"\\mail\n"), out
    for name in ("pipe:Some Name", "\\\\.\\PIPE\\Some Name", "\\\\?\\pipe\\Some Name"):
        expect(place.leat("path", name), 0, b"\\\\.\\pipe\\Some Name\n")
    odd = "pipe:\u00fc \u2603 \U0001f600"
    shown = json.loads(expect(place.leat("path", odd, "--json"), 0)[1])
    assert shown["name"] == odd and shown["path"] == "\\\\.\\pipe\\" + odd[5:], shown
    for name in ("", "A", "a b", "..", "\\\\host\\pipe\\x", "pipe:", "n" * 65, "pipe:" + "n" * 300):
        code, out, err = place.leat("path", "--", name)
        assert code == 2 and out == b"" and b"name" in err, (name, code, out, err)
    expect(place.leat("path", "/run/x"), 1, b"", b"support")


@test
def every_form_of_name(place):
    word = place.name("form")
    for name in (word, "pipe:" + word, "\\\\.\\pipe\\\u00fc-" + word):
        server = place.serve(name, "--echo")
        expect(place.leat("send", name, "there?", "--line", "--expect", "1"), 0, b"there?\n")
        end(server)
        expect(place.leat("connect", name), 3)


# ---- who -----------------------------------------------------------------------------------------


@test
def descriptor_of_the_users_own(place):
    """A descriptor that is given stands, and a client looks at the level that it shows."""
    sid = place.leat("path", "mail")[1].decode().split("\\")[-2]
    assert sid.startswith("S-1-5-"), sid
    base = "O:%sG:%sD:P(A;;GA;;;%s)" % (sid, sid, sid)
    name = place.name("own")
    for wrong in ("nonsense", "O:" + sid):
        expect(place.leat("serve", name, "--echo", "--sddl", wrong), 2, b"")
    say = ["send", name, "hi", "--line", "--expect", "1"]
    server = place.serve(name, "--echo", "--sddl", base + "S:(ML;;NW;;;ME)")
    expect(place.leat(*say, "--who", "list:" + sid), 0, b"hi\n")
    shown = json.loads(expect(place.leat("who", name, "--json", "--who", "list:" + sid), 0)[1])
    assert shown["label"] == "S-1-16-8192" and shown["who_trusted"] is True, shown
    end(server)
    server = place.serve(name, "--echo", "--sddl", base + "S:(ML;;NW;;;LW)")
    for policy in ([], ["--who", "admin"], ["--who", "list:" + sid]):
        expect(place.leat(*say, *policy), 5, b"", b"trusted")
        code, out, _ = place.leat("who", name, "--json", *policy)
        shown = json.loads(out)
        assert code == 5 and shown["trusted"] is False and "level" in shown["because"], shown
        assert shown["label"] == "S-1-16-4096", shown
        code, out, _ = place.leat("doctor", name, "--json", *policy)
        assert code == 5 and b"pipe-level" in out, out
    expect(place.leat(*say, "--insecure-anyone"), 0, b"hi\n")
    end(server)


# ---- absent, in use ----------------------------------------------------------------------------


@test
def nobody_there(place):
    name = place.name("absent")
    expect(place.leat("connect", name), 3, b"")
    code, out, err = place.leat("send", name, "x", "--json")
    shown = json.loads(out)
    assert code == 3 and shown["error"] == "NOT_FOUND" and shown["os_code"] in (0, 2), shown
    assert err.count(b"\n") == 1 and name.encode() in err, err
    begun = time.monotonic()
    expect(place.leat("wait-for", name, "--timeout", "300ms"), 6, b"")
    expect(place.leat("connect", name, "--wait", "--timeout", "300ms"), 6, b"")
    assert 0.5 < time.monotonic() - begun < 30


@test
def name_in_use(place):
    name = place.name("used")
    server = place.serve(name, "--echo")
    expect(place.leat("serve", name, "--echo"), 7, b"")
    expect(place.leat("send", name, "x", "--line", "--expect", "1"), 0, b"x\n")
    server.kill()
    server = place.serve(name, "--echo")
    expect(place.leat("send", name, "again", "--line", "--expect", "1"), 0, b"again\n")
    end(server)


@test
def wait_for_late_server(place):
    name = place.name("late")
    helper = place.helper()
    waiting = place.leat_start("wait-for", name, "--timeout", "50s", "--", helper, "probe", "0")
    client = place.leat_start("connect", name, "--wait", "--timeout", "50s", *QUICK)
    client.write(b"early words")
    client.end_input()
    place.serve(name, "--echo")
    expect(waiting.wait(), 0, b"clean\n")
    expect(client.wait(), 0, b"early words")
    expect(place.leat("wait-for", name, "--", helper), 98, b"", b"unknown words")
    expect(place.leat("wait-for", name, "--", "no-such-program.exe"), 1, b"")
    expect(place.leat("wait-for", name, "--", "some.bat", "x"), 1, b"")
    shown = json.loads(expect(place.leat("wait-for", name, "--json"), 0)[1])
    assert shown["listening"] is True and shown["waited_ms"] >= 0, shown


@test
def words_of_another_program(place):
    """wait-for hands the words on as they are, whatever is in them."""
    name = place.name("words")
    place.serve(name, "--echo", "--messages")
    texts = ["", "a b", 'say "x"', "back\\", "back\\\\ \\\"", "\u00fc\u2603", "tab\tx", "*",
             "%PATH%"]
    send = [place.leat_path, "send", name, "--messages", "--json", "--expect", str(len(texts))]
    _, out, _ = expect(place.leat("wait-for", name, "--", *send, "--", *texts), 0)
    assert [json.loads(row)["reply"] for row in out.decode().splitlines()] == texts, out


# ---- send --------------------------------------------------------------------------------------


@test
def send_modes(place):
    echo, messages = place.name("echo"), place.name("messages")
    place.serve(echo, "--echo")
    place.serve(messages, "--echo", "--messages")
    expect(place.leat("send", echo, "a", "b", "--line", "--expect", "2"), 0, b"a\nb\n")
    expect(place.leat("send", messages, "a", "", "c\nd", "--messages", "--expect", "3"), 0,
           b"a\n\nc\nd\n")
    expect(place.leat("send", echo, "nothing expected"), 0, b"")
    expect(place.leat("send", echo, "a\n", "b", "--expect", "2", *QUICK), 0, b"a\nb\n")
    begun = time.monotonic()
    expect(place.leat("send", echo, "no newline", "--expect", "1"), 0, b"no newline\n")
    assert time.monotonic() - begun > 1.9, "without half-close, silence ends the reply"
    expect(place.leat("send", echo, "x", "--expect", "2", "--timeout", "3s", *QUICK), 6, b"x\n")
    text = ("0123456789abcdef" * 1500)[:20000]
    expect(place.leat("send", messages, "--messages", "--expect", "1", text), 0,
           text.encode() + b"\n")


@test
def send_json(place):
    name = place.name("messages")
    place.serve(name, "--echo", "--messages")
    texts = ["plain", 'quote " backslash \\ bell \x07', "\u00fc \u2603 \U0001f600", ""]
    _, out, _ = expect(place.leat("send", name, *texts, "--messages", "--json", "--expect", "4"), 0)
    rows = [json.loads(row) for row in out.decode().splitlines()]
    assert [row.get("reply") for row in rows] == texts, rows
    assert rows[2]["size"] == len(texts[2].encode()), rows


@test
def half_a_character(place):
    """A surrogate without its partner is no UTF-8, so it is shown as bytes."""
    needs_windows()
    error = json.loads(place.leat("path", "x\ud800", "--json")[1])
    assert base64.b64decode(error["name_base64"]) == b"x\xed\xa0\x80", error


@test
def send_fewer_replies(place):
    name = place.name("two")
    server = place.start(place.helper(), "server", "\\\\.\\pipe\\" + name, "1", "one\ntwo\n",
                         "leave")
    code, out, _ = place.leat("send", "pipe:" + name, "x", "--expect", "3", "--wait", "--timeout",
                              "50s", "--json", *ANYONE)
    rows = [json.loads(row) for row in out.splitlines()]
    assert code == 9 and rows[1]["reply"] == "two" and rows[2]["exit"] == 9, rows
    expect(server.wait(), 0, b"left\n")


@test
def send_timeout(place):
    name = place.name("silent")
    server = place.start(place.helper(), "server", "\\\\.\\pipe\\" + name, "1", "", "stay")
    begun = time.monotonic()
    expect(place.leat("send", "pipe:" + name, "x", "--expect", "1", "--wait", "--timeout", "2s",
                      *ANYONE), 6, b"")
    assert 1.5 < time.monotonic() - begun < 30
    expect(server.wait(), 0, b"left\n")


# ---- connect and serve -------------------------------------------------------------------------


@test
def big_echo(place):
    data = big()
    for words in ([], ["--messages"]):
        name = place.name("echo" + "".join(words).strip("-"))
        place.serve(name, "--echo", *words)
        more = words or QUICK
        _, out, _ = expect(place.leat("connect", name, *more, input=data), 0)
        assert sha(out) == sha(data), len(out)
        expect(place.leat("connect", name, *more), 0, b"")


@test
def serve_standard_streams(place):
    for words in ([], ["--messages"], ["--line"], ["--messages", "--line"]):
        name = place.name("talk")
        server = place.leat_start("serve", name, *words, "--quiet")
        server.write(b"from the server\n")
        server.end_input()
        expect(place.leat("connect", name, "--wait", "--timeout", "50s", *words,
                          input=b"from the client\n"), 0, b"from the server\n")
        expect(server.wait(), 0, b"from the client\n")


@test
def serve_big_both_ways(place):
    up, down = big(), big(16 * MIB + 12345)[::-1]
    with open(place.file("down"), "wb") as file:
        file.write(down)
    for words in ([], ["--messages"]):
        name = place.name("talk")
        with open(place.file("down"), "rb") as file:
            server = place.leat_start("serve", name, *words, stdin=file)
        _, out, _ = expect(place.leat("connect", name, "--wait", "--timeout", "50s", *words,
                                      input=up), 0)
        assert sha(out) == sha(down), len(out)
        code, out, err = server.wait()
        assert code == 0 and sha(out) == sha(up), (code, len(out), err)


@test
def after_the_end(place):
    """Bytes over a pipe have no half-close: who has said all listens for a while, then goes."""
    name = place.name("quiet")
    place.serve(name, "--echo")
    for words, least, note in (([], 1.9, True), (["--after-end", "300ms"], 0.25, False)):
        begun = time.monotonic()
        _, _, err = expect(place.leat("connect", name, *words, input=b"x"), 0, b"x")
        assert least < time.monotonic() - begun < 30 and (b"--after-end" in err) == note, err
    patient = place.leat_start("connect", name, "--after-end", "forever")
    patient.write(b"x")
    patient.end_input()
    patient.wait_out(b"x")
    time_ = place.leat_start("connect", name, "--after-end", "3s")
    time_.write(b"y")
    time_.end_input()
    expect(time_.wait(), 0, b"y")
    assert patient.popen.poll() is None
    # A server that says nothing does not cut off a client that thinks.
    sink = place.name("sink")
    with open(place.file("nothing"), "wb"):
        pass
    with open(place.file("nothing"), "rb") as file:
        server = place.leat_start("serve", sink, stdin=file)
    client = place.leat_start("connect", sink, "--wait", "--timeout", "50s", *QUICK)
    client.write(b"one")
    server.wait_out(b"one")
    expect(place.leat("connect", name, "--after-end", "3s", input=b"a while"), 0)
    client.write(b"two")
    client.end_input()
    expect(client.wait(), 0, b"")
    expect(server.wait(), 0, b"onetwo")


@test
def messages_have_a_half_close(place):
    name = place.name("half")
    place.serve(name, "--messages", "--exec", place.quoted(place.leat_path) + " version")
    client = place.leat_start("connect", name, "--messages")
    client.end_input()
    code, out, err = client.wait()
    assert code == 0 and out.startswith(b"leat ") and b"after-end" not in err, (code, out, err)


@test
def serve_keep_open(place):
    name = place.name("keep")
    server = place.leat_start("serve", name, "--keep-open")
    for n in range(3):
        client = place.leat_start("connect", name, "--wait", "--timeout", "50s")
        client.write(b"client %d\n" % n)
        server.wait_out(b"client %d\n" % n)
        server.write(b"answer %d\n" % n)
        client.wait_out(b"answer %d\n" % n)
        client.kill()
    end(server)


@test
def lines(place):
    messages, plain = place.name("lines"), place.name("echo")
    place.serve(messages, "--messages", "--echo")
    data = b"".join(b"%d %s\n" % (n, b"x" * (n % 300)) for n in range(20000))
    expect(place.leat("connect", messages, "--messages", "--line", input=data), 0, data)
    longest = b"y" * MIB + b"\n"
    expect(place.leat("connect", messages, "--messages", "--line", input=b"y" + longest), 1, b"",
           b"longer")
    place.serve(plain, "--echo")
    expect(place.leat("connect", plain, "--line", *QUICK, input=b"a\r\nb"), 0, b"a\r\nb\n")


@test
def interactive(place):
    """Input that comes while the connection is open, byte by byte."""
    name = place.name("talk")
    place.serve(name, "--echo")
    client = place.leat_start("connect", name)
    for word in (b"one\n", b"\x1a\xff\x00\r\n", b"three"):
        client.write(word)
        client.wait_out(word)
    client.end_input()
    expect(client.wait(), 0, b"one\n\x1a\xff\x00\r\nthree")


# ---- --exec ------------------------------------------------------------------------------------


@test
def exec_commands(place):
    name, relay, echo = place.name("now"), place.name("relay"), place.name("echo")
    place.serve(name, "--exec", "echo now& exit 3")
    expect(place.leat("connect", name), 0, b"now\r\n")
    expect(place.leat("send", name, "x", "--expect", "2"), 9, b"now\r\n")
    # A server that closes drops a little of what still comes, and not megabytes.
    expect(place.leat("connect", name, input=big(8 * MIB)), 9, b"now\r\n")
    place.serve(echo, "--echo", "--messages")
    command = place.quoted(place.leat_path) + " connect --messages " + echo
    place.serve(relay, "--messages", "--exec", command)
    data = big()
    _, out, _ = expect(place.leat("connect", relay, "--messages", input=data), 0)
    assert sha(out) == sha(data), len(out)


@test
def exec_inherits_its_streams_only(place):
    name, helper = place.name("probe"), place.helper()
    line = "%s serve %s --exec \"%s probe %%llu\"" % (place.quoted(place.leat_path), name,
                                                      plain_path(helper))
    place.start(helper, "leak", line)
    expect(place.leat("wait-for", name, "--timeout", "50s"), 0)
    expect(place.leat("connect", name), 0, b"clean\n")


@test
def exec_ends_with_its_client(place):
    name = place.name("tell")
    mark = place.file("mark")
    line = "set /p x=& echo up& set /p x=& echo over > " + plain_path(mark)
    # To look whether it listens would start a command of its own, which would leave the mark.
    server = place.leat_start("serve", name, "--exec", line)
    client = place.leat_start("connect", name, "--wait", "--timeout", "50s")
    client.write(b"a line\r\n")
    client.wait_out(b"up")
    assert not os.path.exists(mark)
    client.kill()
    wait_until(lambda: os.path.exists(mark), "the command did not see the end")
    end(server)


@test
def exec_children_end_with_the_server(place):
    name, sink = place.name("sleep"), place.name("sink")
    helper = plain_path(place.helper())
    peer = place.start(place.helper(), "server", "\\\\.\\pipe\\" + sink, "2", "there", "stay")
    line = "echo up& %s client \\\\.\\pipe\\%s xy" % (helper, sink)
    # To look whether it listens would start a command of its own: serve() is not for it.
    server = place.leat_start("serve", name, "--exec", line)
    client = place.leat_start("connect", name, "--wait", "--timeout", "50s")
    client.wait_out(b"up\r\nthere")  # which the command's own child was told, so it is there
    end(server)
    expect(client.wait(), 9, b"up\r\nthere", b"the end of the input")
    expect(peer.wait(), 0, b"left\n")  # the command's own child has gone too


# ---- ends, limits ------------------------------------------------------------------------------


@test
def ctrl_c_ends_serve(place):
    for words in (["--echo"], [], ["--exec", "echo x& set /p x="], ["--echo", "--messages"],
                  ["--keep-open"]):
        name = place.name("sig")
        server = place.leat_start("serve", name, *words)
        kind = ["--messages"] if "--messages" in words else []
        client = place.leat_start("connect", name, "--wait", "--timeout", "50s", *kind)
        client.write(b"x")
        answers = "--echo" in words or "--exec" in words
        (client if answers else server).wait_out(b"x")
        end(server)
        expect(client.wait(), 9, err=b"the end of the input")
        expect(place.leat("connect", name), 3)


@test
def peer_closes_early(place):
    helper = place.helper()
    for n, words in enumerate(([], ["--line"])):
        name = place.name("rude%d" % n)
        peer = place.start(helper, "server", "\\\\.\\pipe\\" + name, "10", "bye", "leave")
        more = [*ANYONE, *words]
        expect(place.leat("connect", "pipe:" + name, "--wait", *more, input=big()), 9,
               b"bye", b"the peer vanished")  # while a write waited for it
        expect(peer.wait(), 0, b"left\n")  # it had its ten bytes


@test
def peer_closes_before_the_input_ends(place):
    """Whether that was all of the input, only the input can tell."""
    for n, (last, code, err) in enumerate(((b"more", 9, b"closed before"), (b"", 0, b""),
                                           (None, 9, b"the end of the input"))):
        name = place.name("short%d" % n)
        peer = place.start(place.helper(), "server", "\\\\.\\pipe\\" + name, "8", "answer",
                           "leave")
        client = place.leat_start("connect", "pipe:" + name, "--wait", "--timeout", "50s", *ANYONE)
        client.write(b"question")
        client.wait_out(b"answer")
        if last:
            expect(peer.wait(), 0)
            client.write(last)
        if last is not None:
            client.end_input()
        expect(client.wait(), code, b"answer", err)


@test
def client_closes_before_the_input_ends(place):
    """The same for a server of one client."""
    for n, (last, code) in enumerate(((b"", 0), (b"more", 9))):
        name = place.name("left%d" % n)
        server = place.leat_start("serve", name)
        server.write(b"question")
        client = place.leat_start("connect", name, "--wait", "--timeout", "50s")
        client.wait_out(b"question")
        client.kill()
        server.write(last)
        server.end_input()
        expect(server.wait(), code, b"")


@test
def back_pressure_from_a_peer_that_waits(place):
    """The peer does not read: leat stops reading its input."""
    needs_wine("only there a pipe can be asked for room")
    name = place.name("deaf")
    peer = place.start(place.helper(), "server", "\\\\.\\pipe\\" + name, "0", "hello", "deaf")
    client = place.leat_start("connect", "pipe:" + name, "--wait", "--timeout", "50s", *ANYONE)
    client.wait_out(b"hello")
    pipe = client.popen.stdin.fileno()
    os.set_blocking(pipe, False)
    total = 0
    while select.select([], [pipe], [], 1.0)[1]:
        total += os.write(pipe, b"z" * 65536)
        assert total < 8 * MIB, "nothing holds it back"
    assert total > 65536, total
    peer.kill()
    os.set_blocking(pipe, True)
    client.end_input()
    expect(client.wait(), 9, b"hello")


@test
def foreign_client(place):
    name = place.name("foreign")
    server = place.leat_start("serve", "pipe:" + name)
    server.write(b"hello, whoever you are\n")
    server.end_input()
    expect(place.leat("wait-for", "pipe:no-" + name, "--timeout", "1ms"), 6)
    limit = time.monotonic() + DEADLINE
    result = (99, b"", b"")
    while result[0] == 99 and time.monotonic() < limit:
        result = place.run(place.helper(), "client", "\\\\.\\pipe\\" + name, "question")
    expect(result, 0, b"hello, whoever you are\n")
    expect(server.wait(), 0, b"question")


@test
def protocol_error(place):
    name = place.name("garbage")
    place.start(place.helper(), "server", "\\\\.\\pipe\\" + name, "8",
                "HTTP/1.1 400 Bad Request. No leat here, go away, please. " * 3, "stay")
    expect(place.leat("connect", "pipe:" + name, "--messages", "--wait", *ANYONE), 8, b"")
    messages = place.name("messages")
    server = place.serve(messages, "--echo", "--messages", "--quiet")
    path = place.leat("path", messages)[1].decode().rstrip("\n")
    place.run(place.helper(), "client", path, "GET / HTTP/1.0 and then some more of it. " * 4)
    expect(place.leat("send", messages, "fine", "--messages", "--expect", "1"), 0, b"fine\n")
    end(server)


@test
def streams_that_are_missing(place):
    name, helper = place.name("echo"), place.helper()
    place.serve(name, "--echo")
    command = "%s connect %s --quiet --after-end 1s" % (place.quoted(place.leat_path), name)
    expect(place.run(helper, "without", "in", command), 0, b"")
    expect(place.run(helper, "without", "out", command, input=b"input"), 1, b"", b"output")
    expect(place.run(helper, "without", "out", place.quoted(place.leat_path) + " version"), 1, b"",
           b"output")


@test
def outputs_that_fail(place):
    """A full disk, as far as there is a file that plays one."""
    needs_wine("only Linux has a file that plays a full disk")
    name = place.name("echo")
    place.serve(name, "--echo")
    for words in (["version"], ["help"], ["send", name, "x", "--line", "--expect", "1"],
                  ["connect", name, *QUICK]):
        process = place.leat_start(*words, stdout="/dev/full")
        process.write(b"input")
        process.end_input()
        code = process.popen.wait(DEADLINE)
        assert code == 1 and b"output" in process.err(), (words, code, process.err())


@test
def overlapped_standard_streams(place):
    name = place.name("echo")
    place.serve(name, "--echo")
    command = "%s connect %s --quiet --after-end 1s" % (place.quoted(place.leat_path), name)
    expect(place.run(place.helper(), "overlapped", command), 0, b"same\n")


@test
def sockets_as_standard_streams(place):
    """wine now and then ends an overlapped write to a socket in its middle, and tells no size."""
    needs_windows()
    name = place.name("echo")
    place.serve(name, "--echo")
    command = "%s connect %s --quiet --after-end 1s" % (place.quoted(place.leat_path), name)
    expect(place.run(place.helper(), "sockets", command), 0, b"same\n")


@test
def stall_cuts_off(place):
    name = place.name("sink")
    place.start(place.helper(), "server", "\\\\.\\pipe\\" + name, "0", "", "deaf")
    expect(place.leat("connect", "pipe:" + name, "--wait", "--stall", "300ms", *ANYONE,
                      input=big()), 6, b"")


@test
def owner_that_is_not_known(place):
    """Who made the pipe cannot be found out, so it is not trusted."""
    needs_wine("only there a pipe has no owner")
    name = place.name("nobodys")
    place.start(place.helper(), "server", "\\\\.\\pipe\\" + name, "1", "", "stay")
    expect(place.leat("connect", "pipe:" + name, "--wait", input=b"secret"), 5, b"", b"trusted")


@test
def parallel_big_transfers(place):
    plain, messages = place.name("echo"), place.name("messages")
    place.serve(plain, "--echo")
    place.serve(messages, "--echo", "--messages")
    data = big(4 * MIB)
    wanted = sha(data)
    with open(place.file("data"), "wb") as file:
        file.write(data)

    def transfer(words):
        with open(place.file("data"), "rb") as source:
            process = place.leat_start("connect", *words, stdin=source)
        code, out, err = process.wait()
        assert code == 0 and sha(out) == wanted, (words, code, len(out), err)

    threads = [Background(transfer, words)
               for words in ([plain, *QUICK], [messages, "--messages"]) * 4]
    for thread in threads:
        thread.result()


if __name__ == "__main__":
    main("command tests on Windows")
