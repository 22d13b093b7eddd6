#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures leat against hand-written programs and other libraries, all in one run.

usage: bench/run.py [BUILD_DIR] [--rounds N] [--ms N] [--only CASE]... [--peers PEER]... [--smoke]
                    [--wine] [--report FOLDER]

Short runs go round robin over the peers, so that whatever else the machine does meets all of them.
A ratio is the median of the ratios of the same round. docs/performance.md says how to read it.
--only and --peers take the beginning of a name, and may be given again. --report FOLDER writes
report.json and report.html there. --smoke measures nothing: every peer that is built does a little
of every case, and every byte is checked. --wine runs Windows programs, over named pipes; the
command that starts wine is $LEAT_WINE.
"""
import argparse
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

import goals
import goals_test
import report
from cases import CALLS, CASES, CASES_WINE, CORES, IDLE, PEERS, PINS, SMOKE, SMOKE_WINE
from measure import (Bench, LeftOut, cpu_us, mean_us, measure, p50_us, per_message, switches,
                     time_of)


def chosen(name, begins, names):
    """Whether a name is asked for: by itself, or by its beginning where that is no name."""
    return not begins or any(name == begin or (begin not in names and name.startswith(begin))
                             for begin in begins)


PATIENT_SECONDS = 200  # so long rounds are made once more when others were busy
CASE_NAMES = [case.name for case in (*CASES, *CASES_WINE, IDLE)] + ["calls"]


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
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


# ---- Tables: the first row is the head -----------------------------------------------------------

def show(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells))
    print(flush=True)


def rate(value):
    return f"{value:.0f}" if value < 1e5 else f"{value / 1e3:.0f} k" if value < 1e7 else \
        f"{value / 1e6:.1f} M"


def figure(value):
    """Three digits at least, and never a power of ten."""
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def case_rows(bench, case, results):
    """Times in us. Under wine the processor's time is left out, for most of it is the server's."""
    value = time_of(case)
    stream = case.kind == "stream"
    head = ["peer"] + (["MB/s", "best"] if stream else ["p50 us", "p99", "p99.9"])
    head += ["mean us", "1/s", "+-"] + ([] if bench.wine else ["CPU us", "switches"])
    head += [f"x {bench.reference}"] + ([] if bench.wine else ["CPU x"])
    if case.name == "mixed":
        head.append("MB/s beside")
    rows = [head]
    reference = results.get(bench.reference)
    for peer, runs in results.items():
        mean = runs.median(mean_us)
        if stream:
            cells = [f"{case.size / mean:.0f}", f"{case.size / runs.best(mean_us):.0f}"]
        else:
            cells = [f"{runs.median(p50_us):.1f}",
                     *(f"{runs.quantile(part) / 1000:.1f}" for part in (0.99, 0.999))]
        cells += [figure(mean), rate(1e6 / mean), f"{runs.spread(value) * 100:.0f} %"]
        if not bench.wine:
            cells += [figure(runs.median(cpu_us)), f"{runs.median(switches):.2f}"]
        for what in [value] if bench.wine else [value, cpu_us]:
            cells.append(f"{runs.ratio(reference, what):.2f}" if reference else "-")
        if case.name == "mixed":
            cells.append(f"{runs.median(lambda r: r['bulk_bytes'] * 1e3 / r['wall_ns']):.0f}")
        rows.append([peer, *cells])
    return rows


def idle_rows(results):
    rows = [["peer", "server B", "client B", "server hub", "client hub", "connect us", "at last"]]
    for peer, runs in results.items():
        cells = [runs.median(lambda r, s=side, v=value: r[s][v] / r["operations"])
                 for value in ("dirty", "hub_bytes") for side in ("server", "client")]
        times = [runs.median(lambda r, v=value: r[v] / 1000) for value in ("early_ns", "late_ns")]
        rows.append([peer] + [f"{cell:.0f}" for cell in cells[:2]]
                    + [f"{cell:.0f}" if cell else "-" for cell in cells[2:]]
                    + [f"{cell:.1f}" for cell in times])
    return rows


def clean_text(results):
    runs = [run for all_runs in results.values() for run in all_runs.rounds.values()]
    clean = sum(run["clean"] for run in runs)
    return "" if clean == len(runs) else f"; others were busy in {len(runs) - clean} of {len(runs)}"


def calls_cell(value):
    return f"{value:.2f}" if value >= 0.005 or value == 0 else f"{value:.4f}"


def calls_rows(bench, name, peers, arguments, few, many):
    """Rows for people, and the figures of each peer that could be traced."""
    kinds = ("wait", "read", "write", "other")
    rows = [["peer"] + [f"{side} {kind}" for side in ("client", "server") for kind in kinds]
            + ["all"]]
    figures = {}
    for peer in peers:
        sides = per_message(bench, peer, arguments, few, many)
        if sides is None:
            bench.left_out.setdefault((peer, name), "strace could not follow it")
            continue
        figures[peer] = sides
        values = [sides[side][kind] for side in ("client", "server") for kind in kinds]
        rows.append([peer] + [calls_cell(value) for value in values] + [f"{sum(values):.3g}"])
    return rows, figures


# ---- All of it -----------------------------------------------------------------------------------

class Session:
    """What was measured, for the tables, the goals and the report."""

    def __init__(self, bench, options):
        self.bench, self.options = bench, options
        self.cells, self.calls, self.tables = {}, {}, []

    def wanted(self, name):
        return chosen(name, self.options.only, CASE_NAMES)

    def table(self, name, title, rows):
        print(f"{title}  [{name}]")
        show(rows)
        self.tables.append((name, title, rows))

    def case(self, case, cores):
        results = measure(self.bench, case, cores, self.options, PINS[cores])
        if not results:
            return
        self.cells[(case.name, cores)] = results
        rows = idle_rows(results) if case.kind == "idle" else case_rows(self.bench, case, results)
        self.table(case.name, f"{case.title}; {CORES[cores]}{clean_text(results)}", rows)

    def count_calls(self):
        if not shutil.which("strace"):
            print("strace is not installed: system calls are not counted\n")
            return
        for name, title, arguments, peers, few, many in CALLS:
            peers = [peer for peer in peers if peer in self.options.peers]
            rows, figures = calls_rows(self.bench, name, peers, arguments, few, many)
            self.calls[name] = figures
            self.table(f"calls-{name}", f"system calls per operation, strace -f -c; {title}", rows)


def left_out_lines(bench):
    """Who was left out of what, one line for each reason."""
    reasons = {}
    for who, why in bench.left_out.items():
        peer, case = who if isinstance(who, tuple) else (who, None)
        reasons.setdefault((peer, why), []).append(case)
    lines = []
    for (peer, why), cases in reasons.items():
        where = f" ({', '.join(cases)})" if None not in cases and len(cases) < 4 else ""
        lines.append(f"{peer}{where}: {why}")
    return lines


def bench_all(bench, options):
    began = time.monotonic()
    bench.patient_until = began + PATIENT_SECONDS
    session = Session(bench, options)
    title = (f"{machine()}; {options.rounds} rounds of {options.ms} ms, medians; "
             f"load {os.getloadavg()[0]:.2f}")
    if bench.wine:
        print("named pipes under wine: ratios only, not Windows' speed")
    print(title + "\n", flush=True)
    options.peers = [peer for peer in options.peers if bench.built(peer)]
    cores_here = len(os.sched_getaffinity(0))
    for case in CASES_WINE if bench.wine else [*CASES, IDLE]:
        for cores in case.cores:
            if session.wanted(case.name) and (cores != "two" or cores_here > 1):
                session.case(case, cores)
    if session.wanted("calls") and not bench.wine:
        session.count_calls()
    lines = goals.judge(bench, session.cells, session.calls)
    left_out = left_out_lines(bench)
    if left_out:
        print("left out\n" + "".join(f"  {line}\n" for line in left_out))
    print("goals" if lines else "no goal is about these cases")
    for goal, met, text in lines:
        word = "?      " if met is None else "met    " if met else "NOT MET"
        print(f"  {word}  {goal}: {text}")
    print(f"\n{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.2f}")
    if options.report:
        versions = {} if bench.wine else {peer: bench.version(peer) for peer in options.peers}
        for path in report.write(options.report, options.build, session, lines, left_out, title,
                                 versions):
            print(path)


# ---- Smoke ---------------------------------------------------------------------------------------

def smoke(bench):
    wrong = list(goals_test.problems())
    for problem in wrong:
        print(f"FAIL {problem}")
    passed, failed = int(not wrong), len(wrong)
    absent = {peer for peer in PEERS if PEERS[peer].family == "library" and not bench.built(peer)}
    for arguments, peers, operations in SMOKE_WINE if bench.wine else SMOKE:
        for peer in peers:
            if peer in absent:
                continue
            try:
                run = bench.run(peer, [*arguments, "--check"])
                if run["operations"] < operations:
                    raise RuntimeError(f"{peer} {' '.join(arguments)}: only {run['operations']} "
                                       "operations")
                passed += 1
            except LeftOut as reason:
                bench.left_out[(peer, arguments[0])] = str(reason)
            except (RuntimeError, ValueError, OSError, subprocess.SubprocessError) as problem:
                failed += 1
                print(f"FAIL {problem}")
    if os.listdir(bench.folder):
        failed += 1
        print(f"FAIL left behind: {os.listdir(bench.folder)}")
    for line in left_out_lines(bench):
        print(f"left out: {line}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def options_parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--rounds", type=int, help="default 7, under wine 121")
    parser.add_argument("--ms", type=int, help="default 60, under wine 150")
    parser.add_argument("--only", action="append", metavar="CASE")
    parser.add_argument("--peers", action="append", metavar="PEER")
    parser.add_argument("--report", metavar="FOLDER")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--wine", action="store_true")
    options = parser.parse_args()
    # A round under wine moves by half, and says little by itself.
    options.rounds = options.rounds or (121 if options.wine else 7)
    options.ms = options.ms or (150 if options.wine else 60)
    for begin in options.only or []:
        if not any(name.startswith(begin) for name in CASE_NAMES):
            parser.error(f"no case begins with {begin}; there are {', '.join(CASE_NAMES)}")
    for begin in options.peers or []:
        if not any(name.startswith(begin) for name in PEERS):
            parser.error(f"no peer begins with {begin}; there are {', '.join(PEERS)}")
    used = {peer for case in (CASES_WINE if options.wine else [*CASES, IDLE])
            for peer in case.peers}
    options.peers = [peer for peer in PEERS if peer in used and chosen(peer, options.peers, PEERS)]
    options.wine_command = os.environ.get("LEAT_WINE") if options.wine else None
    if options.wine and not options.wine_command:
        parser.error("LEAT_WINE is not set; test/wine.sh --script sets it")
    return options


def main():
    options = options_parse()
    with tempfile.TemporaryDirectory(prefix="leat-bench-") as folder:
        bench = Bench(options.build, folder, options.wine_command)
        if options.smoke:
            return smoke(bench)
        try:
            bench_all(bench, options)
        except RuntimeError as problem:
            bench.broken.append(str(problem))
        for problem in bench.broken:
            print(f"broken: {problem}", file=sys.stderr)
    return 1 if bench.broken else 0


if __name__ == "__main__":
    sys.exit(main())
