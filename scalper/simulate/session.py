"""Run sessions through the compiled loop and give the result as frames for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, cast

import numpy as np
import polars as pl

from scalper.policy import (
    ACCOUNT,
    DECISION,
    FILL,
    PREDICTION,
    TRADE,
    Action,
    Choice,
    Gate,
    Reason,
    changes,
    open_account,
    rules,
)
from scalper.settings import Lane, SimulationSettings
from scalper.simulate import kernel

TICKS = pl.Float64
HALTS = (Gate.KILL, Gate.FIRM, Gate.REVIEW, Gate.DAY_LOSS, Gate.DAY_DRAWDOWN)
"""Limits: once one has fired it has the last word on every bar."""


@dataclass(frozen=True, slots=True)
class SessionInput:
    """What a session's simulation reads: bars (n,) BAR, aux (n,) AUX, predictions (n,) PREDICTION, timetable (1,)
    TIMETABLE, norms (MINUTES,) NORM."""

    date: date
    contract: str
    bars: np.ndarray
    aux: np.ndarray
    predictions: np.ndarray
    timetable: np.ndarray
    norms: np.ndarray
    fold: int = 0
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class SessionResult:
    """One simulated session: its decisions (n,), closed trades (k,) and the cash before and after, in cents.

    `gained` is what the accounts before this one had made when it was opened: 0 unless the risk state is reset.
    """

    date: date
    fold: int
    started: np.ndarray
    """The account (1,) as the session began."""
    decisions: np.ndarray
    trades: np.ndarray
    cash_before: int
    cash_after: int
    late: int
    """Trades that were closed after the flat time."""
    gained: int = 0


@dataclass(slots=True)
class Simulation:
    """Simulated sessions in order, and the accounts they leave: one, or one a fold when the risk state is reset."""

    lane: Lane
    accounts: list[np.ndarray]
    sessions: list[SessionResult] = field(default_factory=list[SessionResult])

    @property
    def account(self) -> np.ndarray:
        """The account (1,) at the end."""
        return self.accounts[-1]

    def stopped(self, flag: Literal["kill", "review", "firm", "blocked"]) -> bool:
        """Whether the limit stopped any of the accounts for good; blocked: one was too near a limit to trade on."""
        return any(bool(one[flag][0]) for one in self.accounts)

    def daily(self) -> pl.DataFrame:
        """A row a session, flat ones too: session, fold, net, cash (with what accounts before made), trades."""
        return pl.DataFrame(
            {
                "session": [one.date for one in self.sessions],
                "fold": [one.fold for one in self.sessions],
                "net": [(one.cash_after - one.cash_before) / 100 for one in self.sessions],
                "cash": [(one.cash_after + one.gained) / 100 for one in self.sessions],
                "trades": [one.trades.size for one in self.sessions],
            },
            schema={"session": pl.Date, "fold": pl.Int32, "net": pl.Float64, "cash": pl.Float64, "trades": pl.Int64},
        )

    def trades(self) -> pl.DataFrame:
        """A row a closed position: average prices in points, money in dollars, the stop as it rested at the exit."""
        return pl.concat([self._trades(one) for one in self.sessions] or [_EMPTY_TRADES])

    def _trades(self, one: SessionResult) -> pl.DataFrame:
        tick, value = float(self.lane.execution.tick), float(self.lane.execution.tick_value)
        rows = one.trades
        scale = value * rows["contracts"]
        entry = rows["entry_value"] / rows["contracts"]
        return pl.DataFrame(
            {
                "session": [one.date] * rows.size,
                "fold": np.full(rows.size, one.fold, np.int32),
                "entry_ns": rows["entry_ns"],
                "exit_ns": rows["exit_ns"],
                "side": ["long" if side > 0 else "short" for side in rows["side"]],
                "contracts": rows["contracts"],
                "entry": entry * tick,
                "exit": rows["exit_value"] / rows["contracts"] * tick,
                "first_stop": rows["first_stop"] * tick,
                "stop": rows["stop"] * tick,
                "target": rows["target"] * tick,
                "gross": rows["gross_cents"] / 100,
                "commission": rows["commission_cents"] / 100,
                "slippage": rows["slippage_cents"] / 100,
                "net": rows["net_cents"] / 100,
                "reason": [Reason(code).name.lower() for code in rows["reason"]],
                "confidence": rows["confidence"],
                "mae": (rows["worst"] - entry) * rows["side"] * scale,
                "mfe": (rows["best"] - entry) * rows["side"] * scale,
                "bars": rows["bars"],
                "exits": rows["exits"],
            },
            schema=_EMPTY_TRADES.schema,
        )

    def equity(self) -> pl.DataFrame:
        """Equity at every bar close: ts_ns, equity in dollars."""
        ts = [one.decisions["ts_ns"] for one in self.sessions]
        cents = [one.decisions["equity_cents"] + one.gained for one in self.sessions]
        empty = np.empty(0, np.int64)
        return pl.DataFrame(
            {"ts_ns": np.concatenate([*ts, empty]), "equity": np.concatenate([*cents, empty]) / 100},
            schema={"ts_ns": pl.Int64, "equity": pl.Float64},
        )

    def refusals(self) -> pl.DataFrame:
        """How often each gate had the last word on a bar without an order: gate, count.

        Where a limit has halted trading, only bars count on which a direction was predicted.
        """
        gates = [_held(one.decisions)["gate"] for one in self.sessions]
        codes, counts = np.unique(np.concatenate([*gates, np.empty(0, np.int64)]), return_counts=True)
        names = [Gate(code).name.lower() for code in codes]
        frame = pl.DataFrame({"gate": names, "count": counts}, schema={"gate": pl.String, "count": pl.Int64})
        return frame.sort("count", descending=True)

    def changed(self) -> pl.DataFrame:
        """How many entries each factor of the size changed: factor, count."""
        found = [changes(one.decisions) for one in self.sessions]
        names = list(found[0]) if found else []
        counts = [sum(one[name] for one in found) for name in names]
        return pl.DataFrame({"factor": names, "count": counts}, schema={"factor": pl.String, "count": pl.Int64})

    @property
    def net(self) -> float:
        """Net profit of all sessions in dollars."""
        return sum(one.cash_after - one.cash_before for one in self.sessions) / 100


_EMPTY_TRADES = pl.DataFrame(
    schema={
        "session": pl.Date,
        "fold": pl.Int32,
        "entry_ns": pl.Int64,
        "exit_ns": pl.Int64,
        "side": pl.String,
        "contracts": pl.Int64,
        "entry": TICKS,
        "exit": TICKS,
        "first_stop": TICKS,
        "stop": TICKS,
        "target": TICKS,
        "gross": pl.Float64,
        "commission": pl.Float64,
        "slippage": pl.Float64,
        "net": pl.Float64,
        "reason": pl.String,
        "confidence": pl.Float64,
        "mae": pl.Float64,
        "mfe": pl.Float64,
        "bars": pl.Int64,
        "exits": pl.Int64,
    }
)


def _held(decisions: np.ndarray) -> np.ndarray:
    """The decisions without an order, less those that a limit halted while nothing was wanted."""
    idle = np.isin(decisions["gate"], HALTS) & (decisions["side"] == 0)
    return decisions[(decisions["action"] == Action.HOLD) & ~idle]


def market(settings: SimulationSettings) -> np.ndarray:
    """The fill model (1,) of kernel.MARKET for a mode: how orders meet the bars (SPEC 7)."""
    row = np.zeros(1, kernel.MARKET)
    row["slips"] = settings.mode != "optimistic"
    row["extra"] = settings.mode == "conservative"
    row["through"] = settings.mode != "optimistic"
    row["latency"] = settings.latency_bars
    row["share"] = settings.volume_share or 0.0
    return row


def new_book() -> np.ndarray:
    """An empty book (1,) of the simulated broker."""
    return np.zeros(1, kernel.BOOK)


def no_predictions(n: int) -> np.ndarray:
    """n predictions that are none."""
    return np.zeros(n, PREDICTION)


def simulate(
    lane: Lane,
    inputs: Sequence[SessionInput],
    *,
    account: np.ndarray | None = None,
    extra_slippage: int = 0,
) -> Simulation:
    """Run the sessions in order, through one account or a fresh one for each fold (simulation.risk of the lane).

    `account` (1,) of ACCOUNT goes on where it was (a copy is used); None opens one with the lane's capital.
    `extra_slippage` is added to what the market takes without the policy knowing (the gate's stress).
    """
    state: np.ndarray = open_account(lane) if account is None else account.copy()
    assert state.dtype == ACCOUNT
    fill_model = market(lane.simulation)
    fill_model["extra"] += extra_slippage
    result = Simulation(lane, [state])
    gained, fold = 0, inputs[0].fold if inputs else 0
    for one in inputs:
        if one.fold != fold and lane.simulation.risk == "reset":
            fresh = open_account(lane)
            gained += int(state["cash_cents"][0] - fresh["cash_cents"][0])
            state = fresh
            result.accounts.append(state)
        fold = one.fold
        result.sessions.append(_session(lane, one, state, fill_model, gained))
    return result


def _session(lane: Lane, one: SessionInput, state: np.ndarray, fill_model: np.ndarray, gained: int) -> SessionResult:
    """One session on the account (1,), which moves on."""
    started, before = state.copy(), int(state["cash_cents"][0])
    decisions, trades = np.zeros(one.bars.size, DECISION), np.zeros(one.bars.size + 2, TRADE)
    found: int = cast(Any, kernel).run_session(
        state,
        new_book(),
        rules(lane, one.choice),
        fill_model,
        one.bars,
        one.aux,
        one.predictions,
        one.timetable,
        one.norms,
        decisions,
        trades,
        np.zeros(kernel.MAX_FILLS, FILL),
    )
    closed = trades[:found].copy()
    late = int((closed["exit_ns"] > one.timetable["flat_ns"][0]).sum())
    after = int(state["cash_cents"][0])
    return SessionResult(one.date, one.fold, started, decisions, closed, before, after, late, gained)
