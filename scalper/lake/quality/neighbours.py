"""A session beside those around it: volume, hours and price steps compared with what its neighbours have.

The neighbours of a session are the twenty before it that the lake holds. Where fewer lie within ninety days, at the
beginning of a series or after a hole, later ones make up for them: only those first twenty sessions are judged with
hindsight, every later verdict is the one that was known when the session closed, and it never changes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl

from scalper.errors import BadInput
from scalper.lake.quality.measures import as_table, session_figures
from scalper.lake.store import Lake
from scalper.market import INTERVALS, RollRule, Session, front_contract, instrument, roll_date, sessions

NEIGHBOURS = 20
REACH = timedelta(days=90)
FEWEST = 5
"""Fewer neighbours with a figure say nothing: the session is not judged by it."""
TURMOIL = 2.0
"""A session that moves this many times as far as its neighbours is not judged by its volume: markets grow thin when
they run (ES in March 2020), and to leave those sessions out would flatter every simulation."""

MOVING = timedelta(days=5)
"""Thursday to Tuesday: how long volume takes from one contract to the next."""

Figures = dict[str, float | str | None]


def neighbours(held: Sequence[date], day: date) -> list[date]:
    """The sessions a session is compared with, of those in the lake (`held`, in order)."""
    at, after = bisect_left(held, day), bisect_right(held, day)
    earlier = [one for one in held[max(0, at - NEIGHBOURS) : at] if day - one <= REACH]
    later = [one for one in held[after : after + NEIGHBOURS - len(earlier)] if one - day <= REACH]
    return earlier + later


def measure(
    lake: Lake,
    *,
    source: str,
    symbol: str,
    interval: str,
    roll: RollRule,
    sessions: Sequence[Session],
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """One row a session, in order: date, missing, schema, the figures of measures.FIGURES, and the compared ones.

    Those are thin (volume), hours (minutes that hold a bar) and neighbours (volume for the distance that prices went)
    as shares of the neighbours' medians; gap and roll (step from the close before to the open, in median ranges of a
    session; roll where the contract changed). Null is not judged. Raises BadInput for a broken schema.
    """
    if interval not in INTERVALS:
        raise BadInput(f"bars of {interval} are not judged; the rules know {', '.join(INTERVALS)}")
    held = lake.dates("bars", {"source": source, "symbol": symbol, "interval": interval})
    around = {one.date: neighbours(held, one.date) for one in sessions}
    every = _calendar(symbol, {*around, *(day for days in around.values() for day in days)})
    wanted = {*around, *(day for days in around.values() for day in days)} & set(every)
    figures: dict[date, Figures | None] = {}
    for done, day in enumerate(sorted(wanted)):
        figures[day] = session_figures(lake, source=source, symbol=symbol, interval=interval, roll=roll, one=every[day])
        if progress is not None:
            progress(done + 1, len(wanted))
    before = dict(zip(list(every)[1:], every, strict=False))
    compared = [
        _compare(symbol, day, figures, around[day], before.get(day)) if figures[day] else dict.fromkeys(COMPARED)
        for day in around
    ]
    own = as_table(list(around), [figures[day] for day in around])
    return own.hstack(pl.DataFrame(compared, schema=dict.fromkeys(COMPARED, pl.Float64())))


COMPARED = ("thin", "hours", "neighbours", "gap", "roll")


def _calendar(symbol: str, days: set[date]) -> dict[date, Session]:
    """The exchange's sessions from ten days before the first to the last, by date."""
    return {one.date: one for one in sessions(symbol, min(days) - timedelta(days=10), max(days))}


def _compare(
    symbol: str, day: date, figures: Mapping[date, Figures | None], around: Sequence[date], before: date | None
) -> dict[str, float | None]:
    own = figures[day] or {}
    others = [one for near in around if (one := figures.get(near))]
    found: dict[str, float | None] = dict.fromkeys(COMPARED)
    found["thin"] = _share(own, others, lambda one: _number(one, "volume"))
    found["hours"] = _share(own, others, lambda one: _number(one, "filled"))
    if not _unusual(symbol, day):
        found["neighbours"] = _volume_for_distance(own, others)
    last = (figures.get(before) if before else None) or {}
    reach, first, close = (
        _median([_number(one, "range") for one in others]),
        _number(own, "open"),
        _number(last, "close"),
    )
    if reach is not None and first is not None and close is not None:
        step = abs(first - close) / max(reach, float(instrument(symbol).tick))
        found["gap" if own["contract"] == last["contract"] else "roll"] = step
    return found


def _volume_for_distance(own: Figures, others: Sequence[Figures]) -> float | None:
    """Volume for the distance that prices went in regular hours, in medians of the neighbours.

    Volume grows with the distance between days of one kind and with its root from calm to wild ones; a session that
    lost trades is low by both, so the larger of the two shares counts.
    """
    distance = _share(own, others, lambda one: _number(one, "moved"))
    if distance is None or distance >= TURMOIL:
        return None
    shares = [_share(own, others, lambda one, power=power: _intensity(one, power)) for power in (1.0, 0.5)]
    return max((one for one in shares if one is not None), default=None)


def _intensity(one: Figures, power: float) -> float | None:
    traded, moved = _number(one, "traded"), _number(one, "moved")
    return None if traded is None or not moved else traded / moved**power


def _share(own: Figures, others: Sequence[Figures], figure: Callable[[Figures], float | None]) -> float | None:
    """A figure of a session over the median of the others'; None if it or the median is not there, or that is 0."""
    value, usual = figure(own), _median([figure(one) for one in others])
    return None if value is None or not usual else value / usual


def _median(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return float(np.median(known)) if len(known) >= FEWEST else None


def _number(one: Figures, name: str) -> float | None:
    value = one.get(name)
    return float(value) if isinstance(value, int | float) else None


def _unusual(symbol: str, day: date) -> bool:
    """Days whose volume is known beforehand to be another: from the Thursday before a roll to the Tuesday after it,
    while it moves to the next contract, and from December 18 to January 2."""
    leaves = roll_date(front_contract(symbol, day - MOVING, "monday"), "thursday")
    return leaves <= day <= leaves + MOVING or (day.month, day.day) >= (12, 18) or (day.month, day.day) <= (1, 2)
