# SPDX-License-Identifier: MIT
"""The leat command and who may be at the other end: --who, leat who, leat doctor. command_test.py
imports it, so these tests are among its own.

Happy path: each finding of leat doctor is produced once, by a state of the disk or by a server;
what leat who says of a server is held against what leat send does with it.
"""
import contextlib
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time

from support import (DEADLINE, Background, Skip, accept, address_listens, expect, judge_doctor,
                     listen, read_all, test, wait_until)

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STRANGER, MEMBER, GROUP, NOBODY = 54321, 54322, 54399, 65534
SEEN = set()  # ids of findings that a test asked for and got
not_shown = []  # why tests were skipped
NOT_HERE = {
    "denied": "needs a security module that denies what modes allow",
    "scope": "needs a file system that fails",
    "peer-unknown": "Linux always says who the peer is",
}


def cannot(reason):
    """Findings that this test would have shown are not missed."""
    not_shown.append(reason)
    raise Skip(reason)


def need_root():
    if os.geteuid() != 0:
        cannot("needs root: only root can become another user")


def copy_for_all(place):
    """leat where every user can run it."""
    os.chmod(place.root, 0o711)
    copy = place.file("leat-copy")
    if not os.path.exists(copy):
        shutil.copy(place.leat_path, copy)
        os.chmod(copy, 0o755)
    return copy


def start_as(place, uid, *words, gid=None, groups=(), **more):
    """Starts leat as another user."""
    return place.start([copy_for_all(place), *words], user=uid, group=uid if gid is None else gid,
                       extra_groups=list(groups), cwd="/", **more)


def leat_as(place, uid, *words, **more):
    if uid == os.geteuid():
        return place.leat(*words)
    process = start_as(place, uid, *words, **more)
    out, err = process.communicate(b"", DEADLINE)
    return process.returncode, out, err


def abstract(place, name):
    return "unix:@%s-%s" % (os.path.basename(place.root), name)


def listening(name, process):
    def look():
        assert process.poll() is None, process.stderr.read()
        return address_listens(name.removeprefix("unix:"))

    wait_until(look, "nobody listens at " + name)


def doctor(place, name, *words, code=None, found=(), fault=None, uid=None, run=None, **more):
    """Runs leat doctor: its findings by id. Those named must be there, and `fault` alone be one."""
    if run is None:
        run = lambda *w: leat_as(place, os.geteuid() if uid is None else uid, *w, **more)
    findings = judge_doctor(run("doctor", name, "--json", *words), code, found, fault)
    SEEN.update([*found, *([fault] if fault else [])])
    return findings


# ---- --who: usage ------------------------------------------------------------------------------


@test
def who_usage(place):
    for words in (
        ["serve", "x", "--who"], ["serve", "x", "--who", "nonsense"], ["serve", "x", "--who="],
        ["serve", "x", "--who", "anyone"], ["serve", "x", "--who", "group:"],
        ["serve", "x", "--who", "list:"], ["serve", "x", "--who", "list:1,"],
        ["serve", "x", "--who", "list:,1"], ["connect", "x", "--who", "list:no such user"],
        ["connect", "x", "--who", "group:no such group"], ["connect", "x", "--who", "ask"],
        ["send", "x", "y", "--who", "ask"], ["who", "x", "--who", "ask"],
        ["doctor", "x", "--who", "ask"], ["send", "x", "y", "--who", "list:4294967295"],
        ["send", "x", "y", "--who", "list:99999999999"],
        ["send", "x", "y", "--who", "admin", "--who", "admin"],
        ["send", "x", "y", "--insecure-anyone", "--who", "admin"],
        ["send", "x", "y", "--who", "admin", "--insecure-anyone"],
        ["serve", "x", "--who", "list:" + ",".join(str(i) for i in range(1, 66))],
        ["wait-for", "x", "--who", "admin"], ["path", "x", "--who", "admin"],
        ["who"], ["doctor"], ["who", "x", "y"], ["doctor", "x", "y"], ["who", "x", "--quiet"],
        ["doctor", "x", "--wait"], ["serve", "x", "--sddl"], ["connect", "x", "--sddl", "D:"],
    ):
        code, out, err = place.leat(*words)
        assert code == 2 and out == b"" and b"help" in err, (words, code, out, err)
    place.serve("echo", "--echo", "--who", "list:" + ",".join(str(i) for i in range(1, 65)))
    for policy in ("same-user", "admin", "group:root", "group:0", "list:root,5,07", "list:0"):
        expect(place.leat("send", "echo", "hi", "--expect", "1", "--who", policy), 0, b"hi\n")


