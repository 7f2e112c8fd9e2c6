"""The audit of a whole lane, and its audits of files, joins, folds and fits; with each flaw that is planted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from scalper.errors import DataUnavailable
from scalper.gate.audit import Made, audit, sample, walk
from scalper.gate.audit_fits import fits, refitted
from scalper.gate.audit_folds import folds as audit_folds
from scalper.gate.audit_stored import Predictions, joins, keys, stored
from scalper.gate.found import Found, Result, Tally
from scalper.gate.subject import Subject, every, spread
from scalper.lake import Lake, bar_keys
from scalper.learn import Feed, Fold, Folds, digests, fitting, ledger, train
from scalper.learn import walkforward as walking
from scalper.learn.dataset import Dataset, load
from scalper.learn.norms import Norms
from scalper.learn.search import choose
from scalper.learn.session import Sessions, labels_of, prepare
from scalper.market import session, sessions
from scalper.settings import Lane
from tests.gate.sample import AFTER, DAYS, PATH, make_folds, make_lake, make_lane

DAILY = pl.DataFrame({"session": PATH, "fold": [number // 10 + 1 for number in range(len(PATH))]})
LENGTHS = {"train": 4, "calibrate": 2, "search": 2, "test": 2}


def write_files(lake: Lake, lane: Lane, days: list[date]) -> None:
    """Features and labels of these sessions, as the lane's stages leave them."""
    near = sessions(lane.symbol, DAYS[0], days[-1])
    names = [column.name for _, one in every(lake, lane, days[:1]) if one for column in one.columns]
    for before, one in zip([None, *near], near, strict=False):
        if one.date not in days:
            continue
        ready = prepare(lake, lane, one, before)
        rows, volatility = ready.rows, ready.block.volatility
        ts = ready.bars["ts_ns"][rows]
        columns = dict(zip(names, ready.block.x[rows].T, strict=True))
        table = pl.DataFrame({"ts_ns": ts, **columns, "volatility_ticks": volatility[rows].astype(np.float32)})
        made = labels_of(lane, ready.bars, ready.timetable, volatility, rows)
        known = {"scalper.input": f"{one.date}"}
        lake.write("features", keys(lane, one.date), table, known)
        told = {name: np.ascontiguousarray(made[name]) for name in made.dtype.names or ()}
        lake.write("labels", keys(lane, one.date), pl.DataFrame({"ts_ns": ts, **told}), known)


