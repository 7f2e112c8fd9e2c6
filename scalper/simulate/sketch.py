"""Small pictures without a library: one SVG each, for Dagster's pages and for previews."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import polars as pl

from scalper.simulate.markup import dollars

BLUE, RED, GREY = "#0072b2", "#d55e00", "#767f8c"
"""Colours that differ for the colour-blind and on light and dark pages."""


def equity_svg(daily: pl.DataFrame, width: int = 640, height: int = 160) -> str:
    """Net P&L added up over the sessions, as one small SVG (daily: `session`, `net`)."""
    total = np.concatenate([[0.0], daily["net"].cum_sum().to_numpy()])
    low, high = float(total.min()), float(total.max())
    span = (high - low) or 1.0
    x = np.linspace(8, width - 8, total.size)
    y = 26 + (height - 52) * (1 - (total - low) / span)
    zero = 26 + (height - 52) * (1 + low / span)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    colour = "#0072b2" if total[-1] >= 0 else "#d55e00"
    ends = [str(daily["session"][0]), str(daily["session"][-1])] if daily.height else ["", ""]
    text = f"{dollars(float(total[-1]))} net, {daily.height} sessions"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" '
        f'font-family="system-ui,sans-serif" font-size="12" fill="#767f8c"><title>{text}</title>'
        f'<polygon points="8,{zero:.1f} {points} {width - 8},{zero:.1f}" fill="{colour}" fill-opacity="0.12"/>'
        f'<line x1="8" x2="{width - 8}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="#767f8c" stroke-dasharray="2 3"/>'
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linejoin="round"/>'
        f'<text x="8" y="16" fill="{colour}" font-weight="600">{text}</text>'
        f'<text x="8" y="{height - 6}">{ends[0]}</text>'
        f'<text x="{width - 8}" y="{height - 6}" text-anchor="end">{ends[1]}</text></svg>'
    )


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
    ends = [str(names[0]), str(names[-1])] if heights.size else ["", ""]
    text = f"{title}, {low:,.4g} to {high:,.4g}" if low < 0 else f"{title}, up to {high:,.4g}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="system-ui,sans-serif" font-size="12" fill="{GREY}"><title>{escape(text)}</title>'
        f'{"".join(rows)}<line x1="8" x2="{width - 8}" y1="{zero:.1f}" y2="{zero:.1f}" stroke="{GREY}"/>'
        f'<text x="8" y="16" font-weight="600">{escape(text)}</text>'
        f'<text x="8" y="{height - 6}">{escape(ends[0])}</text>'
        f'<text x="{width - 8}" y="{height - 6}" text-anchor="end">{escape(ends[1])}</text></svg>'
    )
