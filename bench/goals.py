# SPDX-License-Identifier: MIT
"""What leat is to reach, as ratios within one run. Each goal is a line: met, not met, or ? where
what it compares with was not measured."""
from cases import LIBRARIES, QUIET
from measure import cpu_us, mean_us, p50_us


class Goals:
    """`cells` has the results of each case and placement: {peer: Runs}."""

    def __init__(self, cells, calls):
        self.cells, self.calls = cells, calls
        self.lines = []  # text, met (None: not known), figures

    def add(self, text, met, figures="not measured"):
        self.lines.append((text, met, figures))

    def runs(self, case, cores, peer):
        return self.cells.get((case, cores), {}).get(peer)

    def ratio(self, case, cores, peer, other, value):
        ours, theirs = self.runs(case, cores, peer), self.runs(case, cores, other)
        return ours.ratio(theirs, value) if ours and theirs else None

    def at_most(self, text, limit, figures, more=""):
        """`figures` are pairs of a word and a ratio; all must keep the limit."""
        known = [ratio for _, ratio in figures if ratio is not None]
        if not known:
            self.add(text, None)
            return
        self.add(text, all(ratio <= limit for ratio in known),
                 ", ".join(f"{word} {ratio:.2f}" for word, ratio in figures if ratio is not None)
                 + more)

    def at_least(self, text, limit, ratio, more=""):
        if ratio is None:
            self.add(text, None)
        else:
            self.add(text, ratio >= limit, f"{ratio:.2f}{more}")


def without_spinning(goals):
    """Round trips and short connections against a hand-written loop."""
    cases = [("pingpong-64", "ping-pong, 64 B", QUIET), ("pingpong-4k", "ping-pong, 4 KiB", QUIET),
             ("connect", "connect and close", ("leat-bytes",))]
    for case, title, peers in cases:
        for cores, place in (("two", "one core each"), ("one", "one core")):
            if (case, cores) not in goals.cells:
                continue
            judged = goals.ratio(case, cores, "raw-judged", "raw-epoll", p50_us)
            for peer in peers:
                goals.at_most(f"{title}, {peer}, {place}: within 1.03 of raw-epoll", 1.03,
                              [("time", goals.ratio(case, cores, peer, "raw-epoll", p50_us)),
                               ("CPU", goals.ratio(case, cores, peer, "raw-epoll", cpu_us))],
                              f" (raw-judged: time {judged:.2f})" if judged else "")


def with_spinning(goals):
    for peer in ("leat-bytes-spin", "leat-messages-spin"):
        if ("pingpong-64", "two") in goals.cells:
            goals.at_most(f"ping-pong, 64 B, {peer}, one core each: at most 0.12 of raw", 0.12,
                          [("time", goals.ratio("pingpong-64", "two", peer, "raw", p50_us))])
        if ("pingpong-64", "one") in goals.cells:
            goals.at_most(f"ping-pong, 64 B, {peer}, one core: within 1.05 of raw-epoll", 1.05,
                          [("time", goals.ratio("pingpong-64", "one", peer, "raw-epoll", p50_us))])


def best_library(cell, figure):
    """The library with the smallest figure, and that; null when none was measured."""
    found = [(figure(cell[peer]), peer) for peer in LIBRARIES if peer in cell]
    return min(found) if found else (None, None)


def faster(goals, case, peer, other):
    """How many times the rate of another one."""
    ratio = goals.ratio(case, "free", peer, other, mean_us) if other else None
    return 1 / ratio if ratio else None


def in_streams(cell, peer):
    """As leat comes, which is spinning, and with what small messages are for: several a call, and
    gathering. What of that was measured."""
    ways = ("-many-spin", "-many", "-gather")
    return next((peer + way for way in ways if peer + way in cell), peer)


