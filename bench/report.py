# SPDX-License-Identifier: MIT
"""report.json, with every figure, and report.html: one page with tables and plots that needs
nothing beside it.

The plots are uPlot's, which npm brings into the build folder: one release, whose hash is checked.
Without npm or the network the page has its tables, and says that the plots are missing.
"""
import base64
import datetime
import hashlib
import html
import json
import os
import shutil
import subprocess
import tarfile

from cases import CASES, PEERS
from measure import cpu_us, mean_us, p50_us, switches

UPLOT = "uplot-1.6.32"
UPLOT_SHA512 = ("KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jab"
                "jLgSLMasNuGGzQm/ep3tOkyTxpiQIw==")
FETCH_SECONDS_MAX = 60


# ---- Figures -------------------------------------------------------------------------------------

def cell_figures(case, cores, peer, runs):
    figures = {
        "case": case, "placement": cores, "peer": peer,
        "runs": len(runs.rounds), "runs_used": len(runs.chosen()),
        "mean_us": runs.median(mean_us), "best_us": runs.best(mean_us),
        "spread": runs.spread(mean_us), "p50_us": runs.median(p50_us),
        "p99_us": runs.quantile(0.99) / 1000, "p999_us": runs.quantile(0.999) / 1000,
        "cpu_us": runs.median(cpu_us), "switches": runs.median(switches),
        "each": [{key: value for key, value in run.items() if key != "histogram"}
                 for run in runs.rounds.values()],
    }
    if case == "idle":
        for side in ("server", "client"):
            figures[f"{side}_bytes"] = runs.median(lambda run: run[side]["dirty"]
                                                   / run["operations"])
    return figures


def figures_of(session, lines, left_out, title, versions):
    return {
        "title": title,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "rounds": session.options.rounds, "ms": session.options.ms, "versions": versions,
        "goals": [{"goal": goal, "met": met, "figures": text} for goal, met, text in lines],
        "left_out": left_out,
        "cells": [cell_figures(case, cores, peer, runs)
                  for (case, cores), results in session.cells.items()
                  for peer, runs in results.items()],
        "calls": session.calls,
    }


# ---- Plots ---------------------------------------------------------------------------------------

def series(session, points, value):
    """`points` are (x, case, placement): a value of each peer that has two of them at least."""
    points = [point for point in points if point[1:] in session.cells]
    lines = []
    for peer in PEERS:
        values = [session.cells[case, cores].get(peer) for _, case, cores in points]
        if sum(runs is not None for runs in values) >= 2:
            lines.append({"label": peer, "family": PEERS[peer].family,
                          "values": [runs and runs.median(value) for runs in values]})
    return [x for x, _, _ in points], lines


def plots(session):
    def sized(kind, cores):
        return [(case.size, case.name, cores) for case in CASES if case.name.startswith(kind)]

    conns = [(1, "pingpong-64", "free")] + [(case.conns, case.name, "free") for case in CASES
                                            if case.name.startswith("conns")]
    bursts = [(case.depth, case.name, "one") for case in CASES if case.name.startswith("burst")]
    wanted = [
        ("Processor time of a round trip, both ends", "connections", conns, cpu_us),
        ("Time of a round trip, all connections together", "connections", conns, mean_us),
        ("Ping-pong, one core each: median", "bytes in a message", sized("pingpong", "two"),
         p50_us),
        ("Ping-pong, one core: median", "bytes in a message", sized("pingpong", "one"), p50_us),
        ("One-way stream: time of a message", "bytes in a message", sized("stream", "free"),
         mean_us),
        ("One-way stream: processor time of a message", "bytes in a message",
         sized("stream", "free"), cpu_us),
        ("Messages handed over at once: time of one", "messages", bursts, mean_us),
        ("Messages handed over at once: processor time of one", "messages", bursts, cpu_us),
    ]
    for title, axis, points, value in wanted:
        x, lines = series(session, points, value)
        if len(x) >= 2 and lines:
            yield {"title": title, "axis": axis, "x": x, "series": lines}


