#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every lesson of examples/ that Windows has, against leat.exe and against each other; what
examples.sh is for other systems. Run it by test/wine.sh --script, or on Windows.
Usage: windows_examples_test.py [path of leat.exe] [test names].
"""
import os

from support import MIB, big, sha
from windows_support import main, test


def lesson(place, name):
    program = os.path.join(os.path.dirname(place.leat_path), "examples", name + ".exe")
    assert os.path.exists(program), program + " was not built"
    return program


def expect(result, code, wanted):
    assert result[0] == code and wanted in result[1] + result[2], result


@test
def lesson_1_blocking_client(place):
    name = place.name("echo")
    place.serve(name, "--echo")
    program = lesson(place, "01_blocking_client")
    expect(place.run(program, name, "good morning"), 0, b"the answer: good morning")
    expect(place.run(program, "nobody-" + name), 1, b"NOT_FOUND")


@test
def lesson_2_echo_server(place):
    """Four clients: wait-for itself, leat send, lesson 1, and a large one."""
    name = place.name("lesson2")
    server = place.start(lesson(place, "02_echo_server"), name, "4")
    assert place.leat("wait-for", name, "--timeout", "50s")[0] == 0, server.err()
    expect(place.leat("send", name, "good morning", "--line", "--expect", "1"), 0, b"good morning")
    expect(place.run(lesson(place, "01_blocking_client"), name, "good evening"), 0,
           b"the answer: good evening")
    data = big(16 * MIB)
    code, out, err = place.leat("connect", name, "--after-end", "1s", input=data)
    assert code == 0 and sha(out) == sha(data), (code, len(out), err)
    expect(server.wait(), 0, b"a client has gone")


@test
def lesson_3_many_clients(place):
    expect(place.run(lesson(place, "03_many_clients")), 0, b"100 clients have their answer")


@test
def lesson_4_messages(place):
    expect(place.run(lesson(place, "04_messages")), 0, b"and that was all")


@test
def lesson_5_deadlines_and_errors(place):
    expect(place.run(lesson(place, "05_deadlines_and_errors")), 0, b"the end")


@test
def lesson_6_foreign_loop(place):
    name = place.name("echo")
    place.serve(name, "--echo")
    result = place.run(lesson(place, "06_foreign_windows"), name, input=b"one\ntwo\n")
    expect(result, 0, b"one")
    expect(result, 0, b"two")
    expect(place.run(lesson(place, "06_foreign_windows"), name), 0, b"")


@test
def lesson_7_two_threads(place):
    expect(place.run(lesson(place, "07_two_threads")), 0, b"1000 messages in order")


if __name__ == "__main__":
    main("examples on Windows")