def streams(goals):
    small, large = goals.cells.get(("stream-64", "free")), goals.cells.get(("stream-64k", "free"))
    if small:
        _, best = best_library(small, lambda runs: runs.median(mean_us))
        ours = in_streams(small, "leat-bytes")
        goals.at_least(f"stream, 64 B, {ours}: at least 1.5 times the best library", 1.5,
                       faster(goals, "stream-64", ours, best), f" times {best}")
        goals.at_least(f"stream, 64 B, {ours}: at least 0.8 of raw-batch", 0.8,
                       faster(goals, "stream-64", ours, "raw-batch"))
        ours = in_streams(small, "leat-messages")
        goals.at_least(f"stream, 64 B, {ours}: at least 10 times zmq", 10,
                       faster(goals, "stream-64", ours, "zmq"))
    ours = "leat-bytes-spin"
    if large and ours in large:
        for text, figure in (
                ("best run", lambda runs: runs.best(mean_us)),
                ("CPU per message", lambda runs: runs.median(cpu_us))):
            theirs, best = best_library(large, figure)
            ratio = theirs / figure(large[ours]) if best else None
            goals.at_least(f"stream, 64 KiB, {ours}, by {text}: at least the best library", 1,
                           ratio, f" times {best}")


def connections(goals):
    for count in (64, 1000):
        if (f"conns-{count}", "free") in goals.cells:
            goals.at_least(f"{count} connections, leat-bytes: at least raw-epoll's rate", 1,
                           faster(goals, f"conns-{count}", "leat-bytes", "raw-epoll"))
    growth = {}
    for peer in ("leat-bytes", "raw-epoll"):
        few, many = (goals.runs(f"conns-{count}", "free", peer) for count in (64, 10000))
        growth[peer] = many.median(cpu_us) / few.median(cpu_us) if few and many else None
    if growth["leat-bytes"]:
        theirs = growth["raw-epoll"]
        goals.add("a round trip at 10,000 connections costs what it costs at 64, within 1.3",
                  growth["leat-bytes"] <= 1.3, f"CPU {growth['leat-bytes']:.2f}"
                  + (f" (raw-epoll {theirs:.2f})" if theirs else ""))


def idle(goals, bytes_max=400):
    cell = goals.cells.get(("idle", "free"), {})
    if "leat-bytes" in cell:
        cost = cell["leat-bytes"].median(lambda run: run["late_ns"] / max(run["early_ns"], 1))
        goals.at_most("one connection more costs the same at 10,000 as at 64, within 1.3", 1.3,
                      [("time", cost)])
    worst = {}
    for peer in QUIET:
        if peer in cell:
            worst[peer] = max(cell[peer].median(
                lambda run, side=side: run[side]["dirty"] / run["operations"])
                for side in ("client", "server"))
    if worst:
        goals.add(f"at most {bytes_max} B of user memory for an idle connection",
                  max(worst.values()) <= bytes_max,
                  ", ".join(f"{peer} {value:.0f} B" for peer, value in worst.items()))


def system_calls(goals):
    sides = [calls for peer in QUIET + ("leat-blocking",)
             for calls in goals.calls.get("pingpong-64", {}).get(peer, {}).values()]
    if sides:
        worst = max(value for calls in sides for value in calls.values())
        goals.add("one wait, one read, one write per message and side at most", worst <= 1.005,
                  f"at most {worst:.2f} of a kind in ping-pong")


def under_wine(goals, bench):
    for (case, cores), cell in goals.cells.items():
        for peer in QUIET:
            if peer in cell and bench.reference in cell:
                value = p50_us if case.startswith("pingpong") else mean_us
                goals.at_most(f"{case}, {peer}: within 1.15 of {bench.reference}", 1.15,
                              [("time", goals.ratio(case, cores, peer, bench.reference, value))])


def judge(bench, cells, calls):
    """The lines, each with its verdict and its figures."""
    goals = Goals(cells, calls)
    if bench.wine:
        under_wine(goals, bench)
        return goals.lines
    for part in (without_spinning, with_spinning, streams, connections, idle, system_calls):
        part(goals)
    return goals.lines