def uplot_fetch(folder):
    """Script and style of uPlot, or an error's text in place of them."""
    archive = os.path.join(folder, UPLOT + ".tgz")
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.path.exists(archive):
            if not shutil.which("npm"):
                return None, None, "npm is not installed"
            # In the folder, so that nothing of this tree is npm's business.
            done = subprocess.run(["npm", "pack", "--silent", UPLOT.replace("-", "@")], cwd=folder,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                  timeout=FETCH_SECONDS_MAX)
            if done.returncode != 0:
                return None, None, f"npm could not fetch {UPLOT}"
        with open(archive, "rb") as stream:
            digest = base64.b64encode(hashlib.sha512(stream.read()).digest()).decode()
        if digest != UPLOT_SHA512:
            os.unlink(archive)
            return None, None, f"{UPLOT} is not what it should be (its hash differs)"
        with tarfile.open(archive) as pack:
            return (*(pack.extractfile("package/dist/" + name).read().decode()
                      for name in ("uPlot.iife.min.js", "uPlot.min.css")), None)
    except (OSError, subprocess.SubprocessError, tarfile.TarError, KeyError) as problem:
        return None, None, f"{UPLOT} could not be had ({type(problem).__name__})"


# ---- The page ------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #5d6670; --paper: #fff; --line: #d9dee3;
  --good: #12753a; --bad: #b3261e; --own: #fff4e0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ea; --soft: #9aa4ae; --paper: #15181c;
  --line: #333a42; --good: #5fcf8b; --bad: #ff8a80; --own: #3a2f1a; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 1200px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 8px; }
h3 { font-size: 15px; margin: 24px 0 6px; font-weight: 600; }
p { color: var(--soft); margin: 4px 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: 3px 10px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; }
tr.leat td { background: var(--own); }
#goals td { text-align: left; white-space: normal; } .met { color: var(--good); }
.missed { color: var(--bad); font-weight: 600; }
#plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(480px, 100%), 1fr));
  gap: 24px; }
.u-legend th, .u-legend td { border: 0; padding: 1px 4px; }
.plot { min-width: 0; } .plot h3 { margin-top: 0; } .u-legend { font-size: 12px; text-align: left; }
.u-legend .u-value { min-width: 4em; display: inline-block; }
"""

SCRIPT = """
const hues = {libuv: 210, asio: 265, libevent: 150, glib: 90, qt6: 175, nng: 300, zmq: 335};
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
const ink = dark ? "#9aa4ae" : "#5d6670", line = dark ? "#333a42" : "#e3e7eb";
function stroke(s) {
  if (s.family === "leat") return dark ? "#ffb454" : "#d9650b";
  if (s.family === "floor") return dark ? "#8c96a0" : "#8a929a";
  return `hsl(${hues[s.label] ?? 0} 60% ${dark ? 65 : 42}%)`;
}
const leatDash = {"leat-bytes": [], "leat-messages": [9, 4], "leat-blocking": [3, 3],
  "leat-bytes-spin": [14, 3, 3, 3], "leat-messages-spin": [9, 4, 2, 4],
  "leat-blocking-spin": [2, 5]};
