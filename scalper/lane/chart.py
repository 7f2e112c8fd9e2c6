"""A session drawn with what the kernel knew of its structure: one SVG, no library, no script.

A mark stands at its extreme; the thin line from it ends in a dot at the bar with which it became known. Zones are
outlined while they were not yet known and filled from then until they were used up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from html import escape

import numpy as np

from scalper.features.marks import Mark
from scalper.simulate.sketch import BLUE, GREY, RED

HOUR_NS = 3_600_000_000_000
HEIGHT, TOP, BOTTOM, LEFT, PAD = 560, 42, 24, 62, 12
LEAST, WIDE = 1150, 3.9
"""Width of the picture and of a frame bar in it, at least."""
STEPS = (1, 2, 4, 8, 20, 40, 80, 200, 400, 800)
"""Ticks between two lines of price."""
UP, DOWN = "#a8b0bb", "#6b7480"
"""Bodies of candles; greys, so that the marks stand out on light and dark pages."""
WORDS = {"bos": "BOS", "choch": "CHoCH"}
LONG = {
    "swing": "swing",
    "block": "order block",
    "gap": "fair-value gap",
    "sweep": "sweep",
    "bos": "break of structure",
    "choch": "change of character",
    "range": "AMD range",
    "manipulation": "AMD: the range is left",
    "distribution": "AMD: the direction is known",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """Candles (m,) of times in ns and prices in ticks, and the size of the picture."""

    ts_ns: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    length_ns: int
    open_ns: int
    """09:30 New York, from which the clock is read."""
    close_ns: int
    """Regular close."""
    tick: Decimal

    @property
    def width(self) -> float:
        """Of the whole picture."""
        return max(LEAST, LEFT + WIDE * (self.end_ns - self.start_ns) / self.length_ns)

    @property
    def start_ns(self) -> int:
        return int(self.ts_ns[0])

    @property
    def end_ns(self) -> int:
        return int(self.ts_ns[-1]) + self.length_ns

    def x(self, ns: int | np.ndarray) -> np.ndarray:
        """Place of a time."""
        share = (np.asarray(ns) - self.start_ns) / (self.end_ns - self.start_ns)
        return LEFT + (self.width - LEFT - 8) * np.clip(share, 0, 1)

    def y(self, ticks: int | np.ndarray) -> np.ndarray:
        """Place of a price."""
        low, high = int(self.low.min()), int(self.high.max())
        return TOP + PAD + (HEIGHT - TOP - BOTTOM - 2 * PAD) * (high - np.asarray(ticks)) / max(high - low, 1)

    def clock(self, ns: int) -> str:
        """New York wall time; the clocks never change inside a session."""
        minute = (570 + (ns - self.open_ns) // 60_000_000_000) % 1440
        return f"{minute // 60:02d}:{minute % 60:02d}"

    def price(self, ticks: int) -> str:
        """In points."""
        return f"{ticks * self.tick:,}"


def framed(bars: np.ndarray, length_ns: int, timetable: np.ndarray, tick: Decimal) -> Frame:
    """Candles of `length_ns` from a session's bars (n,) of BAR, one at least; carried seconds are left out."""
    bars = bars[bars["carried"] == 0]
    start = bars["ts_ns"] // length_ns * length_ns
    first = np.flatnonzero(np.diff(start, prepend=-1))
    last = np.append(first[1:], bars.size) - 1
    times = int(timetable["regular_open_ns"][0]), int(timetable["regular_close_ns"][0])
    high, low = np.maximum.reduceat(bars["high"], first), np.minimum.reduceat(bars["low"], first)
    return Frame(start[first], bars["open"][first], high, low, bars["close"][last], length_ns, *times, tick)


def between(frame: Frame, marks: Sequence[Mark], start_ns: int, end_ns: int) -> tuple[Frame, list[Mark]]:
    """The candles and the marks that lie wholly between two times; at least one candle must."""
    rows = (frame.ts_ns >= start_ns) & (frame.ts_ns < end_ns)
    names = ("ts_ns", "open", "high", "low", "close")
    cut = replace(frame, **{name: getattr(frame, name)[rows] for name in names})
    return cut, [one for one in marks if one.at_ns >= cut.start_ns and one.known_ns <= cut.end_ns]


