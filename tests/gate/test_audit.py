"""The look-ahead audit lets the lane's own code through and catches every leak that is planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from scalper.errors import DataUnavailable
from scalper.features import Block
from scalper.gate.audit import Result, audit, audit_sessions
from scalper.gate.audit_decisions import decisions, simulated
from scalper.gate.audit_decisions import folds as audit_folds
from scalper.gate.audit_features import start
from scalper.gate.audit_labels import directions, labels
from scalper.gate.subject import Array, Subject, batch, perturb
from scalper.lake import Lake
from scalper.learn import Fold, Folds
from scalper.market import session
from scalper.policy import Choice
from scalper.settings import Lane
from tests.gate.sample import AFTER, DAYS, PATH, make_folds

Leak = Callable[[Subject, Array], Block]
DAILY = pl.DataFrame({"session": PATH, "fold": [number // 10 + 1 for number in range(len(PATH))]})


def outcome(results: list[Result]) -> dict[str, Result]:
    return {one["id"].removeprefix("audit."): one for one in results}


def leaking(change: Callable[[Array, Array], None]) -> Leak:
    """The lane's features with a flaw: `change` gets them and the bars."""

    def compute(subject: Subject, bars: Array) -> Block:
        block = batch(subject, bars)
        if bars.size > 2:
            change(block.x, bars)
        return block

    return compute


def next_close(x: Array, bars: Array) -> None:
    x[:-1, 3] = np.diff(bars["close"])


def every_997th(x: Array, bars: Array) -> None:
    rows = np.arange(996, bars.size - 1, 997)
    x[rows, 5] += (bars["close"][rows + 1] > bars["close"][rows]) + 1


def whole_session(x: Array, bars: Array) -> None:
    x[:, 7] -= np.float32(bars["close"].mean())


def centred(x: Array, bars: Array) -> None:
    x[1:-1, 2] = (x[:-2, 2] + x[1:-1, 2] + x[2:, 2]) / 3


def session_length(x: Array, bars: Array) -> None:
    x[:, 4] += bars.size


def long_memory(x: Array, bars: Array) -> None:
    x[:, 0] += np.arange(bars.size) // 600


def test_the_lane_itself_does_not_look_ahead(subjects: list[Subject]) -> None:
    results = outcome(audit_sessions(subjects, seed=1))
    assert {name for name, one in results.items() if not one["passed"]} == set(), results
    assert set(results) == {"features.future", "features.stream", "features.start", "labels", "decisions"}
    assert all(one["coverage"] for one in results.values())


@pytest.mark.parametrize("leak", [next_close, every_997th, whole_session, centred, session_length])
def test_a_feature_that_peeks_is_caught_with_its_column_and_time(
    leak: Callable[..., None], subjects: list[Subject]
) -> None:
    results = outcome(audit_sessions(subjects[:1], seed=1, compute=leaking(leak)))
    for name in ("features.future", "features.stream"):
        assert not results[name]["passed"], name
        assert "column " in results[name]["detail"]
        assert " at 2025-" in results[name]["detail"]
    if leak is every_997th:
        row = subjects[0].bars["ts_ns"][996].astype("datetime64[ns]").astype("datetime64[s]")
        column = subjects[0].columns[5].name
        assert results["features.stream"]["detail"].startswith(f"column {column} at {row}Z")


def test_a_volatility_that_peeks_is_caught(subjects: list[Subject]) -> None:
    def compute(subject: Subject, bars: Array) -> Block:
        block = batch(subject, bars)
        return Block(block.x, np.roll(block.volatility, -1))

    results = outcome(audit_sessions(subjects[:1], seed=1, compute=compute))
    assert "column volatility_ticks" in results["features.future"]["detail"]


def test_a_memory_longer_than_the_warm_up_is_caught(subjects: list[Subject]) -> None:
    wrong, _ = start(subjects, leaking(long_memory), np.random.default_rng(1))
    assert wrong is not None
    assert f"column {subjects[0].columns[0].name} " in wrong


def test_a_label_that_looks_further_than_it_says_is_caught(subjects: list[Subject]) -> None:
    def further(subject: Subject, bars: Array) -> tuple[Array, Array, Array]:
        label, move, end_ns = directions(subject, bars)
        move[:-15] += (bars["close"][15:] > 0) * (bars["close"][15:] % 2)
        return label, move, end_ns

    def late(subject: Subject, bars: Array) -> tuple[Array, Array, Array]:
        label, move, end_ns = directions(subject, bars)
        return label, move, end_ns - subject.lane.interval_ns

    def past_flat(subject: Subject, bars: Array) -> tuple[Array, Array, Array]:
        table = subject.timetable.copy()
        table["flat_ns"] = subject.session.close_ns
        return directions(replace(subject, timetable=table), bars)

    expected = {further: "is not the direction", late: "is not said to be known", past_flat: "beyond the flat time"}
    for label, words in expected.items():
        wrong, _ = labels(subjects, label, np.random.default_rng(1))
        assert wrong is not None
        assert words in wrong


