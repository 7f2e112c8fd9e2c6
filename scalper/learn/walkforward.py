"""The walk: fit a fold, search its policy, and run its test sessions, each from windows that end before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from scalper import features
from scalper.compiled import source_digest
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.files import write_bytes, write_json
from scalper.lake import Lake
from scalper.learn import ledger
from scalper.learn.dataset import load
from scalper.learn.folds import Fold
from scalper.learn.model import Model
from scalper.learn.recipe import Recipe, session_input
from scalper.learn.search import run_study
from scalper.learn.session import Prepared, labels_of, prepare
from scalper.learn.train import train
from scalper.market import BAR, Session, session
from scalper.policy import Choice, default_choice
from scalper.settings import Lane
from scalper.simulate import SessionInput, Simulation, no_predictions, simulate
from scalper.simulate.metrics import sharpe

ENOUGH = 1.6
"""The search wants so many times the trades that the gate asks of a fold: a margin for quieter sessions."""


def read_json(path: Path) -> dict[str, Any]:
    """A document of write_json, or nothing. Raises BadInput when the file is damaged."""
    try:
        document: Any = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise BadInput(f"{path}: damaged ({error}); remove it and run the lane again") from None
    if not isinstance(document, dict):
        raise BadInput(f"{path}: damaged (no JSON object); remove it and run the lane again")
    return cast(dict[str, Any], document)


class Sessions:
    """The lane's sessions made ready on demand; the ones used last are kept."""

    def __init__(self, lane: Lane, lake: Lake, calendar: Sequence[Session], keep: int = 96) -> None:
        self.lane, self.lake, self.keep = lane, lake, keep
        self._at = {one.date: index for index, one in enumerate(calendar)}
        self._calendar = calendar
        self._ready: dict[date, Prepared] = {}

    def before(self, day: date) -> Session | None:
        """The session before `day` in the calendar."""
        index = self._at[day]
        return self._calendar[index - 1] if index else None

    def session(self, day: date) -> Session:
        """The session of a day of the calendar."""
        return self._calendar[self._at[day]]

    def find(self, day: date) -> Prepared | None:
        """Bars and features of a session, None for a flat one: it has a file of features without a row.

        Raises DataUnavailable when a session with rows has lost its bars.
        """
        try:
            return self.ready(day)
        except DataUnavailable:
            if self.lake.read("features", {"lane": self.lane.name, "date": day.isoformat()}).height:
                raise
            return None

    def ready(self, day: date) -> Prepared:
        """Bars and features of a session. Raises DataUnavailable when the lake lacks it."""
        found = self._ready.pop(day, None)
        if found is None:
            found = prepare(self.lake, self.lane, self._calendar[self._at[day]], self.before(day))
        self._ready[day] = found
        while len(self._ready) > self.keep:
            self._ready.pop(next(iter(self._ready)))
        return found


def data_digest(lake: Lake, lane: Lane, days: Iterable[date]) -> str:
    """SHA-256 over what the features and labels of these sessions were made from."""
    found = hashlib.sha256()
    for day in days:
        keys = {"lane": lane.name, "date": day.isoformat()}
        for kind in ("features", "labels"):
            made = _made_from(lake, kind, day, lane.name, lake.storage.written_ns(lake.name(kind, keys)))
            found.update(f"{day} {kind} {made}\n".encode())
    return found.hexdigest()


@lru_cache(maxsize=65_536)
def _made_from(lake: Lake, kind: str, day: date, lane: str, written_ns: int) -> str:
    """The input digest that a session's file carries; `written_ns` tells one writing of it from another."""
    return lake.metadata(kind, {"lane": lane, "date": day.isoformat()})["scalper.input"]


def recipe_digest(lane: Lane) -> str:
    """SHA-256 over everything that decides how the lane learns and trades: configuration and code."""
    config = lane.digest(
        *("symbol", "execution_symbol", "interval", "hours", "roll", "features", "labels", "folds", "model"),
        *("search", "policy", "risk", "simulation"),
    )
    code = source_digest("market", "lake", "features", "labels", "policy", "simulate", "learn", "lane")
    return hashlib.sha256(f"{config} {lane.gate.trades_per_fold} {code}".encode()).hexdigest()


def fit_input(lane: Lane, lake: Lake, fold: Fold) -> tuple[str, str]:
    """Digest of everything that a fold's model is made from, and of its data alone."""
    data = data_digest(lake, lane, (*fold.train, *fold.calibrate))
    config, code = lane.digest("model", "features", "labels", "name"), source_digest("features", "labels", "learn")
    limit = fold.search[0]
    return hashlib.sha256(f"{data} {limit} {config} {code}".encode()).hexdigest(), data


