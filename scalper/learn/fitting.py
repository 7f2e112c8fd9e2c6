"""One fold learned: its model fitted, and taken up again with what was searched for it as a recipe."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from scalper import features
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.files import locked, write_bytes, write_json
from scalper.lake import Lake
from scalper.learn.dataset import load_horizon
from scalper.learn.digests import (
    choice_input,
    choice_of,
    fit_input,
    kernel_version,
    read_choice,
    read_json,
    sha256,
    study_of,
    variant_folder,
    window_digests,
)
from scalper.learn.estimators import Checkpoint
from scalper.learn.feed import Feed, Reader
from scalper.learn.folds import Fold
from scalper.learn.model import Model
from scalper.learn.norms import Norms
from scalper.learn.recipe import Recipe
from scalper.learn.session import stamps
from scalper.learn.train import train
from scalper.market import session
from scalper.settings import Lane, vary

MODEL, CHECKPOINT = "model.onnx", "checkpoint"
TRAINED, REFUSED = "trained", "refused"
"""The first word of a record's outcome."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What the folds of a lane share while they are fitted: norms, and rows that were read, by label horizon."""

    norms: Norms
    readers: Mapping[int, Reader]

    @classmethod
    def of(cls, lane: Lane, lake: Lake) -> Stock:
        """Nothing read yet."""
        horizons = (lane.labels.horizon, *lane.model.horizons)
        stamp = partial(stamps, lake, lane)
        return cls(Norms(lane, lake), {one: Reader(partial(load_horizon, lake, lane, one), stamp) for one in horizons})


def fit(lane: Lane, lake: Lake, fold: Fold, folder: Path, stock: Stock | None = None) -> dict[str, Any]:
    """Train and calibrate a fold's model from its own windows, unless the same was done before; returns its record.

    Writes model.onnx and model.json into `folder`; `stock` may be shared by the folds. A killed training goes on where
    it was saved last. Raises BadInput or Refused, and records it as the fold's outcome, when the windows give no model:
    no rows, too few, not enough memory, or a lake that changed meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "training"):  # who wants the same model waits for the one that trains it
        return _fit(lane, lake, fold, folder, stock)


def _fit(lane: Lane, lake: Lake, fold: Fold, folder: Path, stock: Stock | None) -> dict[str, Any]:
    wanted, data = fit_input(lane, lake, fold)
    record = read_json(folder / "model.json")
    if record.get("input") == wanted and record.get("onnx") == sha256(folder / "model.onnx"):
        return record | {"skipped": True}
    told = {"fold": fold.name, "input": wanted, "data": data}
    try:
        onnx, found = _trained(lane, lake, fold, folder, stock or Stock.of(lane, lake), told)
    except (BadInput, Refused) as error:
        (folder / MODEL).unlink(missing_ok=True)
        write_json(folder / "model.json", {**told, "outcome": f"{REFUSED}: {error}", "curves": {}, "rows": 0})
        raise
    write_bytes(folder / MODEL, onnx)
    write_json(folder / "model.json", found)
    for saved in folder.glob(f"{CHECKPOINT}*"):
        shutil.rmtree(saved) if saved.is_dir() else saved.unlink()  # a folder: rows of a killed training on disk
    return found | {"skipped": False}


def _trained(
    lane: Lane, lake: Lake, fold: Fold, folder: Path, stock: Stock, told: dict[str, Any]
) -> tuple[bytes, dict[str, Any]]:
    """The model of a fold and its record."""
    names = tuple(one.name for one in features.catalogue(lane.features, lane.interval_ns))
    known = session(lane.symbol, fold.calibrate[0]).open_ns
    window = "train window" if not fold.number else f"{fold.name}, train window"
    feeds = {one: Feed(read, fold.train, names, known, where=window) for one, read in stock.readers.items()}
    own = feeds.pop(lane.labels.horizon)
    until = session(lane.symbol, fold.search[0]).open_ns
    found = train(
        own,
        replace(own, dates=fold.calibrate, limit_ns=until, where=f"{fold.name}, calibration window"),
        lane.model,
        lane=lane.name,
        window=(fold.train[0], fold.train[-1]),
        data_digest=told["data"],
        kernel_version=kernel_version(),
        horizon=lane.labels.horizon,
        others=feeds,
        norms=stock.norms.of(fold.train),
        checkpoint=Checkpoint(folder / CHECKPOINT, told["input"]),
    )
    if fit_input(lane, lake, fold)[0] != told["input"]:
        raise Refused(f"{fold.name}: features or labels of its sessions changed while it was trained; run it again")
    survey = found.survey
    odd = [f"no row is {name}" for name in survey.absent]
    odd += [f"without change: {', '.join(survey.constant)}"] * bool(survey.constant)
    record = told | {"outcome": "; ".join((TRAINED, *odd)), "prior": found.papers.priors, "rows": survey.rows}
    record |= {"parity": found.parity, "best_round": found.best_round, "curves": found.curves}
    record |= {"importance": found.importance, "seconds": found.seconds}
    return found.onnx, record | {"onnx": hashlib.sha256(found.onnx).hexdigest()}


def refused(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> str | None:
    """Why a fold has no model or no choice, if its windows as they are now gave none; such a fold trades nothing."""
    records = (
        (read_json(folder / "model.json"), lambda: fit_input(lane, lake, fold)[0]),
        (read_choice(folder), lambda: choice_input(lane, lake, fold, sha256(folder / MODEL))[0]),
    )
    for record, wanted in records:
        outcome = str(record.get("outcome", ""))
        if outcome.startswith(REFUSED) and record.get("input") == wanted():
            return outcome
    return None


def variant(lane: Lane, folder: Path, changes: Mapping[str, Any]) -> tuple[Lane, Path]:
    """The lane whose model has other parameters, and the folder of its model below a fold's."""
    if not changes:
        return lane, folder
    other = vary(lane, {f"model.{key}": value for key, value in changes.items()}, f"model {dict(changes)}")
    return other, variant_folder(folder, changes)