@dataclass
class Small:
    """A lane of a dozen sessions that was learned and walked: one fold and the final recipe."""

    lane: Lane
    lake: Lake
    made: Made
    days: list[date]

    @property
    def fold(self) -> Fold:
        return self.made.folds.folds[0]

    def subject(self, day: date) -> Subject:
        return next(one for _, one in every(self.lake, self.lane, [day]) if one is not None)

    def copy(self, to: Path) -> Small:
        """The same in folders of its own, to tamper with."""
        shutil.copytree(self.lake.root, to / "lake")
        shutil.copytree(self.made.models, to / "models")
        return replace(self, lake=Lake(to / "lake"), made=replace(self.made, models=to / "models"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    root = tmp_path_factory.mktemp("small")
    lane = make_lane(search={"trials": 3}, gate={"bootstrap": 300})
    days = [one.date for one in sessions(lane.symbol, DAYS[0], DAYS[20])][:15]
    lake = make_lake(root / "lake", lane, days)
    write_files(lake, lane, days)
    fold = Fold(1, tuple(days[:5]), tuple(days[6:8]), tuple(days[9:11]), tuple(days[12:14]))
    final = Fold(0, fold.train, fold.calibrate, fold.search, ())
    folds, models = Folds((fold,), final, ()), root / "models"
    for one in folds.all():
        refitted(lane, lake, one, models / one.name)
    near = sessions(lane.symbol, days[0], days[-1])
    path = walking.walk(lane, Sessions(lane, lake, near), models, [(fold, fold.test)])
    daily = pl.DataFrame({"session": list(fold.test), "fold": [1, 1]})
    trials = root / "trials.jsonl"
    for one in folds.all():
        ledger.append(trials, ledger.read(models / one.name / "trials.jsonl"))
    return Small(lane, lake, Made(folds, models, daily, path.scored, trials), days)


@pytest.fixture
def mine(small: Small, tmp_path: Path) -> Small:
    return small.copy(tmp_path)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def outcome(results: list[Result]) -> dict[str, Result]:
    return {one["id"].removeprefix("audit."): one for one in results}


IDS = [
    *("features.stored", "features.stream", "features.future", "features.start", "sessions", "labels"),
    *("decisions", "joins", "folds", "fits"),
]


def test_an_honest_lane_passes_every_audit_and_says_how_much_was_looked_at(small: Small) -> None:
    results = audit(small.lake, small.lane, small.made)
    assert [one["id"] for one in results] == [f"audit.{name}" for name in IDS]
    assert {one["id"]: one["detail"] for one in results if not one["passed"]} == {}
    rows = sum(small.lake.read("features", keys(small.lane, day)).height for day in small.days)
    for one in results:
        assert one["of"] == rows > 4000
        assert one["coverage"] == round(one["rows"] / rows, 4) > 0
        assert json.loads(json.dumps(one)) == one
    found = outcome(results)
    for name in ("features.stored", "features.stream", "labels", "joins"):
        assert found[name]["coverage"] == 1.0
    assert "15 sessions" in found["features.stored"]["detail"]
    assert "predictions rescored" in found["joins"]["detail"]


def test_the_budget_of_rows_is_spent_on_sessions_drawn_by_the_seed(small: Small) -> None:
    lane = make_lane(gate={"audit_rows": 5 * 1380})
    chosen = sample(lane, small.days)
    assert len(chosen) == 5
    assert chosen == sample(lane, small.days) != sample(make_lane(gate={"audit_rows": 5 * 1380, "seed": 2}), small.days)
    assert sample(make_lane(gate={"audit_rows": 1}), small.days)
    assert sample(small.lane, small.days) == set(small.days)
    assert spread(small.days, 3) == [small.days[0], small.days[7], small.days[14]]


def test_what_looked_at_nothing_has_failed() -> None:
    nothing = Tally("labels")
    assert nothing.result(100)["passed"] is False
    nothing.add(Found(50, counts={"sessions": 1, "orders": 0}))
    assert nothing.result(100)["detail"] == "nothing was audited: no orders to look at"
    nothing.add(Found(25, counts={"sessions": 1, "orders": 3}))
    assert nothing.result(100) == {
        "id": "audit.labels", "passed": True, "detail": "2 sessions, 3 orders", "coverage": 0.75, "rows": 75, "of": 100
    }  # fmt: skip


def test_without_features_there_is_nothing_to_audit(small: Small, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="no features of lane tiny"):
        audit(Lake(tmp_path), small.lane, small.made)


# What is stored.


def shifted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.all().exclude("ts_ns").shift(-1).forward_fill())


def one_bit(frame: pl.DataFrame) -> pl.DataFrame:
    values = frame["rsi"].to_numpy().copy()
    values[137] = np.nextafter(values[137], np.float32(1e9))
    return frame.with_columns(rsi=pl.Series(values))


STORED: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "shifted by one row": (shifted, "column return_1 at "),
    "a column that holds the next row's": (lambda f: f.with_columns(pl.col("vwap").shift(-1)), "column vwap at "),
    "one bit of one number": (one_bit, "column rsi at "),
    "a label instead of a column": (lambda f: f.with_columns(ema_9=pl.lit(1.0).cast(pl.Float32)), "column ema_9 at "),
    "NaN in one number": (lambda f: f.with_columns(pl.col("atr").replace(f["atr"][9], float("nan"))), "column atr at "),
    "another volatility": (lambda f: f.with_columns(pl.col("volatility_ticks") + 1), "column volatility_ticks at "),
    "a row less": (lambda f: f[:-1], "is missing"),
    "a row more": (lambda f: pl.concat([f, f[-1:].with_columns(pl.col("ts_ns") + 1)]), "is none of the lane's"),
    "rows in another order": (lambda f: f.reverse(), "out of order"),
    "a column more": (lambda f: f.with_columns(oracle=pl.lit(1.0).cast(pl.Float32)), "other columns: oracle"),
    "columns in another order": (lambda f: f.select("ts_ns", "rsi", pl.all().exclude("ts_ns", "rsi")), "their order"),
}


@pytest.mark.parametrize("name", STORED)
def test_a_stored_file_that_is_not_what_its_bars_give_is_caught(name: str, mine: Small) -> None:
    change, words = STORED[name]
    day = mine.days[7]
    where = keys(mine.lane, day)
    mine.lake.write("features", where, change(mine.lake.read("features", where)))
    wrong = stored(mine.subject(day), mine.lake).wrong
    assert wrong is not None
    assert words in wrong
    assert wrong.endswith("; run the lane again, which makes damaged and edited files anew")
    if words.startswith("column"):
        assert f" at {day}T" in wrong


