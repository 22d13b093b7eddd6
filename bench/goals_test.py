# SPDX-License-Identifier: MIT
"""Are the goals judged the right way round? With figures that are made up: leat ten times as good
as everybody, then ten times as bad."""
import types

import goals
import report
from cases import CASES, CASES_WINE, IDLE, LEAT, PEERS
from measure import Runs


def made_run(factor, growth):
    """An operation takes `factor` us; one connection more, `growth` times what it took before."""
    time, side = int(factor * 1000), {"dirty": int(factor * 100000), "hub_bytes": 0}
    return {"operations": 1000, "wall_ns": time * 1000, "p50_ns": time, "cpu_client_ns": time * 500,
            "cpu_server_ns": time * 500, "switches_client": 0, "switches_server": 0, "clean": True,
            "early_ns": 1000, "late_ns": int(1000 * growth), "client": side, "server": side,
            "bulk_bytes": 0, "histogram": [[time, 900], [10 * time, 95], [100 * time, 5]]}


def made_runs(peer, case, factor, growth):
    if PEERS[peer].family != "leat":
        factor, growth = 1, 1
    elif peer.endswith(("-gather", "-many", "-many-spin")) and factor < 1:
        factor /= 10
    runs = Runs()
    for number in range(3):
        runs.rounds[number] = made_run(factor * (growth if case.conns == 10000 else 1), growth)
    return runs


def judged(wine, factor, growth):
    cells = {(case.name, cores): {peer: made_runs(peer, case, factor, growth)
                                  for peer in case.peers}
             for case in (CASES_WINE if wine else [*CASES, IDLE]) for cores in case.cores}
    calls = {"pingpong-64": {peer: {"client": {"wait": growth}} for peer in LEAT}}
    bench = types.SimpleNamespace(wine=wine, reference="raw-overlapped" if wine else "raw-epoll")
    session = types.SimpleNamespace(cells=cells, calls=calls, tables=[], bench=bench,
                                    options=types.SimpleNamespace(rounds=3, ms=1))
    return goals.judge(bench, cells, calls), session


def problems():
    """What is wrong, one line each."""
    for wine in (None, "wine"):
        good, session = judged(wine, 0.1, 1)
        bad, _ = judged(wine, 10, 2)
        if len(good) != len(bad) or len(good) < (6 if wine else 20):
            yield f"{len(good)} goals, and {len(bad)}"
        yield from (f"not met by the best: {text}: {figures}" for text, met, figures in good
                    if met is not True)
        yield from (f"met by the worst: {text}: {figures}" for text, met, figures in bad
                    if met is not False)
        figures = report.figures_of(session, good, [], "title", {})
        cell = next(cell for cell in figures["cells"] if cell["peer"] == "leat-bytes")
        if not 0.8 < cell["p99_us"] < 1.1 or not 8 < cell["p999_us"] < 11:
            yield f"p99 and p99.9 are {cell['p99_us']} and {cell['p999_us']} us, not 1 and 10"
        if not wine and len(list(report.plots(session))) != 8:
            yield "not every plot was made"