@test
def sddl_is_for_pipes(place):
    expect(place.leat("serve", "x", "--echo", "--sddl", "D:P(A;;GA;;;WD)"), 1, b"", b"support")


@test
def who_ask_needs_a_terminal(place):
    expect(place.leat("serve", "asked", "--echo", "--who", "ask", start_new_session=True), 2, b"",
           b"terminal")


# ---- --who: servers and clients of several users -----------------------------------------------


@test
def servers_let_in_whom_the_policy_names(place):
    need_root()
    clients = {"root": (0, 0, ()), "stranger": (STRANGER, STRANGER, ()),
               "member": (MEMBER, MEMBER, (GROUP,)), "primary": (MEMBER, GROUP, ())}
    for policy, let in (
        ("same-user", {"root"}), ("admin", {"root"}), ("list:%d" % STRANGER, {"root", "stranger"}),
        ("list:7,%d,8" % MEMBER, {"root", "member", "primary"}),
        ("group:%d" % GROUP, {"root", "member", "primary"}),
    ):
        for name in (abstract(place, "let"), place.file("let")):
            server = place.leat_start("serve", name, "--echo", "--who", policy)
            listening(name, server)
            for who, (uid, gid, groups) in clients.items():
                code, out, err = leat_as(place, uid, "send", name, "hi", "--expect", "1", gid=gid,
                                         groups=groups) if uid else \
                    place.leat("send", name, "hi", "--expect", "1")
                assert (code == 0) == (who in let), (policy, name, who, code, err)
                assert out == (b"hi\n" if who in let else b""), (policy, name, who, out)
            server.terminate()
            assert server.wait(DEADLINE) == 0


@test
def what_who_says_is_what_send_does(place):
    """Each server, each policy, two clients; by an abstract name, and by a path."""
    need_root()
    os.mkdir(place.file("all"))
    os.chmod(place.file("all"), 0o1777)
    servers = {"root": (0, 0, ()), "stranger": (STRANGER, STRANGER, ()),
               "member": (MEMBER, MEMBER, (GROUP,)), "nobody": (NOBODY, NOBODY, ())}
    policies = {"": {"root"}, "admin": {"root"}, "group:%d" % GROUP: {"root", "member"},
                "list:%d,%d" % (STRANGER, NOBODY): {"root", "stranger"}, "anyone": set(servers)}
    for who, (uid, gid, groups) in servers.items():
        for name in (abstract(place, who), place.file("all/" + who)):
            words = ["serve", name, "--echo", "--insecure-anyone"]
            server = start_as(place, uid, *words, gid=gid, groups=groups)
            listening(name, server)
            for policy, let in policies.items():
                words = ["--insecure-anyone"] if policy == "anyone" else \
                    ["--who", policy] if policy else []
                for client in (0, STRANGER):
                    good = who in let or servers[who][0] == client
                    code, out, _ = leat_as(place, client, "who", name, "--json", *words)
                    shown = json.loads(out)
                    case = (who, name, policy, client, shown)
                    assert code == (0 if good else 5), case
                    assert shown["uid"] == uid and shown["gid"] == gid, case
                    assert set(shown["groups"]) == set(groups), case
                    assert shown["trusted"] == (uid in (0, client)), case
                    assert "who_trusted" not in shown or shown["who_trusted"] == good, case
                    sent = leat_as(place, client, "send", name, "hi", "--expect", "1", *words)
                    assert sent[0] == code, (case, sent)
            server.terminate()
            assert server.wait(DEADLINE) == 0


# ---- leat who ----------------------------------------------------------------------------------


