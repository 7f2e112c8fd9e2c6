"""Parameter grids: many rule sets over the same sessions at once, each with its own account and its own book.

The sets share the bars and nothing is kept of a bar, so memory grows with the bars and by a few numbers a set and
session, not with bars times sets. Threads divide the sets, which know nothing of one another: a result does not depend
on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from typing import Any, cast

import numpy as np
import polars as pl

from scalper.market import session
from scalper.policy import ACCOUNT, DECISION, FILL, TRADE, Choice, Gate, open_account, rules
from scalper.settings import Lane
from scalper.simulate import grid_kernel
from scalper.simulate.kernel import BOOK, MAX_FILLS
from scalper.simulate.metrics import sharpe
from scalper.simulate.rule_sets import RuleSet, times_of
from scalper.simulate.session import SessionInput, market

PARTS = 8
"""Stretches of sets a thread, for the progress to be seen."""


@dataclass(frozen=True, slots=True)
class Grid:
    """What the sets gave; sets in the order of their axes, the last axis fastest."""

    sets: Sequence[RuleSet]
    dates: Sequence[date]
    net_cents: np.ndarray
    """Net a session, (sets, sessions) int64; flat sessions are 0."""
    trades: np.ndarray
    """Closed trades a session, (sets, sessions) int32."""
    drawdown_cents: np.ndarray
    """Largest fall of equity below its peak at bar closes, (sets,) int64; of one account where folds start afresh."""
    halts: np.ndarray
    """Sessions whose trading a limit ended, the later ones of a stopped account included, (sets,) int64."""
    stopped: Sequence[str]
    """What stopped an account for good: kill, firm or review; empty if nothing did."""

    def sharpe(self) -> np.ndarray:
        """Sharpe ratio of daily net over starting capital (metrics.sharpe), (sets,)."""
        both = zip(self.net_cents, self.sets, strict=True)
        return np.array([sharpe(row / 100 / one.lane.capital) for row, one in both])

    def frame(self) -> pl.DataFrame:
        """A row a set: set (from 1), the varied keys, net, sharpe, trades, drawdown (dollars), halts, stopped."""
        keys = list(dict.fromkeys(key for one in self.sets for key in one.values))
        return pl.DataFrame(
            {
                "set": np.arange(1, len(self.sets) + 1),
                **{key: _column([one.values.get(key) for one in self.sets]) for key in keys},
                "net": self.net_cents.sum(axis=1) / 100,
                "sharpe": self.sharpe(),
                "trades": self.trades.sum(axis=1, dtype=np.int64),
                "drawdown": self.drawdown_cents / 100,
                "halts": self.halts,
                "stopped": list(self.stopped),
            }
        )


def _column(values: list[object]) -> pl.Series:
    """Numbers and words as they are, anything else in words."""
    plain = all(isinstance(one, bool | int | float | str) or one is None for one in values)
    mixed = len({type(one) for one in values if one is not None} - {int, float}) > 1
    return pl.Series([str(one) for one in values] if mixed or not plain else values, strict=False)


def around(values: np.ndarray) -> np.ndarray:
    """The mean of each cell's neighbours, at most a step away along every axis and not the cell itself.

    values: an array with an axis a varied key. A peak whose neighbours are low is luck; a plateau is a find. NaN for a
    cell without neighbours.
    """
    total, count = np.zeros(values.shape), np.zeros(values.shape)
    for steps in product((-1, 0, 1), repeat=values.ndim):
        if any(steps):
            here = tuple(slice(max(0, -by), size - max(0, by)) for by, size in zip(steps, values.shape, strict=True))
            there = tuple(slice(max(0, by), size - max(0, -by)) for by, size in zip(steps, values.shape, strict=True))
            total[here] += values[there]
            count[here] += 1
    return np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0)


def grid(
    lane: Lane,
    sets: Sequence[RuleSet],
    inputs: Sequence[SessionInput],
    *,
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Grid:
    """Simulate every set over the sessions, which were made ready by `lane`; each set gives what simulate() gives.

    `progress` is told how many sets are done, and of how many.
    """
    tables, which = _tables(lane, sets, inputs)
    net = np.zeros((len(sets), len(inputs)), np.int64)
    trades, halts = np.zeros(net.shape, np.int32), np.zeros(len(sets), np.int64)
    left = np.zeros((2, len(sets)), ACCOUNT)  # as they are now; and deepest fall and flags of those that were reset

    def part(chosen: slice) -> int:
        one = _Part(sets[chosen], which[chosen])
        for number, ready in enumerate(inputs):
            net[chosen, number], trades[chosen, number], halted = one.play(ready, tables[number])
            halts[chosen] += halted
        left[0, chosen], left[1, chosen] = one.accounts, one.before
        return len(one.sets)

    step = max(1, -(-len(sets) // (threads * PARTS)))
    with ThreadPoolExecutor(threads) as pool:
        done = 0
        for count in pool.map(part, [slice(start, start + step) for start in range(0, len(sets), step)]):
            done += count
            if progress is not None:
                progress(done, len(sets))
    flags = {name: left[name].max(axis=0) != 0 for name in ("kill", "firm", "review")}
    stopped = [next((name for name, of in flags.items() if of[i]), "") for i in range(len(sets))]
    days = [one.date for one in inputs]
    return Grid(sets, days, net, trades, left["deepest_cents"].max(axis=0), halts, stopped)


def evaluate(lane: Lane, inputs: Sequence[SessionInput], choice: Choice) -> tuple[np.ndarray, int]:
    """Net of each session in cents (sessions,) and the number of trades of a choice: simulate() without its frames."""
    found = grid(lane, [RuleSet({}, lane)], [replace(one, choice=choice) for one in inputs], threads=1)
    return found.net_cents[0], int(found.trades.sum())


class _Part:
    """Some of the sets on their way through the sessions, in order."""

    def __init__(self, sets: Sequence[RuleSet], which: np.ndarray) -> None:
        self.sets, self.which = sets, which
        self.accounts = np.concatenate([open_account(one.lane) for one in sets])
        self.before = np.zeros_like(self.accounts)
        self._fresh = self.accounts.copy()
        self._resets = np.array([one.lane.simulation.risk == "reset" for one in sets])
        self._markets = np.concatenate([market(one.lane.simulation) for one in sets])
        self._rules: dict[Choice | None, np.ndarray] = {}
        self._found = np.zeros(len(sets), np.int64)
        self._scratch = np.zeros(1, DECISION), np.zeros(1, TRADE), np.zeros(MAX_FILLS, FILL)
        self._fold: int | None = None

    def play(self, one: SessionInput, tables: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One session: net in cents, closed trades and whether a limit had ended it, (sets,) each."""
        if self._fold not in (None, one.fold):
            self._renew()
        self._fold = one.fold
        cash = self.accounts["cash_cents"].copy()
        cast(Any, grid_kernel).run_sets(
            self.accounts,
            np.zeros(len(self.sets), BOOK),
            self._limits(one.choice),
            self._markets,
            one.bars,
            one.aux,
            one.predictions,
            tables,
            self.which,
            one.norms,
            *self._scratch,
            self._found,
        )
        now = self.accounts
        halted = (now["day_halt"] != int(Gate.PASSED)) | (now["kill"] | now["firm"] | now["review"] != 0)
        return now["cash_cents"] - cash, self._found, halted

    def _renew(self) -> None:
        """A new fold: the sets whose risk state is reset get a fresh account; what is told of the old one is kept."""
        for name in ("deepest_cents", "kill", "firm", "review"):
            self.before[name] = np.maximum(self.before[name], np.where(self._resets, self.accounts[name], 0))
        self.accounts[self._resets] = self._fresh[self._resets]

    def _limits(self, searched: Choice | None) -> np.ndarray:
        """The rules (sets,) of sessions with this choice."""
        if searched not in self._rules:
            self._rules[searched] = np.concatenate([rules(one.lane, one.choice(searched)) for one in self.sets])
        return self._rules[searched]


def _tables(lane: Lane, sets: Sequence[RuleSet], inputs: Sequence[SessionInput]) -> tuple[list[np.ndarray], np.ndarray]:
    """Each session's timetables (g,) of TIMETABLE, and which of them a set has (sets,): most sets have the same."""
    groups: dict[str, int] = {times_of(lane): 0}
    which = np.array([groups.setdefault(times_of(one.lane), len(groups)) for one in sets], np.int64)
    firsts = [sets[int(np.argmax(which == number))].lane for number in range(1, len(groups))]
    tables = [one.timetable for one in inputs]
    if firsts:
        for number, one in enumerate(inputs):
            at = session(lane.symbol, one.date)
            tables[number] = np.concatenate([one.timetable, *(other.timetable(at) for other in firsts)])
    return tables, which