def chart(frame: Frame, marks: Sequence[Mark], title: str) -> str:
    """The picture of a session, marks from the oldest to the newest."""
    order = {"range": 0, "block": 1, "gap": 1}
    drawn = sorted(marks, key=lambda one: order.get(one.kind, 2))
    back = "".join(_mark(frame, one) for one in drawn if one.kind in order)
    front = "".join(_mark(frame, one) for one in drawn if one.kind not in order)
    size = f'viewBox="0 0 {frame.width:.0f} {HEIGHT}" width="{frame.width:.0f}" height="{HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="system-ui,sans-serif" font-size="11" '
        f'fill="{GREY}"><title>{escape(title)}</title>{_axes(frame)}{back}{_candles(frame)}{front}'
        f'<text x="8" y="15" font-weight="600" font-size="13">{escape(title)}</text>{_legend()}</svg>\n'
    )


def _legend() -> str:
    """What the shapes say, in one line."""
    parts = [
        ('<path d="M0 -8h8l-4 6z"/>', "swing", 50),
        (f'<rect y="-9" width="12" height="9" fill="{BLUE}" fill-opacity=".3" stroke="{BLUE}"/>', "order block", 86),
        (f'<rect y="-9" width="12" height="9" fill="{BLUE}" fill-opacity=".14"/>', "fair-value gap", 98),
        (f'<path d="M1 -8l6 6m0 -6l-6 6" stroke="{BLUE}" stroke-width="1.6"/>', "sweep", 52),
        (f'<path d="M0 -4h12" stroke="{BLUE}" stroke-width="1.6"/>', "break: BOS, CHoCH", 122),
        (f'<rect y="-9" width="12" height="9" fill="{GREY}" fill-opacity=".25"/>', "AMD range", 76),
        (f'<path d="M0 -4h10" stroke="{GREY}" stroke-width=".8"/><circle cx="11" cy="-4" r="1.8"/>', "known from", 80),
    ]
    out, x = "", 8
    for shape, words, wide in parts:
        out += f'<g transform="translate({x} 32)">{shape}<text x="16">{words}</text></g>'
        x += 16 + wide
    return out + f'<text x="{x}" y="32"><tspan fill="{BLUE}">up</tspan> <tspan fill="{RED}">down</tspan></text>'


