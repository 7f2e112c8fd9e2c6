"""A made-up report with all that a real one has, for the tests of the report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from scalper.simulate.metrics import Metrics, summarise
from scalper.simulate.montecarlo import drawn
from scalper.simulate.report_data import ReportData, conditions
from tests.policy.support import lane

CAPITAL = 1000.0
MINUTE = 60_000_000_000
NO_EQUITY = pl.DataFrame(schema={"ts_ns": pl.Int64, "equity": pl.Float64})


def opening(day: date) -> int:
    """UTC nanoseconds of 14:30 UTC that day."""
    return int(datetime.combine(day, time(14, 30), UTC).timestamp()) * 10**9


def bars(day: date, random: np.random.Generator) -> pl.DataFrame:
    """390 one-minute bars of a random walk on the quarter."""
    close = 6800 + np.round(np.cumsum(random.normal(0, 0.9, 390)) * 4) / 4
    first = np.concatenate([[6800.0], close[:-1]])
    high = np.maximum(first, close) + np.round(random.exponential(0.6, 390) * 4) / 4
    low = np.minimum(first, close) - np.round(random.exponential(0.6, 390) * 4) / 4
    stamps = opening(day) + np.arange(390) * MINUTE
    return pl.DataFrame({"ts_ns": stamps, "open": first, "high": high, "low": low, "close": close})


def trade(
    day: date, fold: int, minute: int, tape: pl.DataFrame, random: np.random.Generator, edge: float
) -> dict[str, Any]:
    """One trade that enters at a bar of the tape and ends within a quarter of an hour."""
    side = 1 if random.random() < 0.5 else -1
    entry = float(tape["open"][minute])
    won = random.random() < edge
    reason = "target" if won else str(random.choice(["stop", "stop", "time", "signal"]))
    exit_ = entry + side * {"target": 6.0, "stop": -3.0}.get(reason, float(np.round(random.normal(-1.0, 2.0) * 4) / 4))
    slippage = 1.25 if won else 2.5
    gross = (exit_ - entry) * side * 5
    return {
        "session": day,
        "fold": fold,
        "entry_ns": int(tape["ts_ns"][minute]),
        "exit_ns": int(tape["ts_ns"][minute]) + int(random.integers(2, 15)) * MINUTE,
        "side": "long" if side > 0 else "short",
        "contracts": 1,
        "entry": entry,
        "exit": exit_,
        "first_stop": entry - side * 3.0,
        "stop": entry - side * (3.0 if reason == "stop" else 1.5),
        "target": entry + side * 6.0,
        "gross": gross,
        "commission": 0.84,
        "slippage": slippage,
        "net": gross - 0.84 - slippage,
        "reason": reason,
        "confidence": float(np.clip(random.normal(0.76, 0.07), 0.61, 0.97)),
        "mae": -8.0,
        "mfe": 12.0,
        "bars": 7,
        "exits": 1,
    }


def simulation(sessions: int, edge: float, seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(daily, trades, equity, bars of the last session) of a made-up path, ten sessions a fold."""
    random = np.random.default_rng(seed)
    days = [day for n in range(sessions * 2) if (day := date(2025, 11, 3) + timedelta(days=n)).weekday() < 5][:sessions]
    tape = bars(days[0], random)
    found: list[dict[str, Any]] = []
    for number, day in enumerate(days):
        tape = bars(day, random)
        for minute in sorted(random.choice(360, random.integers(0, 10), replace=False).tolist()):
            found.append(trade(day, number // 10, minute, tape, random, edge))
    trades = pl.DataFrame(found)
    totals = trades.group_by("session").agg(net=pl.col("net").sum(), trades=pl.len().cast(pl.Int64))
    daily = (
        pl.DataFrame({"session": days, "fold": [n // 10 for n in range(sessions)]}, schema_overrides={"fold": pl.Int32})
        .join(totals, on="session", how="left", maintain_order="left")
        .with_columns(pl.col("net").fill_null(0.0), pl.col("trades").fill_null(0))
        .with_columns(cash=CAPITAL + pl.col("net").cum_sum())
    )
    equity = trades.select(ts_ns=pl.col("exit_ns"), equity=CAPITAL + pl.col("net").cum_sum()).sort("ts_ns")
    return daily, trades, equity, tape


def checks(metrics: Metrics, passed: bool) -> list[dict[str, Any]]:
    """A handful of checks as the gate writes them."""
    status = "PASS" if passed else "FAIL"
    return [
        {
            "id": "wf.sharpe",
            "stage": "PAPER",
            "value": metrics.sharpe,
            "threshold": "> 1",
            "status": status,
            "detail": "bootstrap of sessions, 2,000 draws",
            "protects": "Paying for noise: a curve that a coin could have drawn.",
        },
        {
            "id": "wf.profit_factor",
            "stage": "PAPER",
            "value": metrics.profit_factor,
            "threshold": "≥ 1.2",
            "status": status,
            "detail": "",
            "protects": "An edge so thin that the next change of fees eats it.",
        },
        {
            "id": "stress",
            "stage": "PAPER",
            "value": {"2× costs": 310.2, "+1 tick": 244.0, "+1 bar": -12.5},
            "threshold": "each > 0",
            "status": status,
            "detail": "net of the whole path under each",
            "protects": "Fills that only happen in a simulation.",
        },
        {
            "id": "parity",
            "stage": "PAPER",
            "value": 1.2e-7,
            "threshold": 1e-6,
            "status": "PASS",
            "detail": "ONNX against XGBoost; batch, stream and replay: 0 differences",
            "protects": "A live model that is not the tested one.",
        },
        {
            "id": "eod",
            "stage": "PAPER",
            "value": "100 %",
            "threshold": "100 %",
            "status": "PASS",
            "detail": "",
            "protects": "A position that stays overnight.",
        },
        {
            "id": "holdout",
            "stage": "PAPER",
            "value": 212.4 if passed else None,
            "threshold": "> 0",
            "status": status,
            "detail": "60 sessions, opened once",
            "protects": "A recipe that was tuned until it fitted.",
        },
    ]


def report(verdict: str | None = "GO", edge: float = 0.47, **changes: Any) -> ReportData:
    """A whole report on made-up figures."""
    return replace(_report(verdict, edge), **changes)


@cache
def _report(verdict: str | None, edge: float) -> ReportData:
    daily, trades, equity, tape = simulation(120, edge, seed=4)
    held_daily, held_trades, held_equity, _ = simulation(60, edge, seed=5)
    metrics = summarise(daily, trades, equity, CAPITAL)
    folds = (
        daily.group_by("fold", maintain_order=True)
        .agg(
            test_from=pl.col("session").min(),
            test_to=pl.col("session").max(),
            trades=pl.col("trades").sum(),
            net=pl.col("net").sum(),
            sharpe=pl.col("net").mean() / pl.col("net").std() * 252**0.5,
        )
        .with_columns(confidence=pl.lit(0.7), stop_atr=pl.lit(1.5), reward_to_risk=pl.lit(2.0))
    )
    go = verdict == "GO"
    return ReportData(
        lane="demo",
        title="Simulated MES, one-minute bars",
        verdict=verdict,  # pyright: ignore[reportArgumentType]
        stage="PAPER",
        simulated=True,
        source="sandbox-7-1",
        mode="realistic",
        reasons=[
            "Out of sample it earned more than its costs, and the 5 % bound of its Sharpe ratio is above zero."
            if go
            else "Out of sample the lane lost what it paid in costs: its profit factor is below 1.2.",
            "The hold-out of 60 sessions, opened once, agrees with the walk-forward.",
            "Net stays positive with doubled costs, with one more tick of slippage and with one more bar of latency.",
        ],
        checks=checks(metrics, go),
        metrics=metrics,
        sharpe_bound=1.31,
        daily=daily,
        trades=trades,
        equity=equity,
        folds=folds,
        refusals=pl.DataFrame(
            {
                "gate": ["flat", "confidence", "in_position", "expected_move", "cooldown", "trailing", "end_of_day"],
                "count": [31_000, 4210, 2210, 812, 388, 207, 31],
            }
        ),
        changed=pl.DataFrame(
            {"factor": ["size_confidence", "size_tier", "size_risk", "size_market"], "count": [112, 0, 41, 7]}
        ),
        limits=pl.DataFrame(
            {
                "session": [daily["session"][3], daily["session"][40]],
                "gate": ["day_loss", "review"],
                "limit": [50.0, 200.0],
                "value": [50.4, 201.0],
                "final": [52.9, 199.0],
                "excess": [2.9, 0.0],
            }
        ),
        monte_carlo=drawn(lane(), daily, trades, equity, draws=200),
        conditions=conditions(lane()),
        example=tape,
        holdout=summarise(held_daily, held_trades, held_equity, CAPITAL),
        notes=[
            "The market is simulated with a planted edge: it shows that the machine works, not that a strategy earns."
        ],
        digests={
            "data": "sha256:9b2f…c41d",
            "features": "kernel 1, sha256:77aa…01b3",
            "model": "sha256:1c9e…aa20",
            "trials": "312 tried",
        },
    )
