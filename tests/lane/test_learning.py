"""What a fold's windows may hold, and what becomes of it: an outcome a fold, and the rest goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scalper import lane as stages
from scalper.errors import BadInput, Refused
from scalper.gate.audit_folds import folds as audit_folds
from scalper.lake import Lake
from scalper.lane.learning import folds
from scalper.lane.stage import models_root
from scalper.learn import Fold, fitting
from scalper.learn.dataset import load_horizon
from scalper.learn.digests import read_json
from scalper.learn.session import Sessions, traded_bars
from scalper.learn.train import train as really_train
from scalper.learn.walkforward import fold_table, walk
from scalper.market import sessions
from scalper.settings import Home
from scalper.simulate import Simulation, simulate
from tests.lane.support import Ran

Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture
def mine(ran: Ran, tmp_path: Path) -> Ran:
    """The tiny lane in a home of its own, without what was learned."""
    for part in ("data_lake", "state"):
        shutil.copytree(ran.home.root / part, tmp_path / part)
    shutil.rmtree(tmp_path / "state" / "models")
    return replace(ran, home=Home(root=tmp_path))


def edit(lane: Ran, kind: str, days: tuple[date, ...], change: Change) -> None:
    """Other rows in these sessions, and an input of their own, as other bars would have given."""
    lake = Lake(lane.home.lake)
    for day in days:
        keys = {"lane": lane.lane.name, "date": day.isoformat()}
        told = lake.metadata(kind, keys)
        lake.write(
            kind, keys, change(lake.read(kind, keys)), told | {"scalper.input": f"edited {told['scalper.input']}"}
        )


def label(keep: int | None, value: int) -> Change:
    """The first `keep` labels (None: all) become `value`, the others none."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        index = pl.int_range(pl.len())
        kept = pl.col("label").is_not_null() if keep is None else index < keep
        labelled = pl.when(pl.col("label") < 0).then(pl.col("label")).otherwise(value)
        return frame.with_columns(label=pl.when(kept).then(labelled).otherwise(-1).cast(pl.Int8))

    return change


def first(lane: Ran) -> Fold:
    return folds(lane.lane, lane.home).folds[0]


def outcomes(lane: Ran, *names: str) -> dict[str, str]:
    found = stages.models(lane.lane, lane.home, names).preview
    assert found is not None
    return dict(found.select("fold", "outcome").iter_rows())


def traded(mine: Ran, fold: Fold) -> tuple[Simulation, dict[str, Any]]:
    """The fold's test sessions as its recipe trades them, and its row of the fold table."""
    root, near = models_root(mine.lane, mine.home), sessions("MES", fold.train[0], fold.test[-1])
    path = walk(mine.lane, Sessions(mine.lane, Lake(mine.home.lake), near), root, [(fold, fold.test)])
    result = simulate(mine.lane, path.inputs)
    assert [one.date for one in path.inputs] == list(fold.test), "sessions without a trade count"
    return result, fold_table([fold], result, root, path.scored).to_dicts()[0]


def test_a_window_that_only_rests_gives_a_model_that_rests(mine: Ran) -> None:
    fold = first(mine)
    edit(mine, "labels", fold.train, label(None, 1))
    assert outcomes(mine, fold.name) == {fold.name: "trained; no row is DOWN; no row is UP"}
    stages.search(mine.lane, mine.home, [fold.name])
    result, row = traded(mine, fold)
    assert row["trades"] == 0
    assert not result.trades().height
    assert row["outcome"].startswith("trained; no row is DOWN")


def test_a_fold_without_a_model_trades_nothing_and_the_others_go_on(mine: Ran) -> None:
    fold, names = first(mine), ["fold_01", "fold_03"]
    edit(mine, "labels", fold.train, label(15, 2))
    found = outcomes(mine, *names)
    assert "135 rows can be learned from, 200 are wanted (model.least_rows)" in found["fold_01"]
    assert found["fold_03"] == "trained"
    searched = stages.search(mine.lane, mine.home, names).preview
    assert searched is not None
    assert searched["fold"].to_list() == names
    result, row = traded(mine, fold)
    assert row["outcome"].startswith("refused: lane tiny, fold_01, train window")
    assert (row["trades"], row["confidence"], row["best_round"], row["logloss"]) == (0, None, None, None)
    assert (result.daily()["net"] == 0).all()
    windows = folds(mine.lane, mine.home)
    daily = pl.DataFrame({"session": windows.folds[2].test, "fold": [3] * len(windows.folds[2].test)})
    shown = replace(windows, folds=(fold, windows.folds[2]), final=windows.folds[2])
    rows = {day: 100 for one in shown.folds for days in one.windows().values() for day in days}
    root = models_root(mine.lane, mine.home)
    assert audit_folds(Lake(mine.home.lake), mine.lane, shown, daily, rows, root).wrong is None


def test_infinite_and_constant_features(mine: Ran) -> None:
    fold = first(mine)
    edit(mine, "features", fold.train[:1], lambda one: one.with_columns(return_1=pl.lit(np.inf, pl.Float32)))
    assert "feature return_1 is infinite at ts_ns" in outcomes(mine, "fold_01")["fold_01"]
    edit(mine, "features", fold.train, lambda one: one.with_columns(return_1=pl.lit(0.5, pl.Float32)))
    assert outcomes(mine, "fold_01")["fold_01"] == "trained; without change: return_1"