def recipe(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> Recipe:
    """Model and choice of a fold, if they were made from this fold's own windows as they are now.

    Raises DataUnavailable when they were not made yet, Refused when they were made from something else: other windows,
    other rows, another configuration or other code; BadInput for a damaged choice.
    """
    choice = read_choice(folder)
    own, place = variant(lane, folder, choice.get("model") or {})
    record = read_json(place / "model.json")
    if not choice or not record or not (place / MODEL).exists():
        raise DataUnavailable(f"{place}: no model or no choice; run the lane (scalper run), or models and search first")
    onnx = sha256(place / MODEL)
    if record.get("onnx") != onnx or record.get("input") != fit_input(own, lake, fold)[0]:
        raise Refused(f"{place}: the model was not made from this fold's windows as they are now; run the lane again")
    if choice.get("input") != choice_input(lane, lake, fold, sha256(folder / MODEL))[0]:
        raise Refused(
            f"{folder}: the choice was not made on this fold's search window as it is now; run the lane again"
        )
    if "choice" not in choice:
        raise Refused(str(choice["outcome"]))
    if (other := _other_window(lane, lake, folder, choice)) is not None:
        raise Refused(
            f"{folder}: the choice was made on {other} too, whose sessions or model are others now; run the lane again"
        )
    return Recipe(lane, open_model(lane, place / MODEL), choice_of(choice))


def _other_window(lane: Lane, lake: Lake, folder: Path, choice: Mapping[str, Any]) -> str | None:
    """The first window of a choice's search whose data or model is not what it was."""
    for one in choice["windows"][1:]:  # the first is the fold's own, which `input` tells
        try:
            name, days = str(one["fold"]), [date.fromisoformat(day) for day in one["days"]]
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{folder / 'choice.json'}: damaged (windows: {error}); remove it and run the lane again"
            ) from None
        if one != window_digests(lake, lane, name, days, folder.parent / name):
            return f"the search window of {name}"
    same = choice["study"] == study_of(choice["input"], choice["windows"])
    return None if same else "windows that it does not name"


def open_model(lane: Lane, source: Path | bytes) -> Model:
    """A model's file or bytes, held against what this lane and this program would feed it.

    Raises DataUnavailable if it is not there, Refused if it does not fit.
    """
    names = [one.name for one in features.catalogue(lane.features, lane.interval_ns)]
    return Model.load(source, expect_features=names, expect_kernel=kernel_version(), expect_lane=lane.name)
