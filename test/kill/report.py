#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes docs/kill.md of test/kill/refused.def, or says whether it is as that would make it.

usage: report.py --write | --check

Happy path: one row a call and part.
Fails:      with --check, when the page is another one, or names a test that is not there.
Invariants: the page says nothing that a test does not judge.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, "docs", "kill.md")

HEAD = """# What the system does to a program

What becomes of either peer when the system kills it, stops it, refuses it something, or has too
little for it. Made by `python3 test/kill/report.py --write`.

## Where it is tested

| what happens | tests |
|---|---|
| a peer is killed at each system call | `kill_server_of_*_at_each_call`, \
`kill_client_of_*_at_each_call` |
| the same, while it takes a path over | `take_over_killed_at_each_call_and_*` |
| the same, under load, at any moment | `stress_one_of_two_is_killed`, `killed_within_a_frame` |
| the same, and another server at the name | `killed_server_is_taken_over`, \
`stress_thirty_clients_while_servers_restart` |
| the same, on the simulated kernel, with many peers | the suite `sim` |
| a peer is stopped at each, and goes on | `stop_server_of_*_at_each_call`, \
`stop_client_of_*_at_each_call` |
| it is stopped under load | `stress_one_of_two_is_stopped_for_a_while`, \
`stress_one_of_two_is_stopped_for_too_long` |
| one system call at a time is refused | `refused_calls_of_a_*`: the table below |
| one call fails once, in every way | the suite `fault`; by strace: the suite `inject` |
| two calls fail | the suite `fault-pairs`, for short scenarios |
| descriptors run out | `limits_of_descriptors_of_a_*`, `descriptors_run_out_and_come_back` |
| memory runs out | `limits_of_memory_of_a_*`, the suite `fault` |
| a folder is full, or read-only | `folders_that_are_full`, `folders_that_are_read_only` |
| signals that interrupt every call | `storm_of_signals_on_every_thread` |
| fork while messages are under way | `stress_fork_without_exec`, `stress_exec_at_any_moment`, \
`fork_child_gets_forked_and_leaves_all_alone` |

A survivor has read all that the system had of a peer that was killed, is told BROKEN, CLOSED or
FINISHED (NOT_FOUND or REFUSED, if it was not connected yet), and leaves no descriptor; the name can
be listened at again at once. A peer that was stopped and goes on has lost nothing.

A process that gets no memory to read into tries again until the deadline of the call that waits:
TIMEOUT.

## One system call refused

For as long as the process lives, by a filter: with ENOSYS, as by a kernel that does not have the
call, and with EPERM, as by a sandbox. *works* is a whole talk. Else it is the call that failed
first, and its error; `leat_wait_accepted` waits in vain for clients that cannot come in, and
`leat_listener_info_get` says why. Several outcomes are of bytes, messages and packets, or of other
kernels; calls that this kernel does not need have rows for those that do.

| call | of the | ENOSYS | EPERM |
|---|---|---|---|
"""

NOTES = """
`close` that is refused leaves descriptors open, and `unlink` the name, which is in nobody's way.
`geteuid` cannot fail, so a refused one makes the process nobody's: its folders are not its own, and
no peer but root is the same user.

Not refused:

| call | why |
|---|---|
"""


def page():
    with open(os.path.join(ROOT, "test/kill/refused.def"), encoding="utf-8") as file:
        text = file.read().replace('"\n        "', "")
    rows = {}
    for call, who, number, outcomes in re.findall(
            r'^REFUSED\((\w+), (\w+), (\w+),\s+"(.*)"\)$', text, re.M):
        cells = re.sub(r"(leat_\w+)", r"`\1`", outcomes)
        rows.setdefault((call, who), {})[number] = cells
    out = HEAD
    for (call, who), cells in sorted(rows.items()):
        out += f"| `{call}` | {who} | {cells['ENOSYS']} | {cells['EPERM']} |\n"
    out += NOTES
    for call, why in re.findall(r'^REFUSED_NEVER\((\w+), "(.*)"\)$', text, re.M):
        out += f"| `{call}` | {why} |\n"
    return out


def missing(text):
    """The tests that the page names and that no source has."""
    sources = ""
    for folder in ("kill", "stress", "conformance", "conformance_real"):
        for path in glob.glob(os.path.join(ROOT, "test", folder, "*.c")):
            with open(path, encoding="utf-8") as file:
                sources += file.read()
    table = text[text.index("## Where"):text.index("A survivor")]
    for name in re.findall(r"`([a-z_*]+_[a-z_*]+)`", table):
        if name.startswith("write_stall"):
            continue
        if not re.search(r"\b" + name.replace("*", r"\w+") + r"\b", sources):
            yield name


def main():
    text = page()
    if "--write" in sys.argv:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text)
        return 0
    with open(PAGE, encoding="utf-8") as file:
        same = file.read() == text
    if not same:
        print("docs/kill.md: another one comes of python3 test/kill/report.py --write")
    unknown = list(missing(text))
    for name in unknown:
        print(f"docs/kill.md names a test that is not there: {name}")
    failed = (not same) + bool(unknown)
    print(f"{2 - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
