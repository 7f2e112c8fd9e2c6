"""Small pictures without a library: one SVG each, for Dagster's pages and for previews.

Sizes are in pixels; colours differ for the colour-blind and stand on light and dark pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from scalper.simulate.markup import dollars
from scalper.simulate.montecarlo import MonteCarlo

BLUE, RED, GREY = "#0072b2", "#d55e00", "#767f8c"
BOLD = "font-weight:600"


def text(x: float, y: float, words: object, size: float = 12, anchor: str = "start", look: str = "") -> str:
    """A word in a picture. Its size is a style, which a page's own rules for text leave alone."""
    style = f"font-size:{size:g}px;{look}"
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" style="{style}">{escape(str(words))}</text>'


def frame(title: str, body: str, width: int, height: int) -> str:
    """An SVG with its title on top; the body starts at y = 26."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="system-ui,sans-serif" font-size="12" fill="{GREY}"><title>{escape(title)}</title>'
        f"{text(8, 16, title, look=BOLD)}{body}</svg>"
    )


def ends(first: object, last: object, width: int, y: float) -> str:
    """The first and the last name below a picture."""
    return text(8, y, first) + text(width - 8, y, last, anchor="end")


class _Plane:
    """From values to places in a picture: x from `first` to `last`, y from `low` to `high`."""

    def __init__(self, low: float, high: float, count: int, width: int, top: float, bottom: float) -> None:
        self.low, self.span = low, (high - low) or 1.0
        self.x = np.linspace(8, width - 8, count)
        self.top, self.bottom = top, bottom

    def y(self, values: ArrayLike) -> NDArray[np.float64]:
        """The heights of values."""
        return self.bottom - (np.asarray(values, np.float64) - self.low) / self.span * (self.bottom - self.top)

    def line(self, values: ArrayLike, look: str) -> str:
        """A line through values; `look` are its attributes."""
        return f'<polyline points="{self._points(self.x, values)}" fill="none" {look}/>'

    def area(self, below: ArrayLike, above: ArrayLike, colour: str, opacity: float) -> str:
        """What lies between two lines."""
        there, back = self._points(self.x, below), self._points(self.x[::-1], np.asarray(above)[::-1])
        return f'<polygon points="{there} {back}" fill="{colour}" fill-opacity="{opacity:g}"/>'

    def level(self, value: float) -> str:
        """A dotted line across, at a value."""
        y = float(self.y(value))
        ends = f'x1="8" x2="{self.x[-1]:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
        return f'<line {ends} stroke="{GREY}" stroke-dasharray="2 3"/>'

    def _points(self, x: NDArray[np.float64], values: ArrayLike) -> str:
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), self.y(values).tolist(), strict=True))


def equity_svg(daily: pl.DataFrame, capital: float = 0.0, width: int = 640, height: int = 160) -> str:
    """Net P&L added up over the sessions (daily: `session`, `net`); with the capital, the fall below the peak too."""
    total = np.concatenate([[0.0], daily["net"].cum_sum().to_numpy()])
    colour = BLUE if total[-1] >= 0 else RED
    title = f"{dollars(float(total[-1]))} net, {daily.height} sessions"
    plane = _Plane(float(total.min()), float(total.max()), total.size, width, 26, height - 26)
    body = plane.area(np.zeros(total.size), total, colour, 0.12) + plane.level(0.0)
    body += plane.line(total, f'stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"')
    if capital:
        fall = 100 * (total - np.maximum.accumulate(total)) / (capital + np.maximum.accumulate(total))
        title += f", at most {-float(fall.min()):.1f} % below the peak"
        under = _Plane(min(float(fall.min()), -0.1), 0.0, total.size, width, height - 14, height + 40)
        body += under.area(np.zeros(total.size), fall, RED, 0.3) + under.level(0.0)
        height += 66
    first, last = (daily["session"][0], daily["session"][-1]) if daily.height else ("", "")
    return frame(title, body + ends(first, last, width, height - 6), width, height)


def fan_svg(found: MonteCarlo, daily: pl.DataFrame, capital: float, width: int = 640, height: int = 200) -> str:
    """Monte Carlo bands of equity (5 to 95 %, 25 to 75 %, median) and the path that was."""
    kind = "sessions drawn anew" if found.kind == "sessions" else "trades in another order"
    if not found.draws:
        return frame(f"{kind}: nothing to draw from", "", width, 40)
    at = found.bands["session"].to_numpy()
    was = np.concatenate([[capital], capital + daily["net"].cum_sum().to_numpy()])[at]
    bands = {name: found.bands[name].to_numpy() for name in ("p5", "p25", "p50", "p75", "p95")}
    low, high = min(float(bands["p5"].min()), float(was.min())), max(float(bands["p95"].max()), float(was.max()))
    plane = _Plane(low, high, at.size, width, 26, height - 26)
    body = plane.area(bands["p5"], bands["p95"], BLUE, 0.14) + plane.area(bands["p25"], bands["p75"], BLUE, 0.22)
    body += plane.level(capital) + plane.line(bands["p50"], f'stroke="{GREY}" stroke-dasharray="4 3"')
    body += plane.line(was, f'stroke="{BLUE}" stroke-width="1.8"')
    five, half, most = (float(np.quantile(found.net, level)) for level in (0.05, 0.5, 0.95))
    title = f"{found.draws:,} draws, {kind}: net {dollars(five)} / {dollars(half)} / {dollars(most)} (5 / 50 / 95 %)"
    return frame(title, body + ends("start", f"{at[-1]} sessions", width, height - 6), width, height)


def columns_svg(
    title: str, names: Sequence[object], values: Sequence[float], width: int = 640, height: int = 160
) -> str:
    """Columns from zero, in the order given, under a title that says what and in which unit; NaN is no column."""
    heights = np.nan_to_num(np.asarray(values, np.float64))
    low, high = min(float(heights.min(initial=0.0)), 0.0), max(float(heights.max(initial=0.0)), 0.0)
    span = (high - low) or 1.0
    step = (width - 16) / max(heights.size, 1)
    zero = 26 + (height - 52) * high / span
    rows: list[str] = []
    for index, value in enumerate(heights.tolist()):
        size = (height - 52) * abs(value) / span
        top = zero - size if value >= 0 else zero
        rows.append(
            f'<rect x="{8 + index * step:.1f}" y="{top:.1f}" width="{max(step * 0.8, 0.5):.1f}" height="{size:.1f}" '
            f'fill="{BLUE if value >= 0 else RED}"><title>{escape(str(names[index]))}: {value:,.6g}</title></rect>'
        )
    few = 0 < heights.size <= 12
    below = "".join(
        text(8 + (i + 0.4) * step, height - 6, name, anchor="middle") for i, name in enumerate(names) if few
    )
    below = below or ends(names[0] if heights.size else "", names[-1] if heights.size else "", width, height - 6)
    said = f"{title}, {low:,.4g} to {high:,.4g}" if low < 0 else f"{title}, up to {high:,.4g}"
    across = f'<line x1="8" x2="{width - 8}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="{GREY}"/>'
    return frame(said, "".join(rows) + across + below, width, height)


def ranks_svg(title: str, names: Sequence[object], values: Sequence[float], width: int = 640) -> str:
    """A bar a name, from the left, in the order given, its value beside it."""
    top = max([*values, 1])
    rows: list[str] = []
    for index, (name, value) in enumerate(zip(names, values, strict=True)):
        y, size = 30 + 20 * index, (width - 260) * value / top
        rows.append(f'<rect x="160" y="{y}" width="{max(size, 1):.1f}" height="14" fill="{GREY}" fill-opacity="0.6"/>')
        rows.append(text(152, y + 11, name, anchor="end") + text(166 + max(size, 1), y + 11, f"{value:,.6g}"))
    return frame(title, "".join(rows), width, 40 + 20 * len(names))