def test_a_label_that_depends_on_later_bars_is_caught(subjects: list[Subject]) -> None:
    def whimsical(subject: Subject, bars: Array) -> tuple[Array, Array, Array]:
        label, move, end_ns = directions(subject, bars)
        if bars["close"][-1] != subject.bars["close"][-1]:
            label[:5] = -1
        return label, move, end_ns

    wrong, _ = labels(subjects, whimsical, np.random.default_rng(1))
    assert wrong is not None
    assert "beyond its horizon" in wrong


def test_a_decision_that_peeks_is_caught(subjects: list[Subject]) -> None:
    honest = simulated(Choice(0.7, 1.5, 2.0))

    def peeking(subject: Subject, bars: Array, predicted: Array) -> Array:
        found = honest(subject, bars, predicted)
        found["contracts"][:-1] += bars["close"][1:] > bars["close"][:-1]
        return found

    def late(subject: Subject, bars: Array, predicted: Array) -> Array:
        moved = predicted.copy()
        moved[:-1] = predicted[1:]
        return honest(subject, bars, moved)

    for decide in (peeking, late):
        wrong, _ = decisions(subjects, decide, np.random.default_rng(1))
        assert wrong is not None
        assert "decision at 2025-" in wrong


def test_decisions_without_an_order_are_no_evidence(subjects: list[Subject]) -> None:
    wrong, _ = decisions(subjects[:1], simulated(Choice(0.999, 1.5, 2.0)), np.random.default_rng(1))
    assert wrong is not None
    assert "nothing was audited" in wrong


def test_folds_in_order_pass(lake: Lake, lane: Lane) -> None:
    wrong, coverage = audit_folds(lake, lane, make_folds(), DAILY)
    assert wrong is None
    assert "13 folds" in coverage


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
        (replace(make_folds(), holdout=tuple(PATH[-5:] + AFTER)), "not before hold-out"),
    ],
)
def test_folds_that_overlap_are_caught(folds: Folds, words: str, lake: Lake, lane: Lane) -> None:
    wrong, _ = audit_folds(lake, lane, folds, DAILY)
    assert wrong is not None
    assert words in wrong


def test_a_label_that_ends_in_the_next_window_is_caught(lake: Lake, lane: Lane) -> None:
    fold = make_folds().folds[6]
    keys = {"lane": lane.name, "date": str(fold.train[-1])}
    end_ns = session(lane.symbol, fold.calibrate[0]).open_ns + 1
    lake.write("labels", keys, pl.DataFrame({"ts_ns": [1], "label": [2], "move_ticks": [4.0], "end_ns": [end_ns]}))
    try:
        wrong, _ = audit_folds(lake, lane, make_folds(), DAILY)
    finally:
        lake.path("labels", keys).unlink()
    assert wrong == f"fold_07: a label of {fold.train[-1]} is known only after calibrate has begun"


def test_a_path_traded_by_another_fold_is_caught(lake: Lake, lane: Lane) -> None:
    wrong, _ = audit_folds(lake, lane, make_folds(), DAILY.with_columns(fold=pl.lit(2)))
    assert wrong is not None
    assert "traded by fold 2" in wrong


def test_the_audit_of_a_lane_reads_the_lake(lake: Lake, lane: Lane) -> None:
    results = audit(lake, lane, DAYS[1:4], folds=make_folds(), daily=DAILY, sessions=1)
    assert all(one["passed"] for one in results), results
    assert results[-1]["id"] == "audit.folds"
    with pytest.raises(DataUnavailable, match="no session of lane tiny"):
        audit(lake, lane, DAYS[100:102], folds=make_folds(), daily=DAILY)


@pytest.mark.parametrize("kind", ["shuffle", "noise", "delete"])
def test_perturbed_bars_keep_their_past_and_stay_bars(kind: str, subjects: list[Subject]) -> None:
    bars = subjects[0].bars
    changed = perturb(bars, 200, kind, np.random.default_rng(2))  # pyright: ignore[reportArgumentType]
    assert changed[:201].tobytes() == bars[:201].tobytes()
    assert (changed["high"] >= np.maximum(changed["open"], changed["close"])).all()
    assert (changed["low"] <= np.minimum(changed["open"], changed["close"])).all()
    assert changed.tobytes() != bars.tobytes()
