"""Trades of our simulator and of Nautilus in pairs, and a cause for each difference, found in the bars by a rule.

Everything must agree but one thing: the order of prices inside a bar is not in the bar. With stop and target in one bar
ours takes the stop, Nautilus what its fixed sweep (open, high, low, close) meets first. That can only make ours the
worse one, by at most the distance from the stop to the target and the stop's slippage; it is listed with both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np

from scalper.policy import Reason
from scalper.referee.ledger import Row, rows_of


class Cause(StrEnum):
    """Why a trade differs; nothing else may."""

    BOTH_IN_BAR = "stop and target in one bar: ours takes the stop, Nautilus what its sweep of the bar meets first"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Difference:
    """A trade that differs, or that only one side has, or a decision or balance without such a trade.

    fields: name to (ours, Nautilus's); cents: Nautilus's net less ours; bound_cents: the most that the cause can make.
    """

    session: date
    entry_ns: int
    side: int
    fields: dict[str, tuple[int | None, int | None]]
    cause: Cause
    cents: int
    bound_cents: int | None

    def as_dict(self) -> dict[str, Any]:
        """The difference for a JSON document."""
        return {name: getattr(self, name) for name in self.__slots__} | {"cause": self.cause.name.lower()}


@dataclass(frozen=True, slots=True)
class Compared:
    """A session's comparison: trades on each side, pairs that are equal in every field, and what differs."""

    session: date
    bars: int
    ours: int
    theirs: int
    equal: int
    followed: int
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class Bars:
    """What the causes are read from: bars (n,) BAR, their length, ticks by which a target must be traded through, cents
    a tick, share of the contracts that is taken on the way (0: none), most ticks of slippage."""

    bars: np.ndarray
    interval_ns: int
    through: int
    tick_cents: int
    partial: float
    slippage: int

    def at(self, end_ns: int) -> int | None:
        """The bar that ends then."""
        index = int(np.searchsorted(self.bars["ts_ns"], end_ns - self.interval_ns))
        return index if index < self.bars.size and self.bars["ts_ns"][index] + self.interval_ns == end_ns else None


def compare(
    session: date, seen: Bars, trades: np.ndarray, rows: Sequence[Row], followed: Iterable[int], odd_cents: int
) -> Compared:
    """Pair our trades (k,) of TRADE with Nautilus's rows by entry time and side, and find the cause of what differs.

    `followed`: ends of bars after which our account took over, each to be explained by a trade that one side closed in
    it; `odd_cents`: what Nautilus's own account has that its trades do not explain.
    """
    mine = {(row.entry_ns, row.side): (row, trade) for row, trade in zip(rows_of(trades), trades, strict=True)}
    theirs = {(row.entry_ns, row.side): row for row in rows}
    found: list[Difference] = []
    explained: set[int] = set()
    for key in sorted(mine.keys() | theirs.keys()):
        row, trade = mine.get(key, (None, None))
        other = theirs.get(key)
        if row == other:
            continue
        cause, bound = _cause(seen, row, other, trade)
        if cause is not Cause.UNEXPLAINED:
            explained |= {one.exit_ns for one in (row, other) if one is not None}
        found.append(Difference(session, *key, _fields(row, other), cause, _net(other) - _net(row), bound))
    for end in set(followed) - explained:
        found.append(Difference(session, end, 0, {"decision": (None, None)}, Cause.UNEXPLAINED, 0, None))
    if odd_cents:
        found.append(Difference(session, 0, 0, {"balance": (0, odd_cents)}, Cause.UNEXPLAINED, odd_cents, None))
    equal = sum(mine[key][0] == theirs[key] for key in mine.keys() & theirs.keys())
    return Compared(session, seen.bars.size, len(mine), len(theirs), equal, len(list(followed)), found)


def _net(row: Row | None) -> int:
    return 0 if row is None else row.net_cents


def _fields(row: Row | None, other: Row | None) -> dict[str, tuple[int | None, int | None]]:
    pairs = {name: (getattr(row, name, None), getattr(other, name, None)) for name in Row.__slots__}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _cause(seen: Bars, row: Row | None, other: Row | None, trade: np.void | None) -> tuple[Cause, int | None]:
    """The cause of a trade's difference, and the most cents that it can make."""
    if row is not None and other is not None and trade is not None and _entered_alike(row, other):
        bound = _both_in_bar(seen, row, other, trade)
        if bound is not None and 0 <= other.net_cents - row.net_cents <= bound:
            return Cause.BOTH_IN_BAR, bound
    return Cause.UNEXPLAINED, None


def _entered_alike(row: Row, other: Row) -> bool:
    return (row.contracts, row.entry_value, row.fees_cents) == (other.contracts, other.entry_value, other.fees_cents)


def _both_in_bar(seen: Bars, row: Row, other: Row, trade: Any) -> int | None:
    """The bound if our stop was met in the bar in which Nautilus closed the trade, and a target lay in it too."""
    index = seen.at(row.exit_ns)
    if trade["reason"] != Reason.STOP or index is None or other.exit_ns != row.exit_ns:
        return None
    side, bar = row.side, seen.bars[index]
    adverse, favourable = (bar["low"], bar["high"]) if side > 0 else (bar["high"], bar["low"])
    goals = [int(trade["target"])]
    first = row.entry_value // row.contracts
    part = first + side * abs(first - int(trade["first_stop"]))
    if int(row.contracts * seen.partial + 1e-9) > 0 and not _reached(seen, row, index, part):
        goals.append(part)
    if side * adverse > side * trade["stop"]:
        return None
    if not any(side * favourable >= side * goal + seen.through for goal in goals):
        return None
    ticks = side * (int(trade["target"]) - int(trade["stop"])) + seen.slippage
    return ticks * row.contracts * seen.tick_cents


def _reached(seen: Bars, row: Row, index: int, level: int) -> bool:
    """Whether a bar from the entry to the one before `index` has traded through a target at `level`."""
    first = int(np.searchsorted(seen.bars["ts_ns"], row.entry_ns))
    bars = seen.bars[first:index]
    best = bars["high"] if row.side > 0 else -bars["low"]
    return bool((best >= row.side * level + seen.through).any())


def causes(found: Iterable[Compared]) -> dict[str, dict[str, float]]:
    """Differences by cause: how many, and their dollars in sum, at most and as bounded."""
    every = [one for session in found for one in session.differences]
    counts = Counter(one.cause for one in every)
    return {
        cause.name.lower(): {
            "count": counts[cause],
            "dollars": sum(one.cents for one in every if one.cause is cause) / 100,
            "largest": max((abs(one.cents) for one in every if one.cause is cause), default=0) / 100,
            "bound": sum(one.bound_cents or 0 for one in every if one.cause is cause) / 100,
        }
        for cause in Cause
    }
