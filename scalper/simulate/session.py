"""Run sessions through the compiled loop and give the result as frames for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import numpy as np
import polars as pl

from scalper.policy import ACCOUNT, DECISION, FILL, PREDICTION, TRADE, Choice, Gate, Reason, open_account, rules
from scalper.settings import Lane, SimulationSettings
from scalper.simulate import kernel

TICKS = pl.Float64


@dataclass(frozen=True, slots=True)
class SessionInput:
    """What a session's simulation reads; bars (n,) BAR, predictions (n,) PREDICTION, timetable (1,) TIMETABLE."""

    date: date
    contract: str
    bars: np.ndarray
    predictions: np.ndarray
    timetable: np.ndarray
    fold: int = 0
    choice: Choice | None = None


@dataclass(frozen=True, slots=True)
class SessionResult:
    """One simulated session: its decisions (n,), closed trades (k,) and the cash before and after, in cents."""

    date: date
    fold: int
    decisions: np.ndarray
    trades: np.ndarray
    cash_before: int
    cash_after: int
    late: int
    """Trades that were closed after the flat time."""


@dataclass(slots=True)
class Simulation:
    """Simulated sessions in order, and the account they leave."""

    lane: Lane
    account: np.ndarray
    sessions: list[SessionResult] = field(default_factory=list[SessionResult])

    def daily(self) -> pl.DataFrame:
        """A row a session, flat ones too: session, fold, net, cash, trades."""
        return pl.DataFrame(
            {
                "session": [one.date for one in self.sessions],
                "fold": [one.fold for one in self.sessions],
                "net": [(one.cash_after - one.cash_before) / 100 for one in self.sessions],
                "cash": [one.cash_after / 100 for one in self.sessions],
                "trades": [one.trades.size for one in self.sessions],
            },
            schema={"session": pl.Date, "fold": pl.Int32, "net": pl.Float64, "cash": pl.Float64, "trades": pl.Int64},
        )

    def trades(self) -> pl.DataFrame:
        """A row a closed trade, with prices in points and money in dollars."""
        return pl.concat([self._trades(one) for one in self.sessions] or [_EMPTY_TRADES])

    def _trades(self, one: SessionResult) -> pl.DataFrame:
        tick, value = float(self.lane.execution.tick), float(self.lane.execution.tick_value)
        rows = one.trades
        scale = value * rows["contracts"]
        return pl.DataFrame(
            {
                "session": [one.date] * rows.size,
                "fold": np.full(rows.size, one.fold, np.int32),
                "entry_ns": rows["entry_ns"],
                "exit_ns": rows["exit_ns"],
                "side": ["long" if side > 0 else "short" for side in rows["side"]],
                "contracts": rows["contracts"],
                "entry": rows["entry"] * tick,
                "exit": rows["exit"] * tick,
                "stop": rows["stop"] * tick,
                "target": rows["target"] * tick,
                "gross": rows["gross_cents"] / 100,
                "commission": rows["commission_cents"] / 100,
                "slippage": rows["slippage_cents"] / 100,
                "net": rows["net_cents"] / 100,
                "reason": [Reason(code).name.lower() for code in rows["reason"]],
                "confidence": rows["confidence"],
                "mae": (rows["worst"] - rows["entry"]) * rows["side"] * scale,
                "mfe": (rows["best"] - rows["entry"]) * rows["side"] * scale,
                "bars": rows["bars"],
            },
            schema=_EMPTY_TRADES.schema,
        )

    def equity(self) -> pl.DataFrame:
        """Equity at every bar close: ts_ns, equity in dollars."""
        ts = [one.decisions["ts_ns"] for one in self.sessions]
        cents = [one.decisions["equity_cents"] for one in self.sessions]
        empty = np.empty(0, np.int64)
        return pl.DataFrame(
            {"ts_ns": np.concatenate([*ts, empty]), "equity": np.concatenate([*cents, empty]) / 100},
            schema={"ts_ns": pl.Int64, "equity": pl.Float64},
        )

    def refusals(self) -> pl.DataFrame:
        """How often each gate had the last word on an entry: gate, count."""
        gates = [one.decisions["gate"][one.decisions["action"] == 0] for one in self.sessions]
        codes, counts = np.unique(np.concatenate([*gates, np.empty(0, np.int64)]), return_counts=True)
        names = [Gate(code).name.lower() for code in codes]
        frame = pl.DataFrame({"gate": names, "count": counts}, schema={"gate": pl.String, "count": pl.Int64})
        return frame.sort("count", descending=True)

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
    }
)


def market(settings: SimulationSettings) -> np.ndarray:
    """The fill model (1,) of kernel.MARKET for a mode: how orders meet the bars (SPEC 7)."""
    row = np.zeros(1, kernel.MARKET)
    extra = {"realistic": 0, "conservative": 1, "optimistic": -settings.slippage_ticks}[settings.mode]
    row["slippage"] = settings.slippage_ticks + extra
    row["through"] = 0 if settings.mode == "optimistic" else 1
    row["latency"] = settings.latency_bars
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
    """Run the sessions in order through one account.

    `account` (1,) of ACCOUNT goes on where it was (a copy is used); None opens one with the lane's capital.
    `extra_slippage` is added to what the market takes without the policy knowing (the gate's stress).
    """
    state: np.ndarray = open_account(lane) if account is None else account.copy()
    assert state.dtype == ACCOUNT
    fill_model = market(lane.simulation)
    fill_model["slippage"] += extra_slippage
    result = Simulation(lane, state)
    fills = np.zeros(kernel.MAX_FILLS, FILL)
    for one in inputs:
        before = int(state["cash_cents"][0])
        decisions = np.zeros(one.bars.size, DECISION)
        trades = np.zeros(one.bars.size + 2, TRADE)
        found: int = cast(Any, kernel).run_session(
            state,
            new_book(),
            rules(lane, one.choice),
            fill_model,
            one.bars,
            one.predictions,
            one.timetable,
            decisions,
            trades,
            fills,
        )
        closed = trades[:found].copy()
        late = int((closed["exit_ns"] > one.timetable["flat_ns"][0]).sum())
        after = int(state["cash_cents"][0])
        result.sessions.append(SessionResult(one.date, one.fold, decisions, closed, before, after, late))
    return result