@test
def who_shows_the_server(place):
    server = place.serve("mail", "--echo")
    shown = json.loads(expect(place.leat("who", "mail", "--json"), 0)[1])
    assert shown["name"] == "mail" and shown["address"] == "unix:" + place.address("mail"), shown
    assert (shown["uid"], shown["gid"]) == (os.geteuid(), os.getegid()), shown
    assert shown["user"] == str(os.geteuid()) and shown["pid"] == server.pid, shown
    assert shown["program"] == os.readlink("/proc/%d/exe" % server.pid), shown
    assert shown["trusted"] is True and "who" not in shown and shown["exit"] == 0, shown
    _, out, err = expect(place.leat("who", "mail", "--who", "list:5"), 0)
    assert err == b"" and b"%d (" % server.pid in out, (out, err)
    assert out.count(b"trusted   yes") == 2 and b"list:5" in out, out
    expect(place.leat("send", "mail", "still there", "--expect", "1", "--line"), 0,
           b"still there\n")


@test
def who_of_a_server_that_is_not_there(place):
    expect(place.leat("who", "absent"), 3, b"")
    error = json.loads(expect(place.leat("who", "absent", "--json"), 3)[1])
    assert error["error"] == "NOT_FOUND" and error["command"] == "who", error
    server = place.serve("stale", "--echo")
    server.kill()
    server.wait(DEADLINE)
    expect(place.leat("who", "stale"), 4, b"")
    expect(place.leat("who", "a b"), 2, b"")


@test
def who_and_doctor_send_nothing(place):
    server = listen(place.file("quiet"))
    for words in (["who"], ["who", "--who", "admin"], ["doctor"]):
        expect(place.leat(words[0], place.file("quiet"), *words[1:]), 0)
        conn = accept(server)
        assert read_all(conn) == b"", words
        conn.close()
    server.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        server.accept()
        raise AssertionError("more than one connection")
    server.close()


@test
def who_shows_no_control_characters(place):
    """The name of a program is the program's own choice."""
    odd = place.file("a\x1b[2Jb")
    shutil.copy(sys.executable, odd)
    path = place.file("odd")
    script = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\n"
              "s.listen(8)\nsys.stdin.read()\n")
    process = place.start([odd, "-c", script, path])
    with contextlib.suppress(AssertionError):
        place.listening(path, process)
    if process.poll() is not None:
        raise Skip("this python cannot be copied")
    _, out, _ = expect(place.leat("who", path), 0)
    assert b"\x1b" not in out and b"\\x1b[2Jb" in out, out
    shown = json.loads(expect(place.leat("who", path, "--json"), 0)[1])
    assert shown["program"] == os.path.realpath(odd), shown


# ---- serve --who ask ---------------------------------------------------------------------------


class Terminal:
    """A server with a terminal of its own, and somebody who reads and types there."""

    def __init__(self, place, *words):
        self.master, slave = pty.openpty()

        def own():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = place.leat_start(*words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=slave, preexec_fn=own)
        os.close(slave)
        self.shown = b""

    def wait(self, wanted):
        """What was shown until then."""
        def look():
            if select.select([self.master], [], [], 0)[0]:
                self.shown += os.read(self.master, 65536)
            return wanted in self.shown

        wait_until(look, "%r was not shown" % wanted)
        shown, self.shown = self.shown, b""
        return shown

    def type(self, text):
        os.write(self.master, text)

    def close(self):
        with contextlib.suppress(OSError):
            os.close(self.master)


@test
def ask_lets_in_whom_somebody_says(place):
    name = place.file("asked")
    terminal = Terminal(place, "serve", name, "--echo", "--who", "ask")
    terminal.wait(b"listening")
    for answer, good in ((b"y\n", True), (b"n\n", False), (b"yes\n", True), (b"\n", False),
                         (b"yet\n", False), (b"Y\n", True), (b"\x04", False)):
        client = place.leat_start("send", name, "hi", "--expect", "1", "--line")
        shown = terminal.wait(b"[y/N] ")
        assert b"user %d" % os.geteuid() in shown and b"process %d" % client.pid in shown, shown
        terminal.type(answer)
        out, _ = client.communicate(b"", DEADLINE)
        assert (client.returncode, out) == ((0, b"hi\n") if good else (9, b"")), (answer, out)
    terminal.process.terminate()
    assert terminal.process.wait(DEADLINE) == 0
    terminal.close()


