"""One session under audit: its bars, its times, the context it starts from, and its features, computed or streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

from scalper import features
from scalper.clock import iso
from scalper.features import Block, Feature, Stream
from scalper.features.groups import structure, volatility
from scalper.lake import Lake, SessionBars
from scalper.learn.session import carried, context_of, held, need_flow, tradable
from scalper.market import Session, sessions
from scalper.settings import Lane

Array = np.ndarray[Any, Any]
LOOK_BACK = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Subject:
    """A session as the audit takes it apart; timetable (1,), context (1,) or None, `windows` the kernel's PARAMS."""

    lane: Lane
    session: Session
    before: Session | None
    """The session before it in the calendar."""
    contract: str
    traded: Array
    """The session's own bars (n,) BAR."""
    bars: Array
    """The same with the carried seconds of a one-second lane: what the kernel steps over."""
    timetable: Array
    context: Array | None
    columns: tuple[Feature, ...] = field(repr=False)
    windows: Array = field(repr=False)

    @property
    def watched(self) -> tuple[Feature, ...]:
        """The lane's columns, then the numbers of AUX: `joined` lays a block out like this."""
        lane = self.lane
        swings = 0
        if int(self.windows["updates"][0]) & structure.BIT:
            swings = structure.catalogue(lane.features, lane.interval_ns)[0].warm_up
        warm = (volatility.warm_up(lane.features, lane.interval_ns), swings, swings)
        names = features.AUX.names or ()
        return (*self.columns, *(Feature(name, "", "", "", n) for name, n in zip(names, warm, strict=True)))

    @property
    def kept(self) -> Array:
        """Mask of `bars`: the rows that the lane stores."""
        return self.keeps(self.bars)

    def keeps(self, bars: Array) -> Array:
        """Mask of carried bars of this session: traded, in the lane's hours, and warm."""
        return tradable(bars, self.timetable) & (np.arange(bars.size) >= int(self.windows["warm_up"][0]))

    def carried(self, traded: Array) -> Array:
        """Bars of this session as the kernel gets them: with carried seconds in a one-second lane."""
        return carried(self.lane, self.session, traded)

    def fresh(self) -> Array:
        """The state at the session's first bar."""
        return features.fresh(self.contract, self.context, self.windows)

    def stream(self, state: Array | None = None) -> Stream:
        """The stream driver, from the session's start or from a saved state."""
        return Stream(self.fresh() if state is None else state, self.windows, self.timetable, len(self.columns))

    def restored(self, saved: bytes) -> Stream:
        """A stream that goes on from the bytes of a state."""
        return self.stream(features.restore(saved, self.windows))

    def when(self, row: int) -> str:
        """The start of a bar of `bars`, in words."""
        return iso(int(self.bars["ts_ns"][row]))


Compute = Callable[[Subject, Array], Block]
"""Features of some traded bars of a subject, from the session's first state: a row for each of their carried bars."""


def batch(subject: Subject, traded: Array) -> Block:
    """The features as every stage of the lane computes them."""
    bars = subject.carried(traded)
    return features.compute(subject.fresh(), subject.windows, bars, subject.timetable, len(subject.columns))


def every(lake: Lake, lane: Lane, days: Sequence[date]) -> Iterator[tuple[date, Subject | None]]:
    """The sessions of `days`, in order; None for one of which the lake has no bars of the contract.

    Bars are read once, also where the next session takes its context from them.
    """
    if not days:
        return
    near = sessions(lane.symbol, min(days) - LOOK_BACK, max(days))
    columns = features.catalogue(lane.features, lane.interval_ns)
    windows = features.params(lane.features, lane.interval_ns)
    wanted = set(days)
    last: tuple[date, SessionBars | None] | None = None
    for index, one in enumerate(near):
        if one.date not in wanted:
            continue
        before = near[index - 1] if index else None
        left = last[1] if before and last and last[0] == before.date else held(lake, lane, before)
        found = held(lake, lane, one)
        last = one.date, found
        if found is None:
            yield one.date, None
            continue
        need_flow(lane, found)
        bars, table, context = carried(lane, one, found.bars), lane.timetable(one), context_of(lane, left)
        yield (
            one.date,
            Subject(lane, one, before, found.contract, found.bars, bars, table, context, columns, windows),
        )


def spread(days: Sequence[date], count: int) -> list[date]:
    """At most `count` of the days, spread evenly from the first to the last."""
    places: list[float] = np.linspace(0, len(days) - 1, min(count, len(days))).tolist() if days else []
    return [days[index] for index in dict.fromkeys(round(place) for place in places)]


def find(lake: Lake, lane: Lane, days: Sequence[date], count: int) -> list[Subject]:
    """At most `count` sessions of `days` that the lake has, spread evenly over them."""
    keys = {"source": lane.source_key, "symbol": lane.symbol, "interval": lane.interval}
    held = set(lake.dates("bars", keys))
    chosen = spread([day for day in days if day in held], count)
    return [one for _, one in every(lake, lane, chosen) if one is not None]


def streamed(subject: Subject, restarts: Sequence[int] = ()) -> Block:
    """Features bar by bar; before each bar of `restarts` the state is saved as bytes and a new stream goes on."""
    stream = subject.stream()
    x = np.empty((subject.bars.size, len(subject.columns)), np.float32)
    aux = np.empty(subject.bars.size, features.AUX)
    again = set(restarts)
    for i in range(subject.bars.size):
        if i in again:
            stream = subject.restored(stream.state.tobytes())
        x[i] = stream.push(subject.bars[i : i + 1])[0][0]
        aux[i] = stream.aux[0]
    return Block(x, aux)


def joined(block: Block) -> Array:
    """Features and the numbers of AUX side by side, (n, f + 3) float64, in the order of Subject.watched."""
    return np.column_stack([block.x.astype(np.float64), *(block.aux[name] for name in block.aux.dtype.names or ())])


def unequal(one: Array, other: Array) -> Array:
    """Mask of the numbers that are not the same bit for bit; any two NaN are the same."""
    left, right = np.ascontiguousarray(one, np.float64), np.ascontiguousarray(other, np.float64)
    return (left.view(np.int64) != right.view(np.int64)) & ~(np.isnan(left) & np.isnan(right))


def first(subject: Subject, wrong: Array, offset: int = 0) -> str | None:
    """Column and time of the first number that a mask (rows from `offset`, columns of Subject.watched) holds."""
    rows = np.flatnonzero(wrong.any(axis=1))
    if rows.size == 0:
        return None
    return f"column {subject.watched[int(wrong[rows[0]].argmax())].name} at {subject.when(int(rows[0]) + offset)}"
