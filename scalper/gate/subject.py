"""One session under audit: its bars, its times, the context it starts from; and ways to change its future."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np

from scalper import features
from scalper.errors import DataUnavailable
from scalper.features import Block, Feature, Stream
from scalper.lake import Lake
from scalper.learn.session import bars_of, context_of
from scalper.market import Session, sessions
from scalper.settings import Lane

Array = np.ndarray[Any, Any]
Kind = Literal["shuffle", "noise", "delete"]
KINDS: tuple[Kind, ...] = ("shuffle", "noise", "delete")
LOOK_BACK = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Subject:
    """A session as the audit takes it apart; bars (n,) BAR, timetable (1,), context (1,) or None."""

    lane: Lane
    session: Session
    contract: str
    bars: Array
    timetable: Array
    context: Array | None
    columns: tuple[Feature, ...]
    """The lane's features, in order."""
    windows: Array
    """The kernel's parameters."""

    def fresh(self) -> Array:
        """The state at the session's first bar."""
        return features.fresh(self.contract, self.context)

    def stream(self, state: Array | None = None) -> Stream:
        """The stream driver, from the session's start or from a saved state."""
        return Stream(self.fresh() if state is None else state, self.windows, self.timetable, len(self.columns))


Compute = Callable[[Subject, Array], Block]
"""Features of some bars (n,) of a subject, from the session's first state."""


def batch(subject: Subject, bars: Array) -> Block:
    """The features as every stage of the lane computes them."""
    return features.compute(subject.fresh(), subject.windows, bars, subject.timetable, len(subject.columns))


def find(lake: Lake, lane: Lane, days: Sequence[date], count: int) -> list[Subject]:
    """At most `count` sessions of `days` that the lake has, spread evenly from the first to the last."""
    spread = np.linspace(0, len(days) - 1, min(count, len(days))).round().astype(int).tolist() if days else []
    order = [*dict.fromkeys(spread), *(i for i in range(len(days)) if i not in set(spread))]
    found: list[Subject] = []
    for index in order:
        if len(found) >= count:
            break
        try:
            found.append(subject(lake, lane, days[index]))
        except DataUnavailable:
            continue
    return sorted(found, key=lambda one: one.session.date)


def subject(lake: Lake, lane: Lane, day: date) -> Subject:
    """The session of `day` from the lake. Raises DataUnavailable if it has no bars there."""
    near = sessions(lane.symbol, day - LOOK_BACK, day)
    session, before = near[-1], near[-2] if len(near) > 1 else None
    loaded = bars_of(lake, lane, session)
    context = context_of(lake, lane, session, before)
    return Subject(
        lane,
        session,
        loaded.contract,
        loaded.bars,
        lane.timetable(session),
        context,
        features.catalogue(lane.features, lane.interval_ns),
        features.params(lane.features, lane.interval_ns),
    )


def perturb(bars: Array, cut: int, kind: Kind, rng: np.random.Generator) -> Array:
    """The bars with another future: those up to and including `cut` stay as they are."""
    kept, tail = bars[: cut + 1], bars[cut + 1 :].copy()
    if kind == "delete":
        return kept.copy()
    if kind == "shuffle":
        stamps = tail["ts_ns"].copy()
        tail = tail[rng.permutation(tail.size)]
        tail["ts_ns"] = stamps
    else:
        close = tail["close"] + rng.integers(-40, 41, tail.size)
        open_ = tail["open"] + rng.integers(-40, 41, tail.size)
        tail["open"], tail["close"] = open_, close
        tail["high"] = np.maximum(open_, close) + rng.integers(0, 9, tail.size)
        tail["low"] = np.minimum(open_, close) - rng.integers(0, 9, tail.size)
        tail["volume"] = rng.integers(1, 5000, tail.size)
        tail["carried"] = 0
    return np.concatenate([kept, tail])


def streamed(subject: Subject, restarts: Sequence[int] = ()) -> Block:
    """Features bar by bar; before each bar of `restarts` the state is saved as bytes and a new stream goes on."""
    stream = subject.stream()
    x = np.empty((subject.bars.size, len(subject.columns)), np.float32)
    volatility = np.empty(subject.bars.size, np.float64)
    again = set(restarts)
    for i in range(subject.bars.size):
        if i in again:
            saved = stream.state.tobytes()
            stream = subject.stream(np.frombuffer(bytearray(saved), stream.state.dtype))
        row, volatility[i] = stream.push(subject.bars[i : i + 1])
        x[i] = row[0]
    return Block(x, volatility)


def joined(block: Block) -> Array:
    """Features and volatility side by side, (n, f + 1) float64: the last column is the volatility."""
    return np.column_stack([block.x.astype(np.float64), block.volatility])


def unequal(one: Array, other: Array) -> Array:
    """Mask of the numbers that are not the same bit for bit; any two NaN are the same."""
    left, right = np.ascontiguousarray(one, np.float64), np.ascontiguousarray(other, np.float64)
    return (left.view(np.int64) != right.view(np.int64)) & ~(np.isnan(left) & np.isnan(right))
