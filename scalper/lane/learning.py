"""Folds and models: what each fold learns from windows that end before its test."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import polars as pl

from scalper import clock, log
from scalper.errors import BadInput, Refused
from scalper.lake import Lake
from scalper.lane.stage import Progress, StageReport, bar, models_root
from scalper.learn import fitting
from scalper.learn.digests import read_json
from scalper.learn.folds import Fold, Folds, walk_forward
from scalper.settings import Home, Lane
from scalper.simulate.sketch import columns_svg


def learnable(lane: Lane, home: Home) -> list[date]:
    """The sessions that have features and labels."""
    lake, keys = Lake(home.lake), {"lane": lane.name}
    return sorted(set(lake.dates("features", keys)) & set(lake.dates("labels", keys)))


def folds(lane: Lane, home: Home) -> Folds:
    """The walk-forward folds over the sessions that can be learned from."""
    return walk_forward(learnable(lane, home), lane.folds)


def _named(found: Folds, names: Sequence[str] | None) -> list[Fold]:
    """The folds of these names that exist; a fold that fell away for missing sessions is left out."""
    return [fold for fold in found.all() if names is None or fold.name in names]


def models(
    lane: Lane, home: Home, names: Sequence[str] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Train, calibrate and export one model a fold; every export is compared with XGBoost."""
    started = clock.monotonic()
    lake, chosen = Lake(home.lake), _named(folds(lane, home), names)
    root, stock, records = models_root(lane, home), fitting.Stock.of(lane, lake), list[dict[str, Any]]()

    def fit(fold: Fold) -> dict[str, Any]:
        try:
            return fitting.fit(lane, lake, fold, root / fold.name, stock)
        except (BadInput, Refused) as error:
            if not fold.number:
                raise  # the gate judges the final recipe: without it there is nothing to judge
            log.warn(f"lane {lane.name}: {fold.name} has no model and will trade nothing: {error}")
            return read_json(root / fold.name / "model.json") | {"skipped": False}

    with bar(f"{lane.name}: models", progress) as advance, ThreadPoolExecutor(lane.model.threads) as pool:
        for record in pool.map(fit, chosen):
            records.append(record)
            advance(len(records), len(chosen))
    columns = ("fold", "outcome", "rows", "best_round", "parity", "seconds")
    table = pl.DataFrame([{key: one.get(key) for key in columns} for one in records], infer_schema_length=None)
    skipped = sum(bool(one["skipped"]) for one in records)
    rows = sum(int(one["rows"]) for one in records)
    losses = [min(one["curves"].get("tail", ()), default=float("nan")) for one in records]
    picture = columns_svg("best log-loss of the early-stopping tail", [one["fold"] for one in records], losses)
    seconds = clock.monotonic() - started
    without = [one["fold"] for one in records if not str(one["outcome"]).startswith(fitting.TRAINED)]
    detail = {"without a model": without} if without else {}
    return StageReport("models", rows, len(records) - skipped, skipped, seconds, detail, table, picture)