def test_rows_of_a_session_without_bars_are_caught(mine: Small) -> None:
    day = mine.days[0]
    mine.lake.delete("bars", bar_keys(mine.lane.source_key, mine.lane.symbol, mine.lane.interval, day))
    tallies, rows = walk(mine.lake, mine.lane, mine.days[:2], [("features.stored", set(), lambda _: Found())])
    assert f"session {day} has 390 rows of features, and the lake no bars" in str(tallies["features.stored"].wrong)
    assert rows == {day: 0, mine.days[1]: 390}


# What belongs together.


def joined_with(small: Small, day: date, scored: pl.DataFrame | None = None) -> str:
    predictions = Predictions(small.made.scored if scored is None else scored, small.made.models)
    return joins(small.subject(day), small.lake, predictions).wrong or ""


def test_labels_of_other_rows_are_caught(mine: Small) -> None:
    day = mine.days[6]
    held = mine.lake.read("labels", keys(mine.lane, day))
    flaws = {
        "the row of the labels at ": held.with_columns(pl.col("ts_ns") + 60_000_000_000),
        "column end_ns of the label at ": held.with_columns(end_ns=pl.col("ts_ns")),
    }
    for words, frame in flaws.items():
        mine.lake.write("labels", keys(mine.lane, day), frame)
        assert joined_with(mine, day).startswith(f"{words}{day}T")
    mine.lake.delete("labels", keys(mine.lane, day))
    assert joined_with(mine, day) == f"session {day} has features and no labels"


def test_rows_that_are_no_traded_bars_are_caught(mine: Small) -> None:
    day = mine.days[6]
    for kind in ("features", "labels"):
        held = mine.lake.read(kind, keys(mine.lane, day))
        mine.lake.write(kind, keys(mine.lane, day), held.with_columns(pl.col("ts_ns") + 1))
    assert "is no traded bar of MES" in joined_with(mine, day)


def test_predictions_of_other_rows_models_or_labels_are_caught(small: Small, mine: Small) -> None:
    day, scored = small.fold.test[0], small.made.scored
    assert joined_with(small, day) == ""
    rolled = scored.with_columns(pl.col("down", "flat", "up").shift(1).fill_null(0.3))
    assert joined_with(small, day, rolled).startswith(f"column down of the prediction at {day}T")
    assert joined_with(small, day, scored[:-1].with_columns(pl.col("ts_ns") + 1)).startswith(
        "the row of the predictions"
    )
    other = scored.with_columns(label=(pl.col("label") + 1) % 3)
    assert joined_with(small, day, other).endswith("was scored by another label")
    lane = make_lane(model={"rounds": 2, "threads": 1, "seed": 5, "subsample": 0.5}, search={"trials": 1})
    refitted(lane, mine.lake, mine.fold, mine.made.models / "fold_01")
    assert "is not made of its stored row" in joined_with(mine, day)
    shutil.rmtree(mine.made.models / "fold_01")
    assert "no such model" in joined_with(mine, day)


def test_files_that_are_missing_or_stale_fail_the_audit_and_do_not_end_it(mine: Small) -> None:
    mine.lake.delete("labels", keys(mine.lane, mine.fold.train[-1]))
    found = outcome(audit(mine.lake, mine.lane, mine.made, sessions=1))
    assert list(found) == IDS
    assert "has features and no labels" in found["joins"]["detail"]
    assert "a small fold cannot be fitted" in found["fits"]["detail"]
    assert not found["folds"]["passed"]
    assert found["labels"]["passed"]


# Folds.


def test_folds_in_order_pass(lake: Lake, lane: Lane) -> None:
    found = audit_folds(lake, lane, make_folds(), DAILY, dict.fromkeys(PATH, 390))
    assert found == Found(390 * len(PATH), counts={"folds": 13, "tested sessions": len(PATH)})


def _broken(change: Callable[[Fold], Fold]) -> Folds:
    good = make_folds()
    return replace(good, folds=(*good.folds[:4], change(good.folds[4]), *good.folds[5:]))


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        (_broken(lambda f: replace(f, train=(*f.train, f.calibrate[0]))), "train ends"),
        (_broken(lambda f: replace(f, search=(*f.search, f.test[0]))), "search ends"),
        (_broken(lambda f: replace(f, calibrate=(f.train[-1], *f.calibrate))), "train ends"),
        (_broken(lambda f: replace(f, search=f.search[::-1])), "out of order"),
        (_broken(lambda f: replace(f, test=make_folds().folds[5].test)), "tested by two folds"),
        (_broken(lambda f: replace(f, search=(*f.search[:-1], PATH[39]))), "lies no embargo"),
        (replace(make_folds(), holdout=tuple(PATH[-5:] + AFTER)), "not before hold-out"),
    ],
)
def test_folds_that_overlap_are_caught(folds: Folds, words: str, lake: Lake, lane: Lane) -> None:
    wrong = audit_folds(lake, lane, folds, DAILY, {}).wrong
    assert wrong is not None
    assert words in wrong


