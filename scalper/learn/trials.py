"""The ledger as trials: what was ever tried on an underlying, on which sessions, and what each session gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scalper.errors import BadInput
from scalper.learn import ledger
from scalper.learn.ledger import Record

TRIAL, GRID, RETRAIN = "trial", "grid", "retrain"
"""Kinds: a set of the search, a set of a grid over the out-of-sample path, a nightly retrain."""
COMPLETE = "complete"
"""Status of a trial that saw all its sessions."""
OF_EVERY = ("lane", "fold", "kind", "sessions", "daily", "score", "trades", "net", "status", "data", "input")
"""Keys of every record; the others are the numbers that were tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was tried. number: its line in the ledger, from 1.

    sessions: what it was tried on, in order; none if its record does not tell. daily: net dollars of each, fewer of a
    trial that was cut short. score: what it was ranked by. numbers: what was varied, and whatever else was recorded.
    """

    number: int
    lane: str
    fold: str
    kind: str
    status: str
    sessions: tuple[date, ...]
    daily: tuple[float, ...]
    score: float | None
    trades: int
    net: float
    numbers: Mapping[str, Any]

    @classmethod
    def of(cls, number: int, row: Record) -> Trial:
        """From a record of the ledger."""
        return cls(
            number,
            lane=str(row["lane"]),
            fold=str(row["fold"]),
            kind=str(row.get("kind", TRIAL)),
            status=str(row.get("status") or COMPLETE),
            sessions=tuple(map(date.fromisoformat, row.get("sessions") or ())),
            daily=tuple(map(float, row.get("daily") or ())),
            score=row.get("score"),
            trades=int(row.get("trades") or 0),
            net=float(row.get("net") or 0.0),
            numbers={key: value for key, value in row.items() if key not in OF_EVERY},
        )

    def overlaps(self, first: date, last: date) -> bool:
        """Whether any of it may have been tried in these days; what does not say when may have been at any time."""
        return not self.sessions or (self.sessions[0] <= last and first <= self.sessions[-1])


@dataclass(frozen=True)
class Returns:
    """Net dollars a session of several trials: `of[trial]` has one value for each of `sessions`.

    It is made from trials by their numbers and makes the matrix itself, so nobody can hand one in that lies on its
    side. Raises BadInput for a trial without one value a session.
    """

    sessions: tuple[date, ...]
    of: Mapping[int, Sequence[float]]
    values: NDArray[np.float64] = field(init=False, repr=False, compare=False)
    """(T, N): a row a session, a column a trial, in the order of `sessions` and `trials`; read only."""

    def __post_init__(self) -> None:
        for trial, daily in self.of.items():
            if len(daily) != len(self.sessions):
                raise BadInput(
                    f"trial {trial}: {len(daily)} values for {len(self.sessions)} sessions; give one value a session"
                )
        values = np.array(list(self.of.values()), np.float64).reshape(len(self.of), len(self.sessions)).T
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @property
    def trials(self) -> tuple[int, ...]:
        """The trials' numbers (N,), in the order of the columns."""
        return tuple(self.of)


@dataclass(frozen=True)
class Trials:
    """Trials of one ledger, oldest first: all lanes of its underlying, all searches, across restarts and edits."""

    every: tuple[Trial, ...]

    @classmethod
    def read(cls, path: Path) -> Trials:
        """All trials of a ledger. Raises Refused if its chain is broken."""
        return cls(tuple(Trial.of(number, row) for number, row in enumerate(ledger.read(path), start=1)))

    @property
    def number(self) -> int:
        """How many were made: the raw count, however alike they are."""
        return len(self.every)

    def overlapping(self, first: date, last: date) -> Trials:
        """Those whose sessions overlap these days, both included, whatever lane made them."""
        return Trials(tuple(one for one in self.every if one.overlaps(first, last)))

    def of_kind(self, *kinds: str) -> Trials:
        """Those of some kinds."""
        return Trials(tuple(one for one in self.every if one.kind in kinds))

    def windows(self) -> dict[tuple[date, ...], int]:
        """The sets of sessions that trials were made on and how many on each, most first."""
        return dict(Counter(one.sessions for one in self.every if one.sessions).most_common())

    def returns(self, sessions: Sequence[date]) -> Returns:
        """What the trials that were made on exactly these sessions, all of them, gave in each.

        Trials on other sessions and those that were cut short are left out.
        """
        wanted = tuple(sessions)
        same = (one for one in self.every if one.sessions == wanted and len(one.daily) == len(wanted))
        return Returns(wanted, {one.number: one.daily for one in same})

    def best(self) -> Trial | None:
        """The one with the highest score, the oldest of equals; None if none has one."""
        scored = [one for one in self.every if one.score is not None]
        return max(scored, key=lambda one: (one.score, -one.number), default=None)

    def table(self) -> pl.DataFrame:
        """A row for each lane, kind and status: how many, first and last session, the best score."""
        rows = [
            {
                "lane": one.lane,
                "kind": one.kind,
                "status": one.status.split(":")[0],
                "first": one.sessions[0] if one.sessions else None,
                "last": one.sessions[-1] if one.sessions else None,
                "score": one.score,
            }
            for one in self.every
        ]
        keys = ("lane", "kind", "status")
        schema = {**dict.fromkeys(keys, pl.String), "first": pl.Date, "last": pl.Date, "score": pl.Float64}
        return (
            pl.DataFrame(rows, schema=schema)
            .group_by(keys)
            .agg(pl.len().alias("trials"), pl.col("first").min(), pl.col("last").max(), pl.col("score").max())
            .select(*keys, "trials", "first", "last", pl.col("score").alias("best"))
            .sort(keys)
        )

    def span(self) -> tuple[date, date] | None:
        """The first and the last session that any was made on; None if none tells."""
        days = [day for one in self.every if one.sessions for day in (one.sessions[0], one.sessions[-1])]
        return (min(days), max(days)) if days else None
