"""A simulation for people: one model over the sessions it has not seen, and the files that a simulation leaves."""

from __future__ import annotations

import os
import tempfile
from bisect import bisect_left, bisect_right
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from scalper import clock
from scalper.errors import BadInput, DataUnavailable, Refused
from scalper.files import write_bytes, write_json
from scalper.lake import Lake
from scalper.lake.parquet import write_parquet
from scalper.lane.learning import folds, learnable
from scalper.lane.report import frames, report_data
from scalper.lane.stage import Progress, StageReport, bar, calendar, models_root, seen_path
from scalper.learn.digests import chosen_folder, recipe_digest, sha256
from scalper.learn.fitting import open_model, recipe
from scalper.learn.folds import Fold, Folds
from scalper.learn.holdout import note_path
from scalper.learn.model import Model
from scalper.learn.recipe import Recipe, flat_input, session_input
from scalper.learn.session import Sessions
from scalper.policy import default_choice
from scalper.settings import Home, Lane
from scalper.simulate import SessionInput, Simulation, simulate
from scalper.simulate.breaches import refused
from scalper.simulate.report import write_report
from scalper.simulate.report_data import ReportData
from scalper.simulate.sketch import equity_svg

FILES = ("report.html", "trades.parquet", "trades.csv", "equity.parquet", "equity.csv", "refused.csv", "summary.json")
MINUTE_NS = 60_000_000_000


def require_folder(folder: Path) -> None:
    """Raise BadInput unless FILES can be written there, before anything is simulated for them; makes nothing."""
    above = next(one for one in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(one))
    remedy = "give --out a folder that can be written"
    if not above.is_dir():
        raise BadInput(f"{above}: is not a folder; {remedy}")
    if taken := [name for name in FILES if (folder / name).is_dir()]:
        raise BadInput(f"{folder / taken[0]}: a folder has the name of a file to be written; {remedy}")
    try:
        tempfile.TemporaryDirectory(dir=above).cleanup()
    except OSError as error:
        raise BadInput(f"{above}: cannot be written ({error.strerror}); {remedy}") from None


def write_files(folder: Path, found: Simulation, data: ReportData) -> dict[str, Any]:
    """Write FILES of a simulation into a folder and return what summary.json holds.

    Parquet has every bar's equity, the CSV the last of each minute. refused.csv: a row an entry that was refused.
    """
    document: dict[str, Any] = {
        "lane": data.lane,
        "conditions": dict(data.conditions),
        "metrics": data.metrics.as_dict(),
        "monte_carlo": [one.as_dict() for one in data.monte_carlo],
        "limits": data.limits.to_dicts(),
        "refusals": dict(data.refusals.select("gate", "count").iter_rows()),
        "changed": dict(data.changed.select("factor", "count").iter_rows()),
        "digests": dict(data.digests),
    }
    write_report(folder / "report.html", data)
    minute = (pl.col("ts_ns") - 1) // MINUTE_NS
    minutes = data.equity.filter(minute.ne_missing(minute.shift(-1)))
    for name, whole, short in (("trades", data.trades, data.trades), ("equity", data.equity, minutes)):
        write_parquet(folder / f"{name}.parquet", whole, {"scalper.lane": data.lane})
        _write_csv(folder / f"{name}.csv", short)
    _write_csv(folder / "refused.csv", refused(found))
    write_json(folder / "summary.json", document)
    return document


def _write_csv(path: Path, frame: pl.DataFrame) -> None:
    """A frame as CSV, with the time in New York for each column of nanoseconds."""
    stamps = [name for name in frame.columns if name.endswith("_ns")]
    told = [
        pl.col(name)
        .cast(pl.Datetime("ns", "UTC"))
        .dt.convert_time_zone("America/New_York")
        .dt.strftime("%Y-%m-%d %H:%M:%S")
        .alias(name.removesuffix("_ns") + "_new_york")
        for name in stamps
    ]
    write_bytes(path, frame.with_columns(told).write_csv().encode())


