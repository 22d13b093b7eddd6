#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""leat.exe and who may be at the other end: --who, leat who, leat doctor. Run it by
test/wine.sh --script, or on Windows.
Usage: windows_access_test.py [path of leat.exe] [test names].

Happy path: each finding of leat doctor about pipes is produced once, by a foreign server with a
pipe of that kind; what leat who and leat doctor say of a server is held against what leat send does
with it. wine gives a pipe the owner and the descriptor that it is asked for, and enforces neither.
"""
import json
import os
import re
import sys

from support import DEADLINE, Skip, expect, judge_doctor, wait_until
from windows_support import WINDOWS, main, needs_windows, needs_wine, own_user, test

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SYSTEM, ADMINISTRATORS, USERS, STRANGER = \
    "S-1-5-18", "S-1-5-32-544", "S-1-5-32-545", "S-1-5-21-1-2-3-1234"
NOT_UNDER_WINE = {"pipe-denied": "enforces no descriptor"}
SEEN = set()  # ids of findings that a test asked for and got
LOW, MEDIUM = "S-1-16-4096", "S-1-16-8192"
own_levels = []


def own_level(place):
    if not own_levels:
        out = expect(place.run(place.helper(), "level"), 0)[1].decode().strip()
        assert re.fullmatch(r"S-1-16-[0-9]+", out), out
        own_levels.append(out)
    return own_levels[0]


def elevated(place):
    return int(own_level(place).split("-")[-1]) > int(MEDIUM.split("-")[-1])


def offer(place, kind, descriptor="-", instances=4, label="own"):
    """A foreign server: itself, and its name. With a descriptor its pipe has our own level of
    integrity, or that of the label; None: none."""
    name = "\\\\.\\pipe\\" + place.name("offer-%d" % place.count)
    if descriptor != "-" and label is not None:
        descriptor += "S:(ML;;NWNR;;;%s)" % (own_level(place) if label == "own" else label)
    words = (place.helper(), "offer", name, kind, descriptor, str(instances))
    server = place.start(*words)
    # Wine has started a program that never came to its first word.
    if not WINDOWS and not server.said(b"ready", DEADLINE / 3) and not server.err():
        print("again: a foreign server said nothing, exit code %s" % server.popen.poll(),
              flush=True)
        server.kill()
        server = place.start(*words)
    server.wait_out(b"ready")
    return server, name


def owned(user, rights="(A;;FA;;;%s)"):
    """The descriptor of a pipe of that user's, who alone may do everything with it."""
    return "O:%sG:%sD:P" % (user, user) + (rights % user if "%s" in rights else rights)


def doctor(place, name, *words, code=None, found=(), fault=None):
    findings = judge_doctor(place.leat("doctor", name, "--json", *words), code, found, fault)
    SEEN.update([*found, *([fault] if fault else [])])
    return findings


# ---- --who -------------------------------------------------------------------------------------


@test
def who_usage(place):
    for words in (
        ["serve", "x", "--who", "nonsense"], ["serve", "x", "--who="],
        ["serve", "x", "--who", "group:"], ["serve", "x", "--who", "list:S-1-5-18,"],
        ["connect", "x", "--who", "list:no such user"], ["send", "x", "y", "--who", "list:S-1-x"],
        ["connect", "x", "--who", "group:no such group"], ["connect", "x", "--who", "ask"],
        ["doctor", "x", "--who", "list:12345"],
        ["send", "x", "y", "--insecure-anyone", "--who", "admin"],
        ["serve", "x", "--who", "list:" + ",".join("S-1-5-%d" % i for i in range(1, 66))],
        ["who"], ["doctor", "x", "y"], ["wait-for", "x", "--who", "admin"],
    ):
        code, out, err = place.leat(*words)
        assert code == 2 and out == b"" and b"help" in err, (words, code, out, err)


@test
def who_ask_needs_a_console(place):
    expect(place.leat("serve", place.name("asked"), "--echo", "--who", "ask"), 2, b"", b"terminal")


