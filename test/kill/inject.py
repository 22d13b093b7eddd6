#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes system calls of the shipped library fail with strace, and compares with the fault sweep.

usage: inject.py BUILD [--deep] [--verbose] [WORD...]

Happy path: a run without faults says which calls a part makes, and which function below the seam
            each of them is; then each errno of test/os_fault_table.def is put in its place, once.
Fails:      when a program is told what test/fault/expected.def does not allow for that errno, does
            not end, reads what was not sent, or leaves a descriptor.
Invariants: the fault object is left out of this, so what it only plays is seen here for real. WORDs
            choose the runs whose line has all of them; --deep takes each call, else the first of
            each function.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))

from support import wait_until  # noqa: E402  the path of support.py comes first

PATIENCE_MS = 1000
LIMIT_S = 60

# Functions below the seam, by what strace shows of a call.
SEAM = [
    (r"accept4\(", "accept"), (r"bind\(", "bind"), (r"listen\(", "listen"),
    (r"connect\(.*/proc/self/fd/", "connect_node"), (r"connect\(", "connect"),
    (r"socket\(", "socket"), (r"shutdown\(", "shutdown_write"), (r"close\(", "close"),
    (r"getrandom\(.*, 0\)", "random"), (r"epoll_create1\(", "poller_create"),
    (r"epoll_ctl\(\d+, EPOLL_CTL_ADD", "poller_add"),
    (r"epoll_ctl\(\d+, EPOLL_CTL_MOD", "poller_modify"),
    (r"epoll_ctl\(\d+, EPOLL_CTL_DEL", "poller_remove"),
    (r"epoll_p?wait\(", "poller_wait"), (r"eventfd2\(", "event_create"),
    (r"fchmod\(", "fchmod"), (r"unlink(at)?\(", "unlink"),
    (r"newfstatat\(\d+, \"\"", "fstat"), (r"(newfstatat\(AT_FDCWD|lstat\()", "lstat"),
    (r"openat\(.*O_EXCL", "make_lock"), (r"openat\(.*O_DIRECTORY", "open_folder"),
    (r"openat\(.*O_PATH", "open_node"), (r"openat\(.*O_RDWR", "open_lock"),
    (r"fcntl\(.*F_WRLCK.*l_start=1,", "lock"), (r"fcntl\(.*F_RDLCK.*l_start=1,", "share"),
    (r"fcntl\(.*F_RDLCK.*l_start=0,", "turn_share"), (r"fcntl\(.*F_UNLCK.*l_len=1\}", "share_over"),
    (r"getsockopt\(.*SO_PEERCRED", "peer"),
]
TALK = {"recvfrom": "recv", "recvmsg": "recv", "sendto": "send", "sendmsg": "send"}

# A real one of these is followed by another edge; one that strace makes up is not, so nobody would
# look again. The fault object plays that edge.
NO_EDGE = {("recv", "EAGAIN"), ("recv_packet", "EAGAIN"), ("accept", "EAGAIN"),
           ("peek_packet", "EAGAIN")}

ALIAS = {"EWOULDBLOCK": "EAGAIN"}  # as strace calls it

# A connection that is there already cannot be told from one that is not, unless it is there.
NOT_PLAYED = {("connect", "EISCONN"), ("connect", "EINPROGRESS"), ("connect_node", "EISCONN"),
              ("connect_node", "EINPROGRESS")}


def tables(root):
    faults, expected = {}, {}
    with open(os.path.join(root, "test/os_fault_table.def"), encoding="utf-8") as file:
        for call, name, traits in re.findall(r"^FAULT\((\w+), (\w+), ERROR, \w+, (.*)\)$",
                                             file.read(), re.M):
            faults.setdefault(call, []).append((name, "T" in traits.split(" | ")))
    with open(os.path.join(root, "test/fault/expected.def"), encoding="utf-8") as file:
        text = file.read()
    for call, name, errors in re.findall(r"EXPECTED\((\w+), (\w+),\s+([^)]*)\)", text):
        expected[call, name] = set(re.findall(r"\w+", errors))
    after = set(re.findall(r"\w+", re.search(r"EXPECTED_AFTER\(([^)]*)\)", text).group(1)))
    return faults, expected, after


