"""The audit of labels lets the lane's own through, whatever the session, and catches each that looks too far."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scalper.gate.audit_labels import futures, kept, labels, made
from scalper.gate.subject import Array, Subject
from scalper.labels import FLAT_TIME, HALT, LABELLED, ROWS, SESSION_ENDS, STALE_GAP
from scalper.market import session
from tests.gate.leaks import BARRIERS, DAY, LABELS, lane_of, subject_of

TIGHT: dict[str, Any] = {"kind": "barrier", "horizon": 7, "stop": {"ticks": 9}, "target": {"ticks": 3}, "through": 0}
RATIO: dict[str, Any] = {
    "kind": "barrier",
    "horizon": 25,
    "stop": {"atr": 0.7, "min": 1, "max": 9},
    "target": {"reward_to_risk": 1.5},
}
KINDS: tuple[dict[str, Any], ...] = ({"horizon": 10}, {"horizon": 3, "threshold_ticks": 0.5}, BARRIERS, TIGHT, RATIO)
FEW = {"groups": ("returns", "volatility")}


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture(scope="module")
def minutes() -> Subject:
    """A session of one-minute bars with barrier labels, and a halt in the night."""
    one = session("MES", DAY)
    halted = replace(one, halts=((one.ny(8, 0), one.ny(8, 20)), *one.halts))
    return subject_of(lane_of("1m", BARRIERS, hours="all", policy={"stale_s": 60}), halted)


@st.composite
def sessions(draw: st.DrawFn) -> Subject:
    """A stretch of a session, around a halt, the end of the lane's hours, or nothing at all."""
    interval = draw(st.sampled_from(["1m", "1m", "5m", "1s"]))
    policy = {"stale_s": draw(st.sampled_from([2, 60, 150, 1000])), "end_of_day": {"before_stop_min": 1}}
    lane = lane_of(
        interval, draw(st.sampled_from(KINDS)), hours=draw(st.sampled_from(["all", "regular"])), policy=policy
    )
    lane = lane.model_copy(update={"features": lane.features.model_copy(update=FEW)})
    one = session("MES", DAY)
    size = draw(st.integers(1, {"1m": 200, "5m": 100, "1s": 700}[interval]))
    middle = draw(st.sampled_from([one.ny(10, 0), one.ny(16, 15), one.ny(16, 40)]))
    begin, end = middle, middle + draw(st.integers(1, 20)) * lane.interval_ns
    halts = ((begin // lane.interval_ns * lane.interval_ns, end // lane.interval_ns * lane.interval_ns),)
    first = max(
        one.open_ns, min(middle - draw(st.integers(0, size)) * lane.interval_ns, one.close_ns - size * lane.interval_ns)
    )
    present = draw(st.sampled_from([0.02, 0.3, 0.6, 1.0]))
    halted = replace(one, halts=halts if draw(st.booleans()) else ())
    bare = subject_of(lane, halted, seed=draw(st.integers(0, 99)), first=first, size=size, present=present)
    assume(bare.traded.size)
    windows = bare.windows.copy()
    windows["warm_up"] = 0
    return replace(bare, windows=windows)


@settings(max_examples=100, deadline=None)
@given(one=sessions())
def test_the_lanes_labels_are_those_of_an_own_reading(one: Subject) -> None:
    found = labels(one)
    assert found.wrong is None
    assert found.rows == kept(one, one.traded).size


@settings(max_examples=30, deadline=None)
@given(one=sessions(), seed=st.integers(0, 99))
def test_no_label_changes_with_bars_after_it_was_known(one: Subject, seed: int) -> None:
    assert futures(one, np.random.default_rng(seed)).wrong is None


def test_the_session_of_these_tests_has_a_row_for_every_reason(minutes: Subject) -> None:
    reasons = set(made(minutes, minutes.traded)["reason"].tolist())
    assert reasons >= {LABELLED, HALT, STALE_GAP, FLAT_TIME}
    short = subject_of(lane_of("1m", BARRIERS, hours="all"), size=300)
    assert SESSION_ENDS in made(short, short.traded)["reason"]


@pytest.mark.parametrize("name", LABELS)
def test_a_label_that_looks_too_far_is_caught_with_its_column_and_time(name: str, minutes: Subject) -> None:
    leak, column = LABELS[name]
    one = minutes
    if name == "across a halt":  # without another reason to have no label there
        one = replace(minutes, lane=lane_of("1m", BARRIERS, hours="all", policy={"stale_s": 7200}))
    found = labels(one, leak).wrong
    assert found is not None
    assert found.startswith(f"column {column} of the label at 2021-06-2")
    if name == "across a halt":
        assert "T11:" in found  # 07:50 New York, ten minutes before the halt


@pytest.mark.parametrize("name", ["a bar beyond the horizon", "admission by the path", "weights over all sessions"])
def test_other_futures_alone_would_have_caught_it_too(name: str, minutes: Subject) -> None:
    wrong = futures(minutes, rng(), LABELS[name][0]).wrong
    assert wrong is not None
    assert "when the bars after 2021-06-2" in wrong


def test_a_label_that_says_too_early_that_it_is_known_is_caught_by_other_futures(minutes: Subject) -> None:
    wrong = futures(minutes, rng(), LABELS["known earlier than it is"][0]).wrong
    assert wrong is not None
    assert "after it was said to be known" in wrong


def test_an_admission_that_follows_prices_is_caught(minutes: Subject) -> None:
    """Rows whose horizon is not over yet are admitted by what prices have done so far: no own reading is needed."""

    def admits(one: Subject, traded: Array) -> Array:
        found = made(one, traded)
        found["reason"][-5:] = np.where(traded["close"][-5:] % 2, LABELLED, FLAT_TIME)
        return found

    wrong = futures(minutes, rng(), admits).wrong
    assert wrong is not None
    assert "column reason" in wrong
    assert "with prices, not with the clock" in wrong


@pytest.mark.parametrize("name", ROWS.names or ())
def test_a_stored_label_that_is_not_what_its_bars_give_is_caught(name: str, minutes: Subject) -> None:
    found = made(minutes, minutes.traded)
    ts_ns = minutes.bars["ts_ns"][kept(minutes, minutes.traded)]
    held = pl.DataFrame({"ts_ns": ts_ns, **{key: np.ascontiguousarray(found[key]) for key in ROWS.names or ()}})
    assert labels(minutes, stored=held).wrong is None
    row = int(np.flatnonzero(found["reason"] == LABELLED)[20])
    changed = held[name].to_numpy().copy()
    changed[row] += 1
    wrong = labels(minutes, stored=held.with_columns(pl.Series(name, changed))).wrong
    when = str(ts_ns[row].astype("datetime64[ns]").astype("datetime64[s]"))
    assert wrong is not None
    assert wrong.startswith(f"column {name} of the label at {when}Z is stored as ")
    assert "of other rows" in str(labels(minutes, stored=held[1:]).wrong)
    assert f"lack column {name}" in str(labels(minutes, stored=held.drop(name)).wrong)