@test
def who_takes_names(place):
    """The same words as on Linux, and SIDs where Linux has numbers."""
    name, others = place.name("echo"), place.name("others")
    place.serve(name, "--echo")
    place.serve(others, "--echo", "--who", "list:SYSTEM,%s,S-1-5-020" % STRANGER)
    account = json.loads(expect(place.leat("who", name, "--json"), 0)[1])["user_name"]
    for policy in ("same-user", "admin", "group:Users", "list:SYSTEM,S-1-5-32-545,%s" % STRANGER,
                   "list:" + account):
        say = ["hi", "--expect", "1", "--line", "--who", policy]
        expect(place.leat("send", name, *say), 0, b"hi\n")
        # One that serves others is medium: who is elevated names its user.
        if policy == "list:" + account or not elevated(place):
            expect(place.leat("send", others, *say), 0, b"hi\n")
        else:
            expect(place.leat("send", others, *say), 5, b"", b"trusted")
    # What is no user is not one because a group has that name, nor the reverse.
    for policy in ("list:Users", "group:" + account):
        expect(place.leat("send", name, "hi", "--who", policy), 2, b"", b"no such")
    _, out, _ = expect(place.leat("doctor", "absent", "--json", "--who", "group:Users"), 3)
    assert json.loads(out)["who"] == "group:Users", out


@test
def who_of_names_is_who_of_sids(place):
    needs_wine("only there a pipe can have any owner")
    _, users = offer(place, "bytes", owned(USERS))
    _, system = offer(place, "bytes", owned("S-1-5-19"))
    for name, policy in ((users, "group:Users"), (users, "group:BUILTIN\\Users"),
                         (system, "list:LOCAL SERVICE"), (system, "list:S-1-5-19")):
        expect(place.leat("send", name, "hi", "--who", policy), 0)
    for name, policy in ((users, "group:Guests"), (system, "list:NETWORK SERVICE")):
        expect(place.leat("send", name, "hi", "--who", policy), 5)


@test
def what_who_says_is_what_send_and_doctor_do(place):
    """Pipes of every owner, and every policy."""
    needs_wine("only there a pipe can have any owner")
    user = own_user(place)
    everybody = {user, SYSTEM, ADMINISTRATORS, USERS, STRANGER}
    always = {user, SYSTEM, ADMINISTRATORS}
    policies = {"same-user": always, "admin": always, "group:Users": always | {USERS},
                "list:S-1-5-20,%s" % STRANGER: always | {STRANGER}, "anyone": everybody}
    servers = {owner: offer(place, "bytes", owned(owner))[1] for owner in sorted(everybody)}
    for owner, name in servers.items():
        for policy, let in policies.items():
            if owner in (SYSTEM, ADMINISTRATORS) and policy not in ("same-user", "group:Users"):
                continue  # it is let in by all
            words = ["--insecure-anyone"] if policy == "anyone" else ["--who", policy]
            code = 0 if owner in let else 5
            shown = json.loads(expect(place.leat("who", name, "--json", *words), code)[1])
            case = (owner, policy, shown)
            assert shown["user"] == owner and shown["pid"] > 0 and "uid" not in shown, case
            assert shown["trusted"] == (owner in always), case
            assert shown["who_trusted"] == (code == 0), case
            if policy in ("same-user", "group:Users"):  # else doctor's connect is enough
                expect(place.leat("send", name, "hi", "--expect", "1", "--line", *words), code)
            found = doctor(place, name, *words, code=code, found=["pipe"],
                           fault="pipe-owner" if code else None)
            if code:
                assert owner in found["pipe-owner"]["words"], found
                assert found["pipe-owner"]["advice"].endswith("--who list:" + owner), found


@test
def owner_that_is_not_known(place):
    needs_wine("only there a pipe has no owner")
    _, name = offer(place, "bytes")
    doctor(place, name, code=5, fault="peer-unknown", found=["pipe"])
    _, out, _ = expect(place.leat("who", name), 5)
    assert b"does not say" in out and b"trusted   no" in out, out
    doctor(place, name, "--insecure-anyone", code=0, found=["answers"])
    expect(place.leat("who", name, "--insecure-anyone"), 0)


# ---- leat who ----------------------------------------------------------------------------------