@test
def ask_takes_no_answer_from_before(place):
    """What was typed before the question is not the answer to it."""
    name = place.file("asked")
    terminal = Terminal(place, "serve", name, "--echo", "--who", "ask")
    terminal.wait(b"listening")
    terminal.type(b"y\n")
    terminal.wait(b"y\r\n")  # the terminal has it
    client = place.leat_start("send", name, "hi", "--expect", "1", "--line")
    terminal.wait(b"[y/N] ")
    terminal.type(b"n\n")
    out, _ = client.communicate(b"", DEADLINE)
    assert (client.returncode, out) == (9, b""), (client.returncode, out)
    terminal.process.terminate()
    assert terminal.process.wait(DEADLINE) == 0
    terminal.close()


@test
def ask_for_the_one_client_of_standard_streams(place):
    """Who is kept out is not the one client."""
    name = place.file("asked")
    terminal = Terminal(place, "serve", name, "--who", "ask")
    terminal.wait(b"listening")
    for answer in (b"n\n", b"y\n"):
        client = place.leat_start("connect", name)
        terminal.wait(b"process %d" % client.pid)
        terminal.type(answer)
        client.communicate(b"", DEADLINE)
        assert (terminal.process.poll() is None) or answer == b"y\n"
    assert terminal.process.wait(DEADLINE) == 0
    terminal.close()


@test
def ask_forgets_who_has_gone(place):
    """The next one is asked about, and the answer is for him."""
    name = place.file("asked")
    terminal = Terminal(place, "serve", name, "--echo", "--who", "ask")
    terminal.wait(b"listening")
    first = place.leat_start("send", name, "one", "--expect", "1", "--line")
    terminal.wait(b"process %d" % first.pid)
    second = place.leat_start("send", name, "two", "--expect", "1", "--line", "--timeout", "1m")
    first.kill()
    first.wait(DEADLINE)
    if b"process %d" % second.pid not in terminal.wait(b"? [y/N] "):
        terminal.wait(b"process %d" % second.pid)
    terminal.type(b"y\n")
    out, err = second.communicate(b"", DEADLINE)
    assert (second.returncode, out) == (0, b"two\n"), (out, err)
    terminal.process.terminate()
    assert terminal.process.wait(DEADLINE) == 0
    terminal.close()


# ---- leat doctor: the name ---------------------------------------------------------------------


@test
def doctor_of_a_server_that_answers(place):
    server = place.serve("well", "--echo")
    found = doctor(place, "well", code=0, found=["resolves", "socket", "lock-held", "answers"])
    assert str(server.pid) in found["lock-held"]["words"], found
    code, out, err = place.leat("doctor", "well")
    assert code == 0 and err == b"" and b"FAULT" not in out and b"\nok " in out, (code, out, err)


@test
def doctor_of_names(place):
    doctor(place, "a b", code=2, fault="name")
    doctor(place, "n" * 65, code=2, fault="too-long")
    doctor(place, "pipe:x", code=1, fault="unsupported")
    doctor(place, abstract(place, "none"), code=4, fault="abstract-missing")


@test
def doctor_of_the_folder_of_plain_names(place):
    folder = place.run + "/leat"
    with open(folder, "w") as file:
        file.write("in the way")
    doctor(place, "x", code=5, fault="scope-kind")
    os.unlink(folder)
    os.symlink(place.root, folder)
    doctor(place, "x", code=5, fault="scope-kind")
    os.unlink(folder)
    os.mkdir(folder, 0o755)
    os.chmod(folder, 0o755)
    found = doctor(place, "x", code=5, fault="scope-mode")
    assert found["scope-mode"]["advice"] == "chmod 700 " + folder, found
    os.chmod(folder, 0o700)
    doctor(place, "x", code=3, fault="missing")


