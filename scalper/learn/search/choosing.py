"""The search of a fold: what its model's forecasts are traded by, chosen before its test begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from scalper.errors import Refused
from scalper.files import write_json
from scalper.learn import fitting, ledger
from scalper.learn.digests import choice_input, read_choice, sha256, study_of, window_digests
from scalper.learn.folds import Fold
from scalper.learn.ledger import Record
from scalper.learn.search.engine import Heard, Stop, run, storage_of
from scalper.learn.search.follows import unfounded
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
    None: the study lies in memory whatever search.storage says. Raises Refused, and records it, if every trial failed;
    Refused for a choice or a study that does not follow from the ledger, and if the lake changed meanwhile.
    """
    windows = windows_of(fold, folder, before, lane.search.windows)
    inputs = _inputs(lane, sessions, fold, folder, windows)
    study, data = inputs["study"], inputs["data"]
    record = read_choice(folder)
    if (record.get("input"), record.get("study")) == (inputs["input"], study):
        demand_founded(lane, fold, folder, record, trials, studies)
        return _sound(record) | {"skipped": True}
    axes = space(lane)
    scorer = Scorer(lane, sessions, windows, axes)
    every = {"lane": lane.name, "fold": fold.name, "kind": TRIAL, "data": data, "input": study}

    def make(_: int, point: Point, stop: Stop) -> Found:
        found = scorer(point, stop)
        ledger.append(trials, [every | _spent(axes, point, found)])
        return found

    with storage_of(lane.search, studies and _journal(studies, fold)) as storage:
        made = run(lane.search, axes, make, f"{lane.name}/{fold.name}/{study[:16]}", storage, heard)
    record = inputs | {"rule": lane.search.rule, "trials": [_row(axes, one) for one in made]}
    if any(one.found.complete for one in made):
        record |= _chosen(scorer, axes, made)
    else:
        why = f"all {len(made)} trials failed, the first: {made[0].found.status.partition(': ')[2]}"
        record |= {"outcome": f"{REFUSED}: {fold.name}: {why}"}
    demand_founded(lane, fold, folder, record, trials, studies)
    if _inputs(lane, sessions, fold, folder, windows) != inputs:
        raise Refused(f"{fold.name}: its model, or features or labels, changed while it was searched; run it again")
    write_json(folder / CHOICE, record)
    return _sound(record) | {"skipped": False}


def demand_founded(
    lane: Lane, fold: Fold, folder: Path, record: Mapping[str, Any], trials: Path, studies: Path | None = None
) -> None:
    """Raise Refused if the record of a fold's search does not follow from the ledger `trials`."""
    found = trials.stat() if trials.is_file() else None
    stamp = (found.st_ino, found.st_size, found.st_mtime_ns) if found else ()
    if why := unfounded(lane, fold, record, _records(trials, stamp)):
        journal = studies and _journal(studies, fold)
        beside = f" and {journal}" if journal and lane.search.storage == "journal" else ""
        raise Refused(
            f"{fold.name}: its choice does not follow from the ledger {trials}: {why}; remove {folder / CHOICE}{beside}"
            " and search again; if that is refused too, take another search.seed"
        )


@lru_cache(maxsize=1)
def _records(trials: Path, stamp: tuple[int, ...]) -> tuple[Record, ...]:
    """The ledger's records; `stamp` tells one state of the file from another, so many folds read it once."""
    return tuple(ledger.read(trials))


def _journal(studies: Path, fold: Fold) -> Path:
    return studies / f"{fold.name}.journal"


def _chosen(scorer: Scorer, axes: Space, made: Sequence[Trial]) -> dict[str, Any]:
    """What the lane's rule picks, and what a page tells of it."""
    best = pick(made, scorer.lane.search.rule, axes)
    found: dict[str, Any] = {"choice": axes.choice(best.point).numbers(), "model": scorer.model(best.point)}
    found |= {"number": best.number, "score": best.score, "front": [one.number for one in front(made)]}
    found |= {"importance": importance(made, axes), "plateau": plateau(made, best, axes).document()}
    found |= {"scaled": [list(axes.scaled(one.point)) for one in made], "axes": [axis.name for axis in axes.axes]}
    return found | {"outcome": CHOSEN}


def _sound(record: dict[str, Any]) -> dict[str, Any]:
    """The record, unless it says that there is no choice: then Refused with its reason."""
    if str(record.get("outcome", "")).startswith(REFUSED):
        raise Refused(str(record["outcome"]).removeprefix(f"{REFUSED}: "))
    return record


def _inputs(lane: Lane, sessions: Sessions, fold: Fold, folder: Path, windows: Sequence[Window]) -> dict[str, Any]:
    """What the choice is made from, as a recipe checks it: its own window (input), all windows, and both (study)."""
    lake = sessions.lake
    wanted, data = choice_input(lane, lake, fold, sha256(folder / fitting.MODEL))
    told = [window_digests(lake, lane, one.fold.name, one.days, one.folder) for one in windows]
    return {"input": wanted, "study": study_of(wanted, told), "data": data, "windows": told}


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
