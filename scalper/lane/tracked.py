"""A lane run in MLflow: the run with its folds, and its final model in the registry with what it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scalper import log
from scalper.errors import TrackingFailed
from scalper.gate.evidence import Evidence
from scalper.gate.verdict import Verdict
from scalper.lake import Lake
from scalper.lane.learning import folds
from scalper.lane.stage import evidence_folder, ledger_path, models_root
from scalper.learn import fitting, ledger, tracking
from scalper.learn.dataset import load
from scalper.learn.digests import read_choice, read_json
from scalper.learn.tracking import Entry, flat
from scalper.learn.tracking.pictures import confusion, importance, importance_pictures
from scalper.settings import Home, Lane


@dataclass(frozen=True, slots=True)
class Tracked:
    """Where a lane run is found in MLflow; or the problem, if it could not be recorded."""

    run: str | None = None
    version: int | None = None
    problem: str | None = None


def track(lane: Lane, home: Home, verdict: Verdict, *, origin: Mapping[str, str] | None = None) -> Tracked:
    """Log the finished lane run and register its final model; a GO makes that the candidate, a NO-GO is no candidate.

    origin: tags of what ran the lane, such as an orchestrator's run. The same bundle is logged once, the same model
    registered once. The verdict and its bundle are on the disk before this: when MLflow cannot record, that is said and
    returned, and the verdict stands; nothing can be promoted then, and the same command again makes good for it.
    """
    entry, nested, tags = _entries(lane, home, verdict, origin or {})
    model = (_place(lane, models_root(lane, home) / "final") / fitting.MODEL).read_bytes()
    key = None if verdict.bundle is None else verdict.bundle.name
    example = _example(lane, home)
    try:
        run = tracking.log_run(home, lane.name, entry, nested, key=key)
        version = tracking.register(home, lane.name, model, tags, run, example=example, description=entry.description)
        if verdict.go:
            tracking.set_candidate(home, lane.name, version)
        else:
            tracking.withdraw(home, lane.name, version)
    except TrackingFailed as error:
        log.warn(f"{error} (the verdict stands; its run and model are not in MLflow)")
        return Tracked(problem=str(error))
    return Tracked(run, version)


def _entries(
    lane: Lane, home: Home, verdict: Verdict, origin: Mapping[str, str]
) -> tuple[Entry, list[Entry], dict[str, str]]:
    """The lane run's entry, an entry a fold, and the tags of its model."""
    evidence = Evidence.load(evidence_folder(lane, home), lane)
    root = models_root(lane, home)
    tried, tags = _tried(lane, home, root)
    tags |= {"verdict": verdict.verdict, "stage": verdict.stage, "recipe": evidence.digests["recipe"]}
    tags |= {"source": lane.source_key, "bundle": verdict.bundle.name if verdict.bundle else "", **origin}
    record = read_json(_place(lane, root / "final") / "model.json")
    choice = read_choice(root / "final")
    entry = Entry(
        name=f"{verdict.verdict} to {evidence.folds['test_to'].max()}",
        description=_words(lane, verdict, evidence),
        params=flat(lane.model_dump(mode="json", by_alias=True))
        | flat({"chosen": choice.get("choice", {}) | (choice.get("model") or {})}),
        metrics=_numbers(flat({one.id: one.value for one in verdict.checks})),
        curves=_curves(record),
        tags=tags | {f"digest.{name}": evidence.digests[name] for name in ("data", "features", "code", "config")},
        files=confusion(evidence.scored) | importance_pictures(_importance(record)) | _pages(lane, home, verdict),
        tables={"folds": evidence.folds.to_dicts(), "trials": tried, **_table(record)},
    )
    return entry, [_fold(lane, row, evidence.scored, root) for row in evidence.folds.iter_rows(named=True)], tags


