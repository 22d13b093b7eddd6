# SPDX-License-Identifier: MIT
"""The words of the leat command that are the same on every system: options, mistakes, failures.
command_test.py and windows_command_test.py import it, so these tests are among theirs.

Happy path: what leat says on standard error is compared to the letter; what the system calls a
failure, in brackets at the end, is its own affair.
"""
import json
import re

from support import expect, test

MISTAKES = (
    ([], "leat: a command is needed; see leat help"),
    (["nonsense"], "leat: no such command; see leat help"),
    (["serve"], "leat serve: a name is needed; see leat serve --help"),
    (["send", "x"], "leat send: x: a text to send is needed; see leat send --help"),
    (["path", "x", "y"], "leat path: x: too many words; see leat path --help"),
    (["connect", "x", "--bad"], "leat connect: unknown option --bad; see leat connect --help"),
    (["connect", "x", "--timeout", "2"],
     "leat connect: --timeout: not a valid value; see leat connect --help"),
    (["serve", "x", "--echo", "--exec", "y"],
     "leat serve: x: --echo and --exec exclude each other; see leat serve --help"),
    (["connect", "a b"], "leat connect: a b: the name is not valid"),
    (["connect", "n" * 65],
     "leat connect: %s: the name is too long for this system" % ("n" * 65)),
    (["who", "x", "--who", "list:"],
     "leat who: --who: a user is missing; see leat who --help"),
    (["doctor", "x", "--who", "group:no such group"],
     "leat doctor: --who: there is no such group; see leat doctor --help"),
)


@test
def mistakes_read_the_same(place):
    for words, text in MISTAKES:
        result = expect(place.leat(*words), 2, b"")
        assert result[2].decode() == text + "\n", (words, result[2])


@test
def failures_read_the_same(place):
    name = place.name("absent")
    for words, code, text in (
        (["connect", name], 3, "there is nothing at that name"),
        (["who", name], 3, "there is nothing at that name"),
        (["wait-for", name, "--timeout", "1ms"], 6, "the deadline passed"),
    ):
        err = expect(place.leat(*words), code, b"")[2].decode()
        wanted = "leat %s: %s: %s \\([^()]+\\)\n" % (words[0], re.escape(name), text)
        assert re.fullmatch(wanted, err), (words, err)
    shown = json.loads(expect(place.leat("send", name, "x", "--json"), 3)[1])
    assert (shown["command"], shown["name"], shown["error"], shown["text"], shown["exit"]) == \
        ("send", name, "NOT_FOUND", "there is nothing at that name", 3), shown


@test
def options_in_any_place(place):
    name = place.name("echo")
    place.serve(name, "--echo")
    for words in (["--expect=1", name, "--timeout", "1m", "hi", "--line"],
                  [name, "--expect", "1", "--line", "--timeout=1h", "--", "--help"],
                  [name, "-", "--line", "--expect", "1", "--timeout", "forever"]):
        said = [word for word in words if word in ("hi", "--help", "-")][0]
        expect(place.leat("send", *words), 0, said.encode() + b"\n")
