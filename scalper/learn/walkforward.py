"""The walk: the test sessions of each fold, traded by what was learned from windows that end before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper.learn.digests import chosen_folder, read_choice, read_json
from scalper.learn.fitting import recipe, refused
from scalper.learn.folds import Fold
from scalper.learn.recipe import Recipe, flat_input, session_input
from scalper.learn.session import Prepared, Sessions, labels_of
from scalper.settings import Lane
from scalper.simulate import SessionInput, Simulation, simulate
from scalper.simulate.metrics import sharpe


@dataclass(frozen=True, slots=True)
class WalkPath:
    """Sessions as a chain of recipes trades them: simulation inputs and the labelled rows with their probabilities."""

    inputs: list[SessionInput]
    scored: pl.DataFrame


SCORED = pl.Schema(
    {
        "session": pl.Date,
        "fold": pl.Int32,
        "ts_ns": pl.Int64,
        "label": pl.Int8,
        "down": pl.Float64,
        "flat": pl.Float64,
        "up": pl.Float64,
        "prior_down": pl.Float64,
        "prior_flat": pl.Float64,
        "prior_up": pl.Float64,
        "threshold": pl.Float64,
    }
)
"""Columns of the labelled rows that were predicted out of sample."""


def walk(lane: Lane, sessions: Sessions, root: Path, stretches: Sequence[tuple[Fold, Sequence[date]]]) -> WalkPath:
    """Predict the sessions of each stretch with its fold's recipe, which lies in a folder of `root`.

    A fold whose windows gave no model trades nothing. Raises Refused when a recipe was not made from its fold's windows
    as they are now.
    """
    inputs: list[SessionInput] = []
    scored: list[pl.DataFrame] = [pl.DataFrame(schema=SCORED)]
    for fold, days in stretches:
        number, folder = fold.number, root / fold.name
        if refused(lane, sessions.lake, fold, folder):
            inputs += [flat_input(lane, sessions.session(day), number) for day in days]
            continue
        path = follow(sessions, recipe(lane, sessions.lake, fold, folder), days, number)
        inputs += path.inputs
        scored.append(path.scored)
    return WalkPath(inputs, pl.concat(scored))


def follow(sessions: Sessions, used: Recipe, days: Sequence[date], number: int = 0) -> WalkPath:
    """Predict sessions with one recipe; `number` is that of its fold."""
    inputs: list[SessionInput] = []
    scored: list[pl.DataFrame] = [pl.DataFrame(schema=SCORED)]
    for day in days:
        ready = sessions.find(day)
        if ready is None:
            inputs.append(flat_input(used.lane, sessions.session(day), number))
            continue
        one = session_input(used, ready, number)
        inputs.append(one)
        scored.append(_scored(used.lane, ready, one, used.model.papers.priors))
    return WalkPath(inputs, pl.concat(scored))


def _scored(lane: Lane, ready: Prepared, one: SessionInput, prior: Sequence[float]) -> pl.DataFrame:
    asked = one.predictions["valid"] != 0
    label = labels_of(lane, ready.bars, ready.timetable, ready.block.volatility, asked)["label"]
    label, rows = label[label >= 0], np.flatnonzero(asked)[label >= 0]
    q, n = one.predictions[rows], rows.size
    assert one.choice is not None
    return pl.DataFrame(
        {
            "session": [one.date] * n,
            "fold": np.full(n, one.fold, np.int32),
            "ts_ns": one.bars["ts_ns"][rows],
            "label": label,
            "down": q["down"],
            "flat": q["flat"],
            "up": q["up"],
            "prior_down": np.full(n, prior[0]),
            "prior_flat": np.full(n, prior[1]),
            "prior_up": np.full(n, prior[2]),
            "threshold": np.full(n, one.choice.confidence),
        },
        schema=SCORED,
    )


def stress(lane: Lane, sessions: Sessions, path: WalkPath, base: Simulation) -> dict[str, float]:
    """Net of the path with costs doubled, a tick more slippage, and a bar more latency; each alone.

    Double costs is the worse of two: a policy that knows of double commissions, and the very trades of `base` with
    commission and slippage paid twice.
    """
    paid = base.trades().select(pl.col("commission") + pl.col("slippage")).sum().item()

    def variant(**changes: object) -> Lane:
        return lane.model_copy(update={"simulation": lane.simulation.model_copy(update=changes)})

    dearer = variant(cost_multiple=2 * lane.simulation.cost_multiple)
    slower = variant(latency_bars=lane.simulation.latency_bars + 1)
    late = [replace(one, timetable=slower.timetable(sessions.session(one.date))) for one in path.inputs]
    return {
        "costs": min(simulate(dearer, path.inputs).net, base.net - paid),
        "slippage": simulate(lane, path.inputs, extra_slippage=1).net,
        "latency": simulate(slower, late).net,
    }


def fold_table(folds: Sequence[Fold], result: Simulation, root: Path, scored: pl.DataFrame) -> pl.DataFrame:
    """A row a fold: its windows, what was chosen, and what its test sessions gave."""
    rows: list[dict[str, Any]] = []
    daily, capital = result.daily(), result.lane.capital
    for fold in folds:
        mine = daily.filter(pl.col("fold") == fold.number)
        choice = read_choice(root / fold.name)
        model = read_json(chosen_folder(root / fold.name) / "model.json")
        outcomes = [str(one["outcome"]) for one in (model, choice) if one.get("outcome")]
        seen = scored.filter(pl.col("fold") == fold.number)
        right = pl.concat_list("down", "flat", "up").list.get(pl.col("label").cast(pl.Int64))
        loss = seen.select((-right.clip(1e-15).log()).mean()).item() if seen.height else None
        rows.append(
            {
                "fold": fold.number,
                "train_from": fold.train[0],
                "train_to": fold.train[-1],
                "test_from": fold.test[0],
                "test_to": fold.test[-1],
                "trades": int(mine["trades"].sum()),
                "net": float(mine["net"].sum()),
                "sharpe": float(sharpe(mine["net"].to_numpy() / capital)),
                **dict.fromkeys(("confidence", "stop_atr", "reward_to_risk")),
                **choice.get("choice", {}),
                "model": json.dumps(choice.get("model") or {}),
                "best_round": model.get("best_round"),
                "logloss": loss,
                "outcome": "; ".join(outcomes),
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None)
