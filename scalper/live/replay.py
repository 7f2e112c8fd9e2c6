"""Replay: a stored session through the executor, compared bit for bit with its batch simulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalper import clock, features
from scalper.lake import Lake
from scalper.learn.recipe import Recipe, session_input
from scalper.learn.session import Prepared, prepare
from scalper.live.broker import SimBroker
from scalper.live.engine import Engine, Step, record
from scalper.live.executor import Executor
from scalper.live.feed import ReplayFeed
from scalper.live.journal import plain
from scalper.live.report import SessionReport
from scalper.market import Session
from scalper.policy import TRADE, rules
from scalper.settings import Lane
from scalper.simulate import SessionResult, simulate
from scalper.simulate.kernel import BOOK

SHOWN = 500
"""Differences that a report lists; all are counted."""


@dataclass(slots=True)
class ReplayReport:
    """What the comparison found.

    bars: bars streamed, each with its feature row, AUX, prediction and decision compared; decisions: decision records
    of the replay that asked for an action, so not the HOLDs; trades: trades the replay closed; differences: fields that
    differ, of which `rows` lists the first 500.
    """

    session: str
    contract: str
    bars: int = 0
    decisions: int = 0
    trades: int = 0
    differences: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    latency_ms: dict[str, float] = field(default_factory=dict[str, float])
    net: float = 0.0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The document of `scalper replay --json`."""
        return {name: getattr(self, name) for name in self.__slots__}

    def summary(self) -> dict[str, Any]:
        """What the gate's evidence keeps: session, bars, decisions, trades, differences."""
        return {name: getattr(self, name) for name in ("session", "bars", "decisions", "trades", "differences")}

    def text(self) -> str:
        """One line for a person."""
        return (
            f"{self.session} {self.contract}: {self.bars} bars, {self.decisions} decisions, {self.trades} trades, "
            f"net ${self.net:,.2f}, {self.differences} differences between simulation and replay"
        )


@dataclass(slots=True)
class Seen:
    """What the executor did, bar by bar."""

    rows: list[np.ndarray] = field(default_factory=list[np.ndarray])
    aux: list[np.ndarray] = field(default_factory=list[np.ndarray])
    predictions: list[np.ndarray] = field(default_factory=list[np.ndarray])
    decisions: list[np.ndarray] = field(default_factory=list[np.ndarray])
    trades: list[np.ndarray] = field(default_factory=list[np.ndarray])

    def watch(self, step: Step) -> None:
        """Remember a step."""
        self.rows.append(step.row)
        self.aux.append(step.aux)
        self.predictions.append(step.prediction)
        self.decisions.append(step.decision)


def replay(
    lake: Lake,
    recipe: Recipe,
    session: Session,
    before: Session | None,
    *,
    restart_at: int | None = None,
    extra_slippage: int = 0,
) -> ReplayReport:
    """Stream a stored session through the executor and compare it with its batch simulation, each on a fresh account.

    `restart_at` k saves features, account and book after bar k (0 is the first), rebuilds everything from those bytes
    and goes on. `extra_slippage` lets the replay's broker slip more than the simulation's, to show that the comparison
    can fail. Raises DataUnavailable when the lake has no bars of the session.
    """
    began = clock.monotonic()
    ready = prepare(lake, recipe.lane, session, before)
    given = session_input(recipe, ready)
    simulated = simulate(recipe.lane, [given]).sessions[0]
    feed = ReplayFeed(lake, recipe.lane, session, before)
    seen = Seen()
    ran = _stream(recipe, feed, seen, restart_at, extra_slippage)
    report = ReplayReport(session.date.isoformat(), feed.contract, ran.bars, ran.decisions, ran.trades)
    _compare(report, recipe.lane, ready, given.predictions, simulated, seen)
    report.rows.sort(key=lambda row: row["ts"])
    report.latency_ms, report.net = ran.latency_ms, ran.net
    report.seconds = round(clock.monotonic() - began, 3)
    return report


def _stream(recipe: Recipe, feed: ReplayFeed, seen: Seen, restart_at: int | None, slip: int) -> SessionReport:
    lane = recipe.lane
    timetable, limits = lane.timetable(feed.session), rules(lane, recipe.choice)
    broker = SimBroker(lane.simulation, timetable, limits, extra_slippage=slip)
    executor = Executor(recipe, broker, feed, watch=seen.watch)
    executor.start()
    for index, bar in enumerate(feed):
        executor.take(bar)
        if index == restart_at:
            saved, book = executor.engine.save(), broker.memory().tobytes()
            broker = SimBroker(lane.simulation, timetable, limits, book=record(book, BOOK, "book"), extra_slippage=slip)
            executor.engine = Engine(recipe, feed.session, feed.contract, broker).restore(saved)
    report = executor.finish()
    seen.trades = executor.trades
    return report


def _compare(
    report: ReplayReport, lane: Lane, ready: Prepared, predictions: np.ndarray, simulated: SessionResult, seen: Seen
) -> None:
    """Every feature row, its AUX, prediction, decision and trade, bit for bit (NaN equals NaN)."""
    ts: np.ndarray = ready.bars["ts_ns"]
    if len(seen.rows) != ts.size:
        _note(report, 0, "bars", "count", ts.size, len(seen.rows))
        return
    rows = np.concatenate(seen.rows)
    for column, feature in enumerate(features.catalogue(lane.features, lane.interval_ns)):
        _field(report, ts, "features", feature.name, ready.block.x[:, column], rows[:, column])
    _records(report, ts, "features", ready.block.aux, np.concatenate(seen.aux))
    _records(report, ts, "prediction", predictions, np.concatenate(seen.predictions))
    _records(report, ts, "decision", simulated.decisions, np.concatenate(seen.decisions))
    mine, theirs = simulated.trades, np.concatenate([*seen.trades, np.empty(0, TRADE)])
    both = min(mine.size, theirs.size)
    _records(report, mine["entry_ns"][:both], "trade", mine[:both], theirs[:both])
    for trade in mine[both:]:
        _note(report, trade["entry_ns"], "trade", "exit_ns", trade["exit_ns"], None)
    for trade in theirs[both:]:
        _note(report, trade["entry_ns"], "trade", "exit_ns", None, trade["exit_ns"])


def _records(report: ReplayReport, ts: np.ndarray, what: str, mine: np.ndarray, theirs: np.ndarray) -> None:
    for name in mine.dtype.names or ():
        _field(report, ts, what, name, mine[name], theirs[name])


def _field(report: ReplayReport, ts: np.ndarray, what: str, name: str, mine: np.ndarray, theirs: np.ndarray) -> None:
    """Compare two columns (n,) of one dtype by their bits."""
    bits = np.dtype(f"u{mine.dtype.itemsize}")
    differs = np.ascontiguousarray(mine).view(bits) != np.ascontiguousarray(theirs, mine.dtype).view(bits)
    if mine.dtype.kind == "f":
        differs &= ~(np.isnan(mine) & np.isnan(theirs))
    for i in np.flatnonzero(differs):
        _note(report, ts[i], what, name, mine[i], theirs[i])


def _note(report: ReplayReport, ts: Any, what: str, name: str, mine: Any, theirs: Any) -> None:
    """Count a difference, and show it while there is room."""
    report.differences += 1
    if len(report.rows) < SHOWN:
        both = (None if one is None else plain(np.asarray(one).item()) for one in (mine, theirs))
        row = dict(zip(("simulation", "replay"), both, strict=True))
        report.rows.append({"ts": clock.iso(int(ts)), "what": what, "field": name, **row})