@test
def who_shows_the_server(place):
    name = place.name("mail")
    place.serve(name, "--echo")
    user = own_user(place)
    shown = json.loads(expect(place.leat("who", name, "--json"), 0)[1])
    assert shown["name"] == name and shown["address"].startswith("\\\\.\\pipe\\leat\\"), shown
    assert shown["user"] == user and shown["pid"] > 0 and "uid" not in shown, shown
    assert shown["program"].lower().endswith("\\leat.exe"), shown
    assert shown["trusted"] is True and "who" not in shown and shown["exit"] == 0, shown
    _, out, err = expect(place.leat("who", name, "--who", "list:" + STRANGER), 0)
    assert err == b"" and b"%d (" % shown["pid"] in out and user.encode() in out, (out, err)
    assert out.count(b"trusted   yes") == 2 and STRANGER.encode() in out, out
    expect(place.leat("send", name, "still there", "--expect", "1", "--line"), 0, b"still there\n")


@test
def who_of_a_server_that_is_not_there(place):
    absent = place.name("absent")
    expect(place.leat("who", absent), 3, b"")
    error = json.loads(expect(place.leat("who", absent, "--json"), 3)[1])
    assert error["error"] == "NOT_FOUND" and error["command"] == "who", error
    expect(place.leat("who", "a b"), 2, b"")
    expect(place.leat("who", "unix:@x"), 1, b"", b"support")
    _, full = offer(place, "taken", owned(own_user(place)), 2)
    expect(place.leat("who", full, "--timeout", "300ms"), 6, b"")


@test
def who_and_doctor_send_nothing(place):
    server, name = offer(place, "bytes", owned(own_user(place)))
    for words, clients in ((["who", name, "--who", "admin"], 1), (["doctor", name], 2)):
        before = server.out().count(b"\n")
        expect(place.leat(*words), 0)
        wait_until(lambda: server.out().count(b"\n") >= before + clients, "no end of a client")
    assert server.out().split() == [b"ready", b"0", b"0", b"0"], server.out()


# ---- leat doctor -------------------------------------------------------------------------------


@test
def doctor_of_a_server_that_answers(place):
    name = place.name("well")
    place.serve(name, "--echo")
    found = doctor(place, name, code=0, found=["resolves", "pipe", "pipe-rights", "answers"])
    assert "pipe of bytes" in found["pipe"]["words"], found
    assert "pipe-open" not in found, found
    code, out, err = place.leat("doctor", name)
    assert code == 0 and err == b"" and b"FAULT" not in out and b"\nok " in out, (code, out, err)


@test
def doctor_of_a_server_for_one_client(place):
    """To look takes an instance, and must not take the one that the connect needs."""
    user = own_user(place)
    name = place.name("one")
    place.leat_start("serve", name)

    def met():
        found = doctor(place, name, found=["resolves"])
        assert "answers" in found or "pipe-missing" in found, found
        return "answers" in found

    wait_until(met, "no server")
    _, name = offer(place, "bytes", owned(user), 1)
    doctor(place, name, code=0, found=["answers"])
    if not WINDOWS:
        _, name = offer(place, "bytes", owned(STRANGER), 1)
        doctor(place, name, code=5, fault="pipe-owner")


@test
def doctor_of_names(place):
    doctor(place, "a b", code=2, fault="name")
    doctor(place, "n" * 65, code=2, fault="too-long")
    doctor(place, "/run/x", code=1, fault="unsupported")
    absent = place.name("absent")
    found = doctor(place, absent, code=3, fault="pipe-missing")
    assert absent + " --echo" in found["pipe-missing"]["advice"], found
    found = doctor(place, "qt:My App", code=3, fault="pipe-missing")
    assert 'leat wait-for "qt:My App"' in found["pipe-missing"]["advice"], found


@test
def doctor_of_other_kinds_of_pipes(place):
    user = own_user(place)
    _, name = offer(place, "messages", owned(user))
    found = doctor(place, name, code=4, fault="pipe-messages", found=["pipe"])
    assert "pipe of messages, with 4 instances (at most 4)" in found["pipe"]["words"], found
    for kind, way in (("in", "from its clients"), ("out", "from its server")):
        _, name = offer(place, kind, owned(user))
        # wine lets a client open both ways of a pipe that has one.
        found = doctor(place, name, code=5 if WINDOWS else 0, fault="pipe-one-way",
                       found=["pipe"])
        assert way in found["pipe-one-way"]["words"], found


