#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Shows what a soak saw: its limits as lines, and one page that needs nothing else.

usage: test/soak/page.py SOAK.json SOAK.html
"""
import html
import json
import math
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 860, 220, 70, 28, 12
POINTS_MAX = 1000
COLOURS = ("#1f6fb2", "#c4511d", "#3f8f3a", "#888888")
PROCESSES = ("server", "client", "pinger")

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 920px; color: #222;
       background: #fff }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin: 1.6em 0 .3em }
table { border-collapse: collapse }
td { padding: .15em .8em .15em 0; vertical-align: top }
td:first-child, td:nth-child(2) { white-space: nowrap }
.FAIL { color: #b00020; font-weight: 600 } .ok { color: #2a7a2a }
svg { display: block; background: #fafafa; border: 1px solid #ddd }
text { font-size: 12px; fill: #555 }
.key { margin-right: 1.2em } .key::before { content: ""; display: inline-block; width: 1.2em;
       height: 3px; background: var(--colour); margin-right: .4em; vertical-align: middle }
"""


def number(value):
    """1234567 as 1,234,567; thousands and millions of an axis are short."""
    if value >= 1e7:
        return f"{value / 1e6:,.0f} M"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2f}"


def thinned(rows):
    """At most POINTS_MAX rows; of each group the largest in every column, so no peak is lost."""
    step = -(-len(rows) // POINTS_MAX)
    if step <= 1:
        return rows
    groups = [rows[i:i + step] for i in range(0, len(rows), step)]
    return [[max(column) for column in zip(*group)] for group in groups]


def linear(largest):
    """A scale from 0 to a round number: its marks, and where a value is, from 0 to 1."""
    step = 10 ** math.floor(math.log10(max(largest, 4) / 4))
    step = next(step * i for i in (1, 2, 2.5, 5, 10) if step * i * 4 >= largest)
    return [step * i for i in range(5)], lambda value: value / (step * 4)


def logarithmic(largest):
    """A scale of powers of ten from 1 on."""
    powers = max(1, math.ceil(math.log10(max(largest, 2))))
    return ([10 ** i for i in range(powers + 1)],
            lambda value: math.log10(max(value, 1)) / powers)


def plot(title, unit, seconds, series, scale=linear):
    """One SVG: series is a list of (name, values)."""
    marks, height_of = scale(max((max(values, default=0) for _, values in series), default=0))
    end = max(seconds, default=1) or 1

    def x(second):
        return LEFT + (WIDTH - LEFT - 30) * second / end

    def y(value):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - height_of(value))

    parts = [f'<h2>{html.escape(title)}</h2>', f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
             f'aria-label="{html.escape(title)}">']
    for value in marks:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 30}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
                     f'stroke="#e3e3e3"/><text x="{LEFT - 6}" y="{y(value) + 4:.1f}" '
                     f'text-anchor="end">{number(value)}</text>')
    for second in (end * quarter / 4 for quarter in range(5)):
        parts.append(f'<text x="{x(second):.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
                     f'{second:.0f} s</text>')
    for (_, values), colour in zip(series, COLOURS):
        points = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in zip(seconds, values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                     f'stroke-width="1.6"/>')
    parts.append("</svg><p>" + "".join(
        f'<span class="key" style="--colour: {colour}">{html.escape(name)}</span>'
        for (name, _), colour in zip(series, COLOURS)) + f"{html.escape(unit)}</p>")
    return "".join(parts)


def plots(soak):
    """All plots of the page."""
    rows = thinned(soak["samples"])
    column = {name: [row[i] for row in rows] for i, name in enumerate(soak["columns"])}
    seconds = [ms / 1000 for ms in column["ms"]]

    def each(what, scale=1):
        return [(process, [value / scale for value in column[f"{process} {what}"]])
                for process in PROCESSES]

    rates = [0.0]
    for i in range(1, len(rows)):
        span = max(seconds[i] - seconds[i - 1], 0.001)
        rates.append(max(column["messages"][i] - column["messages"][i - 1], 0) / span)
    yield plot("Memory", "KiB of each process, without what they share", seconds,
               each("memory", 1024))
    yield plot("Handles", "open descriptors", seconds, each("handles"))
    yield plot("Allocations", "of the library, without what is kept for the next one", seconds,
               each("allocations"))
    yield plot("Latency", "microseconds for a message there and back, each second by itself",
               seconds, [("p50", column["p50"]), ("p99", column["p99"]), ("p99.9", column["p999"]),
                         ("p99.9 of plain sockets", column["plain"])],
               logarithmic)
    yield plot("Messages", "a second, judged", seconds, [("messages", rates)])


def page(soak):
    """The whole page."""
    limits = "".join(
        f'<tr><td class="{html.escape(limit["verdict"])}">{html.escape(limit["verdict"])}</td>'
        f'<td>{html.escape(limit["name"])}</td><td>{html.escape(limit["text"])}</td></tr>'
        for limit in soak["limits"])
    day = soak["seconds"] / 600
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>leat: soak</title>'
            f'<style>{STYLE}</style><h1>Soak: {day:.3g} of a day in '
            f'{soak["took_ms"] / 60000:.1f} minutes</h1>'
            f'<p>{number(soak["connections"])} connections, {soak["messages"]:,} messages and '
            f'{soak["bytes"]:,} bytes over Unix-domain sockets; {soak["kills"]:,} peers were '
            f'killed; {soak["violations"]:,} histories were violated.</p>'
            f'<table>{limits}</table>{"".join(plots(soak))}</html>\n')


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        soak = json.load(file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(page(soak))
    for limit in soak["limits"]:
        print(f'{limit["verdict"]:<10}  {limit["name"]:<22} {limit["text"]}')


if __name__ == "__main__":
    main()
