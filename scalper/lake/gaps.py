"""What the lake lacks of a series, by the calendar; half-empty sessions are the quality rules' matter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import polars as pl

from scalper.clock import NS, iso
from scalper.errors import BadInput, DataUnavailable
from scalper.lake.series import contract_of
from scalper.lake.store import Lake, bar_keys
from scalper.market import INTERVALS, RollRule, Session, sessions

LONGEST_NS = 120 * NS
"""A stretch of regular hours without a bar longer than this, and than one bar, is a hole."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is not there. A hole is [start_ns, end_ns) without a bar of the contract."""

    session: date
    kind: Literal["missing session", "missing contract", "hole"]
    detail: str
    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> int:
        """How long it is."""
        return (self.end_ns - self.start_ns) // NS

    def as_dict(self) -> dict[str, Any]:
        """A row of the JSON document."""
        span = {"start": iso(self.start_ns), "end": iso(self.end_ns), "seconds": self.seconds}
        return {"session": self.session.isoformat(), "kind": self.kind, "detail": self.detail, **span}


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a series lacks among `checked` sessions of the calendar from `start` to `end`."""

    start: date
    end: date
    checked: int
    found: list[Gap]

    def as_dict(self) -> dict[str, Any]:
        """The JSON document of `scalper lake gaps`."""
        kinds = ("missing session", "missing contract", "hole")
        counts = {kind: sum(gap.kind == kind for gap in self.found) for kind in kinds}
        span = {"start": self.start.isoformat(), "end": self.end.isoformat(), "sessions": self.checked}
        return span | {"counts": counts, "gaps": [gap.as_dict() for gap in self.found]}


def gaps(
    lake: Lake,
    *,
    source: str,
    symbol: str,
    interval: str,
    start: date | None = None,
    end: date | None = None,
    roll: RollRule = "monday",
) -> Gaps:
    """Sessions that the lake lacks, lacks in the contract that the roll rule holds, or has with holes.

    From `start` to `end`, both included; by default from the first to the last session in the lake. Raises
    DataUnavailable for a series of which the lake has nothing and no dates are given, BadInput for an interval that has
    no sessions.
    """
    if interval not in (*INTERVALS, "1d"):
        raise BadInput(f"gaps of {interval!r} are not looked for; use {', '.join(INTERVALS)} or 1d")
    held = lake.dates("bars", {"source": source, "symbol": symbol, "interval": interval})
    if not held and (start is None or end is None):
        raise DataUnavailable(f"the lake has no {interval} bars of {symbol} from {source}; give --start and --end")
    first, last = start or held[0], end or held[-1]
    there = set(held)
    calendar = sessions(symbol, first, last)
    found: list[Gap] = []
    for one in calendar:
        if one.date in there:
            found += _within(lake, source, symbol, interval, one, roll)
        else:
            found.append(Gap(one.date, "missing session", "no file", one.open_ns, one.close_ns))
    return Gaps(first, last, len(calendar), found)


def _within(lake: Lake, source: str, symbol: str, interval: str, one: Session, roll: RollRule) -> list[Gap]:
    """What a session that is there lacks."""
    bars = lake.read("bars", bar_keys(source, symbol, interval, one.date))
    try:
        contract = contract_of(lake, source=source, symbol=symbol, interval=interval, session=one, roll=roll)
    except DataUnavailable as error:
        return [Gap(one.date, "missing contract", str(error), one.open_ns, one.close_ns)]
    stamps = bars.filter(pl.col("contract") == contract)["ts_ns"].to_numpy()
    if not len(stamps):
        others = ", ".join(sorted(bars["contract"].unique())) or "no rows"
        why = f"the {roll} rule holds {contract}, the lake has {others}"
        return [Gap(one.date, "missing contract", why, one.open_ns, one.close_ns)]
    if interval not in INTERVALS:
        return []
    return [Gap(one.date, "hole", contract, start, end) for start, end in holes(stamps, one, INTERVALS[interval])]


def holes(stamps: np.ndarray, one: Session, step: int) -> Iterator[tuple[int, int]]:
    """The stretches [start, end) of the regular hours, halts left out, that no bar covers and that are too long.

    `stamps` are the bars' starts, ns, sorted; `step` is a bar's length. A halt ends a stretch.
    """
    longest = max(LONGEST_NS, step)
    for start, end in _open_stretches(one):
        inside = stamps[(stamps >= start) & (stamps < end)]
        before = np.concatenate(([start], inside + step))
        after = np.concatenate((inside, [end]))
        for index in np.flatnonzero(after - before > longest):
            yield int(before[index]), int(after[index])


def _open_stretches(one: Session) -> Iterator[tuple[int, int]]:
    """The regular hours between the scheduled halts."""
    start = one.regular_open_ns
    for halt, resume in sorted(one.halts):
        if start < halt < one.regular_close_ns:
            yield start, halt
        if halt < one.regular_close_ns:
            start = max(start, resume)
    if start < one.regular_close_ns:
        yield start, one.regular_close_ns
