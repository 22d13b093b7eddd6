# SPDX-License-Identifier: MIT
"""One run of one program, rounds of runs over several, and what is made of their figures."""
import json
import math
import os
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time

from cases import PEERS

RUN_SECONDS_MAX = 70
LONG_SECONDS = 3  # whoever takes so long for one run is run once
CLEAN_RUNS_MIN = 3
LEFT_OUT = 77  # exit code of a program that cannot take part, and says why

WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6"}
READS = {"read", "readv", "recvfrom", "recvmsg", "recvmmsg"}
WRITES = {"write", "writev", "sendto", "sendmsg", "sendmmsg"}


class LeftOut(Exception):
    """A program cannot take part here; the text says why."""


class Foreign:
    """The processor time that others had meanwhile. The system counts it in ticks of 10 ms, which
    are chance for so short a time, so that a few of them say nothing."""

    def __init__(self):
        self.began, self.used = time.monotonic(), self.read()

    @staticmethod
    def read():
        own = sum(used.ru_utime + used.ru_stime for used in (
            resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))
        with open("/proc/stat", encoding="ascii") as stream:
            ticks = [int(word) for word in stream.readline().split()[1:9]]
        return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK") - own

    def clean(self):
        seconds = time.monotonic() - self.began
        return self.read() - self.used <= max(0.035, 0.1 * seconds * os.cpu_count())


class Bench:
    """The programs, what they are measured by, a folder for their sockets, and one run of one."""

    def __init__(self, build, folder, wine=None):
        self.programs = os.path.join(build, "bench")
        # Windows programs put nothing there, and wine's own files stay.
        self.environment = dict(os.environ) if wine else dict(os.environ, TMPDIR=folder)
        self.folder = folder
        self.wine = wine
        self.reference = "raw-overlapped" if wine else "raw-epoll"
        self.left_out = {}  # peer or (peer, case): why
        self.broken = []  # what went wrong
        self.patient_until = math.inf

    def patient(self):
        return time.monotonic() < self.patient_until

    def path(self, peer):
        program = os.path.join(self.programs, PEERS[peer].program)
        return program + ".exe" if self.wine else program

    def built(self, peer):
        if os.path.exists(self.path(peer)):
            return True
        if PEERS[peer].family == "library":
            self.left_out[peer] = "not built; ./dev bench-peers installs and builds it"
            return False
        raise RuntimeError(f"{self.path(peer)} is not built")

    def version(self, peer):
        command = ([self.wine] if self.wine else []) + [self.path(peer), "version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS_MAX,
                              stdin=subprocess.DEVNULL, check=False)
        return done.stdout.strip()

    def command(self, peer, arguments):
        command = [self.path(peer), arguments[0], *PEERS[peer].options, *arguments[1:]]
        return [self.wine, *command] if self.wine else command

    def run(self, peer, arguments):
        # Into files: services that wine starts inherit what we read from, and a pipe would have no
        # end while they live.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            foreign = None if self.wine else Foreign()
            try:
                done = subprocess.run(self.command(peer, arguments), env=self.environment,
                                      stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                      timeout=RUN_SECONDS_MAX, check=False)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"{peer} {' '.join(arguments)}: no end in "
                                   f"{RUN_SECONDS_MAX} s") from None
            clean = foreign is None or foreign.clean()
            output.seek(0)
            errors.seek(0)
            if done.returncode == LEFT_OUT:
                raise LeftOut(errors.read().strip().removeprefix("left out: "))
            if done.returncode != 0:
                raise RuntimeError(f"{peer} {' '.join(arguments)}: {errors.read().strip()}"
                                   f" (exit code {done.returncode})")
            result = json.loads(output.read())
            result["clean"] = clean
            return result

    def traced(self, peer, arguments):
        """Both sides under strace -c: the operations, and a count for each call of each side."""
        folder = tempfile.mkdtemp(dir=self.folder)
        tables = {}
        processes = []
        try:
            for side in ("server", "client"):
                table = os.path.join(folder, side + ".strace")
                command = self.command(peer, arguments) + ["--role", side[0], "--folder", folder]
                process = subprocess.Popen(["strace", "-f", "-c", "-o", table, *command], text=True,
                                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                           stderr=subprocess.PIPE)
                processes.append(process)
                tables[side] = table
                if side == "server" and process.stdout.readline() != "ready\n":
                    return None
            output = ""
            for process in reversed(processes):
                told, _ = process.communicate(timeout=RUN_SECONDS_MAX)
                output = output or told
                if process.returncode != 0:
                    return None
            return (json.loads(output)["operations"],
                    {side: strace_counts(table) for side, table in tables.items()})
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                    process.communicate()
            shutil.rmtree(folder)


def strace_counts(path):
    counts = {}
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            words = line.split()
            if len(words) >= 5 and re.fullmatch(r"[\d.,]+", words[0]) and words[-1] != "total":
                counts[words[-1]] = int(words[3])
    return counts


