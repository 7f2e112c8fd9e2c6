"""Audits of the files that a lane keeps: they hold what the bars give, and what belongs together stands together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from scalper.clock import iso
from scalper.errors import DataUnavailable, ScalperError
from scalper.gate.found import AGAIN, Found
from scalper.gate.subject import Array, Compute, Subject, batch
from scalper.lake import Lake
from scalper.learn.digests import chosen_folder
from scalper.learn.model import Model
from scalper.settings import Lane

CLASSES = ("down", "flat", "up")


def keys(lane: Lane, day: date) -> dict[str, str]:
    """The keys of a session's features and labels."""
    return {"lane": lane.name, "date": day.isoformat()}


def flat(lake: Lake, lane: Lane, day: date) -> Found:
    """A session of which the lake has no bars of the contract may have no rows either."""
    rows = lake.read("features", keys(lane, day)).height
    return Found(
        0, f"session {day} has {rows} rows of features, and the lake no bars of its contract" if rows else None
    )


def stored(one: Subject, lake: Lake, compute: Compute = batch) -> Found:
    """Every stored row recomputed from the lake's bars: names, stamps and numbers are the same, bit for bit."""
    held = lake.read("features", keys(one.lane, one.session.date))
    names = ["ts_ns", *(column.name for column in one.columns), "volatility_ticks"]
    if held.columns != names:
        odd = sorted(set(held.columns) ^ set(names)) or ["their order"]
        return Found(0, f"the stored features of {one.session.date} have other columns: {', '.join(odd)}{AGAIN}")
    rows = np.flatnonzero(one.kept)
    block = compute(one, one.traded)
    if wrong := _stamps("features", held["ts_ns"].to_numpy(), one.bars["ts_ns"][rows]):
        return Found(0, wrong + AGAIN)
    values = held.select(names[1:-1]).to_numpy()
    wanted = np.column_stack([block.x[rows], block.volatility[rows].astype(np.float32)])
    values = np.column_stack([values, held["volatility_ticks"].to_numpy()])
    bad = (values.view(np.int32) != wanted.view(np.int32)) & ~(np.isnan(values) & np.isnan(wanted))
    if bad.any():
        row = int(bad.any(axis=1).argmax())
        column = int(bad[row].argmax())
        return Found(
            0,
            f"column {names[column + 1]} at {one.when(int(rows[row]))} is stored as {values[row, column]}, "
            f"the lake's bars give {wanted[row, column]}{AGAIN}",
        )
    return Found(rows.size, counts={"sessions": 1, "numbers": wanted.size})


def _stamps(kind: str, held: Array, wanted: Array) -> str | None:
    """The first row that is missing in a file, or one too many."""
    if held.tobytes() == wanted.tobytes():
        return None
    odd = np.setxor1d(held, wanted)
    if odd.size == 0:
        return f"the rows of the {kind} at {iso(int(held[0]))} are out of order, or one is there twice"
    words = "is missing" if odd[0] in wanted else "is none of the lane's"
    return f"the row of the {kind} at {iso(int(odd[0]))} {words}"


class Predictions:
    """The predictions of the out-of-sample path, session by session, and the models that made them."""

    def __init__(self, scored: pl.DataFrame, models: Path) -> None:
        self.models = models
        self._by: Mapping[object, pl.DataFrame] = {
            key[0]: part for key, part in scored.partition_by("session", as_dict=True).items()
        }
        self._held: dict[int, Model] = {}

    def of(self, day: date) -> pl.DataFrame | None:
        """The labelled rows of a session with their probabilities, None if the path does not have it."""
        return self._by.get(day)

    def model(self, fold: int) -> Model:
        """A fold's model. Raises DataUnavailable, Refused."""
        if fold not in self._held:
            name = f"fold_{fold:02d}"
            self._held = {fold: Model.load(chosen_folder(self.models / name) / "model.onnx")}
        return self._held[fold]


def joins(one: Subject, lake: Lake, predictions: Predictions) -> Found:
    """Features, labels and predictions of a session: the same traded bars, each row made from its own.

    A label is known after its bar; a prediction is what the fold's model says of the stored row, in equal bits.
    """
    where = keys(one.lane, one.session.date)
    held = lake.read("features", where)
    try:
        labels = lake.read("labels", where)
    except DataUnavailable:
        return Found(0, f"session {one.session.date} has features and no labels")
    ts_ns = held["ts_ns"].to_numpy()
    if wrong := _stamps("labels", labels["ts_ns"].to_numpy(), ts_ns):
        return Found(0, wrong)
    foreign = ~np.isin(ts_ns, one.traded["ts_ns"])
    if foreign.any():
        return Found(0, f"the row at {iso(int(ts_ns[foreign.argmax()]))} is no traded bar of {one.contract}")
    ended = labels["end_ns"].to_numpy() <= ts_ns
    if ended.any():
        return Found(0, f"column end_ns of the label at {iso(int(ts_ns[ended.argmax()]))} is not after its bar{AGAIN}")
    path, scored = predictions.of(one.session.date), 0
    if path is not None:
        wrong, scored = _rescored(held, labels, path, predictions)
        if wrong:
            return Found(0, wrong)
    return Found(ts_ns.size, counts={"sessions": 1, "predictions rescored": scored})


def _rescored(
    held: pl.DataFrame, labels: pl.DataFrame, path: pl.DataFrame, predictions: Predictions
) -> tuple[str | None, int]:
    """What is wrong with the predictions of a session, and how many there are."""
    known = labels["label"].to_numpy() >= 0
    if wrong := _stamps("predictions", path["ts_ns"].to_numpy(), held["ts_ns"].to_numpy()[known]):
        return wrong, 0
    other = path["label"].to_numpy() != labels["label"].to_numpy()[known]
    if other.any():
        return f"the prediction at {iso(int(path['ts_ns'][int(other.argmax())]))} was scored by another label", 0
    try:
        model = predictions.model(int(path["fold"][0]))
    except ScalperError as error:
        return str(error), 0
    names = list(model.papers.features)
    if missing := [name for name in names if name not in held.columns]:
        return f"the model of fold {path['fold'][0]} was fed {', '.join(missing)}, which no stored row has", 0
    x = np.ascontiguousarray(held.select(names).to_numpy(), np.float32)
    again = model.probabilities(x)[known].astype(np.float64)
    wrong = np.column_stack([path[name].to_numpy() for name in CLASSES]) != again
    if wrong.any():
        row = int(wrong.any(axis=1).argmax())
        name = CLASSES[int(wrong[row].argmax())]
        return f"column {name} of the prediction at {iso(int(path['ts_ns'][row]))} is not made of its stored row", 0
    return None, path.height
