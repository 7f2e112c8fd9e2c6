"""The approved recipe of a lane: the final one that met its hold-out and got a GO, kept where no run overwrites it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import date
from typing import Any

from scalper.errors import DataUnavailable, Refused
from scalper.lane.learning import learnable
from scalper.lane.stage import models_root, seen_path
from scalper.learn import ledger
from scalper.learn.digests import choice_of, chosen_folder, made_of, read_choice, recipe_digest
from scalper.learn.fitting import MODEL, open_model
from scalper.learn.holdout import HOLDOUT
from scalper.learn.recipe import Recipe
from scalper.settings import Home, Lane

FINAL, APPROVED = "final", "approved"


@dataclass(frozen=True, slots=True)
class Approved:
    """A recipe that met its hold-out, the sessions `first` to `last`, and got a GO.

    changes: parameters of its model that the search chose over the lane's, by key of `model`.
    """

    recipe: Recipe
    changes: dict[str, Any]
    first: date
    last: date


def keep(lane: Lane, home: Home) -> None:
    """Keep the final recipe, which just got a GO, beside the folds: later runs make `final` anew."""
    root = models_root(lane, home)
    final, kept = root / FINAL, root / APPROVED
    if made_of([kept]) == made_of([final]):
        return
    fresh = root / f".{APPROVED}.{os.getpid()}"
    shutil.rmtree(fresh, ignore_errors=True)
    for folder in {final, chosen_folder(final)}:
        to = fresh / folder.relative_to(final)
        to.mkdir(parents=True, exist_ok=True)
        for name in (MODEL, "model.json", "choice.json"):
            if (folder / name).exists():
                shutil.copyfile(folder / name, to / name)
    shutil.rmtree(kept, ignore_errors=True)
    fresh.rename(kept)


def approved(lane: Lane, home: Home) -> Approved:
    """The approved recipe, as it was when it met its hold-out.

    Raises DataUnavailable while there is none; Refused if its files are not those that met a hold-out, or if the lane's
    configuration or code is another one now: that would be another recipe.
    """
    folder = models_root(lane, home) / APPROVED
    if not folder.is_dir():
        raise DataUnavailable(
            f"lane {lane.name} has no approved recipe: no verdict of it was GO; a retrain repeats what was approved, "
            "and what it compares on is spent for every later verdict"
        )
    made = made_of([folder])
    rows = [row for row in ledger.read(seen_path(lane, home)) if row["kind"] == HOLDOUT and row["lane"] == lane.name]
    mine = [row for row in rows if row["model"] == made]
    if not mine:
        raise Refused(
            f"{folder}: this is not the recipe that met a hold-out of lane {lane.name}; restore the folder from a copy"
        )
    row = mine[-1]
    if row["recipe"] != recipe_digest(lane):
        raise Refused(
            f"lane {lane.name}: its configuration or this program's code changed since its recipe met the hold-out on "
            f"{row['opened_at']}, so this is another recipe: take the change back, or get a new verdict with `scalper "
            f"run` once {lane.folds.holdout_sessions} sessions have closed that nobody has looked at"
        )
    choice = read_choice(folder)
    recipe = Recipe(lane, open_model(lane, chosen_folder(folder) / MODEL), choice_of(choice))
    first, last = date.fromisoformat(row["first"]), date.fromisoformat(row["last"])
    return Approved(recipe, choice.get("model") or {}, first, last)


def unseen(lane: Lane, home: Home) -> list[date]:
    """The learnable sessions after everything on the lane's underlying that anybody has looked at out of sample.

    A full verdict needs folds.holdout_sessions of them. Raises Refused if the record was tampered with.
    """
    last = max((row["last"] for row in ledger.read(seen_path(lane, home))), default="")
    return [day for day in learnable(lane, home) if day.isoformat() > last]