# ---- Rounds --------------------------------------------------------------------------------------

class Runs:
    """The runs of one peer in one cell: of each round one, or none when it is run once only."""

    def __init__(self):
        self.rounds = {}

    def chosen(self):
        """The clean ones, if there are enough, else all."""
        clean = {number: run for number, run in self.rounds.items() if run["clean"]}
        return clean if len(clean) >= min(CLEAN_RUNS_MIN, len(self.rounds)) else self.rounds

    def median(self, value):
        return statistics.median(value(run) for run in self.chosen().values())

    def best(self, value):
        return min(value(run) for run in self.chosen().values())

    def spread(self, value):
        """Half of the runs are within this part of the median."""
        values = [value(run) for run in self.chosen().values()]
        if len(values) < 3:
            return 0.0
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return (high - low) / statistics.median(values)

    def ratio(self, other, value):
        """The median of the ratios of the same round."""
        ours, theirs = self.chosen(), other.chosen()
        same = sorted(ours.keys() & theirs.keys())
        if len(same) < min(CLEAN_RUNS_MIN, len(self.rounds), len(other.rounds)):
            ours, theirs = self.rounds, other.rounds
            same = sorted(ours.keys() & theirs.keys())
        return statistics.median(value(ours[number]) / value(theirs[number]) for number in same)

    def quantile(self, part):
        """Over the operations of all runs, in ns: from their histograms."""
        classes = {}
        for run in self.chosen().values():
            for middle, count in run["histogram"]:
                classes[middle] = classes.get(middle, 0) + count
        left = sum(classes.values()) * (1 - part)
        for middle in sorted(classes, reverse=True):
            left -= classes[middle]
            if left < 0:
                return middle
        return 0


def measure(bench, case, cores, options, pins):
    """Runs in rounds. A round in which somebody else had much of the processor is made once more,
    but there are no more than half as many again."""
    results = {}
    rounds = min(options.rounds, case.rounds or options.rounds)
    peers = [peer for peer in case.peers if peer in options.peers and takes_part(bench, peer, case)]
    arguments = [*case.arguments, "--ms", str(options.ms), *pins]
    once = set()
    unclean = number = 0
    while peers and number < rounds + (min(unclean, rounds // 2) if bench.patient() else 0):
        dirty = False
        # Another one begins each round, so that nobody always follows the same neighbour.
        for i in range(len(peers)):
            peer = peers[(i + number) % len(peers)]
            if peer in once or bench.left_out.get((peer, case.name)):
                continue
            run, seconds = run_timed(bench, peer, case, arguments)
            if run is None:
                continue
            results.setdefault(peer, Runs()).rounds[number] = run
            dirty = dirty or not run["clean"]
            if seconds > LONG_SECONDS:
                once.add(peer)
        unclean += dirty
        number += 1
    return {peer: results[peer] for peer in case.peers if peer in results}


def run_timed(bench, peer, case, arguments):
    began = os.times().elapsed
    try:
        run = bench.run(peer, arguments)
    except LeftOut as reason:
        bench.left_out[(peer, case.name)] = str(reason)
        return None, 0
    except RuntimeError as problem:
        bench.left_out[(peer, case.name)] = "broken"
        bench.broken.append(str(problem))
        return None, 0
    return run, os.times().elapsed - began


def takes_part(bench, peer, case):
    if peer in bench.left_out:
        return False
    if case.conns > PEERS[peer].conns_max:
        bench.left_out[(peer, case.name)] = PEERS[peer].why
        return False
    return True


# ---- Figures of one run --------------------------------------------------------------------------

def mean_us(run):
    return run["wall_ns"] / run["operations"] / 1000


def p50_us(run):
    return run["p50_ns"] / 1000


def cpu_us(run):
    return (run["cpu_client_ns"] + run["cpu_server_ns"]) / run["operations"] / 1000


def switches(run):
    return (run["switches_client"] + run["switches_server"]) / run["operations"]


def time_of(case):
    """What a case is judged by: one operation at a time by its median, else by the time of all."""
    return p50_us if case.kind == "latency" else mean_us


def per_message(bench, peer, arguments, few, many):
    """Calls per operation and side. The difference of two runs has no start-up in it."""
    short = bench.traced(peer, [*arguments, "--count", str(few)])
    long = bench.traced(peer, [*arguments, "--count", str(many)])
    if short is None or long is None:
        return None
    sides = {}
    for side, counts in long[1].items():
        per = {"wait": 0.0, "read": 0.0, "write": 0.0, "other": 0.0}
        for name in counts.keys() | short[1][side].keys():
            kind = ("wait" if name in WAITS else "read" if name in READS
                    else "write" if name in WRITES else "other")
            more = counts.get(name, 0) - short[1][side].get(name, 0)
            if more >= 4:  # less is chance, and no part of every operation
                per[kind] += more / (long[0] - short[0])
        sides[side] = per
    return sides
