#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures leat against hand-written peers, all in one run, and says which goals are met.

usage: bench/run.py [BUILD_DIR] [--rounds N] [--ms N] [--only CASE]... [--smoke] [--wine]

Short runs go round robin over the peers, so that whatever else the machine does meets all of them.
A ratio is the median of the ratios of the same round. docs/performance.md says how to read it.
--smoke measures nothing: every peer does a little of every case, and every byte is checked.
--wine runs Windows programs, over named pipes; the command that starts wine is $LEAT_WINE.
"""
import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PEERS = {
    "raw": ["raw_posix"],
    "raw-epoll": ["raw_epoll"],
    "raw-overlapped": ["raw_windows"],
    "leat-bytes": ["leat_loop"],
    "leat-messages": ["leat_loop", "--messages"],
    "leat-blocking": ["leat_blocking"],
}
JUDGED = ("leat-bytes", "leat-messages")
LINUX = ("raw", "raw-epoll", "leat-bytes", "leat-messages", "leat-blocking")
WINDOWS = ("raw-overlapped", "leat-bytes", "leat-messages", "leat-blocking")
LOOPS = ("raw", "raw-epoll", "leat-bytes", "leat-messages")
RUN_SECONDS_MAX = 70
IDLE_CONNS, IDLE_BYTES_MAX = 5000, 1024
IDLE_ROUNDS = 3

# name, title, arguments, peers, core placements
CASES = [
    ("pingpong-64", "ping-pong, 64 B", ["echo", "--size", "64"], LINUX,
     ("free", "two", "one")),
    ("pingpong-4k", "ping-pong, 4 KiB", ["echo", "--size", "4096"], LINUX,
     ("free", "one")),
    ("stream", "one-way stream, 64 KiB blocks", ["stream", "--size", "65536"], LINUX,
     ("free", "two", "one")),
    ("conns-64", "round trips over 64 connections, 64 B", ["echo", "--conns", "64"], LOOPS,
     ("free",)),
    ("conns-1000", "round trips over 1,000 connections, 64 B", ["echo", "--conns", "1000"], LOOPS,
     ("free",)),
    ("connect", "connect, one round trip, close", ["connect"], LINUX, ("free", "one")),
]
CASES_WINE = [
    ("pingpong-64", "ping-pong, 64 B", ["echo", "--size", "64"], WINDOWS, ("wine",)),
    ("pingpong-4k", "ping-pong, 4 KiB", ["echo", "--size", "4096"], WINDOWS, ("wine",)),
    ("stream", "one-way stream, 64 KiB blocks", ["stream", "--size", "65536"], WINDOWS, ("wine",)),
]
CORES = {"free": "cores free", "one": "one core", "two": "one core each", "wine": "under wine"}
PINS = {"free": [], "one": ["--one-core"], "two": ["--two-cores"], "wine": []}

WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6"}
READS = {"read", "readv", "recvfrom", "recvmsg", "recvmmsg"}
WRITES = {"write", "writev", "sendto", "sendmsg", "sendmmsg"}


class Bench:
    """The programs, what they are measured by, a folder for their sockets, and one run of one."""

    def __init__(self, build, folder, wine=None):
        self.programs = os.path.join(build, "bench")
        # Windows programs put nothing there, and wine's own files stay.
        self.environment = dict(os.environ) if wine else dict(os.environ, TMPDIR=folder)
        self.folder = folder
        self.wine = wine
        self.reference = "raw-overlapped" if wine else "raw-epoll"
        self.ratio_max = 1.15 if wine else 1.10

    def command(self, peer, arguments):
        program, *options = PEERS[peer]
        command = [os.path.join(self.programs, program), arguments[0], *options, *arguments[1:]]
        if self.wine:
            command[0] += ".exe"
            command.insert(0, self.wine)
        return command

    def run(self, peer, arguments):
        # Into files: services that wine starts inherit what we read from, and a pipe would have no
        # end while they live.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            done = subprocess.run(self.command(peer, arguments), env=self.environment,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                  timeout=RUN_SECONDS_MAX, check=False)
            output.seek(0)
            errors.seek(0)
            if done.returncode != 0:
                raise RuntimeError(f"{peer} {' '.join(arguments)}: {errors.read().strip()}"
                                   f" (exit code {done.returncode})")
            return json.loads(output.read())

    def traced(self, peer, arguments):
        """Both sides under strace -c: a count for each system call of each side."""
        folder = tempfile.mkdtemp(dir=self.folder)
        tables = {}
        processes = []
        try:
            for side in ("server", "client"):
                table = os.path.join(folder, side + ".strace")
                command = self.command(peer, arguments) + ["--role", side[0], "--folder", folder]
                process = subprocess.Popen(["strace", "-f", "-c", "-o", table, *command], text=True,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                processes.append(process)
                tables[side] = table
                if side == "server" and process.stdout.readline() != "ready\n":
                    return None
            for process in reversed(processes):
                process.communicate(timeout=RUN_SECONDS_MAX)
                if process.returncode != 0:
                    return None
            return {side: strace_counts(table) for side, table in tables.items()}
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


def median_of(results, value):
    return statistics.median(value(result) for result in results)


def mean_us(result):
    return result["wall_ns"] / result["operations"] / 1000


def p50_us(result):
    return result["p50_ns"] / 1000


def time_of(name):
    """What a case is judged by: one request at a time by its median, else by the time of all."""
    return p50_us if name.startswith(("pingpong", "connect")) else mean_us


def cpu_us(result):
    return (result["cpu_client_ns"] + result["cpu_server_ns"]) / result["operations"] / 1000


def ratios(results, reference, value):
    """The median of the ratios round by round, and the ratio of the best rounds."""
    pairs = [value(one) / value(other) for one, other in zip(results, reference)]
    best = min(map(value, results)) / min(map(value, reference))
    return statistics.median(pairs), best


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells))
    print(flush=True)


# ---- The cases -----------------------------------------------------------------------------------

def measure(bench, arguments, peers, rounds):
    results = {peer: [] for peer in peers}
    for number in range(rounds):
        # Another one begins each round, so that nobody always follows the same neighbour.
        for i in range(len(peers)):
            peer = peers[(i + number) % len(peers)]
            results[peer].append(bench.run(peer, arguments))
    return results


def report_case(bench, name, title, cores, results):
    print(f"{title}; {CORES[cores]}  [{name}]")
    stream = name == "stream"
    head = ["peer", "MB/s", "best"] if stream else ["peer", "p50 us", "p99 us"]
    # What wine does for the programs, its server does, whose time is not theirs.
    head += ["mean us", "1/s"] + ([] if bench.wine else ["CPU us"])
    head += [f"x {bench.reference}", "best x"] + ([] if bench.wine else ["CPU x"])
    rows = [head]
    for peer, runs in results.items():
        mean = median_of(runs, mean_us)
        ratio, best = ratios(runs, results[bench.reference], time_of(name))
        if stream:
            first = [f"{65536 / mean:.0f}", f"{65536 / min(map(mean_us, runs)):.0f}"]
        else:
            first = [f"{median_of(runs, p50_us):.1f}",
                     f"{median_of(runs, lambda r: r['p99_ns'] / 1000):.1f}"]
        cells = [peer, *first, f"{mean:.2f}", f"{1e6 / mean:.0f}", f"{ratio:.2f}", f"{best:.2f}"]
        if not bench.wine:
            cpu_ratio, _ = ratios(runs, results[bench.reference], cpu_us)
            cells.insert(-2, f"{median_of(runs, cpu_us):.2f}")
            cells.append(f"{cpu_ratio:.2f}")
        rows.append(cells)
    table(rows)


def report_idle(bench, verdicts):
    print(f"private memory per idle connection, bytes; {IDLE_CONNS} connections, each used once  "
          "[idle]")
    results = measure(bench, ["idle", "--conns", str(IDLE_CONNS)], LOOPS, IDLE_ROUNDS)
    rows = [["peer", "server", "client", "server hub", "client hub"]]
    worst = 0
    for peer, runs in results.items():
        cells = []
        for value in ("dirty", "hub_bytes"):
            for side in ("server", "client"):
                cells.append(median_of(runs, lambda r, s=side, v=value: r[s][v] / IDLE_CONNS))
        if peer in JUDGED:
            worst = max(worst, *cells)
        rows.append([peer] + [f"{cell:.0f}" if cell else "-" for cell in cells])
    table(rows)
    verdicts.append((f"memory per idle connection under {IDLE_BYTES_MAX} B",
                     worst < IDLE_BYTES_MAX, f"{worst:.0f} B"))


def per_message(bench, peer, arguments):
    """Calls per operation and side. The difference of two runs has no start-up in it."""
    few, many = 200, 1200
    short = bench.traced(peer, [*arguments, "--count", str(few)])
    long = bench.traced(peer, [*arguments, "--count", str(many)])
    if short is None or long is None:
        return None
    sides = {}
    for side, counts in long.items():
        per = {"wait": 0.0, "read": 0.0, "write": 0.0, "other": 0.0}
        for name, count in counts.items():
            kind = ("wait" if name in WAITS else "read" if name in READS
                    else "write" if name in WRITES else "other")
            per[kind] += (count - short[side].get(name, 0)) / (many - few)
        sides[side] = per
    return sides


def report_calls(bench, verdicts):
    goal = "one wait, one read, one write per message and side at most"
    if not shutil.which("strace"):
        print("strace is not installed: system calls are not counted\n")
        verdicts.append((goal, None, "not measured"))
        return
    worst = 0
    for name, title, arguments, peers in (
            ("pingpong-64", "ping-pong, 64 B", ["echo"], LINUX),
            ("stream", "one-way stream, 64 KiB blocks", ["stream", "--size", "65536"], LINUX)):
        print(f"system calls per message and side, strace -f -c; {title}  [{name}]")
        rows = [["peer"] + [f"{side} {kind}" for side in ("client", "server")
                            for kind in ("wait", "read", "write", "other")]]
        for peer in peers:
            sides = per_message(bench, peer, arguments)
            if sides is None:
                print("strace cannot trace here: system calls are not counted\n")
                verdicts.append((goal, None, "not measured"))
                return
            rows.append([peer] + [f"{sides[side][kind]:.2f}" for side in ("client", "server")
                                  for kind in ("wait", "read", "write", "other")])
            if peer.startswith("leat-") and name == "pingpong-64":
                worst = max(worst, *(calls for side in sides.values()
                                     for calls in side.values()))
        table(rows)
    verdicts.append((goal, worst <= 1.005, f"at most {worst:.2f} of a kind in ping-pong"))


def judge(bench, verdicts, name, title, cores, results):
    """The goals are for ping-pong and stream."""
    if not name.startswith(("pingpong", "stream")):
        return
    for peer in JUDGED:
        reference = results[bench.reference]
        ratio, best = ratios(results[peer], reference, time_of(name))
        figures = f"best rounds {best:.2f}"
        if not bench.wine:
            figures += f", CPU {ratios(results[peer], reference, cpu_us)[0]:.2f}"
        verdicts.append((f"{title}, {peer}, {CORES[cores]}: "
                         f"within {bench.ratio_max:.2f} of {bench.reference}",
                         ratio <= bench.ratio_max, f"{ratio:.2f} ({figures})"))


def machine():
    model = "unknown processor"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            for line in stream:
                if line.startswith("model name"):
                    model = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass
    return (f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
            f"load {os.getloadavg()[0]:.2f}")


def bench_all(bench, options):
    verdicts = []
    begin = time.monotonic()
    if bench.wine:
        print("named pipes under wine: ratios only, not Windows' speed")
    print(f"{machine()}; {options.rounds} rounds of {options.ms} ms, medians\n", flush=True)

    def wanted(name):
        return not options.only or name in options.only

    for name, title, arguments, peers, placements in CASES_WINE if bench.wine else CASES:
        for cores in placements:
            if not wanted(name) or (cores == "two" and len(os.sched_getaffinity(0)) < 2):
                continue
            more = ["--ms", str(options.ms)] + PINS[cores]
            results = measure(bench, arguments + more, peers, options.rounds)
            report_case(bench, name, title, cores, results)
            judge(bench, verdicts, name, title, cores, results)
    if wanted("idle") and not bench.wine:
        report_idle(bench, verdicts)
    if wanted("calls") and not bench.wine:
        report_calls(bench, verdicts)
    print("goals")
    for goal, met, figure in verdicts:
        word = "?      " if met is None else "met    " if met else "NOT MET"
        print(f"  {word}  {goal}: {figure}")
    print(f"\n{time.monotonic() - begin:.0f} s, load {os.getloadavg()[0]:.2f}")


# ---- Smoke ---------------------------------------------------------------------------------------

SMOKE = [
    (["echo", "--size", "64", "--count", "300"], LINUX, 300),
    (["echo", "--size", "4096", "--count", "300", "--one-core"], LINUX, 300),
    (["echo", "--size", "65536", "--count", "50"], ("raw", "leat-blocking"), 50),
    (["echo", "--conns", "64", "--count", "2000"], LOOPS, 2000),
    (["stream", "--size", "65536", "--count", "300", "--check"], LINUX, 300),
    (["connect", "--count", "50"], LINUX, 50),
    (["idle", "--conns", "200"], LOOPS, 200),
]
SMOKE_WINE = [
    (["echo", "--size", "64", "--count", "300"], WINDOWS, 300),
    (["echo", "--size", "4096", "--count", "300"], WINDOWS, 300),
    (["echo", "--size", "65536", "--count", "50"], WINDOWS, 50),
    (["echo", "--conns", "20", "--count", "1000"], ("leat-bytes", "leat-messages"), 1000),
    (["stream", "--size", "65536", "--count", "200", "--check"], WINDOWS, 200),
    (["connect", "--count", "20"], ("leat-bytes", "leat-messages", "leat-blocking"), 20),
]


def smoke(bench):
    passed = failed = 0
    for arguments, peers, operations in SMOKE_WINE if bench.wine else SMOKE:
        for peer in peers:
            try:
                done = bench.run(peer, arguments)["operations"]
                if done < operations:
                    raise RuntimeError(f"{peer} {' '.join(arguments)}: only {done} operations")
                passed += 1
            except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as problem:
                failed += 1
                print(f"FAIL {problem}")
    if os.listdir(bench.folder):
        failed += 1
        print(f"FAIL left behind: {os.listdir(bench.folder)}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--rounds", type=int, help="default 15, under wine 121")
    parser.add_argument("--ms", type=int, default=150)
    names = [case[0] for case in CASES] + ["idle", "calls"]
    parser.add_argument("--only", action="append", choices=names)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--wine", action="store_true")
    options = parser.parse_args()
    # A round under wine moves by half, and says little by itself.
    options.rounds = options.rounds or (121 if options.wine else 15)
    wine = os.environ.get("LEAT_WINE") if options.wine else None
    if options.wine and not wine:
        parser.error("LEAT_WINE is not set; test/wine.sh --script sets it")
    with tempfile.TemporaryDirectory(prefix="leat-bench-") as folder:
        bench = Bench(options.build, folder, wine)
        if options.smoke:
            return smoke(bench)
        if wine and options.only and not any(case[0] in options.only for case in CASES_WINE):
            return 0
        try:
            bench_all(bench, options)
        except RuntimeError as problem:
            print(f"broken: {problem}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
