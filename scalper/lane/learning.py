"""Folds, models and search: what each fold learns from windows that end before its test."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import polars as pl

from scalper import clock
from scalper.lake import Lake
from scalper.lane.stage import Progress, StageReport, bar, calendar, ledger_path, models_root
from scalper.learn import fitting
from scalper.learn.folds import Fold, Folds, walk_forward
from scalper.learn.norms import Norms
from scalper.learn.session import Sessions
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
    root, norms, records = models_root(lane, home), Norms(lane, lake), list[dict[str, Any]]()

    def fit(fold: Fold) -> dict[str, Any]:
        return fitting.fit(lane, lake, fold, root / fold.name, norms)

    with bar(f"{lane.name}: models", progress) as advance, ThreadPoolExecutor(lane.model.threads) as pool:
        for record in pool.map(fit, chosen):
            records.append(record)
            advance(len(records), len(chosen))
    columns = ("fold", "rows", "best_round", "parity", "seconds")
    table = pl.DataFrame([{key: one[key] for key in columns} for one in records])
    skipped = sum(bool(one["skipped"]) for one in records)
    rows = sum(int(one["rows"]) for one in records)
    losses = [min(one["curves"]["tail"], default=float("nan")) for one in records]
    picture = columns_svg("best log-loss of the early-stopping tail", [one["fold"] for one in records], losses)
    seconds = clock.monotonic() - started
    return StageReport("models", rows, len(records) - skipped, skipped, seconds, {}, table, picture)


def search(
    lane: Lane, home: Home, names: Sequence[str] | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Search each fold's choice, the numbers that its trades depend on, on its own search window."""
    started = clock.monotonic()
    lake, chosen = Lake(home.lake), _named(folds(lane, home), names)
    sessions = Sessions(lane, lake, calendar(lane))
    records: list[dict[str, Any]] = []
    trials = 0
    with bar(f"{lane.name}: search", progress) as advance:
        for index, fold in enumerate(chosen, 1):
            folder = models_root(lane, home) / fold.name
            found = fitting.choose(lane, sessions, fold, folder, ledger_path(lane, home))
            records.append({"fold": fold.name, "score": found["score"], **found["choice"], "skipped": found["skipped"]})
            trials += 0 if found["skipped"] else len(found["trials"])
            advance(index, len(chosen))
    skipped = sum(bool(one["skipped"]) for one in records)
    detail = {"trials": trials, "ledger": str(ledger_path(lane, home))}
    seconds, table = clock.monotonic() - started, pl.DataFrame(records)
    names = [one["fold"] for one in records]
    picture = columns_svg("score of what was chosen, on its search window", names, [one["score"] for one in records])
    return StageReport("search", trials, len(records) - skipped, skipped, seconds, detail, table, picture)
