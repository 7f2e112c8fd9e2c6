"""Hand-made evidence that passes every check, a small simulated market in a lake, and a recipe trained on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper import features
from scalper.gate.case import Measured
from scalper.gate.evidence import Evidence
from scalper.lake import Lake, bar_keys
from scalper.learn import Dataset, Feed, Fold, Folds, Model, train
from scalper.learn.digests import kernel_version, recipe_digest
from scalper.learn.recipe import Recipe
from scalper.learn.session import labels_of, prepare
from scalper.market import from_ticks, sessions
from scalper.policy import Choice
from scalper.sandbox import SimulatedMarket
from scalper.settings import Lane
from scalper.simulate import Simulation
from scalper.simulate.breaches import limits

MINUTE = 60_000_000_000
FOLDS, LENGTH, HOLDOUT, TRADES, ROWS = 12, 10, 60, 11, 100
DAYS = [
    one.date
    for one in sessions("MES", date(2025, 1, 13), date(2025, 12, 12))
    if one.regular_close_ns - one.regular_open_ns > 180 * MINUTE  # not Good Friday
]
PATH, AFTER = DAYS[: FOLDS * LENGTH], DAYS[FOLDS * LENGTH + 1 : FOLDS * LENGTH + 1 + HOLDOUT]


def make_lane(**changes: Any) -> Lane:
    document: dict[str, Any] = {
        "name": "tiny",
        "symbol": "MES",
        "source": "sandbox",
        "interval": "1m",
        "start": date(2025, 1, 2),
        "sandbox": {"seed": 3, "edge": 1.0},
        "features": {"ema": (9, 21), "volatility": (10, 30, 60), "higher": ("5m",), "macd": (6, 13, 5)},
        "labels": {"horizon": 10},
        "gate": {"bootstrap": 300},
        "model": {"rounds": 4, "threads": 1, "min_child_weight": 1.0, "least_rows": 1, "least_calibration_rows": 1},
    }
    return Lane(**document | changes)


def make_trades(days: list[date], fold_of: Any, rng: np.random.Generator) -> pl.DataFrame:
    """Eleven trades a session, a little more won than lost."""
    rows: list[dict[str, Any]] = []
    for index, day in enumerate(days):
        opens = sessions("MES", day, day)[0].regular_open_ns
        for k in range(TRADES):
            net = float(np.round(rng.choice([4.0, -3.0], p=[0.56, 0.44]) + rng.normal(0, 0.3), 2))
            side, entry = ("long", 5000.0) if k % 2 else ("short", 5000.0)
            sign = 1 if side == "long" else -1
            rows.append(
                {
                    "session": day,
                    "fold": fold_of(index),
                    "entry_ns": opens + 12 * k * MINUTE,
                    "exit_ns": opens + (12 * k + 9) * MINUTE,
                    "side": side,
                    "contracts": 1,
                    "entry": entry,
                    "exit": entry + sign * net / 5,
                    "first_stop": entry - sign * 2,
                    "stop": entry - sign * 2,
                    "target": entry + sign * 4,
                    "gross": net + 2.5 + 0.84,
                    "commission": 0.84,
                    "slippage": 2.5,
                    "net": net,
                    "reason": "time",
                    "confidence": 0.72,
                    "mae": -3.0,
                    "mfe": 4.0,
                    "bars": 9,
                }
            )
    return pl.DataFrame(rows).with_columns(pl.col("fold").cast(pl.Int32))


def make_daily(trades: pl.DataFrame, capital: float = 1000.0) -> pl.DataFrame:
    table = trades.group_by("session", maintain_order=True).agg(
        fold=pl.col("fold").first(), net=pl.col("net").sum(), trades=pl.len().cast(pl.Int64)
    )
    return table.with_columns(cash=capital + pl.col("net").cum_sum()).select("session", "fold", "net", "cash", "trades")


def make_scored(days: list[date], rng: np.random.Generator) -> pl.DataFrame:
    """Probabilities that are what they say: each label is drawn from its own."""
    n = len(days) * ROWS
    side = rng.choice([0, 2], n)
    top = rng.choice([0.45, 0.72, 0.85], n, p=[0.6, 0.25, 0.15])
    prob = np.empty((n, 3))
    prob[:, 1] = (1 - top) * 0.6
    prob[np.arange(n), side] = top
    prob[np.arange(n), 2 - side] = (1 - top) * 0.4
    label = (rng.random(n)[:, None] > np.cumsum(prob, axis=1)).sum(axis=1).clip(0, 2)
    index = np.repeat(np.arange(len(days)), ROWS)
    return pl.DataFrame(
        {
            "session": [days[i] for i in index],
            "fold": (index // LENGTH + 1).astype(np.int32),
            "ts_ns": np.arange(n) * MINUTE,
            "label": label.astype(np.int8),
            **{name: prob[:, k] for k, name in enumerate(("down", "flat", "up"))},
            **{f"prior_{name}": np.full(n, share) for name, share in (("down", 0.35), ("flat", 0.3), ("up", 0.35))},
            "threshold": np.full(n, 0.7),
        }
    )


def make_evidence(lane: Lane) -> Evidence:
    rng = np.random.default_rng(5)
    trades = make_trades(PATH, lambda index: index // LENGTH + 1, rng)
    after = make_trades(AFTER, lambda _: 0, rng)
    daily = make_daily(trades)
    folds = daily.group_by("fold", maintain_order=True).agg(
        test_from=pl.col("session").min(),
        test_to=pl.col("session").max(),
        trades=pl.col("trades").sum(),
        net=pl.col("net").sum(),
    )
    equity = trades.select(ts_ns=pl.col("exit_ns"), equity=1000.0 + pl.col("net").cum_sum())
    return Evidence(
        lane=lane,
        folds=folds,
        daily=daily,
        trades=trades,
        equity=equity,
        refusals=pl.DataFrame({"gate": ["flat"], "count": [3]}),
        changed=pl.DataFrame({"factor": ["size_risk"], "count": [1]}),
        limits=limits(Simulation(lane, [])),
        scored=make_scored(PATH, rng),
        holdout_daily=make_daily(after),
        holdout_trades=after,
        holdout={
            "opened_at": "2026-01-02T00:00:00Z",
            "recipe": recipe_digest(lane),
            "sessions": HOLDOUT,
            "refused": None,
        },
        stress={"costs": 110.0, "slippage": 80.0, "latency": 60.0},
        quality={"sessions": 200, "quarantined": {"2025-02-17": ["thin"]}, "coverage": 0.998, "used_quarantined": 0},
        account={"review": 0, "kill": 0, "firm": 0, "blocked": 0, "late": 0, "sessions": len(PATH) + HOLDOUT},
        parity={
            "onnx": 3e-7,
            "replay": {"session": "2025-09-30", "bars": 1380, "decisions": 1380, "trades": 6, "differences": 0},
        },
        digests={"data": "d" * 64, "features": "1-f", "code": "c" * 64, "trials": "t" * 64}
        | {"config": lane.digest(), "recipe": recipe_digest(lane)},
    )


def make_measured() -> Measured:
    return Measured(
        stream={"sessions": 3, "rows": 4140, "cells": 500_000, "restarts": 9, "differences": 0, "first": None},
        latency={"rows": 2000, "p50_ms": 0.03, "p99_ms": 0.09, "worst_ms": 0.4},
        audit=({"id": "audit.labels", "passed": True, "detail": "fine", "coverage": 1.0, "rows": 4140, "of": 4140},),
    )


def make_lake(root: Path, lane: Lane, days: list[date]) -> Lake:
    """The simulated market's bars of these days, as one-minute bars in a lake."""
    market = SimulatedMarket(seed=3, edge=1.0, start=days[0], end=days[-1])
    lake = Lake(root)
    for one in sessions("MES", days[0], days[-1]):
        contract = market.front(one, lane.roll)
        frame = from_ticks(market.bars(contract, one, lane.interval_ns), lane.instrument.tick, contract)
        lake.write("bars", bar_keys(lane.source_key, lane.symbol, lane.interval, one.date), frame)
    return lake