def in_own_tmp(place, *words, runtime="/nowhere", **more):
    """Runs leat where /tmp is a folder of the test's own."""
    need_root()
    if not os.path.exists(place.file("tmp")):
        os.mkdir(place.file("tmp"))
        os.chmod(place.file("tmp"), 0o1777)
    script = "mount --bind '%s' /mnt && mount --bind '%s' /tmp && exec \"$@\"" % (
        os.path.dirname(copy_for_all(place)), place.file("tmp"))
    process = place.start(["unshare", "-m", "sh", "-c", script, "sh", "/mnt/leat-copy", *words],
                          env=dict(place.env, XDG_RUNTIME_DIR=runtime), **more)
    return process


def in_own_tmp_run(place, runtime="/nowhere"):
    def run(*words):
        process = in_own_tmp(place, *words, runtime=runtime)
        out, err = process.communicate(b"", DEADLINE)
        return process.returncode, out, err

    if run("version")[0] != 0:
        cannot("no mount namespace can be made here")
    return run


@test
def doctor_of_runtime_folders_that_are_passed_over(place):
    run = in_own_tmp_run(place, "/tmp/run")
    runtime = place.file("tmp/run")
    os.mkdir(runtime, 0o711)
    os.chmod(runtime, 0o711)
    found = doctor(place, "x", code=3, fault="missing", found=["scope-passed"], run=run)
    assert "0711" in found["scope-passed"]["words"], found
    assert "/tmp/leat-0/x" in found["missing"]["words"], found
    os.chmod(runtime, 0o700)
    assert "scope-passed" not in doctor(place, "x", code=3, fault="missing", run=run)
    os.chown(runtime, STRANGER, STRANGER)
    found = doctor(place, "x", code=3, fault="missing", found=["scope-passed"], run=run)
    assert str(STRANGER) in found["scope-passed"]["words"], found
    os.chown(runtime, 0, 0)
    os.mkdir(place.file("tmp/wide"))
    os.chmod(place.file("tmp/wide"), 0o777)
    os.rename(runtime, place.file("tmp/wide/run"))
    run = in_own_tmp_run(place, "/tmp/wide/run")
    found = doctor(place, "x", code=3, fault="missing", found=["scope-passed"], run=run)
    assert "above" in found["scope-passed"]["words"], found
    os.chmod(place.file("tmp"), 0o777)
    doctor(place, "x", code=5, fault="scope-above", run=run)


@test
def doctor_of_another_users_folder(place):
    need_root()
    os.mkdir(place.run + "/leat", 0o700)
    os.chown(place.run + "/leat", STRANGER, STRANGER)
    found = doctor(place, "x", code=5, fault="scope-owner")
    assert str(STRANGER) in found["scope-owner"]["words"], found


@test
def doctor_finds_the_server_elsewhere(place):
    """The server was started without XDG_RUNTIME_DIR; /tmp is one of the test's own."""
    run = in_own_tmp_run(place, "/tmp/run")
    os.mkdir(place.file("tmp/run"), 0o700)
    server = in_own_tmp(place, "serve", "lost", "--echo")
    listening("/tmp/leat-0/lost", server)
    found = doctor(place, "lost", code=3, fault="missing", found=["elsewhere"], run=run)
    assert found["elsewhere"]["advice"] == "leat connect /tmp/leat-0/lost", found
    server.terminate()
    assert server.wait(DEADLINE) == 0


# ---- leat doctor: the way, and what stands there -----------------------------------------------


@test
def doctor_of_folders(place):
    doctor(place, place.file("no/such/x"), code=3, fault="folder-missing")
    with open(place.file("plain"), "w") as file:
        file.write("x")
    doctor(place, place.file("plain/x"), code=3, fault="folder-kind")
    os.symlink("circle", place.file("circle"))
    assert "circle" in doctor(place, place.file("circle/x"), found=["folder-kind"],
                              fault="folder-kind")["folder-kind"]["words"]
    os.mkdir(place.file("open"))
    os.chmod(place.file("open"), 0o777)
    doctor(place, place.file("open/x"), code=3, fault="missing", found=["folder-open"])
    os.symlink("open", place.file("way"))
    found = doctor(place, place.file("way/x"), code=3, fault="missing", found=["folder-open"])
    os.chmod(place.file("open"), 0o1777)
    found = doctor(place, place.file("open/x"), code=3, fault="missing", found=["folder-shared"])
    assert "folder-open" not in found, found
    os.chmod(place.file("open"), 0o755)
    assert "folder-shared" not in doctor(place, place.file("open/x"), fault="missing")