def simulate_model(
    lane: Lane, home: Home, model: str, out: Path | None = None, *, progress: Progress | None = None
) -> StageReport:
    """Run one model of the lane over the sessions after all that it was made from, up to the hold-out.

    model: an ONNX file, a folder with model.onnx, or the name of one of the lane's folds (fold_03). A fold's own model
    trades with what was chosen for it and begins with its test window; another one trades with the lane's own numbers
    and begins as many sessions after its training as the lane's folds leave before a test. The files are written to
    `out`, by default state/simulations/<lane>-<fold or digest>. Raises Refused if no session is left.
    """
    started = clock.monotonic()
    lake, found, root = Lake(home.lake), folds(lane, home), models_root(lane, home)
    loaded = open_model(lane, _path(model, root))
    digests = {sha256(chosen_folder(root / one.name) / "model.onnx"): one for one in found.all()}
    fold = digests.get(loaded.digest)
    used = recipe(lane, lake, fold, root / fold.name) if fold else Recipe(lane, loaded, default_choice(lane))
    days = _unseen(lane, home, found, fold, loaded)
    name = fold.name if fold else loaded.digest[:16]
    folder = out or default_folder(lane, home, name)
    require_folder(folder)
    sessions, number = Sessions(lane, lake, calendar(lane), keep=1), fold.number if fold else 0
    inputs: list[SessionInput] = []
    with bar(f"{lane.name}: simulation", progress) as advance:
        for index, day in enumerate(days, 1):
            ready = sessions.find(day)
            if ready is None:
                inputs.append(flat_input(lane, sessions.session(day), number))
            else:
                inputs.append(session_input(used, ready, number))
            advance(index, len(days))
    result = simulate(lane, inputs)
    note_path(seen_path(lane, home), days, lane=lane.name, recipe=recipe_digest(lane))
    note = f"Model {name}, trained on {' to '.join(loaded.papers.window)}, on the sessions after all it was made from."
    data = report_data(lane, home, frames(result), notes=[note], digests={"model": loaded.digest})
    document = write_files(folder, result, data)
    detail = {key: getattr(data.metrics, key) for key in ("net", "sharpe", "trades")}
    detail |= document | {"out": str(folder), "model": name, "from": days[0], "to": days[-1]}
    seconds = clock.monotonic() - started
    picture = equity_svg(data.daily, lane.capital)
    return StageReport("simulation", data.equity.height, len(days), 0, seconds, detail, data.trades, picture)


def default_folder(lane: Lane, home: Home, model: str = "") -> Path:
    """Where a simulation leaves its files if nobody says where."""
    return home.state / "simulations" / (f"{lane.name}-{model}" if model else lane.name)


def _path(model: str, root: Path) -> Path:
    """The ONNX file that is meant. Raises DataUnavailable naming the folds that there are."""
    for path in (Path(model), Path(model) / "model.onnx", chosen_folder(root / model) / "model.onnx"):
        if path.is_file():
            return path
    made = ", ".join(sorted(path.parent.name for path in root.glob("*/model.onnx"))) or "none yet; run the lane first"
    raise DataUnavailable(f"{model}: no such model; give an ONNX file, or one of the lane's folds: {made}")


def _unseen(lane: Lane, home: Home, found: Folds, fold: Fold | None, model: Model) -> list[date]:
    """The sessions after all that the model was made from, before the hold-out."""
    days = [day for day in learnable(lane, home) if not found.holdout or day < found.holdout[0]]
    if fold is not None:
        first = bisect_left(days, fold.test[0]) if fold.test else len(days)
    else:  # of another model only its training is known: what lies between that and a test is as in the lane's folds
        between = (bisect_left(days, one.test[0]) - bisect_right(days, one.train[-1]) for one in found.folds)
        first = bisect_right(days, date.fromisoformat(model.papers.window[1])) + max(between)
    left = days[first:]
    if not left:
        raise Refused(
            "no session lies between what this model was made from and the hold-out; take an earlier fold's model"
        )
    return left