@test
def doctor_of_a_busy_server(place):
    _, name = offer(place, "taken", owned(own_user(place)), 2)
    doctor(place, name, "--timeout", "300ms", code=6, fault="pipe-busy")


@test
def doctor_of_a_server_that_closes_at_once(place):
    """How soon it closes is its own affair, so it is asked until it was soon enough."""
    _, name = offer(place, "shut", owned(own_user(place)))
    wait_until(lambda: "closes" in doctor(place, name), "the server does not close")
    SEEN.add("closes")


@test
def doctor_of_rights(place):
    user = own_user(place)
    # Real Windows lets nobody in who may not write, nor the server make another instance.
    _, name = offer(place, "bytes", owned(user, "(A;;FRWD;;;%s)"), 1 if WINDOWS else 4)
    shown = place.leat("doctor", name, "--json")
    words = {f["id"]: f["words"] for f in json.loads(shown[1])["findings"]}
    assert words["pipe-rights"].endswith("read, not write, not make instances"), words
    for rights in ("(A;;GRGW;;;WD)", "(A;;FA;;;OW)(A;;FA;;;BA)(A;;0x12019f;;;WD)"):
        _, name = offer(place, "bytes", owned(user, rights))
        found = doctor(place, name, code=0, found=["pipe-open", "answers"])
        assert "S-1-1-0" in found["pipe-open"]["words"], found
    _, name = offer(place, "bytes", owned(user, "(A;;FA;;;OW)(A;;FA;;;BA)(A;;0x12019b;;;WD)"))
    assert "pipe-open" not in doctor(place, name, code=0)


@test
def doctor_of_levels(place):
    """A pipe of this user's, which somebody less trusted may have made."""
    user = own_user(place)
    named = ["--who", "list:" + user]
    for label, shown_as in (("LW", LOW), (None, MEDIUM)):
        _, name = offer(place, "bytes", owned(user), label=label)
        for policy in ([], ["--who", "admin"], ["--who", "list:" + STRANGER], named):
            low = label == "LW" or (policy != named and elevated(place))
            code = 5 if low else 0
            shown = json.loads(expect(place.leat("who", name, "--json", *policy), code)[1])
            assert shown["user"] == user and shown["label"] == shown_as, (policy, shown)
            found = doctor(place, name, *policy, code=code, found=["pipe"],
                           fault="pipe-level" if low else None)
            assert ("answers" in found) == (not low), found
            if low:
                assert user in found["pipe-level"]["words"], found
            expect(place.leat("send", name, "hi", *policy), code)
        doctor(place, name, "--insecure-anyone", code=0, found=["answers"])


@test
def doctor_of_levels_of_others(place):
    """Who is trusted for his own sake is asked for medium."""
    needs_wine("only there a pipe can have any owner")
    for owner, policy in ((SYSTEM, []), (STRANGER, ["--who", "list:" + STRANGER])):
        for label, fault in (("LW", "pipe-level"), (None, None), ("ME", None)):
            _, name = offer(place, "bytes", owned(owner), label=label)
            found = doctor(place, name, *policy, code=5 if fault else 0, fault=fault)
            assert ("answers" in found) == (fault is None), found
            assert fault is None or owner in found[fault]["words"], found


@test
def doctor_of_a_descriptor_that_keeps_us_out(place):
    needs_windows()
    for rights in ("(D;;GA;;;WD)", "(A;;FR;;;%s)"):
        _, name = offer(place, "bytes", owned(own_user(place), rights), 1)
        expect(place.leat("who", name), 5, b"")
        doctor(place, name, code=5, fault="pipe-denied")


@test
def every_finding_of_pipes_is_shown(place):
    if sys.argv[2:]:
        raise Skip("needs all the tests before")
    with open(os.path.join(TREE, "tools/findings.def"), encoding="utf-8") as file:
        ids = re.findall(r'^FINDING\(\w+, "(pipe[\w-]*)"', file.read(), re.M)
    assert len(ids) > 7, ids
    missing = set(ids) - SEEN - set({} if WINDOWS else NOT_UNDER_WINE)
    assert not missing, missing


if __name__ == "__main__":
    main("who may be at the other end, on Windows")
