"""Label rows against a naive reading of the rules, what they never reach across, and what they never know."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalper.errors import BadInput
from scalper.labels import (
    DOWN,
    FLAT,
    FLAT_TIME,
    HALT,
    LABELLED,
    NONE,
    SESSION_ENDS,
    STALE_GAP,
    UP,
    balance,
    label_rows,
)
from scalper.market import BAR, carry
from scalper.settings import LabelSettings
from tests.labels.reference import DAY, MINUTE, SECOND, made, naive, rules, stretches, table

Case = tuple[np.ndarray, np.ndarray]


def labels(bars: np.ndarray, t: np.ndarray, s: LabelSettings, *, stale_s: int = 60, **given: np.ndarray) -> np.ndarray:
    """The labels of all bars, or of `index`."""
    index = given.get("index", np.arange(bars.size))
    volatility = given.get("volatility", np.full(index.size, 2.0))
    return label_rows(bars, index, volatility, t, s, stale_s=stale_s)


def flat_bars(n: int, start_ns: int, step: int) -> np.ndarray:
    return made(start_ns + np.arange(n) * step, np.random.default_rng(0), 0)


def up_to(horizon: int, **changes: float) -> LabelSettings:
    return LabelSettings.model_validate({"horizon": horizon, "threshold_ticks": 3.0} | changes)


@settings(max_examples=250)
@given(stretches(), rules(), st.sampled_from([5, 60]), st.integers(0, 2**32 - 1))
def test_labels_are_the_naive_ones_over_carried_bars(made: Case, s: LabelSettings, stale_s: int, seed: int) -> None:
    bars, t = made
    rng = np.random.default_rng(seed)
    index = np.flatnonzero(rng.random(bars.size) < rng.choice([0.3, 1.0]))
    volatility = rng.integers(1, 100, index.size) / 14
    rows = labels(bars, t, s, stale_s=stale_s, index=index, volatility=volatility)
    expected = naive(bars, index.tolist(), volatility, t, s, stale_s)
    for place, name in enumerate(("label", "reason", "move_ticks", "end_ns")):
        assert np.array_equal(rows[name], np.array([row[place] for row in expected], rows[name].dtype), equal_nan=True)
    assert rows["weight"] == pytest.approx([row[4] for row in expected], abs=1e-7)
    assert rows["stop_ticks"].tolist() == [row[5] for row in expected]
    assert rows["target_ticks"].tolist() == [row[6] for row in expected]


@settings(max_examples=200)
@given(stretches(), rules(), st.sampled_from([5, 60]))
def test_no_label_crosses_the_flat_time_a_halt_or_a_gap(made: Case, s: LabelSettings, stale_s: int) -> None:
    bars, t = made
    rows = labels(bars, t, s, stale_s=stale_s)
    step, stamps = int(t["interval_ns"][0]), bars["ts_ns"]
    has = rows["reason"] == LABELLED
    assert ((rows["label"] == NONE) == ~has).all()
    assert (np.isnan(rows["move_ticks"]) == ~has).all()
    assert ((rows["weight"] > 0) == has).all() and (rows["weight"] <= 1).all()
    begin, end = stamps[has], rows["end_ns"][has]
    assert (end > begin + step).all()
    assert (end <= t["flat_ns"][0]).all() and (end <= DAY.close_ns).all() and (end <= stamps[-1] + step).all()
    for halted, resumed in DAY.halts:
        assert ((end <= halted) | (begin >= resumed)).all()
    silent = np.flatnonzero(np.diff(stamps) - step > stale_s * SECOND)
    for before, after in zip(stamps[silent], stamps[silent + 1], strict=True):
        assert ((end <= before + step + stale_s * SECOND) | (begin >= after)).all()


@settings(max_examples=150)
@given(stretches(), rules(), st.integers(0, 2**32 - 1))
def test_a_row_knows_nothing_after_its_end_and_prices_admit_nobody(made: Case, s: LabelSettings, seed: int) -> None:
    bars, t = made
    rng = np.random.default_rng(seed)
    rows = labels(bars, t, s)
    cut = int(rng.integers(bars.size))
    other = bars.copy()
    for name in ("open", "high", "low", "close"):
        other[name][cut + 1 :] += rng.integers(-9, 10)
    again = labels(other, t, s)
    assert again["reason"].tolist() == rows["reason"].tolist()
    step, stamps = int(t["interval_ns"][0]), bars["ts_ns"]
    known = rows["end_ns"] <= stamps[cut] + step
    for name in ("label", "move_ticks", "end_ns"):
        assert np.array_equal(again[name][known], rows[name][known], equal_nan=True)
    later = np.minimum(np.arange(bars.size) + 2 * s.horizon, bars.size - 1)
    twice = stamps + 2 * s.horizon * step if step == SECOND else stamps[later]  # the lives that may overlap its own
    settled = twice <= stamps[cut]
    assert again["weight"][settled].tolist() == rows["weight"][settled].tolist()


@settings(max_examples=100)
@given(stretches(), rules(), st.integers(0, 149))
def test_a_session_cut_short_only_loses_labels(made: Case, s: LabelSettings, cut: int) -> None:
    """What a label says when the session goes on, it said already when its horizon had ended."""
    bars, t = made
    rows, short = labels(bars, t, s), labels(bars[: cut + 1], t, s)
    kept = short["reason"] == LABELLED
    for name in ("label", "reason", "move_ticks", "end_ns"):
        assert short[name][kept].tolist() == rows[name][: cut + 1][kept].tolist()
    lost = (rows["reason"][: cut + 1] == LABELLED) & ~kept
    assert (short["reason"][lost] == SESSION_ENDS).all()


@pytest.mark.kernel
def test_bounds_of_the_threshold_and_when_it_is_known() -> None:
    bars = flat_bars(6, DAY.ny(11, 0), MINUTE)
    bars["close"] = [100, 103, 104, 100, 97, 96]
    rows = labels(bars, table("1m"), up_to(1))
    assert rows["move_ticks"].tolist()[:5] == [3, 1, -4, -3, -1]
    assert rows["label"].tolist() == [FLAT, FLAT, DOWN, FLAT, FLAT, NONE]
    assert rows["end_ns"].tolist()[0] == DAY.ny(11, 2) and rows["end_ns"][5] == DAY.ny(11, 6)
    assert labels(bars, table("1m"), up_to(2))["label"].tolist() == [UP, FLAT, DOWN, DOWN, NONE, NONE]
    assert rows["weight"].tolist() == [1, 1, 1, 1, 1, 0]
    assert balance(rows) == {
        "down": 1, "flat": 4, "up": 0, "session ends": 1, "halt": 0, "stale gap": 0, "flat time": 0
    }  # fmt: skip


@pytest.mark.kernel
def test_the_flat_time_is_the_last_end() -> None:
    rows = labels(flat_bars(20, DAY.ny(15, 30), MINUTE), table("1m"), up_to(5))
    assert rows["end_ns"][rows["label"] != NONE].max() == DAY.ny(15, 45)
    assert rows["reason"].tolist() == [LABELLED] * 10 + [FLAT_TIME] * 10


@pytest.mark.kernel
@pytest.mark.parametrize(("missing", "reason"), [(1, LABELLED), (2, STALE_GAP)])
def test_one_missing_minute_is_not_stale_two_are(missing: int, reason: int) -> None:
    bars = flat_bars(4, DAY.ny(11, 0), MINUTE)
    bars["ts_ns"][2:] += missing * MINUTE
    assert labels(bars, table("1m"), up_to(1))["reason"].tolist() == [LABELLED, reason, LABELLED, SESSION_ENDS]


@pytest.mark.kernel
def test_no_label_ends_inside_a_stale_gap() -> None:
    """After 60 seconds without a trade a carried close is no price to learn from."""
    bars = flat_bars(2, DAY.ny(11, 0), 100 * SECOND)
    for horizon, reason in ((60, LABELLED), (61, STALE_GAP), (100, STALE_GAP), (101, SESSION_ENDS)):
        assert labels(bars, table("1s"), up_to(horizon))["reason"][0] == reason


@pytest.mark.kernel
def test_a_halt_breaks_labels_even_before_the_flat_time() -> None:
    bars = flat_bars(6, DAY.ny(16, 12), MINUTE)
    bars["ts_ns"][3:] += 15 * MINUTE
    rows = labels(bars, table("1m", flat_ns=DAY.close_ns), up_to(1), stale_s=3600)
    assert rows["reason"].tolist() == [LABELLED, LABELLED, HALT, LABELLED, LABELLED, SESSION_ENDS]


def test_prints_inside_a_halt_have_no_label() -> None:
    bars = flat_bars(4, DAY.ny(16, 20), SECOND)
    assert (labels(bars, table("1s", flat_ns=DAY.close_ns), up_to(1))["reason"] == HALT).all()


def test_carried_bars_and_unknown_volatility_are_refused() -> None:
    bars = flat_bars(2, DAY.ny(11, 0), 3 * SECOND)
    with pytest.raises(BadInput, match="traded bars"):
        labels(carry(bars, DAY, SECOND), table("1s"), up_to(1))
    by_atr = LabelSettings.model_validate({"kind": "barrier", "horizon": 1})
    with pytest.raises(BadInput, match="volatility"):
        labels(bars, table("1s"), by_atr, volatility=np.array([2.0, np.nan]))


def test_no_rows() -> None:
    assert labels(np.zeros(0, BAR), table("1m"), up_to(3)).size == 0
    assert labels(flat_bars(3, DAY.ny(11, 0), MINUTE), table("1m"), up_to(3), index=np.zeros(0, np.int64)).size == 0
