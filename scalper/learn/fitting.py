"""One fold learned: its model fitted, its policy searched, and both taken up again as a recipe."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scalper import features
from scalper.errors import DataUnavailable, Refused
from scalper.files import write_bytes, write_json
from scalper.lake import Lake
from scalper.learn import ledger
from scalper.learn.dataset import load
from scalper.learn.digests import choice_input, fit_input, kernel_version, read_json, sha256
from scalper.learn.folds import Fold
from scalper.learn.model import Model
from scalper.learn.norms import Norms
from scalper.learn.recipe import Recipe, flat_input, session_input
from scalper.learn.search import drawn, run_study
from scalper.learn.session import Sessions
from scalper.learn.train import train
from scalper.market import session
from scalper.policy import Choice, default_choice
from scalper.settings import Lane
from scalper.simulate.grid import evaluate
from scalper.simulate.metrics import sharpe

ENOUGH = 1.6
"""The search wants so many times the trades that the gate asks of a fold: a margin for quieter sessions."""


def fit(lane: Lane, lake: Lake, fold: Fold, folder: Path, norms: Norms | None = None) -> dict[str, Any]:
    """Train and calibrate a fold's model from its own windows, unless the same was done before; returns its record.

    Writes model.onnx and model.json into `folder`. One thread: folds are fitted side by side, and the bytes do not
    depend on the number of threads. `norms` of the lane may be shared by the folds.
    """
    wanted, data = fit_input(lane, lake, fold)
    record = read_json(folder / "model.json")
    if record.get("input") == wanted and record.get("onnx") == sha256(folder / "model.onnx"):
        return record | {"skipped": True}
    fit_rows, calibrate_rows = load(lake, lane.name, fold.train), load(lake, lane.name, fold.calibrate)
    trained = train(
        fit_rows,
        calibrate_rows,
        lane.model.model_copy(update={"threads": 1}),
        names=fit_rows.names,
        lane=lane.name,
        window=(fold.train[0], fold.train[-1]),
        data_digest=data,
        kernel_version=kernel_version(),
        calibrate_until_ns=session(lane.symbol, fold.search[0]).open_ns,
        norms=(norms or Norms(lane, lake)).of(fold.train),
    )
    write_bytes(folder / "model.onnx", trained.onnx)
    papers = trained.papers
    record = {"fold": fold.name, "input": wanted, "data": data, "prior": papers.priors, "rows": sum(papers.counts)}
    record |= {"parity": trained.parity, "best_round": papers.rounds, "curves": trained.curves}
    record |= {"seconds": trained.seconds, "onnx": hashlib.sha256(trained.onnx).hexdigest()}
    write_json(folder / "model.json", record)
    return record | {"skipped": False}


def recipe(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> Recipe:
    """Model and choice of a fold, if they were made from this fold's own windows as they are now.

    Raises DataUnavailable when they were not made yet, Refused when they were made from something else: other windows,
    other rows, another configuration or other code.
    """
    record, choice = read_json(folder / "model.json"), read_json(folder / "choice.json")
    if not choice or not record or not (folder / "model.onnx").exists():
        raise DataUnavailable(
            f"{folder}: no model or no choice; run the lane (scalper run), or models and search first"
        )
    onnx = sha256(folder / "model.onnx")
    if record.get("onnx") != onnx or record.get("input") != fit_input(lane, lake, fold)[0]:
        raise Refused(f"{folder}: the model was not made from this fold's windows as they are now; run the lane again")
    if choice.get("input") != choice_input(lane, lake, fold, onnx)[0]:
        raise Refused(
            f"{folder}: the choice was not made on this fold's search window as it is now; run the lane again"
        )
    return Recipe(lane, open_model(lane, folder / "model.onnx"), Choice(**choice["choice"]))


def open_model(lane: Lane, path: Path) -> Model:
    """A model's file, held against what this lane and this program would feed it.

    Raises DataUnavailable if it is not there, Refused if it does not fit.
    """
    names = [one.name for one in features.catalogue(lane.features, lane.interval_ns)]
    return Model.load(path, expect_features=names, expect_kernel=kernel_version(), expect_lane=lane.name)


def choose(lane: Lane, sessions: Sessions, fold: Fold, folder: Path, trials: Path) -> dict[str, Any]:
    """Search what the lane's trades depend on, on the fold's search window only; returns the record that is kept.

    The score is the Sharpe ratio of daily net P&L, scaled down where there are too few trades for the gate to judge;
    not trading scores 0. Every trial is appended to the ledger `trials`.
    """
    wanted, data = choice_input(lane, sessions.lake, fold, sha256(folder / "model.onnx"))
    record = read_json(folder / "choice.json")
    if record.get("input") == wanted:
        return record | {"skipped": True}
    plain = Recipe(lane, open_model(lane, folder / "model.onnx"), default_choice(lane))
    found = ((day, sessions.find(day)) for day in fold.search)
    inputs = [
        flat_input(plain, sessions.session(day)) if ready is None else session_input(plain, ready)
        for day, ready in found
    ]
    tested = len(fold.test) or len(fold.search)
    needed = ENOUGH * lane.gate.trades_per_fold * len(fold.search) / tested
    rows: list[dict[str, Any]] = []

    def objective(choice: Choice) -> float:
        cents, count = evaluate(lane, inputs, choice)
        net: list[float] = (cents / 100).tolist()
        score = sharpe(np.array(net) / lane.capital) if count else 0.0
        score = (score if np.isfinite(score) else 0.0) * (min(1.0, count / needed) if score > 0 else 1.0)
        rows.append({**asdict(choice), "score": score, "trades": count, "net": sum(net), "daily": net})
        return score

    study = run_study(lane.search, objective, plain.choice, drawn(lane))
    best = {"lane": lane.name, "fold": fold.name, "data": data, "input": wanted}
    ledger.append(trials, [best | row for row in rows])
    record = {
        "input": wanted,
        "choice": asdict(study.best),
        "score": study.value,
        "trials": [{key: value for key, value in row.items() if key != "daily"} for row in rows],
    }
    write_json(folder / "choice.json", record)
    return record | {"skipped": False}