def choice_input(lane: Lane, lake: Lake, fold: Fold, onnx: str) -> tuple[str, str]:
    """Digest of everything that a fold's choice is made from (`onnx`: SHA-256 of its model), and of its data alone."""
    data = data_digest(lake, lane, fold.search)
    config = lane.digest("search", "policy", "risk", "simulation", "gate", "execution_symbol")
    code = source_digest("market", "policy", "simulate", "learn")
    return hashlib.sha256(f"{onnx} {data} {len(fold.test)} {config} {code}".encode()).hexdigest(), data


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def made_of(folders: Iterable[Path]) -> str:
    """SHA-256 over the models and choices of these folders."""
    parts = (
        f"{_sha256(folder / 'model.onnx')} {read_json(folder / 'choice.json').get('choice')}" for folder in folders
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def fit(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> dict[str, Any]:
    """Train and calibrate a fold's model from its own windows, unless the same was done before; returns its record.

    Writes model.onnx and model.json into `folder`. One thread: folds are fitted side by side, and the bytes do not
    depend on the number of threads.
    """
    wanted, data = fit_input(lane, lake, fold)
    record = read_json(folder / "model.json")
    if record.get("input") == wanted and record.get("onnx") == _sha256(folder / "model.onnx"):
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
    )
    write_bytes(folder / "model.onnx", trained.onnx)
    papers = trained.papers
    record = {"fold": fold.name, "input": wanted, "data": data, "prior": papers.priors, "rows": sum(papers.counts)}
    record |= {"parity": trained.parity, "best_round": papers.rounds, "curves": trained.curves}
    record |= {"seconds": trained.seconds, "onnx": hashlib.sha256(trained.onnx).hexdigest()}
    write_json(folder / "model.json", record)
    return record | {"skipped": False}


def kernel_version() -> str:
    """Version and digest of the feature kernel: a model is only fed by the one that taught it."""
    return f"{features.VERSION}-{source_digest('features')[:16]}"


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
    onnx = _sha256(folder / "model.onnx")
    if record.get("onnx") != onnx or record.get("input") != fit_input(lane, lake, fold)[0]:
        raise Refused(f"{folder}: the model was not made from this fold's windows as they are now; run the lane again")
    if choice.get("input") != choice_input(lane, lake, fold, onnx)[0]:
        raise Refused(
            f"{folder}: the choice was not made on this fold's search window as it is now; run the lane again"
        )
    return Recipe(lane, _model(lane, folder), Choice(**choice["choice"]))


def _model(lane: Lane, folder: Path) -> Model:
    names = [one.name for one in features.catalogue(lane.features, lane.interval_ns)]
    path = folder / "model.onnx"
    return Model.load(path, expect_features=names, expect_kernel=kernel_version(), expect_lane=lane.name)


def choose(lane: Lane, sessions: Sessions, fold: Fold, folder: Path, trials: Path) -> dict[str, Any]:
    """Search threshold, stop and target on the fold's search window only; returns the record that is kept.

    The score is the Sharpe ratio of daily net P&L, scaled down where there are too few trades for the gate to judge;
    not trading scores 0. Every trial is appended to the ledger `trials`.
    """
    wanted, data = choice_input(lane, sessions.lake, fold, _sha256(folder / "model.onnx"))
    record = read_json(folder / "choice.json")
    if record.get("input") == wanted:
        return record | {"skipped": True}
    plain = Recipe(lane, _model(lane, folder), default_choice(lane))
    found = ((day, sessions.find(day)) for day in fold.search)
    inputs = [
        session_input(plain, ready) if ready is not None else _flat(lane, sessions.session(day), 0, plain.choice)
        for day, ready in found
    ]
    tested = len(fold.test) or len(fold.search)
    needed = ENOUGH * lane.gate.trades_per_fold * len(fold.search) / tested
    rows: list[dict[str, Any]] = []

    def objective(choice: Choice) -> float:
        result = simulate(lane, [_with(one, choice) for one in inputs])
        net = [(one.cash_after - one.cash_before) / 100 for one in result.sessions]
        count = sum(one.trades.size for one in result.sessions)
        score = sharpe(np.array(net) / lane.risk.capital) if count else 0.0
        score = (score if np.isfinite(score) else 0.0) * (min(1.0, count / needed) if score > 0 else 1.0)
        rows.append({**asdict(choice), "score": score, "trades": count, "net": sum(net), "daily": net})
        return score

    study = run_study(lane.search, objective)
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


def _with(one: SessionInput, choice: Choice) -> SessionInput:
    return SessionInput(one.date, one.contract, one.bars, one.predictions, one.timetable, one.fold, choice)


@dataclass(frozen=True, slots=True)
class WalkPath:
    """Sessions as a chain of recipes trades them: simulation inputs and the labelled rows with their probabilities."""

    inputs: list[SessionInput]
    scored: pl.DataFrame


SCORED = pl.Schema(
    {
        "session": pl.Date,
        "fold": pl.Int32,
        "ts_ns": pl.Int64,
        "label": pl.Int8,
        "down": pl.Float64,
        "flat": pl.Float64,
        "up": pl.Float64,
        "prior_down": pl.Float64,
        "prior_flat": pl.Float64,
        "prior_up": pl.Float64,
        "threshold": pl.Float64,
    }
)
"""Columns of the labelled rows that were predicted out of sample."""


def walk(lane: Lane, sessions: Sessions, root: Path, stretches: Sequence[tuple[Fold, Sequence[date]]]) -> WalkPath:
    """Predict the sessions of each stretch with its fold's recipe, which lies in a folder of `root`.

    Raises Refused when a recipe was not made from its fold's windows as they are now.
    """
    inputs: list[SessionInput] = []
    scored: list[pl.DataFrame] = [pl.DataFrame(schema=SCORED)]
    for fold, days in stretches:
        number, folder = fold.number, root / fold.name
        used = recipe(lane, sessions.lake, fold, folder)
        prior = read_json(folder / "model.json")["prior"]
        for day in days:
            ready = sessions.find(day)
            if ready is None:
                inputs.append(_flat(lane, sessions.session(day), number, used.choice))
                continue
            one = session_input(used, ready, number)
            inputs.append(one)
            scored.append(_scored(lane, ready, one, prior))
    return WalkPath(inputs, pl.concat(scored))


def _flat(lane: Lane, session: Session, fold: int, choice: Choice) -> SessionInput:
    """A session without bars: nothing happens in it, and it counts."""
    return SessionInput(
        session.date, "", np.empty(0, BAR), no_predictions(0), lane.timetable(session), fold=fold, choice=choice
    )


def _scored(lane: Lane, ready: Prepared, one: SessionInput, prior: Sequence[float]) -> pl.DataFrame:
    asked = one.predictions["valid"] != 0
    label = labels_of(lane, ready.bars, ready.timetable, ready.block.volatility, asked)["label"]
    label, rows = label[label >= 0], np.flatnonzero(asked)[label >= 0]
    q, n = one.predictions[rows], rows.size
    assert one.choice is not None
    return pl.DataFrame(
        {
            "session": [one.date] * n,
            "fold": np.full(n, one.fold, np.int32),
            "ts_ns": one.bars["ts_ns"][rows],
            "label": label,
            "down": q["down"],
            "flat": q["flat"],
            "up": q["up"],
            "prior_down": np.full(n, prior[0]),
            "prior_flat": np.full(n, prior[1]),
            "prior_up": np.full(n, prior[2]),
            "threshold": np.full(n, one.choice.confidence),
        },
        schema=SCORED,
    )


def stress(lane: Lane, sessions: Sessions, path: WalkPath, base: Simulation) -> dict[str, float]:
    """Net of the path with costs doubled, a tick more slippage, and a bar more latency; each alone.

    Double costs is the worse of two: a policy that knows of double commissions, and the very trades of `base` with
    commission and slippage paid twice.
    """
    paid = base.trades().select(pl.col("commission") + pl.col("slippage")).sum().item()

    def variant(**changes: object) -> Lane:
        return lane.model_copy(update={"simulation": lane.simulation.model_copy(update=changes)})

    dearer = variant(cost_multiple=2 * lane.simulation.cost_multiple)
    slower = variant(latency_bars=lane.simulation.latency_bars + 1)
    late = [
        SessionInput(
            one.date,
            one.contract,
            one.bars,
            one.predictions,
            slower.timetable(sessions.session(one.date)),
            one.fold,
            one.choice,
        )
        for one in path.inputs
    ]
    return {
        "costs": min(simulate(dearer, path.inputs).net, base.net - paid),
        "slippage": simulate(lane, path.inputs, extra_slippage=1).net,
        "latency": simulate(slower, late).net,
    }


def fold_table(folds: Sequence[Fold], result: Simulation, root: Path, scored: pl.DataFrame) -> pl.DataFrame:
    """A row a fold: its windows, what was chosen, and what its test sessions gave."""
    rows: list[dict[str, Any]] = []
    daily, capital = result.daily(), result.lane.risk.capital
    for fold in folds:
        mine = daily.filter(pl.col("fold") == fold.number)
        choice, model = read_json(root / fold.name / "choice.json"), read_json(root / fold.name / "model.json")
        seen = scored.filter(pl.col("fold") == fold.number)
        right = pl.concat_list("down", "flat", "up").list.get(pl.col("label").cast(pl.Int64))
        loss = seen.select((-right.clip(1e-15).log()).mean()).item() if seen.height else None
        rows.append(
            {
                "fold": fold.number,
                "train_from": fold.train[0],
                "train_to": fold.train[-1],
                "test_from": fold.test[0],
                "test_to": fold.test[-1],
                "trades": int(mine["trades"].sum()),
                "net": float(mine["net"].sum()),
                "sharpe": float(sharpe(mine["net"].to_numpy() / capital)),
                **choice["choice"],
                "best_round": int(model["best_round"]),
                "logloss": loss,
            }
        )
    return pl.DataFrame(rows)
