"""The search of a fold: what its model's forecasts are traded by, chosen before its test begins."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scalper.errors import Refused
from scalper.files import write_json
from scalper.learn import fitting, ledger
from scalper.learn.digests import choice_input, data_digest, read_json, sha256
from scalper.learn.folds import Fold
from scalper.learn.search.engine import Heard, Stop, run, storage_of
from scalper.learn.search.front import front, pick
from scalper.learn.search.plateau import importance, plateau
from scalper.learn.search.space import Point, Space, space
from scalper.learn.search.trial import Found, Trial
from scalper.learn.search.windows import Scorer, Window, windows_of
from scalper.learn.session import Sessions
from scalper.learn.trials import TRIAL
from scalper.settings import Lane

CHOICE = "choice.json"
CHOSEN, REFUSED = "chosen", "refused"
"""The first word of a record's outcome."""


def choose(
    lane: Lane,
    sessions: Sessions,
    fold: Fold,
    folder: Path,
    trials: Path,
    *,
    before: Sequence[tuple[Fold, Path]] = (),
    studies: Path | None = None,
    heard: Heard | None = None,
) -> dict[str, Any]:
    """Search what the lane's trades depend on, and the model's parameters if the lane says so; returns the record.

    Writes choice.json into `folder`. Every trial is appended to the ledger `trials` before its study is told. `before`:
    the folds before this one, oldest first, with their folders, for search.windows. `studies`: the folder of journals;
    None: the study lies in memory whatever search.storage says. Raises Refused, and records it, if every trial failed.
    """
    windows = windows_of(fold, folder, before, lane.search.windows)
    wanted, study, data = _inputs(lane, sessions, fold, folder, windows)
    record = read_json(folder / CHOICE)
    if (record.get("input"), record.get("study")) == (wanted, study):
        return _sound(record) | {"skipped": True}
    axes = space(lane)
    scorer = Scorer(lane, sessions, windows, axes)
    every = {"lane": lane.name, "fold": fold.name, "kind": TRIAL, "data": data, "input": study}

    def make(_: int, point: Point, stop: Stop) -> Found:
        found = scorer(point, stop)
        ledger.append(trials, [every | _spent(axes, point, found)])
        return found

    with storage_of(lane.search, studies and studies / f"{fold.name}.journal") as storage:
        made = run(lane.search, axes, make, f"{lane.name}/{fold.name}/{study[:16]}", storage, heard)
    record = {"input": wanted, "study": study, "data": data, "rule": lane.search.rule, "windows": _told(windows)}
    record["trials"] = [_row(axes, one) for one in made]
    if not any(one.found.complete for one in made):
        why = f"all {len(made)} trials failed, the first: {made[0].found.status.partition(': ')[2]}"
        write_json(folder / CHOICE, record | {"outcome": f"{REFUSED}: {fold.name}: {why}"})
        return _sound(read_json(folder / CHOICE))
    best = pick(made, lane.search.rule, axes)
    record |= {"choice": axes.choice(best.point).numbers(), "model": scorer.model(best.point), "number": best.number}
    record |= {"score": best.score, "front": [one.number for one in front(made)], "outcome": CHOSEN}
    record |= {"importance": importance(made, axes), "plateau": plateau(made, best, axes).document()}
    record |= {"scaled": [list(axes.scaled(one.point)) for one in made], "axes": [axis.name for axis in axes.axes]}
    write_json(folder / CHOICE, record)
    return record | {"skipped": False}


def _sound(record: dict[str, Any]) -> dict[str, Any]:
    """The record, unless it says that there is no choice: then Refused with its reason."""
    if str(record.get("outcome", "")).startswith(REFUSED):
        raise Refused(str(record["outcome"]).removeprefix(f"{REFUSED}: "))
    return record


def _inputs(
    lane: Lane, sessions: Sessions, fold: Fold, folder: Path, windows: Sequence[Window]
) -> tuple[str, str, str]:
    """Digests of what the choice is made from: as a recipe checks it, with all windows, and the windows' data."""
    lake = sessions.lake
    wanted, data = choice_input(lane, lake, fold, sha256(folder / fitting.MODEL))
    if len(windows) == 1:
        return wanted, wanted, data
    parts = [
        f"{one.fold.name} {sha256(one.folder / fitting.MODEL)} {data_digest(lake, lane, one.days)}" for one in windows
    ]
    data = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return wanted, hashlib.sha256(f"{wanted} {data}".encode()).hexdigest(), data


def _spent(axes: Space, point: Point, found: Found) -> dict[str, Any]:
    """A trial as the ledger keeps it."""
    told, model = found.told, axes.model(point)
    return {
        "sessions": told.get("sessions", []),
        "daily": told.get("daily", []),
        "score": found.scores[0] if found.scores else None,
        "trades": told.get("trades", 0),
        "net": told.get("net", 0.0),
        "status": found.status,
        **axes.choice(point).numbers(),
        **({"model": model} if model else {}),
    }


def _row(axes: Space, one: Trial) -> dict[str, Any]:
    """A trial as choice.json keeps it."""
    found, model = one.found, axes.model(one.point)
    kept = {key: found.told.get(key) for key in ("net", "drawdown", "error")}
    return {
        "number": one.number,
        **axes.choice(one.point).numbers(),
        **({"model": model} if model else {}),
        "score": found.scores[0] if found.scores else None,
        "steps": list(found.steps),
        "status": found.status,
        "trades": found.told.get("trades", 0),
        **kept,
    }


def _told(windows: Sequence[Window]) -> list[dict[str, Any]]:
    return [
        {"fold": one.fold.name, "first": one.days[0], "last": one.days[-1], "sessions": len(one.days)}
        for one in windows
    ]
