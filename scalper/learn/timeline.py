"""Windows of sessions on a line of time, as a plotly figure and as an SVG: a row a fold, a colour a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from typing import Any

from scalper.simulate.sketch import frame, text

COLOURS = {"train": "#9aa5b1", "calibrate": "#c9a227", "search": "#3a7ca5", "test": "#2a9d5c", "holdout": "#b23a48"}
DAY_MS = 86_400_000
LEFT, TOP, ROOM = 62, 48, 900
"""Pixels of the SVG: where its rows begin, and the height that many rows share."""


@dataclass(frozen=True, slots=True)
class Span:
    """Neighbouring sessions of one window, in the row of that name."""

    row: str
    window: str
    days: tuple[date, ...]

    @property
    def words(self) -> str:
        """What a reader sees who points at it."""
        return f"{self.days[0]} to {self.days[-1]}, {len(self.days)} sessions"

    @property
    def length(self) -> int:
        """Calendar days from the first session to the last, both included."""
        return (self.days[-1] - self.days[0]).days + 1


def figure(spans: Sequence[Span]) -> Any:
    """A plotly figure; the rows stand in the order of the spans."""
    import plotly.graph_objects as go  # pyright: ignore[reportMissingTypeStubs]

    rows = list(dict.fromkeys(span.row for span in spans))
    made: Any = go.Figure()
    for name in _windows(spans):
        some = [span for span in spans if span.window == name]
        made.add_bar(
            name=name,
            orientation="h",
            y=[span.row for span in some],
            base=[span.days[0].isoformat() for span in some],
            x=[span.length * DAY_MS for span in some],
            customdata=[span.words for span in some],
            hovertemplate="%{customdata}",
            marker_color=COLOURS[name],
        )
    made.update_layout(
        barmode="overlay",
        template="plotly_white",
        height=140 + 26 * len(rows),
        margin={"l": 60, "r": 20, "t": 30, "b": 30},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis={"type": "date"},
        yaxis={"autorange": "reversed", "categoryorder": "array", "categoryarray": rows},
    )
    return made


def svg(title: str, spans: Sequence[Span], width: int = 900) -> str:
    """The same picture without a script; the more rows, the lower each."""
    rows = list(dict.fromkeys(span.row for span in spans))
    first, last = min(span.days[0] for span in spans), max(span.days[-1] for span in spans)
    tall = min(18.0, max(5.0, ROOM / len(rows)))
    bottom = TOP + tall * len(rows)
    scale = (width - LEFT - 8) / ((last - first).days + 1)

    def x(day: date) -> float:
        return LEFT + (day - first).days * scale

    parts = [_key(_windows(spans))]
    for day in _ticks(first, last):
        parts.append(f'<path d="M{x(day):.1f} {TOP - 4}V{bottom:.1f}" stroke="currentColor" opacity=".15"/>')
        parts.append(text(x(day), bottom + 14, f"{day:%Y-%m}" if day.month > 1 else day.year, 10, "middle"))
    for index, name in enumerate(rows):
        if index % -int(-11 // tall) == 0 or index == len(rows) - 1:
            parts.append(text(LEFT - 6, TOP + tall * (index + 0.5) + 3.5, name, 10, "end"))
    for span in spans:
        y = TOP + tall * rows.index(span.row)
        parts.append(
            f'<rect x="{x(span.days[0]):.1f}" y="{y + tall * 0.12:.1f}" width="{max(span.length * scale, 0.8):.1f}" '
            f'height="{tall * 0.76:.1f}" fill="{COLOURS[span.window]}">'
            f"<title>{escape(f'{span.row}, {span.window}: {span.words}')}</title></rect>"
        )
    return frame(title, "".join(parts), width, round(bottom) + 22)


def _windows(spans: Sequence[Span]) -> list[str]:
    """The windows that occur, in order of time."""
    there = {span.window for span in spans}
    return [name for name in COLOURS if name in there]


def _key(windows: Sequence[str]) -> str:
    """Which colour is which window."""
    parts: list[str] = []
    for index, name in enumerate(windows):
        at = LEFT + 84 * index
        parts.append(f'<rect x="{at}" y="26" width="10" height="10" fill="{COLOURS[name]}"/>{text(at + 14, 35, name)}')
    return "".join(parts)


def _ticks(first: date, last: date) -> list[date]:
    """Firsts of months inside, evenly spread, at most a dozen; those of January where years are enough."""
    step = next(step for step in (1, 2, 3, 6, 12, 24, 60, 120, 1200) if (last - first).days <= 365 * step)
    months = (date(year, month, 1) for year in range(first.year, last.year + 1) for month in range(1, 13))
    room = timedelta(days=(last - first).days // 40)  # a name is not cut off at the edge
    return [day for day in months if (day.year * 12 + day.month - 1) % step == 0 and first + room <= day <= last - room]
