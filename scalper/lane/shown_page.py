"""The page of a session: each feature under the price, and the structure that the kernel knew.

No script, and nothing that is fetched from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby
from pathlib import Path

import numpy as np

from scalper.features import Feature
from scalper.files import write_bytes
from scalper.lane.chart import Frame
from scalper.lane.shown import Shown
from scalper.settings import Home

AT_ONCE = 400
"""Frame bars that are seen in one picture without scrolling far."""
THREE_NS = 3 * 3_600_000_000_000
PLOT, TALL = 1000, 58
"""Columns and rows of a small plot; more bars than columns are drawn by their least and greatest."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667085; --line: #e3e7ee; --paper: #fff; --wash: #f5f7fa;
  --blue: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf2; --soft: #98a3b5; --line: #2b3442; --paper: #161c25;
  --wash: #10151c; --blue: #4aa8e0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--wash); color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 0 0 8px; }
p { margin: 0 0 10px; color: var(--soft); }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 16px 18px;
  margin-top: 16px; scroll-margin-top: 120px; }
.wide { overflow-x: auto; } summary { color: var(--soft); cursor: pointer; padding: 8px 0; }
.row { display: grid; grid-template-columns: 270px minmax(0, 1fr) 74px; gap: 12px; align-items: center;
  border-top: 1px solid var(--line); padding: 5px 0; }