def test_a_label_that_ends_in_the_next_window_is_caught(lake: Lake, lane: Lane) -> None:
    fold = make_folds().folds[6]
    where = keys(lane, fold.train[-1])
    end_ns = session(lane.symbol, fold.calibrate[0]).open_ns + 1
    lake.write("labels", where, pl.DataFrame({"ts_ns": [1], "label": [2], "move_ticks": [4.0], "end_ns": [end_ns]}))
    try:
        wrong = audit_folds(lake, lane, make_folds(), DAILY, {}).wrong
    finally:
        lake.path("labels", where).unlink()
    assert wrong == f"fold_07: a label of {fold.train[-1]} is known only after calibrate has begun"


def test_a_path_traded_by_another_fold_is_caught(lake: Lake, lane: Lane) -> None:
    wrong = audit_folds(lake, lane, make_folds(), DAILY.with_columns(fold=pl.lit(2)), {}).wrong
    assert wrong is not None
    assert "traded by fold 2" in wrong


def test_a_model_or_a_choice_of_other_windows_is_caught(mine: Small) -> None:
    def wrong() -> str:
        made = mine.made
        return audit_folds(mine.lake, mine.lane, made.folds, made.daily, {}, made.models, scored).wrong or ""

    folder, scored = mine.made.models / "fold_01", mine.made.scored
    assert wrong() == ""
    scored = scored.with_columns(pl.col("threshold") + 0.01)
    assert wrong() == "fold_01: the path was traded at another threshold than its search chose"
    kept = {name: (folder / name).read_bytes() for name in ("choice.json", "model.json", "model.onnx")}
    later = replace(mine.fold, search=(*mine.fold.search, *mine.fold.test), test=())
    (folder / "choice.json").unlink()
    near = sessions(mine.lane.symbol, mine.days[0], mine.days[-1])
    choose(mine.lane, Sessions(mine.lane, mine.lake, near), later, folder, folder / "trials.jsonl")
    assert "the choice was not made on this fold's search window" in wrong()
    fitting.fit(mine.lane, mine.lake, replace(mine.fold, calibrate=mine.fold.calibrate[:1]), folder)
    assert "the model was not made from this fold's windows" in wrong()
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    # a record that says what it should, with a model that learned from other sessions
    fitting.fit(mine.lane, mine.lake, replace(mine.fold, train=mine.fold.train[1:]), folder)
    told = json.loads(kept["model.json"]) | {"onnx": digests.read_json(folder / "model.json")["onnx"]}
    (folder / "model.json").write_text(json.dumps(told))
    chosen = digests.choice_input(mine.lane, mine.lake, mine.fold, told["onnx"])[0]
    (folder / "choice.json").write_text(
        json.dumps(json.loads(kept["choice.json"]) | {"input": chosen, "study": chosen})
    )
    assert f"its model says it learned from {mine.fold.train[1]} to {mine.fold.train[-1]}" in wrong()


@pytest.mark.parametrize("name", ["fold_01", "final"])
def test_a_choice_that_does_not_follow_from_the_ledger_is_caught(name: str, mine: Small, tmp_path: Path) -> None:
    def wrong(trials: Path | None = mine.made.trials) -> str:
        made = mine.made
        return audit_folds(mine.lake, mine.lane, made.folds, made.daily, {}, made.models, None, trials).wrong or ""

    path = mine.made.models / name / "choice.json"
    record = json.loads(path.read_text())
    assert wrong() == ""
    assert wrong(tmp_path / "none.jsonl").startswith("fold_01: its choice does not follow from the ledger: trial 0 is")
    path.write_text(json.dumps(record | {"choice": record["choice"] | {"confidence": 0.4242}}))
    said = f"{name}: its choice does not follow from the ledger: "
    assert wrong() == f"{said}its choice is not what best_sharpe picks from its trials"
    path.write_text(json.dumps(record | {"trials": record["trials"][:-1], "number": 0}))
    assert wrong() == f"{said}the ledger has 1 more trials of its study"
    path.write_text(json.dumps(record | {"outcome": f"refused: {name}: bad luck"}))
    assert wrong() == f"{said}it has no choice, and a trial of it is complete"
    path.write_text(json.dumps(record))
    cut = tmp_path / "cut.jsonl"
    cut.write_text(str(mine.made.trials and mine.made.trials.read_text()).replace('"trades":', '"trade":', 1))
    assert "line 1 is not what was written there" in wrong(cut)