@test
def doctor_of_folders_of_others(place):
    need_root()
    os.mkdir(place.file("theirs"))
    os.chown(place.file("theirs"), STRANGER, STRANGER)
    doctor(place, place.file("theirs/x"), code=3, fault="missing", found=["folder-owner"])
    os.mkdir(place.file("closed"), 0o700)
    found = doctor(place, place.file("closed/in/x"), code=5, fault="folder-closed", uid=STRANGER)
    assert "0700" in found["folder-closed"]["words"], found
    assert found["folder-closed"]["advice"].endswith(" " + place.file("closed")), found
    place.env["XDG_RUNTIME_DIR"] = place.file("closed/run")
    doctor(place, "x", code=5, fault="folder-closed", uid=STRANGER)


@test
def doctor_of_what_is_no_socket(place):
    server = listen(place.file("real"))
    os.symlink("real", place.file("link"))
    doctor(place, place.file("link"), code=5, fault="link")
    server.close()
    os.mkfifo(place.file("fifo"))
    for name, make in (("folder", os.mkdir), ("file", lambda path: open(path, "w").close()),
                       ("fifo", lambda path: None)):
        make(place.file(name))
        found = doctor(place, place.file(name), code=4, fault="kind")
        assert name in found["kind"]["words"], found
    found = doctor(place, place.file("it's here"), code=3, fault="missing")
    assert "'\\''s here'" in found["missing"]["advice"], found
    assert subprocess.run(["sh", "-n", "-c", found["missing"]["advice"].split(": ")[1]],
                          check=False).returncode == 0, found


@test
def doctor_of_rights(place):
    need_root()
    server = listen(place.file("mine"))
    os.chmod(place.root, 0o711)
    os.chmod(place.file("mine"), 0o600)
    doctor(place, place.file("mine"), code=5, fault="mode", uid=STRANGER)
    os.chown(place.file("mine"), STRANGER, STRANGER)
    found = doctor(place, place.file("mine"), code=5, fault="owner")
    assert found["owner"]["advice"].endswith("--who list:%d" % STRANGER), found
    doctor(place, place.file("mine"), "--who", "list:%d" % STRANGER, code=0, found=["answers"])
    expect(place.leat("who", place.file("mine")), 5)
    server.close()


# ---- leat doctor: who answers ------------------------------------------------------------------


@test
def doctor_of_a_dead_server(place):
    server = place.serve("stale", "--echo")
    path = place.address("stale")
    server.kill()
    server.wait(DEADLINE)
    before = {name: os.lstat(os.path.join(os.path.dirname(path), name))
              for name in os.listdir(os.path.dirname(path))}
    doctor(place, "stale", code=4, fault="stale")
    with open(path + ".leat-lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = doctor(place, "stale", code=4, fault="lock-silent", found=["lock-held"])
        assert "process %d" % os.getpid() in found["lock-silent"]["words"], found
    after = {name: os.lstat(os.path.join(os.path.dirname(path), name))
             for name in os.listdir(os.path.dirname(path))}
    assert {n: (s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_mode) for n, s in before.items()} == \
        {n: (s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_mode) for n, s in after.items()}
    with open(path + ".leat-lock", "w") as lock:
        lock.write("somebody's")
    doctor(place, "stale", code=4, fault="stale", found=["lock-foreign"])


@test
def doctor_of_other_kinds_of_sockets(place):
    for kind, path, fault in ((socket.SOCK_SEQPACKET, place.file("packets"), "packets"),
                              (socket.SOCK_DGRAM, place.file("datagrams"), "datagrams")):
        server = socket.socket(socket.AF_UNIX, kind)
        server.bind(path)
        if kind == socket.SOCK_SEQPACKET:
            server.listen(8)
        doctor(place, path, code=4, fault=fault)
        server.close()


@test
def doctor_of_a_full_backlog(place):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(place.file("full"))
    server.listen(0)
    clients = []
    for _ in range(64):
        clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        clients[-1].setblocking(False)
        try:
            clients[-1].connect(place.file("full"))
        except BlockingIOError:
            break
    else:
        raise AssertionError("the backlog has no end")
    doctor(place, place.file("full"), "--timeout", "200ms", code=6, fault="backlog-full")
    for conn in clients + [server]:
        conn.close()


@test
def doctor_of_other_users_servers(place):
    need_root()
    for uid, fault in ((STRANGER, "peer-other"), (NOBODY, "peer-certain")):
        name = abstract(place, str(uid))
        server = start_as(place, uid, "serve", name, "--echo", "--insecure-anyone")
        listening(name, server)
        found = doctor(place, name, code=5, fault=fault)
        assert str(uid) in found[fault]["words"], found
        doctor(place, name, "--insecure-anyone", code=0, found=["answers"])


@test
def doctor_of_another_users_lock(place):
    """The lock of a server is leat's, whoever the server is; that of another one is not."""
    need_root()
    os.makedirs(place.file("theirs"))
    os.chown(place.file("theirs"), STRANGER, STRANGER)
    name = place.file("theirs/mail")
    server = start_as(place, STRANGER, "serve", name, "--echo", "--insecure-anyone")
    listening(name, server)
    found = doctor(place, name, "--who", "list:%d" % STRANGER, code=0,
                   found=["answers", "lock-held"])
    assert "lock-foreign" not in found, found
    os.chown(name + ".leat-lock", 0, 0)
    doctor(place, name, "--who", "list:%d" % STRANGER, code=0, found=["answers", "lock-foreign"])


@test
def doctor_of_a_server_that_lets_us_not_in(place):
    """How soon the server looks is its own affair, so it is asked until it was soon enough."""
    need_root()
    name = abstract(place, "shut")
    server = place.leat_start("serve", name, "--echo")
    listening(name, server)

    def closes():
        return "closes" in doctor(place, name, uid=STRANGER)

    wait_until(closes, "the server lets strangers in")
    SEEN.add("closes")
    doctor(place, name, code=0, found=["answers"])


@test
def doctor_of_a_server_that_has_nothing_to_say(place):
    """The end of what it says is no end of the connection."""
    server = listen(place.file("mute"))

    def met_by(last):
        asked = Background(place.leat, "doctor", place.file("mute"), "--json")
        conn = accept(server)
        last(conn)
        found = judge_doctor(asked.result())
        conn.close()
        return found

    assert "answers" in met_by(lambda conn: conn.shutdown(socket.SHUT_WR))
    # How soon it closes is another matter, so it is asked until that was soon enough.
    wait_until(lambda: "closes" in met_by(lambda conn: conn.close()), "no end is seen")
    server.close()


@test
def doctor_of_what_it_has_no_words_for(place):
    """A limit of the process."""
    import resource

    listener = listen(place.file("limit"))

    def run(*words):
        process = place.leat_start(
            *words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5)))
        out, err = process.communicate(b"", DEADLINE)
        return process.returncode, out, err

    with open(place.leat_path, "rb") as file:
        if file.read(2) == b"#!":
            cannot("a wrapper needs more descriptors")
    found = doctor(place, place.file("limit"), code=1, fault="other", run=run)
    assert "limit" in found["other"]["words"], found
    listener.close()


@test
def every_finding_is_shown_and_described(place):
    with open(os.path.join(TREE, "tools/findings.def")) as file:
        ids = re.findall(r'^FINDING\(\w+, "([\w-]+)"', file.read(), re.M)
    with open(os.path.join(TREE, "docs/command.md")) as file:
        described = set(re.findall(r"`([\w-]+)`", file.read()))
    assert len(ids) > 30 and len(ids) == len(set(ids)), ids
    assert not set(ids) - described, set(ids) - described
    if sys.argv[2:] or not_shown:
        raise Skip("needs all the tests before: " + "; ".join(not_shown))
    missing = {key for key in ids if not key.startswith("pipe")} - SEEN - set(NOT_HERE)
    assert not missing, missing