.row div { overflow-wrap: anywhere; } .row b { font-weight: 600; }
.row i { color: var(--soft); font-style: normal; font-size: 12px; }
.row small { display: block; color: var(--soft); font-size: 11.5px; line-height: 1.3; }
.row .n { color: var(--soft); font-size: 11.5px; text-align: right; font-variant-numeric: tabular-nums; }
.row svg { width: 100%; height: 58px; display: block; }
.row .line { fill: none; stroke: var(--blue); vector-effect: non-scaling-stroke; stroke-width: 1.1; }
.price { position: sticky; top: 0; z-index: 1; background: var(--paper); border: 1px solid var(--line);
  border-radius: 10px; padding: 8px 18px; margin-top: 16px; box-shadow: 0 3px 8px #0001; }
.clock { position: relative; height: 15px; margin: 0 86px 0 282px; color: var(--soft); font-size: 11px; }
.clock span { position: absolute; transform: translateX(-50%); }
.price .row { border: 0; padding: 0; } .price svg { height: 84px; } .price .line { stroke: var(--ink); }
#hours rect { fill: var(--soft); opacity: .09; }
#hours path, .row .zero { stroke: var(--soft); opacity: .22; stroke-width: 1; vector-effect: non-scaling-stroke; }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; }
th { text-align: left; color: var(--soft); font-weight: 500; padding: 3px 12px 5px 0;
  border-bottom: 1px solid var(--line); }
td { vertical-align: top; border-bottom: 1px solid var(--line); padding: 4px 12px 4px 0; }
"""


def write(shown: Shown, home: Home, folder: Path | None = None) -> tuple[Path, Path]:
    """Write `features.html` and `structure.svg`, to a folder below the state if none is given; returns their paths."""
    folder = folder or home.state / "shown" / shown.lane / shown.session.isoformat()
    html, svg = folder / "features.html", folder / "structure.svg"
    write_bytes(html, page(shown).encode())
    write_bytes(svg, shown.svg().encode())
    return html, svg


def page(shown: Shown) -> str:
    """The session as a whole HTML document."""
    n, f = shown.x.shape
    first, last = shown.frame.clock(shown.frame.start_ns), shown.frame.clock(shown.frame.end_ns)
    lead = (
        f"{n:,} bars from {first} to {last} New York, {f} features. Each plot starts where its column is warm; "
        "the regular hours are shaded."
    )
    note = (
        f"No structure: {shown.unmarked}."
        if shown.unmarked
        else "Each mark stands at its extreme; its thin line ends in a dot at the bar with which it was known. A zone "
        "is outlined until it is known and filled until it is used up. Point at a mark for its words."
    )
    head = f'<meta charset="utf-8"><title>{escape(shown.title)}</title><style>{STYLE}</style>'
    x = _places(shown.frame, shown.ts_ns)
    price = _row("price", "close, in points", "", shown.close * float(shown.frame.tick), x, _hours(shown.frame))
    parts = [
        f"<h1>{escape(shown.title)}</h1><p>{escape(lead)}</p>",
        f"<section><h2>Structure</h2><p>{escape(note)}</p>{_pictures(shown)}</section>",
        f'<div class="price">{price}{_clock(shown.frame)}</div>',
        *_groups(shown, x),
        _table(shown.columns),
    ]
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>{"".join(parts)}</main></body></html>\n'


def _pictures(shown: Shown) -> str:
    """The whole session; of many bars the regular hours first, and the whole to be opened."""
    whole = f'<div class="wide">{shown.svg()}</div>'
    if shown.frame.ts_ns.size <= AT_ONCE:
        return whole
    regular = f'<div class="wide">{shown.svg(regular=True)}</div>'
    return f"{regular}<details><summary>The whole session</summary>{whole}</details>"


def _places(frame: Frame, ts_ns: np.ndarray) -> np.ndarray:
    """Where each bar stands in a small plot."""
    return PLOT * (ts_ns - frame.start_ns) / max(frame.end_ns - frame.start_ns, 1)


def _times(frame: Frame) -> range:
    """Full hours, each third."""
    return range(-(-frame.start_ns // THREE_NS) * THREE_NS, frame.end_ns, THREE_NS)


def _clock(frame: Frame) -> str:
    """The hours below the price, in New York wall time."""
    places = _places(frame, np.array(_times(frame))).tolist()
    words = [
        f'<span style="left:{100 * x / PLOT:.2f}%">{frame.clock(ns)}</span>'
        for x, ns in zip(places, _times(frame), strict=True)
    ]
    return f'<div class="clock">{"".join(words)}</div>'


def _hours(frame: Frame) -> str:
    """The regular hours and a line at each third hour: drawn once, shown behind every plot."""
    a, b = np.clip(_places(frame, np.array([frame.open_ns, frame.close_ns])), 0, PLOT).tolist()
    path = "".join(f"M{one:.1f} 0V{TALL}" for one in _places(frame, np.array(_times(frame))).tolist())
    return f'<g id="hours"><rect x="{a:.1f}" width="{max(b - a, 0):.1f}" height="{TALL}"/><path d="{path}"/></g>'


def _groups(shown: Shown, x: np.ndarray) -> list[str]:
    out: list[str] = []
    for name, members in groupby(enumerate(shown.columns), lambda one: one[1].group):
        rows = [_row(one.name, one.formula, one.unit, shown.x[:, i], x, '<use href="#hours"/>') for i, one in members]
        out.append(f'<section id="{name}"><h2>{name}</h2>{"".join(rows)}</section>')
    return out


def _row(name: str, formula: str, unit: str, values: np.ndarray, x: np.ndarray, back: str) -> str:
    """Words, plot, range."""
    there = values[np.isfinite(values)].astype(np.float64)
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    said = f"{high:,.6g}<br>{low:,.6g}" if low < high else f"{low:,.6g}" if there.size else "none"
    of = "" if unit == "1" else f"<i>{escape(unit)}</i>"
    zero = f'<path class="zero" d="M0 {_y(np.zeros(1), low, high)[0]:.1f}H{PLOT}"/>' if low < 0 < high else ""
    return (
        f'<div class="row"><div><b>{escape(name)}</b> {of}<small>{escape(formula)}</small></div>'
        f'<svg viewBox="0 0 {PLOT} {TALL}" preserveAspectRatio="none">{back}{zero}'
        f'<path class="line" d="{_path(x, _y(values, low, high))}"/></svg><div class="n">{said}</div></div>'
    )


def _y(values: np.ndarray, low: float, high: float) -> np.ndarray:
    span = (high - low) or 1.0
    return 3 + (TALL - 6) * (high - values.astype(np.float64)) / span if high > low else values * 0.0 + TALL / 2


def _path(x: np.ndarray, y: np.ndarray) -> str:
    """A line that breaks where values are missing; of many bars to a column the least and the greatest."""
    if y.size > PLOT:
        x, y = _thinned(x, y)
    out: list[str] = []
    pen = False
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if b == b:
            out.append(f"{'L' if pen else 'M'}{a:.4g} {b:.3g}")
        pen = b == b
    return "".join(out)


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two points a column of the plot that has a value."""
    there = np.isfinite(y)
    x, y = x[there], y[there]
    if y.size == 0:
        return x, y
    column = x.astype(np.int64)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    both = np.stack([np.minimum.reduceat(y, first), np.maximum.reduceat(y, first)], axis=1)
    return np.repeat(column[first], 2).astype(np.float64), both.ravel()


def _table(columns: Sequence[Feature]) -> str:
    """The catalogue."""
    heads = ("name", "group", "formula", "unit", "warm-up, bars", "memory", "inputs", "source")
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(str(cell))}</td>"
            for cell in (
                one.name, one.group, one.formula, one.unit, one.warm_up, one.kind, ", ".join(one.inputs), one.source
            )
        )
        + "</tr>"
        for one in columns
    )  # fmt: skip
    head = "".join(f"<th>{one}</th>" for one in heads)
    return (
        f'<section class="wide"><h2>Catalogue</h2><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )
