"""Audit of what is fitted: model, calibration and choice of a fold do not change with the rows after its windows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper.gate.audit_stored import keys
from scalper.gate.found import Found
from scalper.gate.futures import perturb
from scalper.gate.subject import every
from scalper.labels import LABELLED
from scalper.lake import Lake, bar_keys
from scalper.lake.schema import FRONT_KEYS
from scalper.learn import fitting
from scalper.learn.folds import Fold
from scalper.learn.model import Model
from scalper.learn.norms import FEWEST
from scalper.learn.search import choose
from scalper.learn.session import Sessions
from scalper.market import from_ticks, sessions
from scalper.settings import Band, Lane, Range

TRAIN, CALIBRATE, SEARCH, TEST = FEWEST, 2, 2, 2
"""Sessions of the small fold; of fewer in training nothing would be usual."""
ROUNDS, TRIALS = 10, 4
CAPITAL = 100_000.0
CHOICE = "choice.json"
"""What the search window, and nothing else, decides."""
LOOK_BACK = timedelta(days=10)

Fit = Callable[[Lane, Lake, Fold, Path], None]
"""Fit a fold of a lane from a lake: everything that it learns is left in the folder."""


def refitted(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> None:
    """A fold as the lane learns it: model and calibration, then the search of the policy."""
    near = sessions(lane.symbol, min(fold.train) - LOOK_BACK, max((*fold.search, *fold.test)))
    fitting.fit(lane, lake, fold, folder)
    choose(lane, Sessions(lane, lake, near), fold, folder, folder / "trials.jsonl")


def small(fold: Fold, rows: Mapping[date, int]) -> Fold:
    """A few sessions of a fold's windows, as a fold, of those that have rows."""
    train, calibrate, search, test = (
        tuple(day for day in days if rows.get(day)) for days in (fold.train, fold.calibrate, fold.search, fold.test)
    )
    return Fold(1, train[-TRAIN:], calibrate[-CALIBRATE:], search[-SEARCH:], test[:TEST])


def fits(lake: Lake, lane: Lane, fold: Fold, rng: np.random.Generator, fit: Fit = refitted) -> Found:
    """Fit a small fold in a lake of its own, then again with other rows after its search window, and once more with
    other rows after its calibration window, where the model has to stay."""
    little = _eager(lane)
    with tempfile.TemporaryDirectory() as folder:
        own, out = Lake(Path(folder) / "lake"), Path(folder)
        days = [day for window in fold.windows().values() for day in window]
        rows = _copy(lake, lane, own, days)
        fit(little, own, fold, out / "as it was")
        for words, later in (("search", fold.test), ("calibration", (*fold.search, *fold.test))):
            _replace(own, lane, later, rng)
            fit(little, own, fold, out / words)
            if wrong := _changed(out / "as it was", out / words, later is not fold.test):
                return Found(0, f"{wrong} changes with the rows from {later[0]} on, after the {words} window")
        trades = sum(int(one["trades"]) for one in _read(out / "as it was" / CHOICE)["trials"])
    return Found(rows, counts={"sessions": len(days), "fits": 3, "trades in the search": trades})


def _eager(lane: Lane) -> Lane:
    """The lane with a small model and search, and a policy that trades on any forecast: a choice among recipes that
    never trade would not change with anything."""
    always = 0.05
    policy = {"confidence": always, "move_over_cost": -1e6, "bands": (Band(at=always, times=1.0),)}
    return lane.model_copy(
        update={
            "roll": "volume",
            "model": lane.model.model_copy(
                update={"rounds": ROUNDS, "threads": 1, "least_rows": 1, "least_calibration_rows": 1}
            ),
            "search": lane.search.model_copy(
                update={
                    "trials": TRIALS,
                    "confidence": Range(low=always, high=0.5, step=0.05),
                    "windows": 1,
                    "prune": False,
                    "sampler": "random" if lane.search.sampler == "grid" else lane.search.sampler,
                    "risk": None,
                    "model": {},
                }
            ),
            "policy": lane.policy.model_copy(update=policy),
            "risk": lane.risk.model_copy(update={"capital": CAPITAL}),
        }
    )


def _copy(lake: Lake, lane: Lane, own: Lake, days: Sequence[date]) -> int:
    """Bars, features and labels of these sessions into a lake of their own; how many rows that are."""
    rows = 0
    for day, one in every(lake, lane, days):
        for kind in ("features", "labels"):
            where = keys(lane, day)
            frame = lake.read(kind, where)
            if kind == "labels":  # cut at 0: where FLAT is what a small model foresees, it would not trade
                frame = frame.with_columns(
                    label=pl.when(pl.col("label") >= 0)
                    .then(pl.col("move_ticks").sign() + 1)
                    .otherwise(-1)
                    .cast(pl.Int8)
                )
            own.write(kind, where, frame, lake.metadata(kind, where))
            rows += frame.height if kind == "features" else 0
        if one is not None:
            frame = from_ticks(one.traded, lane.instrument.tick, one.contract, flow=True)
            own.write("bars", _bars(lane, day), frame, {FRONT_KEYS["v"]: one.contract})
    return rows


def _bars(lane: Lane, day: date) -> dict[str, str]:
    return bar_keys(lane.source_key, lane.symbol, lane.interval, day)


def _replace(own: Lake, lane: Lane, days: Sequence[date], rng: np.random.Generator) -> None:
    """Other bars, features and labels in these sessions, at the same stamps."""
    held = [(day, one) for day, one in every(own, lane.model_copy(update={"roll": "volume"}), days) if one is not None]
    for day, one in held:
        bars = from_ticks(perturb(one.traded, -1, "noise", rng), lane.instrument.tick, one.contract, flow=True)
        own.write("bars", _bars(lane, day), bars, {FRONT_KEYS["v"]: one.contract})
        where = keys(lane, day)
        features, labels = own.read("features", where), own.read("labels", where)
        noise = {name: _noise(features[name], rng) for name in features.columns if name != "ts_ns"}
        own.write("features", where, features.with_columns(**noise), own.metadata("features", where))
        known = labels["reason"].to_numpy() == LABELLED
        label = np.where(known, rng.integers(0, 3, labels.height), -1).astype(np.int8)
        move = np.where(known, rng.normal(0, 20, labels.height), np.nan).astype(np.float32)
        changed = labels.with_columns(label=pl.Series(label), move_ticks=pl.Series(move))
        own.write("labels", where, changed, own.metadata("labels", where))


def _noise(column: pl.Series, rng: np.random.Generator) -> pl.Series:
    """Numbers of another size, above 0 as a volatility is."""
    return pl.Series(rng.exponential(50.0, len(column)).astype(np.float32)).cast(column.dtype)


def _changed(first: Path, second: Path, model_only: bool) -> str | None:
    """The first thing fitted that differs between two folders; of records all but the time it took."""
    one, other = Model.load(first / "model.onnx"), Model.load(second / "model.onnx")
    papers = [name for name in one.metadata if one.metadata[name] != other.metadata[name]]
    if one.content != other.content:
        return f"{', '.join(papers) or 'what the trees say'} of the model"
    for path in sorted(first.glob("*.json")):
        if model_only and path.name == CHOICE:
            continue
        before, after = _read(path), _read(second / path.name)
        if wrong := [key for key in before if before[key] != after.get(key) and key != "seconds"]:
            return f"{', '.join(wrong)} of {path.name}"
    return None


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