def _axes(frame: Frame) -> str:
    """Regular hours shaded, hours below, some prices to the left."""
    a, b = float(frame.x(frame.open_ns)), float(frame.x(frame.close_ns))
    bottom = HEIGHT - BOTTOM
    out = [
        f'<rect x="{a:.1f}" y="{TOP}" width="{b - a:.1f}" height="{bottom - TOP}" fill="{GREY}" fill-opacity=".06"/>'
    ]
    first = -(-frame.start_ns // HOUR_NS) * HOUR_NS  # New York is whole hours away from UTC
    for ns in range(first, frame.end_ns, HOUR_NS):
        at = float(frame.x(ns))
        out.append(f'<path d="M{at:.1f} {TOP}V{bottom}" stroke="{GREY}" stroke-opacity=".15"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{frame.clock(ns)}</text>')
    low, high = int(frame.low.min()), int(frame.high.max())
    step = next((one for one in STEPS if (high - low) // one <= 8), high - low)
    for ticks in range(-(-low // step) * step, high + 1, step):
        at = float(frame.y(ticks))
        out.append(f'<path d="M{LEFT} {at:.1f}H{frame.width - 8:.0f}" stroke="{GREY}" stroke-opacity=".12"/>')
        out.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{frame.price(ticks)}</text>')
    return "".join(out)


def _candles(frame: Frame) -> str:
    """Two paths: bars that rose, bars that fell."""
    x, wide = frame.x(frame.ts_ns + frame.length_ns // 2), float(frame.x(frame.start_ns + frame.length_ns)) - LEFT
    body = max(wide * 0.64, 0.8)
    top, bottom = frame.y(np.maximum(frame.open, frame.close)), frame.y(np.minimum(frame.open, frame.close))
    high, low = frame.y(frame.high), frame.y(frame.low)
    rose = frame.close >= frame.open
    out = ""
    for colour, rows in ((UP, rose), (DOWN, ~rose)):
        parts = [
            f"M{a:.1f} {h:.1f}V{b:.1f}M{a - body / 2:.1f} {t:.1f}h{body:.1f}v{max(c - t, 0.6):.1f}h{-body:.1f}z"
            for a, h, b, t, c in zip(x[rows], high[rows], low[rows], top[rows], bottom[rows], strict=True)
        ]
        out += f'<path d="{"".join(parts)}" fill="{colour}" stroke="{colour}" stroke-width=".7"/>'
    return out


def _mark(frame: Frame, one: Mark) -> str:
    """One mark with its tooltip."""
    middle = frame.length_ns // 2
    a, b, until = (float(frame.x(ns)) for ns in (one.at_ns + middle, one.known_ns - middle, one.until_ns))
    top, bottom = float(frame.y(one.high)), float(frame.y(one.low))
    colour = {1: BLUE, -1: RED}.get(one.side, GREY)
    price = frame.price(one.low) if one.low == one.high else f"{frame.price(one.low)} to {frame.price(one.high)}"
    told = f"{LONG[one.kind]} {_side(one)}, {price}, of {frame.clock(one.at_ns)}, known {frame.clock(one.known_ns)}"
    if one.kind in ("block", "gap", "range"):
        shape = _zone(one.kind, colour, a, b, until, top, bottom)
    elif one.kind == "swing":
        shape = _known(a, b, top, GREY) + _triangle(a, top - 6 * one.side, one.side, GREY)
    elif one.kind in WORDS:
        shape = (
            f'<path d="M{a:.1f} {top:.1f}H{b:.1f}" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{b:.1f}" y="{top - 4 if one.side > 0 else top + 11:.1f}" text-anchor="end" font-size="9" '
            f'font-weight="600" fill="{colour}">{WORDS[one.kind]}</text>'
        )
    elif one.kind == "sweep":
        cross = f"M{b - 3.5:.1f} {top - 3.5:.1f}l7 7m0 -7l-7 7"
        shape = (
            f'<path d="M{a:.1f} {top:.1f}H{b:.1f}" stroke="{colour}" stroke-width=".8" stroke-dasharray="1 2"/>'
            f'<path d="{cross}" stroke="{colour}" stroke-width="1.6"/>'
        )
    else:
        words = "manipulation" if one.kind == "manipulation" else "distribution"
        shape = (
            _triangle(b, top + 4 * one.side, -one.side, colour)
            + f'<text x="{b + 7:.1f}" y="{top + 4:.1f}" font-weight="600" fill="{colour}">{words}</text>'
        )
    return f"<g><title>{escape(told)}</title>{shape}</g>"


def _side(one: Mark) -> str:
    if one.kind in ("block", "gap"):
        return "bull" if one.side > 0 else "bear"
    if one.kind == "swing":
        return "high" if one.side > 0 else "low"
    return "" if one.side == 0 else "up" if one.side > 0 else "down"


def _known(a: float, b: float, y: float, colour: str) -> str:
    return (
        f'<path d="M{a:.1f} {y:.1f}H{b:.1f}" stroke="{colour}" stroke-width=".8"/>'
        f'<circle cx="{b:.1f}" cy="{y:.1f}" r="1.5" fill="{colour}"/>'
    )


def _triangle(x: float, y: float, side: int, colour: str) -> str:
    """Points at the price: down from above a high, up from below a low."""
    return f'<path d="M{x - 3.5:.1f} {y - 2.5 * side:.1f}h7l-3.5 {5 * side:.1f}z" fill="{colour}"/>'


def _zone(kind: str, colour: str, a: float, b: float, until: float, top: float, bottom: float) -> str:
    """Outlined from where it lies to where it is known, filled from there to its end."""
    tall, opacity = max(bottom - top, 1.0), {"block": 0.3, "gap": 0.14, "range": 0.1}[kind]
    edge = f' stroke="{colour}" stroke-width=".7"' if kind == "block" else ""
    return (
        f'<rect x="{a:.1f}" y="{top:.1f}" width="{max(b - a, 0):.1f}" height="{tall:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width=".6" stroke-dasharray="1.5 1.5"/>'
        f'<circle cx="{b:.1f}" cy="{top:.1f}" r="1.5" fill="{colour}"/>'
        f'<rect x="{b:.1f}" y="{top:.1f}" width="{max(until - b, 0):.1f}" height="{tall:.1f}" fill="{colour}" '
        f'fill-opacity="{opacity}"{edge}/>'
    )