# What is fitted.


def calibrated_on_test(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> None:
    refitted(lane, lake, fold, folder)
    _trained(lane, lake, replace(fold, calibrate=fold.test), folder)


def learned_on_search(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> None:
    refitted(lane, lake, fold, folder)
    (first, *rest), train_days = fold.search, fold.train
    _trained(lane, lake, replace(fold, train=(*train_days, first), calibrate=tuple(rest)), folder)


def chosen_on_test(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> None:
    refitted(lane, lake, fold, folder)
    (folder / "choice.json").unlink()
    near = sessions(lane.symbol, fold.train[0], fold.test[-1])
    known = Sessions(lane, lake, near)
    choose(lane, known, replace(fold, search=fold.test, test=()), folder, folder / "trials.jsonl")


def binned_on_all(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> None:
    """Every feature is cut at deciles that the test sessions help to make."""
    edges = np.quantile(load(lake, lane.name, (*fold.train, *fold.test)).x, np.arange(0.1, 1, 0.1), axis=0)

    def binned(x: Any) -> Any:
        return np.stack([np.digitize(x[:, k], edges[:, k]) for k in range(x.shape[1])], axis=1)

    refitted(lane, lake, fold, folder)
    _trained(lane, lake, fold, folder, binned)


def scaled_on_all(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> None:
    """Every feature is divided by its deviation over all sessions."""
    wide = np.nanstd(load(lake, lane.name, (*fold.train, *fold.test)).x, axis=0) + 1
    refitted(lane, lake, fold, folder)
    _trained(lane, lake, fold, folder, lambda x: x / wide)


def _trained(lane: Lane, lake: Lake, fold: Fold, folder: Path, change: Callable[[Any], Any] = lambda x: x) -> None:
    """Replace a fold's model by one whose rows nobody purged, and perhaps changed."""

    def rows(days: tuple[date, ...]) -> Dataset:
        data = load(lake, lane.name, days)
        return replace(data, x=change(data.x).astype(np.float32))

    fitted = rows(fold.train)
    told: dict[str, Any] = {"lane": lane.name, "window": (fold.train[0], fold.train[-1])}
    feeds = Feed.of(fitted), Feed.of(rows(fold.calibrate))
    found = train(*feeds, lane.model, **told, data_digest="d", kernel_version="1")
    (folder / "model.onnx").write_bytes(found.onnx)


def medians_of_all(lane: Lane, lake: Lake, fold: Fold, folder: Path) -> None:
    """What is usual in a minute is told by medians that the test sessions help to make."""

    class All(Norms):
        def of(self, days: Iterable[date]) -> np.ndarray:
            return super().of((*days, *fold.test))

    fitting.fit(lane, lake, fold, folder, replace(fitting.Stock.of(lane, lake), norms=All(lane, lake)))
    near = sessions(lane.symbol, fold.train[0], fold.test[-1])
    choose(lane, Sessions(lane, lake, near), fold, folder, folder / "trials.jsonl")


FITS: dict[Any, str] = {
    calibrated_on_test: "calibration",
    chosen_on_test: "choice.json",
    learned_on_search: "after the calibration window",
    binned_on_all: "of the model",
    scaled_on_all: "of the model",
    medians_of_all: "minute_volatility, minute_volume of the model",
}


def test_what_is_fitted_does_not_change_with_later_rows(small: Small) -> None:
    found = fits(small.lake, small.lane, small.fold, rng())
    assert found.wrong is None
    assert found.rows == 11 * 390
    assert found.counts["fits"] == 3
    assert found.counts["trades in the search"] > 20


def test_nothing_is_fitted_but_the_model_with_its_calibration_and_the_choice(small: Small) -> None:
    """No scaler: what a fold learns lies in these files, and the audit compares them."""
    names = {path.name for path in (small.made.models / "fold_01").iterdir() if not path.name.startswith("trials")}
    assert names - {"training.lock"} == {"choice.json", "model.json", "model.onnx"}


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.__name__)
def test_a_fit_that_saw_later_rows_is_caught(fit: Any, small: Small) -> None:
    few = replace(small.fold, train=small.fold.train[-5:], calibrate=small.fold.calibrate[1:], test=small.fold.test[:1])
    wrong = fits(small.lake, small.lane, few, rng(), fit).wrong
    assert wrong is not None
    assert FITS[fit] in wrong
    first = few.search[0] if fit is learned_on_search else few.test[0]
    assert f"changes with the rows from {first} on" in wrong