def _fold(lane: Lane, row: Mapping[str, Any], scored: pl.DataFrame, root: Path) -> Entry:
    """A fold's entry: its windows and choice, what its test gave, its training's curves."""
    name = f"fold_{row['fold']:02d}"
    record = read_json(_place(lane, root / name) / "model.json")
    numbers = _numbers(record) | _numbers({key: one for key, one in row.items() if key != "fold"})
    return Entry(
        name=name,
        description=f"Tested on {row['test_from']} to {row['test_to']}.",
        params={key: one for key, one in row.items() if key not in numbers}
        | {key: one for key, one in record.items() if isinstance(one, str) and key != "fold"},
        metrics=numbers,
        curves=_curves(record),
        files=confusion(scored.filter(pl.col("fold") == row["fold"])) | importance_pictures(_importance(record)),
        tables=_table(record),
    )


def _place(lane: Lane, folder: Path) -> Path:
    """Where the model lies that a fold's choice trades with: the fold's own, or one of other parameters below it."""
    return fitting.variant(lane, folder, read_choice(folder).get("model") or {})[1]


def _tried(lane: Lane, home: Home, root: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The trials that made the models' present choices, without what each session gave; and where they stand.

    trials: the first and the last of their lines in the ledger; trials_head: the hash of its last line now.
    """
    path = ledger_path(lane, home)
    inputs = {read_choice(root / fold.name).get("study") for fold in folds(lane, home).all()} - {None}
    every = enumerate(ledger.read(path), 1)
    mine = {line: one for line, one in every if one.get("lane") == lane.name and one.get("input") in inputs}
    first, left = ("fold", "score", "trades", "net"), ("sessions", "daily", "lane", "input", "data")
    rows = [
        {"line": line, **{key: one.get(key) for key in first}, **{key: one[key] for key in one if key not in left}}
        for line, one in mine.items()
    ]
    if not mine:
        return rows, {}
    lines = f"{min(mine)} to {max(mine)} of {path.name}"
    return rows, {"trials": lines, "trials_count": str(len(mine)), "trials_head": ledger.verify(path).head}


def _pages(lane: Lane, home: Home, verdict: Verdict) -> dict[str, bytes]:
    """The verdict's report and the search's page, where they are."""
    pages = {"search.html": home.state / "search" / lane.name / "index.html"}
    pages |= {"report.html": verdict.bundle / "report.html"} if verdict.bundle is not None else {}
    return {name: path.read_bytes() for name, path in pages.items() if path.is_file()}


def _example(lane: Lane, home: Home) -> dict[str, float] | None:
    """A row that the final recipe was searched on, by name of feature."""
    lake = Lake(home.lake)
    for day in folds(lane, home).final.search:
        rows = load(lake, lane.name, [day])
        if len(rows.x):
            return dict(zip(rows.names, map(float, rows.x[-1]), strict=True))
    return None


def _curves(record: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """The log-loss a round of each window."""
    return {f"logloss_{name}": values for name, values in record.get("curves", {}).items()}


def _importance(record: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Importance by kind and feature, where the estimator tells it."""
    return {kind: values for kind, values in record.get("importance", {}).items() if values}


def _table(record: Mapping[str, Any]) -> dict[str, list[dict[str, object]]]:
    rows = importance(_importance(record))
    return {"importance": rows} if rows else {}


def _numbers(document: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among some values; a yes or no is none."""
    return {key: float(one) for key, one in document.items() if _number(one)}


def _number(one: object) -> bool:
    return isinstance(one, int | float | np.number) and not isinstance(one, bool)


def _words(lane: Lane, verdict: Verdict, evidence: Evidence) -> str:
    """A few lines of markdown on top of the run's page."""
    market = "a simulated" if lane.source == "sandbox" else "the real"
    span = f"{evidence.folds['train_from'].min()} to {evidence.folds['test_to'].max()}"
    reasons = "\n".join(f"- {one}" for one in verdict.reasons)
    return (
        f"{verdict.verdict} at stage {verdict.stage}: {lane.symbol} {lane.interval} on {market} market "
        f"({lane.source_key}), {evidence.folds.height} folds, {span}.\n\n{reasons}"
    )