class Part:
    """A process that plays a part, perhaps under strace."""

    def __init__(self, build, role, path, protocol, last=True, strace=()):
        command = [os.path.join(build, "kill_actor"), role, path, protocol, str(PATIENCE_MS)]
        self.process = subprocess.Popen([*strace, *command, *([] if last else ["next"])],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.said = {}

    def over(self):
        return self.process.poll() is not None

    def wait(self):
        try:
            out, _ = self.process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            self.said = {"error": "HUNG"}
            return self
        self.said = dict(re.findall(r"(\w+)=(\S+)", out))
        if self.process.returncode not in (0, 1) or "error" not in self.said:
            self.said = {"error": f"CRASHED({self.process.returncode}): {out.strip()}"}
        return self


def play(build, folder, protocol, role, strace):
    """One talk, with the part of `role` under strace: what it said, and what its peer said."""
    path = os.path.join(folder, "k")
    server = Part(build, "server", path, protocol, strace=strace if role == "server" else ())
    wait_until(lambda: server.over() or os.path.exists(path), "the server does not listen", LIMIT_S)
    peers = []
    if role == "client":
        one = Part(build, "client", path, protocol, last=False, strace=strace).wait()
        peers.append(Part(build, "client", path, protocol).wait())
        server.wait()
        own, other = one.said, server.said
    else:
        while len(peers) < 2 and not server.over():
            peers.append(Part(build, "client", path, protocol).wait())
            if peers[-1].said["error"] == "OK":
                break
        server.wait()
        own, other = server.said, peers[0].said if peers else {"error": "OK"}
    for name in os.listdir(folder):
        if name.startswith("k"):
            os.unlink(os.path.join(folder, name))
    return own, other, [peer.said for peer in peers]


def calls_of(log, protocol):
    """The calls between the marks: (name, which of its name, function below the seam)."""
    counts, found, marked = {}, [], False
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            line = re.sub(r"^\d+ +", "", line)
            name = re.match(r"(\w+)\(", line)
            if not name:
                continue
            name = name.group(1)
            counts[name] = counts.get(name, 0) + 1
            if name == "getppid":
                marked = True
            elif marked and name in ("prlimit64", "getrlimit"):
                break
            elif marked:
                seam = next((to for what, to in SEAM if re.match(what, line)), None)
                if name in TALK:
                    seam = TALK[name] + ("_packet" if protocol == "packets" else "")
                    if "MSG_PEEK" in line:
                        seam = "peek_packet"
                if seam:
                    found.append((name, counts[name], seam))
    return found


def judge(own, other, peers, row, transparent, after, seam, said_again):
    """None, or what is wrong. Said again: what was to be sent is also what closing says."""
    for said in (own, other, *peers):
        if said["error"].startswith(("HUNG", "CRASHED")):
            return said["error"]
        if said["wrong"] != "0" if "wrong" in said else False:
            return "bytes came that were not sent"
    if own.get("descriptors") != ("1" if seam == "close" else "0"):
        return f"{own.get('descriptors')} descriptors are left"
    if transparent:
        good = own["error"] == "OK" and own["whole"] == "1" and other["error"] == "OK"
        return None if good else "it is noticed"
    if said_again:
        row = row | {"UNNOTICED"}
    allowed = row | (after if "UNNOTICED" in row else set())
    if own["error"] != "OK":
        return None if own["error"] in allowed else f"{own['error']} is not expected here"
    if other["error"] != "OK":
        return None if other["error"] in row | after else f"{other['error']} is not expected there"
    unnoticed = row & {"UNNOTICED", "UNNOTICED_SELDOM", "UNNOTICED_OWN"}
    return None if unnoticed else "nobody noticed"


def plan(build, folder, protocol, role, deep, faults):
    """Runs without a fault, and says what to try, (call, when, function, fault, transparent), and
    which of each call is the last."""
    log = os.path.join(folder, "log")
    own, other, peers = play(build, folder, protocol, role, ["strace", "-f", "-s", "9", "-o", log])
    for said in (own, other, *peers):
        assert said["error"] == "OK", f"without a fault: {said}"
    calls = calls_of(log, protocol)
    ends = {name: when for name, when, _ in calls}  # the last one of each
    os.unlink(log)
    if not deep: # the first of each function; those of packets are then the rest
        first = {}
        for call in calls:
            first.setdefault(call[2], call)
        calls = [call for call in first.values() if protocol == "messages" or "packet" in call[2]]
    todo = [(name, when, seam, number, transparent) for name, when, seam in calls
            for number, transparent in faults.get(seam, [])
            if (seam, number) not in NO_EDGE | NOT_PLAYED]
    return todo, ends


def main():
    words = [word for word in sys.argv[2:] if not word.startswith("--")]
    build, deep, verbose = sys.argv[1], "--deep" in sys.argv, "--verbose" in sys.argv
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    probe = subprocess.run(["strace", "-o", "/dev/null", "-e", "inject=getppid:error=ENOSYS",
                            "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           check=False) if any(
        os.access(os.path.join(at, "strace"), os.X_OK) for at in os.get_exec_path()) else None
    if probe is None or probe.returncode != 0:
        print("skipped: strace is not here, or may not follow\n0 passed, 0 failed, 1 skipped")
        return 0
    faults, expected, after = tables(root)
    passed = failed = 0
    functions = set()
    with tempfile.TemporaryDirectory() as folder:
        for protocol in ("messages", "bytes", "packets") if deep else ("messages", "packets"):
            for role in ("server", "client"):
                todo, ends = plan(build, folder, protocol, role, deep, faults)
                for name, when, seam, number, transparent in todo:
                    line = f"{protocol} {role} {name}:error={number}:when={when} ({seam})"
                    if any(word not in line for word in words):
                        continue
                    strace = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={name}", "-e",
                              f"inject={name}:error={ALIAS.get(number, number)}:when={when}"]
                    own, other, peers = play(build, folder, protocol, role, strace)
                    wrong = judge(own, other, peers, expected.get((seam, number), set()),
                                  transparent, after, seam,
                                  role == "server" and when == ends[name] and
                                  seam in ("send_packet", "shutdown_write"))
                    functions.add(seam)
                    passed, failed = passed + (not wrong), failed + bool(wrong)
                    if wrong or verbose:
                        print(f"{'FAIL' if wrong else 'ok'} {line}: {wrong or ''}\n"
                              f"     own {own}\n     peer {other}")
    print(f"{len(functions)} functions below the seam: {' '.join(sorted(functions))}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
