#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the tests that were built for other machines: one line for each machine and suite.

usage: portability.py BUILD [--deep] [--only TEXT] [MACHINE...]

BUILD is the native build; BUILD/cross-MACHINE are the others (cmake/cross.cmake). --only names the
suites that have this text in their names. Machines that are not this one run under qemu's emulation
of one process, which hands system calls to this kernel. A test that qemu cannot carry is in
UNSUPPORTED with its reason: it must fail there, is counted as skipped, and named. The simulation's
hashes are compared with those of the native build.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys

# The emulator; none: this processor runs it.
MACHINES = {
    "musl": None,
    "i686": None,
    "s390x": "qemu-s390x-static",
    "aarch64": "qemu-aarch64-static",
    "armhf": "qemu-arm-static",
}
CLANG = "clang"  # the build of this machine by the second compiler: only when it is named
SUITES = ("unit_tests", "unit_tests_nt", "sim_kernel_test", "contract_nt_sim", "conformance_sim",
          "conformance_sim_nt", "real_kernel_test", "pollers_epoll", "pollers_poll",
          "conformance_real")
SEEDS, SEEDS_DEEP = 200, 2000
CONTROL = ("qemu gives the kernel a larger control buffer than the program's, so descriptors come "
           "through that Linux would have closed, and nobody is told")
# (suite, test): why no program of 64 bits passes it under qemu. (With 32 bits the headers in that
# buffer are as small as qemu takes them for.)
UNSUPPORTED = {
    ("real_kernel_test", "packet_descriptors_are_dropped"): CONTROL,
    ("real_kernel_test", "packet_descriptors_of_a_dropped_packet_are_closed"): CONTROL,
    ("conformance_real", "unasked_descriptors_of_packets_are_closed"): CONTROL,
    ("conformance_real", "unasked_descriptors_of_packets_cut_off_end_the_connection"): CONTROL,
}
# The same for musl.
MUSL_UNSUPPORTED = {
    ("conformance_real", "unasked_descriptors_are_closed"):
        "musl's sendmsg takes less control data than 253 descriptors need, so the test cannot send",
}
LIMIT_SECONDS = 1500
FAILURES_SHOWN = 10
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M)

totals = {"passed": 0, "failed": 0, "skipped": 0}


def report(machine, suite, passed, failed, skipped=0, remarks=()):
    totals["passed"] += passed
    totals["failed"] += failed
    totals["skipped"] += skipped
    counts = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    print(f"{'FAIL' if failed else 'ok':4}  {machine:8} {suite:20} {counts}", flush=True)
    for remark in remarks:
        print(f"      {remark}", flush=True)


def run(command, emulator):
    """What it printed and its exit code; ended with all that it started when the time is up."""
    environment = dict(os.environ)
    environment.setdefault("LEAT_TEST_TIMEOUT_SCALE", "3")
    if emulator:
        environment.update(LEAT_TEST_EMULATOR=emulator, LEAT_TEST_TIMEOUT_SCALE="20")
        command = [emulator, *command]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, errors="replace",
                             env=environment, start_new_session=True)
    try:
        return child.communicate(timeout=LIMIT_SECONDS)[0], child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.communicate()[0] + f"\nno end within {LIMIT_SECONDS} s\n", -1


def run_suite(machine, suite, program, emulator):
    if not os.path.exists(program):
        report(machine, suite, 0, 1, 0, [f"{program} was not built"])
        return
    printed, code = run([program], emulator)
    closing = CLOSING.findall(printed)
    if not closing or (code != 0 and closing[-1][1] == "0"):
        report(machine, suite, 0, 1, 0, [f"exit code {code}", *printed.splitlines()[-5:]])
        return
    passed, failed, skipped = (int(number or 0) for number in closing[-1])
    remarks, excused = [], 0
    failures = set(re.findall(r"^FAILED (\w+):", printed, re.M))
    known = MUSL_UNSUPPORTED if machine == "musl" else UNSUPPORTED
    for (its_suite, test), reason in known.items():
        if machine not in ("musl", "s390x", "aarch64") or its_suite != suite:
            continue
        if test in failures:
            excused += 1
            remarks.append(f"skipped here: {test}: {reason}")
        else:
            failed += 1
            remarks.append(f"{test} passes here: UNSUPPORTED is wrong")
        failures.discard(test)
    failed -= excused
    for test, reason in re.findall(r"^skipped (\w+) \(.*\n(?:\S+:\d+: )?(.*)", printed, re.M):
        remarks.append(f"skipped: {test}: {reason}")
    for test in sorted(failures)[:FAILURES_SHOWN]:
        what = re.search(rf"^FAILED {test}:.*\n(?:.*\n){{0,2}}", printed, re.M)
        remarks += what.group(0).splitlines()
    report(machine, suite, passed, failed, skipped + excused, remarks)


def hashes(program, emulator, seeds):
    printed, _ = run([program, "--seeds", "1", str(seeds), "--hash", "--no-shrink"], emulator)
    return dict(re.findall(r"^seed (\d+): ([0-9a-f]{16})$", printed, re.M))


def compare_hashes(machine, program, native, folder, emulator, seeds):
    mine = hashes(os.path.join(folder, program), emulator, seeds)
    differ = [seed for seed in native if mine.get(seed) != native[seed]]
    remarks = [f"seed {seed}: {mine.get(seed)}, natively {native[seed]}" for seed in differ[:3]]
    short = len(native) != seeds or len(mine) != seeds
    if short:
        remarks.append(f"{len(mine)} and {len(native)} hashes, not {seeds}")
    report(machine, program + " hashes", len(native) - len(differ), len(differ) + short, 0, remarks)


def run_machine(machine, build, native, only, seeds):
    wanted = MACHINES.get(machine)
    emulator = wanted and shutil.which(wanted)
    folder = os.path.join(build, machine if machine == CLANG else "cross-" + machine)
    if wanted and not emulator:
        report(machine, "all", 0, 0, 1, [f"{wanted} is not there"])
        return
    for program, its in native.items():
        if only in program + " hashes":
            compare_hashes(machine, program, its, folder, emulator, seeds)
    for suite in SUITES:
        if only in suite:
            run_suite(machine, suite, os.path.join(folder, suite), emulator)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--deep", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("machines", nargs="*")
    words = parser.parse_intermixed_args()
    if set(words.machines) - {CLANG, *MACHINES}:
        parser.error("the machines are " + ", ".join([*MACHINES, CLANG]))
    seeds = SEEDS_DEEP if words.deep else SEEDS
    native = {program: hashes(os.path.join(words.build, program), None, seeds)
              for program in ("sim_run", "sim_run_nt")}
    for machine in words.machines or MACHINES:
        run_machine(machine, words.build, native, words.only, seeds)
    skipped = f", {totals['skipped']} skipped" if totals["skipped"] else ""
    print(f"{totals['passed']} passed, {totals['failed']} failed{skipped}")
    sys.exit(totals["failed"] > 0)


main()