def test_a_final_recipe_that_cannot_be_learned_stops_the_lane(mine: Ran) -> None:
    edit(mine, "labels", folds(mine.lane, mine.home).final.calibrate, label(None, -1))
    with pytest.raises(BadInput, match="final, calibration window: no row has a label"):
        stages.models(mine.lane, mine.home, ["final"])


def test_a_lake_that_changes_under_a_training_is_noticed(mine: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    fold, lake = first(mine), Lake(mine.home.lake)
    folder = models_root(mine.lane, mine.home) / fold.name

    def meddled(*args: Any, **given: Any) -> Any:
        found = really_train(*args, **given)
        edit(mine, "labels", fold.train[:1], label(None, 2))
        return found

    monkeypatch.setattr(fitting, "train", meddled)
    with pytest.raises(Refused, match="changed while it was trained"):
        fitting.fit(mine.lane, lake, fold, folder)
    assert not (folder / "model.onnx").exists()
    assert read_json(folder / "model.json")["outcome"].startswith("refused: fold_01: features or labels")
    monkeypatch.undo()
    assert fitting.fit(mine.lane, lake, fold, folder)["outcome"] == "trained"


def test_memory_that_is_not_there_is_told_before_the_training(mine: Ran) -> None:
    small = mine.lane.model_copy(update={"model": mine.lane.model.model_copy(update={"memory_mib": 1})})
    fold = first(mine)
    with pytest.raises(Refused, match=r"MiB.*memory: disk"):
        fitting.fit(small, Lake(mine.home.lake), fold, models_root(small, mine.home) / fold.name)


def test_labels_of_another_horizon_are_made_of_the_bars(mine: Ran) -> None:
    lane, lake, day = mine.lane, Lake(mine.home.lake), first(mine).train[0]
    found = load_horizon(lake, lane, 20, day)
    own = load_horizon(lake, lane, lane.labels.horizon, day)
    bars = traded_bars(lake, lane, sessions("MES", day, day)[0]).bars
    at = np.searchsorted(bars["ts_ns"], found.ts_ns)
    assert np.array_equal(own.ts_ns, found.ts_ns)
    known = np.flatnonzero(found.label >= 0)
    assert known.size > 300
    assert (own.label != found.label).any()
    ends = np.searchsorted(bars["ts_ns"], found.ts_ns[known] + 20 * 60_000_000_000)
    assert np.array_equal(found.move_ticks[known], bars["close"][ends] - bars["close"][at[known]])
    assert np.array_equal(found.end_ns[known], bars["ts_ns"][ends] + 60_000_000_000)
    assert np.array_equal(own.x, found.x, equal_nan=True)


def test_further_horizons_join_the_ensemble(mine: Ran) -> None:
    model = mine.lane.model.model_copy(update={"horizons": (20,), "rounds": 5})
    wide, fold = mine.lane.model_copy(update={"model": model}), first(mine)
    folder = models_root(wide, mine.home) / fold.name
    fitting.fit(wide, Lake(mine.home.lake), fold, folder)
    members = fitting.open_model(wide, folder / "model.onnx").papers.members
    assert [(one["horizon"], one["weight"]) for one in members] == [(8, 0.5), (20, 0.5)]


def test_a_session_that_changes_between_two_folds_is_read_anew(mine: Ran) -> None:
    """Folds share what they read; a lake that changes meanwhile must not leave old rows under a new digest."""
    lake, root = Lake(mine.home.lake), models_root(mine.lane, mine.home)
    one, two = folds(mine.lane, mine.home).folds[:2]
    stock = fitting.Stock.of(mine.lane, lake)
    fitting.fit(mine.lane, lake, one, root / one.name, stock)
    near = Sessions(mine.lane, lake, sessions("MES", one.train[0], two.search[-1]))
    was = near.ready(two.train[-1])
    edit(mine, "labels", two.train[-3:], label(None, 2))
    shared = fitting.fit(mine.lane, lake, two, root / two.name, stock)
    fresh = fitting.fit(mine.lane, lake, two, root / "elsewhere")
    assert shared["prior"] == fresh["prior"]
    assert shared["onnx"] == fresh["onnx"]
    assert near.ready(two.train[-1]) is not was


def test_two_that_train_the_same_model_do_it_once(mine: Ran) -> None:
    lane = mine.lane.model_copy(update={"model": mine.lane.model.model_copy(update={"memory": "disk"})})
    fold, lake, folder = first(mine), Lake(mine.home.lake), models_root(mine.lane, mine.home) / "fold_01"
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: fitting.fit(lane, lake, fold, folder), range(2)))
    assert sorted(one["skipped"] for one in found) == [False, True]


def test_few_rows_to_calibrate_on_give_no_model(mine: Ran) -> None:
    fold = first(mine)
    edit(mine, "labels", fold.calibrate, label(20, 2))
    assert "rows can be calibrated on, 100 are wanted" in outcomes(mine, fold.name)[fold.name]