def make_recipe(lake: Lake, lane: Lane, days: list[date], papers: dict[str, Any] | None = None) -> Recipe:
    """A small model that learned from these sessions; `papers` change what it says of itself."""
    every = sessions(lane.symbol, days[0], days[-1])
    names = tuple(one.name for one in features.catalogue(lane.features, lane.interval_ns))
    parts: dict[str, list[np.ndarray]] = {key: [] for key in ("x", "volatility", "ts", "session", "labels")}
    for index, one in enumerate(every):
        ready = prepare(lake, lane, one, None)
        rows = ready.rows
        for key, column in zip(parts, (ready.block.x, ready.block.volatility, ready.bars["ts_ns"]), strict=False):
            parts[key].append(column[rows])
        parts["session"].append(np.full(int(rows.sum()), index, np.int32))
        parts["labels"].append(labels_of(lane, ready.bars, ready.timetable, ready.block.volatility, rows))
    joined = {key: np.concatenate(value) for key, value in parts.items()}
    data = Dataset(
        joined["x"],
        *(joined["labels"][name] for name in ("label", "reason", "move_ticks", "weight")),
        joined["volatility"].astype(np.float32),
        joined["ts"],
        joined["labels"]["end_ns"],
        joined["session"],
        tuple(one.date for one in every),
        names,
    )
    known: dict[str, Any] = {"lane": lane.name, "window": (days[0], days[-1]), "data_digest": "d" * 64}
    known |= {"kernel_version": kernel_version()} | (papers or {})
    feed = Feed.of(data)
    trained = train(feed.between(data.dates[:-1]), feed.between(data.dates[-1:]), lane.model, **known)
    return Recipe(lane, Model(trained.onnx), Choice(0.7, 1.5, 2.0))


def make_folds() -> Folds:
    """Twelve folds whose tests are the path, in order of time."""
    before = [one.date for one in sessions("MES", date(2024, 10, 1), date(2025, 1, 12))]
    every = before + PATH
    folds: list[Fold] = []
    for number in range(1, FOLDS + 1):
        start = len(before) + (number - 1) * LENGTH
        past = every[start - 40 : start]
        folds.append(
            Fold(number, tuple(past[:25]), tuple(past[26:30]), tuple(past[31:39]), tuple(every[start : start + LENGTH]))
        )
    last = every[-40:]
    return Folds(tuple(folds), Fold(0, tuple(last[:25]), tuple(last[26:30]), tuple(last[31:]), ()), tuple(AFTER))