const floorDash = {raw: [2, 2], "raw-epoll": [], "raw-spin": [8, 3, 2, 3], "raw-batch": [6, 6]};
const short = v => v == null ? "" : v >= 1e6 ? v / 1e6 + " M" : v >= 1e3 ? v / 1e3 + " k" : "" + v;
const size = v => v == null ? "-" : v >= 100 ? v.toFixed(0) : v.toPrecision(3);
// All boxes first: each has its width only when the others are there.
const boxes = plots.map(plot => {
  const box = document.createElement("div");
  box.className = "plot";
  box.innerHTML = "<h3></h3>";
  box.firstChild.textContent = plot.title + ", us";
  document.getElementById("plots").append(box);
  return box;
});
for (const [i, plot] of plots.entries()) {
  const box = boxes[i];
  const axis = {stroke: ink, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};
  new uPlot({
    width: Math.max(280, box.clientWidth), height: 330,
    scales: {x: {time: false, distr: 3, log: 10}, y: {distr: 3, log: 10}},
    axes: [{...axis, label: plot.axis, values: (u, all) => all.map(short)},
           {...axis, size: 64, values: (u, all) => all.map(short)}],
    series: [{label: plot.axis, value: (u, v) => v == null ? "-" : v.toLocaleString("en")},
      ...plot.series.map(s => ({label: s.label, stroke: stroke(s), spanGaps: true,
        width: s.family === "leat" ? 2.5 : 1.5, dash: (s.family === "leat" ? leatDash : floorDash)
          [s.label] ?? [], points: {size: 6}, value: (u, v) => size(v)}))],
  }, [plot.x, ...plot.series.map(s => s.values)], box);
}
"""


def table_html(rows):
    text = "<div class=wide><table><tr>" + "".join(f"<th>{html.escape(cell)}</th>"
                                                   for cell in rows[0]) + "</tr>\n"
    for row in rows[1:]:
        own = " class=leat" if row[0].startswith("leat") else ""
        text += f"<tr{own}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n"
    return text + "</table></div>\n"


def goals_html(lines):
    words = {True: "<td class=met>met", False: "<td class=missed>not met", None: "<td>?"}
    return "<table id=goals>" + "".join(
        f"<tr>{words[met]}</td><td>{html.escape(goal)}</td><td>{html.escape(text)}</td></tr>\n"
        for goal, met, text in lines) + "</table>\n"


def plots_html(session, build):
    found = list(plots(session))
    if not found:
        return "<p>No two cases that make a plot were measured.</p>"
    script, style, problem = uplot_fetch(os.path.join(build, "npm"))
    if problem:
        return f"<p>The plots are missing: {html.escape(problem)}. The tables have it all.</p>"
    data = json.dumps(found).replace("</", "<\\/")
    return (f"<style>{style}</style><div id=plots></div>\n<script>{script}</script>\n"
            f"<script>const plots = {data};\n{SCRIPT}</script>\n")


def page(session, build, figures, lines):
    versions = ", ".join(f"{peer} {version}" for peer, version in figures["versions"].items()
                         if version != "none" and PEERS[peer].family == "library")
    text = ("<!doctype html>\n<html lang=en><meta charset=utf-8>\n"
            "<meta name=viewport content='width=device-width, initial-scale=1'>\n"
            f"<title>leat: benchmark</title>\n<style>{STYLE}</style>\n<h1>leat: benchmark</h1>\n"
            f"<p>{html.escape(figures['title'])}</p>\n<p>{figures['date']}</p>\n"
            f"<p>{html.escape(versions)}</p>\n"
            "<p>docs/performance.md says what the cases are and how to read them.</p>\n"
            f"<h2>Goals</h2>\n{goals_html(lines)}"
            f"<h2>How cost grows</h2>\n<p>Where a line is flat, one more costs the same. Both axes "
            f"are logarithmic.</p>\n{plots_html(session, build)}<h2>Tables</h2>\n")
    for name, title, rows in session.tables:
        text += f"<h3>{html.escape(title)} [{html.escape(name)}]</h3>\n{table_html(rows)}"
    if figures["left_out"]:
        text += "<h2>Left out</h2>\n" + "".join(f"<p>{html.escape(line)}</p>\n"
                                                for line in figures["left_out"])
    return text + "</html>\n"


def write(folder, build, session, lines, left_out, title, versions):
    """Writes both files; their paths."""
    figures = figures_of(session, lines, left_out, title, versions)
    paths = [os.path.join(folder, name) for name in ("report.json", "report.html")]
    for path, text in zip(paths, (json.dumps(figures, indent=1) + "\n",
                                  page(session, build, figures, lines))):
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    return paths
